// The phases of a commit, seen by volatile resource managers.
#include "tm/harness.h"

namespace cairn::tm {
namespace {

using Commit = VolatileTm;

TEST_F(Commit, OfNothingIsCommittedAtOnce) {
  Transaction transaction = begin();
  EXPECT_OK(transaction.commit());
  EXPECT_EQ(transaction.outcome(), Outcome::kCommitted);
  EXPECT_EQ(state_of(transaction), TransactionState::kForgotten);
}

TEST_F(Commit, RunsThreePhasesInOrder) {
  Rm rm = make_rm(1);
  Transaction transaction = begin();
  Enlistment enlistment = rm.enlist(transaction, kAllPhases, 42);
  ASSERT_OK(transaction.commit_async());
  EXPECT_EQ(rm.hear(), "PREPREPARE");
  EXPECT_OK(enlistment.pre_prepare_complete());
  EXPECT_EQ(rm.hear(), "PREPARE");
  EXPECT_OK(enlistment.prepare_complete());
  EXPECT_EQ(rm.hear(), "COMMIT");
  EXPECT_EQ(rm.last().key, 42u);
  EXPECT_EQ(rm.last().enlistment, enlistment.id());
  EXPECT_EQ(rm.last().transaction, transaction.id());
  EXPECT_EQ(state_of(transaction), TransactionState::kCommitted);
  EXPECT_OK(enlistment.commit_complete());
  EXPECT_EQ(state_of(transaction), TransactionState::kForgotten);
  EXPECT_EQ(rm.hear(), "");
}

TEST_F(Commit, NextPhaseWaitsForEveryAnswer) {
  constexpr std::uint8_t kCount = 5;
  std::vector<Rm> rms;
  std::vector<Enlistment> enlistments;
  Transaction transaction = begin();
  for (std::uint8_t i = 0; i < kCount; ++i) {
    rms.push_back(make_rm(i));
    enlistments.push_back(rms.back().enlist(transaction));
  }
  ASSERT_OK(transaction.commit_async());
  for (std::uint8_t i = 0; i < kCount; ++i) {
    EXPECT_EQ(rms[i].hear(), "PREPARE");
    EXPECT_EQ(transaction.outcome(), Outcome::kUndetermined);
    EXPECT_OK(enlistments[i].prepare_complete());
  }
  EXPECT_EQ(transaction.outcome(), Outcome::kCommitted);
  for (std::uint8_t i = 0; i < kCount; ++i) {
    EXPECT_EQ(rms[i].hear(), "COMMIT");
    EXPECT_EQ(state_of(transaction), TransactionState::kCommitted);
    EXPECT_OK(enlistments[i].commit_complete());
  }
  EXPECT_EQ(state_of(transaction), TransactionState::kForgotten);
}

TEST_F(Commit, WhoDidNotAskForAPhaseIsNotAskedInIt) {
  Rm voter = make_rm(1);
  Rm listener = make_rm(2);
  Rm flusher = make_rm(3);
  Transaction transaction = begin();
  Enlistment vote = voter.enlist(transaction);
  Enlistment listen = listener.enlist(transaction, kListen);
  Enlistment flush = flusher.enlist(transaction, kFlushOnly);
  ASSERT_OK(transaction.commit_async());
  EXPECT_EQ(voter.hear() + listener.hear(), "");
  EXPECT_EQ(flusher.hear(), "PREPREPARE");
  EXPECT_OK(flush.pre_prepare_complete());
  EXPECT_EQ(state_of(flush), EnlistmentState::kForgotten);
  EXPECT_EQ(voter.hear(), "PREPARE");
  EXPECT_EQ(listener.hear(), "");
  EXPECT_OK(vote.prepare_complete());
  EXPECT_EQ(listener.hear(), "COMMIT");
  EXPECT_EQ(flusher.hear(), "");
  EXPECT_OK(vote.commit_complete());
  EXPECT_OK(listen.commit_complete());
  EXPECT_EQ(state_of(transaction), TransactionState::kForgotten);
}

TEST_F(Commit, ReadOnlyIsAnAnswerInEveryPhaseBeforeTheVote) {
  Rm early = make_rm(1);
  Rm first = make_rm(2);
  Rm second = make_rm(3);
  Transaction transaction = begin();
  Enlistment a = early.enlist(transaction, kAllPhases);
  Enlistment b = first.enlist(transaction, kAllPhases);
  Enlistment c = second.enlist(transaction, kTwoPhase);
  EXPECT_OK(a.read_only());
  ASSERT_OK(transaction.commit_async());
  EXPECT_EQ(early.hear(), "");
  EXPECT_EQ(first.hear(), "PREPREPARE");
  EXPECT_OK(b.read_only());
  EXPECT_EQ(second.hear(), "PREPARE");
  EXPECT_OK(c.read_only());
  EXPECT_EQ(state_of(transaction), TransactionState::kForgotten);
  EXPECT_EQ(transaction.outcome(), Outcome::kCommitted);
  EXPECT_EQ(first.hear() + second.hear(), "");
}

TEST_F(Commit, LateEnlistmentIsTakenWhilePrePreparingButNotForThatPhase) {
  Rm rm = make_rm(1);
  Rm late = make_rm(2);
  Transaction transaction = begin();
  Enlistment enlistment = rm.enlist(transaction, kAllPhases);
  ASSERT_OK(transaction.commit_async());
  EXPECT_CODE(late.session().enlist(transaction, kAllPhases, 1), kMustWriteThrough);
  Enlistment joined = late.enlist(transaction, kTwoPhase);
  EXPECT_OK(enlistment.pre_prepare_complete());
  EXPECT_EQ(late.hear(), "PREPARE");
  EXPECT_CODE(late.session().enlist(transaction, kTwoPhase, 2), kNotActive);
  EXPECT_OK(joined.prepare_complete());
  EXPECT_OK(enlistment.prepare_complete());
  EXPECT_CODE(late.session().enlist(transaction, kTwoPhase, 2), kNotActive);
}

TEST_F(Commit, FinalizeComesAfterTheLastAnswer) {
  Rm rm = make_rm(1);
  Rm other = make_rm(2);
  Transaction transaction = begin();
  Enlistment a = rm.enlist(transaction, kTwoPhase | NotificationKind::kCommitFinalize, 7);
  Enlistment b = other.enlist(transaction);
  ASSERT_OK(transaction.commit_async());
  EXPECT_OK(a.prepare_complete());
  EXPECT_OK(b.prepare_complete());
  EXPECT_OK(a.commit_complete());
  EXPECT_EQ(rm.hear(), "PREPARE COMMIT");
  EXPECT_OK(b.commit_complete());
  EXPECT_EQ(rm.hear(), "COMMIT_FINALIZE");
  EXPECT_EQ(rm.last().key, 7u);
}

TEST_F(Commit, WaitEndsWhereItWasAskedTo) {
  Rm rm = make_rm(1);
  Transaction transaction = begin();
  Enlistment enlistment = rm.enlist(transaction);
  EXPECT_CODE(transaction.commit(WaitFor::kDecided, std::chrono::milliseconds(1)), kTimeout);
  EXPECT_OK(enlistment.prepare_complete());
  EXPECT_OK(transaction.wait(WaitFor::kDecided, kSoon));
  EXPECT_CODE(transaction.wait(WaitFor::kCompleted, std::chrono::milliseconds(1)), kTimeout);
  EXPECT_OK(enlistment.commit_complete());
  EXPECT_OK(transaction.wait(WaitFor::kCompleted, kSoon));
}

TEST_F(Commit, SecondRequestIsRefusedByWhereTheFirstCameTo) {
  Rm rm = make_rm(1);
  Transaction transaction = begin();
  Enlistment enlistment = rm.enlist(transaction);
  ASSERT_OK(transaction.commit_async());
  EXPECT_CODE(transaction.commit_async(), kRequestNotValid);
  EXPECT_OK(enlistment.prepare_complete());
  EXPECT_CODE(transaction.commit_async(), kAlreadyCommitted);
  EXPECT_CODE(transaction.rollback(), kAlreadyCommitted);
  EXPECT_OK(enlistment.commit_complete());
  EXPECT_CODE(transaction.commit_async(), kAlreadyCommitted);
}

TEST_F(Commit, RepeatedAnswerIsAcceptedAndAnUnaskedOneIsNot) {
  Rm rm = make_rm(1);
  Transaction transaction = begin();
  Enlistment enlistment = rm.enlist(transaction);
  EXPECT_CODE(enlistment.prepare_complete(), kNotRequested);
  EXPECT_CODE(enlistment.commit_complete(), kNotRequested);
  ASSERT_OK(transaction.commit_async());
  EXPECT_CODE(enlistment.pre_prepare_complete(), kNotRequested);
  EXPECT_OK(enlistment.prepare_complete());
  EXPECT_OK(enlistment.prepare_complete());
  EXPECT_OK(enlistment.commit_complete());
  EXPECT_OK(enlistment.commit_complete());
  EXPECT_OK(enlistment.prepare_complete());
  EXPECT_CODE(enlistment.rollback_complete(), kNotRequested);
  EXPECT_EQ(rm.hear(), "PREPARE COMMIT");
}

TEST_F(Commit, SuperiorVerbsAreRefusedToSubordinates) {
  Rm rm = make_rm(1);
  const Transaction transaction = begin();
  Enlistment enlistment = rm.enlist(transaction);
  EXPECT_CODE(enlistment.superior_pre_prepare(), kNotSuperior);
  EXPECT_CODE(enlistment.superior_prepare(), kNotSuperior);
  EXPECT_CODE(enlistment.superior_commit(), kNotSuperior);
  EXPECT_CODE(enlistment.superior_rollback(), kNotSuperior);
  EXPECT_EQ(state_of(enlistment), EnlistmentState::kActive);
}

TEST_F(Commit, ClockRisesByOneWithEachDecisionAndIsOnEachNotification) {
  EXPECT_EQ(tm_.clock(), 1u);
  Rm rm = make_rm(1);
  for (std::uint64_t decision = 1; decision <= 3; ++decision) {
    Transaction transaction = begin();
    Enlistment enlistment = rm.enlist(transaction);
    ASSERT_OK(transaction.commit_async());
    EXPECT_EQ(rm.hear(), "PREPARE");
    EXPECT_EQ(rm.last().clock, decision);
    EXPECT_OK(enlistment.prepare_complete());
    EXPECT_EQ(rm.hear(), "COMMIT");
    EXPECT_EQ(rm.last().clock, decision + 1);
    EXPECT_EQ(transaction.information()->clock, decision + 1);
    EXPECT_OK(enlistment.commit_complete());
  }
  Transaction rolled_back = begin();
  EXPECT_OK(rolled_back.rollback());
  EXPECT_EQ(tm_.clock(), 4u);
}

TEST_F(Commit, ClockHandedInOnlyEverRaises) {
  Rm rm = make_rm(1);
  Transaction transaction = begin();
  Enlistment enlistment = rm.enlist(transaction);
  ASSERT_OK(transaction.commit_async());
  EXPECT_CODE(enlistment.prepare_complete(std::nullopt, kMaxClock + 1), kInvalidArgument);
  EXPECT_EQ(tm_.clock(), 1u);
  EXPECT_OK(enlistment.prepare_complete(std::nullopt, 100));
  EXPECT_EQ(tm_.clock(), 101u);
  EXPECT_OK(enlistment.commit_complete(5));
  EXPECT_EQ(tm_.clock(), 101u);
}

TEST_F(Commit, ClockThatTheManagerSaidItselfIsTakenBack) {
  Rm rm = make_rm(1);
  Transaction transaction = begin();
  Enlistment enlistment = rm.enlist(transaction);
  ASSERT_OK(transaction.commit_async());
  EXPECT_OK(enlistment.prepare_complete(std::nullopt, kMaxClock));
  EXPECT_EQ(rm.hear(), "PREPARE COMMIT");
  EXPECT_EQ(rm.last().clock, kMaxClock + 1);
  EXPECT_CODE(enlistment.commit_complete(kMaxClock + 2), kInvalidArgument);
  EXPECT_OK(enlistment.commit_complete(rm.last().clock));
}

TEST_F(Commit, TenThousandEnlistmentsAreTakenAndNotOneMore) {
  Rm rm = make_rm(1);
  Transaction transaction = begin();
  std::vector<Enlistment> all;
  for (std::size_t i = 0; i < kMaxEnlistments; ++i) all.push_back(rm.enlist(transaction));
  EXPECT_CODE(rm.session().enlist(transaction, kTwoPhase, 1), kResourceExhausted);
  ASSERT_OK(transaction.commit_async());
  for (Enlistment& enlistment : all) ASSERT_OK(enlistment.prepare_complete());
  for (Enlistment& enlistment : all) ASSERT_OK(enlistment.commit_complete());
  EXPECT_EQ(state_of(transaction), TransactionState::kForgotten);
}

}  // namespace
}  // namespace cairn::tm
