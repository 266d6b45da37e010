// BridgeCore: what the two managers say of the branches, and what follows.
#include <algorithm>
#include <utility>

#include "bridge_core.h"

namespace cairn::tm {

// --- notifications ---

bool BridgeCore::take_one(Side& side) {
  if (!side.session || !side.lost) return false;
  Result<std::optional<Notification>> next = side.session->try_get_notification();
  if (!next) {
    side.lost = next.status();
    return true;
  }
  if (!*next) return false;
  if (&side == &above_) {
    hear_above(**next);
  } else {
    hear_below(**next);
  }
  return true;
}

void BridgeCore::hear_above(const Notification& heard) {
  if (heard.kind == NotificationKind::kRecover) return hear_recover_above(heard);
  if (heard.kind == NotificationKind::kLastRecover) return hear_last_recover(above_);
  if (heard.kind == NotificationKind::kTmOnline) return hear_online(heard.manager);
  Branch* branch = find_by_key(heard.key);
  if (branch == nullptr || branch->above == BranchAbove::kAbsent) return;
  branch->hear(heard.clock);
  switch (heard.kind) {
    case NotificationKind::kPrePrepare:
      branch->above = BranchAbove::kPrePrepare;
      break;
    case NotificationKind::kPrepare:
      branch->above = BranchAbove::kPrepare;
      break;
    case NotificationKind::kSinglePhaseCommit:
      branch->above = BranchAbove::kSinglePhase;
      break;
    case NotificationKind::kCommit:
      branch->above = BranchAbove::kCommit;
      break;
    case NotificationKind::kRollback:
      branch->above = BranchAbove::kRollback;
      break;
    case NotificationKind::kRmDisconnected:
      // Nobody will ever say: presumed abort, as of what is not known.
      branch->above = BranchAbove::kAbsent;
      branch->upper = Enlistment();
      break;
    default:
      return;  // INDOUBT says that nothing is decided
  }
  advance(*branch);
}

void BridgeCore::hear_below(const Notification& heard) {
  if (heard.kind == NotificationKind::kRecover || heard.kind == NotificationKind::kRecoverQuery) {
    return hear_recover_below(heard);
  }
  if (heard.kind == NotificationKind::kLastRecover) return hear_last_recover(below_);
  if (heard.kind == NotificationKind::kTmOnline) return hear_online(heard.manager);
  Branch* branch = find_by_key(heard.key);
  if (branch == nullptr) return;
  branch->hear(heard.clock);
  switch (heard.kind) {
    // The end of a phase that was broken off meanwhile says nothing.
    case NotificationKind::kPrePrepareComplete:
      if (branch->below == BranchBelow::kPrePreparing) branch->below = BranchBelow::kPrePrepared;
      break;
    case NotificationKind::kPrepareComplete: {
      if (branch->below != BranchBelow::kPreparing) break;
      const Result<TransactionInformation> left = branch->transaction.information();
      branch->below =
          left && left->enlistments.empty() ? BranchBelow::kReadOnly : BranchBelow::kPrepared;
      break;
    }
    case NotificationKind::kCommitComplete:
      branch->below = BranchBelow::kCommitted;
      break;
    case NotificationKind::kRollback:
      branch->below = BranchBelow::kAborting;
      break;
    case NotificationKind::kRollbackComplete:
      branch->below = BranchBelow::kAborted;
      break;
    case NotificationKind::kCommitRequest:
      return hear_commit_request(*branch);
    case NotificationKind::kRequestOutcome:
      if (branch->above != BranchAbove::kVoted || branch->upper.id().is_null()) return;
      accepted(above_, *branch, branch->upper.request_outcome(branch->clock));
      return;
    default:
      return;
  }
  advance(*branch);
}

// A manager that was closed is back: the session with it begins by itself, or when it turns out
// that the present one has ended.
void BridgeCore::hear_online(const Uuid& manager) {
  for (Side* side : {&above_, &below_}) {
    if (side->id == manager) side->is_back = true;
  }
}

void BridgeCore::hear_commit_request(Branch& branch) {
  Result<Transaction> upper = above_.manager.open_transaction(branch.upper_transaction);
  const Status asked = upper ? upper->commit_async() : upper.status();
  // Asked for before, or over: what follows is told to the branch like to all others.
  const bool known =
      asked.code() == StatusCode::kRequestNotValid || asked.code() == StatusCode::kAlreadyAborted;
  if (!asked && !known) branch.refused = asked;
}

std::optional<BridgeCore::Offer> BridgeCore::offered(Side& side, const Side& other,
                                                     const Notification& heard) {
  Result<Enlistment> enlistment = side.session->open_enlistment(heard.enlistment);
  if (enlistment.code() == StatusCode::kNotFound) return std::nullopt;  // it ended meanwhile
  if (!enlistment) {
    side.lost = enlistment.status();
    return std::nullopt;
  }
  const auto read = [&]() -> Result<BridgeRecord> {
    CAIRN_ASSIGN_OR_RETURN(const std::vector<std::byte> bytes, enlistment->recovery_information());
    return decode_bridge_record(bytes);
  };
  Result<BridgeRecord> record = read();
  const auto which = std::string("enlistment ") + heard.enlistment.to_string() + " of the " +
                     side.name + " manager, transaction " + heard.transaction.to_string();
  if (!record) {
    note_stranger(record.status().with_context(which));
    return std::nullopt;
  }
  // "Not offered" and "not known" mean something only from the manager that was there then.
  if (record->manager != other.id) {
    note_stranger(Status(StatusCode::kIdentityMismatch,
                         which + ": its other half is in manager " + record->manager.to_string() +
                             ", the " + other.name + " one is " + other.id.to_string()));
    return std::nullopt;
  }
  return Offer{*std::move(enlistment), *record};
}

void BridgeCore::note_stranger(const Status& why) {
  ++strangers_;
  stranger_ = why;
}

void BridgeCore::hear_recover_above(const Notification& heard) {
  std::optional<Offer> offer = offered(above_, below_, heard);
  if (!offer) return;
  Branch* branch = find_by_enlistment(heard.enlistment);
  if (branch == nullptr) {
    Branch found;
    found.key = next_key_++;
    found.upper_transaction = heard.transaction;
    found.upper_enlistment = heard.enlistment;
    found.lower_transaction = offer->other.transaction;
    found.below = below_.recovered ? BranchBelow::kAbsent : BranchBelow::kUnknown;
    branch = &add(std::move(found));
  }
  branch->hear(heard.clock);
  if (!accepted(above_, *branch, offer->enlistment.recover(branch->key))) return;
  branch->upper = std::move(offer->enlistment);
  branch->contradictory = false;
  branch->above = BranchAbove::kVoted;  // and what was decided follows
  advance(*branch);
}

void BridgeCore::hear_recover_below(const Notification& heard) {
  std::optional<Offer> offer = offered(below_, above_, heard);
  if (!offer) return;
  Branch* branch = find_by_enlistment(offer->other.enlistment);
  if (branch == nullptr) {
    Branch found;
    found.key = next_key_++;
    found.upper_transaction = offer->other.transaction;
    found.upper_enlistment = offer->other.enlistment;
    found.lower_transaction = heard.transaction;
    // Only when it has offered everything does its silence say something.
    found.above = above_.recovered ? BranchAbove::kAbsent : BranchAbove::kUnknown;
    branch = &add(std::move(found));
  }
  branch->hear(heard.clock);
  if (!accepted(below_, *branch, offer->enlistment.recover(branch->key))) return;
  branch->lower = std::move(offer->enlistment);
  branch->contradictory = false;
  branch->below = heard.kind == NotificationKind::kRecoverQuery ? BranchBelow::kPrepared
                                                                : BranchBelow::kCommitting;
  advance(*branch);
}

void BridgeCore::hear_last_recover(Side& side) {
  side.recovered = true;
  for (auto& [key, branch] : branches_) {
    if (&side == &above_ && branch.above == BranchAbove::kUnknown) {
      branch.above = BranchAbove::kAbsent;
    }
    if (&side == &below_ && branch.below == BranchBelow::kUnknown) {
      branch.below = BranchBelow::kAbsent;
    }
  }
  advance_all();
}

// --- branches ---

BridgeCore::Branch& BridgeCore::add(Branch branch) {
  by_upper_enlistment_[branch.upper_enlistment] = branch.key;
  by_upper_transaction_[branch.upper_transaction] = branch.key;
  const std::uint64_t key = branch.key;
  return branches_.emplace(key, std::move(branch)).first->second;
}

BridgeCore::Branch* BridgeCore::find_by_key(std::uint64_t key) {
  const auto found = branches_.find(key);
  return found == branches_.end() ? nullptr : &found->second;
}

BridgeCore::Branch* BridgeCore::find_by_enlistment(const Uuid& upper_enlistment) {
  const auto found = by_upper_enlistment_.find(upper_enlistment);
  return found == by_upper_enlistment_.end() ? nullptr : find_by_key(found->second);
}

void BridgeCore::forget(const Branch& branch) {
  by_upper_enlistment_.erase(branch.upper_enlistment);
  // A later transaction of the same unit of work may have its own branch.
  const auto found = by_upper_transaction_.find(branch.upper_transaction);
  if (found != by_upper_transaction_.end() && found->second == branch.key) {
    by_upper_transaction_.erase(found);
  }
  branches_.erase(branch.key);
}

void BridgeCore::advance_all() {
  std::vector<std::uint64_t> keys;
  keys.reserve(branches_.size());
  for (const auto& [key, branch] : branches_) keys.push_back(key);
  for (const std::uint64_t key : keys) {
    if (Branch* branch = find_by_key(key)) advance(*branch);
  }
}

void BridgeCore::advance(Branch& branch) {
  for (;;) {
    const BridgeStep step = bridge_step(branch.above, branch.below);
    if (step == BridgeStep::kForget) return forget(branch);
    if (!take(branch, step)) return;
  }
}

// True if more may follow at once.
bool BridgeCore::take(Branch& branch, BridgeStep step) {
  switch (step) {
    case BridgeStep::kWait:
    case BridgeStep::kForget:
    case BridgeStep::kContradict:
      return false;
    case BridgeStep::kOrderPrePrepare:
    case BridgeStep::kOrderPrepare:
    case BridgeStep::kOrderCommit:
    case BridgeStep::kOrderRollback:
      return order(branch, step);
    case BridgeStep::kPrePrepared:
    case BridgeStep::kVote:
    case BridgeStep::kReadOnly:
    case BridgeStep::kCommitted:
    case BridgeStep::kRolledBack:
      return answer(branch, step);
    case BridgeStep::kRefuse:
      // ROLLBACK follows. Repeating it is harmless.
      accepted(above_, branch, branch.upper.rollback(reason_below(branch), branch.clock));
      return false;
    case BridgeStep::kGiveUp:
      branch.upper = Enlistment();
      branch.above = BranchAbove::kAbsent;
      return true;
  }
  return false;
}

bool BridgeCore::order(Branch& branch, BridgeStep step) {
  const Clock clock = branch.clock;
  BranchBelow then = branch.below;
  Status status;
  if (step == BridgeStep::kOrderPrePrepare) {
    status = branch.lower.superior_pre_prepare(clock);
    then = BranchBelow::kPrePreparing;
  } else if (step == BridgeStep::kOrderPrepare) {
    const Result<TransactionInformation> members = branch.transaction.information();
    if (single_phase_only_ && members && !members->enlistments.empty()) {
      accepted(above_, branch,
               branch.upper.rollback(
                   Status(StatusCode::kTmVolatile,
                          "its branch " + branch.lower_transaction.to_string() +
                              " is durable, and others vote: after a crash nobody would know what "
                              "this volatile transaction manager decided"),
                   clock));
      return false;
    }
    status = branch.lower.superior_prepare(clock);
    then = BranchBelow::kPreparing;
  } else if (step == BridgeStep::kOrderCommit) {
    status = branch.lower.superior_commit(clock);
    then = BranchBelow::kCommitting;
  } else {
    status = branch.lower.superior_rollback(clock);
    then = BranchBelow::kAborting;
    // By others, and ROLLBACK_COMPLETE follows that too.
    if (status.code() == StatusCode::kAlreadyAborted) status = Status::ok();
  }
  // An administrator of the lower manager decided otherwise, in the place of the upper one.
  branch.contradictory =
      (step == BridgeStep::kOrderRollback && status.code() == StatusCode::kAlreadyCommitted) ||
      (step == BridgeStep::kOrderCommit && branch.above == BranchAbove::kCommit &&
       status.code() == StatusCode::kAlreadyAborted);
  if (!accepted(below_, branch, status)) return false;
  branch.below = then;
  return true;
}

bool BridgeCore::answer(Branch& branch, BridgeStep step) {
  const Clock clock = branch.clock;
  BranchAbove then = BranchAbove::kAbsent;
  Status status;
  if (step == BridgeStep::kPrePrepared) {
    status = branch.upper.pre_prepare_complete(clock);
    then = BranchAbove::kWorking;
  } else if (step == BridgeStep::kVote) {
    if (above_.kind == RmKind::kVolatile) {
      Result<Transaction> upper = above_.manager.open_transaction(branch.upper_transaction);
      if (upper) branch.decided = *std::move(upper);
    }
    status = branch.upper.prepare_complete(std::nullopt, clock);
    then = BranchAbove::kVoted;
  } else if (step == BridgeStep::kReadOnly) {
    status = branch.upper.read_only(clock);
  } else if (branch.upper.id().is_null()) {
    // Of a volatile manager that went: nobody is left to answer.
  } else if (step == BridgeStep::kCommitted) {
    status = branch.upper.commit_complete(clock);
  } else {
    status = branch.upper.rollback_complete(clock);
  }
  if (!accepted(above_, branch, status)) return false;
  branch.above = then;
  if (then == BranchAbove::kAbsent) branch.upper = Enlistment();
  return true;
}

Status BridgeCore::reason_below(const Branch& branch) const {
  const std::string which = "its branch " + branch.lower_transaction.to_string();
  const Result<TransactionInformation> information = branch.transaction.information();
  if (information && !information->abort_reason) {
    return information->abort_reason.with_context(which);
  }
  const Status& lost = below_.lost;
  return Status(StatusCode::kAlreadyAborted,
                which + " is lost" + (lost ? "" : ": " + lost.to_string()));
}

}  // namespace cairn::tm
