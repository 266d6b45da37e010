// FileSyncs: syncs of several files, on their way at once.
//
// Each file needs a sync of its own, but a device that is asked for many flushes at once does
// hardly more than one.
#ifndef CAIRN_LOG_FILE_SYNCS_H_
#define CAIRN_LOG_FILE_SYNCS_H_

#include <memory>
#include <string_view>
#include <vector>

#include <cairn/storage.h>

namespace cairn::log {

// Not thread-safe.
class FileSyncs {
 public:
  // `lock`: as for Directory::make_queue(). Both outlive this.
  FileSyncs(Directory& directory, const DirectoryLock* lock)
      : directory_(&directory), lock_(lock) {}
  // Waits for what is on its way.
  ~FileSyncs();
  FileSyncs(const FileSyncs&) = delete;
  FileSyncs& operator=(const FileSyncs&) = delete;

  // Begins a sync of the file; it covers what was written to it before, by whomever. Errors: of
  // opening it for writing, of the queue.
  [[nodiscard]] Status begin(std::string_view name);
  // Waits for all. The first error there was.
  [[nodiscard]] Status finish();

 private:
  [[nodiscard]] Status reap();

  Directory* directory_;
  const DirectoryLock* lock_;
  std::vector<std::unique_ptr<File>> files_;
  std::unique_ptr<IoQueue> queue_;
  unsigned in_flight_ = 0;
  Status failed_;
};

}  // namespace cairn::log

#endif  // CAIRN_LOG_FILE_SYNCS_H_
