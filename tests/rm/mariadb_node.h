// A manager with an adapter of MariaDB on a server that tests share, and a second resource
// manager that answers by hand.
#ifndef CAIRN_TESTS_RM_MARIADB_NODE_H_
#define CAIRN_TESTS_RM_MARIADB_NODE_H_

#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <cairn/rm_mariadb.h>

#include "names/xa_name.h"
#include "rm/manager_node.h"
#include "rm/sql_proxy.h"
#include "servers/maria_server.h"

namespace cairn::rm {

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
    EXPECT_EQ(puppet.next(), tm::NotificationKind::kPrepare);
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

}  // namespace cairn::rm

#endif  // CAIRN_TESTS_RM_MARIADB_NODE_H_
