// Explorer: the power goes after every single I/O of a scenario of a machine with transaction
// managers and resource managers; what each recovery makes of it is checked by the machine.
#ifndef CAIRN_TORTURE_EXPLORER_H_
#define CAIRN_TORTURE_EXPLORER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <cairn/log.h>
#include <cairn/sim/crash_states.h>
#include <cairn/sim/random.h>
#include <cairn/sim/sim_storage.h>
#include <cairn/verdict.h>

namespace cairn::torture {

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

// For one thread. A Machine is made of a storage and of what is known of it (Machine::Known); it
// has boot(), step(), commit_one(), knowledge() and violation(), and directories() of logs.
template <typename Machine>
class Explorer {
 public:
  explicit Explorer(const Plan& plan) : plan_(plan) {}

  // The first violation, or empty.
  std::string run();
  const Counts& counts() const { return counts_; }

 private:
  using Known = typename Machine::Known;
  struct Point {
    std::string place;
    std::shared_ptr<sim::SimStorage> frozen;
    Known known;
  };

  std::string run_scenario(std::vector<Point>* points);
  std::string explore(const Point& point);
  std::string check(const std::shared_ptr<sim::SimStorage>& image, const Known& known);
  std::string crash_in_recovery(const sim::SimStorage& image, const Known& known);
  std::string commit_and_crash(const std::shared_ptr<sim::SimStorage>& image,
                               std::unique_ptr<Machine> machine);

  Plan plan_;
  Counts counts_;
};

inline std::string place_of(const sim::IoEvent& event) {
  return "I/O " + std::to_string(event.number) + " (" + std::string(io_kind_name(event.kind)) +
         " " + event.what + ")";
}

template <typename Machine>
std::string verify_logs(const std::shared_ptr<sim::SimStorage>& image) {
  for (const std::string directory : Machine::directories()) {
    const auto report = log::verify(directory, {image});
    if (!report) return "I7: " + report.status().to_string();
    if (!report->damages.empty()) return "I7: " + directory + ": " + report->damages[0].reason;
  }
  return {};
}

// All points first: within one process no second manager of the same log may live beside the
// scenario's.
template <typename Machine>
std::string Explorer<Machine>::run() {
  std::vector<Point> points;
  std::string violation = run_scenario(&points);
  for (std::size_t i = 0; i < points.size() && violation.empty(); i += plan_.stride) {
    violation = explore(points[i]);
  }
  return violation.empty() ? violation : "seed " + std::to_string(plan_.seed) + ", " + violation;
}

template <typename Machine>
std::string Explorer<Machine>::run_scenario(std::vector<Point>* points) {
  const auto storage = std::make_shared<sim::SimStorage>(sim::SimOptions{.seed = plan_.seed});
  Machine machine(storage, {});
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

template <typename Machine>
std::string Explorer<Machine>::explore(const Point& point) {
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
template <typename Machine>
std::string boot_and_check(Machine& machine) {
  const Status booted = machine.boot();
  return booted ? machine.violation() : "boot: " + booted.to_string();
}

template <typename Machine>
std::string Explorer<Machine>::check(const std::shared_ptr<sim::SimStorage>& image,
                                     const Known& known) {
  if (counts_.images % plan_.recovery_crash_every == 0) {
    const std::string violation = crash_in_recovery(*image, known);
    if (!violation.empty()) return violation;
  }
  auto machine = std::make_unique<Machine>(image, known);
  std::string violation = boot_and_check(*machine);
  if (violation.empty() && counts_.images % 8 == 0) violation = verify_logs<Machine>(image);
  if (!violation.empty() || counts_.images % plan_.commit_crash_every != 0) return violation;
  return commit_and_crash(image, std::move(machine));
}

template <typename Machine>
std::string Explorer<Machine>::crash_in_recovery(const sim::SimStorage& image, const Known& known) {
  std::vector<Point> points;
  const auto running = image.clone();
  std::string violation;
  {
    Machine machine(running, known);
    running->set_observer([&](const sim::IoEvent& event, const auto& frozen) {
      points.push_back({place_of(event), frozen, machine.knowledge()});
    });
    violation = boot_and_check(machine);
    running->set_observer(nullptr);
  }
  for (const Point& point : points) {
    if (!violation.empty()) return violation;
    const std::uint64_t seed = ++counts_.recovery_crash_images;
    Machine machine(point.frozen->after_crash(sim::survive_random(seed), seed), point.known);
    violation = boot_and_check(machine);
    if (!violation.empty()) violation = "crash in recovery, " + point.place + ": " + violation;
  }
  return violation;
}

// I6: what was recovered and what was committed after it both survive the next crash.
template <typename Machine>
std::string Explorer<Machine>::commit_and_crash(const std::shared_ptr<sim::SimStorage>& image,
                                                std::unique_ptr<Machine> machine) {
  const std::uint64_t seed = ++counts_.commit_crash_images;
  const Status committed = machine->commit_one();
  if (!committed) return "commit after recovery: " + committed.to_string();
  const Known known = machine->knowledge();
  image->crash();
  machine.reset();
  Machine second(image->after_crash(sim::survive_random(seed), seed), known);
  const std::string violation = boot_and_check(second);
  return violation.empty() ? violation : "crash after recovery and a commit: " + violation;
}

}  // namespace cairn::torture

#endif  // CAIRN_TORTURE_EXPLORER_H_
