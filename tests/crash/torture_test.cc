// `cairn torture sim` and `cairn torture fault`: the same seed is the same run, and devices that
// fail take nothing that was acknowledged.
#include <gtest/gtest.h>

#include <cairn/torture/sim_torture.h>

#include "sim/test_budget.h"

namespace cairn::crash_test {
namespace {

TEST(SimTorture, IsTheSameFromTheSameSeed) {
  const torture::SeedOutcome one = torture::cut_power_in_simulation(7, 60);
  const torture::SeedOutcome other = torture::cut_power_in_simulation(7, 60);
  EXPECT_EQ(one.violation, "");
  EXPECT_EQ(one.states, other.states);
  EXPECT_GT(one.states, 0U);
}

TEST(SimTorture, AFailureOfAnyIoLosesNothingAcknowledged) {
  const torture::SeedOutcome outcome = torture::fail_io_in_simulation(1, sim::sweep_stride(20));
  EXPECT_EQ(outcome.violation, "");
  EXPECT_GT(outcome.states, sim::test_budget() < 0.2 ? 2U : 50U);
}

}  // namespace
}  // namespace cairn::crash_test
