#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <span>
#include <thread>
#include <utility>

#include <cairn/rm_berkeley_db.h>

#include "names/branch_name.h"

namespace cairn::rm {
namespace {

using tm::NotificationKind;

constexpr std::chrono::milliseconds kBerkeleyStopCheck{20};
constexpr long kRecoverChunk = 32;  // prepared transactions that txn_recover() gives at once
constexpr char kIdentityFile[] = "cairn_identity.db";
constexpr char kIdentityKey[] = "environment";

// A name, and zeros behind it.
struct Gid {
  explicit Gid(const BranchUse& name) {
    const std::string text = name.to_string();
    std::memcpy(bytes, text.data(), std::min(text.size(), sizeof bytes));
  }
  u_int8_t bytes[DB_GID_SIZE] = {};
};

// Of any name: letters as they are, for people.
std::string gid_text(const u_int8_t* gid) {
  const auto* const text = reinterpret_cast<const char*>(gid);
  return {text, ::strnlen(text, DB_GID_SIZE)};
}

std::span<const std::byte> identity_bytes(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

DBT dbt_of(const std::string& text) {
  DBT dbt{};
  dbt.data = const_cast<char*>(text.data());  // the API is C; it only reads
  dbt.size = static_cast<u_int32_t>(text.size());
  return dbt;
}

bool is_harmless(int error) {
  return error == 0 || error == DB_NOTFOUND || error == DB_KEYEMPTY || error == DB_KEYEXIST;
}

}  // namespace

class BerkeleyDbResourceManager::Impl {
 public:
  Impl(DB_ENV& environment, tm::TransactionManager manager, BerkeleyDbOptions options)
      : environment_(environment), manager_(std::move(manager)), options_(std::move(options)) {}
  ~Impl();

  [[nodiscard]] Status open();
  [[nodiscard]] Status work(const tm::Transaction& transaction, const Function& function);
  [[nodiscard]] const BerkeleyDbRecovery& recovery() const { return recovery_; }
  [[nodiscard]] Status health() const;

 private:
  struct Branch {
    std::uint64_t key = 0;  // by which the manager names it
    Uuid transaction;
    std::string found_use{};  // BranchUse::use, where it was found prepared
    tm::Enlistment enlistment;
    // Null: ended, or the manager offered a branch that the environment no longer has.
    DB_TXN* txn = nullptr;
    std::mutex use;            // of `txn`, by one client or by the server
    bool is_open = false;      // takes more work
    Status doomed{};           // why it can only be rolled back
    bool is_prepared = false;  // stays in the environment when this object goes
    bool is_offered = false;   // the manager offered it at recovery
    bool is_in_doubt = false;  // offered, and the manager itself waits for the outcome
  };
  using BranchPtr = std::shared_ptr<Branch>;  // a client may be inside work() when it ends
  using BranchMap = std::map<std::uint64_t, BranchPtr>;

  [[nodiscard]] Status read_identity();
  [[nodiscard]] Status read_or_make_identity(DB& database);
  [[nodiscard]] Status adopt_prepared();
  [[nodiscard]] Status adopt(const DB_PREPLIST& prepared);
  [[nodiscard]] Status begin_session();
  [[nodiscard]] Status settle();
  [[nodiscard]] bool is_settled() const;

  void serve();
  void end_session(Status why);
  [[nodiscard]] Status on_notification(const tm::Notification& notification);
  [[nodiscard]] Status on_recover(const tm::Notification& notification);
  [[nodiscard]] Status on_last_recover();
  [[nodiscard]] Status on_prepare(Branch& branch);
  [[nodiscard]] Status on_commit(Branch& branch, bool alone);
  [[nodiscard]] Status on_rollback(Branch& branch);
  [[nodiscard]] Result<bool> has_changed(DB_TXN& txn) const;
  [[nodiscard]] Status end(Branch& branch, bool commit);
  [[nodiscard]] Status check_environment(const Branch& branch) const;
  void note(std::vector<Uuid>& list, const Branch& branch) const;

  [[nodiscard]] Result<BranchPtr> branch_of(const tm::Transaction& transaction);
  [[nodiscard]] BranchUse use_of(const Uuid& transaction, const Uuid& enlistment) const {
    return BranchUse::of({manager_.id(), options_.id, transaction}, enlistment);
  }
  // REQUIRES: the mutex is held, for these three; the next two take it.
  BranchPtr add(const Uuid& transaction);
  [[nodiscard]] BranchPtr find(const Uuid& transaction) const;
  [[nodiscard]] BranchPtr find_use(const BranchUse& name) const;
  [[nodiscard]] BranchPtr find(std::uint64_t key) const;
  void forget(const Branch& branch);

  DB_ENV& environment_;
  tm::TransactionManager manager_;
  const BerkeleyDbOptions options_;
  std::string identity_;            // of the environment
  std::vector<BranchName> others_;  // prepared for other managers and adapters
  BerkeleyDbRecovery recovery_;     // constant from the moment open() returns
  bool is_recovering_ = true;       // it has not; the server's own
  bool last_recover_ = false;       // seen
  std::atomic<bool> stopping_ = false;

  mutable std::mutex mutex_;  // guards all below; never held while a branch is used
  tm::ResourceManager session_;
  Status health_;
  BranchMap branches_;
  std::map<Uuid, BranchPtr> by_transaction_;
  std::uint64_t next_key_ = 1;

  std::thread server_;
};

// ---- Start

Status BerkeleyDbResourceManager::Impl::open() {
  if (options_.id.is_null()) {
    return Status(StatusCode::kInvalidArgument, "Berkeley DB adapter: expected an id, found null");
  }
  // Before anything else is done in the environment: what it recovered is to be taken over first.
  CAIRN_RETURN_IF_ERROR(adopt_prepared());
  CAIRN_RETURN_IF_ERROR(read_identity());
  CAIRN_RETURN_IF_ERROR(begin_session());
  CAIRN_RETURN_IF_ERROR(settle());
  is_recovering_ = false;
  server_ = std::thread(&Impl::serve, this);
  return Status::ok();
}

// The handle of a prepared transaction is let go of, and the transaction stays: an environment that
// closes with such a handle panics. The others are ended by that.
BerkeleyDbResourceManager::Impl::~Impl() {
  stopping_ = true;
  if (server_.joinable()) server_.join();
  for (auto& [key, branch] : branches_) {
    const std::lock_guard use(branch->use);
    branch->is_open = false;
    DB_TXN* const txn = std::exchange(branch->txn, nullptr);
    if (txn == nullptr) continue;
    static_cast<void>(branch->is_prepared ? txn->discard(txn, 0) : txn->abort(txn));
  }
}

// What this resource manager promised to this manager becomes a branch; all else is let go of.
Status BerkeleyDbResourceManager::Impl::adopt_prepared() {
  std::vector<DB_PREPLIST> chunk(kRecoverChunk);
  for (u_int32_t flag = DB_FIRST;; flag = DB_NEXT) {
    long count = 0;
    const int error =
        environment_.txn_recover(&environment_, chunk.data(), kRecoverChunk, &count, flag);
    CAIRN_RETURN_IF_ERROR(from_berkeley_db(error, "txn_recover"));
    if (count == 0) return Status::ok();
    for (long i = 0; i < count; ++i) {
      CAIRN_RETURN_IF_ERROR(adopt(chunk[static_cast<std::size_t>(i)]));
    }
  }
}

Status BerkeleyDbResourceManager::Impl::adopt(const DB_PREPLIST& prepared) {
  const std::string text = gid_text(prepared.gid);
  const auto name = BranchUse::parse(text);
  const bool is_ours = name && name->branch.transaction_manager == manager_.id() &&
                       name->branch.resource_manager == options_.id &&
                       std::memcmp(prepared.gid, Gid(*name).bytes, DB_GID_SIZE) == 0;
  if (!is_ours) {
    recovery_.foreign.push_back(text);
    if (name) others_.push_back(name->branch);
    return from_berkeley_db(prepared.txn->discard(prepared.txn, 0), "discard");
  }
  const BranchPtr branch = add(name->branch.transaction);
  branch->found_use = name->use;
  branch->txn = prepared.txn;
  branch->is_prepared = true;
  return Status::ok();
}

Status BerkeleyDbResourceManager::Impl::read_identity() {
  DB* database = nullptr;
  CAIRN_RETURN_IF_ERROR(from_berkeley_db(::db_create(&database, &environment_, 0), "db_create"));
  int error = database->open(database, nullptr, kIdentityFile, nullptr, DB_BTREE,
                             DB_CREATE | DB_AUTO_COMMIT | DB_THREAD, 0600);
  Status done = from_berkeley_db(error, kIdentityFile);
  if (done) done = read_or_make_identity(*database);
  error = database->close(database, 0);
  return done ? from_berkeley_db(error, kIdentityFile) : done;
}

// The first of several that make it at once wins; then all read the same.
Status BerkeleyDbResourceManager::Impl::read_or_make_identity(DB& database) {
  const std::string name = kIdentityKey;
  const std::string made = Uuid::generate().to_string();
  DBT key = dbt_of(name);
  DBT value = dbt_of(made);
  int error = database.put(&database, nullptr, &key, &value, DB_NOOVERWRITE);
  if (error != 0 && error != DB_KEYEXIST) return from_berkeley_db(error, kIdentityFile);
  DBT found{};
  found.flags = DB_DBT_MALLOC;
  error = database.get(&database, nullptr, &key, &found, 0);
  CAIRN_RETURN_IF_ERROR(from_berkeley_db(error, kIdentityFile));
  identity_.assign(static_cast<const char*>(found.data), found.size);
  std::free(found.data);
  return Status::ok();
}

Status BerkeleyDbResourceManager::Impl::begin_session() {
  CAIRN_ASSIGN_OR_RETURN(session_, manager_.open_or_create_resource_manager(
                                       options_.id, tm::RmKind::kDurable, options_.description));
  return session_.recover();
}

// The outcomes may follow LAST_RECOVER.
Status BerkeleyDbResourceManager::Impl::settle() {
  while (!is_settled()) {
    CAIRN_ASSIGN_OR_RETURN(const tm::Notification next, session_.get_notification());
    CAIRN_RETURN_IF_ERROR(on_notification(next));
  }
  return Status::ok();
}

bool BerkeleyDbResourceManager::Impl::is_settled() const {
  return last_recover_ && std::none_of(branches_.begin(), branches_.end(), [](const auto& entry) {
           return entry.second->is_offered && !entry.second->is_in_doubt;
         });
}

// ---- Clients

Status BerkeleyDbResourceManager::Impl::work(const tm::Transaction& transaction,
                                             const Function& function) {
  if (!function) {
    return Status(StatusCode::kInvalidArgument, "Berkeley DB: expected work, found none");
  }
  CAIRN_ASSIGN_OR_RETURN(const BranchPtr branch, branch_of(transaction));
  const std::lock_guard use(branch->use);
  if (!branch->is_open) {
    return Status(StatusCode::kNotActive, "unit of work " + transaction.id().to_string() +
                                              " takes no more work in Berkeley DB: its commit was "
                                              "asked for, or it was rolled back");
  }
  if (!branch->doomed) return branch->doomed;
  const int error = function(branch->txn);
  Status done = from_berkeley_db(error, "work of unit of work " + transaction.id().to_string());
  if (!is_harmless(error)) branch->doomed = done;
  return done;
}

Result<BerkeleyDbResourceManager::Impl::BranchPtr> BerkeleyDbResourceManager::Impl::branch_of(
    const tm::Transaction& transaction) {
  const std::lock_guard lock(mutex_);
  CAIRN_RETURN_IF_ERROR(health_);
  if (BranchPtr found = find(transaction.id())) return found;
  // A locked page is an error at once: nobody waits for what another branch decides.
  DB_TXN* txn = nullptr;
  const int error = environment_.txn_begin(&environment_, nullptr, &txn, DB_TXN_NOWAIT);
  CAIRN_RETURN_IF_ERROR(from_berkeley_db(error, "txn_begin"));
  // A notification may come before enlist() returns: the server, which needs the mutex, finds the
  // branch and its enlistment.
  BranchPtr branch = add(transaction.id());
  branch->txn = txn;
  branch->is_open = true;
  auto enlistment = session_.enlist(transaction, tm::kTwoOrSinglePhase, branch->key);
  if (!enlistment) {
    by_transaction_.erase(branch->transaction);
    branches_.erase(branch->key);
    static_cast<void>(txn->abort(txn));
    return enlistment.status();
  }
  branch->enlistment = *std::move(enlistment);
  return branch;
}

Status BerkeleyDbResourceManager::Impl::health() const {
  const std::lock_guard lock(mutex_);
  return health_;
}

// ---- The server

void BerkeleyDbResourceManager::Impl::serve() {
  while (!stopping_) {
    const auto next = session_.get_notification(kBerkeleyStopCheck);
    if (next.code() == StatusCode::kTimeout) continue;
    Status done = next ? on_notification(*next) : next.status();
    if (!done) return end_session(std::move(done));
  }
  end_session(Status(StatusCode::kClosed, "the Berkeley DB adapter was closed"));
}

// Without a session the manager rolls back what was not promised, and keeps the outcome of what
// was.
void BerkeleyDbResourceManager::Impl::end_session(Status why) {
  const std::lock_guard lock(mutex_);
  // The committers learn why. A session that has ended already has nobody to tell.
  static_cast<void>(session_.disconnect(why));
  health_ = std::move(why);
  session_ = {};
}

Status BerkeleyDbResourceManager::Impl::on_notification(const tm::Notification& notification) {
  if (notification.kind == NotificationKind::kRecover) return on_recover(notification);
  if (notification.kind == NotificationKind::kLastRecover) return on_last_recover();
  const BranchPtr branch = find(notification.key);
  if (!branch) {
    return Status(StatusCode::kNotFound,
                  "Berkeley DB adapter: no branch for " + notification.to_string());
  }
  const std::lock_guard use(branch->use);
  branch->is_open = false;
  switch (notification.kind) {
    case NotificationKind::kPrepare:
      return on_prepare(*branch);
    case NotificationKind::kSinglePhaseCommit:
      return on_commit(*branch, true);
    case NotificationKind::kCommit:
      return on_commit(*branch, false);
    case NotificationKind::kRollback:
      return on_rollback(*branch);
    case NotificationKind::kInDoubt:
      branch->is_in_doubt = true;
      return Status::ok();
    default:
      return Status(StatusCode::kNotRequested,
                    "Berkeley DB adapter: expected no notification but those it asked for, found " +
                        notification.to_string());
  }
}

Status BerkeleyDbResourceManager::Impl::on_recover(const tm::Notification& notification) {
  BranchPtr branch;
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
Status BerkeleyDbResourceManager::Impl::on_last_recover() {
  last_recover_ = true;
  const BranchMap branches = branches_;
  for (const auto& [key, branch] : branches) {
    if (branch->is_offered) continue;
    CAIRN_RETURN_IF_ERROR(end(*branch, false));
    recovery_.aborted.push_back(branch->transaction);
    forget(*branch);
  }
  return Status::ok();
}

// An error of prepare() may have left it prepared or not: the session ends, which says no.
Status BerkeleyDbResourceManager::Impl::on_prepare(Branch& branch) {
  if (!branch.doomed) {
    // ROLLBACK follows, or is on its way already.
    static_cast<void>(branch.enlistment.rollback(branch.doomed));
    return Status::ok();
  }
  CAIRN_ASSIGN_OR_RETURN(const bool is_changed, has_changed(*branch.txn));
  if (!is_changed) {
    CAIRN_RETURN_IF_ERROR(end(branch, false));
    forget(branch);
    static_cast<void>(branch.enlistment.read_only());
    return Status::ok();
  }
  Gid gid(use_of(branch.transaction, branch.enlistment.id()));
  CAIRN_RETURN_IF_ERROR(from_berkeley_db(branch.txn->prepare(branch.txn, gid.bytes), "prepare"));
  branch.is_prepared = true;
  const Status told = branch.enlistment.prepare_complete(identity_bytes(identity_));
  // An answer that nobody wants any more: ROLLBACK is on its way, or the session has ended.
  if (!told) static_cast<void>(branch.enlistment.rollback(told));
  return Status::ok();
}

// It is given up before its last answer: with that the unit of work may be used again.
Status BerkeleyDbResourceManager::Impl::on_commit(Branch& branch, bool alone) {
  if (alone && !branch.doomed) {
    static_cast<void>(branch.enlistment.rollback(branch.doomed));
    return Status::ok();  // ROLLBACK follows
  }
  note(branch.txn != nullptr ? recovery_.committed : recovery_.redelivered, branch);
  CAIRN_RETURN_IF_ERROR(branch.txn != nullptr ? end(branch, true) : check_environment(branch));
  forget(branch);
  static_cast<void>(branch.enlistment.commit_complete());
  return Status::ok();
}

Status BerkeleyDbResourceManager::Impl::on_rollback(Branch& branch) {
  if (branch.txn != nullptr) {
    note(recovery_.aborted, branch);
    CAIRN_RETURN_IF_ERROR(end(branch, false));
  }
  forget(branch);
  static_cast<void>(branch.enlistment.rollback_complete());
  return Status::ok();
}

// What has changed nothing has no record in the log, and none is to be made for it.
Result<bool> BerkeleyDbResourceManager::Impl::has_changed(DB_TXN& txn) const {
  DB_TXN_STAT* all = nullptr;
  CAIRN_RETURN_IF_ERROR(
      from_berkeley_db(environment_.txn_stat(&environment_, &all, 0), "txn_stat"));
  const u_int32_t id = txn.id(&txn);
  bool is_changed = true;  // not listed: not taken for unchanged
  for (u_int32_t i = 0; i < all->st_nactive; ++i) {
    const DB_TXN_ACTIVE& active = all->st_txnarray[i];
    if (active.txnid == id) is_changed = active.lsn.file != 0;
  }
  std::free(all);
  return is_changed;
}

// The handle is gone after either, whatever it returns.
Status BerkeleyDbResourceManager::Impl::end(Branch& branch, bool commit) {
  DB_TXN* const txn = std::exchange(branch.txn, nullptr);
  branch.is_prepared = false;
  return commit ? from_berkeley_db(txn->commit(txn, DB_TXN_SYNC), "commit")
                : from_berkeley_db(txn->abort(txn), "abort");
}

// settle() waits for each offered branch but those in doubt: what is noted here is complete when
// open() returns.
void BerkeleyDbResourceManager::Impl::note(std::vector<Uuid>& list, const Branch& branch) const {
  if (is_recovering_ && branch.is_offered && !branch.is_in_doubt) {
    list.push_back(branch.transaction);
  }
}

// A commit order for a branch that is not prepared means "committed before" only in the environment
// it was prepared in.
Status BerkeleyDbResourceManager::Impl::check_environment(const Branch& branch) const {
  CAIRN_ASSIGN_OR_RETURN(const auto information, branch.enlistment.recovery_information());
  const std::string found(reinterpret_cast<const char*>(information.data()), information.size());
  if (found == identity_) {
    return check_ended_before({manager_.id(), options_.id, branch.transaction}, others_)
        .with_context("Berkeley DB");
  }
  return Status(StatusCode::kIdentityMismatch, "Berkeley DB: unit of work " +
                                                   branch.transaction.to_string() +
                                                   " is decided and was prepared in environment " +
                                                   found + ", found environment " + identity_);
}

// ---- Branches

BerkeleyDbResourceManager::Impl::BranchPtr BerkeleyDbResourceManager::Impl::add(
    const Uuid& transaction) {
  auto branch = std::make_shared<Branch>();
  branch->key = next_key_++;
  branch->transaction = transaction;
  branches_.emplace(branch->key, branch);
  by_transaction_[transaction] = branch;
  return branch;
}

BerkeleyDbResourceManager::Impl::BranchPtr BerkeleyDbResourceManager::Impl::find(
    const Uuid& transaction) const {
  const auto found = by_transaction_.find(transaction);
  return found == by_transaction_.end() ? nullptr : found->second;
}

BerkeleyDbResourceManager::Impl::BranchPtr BerkeleyDbResourceManager::Impl::find_use(
    const BranchUse& name) const {
  const auto found = std::find_if(branches_.begin(), branches_.end(), [&](const auto& entry) {
    return entry.second->transaction == name.branch.transaction &&
           entry.second->found_use == name.use;
  });
  return found == branches_.end() ? nullptr : found->second;
}

BerkeleyDbResourceManager::Impl::BranchPtr BerkeleyDbResourceManager::Impl::find(
    std::uint64_t key) const {
  const std::lock_guard lock(mutex_);
  const auto found = branches_.find(key);
  return found == branches_.end() ? nullptr : found->second;
}

void BerkeleyDbResourceManager::Impl::forget(const Branch& branch) {
  const std::lock_guard lock(mutex_);
  const auto found = by_transaction_.find(branch.transaction);
  const bool is_newest = found != by_transaction_.end() && found->second.get() == &branch;
  if (is_newest) by_transaction_.erase(found);
  branches_.erase(branch.key);
}

// ---- The public face

BerkeleyDbResourceManager::BerkeleyDbResourceManager(std::unique_ptr<Impl> impl)
    : impl_(std::move(impl)) {}
BerkeleyDbResourceManager::~BerkeleyDbResourceManager() = default;

Result<std::unique_ptr<BerkeleyDbResourceManager>> BerkeleyDbResourceManager::open(
    DB_ENV& environment, tm::TransactionManager manager, BerkeleyDbOptions options) {
  auto impl = std::make_unique<Impl>(environment, std::move(manager), std::move(options));
  CAIRN_RETURN_IF_ERROR(impl->open());
  return std::unique_ptr<BerkeleyDbResourceManager>(new BerkeleyDbResourceManager(std::move(impl)));
}

Status BerkeleyDbResourceManager::work(const tm::Transaction& transaction,
                                       const Function& function) {
  return impl_->work(transaction, function);
}
const BerkeleyDbRecovery& BerkeleyDbResourceManager::recovery() const { return impl_->recovery(); }
Status BerkeleyDbResourceManager::health() const { return impl_->health(); }

}  // namespace cairn::rm
