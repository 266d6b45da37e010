// SqlAdapter: its start and its clients' side. For the sources of a database's adapter.
#ifndef CAIRN_RM_SQL_SQL_CLIENTS_H_
#define CAIRN_RM_SQL_SQL_CLIENTS_H_

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "sql/sql_adapter.h"

namespace cairn::rm {

template <class Db>
SqlAdapter<Db>::SqlAdapter(tm::TransactionManager manager, Options options)
    : manager_(std::move(manager)), options_(std::move(options)), pool_(manager_.id(), options_) {}

// ---- Start

// Whoever was this resource manager before is stopped first, at the manager and at the server:
// after that nothing more is prepared under these names, and the list of what is prepared is whole.
template <class Db>
Status SqlAdapter<Db>::open() {
  if (options_.id.is_null()) {
    return Status(StatusCode::kInvalidArgument,
                  std::string(Db::kName) + " adapter: expected an id, found null");
  }
  wake_fd_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake_fd_ < 0) {
    return Status(StatusCode::kResourceExhausted,
                  std::string(Db::kName) + " adapter: eventfd: " + std::strerror(errno));
  }
  const Clock::time_point end = Clock::now() + options_.patience;
  CAIRN_ASSIGN_OR_RETURN(std::unique_ptr<Connection> connection, Db::first_connection(pool_, end));
  CAIRN_RETURN_IF_ERROR(begin_session());
  CAIRN_RETURN_IF_ERROR(fence_connections(*connection, end));
  CAIRN_RETURN_IF_ERROR(adopt_prepared(*connection, end));
  pool_.give_back(std::move(connection));
  CAIRN_RETURN_IF_ERROR(session_.recover());
  CAIRN_RETURN_IF_ERROR(run([this] { return is_settled(); }, end));
  is_recovering_ = false;
  server_ = std::thread(&SqlAdapter::serve, this);
  return Status::ok();
}

template <class Db>
SqlAdapter<Db>::~SqlAdapter() {
  stopping_ = true;
  wake();
  if (server_.joinable()) server_.join();
  orders_.clear();
  {
    const std::lock_guard lock(mutex_);
    for (auto& [key, branch] : branches_) branch->is_open = false;
    left_.notify_all();
  }
  if (wake_fd_ >= 0) ::close(wake_fd_);
}

template <class Db>
Status SqlAdapter<Db>::begin_session() {
  CAIRN_ASSIGN_OR_RETURN(session_, manager_.open_or_create_resource_manager(
                                       options_.id, tm::RmKind::kDurable, options_.description));
  return Status::ok();
}

template <class Db>
Status SqlAdapter<Db>::fence_connections(Connection& connection, Clock::time_point end) {
  constexpr std::chrono::milliseconds kLongest{50};
  for (std::chrono::milliseconds pause{1};; pause = std::min(2 * pause, kLongest)) {
    CAIRN_ASSIGN_OR_RETURN(const bool is_alone, Db::fence(connection, pool_, end));
    if (is_alone) return Status::ok();
    if (Clock::now() + pause > end) {
      return Status(StatusCode::kTimeout,
                    std::string(Db::kName) +
                        ": connections of an earlier session of resource manager " +
                        options_.id.to_string() + " do not end");
    }
    std::this_thread::sleep_for(pause);
  }
}

// What this resource manager promised to this manager becomes a branch; all else is not touched.
template <class Db>
Status SqlAdapter<Db>::adopt_prepared(Connection& connection, Clock::time_point end) {
  CAIRN_ASSIGN_OR_RETURN(const std::vector<std::string> names, Db::list(connection, end));
  for (const std::string& name : names) adopt(name);
  if constexpr (Db::kMarkers) {
    CAIRN_ASSIGN_OR_RETURN(const auto markers, Db::markers(connection, pool_, end));
    for (const auto& [transaction, name] : markers) markers_.add(transaction, name);
    if (!markers.empty()) markers_.make_due();
  }
  return Status::ok();
}

template <class Db>
void SqlAdapter<Db>::adopt(const std::string& name) {
  const std::optional<Uuid> transaction = Db::own(name, manager_.id(), options_.id);
  if (!transaction) {
    recovery_.foreign.push_back(name);
    return;
  }
  const std::lock_guard lock(mutex_);
  const BranchPointer branch = make_branch(*transaction);
  branch->name = name;
  branch->may_be_prepared = true;
  add(branch);
}

// The outcomes may follow LAST_RECOVER.
template <class Db>
bool SqlAdapter<Db>::is_settled() const {
  const std::lock_guard lock(mutex_);
  return last_recover_ && std::none_of(branches_.begin(), branches_.end(), [](const auto& entry) {
           const Branch& branch = *entry.second;
           return branch.is_orphan || (branch.is_offered && !branch.is_in_doubt);
         });
}

// ---- Clients

template <class Db>
Status SqlAdapter<Db>::work(const tm::Transaction& transaction, const Function& function,
                            SqlAccess access) {
  if (!function) {
    return Status(StatusCode::kInvalidArgument,
                  std::string(Db::kName) + ": expected work, found none");
  }
  CAIRN_ASSIGN_OR_RETURN(const auto branch, branch_of(transaction, access));
  CAIRN_RETURN_IF_ERROR(enter(*branch));
  Status done = Db::may_enter(*branch, access);
  if (done && !branch->own) {
    done = Status(StatusCode::kIoError, std::string(Db::kName) + ": no connection");
  }
  if (done) {
    done = function(branch->own->lend());
    Db::look_at_failure(*branch, done);
  }
  leave(*branch);
  return done;
}

// Another client's work in the same transaction goes first.
template <class Db>
Status SqlAdapter<Db>::enter(Branch& branch) {
  std::unique_lock lock(mutex_);
  left_.wait(lock, [&] { return !branch.in_use || !branch.is_open; });
  if (!branch.is_open) {
    return Status(StatusCode::kNotActive, "unit of work " + branch.transaction.to_string() +
                                              " takes no more work in " + Db::kName +
                                              ": its commit was asked for, or it was rolled back");
  }
  branch.in_use = true;
  return Status::ok();
}

template <class Db>
void SqlAdapter<Db>::leave(Branch& branch) {
  const std::lock_guard lock(mutex_);
  branch.in_use = false;
  left_.notify_all();
  if (!branch.is_open) wake();  // the server waits for it
}

template <class Db>
Result<std::shared_ptr<typename Db::Branch>> SqlAdapter<Db>::branch_of(
    const tm::Transaction& transaction, SqlAccess access) {
  BranchPointer branch;
  {
    const std::lock_guard lock(mutex_);
    CAIRN_RETURN_IF_ERROR(health_);
    if (auto found = find_unit(transaction.id())) return found;
    branch = make_branch(transaction.id());
  }
  CAIRN_ASSIGN_OR_RETURN(branch->own, begin(*branch, access));
  const std::lock_guard lock(mutex_);
  CAIRN_RETURN_IF_ERROR(health_);
  // Two clients may begin at once: the second one's connection is closed.
  if (auto found = find_unit(transaction.id())) return found;
  // A notification may come before enlist() returns: its key leads to the branch already, and the
  // server, which needs the mutex, finds the enlistment there too.
  add(branch);
  branch->is_open = true;
  auto enlistment = session_.enlist(transaction, tm::kTwoOrSinglePhase, branch->key);
  if (!enlistment) {
    branch->is_open = false;
    branches_.erase(branch->key);
    return enlistment.status();
  }
  branch->enlistment = *enlistment;
  return branch;
}

// A connection that lay idle may be dead by now. Nothing was done on it yet: another one is tried.
template <class Db>
Result<std::unique_ptr<typename Db::Connection>> SqlAdapter<Db>::begin(Branch& branch,
                                                                       SqlAccess access) {
  const Clock::time_point end = Clock::now() + options_.patience;
  while (true) {
    std::unique_ptr<Connection> own = pool_.take();
    const bool is_new = own->owes_reply();
    if (is_new) {
      if (Status welcome = pool_.welcome(*own, own->wait(end)); !welcome) {
        pool_.note(welcome);
        return welcome;
      }
    }
    const typename Db::Reply begun = Db::begin(*own, options_, branch, access, end);
    if (begun.is_lost && !is_new) continue;
    CAIRN_RETURN_IF_ERROR(begun.status);
    return own;
  }
}

template <class Db>
Status SqlAdapter<Db>::health() const {
  const std::lock_guard lock(mutex_);
  return health_;
}

// ---- Branches

template <class Db>
std::shared_ptr<typename Db::Branch> SqlAdapter<Db>::make_branch(const Uuid& transaction) {
  auto branch = std::make_shared<Branch>();
  branch->key = next_key_++;
  branch->transaction = transaction;
  branch->name = Db::new_name(manager_.id(), options_.id, transaction);
  return branch;
}

template <class Db>
void SqlAdapter<Db>::add(const BranchPointer& branch) {
  branches_.emplace(branch->key, branch);
}

template <class Db>
std::shared_ptr<typename Db::Branch> SqlAdapter<Db>::find_unit(const Uuid& transaction) const {
  const auto found = std::find_if(branches_.begin(), branches_.end(), [&](const auto& entry) {
    return entry.second->transaction == transaction;
  });
  return found == branches_.end() ? nullptr : found->second;
}

template <class Db>
std::shared_ptr<typename Db::Branch> SqlAdapter<Db>::find_named(const std::string& name) const {
  const auto found = std::find_if(branches_.begin(), branches_.end(),
                                  [&](const auto& entry) { return entry.second->name == name; });
  return found == branches_.end() ? nullptr : found->second;
}

template <class Db>
std::shared_ptr<typename Db::Branch> SqlAdapter<Db>::find(std::uint64_t key) const {
  const std::lock_guard lock(mutex_);
  const auto found = branches_.find(key);
  return found == branches_.end() ? nullptr : found->second;
}

template <class Db>
void SqlAdapter<Db>::forget(Branch& branch) {
  const std::lock_guard lock(mutex_);
  branch.is_open = false;
  branches_.erase(branch.key);
  left_.notify_all();
}

template <class Db>
void SqlAdapter<Db>::wake() const {
  const std::uint64_t one = 1;
  if (wake_fd_ >= 0) static_cast<void>(!::write(wake_fd_, &one, sizeof one));
}

}  // namespace cairn::rm

#endif  // CAIRN_RM_SQL_SQL_CLIENTS_H_
