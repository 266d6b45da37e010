#include "file_core.h"

#include <array>
#include <utility>

namespace cairn::rm {
namespace {

Status is_not_there(const std::string& path) {
  return Status(StatusCode::kNotFound, "path \"" + path + "\": no such file");
}

}  // namespace

FileCore::FileCore(std::unique_ptr<FileOperations> files, tm::TransactionManager manager,
                   const FilesOptions& options)
    : Participant(std::move(manager), {.name = "files",
                                       .id = options.id,
                                       .log = options.log,
                                       .stream = options.stream,
                                       .snapshot_bytes = options.snapshot_bytes}),
      files_(std::move(files)),
      id_(options.id) {}

// ---- Start

Status FileCore::open() {
  CAIRN_RETURN_IF_ERROR(start());
  recovery_.committed = recovered().committed;
  recovery_.aborted = recovered().aborted;
  recovery_.redelivered = recovered().redelivered;
  recovery_.foreign = recovered().foreign;
  return Status::ok();
}

std::shared_ptr<Work> FileCore::make_work() const { return std::make_shared<FileWork>(); }
bool FileCore::has_changes(const Work& work) const { return !files_of(work).changes.empty(); }
std::vector<std::byte> FileCore::encode_changes(const Work& work) const {
  return encode(files_of(work).changes);
}

Status FileCore::adopt(Work& work, std::span<const std::byte> changes) {
  CAIRN_ASSIGN_OR_RETURN(files_of(work).changes, decode_file_changes(changes));
  for (const auto& [path, change] : files_of(work).changes) {
    CAIRN_RETURN_IF_ERROR(locks_.lock(path, work.key));
    staged_.insert(change.staged);
  }
  return Status::ok();
}

// What was staged by this resource manager, and not promised, is removed. Other names are not its
// own.
Status FileCore::begin() {
  CAIRN_ASSIGN_OR_RETURN(const std::vector<std::string> names, files_->list_staged());
  for (const std::string& name : names) {
    if (!name.starts_with(id_.to_string() + ".") || staged_.contains(name)) continue;
    CAIRN_RETURN_IF_ERROR(files_->remove_staged(name));
  }
  staged_.clear();
  return Status::ok();
}

// ---- Clients

Status FileCore::do_work(const tm::Transaction& transaction, std::span<const std::string> paths,
                         const std::function<Status(FileWork&)>& function) {
  for (const std::string& path : paths) CAIRN_RETURN_IF_ERROR(check_path(path));
  CAIRN_ASSIGN_OR_RETURN(const auto work, work_of(transaction));
  const std::lock_guard use(work->use);
  if (!work->is_open) return takes_no_more_work(transaction);
  {
    const std::lock_guard lock(mutex_);
    for (const std::string& path : paths) CAIRN_RETURN_IF_ERROR(locks_.lock(path, work->key));
  }
  return function(files_of(*work));
}

Status FileCore::write(const tm::Transaction& transaction, const std::string& path,
                       std::string_view contents, bool is_new) {
  return do_work(transaction, {&path, 1}, [&](FileWork& work) -> Status {
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
  return do_work(transaction, paths, [&](FileWork& work) -> Status {
    CAIRN_ASSIGN_OR_RETURN(const bool has_source, is_there(work, from));
    if (!has_source) return is_not_there(from);
    CAIRN_ASSIGN_OR_RETURN(const bool has_target, is_there(work, to));
    if (has_target) {
      return Status(StatusCode::kAlreadyExists, "path \"" + to + "\": a file is there");
    }
    FileChanges& changes = work.changes;
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
  return do_work(transaction, {&path, 1}, [&](FileWork& work) -> Status {
    CAIRN_ASSIGN_OR_RETURN(const bool found, is_there(work, path));
    if (!found) return is_not_there(path);
    replace(work, path, {});
    return Status::ok();
  });
}

Result<std::string> FileCore::read(const tm::Transaction& transaction, const std::string& path) {
  std::string contents;
  CAIRN_RETURN_IF_ERROR(do_work(transaction, {&path, 1}, [&](FileWork& work) -> Status {
    CAIRN_ASSIGN_OR_RETURN(const bool found, is_there(work, path));
    if (!found) return is_not_there(path);
    const FileChanges& changes = work.changes;
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
    changed_.wait_for(lock, limit, [&] {
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

Result<bool> FileCore::is_there(const FileWork& work, const std::string& path) {
  const auto changed = work.changes.find(path);
  if (changed != work.changes.end()) {
    return changed->second.kind == FileChangeKind::kPut;
  }
  CAIRN_ASSIGN_OR_RETURN(const auto size, files_->size_of(path));
  return size.has_value();
}

// What was staged before for the path is of no use any more. If it stays, the next open() finds it.
void FileCore::replace(FileWork& work, const std::string& path, FileChange change) {
  FileChange& place = work.changes[path];
  const FileChange before = std::exchange(place, std::move(change));
  if (!before.staged.empty()) static_cast<void>(files_->remove_staged(before.staged));
}

std::string FileCore::new_name() const {
  return id_.to_string() + "." + Uuid::generate().to_string();
}

// ---- Files

// Contents, then names: from now on a crash loses neither.
Status FileCore::make_ready(Work& work) {
  bool is_staged = false;
  for (const auto& [path, change] : files_of(work).changes) {
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
  CAIRN_RETURN_IF_ERROR(make_directories(files_of(work)));
  std::set<std::string> to_sync;
  const FileChanges& changes = files_of(work).changes;
  for (const auto& [path, change] : changes) {
    if (change.kind != FileChangeKind::kPut) continue;
    const Status moved = publish(files_of(work), path, change);
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
Status FileCore::make_directories(const FileWork& work) {
  std::set<std::string> to_sync;
  for (const auto& [path, change] : files_of(work).changes) {
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
Status FileCore::publish(const FileWork& work, const std::string& path, const FileChange& change) {
  Status moved = files_->publish(change.staged, path);
  if (moved.code() != StatusCode::kNotFound || !work.is_replayed) return moved;
  CAIRN_ASSIGN_OR_RETURN(const auto size, files_->size_of(path));
  return size == change.size ? Status::ok() : moved;
}

// What cannot be removed now is removed by the next open().
void FileCore::undo(Work& work) {
  for (const auto& [path, change] : files_of(work).changes) {
    if (!change.staged.empty()) static_cast<void>(files_->remove_staged(change.staged));
  }
}

// Its staged files have moved, or were removed.
void FileCore::end(Work& work, bool) {
  locks_.release(work.key);
  for (const auto& [path, change] : files_of(work).changes) staged_.erase(change.staged);
}

}  // namespace cairn::rm
