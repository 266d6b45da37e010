#include <array>
#include <memory>

#include <cairn/torture/explorer.h>
#include <cairn/torture/sim_torture.h>
#include <cairn/torture/two_rm_machine.h>

namespace cairn::torture {

namespace {

constexpr std::uint64_t kSteps = 10;

// One run in which I/O number `nth` fails. False: the run has not so many.
bool fail_once(std::uint64_t seed, std::uint64_t nth, SeedOutcome* outcome) {
  constexpr std::array kKinds{sim::FaultKind::kIoError, sim::FaultKind::kNoSpace,
                              sim::FaultKind::kShortWrite};
  constexpr std::array kNames{"fails", "meets a full disk", "is short"};
  const std::size_t kind = (seed + nth) % kKinds.size();
  const auto storage = std::make_shared<sim::SimStorage>(sim::SimOptions{.seed = seed});
  Knowledge known;
  {
    TwoRmMachine machine(storage, {});
    if (const Status booted = machine.boot(); !booted) {
      outcome->violation = "before any fault: " + booted.to_string();
      return false;
    }
    storage->inject({kKinds[kind], std::nullopt, nth});
    sim::Random random(seed);
    // What a call says of a failed device is not judged here; what it acknowledged is.
    for (std::uint64_t step = 0; step < kSteps && machine.step(random); ++step) {
    }
    known = machine.knowledge();
    storage->crash();
  }
  if (storage->faults_struck() == 0) return false;
  ++outcome->states;
  TwoRmMachine again(storage->after_crash(sim::survive_random(nth), nth), known);
  const std::string violation = boot_and_check(again);
  if (violation.empty()) return true;
  outcome->violation = "I/O " + std::to_string(nth) + " " + kNames[kind] + ", then: " + violation;
  return false;
}

}  // namespace

SeedOutcome cut_power_in_simulation(std::uint64_t seed, std::uint64_t stride) {
  Plan plan;
  plan.seed = seed;
  plan.steps = kSteps;
  plan.stride = stride;
  Explorer<TwoRmMachine> explorer(plan);
  SeedOutcome outcome;
  outcome.violation = explorer.run();
  const Counts& counts = explorer.counts();
  outcome.states = counts.images + counts.recovery_crash_images + counts.commit_crash_images;
  return outcome;
}

SeedOutcome fail_io_in_simulation(std::uint64_t seed, std::uint64_t stride) {
  SeedOutcome outcome;
  for (std::uint64_t nth = 1 + seed % stride; fail_once(seed, nth, &outcome); nth += stride) {
  }
  return outcome;
}

}  // namespace cairn::torture
