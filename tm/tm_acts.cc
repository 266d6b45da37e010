// TmCore, what administrators ask of it: freezing, and resolving transactions by hand.
#include <string>

#include <cairn/deadline.h>

#include "inline_delivery.h"
#include "tm_core.h"

namespace cairn::tm {
namespace {

Status check_administrator(const Administrator& by) {
  if (!by.why.empty() && by.who.size() <= kMaxWho && by.why.size() <= kMaxWhy) return Status::ok();
  return Status(StatusCode::kInvalidArgument,
                "who of " + std::to_string(by.who.size()) + " and why of " +
                    std::to_string(by.why.size()) + " bytes, expected at most " +
                    std::to_string(kMaxWho) + ", and 1 to " + std::to_string(kMaxWhy));
}

Status no_live_transaction(const Uuid& id) {
  return Status(StatusCode::kNotFound, "no live transaction " + id.to_string());
}

Status check_act_count(const TransactionObject& transaction, std::size_t more) {
  if (transaction.acts.size() + more <= recovery::kMaxActs) return Status::ok();
  return Status(StatusCode::kResourceExhausted,
                "transaction " + transaction.id.to_string() + ": no more than " +
                    std::to_string(recovery::kMaxActs) + " acts by hand");
}

}  // namespace

Status TmCore::freeze(std::chrono::nanoseconds limit, std::chrono::nanoseconds hold) noexcept {
  if (limit.count() < 0 || hold.count() <= 0) {
    return Status(StatusCode::kInvalidArgument,
                  "freeze: expected a limit of 0 or more and a hold "
                  "above 0, found " +
                      std::to_string(limit.count()) + " and " + std::to_string(hold.count()) +
                      " ns");
  }
  force_all_here();
  const auto begin = std::chrono::steady_clock::now();
  const auto left = [&] {
    return std::max(std::chrono::nanoseconds(0),
                    limit - (std::chrono::steady_clock::now() - begin));
  };
  std::unique_lock lock(mutex_);
  CAIRN_RETURN_IF_ERROR(check_online_locked(StatusCode::kNotOnline));
  if (protocol_.frozen()) return Status(StatusCode::kRequestNotValid, "decisions are frozen");
  protocol_.freeze();
  const std::uint64_t mine = ++freezes_;
  frozen_until_ = now() + std::min(hold, std::chrono::nanoseconds::max() - now());
  // Those that are on their way already are let through.
  while (protocol_.frozen() && freezes_ == mine) {
    const std::vector<TransactionPtr> writing = protocol_.writing();
    if (writing.empty()) {
      wake_if_due_locked();
      return Status::ok();
    }
    const TransactionPtr& transaction = writing.front();
    const Lsn lsn = transaction->in_flight;
    const std::shared_ptr<TmLog> log = log_;
    bool late = left().count() == 0;
    if (!late && lsn.is_null()) {  // its thread is about to append it
      transaction->changed.wait_until(lock, deadline_after(left()));
    } else if (!late) {
      lock.unlock();
      const Status forced = log->wait_forced(lsn, left());
      late = forced.code() == StatusCode::kTimeout;
      if (!late) settle(transaction, lsn, TmLog::verdict_on_force(forced), forced);
      lock.lock();
    }
    if (late && freezes_ == mine) {  // not another one that began meanwhile
      protocol_.thaw();
      finish(lock);
      return Status(StatusCode::kTimeout,
                    "a decision was still on its way to the log when the time limit passed");
    }
  }
  return Status(StatusCode::kRequestNotValid,
                "the freeze ended before it had begun: thaw(), its hold, or the manager's end");
}

Status TmCore::thaw() noexcept {
  std::unique_lock lock(mutex_);
  if (!protocol_.frozen()) return Status(StatusCode::kRequestNotValid, "nothing is frozen");
  protocol_.thaw();
  finish(lock);
  return Status::ok();
}

Status TmCore::resolve(const Uuid& unit_of_work, Outcome outcome,
                       const Administrator& by) noexcept {
  CAIRN_RETURN_IF_ERROR(check_administrator(by));
  if (outcome != Outcome::kCommitted && outcome != Outcome::kAborted) {
    return Status(StatusCode::kInvalidArgument, "outcome " + std::string(outcome_name(outcome)) +
                                                    ", expected Committed or Aborted");
  }
  const recovery::Act act{{}, wall_clock_ns(), by.who, by.why};
  std::unique_lock lock(mutex_);
  CAIRN_RETURN_IF_ERROR(check_online_locked(StatusCode::kNotOnline));
  const TransactionPtr transaction = protocol_.find_transaction(unit_of_work);
  if (transaction == nullptr) return no_live_transaction(unit_of_work);
  CAIRN_RETURN_IF_ERROR(protocol_.check_in_doubt(*transaction));
  CAIRN_RETURN_IF_ERROR(check_act_count(*transaction, 1));
  const std::shared_ptr<TmLog> log = log_;
  const std::size_t bytes = record_bytes(*transaction) + recovery::act_bytes(act) + 4;
  lock.unlock();
  // Who and why were not reckoned with. A log that refuses the record would end the manager.
  log::Reservation room;
  if (log != nullptr) {
    if (bytes > log->max_record()) {
      return Status(StatusCode::kRecordTooLong,
                    "with this act the record takes " + std::to_string(bytes) + " bytes");
    }
    CAIRN_ASSIGN_OR_RETURN(room, log->reserve(1, bytes, false));
  }
  lock.lock();
  CAIRN_RETURN_IF_ERROR(check_online_locked(StatusCode::kNotOnline));
  // The superior may have decided meanwhile: then the room goes back with this call.
  CAIRN_RETURN_IF_ERROR(protocol_.check_in_doubt(*transaction));
  if (log != nullptr) {
    transaction->room.merge(std::move(room));
    transaction->room_for_record = bytes;
    transaction->lacks_room = false;
  }
  protocol_.resolve(transaction, outcome, act);
  finish(lock);
  const Status decided = wait(transaction, WaitFor::kDecided, std::nullopt);
  const bool as_asked = outcome == Outcome::kCommitted
                            ? decided.is_ok()
                            : decided.code() == StatusCode::kAlreadyAborted;
  return as_asked ? Status::ok() : decided;
}

Status TmCore::give_up(const Uuid& unit_of_work, const Uuid& resource_manager,
                       const Administrator& by) noexcept {
  CAIRN_RETURN_IF_ERROR(check_administrator(by));
  const InlineDelivery delivery;
  const std::lock_guard one(checkpoint_);  // which copies records
  std::unique_lock lock(mutex_);
  if (!durable_) return Status(StatusCode::kTmVolatile, "a volatile manager keeps nothing for it");
  CAIRN_RETURN_IF_ERROR(check_online_locked(StatusCode::kNotOnline));
  const TransactionPtr transaction = protocol_.find_transaction(unit_of_work);
  if (transaction == nullptr) return no_live_transaction(unit_of_work);
  std::vector<recovery::Act> acts;
  for (const EnlistmentPtr& enlistment : transaction->enlistments) {
    if (enlistment->resource_manager->id != resource_manager || !enlistment->is_logged()) continue;
    if (enlistment->resource_manager->queue != nullptr) {
      return Status(
          StatusCode::kRequestNotValid,
          "resource manager " + resource_manager.to_string() + " is in session: it can answer");
    }
    if (enlistment->given_up) acts.push_back({enlistment->id, wall_clock_ns(), by.who, by.why});
  }
  if (acts.empty()) {
    return Status(StatusCode::kNotFound, "transaction " + unit_of_work.to_string() +
                                             " waits for no enlistment of resource manager " +
                                             resource_manager.to_string());
  }
  CAIRN_RETURN_IF_ERROR(check_act_count(*transaction, acts.size()));
  if (transaction->state() != TransactionState::kCommitted || !protocol_.begin_copy(*transaction)) {
    return Status(StatusCode::kRequestNotValid,
                  "transaction " + unit_of_work.to_string() + " is " +
                      std::string(transaction_state_name(transaction->state())) +
                      ", expected a committed one");
  }
  auto amended = std::make_shared<recovery::TransactionRecord>(*transaction->record);
  amended->type = recovery::RecordType::kAmended;
  amended->original = Lsn::null();
  amended->acts.insert(amended->acts.end(), acts.begin(), acts.end());
  const std::shared_ptr<TmLog> log = log_;
  lock.unlock();
  log::Reservation none;
  const Result<Lsn> lsn = log->append(*amended, none);
  const Status forced = lsn ? log->wait_forced(*lsn, std::nullopt) : lsn.status();
  lock.lock();
  if (forced) {
    protocol_.end_amendment(transaction, std::move(amended), *lsn);
  } else {
    protocol_.end_copy(transaction, forced);
    // It may be in the log or not, and what would come behind it must know.
    if (lsn) stop_locked(forced);
  }
  finish(lock);
  return forced;
}

}  // namespace cairn::tm
