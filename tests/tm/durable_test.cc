// What a durable manager writes, when, and how often it forces.
#include "tm/durable_harness.h"

namespace cairn::tm {
namespace {

class Durable : public DurableTm {
 protected:
  void SetUp() override { start_and_recover(); }
};

TEST_F(Durable, DecisionIsForcedBeforeAnyoneIsToldToCommit) {
  Rm rm = make_rm(1);
  Work work = submit({&rm});
  EXPECT_EQ(rm.hear(), "PREPARE") << "the record is in memory only";
  EXPECT_EQ(work.transaction.outcome(), Outcome::kUndetermined);
  const Lsn decision = work.transaction.information()->decision_lsn;
  EXPECT_LE(log_->durable_lsn(), decision);
  EXPECT_OK(tm_.run_background());
  EXPECT_GT(log_->durable_lsn(), decision);
  EXPECT_EQ(rm.hear(), "COMMIT");
}

TEST_F(Durable, CommitAcknowledgedSurvivesThePowerCutAndOneThatIsNotIsRolledBack) {
  Rm rm = make_rm(1);
  const Work acknowledged = decide({&rm});
  const Work submitted = submit({&rm});
  const Uuid id = acknowledged.transaction.id();
  crash();
  EXPECT_EQ(start_and_recover().committed, std::vector{id});
}

TEST_F(Durable, DecisionIsFollowedByAForgetRecordThatIsNotForced) {
  Rm rm = make_rm(1);
  Work work = decide({&rm});
  EXPECT_EQ(records(), "restart decision");
  const std::uint64_t forced = forced_writes();
  EXPECT_OK(work.enlistments.front().commit_complete());
  EXPECT_EQ(forced_writes(), forced);
  EXPECT_EQ(records(), "restart decision forget");
}

TEST_F(Durable, OneForcedWritePerCommit) {
  Rm one = make_rm(1);
  Rm two = make_rm(2);
  const std::uint64_t before = forced_writes();
  for (int i = 0; i < 10; ++i) {
    Work work = decide({&one, &two});
    for (Enlistment& enlistment : work.enlistments) EXPECT_OK(enlistment.commit_complete());
  }
  EXPECT_EQ(forced_writes() - before, 10u);
}

TEST_F(Durable, ConcurrentDecisionsShareForcedWrites) {
  Rm rm = make_rm(1);
  const std::uint64_t before = forced_writes();
  std::vector<Work> all;
  for (int i = 0; i < 20; ++i) all.push_back(submit({&rm}));
  for (Work& work : all) EXPECT_OK(work.transaction.wait(WaitFor::kDecided, kSoon));
  EXPECT_LE(forced_writes() - before, 4u);
}

TEST_F(Durable, NothingIsWrittenForWhatNeedsNoRecord) {
  Rm rm = make_rm(1);
  auto made = tm_.create_resource_manager(numbered_id(9), RmKind::kVolatile);
  ASSERT_OK(made);
  Rm volatile_rm(std::move(*made));

  Transaction volatile_only = begin();
  Enlistment a = volatile_rm.enlist(volatile_only);
  ASSERT_OK(volatile_only.commit_async());
  EXPECT_OK(a.prepare_complete());
  EXPECT_OK(a.commit_complete());

  Transaction read_only = begin();
  Enlistment b = rm.enlist(read_only);
  ASSERT_OK(read_only.commit_async());
  EXPECT_OK(b.read_only());

  Transaction single = begin();
  Enlistment c = rm.enlist(single, kTwoOrSinglePhase);
  ASSERT_OK(single.commit_async());
  EXPECT_OK(c.commit_complete());

  Transaction rolled_back = begin();
  Enlistment d = rm.enlist(rolled_back);
  ASSERT_OK(rolled_back.commit_async());
  EXPECT_OK(d.rollback());
  EXPECT_OK(d.rollback_complete());

  EXPECT_EQ(volatile_only.outcome(), Outcome::kCommitted);
  EXPECT_EQ(read_only.outcome(), Outcome::kCommitted);
  EXPECT_EQ(single.outcome(), Outcome::kCommitted);
  EXPECT_EQ(rolled_back.outcome(), Outcome::kAborted);
  EXPECT_EQ(records(), "restart");
}

TEST_F(Durable, SinglePhaseIsNotForOneWhomOnlyARecordCouldTell) {
  Rm owner = make_rm(1);
  Rm listener = make_rm(2);
  Transaction transaction = begin();
  const Enlistment a = owner.enlist(transaction, kTwoOrSinglePhase);
  const Enlistment b = listener.enlist(transaction, kListen);
  ASSERT_OK(transaction.commit_async());
  EXPECT_EQ(owner.hear(), "PREPARE");
}

TEST_F(Durable, DecisionNamesExactlyTheDurableOnesThatMustBeTold) {
  Rm writer = make_rm(1);
  Rm reader = make_rm(2);
  Rm listener = make_rm(3);
  auto made = tm_.create_resource_manager(numbered_id(9), RmKind::kVolatile);
  Rm volatile_rm(std::move(*made));
  Transaction transaction = begin({.description = "transfer 1"});
  Enlistment a = writer.enlist(transaction);
  Enlistment b = reader.enlist(transaction);
  const Enlistment c = listener.enlist(transaction, kListen);
  Enlistment d = volatile_rm.enlist(transaction);
  EXPECT_OK(a.set_recovery_information(bytes_of("set early")));
  ASSERT_OK(transaction.commit_async());
  EXPECT_OK(a.prepare_complete(bytes_of("with the vote")));
  EXPECT_OK(b.read_only());
  EXPECT_OK(d.prepare_complete());
  EXPECT_OK(transaction.wait(WaitFor::kDecided, kSoon));

  auto stream = log_->open_stream("tm");
  auto cursor = stream->read();
  recovery::TransactionRecord decision;
  while (auto record = *cursor->next()) {
    const auto decoded = recovery::decode(*record);
    if (const auto* found = std::get_if<recovery::TransactionRecord>(&*decoded)) decision = *found;
  }
  EXPECT_EQ(decision.transaction, transaction.id());
  EXPECT_EQ(decision.clock, 2u);
  EXPECT_EQ(decision.wall_clock_ns, 1'700'000'000'000'000'000u);
  EXPECT_EQ(decision.description, "transfer 1");
  ASSERT_EQ(decision.enlistments.size(), 2u);
  EXPECT_EQ(decision.enlistments[0].enlistment, a.id());
  EXPECT_EQ(decision.enlistments[0].resource_manager, numbered_id(1));
  EXPECT_EQ(decision.enlistments[0].recovery_information, bytes_of("with the vote"));
  EXPECT_EQ(decision.enlistments[1].enlistment, c.id());
}

TEST_F(Durable, SpaceReservedForNothingIsGivenBackThoughTheHandlesStay) {
  Rm rm = make_rm(1);
  Transaction transaction = begin();
  Enlistment a = rm.enlist(transaction);
  Enlistment b = rm.enlist(transaction, kTwoOrSinglePhase);
  ASSERT_OK(transaction.commit_async());  // room is taken for both
  EXPECT_OK(a.read_only());
  EXPECT_OK(b.read_only());
  EXPECT_EQ(transaction.outcome(), Outcome::kCommitted);
  stop();  // the handles outlive the log
  EXPECT_EQ(transaction.outcome(), Outcome::kCommitted);
}

TEST_F(Durable, CommitFromOneThreadDrivesItsOwnWrite) {
  Rm rm = make_rm(1);
  Work work = submit({&rm});
  EXPECT_OK(work.transaction.wait(WaitFor::kDecided, std::nullopt));
  EXPECT_EQ(rm.hear(), "PREPARE COMMIT");
}

TEST_F(Durable, RecoveryInformationIsTakenWhileWorkIsDoneOnly) {
  Rm rm = make_rm(1);
  Transaction transaction = begin();
  Enlistment enlistment = rm.enlist(transaction);
  EXPECT_TRUE(enlistment.recovery_information()->empty());
  EXPECT_OK(enlistment.set_recovery_information(std::vector<std::byte>(kMaxRecoveryInformation)));
  EXPECT_CODE(
      enlistment.set_recovery_information(std::vector<std::byte>(kMaxRecoveryInformation + 1)),
      kInvalidArgument);
  EXPECT_OK(enlistment.set_recovery_information(bytes_of("b")));
  EXPECT_EQ(*enlistment.recovery_information(), bytes_of("b"));
  ASSERT_OK(transaction.commit_async());
  EXPECT_CODE(enlistment.set_recovery_information(bytes_of("c")), kNotActive);
  EXPECT_CODE(enlistment.prepare_complete(std::vector<std::byte>(kMaxRecoveryInformation + 1)),
              kInvalidArgument);
  EXPECT_OK(enlistment.prepare_complete());
  EXPECT_EQ(*enlistment.recovery_information(), bytes_of("b"));
}

TEST_F(Durable, DecisionThatFitsNoRecordRollsBackBeforePrepareIsSent) {
  Rm rm = make_rm(1);
  const std::size_t most = log_->info().max_record;
  Transaction transaction = begin();
  std::vector<Enlistment> all;
  for (std::size_t bytes = 0; bytes <= most; bytes += kMaxRecoveryInformation) {
    all.push_back(rm.enlist(transaction));
    EXPECT_OK(all.back().set_recovery_information(std::vector<std::byte>(kMaxRecoveryInformation)));
  }
  EXPECT_CODE(transaction.commit(), kAlreadyAborted);
  EXPECT_EQ(transaction.information()->abort_reason.code(), StatusCode::kRecordTooLong);
  EXPECT_EQ(rm.hear().find("PREPARE"), std::string::npos);
}

TEST_F(Durable, VoteWhoseInformationFitsNoRecordIsRefusedAndMayBeGivenWithLess) {
  Rm rm = make_rm(1);
  const std::size_t most = log_->info().max_record;
  Transaction transaction = begin();
  std::vector<Enlistment> all;
  for (std::size_t bytes = 0; bytes <= most; bytes += kMaxRecoveryInformation) {
    all.push_back(rm.enlist(transaction));
  }
  ASSERT_OK(transaction.commit_async());
  const std::vector<std::byte> much(kMaxRecoveryInformation, std::byte{7});
  for (std::size_t i = 0; i + 1 < all.size(); ++i) EXPECT_OK(all[i].prepare_complete(much));
  EXPECT_CODE(all.back().prepare_complete(much), kRecordTooLong);
  EXPECT_EQ(state_of(all.back()), EnlistmentState::kPreparing);
  EXPECT_OK(all.back().prepare_complete(bytes_of("less")));
  EXPECT_OK(transaction.wait(WaitFor::kDecided, kSoon));
}

TEST(DurableManager, IsMadeOnceInAStream) {
  log::OpenOptions open_options;
  open_options.storage = std::make_shared<sim::SimStorage>();
  open_options.background = log::Background::kManual;
  auto made = log::Log::create("/log", {.container_size = log::kMinContainerSize}, open_options);
  ASSERT_OK(made);
  const std::shared_ptr<log::Log> log = std::move(*made);
  const TmOptions options{.log = log, .background = Background::kManual};
  EXPECT_CODE(TransactionManager::open(options), kNotFound);
  auto tm = TransactionManager::create(options);
  ASSERT_OK(tm);
  const Uuid id = tm->id();
  EXPECT_CODE(TransactionManager::open(options), kLocked);
  EXPECT_CODE(TransactionManager::create(options), kLocked);
  ASSERT_OK(tm->close());
  EXPECT_CODE(TransactionManager::create(options), kAlreadyExists);
  auto again = TransactionManager::open(options);
  ASSERT_OK(again);
  EXPECT_EQ(again->id(), id);
  TmOptions beside = options;
  beside.stream = "another";
  auto second = TransactionManager::open_or_create(beside);
  ASSERT_OK(second);
  EXPECT_NE(second->id(), id);
}

TEST(DurableManager, TakesNoStreamOfAnother) {
  log::OpenOptions open_options;
  open_options.storage = std::make_shared<sim::SimStorage>();
  open_options.background = log::Background::kManual;
  auto made = log::Log::create("/log", {.container_size = log::kMinContainerSize}, open_options);
  ASSERT_OK(made);
  const std::shared_ptr<log::Log> log = std::move(*made);
  TmOptions options{.log = log, .background = Background::kManual};
  for (const char* name : {"records", "restart"}) {
    options.stream = name;
    auto stream = log->create_stream(name);
    ASSERT_OK(stream);
    ASSERT_OK(name == std::string("records") ? stream->append(bytes_of("x")).status()
                                             : stream->write_restart_area(bytes_of("x")).status());
    EXPECT_CODE(TransactionManager::create(options), kAlreadyExists);
  }
  EXPECT_CODE(TransactionManager::open(options), kRecoveryFailed);
  options.stream = "records";
  EXPECT_CODE(TransactionManager::open(options), kNotFound);
  // A crash between the two steps of create() leaves an empty stream.
  ASSERT_OK(log->create_stream("empty"));
  options.stream = "empty";
  EXPECT_OK(TransactionManager::open_or_create(options));
  options.stream = "";
  EXPECT_CODE(TransactionManager::create(options), kInvalidArgument);
}

class NotRecovered : public DurableTm {
 protected:
  void SetUp() override { start(); }
};

TEST_F(NotRecovered, AnswersQueriesOnly) {
  EXPECT_CODE(tm_.create_transaction(), kNotOnline);
  EXPECT_CODE(tm_.open_transaction(numbered_id(1)), kNotOnline);
  EXPECT_CODE(tm_.create_resource_manager(numbered_id(1), RmKind::kDurable), kNotOnline);
  EXPECT_CODE(tm_.open_resource_manager(numbered_id(1)), kNotOnline);
  EXPECT_CODE(tm_.checkpoint(), kNotOnline);
  EXPECT_OK(tm_.run_background());
  EXPECT_EQ(tm_.information()->state, TmState::kInitialized);
  EXPECT_EQ(tm_.information()->log_path, kPath);
  EXPECT_EQ(tm_.information()->stream, "tm");
  EXPECT_FALSE(tm_.id().is_null());
  EXPECT_OK(tm_.recover());
  EXPECT_CODE(tm_.recover(), kRequestNotValid);
  EXPECT_OK(tm_.create_transaction());
}

TEST_F(NotRecovered, CanBeClosed) {
  EXPECT_OK(tm_.close());
  EXPECT_EQ(tm_.information()->state, TmState::kOffline);
  EXPECT_CODE(tm_.recover(), kRequestNotValid);
}

}  // namespace
}  // namespace cairn::tm
