// The resource manager behind rm_postgres.h: clients' side in rm_postgres.cc, the server's, which
// answers the manager, in postgres_server.cc.
#ifndef CAIRN_RM_POSTGRES_POSTGRES_IMPL_H_
#define CAIRN_RM_POSTGRES_POSTGRES_IMPL_H_

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <cairn/resource_manager.h>
#include <cairn/rm_postgres.h>

#include "branch.h"
#include "order.h"
#include "pg_pool.h"

namespace cairn::rm {

class PostgresResourceManager::Impl {
 public:
  Impl(tm::TransactionManager manager, PostgresOptions options);
  ~Impl();

  [[nodiscard]] Status open();
  [[nodiscard]] Status work(const tm::Transaction& transaction, const Function& function);
  [[nodiscard]] const PostgresRecovery& recovery() const { return recovery_; }
  [[nodiscard]] Status health() const;
  [[nodiscard]] Status trouble() const { return pool_.trouble(); }

 private:
  using Clock = PgConnection::Clock;
  // Shared, because a client may be inside work() when the branch ends.
  using BranchMap = std::map<std::uint64_t, std::shared_ptr<PgBranch>>;  // by PgBranch::key

  // ---- Start, in rm_postgres.cc.
  [[nodiscard]] Status begin_session();
  [[nodiscard]] Status fence_backends(PgConnection& connection, Clock::time_point end);
  [[nodiscard]] Status adopt_prepared(PgConnection& connection, Clock::time_point end);
  void adopt(const std::string& name);
  [[nodiscard]] bool is_settled() const;

  // ---- Clients.
  [[nodiscard]] Result<std::shared_ptr<PgBranch>> branch_of(const tm::Transaction& transaction);
  [[nodiscard]] Result<std::unique_ptr<PgConnection>> begin();
  [[nodiscard]] Status enter(PgBranch& branch);
  void leave(PgBranch& branch);
  static void look_at_failure(PgBranch& branch, const Status& done);

  // ---- The server's side: all on one thread, that of open() and then server_.
  void serve();
  [[nodiscard]] Status run(const std::function<bool()>& is_over,
                           std::optional<Clock::time_point> end);
  [[nodiscard]] Status hear_all();
  [[nodiscard]] Status advance_all();
  [[nodiscard]] Status wait(std::optional<Clock::time_point> end);
  [[nodiscard]] Status on_notification(const tm::Notification& notification);
  [[nodiscard]] Status on_recover(const tm::Notification& notification);
  void on_last_recover();
  void begin_order(const std::shared_ptr<PgBranch>& branch, tm::NotificationKind kind);
  [[nodiscard]] Status finish(const Order& order);
  void promise(PgBranch& branch);
  void note(std::vector<Uuid>& list, const PgBranch& branch);
  void end_session(Status why);

  // ---- Branches. REQUIRES: the mutex is held, for add() and the first find().
  std::shared_ptr<PgBranch> add(const Uuid& transaction);
  [[nodiscard]] std::shared_ptr<PgBranch> find(const Uuid& transaction) const;
  [[nodiscard]] std::shared_ptr<PgBranch> find(std::uint64_t key) const;
  void forget(PgBranch& branch);
  void wake() const;

  tm::TransactionManager manager_;
  const PostgresOptions options_;
  PgPool pool_;
  int wake_fd_ = -1;           // an eventfd: a client has left a branch, or the end
  PostgresRecovery recovery_;  // constant from the moment open() returns
  bool is_recovering_ = true;  // open() has not returned; the server's own
  bool last_recover_ = false;  // seen; the server's own
  std::list<Order> orders_;    // the server's own
  std::atomic<bool> stopping_ = false;

  mutable std::mutex mutex_;      // guards all below; never held while anyone waits for the server
  std::condition_variable left_;  // a client has left a branch
  tm::ResourceManager session_;
  Status health_;
  BranchMap branches_;
  std::uint64_t next_key_ = 1;

  std::thread server_;
};

}  // namespace cairn::rm

#endif  // CAIRN_RM_POSTGRES_POSTGRES_IMPL_H_
