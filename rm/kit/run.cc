#include "run.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

namespace cairn::rm_kit {

using Kind = Work::Kind;
using Phase = Work::Phase;
using End = Work::End;
using tm::NotificationKind;

namespace {

unsigned steps_of(Script script) {
  switch (script) {
    case Script::kCommit:
    case Script::kTakeBack:
    case Script::kLook:
    case Script::kOtherManager:
    case Script::kCalledOff:
      return 3;
    case Script::kInPhases:
      return 4;
    case Script::kRollback:
    case Script::kSinglePhase:
    case Script::kTogether:
    case Script::kRefused:
      return 2;
    case Script::kEarly:
      return 1;
    case Script::kCount_:
      break;
  }
  return 0;
}

}  // namespace

Run::Run(const Environment& environment, Disks disks, const Plan& plan, std::uint64_t seed,
         std::uint64_t number)
    : environment_(environment),
      plan_(plan),
      seed_(seed),
      number_(number),
      machine_(environment, std::move(disks), number) {}

Run::~Run() {
  machine_.close();
  if (keeps_files_ || machine_.disks().files.empty()) return;
  std::error_code ignored;
  std::filesystem::remove_all(machine_.disks().files, ignored);
}

Status Run::execute() {
  ++*environment_.runs;
  if (begin() && do_script() && !is_void_ && conclude()) machine_.close();
  return error_;
}

Result<Disks> Run::prepare_disks() {
  if (boot_manager() && open_subject() && commit_new(kOldItem)) {
    machine_.close();
    keeps_files_ = true;
    return machine_.disks();
  }
  return error_ ? Status(StatusCode::kNotFound, "a rule is broken already") : error_;
}

// Two transactions beside the script's, promised and not decided.
bool Run::begin() {
  if (!boot_manager() || !open_subject()) return false;
  if (environment_.options->keeping == Keeping::kOutside) {  // which nothing was copied to
    if (!commit_new(kOldItem)) return false;
  } else {
    Work& old = new_work(kOldItem, Kind::kAlone, true);
    old.phase = Phase::kDone;
    old.end = End::kCommitted;
    old.was_done = true;
  }
  if (plan_.script == Script::kEarly) return true;
  for (const std::string item : {"beside-1", "beside-2"}) {
    Work& work = new_work(item, Kind::kBelow, true);
    if (!add(work) || !ask_to_prepare(work)) return false;
  }
  return true;
}

bool Run::do_script() {
  const unsigned count = steps_of(plan_.script);
  if (plan_.step > count) is_void_ = true;
  for (unsigned step = 0; step < count && !has_crashed_ && !is_void_; ++step) {
    if (plan_.side != Side::kNone && plan_.step == step) {
      if (plan_.io == 0) return crash();
      arm();
    }
    const StepIo before{machine_.subject_io(), machine_.manager_io()};
    if (!do_step(step)) return false;
    io_.push_back({machine_.subject_io() - before.subject, machine_.manager_io() - before.manager});
    if (is_armed_) return crash();  // also if the I/O did not come this time
  }
  if (plan_.side != Side::kNone && plan_.step == count && !is_void_) return crash();
  return true;
}

bool Run::do_step(unsigned step) {
  const bool phases = plan_.script == Script::kInPhases || plan_.script == Script::kCalledOff;
  const bool below = phases || plan_.script == Script::kCommit ||
                     plan_.script == Script::kTakeBack || plan_.script == Script::kLook ||
                     plan_.script == Script::kOtherManager;
  if (plan_.script == Script::kEarly) return roll_back_early();
  if (step == 0) {
    const Kind kind = below ? Kind::kBelow
                      : plan_.script == Script::kTogether || plan_.script == Script::kRefused
                          ? Kind::kBeside
                          : Kind::kAlone;
    const bool commits = plan_.script != Script::kTakeBack && plan_.script != Script::kRollback &&
                         plan_.script != Script::kRefused && plan_.script != Script::kCalledOff;
    main_ = &new_work("main", kind, commits);
    main_->changes = plan_.script != Script::kLook;
    return add(*main_);
  }
  if (phases && step == 1) return ask_to_pre_prepare(*main_);
  if (plan_.script == Script::kInPhases && step == 2) return ask_to_prepare(*main_);
  if (below && !phases && step == 1) return ask_to_prepare(*main_);
  if (plan_.script == Script::kOtherManager && !open_under_another_manager()) return false;
  if (below) return order(*main_);
  return plan_.script == Script::kRollback ? roll_back(*main_) : commit(*main_);
}

// ---- Steps

Work& Run::new_work(const std::string& item, Kind kind, bool commit) {
  works_.emplace_back();
  Work& work = works_.back();
  work.item = item;
  work.kind = kind;
  work.commit = commit;
  work.key = next_key_++;
  return work;
}

bool Run::add(Work& work) {
  auto transaction = machine_.manager().create_transaction();
  if (!transaction) return is_interrupted() || fail(transaction.status());
  work.transaction = *transaction;
  work.id = transaction->id();
  if (work.kind != Kind::kAlone) {
    const bool below = work.kind == Kind::kBelow;
    auto enlistment = machine_.session().enlist(
        work.transaction, below ? tm::kSuperior : tm::kTwoPhase, work.key, {.superior = below});
    if (!enlistment) return is_interrupted() || fail(enlistment.status());
    work.enlistment = *enlistment;
  }
  const std::string verb = work.changes ? "add" : "look";
  note(verb + " \"" + work.item + "\" in transaction " + work.id.to_string());
  const Status done = machine_.call(verb + "()", [&] {
    return work.changes ? machine_.subject().add(work.transaction, work.item)
                        : machine_.subject().look(work.transaction, work.item);
  });
  if (!work.changes && done.code() == StatusCode::kNotSupported) {
    is_void_ = true;
    return true;
  }
  if (!done && !is_interrupted()) {
    return find(done.code() == StatusCode::kTimeout ? 10 : 1,
                "expected it to take work in a new transaction, found " + done.to_string());
  }
  return is_interrupted() || !work.changes || check_hidden();
}

// One that has nothing to flush is not asked, and the phase is over at once.
bool Run::ask_to_pre_prepare(Work& work) {
  note("the superior of \"" + work.item + "\" asks to preprepare");
  work.phase = Phase::kFlushing;
  if (Status asked = work.enlistment.superior_pre_prepare(); !asked) {
    return is_interrupted() || fail(asked);
  }
  const auto is_answered = [&] { return work.phase != Phase::kFlushing; };
  if (!wait(is_answered, 10, "an answer to PREPREPARE")) return false;
  if (is_interrupted()) return true;
  if (work.phase != Phase::kFlushed) {
    return find(2, "expected an answer to PREPREPARE as nothing had gone wrong, found a rollback");
  }
  return check_hidden();
}

bool Run::ask_to_prepare(Work& work) {
  note("the superior of \"" + work.item + "\" asks to prepare");
  work.phase = Phase::kAsked;
  if (Status asked = work.enlistment.superior_prepare(); !asked) {
    return is_interrupted() || fail(asked);
  }
  const auto is_answered = [&] { return work.phase != Phase::kAsked; };
  if (!wait(is_answered, 10, "an answer to PREPARE")) return false;
  if (is_interrupted()) return true;
  if (work.phase != Phase::kPromised) {
    const auto information = work.transaction.information();
    return find(2, "expected a promise as nothing had gone wrong, found a rollback: " +
                       (information ? information->abort_reason.to_string() : ""));
  }
  note("\"" + work.item + "\" is promised");
  return check_hidden();
}

bool Run::order(Work& work) {
  note(std::string("the superior orders ") + (work.commit ? "commit" : "rollback") + " of \"" +
       work.item + "\"");
  work.phase = Phase::kOrdered;
  const Status ordered =
      work.commit ? work.enlistment.superior_commit() : work.enlistment.superior_rollback();
  if (!ordered) return is_interrupted() || fail(ordered);
  const auto is_answered = [&] { return work.phase == Phase::kDone; };
  if (!wait(is_answered, 0, "an answer to the outcome")) return false;
  return is_interrupted() || check_counts();
}

bool Run::roll_back(Work& work) {
  note("the client rolls \"" + work.item + "\" back");
  if (Status done = work.transaction.rollback(); !done) return is_interrupted() || fail(done);
  work.end = End::kAborted;
  if (!wait([&] { return is_forgotten(work); }, 10, "an answer to ROLLBACK")) return false;
  work.phase = Phase::kDone;
  work.was_done = true;
  return is_interrupted() || check_counts();
}

bool Run::commit(Work& work) {
  note("the client asks for the commit of \"" + work.item + "\"");
  work.phase = Phase::kAsked;
  work.promised_in = opening_;
  if (Status asked = work.transaction.commit_async(); !asked) {
    return is_interrupted() || fail(asked);
  }
  const auto is_over = [&] {
    look_at_outcome(work);
    return work.end != End::kOpen && is_forgotten(work);
  };
  if (!wait(is_over, 10, "answers to the commit")) return false;
  if (is_interrupted()) return true;
  work.phase = Phase::kDone;
  work.was_done = true;
  work.done_in = opening_;
  if (work.commit && work.end != End::kCommitted) {
    const auto information = work.transaction.information();
    return find(work.kind == Kind::kAlone ? 9 : 2,
                "expected a commit as nothing had gone wrong, found: " +
                    (information ? information->abort_reason.to_string() : "another outcome"));
  }
  return check_counts();
}

// The client commits `item` alone, in a transaction of its own.
bool Run::commit_new(const std::string& item) {
  Work& work = new_work(item, Kind::kAlone, true);
  return add(work) && commit(work);
}

// ---- The kit's side

void Run::hear(const tm::Notification& notification) {
  if (notification.kind == NotificationKind::kLastRecover) {
    last_recover_ = true;
    return;
  }
  const auto found = std::find_if(works_.begin(), works_.end(), [&](const Work& work) {
    return work.id == notification.transaction;
  });
  if (found == works_.end()) return;
  Work& work = *found;
  const auto finish = [&](End end) {
    work.end = end;
    work.phase = Phase::kDone;
  };
  // Answers that come too late, because the manager is gone, are told again by it.
  switch (notification.kind) {
    case NotificationKind::kPrepare:
      static_cast<void>(work.commit ? work.enlistment.prepare_complete()
                                    : work.enlistment.rollback(
                                          Status(StatusCode::kInvalidState, "the kit votes no")));
      return;
    case NotificationKind::kCommit:
      work.end = End::kCommitted;
      static_cast<void>(work.enlistment.commit_complete());
      return;
    case NotificationKind::kRollback:
      work.end = End::kAborted;
      if (work.kind == Kind::kBelow) work.phase = Phase::kDone;
      static_cast<void>(work.enlistment.rollback_complete());
      return;
    case NotificationKind::kPrePrepareComplete:
      work.phase = Phase::kFlushed;
      return;
    case NotificationKind::kPrepareComplete:
      work.phase = Phase::kPromised;
      work.was_promised = work.changes;
      work.promised_in = opening_;
      work.promised_on_failure = machine_.subject_crashed() || machine_.has_failed();
      return;
    case NotificationKind::kCommitComplete:
    case NotificationKind::kRollbackComplete:
      finish(notification.kind == NotificationKind::kCommitComplete ? End::kCommitted
                                                                    : End::kAborted);
      if (!work.was_done) work.done_in = opening_;
      work.was_done = work.was_done || (machine_.is_subject_open() && !machine_.is_fenced());
      return;
    case NotificationKind::kRecover:
    case NotificationKind::kRecoverQuery: {
      work.is_offered = true;
      auto enlistment = machine_.session().open_enlistment(notification.enlistment);
      if (!enlistment) return;
      work.enlistment = *enlistment;
      if (work.kind == Kind::kBelow) {
        work.phase =
            notification.kind == NotificationKind::kRecover ? Phase::kOrdered : Phase::kPromised;
      }
      static_cast<void>(work.enlistment.recover(work.key));
      return;
    }
    default:
      return;
  }
}

bool Run::wait(const std::function<bool()>& done, int rule, const std::string& for_what) {
  const Status waited = machine_.wait(done, [this](const auto& told) { hear(told); });
  if (waited || is_interrupted()) return true;
  if (rule == 0) rule = rule_of_silence();
  if (waited.code() == StatusCode::kTimeout) {
    return find(rule, "expected " + for_what + " within " +
                          std::to_string(environment_.options->patience.count()) +
                          " ms, found none");
  }
  return find(rule, "expected " + for_what + ", found that it cannot go on: " + waited.to_string());
}

// A crash is to strike, or has.
bool Run::is_interrupted() const {
  return is_armed_ && (machine_.is_fenced() || machine_.subject_crashed() ||
                       machine_.manager_crashed() || machine_.has_failed());
}

void Run::look_at_outcome(Work& work) {
  if (work.end != End::kOpen) return;
  const Status ended = work.transaction.wait(tm::WaitFor::kDecided, std::chrono::nanoseconds(0));
  if (ended) work.end = End::kCommitted;
  if (ended.code() == StatusCode::kAlreadyAborted) work.end = End::kAborted;
  if (ended.code() != StatusCode::kOutcomeUnknown) return;
  work.end = End::kEither;
  work.is_unknown = true;
}

bool Run::is_forgotten(const Work& work) {
  if (work.is_unknown) return true;
  const auto ids = machine_.manager().transactions();
  return ids && std::find(ids->begin(), ids->end(), work.id) == ids->end();
}

bool Run::is_all_forgotten() {
  const auto ids = machine_.manager().transactions();
  return ids && std::all_of(ids->begin(), ids->end(), [&](const Uuid& id) {
           return std::any_of(works_.begin(), works_.end(),
                              [&](const Work& work) { return work.id == id && work.is_unknown; });
         });
}

// ---- Checks

// What is not decided shows nothing.
bool Run::check_hidden() {
  for (Work& work : works_) {
    if (work.end != End::kOpen || work.phase == Phase::kOrdered || !work.changes) continue;
    const auto count = machine_.subject().count(work.item);
    if (is_interrupted()) return true;
    if (count.code() == StatusCode::kLocked || (count && *count == 0)) continue;
    return find(work.was_away ? 7 : 5,
                "expected the undecided \"" + work.item + "\" to be hidden, found " +
                    (count ? "a count of " + std::to_string(*count) : count.status().to_string()));
  }
  return true;
}

bool Run::check_counts() {
  return std::all_of(works_.begin(), works_.end(),
                     [this](Work& work) { return check_count(work); });
}

bool Run::check_count(Work& work) {
  if (work.end == End::kOpen || work.phase != Phase::kDone || !work.changes) return true;
  const auto count = machine_.subject().count(work.item);
  if (is_interrupted()) return true;
  const std::string item = "\"" + work.item + "\"";
  if (!count) {
    const bool locked = count.code() == StatusCode::kLocked;
    if (locked && work.end == End::kCommitted && work.was_promised) {
      return find(rule_of_lost(work), "expected " + item + " committed, found it still locked");
    }
    return find(locked ? 10 : 1, "expected the count of " + item + ", which is decided, found " +
                                     count.status().to_string());
  }
  if (*count > 1) {
    return find(
        4, "expected " + item + " to be added once, found it " + std::to_string(*count) + " times");
  }
  if (work.end == End::kEither) {  // from now on it stays what it is
    work.end = *count == 1 ? End::kCommitted : End::kAborted;
    work.was_done = true;
    work.done_in = opening_;
    return true;
  }
  if (work.end == End::kAborted && *count != 0) {
    return find(work.was_away ? 7 : 5, "expected the rolled back " + item + " nowhere, found it");
  }
  if (work.end == End::kCommitted && *count != 1) {
    return find(rule_of_lost(work), "expected the committed " + item + ", found it gone");
  }
  return true;
}

// What is rolled back is free for others.
bool Run::check_locks() {
  for (auto next = works_.begin(); next != works_.end();) {
    const Work work = *next;
    if (work.end != End::kAborted || !work.changes) {
      ++next;
      continue;
    }
    if (main_ == &*next) main_ = nullptr;
    next = works_.erase(next);
    Work& again = new_work(work.item, Kind::kAlone, true);
    auto transaction = machine_.manager().create_transaction();
    if (!transaction) return fail(transaction.status());
    again.transaction = *transaction;
    again.id = transaction->id();
    note("add \"" + again.item + "\" again, after its rollback");
    Status added;
    const auto is_free = [&] {
      added = machine_.subject().add(again.transaction, again.item);
      return added.code() != StatusCode::kLocked;
    };
    if (!wait(is_free, has_crashed_ && !work.was_done ? 6 : 10,
              "the item of a rolled back transaction to be free")) {
      return false;
    }
    if (!added) return find(1, "expected it to take new work, found " + added.to_string());
    if (!commit(again)) return false;
  }
  return true;
}

bool Run::conclude() {
  if (plan_.script != Script::kEarly && !finish_all()) return false;
  if (!check_counts() || !check_locks() || !commit_new("new")) return false;
  // What was answered is durable, whatever was not.
  return crash_data() && open_subject() && finish_all() && check_counts();
}

bool Run::find(int rule, const std::string& what) {
  if (!finding_) finding_ = Finding{rule, what};
  return false;
}

bool Run::fail(const Status& status) {
  if (error_) error_ = status;
  return false;
}

}  // namespace cairn::rm_kit
