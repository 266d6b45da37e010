// restore(): a log out of an archive.
//
// As at creation the base log comes first and says that the log is being created; then the
// containers; then, from the containers alone, what the base log has to say (rebuild/). A crash in
// between leaves an unfinished creation, which the next restore or creation clears away.
#include <algorithm>
#include <cstring>
#include <utility>

#include <cairn/archive.h>

#include "aligned_buffer.h"
#include "archive/manifest.h"
#include "base_log.h"
#include "format/hash.h"
#include "read/read_source.h"
#include "rebuild/container_survey.h"
#include "unfinished_creation.h"

namespace cairn::log {
namespace {

constexpr std::size_t kRestorePiece = std::size_t{1} << 20;

// An archive opened for reading.
struct Opened {
  std::unique_ptr<Directory> directory;
  Manifest manifest;
};

Result<Opened> open_archive(Storage& storage, const std::string& path) {
  Opened opened;
  CAIRN_ASSIGN_OR_RETURN(opened.directory, storage.open_directory(path, false));
  CAIRN_ASSIGN_OR_RETURN(opened.manifest, read_manifest(*opened.directory));
  if (opened.manifest.generation == 0) {
    return Status(StatusCode::kNotFound, path + ": expected an archive, found no manifest");
  }
  if (opened.manifest.complete == 0) {
    return Status(StatusCode::kInvalidState,
                  path +
                      ": the archive is incomplete: expected a run that came to its end, found one "
                      "that was interrupted at LSN " +
                      opened.manifest.next().to_string() + "; archive again");
  }
  return opened;
}

// Copies one extent and holds it against its checksum.
Status copy_extent(const File& from, const ArchiveExtent& extent, std::uint64_t size, File& to) {
  const std::uint64_t offset = extent.begin.offset(size);
  const std::uint64_t length = extent.end - extent.begin;
  StatusDetail detail;
  detail.file = from.name();
  detail.lsn_begin = extent.begin;
  detail.lsn_end = extent.end;
  const std::string where = from.name() + ": LSN " + std::to_string(extent.begin.value()) + " to " +
                            extent.end.to_string();
  AlignedBuffer buffer(kRestorePiece);
  format::PieceHash sum;
  for (std::uint64_t done = 0; done < length;) {
    const auto step =
        static_cast<std::size_t>(std::min<std::uint64_t>(kRestorePiece, length - done));
    CAIRN_ASSIGN_OR_RETURN(const std::size_t got,
                           from.read(offset + done, buffer.bytes().first(step)));
    if (got != step) {
      return Status(StatusCode::kCorrupt,
                    where + ": expected " + std::to_string(length) + " bytes, found " +
                        std::to_string(done + got),
                    detail);
    }
    sum.add(std::as_const(buffer).bytes().first(step));
    CAIRN_RETURN_IF_ERROR(to.write(offset + done, std::as_const(buffer).bytes().first(step)));
    done += step;
  }
  if (sum.value() == extent.checksum) return Status::ok();
  return Status(StatusCode::kCorrupt,
                where + ": archived bytes: expected checksum " + std::to_string(extent.checksum) +
                    ", found " + std::to_string(sum.value()),
                detail);
}

Result<std::unique_ptr<File>> open_archived(const Opened& archive, const ArchiveExtent& extent) {
  const std::string name = container_file_name(extent.container);
  auto file = archive.directory->open(name, OpenMode::kRead);
  if (file.code() != StatusCode::kNotFound) return file;
  StatusDetail detail;
  detail.file = archive.directory->path() + "/" + name;
  detail.lsn_begin = extent.begin;
  detail.lsn_end = extent.end;
  return Status(StatusCode::kContainerMissing,
                detail.file + ": LSN " + std::to_string(extent.begin.value()) + " to " +
                    extent.end.to_string() + ": expected an archived container, found no such file",
                detail);
}

Status copy_containers(const Opened& archive, Directory& to, RestoreReport* report) {
  const std::uint64_t size = archive.manifest.metadata.container_size;
  const std::uint64_t first = archive.manifest.metadata.tail.container(size);
  std::unique_ptr<File> source;
  std::unique_ptr<File> made;
  for (std::uint64_t i = 0; i < archive.manifest.complete; ++i) {
    const ArchiveExtent& extent = archive.manifest.extents[i];
    if (extent.container < first) continue;
    if (extent.begin.offset(size) == 0) {
      if (made != nullptr) CAIRN_RETURN_IF_ERROR(made->sync());
      CAIRN_ASSIGN_OR_RETURN(source, open_archived(archive, extent));
      CAIRN_ASSIGN_OR_RETURN(made,
                             to.open(container_file_name(extent.container), OpenMode::kCreate));
      CAIRN_RETURN_IF_ERROR(to.fill_zero(*made, size));
      ++report->containers;
    }
    CAIRN_RETURN_IF_ERROR(copy_extent(*source, extent, size, *made));
    report->bytes += extent.end - extent.begin;
  }
  if (made == nullptr) {
    return Status(StatusCode::kCorrupt,
                  archive.directory->path() + ": expected an extent in container " +
                      std::to_string(first) + ", where the log's tail lies, found none");
  }
  CAIRN_RETURN_IF_ERROR(made->sync());
  return to.sync_directory();
}

format::BaseSlot slot_of(const ArchiveMetadata& metadata) {
  format::BaseSlot slot{};
  std::memcpy(slot.log_id, metadata.log_id.bytes.data(), sizeof slot.log_id);
  slot.generation = 1;
  slot.container_size = metadata.container_size;
  slot.max_size = metadata.max_size;
  slot.block_size = metadata.block_size;
  slot.alignment = metadata.alignment;
  slot.state = static_cast<std::uint64_t>(format::BaseState::kCreating);
  return slot;
}

Status fill(const Opened& archive, Directory& to, RestoreReport* report) {
  CAIRN_RETURN_IF_ERROR(copy_containers(archive, to, report));
  CAIRN_ASSIGN_OR_RETURN(ContainerSurvey survey, survey_containers(to));
  const Lsn newest = archive.manifest.extents[archive.manifest.complete - 1].last_block;
  if (survey.end_of_log.end <= newest ||
      geometry_of(survey.slot).log_id != archive.manifest.metadata.log_id) {
    return Status(StatusCode::kCorrupt, archive.directory->path() + ": expected log " +
                                            archive.manifest.metadata.log_id.to_string() +
                                            " with a block at LSN " + newest.to_string() +
                                            ", found one that ends at " +
                                            survey.end_of_log.end.to_string());
  }
  CAIRN_ASSIGN_OR_RETURN(BaseLog base, BaseLog::open(to, OpenMode::kReadWrite));
  CAIRN_RETURN_IF_ERROR(base.write(survey.slot));
  CAIRN_RETURN_IF_ERROR(base.write(survey.slot));
  report->tail = Lsn(survey.slot.tail);
  report->end_of_log = survey.end_of_log;
  return Status::ok();
}

}  // namespace

Result<RestoreReport> restore(const std::string& archive_path, const std::string& path,
                              const ArchiveOptions& options) {
  std::shared_ptr<Storage> storage = options.storage;
  if (storage == nullptr) {
    CAIRN_ASSIGN_OR_RETURN(storage, make_storage());
  }
  CAIRN_ASSIGN_OR_RETURN(const Opened archive, open_archive(*storage, archive_path));
  CAIRN_ASSIGN_OR_RETURN(const auto to, storage->open_directory(path, true));
  CAIRN_RETURN_IF_ERROR(clear_unfinished_creation(*to, options.lock_wait));
  CAIRN_ASSIGN_OR_RETURN(const std::vector<std::string> names, to->list());
  if (!names.empty()) {
    return Status(
        StatusCode::kInvalidArgument,
        path + ": expected an empty directory for the restored log, found " + names.front());
  }
  RestoreReport report;
  report.log_id = archive.manifest.metadata.log_id;
  report.end = archive.manifest.metadata.end;
  CAIRN_RETURN_IF_ERROR(BaseLog::create(*to, slot_of(archive.manifest.metadata)));
  Status status;
  {
    CAIRN_ASSIGN_OR_RETURN(const auto lock, to->lock(format::kBaseFileName, options.lock_wait));
    status = fill(archive, *to, &report);
  }
  if (status.is_ok()) return report;
  if (const Status cleared = clear_unfinished_creation(*to, options.lock_wait); !cleared.is_ok()) {
    return status.with_context("and what was begun could not be removed (" + cleared.message() +
                               ")");
  }
  return status;
}

}  // namespace cairn::log
