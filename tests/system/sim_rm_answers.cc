// SimRm: what it hears, and how it answers.
#include <utility>

#include "system/sim_rm.h"

namespace cairn::system_test {
namespace {

using Kind = tm::NotificationKind;

}  // namespace

bool SimRm::fetch() {
  if (!connected_) return false;
  const auto next = session_.try_get_notification();
  if (!stage_.dead() && manager_is_gone(next.status())) return disconnect();
  if (next && !*next) return false;
  if (!allowed("fetches", next.status(), {})) return true;
  const tm::Notification& notification = **next;
  const std::string kind(notification_kind_name(notification.kind));
  say("hears " + kind + " of " + notification.transaction.to_string());
  stage_.tally.add("heard " + kind);
  if (notification.kind == Kind::kTmOnline) {
    if (notification.manager.is_null() || notification.manager == manager_) {
      violate("TM_ONLINE of no other manager");
    }
    return true;
  }
  if (notification.clock < clock_) violate("the virtual clock went back: " + kind);
  clock_ = notification.clock;
  if (notification.kind == Kind::kRecover && !parts_.contains(notification.enlistment)) {
    Part part;
    part.transaction = notification.transaction;
    part.key = next_key_++;
    part.recovered = true;
    parts_.emplace(notification.enlistment, std::move(part));
  }
  if (notification.kind == Kind::kLastRecover) {
    if (last_recover_) violate("LAST_RECOVER twice in one session");
  } else {
    const auto part = parts_.find(notification.enlistment);
    if (part == parts_.end()) {
      violate("hears " + kind + " of an enlistment that is none of its session");
      return true;
    }
    check_order(notification, part->second);
  }
  if (notification.kind == Kind::kCommit) note_committed(notification.transaction);
  inbox_.push_back(notification);
  return true;
}

// What may follow on what, and what may be sent to whom at all.
void SimRm::check_order(const tm::Notification& next, Part& part) {
  const std::string kind(notification_kind_name(next.kind));
  const auto heard = [&](Kind one) { return part.heard.contains(one); };
  const bool outcome = heard(Kind::kCommit) || heard(Kind::kRollback);
  const auto must = [&](bool holds, const char* what) {
    if (!holds) violate(kind + " of " + next.transaction.to_string() + ": " + what);
  };
  const bool asked = part.recovered || (part.mask & tm::bit(next.kind)) != 0;
  must(next.kind == Kind::kRecover || next.key == part.key, "with the key of another");
  must(next.transaction == part.transaction, "of another transaction");
  // What was queued before it left may be a question, but no outcome.
  const bool asks = next.kind == Kind::kPrePrepare || next.kind == Kind::kPrepare;
  must(part.last != Answer::kReadOnly || asks, "to one that left");
  switch (next.kind) {
    case Kind::kPrePrepare:
      must(asked, "not asked for");
      must(!heard(Kind::kPrepare) && !outcome, "behind a later phase");
      break;
    case Kind::kPrepare:
      must(asked, "not asked for");
      must(!outcome, "behind the outcome");
      break;
    case Kind::kSinglePhaseCommit:
      must(asked, "not asked for");
      must(!heard(Kind::kPrepare) && !outcome, "behind a later phase");
      break;
    case Kind::kCommit:
      must(asked, "not asked for");
      must(!outcome, "behind an outcome");
      must(part.recovered || part.voted || (part.mask & tm::bit(Kind::kPrepare)) == 0,
           "without its vote");
      break;
    case Kind::kRollback:
      must(!outcome, "behind an outcome");
      break;
    case Kind::kCommitFinalize:
      must(asked, "not asked for");
      must(part.last == Answer::kCommitted || part.last == Answer::kUnhardened,
           "before it committed");
      break;
    case Kind::kRmDisconnected:
      must(!outcome, "behind an outcome");
      break;
    case Kind::kRecover:
      must(!last_recover_, "behind LAST_RECOVER");
      must(part.recovered && part.heard.empty(), "twice");
      break;
    case Kind::kInDoubt:
      must(part.recovered && !outcome, "not recovered, or decided");
      break;
    default:
      must(false, "is for superiors");
  }
  must(part.heard.insert(next.kind).second || next.kind == Kind::kPrePrepare, "twice");
}

bool SimRm::answer() {
  if (!connected_ || inbox_.empty()) return false;
  // Those of one enlistment in their order; of several, any first.
  const std::size_t any = behaves_ ? 0 : stage_.random.below(inbox_.size());
  std::size_t at = 0;
  while (inbox_[at].enlistment != inbox_[any].enlistment) ++at;
  // All that was offered is known before the rest is presumed to be rolled back.
  if (inbox_[at].kind == Kind::kLastRecover) at = 0;
  const tm::Notification next = inbox_[at];
  inbox_.erase(inbox_.begin() + static_cast<std::ptrdiff_t>(at));
  return answer(next);
}

bool SimRm::answer(const tm::Notification& asked) {
  if (asked.kind == Kind::kLastRecover) return presume_aborts();
  const auto found = parts_.find(asked.enlistment);
  if (found == parts_.end()) return true;
  Part& part = found->second;
  switch (asked.kind) {
    case Kind::kPrePrepare:
      return pre_prepare(part);
    case Kind::kPrepare:
      return prepare(part);
    case Kind::kSinglePhaseCommit:
      return decide_alone(part);
    case Kind::kCommit:
      return commit(part);
    case Kind::kRollback:
      return roll_back(part);
    case Kind::kRecover:
      return take_over(asked, part);
    case Kind::kRmDisconnected:
      part.over = true;
      return true;
    default:
      return true;
  }
}

bool SimRm::take_over(const tm::Notification& offer, Part& part) {
  offered_.insert(part.transaction);
  const auto opened = session_.open_enlistment(offer.enlistment);
  if (!allowed("takes over", opened.status(), {StatusCode::kNotFound})) return true;
  part.handle = *opened;
  const auto kept = part.handle.recovery_information();
  const auto given = information_.find(part.transaction);
  if (kept && given != information_.end() && !stage_.dead() && *kept != given->second) {
    violate("recovery information of " + std::to_string(kept->size()) + " bytes, " +
            std::to_string(given->second.size()) + " were given");
  }
  allowed("recovers one", part.handle.recover(part.key), {});
  return true;
}

bool SimRm::presume_aborts() {
  last_recover_ = true;
  std::vector<Uuid> unknown;
  for (const auto& [transaction, work] : durable_) {
    const bool open = work.kept == Kept::kPrepared && work.manager == manager_;
    if (open && !offered_.contains(transaction)) unknown.push_back(transaction);
  }
  for (const Uuid& transaction : unknown) {
    if (soft_.contains(transaction)) {
      violate("T2: " + transaction.to_string() + " is forgotten before its commit was hardened");
    }
    say("presumes that " + transaction.to_string() + " is rolled back");
    stage_.tally.add("presumed aborts");
    note_aborted(transaction);
  }
  return true;
}

Status SimRm::give(Part& part, Answer answer) {
  const auto call = [&]() -> Status {
    switch (answer) {
      case Answer::kPrePrepared:
        return part.handle.pre_prepare_complete();
      case Answer::kPrepared:
        return part.handle.prepare_complete();
      case Answer::kCommitted:
        return part.handle.commit_complete();
      case Answer::kUnhardened:
        return part.handle.commit_complete(tm::Hardened::kNo);
      case Answer::kRolledBack:
        return part.handle.rollback_complete();
      case Answer::kReject:
        return part.handle.single_phase_reject();
      case Answer::kReadOnly:
        return part.handle.read_only();
      case Answer::kNone:
        break;
    }
    return {};
  };
  const Status status = call();
  if (status.is_ok() && !stage_.dead()) {
    part.last = answer;
    if (answer == Answer::kReadOnly) {
      part.over = true;
      durable_.erase(part.transaction);
      stage_.model.of(part.transaction).members.erase(number_);
    }
  }
  return status;
}

bool SimRm::answer_again() {
  if (!connected_) return false;
  std::vector<Part*> answered;
  for (auto& [id, part] : parts_) {
    if (part.last != Answer::kNone && part.handle.id() != Uuid{}) answered.push_back(&part);
  }
  if (answered.empty()) return false;
  Part& part = *answered[stage_.random.below(answered.size())];
  allowed("answers again", give(part, Answer(part.last)), {});
  return true;
}

bool SimRm::pre_prepare(Part& part) {
  if (part.over) return true;
  const std::uint64_t dice = behaves_ ? 50 : stage_.random.below(100);
  if (dice < 6) {
    allowed("leaves", give(part, Answer::kReadOnly), {StatusCode::kNotRequested});
  } else {
    allowed("has preprepared", give(part, Answer::kPrePrepared), {StatusCode::kNotRequested});
  }
  return true;
}

bool SimRm::prepare(Part& part) {
  if (part.over) return true;
  const std::uint64_t dice = behaves_ ? 50 : stage_.random.below(100);
  if (part.votes_last) stage_.tally.add("votes of one that votes last");
  // Where one waits for it, most only read.
  const bool reads = !part.votes_last && stage_.with_last.contains(part.transaction) && !behaves_ &&
                     stage_.random.chance(60);
  if (dice < 10 || reads) {
    if (allowed("leaves", give(part, Answer::kReadOnly), {StatusCode::kNotRequested}) && reads) {
      stage_.read_only_votes.insert(part.transaction);
    }
    return true;
  }
  if (dice < 16) {
    if (allowed("votes no", part.handle.rollback(),
                {StatusCode::kRequestNotValid, StatusCode::kAlreadyAborted,
                 StatusCode::kOutcomeUnknown})) {
      stage_.model.tell(part.transaction, Ending::kAborted, name_ + ", which voted no,");
    }
    return true;
  }
  if (!force_work(part)) {
    // It cannot promise.
    if (stage_.dead()) return true;
    if (allowed("gives up", part.handle.rollback(),
                {StatusCode::kAlreadyAborted, StatusCode::kOutcomeUnknown})) {
      stage_.model.tell(part.transaction, Ending::kAborted, name_ + ", which could not promise,");
    }
    return true;
  }
  if (dice < 19) return crash();  // prepared, and nobody knows
  const Status voted = vote(part);
  if (allowed("votes", voted, {StatusCode::kNotRequested})) {
    part.voted = true;
    part.last = Answer::kPrepared;
    if (!is_volatile()) stage_.model.of(part.transaction).members.insert(number_);
  }
  return true;
}

Status SimRm::vote(Part& part) {
  if (habit_ == Habit::kManagerLog) {
    return part.handle.prepare_complete_covered(covered_.at(part.transaction));
  }
  if (is_volatile() || !stage_.random.chance(30)) return part.handle.prepare_complete();
  const std::vector<std::byte> data(stage_.random.below(4000), std::byte{6});
  information_.erase(part.transaction);
  const Status voted = part.handle.prepare_complete(std::span(data));
  if (voted.is_ok() && !stage_.dead()) information_[part.transaction] = data;
  return voted;
}

bool SimRm::commit(Part& part) {
  const auto work = durable_.find(part.transaction);
  const bool open = work != durable_.end() && work->second.kept == Kept::kPrepared;
  if (open && habit_ == Habit::kOwnDisk && !behaves_ && stage_.random.chance(35)) {
    soft_.insert(part.transaction);
    stage_.tally.add("commits not hardened");
    if (!part.over) allowed("commits, unhardened", give(part, Answer::kUnhardened), {});
    return true;
  }
  if (open) work->second.kept = Kept::kCommitted;
  soft_.erase(part.transaction);
  covered_.erase(part.transaction);
  if (!behaves_ && stage_.random.chance(3)) return crash();  // before it answers
  if (!part.over) allowed("commits", give(part, Answer::kCommitted), {});
  return true;
}

bool SimRm::roll_back(Part& part) {
  note_aborted(part.transaction);
  covered_.erase(part.transaction);
  if (part.over) return true;
  allowed("has rolled back", give(part, Answer::kRolledBack), {});
  part.over = true;
  return true;
}

bool SimRm::decide_alone(Part& part) {
  if (part.over) return true;
  if (part.votes_last && stage_.read_only_votes.contains(part.transaction)) {
    stage_.tally.add("decided alone behind votes");
  }
  const std::uint64_t dice = behaves_ ? 0 : stage_.random.below(100);
  if (dice < 50) {
    durable_[part.transaction] = {Kept::kCommitted, manager_};
    note_committed(part.transaction);
    if (dice >= 40) return crash();
    allowed("decides to commit", give(part, Answer::kCommitted), {});
  } else if (dice < 65) {
    stage_.model.tell(part.transaction, Ending::kAborted, name_ + " alone");
    allowed("decides to roll back", give(part, Answer::kRolledBack), {});
    part.over = true;
  } else if (dice < 90) {
    allowed("rejects", give(part, Answer::kReject), {});
  } else if (allowed("rolls back alone", part.handle.rollback(), {})) {
    stage_.model.tell(part.transaction, Ending::kAborted, name_ + " alone");
  }
  return true;
}

}  // namespace cairn::system_test
