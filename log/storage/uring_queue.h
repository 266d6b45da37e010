// The I/O queue on io_uring.
#ifndef CAIRN_LOG_STORAGE_URING_QUEUE_H_
#define CAIRN_LOG_STORAGE_URING_QUEUE_H_

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>

#include <liburing.h>

#include <cairn/storage.h>

#include "storage/durable_flag.h"

namespace cairn::log {

class KernelLock;

// One ring. Submission and reaping each are for one thread at a time; a mutex guards the slots that
// both touch, and the submission side where a short write is continued by the reaper.
class UringQueue final : public IoQueue {
 public:
  // Error: kNotSupported with the kernel's reason. `lock` may be null; otherwise the ring holds it
  // (S4).
  [[nodiscard]] static Result<std::unique_ptr<UringQueue>> create(
      unsigned depth, const KernelLock* lock, std::shared_ptr<DurableFlag> durable);
  ~UringQueue() override;
  UringQueue(const UringQueue&) = delete;
  UringQueue& operator=(const UringQueue&) = delete;

  [[nodiscard]] unsigned depth() const override { return depth_; }
  [[nodiscard]] Status submit_write(File& file, std::uint64_t offset,
                                    std::span<const std::byte> data, bool durable,
                                    std::uint64_t tag) override;
  [[nodiscard]] Status submit_sync(File& file, std::uint64_t tag) override;
  [[nodiscard]] Result<std::size_t> reap(std::span<Completion> out, bool wait) override;
  // By a system call: io_uring has a thread of the kernel flush behind a durable write, and two
  // hand-overs to it cost a lone append a tenth of its time.
  [[nodiscard]] bool can_write_now() const override { return true; }
  [[nodiscard]] Status write_now(File& file, std::uint64_t offset, std::span<const std::byte> data,
                                 bool durable) override;

 private:
  static constexpr unsigned kMaxDepth = 64;

  struct Request {
    bool used = false;
    bool is_sync = false;
    bool by_flag = false;     // a durable write: RWF_DSYNC makes it so
    bool sync_after = false;  // a durable write: a sync behind it does
    int refusal = 0;          // the error when it was tried with the flag, if that was refused
    File* file = nullptr;
    std::uint64_t offset = 0;
    std::span<const std::byte> rest = {};  // not written yet
    std::uint64_t tag = 0;
  };

  UringQueue(unsigned depth, std::shared_ptr<DurableFlag> durable)
      : depth_(depth), durable_(std::move(durable)) {}
  [[nodiscard]] Status check_operations();
  [[nodiscard]] Result<unsigned> take_slot();  // REQUIRES: mutex_ held
  [[nodiscard]] Status start(unsigned slot);   // REQUIRES: mutex_ held
  // True: the request in `slot` ended and *out says how. False: the rest of a short write, the same
  // write without a flag that was refused, or the sync behind it is in flight now.
  bool finish(unsigned slot, int result, Completion* out);

  // Tries of a submission for which the kernel has no memory right now.
  static constexpr unsigned kSubmitTries = 1000;

  unsigned depth_;
  const std::shared_ptr<DurableFlag> durable_;
  io_uring ring_{};
  std::mutex mutex_;
  // A submission failed: its entry is still in the ring and must never be sent, so nothing is.
  Status broken_;
  std::array<Request, kMaxDepth> requests_;
  unsigned in_flight_ = 0;
};

}  // namespace cairn::log

#endif  // CAIRN_LOG_STORAGE_URING_QUEUE_H_
