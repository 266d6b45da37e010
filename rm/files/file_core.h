// FileCore: the resource manager for files, over any FileOperations.
#ifndef CAIRN_RM_FILES_FILE_CORE_H_
#define CAIRN_RM_FILES_FILE_CORE_H_

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <cairn/rm_files.h>

#include "file_locks.h"
#include "file_operations.h"
#include "file_stream.h"

namespace cairn::rm {

// The calls are those of FilesResourceManager.
class FileCore {
 public:
  FileCore(std::unique_ptr<FileOperations> files, tm::TransactionManager manager,
           FilesOptions options);
  ~FileCore();
  FileCore(const FileCore&) = delete;
  FileCore& operator=(const FileCore&) = delete;

  // Called first, once.
  [[nodiscard]] Status open();

  [[nodiscard]] Status write(const tm::Transaction& transaction, const std::string& path,
                             std::string_view contents, bool is_new);
  [[nodiscard]] Status rename(const tm::Transaction& transaction, const std::string& from,
                              const std::string& to);
  [[nodiscard]] Status remove(const tm::Transaction& transaction, const std::string& path);
  [[nodiscard]] Result<std::string> read(const tm::Transaction& transaction,
                                         const std::string& path);
  [[nodiscard]] Result<std::vector<std::optional<std::string>>> read_together(
      std::span<const std::string> paths, std::chrono::milliseconds limit);

  [[nodiscard]] const FilesRecovery& recovery() const { return recovery_; }
  [[nodiscard]] Status health() const;

 private:
  struct Work {
    std::uint64_t key = 0;  // by which the manager names it
    tm::Enlistment enlistment;
    std::mutex use;                // of what follows, by one client or by the server
    FilePromise promise;           // with the changes so far
    bool is_open = false;          // takes more work
    bool is_replayed = false;      // promised by an earlier object
    bool may_be_promised = false;  // in the stream; stays staged when this object goes
    bool is_offered = false;       // the manager offered it at recovery
    bool is_in_doubt = false;      // offered, and the manager itself waits for the outcome
  };
  // Shared, because a client may be inside a call when the work ends.
  using Works = std::map<std::uint64_t, std::shared_ptr<Work>>;  // by Work::key
  enum class Verb : std::uint8_t { kPrepared, kRefused, kReadOnly, kCommitted, kRolledBack };
  struct Answer {
    Verb verb;
    tm::Enlistment enlistment;
    Lsn lsn = {};                       // of a kPrepared
    std::vector<std::byte> place = {};  // its recovery information
    Status why = {};                    // of a kRefused
  };

  [[nodiscard]] Status check_options() const;
  [[nodiscard]] Status adopt_promises();
  [[nodiscard]] Status remove_orphans();
  [[nodiscard]] Status begin_session();
  [[nodiscard]] Status settle();
  [[nodiscard]] bool is_settled() const;

  // Runs `function` on the work of `transaction`, alone, with the paths locked for it.
  [[nodiscard]] Status do_work(const tm::Transaction& transaction,
                               std::span<const std::string> paths,
                               const std::function<Status(Work&)>& function);
  [[nodiscard]] Result<std::shared_ptr<Work>> work_of(const tm::Transaction& transaction);
  // As the work sees it.
  [[nodiscard]] Result<bool> is_there(const Work& work, const std::string& path);
  void replace(Work& work, const std::string& path, FileChange change);
  [[nodiscard]] std::string new_name() const;

  void serve();
  void end_session(Status why);
  [[nodiscard]] Status handle(const std::vector<tm::Notification>& batch);
  [[nodiscard]] Status on_notification(const tm::Notification& notification);
  [[nodiscard]] Status on_recover(const tm::Notification& notification);
  [[nodiscard]] Status on_last_recover();
  [[nodiscard]] Status on_prepare(Work& work);
  [[nodiscard]] Status on_single_phase(Work& work);
  [[nodiscard]] Status on_commit(Work& work);
  [[nodiscard]] Status on_rollback(Work& work);
  [[nodiscard]] Status promise(Work& work, FileRecordType type);
  [[nodiscard]] Status make_durable(const Work& work);
  [[nodiscard]] Status carry_out(Work& work);
  [[nodiscard]] Status make_directories(const Work& work);
  [[nodiscard]] Status publish(const Work& work, const std::string& path, const FileChange& change);
  void discard(const Work& work);
  static void note(std::vector<Uuid>& list, const Work& work);
  void finish(Verb verb, const Work& work);
  void give(const Answer& answer) const;
  [[nodiscard]] Status write_snapshot();

  // REQUIRES: the mutex is held, for these two; the next three take it.
  std::shared_ptr<Work> add(FilePromise promise);
  [[nodiscard]] std::shared_ptr<Work> find(const Uuid& transaction) const;
  [[nodiscard]] std::shared_ptr<Work> find(std::uint64_t key) const;
  [[nodiscard]] Works works() const;
  void forget(const Work& work);

  const std::unique_ptr<FileOperations> files_;
  tm::TransactionManager manager_;
  const FilesOptions options_;
  // Used by open(), then by the server alone.
  FileStream stream_;
  bool is_covered_ = false;      // the stream lies in the manager's own log
  std::vector<Answer> answers_;  // owed as soon as force_to_ is durable
  Lsn force_to_;                 // null: nothing to force
  FilesRecovery recovery_;       // constant from the moment open() returns
  bool last_recover_ = false;    // seen

  mutable std::mutex mutex_;          // guards all below; taken behind Work::use, never before
  std::condition_variable released_;  // locks were
  tm::ResourceManager session_;
  Status health_;
  Works works_;
  FileLocks locks_;
  std::uint64_t next_key_ = 1;

  std::thread server_;
};

}  // namespace cairn::rm

#endif  // CAIRN_RM_FILES_FILE_CORE_H_
