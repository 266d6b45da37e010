// FilesResourceManager: the files of one directory tree as a resource manager of Cairn: several are
// created, replaced, renamed and removed as one.
//
//   auto files = FilesResourceManager::open(tm, {.id = kReports, .tree = "/srv/reports",
//                                                .log = log});
//   auto transaction = tm.create_transaction();
//   files->write(*transaction, "2026/november.csv", rows);
//   files->rename(*transaction, "index.new", "index");
//   transaction->commit();
//
// New contents go to files of a staging directory beside the tree. PREPARE makes them durable, and
// then a record of what is to be done, in a stream of a log of Cairn. COMMIT renames them into
// place, removes what is to be removed, makes the directories durable, and answers. Recovery does
// that again as often as it takes. ROLLBACK removes what was staged.
//
// What others see. Each file changes from old to new at once: nobody ever opens a part of one. But
// the files of one transaction change one after the other: a program that opens the tree's files by
// itself may see some new and some old ones while COMMIT is carried out (after a crash: until this
// object is open again). One that must not asks read_together(). A program that *changes* files of
// the tree without this object is not kept apart from transactions.
//
// Crash semantics. A promise is durable before it is given, a commit before it is answered. An
// error while a commit is carried out is never read as an outcome: the session ends, health() says
// why, and opening again goes on from there.
#ifndef CAIRN_RM_FILES_H_
#define CAIRN_RM_FILES_H_

#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <cairn/log.h>
#include <cairn/result.h>
#include <cairn/status.h>
#include <cairn/transaction_manager.h>
#include <cairn/uuid.h>

namespace cairn::rm {

struct FilesOptions {
  // Identity of this resource manager: chosen once, the same at every start. Required.
  Uuid id{};
  // The directory whose files it keeps; it exists.
  std::string tree{};
  // A directory on the same mounted file system, neither in the tree nor around it; made if it is
  // not there. Empty: the tree's path with ".staging" behind. Several resource managers may not use
  // one at a time (kLocked).
  std::string staging{};
  // Where the records go. The manager's own log saves a forced write per transaction: then the
  // manager's record covers them. Required; it outlives this object.
  std::shared_ptr<log::Log> log{};
  // The stream in that log; made if it is not there.
  std::string stream = "files";
  // After so many bytes of records, what is still promised is written again and the stream's base
  // moves there. The log needs room for several of them.
  std::uint64_t snapshot_bytes = std::uint64_t{1} << 20;
};

// What open() found of transactions it had a part in, by unit of work.
struct FilesRecovery {
  std::vector<Uuid> committed;    // were promised, or decided alone; carried out now
  std::vector<Uuid> aborted;      // were promised; rolled back: by the manager, or as not offered
  std::vector<Uuid> redelivered;  // were committed already; only the answer had been lost
  std::vector<Uuid> foreign;      // are promised to another manager: left alone, paths locked
  // Files of committed transactions of which neither the staged contents are there nor, in its
  // place, a file of the promised size: another program removed or changed them. Nothing can bring
  // them back, so the transaction is ended without them.
  std::vector<std::string> missing;
};

// Paths are relative to the tree: names with single '/' between them, no name "." or "..", no
// leading '/', at most 4096 bytes, names at most 255 (else kInvalidArgument). No symbolic link is
// followed and no mount point crossed on the way; what is named must be a regular file or nothing
// (else kInvalidArgument). Directories are made as needed, at COMMIT; none is removed.
//
// Locks. A path that a transaction reads or changes is locked by it until its outcome is carried
// out, across crashes if it is promised; so are, for others, the paths above and below it. Nobody
// waits within a transaction: kLocked.
//
// Thread-safe. Log and manager outlive it.
class FilesResourceManager {
 public:
  // Begins a session with `manager` and brings every transaction in doubt to its outcome. REQUIRES:
  // `manager` is recovered. Errors: kInvalidArgument (no id or log; tree and staging are not on one
  // mounted file system, or one in the other), kNotFound (no tree), kLocked (the staging directory
  // is in use), kIdentityMismatch (the stream is another resource manager's), kCorrupt (damaged
  // records; a decided transaction of which the stream knows nothing), and those of the file
  // system, of log and manager.
  [[nodiscard]] static Result<std::unique_ptr<FilesResourceManager>> open(
      tm::TransactionManager manager, FilesOptions options);
  FilesResourceManager(const FilesResourceManager&) = delete;
  FilesResourceManager& operator=(const FilesResourceManager&) = delete;
  // Ends the session. What is not promised is rolled back; what is stays staged for the next
  // open().
  ~FilesResourceManager();

  // Work under a transaction, before its commit is asked for; the first call takes part in it.
  // Nothing is seen by others before the commit, and each call sees those before it. After an error
  // the path is as before the call. Common errors: kInvalidArgument (the path, as above; or a path
  // above or below one that this transaction has), kLocked, kNotActive (the transaction is past the
  // point of taking work), health()'s, those of ResourceManager::enlist() and of the file system.
  //
  // The file has these contents; replaced if it is there, and then keeps its permissions. Error
  // also: kNoSpace.
  [[nodiscard]] Status write(const tm::Transaction& transaction, std::string_view path,
                             std::string_view contents);
  // The same for a new file. Error also: kAlreadyExists.
  [[nodiscard]] Status create(const tm::Transaction& transaction, std::string_view path,
                              std::string_view contents);
  // The file gets another path, its contents are not copied. The file system must have hard links.
  // Errors also: kNotFound (`from`), kAlreadyExists (`to`; remove it before).
  [[nodiscard]] Status rename(const tm::Transaction& transaction, std::string_view from,
                              std::string_view to);
  // Error also: kNotFound.
  [[nodiscard]] Status remove(const tm::Transaction& transaction, std::string_view path);
  // The contents as the transaction sees them. Error also: kNotFound.
  [[nodiscard]] Result<std::string> read(const tm::Transaction& transaction, std::string_view path);

  // Committed contents, without a transaction. While an undecided transaction has the path it
  // waits, up to `limit`, then says kLocked. Errors also: kNotFound, kInvalidArgument (the path).
  [[nodiscard]] Result<std::string> read(std::string_view path,
                                         std::chrono::milliseconds limit = {});
  // Several files as of one moment, between transactions; nothing for one that is not there.
  // Errors: as read().
  [[nodiscard]] Result<std::vector<std::optional<std::string>>> read_together(
      std::span<const std::string> paths, std::chrono::milliseconds limit = {});

  [[nodiscard]] const FilesRecovery& recovery() const;
  // OK, or why the session ended. The way on is to open again.
  [[nodiscard]] Status health() const;

 private:
  class Impl;
  explicit FilesResourceManager(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace cairn::rm

#endif  // CAIRN_RM_FILES_H_
