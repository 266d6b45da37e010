// Managers and transactions as objects: identity, properties, bounds, the end.
#include <algorithm>
#include <cstring>
#include <thread>

#include "sim/sanitizer.h"
#include "tm/harness.h"

namespace cairn::tm {
namespace {

using Manager = VolatileTm;

TEST_F(Manager, HandleThatRefersToNothingSaysSo) {
  TransactionManager none;
  EXPECT_CODE(none.create_transaction(), kInvalidState);
  EXPECT_CODE(none.recover(), kInvalidState);
  EXPECT_CODE(none.close(), kInvalidState);
  EXPECT_TRUE(none.id().is_null());
  EXPECT_CODE(Transaction().commit(), kInvalidState);
  EXPECT_CODE(Transaction().information(), kInvalidState);
  EXPECT_EQ(Transaction().outcome(), Outcome::kUndetermined);
  EXPECT_CODE(ResourceManager().recover(), kInvalidState);
  EXPECT_CODE(ResourceManager().get_notification(), kInvalidState);
  EXPECT_CODE(Enlistment().prepare_complete(), kInvalidState);
  EXPECT_CODE(Enlistment().recover(1), kInvalidState);
}

TEST_F(Manager, IsFoundByItsIdentityWhileItIsOpen) {
  const Uuid id = tm_.id();
  auto found = TransactionManager::open_by_id(id);
  ASSERT_OK(found);
  EXPECT_EQ(found->id(), id);
  const auto all = TransactionManager::enumerate();
  EXPECT_NE(std::find(all.begin(), all.end(), id), all.end());
  tm_ = TransactionManager();
  EXPECT_OK(found->create_transaction()) << "one reference is left";
  *found = TransactionManager();
  EXPECT_CODE(TransactionManager::open_by_id(id), kNotFound);
}

TEST_F(Manager, OptionsOutOfRangeAreRefused) {
  EXPECT_CODE(TransactionManager::create({.checkpoint_bytes = 4095}), kInvalidArgument);
  EXPECT_CODE(TransactionManager::create({.carry_forward_bytes = 0}), kInvalidArgument);
  EXPECT_CODE(TransactionManager::create({.checkpoint_interval = std::chrono::seconds(-1)}),
              kInvalidArgument);
  EXPECT_CODE(TransactionManager::open({}), kInvalidArgument);
}

TEST_F(Manager, TransactionKeepsItsProperties) {
  TransactionOptions options;
  options.timeout = std::chrono::seconds(3);
  options.isolation_level = 4;
  options.isolation_flags = 5;
  options.description = "Überweisung";
  options.unit_of_work = numbered_id(50);
  Transaction transaction = begin(options);
  EXPECT_OK(transaction.set_properties({.isolation_flags = 6}));
  const auto information = transaction.information();
  EXPECT_EQ(information->id, numbered_id(50));
  EXPECT_EQ(information->timeout, std::chrono::seconds(3));
  EXPECT_EQ(information->isolation_level, 4u);
  EXPECT_EQ(information->isolation_flags, 6u);
  EXPECT_EQ(information->description, "Überweisung");
  EXPECT_TRUE(information->decision_lsn.is_null());
}

TEST_F(Manager, DescriptionHoldsSixtyFourCharactersHoweverLong) {
  std::string wide;
  for (std::size_t i = 0; i < kMaxDescription; ++i) wide += "€";
  EXPECT_OK(tm_.create_transaction({.description = wide}));
  EXPECT_CODE(tm_.create_transaction({.description = wide + "e"}), kInvalidArgument);
  EXPECT_CODE(tm_.create_transaction({.description = std::string(300, '\x80')}), kInvalidArgument);
  Transaction transaction = begin();
  EXPECT_CODE(transaction.set_properties({.isolation_level = 7, .description = wide + "e"}),
              kInvalidArgument);
  EXPECT_EQ(transaction.information()->isolation_level, 0u) << "all or nothing";
  EXPECT_CODE(tm_.create_resource_manager(numbered_id(1), RmKind::kVolatile, wide + "e"),
              kInvalidArgument);
}

TEST_F(Manager, NegativeTimeoutIsRefused) {
  EXPECT_CODE(tm_.create_transaction({.timeout = std::chrono::seconds(-1)}), kInvalidArgument);
}

TEST_F(Manager, UnitOfWorkIsUniqueWhileItLives) {
  Transaction transaction = begin({.unit_of_work = numbered_id(1)});
  EXPECT_CODE(tm_.create_transaction({.unit_of_work = numbered_id(1)}), kNameCollision);
  EXPECT_OK(tm_.open_transaction(numbered_id(1)));
  EXPECT_OK(transaction.rollback());
  EXPECT_CODE(tm_.open_transaction(numbered_id(1)), kNotFound);
  EXPECT_OK(tm_.create_transaction({.unit_of_work = numbered_id(1)}));
}

TEST_F(Manager, EnumeratesWhatIsNotForgotten) {
  Rm rm = make_rm(1);
  Transaction transaction = begin();
  const Enlistment enlistment = rm.enlist(transaction);
  EXPECT_EQ(*tm_.transactions(), std::vector{transaction.id()});
  EXPECT_EQ(*tm_.resource_managers(), std::vector{numbered_id(1)});
  EXPECT_EQ(*tm_.enlistments(), std::vector{enlistment.id()});
  EXPECT_EQ(*rm.session().enlistments(), std::vector{enlistment.id()});
  const auto information = tm_.information();
  EXPECT_EQ(information->transactions, 1u);
  EXPECT_EQ(information->resource_managers, 1u);
  EXPECT_EQ(information->enlistments, 1u);
  EXPECT_EQ(information->state, TmState::kOnline);
  EXPECT_FALSE(information->durable);
}

TEST_F(Manager, CloseRollsBackWhatIsOpenAndExpiresEveryObject) {
  Rm rm = make_rm(1);
  Transaction transaction = begin();
  Enlistment enlistment = rm.enlist(transaction);
  EXPECT_OK(tm_.close());
  EXPECT_OK(tm_.close());
  EXPECT_EQ(transaction.outcome(), Outcome::kAborted);
  EXPECT_CODE(transaction.commit(), kObjectExpired);
  EXPECT_CODE(transaction.rollback(), kObjectExpired);
  EXPECT_CODE(enlistment.rollback_complete(), kObjectExpired);
  EXPECT_CODE(rm.session().enlist(transaction, kTwoPhase, 1), kObjectExpired);
  EXPECT_CODE(rm.session().recover(), kObjectExpired);
  EXPECT_CODE(tm_.create_transaction(), kNotOnline);
  EXPECT_CODE(tm_.open_transaction(transaction.id()), kNotOnline);
  EXPECT_CODE(tm_.create_resource_manager(numbered_id(2), RmKind::kVolatile), kNotOnline);
  EXPECT_CODE(tm_.checkpoint(), kTmVolatile);
  EXPECT_EQ(tm_.information()->state, TmState::kOffline);
}

TEST_F(Manager, CloseEndsAWaitForACommitThatIsNotDecided) {
  Rm rm = make_rm(1);
  Transaction transaction = begin();
  const Enlistment enlistment = rm.enlist(transaction);
  std::thread closer([&] {
    EXPECT_OK(rm.session().get_notification());
    EXPECT_OK(tm_.close());
  });
  EXPECT_CODE(transaction.commit(), kAlreadyAborted);
  closer.join();
}

TEST_F(Manager, CloseEndsAWaitForAnswersToACommit) {
  Rm rm = make_rm(1);
  Transaction transaction = begin();
  Enlistment enlistment = rm.enlist(transaction);
  ASSERT_OK(transaction.commit_async());
  ASSERT_OK(enlistment.prepare_complete());
  std::thread closer([&] { EXPECT_OK(tm_.close()); });
  EXPECT_CODE(transaction.wait(WaitFor::kCompleted, std::nullopt), kObjectExpired);
  EXPECT_OK(transaction.wait(WaitFor::kDecided, kSoon)) << "what is decided stays decided";
  closer.join();
}

TEST_F(Manager, CloseMakesTheOutcomeOfADelegatedTransactionUnknown) {
  Rm rm = make_rm(1);
  Transaction transaction = begin();
  const Enlistment enlistment = rm.enlist(transaction, kTwoOrSinglePhase);
  ASSERT_OK(transaction.commit_async());
  EXPECT_OK(tm_.close());
  EXPECT_CODE(transaction.wait(WaitFor::kCompleted, kSoon), kOutcomeUnknown);
}

TEST_F(Manager, HandlesOutliveIt) {
  Rm rm = make_rm(1);
  Transaction transaction = begin();
  Enlistment enlistment = rm.enlist(transaction);
  tm_ = TransactionManager();
  EXPECT_CODE(transaction.commit(), kObjectExpired);
  EXPECT_CODE(enlistment.prepare_complete(), kObjectExpired);
  EXPECT_EQ(transaction.information()->id, transaction.id());
}

TEST_F(Manager, AHundredThousandResourceManagersAreTakenAndNotOneMore) {
  std::vector<ResourceManager> all;
  for (std::size_t i = 0; i < kMaxResourceManagers; ++i) {
    auto session = tm_.create_resource_manager(Uuid::generate(), RmKind::kVolatile);
    ASSERT_OK(session);
    all.push_back(std::move(*session));
  }
  EXPECT_CODE(tm_.create_resource_manager(Uuid::generate(), RmKind::kVolatile), kResourceExhausted);
  all.pop_back();
  EXPECT_OK(tm_.create_resource_manager(Uuid::generate(), RmKind::kVolatile));
}

TEST_F(Manager, AMillionTransactionsAreTakenAndNotOneMore) {
  if (sim::kSanitizer) GTEST_SKIP() << "takes gigabytes with a sanitizer";
  std::vector<Transaction> all;
  all.reserve(kMaxTransactions);
  TransactionOptions options;
  for (std::size_t i = 0; i < kMaxTransactions; ++i) {
    std::memcpy(options.unit_of_work.bytes.data(), &i, sizeof i);
    options.unit_of_work.bytes[15] = 1;
    options.timeout = std::chrono::nanoseconds(i % 1000 == 0 ? 1 : 0);
    all.push_back(std::move(*tm_.create_transaction(options)));
  }
  EXPECT_CODE(tm_.create_transaction(), kResourceExhausted);
  now_ += std::chrono::nanoseconds(1);
  EXPECT_OK(tm_.run_background());
  EXPECT_EQ(tm_.information()->transactions, kMaxTransactions - kMaxTransactions / 1000);
}

TEST(ManagerThread, ExpiresTimeoutsByItself) {
  auto tm = TransactionManager::create({});
  ASSERT_OK(tm);
  auto rm = tm->create_resource_manager(numbered_id(1), RmKind::kVolatile);
  auto transaction = tm->create_transaction({.timeout = std::chrono::milliseconds(20)});
  const auto enlistment = rm->enlist(*transaction, kTwoPhase, 1);
  auto heard = rm->get_notification(kSoon);
  ASSERT_OK(heard);
  EXPECT_EQ(heard->kind, NotificationKind::kRollback);
}

TEST(ManagerThread, TakesAShorterTimeoutThanTheOneItSleepsFor) {
  auto tm = TransactionManager::create({});
  ASSERT_OK(tm);
  const auto longer = tm->create_transaction({.timeout = std::chrono::hours(1)});
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  auto shorter = tm->create_transaction({.timeout = std::chrono::milliseconds(10)});
  EXPECT_CODE(shorter->wait(WaitFor::kDecided, kSoon), kAlreadyAborted);
  EXPECT_EQ(longer->outcome(), Outcome::kUndetermined);
}

}  // namespace
}  // namespace cairn::tm
