// Cairn as an XA resource manager: its switch, called by hand as an outside monitor would.
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cairn/sim/sim_storage.h>
#include <cairn/xa_switch.h>

#include "servers/temporary_directory.h"
#include "xa_name.h"

namespace cairn::rm {
namespace {

using testing::IsEmpty;
using testing::SizeIs;
using tm::NotificationKind;

const xa_switch_t& kSwitch = cairn_xa_switch;

// A durable resource manager that answers at once, and counts.
class LowerRm {
 public:
  enum class Vote { kYes, kNo, kReadOnly };

  explicit LowerRm(tm::TransactionManager& tm, const Uuid& id) {
    session_ = tm.open_or_create_resource_manager(id, tm::RmKind::kDurable, "lower").value();
    EXPECT_TRUE(session_.recover());
    thread_ = std::thread([this] { serve(); });
  }
  ~LowerRm() {
    static_cast<void>(session_.disconnect(Status(StatusCode::kClosed, "the test is over")));
    thread_.join();
  }
  void join(const tm::Transaction& transaction) {
    auto enlistment = session_.enlist(transaction, tm::kTwoOrSinglePhase, 1);
    ASSERT_TRUE(enlistment) << enlistment.status().to_string();
    const std::lock_guard lock(mutex_);
    kept_.push_back(*enlistment);
  }

  std::atomic<Vote> vote = Vote::kYes;
  std::atomic<int> commits = 0;
  std::atomic<int> rollbacks = 0;

 private:
  void serve() {
    while (const auto told = session_.get_notification()) {
      auto enlistment = session_.open_enlistment(told->enlistment);
      if (!enlistment) continue;
      if (told->kind == NotificationKind::kRecover) {
        EXPECT_TRUE(enlistment->recover(1));
      }
      if (told->kind == NotificationKind::kPrepare) answer(*enlistment);
      const bool alone = told->kind == NotificationKind::kSinglePhaseCommit;
      if (alone && vote == Vote::kNo) {
        answer(*enlistment);
      } else if (alone || told->kind == NotificationKind::kCommit) {
        ++commits;
        EXPECT_TRUE(enlistment->commit_complete());
      }
      if (told->kind == NotificationKind::kRollback) {
        ++rollbacks;
        static_cast<void>(enlistment->rollback_complete());
      }
    }
  }
  void answer(tm::Enlistment& enlistment) const {
    if (vote == Vote::kYes) static_cast<void>(enlistment.prepare_complete());
    if (vote == Vote::kReadOnly) static_cast<void>(enlistment.read_only());
    if (vote == Vote::kNo) {
      static_cast<void>(enlistment.rollback(Status(StatusCode::kLocked, "a row is taken")));
    }
  }

  tm::ResourceManager session_;
  std::mutex mutex_;
  std::vector<tm::Enlistment> kept_;
  std::thread thread_;
};

class XaSwitchTest : public testing::Test {
 protected:
  XaSwitchTest() { start(); }
  ~XaSwitchTest() override { stop(); }
  void start() {
    log::OpenOptions open;
    open.storage = storage_;
    log::CreateOptions create;
    create.container_size = log::kMinContainerSize;
    create.calibrate = false;
    log_ = std::shared_ptr(log::Log::open_or_create("log", create, open).value());
    tm::TmOptions options;
    options.log = log_;
    manager = tm::TransactionManager::open_or_create(options).value();
    ASSERT_TRUE(manager.recover());
    lower = std::make_unique<LowerRm>(manager, lower_id_);
    ASSERT_EQ(open_rm(), XA_OK);
  }
  void stop() {
    lower.reset();
    EXPECT_TRUE(manager.close());
    EXPECT_EQ(kSwitch.xa_close_entry(nullptr, kRmid, TMNOFLAGS), XA_OK);
    EXPECT_TRUE(log_->close());
  }
  void restart() {
    stop();
    start();
  }
  // As a crash leaves it.
  void crash() {
    storage_->crash();
    lower.reset();
    static_cast<void>(manager.close());
    static_cast<void>(kSwitch.xa_close_entry(nullptr, kRmid, TMNOFLAGS));
    static_cast<void>(log_->close());
    storage_ = storage_->after_crash(sim::survive_none());
    start();
  }

  int open_rm(const std::string& more = "") const {
    std::string info = "manager=" + manager.id().to_string() + ";patience=200" + more;
    return kSwitch.xa_open_entry(info.data(), kRmid, TMNOFLAGS);
  }
  static XID xid(char number) {
    XID made{};
    made.formatID = 1;
    made.gtrid_length = 3;
    made.bqual_length = 1;
    made.data[0] = 'g';
    made.data[2] = number;
    return made;
  }
  static int start_branch(XID xid, long flags = TMNOFLAGS) {
    return kSwitch.xa_start_entry(&xid, kRmid, flags);
  }
  static int end_branch(XID xid, long flags = TMSUCCESS) {
    return kSwitch.xa_end_entry(&xid, kRmid, flags);
  }
  static int prepare(XID xid) { return kSwitch.xa_prepare_entry(&xid, kRmid, TMNOFLAGS); }
  static int commit(XID xid, long flags = TMNOFLAGS) {
    return kSwitch.xa_commit_entry(&xid, kRmid, flags);
  }
  static int rollback(XID xid) { return kSwitch.xa_rollback_entry(&xid, kRmid, TMNOFLAGS); }
  static int forget(XID xid) { return kSwitch.xa_forget_entry(&xid, kRmid, TMNOFLAGS); }
  static std::vector<XID> in_doubt() {
    XID found[8];
    const int count = kSwitch.xa_recover_entry(found, 8, kRmid, TMSTARTRSCAN | TMENDRSCAN);
    return {found, found + std::max(count, 0)};
  }
  // A branch with work of the lower resource manager in it.
  void work(const XID& xid) {
    ASSERT_EQ(start_branch(xid), XA_OK);
    lower->join(xa_current_transaction().value());
    ASSERT_EQ(end_branch(xid), XA_OK);
  }
  void promise(const XID& xid) {
    work(xid);
    ASSERT_EQ(prepare(xid), XA_OK);
  }
  void resolve(tm::Outcome outcome) {
    const std::vector<Uuid> units = manager.transactions().value();
    ASSERT_THAT(units, SizeIs(1));
    const Status done = manager.resolve(units[0], outcome, {"who", "why"});
    EXPECT_TRUE(done) << done.to_string();
  }

  static constexpr int kRmid = 77;
  tm::TransactionManager manager;
  std::unique_ptr<LowerRm> lower;

 private:
  std::shared_ptr<sim::SimStorage> storage_ = std::make_shared<sim::SimStorage>();
  std::shared_ptr<log::Log> log_;
  const Uuid lower_id_ = Uuid::generate();
};

TEST_F(XaSwitchTest, TwoPhasesCommitBelow) {
  promise(xid(1));
  const Uuid unit = manager.transactions()->front();
  EXPECT_EQ(manager.open_transaction(unit)->information()->state, tm::TransactionState::kPrepared);
  EXPECT_EQ(lower->commits, 0);
  EXPECT_THAT(in_doubt(), SizeIs(1));
  EXPECT_EQ(commit(xid(1)), XA_OK);
  EXPECT_EQ(lower->commits, 1);
  EXPECT_THAT(in_doubt(), IsEmpty());
  EXPECT_EQ(commit(xid(1)), XAER_NOTA);
}

TEST_F(XaSwitchTest, OnePhaseLeavesTheDecisionBelow) {
  work(xid(1));
  EXPECT_EQ(commit(xid(1), TMONEPHASE), XA_OK);
  EXPECT_EQ(lower->commits, 1);
  work(xid(2));
  lower->vote = LowerRm::Vote::kNo;
  EXPECT_EQ(commit(xid(2), TMONEPHASE), XA_RBROLLBACK);
  EXPECT_EQ(commit(xid(2), TMONEPHASE), XAER_NOTA);
  EXPECT_EQ(lower->commits, 1);
}

TEST_F(XaSwitchTest, ABranchWithNothingToCommitIsReadOnly) {
  ASSERT_EQ(start_branch(xid(1)), XA_OK);
  ASSERT_EQ(end_branch(xid(1)), XA_OK);
  EXPECT_EQ(prepare(xid(1)), XA_RDONLY);
  lower->vote = LowerRm::Vote::kReadOnly;
  work(xid(2));
  EXPECT_EQ(prepare(xid(2)), XA_RDONLY);
  EXPECT_EQ(rollback(xid(2)), XAER_NOTA);
}

TEST_F(XaSwitchTest, ANoBelowIsARollbackCode) {
  lower->vote = LowerRm::Vote::kNo;
  work(xid(1));
  EXPECT_EQ(prepare(xid(1)), XA_RBROLLBACK);
  EXPECT_EQ(rollback(xid(1)), XAER_NOTA) << "rolled back already";
}

TEST_F(XaSwitchTest, RollbackReachesThoseBelowBeforeAndAfterThePromise) {
  work(xid(1));
  EXPECT_EQ(rollback(xid(1)), XA_OK);
  promise(xid(2));
  EXPECT_EQ(rollback(xid(2)), XA_OK);
  EXPECT_EQ(lower->rollbacks, 2);
  EXPECT_THAT(in_doubt(), IsEmpty());
}

TEST_F(XaSwitchTest, AClientCannotCommitAndMayRollBack) {
  ASSERT_EQ(start_branch(xid(1)), XA_OK);
  tm::Transaction transaction = xa_current_transaction().value();
  EXPECT_EQ(transaction.commit().code(), StatusCode::kSuperiorExists);
  EXPECT_TRUE(transaction.rollback());
  EXPECT_EQ(end_branch(xid(1)), XA_RBROLLBACK);
  EXPECT_EQ(prepare(xid(1)), XA_RBROLLBACK);
}

// Associations.

TEST_F(XaSwitchTest, TheTransactionIsFoundByTheAssociatedThreadAlone) {
  EXPECT_EQ(xa_current_transaction().code(), StatusCode::kNotFound);
  ASSERT_EQ(start_branch(xid(1)), XA_OK);
  EXPECT_TRUE(xa_current_transaction());
  EXPECT_EQ(xa_current_transaction(kRmid)->id(), xa_current_transaction()->id());
  EXPECT_EQ(xa_transaction_manager(kRmid)->id(), manager.id());
  std::thread([] {
    EXPECT_EQ(xa_current_transaction().code(), StatusCode::kNotFound);
    EXPECT_EQ(xa_transaction_manager(kRmid).code(), StatusCode::kNotFound);
  }).join();
  ASSERT_EQ(end_branch(xid(1)), XA_OK);
  EXPECT_EQ(xa_current_transaction().code(), StatusCode::kNotFound);
  EXPECT_EQ(rollback(xid(1)), XA_OK);
}

TEST_F(XaSwitchTest, AnotherThreadJoinsAndEndsForItself) {
  ASSERT_EQ(start_branch(xid(1)), XA_OK);
  const Uuid unit = xa_current_transaction()->id();
  std::thread([&] {
    EXPECT_EQ(start_branch(xid(1), TMJOIN), XAER_PROTO) << "not opened";
    ASSERT_EQ(open_rm(), XA_OK);
    EXPECT_EQ(start_branch(xid(1)), XAER_DUPID);
    EXPECT_EQ(start_branch(xid(2), TMJOIN), XAER_NOTA);
    ASSERT_EQ(start_branch(xid(1), TMJOIN), XA_OK);
    EXPECT_EQ(xa_current_transaction()->id(), unit);
    EXPECT_EQ(kSwitch.xa_close_entry(nullptr, kRmid, TMNOFLAGS), XAER_PROTO);
    ASSERT_EQ(end_branch(xid(1)), XA_OK);
    EXPECT_EQ(kSwitch.xa_close_entry(nullptr, kRmid, TMNOFLAGS), XA_OK);
  }).join();
  EXPECT_EQ(prepare(xid(1)), XAER_PROTO) << "this thread is at work in it";
  EXPECT_EQ(commit(xid(1), TMONEPHASE), XAER_PROTO);
  EXPECT_EQ(rollback(xid(1)), XAER_PROTO);
  ASSERT_EQ(end_branch(xid(1)), XA_OK);
  EXPECT_EQ(rollback(xid(1)), XA_OK);
}

TEST_F(XaSwitchTest, ASuspendedBranchIsResumedByItsThread) {
  ASSERT_EQ(start_branch(xid(1)), XA_OK);
  const Uuid first = xa_current_transaction()->id();
  ASSERT_EQ(end_branch(xid(1), TMSUSPEND), XA_OK);
  ASSERT_EQ(start_branch(xid(2)), XA_OK);
  EXPECT_EQ(start_branch(xid(1), TMRESUME), XAER_PROTO) << "associated with another";
  ASSERT_EQ(end_branch(xid(2)), XA_OK);
  EXPECT_EQ(start_branch(xid(2), TMRESUME), XAER_PROTO) << "not suspended";
  EXPECT_EQ(start_branch(xid(3), TMRESUME), XAER_NOTA);
  ASSERT_EQ(start_branch(xid(1), TMRESUME), XA_OK);
  EXPECT_EQ(xa_current_transaction()->id(), first);
  EXPECT_EQ(end_branch(xid(1), TMSUSPEND | TMMIGRATE), XA_NOMIGRATE);
  EXPECT_EQ(prepare(xid(1)), XAER_PROTO) << "suspended";
  EXPECT_EQ(end_branch(xid(1)), XA_OK) << "of a suspended one";
  EXPECT_EQ(rollback(xid(1)), XA_OK);
  EXPECT_EQ(rollback(xid(2)), XA_OK);
}

TEST_F(XaSwitchTest, WorkThatFailedRollsTheBranchBack) {
  ASSERT_EQ(start_branch(xid(1)), XA_OK);
  lower->join(xa_current_transaction().value());
  EXPECT_EQ(end_branch(xid(1), TMFAIL), XA_RBROLLBACK);
  EXPECT_EQ(start_branch(xid(1), TMJOIN), XA_RBROLLBACK);
  EXPECT_EQ(commit(xid(1), TMONEPHASE), XA_RBROLLBACK);
  EXPECT_EQ(lower->commits, 0);
}

TEST_F(XaSwitchTest, AThreadThatEndsInTheMiddleOfItsWorkHasFailed) {
  std::thread([&] {
    ASSERT_EQ(open_rm(), XA_OK);
    ASSERT_EQ(start_branch(xid(1)), XA_OK);
  }).join();
  EXPECT_EQ(prepare(xid(1)), XA_RBROLLBACK);
}

TEST_F(XaSwitchTest, CallsThatAreNoneAreRefused) {
  XID null = xid(1);
  null.formatID = -1;
  XID longer = xid(1);
  longer.gtrid_length = MAXGTRIDSIZE + 1;
  for (const XID& bad : {null, longer}) {
    EXPECT_EQ(start_branch(bad), XAER_INVAL);
    EXPECT_EQ(prepare(bad), XAER_INVAL);
  }
  EXPECT_EQ(kSwitch.xa_start_entry(nullptr, kRmid, TMNOFLAGS), XAER_INVAL);
  EXPECT_EQ(start_branch(xid(1), TMJOIN | TMRESUME), XAER_INVAL);
  EXPECT_EQ(start_branch(xid(1), TMASYNC), XAER_ASYNC);
  EXPECT_EQ(end_branch(xid(1), TMSUCCESS | TMFAIL), XAER_INVAL);
  EXPECT_EQ(end_branch(xid(1), TMSUCCESS | TMMIGRATE), XAER_INVAL);
  EXPECT_EQ(end_branch(xid(1)), XAER_NOTA);
  for (const auto call : {prepare, rollback, forget}) EXPECT_EQ(call(xid(1)), XAER_NOTA);
  EXPECT_EQ(commit(xid(1)), XAER_NOTA);
  EXPECT_EQ(commit(xid(1), TMFAIL), XAER_INVAL);
  work(xid(1));
  EXPECT_EQ(commit(xid(1)), XAER_PROTO) << "not prepared";
  EXPECT_EQ(forget(xid(1)), XAER_PROTO);
  ASSERT_EQ(prepare(xid(1)), XA_OK);
  EXPECT_EQ(prepare(xid(1)), XAER_PROTO);
  EXPECT_EQ(commit(xid(1), TMONEPHASE), XAER_PROTO);
  EXPECT_EQ(start_branch(xid(1), TMJOIN), XAER_PROTO);
  EXPECT_EQ(rollback(xid(1)), XA_OK);
  XID none{};
  EXPECT_EQ(kSwitch.xa_recover_entry(&none, 1, kRmid, TMNOFLAGS), XAER_INVAL) << "no scan";
  EXPECT_EQ(kSwitch.xa_recover_entry(nullptr, 1, kRmid, TMSTARTRSCAN), XAER_INVAL);
  EXPECT_EQ(kSwitch.xa_recover_entry(&none, -1, kRmid, TMSTARTRSCAN), XAER_INVAL);
  int handle = 1;
  EXPECT_EQ(kSwitch.xa_complete_entry(&handle, &handle, kRmid, TMNOFLAGS), XAER_INVAL);
}

TEST_F(XaSwitchTest, StringsThatNameNoManagerAreRefused) {
  const auto open_with = [](std::string info) {
    return kSwitch.xa_open_entry(info.data(), 5, TMNOFLAGS);
  };
  const std::string id = manager.id().to_string();
  for (const std::string& bad : {std::string(), std::string("manager=7"),
                                 "manager=" + id + ";log=/x", "manager=" + id + ";timeout=soon",
                                 "manager=" + id + ";depth=3", std::string("stream=tm")}) {
    EXPECT_EQ(open_with(bad), XAER_INVAL) << bad;
  }
  EXPECT_EQ(open_with("manager=" + Uuid::generate().to_string()), XAER_RMERR);
  EXPECT_EQ(open_with("log=/nowhere/at/all"), XAER_RMERR);
  const auto in_memory = tm::TransactionManager::open_or_create({});
  EXPECT_EQ(open_with("manager=" + in_memory->id().to_string()), XAER_RMERR) << "not durable";
}

TEST_F(XaSwitchTest, AManagerIsOpenedByItsLog) {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/log";
  log::CreateOptions small;  // and not measured, which takes time
  small.container_size = log::kMinContainerSize;
  small.calibrate = false;
  EXPECT_TRUE((*log::Log::create(path, small))->close());
  std::string info = "log=" + path + ";stream=orders";
  ASSERT_EQ(kSwitch.xa_open_entry(info.data(), 5, TMNOFLAGS), XA_OK);
  const Uuid id = xa_transaction_manager(5)->id();
  XID branch = xid(1);
  EXPECT_EQ(kSwitch.xa_start_entry(&branch, 5, TMNOFLAGS), XA_OK);
  EXPECT_TRUE(xa_current_transaction());
  ASSERT_EQ(start_branch(xid(2)), XA_OK);
  EXPECT_EQ(xa_current_transaction().code(), StatusCode::kInvalidArgument) << "two of them";
  EXPECT_TRUE(xa_current_transaction(5));
  EXPECT_EQ(end_branch(xid(2)), XA_OK);
  EXPECT_EQ(kSwitch.xa_end_entry(&branch, 5, TMSUCCESS), XA_OK);
  EXPECT_EQ(kSwitch.xa_close_entry(nullptr, 5, TMNOFLAGS), XA_OK);
  ASSERT_EQ(kSwitch.xa_open_entry(info.data(), 5, TMNOFLAGS), XA_OK) << "again";
  EXPECT_EQ(xa_transaction_manager(5)->id(), id);
  EXPECT_EQ(kSwitch.xa_close_entry(nullptr, 5, TMNOFLAGS), XA_OK);
}

TEST_F(XaSwitchTest, ABranchThatTakesTooLongIsRolledBack) {
  ASSERT_EQ(kSwitch.xa_close_entry(nullptr, kRmid, TMNOFLAGS), XA_OK);
  ASSERT_EQ(open_rm(";timeout=1"), XA_OK);
  ASSERT_EQ(start_branch(xid(1)), XA_OK);
  tm::Transaction transaction = xa_current_transaction().value();
  ASSERT_TRUE(transaction.set_properties({.timeout = std::chrono::milliseconds(1)}));
  while (transaction.outcome() != tm::Outcome::kAborted) std::this_thread::yield();
  EXPECT_EQ(end_branch(xid(1)), XA_RBTIMEOUT);
  EXPECT_EQ(prepare(xid(1)), XA_RBTIMEOUT);
}

// Recovery.

TEST_F(XaSwitchTest, PromisesAreListedAfterACrashAndEndAsTheMonitorSays) {
  promise(xid(1));
  promise(xid(2));
  work(xid(3));  // not promised
  crash();
  std::vector<XID> found = in_doubt();
  ASSERT_THAT(found, SizeIs(2));
  EXPECT_EQ(xid_key(found[0]), xid_key(xid(1)));
  EXPECT_EQ(start_branch(xid(1)), XAER_DUPID);
  EXPECT_EQ(commit(xid(1)), XA_OK);
  EXPECT_EQ(rollback(xid(2)), XA_OK);
  EXPECT_EQ(rollback(xid(3)), XAER_NOTA);
  EXPECT_EQ(lower->commits, 1);
  EXPECT_THAT(in_doubt(), IsEmpty());
  crash();
  // A rollback is not forced.
  for (const XID& found_again : in_doubt()) {
    EXPECT_EQ(xid_key(found_again), xid_key(xid(2)));
    EXPECT_EQ(rollback(found_again), XA_OK);
  }
}

TEST_F(XaSwitchTest, AScanGoesOnWhereItStopped) {
  for (char i = 1; i <= 5; ++i) promise(xid(i));
  XID found[2];
  EXPECT_EQ(kSwitch.xa_recover_entry(found, 2, kRmid, TMSTARTRSCAN), 2);
  EXPECT_EQ(kSwitch.xa_recover_entry(found, 2, kRmid, TMNOFLAGS), 2);
  EXPECT_EQ(xid_key(found[0]), xid_key(xid(3)));
  EXPECT_EQ(kSwitch.xa_recover_entry(found, 2, kRmid, TMENDRSCAN), 1);
  EXPECT_EQ(xid_key(found[0]), xid_key(xid(5)));
  EXPECT_EQ(kSwitch.xa_recover_entry(found, 2, kRmid, TMNOFLAGS), XAER_INVAL);
  for (char i = 1; i <= 5; ++i) EXPECT_EQ(rollback(xid(i)), XA_OK);
}

TEST_F(XaSwitchTest, AManagerThatWentOfflineIsOpenedAnew) {
  promise(xid(1));
  ASSERT_EQ(start_branch(xid(2)), XA_OK);
  lower.reset();
  EXPECT_TRUE(manager.close());
  EXPECT_EQ(end_branch(xid(2)) == XA_OK, false);
  while (commit(xid(1)) != XAER_RMFAIL) std::this_thread::yield();
  while (prepare(xid(1)) != XAER_RMFAIL) std::this_thread::yield();
  restart();
  EXPECT_EQ(commit(xid(1)), XA_OK);
  EXPECT_EQ(lower->commits, 1);
}

TEST_F(XaSwitchTest, WhatAnAdministratorDecidedOtherwiseIsHeuristicUntilItIsForgotten) {
  promise(xid(1));
  resolve(tm::Outcome::kAborted);
  EXPECT_EQ(commit(xid(1)), XA_HEURRB);
  EXPECT_EQ(commit(xid(1)), XA_HEURRB) << "still";
  EXPECT_THAT(in_doubt(), SizeIs(1));
  EXPECT_EQ(forget(xid(1)), XA_OK);
  EXPECT_EQ(commit(xid(1)), XAER_NOTA);
  promise(xid(2));
  resolve(tm::Outcome::kCommitted);
  EXPECT_EQ(rollback(xid(2)), XA_HEURCOM);
  EXPECT_EQ(forget(xid(2)), XA_OK);
  for (int i = 0; i < 2000 && !manager.transactions()->empty(); ++i) {  // the commit below
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  restart();
  EXPECT_THAT(in_doubt(), IsEmpty());
}

TEST_F(XaSwitchTest, WhatAnAdministratorDecidedAlikeIsNoNews) {
  promise(xid(1));
  resolve(tm::Outcome::kCommitted);
  EXPECT_EQ(commit(xid(1)), XA_OK);
  EXPECT_EQ(forget(xid(1)), XAER_NOTA);
}

}  // namespace
}  // namespace cairn::rm
