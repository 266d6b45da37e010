// SqlAdapter: the server's side. One thread hears the manager, drives all orders through the
// database server at once, and answers. It waits for nothing but events. For the sources of a
// database's adapter.
#ifndef CAIRN_RM_SQL_SQL_SERVER_H_
#define CAIRN_RM_SQL_SQL_SERVER_H_

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <span>
#include <utility>

#include "sql/sql_adapter.h"

namespace cairn::rm {

inline constexpr std::ptrdiff_t kMaxBorrowed = 16;  // connections that carry outcomes at a time

template <class Db>
void SqlAdapter<Db>::serve() {
  Status why = run([this] { return stopping_.load(); }, std::nullopt);
  if (why)
    why = Status(StatusCode::kClosed, std::string("the ") + Db::kName + " adapter was closed");
  end_session(std::move(why));
}

// Without a session the manager rolls back what was not promised, and keeps the outcome of what
// was. What was not promised loses its connections: the server rolls it back.
template <class Db>
void SqlAdapter<Db>::end_session(Status why) {
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

template <class Db>
Status SqlAdapter<Db>::run(const std::function<bool()>& is_over,
                           std::optional<Clock::time_point> end) {
  while (true) {
    CAIRN_RETURN_IF_ERROR(hear_all());
    sweep();
    CAIRN_RETURN_IF_ERROR(advance_all());
    if (is_over()) return Status::ok();
    if (end && Clock::now() >= *end) {
      const Status trouble = pool_.trouble();
      return Status(StatusCode::kTimeout,
                    std::string(Db::kName) + " adapter: outcomes are owed still" +
                        (trouble ? "" : "; the last trouble: " + trouble.to_string()));
    }
    CAIRN_RETURN_IF_ERROR(wait(end));
  }
}

template <class Db>
Status SqlAdapter<Db>::hear_all() {
  while (true) {
    CAIRN_ASSIGN_OR_RETURN(const auto next, session_.try_get_notification());
    if (!next) return Status::ok();
    CAIRN_RETURN_IF_ERROR(on_notification(*next));
  }
}

template <class Db>
Status SqlAdapter<Db>::advance_all() {
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

template <class Db>
Status SqlAdapter<Db>::wait(std::optional<Clock::time_point> end) {
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
    return Status(StatusCode::kIoError, std::string(Db::kName) + " adapter: poll failed");
  }
  std::uint64_t count = 0;
  static_cast<void>(!::read(wake_fd_, &count, sizeof count));
  return Status::ok();
}

template <class Db>
Status SqlAdapter<Db>::on_notification(const tm::Notification& notification) {
  if (notification.kind == tm::NotificationKind::kRecover) return on_recover(notification);
  if (notification.kind == tm::NotificationKind::kLastRecover) {
    on_last_recover();
    return Status::ok();
  }
  const auto branch = find(notification.key);
  // It has left while the rollback was on its way: it held nothing any more.
  if (!branch && notification.kind == tm::NotificationKind::kRollback) return Status::ok();
  if (!branch) {
    return Status(StatusCode::kNotFound,
                  std::string(Db::kName) + " adapter: no branch for " + notification.to_string());
  }
  switch (notification.kind) {
    case tm::NotificationKind::kPrepare:
    case tm::NotificationKind::kSinglePhaseCommit:
    case tm::NotificationKind::kCommit:
    case tm::NotificationKind::kRollback: {
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
    case tm::NotificationKind::kInDoubt: {
      const std::lock_guard lock(mutex_);
      branch->is_in_doubt = true;
      return Status::ok();
    }
    default:
      return Status(StatusCode::kNotRequested,
                    std::string(Db::kName) +
                        " adapter: expected no notification but those it asked for, found " +
                        notification.to_string());
  }
}

// What it promised, and who was promised it, is read before anything is concluded from the list of
// what is prepared here.
template <class Db>
Status SqlAdapter<Db>::on_recover(const tm::Notification& notification) {
  CAIRN_ASSIGN_OR_RETURN(auto enlistment, session_.open_enlistment(notification.enlistment));
  CAIRN_ASSIGN_OR_RETURN(const auto bytes, enlistment.recovery_information());
  const std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const auto name =
      Db::offered(text, manager_.id(), options_.id, notification.transaction, pool_.identity());
  if (!name) {
    return Status(StatusCode::kIdentityMismatch,
                  std::string(Db::kName) + ": unit of work " +
                      notification.transaction.to_string() + " was promised as '" + text +
                      "', found server and database " + pool_.identity().to_string());
  }
  BranchPointer branch;
  {
    const std::lock_guard lock(mutex_);
    branch = find_named(*name);
    if (!branch) {  // ended before the crash, and the answer was lost
      branch = make_branch(notification.transaction);
      branch->name = *name;
      add(branch);
    }
    branch->is_offered = true;
  }
  branch->may_be_prepared = true;
  Db::recall(*branch, text);
  branch->enlistment = std::move(enlistment);
  return branch->enlistment.recover(branch->key);
}

// Presumed abort: what was promised to this manager and is not offered by it was never decided.
template <class Db>
void SqlAdapter<Db>::on_last_recover() {
  last_recover_ = true;
  const std::lock_guard lock(mutex_);
  for (const auto& [key, branch] : branches_) {
    if (branch->is_offered || !branch->may_be_prepared) continue;
    branch->is_orphan = true;
    orders_.emplace_back(branch, Db::kOrphan);
  }
}

template <class Db>
void SqlAdapter<Db>::begin_order(const BranchPointer& branch, tm::NotificationKind kind) {
  orders_.emplace_back(branch, Db::first(kind, *branch));
}

// Tells the manager. An answer that nobody wants any more is no error: the transaction was rolled
// back meanwhile, and ROLLBACK is on its way; or the session ended, which shows at the next wait. A
// branch is gone before its last answer is given: the unit of work may begin again at once.
template <class Db>
Status SqlAdapter<Db>::finish(const Order& order) {
  Branch& branch = order.branch();
  if (branch.own && !Db::keeps_own(order.end(), branch)) {
    pool_.give_back(std::move(branch.own));
    branch.own.reset();
  }
  switch (order.end()) {
    case OrderEnd::kPromised:
      promise(branch);
      break;
    case OrderEnd::kReadOnly:
      forget(branch);
      static_cast<void>(branch.enlistment.read_only());
      return Status::ok();
    case OrderEnd::kCommitted:
    case OrderEnd::kCommittedBefore:
      note(order.end() == OrderEnd::kCommitted ? recovery_.committed : recovery_.redelivered,
           branch);
      forget(branch);
      static_cast<void>(branch.enlistment.commit_complete());
      if (Db::kMarkers) markers_.add(branch.transaction, branch.name);
      return Status::ok();
    case OrderEnd::kRolledBack:
      note(recovery_.aborted, branch);
      forget(branch);
      if (!branch.is_orphan) static_cast<void>(branch.enlistment.rollback_complete());
      return Status::ok();
    case OrderEnd::kRefused: {
      const Status nothing(StatusCode::kInvalidState,
                           std::string(Db::kName) + ": the branch cannot commit");
      static_cast<void>(branch.enlistment.rollback(order.why() ? nothing : order.why()));
      break;
    }
    case OrderEnd::kUntold:
      // The last reference to an enlistment that decides alone: the outcome is unknown.
      forget(branch);
      branch.enlistment = {};
      return Status::ok();
    case OrderEnd::kDone:
      return Status::ok();
    case OrderEnd::kBroken:
      return order.why();
  }
  if (const auto next = std::exchange(branch.next, std::nullopt)) {
    begin_order(order.shared_branch(), *next);
  }
  return Status::ok();
}

template <class Db>
void SqlAdapter<Db>::promise(Branch& branch) {
  const std::string text = Db::promise(branch, pool_.identity());
  const Status told =
      branch.enlistment.prepare_complete(std::as_bytes(std::span(text.data(), text.size())));
  if (!told) static_cast<void>(branch.enlistment.rollback(told));
}

// Clears away what proves commits that are forgotten. A crash in between leaves it to the next
// opening.
template <class Db>
void SqlAdapter<Db>::sweep() {
  if constexpr (Db::kMarkers) {
    if (is_recovering_ || !markers_.is_due()) return;
    const std::vector<std::string> names = markers_.take_free(manager_);
    if (!names.empty()) orders_.emplace_back(Db::clearing(names), Db::kClear);
  }
}

// open() waits for each offered branch but those in doubt: what is noted here is complete when it
// returns.
template <class Db>
void SqlAdapter<Db>::note(std::vector<Uuid>& list, const Branch& branch) {
  if (is_recovering_ && (branch.is_offered || branch.is_orphan)) {
    list.push_back(branch.transaction);
  }
}

}  // namespace cairn::rm

#endif  // CAIRN_RM_SQL_SQL_SERVER_H_
