// What administrators do by hand: resolving in a superior's place, giving up a lost resource
// manager, freezing, rolling forward, renaming. And who is told that a manager came online.
#include "tm/durable_harness.h"

namespace cairn::tm {
namespace {

const Administrator kMe{"me", "the other side burnt down"};

class ByHand : public DurableTm {
 protected:
  void SetUp() override {
    start_and_recover();
    rm_ = make_rm(1);
    above_ = make_rm(9);
  }
  // Prepared below a superior, resource manager 9.
  Work promise() {
    Work work{begin(), {}};
    superior_ = *above_.session().enlist(work.transaction, kSuperior, 90, {.superior = true});
    work.enlistments.push_back(rm_.enlist(work.transaction));
    EXPECT_OK(superior_.superior_prepare());
    EXPECT_OK(work.enlistments[0].prepare_complete());
    EXPECT_OK(log_->flush());
    EXPECT_EQ(rm_.hear(), "PREPARE");
    EXPECT_EQ(above_.hear(), "PREPARE_COMPLETE");
    return work;
  }
  void boot() { report_ = start_and_recover(); }
  // Session of the superior after a restart, at the answer to RECOVER_QUERY.
  void bring_back_superior() {
    above_ = open_rm(9);
    EXPECT_OK(above_.session().recover());
    EXPECT_EQ(above_.hear(), "RECOVER_QUERY LAST_RECOVER");
    superior_ = *above_.session().open_enlistment(above_.session().enlistments()->front());
    EXPECT_OK(superior_.recover(91));
  }

  Rm rm_, above_;
  Enlistment superior_;
  RecoveryReport report_;
};

TEST_F(ByHand, CommitInTheSuperiorsPlaceIsForcedBeforeAnyoneIsTold) {
  Work work = promise();
  const std::uint64_t forced = forced_writes();
  EXPECT_OK(tm_.resolve(work.transaction.id(), Outcome::kCommitted, kMe));
  EXPECT_EQ(forced_writes(), forced + 1);
  EXPECT_EQ(rm_.hear(), "COMMIT");
  EXPECT_OK(work.enlistments[0].commit_complete());
  EXPECT_TRUE(work.transaction.information()->completed);
  const auto acts = work.transaction.information()->acts;
  ASSERT_EQ(acts.size(), 1u);
  EXPECT_EQ(acts[0].by.who, "me");
  EXPECT_EQ(acts[0].by.why, kMe.why);
  EXPECT_TRUE(acts[0].enlistment.is_null());
  EXPECT_EQ(tm_.information()->transactions, 1u) << "the superior must still be asked";

  EXPECT_OK(superior_.superior_commit());
  EXPECT_EQ(above_.hear(), "COMMIT_COMPLETE");
  EXPECT_EQ(tm_.information()->transactions, 0u);
  EXPECT_EQ(records(), "restart prepare decision forget");
}

TEST_F(ByHand, SuperiorThatComesBackAndSaysOtherwiseIsToldWhoAndWhy) {
  Work work = promise();
  crash();
  boot();
  EXPECT_OK(tm_.resolve(work.transaction.id(), Outcome::kCommitted, kMe));
  crash();
  boot();
  EXPECT_EQ(report_.committed.size(), 1u);
  bring_back_superior();
  const Status refused = superior_.superior_rollback();
  EXPECT_CODE(refused, kAlreadyCommitted);
  EXPECT_NE(refused.message().find("resolved by me: the other side burnt down"), std::string::npos)
      << refused.to_string();
  EXPECT_OK(superior_.superior_commit()) << "which ends the matter";
  rm_ = open_rm(1);
  EXPECT_OK(rm_.session().recover());
  Enlistment below = take_over(rm_, 3);
  EXPECT_EQ(rm_.hear(), "LAST_RECOVER COMMIT");
  EXPECT_OK(below.commit_complete());
  EXPECT_EQ(above_.hear(), "COMMIT_COMPLETE");
  EXPECT_EQ(tm_.information()->transactions, 0u);
}

TEST_F(ByHand, RollbackInTheSuperiorsPlaceIsForcedAndSurvives) {
  Work work = promise();
  const std::uint64_t forced = forced_writes();
  EXPECT_OK(tm_.resolve(work.transaction.id(), Outcome::kAborted, kMe));
  EXPECT_EQ(forced_writes(), forced + 1);
  EXPECT_EQ(rm_.hear(), "ROLLBACK");
  EXPECT_EQ(work.transaction.outcome(), Outcome::kAborted);
  EXPECT_EQ(records(), "restart prepare rollback");
  crash();
  boot();
  EXPECT_TRUE(report_.in_doubt.empty());
  EXPECT_TRUE(report_.committed.empty());
  rm_ = open_rm(1);
  EXPECT_OK(rm_.session().recover());
  Enlistment below = take_over(rm_, 3);
  EXPECT_EQ(rm_.hear(), "LAST_RECOVER ROLLBACK");
  EXPECT_OK(below.rollback_complete());
  bring_back_superior();
  EXPECT_CODE(superior_.superior_commit(), kAlreadyAborted);
  EXPECT_OK(superior_.superior_rollback());
  EXPECT_EQ(above_.hear(), "ROLLBACK_COMPLETE");
  EXPECT_EQ(tm_.information()->transactions, 0u);
  EXPECT_OK(log_->flush());
  crash();
  boot();
  above_ = make_rm(9);  // hears LAST_RECOVER only
}

TEST_F(ByHand, OnlyWhatIsInDoubtIsResolvedAndOnlyWithAReason) {
  Work active{begin(), {}};
  active.enlistments.push_back(rm_.enlist(active.transaction));
  const Uuid id = active.transaction.id();
  EXPECT_CODE(tm_.resolve(id, Outcome::kCommitted, kMe), kRequestNotValid);
  EXPECT_CODE(tm_.resolve(numbered_id(77), Outcome::kCommitted, kMe), kNotFound);
  EXPECT_CODE(tm_.resolve(id, Outcome::kUnknown, kMe), kInvalidArgument);
  EXPECT_CODE(tm_.resolve(id, Outcome::kCommitted, {"me", ""}), kInvalidArgument);
  EXPECT_CODE(tm_.resolve(id, Outcome::kCommitted, {std::string(65, 'x'), "y"}), kInvalidArgument);
  EXPECT_EQ(state_of(active.transaction), TransactionState::kActive);
  Work decided = decide({&rm_});
  EXPECT_CODE(tm_.resolve(decided.transaction.id(), Outcome::kAborted, kMe), kRequestNotValid);
}

TEST_F(ByHand, RefusedActHoldsNoSpaceOfTheLog) {
  const auto reserved = [this] {
    return log_->open_stream("tm") ? log_->list_streams().front().reserved.records : 0;
  };
  Work decided = decide({&rm_});
  const auto before = reserved();
  EXPECT_CODE(tm_.resolve(decided.transaction.id(), Outcome::kAborted, kMe), kRequestNotValid);
  EXPECT_EQ(reserved(), before);
  EXPECT_OK(decided.enlistments[0].commit_complete());
  EXPECT_EQ(reserved(), 0u);
}

TEST_F(ByHand, RollbackThatWaitsForItsSuperiorDoesNotPinTheLog) {
  EXPECT_OK(tm_.close());
  stop();
  tm_options_.carry_forward_bytes = 4096;
  boot();
  rm_ = make_rm(1);
  above_ = make_rm(9);
  Work work = promise();
  above_.disconnect();
  EXPECT_OK(tm_.resolve(work.transaction.id(), Outcome::kAborted, kMe));
  EXPECT_OK(work.enlistments[0].rollback_complete());
  rm_.hear();
  const Lsn end = log_->end_lsn();
  while (!HasFailure() && log_->end_lsn() - end < 2 * tm_options_.carry_forward_bytes) {
    commit_once(rm_);
  }
  EXPECT_OK(tm_.checkpoint());
  EXPECT_GT(tm_.information()->base, end);
  EXPECT_TRUE(work.transaction.information()->decision_lsn.is_null()) << "nothing was decided";
  crash();
  boot();
  bring_back_superior();
  EXPECT_CODE(superior_.superior_commit(), kAlreadyAborted);
  EXPECT_OK(superior_.superior_rollback());
  rm_ = open_rm(1);
  EXPECT_OK(rm_.session().recover());
  Enlistment below = take_over(rm_, 3);
  EXPECT_EQ(rm_.hear(), "LAST_RECOVER ROLLBACK");
  EXPECT_OK(below.rollback_complete());
  EXPECT_EQ(above_.hear(), "ROLLBACK_COMPLETE");
  EXPECT_EQ(tm_.information()->transactions, 0u);
}

// --- giving up ---

TEST_F(ByHand, TransactionIsCompletedWithoutALostResourceManager) {
  Work work = decide({&rm_, &above_});
  EXPECT_OK(work.enlistments[0].commit_complete());
  const Uuid id = work.transaction.id();
  EXPECT_CODE(tm_.give_up(id, numbered_id(9), kMe), kRequestNotValid) << "it is there";
  above_.disconnect();
  EXPECT_FALSE(work.transaction.information()->completed);
  EXPECT_OK(tm_.give_up(id, numbered_id(9), kMe));
  EXPECT_OK(work.transaction.wait(WaitFor::kCompleted, kSoon));
  EXPECT_EQ(records(), "restart decision amended");
  EXPECT_CODE(tm_.give_up(id, numbered_id(9), kMe), kNotFound) << "it is not waited for";

  crash();
  boot();
  EXPECT_EQ(report_.committed, std::vector<Uuid>{id});
  Transaction transaction = *tm_.open_transaction(id);
  EXPECT_TRUE(transaction.information()->completed == false) << "resource manager 1 told nobody";
  rm_ = open_rm(1);
  EXPECT_OK(rm_.session().recover());
  Enlistment first = take_over(rm_, 4);
  EXPECT_OK(first.commit_complete());
  EXPECT_TRUE(transaction.information()->completed);

  // It comes back after all, and hears what it must, and why it was not waited for.
  above_ = open_rm(9);
  EXPECT_OK(above_.session().recover());
  Enlistment late = take_over(above_, 5);
  EXPECT_EQ(above_.hear(), "LAST_RECOVER COMMIT");
  EXPECT_NE(late.information()->given_up.message().find("given up by me"), std::string::npos);
  EXPECT_OK(late.commit_complete());
  EXPECT_EQ(tm_.information()->transactions, 0u);
}

TEST_F(ByHand, GivingUpNeedsACommittedTransactionAndItsEnlistment) {
  Work work = decide({&rm_});
  const Uuid id = work.transaction.id();
  EXPECT_CODE(tm_.give_up(id, numbered_id(9), kMe), kNotFound);
  EXPECT_CODE(tm_.give_up(numbered_id(77), numbered_id(1), kMe), kNotFound);
  EXPECT_CODE(tm_.give_up(id, numbered_id(1), {"me", ""}), kInvalidArgument);
  rm_.hear();
  Work promised = promise();
  rm_.disconnect();
  EXPECT_CODE(tm_.give_up(promised.transaction.id(), numbered_id(1), kMe), kRequestNotValid);
  EXPECT_OK(tm_.give_up(id, numbered_id(1), kMe));
  EXPECT_TRUE(work.transaction.information()->completed);
  EXPECT_OK(tm_.checkpoint());
  crash();
  boot();
  EXPECT_EQ(report_.committed, std::vector<Uuid>{id}) << "kept for the one that was given up";
}

// --- freezing ---

TEST_F(ByHand, NoDecisionIsWrittenWhileFrozen) {
  ASSERT_OK(tm_.freeze(kSoon, std::chrono::seconds(60)));
  EXPECT_TRUE(tm_.information()->frozen);
  EXPECT_CODE(tm_.freeze(kSoon, kSoon), kRequestNotValid);
  Transaction transaction = begin();
  Enlistment enlistment = rm_.enlist(transaction);
  EXPECT_OK(transaction.commit_async());
  EXPECT_OK(enlistment.prepare_complete());
  EXPECT_OK(log_->flush());
  EXPECT_EQ(rm_.hear(), "PREPARE");
  EXPECT_EQ(records(), "restart");
  EXPECT_OK(tm_.thaw());
  EXPECT_OK(transaction.wait(WaitFor::kDecided, kSoon));
  EXPECT_EQ(rm_.hear(), "COMMIT");
  EXPECT_CODE(tm_.thaw(), kRequestNotValid);
}

TEST_F(ByHand, FreezeLetsWhatIsOnItsWayThrough) {
  Work work = submit({&rm_});
  ASSERT_OK(tm_.freeze(kSoon, std::chrono::seconds(60)));
  EXPECT_EQ(work.transaction.outcome(), Outcome::kCommitted);
  EXPECT_OK(tm_.thaw());
}

TEST_F(ByHand, FreezeEndsByItself) {
  ASSERT_OK(tm_.freeze(kSoon, std::chrono::seconds(5)));
  Work work{begin(), {}};
  work.enlistments.push_back(rm_.enlist(work.transaction));
  EXPECT_OK(work.transaction.commit_async());
  EXPECT_OK(work.enlistments[0].prepare_complete());
  now_ += std::chrono::seconds(4);
  EXPECT_OK(tm_.run_background());
  EXPECT_TRUE(tm_.information()->frozen);
  now_ += std::chrono::seconds(1);
  EXPECT_OK(tm_.run_background());
  EXPECT_FALSE(tm_.information()->frozen);
  EXPECT_OK(work.transaction.wait(WaitFor::kDecided, kSoon));
}

TEST_F(ByHand, CloseWritesWhatWasHeldBack) {
  ASSERT_OK(tm_.freeze(kSoon, std::chrono::seconds(60)));
  Work work{begin(), {}};
  work.enlistments.push_back(rm_.enlist(work.transaction));
  EXPECT_OK(work.transaction.commit_async());
  EXPECT_OK(work.enlistments[0].prepare_complete());
  EXPECT_OK(tm_.close());
  EXPECT_EQ(work.transaction.outcome(), Outcome::kCommitted);
  EXPECT_CODE(tm_.freeze(kSoon, kSoon), kNotOnline);
}

// --- rolling forward, renaming ---

TEST_F(ByHand, RollForwardReadsUpToAClockAndServesOnlyAtTheEnd) {
  std::vector<Work> all;
  for (int i = 0; i < 3; ++i) all.push_back(decide({&rm_}));  // clocks 2, 3, 4
  const std::uint64_t first = all[0].transaction.information()->clock;
  crash();
  start();
  auto report = tm_.roll_forward(first);
  ASSERT_OK(report);
  EXPECT_FALSE(report->at_end);
  EXPECT_EQ(report->committed, std::vector<Uuid>{all[0].transaction.id()});
  EXPECT_CODE(tm_.create_transaction(), kNotOnline);
  EXPECT_CODE(tm_.roll_forward(first - 1), kInvalidArgument);
  report = tm_.roll_forward(first + 1);
  ASSERT_OK(report);
  EXPECT_EQ(report->committed.size(), 2u);
  report = tm_.roll_forward(first + 2);
  ASSERT_OK(report);
  EXPECT_TRUE(report->at_end);
  EXPECT_EQ(report->committed.size(), 3u);
  EXPECT_EQ(tm_.information()->state, TmState::kOnline);
  EXPECT_CODE(tm_.roll_forward(100), kRequestNotValid);
}

TEST_F(ByHand, RecoverGoesOnFromWhereRollForwardStopped) {
  Work work = decide({&rm_});
  crash();
  start();
  ASSERT_OK(tm_.roll_forward(1));
  auto report = tm_.recover();
  ASSERT_OK(report);
  EXPECT_EQ(report->committed.size(), 1u);
}

TEST_F(ByHand, RenamedManagerKeepsItsTransactionsUnderANewIdentity) {
  Work work = decide({&rm_});
  const Uuid before = tm_.id();
  crash();
  open_log();
  TmOptions options = tm_options_;
  options.log = log_;
  EXPECT_CODE(TransactionManager::rename(options, numbered_id(50)), kIdentityMismatch);
  auto renamed = TransactionManager::rename(options, before);
  ASSERT_OK(renamed);
  EXPECT_NE(*renamed, before);
  options.log = log_ = nullptr;
  boot();
  EXPECT_EQ(tm_.id(), *renamed);
  EXPECT_EQ(report_.committed.size(), 1u) << "its records are older than its name";
  options.log = log_;
  EXPECT_CODE(TransactionManager::rename(options, *renamed), kLocked) << "it is open";
  options.log = nullptr;
  // Once nothing of the old name is left, the name is gone too.
  rm_ = open_rm(1);
  EXPECT_OK(rm_.session().recover());
  Enlistment again = take_over(rm_, 2);
  EXPECT_OK(again.commit_complete());
  EXPECT_OK(tm_.checkpoint());
  EXPECT_OK(log_->flush());
  auto stream = log_->open_stream("tm");
  const auto area = stream->read_restart_area();
  EXPECT_EQ(area->data.size(), recovery::kRestartBytes);
  crash();
  boot();
  EXPECT_EQ(tm_.id(), *renamed);
}

TEST_F(ByHand, TwoManagersOfOneIdentityAreNotOpenAtOnce) {
  const Uuid id = tm_.id();
  EXPECT_OK(log_->flush());
  auto copy = storage_->after_crash(sim::survive_all());
  log::OpenOptions options;
  options.storage = copy;
  options.background = log::Background::kManual;
  auto copied = log::Log::open(kPath, options);
  ASSERT_OK(copied);
  const std::shared_ptr<log::Log> other = std::move(*copied);
  TmOptions tm_options = tm_options_;
  tm_options.log = other;
  EXPECT_CODE(TransactionManager::open(tm_options), kAlreadyExists);
  EXPECT_OK(TransactionManager::open_by_id(id)) << "the first one is registered as before";
  auto renamed = TransactionManager::rename(tm_options, id);
  ASSERT_OK(renamed);
  auto second = TransactionManager::open(tm_options);
  ASSERT_OK(second);
  EXPECT_OK(second->recover());
  EXPECT_OK(second->close());
}

TEST_F(ByHand, WatchersHearOfManagersThatComeOnline) {
  EXPECT_OK(rm_.session().watch_managers());
  EXPECT_OK(rm_.session().watch_managers()) << "once is enough";
  TmOptions options;
  options.background = Background::kManual;
  auto other = TransactionManager::create(options);
  ASSERT_OK(other);
  EXPECT_EQ(rm_.hear(), "TM_ONLINE");
  EXPECT_EQ(rm_.last().manager, other->id());
  rm_ = Rm();
  auto third = TransactionManager::create(options);
  EXPECT_OK(third);
}

}  // namespace
}  // namespace cairn::tm
