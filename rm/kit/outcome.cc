// Which rule explains what a run has seen: the same symptom has several causes, and further runs
// tell them apart.
#include <algorithm>

#include "run.h"

namespace cairn::rm_kit {

using Kind = Work::Kind;
using Phase = Work::Phase;
using End = Work::End;

// A commit that is not there.
int Run::rule_of_lost(const Work& work) {
  if (work.kind == Kind::kAlone) return 9;
  if (work.was_away) {
    const int rule =
        rule_of({.script = Script::kCommit, .side = Side::kSubject, .step = 2, .fate = Fate::kAll});
    return rule == 0 ? 7 : rule;
  }
  if (work.was_done && work.done_in < opening_) return 3;
  if (work.promised_on_failure) return 2;
  if (work.promised_in == opening_) return 3;
  if (work.lost_something) return rule_of_lost_by_crash();
  if (another_survived(work)) return 6;
  if (writes_more_in_doubt()) return 5;
  // Is it there after an orderly end? Then it had not been written when the promise was given.
  if (plan_.side == Side::kManager || !environment_.begin->subject) return 1;
  const int rule =
      rule_of({.script = Script::kCommit, .side = Side::kManager, .step = 2, .fate = Fate::kAll});
  return rule == 0 ? 2 : 1;
}

// With everything written still there: does it lose it too?
int Run::rule_of_lost_by_crash() {
  if (plan_.fate == Fate::kAll) return 2;
  Plan harmless = plan_;
  harmless.fate = Fate::kAll;
  const int rule = rule_of(harmless);
  return rule == 0 ? 2 : rule;
}

int Run::rule_of(const Plan& plan) {
  if (!environment_.begin->files.empty()) return 0;  // no further runs
  const bool outside = environment_.options->keeping == Keeping::kOutside;
  Disks disks =
      outside ? disks_for_outside(seed_) : Disks{environment_.begin->manager->clone(), nullptr, {}};
  if (environment_.begin->subject) disks.subject = environment_.begin->subject->clone();
  machine_.close();  // one manager of an identity is open at a time, and this run is over
  const std::uint64_t number = outside ? ++*environment_.number : number_;
  Run run(environment_, std::move(disks), plan, seed_, number);
  if (!run.execute() || !run.finding()) return 0;
  return run.finding()->rule;
}

// Only some of what was offered is lost: the others were offered before.
bool Run::another_survived(const Work& lost) {
  return std::any_of(works_.begin(), works_.end(), [&](const Work& work) {
    if (&work == &lost || work.kind != Kind::kBelow || work.end != End::kCommitted) return false;
    if (!work.was_promised || work.promised_in == opening_ || work.phase != Phase::kDone) {
      return false;
    }
    if (work.done_in < opening_) return false;
    const auto count = machine_.subject().count(work.item);
    return count && *count == 1;
  });
}

// One that undoes what is offered to it writes that down; one that had forgotten it does not. How
// much an opening writes that decides nothing is seen under a manager that offers nothing.
bool Run::writes_more_in_doubt() {
  if (plan_.while_down) {
    Plan in_doubt = plan_;
    in_doubt.while_down = false;
    return rule_of(in_doubt) == 5;
  }
  if (!before_opening_) return false;
  const auto manager = std::make_shared<sim::SimStorage>(sim::SimOptions{.seed = seed_});
  Machine other(environment_, {manager, before_opening_, {}}, number_);
  const std::uint64_t before = other.subject_io();
  if (!other.boot_manager() || !other.open_subject()) return false;
  return io_in_doubt_ > other.subject_io() - before;
}

// An answer that does not come.
int Run::rule_of_silence() const {
  const bool is_repetition = std::any_of(works_.begin(), works_.end(), [](const Work& work) {
    return work.was_done && work.phase != Phase::kDone;
  });
  return is_repetition ? 4 : 10;
}

int Run::rule_of_opening(const Status& status) {
  if (status.code() == StatusCode::kTimeout) return rule_of_silence() == 4 ? 4 : 1;
  const auto is = [&](auto what) { return std::any_of(works_.begin(), works_.end(), what); };
  if (is([](const Work& work) { return work.was_away; })) return 7;
  if (is([](const Work& work) { return work.lost_something && work.phase != Phase::kDone; })) {
    return rule_of_lost_by_crash();
  }
  if (is([](const Work& work) { return work.was_done && work.phase != Phase::kDone; })) return 4;
  return 1;
}

}  // namespace cairn::rm_kit
