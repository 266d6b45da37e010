// One enlistment that decides alone.
#include "tm/harness.h"

namespace cairn::tm {
namespace {

class SinglePhase : public VolatileTm {
 protected:
  // Brings a transaction with this one enlistment to where its owner decides.
  void delegate(NotificationMask mask = kTwoOrSinglePhase) {
    enlistment_ = rm_.enlist(transaction_, mask);
    ASSERT_OK(transaction_.commit_async());
    ASSERT_EQ(rm_.hear(), "SINGLE_PHASE_COMMIT");
    ASSERT_EQ(state_of(transaction_), TransactionState::kDelegated);
  }

  Rm rm_ = make_rm(1);
  Rm other_ = make_rm(2);
  Transaction transaction_ = begin();
  Enlistment enlistment_;
};

TEST_F(SinglePhase, OwnerCommits) {
  delegate();
  EXPECT_OK(enlistment_.commit_complete());
  EXPECT_OK(transaction_.wait(WaitFor::kCompleted, kSoon));
  EXPECT_EQ(rm_.hear(), "");
}

TEST_F(SinglePhase, OwnerRollsBack) {
  delegate();
  EXPECT_OK(enlistment_.rollback_complete());
  EXPECT_CODE(transaction_.wait(WaitFor::kCompleted, kSoon), kAlreadyAborted);
  EXPECT_EQ(state_of(transaction_), TransactionState::kForgotten);
  EXPECT_EQ(rm_.hear(), "");
}

TEST_F(SinglePhase, OwnerMayAskForTheRollbackToo) {
  delegate();
  EXPECT_OK(enlistment_.rollback());
  EXPECT_EQ(rm_.hear(), "ROLLBACK");
  EXPECT_EQ(transaction_.outcome(), Outcome::kAborted);
  EXPECT_OK(enlistment_.rollback_complete());
  EXPECT_EQ(state_of(transaction_), TransactionState::kForgotten);
}

TEST_F(SinglePhase, OwnerRejectsAndThePhasesRun) {
  delegate(kAllPhases | NotificationKind::kSinglePhaseCommit);
  EXPECT_OK(enlistment_.single_phase_reject());
  EXPECT_EQ(rm_.hear(), "PREPREPARE");
  EXPECT_OK(enlistment_.pre_prepare_complete());
  EXPECT_EQ(rm_.hear(), "PREPARE");
  EXPECT_OK(enlistment_.prepare_complete());
  EXPECT_EQ(rm_.hear(), "COMMIT");
  EXPECT_OK(enlistment_.commit_complete());
  EXPECT_EQ(transaction_.outcome(), Outcome::kCommitted);
}

TEST_F(SinglePhase, RejectAfterPrePrepareDoesNotAskForThatAgain) {
  enlistment_ = rm_.enlist(transaction_, kAllPhases | NotificationKind::kSinglePhaseCommit);
  Enlistment flush = other_.enlist(transaction_, kFlushOnly);
  ASSERT_OK(transaction_.commit_async());
  EXPECT_EQ(rm_.hear(), "PREPREPARE");
  EXPECT_OK(enlistment_.pre_prepare_complete());
  EXPECT_OK(flush.pre_prepare_complete());
  EXPECT_EQ(rm_.hear(), "SINGLE_PHASE_COMMIT");
  EXPECT_OK(enlistment_.single_phase_reject());
  EXPECT_EQ(rm_.hear(), "PREPARE");
}

TEST_F(SinglePhase, RejectedOnesTimeCountsOn) {
  transaction_ = begin({.timeout = std::chrono::seconds(5)});
  delegate();
  now_ += std::chrono::seconds(6);
  EXPECT_OK(tm_.run_background());
  EXPECT_EQ(transaction_.outcome(), Outcome::kUndetermined) << "its owner may have committed";
  EXPECT_OK(enlistment_.single_phase_reject());
  EXPECT_EQ(rm_.hear(), "PREPARE");
  EXPECT_OK(tm_.run_background());
  EXPECT_EQ(transaction_.outcome(), Outcome::kAborted);
  EXPECT_CODE(transaction_.information()->abort_reason, kTimeout);
}

TEST_F(SinglePhase, IsNotForTwoVoters) {
  enlistment_ = rm_.enlist(transaction_, kTwoOrSinglePhase);
  const Enlistment second = other_.enlist(transaction_, kTwoOrSinglePhase);
  ASSERT_OK(transaction_.commit_async());
  EXPECT_EQ(rm_.hear() + other_.hear(), "PREPAREPREPARE");
}

TEST_F(SinglePhase, IsNotForOneWhoDidNotOfferIt) {
  enlistment_ = rm_.enlist(transaction_, kTwoPhase);
  ASSERT_OK(transaction_.commit_async());
  EXPECT_EQ(rm_.hear(), "PREPARE");
}

TEST_F(SinglePhase, LastOneLeftAfterReadOnlyAnswersDecidesAlone) {
  enlistment_ = rm_.enlist(transaction_, kTwoOrSinglePhase);
  Enlistment reader = other_.enlist(transaction_, kAllPhases);
  ASSERT_OK(transaction_.commit_async());
  EXPECT_EQ(rm_.hear(), "");
  EXPECT_OK(reader.read_only());
  EXPECT_EQ(rm_.hear(), "SINGLE_PHASE_COMMIT");
}

TEST_F(SinglePhase, OthersFlushFirstAndHearTheOutcome) {
  enlistment_ = rm_.enlist(transaction_, kTwoOrSinglePhase);
  Enlistment listen = other_.enlist(transaction_, kListen | NotificationKind::kPrePrepare);
  ASSERT_OK(transaction_.commit_async());
  EXPECT_EQ(rm_.hear(), "");
  EXPECT_EQ(other_.hear(), "PREPREPARE");
  EXPECT_OK(listen.pre_prepare_complete());
  EXPECT_EQ(rm_.hear(), "SINGLE_PHASE_COMMIT");
  EXPECT_OK(enlistment_.commit_complete());
  EXPECT_EQ(other_.hear(), "COMMIT");
  EXPECT_OK(listen.commit_complete());
  EXPECT_EQ(state_of(transaction_), TransactionState::kForgotten);
}

TEST_F(SinglePhase, ClientCannotRollBackWhatIsDelegated) {
  delegate();
  EXPECT_CODE(transaction_.rollback(), kRequestNotValid);
  EXPECT_EQ(state_of(transaction_), TransactionState::kDelegated);
}

TEST_F(SinglePhase, VanishedOwnerLeavesTheOutcomeUnknownAndOthersAreTold) {
  Enlistment listen = other_.enlist(transaction_, kListen);
  delegate();
  rm_.disconnect();
  EXPECT_EQ(transaction_.outcome(), Outcome::kUnknown);
  EXPECT_CODE(transaction_.wait(WaitFor::kDecided, kSoon), kOutcomeUnknown);
  EXPECT_EQ(transaction_.information()->abort_reason.code(), StatusCode::kRmDisconnected);
  EXPECT_EQ(state_of(enlistment_), EnlistmentState::kDelegatedDisconnected);
  EXPECT_EQ(other_.hear(), "RM_DISCONNECTED");
  EXPECT_EQ(state_of(listen), EnlistmentState::kOutcomeUnavailable);
  EXPECT_CODE(transaction_.rollback(), kOutcomeUnknown);
  EXPECT_CODE(transaction_.commit_async(), kOutcomeUnknown);
}

TEST_F(SinglePhase, DroppedOwnerLeavesTheOutcomeUnknown) {
  delegate();
  enlistment_ = Enlistment();
  EXPECT_EQ(transaction_.outcome(), Outcome::kUnknown);
}

TEST_F(SinglePhase, UnknownOutcomeIsKeptUntilItsLastReferenceGoes) {
  delegate();
  enlistment_ = Enlistment();
  EXPECT_EQ(tm_.transactions()->size(), 1u);
  transaction_ = Transaction();
  EXPECT_TRUE(tm_.transactions()->empty());
}

TEST_F(SinglePhase, UnknownOutcomeWithoutReferencesIsDroppedAtOnce) {
  delegate();
  transaction_ = Transaction();
  EXPECT_EQ(tm_.transactions()->size(), 1u);
  rm_.disconnect();
  EXPECT_TRUE(tm_.transactions()->empty());
}

}  // namespace
}  // namespace cairn::tm
