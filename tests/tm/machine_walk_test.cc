// Every (state, event) pair of the machines, through the engine that runs them.
//
// What a pair must do is said here once more, by hand: the tables themselves are what is tested.
#include <functional>
#include <map>
#include <set>
#include <type_traits>

#include "protocol.h"
#include "sim/test_counters.h"
#include "tm/harness.h"
#include "tm_machine.h"

namespace cairn::tm {

// Fires single events, as no caller can.
class MachineWalk {
 public:
  static bool fire(Protocol& protocol, const EnlistmentPtr& enlistment, EnlistmentEvent event) {
    return protocol.fire(enlistment, event);
  }
  static bool fire(Protocol& protocol, const TransactionPtr& transaction, TransactionEvent event,
                   TransactionGuard guard) {
    return protocol.fire(transaction, event, guard);
  }
  static bool fire(Protocol& protocol, const EnlistmentPtr& superior, SuperiorEvent event) {
    return protocol.fire(superior, event);
  }
  static bool fire(Protocol& protocol, ResourceManagerObject& rm, RmEvent event) {
    return protocol.fire(rm, event);
  }
};

namespace {

// One more (state, event) pair whose effect, or whose error, was checked.
void count_pair() { sim::TestCounters::get().add("pairs of a state and an event walked"); }

using S = EnlistmentState;
using E = EnlistmentEvent;
using T = TransactionState;

// The engine with two durable resource managers and a log that does at once whatever it is asked.
class Engine {
 public:
  Engine() {
    rm_ = make(1);
    other_rm_ = make(2);
    transaction_ = *protocol_.create_transaction({}, std::chrono::nanoseconds(0));
    transaction_->references = 1;
  }

  ResourceManagerPtr make(std::uint8_t number) {
    auto rm = *protocol_.create_resource_manager(numbered_id(number), RmKind::kDurable, "");
    protocol_.begin_session(rm, Status(StatusCode::kFenced, "newer"));
    recover(*rm);
    return rm;
  }
  void recover(ResourceManagerObject& rm) {
    const auto ids = protocol_.begin_recover(rm);
    for (const Uuid& id : *ids) protocol_.reoffer(rm, id);
    protocol_.end_recover(rm);
  }
  EnlistmentPtr enlist(const ResourceManagerPtr& rm, NotificationMask mask,
                       bool votes_last = false) {
    auto enlistment = *protocol_.make_enlistment(rm, transaction_, mask, 1);
    if (votes_last) {
      EXPECT_OK(Protocol::hold_back(*enlistment));
    }
    EXPECT_OK(protocol_.enlist(enlistment));
    enlistment->references = 1;
    return enlistment;
  }
  void subject(NotificationMask mask) { subject_ = enlist(rm_, mask); }
  // It is held back until the other one has voted: Active, or PrePrepared if it flushes.
  void hold_back(NotificationMask flush = 0) {
    subject_ = enlist(rm_, kTwoOrSinglePhase | flush, true);
    other(kTwoPhase), commit();
    if (flush != 0) answer(subject_, EnlistmentEvent::kPrePrepareComplete);
  }
  void other(NotificationMask mask) { other_ = enlist(other_rm_, mask); }
  void commit() {
    EXPECT_OK(protocol_.commit(transaction_));
    reserve();
  }
  void reserve() {
    for (const LogWork& work : protocol_.take_work()) {
      if (work.kind == LogWork::Kind::kReserve)
        protocol_.reserved(work.transaction, log::Reservation());
    }
  }
  void answer(const EnlistmentPtr& enlistment, EnlistmentEvent event) {
    EXPECT_OK(protocol_.answer(enlistment, event));
    reserve();
  }
  // The record that the transaction waits for is in the log, and not durable.
  void append() {
    next_lsn_ += 100;
    ASSERT_NE(protocol_.begin_record(*transaction_, Lsn(next_lsn_), 0), nullptr);
    protocol_.appended(*transaction_, Lsn(next_lsn_),
                       protocol_.clock_for(transaction_->written->type));
  }
  void settle(TransactionEvent event, const Status& status) {
    protocol_.written(transaction_, Lsn(next_lsn_), event, status);
  }
  void decide() {
    append();
    settle(TransactionEvent::kDurable, Status::ok());
  }
  // The transaction comes under a superior, which is the first of a resource manager of its own.
  void come_under(NotificationMask mask = kSuperior) {
    superior_rm_ = make(3);
    superior_ = *protocol_.enlist_superior(superior_rm_, transaction_, mask, 5);
    superior_->references = 1;
  }
  void order(SuperiorEvent verb) {
    EXPECT_OK(protocol_.order(superior_, verb));
    reserve();
  }
  // One subordinate, prepared below a superior, and that is durable.
  void promise() {
    subject(kTwoPhase), come_under();
    order(SuperiorEvent::kPrepare);
    answer(subject_, EnlistmentEvent::kPrepareComplete);
    decide();
  }
  void end_superiors_session() {
    protocol_.end_session(superior_rm_, Status(StatusCode::kFenced, "ended"));
  }
  void restart_superior() {
    end_superiors_session();
    protocol_.begin_session(superior_rm_, Status(StatusCode::kFenced, "newer"));
    recover(*superior_rm_);
    superior_->references = 1;
  }
  // The subject's resource manager goes, and comes back with its enlistment offered.
  void restart_rm() {
    protocol_.end_session(rm_, Status(StatusCode::kFenced, "ended"));
    protocol_.begin_session(rm_, Status(StatusCode::kFenced, "newer"));
    recover(*rm_);
    subject_->references = 1;
  }
  std::size_t notifications() const {
    return (rm_->queue ? rm_->queue->size() : 0) +
           (other_rm_->queue ? other_rm_->queue->size() : 0) +
           (superior_rm_ && superior_rm_->queue ? superior_rm_->queue->size() : 0);
  }

  Protocol protocol_;
  ResourceManagerPtr rm_, other_rm_, superior_rm_;
  TransactionPtr transaction_;
  EnlistmentPtr subject_, other_, superior_;
  std::uint64_t next_lsn_ = 0;
};

// How an enlistment gets into each state. The other one keeps the transaction from moving on.
const std::map<S, std::function<void(Engine&)>>& ways_into() {
  static const std::map<S, std::function<void(Engine&)>> ways = {
      {S::kActive, [](Engine& e) { e.subject(kTwoPhase); }},
      {S::kPrePreparing, [](Engine& e) { e.subject(kAllPhases), e.other(kAllPhases), e.commit(); }},
      {S::kPrePrepared,
       [](Engine& e) {
         e.subject(kAllPhases), e.other(kAllPhases), e.commit();
         e.answer(e.subject_, E::kPrePrepareComplete);
       }},
      {S::kPreparing, [](Engine& e) { e.subject(kTwoPhase), e.other(kTwoPhase), e.commit(); }},
      {S::kPrepared,
       [](Engine& e) {
         e.subject(kTwoPhase), e.other(kTwoPhase), e.commit();
         e.answer(e.subject_, E::kPrepareComplete);
       }},
      {S::kInDoubt,
       [](Engine& e) {
         ways_into().at(S::kRecovering)(e);
         EXPECT_OK(e.protocol_.recover(e.subject_, 7));
       }},
      {S::kDelegated, [](Engine& e) { e.subject(kTwoOrSinglePhase), e.commit(); }},
      {S::kCommittedNotify,
       [](Engine& e) {
         e.subject(kTwoPhase), e.commit();
         e.answer(e.subject_, E::kPrepareComplete);
         e.decide();
       }},
      {S::kAborting,
       [](Engine& e) {
         e.subject(kTwoPhase);
         EXPECT_OK(e.protocol_.roll_back(e.transaction_));
       }},
      {S::kRecovering, [](Engine& e) { ways_into().at(S::kPrepared)(e), e.restart_rm(); }},
      {S::kOffline,
       [](Engine& e) {
         ways_into().at(S::kPrepared)(e);
         e.protocol_.end_session(e.rm_, Status(StatusCode::kFenced, "ended"));
       }},
      {S::kCommitted,
       [](Engine& e) {
         ways_into().at(S::kCommittedNotify)(e);
         e.answer(e.subject_, E::kCommitComplete);
       }},
      {S::kAborted,
       [](Engine& e) {
         ways_into().at(S::kAborting)(e);
         e.answer(e.subject_, E::kRollbackComplete);
       }},
      {S::kReadOnly,
       [](Engine& e) {
         ways_into().at(S::kPreparing)(e);
         e.answer(e.subject_, E::kReadOnly);
       }},
      {S::kDelegatedDisconnected,
       [](Engine& e) {
         ways_into().at(S::kDelegated)(e);
         e.protocol_.end_session(e.rm_, Status(StatusCode::kFenced, "ended"));
       }},
      {S::kOutcomeUnavailable,
       [](Engine& e) {
         auto made = *e.protocol_.create_resource_manager(numbered_id(3), RmKind::kVolatile, "");
         e.protocol_.begin_session(made, Status(StatusCode::kFenced, "newer"));
         e.subject_ = e.enlist(made, kListen);
         e.other(kTwoOrSinglePhase);
         e.commit();
         e.protocol_.end_session(e.other_rm_, Status(StatusCode::kFenced, "ended"));
       }},
      {S::kUnhardened,
       [](Engine& e) {
         ways_into().at(S::kCommittedNotify)(e);
         e.answer(e.subject_, E::kCommitUnhardened);
       }},
      {S::kForgotten,
       [](Engine& e) {
         e.subject(kFlushOnly), e.other(kAllPhases), e.commit();
         e.answer(e.subject_, E::kPrePrepareComplete);
       }},
  };
  return ways;
}

// What each answer or verb must do in each state: the state after it, or the error (state
// unchanged), or "again": it was accepted before. What is not named is NotRequested.
struct Expected {
  std::optional<S> next = {};
  StatusCode code = StatusCode::kNotRequested;
  bool again = false;
};
Expected to(S next) { return {next, StatusCode::kOk, false}; }
Expected no(StatusCode code) { return {{}, code, false}; }
Expected again() { return {{}, StatusCode::kOk, true}; }

Expected expected(S state, E verb) {
  using C = StatusCode;
  static const std::map<std::pair<S, E>, Expected> special = {
      {{S::kActive, E::kReadOnly}, to(S::kReadOnly)},
      {{S::kActive, E::kRollback}, to(S::kAborting)},
      {{S::kPrePreparing, E::kPrePrepareComplete}, to(S::kPrePrepared)},
      {{S::kPrePreparing, E::kReadOnly}, to(S::kReadOnly)},
      {{S::kPrePreparing, E::kRollback}, to(S::kAborting)},
      {{S::kPrePrepared, E::kPrePrepareComplete}, again()},
      {{S::kPrePrepared, E::kReadOnly}, to(S::kReadOnly)},
      {{S::kPrePrepared, E::kRollback}, to(S::kAborting)},
      {{S::kPreparing, E::kPrepareComplete}, to(S::kPrepared)},
      {{S::kPreparing, E::kReadOnly}, to(S::kReadOnly)},
      {{S::kPreparing, E::kRollback}, to(S::kAborting)},
      {{S::kPrepared, E::kPrepareComplete}, again()},
      {{S::kPrepared, E::kRollback}, no(C::kRequestNotValid)},
      {{S::kInDoubt, E::kRecover}, again()},
      {{S::kInDoubt, E::kRollback}, no(C::kRequestNotValid)},
      {{S::kDelegated, E::kCommitComplete}, to(S::kCommitted)},
      {{S::kDelegated, E::kRollbackComplete}, to(S::kAborted)},
      {{S::kDelegated, E::kReject}, to(S::kActive)},  // and PREPARE follows once there is room
      {{S::kDelegated, E::kRollback}, to(S::kAborting)},
      {{S::kCommittedNotify, E::kCommitComplete}, to(S::kCommitted)},
      {{S::kCommittedNotify, E::kPrepareComplete}, again()},
      {{S::kCommittedNotify, E::kRollback}, no(C::kAlreadyCommitted)},
      {{S::kCommittedNotify, E::kCommitUnhardened}, to(S::kUnhardened)},
      {{S::kUnhardened, E::kHardened}, to(S::kCommitted)},
      {{S::kUnhardened, E::kCommitComplete}, to(S::kCommitted)},
      {{S::kUnhardened, E::kCommitUnhardened}, again()},
      {{S::kUnhardened, E::kPrepareComplete}, again()},
      {{S::kUnhardened, E::kRollback}, no(C::kAlreadyCommitted)},
      {{S::kUnhardened, E::kRequestOutcome}, no(C::kAlreadyCommitted)},
      {{S::kAborting, E::kRollbackComplete}, to(S::kAborted)},
      {{S::kAborting, E::kRollback}, no(C::kAlreadyAborted)},
      {{S::kRecovering, E::kRecover}, to(S::kInDoubt)},
      {{S::kRecovering, E::kRollback}, no(C::kRequestNotValid)},
      {{S::kOffline, E::kRollback}, no(C::kRequestNotValid)},
      {{S::kCommitted, E::kCommitComplete}, again()},
      {{S::kCommitted, E::kPrepareComplete}, again()},
      {{S::kCommitted, E::kRollback}, no(C::kAlreadyCommitted)},
      {{S::kAborted, E::kRollbackComplete}, again()},
      {{S::kAborted, E::kRollback}, no(C::kAlreadyAborted)},
      {{S::kReadOnly, E::kReadOnly}, again()},
      {{S::kReadOnly, E::kRollback}, no(C::kRequestNotValid)},
      {{S::kDelegatedDisconnected, E::kRollback}, no(C::kOutcomeUnknown)},
      {{S::kOutcomeUnavailable, E::kRollback}, no(C::kOutcomeUnknown)},
      {{S::kForgotten, E::kPrePrepareComplete}, again()},
      {{S::kForgotten, E::kRollback}, no(C::kRequestNotValid)},
      {{S::kActive, E::kRequestOutcome}, no(C::kRequestNotValid)},
      {{S::kPrePreparing, E::kRequestOutcome}, no(C::kRequestNotValid)},
      {{S::kPrePrepared, E::kRequestOutcome}, no(C::kRequestNotValid)},
      {{S::kPreparing, E::kRequestOutcome}, no(C::kRequestNotValid)},
      {{S::kPrepared, E::kRequestOutcome}, to(S::kAborting)},  // nobody has decided
      {{S::kInDoubt, E::kRequestOutcome}, to(S::kAborting)},
      {{S::kDelegated, E::kRequestOutcome}, no(C::kRequestNotValid)},
      {{S::kCommittedNotify, E::kRequestOutcome}, no(C::kAlreadyCommitted)},
      {{S::kAborting, E::kRequestOutcome}, no(C::kAlreadyAborted)},
      {{S::kRecovering, E::kRequestOutcome}, no(C::kRequestNotValid)},
      {{S::kOffline, E::kRequestOutcome}, no(C::kRequestNotValid)},
      {{S::kCommitted, E::kRequestOutcome}, no(C::kAlreadyCommitted)},
      {{S::kAborted, E::kRequestOutcome}, no(C::kAlreadyAborted)},
      {{S::kReadOnly, E::kRequestOutcome}, no(C::kRequestNotValid)},
      {{S::kDelegatedDisconnected, E::kRequestOutcome}, no(C::kOutcomeUnknown)},
      {{S::kOutcomeUnavailable, E::kRequestOutcome}, no(C::kOutcomeUnknown)},
      {{S::kForgotten, E::kRequestOutcome}, no(C::kRequestNotValid)},
  };
  const auto found = special.find({state, verb});
  if (found != special.end()) return found->second;
  return verb == E::kRecover ? no(C::kRequestNotValid) : Expected{};
}

constexpr std::array kVerbs = {E::kPrePrepareComplete, E::kPrepareComplete, E::kCommitComplete,
                               E::kCommitUnhardened,   E::kHardened,        E::kRollbackComplete,
                               E::kReadOnly,           E::kReject,          E::kRollback,
                               E::kRequestOutcome,     E::kRecover};

std::string pair_name(S state, E event) {
  return std::string(enlistment_state_name(state)) + " + " +
         std::string(enlistment_event_name(event));
}

TEST(EnlistmentWalk, EveryStateIsReachedByTheEngine) {
  for (const S state : kEnlistmentStates) {
    Engine engine;
    ways_into().at(state)(engine);
    EXPECT_EQ(engine.subject_->state(), state);
  }
}

TEST(EnlistmentWalk, EveryAnswerAndVerbInEveryStateDoesWhatItMust) {
  for (const S state : kEnlistmentStates) {
    for (const E verb : kVerbs) {
      SCOPED_TRACE(pair_name(state, verb));
      count_pair();
      Engine engine;
      ways_into().at(state)(engine);
      const std::size_t queued = engine.notifications();
      const T transaction = engine.transaction_->state();
      const Status status = engine.protocol_.answer(engine.subject_, verb);
      const Expected must = expected(state, verb);
      EXPECT_EQ(status.code(), must.code) << status.to_string();
      EXPECT_EQ(engine.subject_->state(), must.next.value_or(state));
      if (!must.next) {
        EXPECT_EQ(engine.notifications(), queued) << "nothing is sent";
        EXPECT_EQ(engine.transaction_->state(), transaction);
        EXPECT_TRUE(engine.protocol_.take_work().empty());
      }
    }
  }
}

TEST(EnlistmentWalk, EndOfTheLastReferenceDoesWhatItMust) {
  const std::map<S, S> moves = {
      {S::kActive, S::kForgotten},      {S::kPrePreparing, S::kForgotten},
      {S::kPrePrepared, S::kForgotten}, {S::kPreparing, S::kForgotten},
      {S::kAborting, S::kForgotten},    {S::kDelegated, S::kDelegatedDisconnected}};
  for (const S state : kEnlistmentStates) {
    SCOPED_TRACE(enlistment_state_name(state));
    Engine engine;
    ways_into().at(state)(engine);
    engine.subject_->references = 1;
    engine.protocol_.release(engine.subject_);
    const auto move = moves.find(state);
    EXPECT_EQ(engine.subject_->state(), move == moves.end() ? state : move->second);
  }
}

TEST(EnlistmentWalk, EndOfTheSessionDoesWhatItMust) {
  const std::map<S, S> moves = {{S::kActive, S::kForgotten},
                                {S::kPrePreparing, S::kForgotten},
                                {S::kPrePrepared, S::kForgotten},
                                {S::kPreparing, S::kForgotten},
                                {S::kAborting, S::kForgotten},
                                {S::kPrepared, S::kOffline},
                                {S::kInDoubt, S::kOffline},
                                {S::kCommittedNotify, S::kOffline},
                                {S::kUnhardened, S::kOffline},
                                {S::kRecovering, S::kOffline},
                                {S::kDelegated, S::kDelegatedDisconnected}};
  for (const S state : kEnlistmentStates) {
    SCOPED_TRACE(enlistment_state_name(state));
    Engine engine;
    ways_into().at(state)(engine);
    const ResourceManagerPtr rm = engine.subject_->resource_manager;
    if (rm->queue == nullptr) continue;  // it has ended
    engine.protocol_.end_session(rm, Status(StatusCode::kFenced, "ended"));
    const auto move = moves.find(state);
    EXPECT_EQ(engine.subject_->state(), move == moves.end() ? state : move->second);
  }
}

TEST(EnlistmentWalk, OneThatIsHeldBackAnswersAsOneThatWasNotAsked) {
  for (const S state : {S::kActive, S::kPrePrepared}) {
    const auto hold_back = [&](Engine& engine) {
      engine.hold_back(state == S::kPrePrepared ? bit(NotificationKind::kPrePrepare) : 0);
      ASSERT_EQ(engine.subject_->state(), state);
      ASSERT_EQ(engine.transaction_->state(), T::kPreparing);
    };
    for (const E verb : kVerbs) {
      SCOPED_TRACE(pair_name(state, verb));
      count_pair();
      Engine engine;
      hold_back(engine);
      const std::size_t queued = engine.notifications();
      const Expected must = expected(state, verb);
      EXPECT_EQ(engine.protocol_.answer(engine.subject_, verb).code(), must.code);
      EXPECT_EQ(engine.subject_->state(), must.next.value_or(state));
      if (!must.next) {
        EXPECT_EQ(engine.notifications(), queued) << "nothing is sent";
        EXPECT_EQ(engine.transaction_->state(), T::kPreparing);
      }
    }
    Engine released;
    hold_back(released);
    released.protocol_.release(released.subject_);
    EXPECT_EQ(released.subject_->state(), S::kForgotten);
    EXPECT_EQ(released.transaction_->state(), T::kAborted);

    Engine ended;
    hold_back(ended);
    ended.protocol_.end_session(ended.rm_, Status(StatusCode::kFenced, "ended"));
    EXPECT_EQ(ended.subject_->state(), S::kForgotten);
    EXPECT_EQ(ended.transaction_->state(), T::kAborted);
  }
}

// What a phase's end is, for each answer of the other one: who is asked, and where it stands.
TEST(TransactionWalk, TheVotesThatAreInSayWhatTheLastIsAsked) {
  Engine reads;
  reads.hold_back();
  reads.answer(reads.other_, E::kReadOnly);
  EXPECT_EQ(reads.transaction_->state(), T::kDelegated);
  EXPECT_EQ(reads.subject_->state(), S::kDelegated);

  Engine promises;
  promises.hold_back();
  promises.answer(promises.other_, E::kPrepareComplete);
  EXPECT_EQ(promises.transaction_->state(), T::kPreparing);
  EXPECT_EQ(promises.subject_->state(), S::kPreparing);

  Engine refuses;
  refuses.hold_back();
  refuses.answer(refuses.other_, E::kRollback);
  EXPECT_EQ(refuses.transaction_->state(), T::kAborted);
  EXPECT_EQ(refuses.subject_->state(), S::kAborting);
}

TEST(TransactionWalk, OneThatRejectedIsNotAskedToPromiseWithoutRoomInTheLog) {
  Engine engine;
  engine.hold_back();
  engine.answer(engine.other_, E::kReadOnly);
  EXPECT_OK(engine.protocol_.answer(engine.subject_, E::kReject));
  EXPECT_EQ(engine.transaction_->state(), T::kPrePrepared);
  const std::size_t queued = engine.notifications();
  for (const LogWork& work : engine.protocol_.take_work()) {
    ASSERT_EQ(work.kind, LogWork::Kind::kReserve);
    engine.protocol_.reserved(work.transaction, Status(StatusCode::kLogFull, "full"));
  }
  EXPECT_EQ(engine.transaction_->state(), T::kAborted);
  EXPECT_EQ(engine.notifications(), queued + 1) << "ROLLBACK, and no PREPARE";
}

TEST(EnlistmentWalk, EventWithoutARowChangesNothingInAnyState) {
  std::set<std::pair<S, E>> rows;
  for (const auto& row : kEnlistmentTable) rows.insert({row.from, row.event});
  for (const S state : kEnlistmentStates) {
    for (const E event : kEnlistmentEvents) {
      if (rows.contains({state, event})) continue;
      SCOPED_TRACE(pair_name(state, event));
      count_pair();
      Engine engine;
      ways_into().at(state)(engine);
      const std::size_t queued = engine.notifications();
      EXPECT_FALSE(MachineWalk::fire(engine.protocol_, engine.subject_, event));
      EXPECT_EQ(engine.subject_->state(), state);
      EXPECT_EQ(engine.notifications(), queued);
      EXPECT_TRUE(engine.protocol_.take_work().empty());
    }
  }
}

// --- transactions ---

const std::map<T, std::function<void(Engine&)>>& ways_into_transaction() {
  static const std::map<T, std::function<void(Engine&)>> ways = {
      {T::kActive, [](Engine& e) { e.subject(kTwoPhase); }},
      {T::kPrePreparing, [](Engine& e) { e.subject(kAllPhases), e.commit(); }},
      {T::kPrePrepared,
       [](Engine& e) {
         e.subject(kTwoPhase);
         EXPECT_OK(e.protocol_.commit(e.transaction_));
       }},
      {T::kPreparing, [](Engine& e) { e.subject(kTwoPhase), e.commit(); }},
      {T::kCommitting,
       [](Engine& e) {
         e.subject(kTwoPhase), e.commit();
         e.answer(e.subject_, E::kPrepareComplete);
         e.append();
       }},
      {T::kDelegated, [](Engine& e) { e.subject(kTwoOrSinglePhase), e.commit(); }},
      {T::kCommitted,
       [](Engine& e) {
         e.subject(kTwoPhase), e.commit();
         e.answer(e.subject_, E::kPrepareComplete);
         e.decide();
       }},
      {T::kAborted,
       [](Engine& e) {
         e.subject(kTwoPhase);
         EXPECT_OK(e.protocol_.roll_back(e.transaction_));
       }},
      {T::kUnknown,
       [](Engine& e) {
         ways_into_transaction().at(T::kCommitting)(e);
         e.settle(TransactionEvent::kLost, Status(StatusCode::kPoisoned, "lost"));
       }},
      {T::kPromising,
       [](Engine& e) {
         e.subject(kTwoPhase), e.come_under();
         e.order(SuperiorEvent::kPrepare);
         e.answer(e.subject_, E::kPrepareComplete);
         e.append();
       }},
      {T::kPrepared, [](Engine& e) { e.promise(); }},
      {T::kRollingBack,
       [](Engine& e) {
         e.promise();
         e.protocol_.resolve(e.transaction_, Outcome::kAborted, {{}, 0, "me", "lost"});
         e.append();
       }},
      {T::kInDoubt, [](Engine& e) { e.promise(), e.end_superiors_session(); }},
      {T::kForgotten,
       [](Engine& e) {
         ways_into_transaction().at(T::kCommitted)(e);
         e.answer(e.subject_, E::kCommitComplete);
       }},
  };
  return ways;
}

// Recovering is passed through within one call.
bool rests(T state) { return state != T::kRecovering; }

TEST(TransactionWalk, EveryStateThatRestsIsReachedByTheEngine) {
  for (const T state : kTransactionStates) {
    if (!rests(state)) continue;
    Engine engine;
    ways_into_transaction().at(state)(engine);
    EXPECT_EQ(engine.transaction_->state(), state);
  }
}

TEST(TransactionWalk, EveryClientVerbInEveryStateDoesWhatItMust) {
  using C = StatusCode;
  struct Row {
    T state;
    C commit, rollback, enlist, enlist_for_preprepare;
    T after_rollback;
  };
  // clang-format off
  const std::array rows = {
      Row{T::kActive,       C::kOk,               C::kOk,               C::kOk,        C::kOk,              T::kAborted},
      Row{T::kPrePreparing, C::kRequestNotValid,  C::kOk,               C::kOk,        C::kMustWriteThrough, T::kAborted},
      Row{T::kPrePrepared,  C::kRequestNotValid,  C::kOk,               C::kNotActive, C::kNotActive,       T::kAborted},
      Row{T::kPreparing,    C::kRequestNotValid,  C::kOk,               C::kNotActive, C::kNotActive,       T::kAborted},
      Row{T::kCommitting,   C::kRequestNotValid,  C::kRequestNotValid,  C::kNotActive, C::kNotActive,       T::kCommitting},
      Row{T::kDelegated,    C::kRequestNotValid,  C::kRequestNotValid,  C::kNotActive, C::kNotActive,       T::kDelegated},
      Row{T::kCommitted,    C::kAlreadyCommitted, C::kAlreadyCommitted, C::kNotActive, C::kNotActive,       T::kCommitted},
      Row{T::kAborted,      C::kAlreadyAborted,   C::kOk,               C::kNotActive, C::kNotActive,       T::kAborted},
      Row{T::kUnknown,      C::kOutcomeUnknown,   C::kOutcomeUnknown,   C::kNotActive, C::kNotActive,       T::kUnknown},
      Row{T::kPromising,    C::kRequestNotValid,  C::kRequestNotValid,  C::kNotActive, C::kNotActive,       T::kPromising},
      Row{T::kPrepared,     C::kRequestNotValid,  C::kRequestNotValid,  C::kNotActive, C::kNotActive,       T::kPrepared},
      Row{T::kRollingBack,  C::kRequestNotValid,  C::kRequestNotValid,  C::kNotActive, C::kNotActive,       T::kRollingBack},
      Row{T::kInDoubt,      C::kRequestNotValid,  C::kRequestNotValid,  C::kNotActive, C::kNotActive,       T::kInDoubt},
      Row{T::kForgotten,    C::kAlreadyCommitted, C::kAlreadyCommitted, C::kNotActive, C::kNotActive,       T::kForgotten},
  };
  // clang-format on
  for (const Row& row : rows) {
    SCOPED_TRACE(transaction_state_name(row.state));
    const auto in_state = [&](auto act) {
      count_pair();
      Engine engine;
      ways_into_transaction().at(row.state)(engine);
      act(engine);
    };
    in_state([&](Engine& e) {
      EXPECT_EQ(e.protocol_.commit(e.transaction_).code(), row.commit);
      if (row.commit != C::kOk) {
        EXPECT_EQ(e.transaction_->state(), row.state);
      }
    });
    in_state([&](Engine& e) {
      EXPECT_EQ(e.protocol_.roll_back(e.transaction_).code(), row.rollback);
      EXPECT_EQ(e.transaction_->state(), row.after_rollback);
    });
    in_state([&](Engine& e) {
      EXPECT_EQ(e.protocol_.enlist(e.other_rm_, e.transaction_, kTwoPhase, 1).code(), row.enlist);
      EXPECT_EQ(e.transaction_->state(), row.state);
    });
    in_state([&](Engine& e) {
      EXPECT_EQ(e.protocol_.enlist(e.other_rm_, e.transaction_, kAllPhases, 1).code(),
                row.enlist_for_preprepare);
      EXPECT_EQ(e.transaction_->state(), row.state);
    });
  }
}

TEST(TransactionWalk, EventWithoutARowChangesNothingInAnyState) {
  constexpr std::array guards = {TransactionGuard::kSinglePhase,    TransactionGuard::kPhases,
                                 TransactionGuard::kLogged,         TransactionGuard::kUnlogged,
                                 TransactionGuard::kAsksPrePrepare, TransactionGuard::kNoPrePrepare,
                                 TransactionGuard::kAsksSuperior,   TransactionGuard::kOwned,
                                 TransactionGuard::kDecides,        TransactionGuard::kPromises,
                                 TransactionGuard::kPlainVotes,     TransactionGuard::kPromised,
                                 TransactionGuard::kFree,           TransactionGuard::kByHand,
                                 TransactionGuard::kUnasked,        TransactionGuard::kLastVote};
  for (const T state : kTransactionStates) {
    if (!rests(state)) continue;
    for (const TransactionEvent event : kTransactionEvents) {
      for (const TransactionGuard guard : guards) {
        if (find_transition(kTransactionTable, state, event, guard) != nullptr) continue;
        SCOPED_TRACE(std::string(transaction_state_name(state)) + " + " +
                     std::string(transaction_event_name(event)));
        count_pair();
        Engine engine;
        ways_into_transaction().at(state)(engine);
        (void)engine.protocol_.take_work();
        const std::size_t queued = engine.notifications();
        EXPECT_FALSE(MachineWalk::fire(engine.protocol_, engine.transaction_, event, guard));
        EXPECT_EQ(engine.transaction_->state(), state);
        EXPECT_EQ(engine.notifications(), queued);
        EXPECT_TRUE(engine.protocol_.take_work().empty());
      }
    }
  }
}

TEST(TransactionWalk, LastReferenceEndsOnlyWhatNobodyAskedToCommitOrNobodyCanKnow) {
  for (const T state : kTransactionStates) {
    if (!rests(state)) continue;
    SCOPED_TRACE(transaction_state_name(state));
    Engine engine;
    ways_into_transaction().at(state)(engine);
    engine.protocol_.release(engine.transaction_);
    const T after = state == T::kActive    ? T::kAborted
                    : state == T::kUnknown ? T::kForgotten
                                           : state;
    EXPECT_EQ(engine.transaction_->state(), after);
  }
}

// --- superiors ---

using V = SuperiorEvent;

const std::map<S, std::function<void(Engine&)>>& ways_into_superior() {
  static const std::map<S, std::function<void(Engine&)>> ways = {
      {S::kActive, [](Engine& e) { e.subject(kAllPhases), e.come_under(); }},
      {S::kCommitRequested,
       [](Engine& e) {
         e.subject(kAllPhases), e.come_under();
         EXPECT_OK(e.protocol_.commit(e.transaction_));
       }},
      {S::kPrePreparing,
       [](Engine& e) {
         e.subject(kAllPhases), e.come_under();
         e.order(V::kPrePrepare);
       }},
      {S::kPrePrepared,
       [](Engine& e) {
         ways_into_superior().at(S::kPrePreparing)(e);
         e.answer(e.subject_, E::kPrePrepareComplete);
       }},
      {S::kPreparing,
       [](Engine& e) {
         e.subject(kTwoPhase), e.come_under();
         e.order(V::kPrepare);
       }},
      {S::kPrepared, [](Engine& e) { e.promise(); }},
      {S::kInDoubt,
       [](Engine& e) {
         ways_into_superior().at(S::kRecovering)(e);
         EXPECT_OK(e.protocol_.recover(e.superior_, 9));
       }},
      {S::kCommitting,
       [](Engine& e) {
         e.promise();
         e.order(V::kCommit);
         e.decide();
       }},
      {S::kAborting,
       [](Engine& e) {
         e.subject(kTwoPhase), e.come_under();
         e.order(V::kRollback);
       }},
      {S::kRecovering, [](Engine& e) { e.promise(), e.restart_superior(); }},
      {S::kOffline, [](Engine& e) { e.promise(), e.end_superiors_session(); }},
      {S::kCommitted,
       [](Engine& e) {
         ways_into_superior().at(S::kCommitting)(e);
         e.answer(e.subject_, E::kCommitComplete);
       }},
      {S::kAborted,
       [](Engine& e) {
         ways_into_superior().at(S::kAborting)(e);
         e.answer(e.subject_, E::kRollbackComplete);
       }},
      {S::kOutcomeUnavailable,
       [](Engine& e) {
         // Both are volatile, so that nothing is written, and nobody comes back.
         auto below = *e.protocol_.create_resource_manager(numbered_id(8), RmKind::kVolatile, "");
         e.protocol_.begin_session(below, Status(StatusCode::kFenced, "newer"));
         e.subject_ = e.enlist(below, kTwoPhase);
         e.superior_rm_ =
             *e.protocol_.create_resource_manager(numbered_id(9), RmKind::kVolatile, "");
         e.protocol_.begin_session(e.superior_rm_, Status(StatusCode::kFenced, "newer"));
         e.superior_ = *e.protocol_.enlist_superior(e.superior_rm_, e.transaction_, kSuperior, 5);
         e.order(V::kPrepare);
         e.answer(e.subject_, E::kPrepareComplete);
         e.end_superiors_session();
       }},
      {S::kForgotten,
       [](Engine& e) {
         e.subject(kTwoPhase), e.come_under();
         e.end_superiors_session();
       }},
  };
  return ways;
}

TEST(SuperiorWalk, EveryStateIsReachedByTheEngine) {
  for (const S state : kSuperiorStates) {
    Engine engine;
    ways_into_superior().at(state)(engine);
    EXPECT_EQ(engine.superior_->state(), state);
  }
}

TEST(SuperiorWalk, EveryVerbInEveryStateDoesWhatItMust) {
  using C = StatusCode;
  const auto sent_to = [](S state, V verb) -> Expected {
    static const std::map<std::pair<S, V>, Expected> special = {
        {{S::kActive, V::kPrePrepare}, to(S::kPrePreparing)},
        {{S::kActive, V::kPrepare}, to(S::kPreparing)},
        {{S::kActive, V::kCommit}, to(S::kCommitting)},
        {{S::kActive, V::kRollback}, to(S::kAborting)},
        {{S::kCommitRequested, V::kPrePrepare}, to(S::kPrePreparing)},
        {{S::kCommitRequested, V::kPrepare}, to(S::kPreparing)},
        {{S::kCommitRequested, V::kCommit}, to(S::kCommitting)},
        {{S::kCommitRequested, V::kRollback}, to(S::kAborting)},
        {{S::kPrePreparing, V::kPrePrepare}, again()},
        {{S::kPrePreparing, V::kRollback}, to(S::kAborting)},
        {{S::kPrePrepared, V::kPrePrepare}, again()},
        {{S::kPrePrepared, V::kPrepare}, to(S::kPreparing)},
        {{S::kPrePrepared, V::kCommit}, to(S::kCommitting)},
        {{S::kPrePrepared, V::kRollback}, to(S::kAborting)},
        {{S::kPreparing, V::kPrepare}, again()},
        {{S::kPreparing, V::kRollback}, to(S::kAborting)},
        {{S::kPrepared, V::kPrepare}, again()},
        {{S::kPrepared, V::kCommit}, to(S::kCommitting)},
        {{S::kPrepared, V::kRollback}, to(S::kAborting)},
        {{S::kInDoubt, V::kCommit}, to(S::kCommitting)},
        {{S::kInDoubt, V::kRollback}, to(S::kAborting)},
        {{S::kInDoubt, V::kRecover}, again()},
        {{S::kCommitting, V::kPrepare}, again()},
        {{S::kCommitting, V::kCommit}, again()},
        {{S::kCommitting, V::kPrePrepare}, no(C::kAlreadyCommitted)},
        {{S::kCommitting, V::kRollback}, no(C::kAlreadyCommitted)},
        {{S::kAborting, V::kRollback}, again()},
        {{S::kAborting, V::kPrePrepare}, no(C::kAlreadyAborted)},
        {{S::kAborting, V::kPrepare}, no(C::kAlreadyAborted)},
        {{S::kAborting, V::kCommit}, no(C::kAlreadyAborted)},
        {{S::kRecovering, V::kRecover}, to(S::kInDoubt)},
        {{S::kCommitted, V::kPrepare}, again()},
        {{S::kCommitted, V::kCommit}, again()},
        {{S::kCommitted, V::kPrePrepare}, no(C::kAlreadyCommitted)},
        {{S::kCommitted, V::kRollback}, no(C::kAlreadyCommitted)},
        {{S::kAborted, V::kRollback}, again()},
        {{S::kAborted, V::kPrePrepare}, no(C::kAlreadyAborted)},
        {{S::kAborted, V::kPrepare}, no(C::kAlreadyAborted)},
        {{S::kAborted, V::kCommit}, no(C::kAlreadyAborted)},
        {{S::kOutcomeUnavailable, V::kPrePrepare}, no(C::kOutcomeUnknown)},
        {{S::kOutcomeUnavailable, V::kPrepare}, no(C::kOutcomeUnknown)},
        {{S::kOutcomeUnavailable, V::kCommit}, no(C::kOutcomeUnknown)},
        {{S::kOutcomeUnavailable, V::kRollback}, no(C::kOutcomeUnknown)},
        {{S::kForgotten, V::kPrePrepare}, no(C::kAlreadyAborted)},
        {{S::kForgotten, V::kPrepare}, no(C::kAlreadyAborted)},
        {{S::kForgotten, V::kCommit}, no(C::kAlreadyAborted)},
        {{S::kForgotten, V::kRollback}, no(C::kAlreadyAborted)},
        {{S::kForgotten, V::kRecover}, again()},  // its session has ended: nobody is told
    };
    const auto found = special.find({state, verb});
    return found != special.end() ? found->second : no(C::kRequestNotValid);
  };
  for (const S state : kSuperiorStates) {
    for (const V verb : {V::kPrePrepare, V::kPrepare, V::kCommit, V::kRollback, V::kRecover}) {
      SCOPED_TRACE(std::string(enlistment_state_name(state)) + " + " +
                   std::string(superior_event_name(verb)));
      count_pair();
      Engine engine;
      ways_into_superior().at(state)(engine);
      (void)engine.protocol_.take_work();
      const std::size_t queued = engine.notifications();
      const T transaction = engine.transaction_->state();
      const Status status = engine.protocol_.order(engine.superior_, verb);
      const Expected must = sent_to(state, verb);
      EXPECT_EQ(status.code(), must.code) << status.to_string();
      EXPECT_EQ(engine.superior_->state(), must.next.value_or(state));
      if (!must.next) {
        EXPECT_EQ(engine.notifications(), queued) << "nothing is sent";
        EXPECT_EQ(engine.transaction_->state(), transaction);
        EXPECT_TRUE(engine.protocol_.take_work().empty());
      }
    }
  }
}

TEST(SuperiorWalk, EndOfTheLastReferenceAndOfTheSessionDoWhatTheyMust) {
  const std::set<S> revocable = {S::kActive, S::kCommitRequested, S::kPrePreparing, S::kPrePrepared,
                                 S::kPreparing};
  const std::set<S> kept = {S::kPrepared,   S::kInDoubt,  S::kRecovering,
                            S::kCommitting, S::kAborting, S::kOffline};
  for (const S state : kSuperiorStates) {
    SCOPED_TRACE(enlistment_state_name(state));
    Engine released;
    ways_into_superior().at(state)(released);
    released.superior_->references = 1;
    released.protocol_.release(released.superior_);
    EXPECT_EQ(released.superior_->state(), revocable.contains(state) ? S::kForgotten : state);

    Engine ended;
    ways_into_superior().at(state)(ended);
    if (ended.superior_rm_->queue == nullptr) continue;  // it has ended
    ended.end_superiors_session();
    EXPECT_EQ(ended.superior_->state(), revocable.contains(state) ? S::kForgotten
                                        : kept.contains(state)    ? S::kOffline
                                                                  : state);
  }
}

TEST(SuperiorWalk, EventWithoutARowChangesNothingInAnyState) {
  std::set<std::pair<S, V>> rows;
  for (const auto& row : kSuperiorTable) rows.insert({row.from, row.event});
  for (const S state : kSuperiorStates) {
    for (const V event : kSuperiorEvents) {
      if (rows.contains({state, event})) continue;
      SCOPED_TRACE(std::string(enlistment_state_name(state)) + " + " +
                   std::string(superior_event_name(event)));
      count_pair();
      Engine engine;
      ways_into_superior().at(state)(engine);
      (void)engine.protocol_.take_work();
      const std::size_t queued = engine.notifications();
      EXPECT_FALSE(MachineWalk::fire(engine.protocol_, engine.superior_, event));
      EXPECT_EQ(engine.superior_->state(), state);
      EXPECT_EQ(engine.notifications(), queued);
      EXPECT_TRUE(engine.protocol_.take_work().empty());
    }
  }
}

TEST(SuperiorWalk, AnswersAreNotAskedOfASuperiorNorVerbsOfASubordinate) {
  for (const S state : kSuperiorStates) {
    for (const E answer : kVerbs) {
      if (answer == E::kRollback) continue;  // of a superior too
      Engine engine;
      ways_into_superior().at(state)(engine);
      EXPECT_EQ(engine.protocol_.answer(engine.superior_, answer).code(),
                StatusCode::kNotRequested);
      EXPECT_EQ(engine.superior_->state(), state);
    }
  }
  for (const S state : kEnlistmentStates) {
    for (const V verb : {V::kPrePrepare, V::kPrepare, V::kCommit, V::kRollback}) {
      Engine engine;
      ways_into().at(state)(engine);
      EXPECT_EQ(engine.protocol_.order(engine.subject_, verb).code(), StatusCode::kNotSuperior);
      EXPECT_EQ(engine.subject_->state(), state);
    }
  }
}

// --- resource managers and the manager ---

TEST(RmWalk, EventWithoutARowChangesNothingInAnyState) {
  for (const RmState state : kRmStates) {
    for (const RmEvent event : kRmEvents) {
      if (find_transition(kRmTable, state, event, RmGuard::kDurable) != nullptr) continue;
      count_pair();
      Engine engine;
      auto rm = *engine.protocol_.create_resource_manager(numbered_id(9), RmKind::kDurable, "");
      engine.protocol_.begin_session(rm, Status(StatusCode::kFenced, "newer"));
      if (state != RmState::kOffline) {
        ASSERT_TRUE(engine.protocol_.begin_recover(*rm).is_ok());
      }
      if (state == RmState::kOnline) engine.protocol_.end_recover(*rm);
      ASSERT_EQ(rm->state(), state);
      const std::size_t queued = rm->queue->size();
      EXPECT_FALSE(MachineWalk::fire(engine.protocol_, *rm, event));
      EXPECT_EQ(rm->state(), state);
      EXPECT_EQ(rm->queue->size(), queued);
    }
  }
}

TEST(RmWalk, IllegalVerbsHaveTheirErrors) {
  EXPECT_EQ(illegal_rm_event(RmEvent::kEnlist, RmGuard::kDurable), StatusCode::kNotOnline);
  EXPECT_EQ(illegal_rm_event(RmEvent::kRecover, RmGuard::kDurable), StatusCode::kRequestNotValid);
  EXPECT_EQ(illegal_rm_event(RmEvent::kRecover, RmGuard::kVolatile), StatusCode::kTmVolatile);
}

TEST(TmWalk, WorkIsLegalOnlineOnlyAndRecoveryOnlyOnce) {
  for (const TmState state : kTmStates) {
    const bool work =
        find_transition(kTmTable, state, TmEvent::kWork, TmGuard::kDurable) != nullptr;
    EXPECT_EQ(work, state == TmState::kOnline);
    const bool recover =
        find_transition(kTmTable, state, TmEvent::kRecover, TmGuard::kDurable) != nullptr;
    EXPECT_EQ(recover, state == TmState::kInitialized);
    EXPECT_EQ(find_transition(kTmTable, state, TmEvent::kRecover, TmGuard::kVolatile), nullptr);
  }
  EXPECT_EQ(illegal_tm_event(TmEvent::kWork, TmGuard::kDurable), StatusCode::kNotOnline);
  EXPECT_EQ(illegal_tm_event(TmEvent::kRecover, TmGuard::kDurable), StatusCode::kRequestNotValid);
  EXPECT_EQ(illegal_tm_event(TmEvent::kRecover, TmGuard::kVolatile), StatusCode::kTmVolatile);
}

// Values beyond those of the enumerations included.
template <const auto& kTable>
void expect_the_index_to_agree() {
  using Row = typename std::remove_cvref_t<decltype(kTable)>::value_type;
  for (int state = 0; state < 32; ++state) {
    for (int event = 0; event < 48; ++event) {
      for (int guard = 0; guard < 24; ++guard) {
        const auto from = static_cast<decltype(Row::from)>(state);
        const auto on = static_cast<decltype(Row::event)>(event);
        const auto when = static_cast<decltype(Row::guard)>(guard);
        ASSERT_EQ(find_row<kTable>(from, on, when), find_transition(kTable, from, on, when));
      }
    }
  }
}

TEST(TableWalk, ARowIsFoundByTheIndexAsBySearching) {
  expect_the_index_to_agree<kTransactionTable>();
  expect_the_index_to_agree<kEnlistmentTable>();
  expect_the_index_to_agree<kSuperiorTable>();
  expect_the_index_to_agree<kRmTable>();
  expect_the_index_to_agree<kTmTable>();
}

}  // namespace
}  // namespace cairn::tm
