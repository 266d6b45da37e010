// FileCore: the resource manager for files, over any FileOperations.
#ifndef CAIRN_RM_FILES_FILE_CORE_H_
#define CAIRN_RM_FILES_FILE_CORE_H_

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <cairn/rm_files.h>

#include "file_locks.h"
#include "file_operations.h"
#include "file_record.h"
#include "stream/participant.h"

namespace cairn::rm {

// The calls are those of FilesResourceManager.
class FileCore : public Participant {
 public:
  FileCore(std::unique_ptr<FileOperations> files, tm::TransactionManager manager,
           const FilesOptions& options);
  ~FileCore() override { stop(); }

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

 private:
  // Its changes are guarded by Work::use.
  struct FileWork : Work {
    FileChanges changes;  // so far
  };
  static FileWork& files_of(Work& work) { return static_cast<FileWork&>(work); }
  static const FileWork& files_of(const Work& work) { return static_cast<const FileWork&>(work); }

  [[nodiscard]] std::shared_ptr<Work> make_work() const override;
  [[nodiscard]] bool has_changes(const Work& work) const override;
  [[nodiscard]] std::vector<std::byte> encode_changes(const Work& work) const override;
  [[nodiscard]] Status adopt(Work& work, std::span<const std::byte> changes) override;
  [[nodiscard]] Status begin() override;
  [[nodiscard]] Status make_ready(Work& work) override;
  [[nodiscard]] Status carry_out(Work& work) override;
  void undo(Work& work) override;
  void end(Work& work, bool is_committed) override;

  // Runs `function` on the work of `transaction`, alone, with the paths locked for it.
  [[nodiscard]] Status do_work(const tm::Transaction& transaction,
                               std::span<const std::string> paths,
                               const std::function<Status(FileWork&)>& function);
  // As the work sees it.
  [[nodiscard]] Result<bool> is_there(const FileWork& work, const std::string& path);
  void replace(FileWork& work, const std::string& path, FileChange change);
  [[nodiscard]] std::string new_name() const;
  [[nodiscard]] Status make_directories(const FileWork& work);
  [[nodiscard]] Status publish(const FileWork& work, const std::string& path,
                               const FileChange& change);

  const std::unique_ptr<FileOperations> files_;
  const Uuid id_;
  FilesRecovery recovery_;  // constant from the moment open() returns

  // Guarded by the mutex.
  FileLocks locks_;
  std::set<std::string> staged_;  // of promises that are replayed and have not ended; for begin()
};

}  // namespace cairn::rm

#endif  // CAIRN_RM_FILES_FILE_CORE_H_
