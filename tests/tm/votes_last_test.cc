// One enlistment that is asked for its vote when the others have answered, so that it can decide
// alone if none of them has anything to commit.
#include <functional>

#include "tm/durable_harness.h"

namespace cairn::tm {
namespace {

constexpr EnlistmentOptions kLast{.votes_last = true};

Enlistment enlist_last(Rm& rm, const Transaction& transaction,
                       NotificationMask mask = kTwoOrSinglePhase) {
  auto enlistment = rm.session().enlist(transaction, mask, 1, kLast);
  EXPECT_OK(enlistment);
  return enlistment ? std::move(*enlistment) : Enlistment();
}

class VotesLast : public VolatileTm {
 protected:
  // Another one was asked for its vote, and this one waits.
  void hold_back(const TransactionOptions& options = {}) {
    transaction_ = begin(options);
    last_ = enlist_last(rm_, transaction_);
    other_ = other_rm_.enlist(transaction_);
    ASSERT_OK(transaction_.commit_async());
    ASSERT_EQ(other_rm_.hear(), "PREPARE");
    ASSERT_EQ(rm_.hear(), "");
  }
  void delegate(const TransactionOptions& options = {}) {
    hold_back(options);
    ASSERT_OK(other_.read_only());
    ASSERT_EQ(rm_.hear(), "SINGLE_PHASE_COMMIT");
    ASSERT_EQ(state_of(transaction_), TransactionState::kDelegated);
  }
  // The one that was held back is told that all is over, and was never asked.
  void expect_rolled_back() {
    EXPECT_EQ(rm_.hear(), "ROLLBACK");
    EXPECT_EQ(transaction_.outcome(), Outcome::kAborted);
    EXPECT_OK(last_.rollback_complete());
  }

  Rm rm_ = make_rm(1);
  Rm other_rm_ = make_rm(2);
  Rm third_rm_ = make_rm(3);
  Transaction transaction_;
  Enlistment last_, other_;
};

TEST_F(VotesLast, DecidesAloneWhereAllOthersOnlyRead) {
  delegate();
  EXPECT_OK(last_.commit_complete());
  EXPECT_EQ(transaction_.outcome(), Outcome::kCommitted);
  EXPECT_EQ(state_of(transaction_), TransactionState::kForgotten);
  EXPECT_EQ(rm_.hear() + other_rm_.hear(), "");
}

TEST_F(VotesLast, VotesWhereAnotherOneVotedYes) {
  hold_back();
  EXPECT_OK(other_.prepare_complete());
  EXPECT_EQ(rm_.hear(), "PREPARE");
  EXPECT_EQ(state_of(transaction_), TransactionState::kPreparing);
  EXPECT_EQ(other_rm_.hear(), "") << "nothing is decided";
  EXPECT_OK(last_.prepare_complete());
  EXPECT_EQ(rm_.hear() + other_rm_.hear(), "COMMITCOMMIT");
}

TEST_F(VotesLast, WaitsForAllTheOthers) {
  transaction_ = begin();
  last_ = enlist_last(rm_, transaction_);
  other_ = other_rm_.enlist(transaction_);
  Enlistment third = third_rm_.enlist(transaction_);
  ASSERT_OK(transaction_.commit_async());
  EXPECT_OK(other_.prepare_complete());
  EXPECT_EQ(rm_.hear(), "");
  EXPECT_OK(third.read_only());
  EXPECT_EQ(rm_.hear(), "PREPARE") << "of the others, one promised";
}

TEST_F(VotesLast, IsNotAskedTwice) {
  hold_back();
  EXPECT_CODE(last_.prepare_complete(), kNotRequested);
  EXPECT_CODE(last_.commit_complete(), kNotRequested);
  EXPECT_OK(other_.prepare_complete());
  EXPECT_OK(other_.prepare_complete()) << "a repetition";
  EXPECT_EQ(rm_.hear(), "PREPARE");
}

TEST_F(VotesLast, MayAnswerThatItOnlyReadWhenItIsAsked) {
  hold_back();
  EXPECT_OK(other_.prepare_complete());
  EXPECT_OK(last_.read_only());
  EXPECT_EQ(other_rm_.hear(), "COMMIT");
}

TEST_F(VotesLast, MayLeaveWhileItWaits) {
  hold_back();
  EXPECT_OK(last_.read_only());
  EXPECT_EQ(state_of(transaction_), TransactionState::kPreparing);
  EXPECT_OK(other_.prepare_complete());
  EXPECT_EQ(rm_.hear(), "");
  EXPECT_EQ(other_rm_.hear(), "COMMIT");

  hold_back();
  EXPECT_OK(last_.read_only());
  EXPECT_OK(other_.read_only());
  EXPECT_EQ(state_of(transaction_), TransactionState::kForgotten);
  EXPECT_EQ(transaction_.outcome(), Outcome::kCommitted);
}

TEST_F(VotesLast, OfSeveralTheOneThatCameLastWaits) {
  transaction_ = begin();
  last_ = enlist_last(rm_, transaction_);
  other_ = enlist_last(other_rm_, transaction_);
  ASSERT_OK(transaction_.commit_async());
  EXPECT_EQ(rm_.hear(), "PREPARE");
  EXPECT_EQ(other_rm_.hear(), "");
  EXPECT_OK(last_.read_only());
  EXPECT_EQ(other_rm_.hear(), "SINGLE_PHASE_COMMIT");
}

TEST_F(VotesLast, WhereTheOneThatCameLastHasLeftTheOneBeforeItWaits) {
  transaction_ = begin();
  last_ = enlist_last(rm_, transaction_);
  other_ = other_rm_.enlist(transaction_);
  Enlistment third = enlist_last(third_rm_, transaction_);
  EXPECT_OK(third.read_only());
  ASSERT_OK(transaction_.commit_async());
  EXPECT_EQ(rm_.hear(), "");
  EXPECT_OK(other_.read_only());
  EXPECT_EQ(rm_.hear(), "SINGLE_PHASE_COMMIT");
}

TEST_F(VotesLast, WaitsAlsoBehindThePrePreparePhase) {
  transaction_ = begin();
  last_ = enlist_last(rm_, transaction_, kAllPhases | NotificationKind::kSinglePhaseCommit);
  other_ = other_rm_.enlist(transaction_, kAllPhases);
  ASSERT_OK(transaction_.commit_async());
  EXPECT_EQ(rm_.hear() + other_rm_.hear(), "PREPREPAREPREPREPARE");
  EXPECT_OK(last_.pre_prepare_complete());
  EXPECT_OK(other_.pre_prepare_complete());
  EXPECT_EQ(other_rm_.hear(), "PREPARE");
  EXPECT_EQ(rm_.hear(), "");
  EXPECT_EQ(state_of(last_), EnlistmentState::kPrePrepared);
  EXPECT_OK(other_.read_only());
  EXPECT_EQ(rm_.hear(), "SINGLE_PHASE_COMMIT");
  EXPECT_OK(last_.single_phase_reject());
  EXPECT_EQ(rm_.hear(), "PREPARE") << "it has preprepared before";
}

TEST_F(VotesLast, TakesPartLateToo) {
  transaction_ = begin();
  other_ = other_rm_.enlist(transaction_, kAllPhases);
  ASSERT_OK(transaction_.commit_async());
  last_ = enlist_last(rm_, transaction_);
  EXPECT_OK(other_.pre_prepare_complete());
  EXPECT_EQ(other_rm_.hear(), "PREPREPARE PREPARE");
  EXPECT_EQ(rm_.hear(), "");
  EXPECT_CODE(third_rm_.session().enlist(transaction_, kTwoOrSinglePhase, 1, kLast), kNotActive);
  EXPECT_OK(other_.read_only());
  EXPECT_EQ(rm_.hear(), "SINGLE_PHASE_COMMIT");
}

TEST_F(VotesLast, AloneOrAmongThoseThatDoNotVoteItDecidesAtOnce) {
  transaction_ = begin();
  last_ = enlist_last(rm_, transaction_);
  Enlistment listens = other_rm_.enlist(transaction_, kListen);
  ASSERT_OK(transaction_.commit_async());
  EXPECT_EQ(rm_.hear(), "SINGLE_PHASE_COMMIT");
  EXPECT_OK(last_.commit_complete());
  EXPECT_EQ(other_rm_.hear(), "COMMIT");
}

TEST_F(VotesLast, ThoseThatOnlyListenHearWhatItDecided) {
  transaction_ = begin();
  last_ = enlist_last(rm_, transaction_);
  other_ = other_rm_.enlist(transaction_);
  Enlistment listens = third_rm_.enlist(transaction_, kListen);
  ASSERT_OK(transaction_.commit_async());
  EXPECT_OK(other_.read_only());
  EXPECT_EQ(rm_.hear(), "SINGLE_PHASE_COMMIT");
  EXPECT_OK(last_.rollback_complete());
  EXPECT_EQ(third_rm_.hear(), "ROLLBACK");
  EXPECT_EQ(transaction_.outcome(), Outcome::kAborted);
}

// --- below a superior ---

TEST_F(VotesLast, BelowASuperiorItWaitsAndNeverDecidesAlone) {
  for (const bool decides : {false, true}) {  // whether the order to commit comes before the votes
    Transaction transaction = begin();
    last_ = enlist_last(rm_, transaction);
    other_ = other_rm_.enlist(transaction);
    Enlistment superior =
        *third_rm_.session().enlist(transaction, kSuperior, 1, {.superior = true});
    ASSERT_OK(decides ? superior.superior_commit() : superior.superior_prepare());
    EXPECT_EQ(other_rm_.hear(), "PREPARE");
    EXPECT_EQ(rm_.hear(), "");
    EXPECT_OK(other_.read_only());
    EXPECT_EQ(rm_.hear(), "PREPARE");
    EXPECT_EQ(third_rm_.hear(), "");
    EXPECT_OK(last_.prepare_complete());
    if (!decides) {
      EXPECT_EQ(third_rm_.hear(), "PREPARE_COMPLETE");
      EXPECT_OK(superior.superior_commit());
    }
    EXPECT_EQ(rm_.hear(), "COMMIT");
    EXPECT_OK(last_.commit_complete());
    EXPECT_EQ(third_rm_.hear(), "COMMIT_COMPLETE");
  }
}

TEST_F(VotesLast, IsNotForASuperiorNorForAMaskWithoutSinglePhase) {
  transaction_ = begin();
  EXPECT_CODE(
      rm_.session().enlist(transaction_, kSuperior, 1, {.superior = true, .votes_last = true}),
      kInvalidArgument);
  EXPECT_CODE(rm_.session().enlist(transaction_, kTwoPhase, 1, kLast), kInvalidArgument);
  EXPECT_CODE(rm_.session().enlist(transaction_, kListen, 1, kLast), kInvalidArgument);
  last_ = enlist_last(rm_, transaction_);
  EXPECT_TRUE(last_.information()->votes_last);
  EXPECT_FALSE(rm_.enlist(begin()).information()->votes_last);
}

// --- it rejects ---

TEST_F(VotesLast, RejectsAndIsAskedInTwoPhases) {
  delegate();
  EXPECT_OK(last_.single_phase_reject());
  EXPECT_EQ(rm_.hear(), "PREPARE");
  EXPECT_OK(last_.prepare_complete());
  EXPECT_EQ(rm_.hear(), "COMMIT");
  EXPECT_EQ(other_rm_.hear(), "");
}

TEST_F(VotesLast, RejectedOnesTimeCountsOn) {
  delegate({.timeout = std::chrono::seconds(5)});
  now_ += std::chrono::seconds(6);
  EXPECT_OK(tm_.run_background());
  EXPECT_EQ(transaction_.outcome(), Outcome::kUndetermined) << "its owner may have committed";
  EXPECT_OK(last_.single_phase_reject());
  EXPECT_OK(tm_.run_background());
  EXPECT_EQ(rm_.hear(), "PREPARE ROLLBACK");
  EXPECT_CODE(transaction_.information()->abort_reason, kTimeout);
}

// --- a rollback in every moment ---

TEST_F(VotesLast, RolledBackByWhomeverWhileItWaitsItIsNeverAsked) {
  const std::vector<std::function<void()>> ways = {
      [&] { EXPECT_OK(transaction_.rollback()); },
      [&] { EXPECT_OK(other_.rollback()); },
      [&] { EXPECT_OK(last_.rollback()); },
      [&] { other_ = Enlistment(); },
      [&] { EXPECT_OK(other_rm_.session().disconnect(Status(StatusCode::kNoSpace, "full"))); },
      [&] {
        now_ += std::chrono::seconds(6);
        EXPECT_OK(tm_.run_background());
      },
  };
  for (const auto& way : ways) {
    other_rm_ = Rm();
    other_rm_ = make_rm(2);
    hold_back({.timeout = std::chrono::seconds(5)});
    way();
    expect_rolled_back();
  }
}

TEST_F(VotesLast, RolledBackWhileItVotesItIsToldSo) {
  hold_back();
  EXPECT_OK(other_.prepare_complete());
  EXPECT_OK(last_.rollback());
  EXPECT_EQ(rm_.hear(), "PREPARE ROLLBACK");
  EXPECT_EQ(other_rm_.hear(), "ROLLBACK");
}

TEST_F(VotesLast, OneThatPromisedMayStillAskForTheOutcomeAndSoRollBack) {
  transaction_ = begin();
  last_ = enlist_last(rm_, transaction_);
  other_ = other_rm_.enlist(transaction_);
  Enlistment third = third_rm_.enlist(transaction_);
  ASSERT_OK(transaction_.commit_async());
  EXPECT_OK(third.prepare_complete());
  EXPECT_OK(third.request_outcome());
  expect_rolled_back();
}

TEST_F(VotesLast, DroppedWhileItWaitsItRollsTheTransactionBack) {
  hold_back();
  last_ = Enlistment();
  EXPECT_EQ(transaction_.outcome(), Outcome::kAborted);
  EXPECT_EQ(other_rm_.hear(), "ROLLBACK");
}

TEST_F(VotesLast, DisconnectedWhileItWaitsItRollsTheTransactionBack) {
  hold_back();
  rm_.disconnect();
  EXPECT_EQ(transaction_.outcome(), Outcome::kAborted);
  EXPECT_EQ(other_rm_.hear(), "ROLLBACK");
}

TEST_F(VotesLast, VanishedWhileItDecidesItLeavesTheOutcomeUnknown) {
  delegate();
  EXPECT_CODE(transaction_.rollback(), kRequestNotValid);
  rm_.disconnect();
  EXPECT_EQ(transaction_.outcome(), Outcome::kUnknown);
}

TEST_F(VotesLast, ClosedWhileItWaitsAllIsRolledBackAndWhileItDecidesUnknown) {
  hold_back();
  const Transaction waits = transaction_;
  const Enlistment its_last = last_, its_other = other_;
  delegate();
  EXPECT_OK(tm_.close());
  EXPECT_EQ(waits.outcome(), Outcome::kAborted);
  EXPECT_EQ(transaction_.outcome(), Outcome::kUnknown);
}

// --- the log ---

class VotesLastDurably : public DurableTm {
 protected:
  void SetUp() override { begin_anew(); }
  void begin_anew() {
    start_and_recover();
    rm_ = make_rm(1), other_rm_ = make_rm(2);
  }
  void hold_back() {
    transaction_ = begin();
    last_ = enlist_last(rm_, transaction_);
    other_ = other_rm_.enlist(transaction_);
    ASSERT_OK(transaction_.commit_async());
    ASSERT_EQ(other_rm_.hear(), "PREPARE");
    ASSERT_EQ(rm_.hear(), "");
  }
  void delegate() {
    hold_back();
    ASSERT_OK(other_.read_only());
    ASSERT_EQ(rm_.hear(), "SINGLE_PHASE_COMMIT");
  }
  std::uint64_t reserved_records() const { return log_->info().space.reserved.records; }
  // The power goes; nobody is offered anything afterwards.
  void expect_forgotten_by_a_crash() {
    transaction_ = {}, last_ = {}, other_ = {}, rm_ = {}, other_rm_ = {};
    crash(sim::survive_all());
    EXPECT_EQ(start_and_recover().enlistments, 0u);
    rm_ = make_rm(1), other_rm_ = make_rm(2);  // LAST_RECOVER, and nothing before
  }

  Rm rm_, other_rm_;
  Transaction transaction_;
  Enlistment last_, other_;
};

TEST_F(VotesLastDurably, DecidingAloneWritesNothingAndGivesItsRoomBack) {
  const std::uint64_t reserved = reserved_records();
  hold_back();
  EXPECT_GT(reserved_records(), reserved);
  const std::uint64_t forced = forced_writes();
  EXPECT_OK(other_.read_only());
  EXPECT_EQ(reserved_records(), reserved);
  EXPECT_OK(last_.commit_complete());
  EXPECT_EQ(transaction_.outcome(), Outcome::kCommitted);
  EXPECT_EQ(forced_writes(), forced);
  EXPECT_EQ(records(), "restart");
}

TEST_F(VotesLastDurably, ARejectTakesRoomAgainAndTheDecisionIsForced) {
  const std::uint64_t reserved = reserved_records();
  delegate();
  EXPECT_OK(last_.single_phase_reject());
  EXPECT_EQ(rm_.hear(), "PREPARE");
  EXPECT_GT(reserved_records(), reserved);
  EXPECT_OK(last_.prepare_complete());
  EXPECT_OK(transaction_.wait(WaitFor::kDecided, kSoon));
  EXPECT_EQ(records(), "restart decision");
  EXPECT_EQ(rm_.hear(), "COMMIT");
  EXPECT_OK(last_.commit_complete());
  EXPECT_EQ(reserved_records(), reserved);
}

TEST_F(VotesLastDurably, OneThatPromisedAndWentAwayCounts) {
  hold_back();
  Rm third_rm = make_rm(3);
  transaction_ = begin();
  last_ = enlist_last(rm_, transaction_);
  other_ = other_rm_.enlist(transaction_);
  Enlistment third = third_rm.enlist(transaction_);
  ASSERT_OK(transaction_.commit_async());
  EXPECT_OK(other_.prepare_complete());
  other_rm_.disconnect();
  EXPECT_EQ(state_of(other_), EnlistmentState::kOffline);
  EXPECT_OK(third.read_only());
  EXPECT_EQ(rm_.hear(), "ROLLBACK PREPARE") << "the first transaction's, and this one's";
  EXPECT_OK(last_.prepare_complete());
  EXPECT_OK(transaction_.wait(WaitFor::kDecided, kSoon));
  other_rm_ = open_rm(2);
  EXPECT_OK(other_rm_.session().recover());
  other_ = take_over(other_rm_, 7);
  EXPECT_EQ(other_rm_.hear(), "LAST_RECOVER COMMIT");
}

TEST_F(VotesLastDurably, OneThatOnlyListensAndIsDurableNeedsADecision) {
  Rm third_rm = make_rm(3);
  transaction_ = begin();
  last_ = enlist_last(rm_, transaction_);
  other_ = other_rm_.enlist(transaction_);
  Enlistment listens = third_rm.enlist(transaction_, kListen);
  ASSERT_OK(transaction_.commit_async());
  EXPECT_EQ(rm_.hear(), "");
  EXPECT_OK(other_.read_only());
  EXPECT_EQ(rm_.hear(), "PREPARE") << "only a record can tell the other after a crash";
}

TEST_F(VotesLastDurably, AFreezeHoldsBackADecisionAndNotOneThatIsMadeAlone) {
  delegate();
  Transaction alone = transaction_;
  Enlistment owner = last_;
  hold_back();
  EXPECT_OK(other_.prepare_complete());
  ASSERT_OK(tm_.freeze(std::chrono::seconds(1), std::chrono::seconds(1000)));
  EXPECT_EQ(rm_.hear(), "PREPARE") << "votes are taken";
  EXPECT_OK(last_.prepare_complete());
  EXPECT_OK(owner.commit_complete());
  EXPECT_EQ(alone.outcome(), Outcome::kCommitted) << "nothing of it goes to the log";
  EXPECT_CODE(transaction_.wait(WaitFor::kDecided, std::chrono::nanoseconds(0)), kTimeout);
  EXPECT_OK(tm_.thaw());
  EXPECT_OK(transaction_.wait(WaitFor::kDecided, kSoon));
  EXPECT_EQ(records(), "restart decision");
}

TEST_F(VotesLastDurably, ACrashInAnyMomentLeavesNothing) {
  expect_forgotten_by_a_crash();
  hold_back();
  expect_forgotten_by_a_crash();
  hold_back();
  EXPECT_OK(other_.prepare_complete());
  expect_forgotten_by_a_crash();
  delegate();
  expect_forgotten_by_a_crash();
  delegate();
  EXPECT_OK(last_.single_phase_reject());
  expect_forgotten_by_a_crash();
  delegate();
  EXPECT_OK(last_.commit_complete());
  EXPECT_EQ(transaction_.outcome(), Outcome::kCommitted);
  expect_forgotten_by_a_crash();  // its owner knows
}

TEST_F(VotesLastDurably, ACrashAfterTheDecisionOffersItToBoth) {
  hold_back();
  EXPECT_OK(other_.prepare_complete());
  EXPECT_OK(last_.prepare_complete());
  EXPECT_OK(transaction_.wait(WaitFor::kDecided, kSoon));
  transaction_ = {}, last_ = {}, other_ = {}, rm_ = {}, other_rm_ = {};
  crash();
  start_and_recover();
  for (const std::uint8_t number : {std::uint8_t{1}, std::uint8_t{2}}) {
    Rm rm = open_rm(number);
    EXPECT_OK(rm.session().recover());
    const Enlistment recovered = take_over(rm, 7);
    EXPECT_EQ(rm.hear(), "LAST_RECOVER COMMIT");
  }
}

}  // namespace
}  // namespace cairn::tm
