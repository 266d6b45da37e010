// TmCore, the way of a commit: the record that it needs, appended and forced, and waiting for its
// end.
#include <string>

#include <cairn/deadline.h>

#include "inline_delivery.h"
#include "tm_core.h"

namespace cairn::tm {

// --- the record ---

// While one lives, this thread is in commit() without a time limit for that transaction: it forces
// the record, and nobody else need know of it before it is durable.
class TmCore::CommitsHere {
 public:
  // `transaction`: null, if it is none of this kind.
  CommitsHere(TmCore& core, TransactionPtr transaction)
      : core_(core),
        transaction_(std::move(transaction)),
        outer_(std::exchange(innermost_, this)) {}
  ~CommitsHere() {
    require(lsn.is_null(), "who commits forces what it appended before it returns");
    innermost_ = outer_;
  }
  CommitsHere(const CommitsHere&) = delete;
  CommitsHere& operator=(const CommitsHere&) = delete;

  // What this thread commits, if it is this transaction and no other within its commit.
  [[nodiscard]] static CommitsHere* innermost(const TransactionObject& transaction) {
    const bool here = innermost_ != nullptr && innermost_->transaction_.get() == &transaction;
    return here ? innermost_ : nullptr;
  }
  // What this thread commits and has not forced, the innermost one. Null: there is none.
  [[nodiscard]] static CommitsHere* unforced() {
    CommitsHere* at = innermost_;
    while (at != nullptr && at->lsn.is_null()) at = at->outer_;
    return at;
  }
  [[nodiscard]] TmCore& core() const { return core_; }
  [[nodiscard]] const TransactionPtr& transaction() const { return transaction_; }

  Lsn lsn;  // of its record, which is appended and not forced; null: there is none
  std::uint64_t clock = 0;
  log::Reservation room;
  std::shared_ptr<TmLog> log;

 private:
  TmCore& core_;
  const TransactionPtr transaction_;
  CommitsHere* const outer_;
  static thread_local CommitsHere* innermost_;
};
thread_local TmCore::CommitsHere* TmCore::CommitsHere::innermost_ = nullptr;

// The record that the transaction's state calls for: appends it and begins to force it.
void TmCore::write(const TransactionPtr& transaction) {
  std::unique_lock<std::mutex> lock = lock_patiently(mutex_);
  const std::shared_ptr<TmLog> log = log_;
  if (log == nullptr) {
    lock.unlock();
    return settle(transaction, Lsn::null(), TransactionEvent::kRefused,
                  Status(StatusCode::kClosed, "the transaction manager was closed"));
  }
  const auto record = protocol_.begin_record(*transaction, log->end_lsn(), wall_clock_ns());
  log::Reservation room = std::move(transaction->room);
  const recovery::RecordType type = record->type;
  const bool prepares = type == recovery::RecordType::kPrepare;
  const std::size_t needed = record_bytes(*transaction);
  const std::size_t reserved = std::exchange(transaction->room_for_record, needed);
  lock.unlock();

  std::uint64_t clock = 0;
  const auto append = [&]() -> Result<Lsn> {
    // Votes may have brought recovery information after the room was taken.
    if (needed > reserved) {
      CAIRN_ASSIGN_OR_RETURN(log::Reservation more, log->reserve(prepares ? 2 : 1, needed, false));
      room.merge(std::move(more));
    }
    std::vector<std::byte> bytes = recovery::encode(*record);
    const std::unique_lock<std::mutex> order = lock_patiently(append_);
    clock = protocol_.clock_for(type);
    recovery::set_clock(bytes, clock);
    return log->append(bytes, type, room);
  };
  const Result<Lsn> lsn = append();
  if (!lsn) {
    room.release();
    return settle(transaction, Lsn::null(), TmLog::verdict_on_append(lsn.status()),
                  lsn.status().with_context(prepares ? "its prepare record could not be appended"
                                                     : "its decision could not be appended"));
  }
  // From here on only the force, or recovery, can say what became of it. Whoever is in commit() for
  // it, and does nothing else until it returns, forces it there: see force_here().
  if (CommitsHere* const here = CommitsHere::innermost(*transaction)) {
    here->lsn = *lsn;
    here->clock = clock;
    here->room = std::move(room);
    here->log = log;
    return;
  }
  lock_patiently(lock);
  protocol_.appended(*transaction, *lsn, clock);
  transaction->room = std::move(room);
  lock.unlock();
  std::weak_ptr<TmCore> self = weak_from_this();
  log->force(*lsn, [self, transaction, lsn = *lsn](const Status& status) {
    if (const auto core = self.lock()) {
      core->settle(transaction, lsn, TmLog::verdict_on_force(status), status);
    }
  });
}

void TmCore::settle(const TransactionPtr& transaction, Lsn lsn, TransactionEvent event,
                    const Status& status) {
  std::unique_lock<std::mutex> lock = lock_patiently(mutex_);
  protocol_.written(transaction, lsn, event, status);
  finish(lock);
}

// --- waiting ---

std::optional<Status> TmCore::verdict_locked(const TransactionObject& transaction,
                                             WaitFor wait) const {
  const auto name = [&] { return "transaction " + transaction.id.to_string(); };
  switch (transaction.outcome()) {
    case Outcome::kAborted:
      return Status(StatusCode::kAlreadyAborted,
                    name() + " is rolled back: " + transaction.reason.to_string());
    case Outcome::kUnknown:
      return Status(StatusCode::kOutcomeUnknown,
                    "the outcome of " + name() + " is unknown: " + transaction.reason.to_string());
    case Outcome::kCommitted:
      if (wait == WaitFor::kDecided || transaction.completed) {
        return Status::ok();
      }
      break;
    case Outcome::kUndetermined:
      break;
  }
  if (!transaction.in_flight.is_null() || transaction.state() == TransactionState::kCommitting ||
      check_online_locked(StatusCode::kObjectExpired)) {
    return {};
  }
  return Status(StatusCode::kObjectExpired,
                transaction.outcome() == Outcome::kCommitted
                    ? name() + " is committed, and the transaction manager went offline before " +
                          "every resource manager had answered"
                    : name() + " is " + std::string(transaction_state_name(transaction.state())) +
                          ", and the transaction manager went offline before it was decided");
}

namespace {

// Committed and answered by all. Without the lock: what has ended does not change any more.
bool has_committed(const TransactionObject& transaction) {
  return transaction.ended.load(std::memory_order_acquire) &&
         transaction.outcome() == Outcome::kCommitted;
}

}  // namespace

template <typename Left>
bool TmCore::force_here(Left left) {
  // What one goes on with may write the next: a decision behind its prepare record.
  while (CommitsHere* const here = CommitsHere::unforced()) {
    // Taken first: the log may call back on this thread, and handlers with it, while it waits.
    const Lsn lsn = std::exchange(here->lsn, Lsn::null());
    const Status forced = here->log->wait_forced(lsn, left());
    if (forced.code() == StatusCode::kTimeout) {
      here->lsn = lsn;
      return false;
    }
    here->log = nullptr;
    TmCore& core = here->core();
    const TransactionPtr& transaction = here->transaction();
    std::unique_lock<std::mutex> lock = lock_patiently(core.mutex_);
    core.protocol_.appended(*transaction, lsn, here->clock);
    transaction->room = std::move(here->room);
    core.protocol_.written(transaction, lsn, TmLog::verdict_on_force(forced), forced);
    core.finish(lock);  // and brings what it made, unless this is within a handler
  }
  return true;
}

void TmCore::force_all_here() {
  // Without a limit it is never late.
  static_cast<void>(force_here([] { return std::optional<std::chrono::nanoseconds>(); }));
}

Status TmCore::commit(const TransactionPtr& transaction, WaitFor wait_for,
                      std::optional<std::chrono::nanoseconds> limit) noexcept {
  const CommitsHere here(*this, limit ? nullptr : transaction);
  CAIRN_RETURN_IF_ERROR(
      on_object([&](Protocol& protocol) { return protocol.commit(transaction); }));
  return wait(transaction, wait_for, limit);
}

Status TmCore::wait(const TransactionPtr& transaction, WaitFor wait,
                    std::optional<std::chrono::nanoseconds> limit) noexcept {
  const auto begin =
      limit ? std::chrono::steady_clock::now() : std::chrono::steady_clock::time_point();
  const auto left = [&]() -> std::optional<std::chrono::nanoseconds> {
    if (!limit) return std::nullopt;
    return std::max(std::chrono::nanoseconds(0),
                    *limit - (std::chrono::steady_clock::now() - begin));
  };
  const auto timeout = [&] {
    return Status(StatusCode::kTimeout, "transaction " + transaction->id.to_string() +
                                            " did not end within the time limit; it goes on");
  };
  // What is brought may give a last vote, and what is forced has something to bring.
  const auto bring_and_force = [&] {
    do {
      InlineDelivery::deliver_now();
      if (!force_here(left)) return false;
    } while (InlineDelivery::has_waiting());
    return true;
  };
  bool in_time = bring_and_force();
  if (has_committed(*transaction)) return Status::ok();
  std::unique_lock<std::mutex> lock = lock_patiently(mutex_);
  for (;;) {
    if (auto verdict = verdict_locked(*transaction, wait)) return *verdict;
    if (!in_time || (limit && left()->count() == 0)) return timeout();
    const Lsn in_flight = transaction->in_flight;
    if (!in_flight.is_null()) {
      // This thread has nothing else to do: it drives the write itself.
      const std::shared_ptr<TmLog> log = log_;
      lock.unlock();
      const Status forced = log->wait_forced(in_flight, left());
      if (forced.code() == StatusCode::kTimeout) return timeout();
      lock_patiently(lock);
      protocol_.written(transaction, in_flight, TmLog::verdict_on_force(forced), forced);
      finish(lock);  // and brings what it made, unless this is within a handler
      in_time = bring_and_force();
      if (has_committed(*transaction)) return Status::ok();
      lock_patiently(lock);
    } else if (limit) {
      transaction->changed.wait_until(lock, deadline_after(*left()));
    } else {
      transaction->changed.wait(lock);
    }
  }
}

}  // namespace cairn::tm
