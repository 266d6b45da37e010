// The server's side of the adapter: one thread hears the manager, drives all orders through the
// server at once, and answers. It waits for nothing but events.
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <span>
#include <utility>

#include "postgres_impl.h"
#include "promise.h"

namespace cairn::rm {

using tm::NotificationKind;

namespace {

constexpr std::ptrdiff_t kMaxBorrowed = 16;  // connections that carry outcomes at a time

}  // namespace

void PostgresResourceManager::Impl::serve() {
  Status why = run([this] { return stopping_.load(); }, std::nullopt);
  if (why) why = Status(StatusCode::kClosed, "the PostgreSQL adapter was closed");
  end_session(std::move(why));
}

// Without a session the manager rolls back what was not promised, and keeps the outcome of what
// was. What was not promised loses its connections: the server rolls it back.
void PostgresResourceManager::Impl::end_session(Status why) {
  orders_.clear();
  BranchMap branches;
  {
    const std::lock_guard lock(mutex_);
    // The committers learn why. A session that has ended already has nobody to tell.
    static_cast<void>(session_.disconnect(why));
    health_ = std::move(why);
    session_ = {};
    branches = std::exchange(branches_, {});
    for (auto& [key, branch] : branches) branch->is_open = false;
    left_.notify_all();
  }
  // One that a client is in lives until the client leaves.
  branches.clear();
}

Status PostgresResourceManager::Impl::run(const std::function<bool()>& is_over,
                                          std::optional<Clock::time_point> end) {
  while (true) {
    CAIRN_RETURN_IF_ERROR(hear_all());
    CAIRN_RETURN_IF_ERROR(advance_all());
    if (is_over()) return Status::ok();
    if (end && Clock::now() >= *end) {
      const Status trouble = pool_.trouble();
      return Status(StatusCode::kTimeout,
                    "PostgreSQL adapter: outcomes are owed still" +
                        (trouble ? "" : "; the last trouble: " + trouble.to_string()));
    }
    CAIRN_RETURN_IF_ERROR(wait(end));
  }
}

Status PostgresResourceManager::Impl::hear_all() {
  while (true) {
    CAIRN_ASSIGN_OR_RETURN(const auto next, session_.try_get_notification());
    if (!next) return Status::ok();
    CAIRN_RETURN_IF_ERROR(on_notification(*next));
  }
}

Status PostgresResourceManager::Impl::advance_all() {
  for (bool any = true; any;) {  // one that ends gives others its connection, or begins the next
    any = false;
    auto borrowed = std::count_if(orders_.begin(), orders_.end(),
                                  [](const Order& order) { return order.has_borrowed(); });
    for (auto next = orders_.begin(); next != orders_.end();) {
      const auto order = next++;
      borrowed -= order->has_borrowed() ? 1 : 0;
      const bool has_ended = order->advance(pool_, borrowed < kMaxBorrowed);
      borrowed += order->has_borrowed() ? 1 : 0;
      if (!has_ended) continue;
      any = true;
      order->release(pool_);
      std::list<Order> ended;
      ended.splice(ended.end(), orders_, order);
      CAIRN_RETURN_IF_ERROR(finish(ended.front()));
    }
  }
  return Status::ok();
}

Status PostgresResourceManager::Impl::wait(std::optional<Clock::time_point> end) {
  CAIRN_ASSIGN_OR_RETURN(const int session, session_.event_fd());
  std::vector<pollfd> all{{session, POLLIN, 0}, {wake_fd_, POLLIN, 0}};
  for (const Order& order : orders_) {
    if (const auto on = order.waits_for()) all.push_back(*on);
    const auto until = order.waits_until();
    if (until && (!end || *until < *end)) end = until;
  }
  int limit = -1;
  if (end) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(*end - Clock::now()).count();
    limit = static_cast<int>(std::clamp<long>(left, 0, 60000));
  }
  if (::poll(all.data(), all.size(), limit) < 0 && errno != EINTR && errno != EAGAIN) {
    return Status(StatusCode::kIoError, "PostgreSQL adapter: poll failed");
  }
  std::uint64_t count = 0;
  static_cast<void>(!::read(wake_fd_, &count, sizeof count));
  return Status::ok();
}

Status PostgresResourceManager::Impl::on_notification(const tm::Notification& notification) {
  if (notification.kind == NotificationKind::kRecover) return on_recover(notification);
  if (notification.kind == NotificationKind::kLastRecover) {
    on_last_recover();
    return Status::ok();
  }
  const auto branch = find(notification.key);
  if (!branch) {
    return Status(StatusCode::kNotFound,
                  "PostgreSQL adapter: no branch for " + notification.to_string());
  }
  switch (notification.kind) {
    case NotificationKind::kPrepare:
    case NotificationKind::kSinglePhaseCommit:
    case NotificationKind::kCommit:
    case NotificationKind::kRollback: {
      {
        const std::lock_guard lock(mutex_);
        branch->is_open = false;
        left_.notify_all();
      }
      const auto order = std::find_if(orders_.begin(), orders_.end(), [&](const Order& one) {
        return &one.branch() == branch.get();
      });
      if (order == orders_.end()) {
        begin_order(branch, notification.kind);
      } else if (!order->turn_back()) {  // a rollback while it votes
        branch->next = notification.kind;
      }
      return Status::ok();
    }
    case NotificationKind::kInDoubt: {
      const std::lock_guard lock(mutex_);
      branch->is_in_doubt = true;
      return Status::ok();
    }
    default:
      return Status(StatusCode::kNotRequested,
                    "PostgreSQL adapter: expected no notification but those it asked for, found " +
                        notification.to_string());
  }
}

// What it promised, and who was promised it, is read before anything is concluded from the list of
// what is prepared here.
Status PostgresResourceManager::Impl::on_recover(const tm::Notification& notification) {
  CAIRN_ASSIGN_OR_RETURN(auto enlistment, session_.open_enlistment(notification.enlistment));
  CAIRN_ASSIGN_OR_RETURN(const auto bytes, enlistment.recovery_information());
  const std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const auto promise = Promise::parse(text);
  if (!promise || promise->place != pool_.identity()) {
    return Status(StatusCode::kIdentityMismatch,
                  "PostgreSQL: unit of work " + notification.transaction.to_string() +
                      " was promised as '" + text + "', found server and database " +
                      pool_.identity().to_string());
  }
  std::shared_ptr<PgBranch> branch;
  {
    const std::lock_guard lock(mutex_);
    branch = find(notification.transaction);
    // Not there: ended before the crash, and the answer was lost.
    if (!branch) branch = add(notification.transaction);
    branch->is_offered = true;
  }
  branch->may_be_prepared = true;
  branch->transaction_id = promise->transaction_id;
  branch->enlistment = std::move(enlistment);
  return branch->enlistment.recover(branch->key);
}

// Presumed abort: what was promised to this manager and is not offered by it was never decided.
void PostgresResourceManager::Impl::on_last_recover() {
  last_recover_ = true;
  const std::lock_guard lock(mutex_);
  for (const auto& [key, branch] : branches_) {
    if (branch->is_offered || !branch->may_be_prepared) continue;
    branch->is_orphan = true;
    orders_.emplace_back(branch, Step::kRollBack);
  }
}

void PostgresResourceManager::Impl::begin_order(const std::shared_ptr<PgBranch>& branch,
                                                NotificationKind kind) {
  Step first = Step::kRolledBack;  // nothing is left to be rolled back
  if (kind == NotificationKind::kPrepare) {
    first = Step::kAskId;
  } else if (kind == NotificationKind::kSinglePhaseCommit) {
    first = Step::kAskIdAlone;
  } else if (kind == NotificationKind::kCommit) {
    first = Step::kCommit;
  } else if (branch->may_be_prepared) {
    first = Step::kFence;
  } else if (branch->own || branch->in_use) {
    first = Step::kCancel;
  }
  orders_.emplace_back(branch, first);
}

// Tells the manager. An answer that nobody wants any more is no error: the transaction was rolled
// back meanwhile, and ROLLBACK is on its way; or the session ended, which shows at the next wait.
Status PostgresResourceManager::Impl::finish(const Order& order) {
  PgBranch& branch = order.branch();
  if (branch.own &&
      (order.step() != Step::kRefused || branch.own->transaction_status() == PQTRANS_IDLE)) {
    pool_.give_back(std::move(branch.own));
    branch.own.reset();
  }
  switch (order.step()) {
    case Step::kPromised:
      promise(branch);
      break;
    case Step::kReadOnly:
      static_cast<void>(branch.enlistment.read_only());
      forget(branch);
      return Status::ok();
    case Step::kCommitted:
      note(order.was_done_before() ? recovery_.redelivered : recovery_.committed, branch);
      static_cast<void>(branch.enlistment.commit_complete());
      forget(branch);
      return Status::ok();
    case Step::kRolledBack:
      note(recovery_.aborted, branch);
      if (!branch.is_orphan) static_cast<void>(branch.enlistment.rollback_complete());
      forget(branch);
      return Status::ok();
    case Step::kRefused: {
      const Status nothing(StatusCode::kInvalidState, "PostgreSQL: the branch cannot commit");
      static_cast<void>(branch.enlistment.rollback(order.why() ? nothing : order.why()));
      break;
    }
    case Step::kUntold:
      // The last reference to an enlistment that decides alone: the outcome is unknown.
      branch.enlistment = {};
      forget(branch);
      return Status::ok();
    default:
      return order.why();  // kBroken
  }
  if (const auto next = std::exchange(branch.next, std::nullopt)) {
    begin_order(order.shared_branch(), *next);
  }
  return Status::ok();
}

void PostgresResourceManager::Impl::promise(PgBranch& branch) {
  const std::string text = Promise{pool_.identity(), branch.transaction_id}.to_string();
  const Status told =
      branch.enlistment.prepare_complete(std::as_bytes(std::span(text.data(), text.size())));
  if (!told) static_cast<void>(branch.enlistment.rollback(told));
}

// open() waits for each offered branch but those in doubt: what is noted here is complete when it
// returns.
void PostgresResourceManager::Impl::note(std::vector<Uuid>& list, const PgBranch& branch) {
  if (is_recovering_ && (branch.is_offered || branch.is_orphan)) {
    list.push_back(branch.transaction);
  }
}

}  // namespace cairn::rm
