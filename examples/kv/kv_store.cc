#include "kv/kv_store.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace cairn::examples {
namespace {

using tm::NotificationKind;

constexpr std::size_t kBatch = 256;  // notifications that share one force
constexpr std::chrono::milliseconds kStopCheck{20};

// The log has no room for the record, or the record is too long for it: nothing was written, all
// else goes on.
bool is_refusal(const Status& status) {
  return status.code() == StatusCode::kLogFull || status.code() == StatusCode::kRecordTooLong;
}

}  // namespace

// ---- Start: first the own log, then the manager.

Result<std::unique_ptr<KvStore>> KvStore::open(std::shared_ptr<log::Log> log,
                                               tm::TransactionManager manager, KvOptions options) {
  if (options.id.is_null()) {
    return Status(StatusCode::kInvalidArgument, "key-value store: expected an id, found null");
  }
  std::unique_ptr<KvStore> store(
      new KvStore(std::move(log), std::move(manager), std::move(options)));
  CAIRN_RETURN_IF_ERROR(store->stream_.replay(store->table_));
  CAIRN_RETURN_IF_ERROR(store->begin_session());
  CAIRN_RETURN_IF_ERROR(store->settle());
  store->server_ = std::thread(&KvStore::serve, store.get());
  return store;
}

KvStore::KvStore(std::shared_ptr<log::Log> log, tm::TransactionManager manager, KvOptions options)
    : manager_(std::move(manager)),
      options_(std::move(options)),
      stream_(std::move(log), options_.stream, options_.id) {}

KvStore::~KvStore() {
  stopping_ = true;
  if (server_.joinable()) server_.join();
}

// The manager may know the store from its own log, or from before a disconnect, or not at all.
Status KvStore::begin_session() {
  CAIRN_ASSIGN_OR_RETURN(session_, manager_.open_or_create_resource_manager(
                                       options_.id, tm::RmKind::kDurable, options_.stream));
  return session_.recover();
}

// Duty 1. The manager sends RECOVER for each transaction it still owes an answer about, then
// LAST_RECOVER; the outcomes come as we ask for them in on_recover(), some of them behind
// LAST_RECOVER.
Status KvStore::settle() {
  while (!is_settled()) {
    CAIRN_ASSIGN_OR_RETURN(const tm::Notification next, session_.get_notification());
    CAIRN_RETURN_IF_ERROR(handle({next}));
  }
  return Status::ok();
}

bool KvStore::is_settled() const {
  const auto& works = table_.works();
  return last_recover_ && std::none_of(works.begin(), works.end(), [](const auto& entry) {
           return entry.second.is_offered && !entry.second.is_in_doubt;
         });
}

// ---- Clients

Result<std::optional<std::string>> KvStore::get(const tm::Transaction& transaction,
                                                std::string_view key) {
  const std::lock_guard lock(mutex_);
  CAIRN_ASSIGN_OR_RETURN(const KvWork* const work, work_of(transaction, key));
  const auto written = work->writes.find(key);
  return written != work->writes.end() ? written->second : table_.read(key);
}

Status KvStore::put(const tm::Transaction& transaction, std::string_view key,
                    std::string_view value) {
  const std::lock_guard lock(mutex_);
  CAIRN_ASSIGN_OR_RETURN(KvWork* const work, work_of(transaction, key));
  work->writes.insert_or_assign(std::string(key), std::string(value));
  return Status::ok();
}

Status KvStore::erase(const tm::Transaction& transaction, std::string_view key) {
  const std::lock_guard lock(mutex_);
  CAIRN_ASSIGN_OR_RETURN(KvWork* const work, work_of(transaction, key));
  work->writes.insert_or_assign(std::string(key), std::nullopt);
  return Status::ok();
}

// The transaction's work, with `key` locked for it. Enlists at the first call.
Result<KvWork*> KvStore::work_of(const tm::Transaction& transaction, std::string_view key) {
  CAIRN_RETURN_IF_ERROR(health_);
  KvWork* work = table_.find(transaction.id());
  if (work == nullptr) {
    // Duty 6. A notification may come before enlist() returns. Its key leads to the work, and as
    // the server needs the mutex to look, it finds the enlistment there too.
    work = &table_.add(transaction.id());
    auto enlistment = session_.enlist(transaction, tm::kTwoOrSinglePhase, work->key);
    if (!enlistment) {
      table_.forget(*work);
      return enlistment.status();
    }
    work->transaction_manager = manager_.id();
    work->enlistment = *enlistment;
    work->enlistment_id = enlistment->id();
    work->is_open = true;
  }
  if (!work->is_open) {
    return Status(StatusCode::kNotActive, "unit of work " + transaction.id().to_string() +
                                              " takes no more work: its commit was asked for");
  }
  CAIRN_RETURN_IF_ERROR(table_.lock(key, *work));
  return work;
}

std::optional<std::string> KvStore::read(std::string_view key) const {
  const std::lock_guard lock(mutex_);
  return table_.read(key);
}

KvTable::Entries KvStore::entries() const {
  const std::lock_guard lock(mutex_);
  return table_.entries();
}

Status KvStore::health() const {
  const std::lock_guard lock(mutex_);
  return health_;
}

// ---- The server: one thread takes notifications in batches, so that many share one force.

void KvStore::serve() {
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
  end_session(Status(StatusCode::kClosed, "the key-value store was closed"));
}

// Duty 5. What was promised is neither kept nor broken in ignorance. Without a session the manager
// rolls back what has not been promised, and holds the outcome of what has until this store is
// opened again.
void KvStore::end_session(Status why) {
  const std::lock_guard lock(mutex_);
  // The committers learn why. A session that has ended already has nobody to tell.
  static_cast<void>(session_.disconnect(why));
  health_ = std::move(why);
  session_ = {};
}

// Duties 2 and 3: write, force, answer, in this order.
Status KvStore::handle(const std::vector<tm::Notification>& batch) {
  {
    const std::lock_guard lock(mutex_);
    for (const tm::Notification& notification : batch) {
      CAIRN_RETURN_IF_ERROR(on_notification(notification));
    }
  }
  CAIRN_RETURN_IF_ERROR(stream_.force());
  for (const Answer& answer : answers_) give(answer);
  answers_.clear();
  if (stream_.bytes() < std::max(options_.snapshot_bytes, 2 * stream_.snapshot_bytes())) {
    return Status::ok();
  }
  const std::lock_guard lock(mutex_);
  return stream_.write_snapshot(table_);
}

Status KvStore::on_notification(const tm::Notification& notification) {
  if (notification.kind == NotificationKind::kRecover) return on_recover(notification);
  if (notification.kind == NotificationKind::kLastRecover) return on_last_recover();
  KvWork* const work = table_.find(notification.key);
  if (work == nullptr) {
    return Status(StatusCode::kNotFound, "no work in this store for " + notification.to_string());
  }
  switch (notification.kind) {
    case NotificationKind::kPrepare:
      return on_prepare(*work);
    case NotificationKind::kSinglePhaseCommit:
      return on_single_phase(*work);
    case NotificationKind::kCommit:
      return on_commit(*work);
    case NotificationKind::kRollback:
      return on_rollback(*work);
    case NotificationKind::kInDoubt:
      work->is_in_doubt = true;  // the outcome follows; the keys stay locked
      return Status::ok();
    default:
      return Status(StatusCode::kNotRequested,
                    "this store did not ask for " + notification.to_string());
  }
}

// An unfinished transaction of before. Its work came out of the own log, or there is none: then it
// was committed, and only the answer was lost.
Status KvStore::on_recover(const tm::Notification& notification) {
  KvWork* work = table_.find(notification.transaction);
  if (work == nullptr) work = &table_.add(notification.transaction);
  work->is_offered = true;
  CAIRN_ASSIGN_OR_RETURN(work->enlistment, session_.open_enlistment(notification.enlistment));
  return work->enlistment.recover(work->key);
}

// Duty 7: presumed abort. Only the manager that was given a promise releases it by its silence.
Status KvStore::on_last_recover() {
  last_recover_ = true;
  for (auto next = table_.works().begin(); next != table_.works().end();) {
    KvWork& work = (next++)->second;
    if (work.is_offered) continue;
    if (work.transaction_manager != manager_.id()) {
      recovery_.foreign.push_back(work.transaction);
      continue;
    }
    recovery_.aborted.push_back(work.transaction);
    CAIRN_RETURN_IF_ERROR(stream_.append_rollback(work));
    table_.forget(work);
  }
  return Status::ok();
}

// Duty 2. To refuse is still allowed: nothing is promised yet.
Status KvStore::on_prepare(KvWork& work) {
  work.is_open = false;
  if (work.writes.empty()) {
    finish(Verb::kReadOnly, work);
    return Status::ok();
  }
  const Status prepared = stream_.append_prepare(work);
  if (!prepared && !is_refusal(prepared)) return prepared;
  answers_.push_back({prepared ? Verb::kPrepared : Verb::kRefused, work.enlistment,
                      stream_.place_of(work), prepared});
  return Status::ok();
}

// No other store takes part, so the manager leaves the decision to this one: a single record is
// promise and commit.
Status KvStore::on_single_phase(KvWork& work) {
  if (!work.writes.empty()) {
    const Status committed = stream_.append_single_phase(work);
    if (!committed && !is_refusal(committed)) return committed;
    if (!committed) {
      finish(Verb::kRolledBack, work);
      return Status::ok();
    }
    table_.apply(work.writes);
  }
  finish(Verb::kCommitted, work);
  return Status::ok();
}

// Duties 3 and 4. The answer is kept back until the record is durable: after the answer the manager
// may forget the transaction, and a prepare record without an outcome would then mean rollback.
Status KvStore::on_commit(KvWork& work) {
  if (work.prepared.is_null()) {
    CAIRN_ASSIGN_OR_RETURN(const auto information, work.enlistment.recovery_information());
    CAIRN_RETURN_IF_ERROR(stream_.check_settled(work.transaction, information));
    note(recovery_.redelivered, work);
  } else {
    CAIRN_RETURN_IF_ERROR(stream_.append_commit(work));
    table_.apply(work.writes);
    note(recovery_.committed, work);
  }
  finish(Verb::kCommitted, work);
  return Status::ok();
}

// Nothing of the work is in the map: there is only a promise to take back. The record is not
// forced; without it the work is found prepared after a crash, is not offered, and is rolled back
// then.
Status KvStore::on_rollback(KvWork& work) {
  if (work.prepared.is_valid()) {
    CAIRN_RETURN_IF_ERROR(stream_.append_rollback(work));
    note(recovery_.aborted, work);
  }
  finish(Verb::kRolledBack, work);
  return Status::ok();
}

// settle() waits for each offered transaction but those in doubt: what is noted here is complete
// when open() returns.
void KvStore::note(std::vector<Uuid>& list, const KvWork& work) {
  if (work.is_offered && !work.is_in_doubt) list.push_back(work.transaction);
}

void KvStore::finish(Verb verb, const KvWork& work) {
  answers_.push_back({verb, work.enlistment});
  table_.forget(work);
}

// An answer that nobody waits for any more is no error here: the transaction was rolled back
// meanwhile and ROLLBACK is on its way, or the session has ended and the next wait says so.
void KvStore::give(const Answer& answer) {
  tm::Enlistment enlistment = answer.enlistment;
  switch (answer.verb) {
    case Verb::kPrepared:
      if (const Status told = enlistment.prepare_complete(answer.place); !told) {
        return static_cast<void>(enlistment.rollback(told));
      }
      return;
    case Verb::kRefused:
      return static_cast<void>(enlistment.rollback(answer.why));
    case Verb::kReadOnly:
      return static_cast<void>(enlistment.read_only());
    case Verb::kCommitted:
      return static_cast<void>(enlistment.commit_complete());
    case Verb::kRolledBack:
      return static_cast<void>(enlistment.rollback_complete());
  }
}

}  // namespace cairn::examples
