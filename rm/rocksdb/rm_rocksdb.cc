#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <utility>

#include <rocksdb/utilities/write_batch_with_index.h>

#include <cairn/rm_rocksdb.h>

#include "names/branch_name.h"

namespace cairn::rm {
namespace {

using tm::NotificationKind;

constexpr std::size_t kBatch = 256;  // notifications that share one sync
constexpr std::chrono::milliseconds kStopCheck{20};

std::span<const std::byte> to_bytes(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

}  // namespace

Status from_rocksdb(const rocksdb::Status& status) {
  if (status.ok()) return Status::ok();
  StatusCode code = StatusCode::kInvalidState;
  if (status.IsBusy() || status.IsTimedOut()) {
    code = StatusCode::kLocked;
  } else if (status.IsNotFound()) {
    code = StatusCode::kNotFound;
  } else if (status.IsInvalidArgument()) {
    code = StatusCode::kInvalidArgument;
  } else if (status.IsNotSupported()) {
    code = StatusCode::kNotSupported;
  } else if (status.IsCorruption()) {
    code = StatusCode::kCorrupt;
  } else if (status.IsNoSpace()) {
    code = StatusCode::kNoSpace;
  } else if (status.IsIOError()) {
    code = StatusCode::kIoError;
  }
  return Status(code, "RocksDB: " + status.ToString());
}

class RocksDbResourceManager::Impl {
 public:
  Impl(rocksdb::TransactionDB& db, tm::TransactionManager manager, RocksDbOptions options)
      : db_(db), manager_(std::move(manager)), options_(std::move(options)) {}
  ~Impl();

  [[nodiscard]] Status open();
  [[nodiscard]] Status work(const tm::Transaction& transaction, const Function& function);
  [[nodiscard]] const RocksDbRecovery& recovery() const { return recovery_; }
  [[nodiscard]] Status health() const;

 private:
  struct Branch {
    std::uint64_t key = 0;  // by which the manager names it
    Uuid transaction;
    std::string found_use;  // BranchUse::use, where it was found prepared
    tm::Enlistment enlistment;
    // Null: the manager offered a branch that the database no longer has.
    std::unique_ptr<rocksdb::Transaction> rocks;
    std::mutex use;                // of `rocks`, by one client or by the server
    bool is_open = false;          // takes more work
    bool may_be_prepared = false;  // in RocksDB's log; stays there when this object goes
    bool is_offered = false;       // the manager offered it at recovery
    bool is_in_doubt = false;      // offered, and the manager itself waits for the outcome
  };
  // Shared, because a client may be inside work() when the branch ends.
  using BranchMap = std::map<std::uint64_t, std::shared_ptr<Branch>>;  // by Branch::key
  enum class Verb : std::uint8_t { kPrepared, kReadOnly, kCommitted, kRolledBack };
  struct Answer {
    Verb verb;
    tm::Enlistment enlistment;
  };

  [[nodiscard]] Status adopt_prepared();
  [[nodiscard]] Status begin_session();
  [[nodiscard]] Status settle();
  [[nodiscard]] bool is_settled() const;

  void serve();
  void end_session(Status why);
  [[nodiscard]] Status handle(const std::vector<tm::Notification>& batch);
  [[nodiscard]] Status on_notification(const tm::Notification& notification);
  [[nodiscard]] Status on_recover(const tm::Notification& notification);
  [[nodiscard]] Status on_last_recover();
  [[nodiscard]] Status on_prepare(Branch& branch);
  [[nodiscard]] Status on_commit(Branch& branch);
  [[nodiscard]] Status on_rollback(Branch& branch);
  [[nodiscard]] Status check_database(const Branch& branch) const;
  static void note(std::vector<Uuid>& list, const Branch& branch);
  void give(const Answer& answer) const;

  [[nodiscard]] Result<std::shared_ptr<Branch>> branch_of(const tm::Transaction& transaction);
  [[nodiscard]] Result<std::unique_ptr<rocksdb::Transaction>> begin();
  [[nodiscard]] BranchUse use_of(const Uuid& transaction, const Uuid& enlistment) const {
    return BranchUse::of({manager_.id(), options_.id, transaction}, enlistment);
  }
  // REQUIRES: the mutex is held, for these three; the next two take it.
  std::shared_ptr<Branch> add(const Uuid& transaction);
  [[nodiscard]] std::shared_ptr<Branch> find(const Uuid& transaction) const;
  [[nodiscard]] std::shared_ptr<Branch> find_use(const BranchUse& name) const;
  [[nodiscard]] std::shared_ptr<Branch> find(std::uint64_t key) const;
  void forget(const Branch& branch);

  rocksdb::TransactionDB& db_;
  tm::TransactionManager manager_;
  const RocksDbOptions options_;
  std::string db_identity_;         // RocksDB's own id of the database
  std::vector<BranchName> others_;  // prepared for other managers and adapters
  RocksDbRecovery recovery_;        // constant from the moment open() returns
  bool last_recover_ = false;       // seen
  std::vector<Answer> answers_;     // owed when the write-ahead log is synced; the server's own
  bool sync_due_ = false;           // an answer rests on it; the server's own
  std::atomic<bool> stopping_ = false;

  mutable std::mutex mutex_;  // guards all below; never held while RocksDB reads or writes
  tm::ResourceManager session_;
  Status health_;
  BranchMap branches_;
  std::uint64_t next_key_ = 1;

  std::thread server_;
};

// ---- Start

Status RocksDbResourceManager::Impl::open() {
  if (options_.id.is_null()) {
    return Status(StatusCode::kInvalidArgument, "RocksDB adapter: expected an id, found null");
  }
  CAIRN_RETURN_IF_ERROR(from_rocksdb(db_.GetDbIdentity(db_identity_)));
  CAIRN_RETURN_IF_ERROR(adopt_prepared());
  CAIRN_RETURN_IF_ERROR(begin_session());
  CAIRN_RETURN_IF_ERROR(settle());
  server_ = std::thread(&Impl::serve, this);
  return Status::ok();
}

RocksDbResourceManager::Impl::~Impl() {
  stopping_ = true;
  if (server_.joinable()) server_.join();
  for (auto& [key, branch] : branches_) {
    const std::lock_guard use(branch->use);
    branch->is_open = false;
    // The database owns its named transactions when it closes, and lists a prepared one until then.
    if (branch->may_be_prepared) static_cast<void>(branch->rocks.release());
  }
}

// What this resource manager promised to this manager becomes a branch; all else is not touched.
Status RocksDbResourceManager::Impl::adopt_prepared() {
  std::vector<rocksdb::Transaction*> prepared;
  db_.GetAllPreparedTransactions(&prepared);
  for (rocksdb::Transaction* const rocks : prepared) {
    const auto name = BranchUse::parse(rocks->GetName());
    if (!name || name->branch.transaction_manager != manager_.id() ||
        name->branch.resource_manager != options_.id) {
      recovery_.foreign.push_back(rocks->GetName());
      if (name) others_.push_back(name->branch);
      continue;
    }
    const auto branch = add(name->branch.transaction);
    branch->found_use = name->use;
    branch->rocks.reset(rocks);
    branch->may_be_prepared = true;
  }
  return Status::ok();
}

Status RocksDbResourceManager::Impl::begin_session() {
  CAIRN_ASSIGN_OR_RETURN(session_, manager_.open_or_create_resource_manager(
                                       options_.id, tm::RmKind::kDurable, options_.description));
  return session_.recover();
}

// The outcomes may follow LAST_RECOVER.
Status RocksDbResourceManager::Impl::settle() {
  while (!is_settled()) {
    CAIRN_ASSIGN_OR_RETURN(const tm::Notification next, session_.get_notification());
    CAIRN_RETURN_IF_ERROR(handle({next}));
  }
  return Status::ok();
}

bool RocksDbResourceManager::Impl::is_settled() const {
  return last_recover_ && std::none_of(branches_.begin(), branches_.end(), [](const auto& entry) {
           return entry.second->is_offered && !entry.second->is_in_doubt;
         });
}

// ---- Clients

Status RocksDbResourceManager::Impl::work(const tm::Transaction& transaction,
                                          const Function& function) {
  if (!function) {
    return Status(StatusCode::kInvalidArgument, "RocksDB: expected work, found none");
  }
  CAIRN_ASSIGN_OR_RETURN(const auto branch, branch_of(transaction));
  const std::lock_guard use(branch->use);
  if (!branch->is_open) {
    return Status(StatusCode::kNotActive, "unit of work " + transaction.id().to_string() +
                                              " takes no more work in RocksDB: its commit was "
                                              "asked for, or it was rolled back");
  }
  return from_rocksdb(function(*branch->rocks));
}

Result<std::shared_ptr<RocksDbResourceManager::Impl::Branch>>
RocksDbResourceManager::Impl::branch_of(const tm::Transaction& transaction) {
  const std::lock_guard lock(mutex_);
  CAIRN_RETURN_IF_ERROR(health_);
  if (auto branch = find(transaction.id())) return branch;
  CAIRN_ASSIGN_OR_RETURN(auto rocks, begin());
  // A notification may come before enlist() returns: its key leads to the branch already, and the
  // server, which needs the mutex, finds the enlistment there too.
  const auto branch = add(transaction.id());
  branch->rocks = std::move(rocks);
  branch->is_open = true;
  auto enlistment = session_.enlist(transaction, tm::kTwoOrSinglePhase, branch->key);
  if (!enlistment) {
    branches_.erase(branch->key);
    return enlistment.status();
  }
  branch->enlistment = *enlistment;
  return branch;
}

Result<std::unique_ptr<rocksdb::Transaction>> RocksDbResourceManager::Impl::begin() {
  rocksdb::WriteOptions write;
  write.sync = false;  // handle() syncs once for a whole batch
  rocksdb::TransactionOptions options;
  options.lock_timeout = 0;  // a locked key is an error at once
  options.expiration = -1;   // only the manager ends a branch
  std::unique_ptr<rocksdb::Transaction> rocks(db_.BeginTransaction(write, options));
  return rocks;
}

Status RocksDbResourceManager::Impl::health() const {
  const std::lock_guard lock(mutex_);
  return health_;
}

// ---- The server: one thread takes notifications in batches, so that many share one sync.

void RocksDbResourceManager::Impl::serve() {
  while (!stopping_) {
    const auto first = session_.get_notification(kStopCheck);
    if (first.code() == StatusCode::kTimeout) continue;
    if (!first) return end_session(first.status());
    std::vector<tm::Notification> batch{*first};
    while (batch.size() < kBatch) {
      const auto next = session_.try_get_notification();
      if (!next || !*next) break;  // an error shows again at the next wait
      batch.push_back(**next);
    }
    if (Status done = handle(batch); !done) return end_session(std::move(done));
  }
  end_session(Status(StatusCode::kClosed, "the RocksDB adapter was closed"));
}

// Without a session the manager rolls back what was not promised, and keeps the outcome of what
// was.
void RocksDbResourceManager::Impl::end_session(Status why) {
  const std::lock_guard lock(mutex_);
  // The committers learn why. A session that has ended already has nobody to tell.
  static_cast<void>(session_.disconnect(why));
  health_ = std::move(why);
  session_ = {};
}

Status RocksDbResourceManager::Impl::handle(const std::vector<tm::Notification>& batch) {
  for (const tm::Notification& notification : batch) {
    CAIRN_RETURN_IF_ERROR(on_notification(notification));
  }
  // Promises and commits become durable before they are told.
  if (std::exchange(sync_due_, false) && options_.sync) {
    CAIRN_RETURN_IF_ERROR(from_rocksdb(db_.FlushWAL(true)));
  }
  for (const Answer& answer : answers_) give(answer);
  answers_.clear();
  return Status::ok();
}

Status RocksDbResourceManager::Impl::on_notification(const tm::Notification& notification) {
  if (notification.kind == NotificationKind::kRecover) return on_recover(notification);
  if (notification.kind == NotificationKind::kLastRecover) return on_last_recover();
  const auto branch = find(notification.key);
  if (!branch) {
    return Status(StatusCode::kNotFound,
                  "RocksDB adapter: no branch for " + notification.to_string());
  }
  const std::lock_guard use(branch->use);
  branch->is_open = false;
  switch (notification.kind) {
    case NotificationKind::kPrepare:
      return on_prepare(*branch);
    case NotificationKind::kSinglePhaseCommit:
    case NotificationKind::kCommit:
      return on_commit(*branch);
    case NotificationKind::kRollback:
      return on_rollback(*branch);
    case NotificationKind::kInDoubt:
      branch->is_in_doubt = true;
      return Status::ok();
    default:
      return Status(StatusCode::kNotRequested,
                    "RocksDB adapter: expected no notification but those it asked for, found " +
                        notification.to_string());
  }
}

Status RocksDbResourceManager::Impl::on_recover(const tm::Notification& notification) {
  std::shared_ptr<Branch> branch;
  {
    const std::lock_guard lock(mutex_);
    branch = find_use(use_of(notification.transaction, notification.enlistment));
    // Not there: committed before the crash, and the answer was lost.
    if (!branch) branch = add(notification.transaction);
  }
  branch->is_offered = true;
  CAIRN_ASSIGN_OR_RETURN(branch->enlistment, session_.open_enlistment(notification.enlistment));
  return branch->enlistment.recover(branch->key);
}

// Presumed abort: what was promised to this manager and is not offered by it was never decided.
Status RocksDbResourceManager::Impl::on_last_recover() {
  last_recover_ = true;
  const BranchMap branches = branches_;
  for (const auto& [key, branch] : branches) {
    if (branch->is_offered || !branch->may_be_prepared) continue;
    CAIRN_RETURN_IF_ERROR(from_rocksdb(branch->rocks->Rollback()));
    branch->may_be_prepared = false;
    recovery_.aborted.push_back(branch->transaction);
    forget(*branch);
  }
  return Status::ok();
}

// An error here may have left a prepared branch behind or not. Ending the session says no to the
// manager, and the next recovery finds out.
Status RocksDbResourceManager::Impl::on_prepare(Branch& branch) {
  if (branch.rocks->GetWriteBatch()->GetWriteBatch()->Count() == 0) {
    CAIRN_RETURN_IF_ERROR(from_rocksdb(branch.rocks->Rollback()));
    answers_.push_back({Verb::kReadOnly, branch.enlistment});
    forget(branch);
    return Status::ok();
  }
  const BranchUse name = use_of(branch.transaction, branch.enlistment.id());
  CAIRN_RETURN_IF_ERROR(from_rocksdb(branch.rocks->SetName(name.to_string())));
  branch.may_be_prepared = true;
  CAIRN_RETURN_IF_ERROR(from_rocksdb(branch.rocks->Prepare()));
  sync_due_ = true;
  answers_.push_back({Verb::kPrepared, branch.enlistment});
  return Status::ok();
}

// Also for SINGLE_PHASE_COMMIT: RocksDB's Commit without a Prepare is a commit of its own.
Status RocksDbResourceManager::Impl::on_commit(Branch& branch) {
  note(branch.rocks ? recovery_.committed : recovery_.redelivered, branch);
  if (branch.rocks) {
    CAIRN_RETURN_IF_ERROR(from_rocksdb(branch.rocks->Commit()));
    branch.may_be_prepared = false;
    sync_due_ = true;
  } else {
    CAIRN_RETURN_IF_ERROR(check_database(branch));
  }
  answers_.push_back({Verb::kCommitted, branch.enlistment});
  forget(branch);
  return Status::ok();
}

// Not synced: a promise whose rollback is lost in a crash is not offered at recovery, and is rolled
// back then.
Status RocksDbResourceManager::Impl::on_rollback(Branch& branch) {
  if (branch.rocks) {
    note(recovery_.aborted, branch);
    CAIRN_RETURN_IF_ERROR(from_rocksdb(branch.rocks->Rollback()));
    branch.may_be_prepared = false;
  }
  answers_.push_back({Verb::kRolledBack, branch.enlistment});
  forget(branch);
  return Status::ok();
}

// settle() waits for each offered branch but those in doubt: what is noted here is complete when
// open() returns.
void RocksDbResourceManager::Impl::note(std::vector<Uuid>& list, const Branch& branch) {
  if (branch.is_offered && !branch.is_in_doubt) list.push_back(branch.transaction);
}

// A commit order for a branch that is not prepared means "committed before" only in the database it
// was prepared in.
Status RocksDbResourceManager::Impl::check_database(const Branch& branch) const {
  CAIRN_ASSIGN_OR_RETURN(const auto information, branch.enlistment.recovery_information());
  const std::string found(reinterpret_cast<const char*>(information.data()), information.size());
  if (found == db_identity_) {
    return check_ended_before({manager_.id(), options_.id, branch.transaction}, others_)
        .with_context("RocksDB database " + db_.GetName());
  }
  return Status(StatusCode::kIdentityMismatch,
                "RocksDB database " + db_.GetName() + ": unit of work " +
                    branch.transaction.to_string() + " is decided and was prepared in database " +
                    found + ", found database " + db_identity_);
}

// An answer that nobody wants any more is no error: the transaction was rolled back meanwhile, and
// ROLLBACK is on its way; or the session ended, which the next wait reports.
void RocksDbResourceManager::Impl::give(const Answer& answer) const {
  tm::Enlistment enlistment = answer.enlistment;
  switch (answer.verb) {
    case Verb::kPrepared:
      if (const Status told = enlistment.prepare_complete(to_bytes(db_identity_)); !told) {
        return static_cast<void>(enlistment.rollback(told));
      }
      return;
    case Verb::kReadOnly:
      return static_cast<void>(enlistment.read_only());
    case Verb::kCommitted:
      return static_cast<void>(enlistment.commit_complete());
    case Verb::kRolledBack:
      return static_cast<void>(enlistment.rollback_complete());
  }
}

// ---- Branches

std::shared_ptr<RocksDbResourceManager::Impl::Branch> RocksDbResourceManager::Impl::add(
    const Uuid& transaction) {
  auto branch = std::make_shared<Branch>();
  branch->key = next_key_++;
  branch->transaction = transaction;
  branches_.emplace(branch->key, branch);
  return branch;
}

std::shared_ptr<RocksDbResourceManager::Impl::Branch> RocksDbResourceManager::Impl::find(
    const Uuid& transaction) const {
  const auto found = std::find_if(branches_.begin(), branches_.end(), [&](const auto& entry) {
    return entry.second->transaction == transaction;
  });
  return found == branches_.end() ? nullptr : found->second;
}

std::shared_ptr<RocksDbResourceManager::Impl::Branch> RocksDbResourceManager::Impl::find_use(
    const BranchUse& name) const {
  const auto found = std::find_if(branches_.begin(), branches_.end(), [&](const auto& entry) {
    return entry.second->transaction == name.branch.transaction &&
           entry.second->found_use == name.use;
  });
  return found == branches_.end() ? nullptr : found->second;
}

std::shared_ptr<RocksDbResourceManager::Impl::Branch> RocksDbResourceManager::Impl::find(
    std::uint64_t key) const {
  const std::lock_guard lock(mutex_);
  const auto found = branches_.find(key);
  return found == branches_.end() ? nullptr : found->second;
}

void RocksDbResourceManager::Impl::forget(const Branch& branch) {
  const std::lock_guard lock(mutex_);
  branches_.erase(branch.key);
}

// ---- The public face

RocksDbResourceManager::RocksDbResourceManager(std::unique_ptr<Impl> impl)
    : impl_(std::move(impl)) {}
RocksDbResourceManager::~RocksDbResourceManager() = default;

Result<std::unique_ptr<RocksDbResourceManager>> RocksDbResourceManager::open(
    rocksdb::TransactionDB& db, tm::TransactionManager manager, RocksDbOptions options) {
  auto impl = std::make_unique<Impl>(db, std::move(manager), std::move(options));
  CAIRN_RETURN_IF_ERROR(impl->open());
  return std::unique_ptr<RocksDbResourceManager>(new RocksDbResourceManager(std::move(impl)));
}

Status RocksDbResourceManager::work(const tm::Transaction& transaction, const Function& function) {
  return impl_->work(transaction, function);
}
const RocksDbRecovery& RocksDbResourceManager::recovery() const { return impl_->recovery(); }
Status RocksDbResourceManager::health() const { return impl_->health(); }

}  // namespace cairn::rm
