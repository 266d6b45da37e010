#include "disk.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "system_error.h"

namespace cairn::torture {

namespace {

// Pages that nobody wrote to take no memory.
std::byte* map_zeros(std::uint64_t bytes) {
  void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return memory == MAP_FAILED ? nullptr : static_cast<std::byte*>(memory);
}

}  // namespace

Result<std::unique_ptr<Disk>> Disk::make(std::uint64_t bytes) {
  std::unique_ptr<Disk> disk(new Disk(bytes));
  disk->base_ = map_zeros(bytes);
  disk->view_ = map_zeros(bytes);
  if (disk->base_ == nullptr || disk->view_ == nullptr) {
    return Status(StatusCode::kResourceExhausted,
                  "no memory for a disk of " + std::to_string(bytes) + " bytes");
  }
  return disk;
}

Disk::~Disk() {
  if (base_ != nullptr) ::munmap(base_, bytes_);
  if (view_ != nullptr) ::munmap(view_, bytes_);
}

bool Disk::read(std::uint64_t offset, std::span<std::byte> out) const {
  if (!is_inside(offset, out.size())) return false;
  const std::scoped_lock lock(mutex_);
  std::memcpy(out.data(), view_ + offset, out.size());
  return true;
}

bool Disk::write(std::uint64_t offset, std::span<const std::byte> data) {
  if (fails_ || !is_inside(offset, data.size())) return false;
  const std::scoped_lock lock(mutex_);
  std::memcpy(view_ + offset, data.data(), data.size());
  mark(offset, data.size());
  log_.push_back(
      {DiskEntry::Kind::kWrite, offset, data.size(), std::vector(data.begin(), data.end())});
  position_ = log_.size();
  return true;
}

bool Disk::zero(std::uint64_t offset, std::uint64_t length) {
  if (fails_ || !is_inside(offset, length)) return false;
  const std::scoped_lock lock(mutex_);
  std::memset(view_ + offset, 0, length);
  mark(offset, length);
  log_.push_back({DiskEntry::Kind::kZero, offset, length, {}});
  position_ = log_.size();
  return true;
}

bool Disk::flush() {
  if (fails_) return false;
  const std::scoped_lock lock(mutex_);
  log_.push_back({});
  position_ = log_.size();
  return true;
}

std::vector<DiskEntry> Disk::take_log() {
  const std::scoped_lock lock(mutex_);
  position_ = 0;
  return std::exchange(log_, {});
}

void Disk::mark(std::uint64_t offset, std::uint64_t length) {
  if (length == 0) return;
  for (std::uint64_t page = offset / kDiskPage; page <= (offset + length - 1) / kDiskPage; ++page) {
    if (is_dirty_[page]) continue;
    is_dirty_[page] = true;
    dirty_.push_back(page);
  }
}

void Disk::make_base() {
  const std::scoped_lock lock(mutex_);
  for (const std::uint64_t page : dirty_) {
    std::memcpy(base_ + page * kDiskPage, view_ + page * kDiskPage, kDiskPage);
    is_dirty_[page] = false;
  }
  dirty_.clear();
}

void Disk::revert() {
  const std::scoped_lock lock(mutex_);
  for (const std::uint64_t page : dirty_) {
    std::memcpy(view_ + page * kDiskPage, base_ + page * kDiskPage, kDiskPage);
    is_dirty_[page] = false;
  }
  dirty_.clear();
}

void Disk::copy_into(std::byte* image, const DiskEntry& entry, std::uint64_t from,
                     std::uint64_t bytes) {
  if (entry.kind == DiskEntry::Kind::kZero) {
    std::memset(image + entry.offset + from, 0, bytes);
  } else {
    std::memcpy(image + entry.offset + from, entry.data.data() + from, bytes);
  }
}

void Disk::apply_to_base(const DiskEntry& entry) {
  if (entry.kind == DiskEntry::Kind::kFlush) return;
  const std::scoped_lock lock(mutex_);
  copy_into(base_, entry, 0, entry.length);
  copy_into(view_, entry, 0, entry.length);
}

void Disk::apply(const DiskEntry& entry, const std::vector<bool>* pages) {
  if (entry.kind == DiskEntry::Kind::kFlush) return;
  const std::scoped_lock lock(mutex_);
  mark(entry.offset, entry.length);
  if (pages == nullptr) {
    copy_into(view_, entry, 0, entry.length);
    return;
  }
  const std::uint64_t first = entry.offset / kDiskPage;
  for (std::size_t i = 0; i < pages->size(); ++i) {
    if (!(*pages)[i]) continue;
    const std::uint64_t begin = std::max(entry.offset, (first + i) * kDiskPage);
    const std::uint64_t end = std::min(entry.offset + entry.length, (first + i + 1) * kDiskPage);
    copy_into(view_, entry, begin - entry.offset, end - begin);
  }
}

Status Disk::save(const std::string& path) const {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0) return system_error(path);
  static constexpr std::array<std::byte, kDiskPage> kZeros{};
  Status status;
  if (::ftruncate(file, static_cast<off_t>(bytes_)) != 0) status = system_error(path);
  const std::scoped_lock lock(mutex_);
  for (std::uint64_t at = 0; at < bytes_ && status; at += kDiskPage) {
    if (std::memcmp(view_ + at, kZeros.data(), kDiskPage) == 0) continue;
    const ssize_t written = ::pwrite(file, view_ + at, kDiskPage, static_cast<off_t>(at));
    if (written != static_cast<ssize_t>(kDiskPage)) status = system_error(path);
  }
  ::close(file);
  return status;
}

}  // namespace cairn::torture
