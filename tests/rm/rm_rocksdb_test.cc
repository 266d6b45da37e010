// RocksDB as a resource manager: promises and outcomes across restarts and kills, and nobody else's
// touched.
#include <csignal>
#include <cstdlib>
#include <functional>
#include <optional>
#include <string>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cairn/rm_rocksdb.h>

#include "names/branch_name.h"
#include "rm/wal_spy.h"
#include "servers/temporary_directory.h"

namespace cairn::rm {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using tm::NotificationKind;

// A log with a manager, and a database with its adapter, in one directory.
class Node {
 public:
  explicit Node(std::string directory, std::string tm_stream = "tm")
      : directory_(std::move(directory)), tm_stream_(std::move(tm_stream)) {}
  ~Node() { stop(); }
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  Status start_manager() {
    CAIRN_ASSIGN_OR_RETURN(log_, log::Log::open_or_create(directory_ + "/log-" + tm_stream_,
                                                          {.container_size = log::kMinContainerSize,
                                                           .calibrate = false}));
    tm::TmOptions options;
    options.log = log_;
    options.stream = tm_stream_;
    CAIRN_ASSIGN_OR_RETURN(tm, tm::TransactionManager::open_or_create(options));
    return tm.recover().status();
  }
  Status start_database() {
    rocksdb::Options options;
    options.create_if_missing = true;
    options.env = env_.get();
    rocksdb::TransactionDB* opened = nullptr;
    CAIRN_RETURN_IF_ERROR(
        from_rocksdb(rocksdb::TransactionDB::Open(options, {}, directory_ + "/db", &opened)));
    db.reset(opened);
    return Status::ok();
  }
  Status start_adapter() { return start_adapter(*db); }
  Status start_adapter(rocksdb::TransactionDB& database) {
    CAIRN_ASSIGN_OR_RETURN(rm, RocksDbResourceManager::open(database, tm, {.id = id}));
    return Status::ok();
  }
  Status start() {
    CAIRN_RETURN_IF_ERROR(start_manager());
    CAIRN_RETURN_IF_ERROR(start_database());
    return start_adapter();
  }
  void stop() {
    rm.reset();
    static_cast<void>(tm.close());
    tm = {};
    if (log_) static_cast<void>(log_->close());
    log_.reset();
    db.reset();
  }

  tm::Transaction begin() { return tm.create_transaction().value(); }
  Status put(const tm::Transaction& transaction, const std::string& key, const std::string& value) {
    return rm->work(transaction,
                    [&](rocksdb::Transaction& branch) { return branch.Put(key, value); });
  }
  std::string read(const std::string& key) {
    std::string value;
    const rocksdb::Status got = db->Get({}, key, &value);
    return got.ok() ? value : got.ToString();
  }

  const std::shared_ptr<WalSpy> wal = std::make_shared<WalSpy>();
  const Uuid id = Uuid::parse("0f9d7c52-90a4-4a5d-8a25-16d0b1f6a111").value();
  tm::TransactionManager tm;

 private:
  const std::unique_ptr<rocksdb::Env> env_ = rocksdb::NewCompositeEnv(wal);

 public:
  std::unique_ptr<rocksdb::TransactionDB> db;
  std::unique_ptr<RocksDbResourceManager> rm;

 private:
  std::string directory_;
  std::string tm_stream_;
  std::shared_ptr<log::Log> log_;
};

// A second resource manager that answers by hand: while it keeps silent, nothing is decided.
class Puppet {
 public:
  explicit Puppet(tm::TransactionManager& tm) {
    session_ = tm.create_resource_manager(Uuid::generate(), tm::RmKind::kDurable, "puppet").value();
    EXPECT_TRUE(session_.recover());
    EXPECT_EQ(next(), NotificationKind::kLastRecover);
  }
  void join(const tm::Transaction& transaction) {
    enlistment = session_.enlist(transaction, tm::kTwoPhase, 1).value();
  }
  NotificationKind next() { return session_.get_notification(std::chrono::seconds(20))->kind; }

  tm::Enlistment enlistment;

 private:
  tm::ResourceManager session_;
};

template <typename Condition>
bool eventually(const Condition& condition) {
  for (int i = 0; i < 2000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(milliseconds(5));
  }
  return false;
}

std::vector<std::string> prepared_in(rocksdb::TransactionDB& db) {
  std::vector<rocksdb::Transaction*> prepared;
  db.GetAllPreparedTransactions(&prepared);
  std::vector<std::string> names;
  for (const auto* const transaction : prepared) names.push_back(transaction->GetName());
  return names;
}

// The branch has promised, the puppet has not answered.
tm::Transaction prepare(Node& node, Puppet& puppet, const std::string& key) {
  tm::Transaction transaction = node.begin();
  EXPECT_TRUE(node.put(transaction, key, "1"));
  puppet.join(transaction);
  EXPECT_TRUE(transaction.commit_async());
  EXPECT_EQ(puppet.next(), NotificationKind::kPrepare);
  EXPECT_TRUE(eventually([&] { return !prepared_in(*node.db).empty(); }));
  return transaction;
}

class RocksDbRmTest : public testing::Test {
 protected:
  void SetUp() override { start(); }
  void start() {
    const Status started = node.start();
    ASSERT_TRUE(started) << started.to_string();
  }
  void restart() {
    node.stop();
    start();
  }

  const TemporaryDirectory temporary;
  Node node{temporary.path()};
};

TEST_F(RocksDbRmTest, ACommitIsThereAfterARestart) {
  tm::Transaction transaction = node.begin();
  ASSERT_TRUE(node.put(transaction, "a", "1"));
  EXPECT_THAT(node.read("a"), HasSubstr("NotFound"));
  ASSERT_TRUE(transaction.commit());
  EXPECT_EQ(node.read("a"), "1");
  restart();
  EXPECT_EQ(node.read("a"), "1");
  EXPECT_THAT(node.rm->recovery().committed, IsEmpty());
}

TEST_F(RocksDbRmTest, ARollbackLeavesNothingAndReleasesItsKeys) {
  tm::Transaction transaction = node.begin();
  ASSERT_TRUE(node.put(transaction, "a", "1"));
  ASSERT_TRUE(transaction.rollback());
  EXPECT_TRUE(eventually([&] { return node.put(node.begin(), "a", "2").is_ok(); }));
  EXPECT_THAT(node.read("a"), HasSubstr("NotFound"));
}

TEST_F(RocksDbRmTest, AKeyInUseIsRefusedAtOnce) {
  tm::Transaction holder = node.begin();
  ASSERT_TRUE(node.put(holder, "a", "1"));
  EXPECT_EQ(node.put(node.begin(), "a", "2").code(), StatusCode::kLocked);
}

TEST_F(RocksDbRmTest, ReadingAloneLeavesNothingPreparedAndIsNotAskedAgain) {
  tm::Transaction transaction = node.begin();
  Puppet puppet(node.tm);
  puppet.join(transaction);
  const Status read = node.rm->work(transaction, [](rocksdb::Transaction& branch) {
    std::string value;
    return branch.GetForUpdate({}, "a", &value);
  });
  EXPECT_EQ(read.code(), StatusCode::kNotFound);
  ASSERT_TRUE(transaction.commit_async());
  EXPECT_EQ(puppet.next(), NotificationKind::kPrepare);
  ASSERT_TRUE(puppet.enlistment.prepare_complete());
  EXPECT_EQ(puppet.next(), NotificationKind::kCommit);
  ASSERT_TRUE(puppet.enlistment.commit_complete());
  ASSERT_TRUE(transaction.wait(tm::WaitFor::kCompleted, std::chrono::seconds(20)));
  EXPECT_TRUE(eventually([&] { return node.put(node.begin(), "a", "1").is_ok(); }));
}

TEST_F(RocksDbRmTest, WorkAfterTheCommitWasAskedForIsRefused) {
  Puppet puppet(node.tm);
  tm::Transaction transaction = prepare(node, puppet, "a");
  EXPECT_EQ(node.put(transaction, "b", "1").code(), StatusCode::kNotActive);
}

TEST_F(RocksDbRmTest, ConcurrentTransactionsAllCount) {
  const auto work = [&](int thread) {
    for (int i = 0; i < 25; ++i) {
      tm::Transaction transaction = node.begin();
      EXPECT_TRUE(node.put(transaction, std::to_string(thread) + "-" + std::to_string(i), "1"));
      EXPECT_TRUE(transaction.commit());
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back(work, i);
  for (std::thread& thread : threads) thread.join();
  for (int i = 0; i < 4; ++i) EXPECT_EQ(node.read(std::to_string(i) + "-24"), "1");
}

TEST_F(RocksDbRmTest, ARefusalElsewhereUndoesThePromise) {
  Puppet puppet(node.tm);
  tm::Transaction transaction = prepare(node, puppet, "a");
  ASSERT_TRUE(puppet.enlistment.rollback());
  EXPECT_TRUE(eventually([&] { return prepared_in(*node.db).empty(); }));
  EXPECT_THAT(node.read("a"), HasSubstr("NotFound"));
}

TEST_F(RocksDbRmTest, APromiseWithoutDecisionIsRolledBackAfterARestart) {
  Puppet puppet(node.tm);
  const Uuid id = prepare(node, puppet, "a").id();
  node.rm.reset();
  restart();
  EXPECT_THAT(node.rm->recovery().aborted, ElementsAre(id));
  EXPECT_THAT(prepared_in(*node.db), IsEmpty());
  EXPECT_TRUE(node.put(node.begin(), "a", "2"));
}

TEST_F(RocksDbRmTest, ADecisionIsKeptByTheNextAdapter) {
  Puppet puppet(node.tm);
  tm::Transaction transaction = prepare(node, puppet, "a");
  node.rm.reset();
  EXPECT_THAT(prepared_in(*node.db), SizeIs(1)) << "the database keeps what was promised";
  ASSERT_TRUE(puppet.enlistment.prepare_complete());
  ASSERT_TRUE(transaction.wait(tm::WaitFor::kDecided, std::chrono::seconds(20)));
  ASSERT_TRUE(node.start_adapter());
  EXPECT_THAT(node.rm->recovery().committed, ElementsAre(transaction.id()));
  EXPECT_EQ(node.read("a"), "1");
}

TEST_F(RocksDbRmTest, ADecisionIsKeptByTheNextDatabase) {
  Puppet puppet(node.tm);
  tm::Transaction transaction = prepare(node, puppet, "a");
  node.rm.reset();
  node.db.reset();
  ASSERT_TRUE(puppet.enlistment.prepare_complete());
  ASSERT_TRUE(transaction.wait(tm::WaitFor::kDecided, std::chrono::seconds(20)));
  ASSERT_TRUE(node.start_database());
  ASSERT_TRUE(node.start_adapter());
  EXPECT_THAT(node.rm->recovery().committed, ElementsAre(transaction.id()));
  EXPECT_EQ(node.read("a"), "1");
}

// The decision is told again: the manager's answer was given by a branch that RocksDB has no trace
// of any more.
TEST_F(RocksDbRmTest, ACommitThatIsToldAgainIsAnsweredAgain) {
  Puppet puppet(node.tm);
  tm::Transaction transaction = prepare(node, puppet, "a");
  node.rm.reset();
  ASSERT_TRUE(puppet.enlistment.prepare_complete());
  ASSERT_TRUE(transaction.wait(tm::WaitFor::kDecided, std::chrono::seconds(20)));
  std::vector<rocksdb::Transaction*> prepared;
  node.db->GetAllPreparedTransactions(&prepared);
  ASSERT_THAT(prepared, SizeIs(1));
  ASSERT_TRUE(prepared[0]->Commit().ok());  // done, and the answer is lost
  delete prepared[0];
  ASSERT_TRUE(node.start_adapter());
  EXPECT_THAT(node.rm->recovery().redelivered, ElementsAre(transaction.id()));
  EXPECT_EQ(node.read("a"), "1");
}

// The first use's end is told again, as a manager does that lost its record of it: what the next
// use has promised is not decided.
TEST_F(RocksDbRmTest, ACommitThatIsToldAgainIsNotThatOfTheNextUseOfItsUnitOfWork) {
  Puppet puppet(node.tm);
  tm::Transaction transaction = prepare(node, puppet, "a");
  node.rm.reset();
  ASSERT_TRUE(puppet.enlistment.prepare_complete());
  ASSERT_TRUE(transaction.wait(tm::WaitFor::kDecided, std::chrono::seconds(20)));
  std::vector<rocksdb::Transaction*> prepared;
  node.db->GetAllPreparedTransactions(&prepared);
  ASSERT_THAT(prepared, SizeIs(1));
  ASSERT_TRUE(prepared[0]->Commit().ok());
  delete prepared[0];
  rocksdb::Transaction* const next = node.db->BeginTransaction({});
  const BranchName name{node.tm.id(), node.id, transaction.id()};
  ASSERT_TRUE(next->SetName(BranchUse::of(name, Uuid::generate()).to_string()).ok());
  ASSERT_TRUE(next->Put("b", "1").ok() && next->Prepare().ok());  // the adapter's, when it starts
  ASSERT_TRUE(node.start_adapter());
  EXPECT_THAT(node.rm->recovery().redelivered, ElementsAre(transaction.id()));
  EXPECT_THAT(node.rm->recovery().aborted, ElementsAre(transaction.id()));
  EXPECT_THAT(prepared_in(*node.db), IsEmpty());
  EXPECT_EQ(node.read("a"), "1");
  EXPECT_EQ(node.read("b"), "NotFound: ");
}

TEST_F(RocksDbRmTest, ADecidedBranchIsNotSoughtInAnotherDatabase) {
  Puppet puppet(node.tm);
  tm::Transaction transaction = prepare(node, puppet, "a");
  node.rm.reset();
  ASSERT_TRUE(puppet.enlistment.prepare_complete());
  ASSERT_TRUE(transaction.wait(tm::WaitFor::kDecided, std::chrono::seconds(20)));
  const TemporaryDirectory elsewhere;
  Node other(elsewhere.path());
  ASSERT_TRUE(other.start_database());
  const Status opened = node.start_adapter(*other.db);
  EXPECT_EQ(opened.code(), StatusCode::kIdentityMismatch);
  EXPECT_THAT(opened.message(), HasSubstr(transaction.id().to_string()));
}

// A copy of the manager's log was renamed; what it promised before is not for it to touch.
TEST_F(RocksDbRmTest, ADecidedBranchThatIsPreparedForAFormerIdentityIsNoCommit) {
  Puppet puppet(node.tm);
  tm::Transaction transaction = prepare(node, puppet, "a");
  node.rm.reset();
  ASSERT_TRUE(puppet.enlistment.prepare_complete());
  ASSERT_TRUE(transaction.wait(tm::WaitFor::kDecided, std::chrono::seconds(20)));
  std::vector<rocksdb::Transaction*> prepared;
  node.db->GetAllPreparedTransactions(&prepared);
  ASSERT_THAT(prepared, SizeIs(1));
  ASSERT_TRUE(prepared[0]->Rollback().ok());
  delete prepared[0];
  const std::string former =
      BranchName{Uuid::generate(), node.id, transaction.id()}.to_string() + ":0123abcd";
  rocksdb::Transaction* const theirs = node.db->BeginTransaction({});
  ASSERT_TRUE(theirs->SetName(former).ok() && theirs->Put("a", "1").ok());
  ASSERT_TRUE(theirs->Prepare().ok());  // the database's, when it closes
  const Status opened = node.start_adapter();
  EXPECT_EQ(opened.code(), StatusCode::kIdentityMismatch) << opened.to_string();
  EXPECT_THAT(opened.message(), HasSubstr(transaction.id().to_string()));
  EXPECT_THAT(prepared_in(*node.db), ElementsAre(former));
}

TEST_F(RocksDbRmTest, AnAdapterWithoutIdentityIsRefused) {
  EXPECT_EQ(node.rm->work(node.begin(), {}).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(RocksDbResourceManager::open(*node.db, node.tm, {}).code(),
            StatusCode::kInvalidArgument);
}

// Durability and errors, seen at RocksDB's write-ahead log.

TEST_F(RocksDbRmTest, ACommitIsSyncedBeforeItIsAnswered) {
  Puppet puppet(node.tm);
  tm::Transaction transaction = prepare(node, puppet, "a");
  ASSERT_TRUE(puppet.enlistment.prepare_complete());
  ASSERT_EQ(puppet.next(), NotificationKind::kCommit);
  ASSERT_TRUE(puppet.enlistment.commit_complete());
  ASSERT_TRUE(transaction.wait(tm::WaitFor::kCompleted, std::chrono::seconds(20)));
  node.wal->cut_power();  // the manager may have forgotten the transaction by now
  node.rm.reset();
  node.db.reset();
  node.wal->lose_unsynced();
  ASSERT_TRUE(node.start_database());
  ASSERT_TRUE(node.start_adapter());
  EXPECT_THAT(node.rm->recovery().aborted, IsEmpty());
  EXPECT_EQ(node.read("a"), "1");
}

TEST_F(RocksDbRmTest, APromiseThatCannotBeSyncedIsNotGiven) {
  Puppet puppet(node.tm);
  tm::Transaction transaction = node.begin();
  ASSERT_TRUE(node.put(transaction, "a", "1"));
  puppet.join(transaction);
  node.wal->fail_syncs(true);
  ASSERT_TRUE(transaction.commit_async());
  EXPECT_EQ(puppet.next(), NotificationKind::kPrepare);
  EXPECT_EQ(transaction.wait(tm::WaitFor::kDecided, std::chrono::seconds(20)).code(),
            StatusCode::kAlreadyAborted);
  EXPECT_EQ(node.put(transaction, "b", "1").code(), node.rm->health().code());
  node.wal->fail_syncs(false);
  restart();
  EXPECT_THAT(node.rm->recovery().aborted, SizeIs(1)) << "the promise that nobody was given";
  EXPECT_THAT(node.read("a"), HasSubstr("NotFound"));
}

TEST_F(RocksDbRmTest, AnErrorWhileCommittingIsNoOutcome) {
  Puppet puppet(node.tm);
  tm::Transaction transaction = prepare(node, puppet, "a");
  node.wal->fail_appends(true);
  ASSERT_TRUE(puppet.enlistment.prepare_complete());
  ASSERT_EQ(puppet.next(), NotificationKind::kCommit);
  ASSERT_TRUE(puppet.enlistment.commit_complete());
  ASSERT_TRUE(eventually([&] { return !node.rm->health(); }));
  EXPECT_EQ(node.rm->health().code(), StatusCode::kIoError);
  EXPECT_EQ(transaction.wait(tm::WaitFor::kCompleted, milliseconds(100)).code(),
            StatusCode::kTimeout);
  node.wal->fail_appends(false);
  restart();
  EXPECT_THAT(node.rm->recovery().committed, ElementsAre(transaction.id()));
  EXPECT_EQ(node.read("a"), "1");
}

TEST_F(RocksDbRmTest, AnErrorWhileRollingBackIsNoOutcome) {
  Puppet puppet(node.tm);
  tm::Transaction transaction = prepare(node, puppet, "a");
  node.wal->fail_appends(true);
  ASSERT_TRUE(puppet.enlistment.rollback());
  ASSERT_TRUE(eventually([&] { return !node.rm->health(); }));
  EXPECT_EQ(node.rm->health().code(), StatusCode::kIoError);
  node.wal->fail_appends(false);
  restart();
  EXPECT_THAT(node.rm->recovery().aborted, ElementsAre(transaction.id()));
  EXPECT_THAT(node.read("a"), HasSubstr("NotFound"));
}

// Two managers on one database, each with a promise of its own there.
TEST_F(RocksDbRmTest, TwoManagersDoNotTouchEachOthersPromises) {
  Node second(temporary.path(), "second");
  ASSERT_TRUE(second.start_manager());
  ASSERT_TRUE(second.start_adapter(*node.db));
  Puppet puppet(second.tm);
  tm::Transaction theirs = second.begin();
  ASSERT_TRUE(second.put(theirs, "theirs", "1"));
  puppet.join(theirs);
  ASSERT_TRUE(theirs.commit_async());
  ASSERT_TRUE(eventually([&] { return prepared_in(*node.db).size() == 1; }));
  const std::string name = prepared_in(*node.db).at(0);
  EXPECT_THAT(name, testing::StartsWith(
                        BranchName{second.tm.id(), second.id, theirs.id()}.to_string() + ":"));

  node.rm.reset();
  ASSERT_TRUE(node.start_adapter());  // recovers, and finds nothing of its own
  EXPECT_THAT(node.rm->recovery().foreign, ElementsAre(name));
  EXPECT_THAT(node.rm->recovery().aborted, IsEmpty());
  EXPECT_THAT(prepared_in(*node.db), ElementsAre(name));

  ASSERT_TRUE(puppet.enlistment.prepare_complete());
  EXPECT_TRUE(eventually([&] { return node.read("theirs") == "1"; }));
}

TEST_F(RocksDbRmTest, APromiseOfAProgramWithoutManagerIsLeftAlone) {
  std::unique_ptr<rocksdb::Transaction> stranger(node.db->BeginTransaction({}));
  ASSERT_TRUE(stranger->SetName("mine").ok());
  ASSERT_TRUE(stranger->Put("m", "1").ok());
  ASSERT_TRUE(stranger->Prepare().ok());
  node.rm.reset();
  ASSERT_TRUE(node.start_adapter());
  EXPECT_THAT(node.rm->recovery().foreign, ElementsAre("mine"));
  EXPECT_TRUE(stranger->Commit().ok());
}

// Killed between promise and decision, and after the decision: nothing of the process is left but
// its files.
class RocksDbKillTest : public testing::Test {
 protected:
  // A death test runs this program again up to its statement; the environment leads that run to
  // this one's directory.
  RocksDbKillTest() {
    testing::GTEST_FLAG(death_test_style) = "threadsafe";
    if (const char* const given = ::getenv(kVariable)) {
      directory = given;
      return;
    }
    temporary.emplace();
    directory = temporary->path();
    ::setenv(kVariable, directory.c_str(), 1);
  }
  ~RocksDbKillTest() override {
    if (temporary) ::unsetenv(kVariable);
  }

  static constexpr const char* kVariable = "CAIRN_TEST_DIRECTORY";
  std::optional<TemporaryDirectory> temporary;
  std::string directory;
};

[[noreturn]] void promise_and_die(const std::string& directory, bool decide) {
  Node node(directory);
  if (!node.start()) std::abort();
  Puppet puppet(node.tm);
  tm::Transaction transaction = prepare(node, puppet, "a");
  if (decide) {
    // Without its adapter the branch cannot follow the decision: as if the kill came between the
    // two.
    node.rm.reset();
    if (!puppet.enlistment.prepare_complete()) std::abort();
    if (!transaction.wait(tm::WaitFor::kDecided, std::chrono::seconds(20))) std::abort();
  }
  ::raise(SIGKILL);
  std::abort();
}

TEST_F(RocksDbKillTest, APromiseIsRolledBackWhenTheProcessDiedUndecided) {
  EXPECT_EXIT(promise_and_die(directory, false), testing::KilledBySignal(SIGKILL), "");
  Node node(directory);
  ASSERT_TRUE(node.start());
  EXPECT_THAT(node.rm->recovery().aborted, SizeIs(1));
  EXPECT_THAT(node.read("a"), HasSubstr("NotFound"));
}

TEST_F(RocksDbKillTest, APromiseIsKeptWhenTheProcessDiedDecided) {
  EXPECT_EXIT(promise_and_die(directory, true), testing::KilledBySignal(SIGKILL), "");
  Node node(directory);
  ASSERT_TRUE(node.start());
  EXPECT_THAT(node.rm->recovery().committed, SizeIs(1));
  EXPECT_EQ(node.read("a"), "1");
}

}  // namespace
}  // namespace cairn::rm
