// Fewer forced writes: commits that a resource manager hardens later, and votes whose records lie
// in the manager's own log.
#include "tm/durable_harness.h"

namespace cairn::tm {
namespace {

class Hardening : public DurableTm {
 protected:
  void SetUp() override {
    start_and_recover();
    rm_ = make_rm(1);
    other_ = make_rm(2);
  }
  Rm rm_, other_;
};

TEST_F(Hardening, CommitThatIsNotHardenedCompletesTheTransactionAndKeepsItsDecision) {
  Work work = decide({&rm_, &other_});
  EXPECT_OK(work.enlistments[0].commit_complete());
  EXPECT_OK(work.enlistments[1].commit_complete(Hardened::kNo));
  EXPECT_OK(work.transaction.wait(WaitFor::kCompleted, kSoon));
  EXPECT_TRUE(work.transaction.information()->completed);
  EXPECT_EQ(state_of(work.enlistments[1]), EnlistmentState::kUnhardened);
  EXPECT_EQ(records(), "restart decision") << "it may have to be told again";
  EXPECT_FALSE(tm_.information()->oldest.is_null());

  EXPECT_OK(work.enlistments[1].hardened());
  EXPECT_EQ(records(), "restart decision forget");
  EXPECT_EQ(state_of(work.transaction), TransactionState::kForgotten);
  EXPECT_OK(work.enlistments[1].hardened()) << "a repetition";
}

TEST_F(Hardening, IsSaidOfAllCommitsAtOnce) {
  std::vector<Work> all;
  for (int i = 0; i < 3; ++i) all.push_back(decide({&rm_}));
  for (Work& work : all) EXPECT_OK(work.enlistments[0].commit_complete(Hardened::kNo));
  all.front().enlistments.clear();  // nobody refers to it any more
  EXPECT_EQ(tm_.information()->transactions, 3u);
  EXPECT_OK(rm_.session().hardened());
  EXPECT_EQ(tm_.information()->transactions, 0u);
}

TEST_F(Hardening, CrashOfTheResourceManagerBringsTheCommitAgain) {
  Work work = decide({&rm_});
  EXPECT_OK(work.enlistments[0].commit_complete(Hardened::kNo));
  rm_ = open_rm(1);
  EXPECT_TRUE(work.transaction.information()->completed) << "and that stays so";
  EXPECT_OK(rm_.session().recover());
  Enlistment again = take_over(rm_, 5);
  EXPECT_EQ(rm_.hear(), "LAST_RECOVER COMMIT");
  EXPECT_OK(again.commit_complete());
  EXPECT_EQ(tm_.information()->transactions, 0u);
}

TEST_F(Hardening, CrashOfTheManagerBringsTheCommitAgain) {
  Work work = decide({&rm_});
  EXPECT_OK(work.enlistments[0].commit_complete(Hardened::kNo));
  crash();
  start_and_recover();
  rm_ = open_rm(1);
  EXPECT_OK(rm_.session().recover());
  Enlistment again = take_over(rm_, 5);
  EXPECT_EQ(rm_.hear(), "LAST_RECOVER COMMIT");
}

TEST_F(Hardening, HasNoMeaningForASinglePhase) {
  Transaction transaction = begin();
  Enlistment owner = rm_.enlist(transaction, kTwoOrSinglePhase);
  EXPECT_OK(transaction.commit_async());
  EXPECT_EQ(rm_.hear(), "SINGLE_PHASE_COMMIT");
  EXPECT_CODE(owner.commit_complete(Hardened::kNo), kNotRequested);
  EXPECT_OK(owner.commit_complete());
}

TEST_F(Hardening, OfAVolatileResourceManagerIsThatItCommitted) {
  auto session = tm_.create_resource_manager(numbered_id(5), RmKind::kVolatile);
  ASSERT_OK(session);
  Rm fleeting(std::move(*session));
  Work work = decide({&rm_, &fleeting});
  EXPECT_OK(work.enlistments[1].commit_complete(Hardened::kNo));
  EXPECT_EQ(state_of(work.enlistments[1]), EnlistmentState::kCommitted);
}

// N resource managers that keep their records in the manager's log: one forced write for all.
TEST_F(Hardening, RecordsInTheManagersLogAreCoveredByItsDecision) {
  auto first = *log_->create_stream("rm1");
  auto second = *log_->create_stream("rm2");
  Transaction transaction = begin();
  Enlistment a = rm_.enlist(transaction);
  Enlistment b = other_.enlist(transaction);
  EXPECT_OK(transaction.commit_async());
  const std::uint64_t before = forced_writes();
  const Lsn prepared_a = *first.append(bytes_of("a"));
  EXPECT_OK(a.prepare_complete_covered(prepared_a));
  const Lsn prepared_b = *second.append(bytes_of("b"));
  EXPECT_OK(b.prepare_complete_covered(prepared_b, bytes_of("at b")));
  EXPECT_OK(transaction.wait(WaitFor::kDecided, kSoon));
  EXPECT_EQ(forced_writes(), before + 1);
  EXPECT_GT(transaction.information()->decision_lsn, prepared_b);

  crash();
  const RecoveryReport report = start_and_recover();
  EXPECT_EQ(report.committed.size(), 1u);
  for (const char* name : {"rm1", "rm2"}) {
    auto stream = log_->open_stream(name);
    ASSERT_OK(stream);
    auto cursor = stream->read();
    auto record = cursor->next();
    ASSERT_TRUE(record && *record) << "what the decision rests on is there: " << name;
  }
}

TEST_F(Hardening, VoteIsNotCoveredByWhatIsNotThere) {
  Transaction transaction = begin();
  Enlistment enlistment = rm_.enlist(transaction);
  EXPECT_OK(transaction.commit_async());
  EXPECT_CODE(enlistment.prepare_complete_covered(log_->end_lsn()), kLsnInvalid);
  EXPECT_CODE(enlistment.prepare_complete_covered(Lsn()), kLsnInvalid);
  EXPECT_EQ(state_of(enlistment), EnlistmentState::kPreparing);

  auto session = tm_.create_resource_manager(numbered_id(5), RmKind::kVolatile);
  Rm fleeting(std::move(*session));
  Transaction other = begin();
  Enlistment unlogged = fleeting.enlist(other);
  EXPECT_OK(other.commit_async());
  EXPECT_CODE(unlogged.prepare_complete_covered(Lsn(1)), kTmVolatile);
}

TEST_F(Hardening, VoteOfAnEndedSessionIsFencedWhateverCoversIt) {
  Transaction transaction = begin();
  Enlistment enlistment = rm_.enlist(transaction);
  EXPECT_OK(transaction.commit_async());
  rm_ = open_rm(1);
  EXPECT_CODE(enlistment.prepare_complete_covered(log_->end_lsn()), kFenced);
  EXPECT_OK(tm_.close());
  EXPECT_CODE(enlistment.prepare_complete_covered(Lsn(1)), kObjectExpired);
}

TEST_F(Hardening, CommitFinalizeComesWhenTheCommitIsHardened) {
  Work work = decide({&rm_, &other_}, kTwoPhase | NotificationKind::kCommitFinalize);
  EXPECT_OK(work.enlistments[0].commit_complete(Hardened::kNo));
  EXPECT_OK(work.enlistments[1].commit_complete());
  EXPECT_EQ(other_.hear(), "PREPARE COMMIT COMMIT_FINALIZE");
  EXPECT_EQ(rm_.hear(), "PREPARE COMMIT");
  EXPECT_OK(work.enlistments[0].hardened());
  EXPECT_EQ(rm_.hear(), "COMMIT_FINALIZE");
}

}  // namespace
}  // namespace cairn::tm
