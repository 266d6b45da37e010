// Sessions of volatile resource managers: identity, fencing, disconnects. Those of durable ones:
// recovery_test.cc.
#include <gmock/gmock.h>

#include "tm/harness.h"

namespace cairn::tm {
namespace {

class Session : public VolatileTm {
 protected:
  Rm reopen(std::uint8_t number) {
    auto session = tm_.open_resource_manager(numbered_id(number));
    EXPECT_OK(session);
    return session ? Rm(std::move(*session)) : Rm();
  }

  Rm rm_ = make_rm(1);
  Rm other_ = make_rm(2);
  Transaction transaction_ = begin();
};

TEST_F(Session, VolatileOneIsOnlineAtOnceAndHasNothingToRecover) {
  EXPECT_EQ(rm_.session().information()->state, RmState::kOnline);
  EXPECT_CODE(rm_.session().recover(), kTmVolatile);
  EXPECT_CODE(tm_.recover(), kTmVolatile);
  EXPECT_CODE(tm_.create_resource_manager(numbered_id(9), RmKind::kDurable), kTmVolatile);
}

TEST_F(Session, IdentityIsTakenOnceAndUnknownOnesAreNotFound) {
  EXPECT_CODE(tm_.create_resource_manager(numbered_id(1), RmKind::kVolatile), kNameCollision);
  EXPECT_CODE(tm_.create_resource_manager(Uuid{}, RmKind::kVolatile), kInvalidArgument);
  EXPECT_CODE(tm_.open_resource_manager(numbered_id(9)), kNotFound);
}

TEST_F(Session, IsOpenedOrCreatedInOneStepAsWhatItIs) {
  auto known = tm_.open_or_create_resource_manager(numbered_id(1), RmKind::kVolatile);
  ASSERT_OK(known);
  EXPECT_CODE(rm_.session().try_get_notification(), kFenced);
  auto unknown = tm_.open_or_create_resource_manager(numbered_id(9), RmKind::kVolatile, "nine");
  ASSERT_OK(unknown);
  EXPECT_EQ(unknown->information()->description, "nine");
  EXPECT_CODE(tm_.open_or_create_resource_manager(numbered_id(8), RmKind::kDurable), kTmVolatile);
  EXPECT_CODE(tm_.open_or_create_resource_manager(Uuid{}, RmKind::kVolatile), kInvalidArgument);
}

TEST_F(Session, DisconnectWithoutWorkLeavesNothing) {
  rm_.disconnect();
  EXPECT_CODE(tm_.open_resource_manager(numbered_id(1)), kNotFound);
  EXPECT_EQ(tm_.resource_managers()->size(), 1u);
  make_rm(1);
}

TEST_F(Session, CopiesShareIt) {
  ResourceManager copy = rm_.session();
  const Enlistment enlistment = rm_.enlist(transaction_);
  rm_.disconnect();
  EXPECT_EQ(state_of(transaction_), TransactionState::kActive);
  copy = ResourceManager();
  EXPECT_EQ(transaction_.outcome(), Outcome::kAborted);
}

TEST_F(Session, DisconnectThatSaysWhyTellsItToTheCommitterAndToAllCopies) {
  ResourceManager copy = rm_.session();
  const Enlistment enlistment = rm_.enlist(transaction_);
  EXPECT_CODE(rm_.session().disconnect(Status::ok()), kInvalidArgument);
  ASSERT_OK(transaction_.commit_async());
  EXPECT_OK(rm_.session().disconnect(Status(StatusCode::kNoSpace, "the disk is full")));
  const Status told = transaction_.wait(WaitFor::kDecided, kSoon);
  EXPECT_EQ(told.code(), StatusCode::kAlreadyAborted);
  EXPECT_THAT(told.message(),
              testing::HasSubstr("went away before it promised: NoSpace: the disk is full"));
  const Status ended = copy.get_notification(kSoon).status();
  EXPECT_EQ(ended.code(), StatusCode::kFenced);
  EXPECT_THAT(ended.message(), testing::HasSubstr("the disk is full"));
  EXPECT_CODE(copy.disconnect(Status(StatusCode::kNoSpace, "again")), kFenced);
}

TEST_F(Session, DisconnectRollsBackWhatIsNotPromised) {
  for (const bool asked : {false, true}) {
    Rm rm = make_rm(3);
    Transaction transaction = begin();
    const Enlistment mine = rm.enlist(transaction);
    Enlistment theirs = other_.enlist(transaction);
    if (asked) {
      ASSERT_OK(transaction.commit_async());
    }
    other_.hear();
    rm.disconnect();
    EXPECT_EQ(transaction.outcome(), Outcome::kAborted);
    EXPECT_EQ(transaction.information()->abort_reason.code(), StatusCode::kRmDisconnected);
    EXPECT_EQ(other_.hear(), "ROLLBACK");
    EXPECT_OK(theirs.rollback_complete());
    EXPECT_EQ(state_of(transaction), TransactionState::kForgotten);
    EXPECT_EQ(state_of(mine), EnlistmentState::kForgotten);
  }
}

TEST_F(Session, PromiseOfAVolatileOneGoesWithItsSession) {
  Enlistment mine = rm_.enlist(transaction_);
  Enlistment theirs = other_.enlist(transaction_);
  ASSERT_OK(transaction_.commit_async());
  EXPECT_OK(mine.prepare_complete());
  rm_.disconnect();
  EXPECT_EQ(transaction_.outcome(), Outcome::kAborted);
}

TEST_F(Session, CommittedTransactionDoesNotWaitForAVolatileOneThatWent) {
  Enlistment mine = rm_.enlist(transaction_);
  ASSERT_OK(transaction_.commit_async());
  EXPECT_OK(mine.prepare_complete());
  EXPECT_EQ(state_of(transaction_), TransactionState::kCommitted);
  rm_.disconnect();
  EXPECT_EQ(state_of(transaction_), TransactionState::kForgotten);
  EXPECT_EQ(transaction_.outcome(), Outcome::kCommitted);
}

TEST_F(Session, OldSessionIsFencedInEveryCall) {
  Enlistment mine = rm_.enlist(transaction_);
  Rm next = reopen(1);
  EXPECT_EQ(transaction_.outcome(), Outcome::kAborted) << "what the old one had not promised";
  EXPECT_CODE(rm_.session().get_notification(kSoon), kFenced);
  EXPECT_CODE(rm_.session().try_get_notification(), kFenced);
  EXPECT_CODE(rm_.session().recover(), kFenced);
  const Transaction second = begin();
  EXPECT_CODE(rm_.session().enlist(second, kTwoPhase, 1), kFenced);
  EXPECT_CODE(rm_.session().open_enlistment(mine.id()), kFenced);
  EXPECT_CODE(mine.rollback_complete(), kFenced);
  EXPECT_CODE(mine.rollback(), kFenced);
  EXPECT_CODE(mine.read_only(), kFenced);
  rm_.disconnect();
  EXPECT_OK(next.session().try_get_notification());
}

TEST_F(Session, EndOfAnOldSessionDoesNotTouchTheNewOne) {
  Rm next = reopen(1);
  Enlistment mine = next.enlist(transaction_);
  rm_.disconnect();
  EXPECT_EQ(state_of(mine), EnlistmentState::kActive);
  EXPECT_EQ(next.session().information()->session, 2u);
}

TEST_F(Session, NewOneHearsNothingOfWhatTheOldOneFinished) {
  Enlistment mine = rm_.enlist(transaction_, kTwoPhase | NotificationKind::kCommitFinalize);
  Enlistment theirs = other_.enlist(transaction_);
  ASSERT_OK(transaction_.commit_async());
  EXPECT_OK(mine.prepare_complete());
  EXPECT_OK(theirs.prepare_complete());
  EXPECT_OK(mine.commit_complete());
  Rm next = reopen(1);
  EXPECT_OK(theirs.commit_complete());
  EXPECT_EQ(next.hear(), "") << "of an enlistment, and with a key, that it does not know";
}

TEST_F(Session, OpenedEnlistmentIsTheSameObject) {
  Enlistment mine = rm_.enlist(transaction_, kTwoPhase, 5);
  auto opened = rm_.session().open_enlistment(mine.id());
  ASSERT_OK(opened);
  mine = Enlistment();
  EXPECT_EQ(state_of(transaction_), TransactionState::kActive) << "one reference is left";
  EXPECT_EQ(opened->information()->key, 5u);
  EXPECT_EQ(opened->information()->transaction, transaction_.id());
  EXPECT_CODE(rm_.session().open_enlistment(numbered_id(77)), kNotFound);
  EXPECT_CODE(other_.session().open_enlistment(opened->id()), kNotFound);
}

TEST_F(Session, TransactionOfAnotherManagerIsRefused) {
  auto other_tm = TransactionManager::create({});
  ASSERT_OK(other_tm);
  const auto foreign = other_tm->create_transaction();
  EXPECT_CODE(rm_.session().enlist(*foreign, kTwoPhase, 1), kInvalidArgument);
  EXPECT_CODE(rm_.session().enlist(Transaction(), kTwoPhase, 1), kInvalidArgument);
}

TEST_F(Session, RecoveryInformationIsNotForVolatileOnes) {
  Enlistment mine = rm_.enlist(transaction_);
  EXPECT_CODE(mine.set_recovery_information(bytes_of("x")), kTmVolatile);
  ASSERT_OK(transaction_.commit_async());
  EXPECT_CODE(mine.prepare_complete(bytes_of("x")), kTmVolatile);
  EXPECT_EQ(state_of(mine), EnlistmentState::kPreparing);
}

}  // namespace
}  // namespace cairn::tm
