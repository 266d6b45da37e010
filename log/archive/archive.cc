// archive(): brings an archive up to the end of a log.
//
// Order of writes, so that it may be interrupted at any point (each arrow: durable before the
// next):
//
//   an extent's bytes -> their file's name -> a manifest that names the extent, under another name
//     -> its own name -> older manifests go
//
// Bytes behind what the newest manifest names are not there: the next run writes them anew.
//
// Nothing keeps the log from recycling a container while it is read, unless there is an archive
// tail. So an extent counts only when the log's tail, looked at after it was copied, had not passed
// it (ArchiveCursor::still_held()); if it had, the log is looked at anew.
#include <algorithm>
#include <numeric>
#include <set>
#include <utility>

#include <cairn/archive.h>

#include "aligned_buffer.h"
#include "archive/manifest.h"
#include "format/hash.h"
#include "read/read_source.h"

namespace cairn::log {
namespace {

constexpr std::size_t kArchivePiece = std::size_t{1} << 20;
// A manifest is written anew as a whole, so not for each extent.
constexpr std::size_t kExtentsPerManifest = 16;
// How often the log may recycle what is being read before that is an error.
constexpr unsigned kArchiveLooks = 64;

class Archiver {
 public:
  Archiver(std::shared_ptr<Storage> storage, std::string path)
      : storage_(std::move(storage)), path_(std::move(path)) {}

  Status open(std::chrono::milliseconds lock_wait);
  [[nodiscard]] Lsn next() const { return manifest_.next(); }
  // That the log is the one that was archived, and did not take another way since.
  Status check(const ArchiveCursor& cursor) const;
  // Before run(): an archive that never came to an end begins no earlier than the log.
  void leave_out_before(std::uint64_t container);
  // What the log recycled lies between the archive's end and `container`, where the log begins.
  [[nodiscard]] bool misses_before(std::uint64_t container) const;
  Result<ArchiveReport> run(ArchiveCursor& cursor);

 private:
  Status add(const ArchiveCursor& cursor, const ArchiveExtent& extent);
  Result<std::unique_ptr<File>> file_for(const ArchiveExtent& extent);
  Status copy(const ArchiveCursor& cursor, const ArchiveExtent& extent, File& to);
  Status finish(const ArchiveMetadata& log);
  Status remove_left_out();
  [[nodiscard]] ArchiveReport report() const;

  std::shared_ptr<Storage> storage_;
  std::string path_;
  std::unique_ptr<Directory> directory_;
  std::unique_ptr<DirectoryLock> lock_;
  Manifest manifest_;
  std::size_t found_ = 0;          // so many extents, the first ones, were there before
  std::set<Lsn> shared_;           // begins of those that were passed without memory
  std::set<std::uint64_t> files_;  // containers in the directory
};

Status Archiver::open(std::chrono::milliseconds lock_wait) {
  CAIRN_ASSIGN_OR_RETURN(directory_, storage_->open_directory(path_, true));
  CAIRN_ASSIGN_OR_RETURN(const std::vector<std::string> names, directory_->list());
  for (const std::string& name : names) {
    std::uint64_t number;
    if (name == kArchiveLockName || name == kNewManifestName ||
        parse_manifest_name(name, &number)) {
      continue;
    }
    if (parse_container_file_name(name, &number)) {
      files_.insert(number);
      continue;
    }
    return Status(StatusCode::kInvalidArgument,
                  path_ + ": expected an archive or an empty directory, found " + name);
  }
  const auto made = directory_->open(kArchiveLockName, OpenMode::kCreate);
  if (!made.is_ok() && made.code() != StatusCode::kAlreadyExists) return made.status();
  CAIRN_ASSIGN_OR_RETURN(lock_, directory_->lock(kArchiveLockName, lock_wait));
  CAIRN_ASSIGN_OR_RETURN(manifest_, read_manifest(*directory_));
  found_ = manifest_.extents.size();
  return Status::ok();
}

Status Archiver::check(const ArchiveCursor& cursor) const {
  if (manifest_.extents.empty()) return Status::ok();
  const ArchiveMetadata& log = cursor.metadata();
  StatusDetail detail;
  detail.file = path_;
  if (log.log_id != manifest_.metadata.log_id ||
      log.container_size != manifest_.metadata.container_size) {
    return Status(StatusCode::kIdentityMismatch,
                  path_ + ": expected an archive of log " + log.log_id.to_string() +
                      ", found one of log " + manifest_.metadata.log_id.to_string(),
                  detail);
  }
  const ArchiveExtent& newest = manifest_.extents.back();
  if (newest.container < log.tail.container(log.container_size)) return Status::ok();  // recycled
  detail.lsn_begin = newest.begin;
  detail.lsn_end = newest.end;
  if (newest.end <= log.end) {
    const auto found = cursor.checksum(newest.begin, newest.end);
    if (found.code() == StatusCode::kStartOfLog) return Status::ok();  // recycled
    CAIRN_ASSIGN_OR_RETURN(const std::uint64_t sum, found);
    if (sum == newest.checksum) return Status::ok();
    return Status(StatusCode::kIdentityMismatch,
                  path_ + ": LSN " + newest.begin.to_string() + " to " + newest.end.to_string() +
                      ": expected what was archived (checksum " + std::to_string(newest.checksum) +
                      "), found other bytes in the log (" + std::to_string(sum) +
                      "): since then it took another way",
                  detail);
  }
  return Status(StatusCode::kIdentityMismatch,
                path_ + ": expected a log that reaches LSN " + newest.end.to_string() +
                    ", found one that ends at " + log.end.to_string(),
                detail);
}

Result<ArchiveReport> Archiver::run(ArchiveCursor& cursor) {
  const ArchiveMetadata& log = cursor.metadata();
  if (manifest_.extents.empty()) manifest_.metadata = log;
  for (std::size_t added = 1;; ++added) {
    CAIRN_ASSIGN_OR_RETURN(const auto extent, cursor.next());
    if (!extent) break;
    CAIRN_RETURN_IF_ERROR(add(cursor, *extent));
    if (added % kExtentsPerManifest == 0) {
      CAIRN_RETURN_IF_ERROR(directory_->sync_directory());
      CAIRN_RETURN_IF_ERROR(write_manifest(*directory_, &manifest_));
    }
  }
  if (manifest_.complete != manifest_.extents.size() || manifest_.metadata.tail != log.tail) {
    CAIRN_RETURN_IF_ERROR(finish(log));
  }
  CAIRN_RETURN_IF_ERROR(remove_left_out());
  return report();
}

void Archiver::leave_out_before(std::uint64_t container) {
  if (manifest_.complete > 0) return;
  const auto first = std::ranges::find_if(manifest_.extents, [&](const ArchiveExtent& extent) {
    return extent.container >= container;
  });
  const auto count = static_cast<std::size_t>(first - manifest_.extents.begin());
  found_ -= std::min(found_, count);
  manifest_.extents.erase(manifest_.extents.begin(), first);
}

bool Archiver::misses_before(std::uint64_t container) const {
  return !manifest_.extents.empty() &&
         manifest_.next().container(manifest_.metadata.container_size) < container;
}

// Once no manifest names them.
Status Archiver::remove_left_out() {
  const std::uint64_t first = manifest_.extents.front().container;
  while (!files_.empty() && *files_.begin() < first) {
    CAIRN_RETURN_IF_ERROR(directory_->remove(container_file_name(*files_.begin())));
    files_.erase(files_.begin());
  }
  return Status::ok();
}

ArchiveReport Archiver::report() const {
  ArchiveReport report;
  report.log_id = manifest_.metadata.log_id;
  report.begin = manifest_.begin();
  report.end = manifest_.metadata.end;
  for (std::size_t i = found_; i < manifest_.extents.size(); ++i) {
    const ArchiveExtent& extent = manifest_.extents[i];
    ++report.extents;
    report.bytes += extent.end - extent.begin;
    if (shared_.contains(extent.begin)) report.bytes_shared += extent.end - extent.begin;
  }
  return report;
}

Status Archiver::finish(const ArchiveMetadata& log) {
  manifest_.complete = manifest_.extents.size();
  manifest_.metadata.tail = std::min(log.tail, manifest_.extents.back().end);
  manifest_.metadata.max_size = log.max_size;
  manifest_.metadata.end = manifest_.extents.back().end;
  CAIRN_RETURN_IF_ERROR(directory_->sync_directory());
  return write_manifest(*directory_, &manifest_);
}

Status Archiver::add(const ArchiveCursor& cursor, const ArchiveExtent& extent) {
  CAIRN_ASSIGN_OR_RETURN(const auto file, file_for(extent));
  const Status copied = copy(cursor, extent, *file);
  // In this order: what was recycled meanwhile is neither damage nor what the extent says.
  CAIRN_RETURN_IF_ERROR(cursor.still_held(extent.container));
  CAIRN_RETURN_IF_ERROR(copied);
  CAIRN_RETURN_IF_ERROR(file->sync());
  manifest_.extents.push_back(extent);
  return Status::ok();
}

Result<std::unique_ptr<File>> Archiver::file_for(const ArchiveExtent& extent) {
  const std::string name = container_file_name(extent.container);
  const std::uint64_t offset = extent.begin.offset(manifest_.metadata.container_size);
  if (offset == 0) {
    // What an interrupted run left is made anew.
    const Status removed = directory_->remove(name);
    if (!removed.is_ok() && removed.code() != StatusCode::kNotFound) return removed;
    files_.insert(extent.container);
    return directory_->open(name, OpenMode::kCreate);
  }
  CAIRN_ASSIGN_OR_RETURN(auto file, directory_->open(name, OpenMode::kReadWrite));
  CAIRN_ASSIGN_OR_RETURN(const std::uint64_t size, file->size());
  if (size >= offset) return file;
  StatusDetail detail;
  detail.file = path_ + "/" + name;
  detail.lsn_begin = Lsn(extent.begin.value() - offset + size);
  return Status(StatusCode::kCorrupt,
                detail.file + ": LSN " + detail.lsn_begin.to_string() + ": expected " +
                    std::to_string(offset) + " archived bytes, found " + std::to_string(size),
                detail);
}

Status Archiver::copy(const ArchiveCursor& cursor, const ArchiveExtent& extent, File& to) {
  const std::uint64_t offset = extent.begin.offset(manifest_.metadata.container_size);
  const std::uint64_t length = extent.end - extent.begin;
  CAIRN_ASSIGN_OR_RETURN(const auto from, cursor.file(extent.container));
  const Status shared = to.copy_from(*from, offset, length);
  if (shared.is_ok()) {
    shared_.insert(extent.begin);
    return shared;
  }
  if (shared.code() != StatusCode::kNotSupported) return shared;
  AlignedBuffer buffer(kArchivePiece);
  format::PieceHash sum;
  for (std::uint64_t done = 0; done < length;) {
    const auto step =
        static_cast<std::size_t>(std::min<std::uint64_t>(kArchivePiece, length - done));
    CAIRN_ASSIGN_OR_RETURN(const std::size_t got,
                           from->read(offset + done, buffer.bytes().first(step)));
    sum.add(std::as_const(buffer).bytes().first(got));
    if (got != step) break;
    CAIRN_RETURN_IF_ERROR(to.write(offset + done, std::as_const(buffer).bytes().first(step)));
    done += step;
  }
  if (sum.value() == extent.checksum) return Status::ok();
  StatusDetail detail;
  detail.file = from->name();
  detail.lsn_begin = extent.begin;
  detail.lsn_end = extent.end;
  return Status(StatusCode::kCorrupt,
                detail.file + ": LSN " + extent.begin.to_string() + " to " +
                    extent.end.to_string() + ": expected the bytes that were checked (checksum " +
                    std::to_string(extent.checksum) + "), found others when they were copied (" +
                    std::to_string(sum.value()) + ")",
                detail);
}

// One look at the log. `may_look_again`: it recycled meanwhile what was being read, no more.
template <typename Source>
Result<ArchiveReport> archive_look(Archiver& archiver, const Source& source, bool* may_look_again) {
  *may_look_again = true;
  {
    CAIRN_ASSIGN_OR_RETURN(const ArchiveCursor whole, ArchiveCursor::over(source));
    CAIRN_RETURN_IF_ERROR(archiver.check(whole));
    const ArchiveMetadata& log = whole.metadata();
    const std::uint64_t first = log.tail.container(log.container_size);
    archiver.leave_out_before(first);
    *may_look_again = !archiver.misses_before(first);
  }
  CAIRN_ASSIGN_OR_RETURN(ArchiveCursor cursor, ArchiveCursor::over(source, archiver.next()));
  return archiver.run(cursor);
}

// `look` gives what to read from, a Log or a new LogView of it.
template <typename Look>
Result<ArchiveReport> archive_from(const Look& look, std::shared_ptr<Storage> storage,
                                   const std::string& archive_path, const ArchiveOptions& options) {
  Archiver archiver(std::move(storage), archive_path);
  CAIRN_RETURN_IF_ERROR(archiver.open(options.lock_wait));
  for (unsigned looks = 1;; ++looks) {
    CAIRN_ASSIGN_OR_RETURN(const auto source, look());
    bool may_look_again = false;
    auto report = archive_look(archiver, *source, &may_look_again);
    if (report.code() != StatusCode::kStartOfLog || !may_look_again) return report;
    if (looks == kArchiveLooks) {
      return report.status().with_context(
          "the log recycled what was being read " + std::to_string(looks) +
          " times; with an archive tail it keeps what is not archived");
    }
  }
}

}  // namespace

Result<ArchiveReport> archive(const Log& log, const std::string& archive_path,
                              const ArchiveOptions& options) {
  std::shared_ptr<Storage> storage = options.storage;
  if (storage == nullptr) {
    CAIRN_ASSIGN_OR_RETURN(const ArchiveCursor cursor, ArchiveCursor::over(log));
    storage = cursor.storage();
  }
  const auto look = [&log]() -> Result<const Log*> { return &log; };
  return archive_from(look, std::move(storage), archive_path, options);
}

// In this order: what is read stays, and what the log gives up is in the archive, whatever crash
// comes between.
Result<ArchiveReport> archive_and_set_tail(Log& log, const std::string& archive_path,
                                           const ArchiveOptions& options) {
  const bool was_off = log.archive_tail().is_null();
  if (was_off) CAIRN_RETURN_IF_ERROR(log.set_archive_tail());
  const auto report = archive(log, archive_path, options);
  if (!report.is_ok()) {
    if (!was_off) return report;
    const Status stopped = log.stop_archiving();
    if (stopped.is_ok()) return report;
    return report.status().with_context("and the archive tail, set for this, stays (" +
                                        stopped.message() + ")");
  }
  if (const Status status = log.set_archive_tail(report->end); !status.is_ok()) {
    return status.with_context("the archive is durable up to LSN " + report->end.to_string() +
                               "; the archive tail was not moved");
  }
  return report;
}

Result<ArchiveReport> archive(const std::string& log_path, const std::string& archive_path,
                              const ArchiveOptions& options) {
  OpenOptions open;
  open.storage = options.storage;
  if (open.storage == nullptr) {
    CAIRN_ASSIGN_OR_RETURN(open.storage, make_storage());
  }
  const auto look = [&] { return LogView::open(log_path, open); };
  return archive_from(look, open.storage, archive_path, options);
}

}  // namespace cairn::log
