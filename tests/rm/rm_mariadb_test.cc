// MariaDB as a resource manager: promises and outcomes across lost connections, servers that are
// killed, and managers that crash; and nobody else's touched.
#include <functional>
#include <optional>
#include <string>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cairn/rm_mariadb.h>

#include "maria_promise.h"
#include "names/xa_name.h"
#include "order_machine.h"
#include "rm/manager_node.h"
#include "rm/maria_server.h"
#include "rm/sql_proxy.h"
#include "sql/sql_markers.h"

namespace cairn::rm {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using tm::NotificationKind;

class Node : public ManagerNode {
 public:
  ~Node() { stop(); }

  Status start_adapter(const std::string& directory) {
    options.id = id;
    options.socket = directory + "/" + MariaServer::kSocket;
    options.user = "app";
    if (options.database.empty()) options.database = "app";
    CAIRN_ASSIGN_OR_RETURN(rm, MariaDbResourceManager::open(tm, options));
    return Status::ok();
  }
  void crash() {
    crash_manager([this] { rm.reset(); });
  }
  void stop() {
    rm.reset();
    stop_manager();
  }

  Status run(const tm::Transaction& transaction, const std::string& statement) {
    return rm->work(transaction, [&](MYSQL* branch) { return execute(branch, statement); });
  }
  Status put(const tm::Transaction& transaction, const std::string& item) {
    return run(transaction, "INSERT INTO items VALUES ('" + item + "')");
  }

  MariaDbOptions options;
  std::unique_ptr<MariaDbResourceManager> rm;
};

class MariaDbRmTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!shared_maria_server()) GTEST_SKIP() << shared_maria_server().status().to_string();
    if (!server().is_running()) {
      ASSERT_TRUE(server().start());
    }
    sql("CREATE TABLE IF NOT EXISTS items (item VARCHAR(100) PRIMARY KEY) ENGINE=InnoDB");
    sql("DELETE FROM items");
    ASSERT_TRUE(node.start_manager());
    puppet.start(node.tm);
    const Status opened = start_adapter();
    ASSERT_TRUE(opened) << opened.to_string();
  }
  void TearDown() override {
    puppet.stop();
    node.stop();
    if (!shared_maria_server()) return;
    // One is nobody's only when its connection has ended.
    EXPECT_TRUE(eventually([] {
      for (const std::string& left : server().prepared()) sql("XA ROLLBACK " + left);
      return server().prepared().empty();
    }));
  }

  static MariaServer& server() { return **shared_maria_server(); }
  Status start_adapter() { return node.start_adapter(server().directory()); }
  static std::string sql(const std::string& statement) {
    const std::vector<std::string> rows = server().ask(statement);
    return rows.empty() ? "" : rows.front();
  }
  static std::string count(const std::string& item) {
    return sql("SELECT count(*) FROM items WHERE item = '" + item + "'");
  }
  // Of this manager's resource manager.
  std::string markers() const {
    return sql("SELECT count(*) FROM cairn_commits WHERE branch LIKE '" + hex(node.tm.id()) +
               hex(node.id) + "%'");
  }
  static bool is_running(const std::string& statement) {
    return sql("SELECT count(*) FROM information_schema.PROCESSLIST WHERE USER = 'app' AND INFO "
               "LIKE '" +
               statement + "%'") == "1";
  }
  // The branch has promised, the puppet has not.
  tm::Transaction prepare(const std::string& item) {
    tm::Transaction transaction = node.begin();
    EXPECT_TRUE(node.put(transaction, item));
    puppet.join(transaction);
    EXPECT_TRUE(transaction.commit_async());
    EXPECT_EQ(puppet.next(), NotificationKind::kPrepare);
    EXPECT_TRUE(eventually([&] { return !server().prepared().empty(); }));
    return transaction;
  }
  // Decided, and the adapter gone before it could tell the server.
  tm::Transaction decide_without_adapter(const std::string& item) {
    SqlProxy proxy(server().directory(), MariaServer::kSocket);
    node.rm.reset();
    EXPECT_TRUE(node.start_adapter(proxy.directory()));
    tm::Transaction transaction = prepare(item);
    proxy.arm("XA COMMIT", Cut::kBefore);
    EXPECT_TRUE(puppet.enlistment.prepare_complete());
    EXPECT_TRUE(transaction.wait(tm::WaitFor::kDecided, kLimit));
    EXPECT_TRUE(proxy.wait_held());
    node.rm.reset();
    proxy.cut_held();
    return transaction;
  }
  // By an administrator: it takes until the server has seen that the connection ended.
  void end_by_hand(const std::string& verb) {
    const std::string name = server().prepared().at(0);
    EXPECT_TRUE(eventually([&] {
      static_cast<void>(server().ask(verb + " " + name));
      return server().prepared().empty();
    }));
  }

  Node node;
  Puppet puppet;
};

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
