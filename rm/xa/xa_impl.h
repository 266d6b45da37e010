// The resource manager behind rm_xa.h: its start and its clients in rm_xa.cc; its server, one
// thread that answers the manager, in xa_server.cc; what follows from each answer in xa_finish.cc.
#ifndef CAIRN_RM_XA_XA_IMPL_H_
#define CAIRN_RM_XA_XA_IMPL_H_

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
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
#include <cairn/rm_xa.h>

#include "names/branch_name.h"
#include "xa_heuristics.h"
#include "xa_thread.h"

namespace cairn::rm {

struct XaBranch {
  // Constant.
  std::uint64_t key = 0;  // by which the manager names it
  Uuid transaction{};
  XID xid{};
  // Guarded by the mutex of the adapter.
  bool is_busy = false;  // a client is at work; the server waits for its end
  bool is_open = false;  // takes work
  // Of the client while it is busy, else the server's.
  tm::Enlistment enlistment{};
  bool is_started = false;  // xa_start succeeded
  Status doomed{};          // why it can only roll back
  bool is_gone = false;     // the resource manager has nothing of it any more
  // The server's.
  bool may_be_prepared = false;  // xa_prepare was called, or it was found
  bool is_promised = false;      // the manager has the promise
  bool is_found = false;         // by xa_recover
  bool is_offered = false;       // by the manager, at recovery
  bool is_in_doubt = false;      // offered, and the manager itself waits for the outcome
  bool was_ordered = false;      // to commit, and nobody knows the end of that
};

class XaResourceManager::Impl {
 public:
  Impl(tm::TransactionManager manager, XaOptions options);
  ~Impl();

  [[nodiscard]] Status open();
  [[nodiscard]] Status work(const tm::Transaction& transaction, const Function& function);
  [[nodiscard]] const XaRecovery& recovery() const { return recovery_; }
  [[nodiscard]] XaHeuristics& heuristics() { return heuristics_; }
  [[nodiscard]] Status health() const;
  [[nodiscard]] Status trouble() const;

 private:
  using Clock = std::chrono::steady_clock;
  using BranchPtr = std::shared_ptr<XaBranch>;
  using BranchMap = std::map<std::uint64_t, BranchPtr>;  // by XaBranch::key
  // What is asked of the resource manager for one notification.
  struct Order {
    BranchPtr branch;
    XaCall call;
    Clock::time_point next{};  // when it is tried
    std::chrono::milliseconds pause{1};
    int handle = 0;  // of a call that runs; 0: none
    // Of a kForget: what is to be written down first, and whose answer is owed then.
    XaHeuristic heuristic{};
    bool is_written = false;
    bool is_to_forget = false;  // the resource manager knows of it
    XaCall after_forget = XaCall::kRollback;
  };
  struct Task {
    BranchPtr branch;
    const Function* function;
    Status result{};
    bool is_done = false;
  };

  // ---- Start and clients.
  [[nodiscard]] Status check_options() const;
  [[nodiscard]] Result<BranchPtr> enter(const tm::Transaction& transaction);
  [[nodiscard]] Result<BranchPtr> branch_of(const tm::Transaction& transaction);
  void leave(XaBranch& branch);
  void run_worker();
  void run_task(XaThread& thread, Task& task);
  [[nodiscard]] Status run_work(XaThread& thread, XaBranch& branch, const Function& function);
  [[nodiscard]] Status finish_start(XaThread& thread, XaBranch& branch, int code);
  [[nodiscard]] Status finish_end(XaThread& thread, XaBranch& branch, const Status& done, int code);

  // ---- The server: all on its thread.
  void serve();
  [[nodiscard]] Status start_session();
  [[nodiscard]] Status adopt_found();
  [[nodiscard]] Status hear_all();
  [[nodiscard]] Status on_notification(const tm::Notification& notification);
  [[nodiscard]] Status on_recover(const tm::Notification& notification);
  void on_last_recover();
  [[nodiscard]] Status begin_order(const BranchPtr& branch, tm::NotificationKind kind);
  [[nodiscard]] Status run_orders();
  [[nodiscard]] Result<bool> run_order(Order& order);
  [[nodiscard]] Result<bool> run_without_asking(Order& order);
  [[nodiscard]] Result<bool> run_away(Order& order);
  [[nodiscard]] bool try_open();
  [[nodiscard]] bool run_one_task();
  void wait();
  [[nodiscard]] bool is_settled() const;
  [[nodiscard]] bool is_busy(const XaBranch& branch) const;
  void tell_opened(Status status);
  void end_session(Status why);
  void roll_back_unpromised();

  // ---- What follows from an answer. True: the order is over.
  [[nodiscard]] Result<bool> finish(Order& order, int code);
  [[nodiscard]] Result<bool> finish_prepare(Order& order, XaVerdict verdict, int code);
  [[nodiscard]] Result<bool> finish_alone(Order& order, XaVerdict verdict, int code);
  [[nodiscard]] Result<bool> finish_commit(Order& order, XaVerdict verdict, int code);
  [[nodiscard]] Result<bool> finish_rollback(Order& order, XaVerdict verdict, int code);
  [[nodiscard]] Result<bool> finish_forget(Order& order, XaVerdict verdict, int code);
  void on_heuristic(Order& order, int code, bool is_to_forget);
  void try_again(Order& order);
  void write_heuristic(Order& order);
  void answer_heuristic(Order& order);
  void committed(XaBranch& branch);
  void rolled_back(XaBranch& branch);
  void promise(XaBranch& branch);
  void note(std::vector<Uuid>& list, const XaBranch& branch);
  [[nodiscard]] Status check_store(const XaBranch& branch) const;
  [[nodiscard]] std::string promise_text() const;
  void set_trouble(Status trouble);

  // ---- Branches. REQUIRES: the mutex is held, for add() and the first find().
  BranchPtr add(const Uuid& transaction);
  [[nodiscard]] BranchPtr find(const Uuid& transaction) const;
  [[nodiscard]] BranchPtr find(std::uint64_t key) const;
  void forget(const XaBranch& branch);
  void wake() const;

  tm::TransactionManager manager_;
  const XaOptions options_;
  XaHeuristics heuristics_;
  int wake_fd_ = -1;  // an eventfd: a client has left a branch, has a task, or the end
  // The server's own.
  XaThread thread_;
  Clock::time_point next_open_{};
  std::chrono::milliseconds open_pause_{1};
  bool last_recover_ = false;  // seen
  bool is_recovering_ = true;  // open() has not been told
  std::list<Order> orders_;
  std::vector<BranchName> others_;  // prepared for other managers and adapters
  XaRecovery recovery_;             // constant from the moment open() returns
  std::atomic<bool> stopping_ = false;

  mutable std::mutex mutex_;  // guards all below; never held while the resource manager is called
  std::condition_variable news_;  // of a branch that was left, a task, or the start
  tm::ResourceManager session_;
  Status health_;
  Status trouble_;
  BranchMap branches_;
  std::map<Uuid, BranchPtr> by_transaction_;
  std::uint64_t next_key_ = 1;
  std::deque<Task*> tasks_;
  std::optional<Status> opened_;  // what open() returns

  std::thread server_;
  std::vector<std::thread> workers_;
};

}  // namespace cairn::rm

#endif  // CAIRN_RM_XA_XA_IMPL_H_
