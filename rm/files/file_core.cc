#include "file_core.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

namespace cairn::rm {
namespace {

using tm::NotificationKind;

constexpr std::size_t kBatch = 256;  // notifications that share one force

// The log has no room for the record, or the record is too long for it.
bool is_refusal(const Status& status) {
  return status.code() == StatusCode::kLogFull || status.code() == StatusCode::kRecordTooLong;
}

Status is_not_there(const std::string& path) {
  return Status(StatusCode::kNotFound, "path \"" + path + "\": no such file");
}

}  // namespace

FileCore::FileCore(std::unique_ptr<FileOperations> files, tm::TransactionManager manager,
                   FilesOptions options)
    : files_(std::move(files)),
      manager_(std::move(manager)),
      options_(std::move(options)),
      stream_(options_.log, options_.stream, options_.id) {}

FileCore::~FileCore() {
  end_session(Status(StatusCode::kClosed, "the resource manager for files was closed"));
  if (server_.joinable()) server_.join();
  for (const auto& [key, work] : works_) {
    const std::lock_guard use(work->use);
    work->is_open = false;
    if (!work->may_be_promised) discard(*work);
  }
}

// ---- Start: first what is its own, then the manager.

Status FileCore::open() {
  CAIRN_RETURN_IF_ERROR(check_options());
  CAIRN_ASSIGN_OR_RETURN(const tm::TmInformation information, manager_.information());
  const log::LogInfo log = options_.log->info();
  is_covered_ = information.log_id == log.id && information.log_path == log.path;
  CAIRN_RETURN_IF_ERROR(adopt_promises());
  CAIRN_RETURN_IF_ERROR(begin_session());
  CAIRN_RETURN_IF_ERROR(settle());
  server_ = std::thread(&FileCore::serve, this);
  return Status::ok();
}

Status FileCore::check_options() const {
  if (options_.id.is_null()) {
    return Status(StatusCode::kInvalidArgument, "files: expected an id, found null");
  }
  if (options_.log) return Status::ok();
  return Status(StatusCode::kInvalidArgument, "files: expected a log, found none");
}

// What was decided by a record of its own is carried out at once; other promises wait for word.
Status FileCore::adopt_promises() {
  CAIRN_ASSIGN_OR_RETURN(std::vector<FilePromise> promises, stream_.replay());
  const std::lock_guard lock(mutex_);
  for (FilePromise& promise : promises) {
    const auto work = add(std::move(promise));
    work->is_replayed = true;
    work->may_be_promised = true;
    for (const auto& [path, change] : work->promise.record.changes) {
      CAIRN_RETURN_IF_ERROR(locks_.lock(path, work->key));
    }
  }
  CAIRN_RETURN_IF_ERROR(remove_orphans());
  for (auto next = works_.begin(); next != works_.end();) {
    Work& work = *(next++)->second;
    if (!work.promise.is_decided) continue;
    CAIRN_RETURN_IF_ERROR(carry_out(work));
    CAIRN_RETURN_IF_ERROR(stream_.append_end(work.promise, FileRecordType::kDone));
    recovery_.committed.push_back(work.promise.record.transaction);
    locks_.release(work.key);
    works_.erase(work.key);
  }
  return Status::ok();
}

// Staged by this resource manager, and not promised. Other names are not its own.
Status FileCore::remove_orphans() {
  std::set<std::string> promised;
  for (const auto& [key, work] : works_) {
    for (const auto& [path, change] : work->promise.record.changes) promised.insert(change.staged);
  }
  CAIRN_ASSIGN_OR_RETURN(const std::vector<std::string> names, files_->list_staged());
  for (const std::string& name : names) {
    if (!name.starts_with(options_.id.to_string() + ".") || promised.contains(name)) continue;
    CAIRN_RETURN_IF_ERROR(files_->remove_staged(name));
  }
  return Status::ok();
}

Status FileCore::begin_session() {
  CAIRN_ASSIGN_OR_RETURN(session_, manager_.open_or_create_resource_manager(
                                       options_.id, tm::RmKind::kDurable, options_.stream));
  return session_.recover();
}

// The outcomes may follow LAST_RECOVER.
Status FileCore::settle() {
  while (!is_settled()) {
    CAIRN_ASSIGN_OR_RETURN(const tm::Notification next, session_.get_notification());
    CAIRN_RETURN_IF_ERROR(handle({next}));
  }
  return Status::ok();
}

bool FileCore::is_settled() const {
  return last_recover_ && std::none_of(works_.begin(), works_.end(), [](const auto& entry) {
           return entry.second->is_offered && !entry.second->is_in_doubt;
         });
}

// ---- Clients

Status FileCore::do_work(const tm::Transaction& transaction, std::span<const std::string> paths,
                         const std::function<Status(Work&)>& function) {
  for (const std::string& path : paths) CAIRN_RETURN_IF_ERROR(check_path(path));
  CAIRN_ASSIGN_OR_RETURN(const auto work, work_of(transaction));
  const std::lock_guard use(work->use);
  if (!work->is_open) {
    return Status(StatusCode::kNotActive, "unit of work " + transaction.id().to_string() +
                                              " takes no more work on files: its commit was asked "
                                              "for, or it was rolled back");
  }
  {
    const std::lock_guard lock(mutex_);
    for (const std::string& path : paths) CAIRN_RETURN_IF_ERROR(locks_.lock(path, work->key));
  }
  return function(*work);
}

Result<std::shared_ptr<FileCore::Work>> FileCore::work_of(const tm::Transaction& transaction) {
  const std::lock_guard lock(mutex_);
  CAIRN_RETURN_IF_ERROR(health_);
  if (auto work = find(transaction.id())) return work;
  // A notification may come before enlist() returns: its key leads to the work already, and the
  // server, which needs the mutex, finds the enlistment there too.
  FilePromise promise;
  promise.record.transaction_manager = manager_.id();
  promise.record.transaction = transaction.id();
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

Status FileCore::write(const tm::Transaction& transaction, const std::string& path,
                       std::string_view contents, bool is_new) {
  return do_work(transaction, {&path, 1}, [&](Work& work) -> Status {
    CAIRN_ASSIGN_OR_RETURN(const bool found, is_there(work, path));
    if (found && is_new) {
      return Status(StatusCode::kAlreadyExists, "path \"" + path + "\": a file is there");
    }
    const std::string name = new_name();
    CAIRN_RETURN_IF_ERROR(files_->write_staged(name, contents, path));
    replace(work, path, {FileChangeKind::kPut, contents.size(), name});
    return Status::ok();
  });
}

// The staged name is a second one of the same file, so that it moves into place as new contents do.
Status FileCore::rename(const tm::Transaction& transaction, const std::string& from,
                        const std::string& to) {
  const std::array<std::string, 2> paths{from, to};
  return do_work(transaction, paths, [&](Work& work) -> Status {
    CAIRN_ASSIGN_OR_RETURN(const bool has_source, is_there(work, from));
    if (!has_source) return is_not_there(from);
    CAIRN_ASSIGN_OR_RETURN(const bool has_target, is_there(work, to));
    if (has_target) {
      return Status(StatusCode::kAlreadyExists, "path \"" + to + "\": a file is there");
    }
    FileChanges& changes = work.promise.record.changes;
    const auto changed = changes.find(from);
    if (changed != changes.end()) {
      const FileChange moved = std::exchange(changed->second, FileChange{});
      replace(work, to, moved);
      return Status::ok();
    }
    CAIRN_ASSIGN_OR_RETURN(const auto size, files_->size_of(from));
    if (!size) return is_not_there(from);
    const std::string name = new_name();
    CAIRN_RETURN_IF_ERROR(files_->link_staged(from, name));
    replace(work, to, {FileChangeKind::kPut, *size, name});
    replace(work, from, {});
    return Status::ok();
  });
}

Status FileCore::remove(const tm::Transaction& transaction, const std::string& path) {
  return do_work(transaction, {&path, 1}, [&](Work& work) -> Status {
    CAIRN_ASSIGN_OR_RETURN(const bool found, is_there(work, path));
    if (!found) return is_not_there(path);
    replace(work, path, {});
    return Status::ok();
  });
}

Result<std::string> FileCore::read(const tm::Transaction& transaction, const std::string& path) {
  std::string contents;
  CAIRN_RETURN_IF_ERROR(do_work(transaction, {&path, 1}, [&](Work& work) -> Status {
    CAIRN_ASSIGN_OR_RETURN(const bool found, is_there(work, path));
    if (!found) return is_not_there(path);
    const FileChanges& changes = work.promise.record.changes;
    const auto changed = changes.find(path);
    CAIRN_ASSIGN_OR_RETURN(const auto file, changed == changes.end()
                                                ? files_->open(path)
                                                : files_->open_staged(changed->second.staged));
    CAIRN_ASSIGN_OR_RETURN(contents, file->read_all());
    return Status::ok();
  }));
  return contents;
}

// Files are never written in place. What is opened while no lock is held on any of them stays as of
// this moment, whatever moves into their places afterwards.
Result<std::vector<std::optional<std::string>>> FileCore::read_together(
    std::span<const std::string> paths, std::chrono::milliseconds limit) {
  for (const std::string& path : paths) CAIRN_RETURN_IF_ERROR(check_path(path));
  std::vector<std::unique_ptr<OpenFile>> opened;
  {
    std::unique_lock lock(mutex_);
    Status free;
    released_.wait_for(lock, limit, [&] {
      free = Status::ok();
      for (const std::string& path : paths) {
        if (free) free = locks_.check_free(path);
      }
      return free.is_ok();
    });
    CAIRN_RETURN_IF_ERROR(free);
    for (const std::string& path : paths) {
      auto file = files_->open(path);
      if (!file && file.code() != StatusCode::kNotFound) return file.status();
      opened.push_back(file ? std::move(*file) : nullptr);
    }
  }
  std::vector<std::optional<std::string>> contents;
  for (const auto& file : opened) {
    contents.emplace_back();
    if (!file) continue;
    CAIRN_ASSIGN_OR_RETURN(contents.back(), file->read_all());
  }
  return contents;
}

Status FileCore::health() const {
  const std::lock_guard lock(mutex_);
  return health_;
}

Result<bool> FileCore::is_there(const Work& work, const std::string& path) {
  const auto changed = work.promise.record.changes.find(path);
  if (changed != work.promise.record.changes.end()) {
    return changed->second.kind == FileChangeKind::kPut;
  }
  CAIRN_ASSIGN_OR_RETURN(const auto size, files_->size_of(path));
  return size.has_value();
}

// What was staged before for the path is of no use any more. If it stays, the next open() finds it.
void FileCore::replace(Work& work, const std::string& path, FileChange change) {
  FileChange& place = work.promise.record.changes[path];
  const FileChange before = std::exchange(place, std::move(change));
  if (!before.staged.empty()) static_cast<void>(files_->remove_staged(before.staged));
}

std::string FileCore::new_name() const {
  return options_.id.to_string() + "." + Uuid::generate().to_string();
}

// ---- The server: one thread takes notifications in batches, so that many share one force.

void FileCore::serve() {
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
void FileCore::end_session(Status why) {
  const std::lock_guard lock(mutex_);
  // The committers learn why. A session that has ended already has nobody to tell.
  static_cast<void>(session_.disconnect(why));
  if (health_) health_ = std::move(why);
}

Status FileCore::handle(const std::vector<tm::Notification>& batch) {
  for (const tm::Notification& notification : batch) {
    CAIRN_RETURN_IF_ERROR(on_notification(notification));
  }
  if (const Lsn lsn = std::exchange(force_to_, Lsn()); lsn.is_valid()) {
    CAIRN_RETURN_IF_ERROR(stream_.wait_durable(lsn));
  }
  for (const Answer& answer : answers_) give(answer);
  answers_.clear();
  return stream_.bytes() < options_.snapshot_bytes ? Status::ok() : write_snapshot();
}

Status FileCore::on_notification(const tm::Notification& notification) {
  if (notification.kind == NotificationKind::kRecover) return on_recover(notification);
  if (notification.kind == NotificationKind::kLastRecover) return on_last_recover();
  const auto work = find(notification.key);
  if (!work) {
    return Status(StatusCode::kNotFound, "files: no work for " + notification.to_string());
  }
  const std::lock_guard use(work->use);
  work->is_open = false;
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
      work->is_in_doubt = true;  // the outcome follows; the paths stay locked
      return Status::ok();
    default:
      return Status(StatusCode::kNotRequested,
                    "files: did not ask for " + notification.to_string());
  }
}

// An unfinished transaction of before. Its promise is in the stream, or it has ended there: then it
// was committed, and only the answer was lost.
Status FileCore::on_recover(const tm::Notification& notification) {
  std::shared_ptr<Work> work;
  {
    const std::lock_guard lock(mutex_);
    work = find(notification.transaction);
    if (!work) {
      FilePromise none;
      none.record.transaction = notification.transaction;
      work = add(std::move(none));
    }
  }
  work->is_offered = true;
  CAIRN_ASSIGN_OR_RETURN(work->enlistment, session_.open_enlistment(notification.enlistment));
  return work->enlistment.recover(work->key);
}

// Presumed abort. Only the manager that was given a promise releases it by its silence.
Status FileCore::on_last_recover() {
  last_recover_ = true;
  for (const auto& [key, work] : works()) {
    const FileRecord& record = work->promise.record;
    if (work->is_offered) continue;
    if (record.transaction_manager != manager_.id()) {
      recovery_.foreign.push_back(record.transaction);
      continue;
    }
    recovery_.aborted.push_back(record.transaction);
    CAIRN_RETURN_IF_ERROR(stream_.append_end(work->promise, FileRecordType::kRollback));
    discard(*work);
    forget(*work);
  }
  return Status::ok();
}

// To refuse is still allowed: nothing is promised yet.
Status FileCore::on_prepare(Work& work) {
  if (work.promise.record.changes.empty()) {
    finish(Verb::kReadOnly, work);
    return Status::ok();
  }
  const Status promised = promise(work, FileRecordType::kPromise);
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
Status FileCore::on_single_phase(Work& work) {
  if (work.promise.record.changes.empty()) {
    finish(Verb::kCommitted, work);
    return Status::ok();
  }
  const Status decided = promise(work, FileRecordType::kAtOnce);
  if (!decided && work.may_be_promised) return decided;
  if (!decided) {
    discard(work);
    finish(Verb::kRolledBack, work);
    return Status::ok();
  }
  CAIRN_RETURN_IF_ERROR(carry_out(work));
  CAIRN_RETURN_IF_ERROR(stream_.append_end(work.promise, FileRecordType::kDone));
  finish(Verb::kCommitted, work);
  return Status::ok();
}

// Nothing is forced in the log: the files are as they are to be, durably, and a promise whose kDone
// is lost is carried out once more, or, not offered, has nothing left to roll back.
Status FileCore::on_commit(Work& work) {
  const Uuid& transaction = work.promise.record.transaction;
  if (work.promise.lsn.is_null()) {
    CAIRN_ASSIGN_OR_RETURN(const auto information, work.enlistment.recovery_information());
    CAIRN_RETURN_IF_ERROR(stream_.check_settled(transaction, information));
    note(recovery_.redelivered, work);
  } else {
    CAIRN_RETURN_IF_ERROR(carry_out(work));
    CAIRN_RETURN_IF_ERROR(stream_.append_end(work.promise, FileRecordType::kDone));
    note(recovery_.committed, work);
  }
  finish(Verb::kCommitted, work);
  return Status::ok();
}

// Not forced: a promise whose rollback is lost in a crash is not offered at recovery, and is rolled
// back then.
Status FileCore::on_rollback(Work& work) {
  if (work.promise.lsn.is_valid()) {
    CAIRN_RETURN_IF_ERROR(stream_.append_end(work.promise, FileRecordType::kRollback));
    note(recovery_.aborted, work);
  }
  discard(work);
  finish(Verb::kRolledBack, work);
  return Status::ok();
}

// ---- Files

// An error that leaves `may_be_promised` false is a refusal: nothing was written in the log.
Status FileCore::promise(Work& work, FileRecordType type) {
  CAIRN_RETURN_IF_ERROR(make_durable(work));
  work.may_be_promised = true;
  Status written = stream_.append_promise(work.promise, type);
  if (is_refusal(written)) work.may_be_promised = false;
  return written;
}

// Contents, then names: from now on a crash loses neither.
Status FileCore::make_durable(const Work& work) {
  bool is_staged = false;
  for (const auto& [path, change] : work.promise.record.changes) {
    if (change.kind != FileChangeKind::kPut) continue;
    // Nobody else put a directory there meanwhile, or a file in the way.
    CAIRN_RETURN_IF_ERROR(files_->size_of(path).status());
    CAIRN_RETURN_IF_ERROR(files_->sync_staged(change.staged));
    is_staged = true;
  }
  return is_staged ? files_->sync_staging() : Status::ok();
}

// Can be repeated from its beginning, wherever it was interrupted. New files come first, so that a
// file that is renamed is never missing from both of its places.
Status FileCore::carry_out(Work& work) {
  CAIRN_RETURN_IF_ERROR(make_directories(work));
  std::set<std::string> to_sync;
  const FileChanges& changes = work.promise.record.changes;
  for (const auto& [path, change] : changes) {
    if (change.kind != FileChangeKind::kPut) continue;
    const Status moved = publish(work, path, change);
    if (moved.code() == StatusCode::kNotFound && work.is_replayed) {
      recovery_.missing.push_back(path);
    } else {
      CAIRN_RETURN_IF_ERROR(moved);
    }
    to_sync.insert(parent_of(path));
  }
  for (const auto& [path, change] : changes) {
    if (change.kind != FileChangeKind::kRemove) continue;
    CAIRN_RETURN_IF_ERROR(files_->remove(path));
    to_sync.insert(parent_of(path));
  }
  for (const std::string& directory : to_sync) {
    CAIRN_RETURN_IF_ERROR(files_->sync_directory(directory));
  }
  return Status::ok();
}

// Durable before anything moves into them: a file must not be where no directory leads to any more.
// That one was there need not mean that its name is durable, if who made it has crashed.
Status FileCore::make_directories(const Work& work) {
  std::set<std::string> to_sync;
  for (const auto& [path, change] : work.promise.record.changes) {
    if (change.kind != FileChangeKind::kPut) continue;
    for (std::size_t slash = path.find('/'); slash != std::string::npos;
         slash = path.find('/', slash + 1)) {
      const std::string directory = path.substr(0, slash);
      CAIRN_ASSIGN_OR_RETURN(const bool is_made, files_->make_directory(directory));
      if (is_made || work.is_replayed) to_sync.insert(parent_of(directory));
    }
  }
  for (const std::string& directory : to_sync) {
    CAIRN_RETURN_IF_ERROR(files_->sync_directory(directory));
  }
  return Status::ok();
}

// kNotFound: neither the staged file is there, nor, after a crash, what it has become.
Status FileCore::publish(const Work& work, const std::string& path, const FileChange& change) {
  Status moved = files_->publish(change.staged, path);
  if (moved.code() != StatusCode::kNotFound || !work.is_replayed) return moved;
  CAIRN_ASSIGN_OR_RETURN(const auto size, files_->size_of(path));
  return size == change.size ? Status::ok() : moved;
}

// What cannot be removed now is removed by the next open().
void FileCore::discard(const Work& work) {
  for (const auto& [path, change] : work.promise.record.changes) {
    if (!change.staged.empty()) static_cast<void>(files_->remove_staged(change.staged));
  }
}

// ---- Answers

// settle() waits for each offered work but those in doubt: what is noted here is complete when
// open() returns.
void FileCore::note(std::vector<Uuid>& list, const Work& work) {
  if (work.is_offered && !work.is_in_doubt) list.push_back(work.promise.record.transaction);
}

void FileCore::finish(Verb verb, const Work& work) {
  answers_.push_back({verb, work.enlistment, {}, {}, {}});
  forget(work);
}

// An answer that nobody wants any more is no error: the transaction was rolled back meanwhile, and
// ROLLBACK is on its way; or the session ended, which the next wait reports.
void FileCore::give(const Answer& answer) const {
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

Status FileCore::write_snapshot() {
  std::vector<FilePromise*> promises;
  for (const auto& [key, work] : works()) {
    if (work->promise.lsn.is_valid()) promises.push_back(&work->promise);
  }
  return stream_.write_snapshot(promises);
}

// ---- Works

std::shared_ptr<FileCore::Work> FileCore::add(FilePromise promise) {
  auto work = std::make_shared<Work>();
  work->key = next_key_++;
  work->promise = std::move(promise);
  works_.emplace(work->key, work);
  return work;
}

std::shared_ptr<FileCore::Work> FileCore::find(const Uuid& transaction) const {
  const auto found = std::find_if(works_.begin(), works_.end(), [&](const auto& entry) {
    return entry.second->promise.record.transaction == transaction;
  });
  return found == works_.end() ? nullptr : found->second;
}

std::shared_ptr<FileCore::Work> FileCore::find(std::uint64_t key) const {
  const std::lock_guard lock(mutex_);
  const auto found = works_.find(key);
  return found == works_.end() ? nullptr : found->second;
}

FileCore::Works FileCore::works() const {
  const std::lock_guard lock(mutex_);
  return works_;
}

void FileCore::forget(const Work& work) {
  const std::lock_guard lock(mutex_);
  locks_.release(work.key);
  works_.erase(work.key);
  released_.notify_all();
}

}  // namespace cairn::rm
