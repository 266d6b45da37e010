// Torture on the simulated storage: a machine with a transaction manager and two resource managers,
// in memory, in one thread. Everything follows from the seed: the same seed, the same run.
#ifndef CAIRN_TORTURE_SIM_TORTURE_H_
#define CAIRN_TORTURE_SIM_TORTURE_H_

#include <cstdint>
#include <string>

namespace cairn::torture {

struct SeedOutcome {
  std::uint64_t states = 0;  // that were recovered from
  std::string violation;     // the first one, with the place where it was met; or empty
};

// The power goes before every `stride`th I/O of the scenario of this seed; some recoveries are cut
// as well, and some are followed by another commit and another cut. I1 to I8, T1 to T4.
[[nodiscard]] SeedOutcome cut_power_in_simulation(std::uint64_t seed, std::uint64_t stride);

// Every `stride`th I/O of the scenario fails: with an error, for want of space, or half written.
// The machine goes on until it is told so; then it is started anew. The same promises.
[[nodiscard]] SeedOutcome fail_io_in_simulation(std::uint64_t seed, std::uint64_t stride);

}  // namespace cairn::torture

#endif  // CAIRN_TORTURE_SIM_TORTURE_H_
