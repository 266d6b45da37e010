// The names of states, events, conditions and actions, and the answers to what the tables do not
// have.
#include "enlistment_machine.h"
#include "resource_manager_machine.h"
#include "superior_machine.h"
#include "tm_machine.h"
#include "transaction_machine.h"

namespace cairn::tm {

std::string_view notification_kind_name(NotificationKind kind) {
  switch (kind) {
    case NotificationKind::kPrePrepare:
      return "PREPREPARE";
    case NotificationKind::kPrepare:
      return "PREPARE";
    case NotificationKind::kCommit:
      return "COMMIT";
    case NotificationKind::kRollback:
      return "ROLLBACK";
    case NotificationKind::kPrePrepareComplete:
      return "PREPREPARE_COMPLETE";
    case NotificationKind::kPrepareComplete:
      return "PREPARE_COMPLETE";
    case NotificationKind::kCommitComplete:
      return "COMMIT_COMPLETE";
    case NotificationKind::kRollbackComplete:
      return "ROLLBACK_COMPLETE";
    case NotificationKind::kRecover:
      return "RECOVER";
    case NotificationKind::kSinglePhaseCommit:
      return "SINGLE_PHASE_COMMIT";
    case NotificationKind::kDelegateCommit:
      return "DELEGATE_COMMIT";
    case NotificationKind::kRecoverQuery:
      return "RECOVER_QUERY";
    case NotificationKind::kEnlistPrePrepare:
      return "ENLIST_PREPREPARE";
    case NotificationKind::kLastRecover:
      return "LAST_RECOVER";
    case NotificationKind::kInDoubt:
      return "INDOUBT";
    case NotificationKind::kRmDisconnected:
      return "RM_DISCONNECTED";
    case NotificationKind::kTmOnline:
      return "TM_ONLINE";
    case NotificationKind::kCommitRequest:
      return "COMMIT_REQUEST";
    case NotificationKind::kRequestOutcome:
      return "REQUEST_OUTCOME";
    case NotificationKind::kCommitFinalize:
      return "COMMIT_FINALIZE";
  }
  return "";
}

std::string_view outcome_name(Outcome outcome) {
  switch (outcome) {
    case Outcome::kUndetermined:
      return "Undetermined";
    case Outcome::kCommitted:
      return "Committed";
    case Outcome::kAborted:
      return "Aborted";
    case Outcome::kUnknown:
      return "Unknown";
  }
  return "";
}

std::string_view transaction_state_name(TransactionState state) {
  switch (state) {
    case TransactionState::kActive:
      return "Active";
    case TransactionState::kPreparing:
      return "Preparing";
    case TransactionState::kPrepared:
      return "Prepared";
    case TransactionState::kInDoubt:
      return "InDoubt";
    case TransactionState::kCommitted:
      return "Committed";
    case TransactionState::kAborted:
      return "Aborted";
    case TransactionState::kDelegated:
      return "Delegated";
    case TransactionState::kPrePreparing:
      return "PrePreparing";
    case TransactionState::kForgotten:
      return "Forgotten";
    case TransactionState::kRecovering:
      return "Recovering";
    case TransactionState::kPrePrepared:
      return "PrePrepared";
    case TransactionState::kCommitting:
      return "Committing";
    case TransactionState::kPromising:
      return "Promising";
    case TransactionState::kUnknown:
      return "Unknown";
    case TransactionState::kRollingBack:
      return "RollingBack";
  }
  return "";
}

std::string_view enlistment_state_name(EnlistmentState state) {
  switch (state) {
    case EnlistmentState::kActive:
      return "Active";
    case EnlistmentState::kPrePreparing:
      return "PrePreparing";
    case EnlistmentState::kPrePrepared:
      return "PrePrepared";
    case EnlistmentState::kPreparing:
      return "Preparing";
    case EnlistmentState::kPrepared:
      return "Prepared";
    case EnlistmentState::kInDoubt:
      return "InDoubt";
    case EnlistmentState::kDelegated:
      return "Delegated";
    case EnlistmentState::kCommittedNotify:
      return "CommittedNotify";
    case EnlistmentState::kAborting:
      return "Aborting";
    case EnlistmentState::kRecovering:
      return "Recovering";
    case EnlistmentState::kOffline:
      return "Offline";
    case EnlistmentState::kCommitted:
      return "Committed";
    case EnlistmentState::kAborted:
      return "Aborted";
    case EnlistmentState::kReadOnly:
      return "ReadOnly";
    case EnlistmentState::kDelegatedDisconnected:
      return "DelegatedDisconnected";
    case EnlistmentState::kOutcomeUnavailable:
      return "OutcomeUnavailable";
    case EnlistmentState::kForgotten:
      return "Forgotten";
    case EnlistmentState::kCommitRequested:
      return "CommitRequested";
    case EnlistmentState::kCommitting:
      return "Committing";
    case EnlistmentState::kUnhardened:
      return "Unhardened";
  }
  return "";
}

std::string_view rm_state_name(RmState state) {
  switch (state) {
    case RmState::kOffline:
      return "Offline";
    case RmState::kOnline:
      return "Online";
    case RmState::kRecovering:
      return "Recovering";
  }
  return "";
}

std::string_view tm_state_name(TmState state) {
  switch (state) {
    case TmState::kInitialized:
      return "Initialized";
    case TmState::kRecovering:
      return "Recovering";
    case TmState::kOnline:
      return "Online";
    case TmState::kRecoveryFailed:
      return "RecoveryFailed";
    case TmState::kOffline:
      return "Offline";
  }
  return "";
}

std::string_view transaction_event_name(TransactionEvent event) {
  switch (event) {
    case TransactionEvent::kEnlist:
      return "Enlist";
    case TransactionEvent::kCommit:
      return "Commit";
    case TransactionEvent::kDrive:
      return "Drive";
    case TransactionEvent::kAnswered:
      return "Answered";
    case TransactionEvent::kGoOn:
      return "GoOn";
    case TransactionEvent::kReject:
      return "Reject";
    case TransactionEvent::kOwnerCommitted:
      return "OwnerCommitted";
    case TransactionEvent::kOwnerAborted:
      return "OwnerAborted";
    case TransactionEvent::kOwnerGone:
      return "OwnerGone";
    case TransactionEvent::kDurable:
      return "Durable";
    case TransactionEvent::kRefused:
      return "Refused";
    case TransactionEvent::kLost:
      return "Lost";
    case TransactionEvent::kRollback:
      return "Rollback";
    case TransactionEvent::kRelease:
      return "Release";
    case TransactionEvent::kOrderRollback:
      return "OrderRollback";
    case TransactionEvent::kSuperiorGone:
      return "SuperiorGone";
    case TransactionEvent::kSuperiorLost:
      return "SuperiorLost";
    case TransactionEvent::kResolveRollback:
      return "ResolveRollback";
    case TransactionEvent::kCompleted:
      return "Completed";
    case TransactionEvent::kFound:
      return "Found";
    case TransactionEvent::kFinished:
      return "Finished";
  }
  return "";
}

std::string_view transaction_guard_name(TransactionGuard guard) {
  switch (guard) {
    case TransactionGuard::kAlways:
      return "";
    case TransactionGuard::kSinglePhase:
      return "SinglePhase";
    case TransactionGuard::kPhases:
      return "Phases";
    case TransactionGuard::kLogged:
      return "Logged";
    case TransactionGuard::kUnlogged:
      return "Unlogged";
    case TransactionGuard::kAsksPrePrepare:
      return "AsksPrePrepare";
    case TransactionGuard::kNoPrePrepare:
      return "NoPrePrepare";
    case TransactionGuard::kAsksSuperior:
      return "AsksSuperior";
    case TransactionGuard::kOwned:
      return "Owned";
    case TransactionGuard::kDecides:
      return "Decides";
    case TransactionGuard::kPromises:
      return "Promises";
    case TransactionGuard::kPlainVotes:
      return "PlainVotes";
    case TransactionGuard::kLastVote:
      return "LastVote";
    case TransactionGuard::kPromised:
      return "Promised";
    case TransactionGuard::kFree:
      return "Free";
    case TransactionGuard::kByHand:
      return "ByHand";
    case TransactionGuard::kUnasked:
      return "Unasked";
  }
  return "";
}

std::string_view transaction_action_name(TransactionAction action) {
  switch (action) {
    case TransactionAction::kNone:
      return "";
    case TransactionAction::kJoin:
      return "Join";
    case TransactionAction::kAskPrePrepare:
      return "AskPrePrepare";
    case TransactionAction::kReserve:
      return "Reserve";
    case TransactionAction::kAskPrepare:
      return "AskPrepare";
    case TransactionAction::kAskLast:
      return "AskLast";
    case TransactionAction::kDelegate:
      return "Delegate";
    case TransactionAction::kRequestCommit:
      return "RequestCommit";
    case TransactionAction::kWritePrepare:
      return "WritePrepare";
    case TransactionAction::kTellPrepared:
      return "TellPrepared";
    case TransactionAction::kWriteDecision:
      return "WriteDecision";
    case TransactionAction::kTellCommit:
      return "TellCommit";
    case TransactionAction::kTellRollback:
      return "TellRollback";
    case TransactionAction::kBreakOff:
      return "BreakOff";
    case TransactionAction::kWriteRollback:
      return "WriteRollback";
    case TransactionAction::kTellCompleted:
      return "TellCompleted";
    case TransactionAction::kTellDisconnected:
      return "TellDisconnected";
    case TransactionAction::kStop:
      return "Stop";
    case TransactionAction::kForget:
      return "Forget";
    case TransactionAction::kEnd:
      return "End";
  }
  return "";
}

std::string_view enlistment_event_name(EnlistmentEvent event) {
  switch (event) {
    case EnlistmentEvent::kAskPrePrepare:
      return "AskPrePrepare";
    case EnlistmentEvent::kAskPrepare:
      return "AskPrepare";
    case EnlistmentEvent::kAskSinglePhase:
      return "AskSinglePhase";
    case EnlistmentEvent::kTellCommit:
      return "TellCommit";
    case EnlistmentEvent::kTellRollback:
      return "TellRollback";
    case EnlistmentEvent::kTellDisconnected:
      return "TellDisconnected";
    case EnlistmentEvent::kPrePrepareComplete:
      return "PrePrepareComplete";
    case EnlistmentEvent::kPrepareComplete:
      return "PrepareComplete";
    case EnlistmentEvent::kCommitComplete:
      return "CommitComplete";
    case EnlistmentEvent::kCommitUnhardened:
      return "CommitUnhardened";
    case EnlistmentEvent::kHardened:
      return "Hardened";
    case EnlistmentEvent::kRollbackComplete:
      return "RollbackComplete";
    case EnlistmentEvent::kReadOnly:
      return "ReadOnly";
    case EnlistmentEvent::kReject:
      return "Reject";
    case EnlistmentEvent::kRollback:
      return "Rollback";
    case EnlistmentEvent::kRequestOutcome:
      return "RequestOutcome";
    case EnlistmentEvent::kRecover:
      return "Recover";
    case EnlistmentEvent::kReoffer:
      return "Reoffer";
    case EnlistmentEvent::kRelease:
      return "Release";
    case EnlistmentEvent::kDisconnect:
      return "Disconnect";
  }
  return "";
}

std::string_view enlistment_guard_name(EnlistmentGuard guard) {
  switch (guard) {
    case EnlistmentGuard::kAlways:
      return "";
    case EnlistmentGuard::kWantsCommit:
      return "WantsCommit";
    case EnlistmentGuard::kNoCommit:
      return "NoCommit";
    case EnlistmentGuard::kPrePreparedOnce:
      return "PrePreparedOnce";
    case EnlistmentGuard::kNeverAsked:
      return "NeverAsked";
    case EnlistmentGuard::kUndecided:
      return "Undecided";
    case EnlistmentGuard::kCommitted:
      return "Committed";
    case EnlistmentGuard::kAborted:
      return "Aborted";
    case EnlistmentGuard::kRevocable:
      return "Revocable";
    case EnlistmentGuard::kIrrevocable:
      return "Irrevocable";
    case EnlistmentGuard::kLogged:
      return "Logged";
    case EnlistmentGuard::kUnlogged:
      return "Unlogged";
    case EnlistmentGuard::kKeep:
      return "Keep";
    case EnlistmentGuard::kRevoke:
      return "Revoke";
    case EnlistmentGuard::kDrop:
      return "Drop";
  }
  return "";
}

std::string_view enlistment_action_name(EnlistmentAction action) {
  switch (action) {
    case EnlistmentAction::kNone:
      return "";
    case EnlistmentAction::kSendPrePrepare:
      return "SendPrePrepare";
    case EnlistmentAction::kSendPrepare:
      return "SendPrepare";
    case EnlistmentAction::kSendSinglePhase:
      return "SendSinglePhase";
    case EnlistmentAction::kSendCommit:
      return "SendCommit";
    case EnlistmentAction::kSendRollback:
      return "SendRollback";
    case EnlistmentAction::kSendRecover:
      return "SendRecover";
    case EnlistmentAction::kSendInDoubt:
      return "SendInDoubt";
    case EnlistmentAction::kSendDisconnected:
      return "SendDisconnected";
    case EnlistmentAction::kVote:
      return "Vote";
    case EnlistmentAction::kVoteAndFinish:
      return "VoteAndFinish";
    case EnlistmentAction::kFinish:
      return "Finish";
    case EnlistmentAction::kOwnerCommitted:
      return "OwnerCommitted";
    case EnlistmentAction::kOwnerAborted:
      return "OwnerAborted";
    case EnlistmentAction::kOwnerRollsBack:
      return "OwnerRollsBack";
    case EnlistmentAction::kOwnerRejected:
      return "OwnerRejected";
    case EnlistmentAction::kOwnerGone:
      return "OwnerGone";
    case EnlistmentAction::kAskSuperior:
      return "AskSuperior";
    case EnlistmentAction::kWaitNoLonger:
      return "WaitNoLonger";
    case EnlistmentAction::kWaitAgain:
      return "WaitAgain";
    case EnlistmentAction::kAbortTransaction:
      return "AbortTransaction";
    case EnlistmentAction::kLeaveAndAbort:
      return "LeaveAndAbort";
  }
  return "";
}

std::string_view superior_event_name(SuperiorEvent event) {
  switch (event) {
    case SuperiorEvent::kPrePrepare:
      return "PrePrepare";
    case SuperiorEvent::kPrepare:
      return "Prepare";
    case SuperiorEvent::kCommit:
      return "Commit";
    case SuperiorEvent::kRollback:
      return "Rollback";
    case SuperiorEvent::kRecover:
      return "Recover";
    case SuperiorEvent::kRequest:
      return "Request";
    case SuperiorEvent::kPrePrepareDone:
      return "PrePrepareDone";
    case SuperiorEvent::kPrepareDone:
      return "PrepareDone";
    case SuperiorEvent::kCommitDone:
      return "CommitDone";
    case SuperiorEvent::kRolledBack:
      return "RolledBack";
    case SuperiorEvent::kRollbackDone:
      return "RollbackDone";
    case SuperiorEvent::kOutcomeAsked:
      return "OutcomeAsked";
    case SuperiorEvent::kReoffer:
      return "Reoffer";
    case SuperiorEvent::kRelease:
      return "Release";
    case SuperiorEvent::kDisconnect:
      return "Disconnect";
  }
  return "";
}

std::string_view superior_guard_name(SuperiorGuard guard) {
  switch (guard) {
    case SuperiorGuard::kAlways:
      return "";
    case SuperiorGuard::kUndecided:
      return "Undecided";
    case SuperiorGuard::kCommitted:
      return "Committed";
    case SuperiorGuard::kAborted:
      return "Aborted";
    case SuperiorGuard::kRevoke:
      return "Revoke";
    case SuperiorGuard::kKeep:
      return "Keep";
    case SuperiorGuard::kLose:
      return "Lose";
  }
  return "";
}

std::string_view superior_action_name(SuperiorAction action) {
  switch (action) {
    case SuperiorAction::kNone:
      return "";
    case SuperiorAction::kRunPrePrepare:
      return "RunPrePrepare";
    case SuperiorAction::kRunPrepare:
      return "RunPrepare";
    case SuperiorAction::kRunCommit:
      return "RunCommit";
    case SuperiorAction::kOrderRollback:
      return "OrderRollback";
    case SuperiorAction::kSendCommitRequest:
      return "SendCommitRequest";
    case SuperiorAction::kSendPrePrepareComplete:
      return "SendPrePrepareComplete";
    case SuperiorAction::kSendPrepareComplete:
      return "SendPrepareComplete";
    case SuperiorAction::kSendCommitComplete:
      return "SendCommitComplete";
    case SuperiorAction::kSendRollback:
      return "SendRollback";
    case SuperiorAction::kSendRollbackComplete:
      return "SendRollbackComplete";
    case SuperiorAction::kSendRequestOutcome:
      return "SendRequestOutcome";
    case SuperiorAction::kSendRecover:
      return "SendRecover";
    case SuperiorAction::kSendRecoverQuery:
      return "SendRecoverQuery";
    case SuperiorAction::kFinish:
      return "Finish";
    case SuperiorAction::kLeaveAndAbort:
      return "LeaveAndAbort";
    case SuperiorAction::kLose:
      return "Lose";
  }
  return "";
}

std::string_view rm_event_name(RmEvent event) {
  switch (event) {
    case RmEvent::kBegin:
      return "Begin";
    case RmEvent::kRecover:
      return "Recover";
    case RmEvent::kOffered:
      return "Offered";
    case RmEvent::kEnlist:
      return "Enlist";
    case RmEvent::kDisconnect:
      return "Disconnect";
  }
  return "";
}

std::string_view rm_guard_name(RmGuard guard) {
  switch (guard) {
    case RmGuard::kAlways:
      return "";
    case RmGuard::kDurable:
      return "Durable";
    case RmGuard::kVolatile:
      return "Volatile";
  }
  return "";
}

std::string_view rm_action_name(RmAction action) {
  switch (action) {
    case RmAction::kNone:
      return "";
    case RmAction::kOffer:
      return "Offer";
    case RmAction::kSendLastRecover:
      return "SendLastRecover";
    case RmAction::kJoin:
      return "Join";
    case RmAction::kDisconnectAll:
      return "DisconnectAll";
  }
  return "";
}

std::string_view tm_event_name(TmEvent event) {
  switch (event) {
    case TmEvent::kBegin:
      return "Begin";
    case TmEvent::kRecover:
      return "Recover";
    case TmEvent::kRollForward:
      return "RollForward";
    case TmEvent::kRecovered:
      return "Recovered";
    case TmEvent::kFailed:
      return "Failed";
    case TmEvent::kWork:
      return "Work";
    case TmEvent::kStop:
      return "Stop";
    case TmEvent::kClose:
      return "Close";
  }
  return "";
}

std::string_view tm_guard_name(TmGuard guard) {
  switch (guard) {
    case TmGuard::kAlways:
      return "";
    case TmGuard::kDurable:
      return "Durable";
    case TmGuard::kVolatile:
      return "Volatile";
  }
  return "";
}

std::string_view tm_action_name(TmAction action) {
  switch (action) {
    case TmAction::kNone:
      return "";
    case TmAction::kRead:
      return "Read";
    case TmAction::kServe:
      return "Serve";
    case TmAction::kRollBack:
      return "RollBack";
  }
  return "";
}

StatusCode illegal_transaction_event(TransactionState state, Outcome outcome,
                                     TransactionEvent event) {
  if (event == TransactionEvent::kEnlist) {
    return state == TransactionState::kPrePreparing ? StatusCode::kMustWriteThrough
                                                    : StatusCode::kNotActive;
  }
  switch (outcome) {
    case Outcome::kUndetermined:
      return StatusCode::kRequestNotValid;
    case Outcome::kCommitted:
      return StatusCode::kAlreadyCommitted;
    case Outcome::kAborted:
      return StatusCode::kAlreadyAborted;
    case Outcome::kUnknown:
      return StatusCode::kOutcomeUnknown;
  }
  return StatusCode::kRequestNotValid;
}

StatusCode illegal_enlistment_event(EnlistmentEvent event, Outcome outcome) {
  if (event == EnlistmentEvent::kRecover) return StatusCode::kRequestNotValid;
  const bool verb =
      event == EnlistmentEvent::kRollback || event == EnlistmentEvent::kRequestOutcome;
  if (!verb) return StatusCode::kNotRequested;
  return illegal_transaction_event(TransactionState::kForgotten, outcome,
                                   TransactionEvent::kRollback);
}

StatusCode illegal_superior_event(SuperiorEvent event, Outcome outcome) {
  if (event == SuperiorEvent::kRecover) return StatusCode::kRequestNotValid;
  return illegal_transaction_event(TransactionState::kForgotten, outcome,
                                   TransactionEvent::kRollback);
}

StatusCode illegal_rm_event(RmEvent event, RmGuard guard) {
  if (event == RmEvent::kEnlist) return StatusCode::kNotOnline;
  return guard == RmGuard::kVolatile ? StatusCode::kTmVolatile : StatusCode::kRequestNotValid;
}

StatusCode illegal_tm_event(TmEvent event, TmGuard guard) {
  if (event == TmEvent::kWork) return StatusCode::kNotOnline;
  return guard == TmGuard::kVolatile ? StatusCode::kTmVolatile : StatusCode::kRequestNotValid;
}

}  // namespace cairn::tm
