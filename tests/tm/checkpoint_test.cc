// Restart areas: when they are written, how far the base moves, and what is carried forward so that
// it can.
#include "tm/durable_harness.h"

namespace cairn::tm {
namespace {

class Checkpoint : public DurableTm {
 protected:
  void SetUp() override {
    tm_options_.checkpoint_bytes = 4096;
    tm_options_.carry_forward_bytes = 8192;
    start_and_recover();
  }
  Lsn base() { return tm_.information()->base; }
  std::uint64_t checkpoints() { return tm_.information()->checkpoints; }
};

TEST_F(Checkpoint, MovesTheBaseToTheEndWhenNothingIsUnfinished) {
  Rm rm = make_rm(1);
  for (int i = 0; i < 5; ++i) commit_once(rm);
  EXPECT_OK(tm_.checkpoint());
  EXPECT_EQ(records(), "restart");
  EXPECT_TRUE(tm_.information()->oldest.is_null());
}

TEST_F(Checkpoint, StopsAtTheOldestThatIsNotForgotten) {
  Rm rm = make_rm(1);
  commit_once(rm);
  const Work pinned = decide({&rm});
  rm.hear();
  commit_once(rm);
  EXPECT_OK(tm_.checkpoint());
  EXPECT_EQ(base(), pinned.transaction.information()->decision_lsn);
  EXPECT_EQ(tm_.information()->oldest, base());
  EXPECT_EQ(records(), "decision decision forget restart");
}

TEST_F(Checkpoint, StopsAtADecisionThatIsInFlight) {
  Rm rm = make_rm(1);
  const Work in_flight = submit({&rm});
  EXPECT_OK(tm_.checkpoint());
  EXPECT_LE(base(), in_flight.transaction.information()->decision_lsn);
  crash(sim::survive_all());
  EXPECT_EQ(start_and_recover().committed, std::vector{in_flight.transaction.id()});
}

TEST_F(Checkpoint, IsWrittenAfterSoManyBytesAndNotBefore) {
  Rm rm = make_rm(1);
  const std::uint64_t before = checkpoints();
  commit_once(rm);
  EXPECT_OK(tm_.run_background());
  EXPECT_EQ(checkpoints(), before);
  for (int i = 0; i < 20; ++i) commit_once(rm);
  EXPECT_OK(tm_.run_background());
  EXPECT_EQ(checkpoints(), before + 1);
  EXPECT_OK(tm_.run_background());
  EXPECT_EQ(checkpoints(), before + 1);
}

TEST_F(Checkpoint, IsWrittenAfterSoLongIfAnythingWasLogged) {
  Rm rm = make_rm(1);
  const std::uint64_t before = checkpoints();
  now_ += std::chrono::hours(1);
  EXPECT_OK(tm_.run_background());
  EXPECT_EQ(checkpoints(), before) << "nothing to say";
  commit_once(rm);
  EXPECT_OK(tm_.run_background());
  EXPECT_EQ(checkpoints(), before + 1);
  now_ += tm_options_.checkpoint_interval - std::chrono::nanoseconds(1);
  commit_once(rm);
  EXPECT_OK(tm_.run_background());
  EXPECT_EQ(checkpoints(), before + 1);
  now_ += std::chrono::nanoseconds(1);
  EXPECT_OK(tm_.run_background());
  EXPECT_EQ(checkpoints(), before + 2);
}

TEST_F(Checkpoint, OfCloseLeavesNothingToReadAgain) {
  Rm rm = make_rm(1);
  for (int i = 0; i < 5; ++i) commit_once(rm);
  EXPECT_OK(tm_.close());
  EXPECT_EQ(records(), "restart");
  stop();
  EXPECT_EQ(start_and_recover().records, 1u);
}

TEST_F(Checkpoint, CarriesALongUnfinishedTransactionForwardSoThatTheBaseMoves) {
  Rm lost = make_rm(1);
  Rm rm = make_rm(2);
  const Work pinned = decide({&lost});
  lost.disconnect();
  const Lsn original = pinned.transaction.information()->decision_lsn;
  while (!HasFailure() && log_->end_lsn() - original < 3 * tm_options_.carry_forward_bytes)
    commit_once(rm);
  EXPECT_OK(tm_.checkpoint());
  EXPECT_GT(base(), original);
  EXPECT_EQ(base(), pinned.transaction.information()->decision_lsn);
  EXPECT_TRUE(pinned.transaction.information()->carried_forward);
  EXPECT_EQ(tm_.information()->carried_forward, 1u);

  crash();
  EXPECT_EQ(start_and_recover().committed, std::vector{pinned.transaction.id()});
  Rm back = open_rm(1);
  ASSERT_OK(back.session().recover());
  EXPECT_OK(take_over(back, 1).commit_complete());
  stop();
  EXPECT_TRUE(start_and_recover().committed.empty());
}

TEST_F(Checkpoint, CarriesForwardAgainAndAgainOverRestarts) {
  Rm lost = make_rm(1);
  const Work pinned = decide({&lost});
  lost.disconnect();
  const Uuid id = pinned.transaction.id();
  Lsn last_base;
  for (int round = 0; round < 4; ++round) {
    Rm rm = make_rm(2);
    const Lsn begin = log_->end_lsn();
    while (!HasFailure() && log_->end_lsn() - begin < 2 * tm_options_.carry_forward_bytes)
      commit_once(rm);
    EXPECT_OK(tm_.checkpoint());
    EXPECT_GT(base(), last_base);
    last_base = base();
    rm.disconnect();
    crash();
    EXPECT_EQ(start_and_recover().committed, std::vector{id});
  }
}

TEST_F(Checkpoint, KeepsALogOfBoundedSizeGoingForEverThoughOneIsLost) {
  stop();
  storage_ = std::make_shared<sim::SimStorage>();
  create_options_.max_size = 4 * log::kMinContainerSize;
  tm_options_.checkpoint_bytes = 64 << 10;
  tm_options_.carry_forward_bytes = TmOptions().carry_forward_bytes;  // more than the log is long
  start_and_recover();
  Rm lost = make_rm(1);
  Rm rm = make_rm(2);
  const Work pinned = decide({&lost});
  lost.disconnect();
  const std::vector<std::byte> information(20000, std::byte{7});
  while (!HasFailure() && log_->end_lsn().value() < 5 * create_options_.max_size) {
    Transaction transaction = begin();
    Enlistment enlistment = rm.enlist(transaction);
    ASSERT_OK(enlistment.set_recovery_information(information));
    ASSERT_OK(transaction.commit_async());
    ASSERT_OK(enlistment.prepare_complete());
    ASSERT_OK(transaction.wait(WaitFor::kDecided, kSoon));
    ASSERT_OK(enlistment.commit_complete());
    rm.hear();
    ASSERT_OK(tm_.run_background());
  }
  EXPECT_EQ(pinned.transaction.outcome(), Outcome::kCommitted);
  EXPECT_LE(log_->info().containers.size(), 4u);
}

// By its own bytes and times it would write none.
TEST_F(Checkpoint, IsWrittenWhenAnotherStreamNeedsTheSpaceOfTheLog) {
  stop();
  storage_ = std::make_shared<sim::SimStorage>();
  create_options_.max_size = 4 * log::kMinContainerSize;
  tm_options_.checkpoint_bytes = std::uint64_t{1} << 40;
  tm_options_.checkpoint_interval = std::chrono::seconds(0);
  start_and_recover();
  auto data = log_->open_or_create_stream("data");
  ASSERT_OK(data);
  Rm lost = make_rm(1);
  const Work pinned = decide({&lost});
  lost.disconnect();
  const std::vector<std::byte> record(60000, std::byte{7});
  int full = 0;
  while (!HasFailure() && log_->end_lsn().value() < 5 * create_options_.max_size) {
    Result<Lsn> lsn = data->append(record);
    if (lsn.code() == StatusCode::kLogFull) {
      ++full;
      ASSERT_OK(log_->run_background());  // asks
      ASSERT_OK(tm_.run_background());
      ASSERT_OK(log_->run_background());  // takes what is free
      lsn = data->append(record);
    }
    ASSERT_OK(lsn);
    ASSERT_OK(data->advance_base(*lsn));
    ASSERT_OK(log_->run_background());
  }
  EXPECT_GT(full, 2);
  EXPECT_GT(base(), Lsn(4 * create_options_.max_size));
  crash();
  EXPECT_EQ(start_and_recover().committed, std::vector{pinned.transaction.id()});
}

TEST_F(Checkpoint, IsWrittenByItselfWhenTheLogIsFullOfForgottenOnes) {
  stop();
  storage_ = std::make_shared<sim::SimStorage>();
  create_options_.max_size = 4 * log::kMinContainerSize;
  tm_options_.checkpoint_bytes = std::uint64_t{1} << 40;
  tm_options_.checkpoint_interval = std::chrono::seconds(0);
  start_and_recover();
  Rm rm = make_rm(1);
  const std::vector<std::byte> information(50000, std::byte{7});
  while (!HasFailure() && log_->end_lsn().value() < 3 * create_options_.max_size) {
    Transaction transaction = begin();
    Enlistment enlistment = rm.enlist(transaction);
    ASSERT_OK(enlistment.set_recovery_information(information));
    ASSERT_OK(transaction.commit_async());
    ASSERT_OK(enlistment.prepare_complete()) << transaction.information()->abort_reason.to_string();
    ASSERT_OK(transaction.wait(WaitFor::kDecided, kSoon));
    ASSERT_OK(enlistment.commit_complete());
    rm.hear();
    ASSERT_OK(log_->run_background());
  }
}

// More is pinned than the distance after which one record is copied: still copies are a part of
// what is written, not a multiple of it.
TEST_F(Checkpoint, CopiesAShareOfWhatIsWrittenHoweverMuchIsPinned) {
  Rm away = make_rm(1);
  Rm rm = make_rm(2);
  std::vector<Work> pinned;
  for (int i = 0; i < 100; ++i) pinned.push_back(decide({&away}));
  EXPECT_OK(tm_.checkpoint());
  const std::uint64_t copies_before = tm_.information()->carried_forward;
  const Lsn begin = log_->end_lsn();
  for (int i = 0; i < 120; ++i) {
    commit_once(rm);
    if (i % 4 == 0) {
      EXPECT_OK(tm_.checkpoint());
    }
  }
  const std::uint64_t copies = tm_.information()->carried_forward - copies_before;
  constexpr std::uint64_t kCopy = 150;  // bytes, roughly
  EXPECT_LT(copies * kCopy, (log_->end_lsn() - begin) / 3) << copies;
}

}  // namespace
}  // namespace cairn::tm
