// DurableFlag: how the writes below a directory are made durable, as its file system was found to
// take them.
#ifndef CAIRN_LOG_STORAGE_DURABLE_FLAG_H_
#define CAIRN_LOG_STORAGE_DURABLE_FLAG_H_

#include <atomic>
#include <cerrno>
#include <cstring>
#include <string>

namespace cairn::log {

// With the write itself (RWF_DSYNC), until that flag was refused; then by an fdatasync behind it.
// Thread-safe.
class DurableFlag {
 public:
  [[nodiscard]] bool by_flag() const { return refused_.load(std::memory_order_relaxed) == 0; }
  // Whether a kernel, a file system or a filter of system calls may mean the flag by this error of
  // a write with it. Then nothing was written. It is the flag if the same write without it
  // succeeds.
  [[nodiscard]] static bool may_be_refusal(int os_error) {
    return os_error == EOPNOTSUPP || os_error == EINVAL;
  }
  void refuse(int os_error) { refused_.store(os_error, std::memory_order_relaxed); }
  // For StorageInfo::reason; empty: by the flag.
  [[nodiscard]] std::string text() const {
    const int error = refused_.load(std::memory_order_relaxed);
    if (error == 0) return "";
    return std::string("; RWF_DSYNC refused: ") + std::strerror(error) +
           ", each durable write is a write and an fdatasync";
  }

 private:
  std::atomic<int> refused_{0};  // the error, 0: not refused
};

}  // namespace cairn::log

#endif  // CAIRN_LOG_STORAGE_DURABLE_FLAG_H_
