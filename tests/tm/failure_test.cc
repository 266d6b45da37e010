// Writes that fail: what is certain, what is not, and what is said of it.
#include "tm/durable_harness.h"

namespace cairn::tm {
namespace {

class Failure : public DurableTm {
 protected:
  void SetUp() override { start_and_recover(); }

  void fail_next_write() {
    storage_->inject({.kind = sim::FaultKind::kIoError, .on = sim::IoKind::kCompleteWrite});
  }
};

TEST_F(Failure, OfASubmittedDecisionLeavesTheOutcomeUnknownAndTheManagerOffline) {
  Rm rm = make_rm(1);
  Work work = submit({&rm});
  Transaction bystander = begin();
  Enlistment other = rm.enlist(bystander);
  fail_next_write();
  EXPECT_CODE(work.transaction.wait(WaitFor::kDecided, kSoon), kOutcomeUnknown);
  EXPECT_EQ(storage_->faults_struck(), 1u);
  EXPECT_EQ(work.transaction.outcome(), Outcome::kUnknown);
  EXPECT_EQ(state_of(work.transaction), TransactionState::kUnknown);
  EXPECT_EQ(tm_.information()->state, TmState::kOffline);
  EXPECT_FALSE(tm_.information()->cause.is_ok());
  EXPECT_EQ(bystander.outcome(), Outcome::kAborted) << "nothing of it can be in the log";
  EXPECT_CODE(tm_.create_transaction(), kNotOnline);
  EXPECT_CODE(work.enlistments.front().commit_complete(), kObjectExpired);
  EXPECT_CODE(other.rollback_complete(), kObjectExpired);
  EXPECT_CODE(rm.session().get_notification(), kObjectExpired);
  EXPECT_CODE(work.transaction.rollback(), kObjectExpired);
}

TEST_F(Failure, OfASubmittedDecisionIsResolvedByRecoveryOneWayForAll) {
  for (const bool survives : {false, true}) {
    stop();
    storage_ = std::make_shared<sim::SimStorage>();
    start_and_recover();
    Rm one = make_rm(1);
    Rm two = make_rm(2);
    Work work = submit({&one, &two});
    fail_next_write();
    EXPECT_CODE(work.transaction.wait(WaitFor::kDecided, kSoon), kOutcomeUnknown);
    crash(survives ? sim::survive_all() : sim::survive_none());
    const bool committed = start_and_recover().committed.size() == 1;
    for (const std::uint8_t number : {std::uint8_t{1}, std::uint8_t{2}}) {
      Rm again = open_rm(number);
      ASSERT_OK(again.session().recover());
      EXPECT_EQ(again.hear(), committed ? "RECOVER LAST_RECOVER" : "LAST_RECOVER");
    }
  }
}

TEST_F(Failure, SeenByTheBackgroundStopsTheManagerToo) {
  Rm rm = make_rm(1);
  Work work = submit({&rm});
  fail_next_write();
  EXPECT_OK(tm_.run_background());
  EXPECT_EQ(work.transaction.outcome(), Outcome::kUnknown);
  EXPECT_EQ(tm_.information()->state, TmState::kOffline);
  EXPECT_OK(tm_.close());
}

TEST_F(Failure, OfALogBeforeTheDecisionIsSubmittedRollsBackForSure) {
  Rm rm = make_rm(1);
  Transaction transaction = begin();
  Enlistment enlistment = rm.enlist(transaction);
  ASSERT_OK(transaction.commit_async());
  fail_next_write();
  auto stream = log_->create_stream("other");  // poisons the log
  ASSERT_FALSE(stream.is_ok());
  EXPECT_OK(enlistment.prepare_complete());
  EXPECT_EQ(transaction.outcome(), Outcome::kAborted);
  EXPECT_CODE(transaction.information()->abort_reason, kPoisoned);
  EXPECT_EQ(rm.hear(), "PREPARE ROLLBACK");
  EXPECT_OK(enlistment.rollback_complete());
  EXPECT_EQ(state_of(transaction), TransactionState::kForgotten);
}

TEST_F(Failure, OfTheForgetRecordKeepsTheUnitOfWorkTaken) {
  Rm rm = make_rm(1);
  Work work = decide({&rm});
  TransactionOptions again;
  again.unit_of_work = work.transaction.id();
  fail_next_write();
  ASSERT_FALSE(log_->create_stream("other").is_ok());
  EXPECT_OK(work.enlistments.front().commit_complete());
  ASSERT_EQ(state_of(work.transaction), TransactionState::kForgotten);
  EXPECT_CODE(tm_.create_transaction(again), kNameCollision)
      << "recovery would find it decided twice";
}

TEST_F(Failure, OfTheForgetRecordCostsAnotherTelling) {
  Rm rm = make_rm(1);
  Work work = decide({&rm});
  fail_next_write();
  ASSERT_FALSE(log_->create_stream("other").is_ok());
  EXPECT_EQ(tm_.information()->forgets_unwritten, 0u);
  EXPECT_OK(work.enlistments.front().commit_complete());
  EXPECT_EQ(state_of(work.transaction), TransactionState::kForgotten);
  EXPECT_EQ(tm_.information()->forgets_unwritten, 1u) << "nobody else hears of it";
  crash();
  EXPECT_EQ(start_and_recover().committed.size(), 1u);
}

TEST_F(Failure, OfTheFinalCheckpointIsReportedByCloseAndLosesNothing) {
  Rm rm = make_rm(1);
  decide({&rm});
  fail_next_write();
  EXPECT_FALSE(tm_.close().is_ok());
  EXPECT_EQ(tm_.information()->state, TmState::kOffline);
  crash();
  EXPECT_EQ(start_and_recover().committed.size(), 1u);
}

TEST_F(Failure, OfTheCheckpointAtRecoveryIsAFailedRecovery) {
  stop();
  start();
  fail_next_write();
  EXPECT_FALSE(tm_.recover().is_ok());
  EXPECT_EQ(tm_.information()->state, TmState::kRecoveryFailed);
}

TEST_F(Failure, FullLogRollsBackBeforeAnyoneIsAskedToPromise) {
  stop();
  storage_ = std::make_shared<sim::SimStorage>();
  create_options_.max_size = 4 * log::kMinContainerSize;
  start_and_recover();
  Rm rm = make_rm(1);
  // Another user of the log fills it and pins its tail.
  auto stream = log_->create_stream("filler");
  ASSERT_OK(stream);
  std::vector<Work> promised;
  for (int i = 0; i < 3; ++i) promised.push_back(submit({&rm}));
  const std::vector<std::byte> payload(30000);
  while (stream->append(payload).is_ok()) ASSERT_OK(log_->run_background());
  std::size_t small = payload.size();
  while (small >>= 1) {
    while (stream->append(std::span(payload).first(small)).is_ok()) {
    }
  }
  Transaction transaction = begin();
  const Enlistment enlistment = rm.enlist(transaction);
  rm.hear();
  EXPECT_CODE(transaction.commit(), kAlreadyAborted);
  EXPECT_CODE(transaction.information()->abort_reason, kLogFull);
  EXPECT_EQ(rm.hear(), "ROLLBACK") << "nobody was asked to promise";
  // What was promised has its room.
  for (Work& work : promised) {
    EXPECT_OK(work.transaction.wait(WaitFor::kDecided, kSoon));
    EXPECT_OK(work.enlistments.front().commit_complete());
    EXPECT_EQ(state_of(work.transaction), TransactionState::kForgotten);
  }
  EXPECT_EQ(records().substr(records().size() - 20), "forget forget forget");
}

TEST_F(Failure, VoteWhoseInformationFindsNoRoomRollsBackForSure) {
  stop();
  storage_ = std::make_shared<sim::SimStorage>();
  create_options_.max_size = 4 * log::kMinContainerSize;
  start_and_recover();
  Rm rm = make_rm(1);
  Transaction transaction = begin();
  Enlistment enlistment = rm.enlist(transaction);
  ASSERT_OK(transaction.commit_async());
  auto stream = log_->create_stream("filler");
  const std::vector<std::byte> payload(30000);
  while (stream->append(payload).is_ok()) ASSERT_OK(log_->run_background());
  EXPECT_OK(enlistment.prepare_complete(std::vector<std::byte>(60000)));
  EXPECT_EQ(transaction.outcome(), Outcome::kAborted);
  EXPECT_CODE(transaction.information()->abort_reason, kLogFull);
  EXPECT_EQ(rm.hear(), "PREPARE ROLLBACK");
}

TEST_F(Failure, WhatALogSaysThatWasClosedIsNotTakenForARollback) {
  Rm rm = make_rm(1);
  Transaction transaction = begin();
  Enlistment enlistment = rm.enlist(transaction);
  ASSERT_OK(transaction.commit_async());
  EXPECT_OK(log_->close());
  EXPECT_OK(enlistment.prepare_complete());
  EXPECT_EQ(transaction.outcome(), Outcome::kUnknown);
  EXPECT_EQ(tm_.information()->state, TmState::kOffline);
}

TEST_F(Failure, LogClosedUnderTheManagerIsNotTakenForARollback) {
  Rm rm = make_rm(1);
  Work work = submit({&rm});
  EXPECT_OK(log_->close());  // makes everything durable
  const Status waited = work.transaction.wait(WaitFor::kDecided, kSoon);
  EXPECT_NE(waited.code(), StatusCode::kAlreadyAborted) << waited.to_string();
  const Outcome outcome = work.transaction.outcome();
  stop();
  const auto committed = start_and_recover().committed;
  EXPECT_EQ(committed, std::vector{work.transaction.id()});
  EXPECT_NE(outcome, Outcome::kAborted);
}

}  // namespace
}  // namespace cairn::tm
