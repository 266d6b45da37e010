// The adapter's thread of control: it hears the manager, and asks the resource manager.
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "xa_impl.h"
#include "xa_name.h"

namespace cairn::rm {

using tm::NotificationKind;

void XaResourceManager::Impl::serve() {
  Status going = start_session();
  while (going && !stopping_) {
    going = hear_all();
    if (going) going = run_orders();
    if (!going) break;
    if (is_recovering_ && is_settled()) tell_opened(Status::ok());
    if (!run_one_task()) wait();
  }
  if (going) going = Status(StatusCode::kClosed, "the XA adapter was closed");
  end_session(std::move(going));
  roll_back_unpromised();
  thread_.close();
}

// What the resource manager has is read before the manager can order anything.
Status XaResourceManager::Impl::start_session() {
  CAIRN_RETURN_IF_ERROR(thread_.open());
  CAIRN_ASSIGN_OR_RETURN(tm::ResourceManager session,
                         manager_.open_or_create_resource_manager(options_.id, tm::RmKind::kDurable,
                                                                  options_.description));
  CAIRN_RETURN_IF_ERROR(session.event_fd().status());
  {
    const std::lock_guard lock(mutex_);
    session_ = std::move(session);
  }
  CAIRN_RETURN_IF_ERROR(adopt_found());
  return session_.recover();
}

// What is this manager's and this resource manager's becomes a branch; all else is not touched.
Status XaResourceManager::Impl::adopt_found() {
  CAIRN_ASSIGN_OR_RETURN(const std::vector<XID> found, thread_.scan());
  for (const XID& xid : found) {
    const auto name = from_xid(xid);
    if (!name || name->transaction_manager != manager_.id() ||
        name->resource_manager != options_.id) {
      recovery_.foreign.push_back(xid_text(xid));
      if (name) others_.push_back(*name);
      continue;
    }
    const std::lock_guard lock(mutex_);
    add(name->transaction)->is_found = true;
  }
  return Status::ok();
}

bool XaResourceManager::Impl::is_settled() const {
  if (!last_recover_ || !orders_.empty()) return false;
  const std::lock_guard lock(mutex_);
  return std::none_of(branches_.begin(), branches_.end(), [](const auto& entry) {
    return entry.second->is_offered && !entry.second->is_in_doubt;
  });
}

void XaResourceManager::Impl::tell_opened(Status status) {
  is_recovering_ = false;
  {
    const std::lock_guard lock(mutex_);
    opened_ = std::move(status);
  }
  news_.notify_all();
}

// Without a session the manager rolls back what was not promised, and keeps the outcome of what
// was. Whoever waits learns why.
void XaResourceManager::Impl::end_session(Status why) {
  {
    const std::lock_guard lock(mutex_);
    // A session that has ended already has nobody to tell.
    static_cast<void>(session_.disconnect(why));
    health_ = why;
    session_ = {};
  }
  if (is_recovering_) tell_opened(std::move(why));
  while (run_one_task()) continue;  // they are refused
  news_.notify_all();
}

// Once, as well as it can be done: the resource manager does the same when it sees that their
// threads are gone.
void XaResourceManager::Impl::roll_back_unpromised() {
  std::unique_lock lock(mutex_);
  const BranchMap branches = branches_;
  for (const auto& [key, branch] : branches) {
    news_.wait(lock, [&, branch = branch.get()] { return !branch->is_busy; });
    if (branch->is_promised || branch->is_found || branch->is_offered || branch->is_gone) continue;
    if (!branch->is_started) continue;
    lock.unlock();
    if (thread_.open()) static_cast<void>(thread_.call(XaCall::kRollback, branch->xid));
    lock.lock();
  }
}

// ---- Hearing

Status XaResourceManager::Impl::hear_all() {
  while (true) {
    CAIRN_ASSIGN_OR_RETURN(const auto next, session_.try_get_notification());
    if (!next) return Status::ok();
    CAIRN_RETURN_IF_ERROR(on_notification(*next));
  }
}

Status XaResourceManager::Impl::on_notification(const tm::Notification& notification) {
  if (notification.kind == NotificationKind::kRecover) return on_recover(notification);
  if (notification.kind == NotificationKind::kLastRecover) {
    on_last_recover();
    return Status::ok();
  }
  const BranchPtr branch = find(notification.key);
  if (!branch) {
    return Status(StatusCode::kNotFound, "XA adapter: no branch for " + notification.to_string());
  }
  return begin_order(branch, notification.kind);
}

Status XaResourceManager::Impl::on_recover(const tm::Notification& notification) {
  BranchPtr branch;
  {
    const std::lock_guard lock(mutex_);
    branch = find(notification.transaction);
    // Not there: committed before, and the answer was lost.
    if (!branch) branch = add(notification.transaction);
  }
  branch->is_offered = true;
  CAIRN_ASSIGN_OR_RETURN(branch->enlistment, session_.open_enlistment(notification.enlistment));
  return branch->enlistment.recover(branch->key);
}

// Presumed abort: what is there under this manager's name and is not offered by it was never
// decided.
void XaResourceManager::Impl::on_last_recover() {
  last_recover_ = true;
  const std::lock_guard lock(mutex_);
  for (const auto& [key, branch] : branches_) {
    if (!branch->is_offered) orders_.push_back({branch, XaCall::kRollback});
  }
}

Status XaResourceManager::Impl::begin_order(const BranchPtr& branch, NotificationKind kind) {
  {
    const std::lock_guard lock(mutex_);
    branch->is_open = false;
  }
  XaCall call = XaCall::kPrepare;
  switch (kind) {
    case NotificationKind::kPrepare:
      break;
    case NotificationKind::kSinglePhaseCommit:
      call = XaCall::kCommitAlone;
      break;
    case NotificationKind::kCommit:
      call = XaCall::kCommit;
      break;
    case NotificationKind::kRollback:
      call = XaCall::kRollback;
      break;
    case NotificationKind::kInDoubt:
      branch->is_in_doubt = true;
      return Status::ok();
    default:
      return Status(StatusCode::kNotRequested,
                    "XA adapter: expected no notification but those it asked for, found " +
                        std::string(tm::notification_kind_name(kind)));
  }
  // A rollback takes the place of a vote that was still to come.
  orders_.remove_if([&](const Order& order) { return order.branch == branch; });
  orders_.push_back({branch, call});
  return Status::ok();
}

// ---- Asking

bool XaResourceManager::Impl::is_busy(const XaBranch& branch) const {
  const std::lock_guard lock(mutex_);
  return branch.is_busy;
}

// With TMUSEASYNC all that are due run at the same time.
Status XaResourceManager::Impl::run_orders() {
  const Clock::time_point now = Clock::now();
  for (auto order = orders_.begin(); order != orders_.end();) {
    bool is_over = false;
    if (order->next <= now && !is_busy(*order->branch)) {
      CAIRN_ASSIGN_OR_RETURN(is_over, run_order(*order));
    }
    order = is_over ? orders_.erase(order) : std::next(order);
  }
  for (auto order = orders_.begin(); order != orders_.end();) {
    bool is_over = false;
    if (const int handle = std::exchange(order->handle, 0); handle != 0) {
      const int code = thread_.is_open() ? thread_.complete(handle) : XAER_RMFAIL;
      CAIRN_ASSIGN_OR_RETURN(is_over, finish(*order, code));
    }
    order = is_over ? orders_.erase(order) : std::next(order);
  }
  return Status::ok();
}

Result<bool> XaResourceManager::Impl::run_order(Order& order) {
  CAIRN_ASSIGN_OR_RETURN(const bool is_over, run_without_asking(order));
  if (is_over) return true;
  if (order.next > Clock::now()) return false;
  if (!try_open()) return run_away(order);
  if (order.call == XaCall::kPrepare) order.branch->may_be_prepared = true;
  int code = XAER_ASYNC;
  if (thread_.is_asynchronous()) {
    code = thread_.call(order.call, order.branch->xid, TMASYNC);
    order.handle = std::max(code, 0);
    if (order.handle != 0) return false;
  }
  // XAER_ASYNC: it has enough of them at once.
  if (code == XAER_ASYNC) code = thread_.call(order.call, order.branch->xid);
  return finish(order, code);
}

// What follows without the resource manager.
Result<bool> XaResourceManager::Impl::run_without_asking(Order& order) {
  XaBranch& branch = *order.branch;
  const bool is_there =
      (branch.is_started || branch.may_be_prepared || branch.is_found) && !branch.is_gone;
  switch (order.call) {
    case XaCall::kPrepare:
    case XaCall::kCommitAlone:
      if (!branch.doomed) {
        // ROLLBACK follows, or is on its way already.
        static_cast<void>(branch.enlistment.rollback(branch.doomed));
        return true;
      }
      if (branch.is_started) return false;
      forget(branch);
      static_cast<void>(order.call == XaCall::kPrepare ? branch.enlistment.read_only()
                                                       : branch.enlistment.commit_complete());
      return true;
    case XaCall::kCommit:
      if (!branch.is_offered || branch.is_found) return false;
      CAIRN_RETURN_IF_ERROR(check_store(branch));
      note(recovery_.redelivered, branch);
      committed(branch);
      return true;
    case XaCall::kRollback:
      if (is_there) return false;
      rolled_back(branch);
      return true;
    case XaCall::kForget:
      if (!order.is_written) write_heuristic(order);
      if (!order.is_written || order.is_to_forget) return false;
      answer_heuristic(order);
      return true;
    default:
      return false;
  }
}

// The resource manager is away. A promise or a decision alone is not waited for.
Result<bool> XaResourceManager::Impl::run_away(Order& order) {
  if (order.call != XaCall::kPrepare && order.call != XaCall::kCommitAlone) {
    order.next = next_open_;
    return false;
  }
  static_cast<void>(order.branch->enlistment.rollback(trouble()));
  return true;
}

bool XaResourceManager::Impl::try_open() {
  if (thread_.is_open()) return true;
  const Clock::time_point now = Clock::now();
  if (now < next_open_) return false;
  Status opened = thread_.open();
  open_pause_ = opened ? std::chrono::milliseconds{1}
                       : std::min(open_pause_ * 2, std::chrono::milliseconds{500});
  next_open_ = now + open_pause_;
  const bool is_open = opened.is_ok();
  set_trouble(std::move(opened));
  return is_open;
}

bool XaResourceManager::Impl::run_one_task() {
  if (options_.workers != 0) return false;
  Task* task = nullptr;
  {
    const std::lock_guard lock(mutex_);
    if (tasks_.empty()) return false;
    task = tasks_.front();
    tasks_.pop_front();
  }
  run_task(thread_, *task);
  return true;
}

void XaResourceManager::Impl::wait() {
  std::optional<Clock::time_point> next;
  for (const Order& order : orders_) {
    if (is_busy(*order.branch)) continue;  // its client wakes
    next = std::min(next.value_or(order.next), order.next);
  }
  int limit = -1;
  if (next) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(*next - Clock::now());
    limit = static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 1000));
  }
  const auto session = session_.event_fd();
  pollfd fds[] = {{wake_fd_, POLLIN, 0}, {session ? *session : -1, POLLIN, 0}};
  if (!session) limit = 0;  // hear_all() says why
  static_cast<void>(::poll(fds, 2, limit));
  std::uint64_t count = 0;
  [[maybe_unused]] const ssize_t n = ::read(wake_fd_, &count, sizeof count);
}

}  // namespace cairn::rm
