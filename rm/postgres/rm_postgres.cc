#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <cairn/rm_postgres.h>

#include "names/branch_name.h"
#include "postgres_impl.h"

namespace cairn::rm {

PostgresResourceManager::Impl::Impl(tm::TransactionManager manager, PostgresOptions options)
    : manager_(std::move(manager)),
      options_(std::move(options)),
      pool_(manager_.id(), options_.id, options_.conninfo, options_.idle_connections) {}

// ---- Start

// Whoever was this resource manager before is stopped first, at the manager and at the server:
// after that nothing more is prepared under these names, and the list of what is prepared is whole.
Status PostgresResourceManager::Impl::open() {
  if (options_.id.is_null()) {
    return Status(StatusCode::kInvalidArgument, "PostgreSQL adapter: expected an id, found null");
  }
  wake_fd_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake_fd_ < 0) {
    return Status(StatusCode::kResourceExhausted,
                  std::string("PostgreSQL adapter: eventfd: ") + std::strerror(errno));
  }
  const Clock::time_point end = Clock::now() + options_.patience;
  std::unique_ptr<PgConnection> connection = pool_.make();
  CAIRN_RETURN_IF_ERROR(pool_.welcome(*connection, connection->wait(end)));
  CAIRN_RETURN_IF_ERROR(begin_session());
  CAIRN_RETURN_IF_ERROR(fence_backends(*connection, end));
  CAIRN_RETURN_IF_ERROR(adopt_prepared(*connection, end));
  pool_.give_back(std::move(connection));
  CAIRN_RETURN_IF_ERROR(session_.recover());
  CAIRN_RETURN_IF_ERROR(run([this] { return is_settled(); }, end));
  is_recovering_ = false;
  server_ = std::thread(&Impl::serve, this);
  return Status::ok();
}

PostgresResourceManager::Impl::~Impl() {
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

Status PostgresResourceManager::Impl::begin_session() {
  CAIRN_ASSIGN_OR_RETURN(session_, manager_.open_or_create_resource_manager(
                                       options_.id, tm::RmKind::kDurable, options_.description));
  return Status::ok();
}

Status PostgresResourceManager::Impl::fence_backends(PgConnection& connection,
                                                     Clock::time_point end) {
  constexpr std::chrono::milliseconds kLongest{50};
  for (std::chrono::milliseconds pause{1};; pause = std::min(2 * pause, kLongest)) {
    connection.send(pool_.fence(0));
    const PgReply reply = connection.wait(end);
    CAIRN_RETURN_IF_ERROR(reply.status);
    if (!reply.row.empty() && reply.row.front() == "0") return Status::ok();
    if (Clock::now() + pause > end) {
      return Status(StatusCode::kTimeout,
                    "PostgreSQL: connections of an earlier session of resource manager " +
                        options_.id.to_string() + " do not end");
    }
    std::this_thread::sleep_for(pause);
  }
}

// What this resource manager promised to this manager becomes a branch; all else is not touched.
Status PostgresResourceManager::Impl::adopt_prepared(PgConnection& connection,
                                                     Clock::time_point end) {
  connection.send(
      "SELECT coalesce(string_agg(gid, E'\\n' ORDER BY gid), '') FROM pg_prepared_xacts "
      "WHERE database = current_database()");
  const PgReply reply = connection.wait(end);
  CAIRN_RETURN_IF_ERROR(reply.status);
  const std::string names = reply.row.empty() ? "" : reply.row.front().value_or("");
  for (std::size_t at = 0, next = 0; at < names.size(); at = next + 1) {
    next = std::min(names.find('\n', at), names.size());
    adopt(names.substr(at, next - at));
  }
  return Status::ok();
}

void PostgresResourceManager::Impl::adopt(const std::string& name) {
  const auto read = BranchName::parse(name);
  if (!read || read->transaction_manager != manager_.id() ||
      read->resource_manager != options_.id) {
    recovery_.foreign.push_back(name);
    return;
  }
  const std::lock_guard lock(mutex_);
  add(read->transaction)->may_be_prepared = true;
}

// The outcomes may follow LAST_RECOVER.
bool PostgresResourceManager::Impl::is_settled() const {
  const std::lock_guard lock(mutex_);
  return last_recover_ && std::none_of(branches_.begin(), branches_.end(), [](const auto& entry) {
           const PgBranch& branch = *entry.second;
           return branch.is_orphan || (branch.is_offered && !branch.is_in_doubt);
         });
}

// ---- Clients

Status PostgresResourceManager::Impl::work(const tm::Transaction& transaction,
                                           const Function& function) {
  CAIRN_ASSIGN_OR_RETURN(const auto branch, branch_of(transaction));
  CAIRN_RETURN_IF_ERROR(enter(*branch));
  Status done =
      branch->own ? Status::ok() : Status(StatusCode::kIoError, "PostgreSQL: no connection");
  if (done) done = function(branch->own->lend());
  look_at_failure(*branch, done);
  leave(*branch);
  return done;
}

// Another client's work in the same transaction goes first.
Status PostgresResourceManager::Impl::enter(PgBranch& branch) {
  std::unique_lock lock(mutex_);
  left_.wait(lock, [&] { return !branch.in_use || !branch.is_open; });
  if (!branch.is_open) {
    return Status(StatusCode::kNotActive, "unit of work " + branch.transaction.to_string() +
                                              " takes no more work in PostgreSQL: its commit was "
                                              "asked for, or it was rolled back");
  }
  branch.in_use = true;
  return Status::ok();
}

void PostgresResourceManager::Impl::leave(PgBranch& branch) {
  const std::lock_guard lock(mutex_);
  branch.in_use = false;
  left_.notify_all();
  if (!branch.is_open) wake();  // the server waits for it
}

void PostgresResourceManager::Impl::look_at_failure(PgBranch& branch, const Status& done) {
  std::string found;
  switch (branch.own ? branch.own->transaction_status() : PQTRANS_UNKNOWN) {
    case PQTRANS_INTRANS:
      branch.failure = {};
      return;
    case PQTRANS_INERROR:
      found = "the transaction has failed";
      break;
    case PQTRANS_IDLE:
      found = "the work ended the transaction, which is not its to end";
      break;
    case PQTRANS_ACTIVE:
      found = "the work left a command unfinished";
      break;
    case PQTRANS_UNKNOWN:
      found = "the connection is lost";
      break;
  }
  if (!branch.failure) return;  // the first one is the reason
  branch.failure = done ? Status(StatusCode::kInvalidState, "PostgreSQL: " + found) : done;
}

Result<std::shared_ptr<PgBranch>> PostgresResourceManager::Impl::branch_of(
    const tm::Transaction& transaction) {
  {
    const std::lock_guard lock(mutex_);
    CAIRN_RETURN_IF_ERROR(health_);
    if (auto branch = find(transaction.id())) return branch;
  }
  CAIRN_ASSIGN_OR_RETURN(auto own, begin());
  const std::lock_guard lock(mutex_);
  CAIRN_RETURN_IF_ERROR(health_);
  // Two clients may begin at once: the second one's connection is closed.
  if (auto branch = find(transaction.id())) return branch;
  // A notification may come before enlist() returns: its key leads to the branch already, and the
  // server, which needs the mutex, finds the enlistment there too.
  const auto branch = add(transaction.id());
  branch->own = std::move(own);
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
Result<std::unique_ptr<PgConnection>> PostgresResourceManager::Impl::begin() {
  const Clock::time_point end = Clock::now() + options_.patience;
  while (true) {
    std::unique_ptr<PgConnection> own = pool_.take();
    const bool is_new = own->owes_reply();
    if (is_new) {
      if (Status welcome = pool_.welcome(*own, own->wait(end)); !welcome) {
        pool_.note(welcome);
        return welcome;
      }
    }
    own->send(options_.begin);
    const PgReply begun = own->wait(end);
    if (begun.is_lost && !is_new) continue;
    CAIRN_RETURN_IF_ERROR(begun.status);
    if (own->transaction_status() == PQTRANS_INTRANS) return own;
    return Status(
        StatusCode::kInvalidArgument,
        "PostgreSQL adapter: expected PostgresOptions::begin to begin a transaction, found '" +
            options_.begin + "'");
  }
}

Status PostgresResourceManager::Impl::health() const {
  const std::lock_guard lock(mutex_);
  return health_;
}

// ---- Branches

std::shared_ptr<PgBranch> PostgresResourceManager::Impl::add(const Uuid& transaction) {
  auto branch = std::make_shared<PgBranch>();
  branch->key = next_key_++;
  branch->transaction = transaction;
  branch->name = BranchName{manager_.id(), options_.id, transaction}.to_string();
  branches_.emplace(branch->key, branch);
  return branch;
}

std::shared_ptr<PgBranch> PostgresResourceManager::Impl::find(const Uuid& transaction) const {
  const auto found = std::find_if(branches_.begin(), branches_.end(), [&](const auto& entry) {
    return entry.second->transaction == transaction;
  });
  return found == branches_.end() ? nullptr : found->second;
}

std::shared_ptr<PgBranch> PostgresResourceManager::Impl::find(std::uint64_t key) const {
  const std::lock_guard lock(mutex_);
  const auto found = branches_.find(key);
  return found == branches_.end() ? nullptr : found->second;
}

void PostgresResourceManager::Impl::forget(PgBranch& branch) {
  const std::lock_guard lock(mutex_);
  branch.is_open = false;
  branches_.erase(branch.key);
  left_.notify_all();
}

void PostgresResourceManager::Impl::wake() const {
  const std::uint64_t one = 1;
  if (wake_fd_ >= 0) static_cast<void>(!::write(wake_fd_, &one, sizeof one));
}

// ---- The public face

PostgresResourceManager::PostgresResourceManager(std::unique_ptr<Impl> impl)
    : impl_(std::move(impl)) {}
PostgresResourceManager::~PostgresResourceManager() = default;

Result<std::unique_ptr<PostgresResourceManager>> PostgresResourceManager::open(
    tm::TransactionManager manager, PostgresOptions options) {
  auto impl = std::make_unique<Impl>(std::move(manager), std::move(options));
  CAIRN_RETURN_IF_ERROR(impl->open());
  return std::unique_ptr<PostgresResourceManager>(new PostgresResourceManager(std::move(impl)));
}

Status PostgresResourceManager::work(const tm::Transaction& transaction, const Function& function) {
  return impl_->work(transaction, function);
}
const PostgresRecovery& PostgresResourceManager::recovery() const { return impl_->recovery(); }
Status PostgresResourceManager::health() const { return impl_->health(); }
Status PostgresResourceManager::trouble() const { return impl_->trouble(); }

}  // namespace cairn::rm
