#include <algorithm>
#include <utility>

#include <cairn/sim/crash_states.h>
#include <cairn/sim/sim_storage.h>

namespace cairn::sim {

namespace {

CrashState subset(std::string name, std::vector<bool> survives) {
  return {std::move(name), survive_subset(std::move(survives)), 0};
}

// Those that are never thinned out: nothing, everything, one by chance.
std::vector<CrashState> corner_states(std::size_t pending, std::uint64_t seed) {
  std::vector<CrashState> states;
  states.push_back({"none", survive_none(), 0});
  if (pending == 0) return states;
  states.push_back({"all", survive_all(), 0});
  states.push_back({"chance 0", survive_random(seed), seed});
  return states;
}

void add_every_subset(std::size_t pending, std::vector<CrashState>& states) {
  for (std::uint64_t mask = 1; mask + 1 < std::uint64_t{1} << pending; ++mask) {
    std::vector<bool> survives(pending);
    for (std::size_t i = 0; i < pending; ++i) survives[i] = (mask >> i & 1) != 0;
    states.push_back(subset("subset " + std::to_string(mask), std::move(survives)));
  }
}

void add_typical_subsets(std::size_t pending, std::vector<CrashState>& states) {
  for (std::size_t i = 0; i < pending; ++i) {
    std::vector<bool> prefix(pending);
    std::fill_n(prefix.begin(), i, true);
    if (i > 0) states.push_back(subset("prefix " + std::to_string(i), std::move(prefix)));

    std::vector<bool> missing(pending, true);
    missing[i] = false;
    states.push_back(subset("without " + std::to_string(i), std::move(missing)));

    std::vector<bool> alone(pending);
    alone[i] = true;
    states.push_back(subset("only " + std::to_string(i), std::move(alone)));
  }
}

}  // namespace

std::vector<CrashState> crash_states(std::size_t pending, const CrashStateOptions& options,
                                     std::uint64_t seed) {
  std::vector<CrashState> states = corner_states(pending, seed);
  if (pending == 0) return states;
  const std::size_t corners = states.size();
  if (pending <= options.exhaustive_up_to) {
    add_every_subset(pending, states);
  } else {
    add_typical_subsets(pending, states);
  }
  for (std::size_t i = 1; i < options.by_chance; ++i) {
    states.push_back({"chance " + std::to_string(i), survive_random(seed + i), seed + i});
  }
  if (options.at_most == 0 || states.size() <= options.at_most) return states;

  Random random(seed);
  const std::size_t kept = std::max(options.at_most, corners);
  for (std::size_t i = corners; i < kept; ++i) {
    std::swap(states[i], states[i + random.below(states.size() - i)]);
  }
  states.resize(kept);
  return states;
}

}  // namespace cairn::sim
