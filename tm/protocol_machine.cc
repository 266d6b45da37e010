// Protocol, the machines: events, states, actions, and the steps that follow by themselves.
#include <string>

#include "protocol.h"
#include "protocol_parts.h"

namespace cairn::tm {
namespace {

// What the end of a phase is, of votes: whose decision they are for.
TransactionGuard decision_guard(const TransactionObject& transaction) {
  if (!transaction.owned || transaction.goal == Goal::kCommit) return TransactionGuard::kDecides;
  return is_logged(transaction) ? TransactionGuard::kPromises : TransactionGuard::kPlainVotes;
}

// An administrator decided in the superior's place: it has not ordered the same yet.
bool awaits_superior(const TransactionObject& transaction) {
  if (!transaction.resolved || transaction.superior == nullptr) return false;
  const EnlistmentState state = transaction.superior->state();
  return state != EnlistmentState::kCommitting && state != EnlistmentState::kAborting;
}

}  // namespace

bool Protocol::fire(const TransactionPtr& transaction, TransactionEvent event,
                    TransactionGuard guard) {
  const auto* row = find_row<kTransactionTable>(transaction->state(), event, guard);
  if (row == nullptr) return false;
  if (row->to != row->from) enter(*transaction, row->to);
  act(transaction, row->action);
  return true;
}

bool Protocol::fire(const EnlistmentPtr& enlistment, EnlistmentEvent event) {
  const auto* row =
      find_row<kEnlistmentTable>(enlistment->state(), event, guard_of(*enlistment, event));
  if (row == nullptr) return false;
  enter(*enlistment, row->to);
  act(enlistment, row->action);
  return true;
}

bool Protocol::fire(ResourceManagerObject& rm, RmEvent event) {
  const auto guard = rm.kind == RmKind::kDurable ? RmGuard::kDurable : RmGuard::kVolatile;
  const auto* row = find_row<kRmTable>(rm.state(), event, guard);
  if (row == nullptr) return false;
  enter(rm, row->to);
  return true;
}

EnlistmentGuard Protocol::guard_of(const EnlistmentObject& enlistment,
                                   EnlistmentEvent event) const {
  using Guard = EnlistmentGuard;
  const TransactionObject& transaction = *enlistment.transaction;
  const bool revocable = can_roll_back(transaction.state());
  switch (event) {
    case EnlistmentEvent::kPrePrepareComplete:
    case EnlistmentEvent::kTellCommit:
      return enlistment.wants(NotificationKind::kCommit) ? Guard::kWantsCommit : Guard::kNoCommit;
    case EnlistmentEvent::kCommitUnhardened:
      return enlistment.is_logged() ? Guard::kLogged : Guard::kUnlogged;
    case EnlistmentEvent::kReject:
      return (enlistment.accepted & accepted_bit(EnlistmentEvent::kPrePrepareComplete)) != 0
                 ? Guard::kPrePreparedOnce
                 : Guard::kNeverAsked;
    case EnlistmentEvent::kRecover:
      switch (transaction.outcome()) {
        case Outcome::kCommitted:
          return Guard::kCommitted;
        case Outcome::kAborted:
          return Guard::kAborted;
        case Outcome::kUndetermined:
        case Outcome::kUnknown:
          return Guard::kUndecided;
      }
      break;
    case EnlistmentEvent::kReadOnly:
    case EnlistmentEvent::kRollback:
    case EnlistmentEvent::kRequestOutcome:
    case EnlistmentEvent::kRelease:
      return revocable ? Guard::kRevocable : Guard::kIrrevocable;
    case EnlistmentEvent::kDisconnect:
      if (enlistment.is_logged() && transaction.outcome() != Outcome::kAborted &&
          (is_promised(enlistment.state()) || !revocable)) {
        return Guard::kKeep;
      }
      return revocable ? Guard::kRevoke : Guard::kDrop;
    case EnlistmentEvent::kAskPrePrepare:
    case EnlistmentEvent::kAskPrepare:
    case EnlistmentEvent::kAskSinglePhase:
    case EnlistmentEvent::kTellRollback:
    case EnlistmentEvent::kTellDisconnected:
    case EnlistmentEvent::kPrepareComplete:
    case EnlistmentEvent::kCommitComplete:
    case EnlistmentEvent::kHardened:
    case EnlistmentEvent::kRollbackComplete:
    case EnlistmentEvent::kReoffer:
      break;
  }
  return Guard::kAlways;
}

void Protocol::enter(TransactionObject& transaction, TransactionState state) {
  const bool decided = transaction.outcome_ != Outcome::kUndetermined;
  require(decided == (state == TransactionState::kForgotten),
          "an outcome is entered once, and only what is decided is forgotten");
  transaction.state_ = state;
  switch (state) {  // what holds in each state, and what begins or ends with it
    case TransactionState::kActive:
    case TransactionState::kPrePreparing:
    case TransactionState::kPrePrepared:
    case TransactionState::kPreparing:
    case TransactionState::kRecovering:
    case TransactionState::kInDoubt:
    case TransactionState::kForgotten:
      break;
    case TransactionState::kPrepared:
      require(transaction.awaited == 0 && last_voter(transaction) == nullptr, "a vote is missing");
      if (transaction.owned) set_deadline(transaction, std::nullopt);
      break;
    case TransactionState::kPromising:
    case TransactionState::kRollingBack:
    case TransactionState::kCommitting:
      require(is_logged(transaction), "a record is written for someone");
      set_deadline(transaction, std::nullopt);
      break;
    case TransactionState::kDelegated:
      set_deadline(transaction, std::nullopt);
      transaction.room.release();  // none of its records will be written
      break;
    case TransactionState::kCommitted:
      transaction.outcome_ = Outcome::kCommitted;
      set_deadline(transaction, std::nullopt);
      if (transaction.clock == 0) transaction.clock = ++clock_;
      if (transaction.record == nullptr) transaction.room.release();  // nobody was left to log for
      break;
    case TransactionState::kAborted:
      require(!transaction.reason.is_ok(), "a rollback has a reason");
      transaction.outcome_ = Outcome::kAborted;
      set_deadline(transaction, std::nullopt);
      transaction.awaited = 0;
      transaction.awaits_room = false;
      if (transaction.record == nullptr) transaction.room.release();
      break;
    case TransactionState::kUnknown:
      transaction.outcome_ = Outcome::kUnknown;
      transaction.room.release();
      break;
  }
  transaction.changed.notify_all();
}

void Protocol::enter(EnlistmentObject& enlistment, EnlistmentState state) {
  require(!is_finished(enlistment.state_), "a finished enlistment stays finished");
  enlistment.state_ = state;
}

void Protocol::enter(ResourceManagerObject& rm, RmState state) {
  require(state == RmState::kOffline || rm.queue != nullptr, "online needs a session");
  rm.state_ = state;
}

void Protocol::act(const TransactionPtr& transaction, TransactionAction action) {
  switch (action) {
    case TransactionAction::kNone:
    case TransactionAction::kJoin:  // by the caller, who has what is to be added
      return;
    case TransactionAction::kAskPrePrepare:
      for (const EnlistmentPtr& enlistment : transaction->enlistments) {
        if (!enlistment->wants(NotificationKind::kPrePrepare)) continue;
        if (fire(enlistment, EnlistmentEvent::kAskPrePrepare)) ++transaction->awaited;
      }
      return;
    case TransactionAction::kReserve:
      if (!is_logged(*transaction)) return;
      if (phase_guard(*transaction) == TransactionGuard::kSinglePhase) return;
      transaction->awaits_room = true;
      work_.push_back({LogWork::Kind::kReserve, transaction});
      return;
    case TransactionAction::kAskPrepare: {
      const EnlistmentPtr* last = last_voter(*transaction);
      for (const EnlistmentPtr& enlistment : transaction->enlistments) {
        if (!enlistment->wants(NotificationKind::kPrepare) || &enlistment == last) continue;
        if (fire(enlistment, EnlistmentEvent::kAskPrepare)) ++transaction->awaited;
      }
      return;
    }
    case TransactionAction::kAskLast:
      if (fire(*last_voter(*transaction), EnlistmentEvent::kAskPrepare)) ++transaction->awaited;
      return;
    case TransactionAction::kDelegate:
      // A copy: it may be finished by what it is told.
      fire(EnlistmentPtr(*single_phase_owner(*transaction)), EnlistmentEvent::kAskSinglePhase);
      return;
    case TransactionAction::kRequestCommit:
      return tell_superior(*transaction, SuperiorEvent::kRequest);
    case TransactionAction::kWritePrepare:
    case TransactionAction::kWriteDecision:
    case TransactionAction::kWriteRollback:
      return write_record(transaction);
    case TransactionAction::kTellPrepared:
      return tell_superior(*transaction, SuperiorEvent::kPrepareDone);
    case TransactionAction::kTellCommit:
      tell_all(transaction, EnlistmentEvent::kTellCommit);
      return;
    case TransactionAction::kTellRollback:
      // One that an administrator acted for is asked, not told.
      if (!transaction->resolved) tell_superior(*transaction, SuperiorEvent::kRolledBack);
      tell_all(transaction, EnlistmentEvent::kTellRollback);
      return;
    case TransactionAction::kBreakOff:
      if (transaction->record != nullptr) write_forget(transaction);
      // Presumed abort: whoever asks after a crash finds nothing, and that says it.
      set_pin(*transaction, Lsn::null());
      tell_all(transaction, EnlistmentEvent::kTellRollback);
      return;
    case TransactionAction::kTellDisconnected:
      tell_all(transaction, EnlistmentEvent::kTellDisconnected);
      return;
    case TransactionAction::kStop:
      work_.push_back({LogWork::Kind::kStop, transaction});
      return;
    case TransactionAction::kTellCompleted:
      transaction->completed = true;
      transaction->changed.notify_all();  // the state stays while a commit is to be hardened
      for (const auto& [enlistment, session] : transaction->finalize) {
        if (enlistment->resource_manager->session != session) continue;
        send(*enlistment, NotificationKind::kCommitFinalize);
      }
      transaction->finalize.clear();
      return;
    case TransactionAction::kForget:
      if (!transaction->pin.is_null()) write_forget(transaction);
      return;
    case TransactionAction::kEnd:
      tell_superior(*transaction, SuperiorEvent::kRollbackDone);
      if (!transaction->pin.is_null()) write_forget(transaction);
      return;
  }
}

void Protocol::act(const EnlistmentPtr& enlistment, EnlistmentAction action) {
  const TransactionPtr& transaction = enlistment->transaction;
  switch (action) {
    case EnlistmentAction::kNone:
      return;
    case EnlistmentAction::kSendPrePrepare:
      return send(*enlistment, NotificationKind::kPrePrepare);
    case EnlistmentAction::kSendPrepare:
      return send(*enlistment, NotificationKind::kPrepare);
    case EnlistmentAction::kSendSinglePhase:
      return send(*enlistment, NotificationKind::kSinglePhaseCommit);
    case EnlistmentAction::kSendCommit:
      return send(*enlistment, NotificationKind::kCommit);
    case EnlistmentAction::kSendRollback:
      send(*enlistment, NotificationKind::kRollback);
      // Nobody is left to answer.
      if (enlistment->references == 0) fire(enlistment, EnlistmentEvent::kRelease);
      return;
    case EnlistmentAction::kSendRecover:
      return send(*enlistment, NotificationKind::kRecover);
    case EnlistmentAction::kSendInDoubt:
      return send(*enlistment, NotificationKind::kInDoubt);
    case EnlistmentAction::kSendDisconnected:
      send(*enlistment, NotificationKind::kRmDisconnected);
      return finish(enlistment);
    case EnlistmentAction::kVote:
      --transaction->awaited;
      return;
    case EnlistmentAction::kVoteAndFinish:
      --transaction->awaited;
      return finish(enlistment);
    case EnlistmentAction::kFinish:
      return finish(enlistment);
    case EnlistmentAction::kOwnerCommitted:
      finish(enlistment);
      fire(transaction, TransactionEvent::kOwnerCommitted);
      return;
    case EnlistmentAction::kOwnerAborted:
    case EnlistmentAction::kOwnerRollsBack:
      if (is_finished(enlistment->state())) finish(enlistment);
      transaction->reason = Status(StatusCode::kAlreadyAborted,
                                   name_of(*enlistment) + " decided alone, and rolled back" +
                                       text_of(enlistment->rolled_back_because));
      fire(transaction, TransactionEvent::kOwnerAborted);
      return;
    case EnlistmentAction::kOwnerRejected:
      enlistment->mask &= ~bit(NotificationKind::kSinglePhaseCommit);
      // Back before the votes, its time counts again; all of it, the owner's too.
      if (fire(transaction, TransactionEvent::kReject)) {
        set_deadline(*transaction, transaction->expires);
      }
      return;
    case EnlistmentAction::kOwnerGone:
      finish(enlistment);
      transaction->reason =
          Status(StatusCode::kRmDisconnected,
                 name_of(*enlistment) + " was to decide alone, and vanished before it answered" +
                     text_of(enlistment->resource_manager->disconnected_because));
      fire(transaction, TransactionEvent::kOwnerGone);
      return;
    case EnlistmentAction::kWaitNoLonger:
      if (!std::exchange(enlistment->unawaited, true)) ++transaction->unawaited;
      return;
    case EnlistmentAction::kWaitAgain:
      if (!enlistment->given_up) return;  // and that stays so
      if (std::exchange(enlistment->unawaited, false)) --transaction->unawaited;
      return;
    case EnlistmentAction::kAskSuperior:
      return tell_superior(*transaction, SuperiorEvent::kOutcomeAsked);
    case EnlistmentAction::kLeaveAndAbort:
      finish(enlistment);
      return roll_back(transaction,
                       Status(StatusCode::kRmDisconnected,
                              name_of(*enlistment) + " went away before it promised" +
                                  text_of(enlistment->resource_manager->disconnected_because)));
    case EnlistmentAction::kAbortTransaction:
      return roll_back(transaction, Status(StatusCode::kAlreadyAborted,
                                           name_of(*enlistment) + " rolled back" +
                                               text_of(enlistment->rolled_back_because)));
  }
}

void Protocol::advance(const TransactionPtr& transaction) {
  for (;;) {
    switch (transaction->state()) {
      case TransactionState::kPrePreparing:
      case TransactionState::kPreparing:
        if (transaction->awaited > 0) return;
        if (last_voter(*transaction) == nullptr) {
          fire(transaction, TransactionEvent::kAnswered, decision_guard(*transaction));
        } else {
          const bool alone = single_phase_owner(*transaction) != nullptr;
          fire(transaction, TransactionEvent::kAnswered,
               alone ? TransactionGuard::kSinglePhase : TransactionGuard::kLastVote);
        }
        break;
      case TransactionState::kPrePrepared:
        if (transaction->awaits_room) return;
        if (transaction->goal < Goal::kPrepare) {
          return tell_superior(*transaction, SuperiorEvent::kPrePrepareDone);
        }
        fire(transaction, TransactionEvent::kGoOn, phase_guard(*transaction));
        break;
      case TransactionState::kPrepared:
      case TransactionState::kInDoubt:
        if (!advance_decision(transaction)) return;
        break;
      case TransactionState::kCommitted:
        if (!transaction->completed) {
          if (transaction->enlistments.size() > transaction->unawaited) return;
          fire(transaction, TransactionEvent::kCompleted);
        }
        if (awaits_superior(*transaction)) return;
        tell_superior(*transaction, SuperiorEvent::kCommitDone);
        if (!transaction->enlistments.empty()) return;
        fire(transaction, TransactionEvent::kFinished);
        break;
      case TransactionState::kAborted:
        if (!transaction->enlistments.empty() || awaits_superior(*transaction)) return;
        fire(transaction, TransactionEvent::kFinished);
        break;
      case TransactionState::kUnknown:
        if (transaction->references > 0) return;
        fire(transaction, TransactionEvent::kRelease);
        break;
      case TransactionState::kForgotten:
        return drop(transaction);
      case TransactionState::kActive:
      case TransactionState::kPromising:
      case TransactionState::kRollingBack:
      case TransactionState::kCommitting:
      case TransactionState::kDelegated:
      case TransactionState::kRecovering:
        return;
    }
  }
}

bool Protocol::advance_decision(const TransactionPtr& transaction) {
  if (transaction->superior_rolls_back) {
    return fire(transaction, TransactionEvent::kOrderRollback);
  }
  if (transaction->goal == Goal::kCommit) {
    return fire(transaction, TransactionEvent::kGoOn,
                is_logged(*transaction) ? TransactionGuard::kLogged : TransactionGuard::kUnlogged);
  }
  require(transaction->owned, "who asked for the votes wants a decision");
  if (transaction->superior == nullptr) {
    return fire(transaction, TransactionEvent::kSuperiorLost);
  }
  // From InDoubt it does not go back: that the superior is back is no decision.
  const EnlistmentState superior = transaction->superior->state();
  return superior == EnlistmentState::kOffline &&
         fire(transaction, TransactionEvent::kSuperiorGone);
}

void Protocol::write_record(const TransactionPtr& transaction) {
  if (transaction->copying) {
    transaction->write_waits = true;
  } else if (frozen_) {
    held_.push_back(transaction);
    transaction->changed.notify_all();  // who waits for its record to be written waits no longer
  } else {
    work_.push_back({LogWork::Kind::kWrite, transaction});
  }
}

ForgetState Protocol::forget_state(const Uuid& id) const {
  if (unforgotten_.contains(id)) return ForgetState::kRefused;
  // The newest: those before it were written, or it could not have begun.
  const auto found =
      std::find_if(forgetting_.rbegin(), forgetting_.rend(),
                   [&](const TransactionPtr& transaction) { return transaction->id == id; });
  if (found == forgetting_.rend()) return ForgetState::kWritten;
  return (*found)->forget.load(std::memory_order_acquire);
}

void Protocol::write_forget(const TransactionPtr& transaction) {
  // Two go for each one that comes, so that few are left of those that may.
  for (int i = 0; i < 2 && !forgetting_.empty(); ++i) {
    const ForgetState state = forgetting_.front()->forget.load(std::memory_order_acquire);
    if (state == ForgetState::kUnwritten) break;
    if (state == ForgetState::kRefused) unforgotten_.insert(forgetting_.front()->id);
    forgetting_.pop_front();
  }
  forgetting_.push_back(transaction);
  if (transaction->copying) {
    transaction->forget_waits = true;
  } else {
    work_.push_back({LogWork::Kind::kForget, transaction});
  }
}

void Protocol::tell_all(const TransactionPtr& transaction, EnlistmentEvent event) {
  // What is told may finish, and leaves the list; it ends no other.
  EnlistmentObject* next = transaction->enlistments.first();
  while (next != nullptr) {
    const EnlistmentPtr enlistment = next->links.self;
    require(enlistment != nullptr, "who is told of an outcome ends no other enlistment");
    next = enlistment->links.next;
    if (!is_finished(enlistment->state())) fire(enlistment, event);
  }
}

const EnlistmentPtr* Protocol::single_phase_owner(const TransactionObject& transaction) const {
  if (transaction.owned) return nullptr;  // the superior decides
  const EnlistmentPtr* owner = nullptr;
  for (const EnlistmentPtr& enlistment : transaction.enlistments) {
    if (enlistment->wants(NotificationKind::kPrepare)) {
      if (owner != nullptr) return nullptr;  // two votes
      owner = &enlistment;
    } else if (enlistment->is_logged()) {
      return nullptr;  // only a decision record could tell it the outcome after a crash
    }
  }
  if (owner == nullptr || !(*owner)->wants(NotificationKind::kSinglePhaseCommit)) return nullptr;
  if (transaction.state() == TransactionState::kActive) {
    // Others that flush in their PREPREPARE phase must have done so before the owner commits.
    for (const EnlistmentPtr& enlistment : transaction.enlistments) {
      const bool other = enlistment != *owner;
      if (other && enlistment->wants(NotificationKind::kPrePrepare)) return nullptr;
    }
  }
  return owner;
}

const EnlistmentPtr* Protocol::find_last_voter(const TransactionObject& transaction) {
  const EnlistmentPtr* last = nullptr;
  for (const EnlistmentPtr& enlistment : transaction.enlistments) {
    // One that rejected to decide alone has nothing to wait for.
    if (!enlistment->votes_last || !enlistment->wants(NotificationKind::kSinglePhaseCommit)) {
      continue;
    }
    const EnlistmentState state = enlistment->state();
    const bool unasked =
        state == EnlistmentState::kActive || state == EnlistmentState::kPrePrepared;
    if (unasked) last = &enlistment;
  }
  return last;
}

TransactionGuard Protocol::phase_guard(const TransactionObject& transaction) const {
  return single_phase_owner(transaction) != nullptr ? TransactionGuard::kSinglePhase
                                                    : TransactionGuard::kPhases;
}

void Protocol::send(EnlistmentObject& enlistment, NotificationKind kind) {
  const std::shared_ptr<NotificationQueue>& queue = enlistment.resource_manager->queue;
  if (queue == nullptr) return;  // a COMMIT_FINALIZE for one that went away
  const bool recovers =
      kind == NotificationKind::kRecover || kind == NotificationKind::kRecoverQuery;
  const NotificationQueue::Message message{kind, recovers ? 0 : enlistment.key, &enlistment.id,
                                           &enlistment.transaction->id, clock_};
  // LAST_RECOVER, which says that these were all, must find them before it in the queue, whoever
  // comes or goes meanwhile.
  if (!recovers && queue->brings()) {
    told_.push_back({queue, enlistment.shared_from_this(), message});
    return;
  }
  enlistment.queue_message(*queue, message);
  note(queue);  // a handler may have come meanwhile, which does not know of it
}

void Protocol::finish(const EnlistmentPtr& enlistment) {
  enlistment->ended.store(true, std::memory_order_release);
  TransactionObject& transaction = *enlistment->transaction;
  ResourceManagerObject& rm = *enlistment->resource_manager;
  if (enlistment->superior) {
    transaction.superior = nullptr;
    rm.enlistments.erase(enlistment->id);
    return drop_if_unused(rm);
  }
  if (enlistment->unawaited) --transaction.unawaited;
  if (enlistment->is_logged()) {
    --transaction.logged_members;
    transaction.logged_bytes -= record_bytes(*enlistment);
  }
  if (enlistment->state() == EnlistmentState::kCommitted &&
      enlistment->wants(NotificationKind::kCommitFinalize)) {
    if (transaction.completed) {  // that was told already, without this one
      send(*enlistment, NotificationKind::kCommitFinalize);
    } else {
      transaction.finalize.emplace_back(enlistment, rm.session);
    }
  }
  transaction.enlistments.erase(*enlistment);
  rm.enlistments.erase(enlistment->id);
  drop_if_unused(rm);
}

void Protocol::drop(const TransactionPtr& transaction) {
  set_deadline(*transaction, std::nullopt);
  set_pin(*transaction, Lsn::null());
  // Of an unknown outcome, enlistments may be left, which refer to it as it does to them.
  if (!transaction->enlistments.empty() || !transaction->finalize.empty() ||
      transaction->superior != nullptr) {
    unresolved_.push_back(transaction);
  }
  transactions_.erase(transaction->id);
  transaction->ended.store(true, std::memory_order_release);
}

void Protocol::set_deadline(TransactionObject& transaction,
                            std::optional<std::chrono::nanoseconds> deadline) {
  if (transaction.deadline == deadline) return;
  if (transaction.deadline) deadlines_.remove(transaction);
  transaction.deadline = deadline;
  if (deadline) deadlines_.add(transaction);
}

void Protocol::set_pin(TransactionObject& transaction, Lsn pin) {
  if (transaction.pin == pin) return;
  pinned_bytes_ -= std::exchange(transaction.pinned_bytes, 0);
  if (!transaction.pin.is_null()) pins_.erase({transaction.pin, transaction.id});
  transaction.pin = pin;
  if (pin.is_null()) return;
  pins_.emplace(pin, transaction.id);
  transaction.pinned_bytes = static_cast<std::uint32_t>(record_bytes(transaction) + kPinFraming);
  pinned_bytes_ += transaction.pinned_bytes;
}

void Protocol::roll_back(const TransactionPtr& transaction, Status reason) {
  if (!can_roll_back(transaction->state())) return;
  transaction->reason = std::move(reason);
  fire(transaction, TransactionEvent::kRollback);
}

}  // namespace cairn::tm
