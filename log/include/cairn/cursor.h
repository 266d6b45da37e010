// Cursor: reads records in one of three orders.
#ifndef CAIRN_CURSOR_H_
#define CAIRN_CURSOR_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include <cairn/record.h>
#include <cairn/result.h>

namespace cairn::log {

enum class ReadOrder : std::uint8_t {
  kForward,   // by ascending LSN
  kPrevious,  // along `previous`, from the start record back
  kUndoNext,  // along `undo_next`, from the start record back
};

struct ReadOptions {
  ReadOrder order = ReadOrder::kForward;
  // Forward: the first record at or behind `start`; null: from the stream's base (all streams: from
  // the log's tail). Chains: the exact LSN of a record.
  Lsn start{};
  // Forward: stop before this LSN. Null: the end of what is durable when the cursor gets there.
  Lsn end{};
  // Only this stream; unset: all streams, in log order.
  std::optional<StreamId> stream{};
  // Only these record types (client types); empty: all.
  std::vector<std::uint16_t> types{};
  // Also the engine's own records of stream 0 (only without a stream filter).
  bool catalog = false;
};

class ReadSource;

// A cursor sees durable records only: what it shows cannot vanish in a crash. Asked for a record
// that is appended and not yet durable, a chain cursor flushes it first. Each cursor is for one
// thread at a time; any number of cursors may run beside each other and beside appends. Must not
// outlive its Log or LogView.
class Cursor {
 public:
  Cursor(Cursor&&) noexcept;
  Cursor& operator=(Cursor&&) noexcept;
  ~Cursor();

  // The next record, or nothing at the end (of what is durable now; calling again later may yield
  // more; of a chain whose link is null, or points behind the base). Errors: kCorrupt with the LSN
  // range, kLsnInvalid (a chain's start is no record), kIoError, kContainerMissing. An error is
  // repeated by each later call.
  [[nodiscard]] Result<std::optional<Record>> next();

 private:
  friend class ReadSource;
  class Impl;
  explicit Cursor(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace cairn::log

#endif  // CAIRN_CURSOR_H_
