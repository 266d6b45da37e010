// The I/O queue on io_uring.
#ifndef CAIRN_LOG_STORAGE_URING_QUEUE_H_
#define CAIRN_LOG_STORAGE_URING_QUEUE_H_

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>

#include <liburing.h>

#include <cairn/storage.h>

namespace cairn::log {

class KernelLock;

// One ring. Submission and reaping each are for one thread at a time; a mutex guards the slots that
// both touch, and the submission side where a short write is continued by the reaper.
class UringQueue final : public IoQueue {
 public:
  // Error: kNotSupported with the kernel's reason. `lock` may be null; otherwise the ring holds it
  // (S4).
  [[nodiscard]] static Result<std::unique_ptr<UringQueue>> create(unsigned depth,
                                                                  const KernelLock* lock);
  ~UringQueue() override;
  UringQueue(const UringQueue&) = delete;
  UringQueue& operator=(const UringQueue&) = delete;

  [[nodiscard]] unsigned depth() const override { return depth_; }
  [[nodiscard]] Status submit_write(File& file, std::uint64_t offset,
                                    std::span<const std::byte> data, bool durable,
                                    std::uint64_t tag) override;
  [[nodiscard]] Status submit_sync(File& file, std::uint64_t tag) override;
  [[nodiscard]] Result<std::size_t> reap(std::span<Completion> out, bool wait) override;

 private:
  static constexpr unsigned kMaxDepth = 64;

  struct Request {
    bool used = false;
    bool is_sync = false;
    bool durable = false;
    File* file = nullptr;
    std::uint64_t offset = 0;
    std::span<const std::byte> rest;  // not written yet
    std::uint64_t tag = 0;
  };

  explicit UringQueue(unsigned depth) : depth_(depth) {}
  [[nodiscard]] Status check_operations();
  [[nodiscard]] Result<unsigned> take_slot();  // REQUIRES: mutex_ held
  [[nodiscard]] Status start(unsigned slot);   // REQUIRES: mutex_ held
  // True: the request in `slot` ended and *out says how. False: the rest of a short write is in
  // flight again.
  bool finish(unsigned slot, int result, Completion* out);

  // Tries of a submission for which the kernel has no memory right now.
  static constexpr unsigned kSubmitTries = 1000;

  unsigned depth_;
  io_uring ring_{};
  std::mutex mutex_;
  // A submission failed: its entry is still in the ring and must never be sent, so nothing is.
  Status broken_;
  std::array<Request, kMaxDepth> requests_;
  unsigned in_flight_ = 0;
};

}  // namespace cairn::log

#endif  // CAIRN_LOG_STORAGE_URING_QUEUE_H_
