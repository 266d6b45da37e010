// Disk: a block device in memory that remembers every write and every flush since it was told to.
//
// It has two images: the base, which is what certainly survives a power cut, and the view, which is
// what the machine sees. A DiskServer lets a kernel write to the view; what a power cut leaves is
// made of the base and of a choice among the entries behind it.
#ifndef CAIRN_TORTURE_DISK_H_
#define CAIRN_TORTURE_DISK_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include <cairn/result.h>

namespace cairn::torture {

// What a disk writes whole: a page, wherever the request begins.
inline constexpr std::uint64_t kDiskPage = 4096;

// One request of the kernel, in the order in which they were answered: each was answered before the
// next one was looked at.
struct DiskEntry {
  enum class Kind : std::uint8_t { kWrite, kZero, kFlush };
  Kind kind = Kind::kFlush;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  std::vector<std::byte> data;  // of kWrite

  // How many pages of the disk it touches.
  [[nodiscard]] std::size_t pages() const {
    return length == 0 ? 0 : (offset + length - 1) / kDiskPage - offset / kDiskPage + 1;
  }
};

// Threads: the server's calls and position() from any; all others while no request is on its way.
class Disk {
 public:
  // Zeros. REQUIRES: a multiple of kDiskPage. Error: kResourceExhausted.
  [[nodiscard]] static Result<std::unique_ptr<Disk>> make(std::uint64_t bytes);
  ~Disk();
  Disk(const Disk&) = delete;
  Disk& operator=(const Disk&) = delete;

  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

  // For the server. False: beyond the end, or the device fails.
  [[nodiscard]] bool read(std::uint64_t offset, std::span<std::byte> out) const;
  [[nodiscard]] bool write(std::uint64_t offset, std::span<const std::byte> data);
  [[nodiscard]] bool zero(std::uint64_t offset, std::uint64_t length);
  [[nodiscard]] bool flush();

  // From now on every write and flush is refused, or no longer. From any thread.
  void fail(bool fails) { fails_ = fails; }

  // How many entries there are since take_log().
  [[nodiscard]] std::uint64_t position() const { return position_.load(); }
  // The entries since the last call, which are forgotten here.
  [[nodiscard]] std::vector<DiskEntry> take_log();

  // The base becomes what the view is.
  void make_base();
  // The view becomes what the base is.
  void revert();
  // Into the base, where it survives whatever comes; and into the view.
  void apply_to_base(const DiskEntry& entry);
  // Into the view. With `pages`, only to those of its pages for which it is true.
  void apply(const DiskEntry& entry, const std::vector<bool>* pages = nullptr);
  // Writes the view into a new file, with holes where there are zeros. Errors: kIoError, kNoSpace.
  [[nodiscard]] Status save(const std::string& path) const;

 private:
  explicit Disk(std::uint64_t bytes) : bytes_(bytes), is_dirty_(bytes / kDiskPage) {}

  [[nodiscard]] bool is_inside(std::uint64_t offset, std::uint64_t length) const {
    return offset <= bytes_ && length <= bytes_ - offset;
  }
  void mark(std::uint64_t offset, std::uint64_t length);
  void copy_into(std::byte* image, const DiskEntry& entry, std::uint64_t from, std::uint64_t bytes);

  const std::uint64_t bytes_;
  std::byte* base_ = nullptr;
  std::byte* view_ = nullptr;
  mutable std::mutex mutex_;          // of all below, and of the view's bytes
  std::vector<bool> is_dirty_;        // by page: the view may differ from the base
  std::vector<std::uint64_t> dirty_;  // those pages
  std::vector<DiskEntry> log_;
  std::atomic<std::uint64_t> position_{0};
  std::atomic<bool> fails_{false};
};

}  // namespace cairn::torture

#endif  // CAIRN_TORTURE_DISK_H_
