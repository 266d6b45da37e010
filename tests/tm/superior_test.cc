// Superiors: a transaction that is decided from above, across crashes.
#include "tm/durable_harness.h"

namespace cairn::tm {
namespace {

// A durable manager below an outside coordinator, which is resource manager 9 here.
class Superior : public DurableTm {
 protected:
  struct Branch {
    Transaction transaction;
    Enlistment superior;
    std::vector<Enlistment> enlistments;
  };

  void SetUp() override {
    start_and_recover();
    rm_ = make_rm(1);
    above_ = make_rm(9);
  }
  Branch branch(std::vector<Rm*> rms, NotificationMask mask = kTwoPhase,
                NotificationMask superior_mask = kSuperior) {
    Branch made{begin(), {}, {}};
    auto superior =
        above_.session().enlist(made.transaction, superior_mask, 90, {.superior = true});
    EXPECT_OK(superior);
    if (superior) made.superior = *superior;
    for (Rm* rm : rms) made.enlistments.push_back(rm->enlist(made.transaction, mask));
    return made;
  }
  // Waits until the record in flight is durable.
  void force() { ASSERT_OK(log_->flush()); }
  Branch prepared() {
    Branch made = branch({&rm_});
    EXPECT_OK(made.superior.superior_prepare());
    EXPECT_EQ(rm_.hear(), "PREPARE");
    EXPECT_OK(made.enlistments.front().prepare_complete(bytes_of("rm")));
    force();
    EXPECT_EQ(above_.hear(), "PREPARE_COMPLETE");
    return made;
  }
  // Answers RECOVER_QUERY.
  Enlistment take_over_query(Rm& rm) {
    EXPECT_EQ(rm.hear(), "RECOVER_QUERY LAST_RECOVER");
    Enlistment superior = *rm.session().open_enlistment(rm.session().enlistments()->front());
    EXPECT_OK(superior.recover(91));
    return superior;
  }
  // After a crash or a stop: everything but sessions.
  void boot() { report_ = start_and_recover(); }

  // The superior's session after a restart, not recovered.
  Rm rm_, above_;
  RecoveryReport report_;
};

TEST_F(Superior, DrivesThePhasesAndIsToldTheirEnds) {
  Branch work = branch({&rm_}, kAllPhases);
  EXPECT_OK(work.superior.superior_pre_prepare());
  EXPECT_EQ(rm_.hear(), "PREPREPARE");
  EXPECT_EQ(above_.hear(), "");
  EXPECT_OK(work.enlistments[0].pre_prepare_complete());
  EXPECT_EQ(above_.hear(), "PREPREPARE_COMPLETE");
  EXPECT_EQ(above_.last().key, 90u);
  EXPECT_EQ(rm_.hear(), "") << "the next phase is the superior's to begin";

  EXPECT_OK(work.superior.superior_prepare());
  EXPECT_EQ(rm_.hear(), "PREPARE");
  EXPECT_OK(work.enlistments[0].prepare_complete());
  EXPECT_EQ(state_of(work.transaction), TransactionState::kPromising);
  EXPECT_EQ(above_.hear(), "") << "not before the prepare record is durable";
  force();
  EXPECT_EQ(above_.hear(), "PREPARE_COMPLETE");
  EXPECT_EQ(state_of(work.transaction), TransactionState::kPrepared);
  EXPECT_EQ(work.transaction.outcome(), Outcome::kUndetermined);

  EXPECT_OK(work.superior.superior_commit());
  EXPECT_EQ(rm_.hear(), "") << "not before the decision is durable";
  force();
  EXPECT_EQ(rm_.hear(), "COMMIT");
  EXPECT_EQ(above_.hear(), "");
  EXPECT_OK(work.enlistments[0].commit_complete());
  EXPECT_EQ(above_.hear(), "COMMIT_COMPLETE");
  EXPECT_EQ(state_of(work.superior), EnlistmentState::kCommitted);
  EXPECT_EQ(work.transaction.outcome(), Outcome::kCommitted);
  EXPECT_EQ(records(), "restart prepare decision forget");
}

TEST_F(Superior, CommitOfAnActiveTransactionRunsAllPhasesWithOneForcedRecord) {
  Branch work = branch({&rm_});
  EXPECT_OK(work.superior.superior_commit());
  EXPECT_EQ(rm_.hear(), "PREPARE");
  EXPECT_OK(work.enlistments[0].prepare_complete());
  force();
  EXPECT_EQ(rm_.hear(), "COMMIT");
  EXPECT_OK(work.enlistments[0].commit_complete());
  EXPECT_EQ(above_.hear(), "COMMIT_COMPLETE");
  EXPECT_EQ(records(), "restart decision forget");
}

TEST_F(Superior, VoteAgainstItIsToldAsRollback) {
  Branch work = branch({&rm_});
  EXPECT_OK(work.superior.superior_prepare());
  EXPECT_OK(work.enlistments[0].rollback());
  EXPECT_EQ(above_.hear(), "ROLLBACK");
  EXPECT_EQ(rm_.hear(), "PREPARE ROLLBACK");
  EXPECT_OK(work.enlistments[0].rollback_complete());
  EXPECT_EQ(above_.hear(), "ROLLBACK_COMPLETE");
  EXPECT_EQ(state_of(work.superior), EnlistmentState::kAborted);
  EXPECT_EQ(records(), "restart") << "presumed abort";
}

TEST_F(Superior, RollsBackWhatIsPreparedWithARecordThatIsNotForced) {
  Branch work = prepared();
  const std::uint64_t forced = forced_writes();
  EXPECT_OK(work.superior.superior_rollback());
  EXPECT_EQ(forced_writes(), forced);
  EXPECT_EQ(rm_.hear(), "ROLLBACK");
  EXPECT_OK(work.enlistments[0].rollback_complete());
  EXPECT_EQ(above_.hear(), "ROLLBACK_COMPLETE");
  EXPECT_EQ(records(), "restart prepare forget");
  EXPECT_TRUE(tm_.information()->oldest.is_null()) << "it pins nothing";
}

TEST_F(Superior, RollbackWhileThePrepareRecordIsInFlightWaitsForIt) {
  Branch work = branch({&rm_});
  EXPECT_OK(work.superior.superior_prepare());
  EXPECT_OK(work.enlistments[0].prepare_complete());
  ASSERT_EQ(state_of(work.transaction), TransactionState::kPromising);
  EXPECT_OK(work.superior.superior_rollback());
  EXPECT_EQ(rm_.hear(), "PREPARE");
  force();
  EXPECT_EQ(rm_.hear(), "ROLLBACK");
  EXPECT_EQ(above_.hear(), "") << "neither PREPARE_COMPLETE nor ROLLBACK: it has decided";
  EXPECT_EQ(work.transaction.outcome(), Outcome::kAborted);
}

// The record names it still: it must not be gone before that is written.
TEST_F(Superior, WentAwayAfterItsRollbackWhileThePrepareRecordWasHeldBack) {
  ASSERT_OK(tm_.freeze(kSoon, kSoon));
  Branch work = branch({&rm_});
  EXPECT_OK(work.superior.superior_prepare());
  EXPECT_OK(work.enlistments[0].prepare_complete());
  ASSERT_EQ(state_of(work.transaction), TransactionState::kPromising);
  EXPECT_OK(work.superior.superior_rollback());
  above_.disconnect();
  EXPECT_OK(tm_.thaw());
  force();
  EXPECT_EQ(work.transaction.outcome(), Outcome::kAborted);
  EXPECT_EQ(rm_.hear(), "PREPARE ROLLBACK");
  EXPECT_OK(work.enlistments[0].rollback_complete());
  EXPECT_EQ(tm_.information()->transactions, 0u);
  above_ = make_rm(9);  // hears LAST_RECOVER only
}

TEST_F(Superior, AloneDecidesWhatIsPrepared) {
  Branch work = prepared();
  EXPECT_CODE(work.transaction.rollback(), kRequestNotValid);
  EXPECT_CODE(work.enlistments[0].rollback(), kRequestNotValid);
  EXPECT_CODE(work.transaction.commit_async(), kRequestNotValid);
  now_ += std::chrono::hours(1000);
  EXPECT_OK(tm_.run_background());
  EXPECT_EQ(state_of(work.transaction), TransactionState::kPrepared);
}

TEST_F(Superior, ClientCommitIsRefusedUnlessTheSuperiorAskedToBeAsked) {
  Branch silent = branch({&rm_}, kTwoPhase, kSuperior & ~bit(NotificationKind::kCommitRequest));
  EXPECT_CODE(silent.transaction.commit_async(), kSuperiorExists);
  EXPECT_EQ(state_of(silent.transaction), TransactionState::kActive);

  Branch asked = branch({&rm_});
  EXPECT_OK(asked.transaction.commit_async());
  EXPECT_EQ(above_.hear(), "COMMIT_REQUEST");
  EXPECT_EQ(state_of(asked.superior), EnlistmentState::kCommitRequested);
  EXPECT_CODE(asked.transaction.commit_async(), kRequestNotValid);
  EXPECT_OK(asked.superior.superior_commit());
  EXPECT_OK(asked.enlistments[0].prepare_complete());
  EXPECT_OK(asked.transaction.wait(WaitFor::kDecided, kSoon));
}

TEST_F(Superior, VerbNeedsItsNotificationInTheMask) {
  Branch work = branch({&rm_}, kTwoPhase, bit(NotificationKind::kRollback));
  EXPECT_CODE(work.superior.superior_pre_prepare(), kResponseNotEnlisted);
  EXPECT_CODE(work.superior.superior_prepare(), kResponseNotEnlisted);
  EXPECT_CODE(work.superior.superior_commit(), kResponseNotEnlisted);
  EXPECT_CODE(work.superior.superior_rollback(), kResponseNotEnlisted);
  EXPECT_EQ(state_of(work.superior), EnlistmentState::kActive);
}

TEST_F(Superior, IsAtMostOneAndOfADurableResourceManagerAndOfAnActiveTransaction) {
  Branch work = branch({&rm_});
  EXPECT_CODE(above_.session().enlist(work.transaction, kSuperior, 1, {.superior = true}),
              kSuperiorExists);
  auto fleeting = tm_.create_resource_manager(numbered_id(7), RmKind::kVolatile);
  ASSERT_OK(fleeting);
  Transaction other = begin();
  EXPECT_CODE(fleeting->enlist(other, kSuperior, 1, {.superior = true}), kTmVolatile);
  const Enlistment member = rm_.enlist(other);
  EXPECT_OK(other.commit_async());
  EXPECT_CODE(above_.session().enlist(other, kSuperior, 1, {.superior = true}), kNotActive);
  EXPECT_EQ(work.transaction.information()->superior->resource_manager, numbered_id(9));
  EXPECT_EQ(work.transaction.information()->enlistments.size(), 1u);
}

TEST_F(Superior, WentAwayBeforeTheVotesRollsBack) {
  Branch work = branch({&rm_});
  above_.disconnect();
  EXPECT_EQ(work.transaction.outcome(), Outcome::kAborted);
  EXPECT_EQ(rm_.hear(), "ROLLBACK");
}

TEST_F(Superior, PreparedSubordinateAsksForTheOutcome) {
  Branch work = prepared();
  EXPECT_OK(work.enlistments[0].request_outcome());
  EXPECT_EQ(above_.hear(), "REQUEST_OUTCOME");
  EXPECT_EQ(state_of(work.transaction), TransactionState::kPrepared);
}

// --- crashes ---

TEST_F(Superior, PreparedTransactionIsInDoubtAfterACrashUntilTheSuperiorSays) {
  Branch work = prepared();
  const Uuid unit = work.transaction.id();
  crash();
  boot();
  EXPECT_EQ(report_.in_doubt, std::vector<Uuid>{unit});
  EXPECT_TRUE(report_.committed.empty());
  rm_ = open_rm(1);
  EXPECT_OK(rm_.session().recover());
  Enlistment below = take_over(rm_, 11);
  EXPECT_EQ(rm_.hear(), "LAST_RECOVER INDOUBT");
  EXPECT_EQ(*below.recovery_information(), bytes_of("rm"));

  above_ = open_rm(9);
  EXPECT_OK(above_.session().recover());
  EXPECT_EQ(above_.hear(), "RECOVER_QUERY LAST_RECOVER");
  auto ids = above_.session().enlistments();
  ASSERT_EQ(ids->size(), 1u);
  Enlistment superior = *above_.session().open_enlistment(ids->front());
  EXPECT_TRUE(superior.information()->superior);
  EXPECT_CODE(superior.superior_commit(), kRequestNotValid) << "recover it first";
  EXPECT_OK(superior.recover(91));
  EXPECT_EQ(state_of(superior), EnlistmentState::kInDoubt);
  EXPECT_OK(superior.superior_commit());
  force();
  EXPECT_EQ(rm_.hear(), "COMMIT");
  EXPECT_OK(below.commit_complete());
  EXPECT_EQ(above_.hear(), "COMMIT_COMPLETE");
  EXPECT_EQ(above_.last().key, 91u);
  EXPECT_EQ(tm_.information()->transactions, 0u);
}

TEST_F(Superior, RollsBackAfterACrashWhatItDoesNotKnow) {
  Branch work = prepared();
  crash();
  boot();
  above_ = open_rm(9);
  EXPECT_OK(above_.session().recover());
  Enlistment superior = *above_.session().open_enlistment(above_.session().enlistments()->front());
  EXPECT_OK(superior.recover(91));
  EXPECT_OK(superior.superior_rollback());
  rm_ = open_rm(1);
  EXPECT_OK(rm_.session().recover());
  Enlistment below = take_over(rm_, 11);
  EXPECT_EQ(rm_.hear(), "LAST_RECOVER ROLLBACK");
  EXPECT_OK(below.rollback_complete());
  EXPECT_EQ(above_.hear(), "RECOVER_QUERY LAST_RECOVER ROLLBACK_COMPLETE");
  EXPECT_EQ(tm_.information()->transactions, 0u);
}

TEST_F(Superior, OrderBeforeTheCrashIsNotAskedForAgain) {
  Branch work = prepared();
  EXPECT_OK(work.superior.superior_commit());
  force();
  crash();
  boot();
  EXPECT_EQ(report_.committed.size(), 1u);
  above_ = open_rm(9);
  EXPECT_OK(above_.session().recover());
  EXPECT_EQ(above_.hear(), "RECOVER LAST_RECOVER");
  Enlistment superior = *above_.session().open_enlistment(above_.session().enlistments()->front());
  EXPECT_OK(superior.recover(91));
  EXPECT_EQ(state_of(superior), EnlistmentState::kCommitting);
  rm_ = open_rm(1);
  EXPECT_OK(rm_.session().recover());
  Enlistment below = take_over(rm_, 11);
  EXPECT_EQ(rm_.hear(), "LAST_RECOVER COMMIT");
  EXPECT_OK(below.commit_complete());
  EXPECT_EQ(above_.hear(), "COMMIT_COMPLETE");
}

TEST_F(Superior, IsNotOfferedWhatWasNeverPrepared) {
  Branch work = branch({&rm_});
  EXPECT_OK(work.superior.superior_prepare());
  EXPECT_OK(work.enlistments[0].prepare_complete());
  ASSERT_EQ(state_of(work.transaction), TransactionState::kPromising);
  crash();  // the record was not durable
  boot();
  EXPECT_TRUE(report_.in_doubt.empty());
  above_ = make_rm(9);  // hears LAST_RECOVER only: rolled back
}

TEST_F(Superior, AloneRestartsWhileTheManagerLives) {
  Branch work = prepared();
  above_ = open_rm(9);
  EXPECT_EQ(state_of(work.transaction), TransactionState::kInDoubt);
  EXPECT_CODE(work.superior.superior_commit(), kFenced);
  EXPECT_OK(above_.session().recover());
  Enlistment superior = *above_.session().open_enlistment(above_.session().enlistments()->front());
  EXPECT_OK(superior.recover(91));
  EXPECT_EQ(above_.hear(), "RECOVER_QUERY LAST_RECOVER");
  EXPECT_OK(superior.superior_commit());
  force();
  EXPECT_EQ(rm_.hear(), "COMMIT");
}

TEST_F(Superior, WentAwayWhileThePrepareRecordWasInFlight) {
  Branch work = branch({&rm_});
  EXPECT_OK(work.superior.superior_prepare());
  EXPECT_OK(work.enlistments[0].prepare_complete());
  above_ = open_rm(9);
  EXPECT_EQ(state_of(work.transaction), TransactionState::kPromising);
  force();
  EXPECT_EQ(state_of(work.transaction), TransactionState::kInDoubt);
  EXPECT_OK(above_.session().recover());
  EXPECT_EQ(above_.hear(), "RECOVER_QUERY LAST_RECOVER");
}

TEST_F(Superior, SubordinateThatRestartsWaitsInDoubt) {
  Branch work = prepared();
  rm_ = open_rm(1);
  EXPECT_OK(rm_.session().recover());
  Enlistment below = take_over(rm_, 12);
  EXPECT_EQ(rm_.hear(), "LAST_RECOVER INDOUBT");
  EXPECT_OK(below.request_outcome());
  EXPECT_EQ(above_.hear(), "REQUEST_OUTCOME");
  EXPECT_OK(work.superior.superior_commit());
  force();
  EXPECT_EQ(rm_.hear(), "COMMIT");
}

TEST_F(Superior, PreparedTransactionSurvivesCloseAndCheckpoints) {
  Branch work = prepared();
  EXPECT_OK(tm_.checkpoint());
  EXPECT_OK(tm_.close());
  stop();
  boot();
  EXPECT_EQ(report_.in_doubt.size(), 1u);
  EXPECT_OK(tm_.checkpoint());
  EXPECT_OK(tm_.checkpoint());
  crash();
  boot();
  EXPECT_EQ(report_.in_doubt.size(), 1u);
  EXPECT_FALSE(tm_.information()->oldest.is_null());
}

TEST_F(Superior, PrepareRecordIsCarriedForwardAndStaysInDoubt) {
  tm_options_.carry_forward_bytes = 4096;
  crash();
  boot();
  rm_ = make_rm(1);
  above_ = make_rm(9);
  Branch work = prepared();
  const Lsn before = tm_.information()->oldest;
  while (log_->end_lsn().value() - before.value() < 3 * 4096) commit_once(rm_);
  EXPECT_OK(tm_.checkpoint());
  EXPECT_GT(tm_.information()->oldest, before);
  EXPECT_EQ(tm_.information()->carried_forward, 1u);
  crash();
  boot();
  EXPECT_EQ(report_.in_doubt, std::vector<Uuid>{work.transaction.id()});
}

TEST_F(Superior, ReadOnlyBranchWritesNoPrepareRecord) {
  Branch work = branch({&rm_});
  EXPECT_OK(work.superior.superior_prepare());
  EXPECT_OK(work.enlistments[0].read_only());
  EXPECT_EQ(above_.hear(), "PREPARE_COMPLETE");
  EXPECT_OK(work.superior.superior_commit());
  EXPECT_EQ(above_.hear(), "COMMIT_COMPLETE");
  EXPECT_EQ(records(), "restart");
}

// --- rolled back while its superior comes back ---

// The superior ordered the commit before the votes, and lost its session.
TEST_F(Superior, OfferedAgainAndRolledBackByAVoteIsNotKept) {
  for (const bool opened : {false, true}) {
    Branch work = branch({&rm_});
    EXPECT_OK(work.superior.superior_commit());
    above_ = open_rm(9);
    EXPECT_OK(above_.session().recover());
    EXPECT_EQ(above_.hear(), "RECOVER LAST_RECOVER");
    Enlistment again;
    if (opened) again = *above_.session().open_enlistment(work.superior.id());
    EXPECT_OK(work.enlistments[0].rollback());
    EXPECT_OK(work.enlistments[0].rollback_complete());
    EXPECT_EQ(work.transaction.outcome(), Outcome::kAborted);
    EXPECT_EQ(tm_.information()->enlistments, 0u);
    EXPECT_CODE(above_.session().open_enlistment(work.superior.id()), kNotFound);
    if (!opened) continue;
    EXPECT_OK(again.recover(91)) << "its session knows it still";
    EXPECT_EQ(above_.hear(), "ROLLBACK_COMPLETE");
  }
}

TEST_F(Superior, WhoTookItOverHearsThatItWasRolledBackByAVote) {
  Branch work = branch({&rm_});
  EXPECT_OK(work.superior.superior_commit());
  above_ = open_rm(9);
  EXPECT_OK(above_.session().recover());
  Enlistment again = take_over(above_, 91);
  EXPECT_EQ(above_.hear(), "LAST_RECOVER");
  EXPECT_OK(work.enlistments[0].rollback());
  EXPECT_OK(work.enlistments[0].rollback_complete());
  EXPECT_EQ(above_.hear(), "ROLLBACK ROLLBACK_COMPLETE");
  EXPECT_EQ(tm_.information()->enlistments, 0u);
}

// The promise is held back while the superior comes back; then the log does not take it.
TEST_F(Superior, InDoubtHearsThatThePromiseWasNotWritten) {
  ASSERT_OK(tm_.freeze(kSoon, kSoon));
  Branch work = branch({&rm_});
  EXPECT_OK(work.superior.superior_prepare());
  EXPECT_OK(work.enlistments[0].prepare_complete());
  above_ = open_rm(9);
  EXPECT_OK(above_.session().recover());
  EXPECT_EQ(above_.hear(), "RECOVER_QUERY LAST_RECOVER");
  Enlistment again = *above_.session().open_enlistment(work.superior.id());
  EXPECT_OK(again.recover(91));
  storage_->inject({.kind = sim::FaultKind::kIoError, .on = sim::IoKind::kCompleteWrite});
  ASSERT_FALSE(log_->create_stream("other").is_ok());  // poisons the log
  EXPECT_OK(tm_.thaw());
  EXPECT_EQ(work.transaction.outcome(), Outcome::kAborted);
  EXPECT_EQ(above_.hear(), "ROLLBACK");
  EXPECT_OK(work.enlistments[0].rollback_complete());
  EXPECT_EQ(above_.hear(), "ROLLBACK_COMPLETE");
  EXPECT_EQ(tm_.information()->enlistments, 0u);
}

TEST_F(Superior, WaitForWhatIsInDoubtDoesNotCallItCommittedWhenTheManagerCloses) {
  Branch work = prepared();
  EXPECT_OK(tm_.close());
  const Status waited = work.transaction.wait(WaitFor::kDecided, kSoon);
  EXPECT_CODE(waited, kObjectExpired);
  EXPECT_EQ(waited.message().find("committed"), std::string::npos) << waited.to_string();
  EXPECT_NE(waited.message().find("Prepared"), std::string::npos) << waited.to_string();
}

// --- in a full log ---

// What a torn tail takes up is gone, and what was reserved before the crash may have lain there.
TEST_F(Superior, ComesBackInAFullLogAndItsDecisionWaitsForRoom) {
  int refused = 0;
  for (std::size_t round = 0; round < 6 && !HasFailure(); ++round) {
    rm_ = above_ = Rm();
    stop();
    storage_ = std::make_shared<sim::SimStorage>(sim::SimOptions{.seed = round + 1});
    create_options_.max_size = 4 * log::kMinContainerSize;
    boot();
    auto filler = *log_->create_stream("filler");
    const std::vector<std::byte> payload(30000);
    while (log_->end_lsn().value() < 3 * log::kMinContainerSize) {
      ASSERT_OK(filler.append(payload));
      ASSERT_OK(log_->run_background());
    }
    rm_ = make_rm(1);
    above_ = make_rm(9);
    Branch work = branch({&rm_});
    EXPECT_OK(work.enlistments[0].set_recovery_information(std::span(payload).first(3000 * round)));
    EXPECT_OK(work.superior.superior_prepare());
    EXPECT_OK(work.enlistments[0].prepare_complete());
    force();
    for (std::size_t size = payload.size(); size > 0; size /= 2) {
      while (filler.append(std::span(payload).first(size))) ASSERT_OK(log_->run_background());
    }
    crash(sim::survive_none());
    boot();
    EXPECT_EQ(report_.in_doubt.size(), 1u);
    above_ = open_rm(9);
    EXPECT_OK(above_.session().recover());
    Enlistment superior = take_over_query(above_);
    const Status ordered = superior.superior_commit();
    if (!ordered) {
      ++refused;
      EXPECT_CODE(ordered, kLogFull);
      EXPECT_EQ(state_of(superior), EnlistmentState::kInDoubt) << "nothing has changed";
      EXPECT_EQ(tm_.information()->state, TmState::kOnline);
      EXPECT_OK(log_->open_stream("filler")->advance_base(log_->end_lsn()));
      ASSERT_OK(log_->run_background());
      EXPECT_OK(superior.superior_commit());
    }
    force();
    rm_ = open_rm(1);
    EXPECT_OK(rm_.session().recover());
    EXPECT_OK(take_over(rm_, 1).commit_complete());
    EXPECT_EQ(tm_.information()->transactions, 0u);
  }
  EXPECT_GT(refused, 0) << "no round has shown it";
}

}  // namespace
}  // namespace cairn::tm
