// The parts of the append path that can be looked at alone: block states, space, and who is granted
// what.
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

// A log of at most four containers of 1 MiB, blocks of 64 KiB at most, two of its containers in
// being.
class Ledger : public testing::Test {
 protected:
  static constexpr std::uint64_t kContainer = std::uint64_t{1} << 20;
  static constexpr StreamId kStream = 1;

  Ledger() {
    ledger_.begin(2, 1, 7);
    ledger_.stream_created(1);
  }
  // Container 7 with `room` left.
  static SpaceLedger::Stock stock(std::uint64_t room) { return {7, room, false}; }
  SpaceVerdict ask(SpaceClass who, std::uint64_t bytes, std::uint64_t room = 0) const {
    return ledger_.ask({who, bytes, kStream}, stock(room));
  }
  void take(SpaceClass who, std::uint64_t bytes, std::uint64_t room = 0) {
    ASSERT_EQ(ask(who, bytes, room), SpaceVerdict::kGranted);
    ledger_.granted({who, bytes, kStream}, stock(room));
  }
  void grow(int containers) {
    for (int i = 0; i < containers; ++i) {
      ledger_.begin_growth();
      ledger_.end_growth(Status::ok());
    }
  }
  // The most that an ordinary append may take.
  std::uint64_t most(std::uint64_t room = 0) const {
    std::uint64_t bytes = 0;
    for (std::uint64_t step = std::uint64_t{8} << 20; step > 0; step /= 2) {
      if (ask(SpaceClass::kOrdinary, bytes + step, room) == SpaceVerdict::kGranted) bytes += step;
    }
    return bytes;
  }

  format::LogGeometry geometry_{Uuid{}, kContainer, 64 * 1024, 4096};
  Policies policies_{.max_size = 4 * kContainer};
  SpaceLedger ledger_{geometry_, policies_};
};

TEST_F(Ledger, ChargesARecordAsIfItWereAloneInABlock) {
  EXPECT_EQ(ledger_.charge(0), 4096U);
  EXPECT_EQ(ledger_.charge(4096 - 96 - 40 - 8), 4096U);
  EXPECT_EQ(ledger_.charge(4096 - 96 - 40 - 7), 8192U);
}

TEST_F(Ledger, BacksReservedRecordsAtLeastAsTheyAreCharged) {
  std::uint64_t bytes = 0;
  std::uint64_t charged = 0;
  for (std::uint64_t payload = 0; payload < 9000; ++payload) {
    const std::uint64_t size = Reservation::reserved_bytes(payload);
    ASSERT_EQ(size, format::record_size(payload));
    ASSERT_GE(ledger_.backing(1, size), ledger_.charge(payload)) << payload;
    bytes += size;
    charged += ledger_.charge(payload);
    ASSERT_GE(ledger_.backing(payload + 1, bytes), charged);
  }
}

TEST_F(Ledger, ReservesAndHoldsBackOnlyInContainersThatExist) {
  const std::uint64_t now = most();
  EXPECT_LT(now, kContainer);
  EXPECT_EQ(ask(SpaceClass::kOrdinary, now + 1), SpaceVerdict::kGrow);
  grow(1);
  EXPECT_GT(most(), now + kContainer / 2);
  grow(1);
  EXPECT_EQ(ask(SpaceClass::kOrdinary, most() + 1), SpaceVerdict::kFull) << "at the maximum";
}

TEST_F(Ledger, FailedGrowthIsAMaximumUntilSomethingIsThereAgain) {
  ledger_.begin_growth();
  ledger_.end_growth(Status(StatusCode::kNoSpace, ""));
  EXPECT_EQ(ledger_.containers(), 2U);
  EXPECT_EQ(ask(SpaceClass::kOrdinary, most() + 1), SpaceVerdict::kFull);
  ledger_.recycled(0, 1);
  EXPECT_EQ(ask(SpaceClass::kOrdinary, most() + 1), SpaceVerdict::kGrow);
}

TEST_F(Ledger, WhatIsReservedIsOutOfReachOfOthers) {
  grow(2);
  const std::uint64_t before = most();
  ledger_.reserve(kStream, 1, 10, 100'000);
  EXPECT_EQ(most(), before - ledger_.backing(10, 100'000));
  EXPECT_EQ(ask(SpaceClass::kOrdinary, before), SpaceVerdict::kFullByReservation);
  EXPECT_EQ(ask(SpaceClass::kReserved, before), SpaceVerdict::kGranted);
  EXPECT_EQ(ledger_.of(kStream).bytes, 100'000U);
  EXPECT_EQ(ledger_.largest_holder(), kStream);
  ledger_.release(kStream, 1, 10, 100'000);
  EXPECT_EQ(most(), before);
  EXPECT_EQ(ledger_.largest_holder(), std::nullopt);
}

TEST_F(Ledger, AStreamHasOneRestartAreaAtAFullLogAndTheOthersHaveTheirs) {
  grow(2);
  ledger_.stream_created(1);
  const std::uint64_t all = most();
  ledger_.reserve(kStream, 1, 0, all);
  const std::uint64_t area = ledger_.restart_room();
  take(SpaceClass::kRestart, area);
  // What was taken is no longer there. The common room serves some more.
  ledger_.reserve(kStream, 0, 0, area);
  int more = 0;
  while (ask(SpaceClass::kRestart, area) == SpaceVerdict::kGranted) {
    take(SpaceClass::kRestart, area);
    ledger_.reserve(kStream, 0, 0, area);
    ++more;
  }
  EXPECT_EQ(more, 32 * 1024 / static_cast<int>(area)) << "half of the common room, a largest block";
  EXPECT_EQ(ledger_.ask({SpaceClass::kRestart, area, 2}, stock(0)), SpaceVerdict::kGranted);
  EXPECT_EQ(ledger_.ask({SpaceClass::kSnapshot, area}, stock(0)), SpaceVerdict::kGranted);
  EXPECT_EQ(ask(SpaceClass::kHeldBack, area), SpaceVerdict::kFull);
  SpaceDemand leaving{SpaceClass::kHeldBack, area, kStream};
  leaving.moves_pin = true;
  EXPECT_EQ(ledger_.ask(leaving, stock(0)), SpaceVerdict::kGranted) << "what frees a container";
  // Once all that is held back is there again, so is this stream's.
  ledger_.release(kStream, 0, 0, all);
  take(SpaceClass::kOrdinary, 4096);
  ledger_.reserve(kStream, 0, 0, most());
  EXPECT_EQ(ask(SpaceClass::kRestart, area), SpaceVerdict::kGranted);
}

TEST_F(Ledger, MakesGoodWhatIsHeldBackBeyondTheMaximum) {
  grow(2);
  ledger_.begin(4, 0, 7);  // as after crashes at a full log: nothing is left
  EXPECT_EQ(ask(SpaceClass::kOrdinary, 4096), SpaceVerdict::kFull);
  EXPECT_EQ(ask(SpaceClass::kRestart, 4096), SpaceVerdict::kGrow);
  grow(1);
  EXPECT_EQ(ask(SpaceClass::kRestart, 4096), SpaceVerdict::kGranted);
  EXPECT_EQ(ledger_.keepable(7, 3), 2U) << "and goes below it again with the next recycling";
}

TEST_F(Ledger, AThousandStreamsHoldBackAThousandRestartAreasAndNoMore) {
  const std::uint64_t one = ledger_.held_back();
  for (int i = 0; i < 999; ++i) ledger_.stream_created(8);
  const std::uint64_t areas = 999 * ledger_.restart_room();
  EXPECT_GE(ledger_.held_back(), one + areas);
  EXPECT_LE(ledger_.held_back(), one + areas + 999 * 128) << "and their lines in a snapshot";
}

TEST_F(Ledger, ALongSnapshotIsWrittenMoreSeldom) {
  EXPECT_EQ(ledger_.snapshot_interval(), 1U);
  for (int i = 0; i < 10'000; ++i) ledger_.stream_created(40);
  EXPECT_EQ(ledger_.snapshot_interval(), 5U);
}

TEST_F(Ledger, ASnapshotPaysWhenItTakesLessThanItGains) {
  EXPECT_FALSE(ledger_.snapshot_pays(0));
  EXPECT_TRUE(ledger_.snapshot_pays(1));
  for (int i = 0; i < 5'000; ++i) ledger_.stream_created(20);
  EXPECT_TRUE(ledger_.snapshot_pays(1)) << "half a container";
  for (int i = 0; i < 10'000; ++i) ledger_.stream_created(20);
  EXPECT_FALSE(ledger_.snapshot_pays(1)) << "more than a container";
  EXPECT_TRUE(ledger_.snapshot_pays(3));
}

TEST_F(Ledger, KeepsMoreAheadWhenMoreWasTakenMeanwhileAndForgetsIt) {
  policies_ = {.max_size = 0, .ahead = 2, .spare_max = 20};
  ledger_.set_policies(policies_);
  EXPECT_EQ(ledger_.wanted_ahead(), 2U);
  ledger_.saw_consumption(3);
  EXPECT_EQ(ledger_.wanted_ahead(), 7U) << "twice that, and the one being made";
  ledger_.saw_consumption(30);
  EXPECT_EQ(ledger_.wanted_ahead(), 20U) << "the pool is bounded";
  for (int i = 0; i < 8; ++i) ledger_.saw_consumption(0);
  EXPECT_EQ(ledger_.wanted_ahead(), 2U);
}

TEST_F(Ledger, RemovesOnlyWhatNobodyNeeds) {
  grow(2);  // three are free
  EXPECT_EQ(ledger_.removable(stock(kContainer / 2)), 2U) << "the next one stays";
  ledger_.reserve(kStream, 1, 1, kContainer * 3 / 2);
  EXPECT_EQ(ledger_.removable(stock(kContainer / 2)), 1U);
  policies_.min_size = 4 * kContainer;
  ledger_.set_policies(policies_);
  EXPECT_EQ(ledger_.removable(stock(kContainer / 2)), 0U);
}

TEST_F(Ledger, ShrinksToWhatIsKeptAheadAtThePercentageOfThePolicy) {
  grow(2);
  EXPECT_EQ(ledger_.superfluous(stock(kContainer / 2)), 0U);
  policies_.shrink_percent = 70;
  ledger_.set_policies(policies_);
  EXPECT_EQ(ledger_.superfluous(stock(kContainer / 2)), 1U) << "three of four are free: 75 percent";
  policies_ = {.max_size = 4 * kContainer, .ahead = 1, .spare_max = 1};
  ledger_.set_policies(policies_);
  EXPECT_EQ(ledger_.superfluous(stock(kContainer / 2)), 2U) << "the bound of the pool";
}

TEST_F(Ledger, IsLowBelowThePercentageOfTheMaximum) {
  policies_.low_space_percent = 25;
  ledger_.set_policies(policies_);
  grow(2);
  EXPECT_FALSE(ledger_.is_low(stock(0)));
  ledger_.reserve(kStream, 1, 0, ledger_.left(stock(0)) - kContainer);
  EXPECT_FALSE(ledger_.is_low(stock(0)));
  ledger_.reserve(kStream, 1, 0, 4096);
  EXPECT_TRUE(ledger_.is_low(stock(0)));
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
