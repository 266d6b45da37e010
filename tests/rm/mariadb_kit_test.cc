// The MariaDB adapter before the conformance kit: the data lies in a server, in a table of its own
// for each run.
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include <cairn/rm_kit.h>
#include <cairn/rm_mariadb.h>

#include "rm/kit_options.h"
#include "servers/maria_server.h"

namespace cairn::rm_kit {
namespace {

class MariaSubject : public Subject {
 public:
  static Result<std::unique_ptr<Subject>> open(const Surroundings& at,
                                               const rm::MariaServer& server) {
    auto subject = std::make_unique<MariaSubject>();
    subject->table_ = "`" + at.directory + "`";
    const std::string socket = server.directory() + "/" + rm::MariaServer::kSocket;
    MYSQL* const reader = subject->reader_.get();
    static_cast<void>(
        mysql_real_connect(reader, nullptr, "app", nullptr, "app", 0, socket.c_str(), 0));
    CAIRN_RETURN_IF_ERROR(
        rm::execute(reader, "CREATE TABLE IF NOT EXISTS " + subject->table_ +
                                " (item VARCHAR(100) PRIMARY KEY, number INT) ENGINE=InnoDB"));
    rm::MariaDbOptions options;
    options.id = at.id;
    options.socket = socket;
    options.user = "app";
    options.database = "app";
    // A row of an undecided transaction is locked: an error at once.
    options.configure = [](MYSQL* connection) {
      mysql_options(connection, MYSQL_INIT_COMMAND, "SET innodb_lock_wait_timeout = 0");
    };
    CAIRN_ASSIGN_OR_RETURN(subject->adapter_,
                           rm::MariaDbResourceManager::open(at.manager, options));
    return std::unique_ptr<Subject>(std::move(subject));
  }

  // Locked, the branch goes on without.
  Status add(const tm::Transaction& transaction, const std::string& item) override {
    Status done;
    CAIRN_RETURN_IF_ERROR(adapter_->work(transaction, [&](MYSQL* branch) {
      done = rm::execute(branch, "INSERT INTO " + table_ + " VALUES ('" + item +
                                     "', 1) ON DUPLICATE KEY UPDATE number = number + 1");
      return done.code() == StatusCode::kLocked ? Status::ok() : done;
    }));
    return done;
  }
  Result<std::uint64_t> count(const std::string& item) override {
    const std::string query = "SELECT number FROM " + table_ + " WHERE item = '" + item + "'";
    if (mysql_query(reader_.get(), query.c_str()) != 0) return rm::from_mariadb(reader_.get());
    const std::unique_ptr<MYSQL_RES, decltype(&mysql_free_result)> result(
        mysql_store_result(reader_.get()), &mysql_free_result);
    const MYSQL_ROW row = mysql_fetch_row(result.get());
    return row == nullptr ? 0 : std::stoull(row[0]);
  }
  Status look(const tm::Transaction& transaction, const std::string&) override {
    return adapter_->read(transaction, [&](MYSQL* branch) {
      return rm::execute(branch, "SELECT count(*) FROM " + table_);
    });
  }

 private:
  std::string table_;
  std::unique_ptr<MYSQL, decltype(&mysql_close)> reader_{mysql_init(nullptr), &mysql_close};
  std::unique_ptr<rm::MariaDbResourceManager> adapter_;
};

TEST(KitOnMariaDb, FindsNoRuleBroken) {
  const auto& server = rm::shared_maria_server();
  if (!server) GTEST_SKIP() << server.status().to_string();
  if (!(*server)->is_running()) {
    ASSERT_TRUE((*server)->start());
  }
  Options with = options();
  with.keeping = Keeping::kOutside;
  with.patience = std::chrono::seconds(30);
  with.stride = sim::test_budget() > 1 ? 1 : 97;  // each opening takes its connections
  const Report report =
      check([&](const Surroundings& at) { return MariaSubject::open(at, **server); }, with);
  EXPECT_TRUE(report.status.is_ok() && report.violations.empty()) << report.to_string();
  EXPECT_EQ((*server)->prepared(), std::vector<std::string>{});
  std::printf("[ kit      ] %s", report.to_string().c_str());
}

}  // namespace
}  // namespace cairn::rm_kit
