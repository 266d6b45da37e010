// TmCore, checkpoints: restart areas that move the base, and records carried forward so that it can
// move.
#include <algorithm>

#include "tm_core.h"

namespace cairn::tm {

Status TmCore::checkpoint() {
  std::unique_lock lock(mutex_);
  if (!durable_) return Status(StatusCode::kTmVolatile, "a volatile manager has no log");
  CAIRN_RETURN_IF_ERROR(check_online_locked(StatusCode::kNotOnline));
  const std::shared_ptr<TmLog> log = log_;
  lock.unlock();
  return write_checkpoint(*log);
}

bool TmCore::checkpoint_due_locked() const {
  if (log_ == nullptr || log_->bytes_since_checkpoint() == 0) return false;
  if (log_->bytes_since_checkpoint() >= options_.checkpoint_bytes) return true;
  return options_.checkpoint_interval.count() > 0 &&
         now() - last_checkpoint_ >= options_.checkpoint_interval;
}

Status TmCore::write_checkpoint(TmLog& log) {
  const std::lock_guard one(checkpoint_);
  carry_forward(log);
  std::unique_lock lock(mutex_);
  const recovery::RestartRecord record{id_, protocol_.clock(), wall_clock_ns(), {}};
  // The end is read under the lock: a decision that is on its way has set its pin before, or comes
  // behind.
  const Lsn pin = protocol_.oldest_pin();
  const Lsn base = pin.is_null() ? log.end_lsn() : pin;
  lock.unlock();
  CAIRN_RETURN_IF_ERROR(log.checkpoint(record, base));
  lock.lock();
  last_checkpoint_ = now();
  ++checkpoints_;
  return Status::ok();
}

// A copy takes its original's place as soon as it is appended: the base moves with a restart area
// behind it in the log, and that is not durable before the copy is. A transaction that is finished
// meanwhile writes its forget record behind the copy.
void TmCore::carry_forward(TmLog& log) {
  std::unique_lock lock(mutex_);
  const Lsn end = log.end_lsn();
  // In a small log sooner: once it is full nothing can be copied.
  const std::uint64_t distance = log.max_size() == 0
                                     ? options_.carry_forward_bytes
                                     : std::min(options_.carry_forward_bytes, log.max_size() / 4);
  if (end.value() <= distance) return;
  for (const TransactionPtr& transaction : protocol_.logged_before(Lsn(end.value() - distance))) {
    // It may have moved on while another one was copied.
    if (!protocol_.begin_copy(*transaction)) continue;
    recovery::TransactionRecord copy = *transaction->record;
    if (copy.original.is_null()) copy.original = transaction->record_lsn;
    lock.unlock();
    log::Reservation none;
    const Result<Lsn> lsn = log.append(copy, none);
    lock.lock();
    // When the log is full the original stays where it is, and pins it.
    if (lsn) ++carried_forward_;
    protocol_.end_copy(transaction, lsn);
  }
  finish(lock);
}

}  // namespace cairn::tm
