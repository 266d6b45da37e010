// PostgreSQL as a resource manager: ordinary days, and days on which somebody says no.
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pg_connection.h"
#include "rm/postgres_node.h"
#include "rm/sql_proxy.h"

namespace cairn::rm {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using tm::NotificationKind;

// ---- Ordinary days

TEST_F(PostgresRmTest, ACommitOfTwoPhasesIsThere) {
  tm::Transaction transaction = prepare("a");
  EXPECT_THAT(server().prepared(),
              ElementsAre(testing::StartsWith(
                  BranchName{node.tm.id(), node.id, transaction.id()}.to_string() + ":")));
  EXPECT_EQ(count("a"), "0");
  ASSERT_TRUE(puppet.enlistment.prepare_complete());
  ASSERT_TRUE(eventually([&] { return count("a") == "1"; }));
  EXPECT_THAT(server().prepared(), IsEmpty());
}

TEST_F(PostgresRmTest, ACommitAloneIsThereAndWasNeverPrepared) {
  tm::Transaction transaction = node.begin();
  ASSERT_TRUE(node.put(transaction, "a"));
  ASSERT_TRUE(node.put(transaction, "b"));
  ASSERT_TRUE(transaction.commit());
  EXPECT_EQ(psql("SELECT count(*) FROM items"), "2");
}

TEST_F(PostgresRmTest, ARollbackLeavesNothing) {
  tm::Transaction transaction = node.begin();
  ASSERT_TRUE(node.put(transaction, "a"));
  ASSERT_TRUE(transaction.rollback());
  ASSERT_TRUE(eventually([&] { return node.put(node.begin(), "a").is_ok(); }));
}

TEST_F(PostgresRmTest, ARollbackOfAPromiseLeavesNothing) {
  tm::Transaction transaction = prepare("a");
  ASSERT_TRUE(puppet.enlistment.rollback());
  EXPECT_TRUE(eventually([&] { return server().prepared().empty(); }));
  EXPECT_EQ(count("a"), "0");
}

TEST_F(PostgresRmTest, ReadingAloneLeavesNothingPreparedAndIsNotAskedAgain) {
  tm::Transaction transaction = node.begin();
  ASSERT_TRUE(node.run(transaction, "SELECT * FROM items"));
  puppet.join(transaction);
  ASSERT_TRUE(transaction.commit_async());
  ASSERT_EQ(puppet.next(), NotificationKind::kPrepare);
  ASSERT_TRUE(eventually([&] { return transaction.information()->enlistments.size() == 1; }));
  EXPECT_THAT(server().prepared(), IsEmpty());
  ASSERT_TRUE(puppet.enlistment.prepare_complete());
  EXPECT_TRUE(transaction.wait(tm::WaitFor::kDecided, kLimit));
}

TEST_F(PostgresRmTest, WorkAfterTheCommitWasAskedForIsRefused) {
  tm::Transaction transaction = prepare("a");
  EXPECT_EQ(node.put(transaction, "b").code(), StatusCode::kNotActive);
}

// Two prepares that the server holds up, both of them under way.
TEST_F(PostgresRmTest, PreparesOfSeveralTransactionsRunAtTheSameTime) {
  psql(
      "CREATE OR REPLACE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS "
      "$$BEGIN PERFORM pg_advisory_xact_lock_shared(7); RETURN NEW; END$$; "
      "CREATE CONSTRAINT TRIGGER held AFTER INSERT ON items DEFERRABLE INITIALLY DEFERRED "
      "FOR EACH ROW EXECUTE FUNCTION hold()");
  const std::unique_ptr<PGconn, decltype(&PQfinish)> holder(
      PQconnectdb(server().conninfo().c_str()), &PQfinish);
  ASSERT_TRUE(execute(holder.get(), "SELECT pg_advisory_lock(7)"));
  std::vector<tm::Transaction> all;
  for (const std::string item : {"a", "b"}) {
    all.push_back(node.begin());
    ASSERT_TRUE(node.put(all.back(), item));
    ASSERT_TRUE(all.back().commit_async());
  }
  EXPECT_TRUE(eventually([&] {
    return psql(
               "SELECT count(*) FROM pg_stat_activity WHERE query = 'COMMIT' AND "
               "wait_event_type = 'Lock'") == "2";
  }));
  ASSERT_TRUE(execute(holder.get(), "SELECT pg_advisory_unlock(7)"));
  for (tm::Transaction& one : all) EXPECT_TRUE(one.wait(tm::WaitFor::kDecided, kLimit));
}

// ---- No, with the server's words

TEST_F(PostgresRmTest, AStatementThatFailedVotesNoWithItsWords) {
  tm::Transaction transaction = node.begin();
  ASSERT_TRUE(node.put(transaction, "a"));
  EXPECT_EQ(node.put(transaction, "a").code(), StatusCode::kAlreadyExists);
  const Status done = transaction.commit();
  EXPECT_EQ(done.code(), StatusCode::kAlreadyAborted);
  EXPECT_THAT(done.message(), HasSubstr("23505"));
  EXPECT_EQ(count("a"), "0");
}

TEST_F(PostgresRmTest, AStatementThatWasTakenBackToASavepointDoesNotMatter) {
  tm::Transaction transaction = node.begin();
  ASSERT_TRUE(node.run(transaction, "SAVEPOINT s"));
  EXPECT_FALSE(node.run(transaction, "nonsense"));
  ASSERT_TRUE(node.run(transaction, "ROLLBACK TO s; INSERT INTO items VALUES ('a')"));
  EXPECT_TRUE(transaction.commit());
  EXPECT_EQ(count("a"), "1");
}

TEST_F(PostgresRmTest, ASerializationFailureVotesNoWithItsWords) {
  node.rm.reset();
  node.options.begin = "BEGIN ISOLATION LEVEL SERIALIZABLE";
  ASSERT_TRUE(start_adapter());
  tm::Transaction first = node.begin();
  tm::Transaction second = node.begin();
  // Each reads what the other one writes.
  for (const auto& [one, item] : {std::pair{&first, "a"}, std::pair{&second, "b"}}) {
    ASSERT_TRUE(node.run(*one, "SELECT count(*) FROM items"));
    ASSERT_TRUE(node.put(*one, item));
  }
  const Status done_first = first.commit();
  const Status done_second = second.commit();
  EXPECT_NE(done_first.is_ok(), done_second.is_ok());
  EXPECT_THAT(done_first.message() + done_second.message(), HasSubstr("40001"));
}

// A constraint that is looked at when the transaction is prepared.
TEST_F(PostgresRmTest, APrepareThatIsRefusedVotesNoWithItsWords) {
  psql("DROP TABLE items; CREATE TABLE items (item text UNIQUE DEFERRABLE INITIALLY DEFERRED)");
  tm::Transaction transaction = node.begin();
  ASSERT_TRUE(node.run(transaction, "INSERT INTO items VALUES ('a'), ('a')"));
  puppet.join(transaction);
  ASSERT_TRUE(transaction.commit_async());
  const Status done = transaction.wait(tm::WaitFor::kDecided, kLimit);
  EXPECT_EQ(done.code(), StatusCode::kAlreadyAborted);
  EXPECT_THAT(done.message(), HasSubstr("23505"));
}

TEST_F(PostgresRmTest, WorkThatEndsTheTransactionItselfVotesNo) {
  tm::Transaction transaction = node.begin();
  ASSERT_TRUE(node.run(transaction, "COMMIT"));
  EXPECT_EQ(transaction.commit().code(), StatusCode::kAlreadyAborted);
}

// As when somebody else's command is still out, or memory is.
TEST_F(PostgresRmTest, ACommandThatCouldNotBeSentHasNoAnswer) {
  PgConnection connection(server().conninfo(), "SELECT 1");
  const auto end = PgConnection::Clock::now() + kLimit;
  ASSERT_TRUE(connection.wait(end).status);
  ASSERT_EQ(PQsendQuery(connection.lend(), "SELECT 2"), 1);
  connection.send("COMMIT PREPARED 'none'");
  const PgReply reply = connection.wait(end);
  EXPECT_TRUE(reply.is_lost);
  EXPECT_FALSE(reply.status);
}

TEST_F(PostgresRmTest, ARollbackCancelsTheStatementThatRuns) {
  tm::Transaction transaction = node.begin();
  Status slept;
  std::thread client([&] { slept = node.run(transaction, "SELECT pg_sleep(600)"); });
  EXPECT_TRUE(eventually([&] {
    return psql("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'") == "1";
  }));
  EXPECT_TRUE(transaction.rollback());
  client.join();
  EXPECT_EQ(slept.code(), StatusCode::kTimeout);
  EXPECT_THAT(slept.message(), HasSubstr("57014"));
}

}  // namespace
}  // namespace cairn::rm
