// MariaDB as a resource manager: promises and outcomes across lost connections, servers that are
// killed, and managers that crash; and nobody else's touched.
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "maria_pool.h"
#include "maria_promise.h"
#include "names/xa_name.h"
#include "order_machine.h"
#include "rm/mariadb_node.h"
#include "rm/sql_proxy.h"
#include "sql/sql_markers.h"

namespace cairn::rm {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using tm::NotificationKind;

// ---- Recovery

TEST_F(MariaDbRmTest, APromiseWithoutDecisionIsRolledBackAfterACrash) {
  const Uuid id = prepare("a").id();
  node.crash();
  puppet.stop();
  EXPECT_THAT(server().prepared(), SizeIs(1));
  ASSERT_TRUE(node.start_manager());
  ASSERT_TRUE(start_adapter());
  EXPECT_THAT(node.rm->recovery().aborted, ElementsAre(id));
  EXPECT_THAT(server().prepared(), IsEmpty());
}

TEST_F(MariaDbRmTest, ADecisionIsKeptByTheNextAdapter) {
  const Uuid id = decide_without_adapter("a").id();
  EXPECT_THAT(server().prepared(), SizeIs(1));
  ASSERT_TRUE(start_adapter());
  EXPECT_THAT(node.rm->recovery().committed, ElementsAre(id));
  EXPECT_EQ(count("a"), "1");
}

TEST_F(MariaDbRmTest, ACommitWhoseAnswerWasLostIsProvenByItsRow) {
  const Uuid id = decide_without_adapter("a").id();
  end_by_hand("XA COMMIT");
  ASSERT_TRUE(start_adapter());
  EXPECT_THAT(node.rm->recovery().redelivered, ElementsAre(id));
  EXPECT_EQ(count("a"), "1");
}

TEST_F(MariaDbRmTest, ADecidedBranchThatWasRolledBackByHandIsNoCommit) {
  const Uuid id = decide_without_adapter("a").id();
  end_by_hand("XA ROLLBACK");
  const Status opened = start_adapter();
  EXPECT_EQ(opened.code(), StatusCode::kAlreadyAborted) << opened.to_string();
  EXPECT_THAT(opened.message(), HasSubstr(id.to_string()));
}

TEST_F(MariaDbRmTest, ADecidedBranchIsNotSoughtInAnotherDatabase) {
  decide_without_adapter("a");
  node.options.database = "other";
  const Status opened = start_adapter();
  EXPECT_EQ(opened.code(), StatusCode::kIdentityMismatch) << opened.to_string();
}

// Two managers in one server, the second of them with a resource manager of the same id; and a
// program without a manager.
TEST_F(MariaDbRmTest, PromisesOfOthersAreLeftAlone) {
  const Uuid other = Uuid::generate();
  const XaName names[] = {{other, node.id, other, other},
                          {node.tm.id(), other, other, other},
                          {node.tm.id(), node.id, other, other}};
  std::vector<std::string> all{"'mine','',1"};
  for (const XaName& name : names) {
    all.push_back("'" + name.global_part() + "','" + name.branch_part() + "'," +
                  std::to_string(XaName::kFormat));
  }
  for (const std::string& name : all) {
    const std::unique_ptr<MYSQL, decltype(&mysql_close)> client(mysql_init(nullptr), &mysql_close);
    ASSERT_NE(mysql_real_connect(client.get(), nullptr, "app", nullptr, "app", 0,
                                 node.options.socket.c_str(), 0),
              nullptr);
    ASSERT_TRUE(execute(client.get(), "XA START " + name));
    ASSERT_TRUE(execute(client.get(), "INSERT INTO items VALUES (uuid())"));
    ASSERT_TRUE(execute(client.get(), "XA END " + name));
    ASSERT_TRUE(execute(client.get(), "XA PREPARE " + name));
  }
  ASSERT_THAT(server().prepared(), SizeIs(4));
  node.rm.reset();
  ASSERT_TRUE(start_adapter());
  EXPECT_THAT(node.rm->recovery().aborted, ElementsAre(other));
  EXPECT_THAT(node.rm->recovery().foreign,
              testing::UnorderedElementsAre("1:mine", names[0].to_string(), names[1].to_string()));
  EXPECT_THAT(server().prepared(), SizeIs(3));
}

// For the server a lost connection lives on until it looks; its branch is then nobody else's.
TEST_F(MariaDbRmTest, AConnectionThatWasLeftBehindIsEndedBeforeItsBranchIsSought) {
  SqlProxy proxy(server().directory(), MariaServer::kSocket);
  node.rm.reset();
  ASSERT_TRUE(node.start_adapter(proxy.directory()));
  tm::Transaction transaction = prepare("a");
  const Uuid id = transaction.id();
  proxy.arm("XA COMMIT", Cut::kBefore);
  ASSERT_TRUE(puppet.enlistment.prepare_complete());
  ASSERT_TRUE(proxy.wait_held());
  node.rm.reset();  // the proxy keeps the server's end open
  ASSERT_TRUE(start_adapter());
  EXPECT_THAT(node.rm->recovery().committed, ElementsAre(id));
  EXPECT_EQ(count("a"), "1");
}

// The same while the adapter lives.
TEST_F(MariaDbRmTest, AConnectionThatIsLostIsEndedBeforeItsBranchIsSought) {
  for (const bool commits : {true, false}) {
    SqlProxy proxy(server().directory(), MariaServer::kSocket);
    node.rm.reset();
    ASSERT_TRUE(node.start_adapter(proxy.directory()));
    const std::string item = commits ? "a" : "b";
    tm::Transaction transaction = prepare(item);
    proxy.arm(commits ? "XA COMMIT" : "XA ROLLBACK", Cut::kBefore);
    ASSERT_TRUE(commits ? puppet.enlistment.prepare_complete() : puppet.enlistment.rollback());
    ASSERT_TRUE(proxy.wait_held());
    proxy.cut_held_client();
    EXPECT_TRUE(eventually([&] {
      puppet.answer();
      return node.tm.transactions()->empty() && server().prepared().empty();
    }));
    EXPECT_TRUE(node.rm->health()) << node.rm->health().to_string();
    EXPECT_EQ(count(item), commits ? "1" : "0");
    node.rm.reset();
  }
}

TEST_F(MariaDbRmTest, AnAdapterWithoutIdentityTableOrServerIsRefused) {
  node.rm.reset();
  MariaDbOptions none = node.options;
  none.id = {};
  EXPECT_EQ(MariaDbResourceManager::open(node.tm, none).code(), StatusCode::kInvalidArgument);
  node.options.table = "a`b";
  EXPECT_EQ(start_adapter().code(), StatusCode::kInvalidArgument);
  node.options.table = "items";
  EXPECT_EQ(start_adapter().code(), StatusCode::kNotSupported);
  EXPECT_EQ(node.start_adapter("/nowhere").code(), StatusCode::kIoError);
  node.options.table = "cairn_commits";
  ASSERT_TRUE(start_adapter());
  EXPECT_EQ(node.rm->work(node.begin(), {}).code(), StatusCode::kInvalidArgument);
}

TEST(MariaDbServer, OthersAndOlderOnesAreRefused) {
  for (const char* const fit : {"10.5.0-MariaDB", "10.11.19-MariaDB-0+deb12u1", "11.4.2-MariaDB"}) {
    EXPECT_TRUE(is_fit_server(fit)) << fit;
  }
  for (const char* const unfit :
       {"8.0.36", "8.0.36-0ubuntu0.22.04.1", "10.4.34-MariaDB", "5.5.68-MariaDB", ""}) {
    EXPECT_FALSE(is_fit_server(unfit)) << unfit;
  }
}

TEST_F(MariaDbRmTest, AServerThatDoesNotForceItsPromisesIsRefused) {
  node.rm.reset();
  sql("SET GLOBAL innodb_flush_log_at_trx_commit = 2");
  const Status opened = start_adapter();
  sql("SET GLOBAL innodb_flush_log_at_trx_commit = 1");
  EXPECT_EQ(opened.code(), StatusCode::kNotSupported);
  EXPECT_THAT(opened.message(), HasSubstr("innodb_flush_log_at_trx_commit"));
}

// ---- The rows that prove commits

TEST_F(MariaDbRmTest, RowsAreClearedAwayOnceTheirTransactionsAreForgotten) {
  EXPECT_EQ(markers(), "0");
  for (int i = 0; i < 3; ++i) {
    tm::Transaction transaction = prepare(std::to_string(i));
    ASSERT_TRUE(puppet.enlistment.prepare_complete());
    ASSERT_TRUE(eventually([&] { return server().prepared().empty(); }));
    ASSERT_EQ(puppet.next(), NotificationKind::kCommit);
    if (i == 2) break;
    ASSERT_TRUE(puppet.enlistment.commit_complete());
    ASSERT_TRUE(transaction.wait(tm::WaitFor::kCompleted, kLimit));
  }
  EXPECT_EQ(markers(), "3");
  node.rm.reset();
  ASSERT_TRUE(start_adapter());
  EXPECT_TRUE(eventually([&] { return markers() == "1"; })) << "the puppet has not answered";
  ASSERT_TRUE(puppet.enlistment.commit_complete());
  ASSERT_TRUE(eventually([&] { return node.tm.transactions()->empty(); }));
  node.rm.reset();
  ASSERT_TRUE(start_adapter());
  EXPECT_TRUE(eventually([&] { return markers() == "0"; }));
}

TEST_F(MariaDbRmTest, RowsDoNotGrowWithoutAnOpening) {
  SqlMarkers kept;
  for (std::size_t i = 0; i < SqlMarkers::kBatch; ++i) {
    EXPECT_FALSE(kept.is_due());
    kept.add(Uuid::generate(), std::to_string(i));
  }
  EXPECT_TRUE(kept.is_due());
  EXPECT_THAT(kept.take_free(node.tm), SizeIs(SqlMarkers::kBatch));
  EXPECT_FALSE(kept.is_due());
  EXPECT_THAT(kept.take_free(node.tm), IsEmpty());
}

TEST_F(MariaDbRmTest, ARowIsKeptWhileItsTransactionIsNotForgotten) {
  tm::Transaction transaction = prepare("a");
  ASSERT_TRUE(puppet.enlistment.prepare_complete());
  ASSERT_TRUE(transaction.wait(tm::WaitFor::kDecided, kLimit));
  SqlMarkers kept;
  kept.add(transaction.id(), "name");
  EXPECT_THAT(kept.take_free(node.tm), IsEmpty());
  EXPECT_TRUE(eventually([&] {
    puppet.answer();
    return !kept.take_free(node.tm).empty();
  }));
}

// ---- Lost answers

TEST_F(MariaDbRmTest, WhatBecameOfACommitAloneIsAskedFromTheServer) {
  for (const Cut cut : {Cut::kBefore, Cut::kAfter}) {
    for (const bool kills : {false, true}) {
      SCOPED_TRACE(std::string(cut == Cut::kBefore ? "before" : "after") +
                   (kills ? ", killed" : ""));
      const std::string item = std::string(kills ? "k" : "c") + (cut == Cut::kBefore ? "b" : "a");
      SqlProxy proxy(server().directory(), MariaServer::kSocket);
      node.rm.reset();
      ASSERT_TRUE(node.start_adapter(proxy.directory()));
      tm::Transaction transaction = node.begin();
      ASSERT_TRUE(node.put(transaction, item));
      proxy.arm("XA COMMIT", cut);
      ASSERT_TRUE(transaction.commit_async());
      ASSERT_TRUE(proxy.wait_held());
      if (kills) server().kill();
      proxy.cut_held();
      if (kills) {
        ASSERT_TRUE(server().start());
      }
      const Status done = transaction.wait(tm::WaitFor::kDecided, kLimit);
      EXPECT_EQ(done.code(), cut == Cut::kAfter ? StatusCode::kOk : StatusCode::kAlreadyAborted)
          << done.to_string();
      EXPECT_TRUE(node.rm->health()) << node.rm->health().to_string();
      EXPECT_EQ(count(item), cut == Cut::kAfter ? "1" : "0");
      node.rm.reset();
    }
  }
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
    {"work sent", "INSERT INTO items", Cut::kBefore},
    {"work done", "INSERT INTO items", Cut::kAfter},
    {"row sent", "INSERT INTO `cairn", Cut::kBefore},
    {"row written", "XA END", Cut::kBefore},
    {"prepare sent", "XA PREPARE", Cut::kBefore},
    {"prepared", "XA PREPARE", Cut::kAfter},
    {"promised", "", Cut::kBefore},
    {"commit sent", "XA COMMIT", Cut::kBefore},
    {"committed", "XA COMMIT", Cut::kAfter},
    {"rollback sent", "XA ROLLBACK", Cut::kBefore, true},
    {"rolled back", "XA ROLLBACK", Cut::kAfter, true},
};

class MariaDbCrashTest : public MariaDbRmTest {
 protected:
  // The row of the table: "" or what is wrong.
  std::string try_one(const Moment& moment, Victim victim, bool in_order, std::string& outcome);

 private:
  std::string reach(const Moment& moment, Victim victim, bool in_order, SqlProxy& proxy);
  void strike(SqlProxy& proxy, Victim victim, bool in_order);
  static void end_server(bool in_order) { in_order ? server().stop() : server().kill(); }
};

void MariaDbCrashTest::strike(SqlProxy& proxy, Victim victim, bool in_order) {
  const bool server_dies = victim == Victim::kServer || victim == Victim::kBoth;
  const bool manager_dies = victim == Victim::kManager || victim == Victim::kBoth;
  if (server_dies) end_server(in_order);
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
  const Status opened = node.start_adapter(proxy.directory());
  EXPECT_TRUE(opened) << opened.to_string();
  puppet.start(node.tm);
}

// Up to the moment, and strikes then.
std::string MariaDbCrashTest::reach(const Moment& moment, Victim victim, bool in_order,
                                    SqlProxy& proxy) {
  tm::Transaction transaction = node.begin();
  puppet.join(transaction);
  if (moment.command[0] != '\0') proxy.arm(moment.command, moment.cut);
  // Held in the work, the client waits with it.
  Status worked;
  std::thread client([&, copy = transaction] { worked = node.put(copy, "main"); });
  if (std::string(moment.command) == "INSERT INTO items") {
    const bool is_held = proxy.wait_held();
    if (is_held && (victim == Victim::kManager || victim == Victim::kBoth)) {
      // An adapter outlives its clients' calls: the connection goes first.
      if (victim == Victim::kBoth) end_server(in_order);
      proxy.cut_held();
      client.join();
      if (victim == Victim::kBoth) {
        EXPECT_TRUE(server().start());
      }
      strike(proxy, Victim::kManager, in_order);
      return "";
    }
    if (is_held) strike(proxy, victim, in_order);
    client.join();
    static_cast<void>(transaction.commit_async());
    return is_held ? "" : "was not held";
  }
  client.join();
  EXPECT_TRUE(worked) << worked.to_string();
  EXPECT_TRUE(transaction.commit_async());
  const bool is_there = eventually([&] {
    const bool is_promised = !server().prepared().empty();
    if (moment.command[0] == '\0') return is_promised;
    if (!moment.refuses) puppet.answer();
    if (moment.refuses && is_promised) static_cast<void>(puppet.enlistment.rollback());
    return proxy.is_held();
  });
  if (!is_there) return "was not held";
  if (moment.command[0] == '\0' && victim == Victim::kConnection) sql("KILL USER app");
  transaction = {};
  strike(proxy, victim, in_order);
  return "";
}

std::string MariaDbCrashTest::try_one(const Moment& moment, Victim victim, bool in_order,
                                      std::string& outcome) {
  puppet.stop();
  node.stop();
  SqlProxy proxy(server().directory(), MariaServer::kSocket);
  if (!node.start_manager() || !node.start_adapter(proxy.directory())) return "does not start";
  puppet.start(node.tm);
  puppet.has_committed = false;
  sql("DELETE FROM items");
  const std::string reached = reach(moment, victim, in_order, proxy);
  if (!reached.empty()) return reached;
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
  // A rollback waits for no answer.
  if (!eventually([] { return server().prepared().empty(); })) return "left prepared";
  const Status more = node.put(node.begin(), "more");
  return more ? "" : "takes no more work: " + more.to_string();
}

TEST_F(MariaDbCrashTest, EveryStepAndEveryVictimEndConsistently) {
  std::string table = "[ crashes  ] between           victim       outcome       consistent\n";
  for (const Moment& moment : kMoments) {
    for (const Victim victim :
         {Victim::kConnection, Victim::kServer, Victim::kManager, Victim::kBoth}) {
      // Killed and stopped in order by turns.
      const bool in_order = (moment.cut == Cut::kAfter) != (victim == Victim::kBoth);
      std::string outcome;
      const std::string wrong = try_one(moment, victim, in_order, outcome);
      const bool dies = victim == Victim::kServer || victim == Victim::kBoth;
      char row[200];
      std::snprintf(row, sizeof row, "[ crashes  ] %-17s %-12s %-13s %s\n", moment.what,
                    kVictims[static_cast<int>(victim)], outcome.c_str(),
                    wrong.empty() ? dies && in_order ? "yes (SIGTERM)" : "yes" : wrong.c_str());
      table += row;
      EXPECT_EQ(wrong, "") << moment.what << ", " << kVictims[static_cast<int>(victim)];
      if (std::string(moment.command) == "XA COMMIT") {
        EXPECT_EQ(outcome, "committed");
      }
      if (HasFailure()) break;
    }
  }
  std::printf("%s", table.c_str());
}

// ---- What it leaves with the manager

TEST(MariaDbPromise, IsReadAsWritten) {
  const MariaPromise promise{Uuid::generate(), Uuid::generate()};
  EXPECT_EQ(MariaPromise::parse(promise.to_string()), promise);
}

TEST(MariaDbPromise, NothingElseIsOne) {
  const std::string text = MariaPromise{Uuid::generate(), Uuid::generate()}.to_string();
  for (std::size_t size = 0; size < text.size(); ++size) {
    EXPECT_EQ(MariaPromise::parse(text.substr(0, size)), std::nullopt) << size;
    std::string other = text;
    other[size] = 'x';
    EXPECT_EQ(MariaPromise::parse(other), std::nullopt) << size;
  }
}

}  // namespace
}  // namespace cairn::rm
