// Restarts: of the manager, of a resource manager alone, and of both, again and again.
#include <algorithm>

#include "tm/durable_harness.h"

namespace cairn::tm {
namespace {

class Recovery : public DurableTm {
 protected:
  void SetUp() override { start_and_recover(); }
};

TEST_F(Recovery, OfNothingIsOnlineWithTheIdentityAndClockOfBefore) {
  const Uuid id = tm_.id();
  Rm rm = make_rm(1);
  commit_once(rm);
  commit_once(rm);
  const std::uint64_t clock = tm_.clock();
  crash();
  const RecoveryReport report = start_and_recover();
  EXPECT_EQ(report.tm_id, id);
  EXPECT_TRUE(report.committed.size() <= 1) << "a forget record that was not forced may be lost";
  EXPECT_EQ(report.clock, clock);
  EXPECT_EQ(tm_.information()->state, TmState::kOnline);
}

TEST_F(Recovery, ClockNeverGoesBackOverACleanRestart) {
  Rm rm = make_rm(1);
  Transaction transaction = begin();
  Enlistment enlistment = rm.enlist(transaction);
  EXPECT_OK(enlistment.rollback(1000));
  stop();
  EXPECT_EQ(start_and_recover().clock, 1000u);
}

TEST_F(Recovery, OffersEachUnfinishedEnlistmentThenTheLastAndTellsTheOutcome) {
  Rm rm = make_rm(1);
  Transaction transaction = begin({.description = "kept"});
  Enlistment before = rm.enlist(transaction);
  ASSERT_OK(transaction.commit_async());
  ASSERT_OK(before.prepare_complete(bytes_of("prepared at 7")));
  ASSERT_OK(transaction.wait(WaitFor::kDecided, kSoon));
  const Uuid id = transaction.id();
  crash();

  const RecoveryReport report = start_and_recover();
  EXPECT_EQ(report.committed, std::vector{id});
  EXPECT_EQ(report.enlistments, 1u);
  EXPECT_EQ(report.resource_managers, 1u);
  EXPECT_CODE(tm_.create_resource_manager(numbered_id(1), RmKind::kDurable), kNameCollision);
  EXPECT_CODE(tm_.open_or_create_resource_manager(numbered_id(1), RmKind::kVolatile),
              kNameCollision);
  Rm again = open_rm(1);
  ASSERT_OK(again.session().recover());
  Enlistment taken = take_over(again, 99);
  EXPECT_EQ(taken.id(), before.id());
  EXPECT_EQ(*taken.recovery_information(), bytes_of("prepared at 7"));
  EXPECT_EQ(again.hear(), "LAST_RECOVER COMMIT");
  EXPECT_EQ(again.last().key, 99u);
  EXPECT_EQ(again.last().transaction, id);
  auto found = tm_.open_transaction(id);
  ASSERT_OK(found);
  EXPECT_EQ(found->outcome(), Outcome::kCommitted);
  EXPECT_EQ(found->information()->description, "kept");
  EXPECT_OK(taken.commit_complete());
  EXPECT_EQ(state_of(*found), TransactionState::kForgotten);
  EXPECT_CODE(tm_.open_transaction(id), kNotFound);
  stop();
  EXPECT_TRUE(start_and_recover().committed.empty());
}

TEST_F(Recovery, NotDecidedIsNotOfferedAndThatMeansRollback) {
  Rm rm = make_rm(1);
  const Work work = submit({&rm});
  crash();
  EXPECT_TRUE(start_and_recover().committed.empty());
  EXPECT_CODE(tm_.open_resource_manager(numbered_id(1)), kNotFound);
  make_rm(1);  // hears LAST_RECOVER alone
}

TEST_F(Recovery, EitherOrderOfCreateAndOpenWorks) {
  Rm rm = make_rm(1);
  decide({&rm});
  crash();
  start_and_recover();
  auto known = tm_.open_resource_manager(numbered_id(1));
  ASSERT_OK(known);
  EXPECT_OK(known->recover());
  auto unknown = tm_.open_resource_manager(numbered_id(2));
  EXPECT_CODE(unknown, kNotFound);
  unknown = tm_.create_resource_manager(numbered_id(2), RmKind::kDurable);
  ASSERT_OK(unknown);
  EXPECT_OK(unknown->recover());
}

TEST_F(Recovery, IsRepeatedUntilEveryoneAnswered) {
  Rm one = make_rm(1);
  Rm two = make_rm(2);
  Work work = decide({&one, &two});
  const Uuid id = work.transaction.id();
  EXPECT_OK(work.enlistments[0].commit_complete());
  for (int boot = 0; boot < 3; ++boot) {
    crash();
    EXPECT_EQ(start_and_recover().committed, std::vector{id}) << boot;
    Rm first = open_rm(1);
    ASSERT_OK(first.session().recover());
    EXPECT_OK(take_over(first, 1).commit_complete());
    EXPECT_EQ(first.hear(), "LAST_RECOVER COMMIT");
  }
  Rm second = open_rm(2);
  ASSERT_OK(second.session().recover());
  EXPECT_OK(take_over(second, 1).commit_complete());
  EXPECT_TRUE(tm_.transactions()->empty());
}

TEST_F(Recovery, OfManyTransactionsKeepsThemApart) {
  Rm rm = make_rm(1);
  std::vector<Uuid> expected;
  std::vector<Work> all;
  for (int i = 0; i < 20; ++i) {
    all.push_back(decide({&rm}));
    if (i % 3 == 0) {
      EXPECT_OK(all.back().enlistments.front().commit_complete());
    } else {
      expected.push_back(all.back().transaction.id());
    }
  }
  ASSERT_OK(log_->flush());
  crash();
  EXPECT_EQ(start_and_recover().committed, expected) << "in the order of the log";
  Rm again = open_rm(1);
  ASSERT_OK(again.session().recover());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_OK(take_over(again, i).commit_complete());
  }
  EXPECT_TRUE(tm_.transactions()->empty());
}

TEST_F(Recovery, ResourceManagerServesOnlyAfterItAndRecoversOnce) {
  Rm rm = open_rm(1);
  const Transaction transaction = begin();
  EXPECT_CODE(rm.session().enlist(transaction, kTwoPhase, 1), kNotOnline);
  ASSERT_OK(rm.session().recover());
  EXPECT_CODE(rm.session().recover(), kRequestNotValid);
  Enlistment enlistment = rm.enlist(transaction);
  EXPECT_CODE(enlistment.recover(5), kRequestNotValid) << "it was not offered";
}

TEST_F(Recovery, RecoverOfAnEnlistmentTwiceSendsOnce) {
  Rm rm = make_rm(1);
  decide({&rm});
  crash();
  start_and_recover();
  Rm again = open_rm(1);
  ASSERT_OK(again.session().recover());
  Enlistment taken = take_over(again, 1);
  EXPECT_OK(taken.recover(1));
  EXPECT_EQ(again.hear(), "LAST_RECOVER COMMIT");
}

// --- the manager lives, the resource manager restarts ---

TEST_F(Recovery, TakenOverWhileOthersVoteItMayAskForTheOutcome) {
  Rm one = make_rm(1);
  Rm two = make_rm(2);
  Work work{begin(), {}};
  for (Rm* rm : {&one, &two}) work.enlistments.push_back(rm->enlist(work.transaction));
  EXPECT_OK(work.transaction.commit_async());
  EXPECT_OK(work.enlistments[0].prepare_complete());
  one = open_rm(1);
  EXPECT_OK(one.session().recover());
  Enlistment again = take_over(one, 5);
  EXPECT_EQ(one.hear(), "LAST_RECOVER INDOUBT");
  EXPECT_OK(again.request_outcome()) << "it is prepared, and nobody has decided";
  EXPECT_EQ(work.transaction.outcome(), Outcome::kAborted);
  EXPECT_EQ(one.hear(), "ROLLBACK");
}

TEST_F(Recovery, PromisedEnlistmentIsOfflineUntilItsResourceManagerIsBack) {
  Rm one = make_rm(1);
  Rm two = make_rm(2);
  Work work{begin(), {}};
  work.enlistments = {one.enlist(work.transaction), two.enlist(work.transaction)};
  ASSERT_OK(work.transaction.commit_async());
  ASSERT_OK(work.enlistments[0].prepare_complete());
  one.disconnect();
  EXPECT_EQ(state_of(work.enlistments[0]), EnlistmentState::kOffline);
  EXPECT_EQ(state_of(work.transaction), TransactionState::kPreparing);

  Rm again = open_rm(1);
  ASSERT_OK(again.session().recover());
  Enlistment taken = take_over(again, 5);
  EXPECT_EQ(again.hear(), "LAST_RECOVER INDOUBT");
  EXPECT_EQ(state_of(taken), EnlistmentState::kInDoubt);
  ASSERT_OK(work.enlistments[1].prepare_complete());
  ASSERT_OK(work.transaction.wait(WaitFor::kDecided, kSoon));
  EXPECT_EQ(again.hear(), "COMMIT");
  EXPECT_EQ(again.last().key, 5u);
  EXPECT_OK(taken.commit_complete());
  EXPECT_OK(work.enlistments[1].commit_complete());
  EXPECT_EQ(state_of(work.transaction), TransactionState::kForgotten);
}

TEST_F(Recovery, InDoubtEnlistmentHearsOfTheRollbackToo) {
  Rm one = make_rm(1);
  Rm two = make_rm(2);
  Work work{begin(), {}};
  work.enlistments = {one.enlist(work.transaction), two.enlist(work.transaction)};
  ASSERT_OK(work.transaction.commit_async());
  ASSERT_OK(work.enlistments[0].prepare_complete());
  Rm again = open_rm(1);
  ASSERT_OK(again.session().recover());
  Enlistment taken = take_over(again, 5);
  ASSERT_OK(work.enlistments[1].rollback());
  EXPECT_EQ(again.hear(), "LAST_RECOVER INDOUBT ROLLBACK");
  EXPECT_OK(taken.rollback_complete());
  EXPECT_CODE(work.enlistments[0].rollback_complete(), kFenced);
}

TEST_F(Recovery, RollbackBetweenOfferAndAnswerIsTold) {
  Rm one = make_rm(1);
  Rm two = make_rm(2);
  Work work{begin(), {}};
  work.enlistments = {one.enlist(work.transaction), two.enlist(work.transaction)};
  ASSERT_OK(work.transaction.commit_async());
  ASSERT_OK(work.enlistments[0].prepare_complete());
  Rm again = open_rm(1);
  ASSERT_OK(again.session().recover());
  ASSERT_OK(work.transaction.rollback());
  Enlistment taken = take_over(again, 5);
  EXPECT_EQ(again.hear(), "LAST_RECOVER ROLLBACK");
  EXPECT_OK(taken.rollback_complete());
}

TEST_F(Recovery, RollbackWhileTheResourceManagerIsAwayIsNotOffered) {
  Rm one = make_rm(1);
  Rm two = make_rm(2);
  Work work{begin(), {}};
  work.enlistments = {one.enlist(work.transaction), two.enlist(work.transaction)};
  ASSERT_OK(work.transaction.commit_async());
  ASSERT_OK(work.enlistments[0].prepare_complete());
  one.disconnect();
  ASSERT_OK(work.transaction.rollback());
  EXPECT_CODE(tm_.open_resource_manager(numbered_id(1)), kNotFound);
  make_rm(1);
}

TEST_F(Recovery, CommitThatWasReadAndLostWithItsReaderIsToldAgain) {
  Rm rm = make_rm(1);
  Work work = decide({&rm});
  EXPECT_EQ(rm.hear(), "PREPARE COMMIT");
  rm.disconnect();
  EXPECT_EQ(state_of(work.enlistments.front()), EnlistmentState::kOffline);
  for (int session = 0; session < 3; ++session) {
    Rm again = open_rm(1);
    ASSERT_OK(again.session().recover());
    Enlistment taken = take_over(again, 5);
    EXPECT_EQ(again.hear(), "LAST_RECOVER COMMIT");
    if (session == 2) {
      EXPECT_OK(taken.commit_complete());
    }
  }
  EXPECT_EQ(state_of(work.transaction), TransactionState::kForgotten);
}

TEST_F(Recovery, SessionThatEndsWhileItsDecisionIsWrittenIsToldLater) {
  Rm voter = make_rm(1);
  Rm listener = make_rm(2);
  Transaction transaction = begin();
  Enlistment vote = voter.enlist(transaction);
  const Enlistment listen = listener.enlist(transaction, kListen);
  ASSERT_OK(transaction.commit_async());
  ASSERT_OK(vote.prepare_complete());
  ASSERT_EQ(state_of(transaction), TransactionState::kCommitting);
  voter.disconnect();
  listener.disconnect();
  EXPECT_EQ(state_of(listen), EnlistmentState::kOffline);
  ASSERT_OK(transaction.wait(WaitFor::kDecided, kSoon));
  for (const std::uint8_t number : {std::uint8_t{1}, std::uint8_t{2}}) {
    Rm again = open_rm(number);
    ASSERT_OK(again.session().recover());
    EXPECT_OK(take_over(again, 1).commit_complete());
  }
  EXPECT_EQ(state_of(transaction), TransactionState::kForgotten);
}

TEST_F(Recovery, OldSessionOfADurableOneIsFencedAndItsPromisesMoveOn) {
  Rm rm = make_rm(1);
  Work work = decide({&rm});
  Rm newer = open_rm(1);
  EXPECT_CODE(work.enlistments.front().commit_complete(), kFenced);
  EXPECT_CODE(rm.session().open_enlistment(work.enlistments.front().id()), kFenced);
  EXPECT_EQ(state_of(work.transaction), TransactionState::kCommitted);
  ASSERT_OK(newer.session().recover());
  EXPECT_OK(take_over(newer, 1).commit_complete());
  EXPECT_EQ(state_of(work.transaction), TransactionState::kForgotten);
}

TEST_F(Recovery, DisconnectBeforeItRecoveredLeavesTheOfferForTheNextSession) {
  Rm rm = make_rm(1);
  decide({&rm});
  crash();
  start_and_recover();
  for (int session = 0; session < 2; ++session) {
    Rm again = open_rm(1);
    if (session == 1) {
      ASSERT_OK(again.session().recover());
    }
    again.disconnect();
  }
  Rm last = open_rm(1);
  ASSERT_OK(last.session().recover());
  EXPECT_EQ(last.hear(), "RECOVER LAST_RECOVER");
}

TEST_F(Recovery, DroppedReferenceOfARecoveredEnlistmentChangesNothing) {
  Rm rm = make_rm(1);
  Work work = decide({&rm});
  Rm again = open_rm(1);
  ASSERT_OK(again.session().recover());
  take_over(again, 1);
  EXPECT_EQ(again.hear(), "LAST_RECOVER COMMIT");
  auto opened = again.session().open_enlistment(again.last().enlistment);
  ASSERT_OK(opened);
  EXPECT_OK(opened->commit_complete());
}

TEST_F(Recovery, DamageLeavesTheLogUntouchedAndSaysWhere) {
  Rm rm = make_rm(1);
  const Work work = decide({&rm});
  // A forget record that contradicts what is there, as another program's bug might write it.
  auto stream = log_->open_stream("tm");
  recovery::ForgetRecord wrong{numbered_id(200), 5, work.transaction.information()->decision_lsn};
  auto lsn = stream->append(recovery::encode(wrong),
                            {.type = static_cast<std::uint16_t>(recovery::RecordType::kForget),
                             .previous = {},
                             .undo_next = {},
                             .durability = log::Durability::kDurable});
  ASSERT_OK(lsn);
  crash();
  start();
  const std::uint64_t writes = storage_->io_count();
  auto report = tm_.recover();
  EXPECT_CODE(report, kRecoveryFailed);
  EXPECT_EQ(report.status().detail().lsn_begin, *lsn);
  EXPECT_NE(report.status().message().find("ForgetWithoutDecision"), std::string::npos);
  EXPECT_EQ(tm_.information()->state, TmState::kRecoveryFailed);
  EXPECT_CODE(tm_.information()->cause, kRecoveryFailed);
  EXPECT_CODE(tm_.create_transaction(), kNotOnline);
  EXPECT_CODE(tm_.recover(), kRequestNotValid);
  EXPECT_OK(tm_.close());
  EXPECT_EQ(storage_->io_count(), writes);
}

}  // namespace
}  // namespace cairn::tm
