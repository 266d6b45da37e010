// What only the engine itself can show: moments between two steps of one call.
#include "protocol.h"

#include <condition_variable>
#include <mutex>
#include <thread>

#include "tm/harness.h"

namespace cairn::tm {
namespace {

class ProtocolMoments : public testing::Test {
 protected:
  ProtocolMoments() {
    rm_ = *protocol_.create_resource_manager(numbered_id(1), RmKind::kDurable, "");
    protocol_.begin_session(rm_, Status(StatusCode::kFenced, "newer"));
    EXPECT_TRUE(protocol_.begin_recover(*rm_).is_ok());
    protocol_.end_recover(*rm_);
  }
  // A transaction whose vote is in and whose decision is about to be written.
  TransactionPtr voted() {
    TransactionPtr transaction = *protocol_.create_transaction({}, std::chrono::nanoseconds(0));
    transaction->references = 1;
    enlistment_ = *protocol_.enlist(rm_, transaction, kTwoPhase, 1);
    enlistment_->references = 1;
    EXPECT_OK(protocol_.commit(transaction));
    EXPECT_EQ(protocol_.take_work().size(), 1u);
    protocol_.reserved(transaction, log::Reservation());
    EXPECT_OK(protocol_.answer(enlistment_, EnlistmentEvent::kPrepareComplete));
    const auto work = protocol_.take_work();
    EXPECT_EQ(work.size(), 1u);
    EXPECT_EQ(work.front().kind, LogWork::Kind::kWrite);
    return transaction;
  }
  TransactionPtr decided(Lsn lsn) {
    TransactionPtr transaction = voted();
    EXPECT_NE(protocol_.begin_record(*transaction, lsn, 0), nullptr);
    protocol_.appended(*transaction, lsn, protocol_.clock_for(transaction->written->type));
    protocol_.written(transaction, lsn, TransactionEvent::kDurable, Status::ok());
    return transaction;
  }

  Protocol protocol_;
  ResourceManagerPtr rm_;
  EnlistmentPtr enlistment_;
};

TEST_F(ProtocolMoments, DecisionPinsTheBaseBeforeItHasItsPlace) {
  const TransactionPtr transaction = voted();
  EXPECT_TRUE(protocol_.oldest_pin().is_null());
  EXPECT_NE(protocol_.begin_record(*transaction, Lsn(40), 0), nullptr);
  EXPECT_EQ(protocol_.oldest_pin(), Lsn(40));
  protocol_.appended(*transaction, Lsn(48), protocol_.clock_for(transaction->written->type));
  EXPECT_EQ(protocol_.oldest_pin(), Lsn(48));
}

TEST_F(ProtocolMoments, DecisionIsFinishedByWhoeverComesFirst) {
  const TransactionPtr transaction = decided(Lsn(40));
  const Status late(StatusCode::kPoisoned, "late");
  protocol_.written(transaction, Lsn(40), TransactionEvent::kLost, late);
  protocol_.written(transaction, Lsn::null(), TransactionEvent::kRefused, late);
  EXPECT_EQ(transaction->state(), TransactionState::kCommitted);
  EXPECT_TRUE(protocol_.take_work().empty());
}

// Below a superior two records of one transaction are forced, by whoever waits: what is learnt of
// the first must not be taken for the second.
TEST_F(ProtocolMoments, DurablePrepareRecordDoesNotMakeTheDecisionDurable) {
  TransactionPtr transaction = *protocol_.create_transaction({}, std::chrono::nanoseconds(0));
  transaction->references = 1;
  enlistment_ = *protocol_.enlist(rm_, transaction, kTwoPhase, 1);
  enlistment_->references = 1;
  const EnlistmentPtr superior = *protocol_.enlist_superior(rm_, transaction, kSuperior, 2);
  superior->references = 1;
  EXPECT_OK(protocol_.order(superior, SuperiorEvent::kPrepare));
  protocol_.reserved(transaction, log::Reservation());
  EXPECT_OK(protocol_.answer(enlistment_, EnlistmentEvent::kPrepareComplete));
  EXPECT_NE(protocol_.begin_record(*transaction, Lsn(40), 0), nullptr);
  protocol_.appended(*transaction, Lsn(40), protocol_.clock_for(transaction->written->type));
  protocol_.written(transaction, Lsn(40), TransactionEvent::kDurable, Status::ok());
  ASSERT_EQ(transaction->state(), TransactionState::kPrepared);
  EXPECT_OK(protocol_.order(superior, SuperiorEvent::kCommit));
  protocol_.written(transaction, Lsn(40), TransactionEvent::kDurable, Status::ok());
  EXPECT_EQ(transaction->state(), TransactionState::kCommitting);

  EXPECT_NE(protocol_.begin_record(*transaction, Lsn(80), 0), nullptr);
  EXPECT_EQ(protocol_.oldest_pin(), Lsn(40)) << "until the decision has its place behind it";
  protocol_.appended(*transaction, Lsn(80), protocol_.clock_for(transaction->written->type));
  protocol_.written(transaction, Lsn(40), TransactionEvent::kDurable, Status::ok());
  EXPECT_EQ(transaction->state(), TransactionState::kCommitting);
  protocol_.written(transaction, Lsn(80), TransactionEvent::kDurable, Status::ok());
  EXPECT_EQ(transaction->state(), TransactionState::kCommitted);
}

TEST_F(ProtocolMoments, RefusedDecisionOfWhatIsPromisedRollsNothingBack) {
  TransactionPtr transaction = *protocol_.create_transaction({}, std::chrono::nanoseconds(0));
  transaction->references = 1;
  enlistment_ = *protocol_.enlist(rm_, transaction, kTwoPhase, 1);
  enlistment_->references = 1;
  const EnlistmentPtr superior = *protocol_.enlist_superior(rm_, transaction, kSuperior, 2);
  superior->references = 1;
  EXPECT_OK(protocol_.order(superior, SuperiorEvent::kPrepare));
  protocol_.reserved(transaction, log::Reservation());
  EXPECT_OK(protocol_.answer(enlistment_, EnlistmentEvent::kPrepareComplete));
  EXPECT_NE(protocol_.begin_record(*transaction, Lsn(40), 0), nullptr);
  protocol_.appended(*transaction, Lsn(40), protocol_.clock_for(transaction->written->type));
  protocol_.written(transaction, Lsn(40), TransactionEvent::kDurable, Status::ok());
  EXPECT_OK(protocol_.order(superior, SuperiorEvent::kCommit));
  EXPECT_NE(protocol_.begin_record(*transaction, Lsn(80), 0), nullptr);
  (void)protocol_.take_work();
  protocol_.written(transaction, Lsn::null(), TransactionEvent::kRefused,
                    Status(StatusCode::kPoisoned, "poisoned"));
  EXPECT_EQ(transaction->state(), TransactionState::kUnknown) << "recovery will ask the superior";
  EXPECT_EQ(enlistment_->state(), EnlistmentState::kPrepared);
  EXPECT_EQ(protocol_.oldest_pin(), Lsn(40)) << "what was promised stays in the log";
  const auto work = protocol_.take_work();
  ASSERT_EQ(work.size(), 1u);
  EXPECT_EQ(work.front().kind, LogWork::Kind::kStop);
}

TEST_F(ProtocolMoments, RefusedDecisionPinsNothing) {
  const TransactionPtr transaction = voted();
  EXPECT_NE(protocol_.begin_record(*transaction, Lsn(40), 0), nullptr);
  protocol_.written(transaction, Lsn::null(), TransactionEvent::kRefused,
                    Status(StatusCode::kLogFull, "full"));
  EXPECT_TRUE(protocol_.oldest_pin().is_null());
  EXPECT_OK(protocol_.answer(enlistment_, EnlistmentEvent::kRollbackComplete));
  EXPECT_TRUE(protocol_.take_work().empty()) << "no forget record without a decision";
}

TEST_F(ProtocolMoments, ForgetWaitsForACopyThatIsBeingWritten) {
  const TransactionPtr transaction = decided(Lsn(40));
  ASSERT_TRUE(protocol_.begin_copy(*transaction));
  EXPECT_OK(protocol_.answer(enlistment_, EnlistmentEvent::kCommitComplete));
  EXPECT_EQ(transaction->state(), TransactionState::kForgotten);
  EXPECT_TRUE(protocol_.take_work().empty());
  EXPECT_TRUE(transaction->forget_waits);
  protocol_.end_copy(transaction, Lsn(90));
  EXPECT_EQ(transaction->record_lsn, Lsn(90)) << "what the forget record will name";
  ASSERT_EQ(protocol_.take_work().size(), 1u);
  EXPECT_TRUE(protocol_.oldest_pin().is_null()) << "forgotten all the same";
}

TEST_F(ProtocolMoments, CopySaysWhatTheOriginalSaidAndNamesIt) {
  const TransactionPtr transaction = decided(Lsn(40));
  const recovery::TransactionRecord original = *transaction->record;
  for (const Lsn place : {Lsn(90), Lsn(140)}) {
    ASSERT_TRUE(protocol_.begin_copy(*transaction));
    protocol_.end_copy(transaction, place);
  }
  recovery::TransactionRecord copy = *transaction->record;
  EXPECT_EQ(copy.original, Lsn(40));
  copy.original = Lsn();
  EXPECT_EQ(copy, original);
  EXPECT_EQ(protocol_.oldest_pin(), Lsn(140));
}

TEST_F(ProtocolMoments, RoomThatComesAfterTheRollbackIsNotWanted) {
  TransactionPtr transaction = *protocol_.create_transaction({}, std::chrono::nanoseconds(0));
  enlistment_ = *protocol_.enlist(rm_, transaction, kTwoPhase, 1);
  enlistment_->references = 1;
  EXPECT_OK(protocol_.commit(transaction));
  EXPECT_EQ(transaction->state(), TransactionState::kPrePrepared);
  EXPECT_OK(protocol_.roll_back(transaction));
  protocol_.reserved(transaction, log::Reservation());
  EXPECT_EQ(transaction->state(), TransactionState::kAborted);
}

TEST_F(ProtocolMoments, OutcomesAreDeliveredFromMemoryTakenBefore) {
  const TransactionPtr transaction = voted();
  EXPECT_FALSE(enlistment_->outcome_entry.is_queued());
  EXPECT_NE(protocol_.begin_record(*transaction, Lsn(40), 0), nullptr);
  protocol_.written(transaction, Lsn::null(), TransactionEvent::kDurable, Status::ok());
  EXPECT_TRUE(enlistment_->outcome_entry.is_queued());
  EXPECT_EQ(rm_->queue->try_pop().value()->kind, NotificationKind::kLastRecover);
  EXPECT_EQ(rm_->queue->try_pop().value()->kind, NotificationKind::kPrepare);
  EXPECT_FALSE(enlistment_->request_entry.is_queued());
  EXPECT_EQ(rm_->queue->try_pop().value()->kind, NotificationKind::kCommit);
  EXPECT_FALSE(enlistment_->outcome_entry.is_queued());
}

// Nobody has to read before the next comes: then it takes memory.
TEST_F(ProtocolMoments, EntryThatIsNotReadYetHoldsNothingUp) {
  const TransactionPtr transaction = *protocol_.create_transaction({}, std::chrono::nanoseconds(0));
  transaction->references = 1;
  enlistment_ = *protocol_.enlist(rm_, transaction, kAllPhases, 7);
  EXPECT_OK(protocol_.commit(transaction));
  EXPECT_OK(protocol_.answer(enlistment_, EnlistmentEvent::kPrePrepareComplete));
  protocol_.reserved(transaction, log::Reservation());
  EXPECT_EQ(rm_->queue->size(), 3u);
  EXPECT_EQ(rm_->queue->try_pop().value()->kind, NotificationKind::kLastRecover);
  EXPECT_EQ(rm_->queue->try_pop().value()->kind, NotificationKind::kPrePrepare);
  const auto second = rm_->queue->try_pop().value();
  EXPECT_EQ(second->kind, NotificationKind::kPrepare);
  EXPECT_EQ(second->key, 7u);
  EXPECT_EQ(second->enlistment, enlistment_->id);
  EXPECT_EQ(second->transaction, transaction->id);
}

// freeze() waits for what is about to be appended; what is held back instead will not be.
TEST_F(ProtocolMoments, RecordThatIsHeldBackIsNotWaitedForAnyLonger) {
  TransactionPtr transaction = *protocol_.create_transaction({}, std::chrono::nanoseconds(0));
  transaction->references = 1;
  enlistment_ = *protocol_.enlist(rm_, transaction, kTwoPhase, 1);
  const EnlistmentPtr superior = *protocol_.enlist_superior(rm_, transaction, kSuperior, 2);
  EXPECT_OK(protocol_.order(superior, SuperiorEvent::kPrepare));
  protocol_.reserved(transaction, log::Reservation());
  EXPECT_OK(protocol_.answer(enlistment_, EnlistmentEvent::kPrepareComplete));
  EXPECT_NE(protocol_.begin_record(*transaction, Lsn(40), 0), nullptr);
  protocol_.appended(*transaction, Lsn(40), protocol_.clock_for(transaction->written->type));
  protocol_.written(transaction, Lsn(40), TransactionEvent::kDurable, Status::ok());
  ASSERT_TRUE(protocol_.begin_copy(*transaction));
  EXPECT_OK(protocol_.order(superior, SuperiorEvent::kCommit));
  protocol_.freeze();
  EXPECT_EQ(protocol_.writing().size(), 1u);

  std::mutex mutex;
  std::unique_lock lock(mutex);
  std::thread copier([&] {
    const std::lock_guard inner(mutex);
    protocol_.end_copy(transaction, Lsn(80));
  });
  EXPECT_EQ(transaction->changed.wait_until(lock, std::chrono::steady_clock::now() + kSoon),
            std::cv_status::no_timeout);
  lock.unlock();
  copier.join();
  EXPECT_TRUE(protocol_.writing().empty());
}

// The transaction is completed, and its state stays: who waits is told all the same.
TEST_F(ProtocolMoments, WaitForTheEndOfACommitEndsThoughItIsToBeHardened) {
  const TransactionPtr transaction = decided(Lsn(40));
  std::mutex mutex;
  std::unique_lock lock(mutex);
  std::thread answers([&] {
    const std::lock_guard inner(mutex);
    EXPECT_OK(protocol_.answer(enlistment_, EnlistmentEvent::kCommitUnhardened));
  });
  EXPECT_EQ(transaction->changed.wait_until(lock, std::chrono::steady_clock::now() + kSoon),
            std::cv_status::no_timeout);
  EXPECT_TRUE(transaction->completed);
  lock.unlock();
  answers.join();
}

}  // namespace
}  // namespace cairn::tm
