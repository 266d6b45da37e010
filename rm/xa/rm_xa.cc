#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "xa_impl.h"
#include "xa_name.h"

namespace cairn::rm {

XaResourceManager::Impl::Impl(tm::TransactionManager manager, XaOptions options)
    : manager_(std::move(manager)),
      options_(std::move(options)),
      heuristics_(options_.log, options_.id),
      thread_(options_) {}

// ---- Start and end

Status XaResourceManager::Impl::check_options() const {
  const auto invalid = [](const std::string& what) {
    return Status(StatusCode::kInvalidArgument, "XA adapter: " + what);
  };
  if (options_.id.is_null()) return invalid("expected an id, found null");
  if (options_.rm == nullptr) return invalid("expected a switch, found none");
  if (options_.log == nullptr) return invalid("expected a log for heuristic outcomes, found none");
  if (options_.workers > 256) return invalid("expected at most 256 workers");
  if (options_.open.size() >= MAXINFOSIZE || options_.close.size() >= MAXINFOSIZE) {
    return invalid("expected strings for xa_open and xa_close of less than " +
                   std::to_string(MAXINFOSIZE) + " bytes");
  }
  if ((options_.rm->flags & TMREGISTER) != 0) {
    return Status(StatusCode::kNotSupported,
                  "XA resource manager " + std::string(options_.rm->name) +
                      " registers by itself (TMREGISTER): expected its switch that does not");
  }
  return Status::ok();
}

Status XaResourceManager::Impl::open() {
  CAIRN_RETURN_IF_ERROR(check_options());
  CAIRN_RETURN_IF_ERROR(heuristics_.read());
  wake_fd_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake_fd_ < 0) {
    return Status(StatusCode::kResourceExhausted,
                  std::string("XA adapter: event descriptor: ") + std::strerror(errno));
  }
  // All that the thread of control opens and closes it does itself, this time too.
  server_ = std::thread(&Impl::serve, this);
  {
    std::unique_lock lock(mutex_);
    const bool told =
        news_.wait_for(lock, options_.patience, [this] { return opened_.has_value(); });
    if (!told) {
      return Status(StatusCode::kTimeout, "XA adapter: not settled within " +
                                              std::to_string(options_.patience.count()) +
                                              " ms; last: " + trouble_.to_string());
    }
    CAIRN_RETURN_IF_ERROR(*opened_);
  }
  for (unsigned i = 0; i < options_.workers; ++i) workers_.emplace_back(&Impl::run_worker, this);
  return Status::ok();
}

XaResourceManager::Impl::~Impl() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  news_.notify_all();
  wake();
  for (std::thread& worker : workers_) worker.join();
  if (server_.joinable()) server_.join();
  if (wake_fd_ >= 0) ::close(wake_fd_);
}

// ---- Clients

Status XaResourceManager::Impl::work(const tm::Transaction& transaction, const Function& function) {
  if (!function) {
    return Status(StatusCode::kInvalidArgument, "XA adapter: expected work, found none");
  }
  CAIRN_ASSIGN_OR_RETURN(const BranchPtr branch, enter(transaction));
  Task task{branch, &function};
  std::unique_lock lock(mutex_);
  tasks_.push_back(&task);
  news_.notify_all();
  if (workers_.empty()) wake();
  news_.wait(lock, [&] { return task.is_done; });
  return task.result;
}

// The branch, busy from now on.
Result<XaResourceManager::Impl::BranchPtr> XaResourceManager::Impl::enter(
    const tm::Transaction& transaction) {
  std::unique_lock lock(mutex_);
  CAIRN_ASSIGN_OR_RETURN(BranchPtr branch, branch_of(transaction));
  news_.wait(lock, [&] { return !branch->is_busy; });
  CAIRN_RETURN_IF_ERROR(health_);
  if (!branch->is_open) {
    return Status(StatusCode::kNotActive, "unit of work " + transaction.id().to_string() +
                                              " takes no more work in the XA resource manager: its "
                                              "commit was asked for, or it was rolled back");
  }
  if (!branch->doomed) return branch->doomed;
  branch->is_busy = true;
  return branch;
}

// REQUIRES: the mutex is held.
Result<XaResourceManager::Impl::BranchPtr> XaResourceManager::Impl::branch_of(
    const tm::Transaction& transaction) {
  CAIRN_RETURN_IF_ERROR(health_);
  if (BranchPtr found = find(transaction.id())) return found;
  // A notification may come before enlist() returns: the server, which needs the mutex, finds the
  // branch and its enlistment.
  BranchPtr branch = add(transaction.id());
  branch->is_open = true;
  auto enlistment = session_.enlist(transaction, tm::kTwoOrSinglePhase, branch->key);
  if (!enlistment) {
    by_transaction_.erase(branch->transaction);
    branches_.erase(branch->key);
    return enlistment.status();
  }
  branch->enlistment = *std::move(enlistment);
  return branch;
}

void XaResourceManager::Impl::run_worker() {
  XaThread thread(options_);
  std::unique_lock lock(mutex_);
  while (true) {
    news_.wait(lock, [this] { return stopping_ || !tasks_.empty(); });
    if (tasks_.empty()) break;
    Task* const task = tasks_.front();
    tasks_.pop_front();
    lock.unlock();
    run_task(thread, *task);
    lock.lock();
  }
  lock.unlock();
  thread.close();
}

// The task is its client's, who may go on as soon as it is done.
void XaResourceManager::Impl::run_task(XaThread& thread, Task& task) {
  const BranchPtr branch = task.branch;
  Status result = health();
  if (result) result = run_work(thread, *branch, *task.function);
  {
    const std::lock_guard lock(mutex_);
    branch->is_busy = false;
    task.result = std::move(result);
    task.is_done = true;
  }
  news_.notify_all();
  wake();  // the server may wait for the branch
}

Status XaResourceManager::Impl::run_work(XaThread& thread, XaBranch& branch,
                                         const Function& function) {
  CAIRN_RETURN_IF_ERROR(thread.open());
  const int started =
      thread.call(XaCall::kStart, branch.xid, branch.is_started ? TMJOIN : TMNOFLAGS);
  if (started != XA_OK) return finish_start(thread, branch, started);
  branch.is_started = true;
  const Status done = function();
  return finish_end(thread, branch, done,
                    thread.call(XaCall::kEnd, branch.xid, done ? TMSUCCESS : TMFAIL));
}

// The thread is not associated, and nothing was done.
Status XaResourceManager::Impl::finish_start(XaThread& thread, XaBranch& branch, int code) {
  const Status why = thread.error("xa_start", code);
  switch (xa_verdict(XaCall::kStart, code)) {
    case XaVerdict::kRolledBack:
      branch.doomed = why;
      // What is there under this name was not promised, or it would have been found.
      if (code == XAER_DUPID) branch.is_started = true;
      if (code == XAER_NOTA) branch.is_gone = true;
      return why;
    case XaVerdict::kReopen:
      thread.close();
      return why;
    case XaVerdict::kAgain:
      return Status(StatusCode::kLocked, why.message());
    default:
      if (code != XAER_OUTSIDE && code != XAER_PROTO) return why;
      return Status(StatusCode::kInvalidState, why.message());
  }
}

Status XaResourceManager::Impl::finish_end(XaThread& thread, XaBranch& branch, const Status& done,
                                           int code) {
  const XaVerdict verdict = xa_verdict(XaCall::kEnd, code);
  if (verdict == XaVerdict::kDone) {
    branch.doomed = done;
    return done;
  }
  if (code == XAER_NOTA) branch.is_gone = true;
  // What the thread is associated with now nobody knows.
  if (verdict != XaVerdict::kRolledBack) thread.close();
  branch.doomed = done ? thread.error("xa_end", code) : done;
  return branch.doomed;
}

Status XaResourceManager::Impl::health() const {
  const std::lock_guard lock(mutex_);
  return health_;
}

Status XaResourceManager::Impl::trouble() const {
  const std::lock_guard lock(mutex_);
  return trouble_;
}

void XaResourceManager::Impl::set_trouble(Status trouble) {
  const std::lock_guard lock(mutex_);
  trouble_ = std::move(trouble);
}

// ---- Branches

XaResourceManager::Impl::BranchPtr XaResourceManager::Impl::add(const Uuid& transaction) {
  auto branch = std::make_shared<XaBranch>();
  branch->key = next_key_++;
  branch->transaction = transaction;
  branch->xid = to_xid({manager_.id(), options_.id, transaction});
  branches_.emplace(branch->key, branch);
  by_transaction_[transaction] = branch;
  return branch;
}

XaResourceManager::Impl::BranchPtr XaResourceManager::Impl::find(const Uuid& transaction) const {
  const auto found = by_transaction_.find(transaction);
  return found == by_transaction_.end() ? nullptr : found->second;
}

XaResourceManager::Impl::BranchPtr XaResourceManager::Impl::find(std::uint64_t key) const {
  const std::lock_guard lock(mutex_);
  const auto found = branches_.find(key);
  return found == branches_.end() ? nullptr : found->second;
}

void XaResourceManager::Impl::forget(const XaBranch& branch) {
  const std::lock_guard lock(mutex_);
  by_transaction_.erase(branch.transaction);
  branches_.erase(branch.key);
}

void XaResourceManager::Impl::wake() const {
  const std::uint64_t one = 1;
  // A counter that is full wakes, too.
  if (wake_fd_ >= 0) [[maybe_unused]]
    const ssize_t n = ::write(wake_fd_, &one, sizeof one);
}

// ---- The public face

XaResourceManager::XaResourceManager(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
XaResourceManager::~XaResourceManager() = default;

Result<std::unique_ptr<XaResourceManager>> XaResourceManager::open(tm::TransactionManager manager,
                                                                   XaOptions options) {
  auto impl = std::make_unique<Impl>(std::move(manager), std::move(options));
  CAIRN_RETURN_IF_ERROR(impl->open());
  return std::unique_ptr<XaResourceManager>(new XaResourceManager(std::move(impl)));
}

Status XaResourceManager::work(const tm::Transaction& transaction, const Function& function) {
  return impl_->work(transaction, function);
}
const XaRecovery& XaResourceManager::recovery() const { return impl_->recovery(); }
std::vector<XaHeuristic> XaResourceManager::heuristics() const { return impl_->heuristics().all(); }
Status XaResourceManager::clear_heuristics() { return impl_->heuristics().clear(); }
Status XaResourceManager::health() const { return impl_->health(); }
Status XaResourceManager::trouble() const { return impl_->trouble(); }

}  // namespace cairn::rm
