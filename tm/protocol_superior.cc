// Protocol, superiors: who is above a transaction, its orders, and what it is told.
#include <string>

#include "protocol.h"
#include "protocol_parts.h"

namespace cairn::tm {
namespace {

// The bit of EnlistmentObject::accepted that stands for this verb.
constexpr std::uint32_t accepted_bit(SuperiorEvent event) {
  return std::uint32_t{1} << static_cast<unsigned>(event);
}

// The notification that a verb ends with, which must have been asked for; none for recovering.
constexpr NotificationMask completion_of(SuperiorEvent verb) {
  switch (verb) {
    case SuperiorEvent::kPrePrepare:
      return bit(NotificationKind::kPrePrepareComplete);
    case SuperiorEvent::kPrepare:
      return bit(NotificationKind::kPrepareComplete);
    case SuperiorEvent::kCommit:
      return bit(NotificationKind::kCommitComplete);
    case SuperiorEvent::kRollback:
      return bit(NotificationKind::kRollbackComplete);
    default:
      return 0;
  }
}

// What is decided, though it may still be on its way to the log.
SuperiorGuard decided_guard(const TransactionObject& transaction) {
  if (transaction.outcome() == Outcome::kAborted) return SuperiorGuard::kAborted;
  if (transaction.goal == Goal::kCommit || transaction.outcome() == Outcome::kCommitted) {
    return SuperiorGuard::kCommitted;
  }
  const bool rolls_back =
      transaction.superior_rolls_back || transaction.state() == TransactionState::kRollingBack;
  return rolls_back ? SuperiorGuard::kAborted : SuperiorGuard::kUndecided;
}

}  // namespace

Result<EnlistmentPtr> Protocol::enlist_superior(const ResourceManagerPtr& rm,
                                                const TransactionPtr& transaction,
                                                NotificationMask mask, std::uint64_t key) {
  CAIRN_RETURN_IF_ERROR(check_superior_mask(mask));
  if (!fire(*rm, RmEvent::kEnlist)) {
    return Status(illegal_rm_event(RmEvent::kEnlist, RmGuard::kAlways),
                  "resource manager " + rm->id.to_string() + " is " +
                      std::string(rm_state_name(rm->state())) + ": recover it first");
  }
  if (transaction->state() != TransactionState::kActive) {
    return Status(StatusCode::kNotActive,
                  name_of(*transaction) + " is " +
                      std::string(transaction_state_name(transaction->state())) +
                      ": too late to come under a superior");
  }
  if (transaction->owned) {
    return Status(StatusCode::kSuperiorExists,
                  name_of(*transaction) + " has a superior, " + name_of(*transaction->superior));
  }
  const EnlistmentPtr superior =
      add_superior(rm, transaction, identities_.next(), mask, EnlistmentState::kActive);
  superior->key = key;
  return superior;
}

EnlistmentPtr Protocol::add_superior(const ResourceManagerPtr& rm,
                                     const TransactionPtr& transaction, const Uuid& id,
                                     NotificationMask mask, EnlistmentState initial) {
  auto superior = std::make_shared<EnlistmentObject>(id, transaction, rm, mask, initial, true);
  transaction->superior = superior;
  transaction->owned = true;
  rm->enlistments.insert(superior);
  return superior;
}

Status Protocol::order(const EnlistmentPtr& enlistment, SuperiorEvent verb) {
  if (!enlistment->superior) {
    return Status(StatusCode::kNotSuperior,
                  name_of(*enlistment) + " is a subordinate: it decides nothing");
  }
  const NotificationMask completion = completion_of(verb);
  if ((enlistment->mask & completion) != completion) {
    return Status(StatusCode::kResponseNotEnlisted,
                  name_of(*enlistment) + ": " + std::string(superior_event_name(verb)) +
                      " needs the notification " +
                      std::string(notification_kind_name(NotificationKind{completion})) +
                      " in the mask");
  }
  const EnlistmentState before = enlistment->state();
  const TransactionPtr transaction = enlistment->transaction;
  if (fire(enlistment, verb)) {
    enlistment->accepted |= accepted_bit(verb);
    advance(transaction);
    return Status::ok();
  }
  if ((enlistment->accepted & accepted_bit(verb)) != 0) return Status::ok();
  return Status(illegal_superior_event(verb, transaction->outcome()),
                name_of(*enlistment) + ", a superior, is " +
                    std::string(enlistment_state_name(before)) + ": " +
                    std::string(superior_event_name(verb)) + " is not legal" +
                    (transaction->resolved ? text_of(transaction->reason) : ""));
}

bool Protocol::fire(const EnlistmentPtr& superior, SuperiorEvent event) {
  const auto* row = find_row<kSuperiorTable>(superior->state(), event, guard_of(*superior, event));
  if (row == nullptr) return false;
  if (row->to != row->from) enter(*superior, row->to);
  act(superior, row->action);
  return true;
}

void Protocol::tell_superior(const TransactionObject& transaction, SuperiorEvent event) {
  // A copy: what is told may finish.
  if (const EnlistmentPtr superior = transaction.superior) fire(superior, event);
}

SuperiorGuard Protocol::guard_of(const EnlistmentObject& superior, SuperiorEvent event) const {
  const TransactionObject& transaction = *superior.transaction;
  switch (event) {
    case SuperiorEvent::kRecover:
    case SuperiorEvent::kReoffer:
      // What an administrator decided in its place it has not decided: it is asked.
      return transaction.resolved ? SuperiorGuard::kUndecided : decided_guard(transaction);
    case SuperiorEvent::kCommit:
    case SuperiorEvent::kRollback:
      return decided_guard(transaction);
    case SuperiorEvent::kRelease:
    case SuperiorEvent::kDisconnect:
      if (can_roll_back(transaction.state())) return SuperiorGuard::kRevoke;
      return superior.resource_manager->kind == RmKind::kDurable ? SuperiorGuard::kKeep
                                                                 : SuperiorGuard::kLose;
    case SuperiorEvent::kPrePrepare:
    case SuperiorEvent::kPrepare:
    case SuperiorEvent::kRequest:
    case SuperiorEvent::kPrePrepareDone:
    case SuperiorEvent::kPrepareDone:
    case SuperiorEvent::kCommitDone:
    case SuperiorEvent::kRolledBack:
    case SuperiorEvent::kRollbackDone:
    case SuperiorEvent::kOutcomeAsked:
      break;
  }
  return SuperiorGuard::kAlways;
}

void Protocol::act(const EnlistmentPtr& superior, SuperiorAction action) {
  const TransactionPtr& transaction = superior->transaction;
  const auto tell = [&](NotificationKind kind) {
    if (superior->wants(kind)) send(*superior, kind);
  };
  const auto run_to = [&](Goal goal) {
    transaction->goal = goal;
    fire(transaction, TransactionEvent::kDrive);
  };
  switch (action) {
    case SuperiorAction::kNone:
      return;
    case SuperiorAction::kRunPrePrepare:
      return run_to(Goal::kPrePrepare);
    case SuperiorAction::kRunPrepare:
      return run_to(Goal::kPrepare);
    case SuperiorAction::kRunCommit:
      return run_to(Goal::kCommit);
    case SuperiorAction::kOrderRollback:
      if (can_roll_back(transaction->state())) {
        return roll_back(transaction, Status(StatusCode::kAlreadyAborted,
                                             name_of(*superior) + ", its superior, rolled back" +
                                                 text_of(superior->rolled_back_because)));
      }
      // Promised, or about to be: done by advance(), which follows every order.
      transaction->reason = Status(StatusCode::kAlreadyAborted,
                                   name_of(*superior) + ", its superior, decided to roll back" +
                                       text_of(superior->rolled_back_because));
      transaction->superior_rolls_back = true;
      return;
    case SuperiorAction::kSendCommitRequest:
      return tell(NotificationKind::kCommitRequest);
    case SuperiorAction::kSendPrePrepareComplete:
      return tell(NotificationKind::kPrePrepareComplete);
    case SuperiorAction::kSendPrepareComplete:
      return tell(NotificationKind::kPrepareComplete);
    case SuperiorAction::kSendCommitComplete:
      tell(NotificationKind::kCommitComplete);
      return finish(superior);
    case SuperiorAction::kSendRollback:
      return tell(NotificationKind::kRollback);
    case SuperiorAction::kSendRollbackComplete:
      tell(NotificationKind::kRollbackComplete);
      return finish(superior);
    case SuperiorAction::kSendRequestOutcome:
      return tell(NotificationKind::kRequestOutcome);
    case SuperiorAction::kSendRecover:
      return send(*superior, NotificationKind::kRecover);
    case SuperiorAction::kSendRecoverQuery:
      return send(*superior, NotificationKind::kRecoverQuery);
    case SuperiorAction::kFinish:
      return finish(superior);
    case SuperiorAction::kLeaveAndAbort:
      finish(superior);
      return roll_back(transaction,
                       Status(StatusCode::kRmDisconnected,
                              name_of(*superior) + ", its superior, went away before the votes" +
                                  text_of(superior->resource_manager->disconnected_because)));
    case SuperiorAction::kLose:
      finish(superior);
      transaction->reason = Status(
          StatusCode::kRmDisconnected,
          name_of(*superior) + ", its superior, is volatile and went away before it decided" +
              text_of(superior->resource_manager->disconnected_because));
      return;
  }
}

}  // namespace cairn::tm
