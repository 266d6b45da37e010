// A manager with an adapter of PostgreSQL on a server that tests share, and a second resource
// manager that answers by hand.
#ifndef CAIRN_TESTS_RM_POSTGRES_NODE_H_
#define CAIRN_TESTS_RM_POSTGRES_NODE_H_

#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <cairn/rm_postgres.h>

#include "rm/manager_node.h"
#include "rm/sql_proxy.h"
#include "servers/shared_pg_server.h"

namespace cairn::rm {

class Node : public ManagerNode {
 public:
  ~Node() { stop(); }

  Status start_adapter(const std::string& conninfo) {
    options.id = id;
    options.conninfo = conninfo;
    CAIRN_ASSIGN_OR_RETURN(rm, PostgresResourceManager::open(tm, options));
    return Status::ok();
  }
  void crash() {
    crash_manager([this] { rm.reset(); });
  }
  void stop() {
    rm.reset();
    stop_manager();
  }

  Status run(const tm::Transaction& transaction, const std::string& statements) {
    return rm->work(transaction, [&](PGconn* branch) { return execute(branch, statements); });
  }
  Status put(const tm::Transaction& transaction, const std::string& item) {
    return run(transaction, "INSERT INTO items VALUES ('" + item + "')");
  }

  PostgresOptions options;
  std::unique_ptr<PostgresResourceManager> rm;
};

class PostgresRmTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!shared_pg_server()) GTEST_SKIP() << shared_pg_server().status().to_string();
    if (!server().is_running()) {
      ASSERT_TRUE(server().start());
    }
    psql("DROP TABLE IF EXISTS items; CREATE TABLE items (item text PRIMARY KEY)");
    ASSERT_TRUE(node.start_manager());
    puppet.start(node.tm);
    const Status opened = start_adapter();
    ASSERT_TRUE(opened) << opened.to_string();
  }
  void TearDown() override {
    puppet.stop();
    node.stop();
    if (!shared_pg_server()) return;
    for (const std::string& left : server().prepared()) {
      psql("ROLLBACK PREPARED '" + left + "'");
    }
  }

  static PgServer& server() { return **shared_pg_server(); }
  Status start_adapter() { return node.start_adapter(server().conninfo()); }
  static std::string conninfo(const SqlProxy& proxy) {
    return "host=" + proxy.directory() + " user=app dbname=app";
  }
  static std::string psql(const std::string& statements) {
    const std::unique_ptr<PGconn, decltype(&PQfinish)> connection(
        PQconnectdb(server().conninfo().c_str()), &PQfinish);
    const std::unique_ptr<PGresult, decltype(&PQclear)> result(
        PQexec(connection.get(), statements.c_str()), &PQclear);
    const Status done = from_postgres(connection.get(), result.get());
    if (!done) return done.to_string();
    return PQntuples(result.get()) > 0 ? PQgetvalue(result.get(), 0, 0) : "";
  }
  static std::string count(const std::string& item) {
    return psql("SELECT count(*) FROM items WHERE item = '" + item + "'");
  }
  // The branch has promised, the puppet has not.
  tm::Transaction prepare(const std::string& item) {
    tm::Transaction transaction = node.begin();
    EXPECT_TRUE(node.put(transaction, item));
    puppet.join(transaction);
    EXPECT_TRUE(transaction.commit_async());
    EXPECT_EQ(puppet.next(), tm::NotificationKind::kPrepare);
    EXPECT_TRUE(eventually([&] { return !server().prepared().empty(); }));
    return transaction;
  }
  // Decided, and the adapter gone before it could tell the server.
  tm::Transaction decide_without_adapter(const std::string& item) {
    SqlProxy proxy(server().directory(), PgServer::kSocket);
    node.rm.reset();
    EXPECT_TRUE(node.start_adapter(conninfo(proxy)));
    tm::Transaction transaction = prepare(item);
    proxy.arm("COMMIT PREPARED", Cut::kBefore);
    EXPECT_TRUE(puppet.enlistment.prepare_complete());
    EXPECT_TRUE(transaction.wait(tm::WaitFor::kDecided, kLimit));
    EXPECT_TRUE(proxy.wait_held());
    node.rm.reset();
    proxy.cut_held();
    return transaction;
  }

  Node node;
  Puppet puppet;
};

}  // namespace cairn::rm

#endif  // CAIRN_TESTS_RM_POSTGRES_NODE_H_
