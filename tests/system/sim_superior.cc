#include "system/sim_superior.h"

#include <utility>
#include <vector>

namespace cairn::system_test {
namespace {

using Kind = tm::NotificationKind;

}  // namespace

SimSuperior::SimSuperior(Stage& stage) : stage_(stage) { id_.bytes[0] = 0x73; }

bool SimSuperior::allowed(const std::string& what, const Status& status,
                          std::initializer_list<StatusCode> codes) {
  if (!stage_.dead() && status.code() == StatusCode::kObjectExpired) {
    if (node_ != nullptr && node_->online()) {
      stage_.model.violate("the superior is told of an end of a manager that is online");
    }
    return false;
  }
  return stage_.allowed("the superior " + what, status, codes);
}

bool SimSuperior::connect(Node& node) {
  if (connected_ || !node.up() || !node.online()) return false;
  auto session = node.tm().open_or_create_resource_manager(id_, tm::RmKind::kDurable, "superior");
  if (!allowed("connects", session.status(), {})) return true;
  session_ = std::move(*session);
  node_ = &node;
  connected_ = true;
  last_recover_ = false;
  allowed("recovers", session_.recover(), {});
  return true;
}

bool SimSuperior::disconnect() {
  if (!connected_) return false;
  stage_.say("the superior disconnects");
  manager_gone();
  return true;
}

void SimSuperior::manager_gone() {
  connected_ = false;
  session_ = tm::ResourceManager();
  parts_.clear();
}

bool SimSuperior::enlist(const tm::Transaction& transaction) {
  if (!connected_ || !last_recover_) return false;
  Part part;
  part.transaction = transaction.id();
  tm::NotificationMask mask = tm::kSuperior;
  if (stage_.random.chance(30)) mask &= ~tm::bit(Kind::kCommitRequest);
  const bool before = std::exchange(stage_.model.of(part.transaction).owned, true);
  const auto enlisted = session_.enlist(transaction, mask, next_key_++, {.superior = true});
  if (!allowed("enlists", enlisted.status(),
               {StatusCode::kNotActive, StatusCode::kSuperiorExists})) {
    if (!stage_.dead()) stage_.model.of(part.transaction).owned = before;
    return true;
  }
  part.handle = *enlisted;
  parts_.emplace(part.handle.id(), std::move(part));
  return true;
}

bool SimSuperior::fetch() {
  if (!connected_) return false;
  const auto next = session_.try_get_notification();
  if (!stage_.dead() && next.code() == StatusCode::kObjectExpired) return disconnect();
  if (next && !*next) return false;
  if (!allowed("fetches", next.status(), {})) return true;
  const tm::Notification& notification = **next;
  const std::string kind(notification_kind_name(notification.kind));
  stage_.say("the superior hears " + kind + " of " + notification.transaction.to_string());
  stage_.tally.add("heard " + kind);
  if (notification.kind == Kind::kLastRecover) {
    last_recover_ = true;
    return true;
  }
  Part& part = parts_[notification.enlistment];
  if (notification.kind == Kind::kRecover || notification.kind == Kind::kRecoverQuery) {
    if (part.transaction != Uuid{}) stage_.model.violate("the superior hears " + kind + " twice");
    part.transaction = notification.transaction;
    return take_over(notification, part);
  }
  if (part.transaction != notification.transaction) {
    stage_.model.violate("the superior hears " + kind + " of what is not in its session");
    return true;
  }
  hear(notification, part);
  return true;
}

bool SimSuperior::take_over(const tm::Notification& offer, Part& part) {
  const auto opened = session_.open_enlistment(offer.enlistment);
  if (!allowed("takes over", opened.status(), {StatusCode::kNotFound})) {
    part.phase = Phase::kOver;
    return true;
  }
  part.handle = *opened;
  // RECOVER: it ordered the commit; perhaps before the votes, which then decide.
  part.promised = offer.kind == Kind::kRecoverQuery;
  part.phase = offer.kind == Kind::kRecover ? Phase::kOrdered : Phase::kOffered;
  if (offer.kind == Kind::kRecover && !stage_.model.of(part.transaction).ordered) {
    stage_.model.violate("order: the superior hears that it ordered what it did not");
  }
  allowed("recovers one", part.handle.recover(next_key_++), {});
  return true;
}

void SimSuperior::hear(const tm::Notification& next, Part& part) {
  const auto must = [&](bool holds, const char* what) {
    if (!holds) {
      stage_.model.violate("the superior hears " + std::string(notification_kind_name(next.kind)) +
                           " of " + next.transaction.to_string() + ": " + what);
    }
  };
  must(part.heard.insert(next.kind).second || next.kind == Kind::kRequestOutcome, "twice");
  must(part.phase != Phase::kOver, "behind the end");
  switch (next.kind) {
    case Kind::kCommitRequest:
      stage_.model.of(part.transaction).asked = true;
      break;
    case Kind::kPrePrepareComplete:
      if (part.rolls_back) break;  // queued before
      must(part.phase == Phase::kPrePreparing, "not ordered");
      part.phase = Phase::kWorking;
      break;
    case Kind::kPrepareComplete:
      if (part.rolls_back) break;
      must(part.phase == Phase::kPreparing, "not ordered");
      part.phase = Phase::kPrepared;
      part.promised = true;
      break;
    case Kind::kCommitComplete:
      must(part.phase == Phase::kOrdered, "not ordered");
      stage_.model.tell(part.transaction, Ending::kCommitted, "the superior, as all committed,");
      part.phase = Phase::kOver;
      break;
    case Kind::kRollback:
      must(!part.promised, "it had promised");
      stage_.model.tell(part.transaction, Ending::kAborted, "the superior");
      break;
    case Kind::kRollbackComplete:
      stage_.model.tell(part.transaction, Ending::kAborted, "the superior, as all rolled back,");
      part.phase = Phase::kOver;
      break;
    case Kind::kRequestOutcome:
      break;
    default:
      must(false, "is for subordinates");
  }
}

bool SimSuperior::order() {
  if (!connected_) return false;
  std::vector<Part*> open;
  for (auto& [id, part] : parts_) {
    if (part.phase != Phase::kOver && part.phase != Phase::kOrdered) open.push_back(&part);
  }
  if (open.empty()) return false;
  Part& part = *open[stage_.random.below(open.size())];
  switch (part.phase) {
    case Phase::kWorking:
      return drive(part);
    case Phase::kPrepared:
      return decide(part);
    case Phase::kOffered:
      return carry_out(part);
    case Phase::kPrePreparing:
    case Phase::kPreparing:
      return !behaves_ && stage_.random.chance(8) && roll_back(part);
    case Phase::kOrdered:
    case Phase::kOver:
      break;
  }
  return false;
}

// What a superior may be answered that comes too late.
constexpr std::initializer_list<StatusCode> kTooLate = {
    StatusCode::kAlreadyAborted, StatusCode::kAlreadyCommitted, StatusCode::kRequestNotValid,
    StatusCode::kOutcomeUnknown};

bool SimSuperior::drive(Part& part) {
  if (part.heard.contains(Kind::kRollback)) return false;
  const std::uint64_t dice = stage_.random.below(100);
  if (dice < 20 && !part.heard.contains(Kind::kPrePrepareComplete)) {
    part.phase = Phase::kPrePreparing;
    if (!allowed("orders preprepare", part.handle.superior_pre_prepare(), kTooLate)) {
      part.phase = Phase::kWorking;
    }
    return true;
  }
  if (dice < 75) {
    part.phase = Phase::kPreparing;
    if (!allowed("orders prepare", part.handle.superior_prepare(), kTooLate)) {
      part.phase = Phase::kWorking;
    }
    return true;
  }
  return dice < 90 || behaves_ ? commit_at_once(part) : roll_back(part);
}

bool SimSuperior::commit_at_once(Part& part) {
  stage_.model.of(part.transaction).ordered = true;
  part.phase = Phase::kOrdered;
  if (!allowed("orders all of the commit", part.handle.superior_commit(), kTooLate)) {
    part.phase = Phase::kWorking;
  }
  return true;
}

bool SimSuperior::decide(Part& part) {
  if (stage_.random.chance(15)) {
    stage_.model.decide(part.transaction, Ending::kAborted);
  } else {
    committed_.insert(part.transaction);
    stage_.model.decide(part.transaction, Ending::kCommitted);
  }
  // It may die before it says so.
  if (!behaves_ && stage_.random.chance(10)) return disconnect();
  return carry_out(part);
}

// By what its disk says. An administrator may have been faster: then it orders what he did, which
// ends the matter, and knows that its parts differ.
bool SimSuperior::carry_out(Part& part) {
  Facts& facts = stage_.model.of(part.transaction);
  const bool commits = committed_.contains(part.transaction);
  if (!commits) return roll_back(part);
  facts.ordered = true;
  const Phase before = std::exchange(part.phase, Phase::kOrdered);
  const Status status = part.handle.superior_commit();
  // A recovery in a full log found no room for the decision: later.
  const bool waits = before == Phase::kOffered && status.code() == StatusCode::kLogFull;
  if (waits) {
    stage_.tally.add("orders that wait for room");
    part.phase = before;
    return true;
  }
  if (allowed("orders the commit", status, kTooLate) || stage_.dead()) return true;
  part.phase = before;
  if (status.code() != StatusCode::kAlreadyAborted) return true;
  if (!facts.by_hand) {
    stage_.model.violate("a promise was broken: " + status.to_string());
    return true;
  }
  stage_.tally.add("superiors refused for an act by hand");
  return roll_back(part);
}

bool SimSuperior::roll_back(Part& part) {
  Facts& facts = stage_.model.of(part.transaction);
  const Phase before = std::exchange(part.phase, Phase::kOrdered);
  const Status status = part.handle.superior_rollback();
  if (allowed("orders a rollback", status, kTooLate)) {
    part.rolls_back = true;
    stage_.model.tell(part.transaction, Ending::kAborted, "the superior, which rolled back,");
    return true;
  }
  part.phase = before;
  if (stage_.dead() || status.code() != StatusCode::kAlreadyCommitted) return true;
  if (!facts.by_hand) {
    stage_.model.violate("a promise was broken: " + status.to_string());
    return true;
  }
  stage_.tally.add("superiors refused for an act by hand");
  facts.ordered = true;
  part.phase = Phase::kOrdered;
  allowed("orders what was done by hand", part.handle.superior_commit(), {});
  return true;
}

}  // namespace cairn::system_test
