// A log on a storage that loses power after every single I/O, checked against I1 to I9:
//  I1 each acknowledged record is there, same bytes, same LSN. I2 what is recovered is a prefix in
//  LSN order. I3 nothing that was never appended. I4 base, restart area, policies and archive tail
//  are acknowledged ones
//  or the one in flight; what is not archived is held. I5 recovery is idempotent. I6 after
//  recovery, append and crash keep both. I7 a crash alone is never damage. I8 no LSN twice. I9 a
//  full log
//  takes what was reserved, and one restart area per stream.
#include <cstdio>
#include <map>

#include <gtest/gtest.h>

#include "log/crash_explorer.h"
#include "log/torture_names.h"
#include "sim/test_budget.h"
#include "sim/test_counters.h"
#include "sim/test_heap.h"
#include "sim/test_seeds.h"

namespace cairn::log_test {
namespace {

// How much of each plan the default budget pays for.
constexpr std::uint64_t kMixedSteps = 180;
constexpr std::size_t kMixedStates = 8;
constexpr std::uint64_t kSubsetSteps = 140;
constexpr std::size_t kSubsetStates = 64;
constexpr std::uint64_t kContainerSteps = 110;
constexpr std::size_t kContainerStates = 4;
constexpr std::uint64_t kTruncationSteps = 100;
constexpr std::size_t kTruncationStates = 4;
constexpr std::uint64_t kSpaceSteps = 70;
constexpr std::size_t kSpaceStates = 3;

struct Plan {
  std::uint64_t seed = 1;
  std::uint64_t steps = 0;
  unsigned bursts = 5;
  unsigned truncations = 0;
  unsigned space = 0;
  ExplorerOptions explorer = {};
  sim::Lies lies = {};
};

struct Outcome {
  std::string violation;
  ExplorerCounts counts;
  std::map<std::string, std::uint64_t> labels;
  std::string digest;
  std::uint64_t containers_switched = 0;
  LogScenario::Counts scenario;
};

// Runs the scenario; after each step all crash points within it are explored.
Outcome run(const Plan& options) {
  // Every second one is verified with blocks read ahead by threads.
  auto storage = std::make_shared<sim::SimStorage>(
      sim::SimOptions{.seed = options.seed,
                      .write_now = options.seed % 2 != 0,
                      .read_depth = options.seed % 2 == 0 ? 1U : 3U});
  storage->set_lies(options.lies);
  LogScenario scenario(storage, {.seed = options.seed,
                                 .bursts = options.bursts,
                                 .truncations = options.truncations,
                                 .space = options.space});
  CrashExplorer explorer(options.explorer);

  struct Point {
    std::string place;
    std::shared_ptr<sim::SimStorage> frozen;
    LogModel model;
  };
  std::vector<Point> points;
  storage->set_observer([&](const sim::IoEvent& event, const auto& frozen) {
    points.push_back({"I/O " + std::to_string(event.number) + " (" +
                          std::string(io_kind_name(event.kind)) + " " + event.what + ")",
                      frozen, scenario.model()});
  });

  Outcome outcome;
  Status status = scenario.start();
  for (std::uint64_t step = 0; step <= options.steps && outcome.violation.empty(); ++step) {
    const std::string where = "step " + std::to_string(step) + " " + scenario.last_step();
    if (!status) outcome.violation = where + ": " + status.to_string();
    for (const Point& point : points) {
      if (!outcome.violation.empty()) break;
      outcome.violation = explorer.explore(*point.frozen, point.model, where + ", " + point.place);
    }
    points.clear();
    if (outcome.violation.empty()) status = scenario.step();
  }
  outcome.counts = explorer.counts();
  outcome.labels = explorer.labels();
  outcome.digest = explorer.digest();
  outcome.containers_switched = scenario.model().highest.value() / log::kMinContainerSize;
  outcome.scenario = scenario.counts();
  storage->set_observer(nullptr);
  return outcome;
}

// Prints what was done and adds it to the counters of the whole run.
void report(const char* plan, std::uint64_t seed, const Outcome& outcome) {
  std::printf(
      "[ crashes  ] seed %llu: %llu crash points, %llu images, %llu more with a crash in recovery, "
      "%llu with a crash after it; %llu containers; digest %s\n",
      static_cast<unsigned long long>(seed),
      static_cast<unsigned long long>(outcome.counts.crash_points),
      static_cast<unsigned long long>(outcome.counts.images),
      static_cast<unsigned long long>(outcome.counts.recovery_crash_images),
      static_cast<unsigned long long>(outcome.counts.append_crash_images),
      static_cast<unsigned long long>(outcome.containers_switched), outcome.digest.c_str());
  auto& counters = sim::TestCounters::get();
  counters.add("crash points", outcome.counts.crash_points);
  counters.add("crash states visited", outcome.counts.states());
  counters.add("crash states with a wrong verdict", outcome.violation.empty() ? 0 : 1);
  counters.add("advances asked for while crashes were explored", outcome.scenario.requests);
  counters.add("waits for space ended while crashes were explored", outcome.scenario.waits);
  for (const auto& [label, count] : outcome.labels) {
    counters.add("crash states judged " + label, count);
  }
  counters.note(std::string("seed ") + std::to_string(seed) + " " + plan,
                std::to_string(outcome.counts.states()) + " states, digest " + outcome.digest);
}

// Each case explores its share of the seeds.
class CrashPoints : public testing::TestWithParam<std::size_t> {
 protected:
  using Make = Plan (*)(std::uint64_t seed);
  static void explore(const char* plan, Make make) {
    for (const std::uint64_t seed : sim::test_seeds_of(GetParam())) {
      Plan options = make(seed);
      options.explorer.seed = options.seed;
      const Outcome outcome = run(options);
      report(plan, seed, outcome);
      EXPECT_EQ(outcome.violation, "") << "tools/test log --seeds " << seed << " repeats it";
    }
  }
};

TEST_P(CrashPoints, EveryIoOfAMixedScenario) {
  explore("mixed", [](std::uint64_t seed) {
    Plan options{.seed = seed, .steps = sim::budgeted(kMixedSteps)};
    options.explorer.states.at_most = kMixedStates;
    return options;
  });
}

// Few appends a block, so that the pending sectors are few and all their subsets are tried.
TEST_P(CrashPoints, EverySubsetOfThePendingSectors) {
  explore("subsets", [](std::uint64_t seed) {
    Plan options{.seed = seed + 100, .steps = sim::budgeted(kSubsetSteps), .bursts = 0};
    options.explorer.states.exhaustive_up_to = sim::test_budget() >= 10 ? 12 : 6;
    options.explorer.states.at_most =
        sim::test_budget() >= 10 ? 0 : kSubsetStates / sim::sweep_stride(4);
    return options;
  });
}

// Containers fill up, are switched and recycled all the time.
TEST_P(CrashPoints, ContainersSwitchedAndRecycled) {
  explore("containers", [](std::uint64_t seed) {
    Plan options{.seed = seed + 200, .steps = sim::budgeted(kContainerSteps), .bursts = 60};
    options.explorer.states.at_most = kContainerStates;
    return options;
  });
}

// The log is truncated all the time: behind records of this and other containers, again in what was
// kept, with streams and restart areas on both sides of the cut. All of it happened, or nothing.
TEST_P(CrashPoints, TruncatedAgainAndAgain) {
  explore("truncations", [](std::uint64_t seed) {
    Plan options{.seed = seed + 300,
                 .steps = sim::budgeted(kTruncationSteps),
                 .bursts = 6,
                 .truncations = 25};
    options.explorer.states.at_most = kTruncationStates;
    return options;
  });
}

// Policies change, containers are added and removed by hand, space is reserved and used, the
// archive tail moves and goes; the log is filled to its maximum, and truncated now and then.
TEST_P(CrashPoints, PoliciesReservationsAndArchiveTail) {
  explore("space", [](std::uint64_t seed) {
    // From here on also the first seeds go through several containers and read snapshots again.
    Plan options{.seed = seed + 403,
                 .steps = sim::budgeted(kSpaceSteps),
                 .bursts = 0,
                 .truncations = 4,
                 .space = 15};
    options.explorer.recovery_crash_every = 80;
    options.explorer.states.at_most = kSpaceStates;
    return options;
  });
}

// The names are those of shares, not of seeds: a failure names its seed.
INSTANTIATE_TEST_SUITE_P(Seeds, CrashPoints, testing::Range<std::size_t>(0, sim::kSeedShares));

// The proof that the exploration sees what it looks for: on a storage that breaks a promise it
// finds a violation.
std::string violation_with(const sim::Lies& lies) {
  Plan options{.seed = 1, .steps = 60, .lies = lies};
  options.explorer.seed = 1;
  options.explorer.states.at_most = 4;
  return run(options).violation;
}

TEST(CrashPointsNotice, ADurableWriteThatIsNot) {
  EXPECT_NE(violation_with({.durable_writes = true, .syncs = true}), "");
}

TEST(CrashPointsNotice, ASyncOfADirectoryThatIsNone) {
  EXPECT_NE(violation_with({.directory_syncs = true}), "");
}

}  // namespace
}  // namespace cairn::log_test
