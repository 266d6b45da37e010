// The whole system under one seeded scheduler. README.md tells how to replay a seed.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include <gtest/gtest.h>

#include "sim/test_budget.h"
#include "sim/test_counters.h"
#include "sim/test_heap.h"
#include "sim/test_seeds.h"
#include "system/scheduler.h"

namespace cairn::system_test {
namespace {

struct Arguments {
  std::uint64_t seeds = 0;  // 0: as the budget says
  std::uint64_t first = 1;
};
Arguments arguments;

constexpr std::uint64_t kDefaultSeeds = 10'000;
constexpr std::uint64_t kShares = 2;
// Each thing that can happen or be heard must have been, so often, in so many seeds.
constexpr std::uint64_t kSeedsThatReachAll = 5'000;
constexpr std::uint64_t kReached = 5;

constexpr const char* kHeard[] = {"PREPREPARE",
                                  "PREPARE",
                                  "COMMIT",
                                  "ROLLBACK",
                                  "PREPREPARE_COMPLETE",
                                  "PREPARE_COMPLETE",
                                  "COMMIT_COMPLETE",
                                  "ROLLBACK_COMPLETE",
                                  "RECOVER",
                                  "SINGLE_PHASE_COMMIT",
                                  "RECOVER_QUERY",
                                  "LAST_RECOVER",
                                  "INDOUBT",
                                  "RM_DISCONNECTED",
                                  "COMMIT_REQUEST",
                                  "REQUEST_OUTCOME",
                                  "COMMIT_FINALIZE",
                                  "TM_ONLINE"};
constexpr const char* kHappened[] = {"power cuts",
                                     "killed processes",
                                     "crashes of a resource manager",
                                     "I/O errors",
                                     "full logs",
                                     "commits",
                                     "aborts",
                                     "unknown outcomes",
                                     "recovered in doubt",
                                     "fenced sessions",
                                     "recovered committed",
                                     "presumed aborts",
                                     "decided by hand",
                                     "commits not hardened",
                                     "votes of one that votes last",
                                     "decided alone behind votes",
                                     "superiors refused for an act by hand",
                                     "roll forwards",
                                     "renames"};

void print(const Tally& tally) {
  std::string line = "[ system   ]";
  for (const char* name : {"seeds", "steps", "transactions", "commits", "aborts"}) {
    line += " " + std::to_string(tally.of(name)) + " " + name + ",";
  }
  for (const char* name : kHappened) {
    if (name == std::string_view("commits") || name == std::string_view("aborts")) continue;
    line += " " + std::to_string(tally.of(name)) + " " + name + ",";
  }
  for (const World::Action& action : World::actions()) {
    line += " '" + std::string(action.name) + "' " +
            std::to_string(tally.of(std::string("did ") + action.name)) + ",";
  }
  for (const char* name : kHeard) {
    line += " " + std::string(name) + " " + std::to_string(tally.of("heard " + std::string(name))) +
            ",";
  }
  line.back() = '\n';
  std::fputs(line.c_str(), stdout);
}

void expect_all_reached(const Tally& tally) {
  const auto expect = [&](const std::string& name) {
    EXPECT_GE(tally.of(name), kReached) << name << " is hardly ever reached";
  };
  for (const World::Action& action : World::actions()) expect(std::string("did ") + action.name);
  for (const char* name : kHeard) expect("heard " + std::string(name));
  for (const char* name : kHappened) expect(name);
}

// Of the seeds of one block each second one.
void run_share(std::uint64_t share) {
  std::vector<std::uint64_t> blocks{0};
  if (std::getenv("CAIRN_TEST_SEEDS") != nullptr) blocks = sim::test_seeds();
  const std::uint64_t count = arguments.seeds > 0 ? arguments.seeds : sim::budgeted(kDefaultSeeds);
  Tally tally;
  for (const std::uint64_t block : blocks) {
    for (std::uint64_t i = share; i < count; i += kShares) {
      const std::uint64_t seed = block * 1'000'000 + arguments.first + i;
      const Outcome outcome = run_seed(seed, tally);
      ASSERT_EQ(outcome.violation, "") << "seed " << seed << ", step " << outcome.steps
                                       << ". To see each step: --seed " << seed << " --trace";
    }
  }
  print(tally);
  sim::TestCounters::get().add("seeds of the whole-system simulation", tally.of("seeds"));
  sim::TestCounters::get().add("steps of the whole-system simulation", tally.of("steps"));
  if (tally.of("seeds") >= kSeedsThatReachAll) expect_all_reached(tally);
}

TEST(SystemSimulation, KeepsEveryPromiseInEachOddSeed) { run_share(0); }
TEST(SystemSimulation, KeepsEveryPromiseInEachEvenSeed) { run_share(1); }

TEST(SystemSimulation, DoesTheSameForTheSameSeed) {
  Tally tally;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    EXPECT_EQ(run_seed(seed, tally).digest, run_seed(seed, tally).digest) << "seed " << seed;
  }
}

TEST(SystemSimulation, NoticesAnAcknowledgedWriteThatIsNone) {
  Tally tally;
  RunOptions options;
  options.lies.durable_writes = true;
  options.lies.syncs = true;
  for (std::uint64_t seed = 1; seed <= 400; ++seed) {
    if (!run_seed(seed, tally, options).violation.empty()) return;
  }
  FAIL() << "400 seeds on a disk that keeps nothing, and nothing was missed";
}

int replay(std::uint64_t seed, bool trace) {
  Tally tally;
  RunOptions options;
  options.trace = trace;
  const Outcome outcome = run_seed(seed, tally, options);
  std::printf("seed %llu: %llu steps, digest %s: %s\n", static_cast<unsigned long long>(seed),
              static_cast<unsigned long long>(outcome.steps), outcome.digest.c_str(),
              outcome.violation.empty() ? "every promise kept" : outcome.violation.c_str());
  return outcome.violation.empty() ? EXIT_SUCCESS : EXIT_FAILURE;
}

int usage(const char* program) {
  std::fprintf(stderr,
               "Usage: %s [GoogleTest's options] [--seeds N] [--first-seed S]\n"
               "       %s --seed S [--trace]\n",
               program, program);
  return EXIT_FAILURE;
}

}  // namespace
}  // namespace cairn::system_test

int main(int argc, char** argv) {
  using namespace cairn::system_test;
  testing::InitGoogleTest(&argc, argv);
  std::uint64_t seed = 0;
  bool trace = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--trace") {
      trace = true;
      continue;
    }
    char* end = nullptr;
    const std::uint64_t value = i + 1 < argc ? std::strtoull(argv[i + 1], &end, 10) : 0;
    if (value == 0 || *end != '\0') return usage(argv[0]);
    if (word == "--seeds") {
      arguments.seeds = value;
    } else if (word == "--first-seed") {
      arguments.first = value;
    } else if (word == "--seed") {
      seed = value;
    } else {
      return usage(argv[0]);
    }
    ++i;
  }
  if (trace && seed == 0) return usage(argv[0]);
  return seed > 0 ? replay(seed, trace) : RUN_ALL_TESTS();
}
