#include "system/scheduler.h"

#include <string>

namespace cairn::system_test {
namespace {

// Those with steps of no use now are left out, at most so many times.
constexpr int kTries = 60;

const World::Action& choose(sim::Random& random) {
  static const unsigned kTotal = [] {
    unsigned total = 0;
    for (const World::Action& action : World::actions()) total += action.weight;
    return total;
  }();
  std::uint64_t dice = random.below(kTotal);
  for (const World::Action& action : World::actions()) {
    if (dice < action.weight) return action;
    dice -= action.weight;
  }
  return World::actions().front();
}

void count_endings(const Model& model, Tally& tally) {
  for (const auto& [id, facts] : model.all()) {
    tally.add("transactions");
    if (facts.ending == Ending::kCommitted) tally.add("commits");
    if (facts.ending == Ending::kAborted) tally.add("aborts");
    if (facts.by_hand) tally.add("decided by hand");
  }
}

}  // namespace

Outcome run_seed(std::uint64_t seed, Tally& tally, const RunOptions& options) {
  World world(seed, tally, options);
  Stage& stage = world.stage();
  const std::uint64_t steps = 40 + stage.random.below(100);
  Outcome outcome;
  const auto broken = [&] { return !stage.model.violation().empty(); };
  world.settle();
  while (outcome.steps < steps && !broken()) {
    for (int tries = 0; tries < kTries; ++tries) {
      const World::Action& action = choose(stage.random);
      if (action.fault && !stage.random.chance(world.storm())) continue;
      if (!(world.*action.happen)()) continue;
      tally.add(std::string("did ") + action.name);
      break;
    }
    ++outcome.steps;
    if (!broken()) world.settle();
  }
  if (!broken()) world.heal_and_check();
  count_endings(stage.model, tally);
  tally.add("seeds");
  tally.add("steps", outcome.steps);
  outcome.violation = stage.model.violation();
  outcome.digest = stage.digest.to_string();
  return outcome;
}

}  // namespace cairn::system_test
