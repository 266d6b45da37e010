#include "ktm_transaction_object.h"

#include <algorithm>
#include <utility>

#include <cairn/deadline.h>

#include "last_error.h"

namespace cairn::win32 {

using cairn::tm::Outcome;
using cairn::tm::Transaction;
using cairn::tm::WaitFor;

TransactionObject::TransactionObject(const Uuid& id, Properties properties)
    : Object(kType), id_(id), properties_(std::move(properties)) {
  deadline_ = deadline_after_ms(properties_.timeout_ms);
}

std::shared_ptr<TransactionObject> TransactionObject::create(Properties properties) {
  std::shared_ptr<TransactionObject> made(
      new TransactionObject(Uuid::generate(), std::move(properties)));
  KtmNames::get().add(made->id_, made);
  return made;
}

std::shared_ptr<TransactionObject> TransactionObject::of(std::shared_ptr<TmObject> manager,
                                                         Transaction transaction) {
  Properties properties;
  if (const auto known = transaction.information(); known) {
    properties.description = known->description;
    properties.timeout_ms = static_cast<std::uint32_t>(
        std::chrono::duration_cast<std::chrono::milliseconds>(known->timeout).count());
  }
  std::shared_ptr<TransactionObject> made(
      new TransactionObject(transaction.id(), std::move(properties)));
  made->manager_ = std::move(manager);
  made->transaction_ = std::move(transaction);
  return KtmNames::get().add_or_find(made->id_, made);
}

HANDLE TransactionObject::new_handle(const std::shared_ptr<TransactionObject>& transaction) {
  {
    const std::lock_guard lock(transaction->mutex_);
    ++transaction->handles_;
  }
  const HANDLE handle = handle_of(transaction);
  if (handle == INVALID_HANDLE_VALUE) transaction->closed();
  return handle;
}

void TransactionObject::closed() {
  std::optional<Transaction> transaction;
  {
    const std::lock_guard lock(mutex_);
    if (--handles_ > 0 || commit_asked_) return;
    if (!transaction_) {
      // Not an error where it has ended before.
      [[maybe_unused]] const Status ended = end_unbound_locked(Outcome::kAborted);
      return;
    }
    transaction = transaction_;
  }
  // As when the last reference to it goes, which whoever waits in it would put off. Whoever else
  // has begun to end it by now goes on with that.
  const auto known = transaction->information();
  if (known && known->state == cairn::tm::TransactionState::kActive) {
    [[maybe_unused]] const Status ended = transaction->rollback();
  }
}

TransactionObject::~TransactionObject() { KtmNames::get().forget(id_); }

Result<Transaction> TransactionObject::bind(const std::shared_ptr<TmObject>& manager) {
  const std::lock_guard lock(mutex_);
  if (transaction_) {
    if (manager_ == manager) return *transaction_;
    return Status(StatusCode::kInvalidArgument, "transaction " + id_.to_string() +
                                                    " works with transaction manager " +
                                                    manager_->manager.id().to_string());
  }
  expire_locked();
  if (outcome_ != Outcome::kUndetermined) {
    return Status(StatusCode::kNotActive, "transaction " + id_.to_string() + " has ended");
  }
  cairn::tm::TransactionOptions options;
  options.unit_of_work = id_;
  options.description = properties_.description;
  if (deadline_) {
    options.timeout =
        std::max<std::chrono::nanoseconds>(*deadline_ - Clock::now(), std::chrono::nanoseconds(1));
  }
  CAIRN_ASSIGN_OR_RETURN(transaction_, manager->manager.create_transaction(options));
  manager_ = manager;
  changed_.notify_all();
  return *transaction_;
}

Status TransactionObject::commit() {
  CAIRN_RETURN_IF_ERROR(commit_async());
  const auto transaction = bound();  // an unbound one is committed by now, and stays unbound
  return transaction ? transaction->wait(WaitFor::kCompleted, std::nullopt) : Status::ok();
}

Status TransactionObject::commit_async() {
  std::optional<Transaction> transaction;
  {
    const std::lock_guard lock(mutex_);
    if (!transaction_) return end_unbound_locked(Outcome::kCommitted);
    transaction = transaction_;
    commit_asked_ = true;
  }
  const Status asked = transaction->commit_async();
  if (!asked) {
    const std::lock_guard lock(mutex_);
    commit_asked_ = false;
  }
  return asked;
}

Status TransactionObject::rollback() {
  std::optional<Transaction> transaction;
  {
    const std::lock_guard lock(mutex_);
    if (!transaction_) return end_unbound_locked(Outcome::kAborted);
    transaction = transaction_;
  }
  return transaction->rollback();
}

std::optional<bool> TransactionObject::wait(std::optional<std::chrono::nanoseconds> limit) {
  const Clock::time_point until = limit ? deadline_after(*limit) : Clock::time_point::max();
  std::unique_lock lock(mutex_);
  for (;;) {
    expire_locked();
    if (transaction_) break;
    if (outcome_ != Outcome::kUndetermined) return true;
    if (Clock::now() >= until) return false;
    if (!limit && !deadline_) {
      changed_.wait(lock);
    } else {
      changed_.wait_until(lock, std::min(until, deadline_.value_or(Clock::time_point::max())));
    }
  }
  const Transaction transaction = *transaction_;
  lock.unlock();
  if (limit) limit = std::max<std::chrono::nanoseconds>(until - Clock::now(), {});
  return transaction.wait(WaitFor::kCompleted, limit).code() != StatusCode::kTimeout;
}

Result<TransactionObject::Information> TransactionObject::information() {
  std::unique_lock lock(mutex_);
  expire_locked();
  Information information{outcome_, properties_.timeout_ms, properties_.description};
  if (!transaction_) return information;
  const Transaction transaction = *transaction_;
  lock.unlock();
  CAIRN_ASSIGN_OR_RETURN(const auto known, transaction.information());
  information.outcome = known.outcome;
  information.description = known.description;
  return information;
}

Status TransactionObject::set_properties(std::uint32_t timeout_ms,
                                         std::optional<std::string> description) {
  const std::lock_guard lock(mutex_);
  if (transaction_) {
    cairn::tm::TransactionProperties properties;
    properties.timeout = std::chrono::milliseconds(timeout_ms);
    properties.description = description;
    CAIRN_RETURN_IF_ERROR(transaction_->set_properties(properties));
  } else {
    expire_locked();
    if (outcome_ != Outcome::kUndetermined) {
      return Status(StatusCode::kNotActive, "transaction " + id_.to_string() + " has ended");
    }
    deadline_ = deadline_after_ms(timeout_ms);
    changed_.notify_all();  // those who wait for it to expire
  }
  properties_.timeout_ms = timeout_ms;
  if (description) properties_.description = std::move(*description);
  return Status::ok();
}

bool TransactionObject::is_unbound() {
  const std::lock_guard lock(mutex_);
  expire_locked();
  return !transaction_ && outcome_ == Outcome::kUndetermined;
}

std::optional<Transaction> TransactionObject::bound() {
  const std::lock_guard lock(mutex_);
  return transaction_;
}

// Nobody takes part: what is said is done.
Status TransactionObject::end_unbound_locked(Outcome outcome) {
  expire_locked();
  if (outcome_ == outcome && outcome == Outcome::kAborted) return Status::ok();
  if (outcome_ == Outcome::kCommitted) {
    return Status(StatusCode::kAlreadyCommitted, "transaction " + id_.to_string());
  }
  if (outcome_ == Outcome::kAborted) {
    return Status(StatusCode::kAlreadyAborted,
                  "transaction " + id_.to_string() + " was rolled back, or its timeout passed");
  }
  outcome_ = outcome;
  changed_.notify_all();
  return Status::ok();
}

std::optional<TransactionObject::Clock::time_point> TransactionObject::deadline_after_ms(
    std::uint32_t timeout_ms) const {
  if (timeout_ms == 0) return std::nullopt;
  return Clock::now() + std::chrono::milliseconds(timeout_ms);
}

void TransactionObject::expire_locked() {
  if (transaction_ || !deadline_ || outcome_ != Outcome::kUndetermined) return;
  if (Clock::now() < *deadline_) return;
  outcome_ = Outcome::kAborted;
  changed_.notify_all();
}

}  // namespace cairn::win32
