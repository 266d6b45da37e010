// MariaDB as a resource manager: ordinary days, and days on which somebody says no.
#include <string>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rm/mariadb_node.h"
#include "rm/sql_proxy.h"

namespace cairn::rm {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using tm::NotificationKind;

// ---- Ordinary days

TEST_F(MariaDbRmTest, ACommitOfTwoPhasesIsThere) {
  tm::Transaction transaction = prepare("a");
  ASSERT_THAT(server().prepared(), SizeIs(1));
  EXPECT_THAT(server().prepared().at(0), HasSubstr(hex(node.tm.id()) + hex(transaction.id())));
  EXPECT_THAT(server().prepared().at(0), HasSubstr("','" + hex(node.id)));
  EXPECT_EQ(count("a"), "0");
  ASSERT_TRUE(puppet.enlistment.prepare_complete());
  ASSERT_TRUE(eventually([&] { return count("a") == "1"; }));
  EXPECT_TRUE(eventually([&] { return server().prepared().empty(); }));
}

TEST_F(MariaDbRmTest, ACommitAloneIsThere) {
  tm::Transaction transaction = node.begin();
  ASSERT_TRUE(node.put(transaction, "a"));
  ASSERT_TRUE(node.put(transaction, "b"));
  ASSERT_TRUE(transaction.commit());
  EXPECT_EQ(sql("SELECT count(*) FROM items"), "2");
}

TEST_F(MariaDbRmTest, ARollbackLeavesNothing) {
  tm::Transaction transaction = node.begin();
  ASSERT_TRUE(node.put(transaction, "a"));
  ASSERT_TRUE(transaction.rollback());
  ASSERT_TRUE(node.put(node.begin(), "a"));
}

TEST_F(MariaDbRmTest, ARollbackOfAPromiseLeavesNothing) {
  const std::string before = markers();
  tm::Transaction transaction = prepare("a");
  ASSERT_TRUE(puppet.enlistment.rollback());
  EXPECT_TRUE(eventually([&] { return server().prepared().empty(); }));
  EXPECT_EQ(count("a"), "0");
  EXPECT_EQ(markers(), before);
}

TEST_F(MariaDbRmTest, ReadingAloneLeavesNothingPreparedAndIsNotAskedAgain) {
  tm::Transaction transaction = node.begin();
  ASSERT_TRUE(node.rm->read(transaction,
                            [](MYSQL* branch) { return execute(branch, "SELECT * FROM items"); }));
  puppet.join(transaction);
  ASSERT_TRUE(transaction.commit_async());
  ASSERT_EQ(puppet.next(), NotificationKind::kPrepare);
  ASSERT_TRUE(eventually([&] { return transaction.information()->enlistments.size() == 1; }));
  EXPECT_THAT(server().prepared(), IsEmpty());
  ASSERT_TRUE(puppet.enlistment.prepare_complete());
  EXPECT_TRUE(transaction.wait(tm::WaitFor::kDecided, kLimit));
}

// What is known to be empty is so by the server's word. A function that is selected hides what it
// writes from all that tells clients about statements.
TEST_F(MariaDbRmTest, ABranchThatOnlyReadsChangesNothing) {
  sql("CREATE OR REPLACE FUNCTION app.hidden() RETURNS INT BEGIN INSERT INTO items VALUES ('h'); "
      "RETURN 1; END");
  tm::Transaction transaction = node.begin();
  const auto select = [](MYSQL* branch) { return execute(branch, "SELECT hidden()"); };
  EXPECT_EQ(node.rm->read(transaction, select).code(), StatusCode::kNotSupported);
  EXPECT_EQ(node.put(transaction, "a").code(), StatusCode::kNotSupported);
  EXPECT_EQ(transaction.commit().code(), StatusCode::kAlreadyAborted);
  tm::Transaction other = node.begin();
  ASSERT_TRUE(node.rm->work(other, select));
  ASSERT_TRUE(other.commit());
  EXPECT_EQ(count("h"), "1");
}

TEST_F(MariaDbRmTest, WorkAfterTheCommitWasAskedForIsRefused) {
  tm::Transaction transaction = prepare("a");
  EXPECT_EQ(node.put(transaction, "b").code(), StatusCode::kNotActive);
}

TEST_F(MariaDbRmTest, AUnitOfWorkCanBeUsedAgainAtOnce) {
  const tm::TransactionOptions same{.unit_of_work = Uuid::generate()};
  for (const std::string item : {"a", "b", "c", "d", "e"}) {
    tm::Transaction transaction = node.tm.create_transaction(same).value();
    const Status done = node.put(transaction, item);
    ASSERT_TRUE(done) << done.to_string();
    ASSERT_TRUE(transaction.commit());
  }
  EXPECT_EQ(sql("SELECT count(*) FROM items"), "5");
}

// One of them is held up for as long as the other one takes.
TEST_F(MariaDbRmTest, PreparesOfSeveralTransactionsRunAtTheSameTime) {
  SqlProxy proxy(server().directory(), MariaServer::kSocket);
  node.rm.reset();
  ASSERT_TRUE(node.start_adapter(proxy.directory()));
  tm::Transaction first = node.begin();
  tm::Transaction second = node.begin();
  ASSERT_TRUE(node.put(first, "a"));
  ASSERT_TRUE(node.put(second, "b"));
  puppet.join(first);
  proxy.arm("XA PREPARE", Cut::kBefore);
  ASSERT_TRUE(first.commit_async());
  ASSERT_TRUE(proxy.wait_held());
  ASSERT_TRUE(second.commit());
  EXPECT_TRUE(proxy.is_held());
  proxy.cut_held();
  EXPECT_EQ(first.wait(tm::WaitFor::kDecided, kLimit).code(), StatusCode::kAlreadyAborted);
}

// ---- No, with the server's words

TEST_F(MariaDbRmTest, AnErrorThatTheWorkReturnsVotesNoWithItsWords) {
  tm::Transaction transaction = node.begin();
  ASSERT_TRUE(node.put(transaction, "a"));
  EXPECT_EQ(node.put(transaction, "a").code(), StatusCode::kAlreadyExists);
  ASSERT_TRUE(node.put(transaction, "b"));
  const Status done = transaction.commit();
  EXPECT_EQ(done.code(), StatusCode::kAlreadyAborted);
  EXPECT_THAT(done.message(), HasSubstr("1062"));
  EXPECT_EQ(sql("SELECT count(*) FROM items"), "0");
}

TEST_F(MariaDbRmTest, AnErrorThatTheWorkGoesOnAfterDoesNotMatter) {
  tm::Transaction transaction = node.begin();
  ASSERT_TRUE(node.rm->work(transaction, [](MYSQL* branch) {
    EXPECT_FALSE(execute(branch, "nonsense"));
    return execute(branch, "INSERT INTO items VALUES ('a')");
  }));
  EXPECT_TRUE(transaction.commit());
  EXPECT_EQ(count("a"), "1");
}

// The victim of a deadlock is rolled back by the server at once; who does not look at the error
// must not get half of it committed.
TEST_F(MariaDbRmTest, ADeadlockVotesNoWithItsWords) {
  sql("INSERT INTO items VALUES ('a'), ('b')");
  tm::Transaction first = node.begin();
  tm::Transaction second = node.begin();
  const auto touch = [](const std::string& item) {
    return "UPDATE items SET item = concat(item, '+') WHERE item = '" + item + "'";
  };
  ASSERT_TRUE(node.run(first, touch("a")));
  ASSERT_TRUE(node.run(second, touch("b")));
  std::thread other([&] { static_cast<void>(node.run(first, touch("b"))); });
  EXPECT_TRUE(eventually([] { return is_running("UPDATE items"); }));
  ASSERT_TRUE(node.rm->work(second, [&](MYSQL* branch) {
    static_cast<void>(execute(branch, touch("a")));
    return Status::ok();
  }));
  other.join();
  const Status done_first = first.commit();
  const Status done_second = second.commit();
  EXPECT_NE(done_first.is_ok(), done_second.is_ok());
  // The words of the statement, or of what comes behind it.
  EXPECT_THAT(done_first.message() + done_second.message(),
              testing::AnyOf(HasSubstr("1213"), HasSubstr("ROLLBACK ONLY")));
}

TEST_F(MariaDbRmTest, WorkThatEndsTheTransactionItselfIsRefused) {
  tm::Transaction transaction = node.begin();
  EXPECT_THAT(node.run(transaction, "COMMIT").message(), HasSubstr("1399"));
  EXPECT_EQ(transaction.commit().code(), StatusCode::kAlreadyAborted);
}

TEST_F(MariaDbRmTest, ARollbackCancelsTheStatementThatRuns) {
  tm::Transaction transaction = node.begin();
  tm::Transaction holder = node.begin();
  ASSERT_TRUE(node.put(holder, "a"));
  ASSERT_TRUE(node.run(transaction, "SELECT 1"));
  Status waited;
  std::thread client([&] { waited = node.put(transaction, "a"); });
  EXPECT_TRUE(eventually([] { return is_running("INSERT INTO items"); }));
  EXPECT_TRUE(transaction.rollback());
  client.join();
  EXPECT_THAT(waited.message(), HasSubstr("1317"));
  EXPECT_TRUE(holder.commit());
}

}  // namespace
}  // namespace cairn::rm
