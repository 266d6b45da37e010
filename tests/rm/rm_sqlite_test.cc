// SQLite as the last resource, on ordinary days: its commit decides, behind the promises of all
// others.
#include <atomic>
#include <string>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rm/sqlite_node.h"

namespace cairn::rm {
namespace {

using testing::HasSubstr;
using tm::NotificationKind;

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

TEST_F(SqliteRmTest, NoWorkAndNoDatabaseAreRefused) {
  EXPECT_EQ(node.rm->work(node.begin(), {}).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(LastResourceManager::open(node.tm, nullptr, {.id = Uuid::generate()}).code(),
            StatusCode::kInvalidArgument);
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

}  // namespace
}  // namespace cairn::rm
