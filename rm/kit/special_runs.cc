// Runs that are no crash: another manager, and notifications that come early.
#include <atomic>
#include <chrono>
#include <thread>

#include "run.h"

namespace cairn::rm_kit {

using Kind = Work::Kind;
using Phase = Work::Phase;
using End = Work::End;

namespace {

constexpr int kRaces = 30;

}  // namespace

// To refuse to open there is a right answer too.
bool Run::open_under_another_manager() {
  note("the resource manager is closed, and opened under a manager of another identity");
  machine_.close_subject();
  for (Work& work : works_) work.was_away = work.phase == Phase::kPromised;
  {
    Disks disks = machine_.disks();
    disks.manager = std::make_shared<sim::SimStorage>(sim::SimOptions{.seed = seed_});
    Machine other(environment_, disks, number_);
    if (Status booted = other.boot_manager(); !booted) return fail(booted);
    const Status opened = other.open_subject();
    if (opened.code() == StatusCode::kTimeout) {
      return find(1, "expected it to open, or to refuse, found " + opened.to_string());
    }
    if (!opened) note("it refuses: " + opened.to_string());
    for (const Work& work : works_) {
      if (!opened || !work.was_away) continue;
      const auto count = other.subject().count(work.item);
      if (count && *count != 0) {
        return find(7, "expected \"" + work.item + "\", promised to another manager, to be hidden");
      }
    }
  }
  note("it is closed, and comes back to the manager it promised to");
  return open_subject() && check_hidden();
}

// The notification and the end of enlist() race.
bool Run::roll_back_early() {
  for (int i = 0; i < kRaces; ++i) {
    if (!race_once()) return false;
  }
  return true;
}

bool Run::race_once() {
  works_.remove_if([](const Work& work) { return work.end == End::kAborted; });
  Work& work = new_work("early", Kind::kAlone, false);
  auto transaction = machine_.manager().create_transaction();
  if (!transaction) return fail(transaction.status());
  work.transaction = *transaction;
  work.id = transaction->id();
  steps_.clear();
  note("add \"early\" in one thread; rolled back by another as soon as it is enlisted");
  std::atomic<bool> is_added = false;
  Status added;
  std::thread client([&] {
    added = machine_.subject().add(work.transaction, work.item);
    is_added = true;
  });
  const auto is_enlisted = [&] {
    const auto information = machine_.manager().information();
    return information && information->enlistments > 0;
  };
  while (!is_added && !is_enlisted()) std::this_thread::yield();
  const Status rolled_back = work.transaction.rollback();
  work.end = End::kAborted;
  const bool is_answered =
      wait([&] { return is_added && is_forgotten(work); }, 8, "an answer to an early ROLLBACK");
  if (!is_answered) static_cast<void>(machine_.manager().close());  // so that add() ends
  client.join();
  if (!rolled_back) return fail(rolled_back);
  if (!is_answered) return false;
  work.phase = Phase::kDone;
  work.was_done = true;
  const auto count = machine_.subject().count(work.item);
  if (count && *count == 0) return true;
  return find(8, "expected nothing of work whose ROLLBACK came early, found " +
                     (count ? "it" : count.status().to_string()));
}

}  // namespace cairn::rm_kit
