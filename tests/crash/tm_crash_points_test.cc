// The power goes after every single I/O of a scenario with a transaction manager and two resource
// managers:
//  T1 both end alike. T2 an acknowledged commit is committed on both. T3 a rolled back one on none.
//  T4 everything is forgotten once both are back. And I1 to I8 of the three logs below them
//  (log/crash_points_test.cc).
#include <cstdio>

#include <gtest/gtest.h>

#include <cairn/sim/crash_states.h>

#include "crash/two_rm_machine.h"
#include "sim/test_budget.h"
#include "sim/test_counters.h"
#include "sim/test_heap.h"

namespace cairn::crash_test {
namespace {

struct Plan {
  std::uint64_t seed = 1;
  std::uint64_t steps = 10;
  std::size_t stride = 1;  // from one crash point that is explored to the next
  std::size_t states = 3;  // ways to end per crash point
  std::uint64_t recovery_crash_every =
      60;  // of so many images one: a crash at each I/O of its recovery
  std::uint64_t commit_crash_every = 3;  // of so many images one: another commit, and another crash
  sim::Lies lies = {};                   // from the first step on
};

struct Counts {
  std::uint64_t crash_points = 0;
  std::uint64_t images = 0;
  std::uint64_t recovery_crash_images = 0;
  std::uint64_t commit_crash_images = 0;
};

class Explorer {
 public:
  explicit Explorer(const Plan& plan) : plan_(plan) {}

  // The first violation, or empty.
  std::string run();
  const Counts& counts() const { return counts_; }

 private:
  struct Point {
    std::string place;
    std::shared_ptr<sim::SimStorage> frozen;
    Knowledge known;
  };

  std::string run_scenario(std::vector<Point>* points);
  std::string explore(const Point& point);
  std::string check(const std::shared_ptr<sim::SimStorage>& image, const Knowledge& known);
  std::string crash_in_recovery(const sim::SimStorage& image, const Knowledge& known);
  std::string commit_and_crash(const std::shared_ptr<sim::SimStorage>& image,
                               std::unique_ptr<TwoRmMachine> machine);

  Plan plan_;
  Counts counts_;
};

std::string place_of(const sim::IoEvent& event) {
  return "I/O " + std::to_string(event.number) + " (" + std::string(io_kind_name(event.kind)) +
         " " + event.what + ")";
}

std::string verify_logs(const std::shared_ptr<sim::SimStorage>& image) {
  for (const std::string directory : {kTmDirectory, kRmDirectories[0], kRmDirectories[1]}) {
    const auto report = log::verify(directory, {image});
    if (!report) return "I7: " + report.status().to_string();
    if (!report->damages.empty()) return "I7: " + directory + ": " + report->damages[0].reason;
  }
  return {};
}

// All points first: within one process no second manager of the same log may live beside the
// scenario's.
std::string Explorer::run() {
  std::vector<Point> points;
  std::string violation = run_scenario(&points);
  for (std::size_t i = 0; i < points.size() && violation.empty(); i += plan_.stride) {
    violation = explore(points[i]);
  }
  return violation.empty() ? violation : "seed " + std::to_string(plan_.seed) + ", " + violation;
}

std::string Explorer::run_scenario(std::vector<Point>* points) {
  const auto storage = std::make_shared<sim::SimStorage>(sim::SimOptions{.seed = plan_.seed});
  TwoRmMachine machine(storage, {});
  std::uint64_t step = 0;
  storage->set_observer([&](const sim::IoEvent& event, const auto& frozen) {
    points->push_back(
        {"step " + std::to_string(step) + ", " + place_of(event), frozen, machine.knowledge()});
  });
  Status status = machine.boot();
  storage->set_lies(plan_.lies);
  sim::Random random(plan_.seed);
  while (status && step++ < plan_.steps) status = machine.step(random);
  storage->set_observer(nullptr);
  return status ? std::string() : "step " + std::to_string(step) + ": " + status.to_string();
}

std::string Explorer::explore(const Point& point) {
  sim::CrashStateOptions options;
  options.at_most = plan_.states;
  const std::size_t pending = point.frozen->pending().size();
  const std::uint64_t seed = plan_.seed * 1'000'003 + counts_.crash_points++;
  for (const sim::CrashState& state : sim::crash_states(pending, options, seed)) {
    ++counts_.images;
    const auto image = point.frozen->after_crash(state.choice, state.seed);
    const std::string violation = check(image, point.known);
    if (violation.empty()) continue;
    return point.place + ", of " + std::to_string(pending) + " pending things survive '" +
           state.name + "': " + violation;
  }
  return {};
}

// What the machine shows once it has booted.
std::string boot_and_check(TwoRmMachine& machine) {
  const Status booted = machine.boot();
  return booted ? machine.violation() : "boot: " + booted.to_string();
}

std::string Explorer::check(const std::shared_ptr<sim::SimStorage>& image, const Knowledge& known) {
  if (counts_.images % plan_.recovery_crash_every == 0) {
    const std::string violation = crash_in_recovery(*image, known);
    if (!violation.empty()) return violation;
  }
  auto machine = std::make_unique<TwoRmMachine>(image, known);
  std::string violation = boot_and_check(*machine);
  if (violation.empty() && counts_.images % 8 == 0) violation = verify_logs(image);
  if (!violation.empty() || counts_.images % plan_.commit_crash_every != 0) return violation;
  return commit_and_crash(image, std::move(machine));
}

std::string Explorer::crash_in_recovery(const sim::SimStorage& image, const Knowledge& known) {
  std::vector<Point> points;
  const auto running = image.clone();
  std::string violation;
  {
    TwoRmMachine machine(running, known);
    running->set_observer([&](const sim::IoEvent& event, const auto& frozen) {
      points.push_back({place_of(event), frozen, machine.knowledge()});
    });
    violation = boot_and_check(machine);
    running->set_observer(nullptr);
  }
  for (const Point& point : points) {
    if (!violation.empty()) return violation;
    const std::uint64_t seed = ++counts_.recovery_crash_images;
    TwoRmMachine machine(point.frozen->after_crash(sim::survive_random(seed), seed), point.known);
    violation = boot_and_check(machine);
    if (!violation.empty()) violation = "crash in recovery, " + point.place + ": " + violation;
  }
  return violation;
}

// I6: what was recovered and what was committed after it both survive the next crash.
std::string Explorer::commit_and_crash(const std::shared_ptr<sim::SimStorage>& image,
                                       std::unique_ptr<TwoRmMachine> machine) {
  const std::uint64_t seed = ++counts_.commit_crash_images;
  const Status committed = machine->commit_one();
  if (!committed) return "commit after recovery: " + committed.to_string();
  const Knowledge known = machine->knowledge();
  image->crash();
  machine.reset();
  TwoRmMachine second(image->after_crash(sim::survive_random(seed), seed), known);
  const std::string violation = boot_and_check(second);
  return violation.empty() ? violation : "crash after recovery and a commit: " + violation;
}

class TmCrashPoints : public testing::TestWithParam<std::uint64_t> {};

TEST_P(TmCrashPoints, EveryIoOfAScenarioWithTwoResourceManagers) {
  Explorer explorer({.seed = GetParam(), .stride = sim::sweep_stride(7)});
  EXPECT_EQ(explorer.run(), "");
  const Counts& counts = explorer.counts();
  std::printf(
      "[ crashes  ] %llu crash points, %llu images, %llu more with a crash in recovery, "
      "%llu with a commit and a crash after it\n",
      static_cast<unsigned long long>(counts.crash_points),
      static_cast<unsigned long long>(counts.images),
      static_cast<unsigned long long>(counts.recovery_crash_images),
      static_cast<unsigned long long>(counts.commit_crash_images));
  sim::TestCounters::get().add(
      "crash states visited (transactions)",
      counts.images + counts.recovery_crash_images + counts.commit_crash_images);
}

INSTANTIATE_TEST_SUITE_P(Seeds, TmCrashPoints,
                         testing::Range<std::uint64_t>(1, 1 + sim::budgeted(3)),
                         testing::PrintToStringParamName());

// The proof that the exploration would see it: with the force taken out, so that what a log forced
// is reported durable and is not, it finds the violation.
std::string violation_without_force(const std::string& directory) {
  Plan plan;
  plan.stride = sim::sweep_stride(3);
  plan.recovery_crash_every = 1'000'000;
  plan.commit_crash_every = 1'000'000;
  plan.lies = {.durable_writes = true, .directory = directory};
  return Explorer(plan).run();
}

TEST(TmCrashPointsNotice, ADecisionThatIsNotForced) {
  EXPECT_NE(violation_without_force(kTmDirectory).find("T2: "), std::string::npos);
}

TEST(TmCrashPointsNotice, APrepareThatIsNotForced) {
  EXPECT_NE(violation_without_force(kRmDirectories[0]), "");
}

}  // namespace
}  // namespace cairn::crash_test
