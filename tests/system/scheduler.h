// Scheduler: runs one seed: which action is next is left to chance, and chance to the seed.
#ifndef CAIRN_TESTS_SYSTEM_SCHEDULER_H_
#define CAIRN_TESTS_SYSTEM_SCHEDULER_H_

#include <cstdint>
#include <string>

#include "system/tally.h"
#include "system/world.h"

namespace cairn::system_test {

struct Outcome {
  std::string violation;  // empty: every promise was kept
  std::string digest;     // of all that happened
  std::uint64_t steps = 0;
};

// Adds what happened to `tally`: "did ACTION", "heard NOTIFICATION", and more.
[[nodiscard]] Outcome run_seed(std::uint64_t seed, Tally& tally, const RunOptions& options = {});

}  // namespace cairn::system_test

#endif  // CAIRN_TESTS_SYSTEM_SCHEDULER_H_
