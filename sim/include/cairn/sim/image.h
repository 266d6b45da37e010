// Image: the bytes of one simulated file. Copies are cheap: pages are immutable and shared.
#ifndef CAIRN_SIM_IMAGE_H_
#define CAIRN_SIM_IMAGE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace cairn::sim {

// The unit that reaches the disk as a whole, or not, or torn.
inline constexpr std::uint64_t kSectorSize = 512;
using Sector = std::array<std::byte, kSectorSize>;

// Not thread-safe by itself; images that share pages may be used by different threads.
class Image {
 public:
  [[nodiscard]] std::uint64_t size() const { return size_; }

  // Reads up to out.size() bytes and returns how many; short only at the end.
  std::size_t read(std::uint64_t offset, std::span<std::byte> out) const;
  // Writes all of `data`; grows the image as needed, zeros in between.
  void write(std::uint64_t offset, std::span<const std::byte> data);
  // Cuts, or grows with zeros.
  void resize(std::uint64_t size);
  // Makes the first `size` bytes zero, and the image at least that long.
  void fill_zero(std::uint64_t size);

  // The sector number `index`; what lies behind the end reads as zeros.
  [[nodiscard]] Sector sector(std::uint64_t index) const;

 private:
  static constexpr std::uint64_t kPageSize = 4096;
  using Page = std::array<std::byte, kPageSize>;

  std::uint64_t size_ = 0;
  std::vector<std::shared_ptr<const Page>> pages_;  // null: all zeros; bytes behind size_ are zeros
};

}  // namespace cairn::sim

#endif  // CAIRN_SIM_IMAGE_H_
