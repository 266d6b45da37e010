// The parts of the append path that can be looked at alone: block states, space, and who is granted what.
#include <gtest/gtest.h>

#include "append/log_block.h"
#include "append/space_ledger.h"
#include "read/end_of_log.h"

namespace cairn::log {
namespace {

constexpr BlockState kAllBlockStates[] = {BlockState::kFree,    BlockState::kOpen,
                                          BlockState::kClosed,  BlockState::kWriting,
                                          BlockState::kWritten, BlockState::kDurable};

TEST(LogBlockStates, EveryPairOutsideTheTableAborts) {
  for (const BlockState from : kAllBlockStates) {
    for (const BlockState to : kAllBlockStates) {
      if (block_transition_is_legal(from, to)) continue;
      EXPECT_DEATH(
          {
            LogBlock block;
            // Every state is reached along the one way there is.
            for (const BlockState step : kAllBlockStates) {
              if (block.state() == from) break;
              if (step != BlockState::kFree) block.set_state(step);
            }
            block.set_state(to);
          },
          "");
    }
  }
}

class Ledger : public testing::Test {
 protected:
  static constexpr std::uint64_t kContainer = std::uint64_t{1} << 20;
  format::LogGeometry geometry_{Uuid{}, kContainer, 64 * 1024, 4096};
  // A whole container less header, seal and one block of rest.
  static constexpr std::uint64_t kUsable = kContainer - 2 * 4096 - 64 * 1024;
  SpaceLedger ledger_{geometry_, 4 * kContainer};
};

TEST_F(Ledger, ChargesARecordAsIfItWereAloneInABlock) {
  EXPECT_EQ(ledger_.charge(0), 4096U);
  EXPECT_EQ(ledger_.charge(4096 - 96 - 40 - 8), 4096U);
  EXPECT_EQ(ledger_.charge(4096 - 96 - 40 - 7), 8192U);
}

TEST_F(Ledger, HoldsOneContainerBackFromOrdinaryAppendsAtTheMaximum) {
  const SpaceLedger::Stock stock{0, 1, 4};
  EXPECT_EQ(ledger_.ask(SpaceClass::kOrdinary, 4096, stock), SpaceVerdict::kFull);
  EXPECT_EQ(ledger_.ask(SpaceClass::kHeldBack, 4096, stock), SpaceVerdict::kGranted);
  EXPECT_EQ(ledger_.ask(SpaceClass::kSnapshot, 4096, stock), SpaceVerdict::kGranted);
}

TEST_F(Ledger, BelowTheMaximumWhatIsHeldBackMayStillHaveToBeMade) {
  EXPECT_EQ(ledger_.ask(SpaceClass::kOrdinary, 4096, {0, 1, 3}), SpaceVerdict::kGranted);
  EXPECT_EQ(ledger_.ask(SpaceClass::kOrdinary, 4096, {0, 0, 3}), SpaceVerdict::kGrow);
}

TEST_F(Ledger, FailedGrowthIsAMaximum) {
  ledger_.set_growth_failed(true);
  EXPECT_EQ(ledger_.ask(SpaceClass::kOrdinary, 4096, {0, 1, 3}), SpaceVerdict::kFull);
}

TEST_F(Ledger, WhatIsReservedIsOutOfReachOfOthers) {
  const SpaceLedger::Stock stock{0, 2, 4};
  ASSERT_EQ(ledger_.ask_reserve(kUsable, stock), SpaceVerdict::kGranted);
  ledger_.reserve(kUsable);
  EXPECT_EQ(ledger_.ask(SpaceClass::kOrdinary, 4096, stock), SpaceVerdict::kFullByReservation);
  EXPECT_EQ(ledger_.ask(SpaceClass::kReserved, kUsable, stock), SpaceVerdict::kGranted);
  EXPECT_EQ(ledger_.ask_reserve(1, stock), SpaceVerdict::kFullByReservation);
  ledger_.release(kUsable);
  EXPECT_EQ(ledger_.ask(SpaceClass::kOrdinary, 4096, stock), SpaceVerdict::kGranted);
}

TEST_F(Ledger, ReservesOnlyAgainstContainersThatExist) {
  EXPECT_EQ(ledger_.ask_reserve(kUsable, {0, 1, 3}), SpaceVerdict::kGrow);
  EXPECT_EQ(ledger_.ask_reserve(kUsable, {0, 1, 4}), SpaceVerdict::kFull);
}

// The decision table of end_of_log.h, every combination of evidence.
TEST(EndOfLogTable, TheFirstRowThatHasEvidenceDecides) {
  for (unsigned bits = 0; bits < 64; ++bits) {
    const EndEvidence e{(bits & 1) != 0, (bits & 2) != 0,  (bits & 4) != 0,
                        (bits & 8) != 0, (bits & 16) != 0, (bits & 32) != 0};
    EndLabel expected = EndLabel::kEndUnwritten;
    if (e.last_is_idle_mark) expected = EndLabel::kEndAtMark;
    if (e.last_is_closing_mark) expected = EndLabel::kCleanClose;
    if (e.block_begun) expected = EndLabel::kTornTail;
    if (e.later_container) expected = EndLabel::kDamageProvenBySeal;
    if (e.watermark_beyond) expected = EndLabel::kDamageProvenByWatermark;
    if (e.base_log_beyond) expected = EndLabel::kDamageProvenByBaseLog;
    ASSERT_EQ(judge_end(e), expected) << bits;
    ASSERT_EQ(end_label_is_damage(judge_end(e)),
              e.base_log_beyond || e.watermark_beyond || e.later_container)
        << bits;
  }
}

}  // namespace
}  // namespace cairn::log
