// Two managers, one above the other: phases, votes, rollbacks, and what each side may do alone.
#include "bridge_record.h"
#include "bridge_steps.h"
#include "tm/bridge_harness.h"

namespace cairn::tm {
namespace {

using Bridge = Bridged;
using BridgeRecovery = Bridged;

TEST_F(Bridge, CarriesThePhasesDownAndTheAnswersUp) {
  above_.silent = true;
  Work made = work_of_all();
  EXPECT_EQ(state_of_branch(), "Working/Active");
  EXPECT_OK(made.upper.commit_async());
  EXPECT_TRUE(*bridge_->pump());
  EXPECT_EQ(state_of_branch(), "PrePrepare/PrePreparing");
  first_.answer();
  second_.answer();
  EXPECT_TRUE(*bridge_->pump());
  EXPECT_EQ(state_of_branch(), "Prepare/Preparing");
  first_.answer();
  EXPECT_FALSE(*bridge_->pump()) << "a vote is missing";
  EXPECT_EQ(state_of_branch(), "Prepare/Preparing") << "and so is the bridge's";
  settle();
  EXPECT_EQ(state_of_branch(), "Voted/Prepared");
  EXPECT_EQ(made.upper.outcome(), Outcome::kUndetermined);
  above_.silent = false;
  second_.silent = true;
  settle();
  EXPECT_EQ(made.upper.outcome(), Outcome::kCommitted);
  EXPECT_EQ(made.branch.outcome(), Outcome::kCommitted);
  EXPECT_EQ(state_of_branch(), "Commit/Committing");
  EXPECT_EQ(state_of(made.upper), TransactionState::kCommitted)
      << "not forgotten before all below have committed";
  second_.silent = false;
  settle();
  EXPECT_EQ(state_of(made.upper), TransactionState::kForgotten);
  EXPECT_EQ(unfinished(), 0u);
  EXPECT_EQ(above_.heard(), "PREPARE COMMIT");
  EXPECT_EQ(first_.heard(), "PREPREPARE PREPARE COMMIT");
  EXPECT_EQ(records("upper"), "restart decision forget");
  EXPECT_EQ(records("lower"), "restart prepare decision forget");
}

TEST_F(Bridge, BranchOfReadersVotesReadOnlyAndWritesNothing) {
  first_.vote = second_.vote = Member::Vote::kReadOnly;
  above_.silent = true;
  Work made = work_of_all();
  EXPECT_OK(made.upper.commit_async());
  settle();
  EXPECT_EQ(made.upper.information()->enlistments.size(), 1u) << "the bridge has left";
  EXPECT_EQ(bridge_->information().branches.size(), 0u);
  above_.silent = false;
  settle();
  EXPECT_EQ(made.upper.outcome(), Outcome::kCommitted);
  EXPECT_EQ(first_.heard(), "PREPREPARE PREPARE");
  EXPECT_EQ(records("lower"), "restart");
  EXPECT_EQ(unfinished(), 0u);
}

TEST_F(Bridge, BranchThatNobodyJoinedVotesReadOnly) {
  Work made = work();
  EXPECT_OK(made.upper.commit_async());
  settle();
  EXPECT_EQ(state_of(made.upper), TransactionState::kForgotten);
  EXPECT_EQ(records("upper"), "restart decision forget");
  EXPECT_EQ(records("lower"), "restart");
  EXPECT_EQ(unfinished(), 0u);
}

TEST_F(Bridge, OneReaderBelowStillPromises) {
  first_.vote = Member::Vote::kReadOnly;
  Work made = work_of_all();
  EXPECT_OK(made.upper.commit_async());
  settle();
  EXPECT_EQ(second_.heard(), "PREPREPARE PREPARE COMMIT");
  EXPECT_EQ(records("lower"), "restart prepare decision forget");
}

TEST_F(Bridge, VoteAgainstItBelowRollsBackAbove) {
  second_.vote = Member::Vote::kNo;
  Work made = work_of_all();
  EXPECT_OK(made.upper.commit_async());
  settle();
  EXPECT_EQ(made.upper.outcome(), Outcome::kAborted);
  const std::string why = made.upper.information()->abort_reason.to_string();
  EXPECT_NE(why.find(made.branch.id().to_string()), std::string::npos) << why;
  EXPECT_EQ(first_.heard(), "PREPREPARE PREPARE ROLLBACK");
  EXPECT_EQ(above_.heard(), "PREPARE ROLLBACK");
  EXPECT_EQ(unfinished(), 0u);
}

TEST_F(Bridge, VoteAgainstItAboveRollsBackBelow) {
  Work made = voted();
  above_.silent = false;
  above_.vote = Member::Vote::kNo;
  settle();
  EXPECT_EQ(made.branch.outcome(), Outcome::kAborted);
  EXPECT_EQ(first_.heard(), "PREPREPARE PREPARE ROLLBACK");
  EXPECT_EQ(unfinished(), 0u);
}

TEST_F(Bridge, RollbackCrossesTheEndOfAPhase) {
  above_.silent = true;
  Work made = work_of_all();
  EXPECT_OK(made.upper.commit_async());
  for (int phase = 0; phase < 2; ++phase) {
    EXPECT_TRUE(*bridge_->pump());
    first_.answer();
    second_.answer();
  }
  EXPECT_EQ(state_of_branch(), "Prepare/Preparing");
  EXPECT_OK(log_->flush());  // PREPARE_COMPLETE is on its way up
  EXPECT_OK(made.upper.rollback());
  EXPECT_TRUE(*bridge_->pump());
  EXPECT_EQ(state_of_branch(), "Rollback/Aborting");
  above_.silent = false;
  settle();
  EXPECT_EQ(first_.heard(), "PREPREPARE PREPARE ROLLBACK");
  EXPECT_EQ(unfinished(), 0u);
}

TEST_F(Bridge, ClientRollsBackEitherSide) {
  Work above = work_of_all();
  EXPECT_OK(above.upper.rollback());
  settle();
  EXPECT_EQ(above.branch.outcome(), Outcome::kAborted);
  Work below = work_of_all();
  EXPECT_OK(below.branch.rollback());
  settle();
  EXPECT_EQ(below.upper.outcome(), Outcome::kAborted);
  EXPECT_EQ(above_.heard(), "ROLLBACK ROLLBACK");
  EXPECT_EQ(first_.heard(), "ROLLBACK ROLLBACK");
  EXPECT_EQ(unfinished(), 0u);
}

TEST_F(Bridge, LastReferenceAboveRollsBackBelowAndNoneBelowDoes) {
  Work made = work_of_all();
  Transaction branch = made.branch;
  made.branch = Transaction();
  settle();
  EXPECT_EQ(state_of(branch), TransactionState::kActive);
  made.upper = Transaction();
  settle();
  EXPECT_EQ(branch.outcome(), Outcome::kAborted);
  EXPECT_EQ(unfinished(), 0u);
}

TEST_F(Bridge, BranchLivesWithoutReferencesOfClients) {
  Work made = work_of_all();
  made.branch = Transaction();
  settle();
  EXPECT_OK(made.upper.commit_async());
  settle();
  EXPECT_EQ(made.upper.outcome(), Outcome::kCommitted);
  EXPECT_EQ(first_.heard(), "PREPREPARE PREPARE COMMIT");
}

TEST_F(Bridge, TimeoutOfEitherTransactionRollsBackBoth) {
  Work above = work(true, {&first_}, {.timeout = std::chrono::seconds(5)});
  now_ += std::chrono::seconds(6);
  EXPECT_OK(upper_.run_background());
  settle();
  EXPECT_EQ(above.branch.outcome(), Outcome::kAborted);

  auto upper = upper_.create_transaction();
  auto branch = bridge_->enlist(*upper, {.timeout = std::chrono::seconds(5)});
  ASSERT_OK(branch);
  now_ += std::chrono::seconds(6);
  EXPECT_OK(lower_.run_background());
  settle();
  EXPECT_EQ(upper->outcome(), Outcome::kAborted);
  EXPECT_EQ(upper->information()->abort_reason.code(), StatusCode::kAlreadyAborted);
  EXPECT_EQ(unfinished(), 0u);
}

TEST_F(Bridge, TransactionHasOneBranch) {
  Work made = work(false);
  auto again = bridge_->enlist(made.upper);
  ASSERT_OK(again);
  EXPECT_EQ(again->id(), made.branch.id());
  EXPECT_OK(made.upper.commit_async());
  settle();
  EXPECT_CODE(bridge_->enlist(made.upper), kNotActive);
}

TEST_F(Bridge, AloneItLetsTheLowerManagerDecideWithOneForcedRecord) {
  Work made = work(false, {&first_, &second_});
  EXPECT_OK(made.upper.commit_async());
  EXPECT_TRUE(*bridge_->pump());
  EXPECT_EQ(state_of_branch(), "SinglePhase/Committing");
  settle();
  EXPECT_EQ(made.upper.outcome(), Outcome::kCommitted);
  EXPECT_EQ(records("upper"), "restart");
  EXPECT_EQ(records("lower"), "restart decision forget");
  EXPECT_EQ(unfinished(), 0u);
}

TEST_F(Bridge, AloneItIsToldOfTheRollbackBelow) {
  second_.vote = Member::Vote::kNo;
  Work made = work(false, {&first_, &second_});
  EXPECT_OK(made.upper.commit_async());
  settle();
  EXPECT_EQ(made.upper.outcome(), Outcome::kAborted);
  EXPECT_EQ(unfinished(), 0u);
}

TEST_F(Bridge, SinglePhaseCanBeDeclined) {
  bridge_ = nullptr;
  bridge_options_.single_phase = false;
  join();
  Work made = work(false, {&first_});
  EXPECT_OK(made.upper.commit_async());
  settle();
  EXPECT_EQ(made.upper.outcome(), Outcome::kCommitted);
  EXPECT_EQ(records("upper"), "restart decision forget");
  EXPECT_EQ(records("lower"), "restart prepare decision forget");
}

TEST_F(Bridge, CommitOfABranchIsRefusedOrForwarded) {
  Work refused = work_of_all();
  EXPECT_CODE(refused.branch.commit_async(), kSuperiorExists);
  EXPECT_OK(refused.upper.rollback());
  settle();
  bridge_ = nullptr;
  bridge_options_.branch_commit = BranchCommit::kForward;
  join();
  Work forwarded = work_of_all();
  EXPECT_OK(forwarded.branch.commit_async());
  settle();
  EXPECT_EQ(forwarded.upper.outcome(), Outcome::kCommitted);
  EXPECT_OK(forwarded.branch.wait(WaitFor::kCompleted, kSoon));
}

TEST_F(Bridge, SubordinateThatMustKnowIsAnsweredFromAbove) {
  above_.silent = true;
  Work made = work(true, {&second_});
  Enlistment below = first_.enlist(made.branch);
  EXPECT_OK(made.upper.commit_async());
  settle();
  ASSERT_EQ(state_of_branch(), "Voted/Prepared");
  EXPECT_OK(below.request_outcome());
  settle();
  EXPECT_EQ(made.upper.outcome(), Outcome::kAborted) << "nobody has decided: it is rolled back";
  EXPECT_EQ(first_.heard(), "PREPREPARE PREPARE ROLLBACK");
}

TEST_F(Bridge, ClocksOfBothManagersFollowOneAnother) {
  for (int i = 0; i < 5; ++i) {
    Transaction own = *upper_.create_transaction();
    above_.enlist(own);
    EXPECT_OK(own.commit_async());
    settle();
  }
  ASSERT_GT(upper_.clock(), lower_.clock());
  Work made = work_of_all();
  EXPECT_OK(made.upper.commit_async());
  settle();
  EXPECT_GT(made.branch.information()->clock, made.upper.information()->clock)
      << "it was decided later";
}

TEST_F(Bridge, CarriesOnWhenAClockHasReachedItsHighest) {
  Transaction own = *upper_.create_transaction();
  EXPECT_OK(above_.enlist(own, kTwoPhase).rollback(Clock(kMaxClock)));
  settle();
  for (int i = 0; i < 2; ++i) {
    Work made = work_of_all();
    EXPECT_OK(made.upper.commit_async());
    settle();
    EXPECT_EQ(made.branch.outcome(), Outcome::kCommitted);
    EXPECT_EQ(state_of(made.upper), TransactionState::kForgotten);
  }
  EXPECT_GT(upper_.clock(), kMaxClock);
}

TEST_F(Bridge, RefusesWhatCannotBe) {
  BridgeOptions options{.id = numbered_id(51), .upper = upper_, .lower = upper_};
  EXPECT_CODE(SubordinateBridge::create(options), kInvalidArgument);
  options.lower = TransactionManager();
  EXPECT_CODE(SubordinateBridge::create(options), kInvalidArgument);
  options.lower = lower_;
  options.id = Uuid();
  EXPECT_CODE(SubordinateBridge::create(options), kInvalidArgument);
  options.id = numbered_id(51);
  options.background = Background::kManual;
  auto fresh = SubordinateBridge::create(options);
  ASSERT_OK(fresh);
  auto transaction = upper_.create_transaction();
  EXPECT_CODE((*fresh)->enlist(*transaction), kNotOnline) << "recover it first";
  EXPECT_CODE(bridge_->enlist(*lower_.create_transaction()), kInvalidArgument);
  EXPECT_EQ(unfinished(), 1u) << "nothing is left of a failed call";
  EXPECT_OK((*fresh)->close());
  EXPECT_CODE((*fresh)->recover(), kClosed);
  EXPECT_CODE((*fresh)->pump(), kClosed);
  EXPECT_CODE((*fresh)->enlist(*transaction), kClosed);
}

TEST_F(Bridge, CloseRollsBackWhatIsNotPromisedAndKeepsWhatIs) {
  Work promised = voted();
  Work open = work(false, {&second_});
  EXPECT_OK(bridge_->close());
  EXPECT_OK(bridge_->close());
  EXPECT_EQ(open.upper.outcome(), Outcome::kAborted);
  EXPECT_EQ(open.branch.outcome(), Outcome::kAborted);
  EXPECT_EQ(promised.branch.outcome(), Outcome::kUndetermined);
  above_.silent = false;
  bridge_ = nullptr;
  make_bridge();
  EXPECT_OK(bridge_->recover());
  settle();
  EXPECT_EQ(promised.upper.outcome(), promised.branch.outcome());
  EXPECT_NE(promised.upper.outcome(), Outcome::kUndetermined);
  EXPECT_EQ(unfinished(), 0u);
}

TEST_F(Bridge, CloseLetsGoOfTheManagers) {
  const Uuid id = lower_.id();
  lower_ = TransactionManager();
  first_.disconnect();
  second_.disconnect();
  EXPECT_OK(TransactionManager::open_by_id(id));
  EXPECT_OK(bridge_->close());
  EXPECT_CODE(TransactionManager::open_by_id(id), kNotFound);
  EXPECT_EQ(bridge_->information().lower, id);
  bridge_ = nullptr;
}

// --- crashes of both ---

TEST_F(BridgeRecovery, CommitsBelowWhatWasDecidedAbove) {
  { Work made = decided(); }
  crash();
  join();
  EXPECT_EQ(unfinished(), 0u);
  EXPECT_EQ(records("lower"), "prepare restart decision forget");
}

TEST_F(BridgeRecovery, AnswersAboveForABranchThatHasEndedBelow) {
  Work made = decided();
  EXPECT_TRUE(*bridge_->pump());  // ordered; the answer above has not been given
  first_.answer();
  second_.answer();
  EXPECT_OK(log_->flush());
  first_.answer();
  second_.answer();
  EXPECT_OK(lower_.checkpoint());
  EXPECT_EQ(lower_.transactions()->size(), 0u);
  EXPECT_EQ(upper_.transactions()->size(), 1u);
  made = Work();
  crash();
  join();
  EXPECT_EQ(unfinished(), 0u);
}

TEST_F(BridgeRecovery, RollsBackBelowWhatIsNotKnownAbove) {
  { Work made = voted(); }
  crash();
  EXPECT_EQ(lower_.transactions()->size(), 1u);
  above_.silent = false;
  above_.connect(upper_, 1);
  first_.heard();
  first_.connect(lower_, 2);
  second_.connect(lower_, 3);
  make_bridge();
  EXPECT_OK(bridge_->recover());
  settle();
  EXPECT_EQ(first_.heard(), "RECOVER LAST_RECOVER ROLLBACK");
  EXPECT_EQ(unfinished(), 0u);
}

// The upper manager is not there yet when the lower one asks: its silence says nothing.
TEST_F(BridgeRecovery, PresumesNothingBeforeTheUpperManagerHasOfferedAll) {
  { Work made = decided(); }
  storage_->crash();
  stop();
  storage_ = storage_->after_crash(sim::survive_none());
  log::OpenOptions options;
  options.storage = storage_;
  options.background = log::Background::kManual;
  auto opened = log::Log::open_or_create("/log", create_options_, options);
  ASSERT_OK(opened);
  log_ = std::move(*opened);
  TmOptions late;
  late.log = log_;
  late.stream = "upper";
  late.background = Background::kManual;
  upper_ = *TransactionManager::open(late);
  late.log = nullptr;
  lower_ = open_manager("lower");
  first_.heard();
  first_.connect(lower_, 2);
  second_.connect(lower_, 3);
  make_bridge();
  EXPECT_CODE(bridge_->recover(), kNotOnline);
  settle();
  EXPECT_EQ(first_.heard(), "RECOVER LAST_RECOVER INDOUBT");
  EXPECT_EQ(state_of_branch(), "Unknown/Prepared");

  EXPECT_OK(upper_.recover());
  above_.connect(upper_, 1);
  EXPECT_OK(bridge_->recover());
  settle();
  EXPECT_EQ(first_.heard(), "COMMIT");
  EXPECT_EQ(unfinished(), 0u);
}

// And the other way round: what the lower manager has not offered yet may be in doubt there.
TEST_F(BridgeRecovery, CommitsBelowWhatTheLowerManagerOffersLate) {
  { Work made = decided(); }
  crash();
  EXPECT_OK(lower_.close());
  make_bridge();
  EXPECT_CODE(bridge_->recover(), kNotOnline);
  above_.connect(upper_, 1);
  settle();
  EXPECT_EQ(state_of_branch(), "Commit/Unknown") << "not answered";
  lower_ = open_manager("lower");
  first_.connect(lower_, 2);
  second_.connect(lower_, 3);
  EXPECT_OK(bridge_->recover());
  first_.heard();
  settle();
  EXPECT_EQ(first_.heard(), "RECOVER LAST_RECOVER COMMIT");
  EXPECT_EQ(unfinished(), 0u);
}

// --- one of the two restarts while the bridge lives ---

TEST_F(BridgeRecovery, LowerManagerAloneRestartsBeforeTheVotes) {
  Work made = work_of_all();
  EXPECT_OK(lower_.close());
  settle();
  EXPECT_EQ(made.upper.outcome(), Outcome::kAborted);
  EXPECT_EQ(bridge_->information().lower_session.code(), StatusCode::kObjectExpired);
  EXPECT_CODE(bridge_->enlist(*upper_.create_transaction()), kNotOnline);
  lower_ = open_manager("lower");
  EXPECT_OK(bridge_->recover());
  settle();
  EXPECT_EQ(unfinished(), 0u);
}

TEST_F(BridgeRecovery, LowerManagerAloneRestartsBeforeAndAfterItHearsOfTheDecision) {
  for (const bool heard : {false, true}) {
    Work made = voted();
    above_.silent = false;
    EXPECT_OK(lower_.close());
    settle();
    EXPECT_EQ(made.upper.outcome(), Outcome::kCommitted);
    EXPECT_EQ(state_of_branch(), "Commit/Unknown");
    lower_ = open_manager("lower");
    first_.heard();
    first_.connect(lower_, 2);
    second_.connect(lower_, 3);
    EXPECT_OK(bridge_->recover());
    if (heard) {  // it is closed once more, when it has decided and its members have not answered
      first_.silent = second_.silent = true;
      settle();
      EXPECT_EQ(state_of_branch(), "Commit/Committing");
      EXPECT_OK(lower_.close());
      settle();
      first_.silent = second_.silent = false;
      lower_ = open_manager("lower");
      first_.connect(lower_, 2);
      second_.connect(lower_, 3);
      EXPECT_OK(bridge_->recover());
    }
    settle();
    EXPECT_EQ(state_of(made.upper), TransactionState::kForgotten);
    EXPECT_NE(first_.heard().find("COMMIT"), std::string::npos);
    EXPECT_EQ(unfinished(), 0u);
  }
}

TEST_F(BridgeRecovery, LowerManagerThatWasToDecideAloneIsGone) {
  first_.silent = true;
  Work made = work(false, {&first_});
  EXPECT_OK(made.upper.commit_async());
  settle();
  ASSERT_EQ(state_of_branch(), "SinglePhase/Committing");
  EXPECT_OK(lower_.close());
  settle();
  EXPECT_EQ(made.upper.outcome(), Outcome::kUnknown);
  EXPECT_EQ(bridge_->information().branches.size(), 0u);
}

TEST_F(BridgeRecovery, ManagerThatComesOnlineAgainIsConnectedByItself) {
  Work made = decided();
  EXPECT_OK(upper_.close());
  settle();
  EXPECT_FALSE(bridge_->information().upper_session);
  upper_ = open_manager("upper");
  above_.connect(upper_, 1);
  settle();
  EXPECT_OK(bridge_->information().upper_session);
  EXPECT_EQ(made.branch.outcome(), Outcome::kCommitted);
  EXPECT_EQ(unfinished(), 0u);
}

TEST_F(BridgeRecovery, UpperManagerAloneRestartsBeforeTheVotes) {
  Work made = work_of_all();
  EXPECT_OK(upper_.close());
  settle();
  EXPECT_EQ(made.branch.outcome(), Outcome::kAborted);
  upper_ = open_manager("upper");
  above_.connect(upper_, 1);
  EXPECT_OK(bridge_->recover());
  settle();
  EXPECT_EQ(unfinished(), 0u);
}

TEST_F(BridgeRecovery, UnitOfWorkIsUsedAgainBeforeItsOldBranchHasEnded) {
  Work old = work_of_all();
  const Uuid unit = old.upper.id();
  first_.silent = true;
  EXPECT_OK(upper_.close());
  settle();
  EXPECT_EQ(state_of_branch(), "Absent/Aborting");
  upper_ = open_manager("upper");
  above_.connect(upper_, 1);
  EXPECT_OK(bridge_->recover());
  Work next = work(true, {&second_}, {.unit_of_work = unit});
  EXPECT_NE(next.branch.id(), old.branch.id());
  first_.silent = false;
  settle();
  auto same = bridge_->enlist(next.upper);
  ASSERT_OK(same);
  EXPECT_EQ(same->id(), next.branch.id()) << "it was not forgotten with it";
  EXPECT_OK(next.upper.commit_async());
  settle();
  EXPECT_EQ(next.branch.outcome(), Outcome::kCommitted);
  EXPECT_EQ(unfinished(), 0u);
}

TEST_F(BridgeRecovery, UpperManagerAloneRestartsWithoutHavingDecided) {
  Work made = voted();
  above_.silent = false;
  EXPECT_OK(upper_.close());
  settle();
  EXPECT_EQ(state_of_branch(), "Unknown/Prepared") << "it may have decided";
  upper_ = open_manager("upper");
  above_.connect(upper_, 1);
  EXPECT_OK(bridge_->recover());
  settle();
  EXPECT_EQ(made.branch.outcome(), Outcome::kAborted);
  EXPECT_EQ(unfinished(), 0u);
}

TEST_F(BridgeRecovery, UpperManagerAloneRestartsHavingDecided) {
  Work made = decided();
  EXPECT_OK(upper_.close());
  settle();
  EXPECT_EQ(state_of_branch(), "Unknown/Prepared");
  upper_ = open_manager("upper");
  above_.connect(upper_, 1);
  EXPECT_OK(bridge_->recover());
  settle();
  EXPECT_EQ(made.branch.outcome(), Outcome::kCommitted);
  EXPECT_EQ(unfinished(), 0u);
}

TEST_F(BridgeRecovery, UpperManagerRestartsWhileItsCommitIsCarriedOutBelow) {
  Work made = decided();
  first_.silent = second_.silent = true;
  settle();
  ASSERT_EQ(state_of_branch(), "Commit/Committing");
  EXPECT_OK(upper_.close());
  settle();
  EXPECT_EQ(state_of_branch(), "Unknown/Committing");
  upper_ = open_manager("upper");
  above_.connect(upper_, 1);
  EXPECT_OK(bridge_->recover());
  settle();
  EXPECT_EQ(state_of_branch(), "Commit/Committing") << "it is told again";
  first_.silent = second_.silent = false;
  settle();
  EXPECT_EQ(unfinished(), 0u);
}

TEST_F(BridgeRecovery, AnotherBridgeOfTheSameIdentityTakesOver) {
  Work made = voted();
  auto old = std::move(bridge_);
  make_bridge();
  EXPECT_OK(bridge_->recover());
  EXPECT_TRUE(*old->pump());
  EXPECT_EQ(old->information().upper_session.code(), StatusCode::kFenced);
  above_.silent = false;
  settle();
  EXPECT_FALSE(*old->pump());
  EXPECT_EQ(made.upper.outcome(), made.branch.outcome());
  EXPECT_EQ(unfinished(), 0u);
}

TEST_F(BridgeRecovery, LeavesAloneWhatBelongsToAnotherManager) {
  { Work made = voted(); }
  crash();
  above_.silent = false;
  upper_ = open_manager("another");
  join();
  const BridgeInformation information = bridge_->information();
  EXPECT_EQ(information.strangers, 1u);
  EXPECT_EQ(information.stranger.code(), StatusCode::kIdentityMismatch);
  EXPECT_EQ(lower_.transactions()->size(), 1u) << "in doubt, and not presumed aborted";
  EXPECT_EQ(first_.heard(), "");
}

// --- an administrator decides below, in the place of the upper manager ---

TEST_F(BridgeRecovery, ResolvedByHandAsTheUpperManagerDecidesEndsAsUsual) {
  for (const Outcome outcome : {Outcome::kCommitted, Outcome::kAborted}) {
    Work made = voted();
    EXPECT_OK(lower_.resolve(made.branch.id(), outcome, {"operator", "the other side is lost"}));
    above_.silent = false;
    above_.vote = outcome == Outcome::kCommitted ? Member::Vote::kYes : Member::Vote::kNo;
    settle();
    EXPECT_EQ(made.upper.outcome(), outcome);
    EXPECT_EQ(made.branch.outcome(), outcome);
    EXPECT_EQ(unfinished(), 0u);
  }
}

TEST_F(BridgeRecovery, ResolvedByHandAgainstTheUpperManagerIsToldAndNotAnswered) {
  for (const Outcome outcome : {Outcome::kCommitted, Outcome::kAborted}) {
    Work made = voted();
    EXPECT_OK(lower_.resolve(made.branch.id(), outcome, {"operator", "the other side is lost"}));
    above_.silent = false;
    above_.vote = outcome == Outcome::kCommitted ? Member::Vote::kNo : Member::Vote::kYes;
    settle();
    EXPECT_NE(made.upper.outcome(), outcome);
    const BridgeInformation information = bridge_->information();
    ASSERT_FALSE(information.branches.empty());
    EXPECT_TRUE(information.branches.back().contradictory);
    const std::string text = information.branches.back().refused.to_string();
    EXPECT_NE(text.find("operator"), std::string::npos) << text;
    EXPECT_NE(state_of(made.upper), TransactionState::kForgotten);
  }
}

// --- the table and the bytes ---

constexpr bool has_promised_below(BranchBelow below) {
  return below == BranchBelow::kPrepared || below == BranchBelow::kCommitting ||
         below == BranchBelow::kCommitted;
}

TEST(BridgeSteps, EveryPairKeepsTheRules) {
  for (std::size_t a = 0; a < kBranchAboves; ++a) {
    for (std::size_t b = 0; b < kBranchBelows; ++b) {
      const auto above = BranchAbove(a);
      const auto below = BranchBelow(b);
      const BridgeStep step = bridge_step(above, below);
      SCOPED_TRACE(std::string(branch_above_name(above)) + "/" +
                   std::string(branch_below_name(below)) + ": " +
                   std::string(bridge_step_name(step)));
      const bool asked_nothing = above == BranchAbove::kUnknown || above == BranchAbove::kAbsent ||
                                 above == BranchAbove::kWorking || above == BranchAbove::kVoted;
      const bool answers = step == BridgeStep::kPrePrepared || step == BridgeStep::kVote ||
                           step == BridgeStep::kReadOnly || step == BridgeStep::kCommitted ||
                           step == BridgeStep::kRolledBack;
      EXPECT_FALSE(answers && asked_nothing) << "an answer that nobody asked for";
      if (step == BridgeStep::kOrderCommit && below == BranchBelow::kPrepared) {
        EXPECT_EQ(above, BranchAbove::kCommit) << "what is promised is committed by order only";
      }
      if (step == BridgeStep::kOrderRollback && has_promised_below(below)) {
        EXPECT_TRUE(above == BranchAbove::kRollback || above == BranchAbove::kAbsent);
      }
      if (above == BranchAbove::kVoted) {
        EXPECT_EQ(step, BridgeStep::kWait) << "nothing unilateral after the vote";
      }
      if (step == BridgeStep::kForget) {
        EXPECT_TRUE(above == BranchAbove::kAbsent || above == BranchAbove::kUnknown);
        EXPECT_TRUE(below == BranchBelow::kAbsent || below == BranchBelow::kUnknown ||
                    below == BranchBelow::kCommitted || below == BranchBelow::kAborted);
      }
      EXPECT_NE(bridge_step_name(step), "");
    }
  }
}

TEST(BridgeSteps, LostSessionTakesBackNoPromiseAndEndsTheRest) {
  for (std::size_t b = 0; b < kBranchBelows; ++b) {
    const auto below = BranchBelow(b);
    const BranchBelow after = after_losing_below(below);
    EXPECT_EQ(after_losing_below(after), after);
    if (below == BranchBelow::kPrepared || below == BranchBelow::kCommitting) {
      EXPECT_EQ(after, BranchBelow::kUnknown) << branch_below_name(below);
    }
  }
  for (std::size_t a = 0; a < kBranchAboves; ++a) {
    const auto above = BranchAbove(a);
    const BranchAbove after = after_losing_above(above);
    EXPECT_EQ(after_losing_above(after), after);
    EXPECT_EQ(after == BranchAbove::kUnknown, above == BranchAbove::kUnknown ||
                                                  above == BranchAbove::kVoted ||
                                                  above == BranchAbove::kCommit);
  }
}

TEST(BridgeRecord, SurvivesTheBytesAndRefusesAllOthers) {
  const BridgeRecord record{numbered_id(1), numbered_id(2), numbered_id(3)};
  const auto bytes = encode(record);
  auto decoded = decode_bridge_record(bytes);
  ASSERT_OK(decoded);
  EXPECT_EQ(*decoded, record);
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    EXPECT_CODE(decode_bridge_record(std::span(bytes).first(length)), kCorrupt) << length;
  }
  std::vector<std::byte> longer(bytes.begin(), bytes.end());
  longer.push_back(std::byte{0});
  EXPECT_CODE(decode_bridge_record(longer), kCorrupt);
  for (std::size_t at = 0; at < 8; ++at) {
    for (unsigned flip = 1; flip < 256; flip <<= 1U) {
      auto other = bytes;
      other[at] ^= std::byte(flip);
      EXPECT_FALSE(decode_bridge_record(other)) << at;
    }
  }
  auto newer = bytes;
  newer[4] = std::byte{2};
  EXPECT_CODE(decode_bridge_record(newer), kNewerVersion);
  EXPECT_CODE(decode_bridge_record(encode({Uuid(), numbered_id(2), numbered_id(3)})), kCorrupt);
}

}  // namespace
}  // namespace cairn::tm
