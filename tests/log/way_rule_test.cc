// The rule that chooses how a device is best written to, from what was measured.
#include "calibration/way_rule.h"

#include <chrono>
#include <cstdint>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace cairn::log_test {
namespace {

using log::DurableWrites;
using log::Way;
using log::WaySamples;

constexpr Way kUsual{DurableWrites::kPerWrite, 4};

// A way whose commits take `us`, in each round so much that the noise makes of it.
WaySamples taking(Way way, double us, double large = 1000,
                  std::vector<double> noise = {1, 1, 1, 1, 1}) {
  WaySamples samples{.way = way};
  for (const double factor : noise) {
    // The time between two writes, and a latency, that add up to it.
    samples.writes_per_second.push_back(2e6 / (us * factor));
    samples.latency_ns.push_back(us * factor * 500);
    if (way.depth <= 4) samples.large_kib_per_second.push_back(large * factor);
  }
  return samples;
}

std::vector<WaySamples> per_write(std::vector<std::pair<std::uint32_t, double>> times) {
  std::vector<WaySamples> ways;
  for (const auto& [depth, us] : times) {
    ways.push_back(taking({DurableWrites::kPerWrite, depth}, us));
  }
  return ways;
}

TEST(CalibrationRule, TheDepthWithTheShortestCommitTimeIsTaken) {
  EXPECT_EQ(choose_way(per_write({{1, 200}, {2, 150}, {4, 200}, {8, 300}, {16, 500}}), kUsual),
            (Way{DurableWrites::kPerWrite, 2}));
  EXPECT_EQ(choose_way(per_write({{1, 200}, {2, 190}, {4, 180}, {8, 170}, {16, 100}}), kUsual),
            (Way{DurableWrites::kPerWrite, 16}));
}

TEST(CalibrationRule, ATieKeepsTheDefaultAndOfOthersTheNearest) {
  EXPECT_EQ(choose_way(per_write({{1, 95}, {2, 92}, {4, 100}, {8, 94}, {16, 93}}), kUsual), kUsual);
  EXPECT_EQ(choose_way(per_write({{1, 100}, {2, 101}, {4, 150}, {8, 180}}), kUsual),
            (Way{DurableWrites::kPerWrite, 2}));
  EXPECT_EQ(choose_way(per_write({{1, 300}, {2, 101}, {4, 150}, {8, 100}}), kUsual),
            (Way{DurableWrites::kPerWrite, 2}));
}

TEST(CalibrationRule, MediansAreBelievedOnlyWhenTheRoundsAgree) {
  std::vector<WaySamples> ways = per_write({{4, 100}});
  const Way other{DurableWrites::kPerWrite, 2};
  ways.push_back(taking(other, 80, 1000, {1, 1, 1, 1.5, 1}));  // one round against it
  EXPECT_EQ(choose_way(ways, kUsual), other);
  ways.back() = taking(other, 80, 1000, {1.5, 1, 1, 1.5, 1});  // two
  EXPECT_EQ(choose_way(ways, kUsual), kUsual);
}

TEST(CalibrationRule, ADepthThatCostsLargeBlocksTheirSpeedIsNotTaken) {
  std::vector<WaySamples> ways = per_write({{4, 100}});
  ways.push_back(taking({DurableWrites::kPerWrite, 1}, 50, 800));
  EXPECT_EQ(choose_way(ways, kUsual), kUsual);
  ways.back() = taking({DurableWrites::kPerWrite, 1}, 50, 950);
  EXPECT_EQ(choose_way(ways, kUsual).depth, 1U);
}

TEST(CalibrationRule, TheOtherWayToBeDurableIsTakenOnlyWhenBetterByAThird) {
  std::vector<WaySamples> ways = per_write({{1, 90}, {2, 90}, {4, 90}});
  ways.push_back(taking({DurableWrites::kPerPrefix, 4}, 62));
  EXPECT_EQ(choose_way(ways, kUsual), kUsual);
  ways.back() = taking({DurableWrites::kPerPrefix, 4}, 58);
  EXPECT_EQ(choose_way(ways, kUsual), (Way{DurableWrites::kPerPrefix, 4}));
  ways.back() = taking({DurableWrites::kPerPrefix, 4}, 58, 500);
  EXPECT_EQ(choose_way(ways, kUsual), kUsual) << "large blocks would be slower";
  ways[2] = taking(kUsual, 90, 1000, {1, 1.3, 0.95, 1.1, 1.2});
  ways[0] = ways[1] = ways[2];
  ways.back() = taking({DurableWrites::kPerPrefix, 4}, 58);
  EXPECT_EQ(choose_way(ways, kUsual), kUsual) << "one round was nearly as good";
  ways.back() = taking({DurableWrites::kPerPrefix, 4}, 89);
  const Way other_default{DurableWrites::kPerPrefix, 4};
  EXPECT_EQ(choose_way(ways, other_default), other_default) << "what the storage says is kept";
}

TEST(CalibrationRule, WhatWasNotMeasuredIsNotTaken) {
  EXPECT_EQ(choose_way({}, kUsual), kUsual);
  EXPECT_EQ(choose_way(per_write({{1, 100}}), kUsual), (Way{DurableWrites::kPerWrite, 1}));
}

}  // namespace
}  // namespace cairn::log_test
