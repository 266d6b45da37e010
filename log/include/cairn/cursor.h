// Cursor: reads records in one of four orders.
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
  kBackward,  // by descending LSN, from the durable end or the start record back
};

struct ReadOptions {
  ReadOrder order = ReadOrder::kForward;
  // Forward: the first record at or behind `start`; null: from the stream's base (all streams: from
  // the log's tail). Backward: the first record at or before `start`, which must lie before the
  // log's end; null: from the durable end. Chains: the exact LSN of a record.
  Lsn start{};
  // Forward: stop before this LSN. Null: the end of what is durable when the cursor gets there.
  // Backward: show no record before this LSN. Null: down to the stream's base (all streams: to the
  // log's tail), as they were when the cursor began.
  Lsn end{};
  // Only this stream; unset: all streams, in log order.
  std::optional<StreamId> stream{};
  // Only these record types (client types); empty: all.
  std::vector<std::uint16_t> types{};
  // Also the engine's own records of stream 0 (only without a stream filter).
  bool catalog = false;
};

class ReadHorizon;
class ReadSource;
class Walk;

// A cursor sees durable records only: what it shows cannot vanish in a crash. Asked for a record
// that is appended and not yet durable, a chain cursor (and a backward one for its start) flushes
// it first. Each cursor is for one thread at a time; any number of cursors may run beside each
// other and beside appends, truncations and the recycling of containers. A cursor pins nothing: one
// that the log's tail passes gets kStartOfLog, never other bytes, and never kCorrupt for that
// reason (a TailReader pins what it has not read). Must not outlive its Log or LogView.
class Cursor {
 public:
  Cursor(Cursor&&) noexcept;
  Cursor& operator=(Cursor&&) noexcept;
  ~Cursor();

  // The next record, or nothing at the end (of what is durable now; calling again later may yield
  // more; of a chain whose link is null, or points behind the base). Errors: kStartOfLog (the log's
  // tail passed the place where the cursor stood: lsn_begin; the tail is now lsn_end), kCorrupt
  // with the LSN range, kLsnInvalid (a chain's start is no record; a backward start is behind the
  // base or not before the end), kIoError, kContainerMissing. An error is repeated by each later
  // call.
  [[nodiscard]] Result<std::optional<Record>> next();

 private:
  friend class ReadSource;
  explicit Cursor(std::unique_ptr<Walk> walk);
  std::unique_ptr<Walk> walk_;
};

}  // namespace cairn::log

#endif  // CAIRN_CURSOR_H_
