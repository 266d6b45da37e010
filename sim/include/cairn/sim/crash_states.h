// CrashStates: which of the many ways a crash can end are tried.
#ifndef CAIRN_SIM_CRASH_STATES_H_
#define CAIRN_SIM_CRASH_STATES_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <cairn/sim/disk.h>

namespace cairn::sim {

struct CrashStateOptions {
  // Up to so many pending things: every subset of them. At most 12 are sensible: 4096 states.
  std::size_t exhaustive_up_to = 5;
  // Beyond: all prefixes, all with one missing, all with one alone, and so many with fates by
  // chance, torn and zero sectors included. Also added to the exhaustive ones, as subsets know old
  // and new only.
  std::size_t by_chance = 8;
  // At most so many in all; which ones is left to chance then, but nothing, everything and one by
  // chance are always among them. 0: no bound.
  std::size_t at_most = 0;
};

struct CrashState {
  std::string name;  // names it among the states of one crash, the same in each run
  CrashChoice choice;
  std::uint64_t seed = 0;  // for SimStorage::after_crash
};

// The states to try for a crash with `pending` things undecided. At least one: nothing survives.
[[nodiscard]] std::vector<CrashState> crash_states(std::size_t pending,
                                                   const CrashStateOptions& options,
                                                   std::uint64_t seed);

}  // namespace cairn::sim

#endif  // CAIRN_SIM_CRASH_STATES_H_
