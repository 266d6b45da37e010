// Archives: copies of a log, made while it runs or not, that become a log again.
//
//   auto report = archive(log, "/backup/log");              // again and again: only what is new
//   log.set_archive_tail(report->end);                      // what is archived may be recycled
//   auto both = archive_and_set_tail(log, "/backup/log");   // the two in one
//   ...
//   restore("/backup/log", "/var/lib/app/log");             // a log that opens and goes on
//
// An archive holds bytes of containers as they are, in extents, with a manifest that names each
// with its checksum. What is archived was durable in the log: no crash of the log takes it back.
// Nor does it hold anything of a container's next life: behind each look at a container it is asked
// whether the log may have recycled it meanwhile; then what was read is left out (decision 0082).
#ifndef CAIRN_ARCHIVE_H_
#define CAIRN_ARCHIVE_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include <cairn/log.h>
#include <cairn/lsn.h>
#include <cairn/options.h>
#include <cairn/result.h>
#include <cairn/uuid.h>

namespace cairn::log {

// A stretch of one container, from block boundary to block boundary, durable and never to change.
struct ArchiveExtent {
  std::uint64_t container = 0;  // logical number
  Lsn begin;                    // of the bytes; begin.offset() is their place in the file
  Lsn end;                      // behind them
  Lsn next;                     // where the next extent begins
  Lsn last_block;               // the newest block in it
  std::uint64_t incarnation = 0;
  std::uint64_t checksum = 0;  // XXH3-64 of the bytes
  std::uint32_t epoch = 0;     // of the newest block
  bool sealed = false;         // the container is full: all that it will ever hold is archived
};

// What must be known of a log to make its extents a log again.
struct ArchiveMetadata {
  Uuid log_id;
  std::uint64_t container_size = 0;
  std::uint64_t max_size = 0;
  std::uint32_t block_size = 0;
  std::uint32_t alignment = 0;
  Lsn tail;  // extents from this one's container on are needed
  Lsn end;   // the last extent ends here
};

// Yields the extents of a log in log order, up to what was durable when the cursor was made. For
// one thread at a time; must not outlive its Log or LogView. It keeps nothing from being recycled,
// which is for the archive tail to do; what was recycled meanwhile is kStartOfLog, never damage.
class ArchiveCursor {
 public:
  // From the container of the log's tail, or from `from`, the `next` of an extent. Errors:
  // kStartOfLog (containers from there on were recycled), kLsnInvalid (beyond the durable end).
  [[nodiscard]] static Result<ArchiveCursor> over(const Log& log, Lsn from = {});
  // The same over a log that this process has not opened for writing. What the view shows is made
  // durable first. Errors also: those of the storage, kCorrupt, kContainerMissing; kStartOfLog
  // (recycled since the view looked: refresh() it).
  [[nodiscard]] static Result<ArchiveCursor> over(const LogView& view, Lsn from = {});

  [[nodiscard]] const ArchiveMetadata& metadata() const { return metadata_; }

  // The next extent, each of its blocks checked; nothing at the end. Errors: kCorrupt with the LSN
  // range, kContainerMissing, kIoError; kStartOfLog (recycled meanwhile); kLsnInvalid (`from` is
  // not the boundary of an extent); kIdentityMismatch (another log took its place).
  [[nodiscard]] Result<std::optional<ArchiveExtent>> next();

  // The bytes of an extent that begin `offset` bytes behind its begin. REQUIRES: offset and size
  // are multiples of the log's alignment and within the extent; out is aligned to 4096.
  // Errors: as next().
  [[nodiscard]] Status read(const ArchiveExtent& extent, std::uint64_t offset,
                            std::span<std::byte> out) const;
  // The checksum of the bytes that are there now, between the LSNs of one container. Errors: as
  // next().
  [[nodiscard]] Result<std::uint64_t> checksum(Lsn begin, Lsn end) const;
  // The container's file, for File::copy_from. What was read through it is the container's if
  // still_held() says so afterwards. Errors: kContainerMissing, kCorrupt, kIoError.
  [[nodiscard]] Result<std::shared_ptr<const File>> file(std::uint64_t container) const;
  // OK: the container was not recycled yet, so all that was read of it before this call was its
  // own. Errors: kStartOfLog (it may have been); kIdentityMismatch; those of reading the base log.
  [[nodiscard]] Status still_held(std::uint64_t container) const;
  // The storage that the log lies on, if the cursor knows it; otherwise null.
  [[nodiscard]] const std::shared_ptr<Storage>& storage() const { return storage_; }

 private:
  ArchiveCursor() = default;
  [[nodiscard]] Status start(Lsn from);
  [[nodiscard]] Result<ArchiveExtent> read_extent();

  ReadSource* source_ = nullptr;
  const ReadHorizon* horizon_ = nullptr;
  std::shared_ptr<Storage> storage_;
  ArchiveMetadata metadata_;
  Lsn from_;
  bool resumed_ = false;  // nothing was yielded yet, and `from` was given
};

struct ArchiveOptions {
  std::shared_ptr<Storage> storage{};  // null: make_storage(kAuto); for a Log: the log's own
  // How long to wait for another archiver of the same archive.
  std::chrono::milliseconds lock_wait{2000};
};

struct ArchiveReport {
  Uuid log_id;
  Lsn begin;  // the archive as a whole
  Lsn end;
  std::uint64_t extents = 0;       // added by this call
  std::uint64_t bytes = 0;         // of them
  std::uint64_t bytes_shared = 0;  // of those, passed by the file system or the kernel (reflink)
};

// Brings the archive in the directory `archive_path`, made if need be, up to the end of the log.
// Interrupted at any point, it can be called again and goes on where it was; the archive then is
// what it was before, or holds more. What the log recycles during the call is left out of an
// archive that begins with it: that begins at the tail that the log has by then, and ends at an end
// that was looked for after that. Errors: kInvalidArgument (the directory holds something else);
// kIdentityMismatch (an archive of another log, or of another life of it); kStartOfLog (containers
// between the archive's end and the log's tail were recycled; or again and again the log recycled
// what was being read: with an archive tail it does neither); kCorrupt and kContainerMissing (of
// the log or of the archive; the file and the LSN are named); kLocked; kNoSpace; kIoError.
[[nodiscard]] Result<ArchiveReport> archive(const Log& log, const std::string& archive_path,
                                            const ArchiveOptions& options = {});
// Of the log in the directory `log_path`, which another process may have open.
[[nodiscard]] Result<ArchiveReport> archive(const std::string& log_path,
                                            const std::string& archive_path,
                                            const ArchiveOptions& options = {});

// archive(), and when that is durable, Log::set_archive_tail() with the archive's end: what was
// archived may be recycled from then on, nothing else. Switches the archive tail on, before
// anything is read, and after an error off again if it was off. A crash or an error in between
// leaves an archive that holds more than the log knows of; call it again. Errors: those of the two.
[[nodiscard]] Result<ArchiveReport> archive_and_set_tail(Log& log, const std::string& archive_path,
                                                         const ArchiveOptions& options = {});

struct RestoreReport {
  Uuid log_id;
  Lsn tail;
  Lsn end;  // of the last archive() that came to its end
  std::uint64_t containers = 0;
  std::uint64_t bytes = 0;
  EndOfLog end_of_log;  // as opening will find it
};

// Makes a log in `path`, a directory that is made or is empty, out of the archive: the same log, up
// to where the last archive() that came to its end had brought it. Each extent is held against its
// checksum. The log begins where its streams begin: its tail is the oldest LSN that a stream, or
// the archive tail, still needs, which may be behind the tail that the archived log had by then.
// Records before it that no stream needs may be missing (`cairn dump` of the two differs by them);
// from each stream's base on all are there. After a crash or an error there is no log, and it can
// be called again. The log has the identity of the archived one: where that one goes on too, the
// two part, and LSNs behind the archive's end mean different records in each. Errors: kNotFound;
// kInvalidState (no archive() came to its end yet); kAlreadyExists (a log is there);
// kInvalidArgument (the directory holds something else); kCorrupt (a damaged archive: file, LSN,
// expected and found); kNoSpace; kIoError.
[[nodiscard]] Result<RestoreReport> restore(const std::string& archive_path,
                                            const std::string& path,
                                            const ArchiveOptions& options = {});

}  // namespace cairn::log

#endif  // CAIRN_ARCHIVE_H_
