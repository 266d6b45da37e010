// The states of a transaction: one table. What is not in it is illegal, changes nothing, and is
// answered by illegal_transaction_event().
#ifndef CAIRN_TM_TRANSACTION_MACHINE_H_
#define CAIRN_TM_TRANSACTION_MACHINE_H_

#include <array>
#include <cstdint>
#include <string_view>

#include <cairn/status.h>
#include <cairn/transaction.h>

#include "machine.h"

namespace cairn::tm {

enum class TransactionEvent : std::uint8_t {
  kEnlist,           // a resource manager wants to take part
  kCommit,           // a client asks for the commit
  kDrive,            // a superior begins the phases
  kAnswered,         // every answer of this phase is in
  kGoOn,             // nothing holds the next phase: log space is reserved, or not needed
  kReject,           // the single-phase owner wants the ordinary phases
  kOwnerCommitted,   // the single-phase owner committed
  kOwnerAborted,     // the single-phase owner rolled back
  kOwnerGone,        // the single-phase owner vanished
  kDurable,          // the record that is being written is on stable storage
  kRefused,          // that record is certainly not in the log and will never be
  kLost,             // that record may be in the log or not
  kRollback,         // by a client, an enlistment, a timeout, a disconnect, the end of the manager
  kRelease,          // the last reference is gone
  kOrderRollback,    // by the superior, of what is promised to it
  kSuperiorGone,     // the superior is away; it can come back
  kSuperiorLost,     // the superior is away for ever
  kFound,            // recovery found its record
  kResolveRollback,  // an administrator rolls back what is promised
  kCompleted,        // everyone committed, or is not waited for
  kFinished,         // no enlistment is left that owes an answer
};

enum class TransactionGuard : std::uint8_t {
  kAlways,
  kSinglePhase,     // one enlistment alone can decide
  kPhases,          // else
  kLogged,          // a durable resource manager must learn the outcome
  kUnlogged,        // else
  kAsksPrePrepare,  // the new enlistment's mask has PREPREPARE
  kNoPrePrepare,    // else
  // of a client's request to commit, below a superior:
  kAsksSuperior,  // it asked for COMMIT_REQUEST, and none was sent
  kOwned,         // else
  // of the votes:
  kDecides,  // this manager decides: there is no superior, or it ordered the commit with the phases
  kPromises,    // the superior decides, and a durable resource manager voted
  kPlainVotes,  // the superior decides, and none did
  kLastVote,    // the one that votes last was not asked yet, and cannot decide alone
  // of a record, refused or found:
  kPromised,  // the transaction is promised to a superior
  kFree,      // else
  kByHand,    // an administrator had rolled it back
  kUnasked,   // of the last reference: no client asked for the commit
};

enum class TransactionAction : std::uint8_t {
  kNone,
  kJoin,              // add the enlistment
  kAskPrePrepare,     // PREPREPARE to all who asked for it and were not asked yet
  kReserve,           // take log space for every later record, or go on if none is needed
  kAskPrepare,        // PREPARE to all who asked for it, but not to the one that votes last
  kAskLast,           // PREPARE to that one
  kDelegate,          // SINGLE_PHASE_COMMIT to the one
  kRequestCommit,     // COMMIT_REQUEST to the superior
  kWritePrepare,      // append and force the prepare record
  kTellPrepared,      // PREPARE_COMPLETE to the superior
  kWriteDecision,     // append and force the decision record
  kTellCommit,        // COMMIT to all who asked for it
  kTellRollback,      // ROLLBACK to all
  kBreakOff,          // the same, and a forget record, not forced, if a prepare record was written
  kTellDisconnected,  // RM_DISCONNECTED to all
  kStop,              // the manager goes Offline
  kWriteRollback,     // append and force an administrator's rollback
  kTellCompleted,     // COMMIT_FINALIZE, COMMIT_COMPLETE; waits for the end of the commit return
  kForget,            // a forget record, not forced, if a decision was written
  kEnd,               // ROLLBACK_COMPLETE; a forget record as above
};

using TransactionTransition =
    Transition<TransactionState, TransactionEvent, TransactionGuard, TransactionAction>;

// clang-format off
inline constexpr auto kTransactionTable = [] {
  using S = TransactionState; using E = TransactionEvent; using G = TransactionGuard; using A = TransactionAction;
  return std::to_array<TransactionTransition>({
    // from            event               condition            to                 action
    // taking work
    {S::kActive,        E::kEnlist,         G::kAlways,          S::kActive,        A::kJoin},
    {S::kPrePreparing,  E::kEnlist,         G::kNoPrePrepare,    S::kPrePreparing,  A::kJoin},
    // the phases
    {S::kActive,        E::kCommit,         G::kPhases,          S::kPrePreparing,  A::kAskPrePrepare},
    {S::kActive,        E::kCommit,         G::kSinglePhase,     S::kDelegated,     A::kDelegate},
    {S::kActive,        E::kCommit,         G::kAsksSuperior,    S::kActive,        A::kRequestCommit},
    {S::kActive,        E::kDrive,          G::kAlways,          S::kPrePreparing,  A::kAskPrePrepare},
    {S::kPrePreparing,  E::kAnswered,       G::kAlways,          S::kPrePrepared,   A::kReserve},
    {S::kPrePrepared,   E::kGoOn,           G::kPhases,          S::kPreparing,     A::kAskPrepare},
    {S::kPrePrepared,   E::kGoOn,           G::kSinglePhase,     S::kDelegated,     A::kDelegate},
    {S::kPrePrepared,   E::kRefused,        G::kAlways,          S::kAborted,       A::kTellRollback},
    {S::kPreparing,     E::kAnswered,       G::kLastVote,        S::kPreparing,     A::kAskLast},
    {S::kPreparing,     E::kAnswered,       G::kSinglePhase,     S::kDelegated,     A::kDelegate},
    {S::kPreparing,     E::kAnswered,       G::kDecides,         S::kPrepared,      A::kNone},
    {S::kPrepared,      E::kGoOn,           G::kLogged,          S::kCommitting,    A::kWriteDecision},
    {S::kPrepared,      E::kGoOn,           G::kUnlogged,        S::kCommitted,     A::kTellCommit},
    {S::kCommitting,    E::kDurable,        G::kAlways,          S::kCommitted,     A::kTellCommit},
    {S::kCommitting,    E::kRefused,        G::kFree,            S::kAborted,       A::kTellRollback},
    {S::kCommitting,    E::kRefused,        G::kPromised,        S::kUnknown,       A::kStop},
    {S::kCommitting,    E::kLost,           G::kAlways,          S::kUnknown,       A::kStop},
    // promised to a superior
    {S::kPreparing,     E::kAnswered,       G::kPlainVotes,      S::kPrepared,      A::kTellPrepared},
    {S::kPreparing,     E::kAnswered,       G::kPromises,        S::kPromising,     A::kWritePrepare},
    {S::kPromising,     E::kDurable,        G::kAlways,          S::kPrepared,      A::kTellPrepared},
    {S::kPromising,     E::kRefused,        G::kAlways,          S::kAborted,       A::kTellRollback},
    {S::kPromising,     E::kLost,           G::kAlways,          S::kUnknown,       A::kStop},
    {S::kPrepared,      E::kOrderRollback,  G::kAlways,          S::kAborted,       A::kBreakOff},
    {S::kPrepared,      E::kSuperiorGone,   G::kAlways,          S::kInDoubt,       A::kNone},
    {S::kPrepared,      E::kSuperiorLost,   G::kAlways,          S::kUnknown,       A::kTellDisconnected},
    {S::kInDoubt,       E::kGoOn,           G::kLogged,          S::kCommitting,    A::kWriteDecision},
    {S::kInDoubt,       E::kGoOn,           G::kUnlogged,        S::kCommitted,     A::kTellCommit},
    {S::kInDoubt,       E::kOrderRollback,  G::kAlways,          S::kAborted,       A::kBreakOff},
    // by hand, in the superior's place; its commit is the superior's way
    {S::kPrepared,      E::kResolveRollback, G::kAlways,          S::kRollingBack,   A::kWriteRollback},
    {S::kInDoubt,       E::kResolveRollback, G::kAlways,          S::kRollingBack,   A::kWriteRollback},
    {S::kRollingBack,   E::kDurable,        G::kAlways,          S::kAborted,       A::kTellRollback},
    {S::kRollingBack,   E::kRefused,        G::kAlways,          S::kUnknown,       A::kStop},
    {S::kRollingBack,   E::kLost,           G::kAlways,          S::kUnknown,       A::kStop},
    // one resource manager decides alone
    {S::kDelegated,     E::kOwnerCommitted, G::kAlways,          S::kCommitted,     A::kTellCommit},
    {S::kDelegated,     E::kOwnerAborted,   G::kAlways,          S::kAborted,       A::kTellRollback},
    {S::kDelegated,     E::kReject,         G::kAlways,          S::kPrePreparing,  A::kAskPrePrepare},
    {S::kDelegated,     E::kOwnerGone,      G::kAlways,          S::kUnknown,       A::kTellDisconnected},
    // rollback, until the decision is submitted or the superior's
    {S::kActive,        E::kRollback,       G::kAlways,          S::kAborted,       A::kTellRollback},
    {S::kActive,        E::kRelease,        G::kUnasked,         S::kAborted,       A::kTellRollback},
    {S::kPrePreparing,  E::kRollback,       G::kAlways,          S::kAborted,       A::kTellRollback},
    {S::kPrePrepared,   E::kRollback,       G::kAlways,          S::kAborted,       A::kTellRollback},
    {S::kPreparing,     E::kRollback,       G::kAlways,          S::kAborted,       A::kTellRollback},
    // the end
    {S::kRecovering,    E::kFound,          G::kFree,            S::kCommitted,     A::kNone},
    {S::kRecovering,    E::kFound,          G::kPromised,        S::kInDoubt,       A::kNone},
    {S::kRecovering,    E::kFound,          G::kByHand,          S::kAborted,       A::kNone},
    {S::kCommitted,     E::kCompleted,      G::kAlways,          S::kCommitted,     A::kTellCompleted},
    {S::kCommitted,     E::kFinished,       G::kAlways,          S::kForgotten,     A::kForget},
    {S::kAborted,       E::kFinished,       G::kAlways,          S::kForgotten,     A::kEnd},
    {S::kUnknown,       E::kRelease,        G::kAlways,          S::kForgotten,     A::kNone},
  });
}();

inline constexpr auto kTransactionStates = std::to_array<TransactionState>({
    TransactionState::kActive, TransactionState::kPrePreparing, TransactionState::kPrePrepared, TransactionState::kPreparing,
    TransactionState::kPromising, TransactionState::kPrepared, TransactionState::kInDoubt, TransactionState::kCommitting,
    TransactionState::kRollingBack, TransactionState::kDelegated, TransactionState::kCommitted, TransactionState::kAborted,
    TransactionState::kUnknown,
    TransactionState::kRecovering, TransactionState::kForgotten});
inline constexpr auto kTransactionEvents = std::to_array<TransactionEvent>({
    TransactionEvent::kEnlist, TransactionEvent::kCommit, TransactionEvent::kDrive, TransactionEvent::kAnswered,
    TransactionEvent::kGoOn, TransactionEvent::kReject, TransactionEvent::kOwnerCommitted, TransactionEvent::kOwnerAborted,
    TransactionEvent::kOwnerGone, TransactionEvent::kDurable, TransactionEvent::kRefused, TransactionEvent::kLost,
    TransactionEvent::kRollback, TransactionEvent::kRelease, TransactionEvent::kOrderRollback, TransactionEvent::kSuperiorGone,
    TransactionEvent::kSuperiorLost, TransactionEvent::kResolveRollback, TransactionEvent::kFound, TransactionEvent::kCompleted,
    TransactionEvent::kFinished});
// clang-format on

static_assert(is_deterministic(kTransactionTable));
static_assert(
    [] {
      for (const TransactionState state : kTransactionStates) {
        const std::array initial = {TransactionState::kActive, TransactionState::kRecovering};
        if (!is_reachable(kTransactionTable, initial, state)) return false;
      }
      return true;
    }(),
    "no state is there for show");
static_assert(leads_only_to(kTransactionTable, TransactionState::kCommitted,
                            TransactionState::kForgotten),
              "a decided commit is never undone");
static_assert(leads_only_to(kTransactionTable, TransactionState::kAborted,
                            TransactionState::kForgotten),
              "a decided rollback is never undone");
static_assert(leads_only_to(kTransactionTable, TransactionState::kUnknown,
                            TransactionState::kForgotten),
              "an unknown outcome is never guessed");
static_assert(find_transition(kTransactionTable, TransactionState::kPrepared,
                              TransactionEvent::kRollback, TransactionGuard::kAlways) == nullptr &&
                  find_transition(kTransactionTable, TransactionState::kInDoubt,
                                  TransactionEvent::kRollback,
                                  TransactionGuard::kAlways) == nullptr,
              "what is promised is rolled back by the superior's order only");
static_assert(find_transition(kTransactionTable, TransactionState::kCommitting,
                              TransactionEvent::kRollback, TransactionGuard::kAlways) == nullptr,
              "a submitted decision may be in the log: too late to roll back");
static_assert(find_transition(kTransactionTable, TransactionState::kDelegated,
                              TransactionEvent::kRollback, TransactionGuard::kAlways) == nullptr,
              "the owner may have committed already");
static_assert(!has_edge(kTransactionTable, TransactionState::kPrepared,
                        TransactionState::kDelegated) &&
                  !has_edge(kTransactionTable, TransactionState::kPromising,
                            TransactionState::kDelegated),
              "what all have promised is left to nobody alone");
static_assert(leads_only_to(kTransactionTable, TransactionState::kForgotten), "the end is the end");

// Whether a rollback is still possible, whoever asks.
constexpr bool can_roll_back(TransactionState state) {
  return find_row<kTransactionTable>(state, TransactionEvent::kRollback,
                                     TransactionGuard::kAlways) != nullptr;
}

// What a verb is answered that the table does not have. `outcome` matters for Forgotten.
[[nodiscard]] StatusCode illegal_transaction_event(TransactionState state, Outcome outcome,
                                                   TransactionEvent event);

[[nodiscard]] std::string_view transaction_event_name(TransactionEvent event);
[[nodiscard]] std::string_view transaction_guard_name(TransactionGuard guard);
[[nodiscard]] std::string_view transaction_action_name(TransactionAction action);

}  // namespace cairn::tm

#endif  // CAIRN_TM_TRANSACTION_MACHINE_H_
