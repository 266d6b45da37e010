// SQLite as the last resource: its commit decides, and its marker tells so after a crash at any
// step; no moment loses the outcome.
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cairn/rm_sqlite.h>

#include "examples/temporary_directory.h"
#include "rm/manager_node.h"

namespace cairn::rm {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using tm::NotificationKind;

// Between the manager and SQLite: holds a commit before it begins or after it was done, and lets
// its process be dead from there on.
class Gate : public LastResource {
 public:
  enum class At { kNowhere, kBeforeCommit, kAfterCommit };

  explicit Gate(std::shared_ptr<LastResource> real) : real_(std::move(real)) {}

  void arm(At at) {
    const std::lock_guard lock(mutex_);
    at_ = at;
  }
  void wait_held() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return is_held_; });
  }
  // Whoever is held there goes on.
  void let_go() {
    const std::lock_guard lock(mutex_);
    at_ = At::kNowhere;
    changed_.notify_all();
  }
  // Whoever is held there does nothing more.
  void die() {
    const std::lock_guard lock(mutex_);
    is_dead_ = true;
    changed_.notify_all();
  }

  Result<std::unique_ptr<LastBranch>> begin() override {
    CAIRN_ASSIGN_OR_RETURN(auto real, real_->begin());
    return std::unique_ptr<LastBranch>(std::make_unique<Held>(*this, std::move(real)));
  }
  Result<std::vector<std::string>> markers(const std::string& prefix) override {
    return is_dead() ? Result<std::vector<std::string>>(dead()) : real_->markers(prefix);
  }
  Status clear(std::span<const std::string> markers) override {
    return is_dead() ? dead() : real_->clear(markers);
  }

 private:
  class Held : public LastBranch {
   public:
    Held(Gate& gate, std::unique_ptr<LastBranch> real) : gate_(gate), real_(std::move(real)) {}
    LastCommit commit(const std::string& marker, std::span<const std::string> obsolete,
                      Status& why) override {
      LastCommit done = LastCommit::kUnknown;
      why = dead();
      if (gate_.passes(At::kBeforeCommit)) done = real_->commit(marker, obsolete, why);
      return gate_.passes(At::kAfterCommit) ? done : LastCommit::kUnknown;
    }
    void cancel() override { real_->cancel(); }
    Status failure() const override { return real_->failure(); }
    LastBranch& real() { return *real_; }

   private:
    Gate& gate_;
    std::unique_ptr<LastBranch> real_;
  };

  static Status dead() { return Status(StatusCode::kIoError, "the process was killed"); }
  bool is_dead() {
    const std::lock_guard lock(mutex_);
    return is_dead_;
  }
  bool passes(At at) {
    std::unique_lock lock(mutex_);
    if (at_ == at && !is_dead_) {
      is_held_ = true;
      changed_.notify_all();
      changed_.wait(lock, [this] { return is_dead_ || at_ == At::kNowhere; });
    }
    return !is_dead_;
  }

  const std::shared_ptr<LastResource> real_;
  std::mutex mutex_;
  std::condition_variable changed_;
  At at_ = At::kNowhere;
  bool is_held_ = false;
  bool is_dead_ = false;

 public:
  static sqlite3* handle(LastBranch& branch) {
    return sqlite_of(static_cast<Held&>(branch).real());
  }
};

class Node : public ManagerNode {
 public:
  Node() { options.path = directory_ / "data.db"; }
  ~Node() { stop(); }

  Status start_adapter() {
    options.id = id;
    CAIRN_ASSIGN_OR_RETURN(auto real, open_sqlite(options));
    gate = std::make_shared<Gate>(std::move(real));
    CAIRN_ASSIGN_OR_RETURN(rm, LastResourceManager::open(tm, gate, {.id = id}));
    return Status::ok();
  }
  void end_adapter() {
    if (gate) gate->die();
    rm.reset();
  }
  // The process dies, and what the manager's log has not forced is gone.
  void crash() {
    crash_manager([this] { end_adapter(); });
  }
  void stop() {
    rm.reset();
    stop_manager();
  }
  Status put(const tm::Transaction& transaction, const std::string& item) {
    return rm->work(transaction, [&](LastBranch& branch) {
      return execute(Gate::handle(branch), "INSERT INTO items VALUES ('" + item + "')");
    });
  }

  SqliteOptions options;
  std::shared_ptr<Gate> gate;
  std::unique_ptr<LastResourceManager> rm;

 private:
  const TemporaryDirectory directory_;
};

class SqliteRmTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(node.start_manager());
    puppet.start(node.tm);
    const Status opened = node.start_adapter();
    ASSERT_TRUE(opened) << opened.to_string();
    sql("CREATE TABLE items (item TEXT PRIMARY KEY)");
  }
  void TearDown() override {
    puppet.stop();
    node.stop();
  }
  std::string sql(const std::string& statement) const {
    sqlite3* raw = nullptr;
    sqlite3_open(node.options.path.c_str(), &raw);
    const std::unique_ptr<sqlite3, decltype(&sqlite3_close)> connection(raw, &sqlite3_close);
    sqlite3_busy_timeout(raw, 10000);
    std::string found;
    const auto take = [](void* to, int, char** values, char**) {
      *static_cast<std::string*>(to) = values[0] == nullptr ? "" : values[0];
      return 0;
    };
    EXPECT_EQ(sqlite3_exec(raw, statement.c_str(), take, &found, nullptr), SQLITE_OK)
        << sqlite3_errmsg(raw);
    return found;
  }
  std::string count(const std::string& item) const {
    return sql("SELECT count(*) FROM items WHERE item = '" + item + "'");
  }
  std::string markers() const { return sql("SELECT count(*) FROM cairn_commits"); }
  // Answers for the puppet until all is forgotten.
  bool ends() {
    return eventually([&] {
      puppet.answer();
      const auto left = node.tm.transactions();
      return left && left->empty();
    });
  }
  tm::Transaction begin_both(const std::string& item) {
    tm::Transaction transaction = node.begin();
    EXPECT_TRUE(node.put(transaction, item));
    puppet.join(transaction);
    return transaction;
  }

  Node node;
  Puppet puppet;
};

// ---- Ordinary days

TEST_F(SqliteRmTest, CommitsAfterAllOthersHavePromised) {
  tm::Transaction transaction = begin_both("a");
  ASSERT_TRUE(transaction.commit_async());
  ASSERT_EQ(puppet.next(), NotificationKind::kPrepare);
  EXPECT_EQ(count("a"), "0");
  ASSERT_TRUE(puppet.enlistment.prepare_complete());
  ASSERT_EQ(puppet.next(), NotificationKind::kCommit);
  EXPECT_EQ(count("a"), "1");
  ASSERT_TRUE(puppet.enlistment.commit_complete());
  EXPECT_TRUE(transaction.wait(tm::WaitFor::kCompleted, kLimit));
}

TEST_F(SqliteRmTest, CommitsAloneAndOneAfterTheOther) {
  for (const std::string item : {"a", "b", "c"}) {
    tm::Transaction transaction = node.begin();
    ASSERT_TRUE(node.put(transaction, item));
    const Status done = transaction.commit();
    ASSERT_TRUE(done) << done.to_string();
    EXPECT_EQ(count(item), "1");
  }
}

TEST_F(SqliteRmTest, IsRolledBackWhenAnotherOneRefuses) {
  tm::Transaction transaction = begin_both("a");
  ASSERT_TRUE(transaction.commit_async());
  ASSERT_EQ(puppet.next(), NotificationKind::kPrepare);
  ASSERT_TRUE(puppet.enlistment.rollback());
  EXPECT_EQ(transaction.wait(tm::WaitFor::kDecided, kLimit).code(), StatusCode::kAlreadyAborted);
  EXPECT_TRUE(ends());
  EXPECT_EQ(count("a"), "0");
  EXPECT_EQ(markers(), "0");
}

TEST_F(SqliteRmTest, ARollbackByTheClientLeavesNothing) {
  tm::Transaction transaction = begin_both("a");
  ASSERT_TRUE(transaction.rollback());
  ASSERT_TRUE(node.put(node.begin(), "a"));
}

TEST_F(SqliteRmTest, AnErrorThatTheWorkReturnsRollsBackWithItsWords) {
  tm::Transaction transaction = begin_both("a");
  EXPECT_EQ(node.put(transaction, "a").code(), StatusCode::kAlreadyExists);
  ASSERT_TRUE(transaction.commit_async());
  const Status done = transaction.wait(tm::WaitFor::kDecided, kLimit);
  EXPECT_EQ(done.code(), StatusCode::kAlreadyAborted);
  EXPECT_THAT(done.message(), HasSubstr("UNIQUE"));
  EXPECT_TRUE(ends());
  EXPECT_EQ(count("a"), "0");
}

TEST_F(SqliteRmTest, TheWorkCannotCommitByItself) {
  tm::Transaction transaction = begin_both("a");
  EXPECT_TRUE(node.rm->work(transaction, [](LastBranch& branch) {
    EXPECT_FALSE(execute(Gate::handle(branch), "COMMIT"));
    return execute(Gate::handle(branch), "BEGIN; INSERT INTO items VALUES ('b')");
  }));
  ASSERT_TRUE(transaction.commit_async());
  EXPECT_EQ(transaction.wait(tm::WaitFor::kDecided, kLimit).code(), StatusCode::kAlreadyAborted);
  EXPECT_TRUE(ends());
  EXPECT_EQ(sql("SELECT count(*) FROM items"), "0");
}

TEST_F(SqliteRmTest, ARollbackInterruptsTheStatementThatRuns) {
  tm::Transaction transaction = begin_both("a");
  std::atomic<bool> runs = false;
  Status ran;
  std::thread client([&] {
    ran = node.rm->work(transaction, [&](LastBranch& branch) {
      const auto tick = [](sqlite3_context* context, int, sqlite3_value**) {
        *static_cast<std::atomic<bool>*>(sqlite3_user_data(context)) = true;
      };
      sqlite3_create_function(Gate::handle(branch), "tick", 0, SQLITE_UTF8, &runs, tick, nullptr,
                              nullptr);
      return execute(Gate::handle(branch),
                     "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) "
                     "SELECT count(tick()) FROM n");
    });
  });
  EXPECT_TRUE(eventually([&] { return runs.load(); }));
  EXPECT_TRUE(transaction.rollback());
  client.join();
  EXPECT_EQ(ran.code(), StatusCode::kTimeout) << ran.to_string();
}

TEST_F(SqliteRmTest, AUnitOfWorkCanBeUsedAgainAtOnce) {
  const tm::TransactionOptions same{.unit_of_work = Uuid::generate()};
  for (const std::string item : {"a", "b", "c", "d", "e"}) {
    for (const bool commits : {false, true}) {
      tm::Transaction transaction = node.tm.create_transaction(same).value();
      const Status done = node.put(transaction, item);
      ASSERT_TRUE(done) << done.to_string();
      ASSERT_TRUE(commits ? transaction.commit() : transaction.rollback());
      EXPECT_EQ(count(item), commits ? "1" : "0");
    }
  }
}

TEST_F(SqliteRmTest, ThereIsOneLastResource) {
  Node other;
  SqliteOptions options = other.options;
  options.id = Uuid::generate();
  const auto second = SqliteResourceManager::open(node.tm, options);
  ASSERT_TRUE(second) << second.status().to_string();
  tm::Transaction transaction = begin_both("a");
  const auto nothing = [](sqlite3*) { return Status::ok(); };
  EXPECT_EQ((*second)->work(transaction, nothing).code(), StatusCode::kSuperiorExists);
  EXPECT_TRUE(transaction.rollback());
}

TEST_F(SqliteRmTest, ADatabaseThatSurvivesNoCrashIsRefused) {
  SqliteOptions options = node.options;
  options.path = ":memory:";
  EXPECT_EQ(open_sqlite(options).code(), StatusCode::kInvalidArgument);
  options.path = "/nowhere/data.db";
  EXPECT_EQ(open_sqlite(options).code(), StatusCode::kIoError);
}

// A reader in the way of the commit (not in write-ahead mode): rolled back, for certain.
TEST_F(SqliteRmTest, ACommitThatSqliteRefusesRollsBackEverywhere) {
  node.end_adapter();
  node.options.patience = std::chrono::milliseconds(20);
  ASSERT_TRUE(node.start_adapter());
  sqlite3* raw = nullptr;
  ASSERT_EQ(sqlite3_open(node.options.path.c_str(), &raw), SQLITE_OK);
  const std::unique_ptr<sqlite3, decltype(&sqlite3_close)> reader(raw, &sqlite3_close);
  ASSERT_TRUE(execute(raw, "BEGIN; SELECT count(*) FROM items"));
  tm::Transaction transaction = begin_both("a");
  ASSERT_TRUE(transaction.commit_async());
  ASSERT_EQ(puppet.next(), NotificationKind::kPrepare);
  ASSERT_TRUE(puppet.enlistment.prepare_complete());
  const Status done = transaction.wait(tm::WaitFor::kDecided, kLimit);
  EXPECT_EQ(done.code(), StatusCode::kAlreadyAborted) << done.to_string();
  ASSERT_TRUE(execute(raw, "COMMIT"));
  EXPECT_TRUE(ends());
  EXPECT_FALSE(puppet.has_committed);
  EXPECT_EQ(count("a"), "0");
}

// ---- Markers

TEST_F(SqliteRmTest, MarkersDoNotGrow) {
  for (int i = 0; i < 5; ++i) {
    tm::Transaction transaction = node.begin();
    ASSERT_TRUE(node.put(transaction, std::to_string(i)));
    ASSERT_TRUE(transaction.commit());
    EXPECT_EQ(markers(), "1");
  }
  node.rm.reset();
  EXPECT_EQ(markers(), "0");
}

TEST_F(SqliteRmTest, MarkersOfACrashAreClearedOnceTheyAreForgotten) {
  tm::Transaction transaction = node.begin();
  ASSERT_TRUE(node.put(transaction, "a"));
  ASSERT_TRUE(transaction.commit());
  sql("INSERT INTO cairn_commits VALUES ('of another')");
  node.crash();
  puppet.stop();
  EXPECT_EQ(markers(), "2");
  ASSERT_TRUE(node.start_manager());
  ASSERT_TRUE(node.start_adapter());
  node.rm.reset();
  EXPECT_EQ(markers(), "1");
  EXPECT_EQ(sql("SELECT branch FROM cairn_commits"), "of another");
}

// A unit of work that is used again is not decided by what it was.
TEST_F(SqliteRmTest, AMarkerOfAnEarlierUseDecidesNothing) {
  const tm::TransactionOptions same{.unit_of_work = Uuid::generate()};
  {
    tm::Transaction first = node.tm.create_transaction(same).value();
    ASSERT_TRUE(node.put(first, "a"));
    ASSERT_TRUE(first.commit());
  }
  EXPECT_EQ(markers(), "1");
  tm::Transaction second = node.tm.create_transaction(same).value();
  ASSERT_TRUE(node.put(second, "b"));
  puppet.join(second);
  node.gate->arm(Gate::At::kBeforeCommit);
  ASSERT_TRUE(second.commit_async());
  ASSERT_EQ(puppet.next(), NotificationKind::kPrepare);
  ASSERT_TRUE(puppet.enlistment.prepare_complete());
  node.gate->wait_held();
  node.crash();
  puppet.stop();
  ASSERT_TRUE(node.start_manager());
  ASSERT_TRUE(node.start_adapter());
  EXPECT_THAT(node.rm->recovery().aborted, ElementsAre(same.unit_of_work));
  EXPECT_EQ(count("b"), "0");
}

// ---- Every step, and who is gone then

TEST_F(SqliteRmTest, OthersWaitInDoubtUntilTheMarkerWasLookedFor) {
  tm::Transaction transaction = begin_both("a");
  node.gate->arm(Gate::At::kAfterCommit);
  ASSERT_TRUE(transaction.commit_async());
  ASSERT_EQ(puppet.next(), NotificationKind::kPrepare);
  ASSERT_TRUE(puppet.enlistment.prepare_complete());
  node.gate->wait_held();
  node.crash();
  puppet.stop();
  ASSERT_TRUE(node.start_manager());
  puppet.start(node.tm);
  EXPECT_EQ(puppet.next(), NotificationKind::kInDoubt);
  ASSERT_TRUE(node.start_adapter());
  EXPECT_THAT(node.rm->recovery().committed, ElementsAre(transaction.id()));
  EXPECT_EQ(puppet.next(), NotificationKind::kCommit);
  ASSERT_TRUE(puppet.enlistment.commit_complete());
  EXPECT_TRUE(ends());
}

// An earlier life that was only slow, and commits after the manager has a new session.
TEST_F(SqliteRmTest, TheMarkerIsLookedForBehindAllThatBeganBefore) {
  tm::Transaction transaction = begin_both("a");
  node.gate->arm(Gate::At::kBeforeCommit);
  ASSERT_TRUE(transaction.commit_async());
  ASSERT_EQ(puppet.next(), NotificationKind::kPrepare);
  ASSERT_TRUE(puppet.enlistment.prepare_complete());
  node.gate->wait_held();
  const auto slow = std::move(node.rm);
  const auto slow_gate = node.gate;
  Status opened;
  std::thread next([&] { opened = node.start_adapter(); });
  // Its session is over once the new one has begun.
  EXPECT_TRUE(eventually(
      [&] { return transaction.information()->state == tm::TransactionState::kInDoubt; }));
  slow_gate->let_go();
  next.join();
  ASSERT_TRUE(opened) << opened.to_string();
  EXPECT_THAT(node.rm->recovery().committed, ElementsAre(transaction.id()));
  EXPECT_TRUE(ends());
  EXPECT_TRUE(puppet.has_committed);
  EXPECT_EQ(count("a"), "1");
}

enum class Victim { kAdapter, kManager };

struct Moment {
  const char* what;
  Gate::At gate;
  bool votes;    // the puppet has voted
  bool commits;  // its process reaches the commit
  const char* outcome;
};
constexpr Moment kMoments[] = {
    {"work done", Gate::At::kNowhere, false, false, "rolled back"},
    {"others asked", Gate::At::kNowhere, false, true, "rolled back"},
    {"others promised", Gate::At::kBeforeCommit, true, true, "rolled back"},
    {"committed here", Gate::At::kAfterCommit, true, true, "committed"},
    {"others told", Gate::At::kNowhere, true, true, "committed"},
};

class LastResourceCrashTest : public SqliteRmTest {
 protected:
  void reach(const Moment& moment, const std::string& item) {
    tm::Transaction transaction = begin_both(item);
    if (!moment.commits) {
      held_ = transaction;
      return;
    }
    node.gate->arm(moment.gate);
    EXPECT_TRUE(transaction.commit_async());
    EXPECT_EQ(puppet.next(), NotificationKind::kPrepare);
    if (!moment.votes) return;
    EXPECT_TRUE(puppet.enlistment.prepare_complete());
    if (moment.gate == Gate::At::kNowhere) {
      EXPECT_EQ(puppet.next(), NotificationKind::kCommit);
    } else {
      node.gate->wait_held();
    }
  }
  void strike(Victim victim) {
    if (victim == Victim::kAdapter) {
      node.end_adapter();
    } else {
      node.crash();
      puppet.stop();
      held_ = {};
      ASSERT_TRUE(node.start_manager());
      puppet.start(node.tm);
    }
    const Status opened = node.start_adapter();
    ASSERT_TRUE(opened) << opened.to_string();
  }
  tm::Transaction held_;
};

TEST_F(LastResourceCrashTest, EveryStepAndEveryVictimEndConsistently) {
  std::string table = "[ crashes  ] behind            victim    outcome       consistent\n";
  for (const Moment& moment : kMoments) {
    for (const Victim victim : {Victim::kAdapter, Victim::kManager}) {
      const char* const name = victim == Victim::kAdapter ? "adapter" : "manager";
      SCOPED_TRACE(std::string(moment.what) + ", " + name);
      const std::string item = std::string(moment.what) + name;
      puppet.has_committed = false;
      reach(moment, item);
      strike(victim);
      held_ = {};
      // COMMIT was told already where only the adapter died.
      const bool was_told = std::string(moment.what) == "others told";
      if (was_told && victim == Victim::kAdapter) {
        EXPECT_TRUE(puppet.enlistment.commit_complete());
        puppet.has_committed = true;
      }
      EXPECT_TRUE(ends());
      const std::string outcome = puppet.has_committed ? "committed" : "rolled back";
      EXPECT_EQ(outcome, moment.outcome);
      EXPECT_EQ(count(item), puppet.has_committed ? "1" : "0");
      char row[200];
      std::snprintf(row, sizeof row, "[ crashes  ] %-17s %-9s %-13s %s\n", moment.what, name,
                    outcome.c_str(), HasFailure() ? "NO" : "yes");
      table += row;
    }
  }
  std::printf("%s", table.c_str());
  node.end_adapter();
  ASSERT_TRUE(node.start_adapter());
  node.rm.reset();
  EXPECT_EQ(markers(), "0");
}

}  // namespace
}  // namespace cairn::rm
