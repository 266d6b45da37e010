// Storage: everything the log asks of the outside world.
//
// The log never calls the kernel itself. It asks a Storage for directories, files and an I/O queue;
// io_uring, plain POSIX calls, the crashing simulation of the tests and an embedder's own block
// device all stand behind these classes.
//
// What an implementation must keep, because the log's promises rest on it:
//  S1. Bytes of a write completed with `durable` set, and bytes of writes completed before a sync
//      of the same file was *submitted*, survive a power cut once that write or sync completed OK;
//      whoever wrote them, another process included (docs/decisions/0041).
//  S2. A name made, renamed or removed survives a power cut once sync_directory() returned OK.
//  S3. An error is reported once, truthfully, and never retried inside: after an error the state of
//      the bytes concerned is unknown. Short transfers are completed inside, or reported as errors.
//  S4. lock() excludes every other holder of the same directory on the machine, whatever file he
//      named and whether it is still there, until all I/O of the former holder has ended, a killed
//      one included: its late writes must not land under a new holder.
//  S5. A file that was just opened shows what is on the device, not what a failed sync left behind
//      in a cache.
// What it need not keep: writes that are not yet durable may survive in part, in any order, at any
// granularity down to single sectors.
//
// To bring a storage of your own (a block device, a remote volume): derive from Storage, Directory,
// File, IoQueue and DirectoryLock, and hand it to the log as OpenOptions::storage. Where there are
// no real directories, a table of names will do, as long as S2 holds for it. Objects are used like
// this:
//   - one Directory per open log, its File objects from any thread at once;
//   - one IoQueue, made after the log's end was found, for all block writes; everything else (open,
//     recovery, containers in the making, the base log) goes through File::write and File::sync;
//   - a container is filled by fill_zero() under a temporary name, renamed, written inside its size
//     only, and renamed again or removed when the log no longer needs it.
// An answer without an error is a promise: what cannot be kept must be said, as an error of the
// call or as a sentence of StorageInfo::weaknesses. cairn::sim has check_storage()
// (cairn/sim/storage_conformance.h), which runs an implementation through every rule that shows
// without a power cut.
#ifndef CAIRN_STORAGE_H_
#define CAIRN_STORAGE_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <cairn/result.h>
#include <cairn/status.h>

namespace cairn::log {

// A file of the log. Thread-safe, except that the owner ends all use before destruction.
class File {
 public:
  virtual ~File() = default;

  // Reads up to out.size() bytes at `offset`; the result is short only at the end of the file.
  // REQUIRES for direct files: offset, size and address are multiples of StorageInfo::alignment.
  [[nodiscard]] virtual Result<std::size_t> read(std::uint64_t offset,
                                                 std::span<std::byte> out) const = 0;
  // Writes all of `data` at `offset`, in order, not durable. Same alignment rule as read().
  [[nodiscard]] virtual Status write(std::uint64_t offset, std::span<const std::byte> data) = 0;
  // Makes all writes completed before the call durable (fdatasync).
  [[nodiscard]] virtual Status sync() = 0;
  // Makes the `length` bytes at `offset` those that `from`, a file of the same storage, has there,
  // without passing them through memory; not durable. For storages that can share bytes between
  // files (reflink) or copy them in the kernel. Errors: kNotSupported (it cannot, or not between
  // these two: read and write instead), kNoSpace, kIoError. What is there after an error is
  // unknown.
  [[nodiscard]] virtual Status copy_from(const File& from, std::uint64_t offset,
                                         std::uint64_t length) {
    (void)offset;
    (void)length;
    return Status(StatusCode::kNotSupported, name() + ": bytes of " + from.name() +
                                                 " can only be copied by reading and writing");
  }
  // Size in bytes.
  [[nodiscard]] virtual Result<std::uint64_t> size() const = 0;
  // The name inside its directory, for messages.
  [[nodiscard]] virtual const std::string& name() const = 0;
};

// The end of one submitted request.
struct Completion {
  std::uint64_t tag = 0;  // as given at submission
  Status status;
};

// Writes and syncs in flight. Submissions may complete in any order.
// Threads: one submitter at a time and one reaper at a time; the two may be different threads.
class IoQueue {
 public:
  virtual ~IoQueue() = default;

  // How many requests may be in flight at once, at least 1.
  [[nodiscard]] virtual unsigned depth() const = 0;

  // Starts a write of all of `data`. `data` stays valid and unchanged until its completion was
  // reaped. With `durable`, completion means S1. An error here means that nothing was submitted.
  // REQUIRES: fewer than depth() requests in flight.
  [[nodiscard]] virtual Status submit_write(File& file, std::uint64_t offset,
                                            std::span<const std::byte> data, bool durable,
                                            std::uint64_t tag) = 0;
  // Starts a sync covering the writes to `file` whose completions were reaped before this call.
  [[nodiscard]] virtual Status submit_sync(File& file, std::uint64_t tag) = 0;

  // Fills `out` with completions and returns how many. With `wait`, blocks until there is at least
  // one. REQUIRES with wait: at least one request in flight. An error here means that the queue
  // itself is broken: the requests in flight are indeterminate.
  [[nodiscard]] virtual Result<std::size_t> reap(std::span<Completion> out, bool wait) = 0;

  // A queue may have a shorter way for one write that its thread waits for: without a hand-over to
  // whoever completes requests. A log works without.
  [[nodiscard]] virtual bool can_write_now() const { return false; }
  // As a submit_write() whose completion is reaped in the same call; its status is returned. Beside
  // requests in flight, and beside another thread's submissions, but in the reaper's place.
  // REQUIRES: can_write_now().
  [[nodiscard]] virtual Status write_now(File& file, std::uint64_t /*offset*/,
                                         std::span<const std::byte> /*data*/, bool /*durable*/) {
    return Status(StatusCode::kNotSupported, file.name() + ": this storage has no write_now()");
  }
};

enum class OpenMode {
  kRead,       // existing file, read only
  kReadWrite,  // existing file
  kCreate,     // must not exist yet; created with mode 0600
};

// Held while the log is open for writing; released by destruction.
class DirectoryLock {
 public:
  virtual ~DirectoryLock() = default;
};

// A directory handle. All names are relative to it, without slashes; symbolic links are refused.
class Directory {
 public:
  virtual ~Directory() = default;

  // Opens a file for the log's I/O (direct where the storage can, see StorageInfo).
  // Errors: kNotFound, kAlreadyExists, kPermissionDenied, kNoSpace, kIoError.
  [[nodiscard]] virtual Result<std::unique_ptr<File>> open(std::string_view name,
                                                           OpenMode mode) = 0;
  // Atomically gives `from` the name `to`, replacing nothing: kAlreadyExists if `to` is there.
  [[nodiscard]] virtual Status rename(std::string_view from, std::string_view to) = 0;
  [[nodiscard]] virtual Status remove(std::string_view name) = 0;
  // All names, unordered.
  [[nodiscard]] virtual Result<std::vector<std::string>> list() const = 0;
  // S2 for all name changes so far.
  [[nodiscard]] virtual Status sync_directory() = 0;

  // Fills `file` up to `size` with zeros such that later writes inside it change no file-system
  // metadata (written extents, not only reserved ones), and makes that durable. Called off the
  // append path. Errors: kNoSpace, kIoError; the file is then of no use and should be removed.
  [[nodiscard]] virtual Status fill_zero(File& file, std::uint64_t size) = 0;

  // Takes the exclusive lock on the directory by way of the existing file `name`, waiting up to
  // `limit`. Errors: kLocked, kNotFound.
  [[nodiscard]] virtual Result<std::unique_ptr<DirectoryLock>> lock(
      std::string_view name, std::chrono::milliseconds limit) = 0;

  // A queue for this directory's files. `lock`, if any, must outlive all its I/O (S4): the queue
  // keeps what it needs to hold the lock until its last request has ended, even when the process is
  // killed.
  [[nodiscard]] virtual Result<std::unique_ptr<IoQueue>> make_queue(unsigned depth,
                                                                    const DirectoryLock* lock) = 0;

  // How many File::read() at once serve someone well who reads a file from its beginning to its
  // end. 1: reading ahead is of no use, and each thread that reads the log reads for itself alone.
  // More: then threads of the log's own read, as many at once, ahead of whoever reads a long
  // stretch of it, unless the log (or view) was opened with Background::kManual.
  [[nodiscard]] virtual unsigned read_depth() const { return 1; }

  // For messages.
  [[nodiscard]] virtual const std::string& path() const = 0;
};

// How blocks become durable that someone waits for. What is promised (S1) is the same; what it
// costs depends on the device and the file system.
enum class DurableWrites : std::uint8_t {
  kAutomatic,  // as the log was calibrated, or else as StorageInfo::durable_writes says
  // Each such write makes itself durable: submit_write() with `durable` (RWF_DSYNC; forced unit
  // access where the device has it). One request on the way of a commit, and none waits for
  // another's bytes.
  kPerWrite,
  // Plain writes, then one submit_sync() (fdatasync) for all that completed before it. Two requests
  // on the way of a commit; cheap where a flush costs the same for one write as for many.
  kPerPrefix,
};
[[nodiscard]] std::string_view durable_writes_name(DurableWrites how);

// What a storage is and what weakens the log's promises on it. For `cairn info`.
struct StorageInfo {
  std::string kind;  // "uring", "posix", "sim", ...
  // Why this one runs, for example "io_uring_setup: EPERM", and what else the system refused it.
  std::string reason;
  std::string file_system;    // "ext4", "tmpfs", ...
  bool direct = false;        // O_DIRECT, no page cache in between
  std::string direct_reason;  // why, or why not, for example "O_DIRECT refused: ..."
  // What DurableWrites::kAutomatic means here without a calibration, kPerWrite or kPerPrefix, and
  // why. In LogInfo: what runs.
  DurableWrites durable_writes = DurableWrites::kPerWrite;
  std::string durable_writes_reason = "the default";
  std::uint32_t logical_sector = 512;  // bytes
  std::uint32_t physical_sector = 4096;
  std::uint32_t alignment = 512;        // of offsets, sizes and addresses; at most physical_sector
  std::vector<std::string> weaknesses;  // each a sentence; empty: full promise
  // Tells devices of this machine apart (st_dev); may be another after a reboot. 0: not known.
  std::uint64_t device = 0;
  // Whether what writes take is worth measuring when a log is created (CreateOptions::calibrate):
  // false for memory and simulations.
  bool measurable = false;
};

class Storage {
 public:
  virtual ~Storage() = default;

  // Opens the directory `path`; with `create`, makes it (mode 0700) and makes its name durable.
  // Errors: kNotFound, kPermissionDenied, kIoError; kInvalidArgument if it is no directory.
  [[nodiscard]] virtual Result<std::unique_ptr<Directory>> open_directory(const std::string& path,
                                                                          bool create) = 0;
  // What is known about the storage below `directory`, which this storage opened.
  [[nodiscard]] virtual StorageInfo describe(const Directory& directory) const = 0;
  // Random bits, unique per call (container incarnations).
  [[nodiscard]] virtual std::uint64_t random() = 0;
};

enum class StorageKind {
  // What the environment's CAIRN_STORAGE says (uring or posix); without it io_uring where it is
  // allowed, else POSIX.
  kAuto,
  kUring,  // io_uring or an error
  kPosix,  // pwritev2 and fdatasync
};

// Whether files are read and written past the page cache (O_DIRECT).
enum class DirectIo : std::uint8_t {
  kAutomatic,  // where the file system takes it
  kOn,         // direct, or open_directory() fails: kNotSupported
  kOff,        // through the page cache
};

struct StorageOptions {
  StorageKind kind = StorageKind::kAuto;
  DirectIo direct = DirectIo::kAutomatic;
};

// The kernel's storage. Thread-safe. Error: kNotSupported when kUring is forced and refused;
// kInvalidArgument when CAIRN_STORAGE has another value.
[[nodiscard]] Result<std::shared_ptr<Storage>> make_storage(StorageKind kind = StorageKind::kAuto);
[[nodiscard]] Result<std::shared_ptr<Storage>> make_storage(const StorageOptions& options);

}  // namespace cairn::log

#endif  // CAIRN_STORAGE_H_
