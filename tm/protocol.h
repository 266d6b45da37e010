// Protocol: the commit protocol itself, on objects in memory.
//
// It applies the four tables to the live objects, queues notifications, and says what is to be done
// with the log. It takes no lock, waits for nothing and does no I/O: TmCore calls it with the
// manager's lock held, and does the work it names after letting go of the lock.
#ifndef CAIRN_TM_PROTOCOL_H_
#define CAIRN_TM_PROTOCOL_H_

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <iterator>
#include <memory>
#include <optional>
#include <set>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include <cairn/recovered_state.h>
#include <cairn/result.h>
#include <cairn/transaction_manager.h>

#include "deadlines.h"
#include "enlistment_machine.h"
#include "id_table.h"
#include "identities.h"
#include "objects.h"
#include "resource_manager_machine.h"
#include "superior_machine.h"
#include "transaction_machine.h"

namespace cairn::tm {

using TransactionPtr = std::shared_ptr<TransactionObject>;
using EnlistmentPtr = std::shared_ptr<EnlistmentObject>;
using ResourceManagerPtr = std::shared_ptr<ResourceManagerObject>;

// Something to do with the log, without the manager's lock. The object is looked at again when it
// is done: it may have moved on.
struct LogWork {
  enum class Kind : std::uint8_t {
    kReserve,  // then reserved()
    kWrite,    // append the prepare record, decision or rollback and force it, then written()
    kForget,   // append
    kStop,     // the manager goes Offline
  };
  Kind kind;
  TransactionPtr transaction;
};

// That something is to be brought to the handler of a session by whoever caused it.
struct Told {
  std::shared_ptr<NotificationQueue> queue;
  // What this enlistment is told. Null: the first that is queued, or the end of the session.
  EnlistmentPtr enlistment;
  NotificationQueue::Message message{};
};

class Protocol {
 public:
  Protocol() = default;
  Protocol(const Protocol&) = delete;
  Protocol& operator=(const Protocol&) = delete;
  ~Protocol();

  // --- transactions ---
  // make_transaction(), and begin() with what it made.
  [[nodiscard]] Result<TransactionPtr> create_transaction(const TransactionOptions& options,
                                                          std::chrono::nanoseconds now);
  // Needs no lock, and does what needs none. `now` is looked at if there is a timeout. Error:
  // kInvalidArgument.
  [[nodiscard]] Result<TransactionPtr> make_transaction(const TransactionOptions& options,
                                                        std::chrono::nanoseconds now);
  // `is_named`: its client chose the unit of work. Errors: kNameCollision, kResourceExhausted.
  [[nodiscard]] Status begin(const TransactionPtr& transaction, bool is_named);
  // Of the last use of this unit of work; one that never was, or needed no record, is kWritten too.
  [[nodiscard]] ForgetState forget_state(const Uuid& id) const;
  // Wakes it if it is dormant. Null: there is none.
  [[nodiscard]] TransactionPtr find_transaction(const Uuid& id);
  [[nodiscard]] Status set_properties(TransactionObject& transaction,
                                      const TransactionProperties& properties,
                                      std::chrono::nanoseconds now);
  [[nodiscard]] Status commit(const TransactionPtr& transaction);
  // By a client. OK if it is rolled back already.
  [[nodiscard]] Status roll_back(const TransactionPtr& transaction);
  void release(const TransactionPtr& transaction);
  // Rolls back what is past its deadline and may still be rolled back.
  void expire(std::chrono::nanoseconds now);
  // When to call it next: nothing expires before, something may then.
  [[nodiscard]] std::optional<std::chrono::nanoseconds> next_deadline() const {
    return deadlines_.next();
  }
  // Rolls back everything that can be, gives up what is delegated, ends all sessions with `reason`.
  void abandon(const Status& reason);

  // --- log ---
  [[nodiscard]] bool has_work() const { return !work_.empty(); }
  [[nodiscard]] std::vector<LogWork> take_work() {
    return work_.empty() ? std::vector<LogWork>() : std::exchange(work_, {});
  }
  // REQUIRES: there is some. Takes and gives back no memory.
  [[nodiscard]] LogWork take_newest_work() {
    LogWork newest = std::move(work_.back());
    work_.pop_back();
    return newest;
  }
  [[nodiscard]] bool has_told() const { return !told_.empty(); }
  // What is to be brought to handlers, without the manager's lock: moves it behind `told`.
  void take_told(std::vector<Told>& told) {
    told.insert(told.end(), std::make_move_iterator(told_.begin()),
                std::make_move_iterator(told_.end()));
    told_.clear();
  }
  // Log space for a transaction was reserved, or why not. Lets go of the space if it is no longer
  // wanted.
  void reserved(const TransactionPtr& transaction, Result<log::Reservation> room);
  // Says what to write for a transaction in Committing, Promising or RollingBack; all but its
  // clock, which clock_for() says when it is appended. `earliest`: no record appended from now on
  // gets a lower LSN.
  [[nodiscard]] std::shared_ptr<const recovery::TransactionRecord> begin_record(
      TransactionObject& transaction, Lsn earliest, std::uint64_t wall_clock_ns);
  // That record has its place in the log, with this clock; it is not durable.
  void appended(TransactionObject& transaction, Lsn lsn, std::uint64_t clock);
  // What became of the record at `lsn`, or if that is null, of the one that was not appended.
  // Nothing if it was told before: whoever notices first counts.
  void written(const TransactionPtr& transaction, Lsn lsn, TransactionEvent event,
               const Status& status);
  // Gives back all log space. REQUIRES: no record is in flight.
  void release_rooms();
  // Its forget record is in the log behind its other records: its unit of work may be used again.
  // Or `written` is false: it may not, as long as this manager lives. Needs no lock.
  static void forgotten(TransactionObject& transaction, bool written) {
    transaction.forget.store(written ? ForgetState::kWritten : ForgetState::kRefused,
                             std::memory_order_release);
  }
  // Its newest record is being copied: nothing else of it is written until end_copy(), with where
  // the copy lies, or why it was not written. False, and nothing done: it does not rest any more.
  [[nodiscard]] bool begin_copy(TransactionObject& transaction);
  void end_copy(const TransactionPtr& transaction, const Result<Lsn>& copy);
  // The same of an amended decision that is durable at `lsn`: its acts are done.
  void end_amendment(const TransactionPtr& transaction,
                     std::shared_ptr<const recovery::TransactionRecord> amended, Lsn lsn);
  // Whether it is promised to a superior and not decided. Error: kRequestNotValid.
  [[nodiscard]] Status check_in_doubt(const TransactionObject& transaction) const;
  // Decides it in its superior's place. REQUIRES: check_in_doubt().
  void resolve(const TransactionPtr& transaction, Outcome outcome, const recovery::Act& act);
  // Holds back what is to be written, or lets it go.
  void freeze() { frozen_ = true; }
  void thaw();
  [[nodiscard]] bool frozen() const { return frozen_; }
  // No record of a transaction that is not forgotten lies before; null: there is none.
  [[nodiscard]] Lsn oldest_pin() const;
  // What the newest records of those that are not forgotten take in the log, roughly.
  [[nodiscard]] std::uint64_t pinned_bytes() const { return pinned_bytes_ + dormant_bytes_; }
  // Those with a record that is to be appended, or in flight, and is not held back.
  [[nodiscard]] std::vector<TransactionPtr> writing() const;
  // Those that rest, whose record lies before `limit`.
  // Wakes those that are dormant.
  [[nodiscard]] std::vector<TransactionPtr> logged_before(Lsn limit);

  // --- dormant: what recovery found and nobody has touched yet ---
  // A transaction that is in doubt or committed, and whose resource managers have not come for it,
  // has no objects: its record's bytes are kept. Whoever asks for it, or for one of its
  // enlistments, wakes it; it is then what it would be had it been awake from the beginning.
  //
  // Takes over what recovery found. The manager has no others. REQUIRES: nothing was created
  // before.
  void rebuild(recovery::PackedState& state);
  // Records and payload bytes for which promised ones, or committed ones, have no room yet.
  struct RoomNeeded {
    std::uint32_t records = 0;
    std::uint64_t bytes = 0;
  };
  [[nodiscard]] RoomNeeded room_needed(bool promised) const;
  // Gives all of these room; it is split when they wake.
  void give_room(bool promised, log::Reservation room);
  // The same one by one, as far as `reserve` gives room for so many records of so many bytes, and a
  // forget record. Whether all got it.
  template <typename Reserve>
  [[nodiscard]] bool give_room_singly(bool promised, Reserve reserve);
  // Those that have objects.
  [[nodiscard]] std::vector<TransactionPtr> awake() const { return transactions_.all(); }

  // --- resource managers ---
  [[nodiscard]] Result<ResourceManagerPtr> create_resource_manager(const Uuid& id, RmKind kind,
                                                                   std::string_view description);
  [[nodiscard]] ResourceManagerPtr find_resource_manager(const Uuid& id) const {
    return resource_managers_.find(id);
  }
  // Ends the present session, if any, with `reason`, and begins the next.
  void begin_session(const ResourceManagerPtr& rm, const Status& reason);
  // `because`: what the resource manager itself said of it; OK: nothing.
  void end_session(const ResourceManagerPtr& rm, const Status& reason, const Status& because = {});
  // The three steps of ResourceManager::recover: which enlistments; each of them, if it still is
  // there; the end.
  [[nodiscard]] Result<std::vector<Uuid>> begin_recover(ResourceManagerObject& rm);
  void reoffer(ResourceManagerObject& rm, const Uuid& enlistment);
  [[nodiscard]] std::vector<Uuid> enlistment_ids(const ResourceManagerObject& rm) const;
  void end_recover(ResourceManagerObject& rm);

  // --- enlistments ---
  // Needs no lock, and does what needs none. Error: kInvalidArgument.
  [[nodiscard]] Result<EnlistmentPtr> make_enlistment(const ResourceManagerPtr& rm,
                                                      const TransactionPtr& transaction,
                                                      NotificationMask mask, std::uint64_t key);
  // EnlistmentOptions::votes_last, before enlist(). Needs no lock. Error: kInvalidArgument.
  [[nodiscard]] static Status hold_back(EnlistmentObject& made);
  [[nodiscard]] Status enlist(const EnlistmentPtr& made);
  // Both.
  [[nodiscard]] Result<EnlistmentPtr> enlist(const ResourceManagerPtr& rm,
                                             const TransactionPtr& transaction,
                                             NotificationMask mask, std::uint64_t key);
  [[nodiscard]] Result<EnlistmentPtr> enlist_superior(const ResourceManagerPtr& rm,
                                                      const TransactionPtr& transaction,
                                                      NotificationMask mask, std::uint64_t key);
  // Wakes it if it is dormant. Null: this resource manager has no such unfinished one.
  [[nodiscard]] EnlistmentPtr find_enlistment(ResourceManagerObject& rm, const Uuid& id);
  // Everything that this resource manager committed is durable now.
  void harden(ResourceManagerObject& rm);
  // An answer or verb of the resource manager. A repetition is OK.
  [[nodiscard]] Status answer(const EnlistmentPtr& enlistment, EnlistmentEvent event);
  // A verb of a superior. A repetition is OK.
  [[nodiscard]] Status order(const EnlistmentPtr& enlistment, SuperiorEvent verb);
  // The answer kRollback, and why.
  [[nodiscard]] Status roll_back(const EnlistmentPtr& enlistment, const Status& because);
  [[nodiscard]] Status recover(const EnlistmentPtr& enlistment, std::uint64_t key);
  void set_recovery_information(EnlistmentObject& enlistment, std::vector<std::byte> data);
  void release(const EnlistmentPtr& enlistment);

  // --- virtual clock ---
  // All three from any thread, without the lock.
  [[nodiscard]] std::uint64_t clock() const { return clock_.load(); }
  void raise_clock(std::uint64_t clock) {
    std::uint64_t now = clock_.load();
    while (now < clock && !clock_.compare_exchange_weak(now, clock)) continue;
  }
  // What a record that is to be appended next carries: a decision takes the next value with it.
  [[nodiscard]] std::uint64_t clock_for(recovery::RecordType type) {
    return type == recovery::RecordType::kDecision ? ++clock_ : clock_.load();
  }

  [[nodiscard]] std::size_t transaction_count() const {
    return transactions_.size() + dormant_.size();
  }
  [[nodiscard]] std::size_t resource_manager_count() const { return resource_managers_.size(); }
  [[nodiscard]] std::size_t enlistment_count() const;
  [[nodiscard]] std::vector<Uuid> transaction_ids() const;
  [[nodiscard]] std::vector<Uuid> resource_manager_ids() const { return resource_managers_.ids(); }
  [[nodiscard]] std::vector<Uuid> enlistment_ids() const;

 private:
  friend class MachineWalk;  // the test that fires every event in every state

  // Each finds the row, enters its state, does its action; false, and nothing done, if there is no
  // row.
  bool fire(const TransactionPtr& transaction, TransactionEvent event,
            TransactionGuard guard = TransactionGuard::kAlways);
  bool fire(const EnlistmentPtr& enlistment, EnlistmentEvent event);
  bool fire(const EnlistmentPtr& superior, SuperiorEvent event);
  bool fire(ResourceManagerObject& rm, RmEvent event);
  // The only writers of the states.
  void enter(TransactionObject& transaction, TransactionState state);
  void enter(EnlistmentObject& enlistment, EnlistmentState state);
  void enter(ResourceManagerObject& rm, RmState state);
  void act(const TransactionPtr& transaction, TransactionAction action);
  void act(const EnlistmentPtr& enlistment, EnlistmentAction action);
  void act(const EnlistmentPtr& superior, SuperiorAction action);
  void tell_superior(const TransactionObject& transaction, SuperiorEvent event);
  [[nodiscard]] EnlistmentGuard guard_of(const EnlistmentObject& enlistment,
                                         EnlistmentEvent event) const;
  [[nodiscard]] SuperiorGuard guard_of(const EnlistmentObject& superior, SuperiorEvent event) const;
  [[nodiscard]] TransactionGuard commit_guard(const TransactionObject& transaction) const;

  // Takes every step that waits for nothing more. Ends each public call that may have changed the
  // transaction.
  void advance(const TransactionPtr& transaction);
  void roll_back(const TransactionPtr& transaction, Status reason);
  // Whether the step was taken that follows from the votes, or from what the superior ordered.
  bool advance_decision(const TransactionPtr& transaction);
  void write_record(const TransactionPtr& transaction);
  void write_forget(const TransactionPtr& transaction);
  void give_up(const TransactionPtr& transaction, const recovery::Act& act);
  void tell_all(const TransactionPtr& transaction, EnlistmentEvent event);
  // The enlistment that alone can decide, in the transaction's list, or null.
  [[nodiscard]] const EnlistmentPtr* single_phase_owner(const TransactionObject& transaction) const;
  // The enlistment that is held back until the others have voted, and was not asked yet, or null.
  [[nodiscard]] static const EnlistmentPtr* last_voter(const TransactionObject& transaction) {
    return transaction.has_last ? find_last_voter(transaction) : nullptr;
  }
  [[nodiscard]] static const EnlistmentPtr* find_last_voter(const TransactionObject& transaction);
  [[nodiscard]] TransactionGuard phase_guard(const TransactionObject& transaction) const;
  void send(EnlistmentObject& enlistment, NotificationKind kind);
  // That something was queued, or the queue has ended.
  void note(const std::shared_ptr<NotificationQueue>& queue) {
    if (queue->brings()) told_.push_back({queue, nullptr});
  }
  void finish(const EnlistmentPtr& enlistment);
  // It is forgotten: no table names it any more.
  void drop(const TransactionPtr& transaction);
  EnlistmentPtr add_enlistment(const ResourceManagerPtr& rm, const TransactionPtr& transaction,
                               const Uuid& id, NotificationMask mask, EnlistmentState initial);
  void add_enlistment(const EnlistmentPtr& enlistment);
  EnlistmentPtr add_superior(const ResourceManagerPtr& rm, const TransactionPtr& transaction,
                             const Uuid& id, NotificationMask mask, EnlistmentState initial);
  TransactionPtr wake(std::uint32_t row);
  // What wake() does with what the record of row `row` says.
  void take_members(const TransactionPtr& transaction, const recovery::TransactionRecord& record);
  void take_acts(const TransactionPtr& transaction, const recovery::TransactionRecord& record);
  void take_room_of(TransactionObject& transaction, std::uint32_t row);
  void link_dormant();
  [[nodiscard]] bool lacks_room(std::uint32_t row, bool promised) const;
  ResourceManagerPtr rebuilt_resource_manager(const Uuid& id);
  void disconnect_all(ResourceManagerObject& rm);
  void drop_if_unused(const ResourceManagerObject& rm);
  void set_deadline(TransactionObject& transaction,
                    std::optional<std::chrono::nanoseconds> deadline);
  void set_pin(TransactionObject& transaction, Lsn pin);

  IdTable<TransactionObject> transactions_;  // not forgotten, nor dormant
  recovery::PackedTransactions dormant_;     // marked: `dormant_room_` has room for its records
  std::uint64_t dormant_bytes_ = 0;          // as pinned_bytes_ counts
  log::Reservation dormant_room_;
  // Forgotten, and the forget record may not be in the log yet: those whose is have not all left.
  std::deque<TransactionPtr> forgetting_;
  std::unordered_set<Uuid> unforgotten_;  // forgotten, and there is no forget record
  Identities identities_;
  std::vector<TransactionPtr> unresolved_;  // dropped with an unknown outcome, for ~Protocol()
  IdTable<ResourceManagerObject> resource_managers_;
  Deadlines deadlines_;
  std::set<std::pair<Lsn, Uuid>> pins_;
  std::uint64_t pinned_bytes_ = 0;
  std::vector<LogWork> work_;
  std::vector<Told> told_;
  bool frozen_ = false;
  std::vector<TransactionPtr> held_;  // their records are held back
  std::atomic<std::uint64_t> clock_{1};
};

template <typename Reserve>
bool Protocol::give_room_singly(bool promised, Reserve reserve) {
  bool all = true;
  for (std::uint32_t row = 0; row < dormant_.end(); ++row) {
    if (!lacks_room(row, promised)) continue;
    Result<log::Reservation> room = reserve(promised ? 1U : 0U, dormant_.payload(row).size());
    all = all && room;
    if (!room) continue;
    dormant_room_.merge(std::move(*room));
    dormant_.mark(row);
  }
  return all;
}

// Absent, or why the description is refused.
[[nodiscard]] Status check_description(std::string_view description);
// Payload bytes of this transaction's decision or prepare record, were it written now.
[[nodiscard]] std::size_t record_bytes(const TransactionObject& transaction);
// Whether there is someone who must find the outcome, or the promise, in the log.
[[nodiscard]] bool is_logged(const TransactionObject& transaction);

}  // namespace cairn::tm

#endif  // CAIRN_TM_PROTOCOL_H_
