// archive(): brings an archive up to the end of a log.
//
// Order of writes, so that it may be interrupted at any point (each arrow: durable before the
// next):
//
//   an extent's bytes -> their file's name -> a manifest that names the extent, under another name
//     -> its own name -> older manifests go
//
// Bytes behind what the newest manifest names are not there: the next run writes them anew.
#include <algorithm>
#include <utility>

#include <cairn/archive.h>

#include "aligned_buffer.h"
#include "archive/manifest.h"
#include "read/read_source.h"

namespace cairn::log {
namespace {

constexpr std::size_t kArchivePiece = std::size_t{1} << 20;
// A manifest is written anew as a whole, so not for each extent.
constexpr std::size_t kExtentsPerManifest = 16;

class Archiver {
 public:
  Archiver(std::shared_ptr<Storage> storage, std::string path)
      : storage_(std::move(storage)), path_(std::move(path)) {}

  Status open(std::chrono::milliseconds lock_wait);
  [[nodiscard]] Lsn next() const { return manifest_.next(); }
  // That the log is the one that was archived, and did not take another way since.
  Status check(const ArchiveCursor& cursor) const;
  Result<ArchiveReport> run(ArchiveCursor& cursor);

 private:
  Status add(const ArchiveCursor& cursor, const ArchiveExtent& extent);
  Result<std::unique_ptr<File>> file_for(const ArchiveExtent& extent);
  Status copy(const ArchiveCursor& cursor, const ArchiveExtent& extent, File& to);
  Status finish(const ArchiveMetadata& log);

  std::shared_ptr<Storage> storage_;
  std::string path_;
  std::unique_ptr<Directory> directory_;
  std::unique_ptr<DirectoryLock> lock_;
  Manifest manifest_;
  ArchiveReport report_;
};

Status Archiver::open(std::chrono::milliseconds lock_wait) {
  CAIRN_ASSIGN_OR_RETURN(directory_, storage_->open_directory(path_, true));
  CAIRN_ASSIGN_OR_RETURN(const std::vector<std::string> names, directory_->list());
  for (const std::string& name : names) {
    std::uint64_t number;
    if (name == kArchiveLockName || name == kNewManifestName ||
        parse_manifest_name(name, &number) || parse_container_file_name(name, &number)) {
      continue;
    }
    return Status(StatusCode::kInvalidArgument,
                  path_ + ": expected an archive or an empty directory, found " + name);
  }
  const auto made = directory_->open(kArchiveLockName, OpenMode::kCreate);
  if (!made.is_ok() && made.code() != StatusCode::kAlreadyExists) return made.status();
  CAIRN_ASSIGN_OR_RETURN(lock_, directory_->lock(kArchiveLockName, lock_wait));
  CAIRN_ASSIGN_OR_RETURN(manifest_, read_manifest(*directory_));
  return Status::ok();
}

Status Archiver::check(const ArchiveCursor& cursor) const {
  if (manifest_.generation == 0) return Status::ok();
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
    CAIRN_ASSIGN_OR_RETURN(const std::uint64_t sum, cursor.checksum(newest.begin, newest.end));
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
  const std::uint64_t before = manifest_.extents.size();
  if (manifest_.generation == 0) {
    manifest_.metadata = log;
  }
  for (;;) {
    CAIRN_ASSIGN_OR_RETURN(const auto extent, cursor.next());
    if (!extent) break;
    CAIRN_RETURN_IF_ERROR(add(cursor, *extent));
    if ((manifest_.extents.size() - before) % kExtentsPerManifest == 0) {
      CAIRN_RETURN_IF_ERROR(directory_->sync_directory());
      CAIRN_RETURN_IF_ERROR(write_manifest(*directory_, &manifest_));
    }
  }
  if (manifest_.complete != manifest_.extents.size() || manifest_.metadata.tail != log.tail) {
    CAIRN_RETURN_IF_ERROR(finish(log));
  }
  report_.log_id = log.log_id;
  report_.begin = manifest_.begin();
  report_.end = manifest_.metadata.end;
  report_.extents = manifest_.extents.size() - before;
  return report_;
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
  CAIRN_RETURN_IF_ERROR(copy(cursor, extent, *file));
  CAIRN_RETURN_IF_ERROR(file->sync());
  manifest_.extents.push_back(extent);
  report_.bytes += extent.end - extent.begin;
  return Status::ok();
}

Result<std::unique_ptr<File>> Archiver::file_for(const ArchiveExtent& extent) {
  const std::string name = container_file_name(extent.container);
  const std::uint64_t offset = extent.begin.offset(manifest_.metadata.container_size);
  if (offset == 0) {
    // What an interrupted run left is made anew.
    const Status removed = directory_->remove(name);
    if (!removed.is_ok() && removed.code() != StatusCode::kNotFound) return removed;
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
    report_.bytes_shared += length;
    return shared;
  }
  if (shared.code() != StatusCode::kNotSupported) return shared;
  AlignedBuffer buffer(kArchivePiece);
  for (std::uint64_t done = 0; done < length;) {
    const auto step =
        static_cast<std::size_t>(std::min<std::uint64_t>(kArchivePiece, length - done));
    CAIRN_RETURN_IF_ERROR(cursor.read(extent, done, buffer.bytes().first(step)));
    CAIRN_RETURN_IF_ERROR(to.write(offset + done, std::as_const(buffer).bytes().first(step)));
    done += step;
  }
  return Status::ok();
}

template <typename Source>
Result<ArchiveReport> archive_from(const Source& source, std::shared_ptr<Storage> storage,
                                   const std::string& archive_path, const ArchiveOptions& options) {
  Archiver archiver(std::move(storage), archive_path);
  CAIRN_RETURN_IF_ERROR(archiver.open(options.lock_wait));
  {
    CAIRN_ASSIGN_OR_RETURN(const ArchiveCursor whole, ArchiveCursor::over(source));
    CAIRN_RETURN_IF_ERROR(archiver.check(whole));
  }
  CAIRN_ASSIGN_OR_RETURN(ArchiveCursor cursor, ArchiveCursor::over(source, archiver.next()));
  return archiver.run(cursor);
}

}  // namespace

Result<ArchiveReport> archive(const Log& log, const std::string& archive_path,
                              const ArchiveOptions& options) {
  std::shared_ptr<Storage> storage = options.storage;
  if (storage == nullptr) {
    CAIRN_ASSIGN_OR_RETURN(const ArchiveCursor cursor, ArchiveCursor::over(log));
    storage = cursor.storage();
  }
  return archive_from(log, std::move(storage), archive_path, options);
}

// In this order: what the log gives up is in the archive, whatever crash comes between.
Result<ArchiveReport> archive_and_set_tail(Log& log, const std::string& archive_path,
                                           const ArchiveOptions& options) {
  CAIRN_ASSIGN_OR_RETURN(const ArchiveReport report, archive(log, archive_path, options));
  if (const Status status = log.set_archive_tail(report.end); !status.is_ok()) {
    return status.with_context("the archive is durable up to LSN " + report.end.to_string() +
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
  CAIRN_ASSIGN_OR_RETURN(const auto view, LogView::open(log_path, open));
  return archive_from(*view, open.storage, archive_path, options);
}

}  // namespace cairn::log
