// LogOpener: from a directory to an open log, and from nothing to a new one.
#ifndef CAIRN_LOG_LOG_OPENER_H_
#define CAIRN_LOG_LOG_OPENER_H_

#include <memory>
#include <string>

#include <cairn/options.h>
#include <cairn/result.h>

#include "calibration/write_plan.h"
#include "log_core.h"

namespace cairn::log {

// Opening, step by step; a crash between any two leaves a log that opens:
//  1. lock the base log, read it (the slot with the higher generation), and plan the writing;
//  2. make durable what an earlier process may have left in the page cache, so that nothing that is
//     read now can vanish;
//  3. scan to the end and judge it (read/end_of_log.h); damage ends here, nothing is changed;
//  4. write the base log in the present format version if it is an older one's;
//  5. choose where the log goes on: behind the end after a clean close, otherwise beyond every LSN
//     that can have been given out;
//  6. make the container of that place ready, if it is another one;
//  7. write an epoch block at the end, durable, naming that place. From here on older blocks behind
//     the end are dead;
//  8. write the base log, which says that the epoch block is durable.
class LogOpener {
 public:
  LogOpener(const std::string& path, const OpenOptions& options) : path_(path), options_(options) {}

  [[nodiscard]] Result<std::unique_ptr<LogCore>> create(const CreateOptions& create_options);
  [[nodiscard]] Result<std::unique_ptr<LogCore>> open();

 private:
  [[nodiscard]] Status open_directory(bool create);
  [[nodiscard]] Status check_options() const;
  [[nodiscard]] Result<std::unique_ptr<DirectoryLock>> lock_creation(const format::BaseSlot& slot);
  [[nodiscard]] Result<format::BaseSlot> first_slot(const CreateOptions& create_options) const;
  [[nodiscard]] Status write_first_container(const format::BaseSlot& slot,
                                             const CreateOptions& create_options,
                                             const DirectoryLock* lock);
  [[nodiscard]] Status calibrate_new_log(const DirectoryLock* lock, BaseLog* base);

  [[nodiscard]] Status read_policies(const Catalog& catalog);
  [[nodiscard]] Status upgrade_format();
  [[nodiscard]] Status check_files(const format::BaseSlot& slot) const;
  [[nodiscard]] Result<FoundEnd> find_durable_end(const format::BaseSlot& slot);
  struct Continuation {
    Lsn epoch_block;  // at the end that was found
    Lsn position;     // of the next block
  };
  [[nodiscard]] Continuation choose_continuation(const FoundEnd& found) const;
  [[nodiscard]] Result<ReadyContainer> prepare_containers(const FoundEnd& found,
                                                          const Continuation& to);
  [[nodiscard]] Status vouch_for_epoch_block(const Continuation& to);
  [[nodiscard]] Status write_epoch_block(const FoundEnd& found, const Continuation& to);
  [[nodiscard]] Status start_writer(ReadyContainer container, const Continuation& to);

  std::string path_;
  OpenOptions options_;
  std::unique_ptr<LogCore> core_;
  std::uint32_t window_ = 0;      // of this opening
  std::string calibration_note_;  // of the creation
};

// Shows what is known of the storage below the log's directory and how `plan` writes to it.
void describe_storage(const StorageInfo& storage, const WritePlan& plan, LogInfo* info);

// Storage from the options, or the kernel's.
[[nodiscard]] Result<std::shared_ptr<Storage>> storage_of(const OpenOptions& options);

}  // namespace cairn::log

#endif  // CAIRN_LOG_LOG_OPENER_H_
