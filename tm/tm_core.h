// TmCore: a live transaction manager behind the handles. Lock, log work, waiting, housekeeping.
//
// Locks, in this order, none held over another object's code:
//   lifecycle_   one recover() or close() at a time
//   checkpoint_  one checkpoint at a time
//   append_      decisions and prepare records enter the log in the order of their clocks
//   mutex_       everything else; never held over log I/O, nor over code of resource managers
// Work on the log that the protocol asks for is done after mutex_ is let go; what it concerns is
// looked up again.
#ifndef CAIRN_TM_TM_CORE_H_
#define CAIRN_TM_TM_CORE_H_

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>

#include <cairn/transaction_manager.h>

#include "patient_lock.h"
#include "protocol.h"
#include "tm_log.h"
#include "tm_machine.h"

namespace cairn::tm {

// What changes something is noexcept: an allocation that fails in the middle of it ends the process
// (docs/decisions/0086).
class TmCore : public std::enable_shared_from_this<TmCore> {
 public:
  // `log`: null for a volatile manager.
  [[nodiscard]] static std::shared_ptr<TmCore> make(const TmOptions& options,
                                                    std::shared_ptr<TmLog> log);
  TmCore(const TmCore&) = delete;
  TmCore& operator=(const TmCore&) = delete;
  ~TmCore();

  [[nodiscard]] const Uuid& id() const { return id_; }
  [[nodiscard]] bool is_durable() const { return durable_; }
  // It is in the registry, and leaves it at close().
  void set_registered() { registered_ = true; }

  // Runs `operation(protocol)` under the lock, if the manager is online, and then the work on the
  // log that it made. Otherwise the error `refusal`. The operation returns a Status or a Result.
  template <typename Operation>
  auto run(StatusCode refusal, Operation operation) noexcept
      -> decltype(operation(std::declval<Protocol&>()));
  // For objects: refusal kObjectExpired.
  template <typename Operation>
  auto on_object(Operation operation) {
    return run(StatusCode::kObjectExpired, std::move(operation));
  }
  // The same for one session of a resource manager. Error: kFenced.
  template <typename Operation>
  auto on_session(const ResourceManagerObject& rm, std::uint64_t session, Operation operation);
  // For what needs no lock.
  [[nodiscard]] Protocol& unlocked() { return protocol_; }
  // A query: in every state, and making no work.
  template <typename Query>
  auto ask(Query query) const {
    const std::lock_guard lock(mutex_);
    return query(protocol_);
  }

  // Begins a transaction that was made. A unit of work that is used again (`is_named`) may find its
  // forget record still on its way, by the thread that gave the last answer: waits for that, at
  // most 100 ms. Errors: kNotOnline, those of Protocol::begin().
  [[nodiscard]] Status begin(const TransactionPtr& made, bool is_named) noexcept;

  // References dropped, in any state of the manager.
  void release(const TransactionPtr& transaction) noexcept;
  void release(const EnlistmentPtr& enlistment, std::uint64_t session) noexcept;
  void release(const ResourceManagerPtr& rm, std::uint64_t session) noexcept;

  // Asks for the commit and waits for its end. `limit`: as for wait().
  [[nodiscard]] Status commit(const TransactionPtr& transaction, WaitFor wait,
                              std::optional<std::chrono::nanoseconds> limit) noexcept;
  // Waits for the end of a commit, helping the decision to become durable.
  [[nodiscard]] Status wait(const TransactionPtr& transaction, WaitFor wait,
                            std::optional<std::chrono::nanoseconds> limit) noexcept;
  [[nodiscard]] Status recover_resource_manager(const ResourceManagerPtr& rm,
                                                std::uint64_t session) noexcept;
  // Takes the room that the decision of a promised transaction could not be given at recovery.
  // Error: kLogFull.
  [[nodiscard]] Status make_room(const TransactionPtr& transaction) noexcept;
  // Votes yes, with recovery information if given.
  [[nodiscard]] Status prepare_complete(const EnlistmentPtr& enlistment, std::uint64_t session,
                                        std::optional<std::span<const std::byte>> data, Clock clock,
                                        std::optional<Lsn> covered_by) noexcept;

  [[nodiscard]] Result<RecoveryReport> recover() noexcept { return recover(std::nullopt); }
  [[nodiscard]] Result<RecoveryReport> roll_forward(std::uint64_t clock) noexcept;
  [[nodiscard]] Status freeze(std::chrono::nanoseconds limit,
                              std::chrono::nanoseconds hold) noexcept;
  [[nodiscard]] Status thaw() noexcept;
  [[nodiscard]] Status resolve(const Uuid& unit_of_work, Outcome outcome,
                               const Administrator& by) noexcept;
  [[nodiscard]] Status give_up(const Uuid& unit_of_work, const Uuid& resource_manager,
                               const Administrator& by) noexcept;
  [[nodiscard]] Status checkpoint() noexcept;
  [[nodiscard]] Status run_background() noexcept;
  [[nodiscard]] Status close() noexcept;
  [[nodiscard]] TmInformation information() const;

  // Absent or usable; else kInvalidArgument.
  [[nodiscard]] Status check_clock(const Clock& clock) const;

  [[nodiscard]] std::chrono::nanoseconds now() const;
  [[nodiscard]] std::uint64_t wall_clock_ns() const;

 private:
  TmCore(const TmOptions& options, std::shared_ptr<TmLog> log);

  // The only writer of state_. False, and nothing done, if the table has no row.
  bool fire_locked(TmEvent event);
  [[nodiscard]] TmGuard guard() const { return durable_ ? TmGuard::kDurable : TmGuard::kVolatile; }
  [[nodiscard]] Status check_online_locked(StatusCode refusal) const;

  // Lets go of the lock, then does the work on the log.
  void finish(std::unique_lock<std::mutex>& lock);
  struct LogJob;
  [[nodiscard]] LogJob prepare_locked(LogWork work);
  void run(LogJob& job) noexcept;
  void reserve(LogJob& job);
  void write(const TransactionPtr& transaction);
  void forget(LogJob& job);
  void settle(const TransactionPtr& transaction, Lsn lsn, TransactionEvent event,
              const Status& status);
  void stop_locked(const Status& cause);
  class CommitsHere;
  // Forces what this thread has appended for the transactions it commits, in whatever manager, and
  // goes on with these, until there is no such record: what it is about to wait for may come after
  // them. Brings nothing within a handler. `left()`: how long it may wait; nothing: for ever.
  // False: not within that time.
  template <typename Left>
  [[nodiscard]] static bool force_here(Left left);
  // Without a limit. Before this thread takes a lock over which others wait for records in flight.
  static void force_all_here();

  // What a wait is answered in this state; nothing: wait on.
  [[nodiscard]] std::optional<Status> verdict_locked(const TransactionObject& transaction,
                                                     WaitFor wait) const;
  // Whether the manager's next record of this enlistment makes the one at `by` durable.
  [[nodiscard]] Status check_covered_locked(const EnlistmentObject& enlistment, Lsn by) const;
  [[nodiscard]] Result<RecoveryReport> recover(std::optional<std::uint64_t> up_to) noexcept;
  // What was found; nothing is built of it.
  [[nodiscard]] RecoveryReport report_on(const recovery::PackedState& state) const;
  void rebuild(recovery::PackedState& state, RecoveryReport& report);
  [[nodiscard]] Status write_checkpoint(TmLog& log);
  void carry_forward(TmLog& log, Lsn asked);
  [[nodiscard]] Status hear_advance_requests(TmLog& log);
  [[nodiscard]] bool checkpoint_due_locked() const;
  void settle_records_in_flight(TmLog& log);
  // Room for so many records, and for a forget record. Error: kLogFull.
  [[nodiscard]] Result<log::Reservation> take_room(TmLog& log, std::uint32_t records,
                                                   std::size_t bytes);
  // Room for what rebuilt transactions must yet write; false if there is not enough.
  bool reserve_for_rebuilt(TmLog& log);
  bool reserve_for_dormant(TmLog& log, bool promised);
  void keep_house();
  // When housekeeping has something to do next; null: nothing is known of.
  [[nodiscard]] std::optional<std::chrono::nanoseconds> next_due_locked() const;
  void wake_if_due_locked();

  const TmOptions options_;
  const bool durable_;
  const Uuid id_;

  mutable std::mutex mutex_;
  TmState state_ = TmState::kInitialized;
  Status cause_;  // of RecoveryFailed or Offline
  Protocol protocol_;
  std::shared_ptr<TmLog> log_;  // null: volatile, or closed
  std::chrono::nanoseconds last_checkpoint_{0};
  std::chrono::nanoseconds frozen_until_{0};  // while the protocol is frozen
  std::uint64_t freezes_ = 0;                 // which one that is
  std::uint64_t rolled_forward_to_ = 0;
  bool closed_ = false;
  bool registered_ = false;
  // Calls of finish() that do work on the log. Raised with the lock held.
  std::atomic<std::uint64_t> working_{0};
  std::atomic<bool> awaits_rest_{false};  // close() does: for none of them
  std::condition_variable rested_;        // there is none
  std::uint64_t checkpoints_ = 0;
  std::uint64_t carried_forward_ = 0;
  std::atomic<std::uint64_t> forgets_unwritten_{0};
  Status checkpoint_error_;  // of the thread's last one

  std::mutex append_;
  std::mutex checkpoint_;
  std::mutex lifecycle_;

  Lsn advance_to_;  // the log asks for the base to be here at least; null: it does not
  std::thread housekeeper_;
  std::condition_variable wake_;
  bool stop_housekeeping_ = false;
  std::optional<std::chrono::nanoseconds> sleeps_until_;
};

template <typename Operation>
auto TmCore::run(StatusCode refusal, Operation operation) noexcept
    -> decltype(operation(std::declval<Protocol&>())) {
  std::unique_lock<std::mutex> lock = lock_patiently(mutex_);
  if (Status online = check_online_locked(refusal); !online) return online;
  auto result = operation(protocol_);
  finish(lock);
  return result;
}

template <typename Operation>
auto TmCore::on_session(const ResourceManagerObject& rm, std::uint64_t session,
                        Operation operation) {
  using Answer = decltype(operation(std::declval<Protocol&>()));
  return on_object([&](Protocol& protocol) -> Answer {
    if (rm.queue == nullptr || rm.session != session) {
      return Status(StatusCode::kFenced, "session " + std::to_string(session) +
                                             " of resource manager " + rm.id.to_string() +
                                             " has ended; it is at session " +
                                             std::to_string(rm.session));
    }
    return operation(protocol);
  });
}

}  // namespace cairn::tm

#endif  // CAIRN_TM_TM_CORE_H_
