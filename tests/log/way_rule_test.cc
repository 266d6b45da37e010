// The rule that chooses how a device is best written to, from what was measured.
#include "calibration/way_rule.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <iterator>
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
  EXPECT_EQ(choose_way(per_write({{1, 200}, {2, 120}, {4, 200}, {8, 300}, {16, 500}}), kUsual),
            (Way{DurableWrites::kPerWrite, 2}));
  EXPECT_EQ(choose_way(per_write({{1, 200}, {2, 190}, {4, 180}, {8, 170}, {16, 100}}), kUsual),
            (Way{DurableWrites::kPerWrite, 16}));
}

TEST(CalibrationRule, OneThatIsNotMuchBetterLeavesTheDefault) {
  EXPECT_EQ(choose_way(per_write({{1, 65}, {2, 64}, {4, 100}, {8, 64}, {16, 65}}), kUsual), kUsual);
  EXPECT_EQ(choose_way(per_write({{1, 65}, {2, 62}, {4, 100}, {8, 64}, {16, 65}}), kUsual),
            (Way{DurableWrites::kPerWrite, 2}));
}

TEST(CalibrationRule, OfDepthsThatAreMuchBetterAndAlikeTheNearestToTheDefault) {
  EXPECT_EQ(choose_way(per_write({{1, 100}, {2, 101}, {4, 170}, {8, 180}}), kUsual),
            (Way{DurableWrites::kPerWrite, 2}));
  EXPECT_EQ(choose_way(per_write({{1, 300}, {2, 101}, {4, 170}, {8, 100}}), kUsual),
            (Way{DurableWrites::kPerWrite, 2}));
  EXPECT_EQ(choose_way(per_write({{1, 80}, {2, 100}, {4, 170}, {8, 180}}), kUsual),
            (Way{DurableWrites::kPerWrite, 1}));
}

TEST(CalibrationRule, MediansAreBelievedOnlyWhenTheRoundsAgree) {
  std::vector<WaySamples> ways = per_write({{4, 100}});
  const Way other{DurableWrites::kPerWrite, 2};
  ways.push_back(taking(other, 60, 1000, {1, 1, 1, 2, 1}));  // one round against it
  EXPECT_EQ(choose_way(ways, kUsual), other);
  ways.back() = taking(other, 60, 1000, {2, 1, 1, 2, 1});  // two
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

// --- recorded rounds ---

// Commit times in microseconds, five rounds each: per write with 1, 2, 4, 8, 16 in flight, then per
// prefix likewise.
using Recorded = double[2][5][5];

// Six calibrations of 0.3 s of one and the same device: of 45 those in which depth 4 came out worst
// against 1 or 2. With all of these depths a log made as many durable appends per second.
constexpr Recorded kRecorded[] = {
    {{{176, 180, 183, 214, 216},
      {208, 186, 188, 293, 238},
      {249, 280, 225, 354, 276},
      {294, 288, 285, 379, 338},
      {351, 383, 364, 435, 400}},
     {{294, 304, 298, 348, 302},
      {317, 354, 330, 294, 344},
      {245, 274, 303, 296, 314},
      {356, 191, 225, 252, 304},
      {362, 380, 296, 313, 443}}},
    {{{235, 203, 190, 203, 216},
      {228, 205, 199, 205, 210},
      {299, 315, 260, 261, 276},
      {374, 349, 341, 297, 310},
      {445, 431, 434, 410, 416}},
     {{312, 398, 361, 341, 286},
      {348, 347, 385, 338, 327},
      {372, 388, 357, 316, 354},
      {399, 327, 205, 191, 226},
      {479, 437, 268, 265, 396}}},
    {{{204, 236, 216, 250, 236},
      {214, 278, 181, 252, 233},
      {349, 338, 248, 303, 248},
      {374, 354, 264, 336, 359},
      {420, 511, 325, 369, 464}},
     {{298, 358, 288, 366, 314},
      {324, 404, 325, 404, 318},
      {315, 339, 323, 361, 350},
      {229, 224, 359, 223, 222},
      {300, 313, 377, 304, 421}}},
    {{{272, 258, 276, 255, 228},
      {278, 255, 305, 297, 244},
      {358, 340, 301, 322, 335},
      {368, 342, 370, 361, 339},
      {457, 489, 446, 430, 369}},
     {{330, 306, 361, 355, 286},
      {276, 278, 368, 366, 336},
      {329, 366, 437, 383, 379},
      {231, 343, 425, 397, 324},
      {416, 380, 478, 506, 491}}},
    {{{297, 336, 379, 308, 248},
      {236, 289, 320, 285, 283},
      {344, 409, 399, 363, 326},
      {343, 428, 395, 345, 343},
      {442, 555, 516, 438, 475}},
     {{271, 312, 297, 277, 276},
      {260, 323, 285, 287, 316},
      {296, 317, 305, 294, 354},
      {265, 269, 322, 244, 265},
      {374, 381, 448, 388, 368}}},
    {{{281, 234, 257, 264, 271},
      {257, 261, 255, 263, 250},
      {322, 323, 332, 341, 302},
      {372, 343, 340, 353, 312},
      {466, 450, 446, 448, 393}},
     {{320, 374, 291, 358, 310},
      {378, 344, 326, 376, 282},
      {355, 346, 338, 308, 258},
      {382, 331, 346, 222, 362},
      {432, 311, 467, 324, 312}}},
};

// As a calibration has it. `model`: of a depth's commit time, if it is not to be the recorded one;
// each round differs from it as the recorded round does from the recorded median.
std::vector<WaySamples> samples_of(const Recorded& recorded,
                                   double (*model)(double depth) = nullptr) {
  std::vector<WaySamples> ways;
  for (const DurableWrites how : {DurableWrites::kPerWrite, DurableWrites::kPerPrefix}) {
    for (std::uint32_t i = 0; i < 5; ++i) {
      const auto& rounds = recorded[how == DurableWrites::kPerPrefix ? 1 : 0][i];
      const double usual = log::median({std::begin(rounds), std::end(rounds)});
      std::vector<double> noise;
      for (const double round : rounds) noise.push_back(round / usual);
      const std::uint32_t depth = 1U << i;
      ways.push_back(taking({how, depth}, model == nullptr ? usual : model(depth), 1000, noise));
      std::ranges::fill(ways.back().large_kib_per_second, 1000);
    }
  }
  return ways;
}

// Of a device that does nothing but take so many writes at once: those beyond wait their turn.
template <int parallel>
double model(double depth) {
  return 200 * std::max(1.0, depth / parallel) * (1 + 1 / depth);
}

TEST(CalibrationRule, RecordedNoiseOfOneDeviceChoosesTheSameEachTime) {
  for (const Recorded& recorded : kRecorded)
    EXPECT_EQ(choose_way(samples_of(recorded), kUsual), kUsual);
}

TEST(CalibrationRule, WhatADeviceTakesAtOnceIsFoundThroughRecordedNoise) {
  for (const Recorded& recorded : kRecorded) {
    EXPECT_EQ(choose_way(samples_of(recorded, model<1>), kUsual).depth, 1U);
    EXPECT_EQ(choose_way(samples_of(recorded, model<2>), kUsual).depth, 2U);
    EXPECT_EQ(choose_way(samples_of(recorded, model<4>), kUsual).depth, 4U);
    EXPECT_EQ(choose_way(samples_of(recorded, model<8>), kUsual).depth, 4U)
        << "8 are hardly better";
    EXPECT_EQ(choose_way(samples_of(recorded, model<16>), kUsual).depth, 4U) << "nor are 16";
  }
}

TEST(CalibrationRule, WhatWasNotMeasuredIsNotTaken) {
  EXPECT_EQ(choose_way({}, kUsual), kUsual);
  EXPECT_EQ(choose_way(per_write({{1, 100}}), kUsual), (Way{DurableWrites::kPerWrite, 1}));
  EXPECT_EQ(choose_way(per_write({{1, 90}, {2, 100}}), kUsual), (Way{DurableWrites::kPerWrite, 2}));
}

}  // namespace
}  // namespace cairn::log_test
