// Notification: what a transaction manager tells a resource manager, and the mask that asks for it.
//
// Names and values are KTM's. A resource manager has one first-in first-out queue; the
// notifications of one transaction come in the order of the protocol, those of different
// transactions in no promised order.
#ifndef CAIRN_NOTIFICATION_H_
#define CAIRN_NOTIFICATION_H_

#include <cstdint>
#include <string>
#include <string_view>

#include <cairn/status.h>
#include <cairn/uuid.h>

namespace cairn::tm {

// Each value is one bit. Values never change.
enum class NotificationKind : std::uint32_t {
  kPrePrepare = 0x1,           // flush caches; answer pre_prepare_complete, read_only or rollback
  kPrepare = 0x2,              // promise; answer prepare_complete, read_only or rollback
  kCommit = 0x4,               // decided: commit; answer commit_complete
  kRollback = 0x8,             // decided: undo; answer rollback_complete
  kPrePrepareComplete = 0x10,  // superior: all answered PREPREPARE
  kPrepareComplete = 0x20,     // superior: all prepared, and that is durable
  kCommitComplete = 0x40,      // superior: all committed
  kRollbackComplete = 0x80,    // superior: the rollback is finished
  kRecover = 0x100,  // an unfinished enlistment: open_enlistment, then Enlistment::recover
  kSinglePhaseCommit = 0x200,  // decide alone; answer commit_complete, rollback_complete or
                               // single_phase_reject
  kDelegateCommit = 0x400,     // never sent
  kRecoverQuery = 0x800,       // superior: kRecover of what it has not decided
  kEnlistPrePrepare = 0x1000,  // never sent
  kLastRecover = 0x2000,  // no more kRecover: roll back whatever else is prepared for this manager
  kInDoubt = 0x4000,      // Enlistment::recover: not decided yet; keep the locks, wait
  kRmDisconnected =
      0x1000000,               // the single-phase owner vanished: the outcome is unknown. No answer
  kTmOnline = 0x2000000,       // another transaction manager came online
  kCommitRequest = 0x4000000,  // superior: a client asks to commit
  kRequestOutcome = 0x20000000,  // superior: a prepared subordinate asks for the decision
  kCommitFinalize = 0x40000000,  // every enlistment answered COMMIT. No answer
};
// The name in KTM's spelling, for example "PREPREPARE"; "" for a value that is no notification.
[[nodiscard]] std::string_view notification_kind_name(NotificationKind kind);

// A set of notification kinds.
using NotificationMask = std::uint32_t;
[[nodiscard]] constexpr NotificationMask bit(NotificationKind kind) {
  return static_cast<NotificationMask>(kind);
}
[[nodiscard]] constexpr NotificationMask operator|(NotificationKind a, NotificationKind b) {
  return bit(a) | bit(b);
}
[[nodiscard]] constexpr NotificationMask operator|(NotificationMask a, NotificationKind b) {
  return a | bit(b);
}

// What most durable resource managers ask for: two phases.
inline constexpr NotificationMask kTwoPhase =
    NotificationKind::kPrepare | NotificationKind::kCommit | NotificationKind::kRollback;
// The same, and willing to decide alone when no other enlistment votes.
inline constexpr NotificationMask kTwoOrSinglePhase =
    kTwoPhase | NotificationKind::kSinglePhaseCommit;

// The rules for the mask of a subordinate enlistment, in the order they are checked:
//   kInvalidArgument  a bit that is no notification
//   kNotSuperior      a bit that only a superior can ask for (*_COMPLETE, RECOVER_QUERY,
//   COMMIT_REQUEST,
//                     REQUEST_OUTCOME)
//   kNotSupported     DELEGATE_COMMIT, ENLIST_PREPREPARE, TM_ONLINE: this version sends none of
//   them kInvalidArgument  no ROLLBACK; PREPARE without COMMIT; SINGLE_PHASE_COMMIT without PREPARE
//   and COMMIT;
//                     no COMMIT, unless PREPREPARE is there
// RECOVER, LAST_RECOVER, INDOUBT and RM_DISCONNECTED come without being asked for; naming them is
// allowed.
[[nodiscard]] Status check_mask(NotificationMask mask);

// What a superior asks for: to be told the end of each phase, and whatever else it can be told.
inline constexpr NotificationMask kSuperior =
    NotificationKind::kRollback | NotificationKind::kPrePrepareComplete |
    NotificationKind::kPrepareComplete | NotificationKind::kCommitComplete |
    NotificationKind::kRollbackComplete | NotificationKind::kRecoverQuery |
    NotificationKind::kCommitRequest | NotificationKind::kRequestOutcome;

// The rules for the mask of a superior enlistment, in the order they are checked:
//   kInvalidArgument  a bit that is no notification
//   kNotSupported     DELEGATE_COMMIT, ENLIST_PREPREPARE, TM_ONLINE
//   kInvalidArgument  a bit that only a subordinate can ask for (PREPREPARE, PREPARE, COMMIT,
//                     SINGLE_PHASE_COMMIT, COMMIT_FINALIZE); no ROLLBACK
[[nodiscard]] Status check_superior_mask(NotificationMask mask);

struct Notification {
  NotificationKind kind = NotificationKind::kRollback;
  std::uint64_t key =
      0;  // as given to enlist() or Enlistment::recover(); 0 for kRecover and kLastRecover
  Uuid enlistment{};        // null for kLastRecover
  Uuid transaction{};       // the unit of work; null for kLastRecover
  std::uint64_t clock = 0;  // virtual clock of the transaction manager when it was sent
  Uuid manager{};           // of kTmOnline: the transaction manager that came online

  // "COMMIT enlistment ... transaction ... key 7 clock 12".
  [[nodiscard]] std::string to_string() const;
};

}  // namespace cairn::tm

#endif  // CAIRN_NOTIFICATION_H_
