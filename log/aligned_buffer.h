// Memory aligned for direct I/O.
#ifndef CAIRN_LOG_ALIGNED_BUFFER_H_
#define CAIRN_LOG_ALIGNED_BUFFER_H_

#include <sys/mman.h>

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <span>

namespace cairn::log {

// Owns `size` bytes at an address that is a multiple of 4096, enough for every alignment a log can
// have. From 2 MiB on the kernel is asked for large pages, of which the first touch takes the
// whole: records go into memory that no cache holds, where looking up small pages costs as much as
// copying, and a direct write pins them one by one (decision 0049).
class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  explicit AlignedBuffer(std::size_t size)
      : data_(static_cast<std::byte*>(
            std::aligned_alloc(alignment_of(size), round_up(size, alignment_of(size))))),
        size_(size) {
    if (data_ == nullptr) throw std::bad_alloc();
    // Refused where the kernel has none: small ones do.
    if (size >= kLargePage) {
      static_cast<void>(::madvise(data_.get(), round_up(size, kLargePage), MADV_HUGEPAGE));
    }
  }
  [[nodiscard]] std::byte* data() { return data_.get(); }
  [[nodiscard]] const std::byte* data() const { return data_.get(); }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::span<std::byte> bytes() { return {data_.get(), size_}; }
  [[nodiscard]] std::span<const std::byte> bytes() const { return {data_.get(), size_}; }

 private:
  static constexpr std::size_t kAlignment = 4096;
  static constexpr std::size_t kLargePage = std::size_t{2} << 20;
  static constexpr std::size_t alignment_of(std::size_t size) {
    return size < kLargePage ? kAlignment : kLargePage;
  }
  static constexpr std::size_t round_up(std::size_t size, std::size_t alignment) {
    return (size + alignment - 1) / alignment * alignment;
  }
  struct Free {
    void operator()(std::byte* memory) const { std::free(memory); }
  };
  std::unique_ptr<std::byte, Free> data_;
  std::size_t size_ = 0;
};

}  // namespace cairn::log

#endif  // CAIRN_LOG_ALIGNED_BUFFER_H_
