// Queues on a machine that loses power before every I/O: of two transactions, and of the recovery
// from that.
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "rm/queue_machine.h"
#include "sim/test_budget.h"

namespace cairn::rm {
namespace {

using Bodies = std::vector<std::string>;
struct Seen {
  Bodies q;
  Bodies r;
  friend bool operator==(const Seen&, const Seen&) = default;
};

// What was told of the two transactions before the power went.
struct Told {
  bool first = false;
  bool second = false;
};

std::string to_text(const Seen& seen) {
  std::string text = "q:";
  for (const std::string& body : seen.q) text += " " + body;
  text += " r:";
  for (const std::string& body : seen.r) text += " " + body;
  return text;
}

// The first takes a part of q in two phases; the second decides alone, behind it. Their snapshots
// fall into the middle.
Told work(QueueMachine& machine) {
  Told told;
  auto first = machine.begin();
  QueueResourceManager& queues = machine.queues();
  bool done = queues.consume(first, "q") && queues.produce(first, "r", "x") &&
              queues.produce(first, "q", "d");
  if (!done) return told;
  auto partner = machine.join(first);
  told.first = machine.commit_with(first, &partner).is_ok();
  if (!told.first) return told;
  auto second = machine.begin();
  done = queues.consume(second, "q") && queues.produce(second, "r", "y");
  if (done) told.second = machine.commit_with(second, nullptr).is_ok();
  return told;
}

// "": all, or nothing, of each, and in their order; and nobody has anything.
std::string look(QueueMachine& machine, const Told& told) {
  const Seen neither{{"a", "b", "c"}, {}};
  const Seen one{{"b", "c", "d"}, {"x"}};
  const Seen both{{"c", "d"}, {"x", "y"}};
  const Seen seen{machine.bodies("q"), machine.bodies("r")};
  if (machine.queues().depth("q").taken != 0) return "taken by nobody: " + to_text(seen);
  for (const QueueMessage& message : machine.queues().browse("q")) {
    if (message.deliveries > 1) return "delivered once, and counted more often";
  }
  if (seen == both) return {};
  if (told.second) return "the second is gone: " + to_text(seen);
  if (seen == one) return {};
  if (told.first) return "the first is gone: " + to_text(seen);
  return seen == neither ? "" : "none of the states it was in: " + to_text(seen);
}

class QueueExplorer {
 public:
  // Crashes at I/O `at` of the work; then, with `again`, at each I/O of the recovery too.
  std::string run(std::uint64_t at, const sim::CrashChoice& choice, bool again) {
    for (std::uint64_t next = 0;; ++next) {
      QueueMachine machine({.snapshot_bytes = 250});
      if (Status started = machine.start(); !started) return started.to_string();
      if (Status made = machine.produce("q", {"a", "b", "c"}); !made) return made.to_string();
      machine.storage().crash_at(machine.storage().io_count() + at);
      const Told told = work(machine);
      is_complete_ = !machine.storage().crashed();
      if (is_complete_ && !told.second) return "without a crash: not committed";
      std::string wrong = recover(machine, told, choice, at, next);
      if (!wrong.empty()) return wrong + " (recovery crashes at " + std::to_string(next) + ")";
      if (!again || (next > 0 && is_recovered_)) return {};
    }
  }

  std::string explore(bool again) {
    const std::uint64_t stride = sim::sweep_stride(7);
    for (std::uint64_t at = 1; !is_complete_; at += stride) {
      for (const auto& choice :
           {sim::survive_none(), sim::survive_random(at), sim::survive_all()}) {
        const std::string wrong = run(at, choice, again && at % 3 == 1);
        if (!wrong.empty()) return "crash at " + std::to_string(at) + ": " + wrong;
      }
      places_ = at;
    }
    return {};
  }
  [[nodiscard]] std::uint64_t places() const { return places_; }
  [[nodiscard]] std::uint64_t crashes() const { return crashes_; }

 private:
  // With a crash at I/O `at_recovery` of the first recovery, 0: none.
  std::string recover(QueueMachine& machine, const Told& told, const sim::CrashChoice& choice,
                      std::uint64_t seed, std::uint64_t at_recovery) {
    ++crashes_;
    is_recovered_ = true;
    if (at_recovery > 0) {
      machine.cut_power(choice, seed);
      machine.storage().crash_at(at_recovery);
      static_cast<void>(machine.start());
      is_recovered_ = !machine.storage().crashed();
    }
    if (Status started = machine.crash_and_start(choice, seed); !started) {
      return started.to_string();
    }
    if (std::string wrong = look(machine, told); !wrong.empty()) return wrong;
    const Bodies q = machine.bodies("q");
    if (Status started = machine.crash_and_start(sim::survive_none()); !started) {
      return started.to_string();
    }
    if (machine.bodies("q") != q) return "what was recovered does not stay";
    return look(machine, told);
  }

  bool is_complete_ = false;
  bool is_recovered_ = false;
  std::uint64_t places_ = 0;
  std::uint64_t crashes_ = 0;
};

TEST(QueueCrashPoints, EveryIoOfTwoTransactionsAndOfTheirRecovery) {
  QueueExplorer explorer;
  EXPECT_EQ(explorer.explore(true), "");
  EXPECT_GE(explorer.places(), 3u);
  std::printf("[ crashes  ] %d at %d places\n", static_cast<int>(explorer.crashes()),
              static_cast<int>(explorer.places()));
}

}  // namespace
}  // namespace cairn::rm
