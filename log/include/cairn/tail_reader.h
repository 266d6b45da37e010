// TailReader: reads a log forward and waits for more.
//
//   auto reader = log->follow({.stream = stream.id(), .name = "replica"});
//   for (;;) {
//     auto record = reader->next();
//     if (record.code() == StatusCode::kStartOfLog) {  // what was missed: the detail
//       if (!reader->resume()) return;
//       continue;
//     }
//     if (!record) return;  // closed, poisoned, damaged
//     use(**record);
//   }
#ifndef CAIRN_TAIL_READER_H_
#define CAIRN_TAIL_READER_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <cairn/record.h>
#include <cairn/result.h>

namespace cairn::log {

class LogCore;

struct FollowOptions {
  // The first record at or behind `start`; null: from the stream's base (all streams: from the
  // log's tail); invalid(): from what is durable now, so that only later records are shown.
  Lsn start{};
  std::optional<StreamId> stream{};    // only this stream; unset: all, in log order
  std::vector<std::uint16_t> types{};  // only these record types; empty: all
  bool catalog = false;                // also the engine's own records (only without a stream)
  // Bytes that the reader alone may keep from being recycled, counted from where it stands to where
  // the log's tail would be without it. Beyond, and also when an append would meet a full log
  // otherwise, its pin is given up. 0: it pins nothing.
  std::uint64_t max_pinned_bytes = std::uint64_t{64} << 20;
  std::string name{};  // shown in LogInfo::pins
};

// Sees durable records only, so it waits for them to become durable; it makes nothing durable
// itself (the idle mark does, OpenOptions::idle_mark). Its pin is shown in LogInfo::pins, holds
// back no append, and does not survive the Log: where to go on after a reopen is the reader's to
// remember, and a stream's base is what keeps records for it. For one thread at a time, any number
// of readers beside each other. Must not outlive its Log.
class TailReader {
 public:
  TailReader(TailReader&&) noexcept;
  TailReader& operator=(TailReader&&) noexcept;
  ~TailReader();

  // The next record; waits for one up to `limit`, without end if there is none, and yields nothing
  // when the time is up. `payload` is valid until the next call. Errors: kStartOfLog (the pin was
  // given up: records in [lsn_begin, lsn_end) of the detail were not read and are lost to this
  // reader; repeated until resume()); kPoisoned, kClosed (after all that is durable was shown);
  // kCorrupt, kIoError as Cursor::next().
  [[nodiscard]] Result<std::optional<Record>> next(
      std::optional<std::chrono::nanoseconds> limit = std::nullopt);

  // After kStartOfLog: goes on at the log's tail, with a new pin. Otherwise changes nothing. Error:
  // kClosed.
  [[nodiscard]] Status resume();

  // Where reading goes on: every wanted record before was shown.
  [[nodiscard]] Lsn position() const;

 private:
  friend class LogCore;
  class Impl;
  explicit TailReader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace cairn::log

#endif  // CAIRN_TAIL_READER_H_
