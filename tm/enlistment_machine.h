// The states of an enlistment: one table. What is not in it is illegal, changes nothing, and is
// answered by illegal_enlistment_event(); but an answer that was accepted before is accepted again.
#ifndef CAIRN_TM_ENLISTMENT_MACHINE_H_
#define CAIRN_TM_ENLISTMENT_MACHINE_H_

#include <array>
#include <cstdint>
#include <string_view>

#include <cairn/enlistment.h>
#include <cairn/status.h>
#include <cairn/transaction.h>

#include "machine.h"

namespace cairn::tm {

enum class EnlistmentEvent : std::uint8_t {
  // the transaction's
  kAskPrePrepare,
  kAskPrepare,
  kAskSinglePhase,
  kTellCommit,
  kTellRollback,
  kTellDisconnected,
  // the resource manager's answers and verbs
  kPrePrepareComplete,
  kPrepareComplete,
  kCommitComplete,
  kCommitUnhardened,  // kCommitComplete with Hardened::kNo
  kHardened,
  kRollbackComplete,
  kReadOnly,
  kReject,
  kRollback,
  kRequestOutcome,
  kRecover,  // Enlistment::recover
  kReoffer,  // ResourceManager::recover
  // the end of a reference or a session
  kRelease,
  kDisconnect,
};

enum class EnlistmentGuard : std::uint8_t {
  kAlways,
  kWantsCommit,      // the mask has COMMIT
  kNoCommit,         // else
  kPrePreparedOnce,  // it answered PREPREPARE before
  kNeverAsked,       // else
  kUndecided,        // the transaction's outcome
  kCommitted,
  kAborted,
  kRevocable,    // the transaction can still be rolled back
  kIrrevocable,  // else
  kLogged,       // its outcome is in the log
  kUnlogged,     // else
  // of a disconnect:
  kKeep,    // durable, and the outcome is owed to it: promised, or too late to roll back
  kRevoke,  // else, and the transaction can be rolled back
  kDrop,    // else
};

enum class EnlistmentAction : std::uint8_t {
  kNone,
  kSendPrePrepare,
  kSendPrepare,
  kSendSinglePhase,
  kSendCommit,
  kSendRollback,
  kSendRecover,
  kSendInDoubt,
  kSendDisconnected,  // and it is finished
  kVote,              // one answer fewer is awaited
  kVoteAndFinish,
  kFinish,            // owes nothing more, is told nothing more
  kOwnerCommitted,    // finish, and the transaction learns
  kOwnerAborted,      // finish, and the transaction learns
  kOwnerRollsBack,    // the transaction rolls back, this enlistment included
  kOwnerRejected,     // the transaction runs its phases
  kOwnerGone,         // finish, and the outcome is unknown
  kWaitNoLonger,      // the transaction can be completed without its further answer
  kWaitAgain,         // or not: it must commit once more
  kAskSuperior,       // REQUEST_OUTCOME to the superior, if there is one
  kAbortTransaction,  // roll the transaction back, this enlistment included
  kLeaveAndAbort,     // finish, and roll the transaction back
};

using EnlistmentTransition =
    Transition<EnlistmentState, EnlistmentEvent, EnlistmentGuard, EnlistmentAction>;

// clang-format off
inline constexpr auto kEnlistmentTable = [] {
  using S = EnlistmentState; using E = EnlistmentEvent; using G = EnlistmentGuard; using A = EnlistmentAction;
  return std::to_array<EnlistmentTransition>({
    // from              event                   condition            to                         action
    // the phases
    {S::kActive,         E::kAskPrePrepare,      G::kAlways,          S::kPrePreparing,          A::kSendPrePrepare},
    {S::kPrePreparing,   E::kPrePrepareComplete, G::kWantsCommit,     S::kPrePrepared,           A::kVote},
    {S::kPrePreparing,   E::kPrePrepareComplete, G::kNoCommit,        S::kForgotten,             A::kVoteAndFinish},
    {S::kActive,         E::kAskPrepare,         G::kAlways,          S::kPreparing,             A::kSendPrepare},
    {S::kPrePrepared,    E::kAskPrepare,         G::kAlways,          S::kPreparing,             A::kSendPrepare},
    {S::kPreparing,      E::kPrepareComplete,    G::kAlways,          S::kPrepared,              A::kVote},
    {S::kActive,         E::kReadOnly,           G::kRevocable,       S::kReadOnly,              A::kFinish},
    {S::kPrePreparing,   E::kReadOnly,           G::kAlways,          S::kReadOnly,              A::kVoteAndFinish},
    {S::kPrePrepared,    E::kReadOnly,           G::kRevocable,       S::kReadOnly,              A::kFinish},
    {S::kPreparing,      E::kReadOnly,           G::kAlways,          S::kReadOnly,              A::kVoteAndFinish},
    // single phase
    {S::kActive,         E::kAskSinglePhase,     G::kAlways,          S::kDelegated,             A::kSendSinglePhase},
    {S::kPrePrepared,    E::kAskSinglePhase,     G::kAlways,          S::kDelegated,             A::kSendSinglePhase},
    {S::kDelegated,      E::kCommitComplete,     G::kAlways,          S::kCommitted,             A::kOwnerCommitted},
    {S::kDelegated,      E::kRollbackComplete,   G::kAlways,          S::kAborted,               A::kOwnerAborted},
    {S::kDelegated,      E::kRollback,           G::kAlways,          S::kDelegated,             A::kOwnerRollsBack},
    {S::kDelegated,      E::kReject,             G::kNeverAsked,      S::kActive,                A::kOwnerRejected},
    {S::kDelegated,      E::kReject,             G::kPrePreparedOnce, S::kPrePrepared,           A::kOwnerRejected},
    {S::kDelegated,      E::kRelease,            G::kAlways,          S::kDelegatedDisconnected, A::kOwnerGone},
    {S::kDelegated,      E::kDisconnect,         G::kAlways,          S::kDelegatedDisconnected, A::kOwnerGone},
    {S::kActive,         E::kTellDisconnected,   G::kAlways,          S::kOutcomeUnavailable,    A::kSendDisconnected},
    {S::kPrePrepared,    E::kTellDisconnected,   G::kAlways,          S::kOutcomeUnavailable,    A::kSendDisconnected},
    {S::kPrepared,       E::kTellDisconnected,   G::kAlways,          S::kOutcomeUnavailable,    A::kSendDisconnected},
    // it must know
    {S::kPrepared,       E::kRequestOutcome,     G::kRevocable,       S::kPrepared,              A::kAbortTransaction},
    {S::kPrepared,       E::kRequestOutcome,     G::kIrrevocable,     S::kPrepared,              A::kAskSuperior},
    {S::kInDoubt,        E::kRequestOutcome,     G::kRevocable,       S::kInDoubt,               A::kAbortTransaction},
    {S::kInDoubt,        E::kRequestOutcome,     G::kIrrevocable,     S::kInDoubt,               A::kAskSuperior},
    // commit; Active and PrePrepared: it did not ask to vote
    {S::kActive,         E::kTellCommit,         G::kWantsCommit,     S::kCommittedNotify,       A::kSendCommit},
    {S::kActive,         E::kTellCommit,         G::kNoCommit,        S::kForgotten,             A::kFinish},
    {S::kPrePrepared,    E::kTellCommit,         G::kAlways,          S::kCommittedNotify,       A::kSendCommit},
    {S::kPrepared,       E::kTellCommit,         G::kAlways,          S::kCommittedNotify,       A::kSendCommit},
    {S::kInDoubt,        E::kTellCommit,         G::kAlways,          S::kCommittedNotify,       A::kSendCommit},
    {S::kRecovering,     E::kTellCommit,         G::kAlways,          S::kRecovering,            A::kNone},
    {S::kOffline,        E::kTellCommit,         G::kAlways,          S::kOffline,               A::kNone},
    {S::kCommittedNotify, E::kCommitComplete,    G::kAlways,          S::kCommitted,             A::kFinish},
    {S::kCommittedNotify, E::kCommitUnhardened,  G::kLogged,          S::kUnhardened,            A::kWaitNoLonger},
    {S::kCommittedNotify, E::kCommitUnhardened,  G::kUnlogged,        S::kCommitted,             A::kFinish},
    {S::kUnhardened,     E::kHardened,           G::kAlways,          S::kCommitted,             A::kFinish},
    {S::kUnhardened,     E::kCommitComplete,     G::kAlways,          S::kCommitted,             A::kFinish},
    // rollback
    {S::kActive,         E::kTellRollback,       G::kAlways,          S::kAborting,              A::kSendRollback},
    {S::kPrePreparing,   E::kTellRollback,       G::kAlways,          S::kAborting,              A::kSendRollback},
    {S::kPrePrepared,    E::kTellRollback,       G::kAlways,          S::kAborting,              A::kSendRollback},
    {S::kPreparing,      E::kTellRollback,       G::kAlways,          S::kAborting,              A::kSendRollback},
    {S::kPrepared,       E::kTellRollback,       G::kAlways,          S::kAborting,              A::kSendRollback},
    {S::kDelegated,      E::kTellRollback,       G::kAlways,          S::kAborting,              A::kSendRollback},
    {S::kInDoubt,        E::kTellRollback,       G::kAlways,          S::kAborting,              A::kSendRollback},
    {S::kRecovering,     E::kTellRollback,       G::kAlways,          S::kRecovering,            A::kNone},
    {S::kOffline,        E::kTellRollback,       G::kAlways,          S::kForgotten,             A::kFinish},
    {S::kAborting,       E::kRollbackComplete,   G::kAlways,          S::kAborted,               A::kFinish},
    {S::kAborting,       E::kRelease,            G::kAlways,          S::kForgotten,             A::kFinish},
    {S::kActive,         E::kRollback,           G::kRevocable,       S::kActive,                A::kAbortTransaction},
    {S::kPrePreparing,   E::kRollback,           G::kRevocable,       S::kPrePreparing,          A::kAbortTransaction},
    {S::kPrePrepared,    E::kRollback,           G::kRevocable,       S::kPrePrepared,           A::kAbortTransaction},
    {S::kPreparing,      E::kRollback,           G::kRevocable,       S::kPreparing,             A::kAbortTransaction},
    {S::kActive,         E::kRelease,            G::kRevocable,       S::kActive,                A::kAbortTransaction},
    {S::kPrePreparing,   E::kRelease,            G::kRevocable,       S::kPrePreparing,          A::kAbortTransaction},
    {S::kPrePrepared,    E::kRelease,            G::kRevocable,       S::kPrePrepared,           A::kAbortTransaction},
    {S::kPreparing,      E::kRelease,            G::kRevocable,       S::kPreparing,             A::kAbortTransaction},
    // its resource manager goes away
    {S::kActive,         E::kDisconnect,         G::kKeep,            S::kOffline,               A::kNone},
    {S::kActive,         E::kDisconnect,         G::kRevoke,          S::kForgotten,             A::kLeaveAndAbort},
    {S::kActive,         E::kDisconnect,         G::kDrop,            S::kForgotten,             A::kFinish},
    {S::kPrePreparing,   E::kDisconnect,         G::kRevoke,          S::kForgotten,             A::kLeaveAndAbort},
    {S::kPrePrepared,    E::kDisconnect,         G::kKeep,            S::kOffline,               A::kNone},
    {S::kPrePrepared,    E::kDisconnect,         G::kRevoke,          S::kForgotten,             A::kLeaveAndAbort},
    {S::kPrePrepared,    E::kDisconnect,         G::kDrop,            S::kForgotten,             A::kFinish},
    {S::kPreparing,      E::kDisconnect,         G::kRevoke,          S::kForgotten,             A::kLeaveAndAbort},
    {S::kPrepared,       E::kDisconnect,         G::kKeep,            S::kOffline,               A::kNone},
    {S::kPrepared,       E::kDisconnect,         G::kRevoke,          S::kForgotten,             A::kLeaveAndAbort},
    {S::kPrepared,       E::kDisconnect,         G::kDrop,            S::kForgotten,             A::kFinish},
    {S::kInDoubt,        E::kDisconnect,         G::kKeep,            S::kOffline,               A::kNone},
    {S::kCommittedNotify, E::kDisconnect,        G::kKeep,            S::kOffline,               A::kNone},
    {S::kCommittedNotify, E::kDisconnect,        G::kDrop,            S::kForgotten,             A::kFinish},
    {S::kUnhardened,     E::kDisconnect,         G::kKeep,            S::kOffline,               A::kWaitAgain},
    {S::kAborting,       E::kDisconnect,         G::kDrop,            S::kForgotten,             A::kFinish},
    {S::kRecovering,     E::kDisconnect,         G::kKeep,            S::kOffline,               A::kNone},
    {S::kRecovering,     E::kDisconnect,         G::kDrop,            S::kForgotten,             A::kFinish},
    // and comes back
    {S::kOffline,        E::kReoffer,            G::kAlways,          S::kRecovering,            A::kSendRecover},
    {S::kRecovering,     E::kReoffer,            G::kAlways,          S::kRecovering,            A::kSendRecover},
    {S::kRecovering,     E::kRecover,            G::kUndecided,       S::kInDoubt,               A::kSendInDoubt},
    {S::kRecovering,     E::kRecover,            G::kCommitted,       S::kCommittedNotify,       A::kSendCommit},
    {S::kRecovering,     E::kRecover,            G::kAborted,         S::kAborting,              A::kSendRollback},
  });
}();

inline constexpr auto kEnlistmentStates = std::to_array<EnlistmentState>({
    EnlistmentState::kActive, EnlistmentState::kPrePreparing, EnlistmentState::kPrePrepared, EnlistmentState::kPreparing,
    EnlistmentState::kPrepared, EnlistmentState::kInDoubt, EnlistmentState::kDelegated, EnlistmentState::kCommittedNotify,
    EnlistmentState::kAborting, EnlistmentState::kRecovering, EnlistmentState::kOffline, EnlistmentState::kCommitted,
    EnlistmentState::kUnhardened, EnlistmentState::kAborted, EnlistmentState::kReadOnly,
    EnlistmentState::kDelegatedDisconnected,
    EnlistmentState::kOutcomeUnavailable, EnlistmentState::kForgotten});
inline constexpr auto kEnlistmentEvents = std::to_array<EnlistmentEvent>({
    EnlistmentEvent::kAskPrePrepare, EnlistmentEvent::kAskPrepare, EnlistmentEvent::kAskSinglePhase, EnlistmentEvent::kTellCommit,
    EnlistmentEvent::kTellRollback, EnlistmentEvent::kTellDisconnected, EnlistmentEvent::kPrePrepareComplete,
    EnlistmentEvent::kPrepareComplete, EnlistmentEvent::kCommitComplete, EnlistmentEvent::kCommitUnhardened,
    EnlistmentEvent::kHardened, EnlistmentEvent::kRollbackComplete,
    EnlistmentEvent::kReadOnly, EnlistmentEvent::kReject, EnlistmentEvent::kRollback, EnlistmentEvent::kRequestOutcome,
    EnlistmentEvent::kRecover, EnlistmentEvent::kReoffer, EnlistmentEvent::kRelease, EnlistmentEvent::kDisconnect});
// clang-format on

// The states of a superior alone have no row here: tm/superior_machine.h.

// Owes nothing and is told nothing.
constexpr bool is_finished(EnlistmentState state) {
  switch (state) {
    case EnlistmentState::kCommitted:
    case EnlistmentState::kAborted:
    case EnlistmentState::kReadOnly:
    case EnlistmentState::kDelegatedDisconnected:
    case EnlistmentState::kOutcomeUnavailable:
    case EnlistmentState::kForgotten:
      return true;
    case EnlistmentState::kActive:
    case EnlistmentState::kPrePreparing:
    case EnlistmentState::kPrePrepared:
    case EnlistmentState::kPreparing:
    case EnlistmentState::kPrepared:
    case EnlistmentState::kInDoubt:
    case EnlistmentState::kDelegated:
    case EnlistmentState::kCommittedNotify:
    case EnlistmentState::kAborting:
    case EnlistmentState::kRecovering:
    case EnlistmentState::kOffline:
    case EnlistmentState::kCommitRequested:
    case EnlistmentState::kCommitting:
    case EnlistmentState::kUnhardened:
      return false;
  }
  return false;
}

// Has promised and does not know the outcome to its end: it must be told, also after it was away.
constexpr bool is_promised(EnlistmentState state) {
  return state == EnlistmentState::kPrepared || state == EnlistmentState::kInDoubt ||
         state == EnlistmentState::kCommittedNotify || state == EnlistmentState::kUnhardened ||
         state == EnlistmentState::kRecovering || state == EnlistmentState::kOffline;
}

static_assert(is_deterministic(kEnlistmentTable));
static_assert(
    [] {
      for (const EnlistmentState state : kEnlistmentStates) {
        const std::array initial = {EnlistmentState::kActive, EnlistmentState::kRecovering};
        if (!is_reachable(kEnlistmentTable, initial, state)) return false;
        if (is_finished(state) && !leads_only_to(kEnlistmentTable, state)) return false;
      }
      return true;
    }(),
    "no state is there for show, and a finished enlistment stays finished");
static_assert(!has_edge(kEnlistmentTable, EnlistmentState::kCommittedNotify,
                        EnlistmentState::kAborting),
              "no order follows COMMIT");
static_assert(!has_edge(kEnlistmentTable, EnlistmentState::kAborting,
                        EnlistmentState::kCommittedNotify),
              "no order follows ROLLBACK");
static_assert(!has_edge(kEnlistmentTable, EnlistmentState::kPrepared, EnlistmentState::kReadOnly),
              "a promise is not taken back");

// What an answer or verb is answered that the table does not have. `outcome`: the transaction's.
[[nodiscard]] StatusCode illegal_enlistment_event(EnlistmentEvent event, Outcome outcome);

[[nodiscard]] std::string_view enlistment_event_name(EnlistmentEvent event);
[[nodiscard]] std::string_view enlistment_guard_name(EnlistmentGuard guard);
[[nodiscard]] std::string_view enlistment_action_name(EnlistmentAction action);

}  // namespace cairn::tm

#endif  // CAIRN_TM_ENLISTMENT_MACHINE_H_
