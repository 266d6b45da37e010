// The live objects. All fields are guarded by the transaction manager's lock, except those that are
// const or atomic.
//
//   TransactionObject <- list of unfinished, and the superior -> EnlistmentObject
//   EnlistmentObject  <- table of unfinished -> ResourceManagerObject
//
// An enlistment refers to its transaction and its resource manager as long as anyone refers to it;
// they refer to it until it is finished. So a finished transaction goes with its last reference.
// What recovery found has no objects before somebody touches it: see Protocol, "dormant".
#ifndef CAIRN_TM_OBJECTS_H_
#define CAIRN_TM_OBJECTS_H_

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <cairn/enlistment.h>
#include <cairn/lsn.h>
#include <cairn/notification.h>
#include <cairn/packed_transactions.h>
#include <cairn/reservation.h>
#include <cairn/resource_manager.h>
#include <cairn/status.h>
#include <cairn/tm_record.h>
#include <cairn/transaction.h>
#include <cairn/uuid.h>

#include "deadlines.h"
#include "enlistment_list.h"
#include "id_table.h"
#include "notification_queue.h"

namespace cairn::tm {

struct EnlistmentObject;
struct ResourceManagerObject;

// What threads wait on for a transaction to move. To notify costs next to nothing where nobody
// waits. All with the manager's lock.
class Changed {
 public:
  void wait(std::unique_lock<std::mutex>& lock) {
    ++waiting_;
    changed_.wait(lock);
    --waiting_;
  }
  template <typename Time>
  std::cv_status wait_until(std::unique_lock<std::mutex>& lock, const Time& time) {
    ++waiting_;
    const std::cv_status status = changed_.wait_until(lock, time);
    --waiting_;
    return status;
  }
  void notify_all() {
    if (waiting_ > 0) changed_.notify_all();
  }

 private:
  std::condition_variable changed_;
  std::uint32_t waiting_ = 0;
};

// How far a transaction may go by itself.
enum class Goal : std::uint8_t {
  kNone,        // nobody asked
  kPrePrepare,  // to the end of the preprepare phase
  kPrepare,     // to the votes
  kCommit,      // to the end
};

// What became of a forget record that is to be written.
enum class ForgetState : std::uint8_t { kUnwritten, kWritten, kRefused };

struct TransactionObject {
  TransactionObject(const Uuid& unit_of_work, TransactionState initial)
      : id(unit_of_work), state_(initial) {}

  const Uuid id;
  std::chrono::nanoseconds timeout{0};
  std::optional<std::chrono::nanoseconds> expires;   // absent: never
  std::optional<std::chrono::nanoseconds> deadline;  // the same, while it is queued for expiry
  DeadlineLinks deadline_links;
  std::uint32_t isolation_level = 0;
  std::uint32_t isolation_flags = 0;
  std::string description;

  Status reason;            // why it was rolled back or nobody knows
  std::uint64_t clock = 0;  // of its decision
  std::uint64_t references = 0;

  EnlistmentList enlistments;  // unfinished, in the order they came
  // Finished ones that asked for COMMIT_FINALIZE, and the session in which they were: a later one
  // knows nothing of them.
  std::vector<std::pair<std::shared_ptr<EnlistmentObject>, std::uint64_t>> finalize;
  std::shared_ptr<EnlistmentObject> superior;  // unfinished; null: none

  std::vector<recovery::Act> acts;   // of administrators
  std::uint64_t unawaited = 0;       // unfinished enlistments without which it is completed
  std::uint64_t awaited = 0;         // answers that the present phase waits for
  std::uint64_t logged_members = 0;  // unfinished durable enlistments with COMMIT
  std::uint64_t logged_bytes = 0;    // what those take in the decision record

  // Of a transaction that is logged:
  log::Reservation room;            // for every record it must yet write
  std::size_t room_for_record = 0;  // payload bytes of the record that `room` was taken for
  // Its decision, or while it has none, what it promised. Null: neither was written.
  std::shared_ptr<const recovery::TransactionRecord> record;
  std::shared_ptr<recovery::TransactionRecord> written;  // that in flight
  Lsn record_lsn;                                        // of its newest durable copy
  Lsn in_flight;  // Committing, Promising, RollingBack: that of the record; null: not appended yet
  Lsn pin;        // no record of it lies before; null: it has none
  std::uint32_t pinned_bytes = 0;  // what Protocol counts for it, while it has one

  // Small ones together: there may be a million of these objects.
  std::atomic<bool> ended{false};  // no table names it: its references need no longer be counted
  std::atomic<ForgetState> forget{ForgetState::kUnwritten};
  Goal goal = Goal::kNone;
  bool owned = false;                // it has, or had, a superior
  bool asked = false;                // a client asked for the commit
  bool has_last = false;             // an enlistment of it votes last, or did
  bool superior_rolls_back = false;  // it ordered so, and that waits for the prepare record
  bool resolved = false;             // an administrator decided it in the superior's place
  bool completed = false;            // committed, and no other enlistment is unfinished
  bool awaits_room = false;          // PrePrepared: log space is being reserved
  bool lacks_room = false;           // promised, and rebuilt from a log that was full
  bool copying = false;              // a checkpoint writes its record again
  bool forget_waits = false;         // it was finished meanwhile
  bool write_waits = false;          // it was decided meanwhile
  bool carried_forward = false;

  [[nodiscard]] TransactionState state() const { return state_; }
  [[nodiscard]] Outcome outcome() const { return outcome_; }

 private:
  friend class Protocol;
  TransactionState state_;
  Outcome outcome_ = Outcome::kUndetermined;

 public:
  Changed changed;  // with the manager's lock: state, in_flight, end of the manager
};

struct EnlistmentObject : std::enable_shared_from_this<EnlistmentObject> {
  EnlistmentObject(const Uuid& enlistment, std::shared_ptr<TransactionObject> its_transaction,
                   std::shared_ptr<ResourceManagerObject> its_resource_manager,
                   NotificationMask its_mask, EnlistmentState initial, bool is_superior)
      : id(enlistment),
        transaction(std::move(its_transaction)),
        resource_manager(std::move(its_resource_manager)),
        mask(its_mask),
        superior(is_superior),
        state_(initial) {}

  const Uuid id;
  const std::shared_ptr<TransactionObject> transaction;
  const std::shared_ptr<ResourceManagerObject> resource_manager;
  std::uint64_t key = 0;
  std::vector<std::byte> recovery_information;
  std::uint64_t references = 0;  // of the present session
  Status given_up;               // not OK: by an administrator
  Status rolled_back_because;    // what its resource manager said; OK: nothing
  // Where it is told something: no memory is taken then, so that an outcome can always be
  // delivered.
  NotificationQueue::Entry request_entry;
  NotificationQueue::Entry outcome_entry;
  EnlistmentLinks links;  // in the transaction's list; of a superior, nothing

  NotificationMask mask;
  std::uint32_t accepted = 0;  // one bit per answer accepted in the present session
  const bool superior;
  bool votes_last = false;
  bool unawaited = false;          // the transaction is completed without its further answer
  std::atomic<bool> ended{false};  // it is finished: references need no longer be counted

  [[nodiscard]] EnlistmentState state() const { return state_; }
  [[nodiscard]] bool wants(NotificationKind kind) const { return (mask & bit(kind)) != 0; }
  // A subordinate whose outcome must be in the log.
  [[nodiscard]] bool is_logged() const;
  // Queues what it is told. Takes memory only if it has not read what it was told before.
  void queue_message(NotificationQueue& queue, const NotificationQueue::Message& message);

 private:
  friend class Protocol;
  EnlistmentState state_;
};

struct ResourceManagerObject {
  ResourceManagerObject(const Uuid& its_id, RmKind its_kind) : id(its_id), kind(its_kind) {}

  const Uuid id;
  const RmKind kind;
  std::string description;
  std::uint64_t session = 0;                 // counts sessions
  std::shared_ptr<NotificationQueue> queue;  // of the session; null: none
  Status disconnected_because;            // what the last session said when it ended; OK: nothing
  IdTable<EnlistmentObject> enlistments;  // unfinished, without those that are dormant
  // Of the dormant ones: how many there are, the first, and whether a session ended since recovery.
  std::uint32_t dormant = 0;
  std::uint32_t first_dormant = recovery::PackedTransactions::kNone;
  bool was_away = false;

  [[nodiscard]] RmState state() const { return state_; }

 private:
  friend class Protocol;
  RmState state_ = RmState::kOffline;
};

}  // namespace cairn::tm

#endif  // CAIRN_TM_OBJECTS_H_
