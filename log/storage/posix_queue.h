// The I/O queue where io_uring is not allowed: pwritev2 and fdatasync on the submitting thread.
#ifndef CAIRN_LOG_STORAGE_POSIX_QUEUE_H_
#define CAIRN_LOG_STORAGE_POSIX_QUEUE_H_

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <utility>

#include <cairn/storage.h>

#include "storage/durable_flag.h"

namespace cairn::log {

// Writes all of `data` to a KernelFile on the calling thread.
[[nodiscard]] Status write_and_wait(File& file, std::uint64_t offset,
                                    std::span<const std::byte> data, bool durable,
                                    DurableFlag& flag);

// A submission runs the call at once and keeps its completion for reap(). A killed process's call
// ends before the kernel closes its files, so the lock needs no help here (S4).
class PosixQueue final : public IoQueue {
 public:
  explicit PosixQueue(std::shared_ptr<DurableFlag> durable) : durable_(std::move(durable)) {}
  [[nodiscard]] unsigned depth() const override { return 1; }
  [[nodiscard]] Status submit_write(File& file, std::uint64_t offset,
                                    std::span<const std::byte> data, bool durable,
                                    std::uint64_t tag) override;
  [[nodiscard]] Status submit_sync(File& file, std::uint64_t tag) override;
  [[nodiscard]] Result<std::size_t> reap(std::span<Completion> out, bool wait) override;
  [[nodiscard]] bool can_write_now() const override { return true; }
  [[nodiscard]] Status write_now(File& file, std::uint64_t offset, std::span<const std::byte> data,
                                 bool durable) override;

 private:
  void complete(std::uint64_t tag, Status status);

  const std::shared_ptr<DurableFlag> durable_;
  std::mutex mutex_;
  std::condition_variable done_cv_;
  std::deque<Completion> done_;
};

}  // namespace cairn::log

#endif  // CAIRN_LOG_STORAGE_POSIX_QUEUE_H_
