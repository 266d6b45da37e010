// TmLog: the manager's stream. The only code of this module that touches the log.
#ifndef CAIRN_TM_TM_LOG_H_
#define CAIRN_TM_TM_LOG_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <cairn/log.h>
#include <cairn/recovered_state.h>
#include <cairn/result.h>
#include <cairn/tm_record.h>

#include "transaction_machine.h"

namespace cairn::tm {

// Thread-safe. Its calls may wait for I/O: no lock of the manager is held over them, but for
// end_lsn().
class TmLog {
 public:
  // Gives the stream `name` of `log` to this object alone, in this process. With `create`, makes
  // the stream if need be and writes a first restart area with a new identity. Errors: kLocked,
  // kAlreadyExists, kNotFound, kRecoveryFailed, of the log.
  [[nodiscard]] static Result<std::shared_ptr<TmLog>> open(std::shared_ptr<log::Log> log,
                                                           const std::string& name, bool create,
                                                           std::uint64_t wall_clock_ns);
  TmLog(const TmLog&) = delete;
  TmLog& operator=(const TmLog&) = delete;
  ~TmLog();

  // As the newest restart area says.
  [[nodiscard]] const Uuid& tm_id() const { return tm_id_; }
  [[nodiscard]] const Uuid& log_id() const { return log_id_; }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] const std::string& stream_name() const { return name_; }
  // Bytes of the log at most, as it was opened; 0: no maximum.
  [[nodiscard]] std::uint64_t max_size() const { return max_size_; }
  // Payload bytes of the largest record.
  [[nodiscard]] std::size_t max_record() const { return max_record_; }

  // What the stream holds from its base on. Errors: of the fold and the log.
  // `up_to`: before the first decision of a higher virtual clock.
  [[nodiscard]] Result<recovery::PackedState> read(
      std::optional<std::uint64_t> up_to = std::nullopt) const;
  // Gives the manager a new identity, with the clock that `state` has.
  [[nodiscard]] Status rename(const recovery::RecoveredFacts& state, std::uint64_t wall_clock_ns);

  // Space for so many records of `bytes` payload each, and with `forget` for a forget record.
  // Error: kLogFull.
  [[nodiscard]] Result<log::Reservation> reserve(std::uint32_t records, std::size_t bytes,
                                                 bool forget);
  // Space for so many records of `bytes` payload in all. Error: kLogFull.
  [[nodiscard]] Result<log::Reservation> reserve_sum(std::uint32_t records, std::uint64_t bytes) {
    return stream_.reserve(records, bytes);
  }
  // Appends; durable only once forced. Space comes from `room` as far as it reaches.
  [[nodiscard]] Result<Lsn> append(const recovery::TransactionRecord& record,
                                   log::Reservation& room);
  [[nodiscard]] Result<Lsn> append(const recovery::ForgetRecord& record, log::Reservation& room);
  // The same of a record that is encoded.
  [[nodiscard]] Result<Lsn> append(std::span<const std::byte> payload, recovery::RecordType type,
                                   log::Reservation& room);
  // The forced write of the commit: calls back when the record at `lsn` is durable. Everything that
  // the manager promises after a crash rests on the callback not coming earlier.
  void force(Lsn lsn, log::DurableCallback done);
  // Waits for what force() began, helping it on. Errors: kTimeout, and those that mean that it can
  // no longer become durable.
  [[nodiscard]] Status wait_forced(Lsn lsn, std::optional<std::chrono::nanoseconds> limit);
  // What an error of append() or force() means for the record.
  [[nodiscard]] static TransactionEvent verdict_on_append(const Status& status);
  [[nodiscard]] static TransactionEvent verdict_on_force(const Status& status);

  // A durable restart area that moves the base. Former identities are added to it.
  [[nodiscard]] Status checkpoint(recovery::RestartRecord record, Lsn base);

  // Gives up the restart area before the newest, which pins the log's tail until the next one.
  [[nodiscard]] Status drop_previous_checkpoint() { return stream_.advance_base(stream_.base()); }

  // Who is asked to move the base when the log is short of space, by its own or by other streams;
  // an empty callback: nobody, and none runs any more on return.
  [[nodiscard]] Status on_advance_request(log::AdvanceCallback callback) {
    return stream_.on_advance_request(std::move(callback));
  }
  // That it could not be moved so far, and why: who waits for space is told.
  [[nodiscard]] Status advance_failed(const Status& why) { return stream_.advance_failed(why); }

  // No record appended from now on gets a lower LSN. Waits for nothing.
  [[nodiscard]] Lsn end_lsn() const { return log_->end_lsn(); }
  [[nodiscard]] Lsn base() const { return stream_.base(); }
  // Appended since the last checkpoint.
  [[nodiscard]] std::uint64_t bytes_since_checkpoint() const { return bytes_; }
  // Lets a log without a thread of its own work.
  void drive();

 private:
  TmLog(std::shared_ptr<log::Log> log, std::string name, const log::LogInfo& info);
  [[nodiscard]] Status make(std::uint64_t wall_clock_ns);
  [[nodiscard]] Status find();

  const std::shared_ptr<log::Log> log_;
  const std::string name_;
  const Uuid log_id_;
  const std::string path_;
  const std::size_t max_record_;
  const std::uint64_t max_size_;
  log::Stream stream_;
  Uuid tm_id_;
  std::vector<recovery::FormerIdentity> former_;
  std::atomic<std::uint64_t> bytes_{0};
};

}  // namespace cairn::tm

#endif  // CAIRN_TM_TM_LOG_H_
