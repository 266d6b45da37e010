// PostgreSQL as a resource manager: promises and outcomes across lost connections, servers that are
// killed, and managers that crash; and nobody else's touched.
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "names/branch_name.h"
#include "order_machine.h"
#include "promise.h"
#include "rm/postgres_node.h"
#include "rm/sql_proxy.h"

namespace cairn::rm {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using tm::NotificationKind;

// ---- Recovery

TEST_F(PostgresRmTest, APromiseWithoutDecisionIsRolledBackAfterACrash) {
  const Uuid id = prepare("a").id();
  node.crash();
  puppet.stop();
  EXPECT_THAT(server().prepared(), SizeIs(1));
  ASSERT_TRUE(node.start_manager());
  ASSERT_TRUE(start_adapter());
  EXPECT_THAT(node.rm->recovery().aborted, ElementsAre(id));
  EXPECT_THAT(server().prepared(), IsEmpty());
}

TEST_F(PostgresRmTest, ADecisionIsKeptByTheNextAdapter) {
  const Uuid id = decide_without_adapter("a").id();
  EXPECT_THAT(server().prepared(), SizeIs(1));
  ASSERT_TRUE(start_adapter());
  EXPECT_THAT(node.rm->recovery().committed, ElementsAre(id));
  EXPECT_EQ(count("a"), "1");
}

TEST_F(PostgresRmTest, ACommitWhoseAnswerWasLostIsProvenByItsNumber) {
  const Uuid id = decide_without_adapter("a").id();
  psql("COMMIT PREPARED '" + server().prepared().at(0) + "'");
  ASSERT_TRUE(start_adapter());
  EXPECT_THAT(node.rm->recovery().redelivered, ElementsAre(id));
  EXPECT_EQ(count("a"), "1");
}

TEST_F(PostgresRmTest, ADecidedBranchThatWasRolledBackByHandIsNoCommit) {
  const Uuid id = decide_without_adapter("a").id();
  psql("ROLLBACK PREPARED '" + server().prepared().at(0) + "'");
  const Status opened = start_adapter();
  EXPECT_EQ(opened.code(), StatusCode::kAlreadyAborted) << opened.to_string();
  EXPECT_THAT(opened.message(), HasSubstr(id.to_string()));
}

TEST_F(PostgresRmTest, ADecidedBranchIsNotSoughtInAnotherDatabase) {
  decide_without_adapter("a");
  const Status opened = node.start_adapter(server().conninfo("dbname=other"));
  EXPECT_EQ(opened.code(), StatusCode::kIdentityMismatch) << opened.to_string();
}

// Two managers in one database, the second of them with a resource manager of the same id; and a
// program without a manager.
TEST_F(PostgresRmTest, PromisesOfOthersAreLeftAlone) {
  const std::string other_manager =
      BranchName{Uuid::generate(), node.id, Uuid::generate()}.to_string() + ":7";
  const std::string other_adapter =
      BranchName{node.tm.id(), Uuid::generate(), Uuid::generate()}.to_string() + ":7";
  const std::string orphan = BranchName{node.tm.id(), node.id, Uuid::generate()}.to_string() + ":7";
  for (const std::string& name : {other_manager, other_adapter, orphan, std::string("mine")}) {
    psql("BEGIN; INSERT INTO items VALUES ('" + name + "'); PREPARE TRANSACTION '" + name + "'");
  }
  ASSERT_THAT(server().prepared(), SizeIs(4));
  node.rm.reset();
  ASSERT_TRUE(start_adapter());
  EXPECT_THAT(node.rm->recovery().aborted, SizeIs(1));
  EXPECT_THAT(node.rm->recovery().foreign,
              testing::UnorderedElementsAre(other_manager, other_adapter, "mine"));
  EXPECT_THAT(server().prepared(),
              testing::UnorderedElementsAre(other_manager, other_adapter, "mine"));
}

// The manager lost its record of the end of the first use, which nothing had forced: it orders that
// commit again. What the second use has promised is not decided.
TEST_F(PostgresRmTest, ACommitThatIsToldAgainIsNotThatOfTheNextUseOfItsUnitOfWork) {
  const tm::TransactionOptions same{.unit_of_work = Uuid::generate()};
  for (const std::string item : {"a", "b"}) {
    tm::Transaction transaction = node.tm.create_transaction(same).value();
    EXPECT_TRUE(node.put(transaction, item));
    puppet.join(transaction);
    ASSERT_TRUE(transaction.commit_async());
    ASSERT_EQ(puppet.next(), NotificationKind::kPrepare);
    ASSERT_TRUE(eventually([&] { return !server().prepared().empty(); }));
    if (item == "b") break;
    ASSERT_TRUE(puppet.enlistment.prepare_complete());
    ASSERT_EQ(puppet.next(), NotificationKind::kCommit);
    ASSERT_TRUE(puppet.enlistment.commit_complete());
    ASSERT_TRUE(transaction.wait(tm::WaitFor::kCompleted, kLimit));
  }
  node.crash();
  puppet.stop();
  ASSERT_TRUE(node.start_manager());
  ASSERT_TRUE(start_adapter());
  EXPECT_THAT(node.rm->recovery().redelivered, ElementsAre(same.unit_of_work));
  EXPECT_THAT(node.rm->recovery().aborted, ElementsAre(same.unit_of_work));
  EXPECT_THAT(server().prepared(), IsEmpty());
  EXPECT_EQ(count("a"), "1");
  EXPECT_EQ(count("b"), "0");
}

// A process that was killed leaves a backend in the middle of PREPARE TRANSACTION.
TEST_F(PostgresRmTest, ABackendThatWasLeftBehindIsEndedBeforeTheListIsRead) {
  psql(
      "CREATE OR REPLACE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS "
      "$$BEGIN PERFORM pg_advisory_xact_lock_shared(7); RETURN NEW; END$$; "
      "CREATE CONSTRAINT TRIGGER held AFTER INSERT ON items DEFERRABLE INITIALLY DEFERRED "
      "FOR EACH ROW EXECUTE FUNCTION hold()");
  const std::unique_ptr<PGconn, decltype(&PQfinish)> holder(
      PQconnectdb(server().conninfo().c_str()), &PQfinish);
  ASSERT_TRUE(execute(holder.get(), "SELECT pg_advisory_lock(7)"));
  tm::Transaction transaction = node.begin();
  ASSERT_TRUE(node.put(transaction, "a"));
  puppet.join(transaction);
  ASSERT_TRUE(transaction.commit_async());
  const auto preparing = [&] {
    return psql("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'PREPARE TRANS%'") == "1";
  };
  ASSERT_TRUE(eventually(preparing));
  node.crash();
  puppet.stop();
  EXPECT_TRUE(preparing()) << "the server does not look whether its client is still there";
  ASSERT_TRUE(node.start_manager());
  ASSERT_TRUE(start_adapter());
  ASSERT_TRUE(execute(holder.get(), "SELECT pg_advisory_unlock(7)"));
  EXPECT_FALSE(preparing());
  EXPECT_THAT(server().prepared(), IsEmpty());
}

TEST_F(PostgresRmTest, AnAdapterWithoutIdentityOrServerIsRefused) {
  node.rm.reset();
  EXPECT_EQ(PostgresResourceManager::open(node.tm, {.conninfo = server().conninfo()}).code(),
            StatusCode::kInvalidArgument);
  const Status away = node.start_adapter("host=/nowhere password=secret");
  EXPECT_EQ(away.code(), StatusCode::kIoError);
  EXPECT_THAT(away.message(), HasSubstr("/nowhere"));
  for (const char* const bad : {"host", "hots=/tmp", "postgres://[", "port='5432"}) {
    const Status refused = node.start_adapter(std::string("password=secret ") + bad);
    EXPECT_EQ(refused.code(), StatusCode::kInvalidArgument) << refused.to_string();
    EXPECT_EQ(refused.message().find("secret"), std::string::npos) << refused.to_string();
  }
  const Status nobody = node.start_adapter(server().conninfo("user=nobody"));
  EXPECT_EQ(nobody.code(), StatusCode::kIoError) << nobody.to_string();
  EXPECT_THAT(nobody.message(), HasSubstr("\"nobody\""));
  ASSERT_TRUE(start_adapter());
  EXPECT_EQ(node.rm->work(node.begin(), {}).code(), StatusCode::kInvalidArgument);
}

// What is refused is named as it is to be, and as it was found.
TEST_F(PostgresRmTest, AServerThatCannotKeepPromisesIsRefusedWithItsSetting) {
  node.rm.reset();
  for (const auto& [setting, words] : std::vector<std::pair<std::string, std::string>>{
           {"max_prepared_transactions=0", "max_prepared_transactions above 0, found 0"},
           {"fsync=off", "fsync = on, found off"}}) {
    EXPECT_THAT(server().ask("CHECKPOINT"), IsEmpty());  // what was prepared is not replayed
    server().stop_at_once();
    const Status started = server().start({setting});
    ASSERT_TRUE(started) << started.to_string();
    const Status opened = start_adapter();
    EXPECT_EQ(opened.code(), StatusCode::kNotSupported) << opened.to_string();
    EXPECT_THAT(opened.message(), HasSubstr(words));
  }
  server().stop_at_once();
  ASSERT_TRUE(server().start());
}

// ---- Lost answers

TEST_F(PostgresRmTest, WhatBecameOfACommitAloneIsAskedFromTheServer) {
  for (const Cut cut : {Cut::kBefore, Cut::kAfter}) {
    for (const bool kills : {false, true}) {
      SCOPED_TRACE(std::string(cut == Cut::kBefore ? "before" : "after") +
                   (kills ? ", killed" : ""));
      const std::string item = std::string(kills ? "k" : "c") + (cut == Cut::kBefore ? "b" : "a");
      SqlProxy proxy(server().directory(), PgServer::kSocket);
      node.rm.reset();
      ASSERT_TRUE(node.start_adapter(conninfo(proxy)));
      tm::Transaction transaction = node.begin();
      ASSERT_TRUE(node.put(transaction, item));
      proxy.arm("COMMIT", cut);
      ASSERT_TRUE(transaction.commit_async());
      ASSERT_TRUE(proxy.wait_held());
      if (kills) server().kill();
      proxy.cut_held();
      if (kills) {
        ASSERT_TRUE(server().start());
      }
      const Status done = transaction.wait(tm::WaitFor::kDecided, kLimit);
      // A number that is committed behind a crash may be another transaction's.
      const StatusCode committed = kills ? StatusCode::kOutcomeUnknown : StatusCode::kOk;
      EXPECT_EQ(done.code(), cut == Cut::kAfter ? committed : StatusCode::kAlreadyAborted)
          << done.to_string();
      EXPECT_TRUE(node.rm->health()) << node.rm->health().to_string();
      EXPECT_EQ(count(item), cut == Cut::kAfter ? "1" : "0");
      node.rm.reset();
    }
  }
}

// The order is on its way when its connection is lost, and arrives when the unit of work is used
// again, under the same name: that must not be what it commits.
TEST_F(PostgresRmTest, AnOrderThatWasLostOnItsWayIsNotCarriedOutLater) {
  SqlProxy proxy(server().directory(), PgServer::kSocket);
  node.rm.reset();
  ASSERT_TRUE(node.start_adapter(conninfo(proxy)));
  const tm::TransactionOptions same{.unit_of_work = Uuid::generate()};
  tm::Transaction first = node.tm.create_transaction(same).value();
  EXPECT_TRUE(node.put(first, "a"));
  puppet.join(first);
  ASSERT_TRUE(first.commit_async());
  ASSERT_EQ(puppet.next(), NotificationKind::kPrepare);
  proxy.arm("COMMIT PREPARED", Cut::kBefore);
  ASSERT_TRUE(puppet.enlistment.prepare_complete());
  ASSERT_TRUE(proxy.wait_held());
  proxy.cut_held_client();
  ASSERT_EQ(puppet.next(), NotificationKind::kCommit);
  ASSERT_TRUE(puppet.enlistment.commit_complete());
  ASSERT_TRUE(first.wait(tm::WaitFor::kCompleted, kLimit));
  EXPECT_EQ(count("a"), "1");
  tm::Transaction second = node.tm.create_transaction(same).value();
  EXPECT_TRUE(node.put(second, "b"));
  puppet.join(second);
  ASSERT_TRUE(second.commit_async());
  ASSERT_EQ(puppet.next(), NotificationKind::kPrepare);
  ASSERT_TRUE(eventually([&] { return !server().prepared().empty(); }));
  proxy.deliver_held();
  EXPECT_THAT(server().prepared(), SizeIs(1)) << "not decided yet";
  EXPECT_EQ(count("b"), "0");
  ASSERT_TRUE(puppet.enlistment.rollback());
  EXPECT_TRUE(eventually([&] {
    puppet.answer();
    return node.tm.transactions()->empty() && server().prepared().empty();
  }));
  EXPECT_TRUE(node.rm->health()) << node.rm->health().to_string();
  EXPECT_EQ(count("b"), "0");
  node.rm.reset();
}

// ---- Every two steps of a commit, and who is gone between them

enum class Victim { kConnection, kServer, kManager, kBoth };
constexpr const char* kVictims[] = {"connection", "server", "manager", "both"};

struct Moment {
  const char* what;
  const char* command;  // that is held; "": none, everybody but the puppet has promised
  Cut cut;
  bool refuses = false;  // the puppet, which ends in a rollback of the promise
};
constexpr Moment kMoments[] = {
    {"work sent", "INSERT", Cut::kBefore},
    {"work done", "INSERT", Cut::kAfter},
    {"number asked for", "SELECT pg_current_xact", Cut::kBefore},
    {"number given", "SELECT pg_current_xact", Cut::kAfter},
    {"prepare sent", "PREPARE TRANSACTION", Cut::kBefore},
    {"prepared", "PREPARE TRANSACTION", Cut::kAfter},
    {"promised", "", Cut::kBefore},
    {"commit sent", "COMMIT PREPARED", Cut::kBefore},
    {"committed", "COMMIT PREPARED", Cut::kAfter},
    {"rollback sent", "ROLLBACK PREPARED", Cut::kBefore, true},
    {"rolled back", "ROLLBACK PREPARED", Cut::kAfter, true},
};

class PostgresCrashTest : public PostgresRmTest {
 protected:
  // The row of the table: "" or what is wrong.
  std::string try_one(const Moment& moment, Victim victim, bool in_order, std::string& outcome);

 private:
  void strike(SqlProxy& proxy, Victim victim, bool in_order);
};

void PostgresCrashTest::strike(SqlProxy& proxy, Victim victim, bool in_order) {
  const bool server_dies = victim == Victim::kServer || victim == Victim::kBoth;
  const bool manager_dies = victim == Victim::kManager || victim == Victim::kBoth;
  if (server_dies) in_order ? server().stop_at_once() : server().kill();
  if (manager_dies) {
    node.crash();
    puppet.stop();
  }
  proxy.cut_held();
  if (server_dies) {
    EXPECT_TRUE(server().start());
  }
  if (!manager_dies) return;
  EXPECT_TRUE(node.start_manager());
  const Status opened = node.start_adapter(conninfo(proxy));
  EXPECT_TRUE(opened) << opened.to_string();
  puppet.start(node.tm);
}

std::string PostgresCrashTest::try_one(const Moment& moment, Victim victim, bool in_order,
                                       std::string& outcome) {
  puppet.stop();
  node.stop();
  SqlProxy proxy(server().directory(), PgServer::kSocket);
  if (!node.start_manager() || !node.start_adapter(conninfo(proxy))) return "does not start";
  puppet.start(node.tm);
  puppet.has_committed = false;
  psql("TRUNCATE items");
  {
    tm::Transaction transaction = node.begin();
    puppet.join(transaction);
    if (moment.command[0] != '\0') proxy.arm(moment.command, moment.cut);
    // Held in the work, the client waits with it.
    Status worked;
    std::thread client([&, copy = transaction]() mutable {
      worked = node.rm->work(copy, [](PGconn* branch) {
        return execute(branch, "INSERT INTO items VALUES ('main')");
      });
    });
    const bool in_work = std::string(moment.command) == "INSERT";
    if (in_work) {
      if (!proxy.wait_held()) return client.join(), "was not held";
      if (victim == Victim::kManager || victim == Victim::kBoth) {
        // An adapter outlives its clients' calls: the connection goes first.
        if (victim == Victim::kBoth) in_order ? server().stop_at_once() : server().kill();
        proxy.cut_held();
        client.join();
        if (victim == Victim::kBoth) {
          EXPECT_TRUE(server().start());
        }
        strike(proxy, Victim::kManager, in_order);
      } else {
        strike(proxy, victim, in_order);
        client.join();
        static_cast<void>(transaction.commit_async());
      }
    } else {
      client.join();
      EXPECT_TRUE(worked) << worked.to_string();
      EXPECT_TRUE(transaction.commit_async());
      if (!eventually([&] {
            const bool is_promised = !server().prepared().empty();
            if (moment.command[0] == '\0') return is_promised;
            if (!moment.refuses) puppet.answer();
            if (moment.refuses && is_promised) static_cast<void>(puppet.enlistment.rollback());
            return proxy.is_held();
          })) {
        return "was not held";
      }
      if (moment.command[0] == '\0' && victim == Victim::kConnection) {
        static_cast<void>(server().ask(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'"));
      }
      transaction = {};
      strike(proxy, victim, in_order);
    }
  }
  if (!eventually([&] {
        puppet.answer();
        const auto left = node.tm.transactions();
        return left && left->empty();
      })) {
    return "the transaction does not end; " + node.rm->trouble().to_string() + "; " +
           node.rm->health().to_string();
  }
  puppet.answer();
  outcome = puppet.has_committed ? "committed" : "rolled back";
  const std::string found = count("main");
  if (found != (puppet.has_committed ? "1" : "0")) return "the server has " + found;
  if (!server().prepared().empty()) return "left prepared: " + server().prepared().at(0);
  const Status more = node.put(node.begin(), "more");
  return more ? "" : "takes no more work: " + more.to_string();
}

TEST_F(PostgresCrashTest, EveryStepAndEveryVictimEndConsistently) {
  std::string table = "[ crashes  ] between           victim       outcome       consistent\n";
  for (const Moment& moment : kMoments) {
    for (const Victim victim :
         {Victim::kConnection, Victim::kServer, Victim::kManager, Victim::kBoth}) {
      // Killed and stopped at once by turns.
      const bool in_order = (moment.cut == Cut::kAfter) != (victim == Victim::kBoth);
      std::string outcome;
      const std::string wrong = try_one(moment, victim, in_order, outcome);
      const bool dies = victim == Victim::kServer || victim == Victim::kBoth;
      char row[200];
      std::snprintf(row, sizeof row, "[ crashes  ] %-17s %-12s %-13s %s\n", moment.what,
                    kVictims[static_cast<int>(victim)], outcome.c_str(),
                    wrong.empty() ? dies && in_order ? "yes (SIGQUIT)" : "yes" : wrong.c_str());
      table += row;
      EXPECT_EQ(wrong, "") << moment.what << ", " << kVictims[static_cast<int>(victim)];
      const bool is_decided = std::string(moment.command) == "COMMIT PREPARED";
      if (is_decided) {
        EXPECT_EQ(outcome, "committed");
      }
      if (HasFailure()) break;
    }
  }
  std::printf("%s", table.c_str());
}

// ---- What it leaves with the manager

TEST(PostgresPromise, IsReadAsWritten) {
  const Promise promise{{"7301234567890123456", "16384"}, "7531"};
  EXPECT_EQ(Promise::parse(promise.to_string()), promise);
}

TEST(PostgresPromise, NothingElseIsOne) {
  const std::string text = Promise{{"73", "16384"}, "75"}.to_string();
  for (std::size_t size = 0; size + 1 < text.size(); ++size) {
    EXPECT_EQ(Promise::parse(text.substr(0, size)), std::nullopt) << size;
  }
  for (const char* other : {"", "postgres:1:1:2:x", "postgres:2:1:2:3", "postgres:1:1:2:3:4",
                            "postgres:1:1:2:", "postgres:1::2:3", "postgres:1:1:2:-3"}) {
    EXPECT_EQ(Promise::parse(other), std::nullopt) << other;
  }
}

}  // namespace
}  // namespace cairn::rm
