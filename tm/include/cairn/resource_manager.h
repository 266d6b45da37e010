// ResourceManager: the session of a program that keeps data under transactions.
//
// The order of a resource manager's start:
//   auto rm = tm.open_or_create_resource_manager(guid, RmKind::kDurable, "orders");
//   rm->recover();
//   loop: n = rm->get_notification();
//     kRecover:     e = rm->open_enlistment(n->enlistment); data = e.recovery_information();
//                   e.recover(key)
//     kCommit:      commit (again, if it was done before); e.commit_complete()
//     kRollback:    undo; e.rollback_complete()
//     kRecoverQuery, of a superior: the same; then e.superior_commit() or e.superior_rollback() as
//                   its own log says; what it does not know of, it rolls back
//     kLastRecover: roll back whatever else is prepared under this manager's id; serve
// A transaction's outcome is delivered at least once. Resource managers are idempotent on (unit of
// work, enlistment).
#ifndef CAIRN_RESOURCE_MANAGER_H_
#define CAIRN_RESOURCE_MANAGER_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <cairn/enlistment.h>
#include <cairn/notification.h>
#include <cairn/result.h>
#include <cairn/status.h>
#include <cairn/transaction.h>
#include <cairn/uuid.h>

namespace cairn::tm {

class ResourceManagerReference;

enum class RmKind : std::uint8_t {
  kDurable,   // its enlistments are logged and survive; it starts Offline and must recover()
  kVolatile,  // nothing is logged for it; it is Online at once
};

// The table of the transitions is tm/resource_manager_machine.h.
enum class RmState : std::uint8_t { kOffline = 1, kOnline = 2, kRecovering = 3 };
[[nodiscard]] std::string_view rm_state_name(RmState state);

struct RmInformation {
  Uuid id{};
  std::string description{};
  RmKind kind = RmKind::kDurable;
  RmState state = RmState::kOffline;
  std::uint64_t session = 0;        // counts create and open; only the newest may act
  std::uint64_t enlistments = 0;    // unfinished
  std::uint64_t notifications = 0;  // waiting in the queue
};

// A session of a resource manager: copies share it. open_resource_manager() begins a new one and
// fences the one before: all its calls, and those of its enlistments, answer kFenced from then on.
// When the last copy is gone, or the session is fenced, the resource manager is disconnected:
// enlistments that have not promised roll their transactions back; those that have are Offline
// until the next session recovers. (Those of a volatile resource manager can never be recovered:
// undecided transactions roll back, committed ones no longer wait for it.) Thread-safe, except that
// one object must not be assigned while it is used. Errors of all calls but queries: kFenced,
// kObjectExpired (the transaction manager was closed or went offline), kInvalidState
// (default-constructed).
class ResourceManager {
 public:
  ResourceManager() = default;

  [[nodiscard]] Uuid id() const;

  // Brings it online. Queues RECOVER for each unfinished enlistment, then LAST_RECOVER; also for a
  // new one, that finds nothing but LAST_RECOVER. Errors: kTmVolatile (a volatile one has nothing
  // to recover), kRequestNotValid (this session recovered before).
  [[nodiscard]] Status recover();

  // The next notification, waiting for it up to `limit` of real time; without a limit, until there
  // is one or the session ends. Errors: kTimeout.
  [[nodiscard]] Result<Notification> get_notification(
      std::optional<std::chrono::nanoseconds> limit = std::nullopt);
  // The same, for one who may have no room for it: where `fits` answers no, it stays the next one,
  // and the error is kBufferTooSmall. `fits` is called with the queue's lock held: it must be short
  // and call nothing of Cairn. REQUIRES: `fits` is not empty.
  [[nodiscard]] Result<Notification> get_notification(
      const std::function<bool(const Notification&)>& fits,
      std::optional<std::chrono::nanoseconds> limit);
  // The next notification if there is one.
  [[nodiscard]] Result<std::optional<Notification>> try_get_notification();
  // See also cairn/delivery.h: notifications that come to a handler.
  //
  // A file descriptor that is readable while the queue is not empty or the session has ended, for
  // epoll and io_uring. Made at the first call; owned by this session: do not close, read or write
  // it, and let the object outlive its use. Errors: kResourceExhausted (no descriptor left).
  [[nodiscard]] Result<int> event_fd();

  // Everything that this session answered with Hardened::kNo is durable now: its own checkpoint.
  [[nodiscard]] Status hardened();

  // From now on TM_ONLINE comes whenever another transaction manager of this process comes online,
  // with its identity: for those that connect managers, and go on with the recovery of their
  // branches then. Those that are online already: TransactionManager::enumerate().
  [[nodiscard]] Status watch_managers();

  // Takes part in `transaction` (CreateEnlistment). `key` comes back with each notification, which
  // may be before this call returns. Errors: check_mask()'s; kNotOnline (recover first); kNotActive
  // (the commit is past its preprepare phase, or it has ended); kMustWriteThrough (asks for
  // PREPREPARE after that phase began); kInvalidArgument (the transaction refers to nothing or
  // belongs to another manager); kResourceExhausted (kMaxEnlistments). As a superior:
  // check_superior_mask()'s; kNotActive (only an active transaction comes under one);
  // kSuperiorExists; kTmVolatile (a volatile resource manager, of a durable manager).
  [[nodiscard]] Result<Enlistment> enlist(const Transaction& transaction, NotificationMask mask,
                                          std::uint64_t key, const EnlistmentOptions& options = {});
  // A reference to one of its unfinished enlistments. Error: kNotFound (also for one that was
  // offered by RECOVER or RECOVER_QUERY and has ended since: nothing is owed to it any more).
  [[nodiscard]] Result<Enlistment> open_enlistment(const Uuid& enlistment);

  // Ends the session now, for all its copies, as if the last one were gone, and says why: the text
  // becomes part of the abort reason of each transaction that is rolled back by this, and of what
  // commit() answers there. For one that cannot go on, a full disk for example. Error:
  // kInvalidArgument (`why` is OK).
  [[nodiscard]] Status disconnect(const Status& why);

  // Its unfinished enlistments.
  [[nodiscard]] Result<std::vector<Uuid>> enlistments() const;
  [[nodiscard]] Result<RmInformation> information() const;

 private:
  friend class TransactionManager;
  friend class Delivery;
  explicit ResourceManager(std::shared_ptr<ResourceManagerReference> reference);
  std::shared_ptr<ResourceManagerReference> reference_;
};

}  // namespace cairn::tm

#endif  // CAIRN_RESOURCE_MANAGER_H_
