// The power goes after every single I/O of a scenario with two transaction managers, one above the
// other, and three resource managers:
//  T1 all end alike, on both levels. T2 an acknowledged commit is committed on all. T3 a rolled
//  back one on none. T4 everything is forgotten, by both managers and the bridge, once all are
//  back. And I1 to I8 of the logs below them (log/crash_points_test.cc).
#include <gtest/gtest.h>

#include "crash/bridge_machine.h"
#include "crash/report_counts.h"
#include "sim/test_budget.h"
#include "sim/test_heap.h"

namespace cairn::crash_test {
namespace {

constexpr char kCounter[] = "crash states visited (bridged transactions)";

class BridgeCrashPoints : public testing::TestWithParam<std::uint64_t> {};

TEST_P(BridgeCrashPoints, EveryIoOfAScenarioWithBothManagersInOneLog) {
  torture::Explorer<OneLogMachine> explorer({.seed = GetParam(), .stride = sim::sweep_stride(15)});
  EXPECT_EQ(explorer.run(), "");
  report(explorer.counts(), kCounter);
}

TEST_P(BridgeCrashPoints, EveryIoOfAScenarioWithALogForEachManager) {
  torture::Explorer<TwoLogMachine> explorer(
      {.seed = 1000 + GetParam(), .stride = sim::sweep_stride(15)});
  EXPECT_EQ(explorer.run(), "");
  report(explorer.counts(), kCounter);
}

INSTANTIATE_TEST_SUITE_P(Seeds, BridgeCrashPoints,
                         testing::Range<std::uint64_t>(1, 1 + sim::budgeted(2)),
                         testing::PrintToStringParamName());

// The proof that the exploration would see it: what the lower manager forced is not durable.
TEST(BridgeCrashPointsNotice, AVoteOnAPrepareRecordThatIsNotForced) {
  torture::Plan plan;
  plan.seed = 1001;
  plan.stride = sim::sweep_stride(9);
  plan.recovery_crash_every = 1'000'000;
  plan.commit_crash_every = 1'000'000;
  plan.lies = {.durable_writes = true, .directory = kBridgedTmDirectories[1]};
  const std::string violation = torture::Explorer<TwoLogMachine>(plan).run();
  EXPECT_NE(violation.find("': T"), std::string::npos) << violation;
}

}  // namespace
}  // namespace cairn::crash_test
