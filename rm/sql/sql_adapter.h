// SqlAdapter: a database server as a resource manager of Cairn, as far as it is the same for all
// servers: its session with the manager, its branches, the clients' side and the server thread.
// Members are defined in sql_clients.h (start, clients) and sql_server.h (the manager's
// notifications); a database's own source includes both.
//
// `Db` is what SqlOrder needs (sql_order.h), and:
//
//   Options, Recovery, Handle (what work is done with), kName
//   first_connection, fence    at the start: what is refused; connections of an earlier life
//   list, own                  what is prepared there, and the unit of work of what is this one's
//   new_name, promise, offered, recall    of branches, and what is left with the manager of them
//   begin, may_enter, look_at_failure     clients' work
//   first, kOrphan, keeps_own  with which step an order begins, and when the connection stays
//   kMarkers                   whether each commit leaves a row that proves it (sql_markers.h), to
//                              be cleared away: markers(), clearing(), kClear
#ifndef CAIRN_RM_SQL_SQL_ADAPTER_H_
#define CAIRN_RM_SQL_SQL_ADAPTER_H_

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
#include <utility>
#include <vector>

#include <cairn/resource_manager.h>
#include <cairn/result.h>
#include <cairn/transaction_manager.h>

#include "sql/sql_branch.h"
#include "sql/sql_markers.h"
#include "sql/sql_order.h"

namespace cairn::rm {

enum class SqlAccess : std::uint8_t { kChanges, kReads };

template <class Db>
class SqlAdapter {
 public:
  using Options = typename Db::Options;
  using Recovery = typename Db::Recovery;
  using Function = std::function<Status(typename Db::Handle)>;

  SqlAdapter(tm::TransactionManager manager, Options options);
  ~SqlAdapter();
  SqlAdapter(const SqlAdapter&) = delete;
  SqlAdapter& operator=(const SqlAdapter&) = delete;

  [[nodiscard]] Status open();
  [[nodiscard]] Status work(const tm::Transaction& transaction, const Function& function,
                            SqlAccess access = SqlAccess::kChanges);
  [[nodiscard]] const Recovery& recovery() const { return recovery_; }
  [[nodiscard]] Status health() const;
  [[nodiscard]] Status trouble() const { return pool_.trouble(); }

 private:
  using Connection = typename Db::Connection;
  using Branch = typename Db::Branch;
  using Order = SqlOrder<Db>;
  using Clock = std::chrono::steady_clock;
  // Shared, because a client may be inside work() when the branch ends.
  using BranchPointer = std::shared_ptr<Branch>;
  using BranchMap = std::map<std::uint64_t, BranchPointer>;  // by SqlBranch::key

  // ---- Start, in sql_clients.h.
  [[nodiscard]] Status begin_session();
  [[nodiscard]] Status fence_connections(Connection& connection, Clock::time_point end);
  [[nodiscard]] Status adopt_prepared(Connection& connection, Clock::time_point end);
  void adopt(const std::string& name);
  [[nodiscard]] bool is_settled() const;

  // ---- Clients.
  [[nodiscard]] Result<BranchPointer> branch_of(const tm::Transaction& transaction,
                                                SqlAccess access);
  [[nodiscard]] Result<std::unique_ptr<Connection>> begin(Branch& branch, SqlAccess access);
  [[nodiscard]] Status enter(Branch& branch);
  void leave(Branch& branch);

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
  void begin_order(const BranchPointer& branch, tm::NotificationKind kind);
  [[nodiscard]] Status finish(const Order& order);
  void promise(Branch& branch);
  void note(std::vector<Uuid>& list, const Branch& branch);
  void sweep();
  void end_session(Status why);

  // ---- Branches. REQUIRES: the mutex is held, for all but find(key) and forget().
  [[nodiscard]] BranchPointer make_branch(const Uuid& transaction);
  void add(const BranchPointer& branch);
  [[nodiscard]] BranchPointer find_unit(const Uuid& transaction) const;
  [[nodiscard]] BranchPointer find_named(const std::string& name) const;
  [[nodiscard]] BranchPointer find(std::uint64_t key) const;
  void forget(Branch& branch);
  void wake() const;

  tm::TransactionManager manager_;
  const Options options_;
  typename Db::Pool pool_;
  int wake_fd_ = -1;           // an eventfd: a client has left a branch, or the end
  Recovery recovery_;          // constant from the moment open() returns
  bool is_recovering_ = true;  // open() has not returned; the server's own
  bool last_recover_ = false;  // seen; the server's own
  std::list<Order> orders_;    // the server's own
  SqlMarkers markers_;         // the server's own
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

#endif  // CAIRN_RM_SQL_SQL_ADAPTER_H_
