// The power goes after every single I/O of a scenario with a transaction manager and two resource
// managers:
//  T1 both end alike. T2 an acknowledged commit is committed on both. T3 a rolled back one on none.
//  T4 everything is forgotten once both are back. And I1 to I8 of the three logs below them
//  (log/crash_points_test.cc).
#include <gtest/gtest.h>

#include <cairn/torture/two_rm_machine.h>

#include "crash/report_counts.h"
#include "sim/test_budget.h"
#include "sim/test_heap.h"

namespace cairn::crash_test {
namespace {

class TmCrashPoints : public testing::TestWithParam<std::uint64_t> {};

TEST_P(TmCrashPoints, EveryIoOfAScenarioWithTwoResourceManagers) {
  torture::Explorer<torture::TwoRmMachine> explorer(
      {.seed = GetParam(), .stride = sim::sweep_stride(7)});
  EXPECT_EQ(explorer.run(), "");
  report(explorer.counts(), "crash states visited (transactions)");
}

INSTANTIATE_TEST_SUITE_P(Seeds, TmCrashPoints,
                         testing::Range<std::uint64_t>(1, 1 + sim::budgeted(3)),
                         testing::PrintToStringParamName());

class TmCrashPointsInline : public testing::TestWithParam<std::uint64_t> {};

TEST_P(TmCrashPointsInline, EveryIoOfAScenario) {
  torture::Explorer<torture::InlineTwoRmMachine> explorer(
      {.seed = GetParam(), .stride = sim::sweep_stride(13)});
  EXPECT_EQ(explorer.run(), "");
  report(explorer.counts(), "crash states visited (transactions answered inline)");
}

INSTANTIATE_TEST_SUITE_P(Seeds, TmCrashPointsInline,
                         testing::Range<std::uint64_t>(1, 1 + sim::budgeted(1)),
                         testing::PrintToStringParamName());

// The proof that the exploration would see it: with the force taken out, so that what a log forced
// is reported durable and is not, it finds the violation.
template <typename Machine = torture::TwoRmMachine>
std::string violation_without_force(const std::string& directory) {
  torture::Plan plan;
  plan.stride = sim::sweep_stride(3);
  plan.recovery_crash_every = 1'000'000;
  plan.commit_crash_every = 1'000'000;
  plan.lies = {.durable_writes = true, .directory = directory};
  return torture::Explorer<Machine>(plan).run();
}

TEST(TmCrashPointsNotice, ADecisionThatIsNotForced) {
  EXPECT_NE(violation_without_force(torture::kTmDirectory).find("T2: "), std::string::npos);
}

TEST(TmCrashPointsNotice, ADecisionThatIsNotForcedInline) {
  EXPECT_NE(violation_without_force<torture::InlineTwoRmMachine>(torture::kTmDirectory), "");
}

TEST(TmCrashPointsNotice, APrepareThatIsNotForced) {
  EXPECT_NE(violation_without_force(torture::kRmDirectories[0]), "");
}

}  // namespace
}  // namespace cairn::crash_test
