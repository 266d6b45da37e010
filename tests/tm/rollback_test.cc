// Everything that rolls a transaction back, and what comes too late for it.
#include <gmock/gmock.h>

#include "tm/harness.h"

namespace cairn::tm {
namespace {

class Rollback : public VolatileTm {
 protected:
  // A transaction of two, in PREPARE.
  void ask_to_prepare() {
    a_ = one_.enlist(transaction_);
    b_ = two_.enlist(transaction_);
    ASSERT_OK(transaction_.commit_async());
    ASSERT_EQ(one_.hear() + two_.hear(), "PREPAREPREPARE");
  }
  void expect_rolled_back() {
    EXPECT_EQ(transaction_.outcome(), Outcome::kAborted);
    EXPECT_CODE(transaction_.wait(WaitFor::kDecided, kSoon), kAlreadyAborted);
  }

  Rm one_ = make_rm(1);
  Rm two_ = make_rm(2);
  Transaction transaction_ = begin();
  Enlistment a_, b_;
};

TEST_F(Rollback, ByClientIsToldToAllAndForgottenWhenAllAnswered) {
  a_ = one_.enlist(transaction_);
  b_ = two_.enlist(transaction_);
  EXPECT_OK(transaction_.rollback());
  expect_rolled_back();
  EXPECT_EQ(one_.hear() + two_.hear(), "ROLLBACKROLLBACK");
  EXPECT_OK(a_.rollback_complete());
  EXPECT_EQ(state_of(transaction_), TransactionState::kAborted);
  EXPECT_OK(b_.rollback_complete());
  EXPECT_EQ(state_of(transaction_), TransactionState::kForgotten);
}

TEST_F(Rollback, TwiceIsOnce) {
  EXPECT_OK(transaction_.rollback());
  EXPECT_OK(transaction_.rollback());
  EXPECT_CODE(transaction_.commit_async(), kAlreadyAborted);
}

TEST_F(Rollback, ByClientWhileVotesAreOut) {
  ask_to_prepare();
  EXPECT_OK(a_.prepare_complete());
  EXPECT_OK(transaction_.rollback());
  EXPECT_EQ(one_.hear() + two_.hear(), "ROLLBACKROLLBACK");
  EXPECT_CODE(b_.prepare_complete(), kNotRequested);
}

TEST_F(Rollback, ByAnEnlistmentIsToldToItToo) {
  ask_to_prepare();
  EXPECT_OK(b_.rollback());
  expect_rolled_back();
  EXPECT_EQ(one_.hear() + two_.hear(), "ROLLBACKROLLBACK");
  EXPECT_NE(transaction_.information()->abort_reason.message().find(b_.id().to_string()),
            std::string::npos);
}

TEST_F(Rollback, ByAnEnlistmentThatSaysWhyTellsItToTheCommitter) {
  ask_to_prepare();
  EXPECT_OK(b_.rollback(Status(StatusCode::kNoSpace, "the disk of this store is full")));
  const Status told = transaction_.wait(WaitFor::kDecided, kSoon);
  EXPECT_EQ(told.code(), StatusCode::kAlreadyAborted);
  EXPECT_THAT(told.message(), testing::HasSubstr("rolled back: NoSpace: the disk of this store"));
  EXPECT_THAT(told.message(), testing::HasSubstr(b_.id().to_string()));
  EXPECT_EQ(transaction_.information()->abort_reason.code(), StatusCode::kAlreadyAborted);
}

TEST_F(Rollback, ThatIsRefusedSaysNothing) {
  ask_to_prepare();
  EXPECT_OK(a_.prepare_complete());
  EXPECT_CODE(a_.rollback(Status(StatusCode::kNoSpace, "too late")), kRequestNotValid);
  EXPECT_OK(b_.rollback());
  EXPECT_THAT(transaction_.wait(WaitFor::kDecided, kSoon).message(),
              testing::Not(testing::HasSubstr("too late")));
}

TEST_F(Rollback, ByAnEnlistmentThatPromisedIsRefused) {
  ask_to_prepare();
  EXPECT_OK(a_.prepare_complete());
  EXPECT_CODE(a_.rollback(), kRequestNotValid);
  EXPECT_EQ(state_of(a_), EnlistmentState::kPrepared);
  EXPECT_OK(b_.prepare_complete());
  EXPECT_CODE(a_.rollback(), kAlreadyCommitted);
}

TEST_F(Rollback, AskedForAgainByTheSameEnlistmentIsAcceptedByAnotherItIsLate) {
  ask_to_prepare();
  EXPECT_OK(b_.rollback());
  EXPECT_OK(b_.rollback());
  EXPECT_CODE(a_.rollback(), kAlreadyAborted);
}

TEST_F(Rollback, ByDroppingTheLastReferenceBeforeTheCommit) {
  a_ = one_.enlist(transaction_);
  Transaction copy = transaction_;
  auto opened = tm_.open_transaction(transaction_.id());
  transaction_ = Transaction();
  copy = Transaction();
  EXPECT_EQ(one_.hear(), "");
  *opened = Transaction();
  EXPECT_EQ(one_.hear(), "ROLLBACK");
}

TEST_F(Rollback, IsNotTheEndOfReferencesAfterTheCommitWasAskedFor) {
  ask_to_prepare();
  transaction_ = Transaction();
  EXPECT_OK(a_.prepare_complete());
  EXPECT_OK(b_.prepare_complete());
  EXPECT_EQ(one_.hear() + two_.hear(), "COMMITCOMMIT");
}

TEST_F(Rollback, ByDroppingAnEnlistmentThatOwesAnAnswer) {
  ask_to_prepare();
  b_ = Enlistment();
  expect_rolled_back();
  EXPECT_EQ(one_.hear() + two_.hear(), "ROLLBACKROLLBACK");
  EXPECT_OK(a_.rollback_complete());
  EXPECT_EQ(state_of(transaction_), TransactionState::kForgotten) << "nobody is left to answer";
}

TEST_F(Rollback, IsNotDroppingAnEnlistmentThatPromisedOrIsReadOnly) {
  ask_to_prepare();
  EXPECT_OK(a_.read_only());
  a_ = Enlistment();
  EXPECT_OK(b_.prepare_complete());
  b_ = Enlistment();
  EXPECT_EQ(transaction_.outcome(), Outcome::kCommitted);
  EXPECT_EQ(two_.hear(), "COMMIT");
  auto again = two_.session().open_enlistment(two_.last().enlistment);
  ASSERT_OK(again);
  EXPECT_OK(again->commit_complete());
  EXPECT_EQ(state_of(transaction_), TransactionState::kForgotten);
}

TEST_F(Rollback, WhenAPromisedEnlistmentHasNoReferenceNeedsNoAnswer) {
  ask_to_prepare();
  EXPECT_OK(a_.prepare_complete());
  a_ = Enlistment();
  EXPECT_OK(b_.rollback());
  EXPECT_OK(b_.rollback_complete());
  EXPECT_EQ(one_.hear(), "ROLLBACK");
  EXPECT_EQ(state_of(transaction_), TransactionState::kForgotten);
}

TEST_F(Rollback, AfterTheTimeoutInEveryPhaseBeforeTheVotesAreIn) {
  for (int phase = 0; phase < 3; ++phase) {
    TransactionOptions options;
    options.timeout = std::chrono::seconds(5);
    transaction_ = begin(options);
    a_ = one_.enlist(transaction_, kAllPhases);
    if (phase > 0) {
      ASSERT_OK(transaction_.commit_async());
    }
    if (phase > 1) {
      ASSERT_OK(a_.pre_prepare_complete());
    }
    now_ += std::chrono::seconds(5) - std::chrono::nanoseconds(1);
    EXPECT_OK(tm_.run_background());
    EXPECT_EQ(transaction_.outcome(), Outcome::kUndetermined) << phase;
    now_ += std::chrono::nanoseconds(1);
    EXPECT_OK(tm_.run_background());
    expect_rolled_back();
    EXPECT_EQ(transaction_.information()->abort_reason.code(), StatusCode::kTimeout);
    EXPECT_OK(a_.rollback_complete());
  }
}

TEST_F(Rollback, TimeoutAfterTheDecisionIsIgnored) {
  EXPECT_OK(transaction_.set_properties({.timeout = std::chrono::seconds(1)}));
  ask_to_prepare();
  EXPECT_OK(a_.prepare_complete());
  EXPECT_OK(b_.prepare_complete());
  now_ += std::chrono::hours(1);
  EXPECT_OK(tm_.run_background());
  EXPECT_EQ(transaction_.outcome(), Outcome::kCommitted);
}

TEST_F(Rollback, TimeoutCanBeChangedWhileActiveOnly) {
  EXPECT_OK(transaction_.set_properties({.timeout = std::chrono::seconds(1)}));
  EXPECT_OK(transaction_.set_properties({.timeout = std::chrono::nanoseconds::max()}));
  EXPECT_OK(transaction_.set_properties({.timeout = std::chrono::seconds(2)}));
  EXPECT_OK(transaction_.set_properties({.timeout = std::chrono::seconds(0)}));
  now_ += std::chrono::hours(1);
  EXPECT_OK(tm_.run_background());
  EXPECT_EQ(state_of(transaction_), TransactionState::kActive);
  ask_to_prepare();
  EXPECT_CODE(transaction_.set_properties({.timeout = std::chrono::seconds(1)}), kNotActive);
}

}  // namespace
}  // namespace cairn::tm
