// TmCore, checkpoints: restart areas that move the base, and records carried forward so that it can
// move.
#include <algorithm>
#include <utility>

#include "inline_delivery.h"
#include "tm_core.h"

namespace cairn::tm {

Status TmCore::checkpoint() noexcept {
  std::unique_lock lock(mutex_);
  if (!durable_) return Status(StatusCode::kTmVolatile, "a volatile manager has no log");
  CAIRN_RETURN_IF_ERROR(check_online_locked(StatusCode::kNotOnline));
  const std::shared_ptr<TmLog> log = log_;
  lock.unlock();
  return write_checkpoint(*log);
}

// The log asks on a thread of its own, or in run_background(), without its locks held.
Status TmCore::hear_advance_requests(TmLog& log) {
  return log.on_advance_request([this](const log::AdvanceRequest& request) {
    const std::lock_guard lock(mutex_);
    advance_to_ = std::max(advance_to_, request.target);
    wake_if_due_locked();
  });
}

bool TmCore::checkpoint_due_locked() const {
  if (log_ == nullptr) return false;
  if (!advance_to_.is_null()) return true;
  if (log_->bytes_since_checkpoint() == 0) return false;
  if (log_->bytes_since_checkpoint() >= options_.checkpoint_bytes) return true;
  return options_.checkpoint_interval.count() > 0 &&
         now() - last_checkpoint_ >= options_.checkpoint_interval;
}

Status TmCore::write_checkpoint(TmLog& log) {
  const InlineDelivery delivery;
  const std::lock_guard one(checkpoint_);
  std::unique_lock lock(mutex_);
  const Lsn asked = std::exchange(advance_to_, Lsn());
  lock.unlock();
  carry_forward(log, asked);
  lock.lock();
  const recovery::RestartRecord record{id_, protocol_.clock(), wall_clock_ns(), {}};
  // The end is read under the lock: a decision that is on its way has set its pin before, or comes
  // behind.
  const Lsn pin = protocol_.oldest_pin();
  const Lsn base = pin.is_null() ? log.end_lsn() : pin;
  const bool moves_soon = !protocol_.writing().empty();
  lock.unlock();
  CAIRN_RETURN_IF_ERROR(log.checkpoint(record, base));
  // The restart area before it holds the log back as well.
  if (!asked.is_null()) CAIRN_RETURN_IF_ERROR(log.drop_previous_checkpoint());
  // What is on its way to the disk will move by itself, and the log asks again.
  if (base < asked && !moves_soon) {
    CAIRN_RETURN_IF_ERROR(
        log.advance_failed(Status(StatusCode::kLogFull, "transaction manager " + id_.to_string() +
                                                            " still needs what is there from LSN " +
                                                            base.to_string() + " on")));
  }
  lock.lock();
  last_checkpoint_ = now();
  ++checkpoints_;
  return Status::ok();
}

// A copy takes its original's place as soon as it is appended: the base moves with a restart area
// behind it in the log, and that is not durable before the copy is. A transaction that is finished
// meanwhile writes its forget record behind the copy.
// So is what lies before `asked`, which the log wants back. However much is pinned, each record is
// copied at most once in four times as many bytes: copies are a share of what is written, not a
// multiple.
void TmCore::carry_forward(TmLog& log, Lsn asked) {
  std::unique_lock lock(mutex_);
  const Lsn end = log.end_lsn();
  constexpr std::uint64_t kBetweenCopies = 4;
  std::uint64_t distance =
      std::max(options_.carry_forward_bytes, kBetweenCopies * protocol_.pinned_bytes());
  // In a small log sooner: once it is full nothing can be copied.
  if (log.max_size() != 0) distance = std::min(distance, log.max_size() / 4);
  const Lsn before = std::max(asked, Lsn(end.value() > distance ? end.value() - distance : 0));
  for (const TransactionPtr& transaction : protocol_.logged_before(before)) {
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
