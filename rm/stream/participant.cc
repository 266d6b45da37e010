#include "stream/participant.h"

#include <algorithm>
#include <utility>

namespace cairn::rm {
namespace {

using tm::NotificationKind;

constexpr std::size_t kBatch = 256;  // notifications that share one force

// The log has no room for the record, or the record is too long for it.
bool is_refusal(const Status& status) {
  return status.code() == StatusCode::kLogFull || status.code() == StatusCode::kRecordTooLong;
}

}  // namespace

Participant::Participant(tm::TransactionManager manager, Settings settings)
    : manager_(std::move(manager)),
      settings_(std::move(settings)),
      stream_(settings_.log, settings_.stream, settings_.id,
              "a resource manager for " + settings_.name) {}

void Participant::stop() {
  static_cast<void>(stream_.on_advance_request({}));  // a log that is closed asks nobody
  end_session(
      Status(StatusCode::kClosed, "the resource manager for " + settings_.name + " was closed"));
  if (server_.joinable()) server_.join();
  for (const auto& [key, work] : works()) {
    const std::lock_guard use(work->use);
    work->is_open = false;
    if (!work->may_be_promised) undo(*work);
  }
}

// ---- Start: first what is its own, then the manager.

Status Participant::start() {
  CAIRN_RETURN_IF_ERROR(check_settings());
  is_covered_ = is_in_managers_log();
  CAIRN_RETURN_IF_ERROR(replay());
  CAIRN_RETURN_IF_ERROR(begin_session());
  CAIRN_RETURN_IF_ERROR(settle());
  CAIRN_RETURN_IF_ERROR(
      stream_.on_advance_request([this](const log::AdvanceRequest&) { on_advance_request(); }));
  server_ = std::thread(&Participant::serve, this);
  return Status::ok();
}

bool Participant::is_in_managers_log() const {
  const auto information = manager_.information();
  if (!information || !settings_.log) return false;
  const log::LogInfo log = settings_.log->info();
  return information->log_id == log.id && information->log_path == log.path;
}

Status Participant::check_settings() const {
  if (settings_.id.is_null()) {
    return Status(StatusCode::kInvalidArgument, settings_.name + ": expected an id, found null");
  }
  if (settings_.log) return Status::ok();
  return Status(StatusCode::kInvalidArgument, settings_.name + ": expected a log, found none");
}

// What was decided by a record of its own is carried out at once; other promises wait for word.
Status Participant::replay() {
  {
    const std::lock_guard lock(mutex_);
    CAIRN_RETURN_IF_ERROR(stream_.replay(*this));
  }
  CAIRN_RETURN_IF_ERROR(begin());
  for (const auto& [key, work] : works()) {
    if (!work->promise.is_decided) continue;
    CAIRN_RETURN_IF_ERROR(carry_out(*work));
    CAIRN_RETURN_IF_ERROR(stream_.append_end(work->promise, PromiseRecordType::kDone));
    recovered_.committed.push_back(work->promise.transaction);
    forget(*work, true);
  }
  return Status::ok();
}

Status Participant::read_promise(Promise promise, std::span<const std::byte> changes) {
  std::shared_ptr<Work> work = find(promise.transaction);
  if (work) {
    work->promise = std::move(promise);
  } else {
    work = add(std::move(promise));
  }
  work->is_replayed = true;
  work->may_be_promised = true;
  return adopt(*work, changes);
}

Status Participant::read_end(const Uuid& transaction, PromiseRecordType type) {
  const auto work = find(transaction);
  if (!work) {
    return Status(StatusCode::kCorrupt, "unit of work " + transaction.to_string() +
                                            ": expected its promise before its end, found none");
  }
  end(*work, type == PromiseRecordType::kDone);
  works_.erase(work->key);
  return Status::ok();
}

Status Participant::read_own(std::uint16_t type, std::span<const std::byte> bytes) {
  return adopt_own(type, bytes);
}

Status Participant::adopt_own(std::uint16_t type, std::span<const std::byte>) {
  return Status(StatusCode::kCorrupt, "expected a record of a resource manager for " +
                                          settings_.name + ", found type " + std::to_string(type));
}

Status Participant::begin_session() {
  CAIRN_ASSIGN_OR_RETURN(session_, manager_.open_or_create_resource_manager(
                                       settings_.id, tm::RmKind::kDurable, settings_.stream));
  return session_.recover();
}

// The outcomes may follow LAST_RECOVER.
Status Participant::settle() {
  while (!is_settled()) {
    CAIRN_ASSIGN_OR_RETURN(const tm::Notification next, session_.get_notification());
    CAIRN_RETURN_IF_ERROR(handle({next}));
  }
  return Status::ok();
}

bool Participant::is_settled() const {
  return last_recover_ && std::none_of(works_.begin(), works_.end(), [](const auto& entry) {
           return entry.second->is_offered && !entry.second->is_in_doubt;
         });
}

// ---- Clients

Result<std::shared_ptr<Work>> Participant::work_of(const tm::Transaction& transaction) {
  const std::lock_guard lock(mutex_);
  CAIRN_RETURN_IF_ERROR(health_);
  if (auto work = find(transaction.id())) return work;
  // A notification may come before enlist() returns: its key leads to the work already, and the
  // server, which needs the mutex, finds the enlistment there too.
  Promise promise;
  promise.transaction_manager = manager_.id();
  promise.transaction = transaction.id();
  const auto work = add(std::move(promise));
  work->is_open = true;
  auto enlistment = session_.enlist(transaction, tm::kTwoOrSinglePhase, work->key);
  if (!enlistment) {
    works_.erase(work->key);
    return enlistment.status();
  }
  work->enlistment = *enlistment;
  return work;
}

Status Participant::takes_no_more_work(const tm::Transaction& transaction) const {
  return Status(StatusCode::kNotActive, "unit of work " + transaction.id().to_string() +
                                            " takes no more work on " + settings_.name +
                                            ": its commit was asked for, or it was rolled back");
}

Status Participant::health() const {
  const std::lock_guard lock(mutex_);
  return health_;
}

// ---- The server: one thread takes notifications in batches, so that many share one force.

void Participant::serve() {
  while (true) {
    const auto first = session_.get_notification();  // until the session ends
    if (!first) return end_session(first.status());
    std::vector<tm::Notification> batch{*first};
    while (batch.size() < kBatch) {
      const auto next = session_.try_get_notification();
      if (!next || !*next) break;  // an error shows again at the next wait
      batch.push_back(**next);
    }
    if (Status done = handle(batch); !done) return end_session(std::move(done));
  }
}

// Without a session the manager rolls back what was not promised, and keeps the outcome of what
// was.
void Participant::end_session(Status why) {
  const std::lock_guard lock(mutex_);
  // The committers learn why. A session that has ended already has nobody to tell.
  static_cast<void>(session_.disconnect(why));
  if (health_) health_ = std::move(why);
  changed_.notify_all();
}

Status Participant::handle(const std::vector<tm::Notification>& batch) {
  const std::lock_guard serving(serving_);
  for (const tm::Notification& notification : batch) {
    CAIRN_RETURN_IF_ERROR(on_notification(notification));
  }
  if (const Lsn lsn = std::exchange(force_to_, Lsn()); lsn.is_valid()) {
    CAIRN_RETURN_IF_ERROR(stream_.wait_durable(lsn));
  }
  for (const Answer& answer : answers_) give(answer);
  answers_.clear();
  return snapshot_if_due();
}

Status Participant::on_notification(const tm::Notification& notification) {
  if (notification.kind == NotificationKind::kRecover) return on_recover(notification);
  if (notification.kind == NotificationKind::kLastRecover) return on_last_recover();
  const auto work = find(notification.key);
  if (!work) {
    return Status(StatusCode::kNotFound,
                  settings_.name + ": no work for " + notification.to_string());
  }
  const std::lock_guard use(work->use);
  {
    const std::lock_guard lock(mutex_);
    work->is_open = false;
    changed_.notify_all();
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
      work->is_in_doubt = true;  // the outcome follows; locks stay
      return Status::ok();
    default:
      return Status(StatusCode::kNotRequested,
                    settings_.name + ": did not ask for " + notification.to_string());
  }
}

// An unfinished transaction of before. Its promise is in the stream, or it has ended there: then it
// was committed, and only the answer was lost.
Status Participant::on_recover(const tm::Notification& notification) {
  std::shared_ptr<Work> work;
  {
    const std::lock_guard lock(mutex_);
    work = find(notification.transaction);
    if (!work) {
      Promise none;
      none.transaction = notification.transaction;
      work = add(std::move(none));
    }
  }
  work->is_offered = true;
  CAIRN_ASSIGN_OR_RETURN(work->enlistment, session_.open_enlistment(notification.enlistment));
  return work->enlistment.recover(work->key);
}

// Presumed abort. Only the manager that was given a promise releases it by its silence.
Status Participant::on_last_recover() {
  last_recover_ = true;
  for (const auto& [key, work] : works()) {
    if (work->is_offered) continue;
    if (work->promise.transaction_manager != manager_.id()) {
      recovered_.foreign.push_back(work->promise.transaction);
      continue;
    }
    recovered_.aborted.push_back(work->promise.transaction);
    CAIRN_RETURN_IF_ERROR(stream_.append_end(work->promise, PromiseRecordType::kRollback));
    undo(*work);
    forget(*work, false);
  }
  return Status::ok();
}

// To refuse is still allowed: nothing is promised yet.
Status Participant::on_prepare(Work& work) {
  if (!has_changes(work)) {
    finish(Verb::kReadOnly, work);
    return Status::ok();
  }
  const Status promised = promise(work, PromiseRecordType::kPromise);
  if (!promised && work.may_be_promised) return promised;
  if (!promised) {
    answers_.push_back({Verb::kRefused, work.enlistment, {}, {}, promised});
    return Status::ok();
  }
  if (!is_covered_) force_to_ = work.promise.lsn;
  answers_.push_back(
      {Verb::kPrepared, work.enlistment, work.promise.lsn, stream_.place_of(work.promise), {}});
  return Status::ok();
}

// Nobody else takes part, so the manager leaves the decision to this one: a single record is
// promise and commit. It is carried out again until kDone is there.
Status Participant::on_single_phase(Work& work) {
  if (!has_changes(work)) {
    finish(Verb::kCommitted, work);
    return Status::ok();
  }
  const Status decided = promise(work, PromiseRecordType::kAtOnce);
  if (!decided && work.may_be_promised) return decided;
  if (!decided) {
    undo(work);
    finish(Verb::kRolledBack, work);
    return Status::ok();
  }
  CAIRN_RETURN_IF_ERROR(carry_out(work));
  CAIRN_RETURN_IF_ERROR(stream_.append_end(work.promise, PromiseRecordType::kDone));
  finish(Verb::kCommitted, work);
  return Status::ok();
}

// Nothing is forced in the log. If it is the manager's, the manager's forget record lies behind
// kDone. If not, carry_out() has made all durable: should kDone be lost and the manager have
// forgotten, the promise is taken back at recovery, and undo() finds nothing left to do.
Status Participant::on_commit(Work& work) {
  const Uuid& transaction = work.promise.transaction;
  if (work.promise.lsn.is_null()) {
    CAIRN_ASSIGN_OR_RETURN(const auto information, work.enlistment.recovery_information());
    CAIRN_RETURN_IF_ERROR(stream_.check_settled(transaction, information));
    note(recovered_.redelivered, work);
  } else {
    CAIRN_RETURN_IF_ERROR(carry_out(work));
    CAIRN_RETURN_IF_ERROR(stream_.append_end(work.promise, PromiseRecordType::kDone));
    note(recovered_.committed, work);
  }
  finish(Verb::kCommitted, work);
  return Status::ok();
}

// Not forced: a promise whose rollback is lost in a crash is not offered at recovery, and is rolled
// back then.
Status Participant::on_rollback(Work& work) {
  if (work.promise.lsn.is_valid()) {
    CAIRN_RETURN_IF_ERROR(stream_.append_end(work.promise, PromiseRecordType::kRollback));
    note(recovered_.aborted, work);
  }
  undo(work);
  finish(Verb::kRolledBack, work);
  return Status::ok();
}

// An error that leaves `may_be_promised` false is a refusal: nothing was written in the log.
Status Participant::promise(Work& work, PromiseRecordType type) {
  CAIRN_RETURN_IF_ERROR(make_ready(work));
  work.may_be_promised = true;
  Status written = stream_.append_promise(work.promise, type, encode_changes(work));
  if (is_refusal(written)) work.may_be_promised = false;
  return written;
}

// ---- Answers

// settle() waits for each offered work but those in doubt: what is noted here is complete when
// start() returns.
void Participant::note(std::vector<Uuid>& list, const Work& work) {
  if (work.is_offered && !work.is_in_doubt) list.push_back(work.promise.transaction);
}

void Participant::finish(Verb verb, Work& work) {
  answers_.push_back({verb, work.enlistment, {}, {}, {}});
  forget(work, verb == Verb::kCommitted);
}

// An answer that nobody wants any more is no error: the transaction was rolled back meanwhile, and
// ROLLBACK is on its way; or the session ended, which the next wait reports.
void Participant::give(const Answer& answer) const {
  tm::Enlistment enlistment = answer.enlistment;
  switch (answer.verb) {
    case Verb::kPrepared: {
      const std::span<const std::byte> place(answer.place);
      const Status told = is_covered_ ? enlistment.prepare_complete_covered(answer.lsn, place)
                                      : enlistment.prepare_complete(place);
      if (!told) static_cast<void>(enlistment.rollback(told));
      return;
    }
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

// ---- Snapshots

Status Participant::snapshot_if_due() {
  if (is_advance_asked_.exchange(false)) {
    CAIRN_RETURN_IF_ERROR(write_snapshot());
    return stream_.drop_previous_restart_area();
  }
  const std::uint64_t due = std::max(settings_.snapshot_bytes, 2 * stream_.snapshot_bytes());
  return stream_.bytes() < due ? Status::ok() : write_snapshot();
}

// The log asks, as nothing can be recycled before this stream has moved. It must not be kept
// waiting: a server that is at work does it when it is through, and the log asks again.
void Participant::on_advance_request() {
  is_advance_asked_ = true;
  const std::unique_lock serving(serving_, std::try_to_lock);
  if (!serving.owns_lock() || !health()) return;
  static_cast<void>(snapshot_if_due());  // a log that has failed says so at the next append
}

// A full log is no error: the snapshot is then due again.
Status Participant::write_snapshot() {
  const auto unless_full = [](const Status& status) {
    return status.code() == StatusCode::kLogFull ? Status::ok() : status;
  };
  const std::uint64_t bytes_before = stream_.bytes();
  const Result<Lsn> state = append_state();
  if (!state) return unless_full(state.status());
  Lsn first = *state;
  for (const auto& [key, work] : works()) {
    if (work->promise.lsn.is_null()) continue;
    const Result<Lsn> again = stream_.append_again(work->promise, encode_changes(*work));
    if (!again) return unless_full(again.status());
    first = std::min(first, *again);
  }
  return unless_full(stream_.finish_snapshot(first, bytes_before));
}

// ---- Works

std::shared_ptr<Work> Participant::add(Promise promise) {
  std::shared_ptr<Work> work = make_work();
  work->key = next_key_++;
  work->promise = std::move(promise);
  works_.emplace(work->key, work);
  return work;
}

std::shared_ptr<Work> Participant::find(const Uuid& transaction) const {
  const auto found = std::find_if(works_.begin(), works_.end(), [&](const auto& entry) {
    return entry.second->promise.transaction == transaction;
  });
  return found == works_.end() ? nullptr : found->second;
}

std::shared_ptr<Work> Participant::find(std::uint64_t key) const {
  const std::lock_guard lock(mutex_);
  const auto found = works_.find(key);
  return found == works_.end() ? nullptr : found->second;
}

Participant::Works Participant::works() const {
  const std::lock_guard lock(mutex_);
  return works_;
}

void Participant::forget(Work& work, bool is_committed) {
  const std::lock_guard lock(mutex_);
  end(work, is_committed);
  works_.erase(work.key);
  changed_.notify_all();
}

}  // namespace cairn::rm
