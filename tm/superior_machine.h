// The states of a superior enlistment: one table. What is not in it is illegal, changes nothing,
// and is answered by illegal_superior_event(); but a verb that was accepted before is accepted
// again.
//
// A superior owns the decision over a transaction: it drives the phases by its verbs and is told
// their ends. Its states are those of an enlistment, seen from above: Preparing says that the votes
// come in, Prepared that it decides now.
#ifndef CAIRN_TM_SUPERIOR_MACHINE_H_
#define CAIRN_TM_SUPERIOR_MACHINE_H_

#include <array>
#include <cstdint>
#include <string_view>

#include <cairn/enlistment.h>
#include <cairn/status.h>
#include <cairn/transaction.h>

#include "enlistment_machine.h"
#include "machine.h"

namespace cairn::tm {

enum class SuperiorEvent : std::uint8_t {
  // its verbs
  kPrePrepare,
  kPrepare,
  kCommit,
  kRollback,
  kRecover,  // Enlistment::recover
  // the transaction's
  kRequest,         // a client asks to commit
  kPrePrepareDone,  // every answer to PREPREPARE is in
  kPrepareDone,     // every vote is yes, and that is durable
  kCommitDone,      // everyone has committed
  kRolledBack,      // by someone else
  kRollbackDone,    // everyone has rolled back
  kOutcomeAsked,    // a subordinate must know
  // its resource manager's
  kReoffer,  // ResourceManager::recover
  kRelease,
  kDisconnect,
};

enum class SuperiorGuard : std::uint8_t {
  kAlways,
  kUndecided,  // the transaction's outcome, what is on its way included
  kCommitted,
  kAborted,
  // of the end of its last reference or session:
  kRevoke,  // the transaction can be rolled back
  kKeep,    // else, and it is durable: it can come back
  kLose,    // else
};

enum class SuperiorAction : std::uint8_t {
  kNone,
  kRunPrePrepare,  // the transaction runs its first phase
  kRunPrepare,     // and up to the votes
  kRunCommit,      // and to its end
  kOrderRollback,
  kSendCommitRequest,
  kSendPrePrepareComplete,
  kSendPrepareComplete,
  kSendCommitComplete,  // and it is finished
  kSendRollback,
  kSendRollbackComplete,  // and it is finished
  kSendRequestOutcome,
  kSendRecover,
  kSendRecoverQuery,
  kFinish,
  kLeaveAndAbort,  // finish, and roll the transaction back
  kLose,           // finish, and the outcome is unknown
};

using SuperiorTransition =
    Transition<EnlistmentState, SuperiorEvent, SuperiorGuard, SuperiorAction>;

// clang-format off
inline constexpr auto kSuperiorTable = [] {
  using S = EnlistmentState; using E = SuperiorEvent; using G = SuperiorGuard; using A = SuperiorAction;
  return std::to_array<SuperiorTransition>({
    // from                 event                condition       to                         action
    // it drives the phases
    {S::kActive,             E::kPrePrepare,      G::kAlways,     S::kPrePreparing,          A::kRunPrePrepare},
    {S::kActive,             E::kPrepare,         G::kAlways,     S::kPreparing,             A::kRunPrepare},
    {S::kActive,             E::kCommit,          G::kAlways,     S::kCommitting,            A::kRunCommit},
    {S::kCommitRequested,    E::kPrePrepare,      G::kAlways,     S::kPrePreparing,          A::kRunPrePrepare},
    {S::kCommitRequested,    E::kPrepare,         G::kAlways,     S::kPreparing,             A::kRunPrepare},
    {S::kCommitRequested,    E::kCommit,          G::kAlways,     S::kCommitting,            A::kRunCommit},
    {S::kPrePrepared,        E::kPrepare,         G::kAlways,     S::kPreparing,             A::kRunPrepare},
    {S::kPrePrepared,        E::kCommit,          G::kAlways,     S::kCommitting,            A::kRunCommit},
    {S::kPrepared,           E::kCommit,          G::kUndecided,  S::kCommitting,            A::kRunCommit},
    {S::kPrepared,           E::kCommit,          G::kCommitted,  S::kCommitting,            A::kNone},
    {S::kInDoubt,            E::kCommit,          G::kUndecided,  S::kCommitting,            A::kRunCommit},
    {S::kInDoubt,            E::kCommit,          G::kCommitted,  S::kCommitting,            A::kNone},
    // and is told their ends
    {S::kActive,             E::kRequest,         G::kAlways,     S::kCommitRequested,       A::kSendCommitRequest},
    {S::kPrePreparing,       E::kPrePrepareDone,  G::kAlways,     S::kPrePrepared,           A::kSendPrePrepareComplete},
    {S::kPreparing,          E::kPrepareDone,     G::kAlways,     S::kPrepared,              A::kSendPrepareComplete},
    {S::kCommitting,         E::kCommitDone,      G::kAlways,     S::kCommitted,             A::kSendCommitComplete},
    {S::kAborting,           E::kRollbackDone,    G::kAlways,     S::kAborted,               A::kSendRollbackComplete},
    {S::kPrepared,           E::kOutcomeAsked,    G::kAlways,     S::kPrepared,              A::kSendRequestOutcome},
    {S::kInDoubt,            E::kOutcomeAsked,    G::kAlways,     S::kInDoubt,               A::kSendRequestOutcome},
    // rollback, by it
    {S::kActive,             E::kRollback,        G::kAlways,     S::kAborting,              A::kOrderRollback},
    {S::kCommitRequested,    E::kRollback,        G::kAlways,     S::kAborting,              A::kOrderRollback},
    {S::kPrePreparing,       E::kRollback,        G::kAlways,     S::kAborting,              A::kOrderRollback},
    {S::kPrePrepared,        E::kRollback,        G::kAlways,     S::kAborting,              A::kOrderRollback},
    {S::kPreparing,          E::kRollback,        G::kAlways,     S::kAborting,              A::kOrderRollback},
    {S::kPrepared,           E::kRollback,        G::kUndecided,  S::kAborting,              A::kOrderRollback},
    {S::kPrepared,           E::kRollback,        G::kAborted,    S::kAborting,              A::kNone},
    {S::kInDoubt,            E::kRollback,        G::kUndecided,  S::kAborting,              A::kOrderRollback},
    {S::kInDoubt,            E::kRollback,        G::kAborted,    S::kAborting,              A::kNone},
    // and by others
    {S::kActive,             E::kRolledBack,      G::kAlways,     S::kAborting,              A::kSendRollback},
    {S::kCommitRequested,    E::kRolledBack,      G::kAlways,     S::kAborting,              A::kSendRollback},
    {S::kPrePreparing,       E::kRolledBack,      G::kAlways,     S::kAborting,              A::kSendRollback},
    {S::kPrePrepared,        E::kRolledBack,      G::kAlways,     S::kAborting,              A::kSendRollback},
    {S::kPreparing,          E::kRolledBack,      G::kAlways,     S::kAborting,              A::kSendRollback},
    {S::kCommitting,         E::kRolledBack,      G::kAlways,     S::kAborting,              A::kSendRollback},
    {S::kInDoubt,            E::kRolledBack,      G::kAlways,     S::kAborting,              A::kSendRollback},
    {S::kOffline,            E::kRolledBack,      G::kAlways,     S::kForgotten,             A::kFinish},
    {S::kRecovering,         E::kRolledBack,      G::kAlways,     S::kForgotten,             A::kFinish},
    // it goes away
    {S::kActive,             E::kRelease,         G::kRevoke,     S::kForgotten,             A::kLeaveAndAbort},
    {S::kCommitRequested,    E::kRelease,         G::kRevoke,     S::kForgotten,             A::kLeaveAndAbort},
    {S::kPrePreparing,       E::kRelease,         G::kRevoke,     S::kForgotten,             A::kLeaveAndAbort},
    {S::kPrePrepared,        E::kRelease,         G::kRevoke,     S::kForgotten,             A::kLeaveAndAbort},
    {S::kPreparing,          E::kRelease,         G::kRevoke,     S::kForgotten,             A::kLeaveAndAbort},
    {S::kActive,             E::kDisconnect,      G::kRevoke,     S::kForgotten,             A::kLeaveAndAbort},
    {S::kCommitRequested,    E::kDisconnect,      G::kRevoke,     S::kForgotten,             A::kLeaveAndAbort},
    {S::kPrePreparing,       E::kDisconnect,      G::kRevoke,     S::kForgotten,             A::kLeaveAndAbort},
    {S::kPrePrepared,        E::kDisconnect,      G::kRevoke,     S::kForgotten,             A::kLeaveAndAbort},
    {S::kPreparing,          E::kDisconnect,      G::kRevoke,     S::kForgotten,             A::kLeaveAndAbort},
    {S::kPreparing,          E::kDisconnect,      G::kKeep,       S::kOffline,               A::kNone},
    {S::kPrepared,           E::kDisconnect,      G::kKeep,       S::kOffline,               A::kNone},
    {S::kPrepared,           E::kDisconnect,      G::kLose,       S::kOutcomeUnavailable,    A::kLose},
    {S::kInDoubt,            E::kDisconnect,      G::kKeep,       S::kOffline,               A::kNone},
    {S::kRecovering,         E::kDisconnect,      G::kKeep,       S::kOffline,               A::kNone},
    {S::kCommitting,         E::kDisconnect,      G::kRevoke,     S::kOffline,               A::kNone},
    {S::kCommitting,         E::kDisconnect,      G::kKeep,       S::kOffline,               A::kNone},
    {S::kCommitting,         E::kDisconnect,      G::kLose,       S::kForgotten,             A::kFinish},
    {S::kAborting,           E::kDisconnect,      G::kKeep,       S::kOffline,               A::kNone},
    {S::kAborting,           E::kDisconnect,      G::kLose,       S::kForgotten,             A::kFinish},
    {S::kOffline,            E::kCommitDone,      G::kAlways,     S::kForgotten,             A::kFinish},
    {S::kOffline,            E::kRollbackDone,    G::kAlways,     S::kForgotten,             A::kFinish},
    // and comes back
    {S::kOffline,            E::kReoffer,         G::kUndecided,  S::kRecovering,            A::kSendRecoverQuery},
    {S::kOffline,            E::kReoffer,         G::kCommitted,  S::kRecovering,            A::kSendRecover},
    {S::kRecovering,         E::kReoffer,         G::kUndecided,  S::kRecovering,            A::kSendRecoverQuery},
    {S::kRecovering,         E::kReoffer,         G::kCommitted,  S::kRecovering,            A::kSendRecover},
    {S::kRecovering,         E::kRecover,         G::kUndecided,  S::kInDoubt,               A::kNone},
    {S::kRecovering,         E::kRecover,         G::kCommitted,  S::kCommitting,            A::kNone},
    {S::kRecovering,         E::kCommitDone,      G::kAlways,     S::kForgotten,             A::kFinish},
    {S::kForgotten,          E::kRecover,         G::kCommitted,  S::kForgotten,             A::kSendCommitComplete},
    {S::kForgotten,          E::kRecover,         G::kAborted,    S::kForgotten,             A::kSendRollbackComplete},
  });
}();

inline constexpr auto kSuperiorStates = std::to_array<EnlistmentState>({
    EnlistmentState::kActive, EnlistmentState::kCommitRequested, EnlistmentState::kPrePreparing, EnlistmentState::kPrePrepared,
    EnlistmentState::kPreparing, EnlistmentState::kPrepared, EnlistmentState::kInDoubt, EnlistmentState::kCommitting,
    EnlistmentState::kAborting, EnlistmentState::kRecovering, EnlistmentState::kOffline, EnlistmentState::kCommitted,
    EnlistmentState::kAborted, EnlistmentState::kOutcomeUnavailable, EnlistmentState::kForgotten});
inline constexpr auto kSuperiorEvents = std::to_array<SuperiorEvent>({
    SuperiorEvent::kPrePrepare, SuperiorEvent::kPrepare, SuperiorEvent::kCommit, SuperiorEvent::kRollback, SuperiorEvent::kRecover,
    SuperiorEvent::kRequest, SuperiorEvent::kPrePrepareDone, SuperiorEvent::kPrepareDone, SuperiorEvent::kCommitDone,
    SuperiorEvent::kRolledBack, SuperiorEvent::kRollbackDone, SuperiorEvent::kOutcomeAsked, SuperiorEvent::kReoffer,
    SuperiorEvent::kRelease, SuperiorEvent::kDisconnect});
// clang-format on

static_assert(is_deterministic(kSuperiorTable));
static_assert(
    [] {
      for (const EnlistmentState state : kSuperiorStates) {
        const std::array initial = {EnlistmentState::kActive, EnlistmentState::kRecovering};
        if (!is_reachable(kSuperiorTable, initial, state)) return false;
        if (is_finished(state) && !leads_only_to(kSuperiorTable, state)) return false;
      }
      return true;
    }(),
    "no state is there for show, and a finished superior stays finished");
static_assert(!has_edge(kSuperiorTable, EnlistmentState::kPrepared, EnlistmentState::kForgotten),
              "what is promised is kept until the superior decides");
static_assert(!has_edge(kSuperiorTable, EnlistmentState::kAborting, EnlistmentState::kCommitting),
              "an order is not taken back");

// What a verb is answered that the table does not have. `outcome`: the transaction's.
[[nodiscard]] StatusCode illegal_superior_event(SuperiorEvent event, Outcome outcome);

[[nodiscard]] std::string_view superior_event_name(SuperiorEvent event);
[[nodiscard]] std::string_view superior_guard_name(SuperiorGuard guard);
[[nodiscard]] std::string_view superior_action_name(SuperiorAction action);

}  // namespace cairn::tm

#endif  // CAIRN_TM_SUPERIOR_MACHINE_H_
