// The crash of a run, and the way back from it.
#include <algorithm>

#include "run.h"

namespace cairn::rm_kit {

using Kind = Work::Kind;
using Phase = Work::Phase;
using End = Work::End;

void Run::arm() {
  is_armed_ = true;
  switch (plan_.side) {
    case Side::kSubject:
      return machine_.crash_subject_at(plan_.io);
    case Side::kManager:
    case Side::kBoth:
      return machine_.crash_manager_at(plan_.io);
    case Side::kFence:
      return machine_.fence_subject_at(plan_.io);
    case Side::kFault:
      return machine_.fail_subject_at(plan_.io);
    case Side::kNone:
    case Side::kCount_:
      return;
  }
}

bool Run::crash() {
  note((plan_.side == Side::kFault ? "" : "crash of ") + std::string(side_name(plan_.side)) +
       (is_armed_ ? " at I/O " + std::to_string(plan_.io) + " of this step" : "") +
       (plan_.side == Side::kFence ? "" : ": " + std::string(fate_name(plan_.fate))));
  has_crashed_ = true;
  is_armed_ = false;
  if (plan_.side == Side::kBoth) machine_.power_off();
  if (plan_.side == Side::kFence) {
    machine_.fence_subject();
    machine_.close_subject();
  }
  const bool subject = plan_.side == Side::kSubject || plan_.side == Side::kFault;
  if ((subject || plan_.side == Side::kBoth) && !crash_subject(plan_.fate)) return false;
  const bool manager = plan_.side == Side::kManager || plan_.side == Side::kBoth;
  if (manager) {
    if (environment_.options->keeping == Keeping::kManagersLog) note_losses(plan_.fate);
    if (Status crashed = machine_.crash_manager(plan_.fate, seed_); !crashed) return fail(crashed);
  }
  return recover(manager);
}

bool Run::crash_subject(Fate fate) {
  if (Status crashed = machine_.crash_subject(fate, seed_); !crashed) return fail(crashed);
  if (machine_.disks().subject) note_losses(fate);
  if (environment_.options->keeping == Keeping::kManagersLog) note_losses(Fate::kNone);
  return true;
}

// A crash, at the end, of whoever keeps the data.
bool Run::crash_data() {
  if (environment_.options->keeping != Keeping::kManagersLog) {
    note("the resource manager crashes at the end: " + std::string(fate_name(Fate::kNone)));
    return crash_subject(Fate::kNone);
  }
  note("both managers crash at the end: " + std::string(fate_name(Fate::kNone)));
  note_losses(Fate::kNone);
  if (Status crashed = machine_.crash_manager(Fate::kNone, seed_); !crashed) return fail(crashed);
  return boot_manager();
}

void Run::note_losses(Fate fate) {
  if (fate == Fate::kAll) return;
  for (Work& work : works_) work.lost_something = work.lost_something || work.phase != Phase::kDone;
}

bool Run::recover(bool manager_was_down) {
  if (!(manager_was_down ? boot_manager() : settle())) return false;
  if (plan_.while_down && !order_all()) return false;
  if (machine_.disks().subject) before_opening_ = machine_.disks().subject->clone();
  const std::uint64_t before = machine_.subject_io();
  if (!open_subject()) return false;
  if (!plan_.while_down) {
    if (!check_hidden()) return false;
    io_in_doubt_ = machine_.subject_io() - before;
    if (plan_.fate == Fate::kNone && machine_.disks().subject) {
      note("the resource manager crashes once more: " + std::string(fate_name(Fate::kNone)));
      if (!crash_subject(Fate::kNone) || !open_subject() || !check_hidden()) return false;
    }
    if (!order_all()) return false;
  }
  return finish_all() && check_counts();
}

bool Run::boot_manager() {
  if (Status booted = machine_.boot_manager(); !booted) return fail(booted);
  last_recover_ = false;
  for (Work& work : works_) work.is_offered = false;
  if (Status recovered = machine_.session().recover(); !recovered) return fail(recovered);
  const auto is_told = [&] {
    return last_recover_ && std::none_of(works_.begin(), works_.end(), [](const Work& work) {
             return work.kind == Kind::kBeside && work.is_offered && work.end == End::kOpen;
           });
  };
  const Status told = machine_.wait(is_told, [this](const auto& heard) { hear(heard); });
  return told ? conclude_from_silence() : fail(told);
}

// What the manager did not offer is over.
bool Run::conclude_from_silence() {
  for (Work& work : works_) {
    if (work.is_offered || work.phase == Phase::kDone) continue;
    if (work.kind == Kind::kBelow) {
      if (work.phase == Phase::kPromised && work.was_promised) {
        return fail(Status(StatusCode::kInvalidState,
                           "the manager forgot the promise " + work.id.to_string()));
      }
      // Ordered, and forgotten: then everyone has answered.
      const bool is_committed = work.phase == Phase::kOrdered && work.commit;
      work.end = is_committed ? End::kCommitted : End::kAborted;
      if (is_committed) work.done_in = opening_;
      work.was_done = work.was_done || is_committed;
    }
    if (work.kind == Kind::kBeside && work.end == End::kOpen) work.end = End::kAborted;
    if (work.kind == Kind::kAlone && work.end == End::kOpen) {
      work.end = work.phase == Phase::kAsked ? End::kEither : End::kAborted;
    }
    work.phase = Phase::kDone;
  }
  return true;
}

// The manager lives: what the subject had not promised rolls back.
bool Run::settle() {
  const auto is_settled = [&] {
    return std::all_of(works_.begin(), works_.end(), [this](Work& work) {
      if (work.kind == Kind::kBelow) {
        return work.phase >= Phase::kPromised;
      }
      if (work.phase != Phase::kDone) look_at_outcome(work);
      return work.end != End::kOpen;
    });
  };
  const Status settled = machine_.wait(is_settled, [this](const auto& heard) { hear(heard); });
  return settled || fail(settled.with_context("after the crash of the subject"));
}

bool Run::order_all() {
  for (Work& work : works_) {
    if (work.kind != Kind::kBelow || work.phase != Phase::kPromised) continue;
    const bool commits = work.commit && work.end != End::kAborted;
    note(std::string("the superior orders ") + (commits ? "commit" : "rollback") + " of \"" +
         work.item + "\"");
    work.phase = Phase::kOrdered;
    const Status ordered =
        commits ? work.enlistment.superior_commit() : work.enlistment.superior_rollback();
    if (!ordered) return fail(ordered);
  }
  return true;
}

bool Run::finish_all() {
  if (!order_all()) return false;
  const auto is_over = [&] {
    for (Work& work : works_) {
      if (work.kind == Kind::kBelow && work.phase != Phase::kDone) return false;
      if (work.kind != Kind::kBelow && work.phase != Phase::kDone) {
        look_at_outcome(work);
        if (work.end == End::kOpen || !is_forgotten(work)) return false;
        work.phase = Phase::kDone;
        work.done_in = opening_;
      }
    }
    return is_all_forgotten();
  };
  return wait(is_over, 0, "every notification to be answered");
}

bool Run::open_subject() {
  ++opening_;
  note("the resource manager is opened");
  const Status opened = machine_.open_subject();
  if (opened) return true;
  return find(rule_of_opening(opened), "expected it to open, found " + opened.to_string());
}

}  // namespace cairn::rm_kit
