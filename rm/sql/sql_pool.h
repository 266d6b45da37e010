// SqlPool: connections of one resource manager to its database server.
#ifndef CAIRN_RM_SQL_SQL_POOL_H_
#define CAIRN_RM_SQL_SQL_POOL_H_

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include <cairn/status.h>

namespace cairn::rm {

// Thread-safe.
template <class Connection>
class SqlPool {
 public:
  explicit SqlPool(unsigned idle_connections) : idle_connections_(idle_connections) {}
  virtual ~SqlPool() = default;
  SqlPool(const SqlPool&) = delete;
  SqlPool& operator=(const SqlPool&) = delete;

  // One that is known to be new: it still connects, and its first reply is the greeting's, for the
  // welcome.
  [[nodiscard]] virtual std::unique_ptr<Connection> make() const = 0;
  // An idle connection, or a new one.
  [[nodiscard]] std::unique_ptr<Connection> take() {
    {
      const std::lock_guard lock(mutex_);
      while (!idle_.empty()) {
        std::unique_ptr<Connection> connection = std::move(idle_.back());
        idle_.pop_back();
        if (connection->is_good()) return connection;
      }
    }
    return make();
  }
  // Keeps it for later, if it is idle in no transaction.
  void give_back(std::unique_ptr<Connection> connection) {
    if (!connection || connection->owes_reply() || !connection->is_good()) return;
    if (!connection->is_clean()) return;
    const std::lock_guard lock(mutex_);
    if (idle_.size() < idle_connections_) idle_.push_back(std::move(connection));
  }
  void close_idle() {
    const std::lock_guard lock(mutex_);
    idle_.clear();
  }

  void note(const Status& trouble) {
    const std::lock_guard lock(mutex_);
    trouble_ = trouble;
  }
  [[nodiscard]] Status trouble() const {
    const std::lock_guard lock(mutex_);
    return trouble_;
  }

 protected:
  mutable std::mutex mutex_;  // guards all below, and what is the database's own

 private:
  const unsigned idle_connections_;
  Status trouble_;
  std::vector<std::unique_ptr<Connection>> idle_;
};

}  // namespace cairn::rm

#endif  // CAIRN_RM_SQL_SQL_POOL_H_
