// Memory aligned for direct I/O.
#ifndef CAIRN_LOG_ALIGNED_BUFFER_H_
#define CAIRN_LOG_ALIGNED_BUFFER_H_

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <span>

namespace cairn::log {

// Owns `size` bytes at an address that is a multiple of 4096, enough for every alignment a log can
// have.
class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  explicit AlignedBuffer(std::size_t size)
      : data_(static_cast<std::byte*>(std::aligned_alloc(kAlignment, round_up(size)))),
        size_(size) {
    if (data_ == nullptr) throw std::bad_alloc();
  }
  [[nodiscard]] std::byte* data() { return data_.get(); }
  [[nodiscard]] const std::byte* data() const { return data_.get(); }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::span<std::byte> bytes() { return {data_.get(), size_}; }
  [[nodiscard]] std::span<const std::byte> bytes() const { return {data_.get(), size_}; }

 private:
  static constexpr std::size_t kAlignment = 4096;
  static constexpr std::size_t round_up(std::size_t size) {
    return (size + kAlignment - 1) / kAlignment * kAlignment;
  }
  struct Free {
    void operator()(std::byte* memory) const { std::free(memory); }
  };
  std::unique_ptr<std::byte, Free> data_;
  std::size_t size_ = 0;
};

}  // namespace cairn::log

#endif  // CAIRN_LOG_ALIGNED_BUFFER_H_
