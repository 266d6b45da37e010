// A manager with SQLite as its last resource and a second resource manager that answers by hand;
// what lies between them can hold a commit, and break SQLite's files.
#ifndef CAIRN_TESTS_RM_SQLITE_NODE_H_
#define CAIRN_TESTS_RM_SQLITE_NODE_H_

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <cairn/rm_sqlite.h>

#include "rm/manager_node.h"
#include "servers/temporary_directory.h"

namespace cairn::rm {

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

}  // namespace cairn::rm

#endif  // CAIRN_TESTS_RM_SQLITE_NODE_H_
