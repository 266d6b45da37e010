// make_storage(): the storages of the kernel's file systems.
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <mutex>
#include <random>

#include <cairn/storage.h>

#include "aligned_buffer.h"
#include "storage/kernel_file.h"
#include "storage/posix_queue.h"
#include "storage/uring_queue.h"

namespace cairn::log {
namespace {

// What the kernel tells of the file system and device below a directory.
struct DeviceFacts {
  std::string file_system = "unknown";
  std::uint32_t logical_sector = 512;
  std::uint32_t physical_sector = 4096;
  std::vector<std::string> weaknesses;
  std::uint64_t device = 0;
  bool in_memory = false;
};

struct FileSystemRow {
  std::int64_t magic;
  const char* name;
  const char* weakness;  // null: none known
};

constexpr std::int64_t kXfsMagic = 0x58465342;
constexpr std::int64_t kZfsMagic = 0x2fc12fc1;
constexpr FileSystemRow kFileSystems[] = {
    {EXT4_SUPER_MAGIC, "ext4", nullptr},
    {kXfsMagic, "xfs", nullptr},
    {TMPFS_MAGIC, "tmpfs",
     "tmpfs keeps files in memory: durable means it survives this process, not a power cut or a "
     "reboot"},
    {RAMFS_MAGIC, "ramfs",
     "ramfs keeps files in memory: durable means it survives this process, not a power cut or a "
     "reboot"},
    {BTRFS_SUPER_MAGIC, "btrfs",
     "btrfs copies on write: durable writes change file-system metadata and are slower"},
    {kZfsMagic, "zfs",
     "zfs copies on write: durable writes change file-system metadata and are slower"},
    {OVERLAYFS_SUPER_MAGIC, "overlay",
     "overlay: the promise is that of the upper file system, which cannot be seen from here"},
    {FUSE_SUPER_MAGIC, "fuse",
     "fuse: the promise is that of the serving process, which cannot be seen from here"},
    {NFS_SUPER_MAGIC, "nfs", "nfs: locks and durability are those of the server"},
};

std::uint32_t read_queue_number(dev_t device, const char* file, std::uint32_t otherwise) {
  const std::string base =
      "/sys/dev/block/" + std::to_string(major(device)) + ":" + std::to_string(minor(device));
  // A partition has its queue one level up.
  for (const char* queue : {"/queue/", "/../queue/"}) {
    std::ifstream in(base + queue + file);
    std::uint32_t value = 0;
    if (in >> value && value >= 512 && value <= 65536) return value;
  }
  return otherwise;
}

DeviceFacts look_at(int directory_fd) {
  DeviceFacts facts;
  struct statfs fs;
  if (::fstatfs(directory_fd, &fs) == 0) {
    for (const FileSystemRow& row : kFileSystems) {
      if (row.magic != static_cast<std::int64_t>(fs.f_type)) continue;
      facts.file_system = row.name;
      if (row.weakness != nullptr) facts.weaknesses.emplace_back(row.weakness);
      facts.in_memory = row.magic == TMPFS_MAGIC || row.magic == RAMFS_MAGIC;
    }
  }
  struct stat info;
  if (::fstat(directory_fd, &info) == 0) {
    facts.device = info.st_dev;
    facts.logical_sector = read_queue_number(info.st_dev, "logical_block_size", 512);
    facts.physical_sector = read_queue_number(info.st_dev, "physical_block_size", 4096);
  }
  return facts;
}

// One block with RWF_DSYNC into the nameless file `fd`, and without if that is refused. Other
// errors (a full disk) say nothing about the flag; a refusal that shows only later is met by the
// queues.
void try_durable_write(int fd, std::uint32_t alignment, DurableFlag& durable) {
  AlignedBuffer zeros(std::max<std::uint32_t>(alignment, 4096));
  std::memset(zeros.data(), 0, zeros.size());
  const iovec piece{zeros.data(), zeros.size()};
  if (::pwritev2(fd, &piece, 1, 0, RWF_DSYNC) >= 0) return;
  const int error = errno;
  if (DurableFlag::may_be_refusal(error) && ::pwritev2(fd, &piece, 1, 0, 0) > 0) {
    durable.refuse(error);
  }
}

// The same through the page cache.
void try_buffered_durable_write(int directory_fd, DurableFlag& durable) {
  const Fd fd(::openat(directory_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (fd.is_open()) try_durable_write(fd.get(), 4096, durable);
}

// Whether the file system takes O_DIRECT, and the alignment it asks for. Asked with a nameless file
// where that works, so that nothing is left behind; a directory that cannot be written is asked
// with nothing and gets buffered reads.
// It is also asked how writes are made durable.
DirectAnswer try_direct(int directory_fd, const DeviceFacts& facts, DurableFlag& durable) {
  DirectAnswer answer;
  const Fd fd(::openat(directory_fd, ".", O_TMPFILE | O_RDWR | O_DIRECT | O_CLOEXEC, 0600));
  if (!fd.is_open()) {
    answer.reason = std::string("O_DIRECT refused: ") + std::strerror(errno);
    try_buffered_durable_write(directory_fd, durable);
    return answer;
  }
  answer.direct = true;
  answer.reason = "the file system takes O_DIRECT";
  answer.alignment = facts.logical_sector;
#ifdef STATX_DIOALIGN
  struct statx info;
  if (::statx(fd.get(), "", AT_EMPTY_PATH, STATX_DIOALIGN, &info) == 0 &&
      (info.stx_mask & STATX_DIOALIGN) != 0 && info.stx_dio_offset_align != 0) {
    answer.alignment = std::max(info.stx_dio_offset_align, info.stx_dio_mem_align);
  }
#endif
  try_durable_write(fd.get(), answer.alignment, durable);
  return answer;
}

// Which queues a storage makes, and why. Shared with its directories, which may outlive it.
class QueueChoice {
 public:
  QueueChoice(bool uring, bool may_fall_back, std::string reason)
      : uring_(uring), may_fall_back_(may_fall_back), reason_(std::move(reason)) {}

  // A ring may be refused late: for its lock, or for a limit on memory that was not reached before.
  [[nodiscard]] Result<std::unique_ptr<IoQueue>> make(unsigned depth, const KernelLock* lock,
                                                      std::shared_ptr<DurableFlag> durable) {
    const std::lock_guard guard(mutex_);
    if (uring_) {
      auto made = UringQueue::create(depth, lock, durable);
      if (made.is_ok()) return std::unique_ptr<IoQueue>(std::move(made).value());
      if (!may_fall_back_) return made.status();
      uring_ = false;
      reason_ = made.status().message();
    }
    return std::unique_ptr<IoQueue>(std::make_unique<PosixQueue>(std::move(durable)));
  }

  void describe(StorageInfo& info) const {
    const std::lock_guard guard(mutex_);
    info.kind = uring_ ? "uring" : "posix";
    info.reason = reason_;
  }

 private:
  mutable std::mutex mutex_;
  bool uring_;
  const bool may_fall_back_;
  std::string reason_;
};

class KernelStorage final : public Storage {
 public:
  KernelStorage(std::shared_ptr<QueueChoice> queues, DirectIo direct)
      : queues_(std::move(queues)), direct_(direct) {}

  [[nodiscard]] Result<std::unique_ptr<Directory>> open_directory(const std::string& path,
                                                                  bool create) override {
    if (create) CAIRN_RETURN_IF_ERROR(make_directory(path));
    Fd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd.is_open()) return os_status(path, "open directory", errno);
    const auto durable = std::make_shared<DurableFlag>();
    CAIRN_ASSIGN_OR_RETURN(DirectAnswer answer, choose_direct(fd.get(), path, *durable));
    KernelDirectory::QueueFactory queue = [queues = queues_, durable](unsigned depth,
                                                                      const KernelLock* lock) {
      return queues->make(depth, lock, durable);
    };
    return std::unique_ptr<Directory>(std::make_unique<KernelDirectory>(
        std::move(fd), path, std::move(answer), durable, std::move(queue)));
  }

  [[nodiscard]] StorageInfo describe(const Directory& directory) const override {
    const auto& kernel = static_cast<const KernelDirectory&>(directory);
    DeviceFacts facts = look_at(kernel.fd());
    StorageInfo info;
    queues_->describe(info);
    info.file_system = facts.file_system;
    info.direct = kernel.direct().direct;
    info.direct_reason = kernel.direct().reason;
    info.logical_sector = facts.logical_sector;
    info.physical_sector = facts.physical_sector;
    info.alignment = kernel.direct().alignment;
    info.weaknesses = std::move(facts.weaknesses);
    info.device = facts.device;
    info.measurable = !facts.in_memory;
    info.reason += kernel.durable_flag().text();
    return info;
  }

  [[nodiscard]] std::uint64_t random() override {
    std::uint64_t value = 0;
    if (::getrandom(&value, sizeof value, 0) != sizeof value) {
      std::random_device device;
      value = (std::uint64_t{device()} << 32) | device();
    }
    return value;
  }

 private:
  [[nodiscard]] Result<DirectAnswer> choose_direct(int fd, const std::string& path,
                                                   DurableFlag& durable) const {
    if (direct_ == DirectIo::kOff) {
      try_buffered_durable_write(fd, durable);
      return DirectAnswer{.reason = "as asked for"};
    }
    DirectAnswer answer = try_direct(fd, look_at(fd), durable);
    if (direct_ == DirectIo::kAutomatic) return answer;
    if (!answer.direct) {
      return Status(StatusCode::kNotSupported,
                    path + ": expected direct I/O, found " + answer.reason);
    }
    answer.reason = "as asked for";
    return answer;
  }

  // Makes the directory if it is missing, and its name durable in the parent.
  [[nodiscard]] static Status make_directory(const std::string& path) {
    if (::mkdir(path.c_str(), 0700) != 0) {
      if (errno == EEXIST) return Status::ok();
      return os_status(path, "mkdir", errno);
    }
    const Fd parent(::open((path + "/..").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!parent.is_open() || ::fsync(parent.get()) != 0) {
      return os_status(path + "/..", "fsync of the directory", errno);
    }
    return Status::ok();
  }

  std::shared_ptr<QueueChoice> queues_;
  const DirectIo direct_;
};

}  // namespace

Result<std::shared_ptr<Storage>> make_storage(StorageKind kind) {
  StorageOptions options;
  options.kind = kind;
  return make_storage(options);
}

Result<std::shared_ptr<Storage>> make_storage(const StorageOptions& options) {
  StorageKind kind = options.kind;
  std::string reason = "as asked for";
  if (kind == StorageKind::kAuto) {
    reason = "io_uring is available";
    if (const char* wanted = std::getenv("CAIRN_STORAGE"); wanted != nullptr && *wanted != '\0') {
      reason = std::string("CAIRN_STORAGE=") + wanted;
      if (std::strcmp(wanted, "uring") == 0) {
        kind = StorageKind::kUring;
      } else if (std::strcmp(wanted, "posix") == 0) {
        kind = StorageKind::kPosix;
      } else {
        return Status(
            StatusCode::kInvalidArgument,
            "environment CAIRN_STORAGE: expected uring or posix, found " + std::string(wanted));
      }
    }
  }
  const bool may_fall_back = kind == StorageKind::kAuto;
  bool uring = kind != StorageKind::kPosix;
  if (uring) {
    const Status probe = UringQueue::create(1, nullptr, std::make_shared<DurableFlag>()).status();
    if (!probe.is_ok() && !may_fall_back) return probe;
    if (!probe.is_ok()) reason = probe.message();
    uring = probe.is_ok();
  }
  return std::shared_ptr<Storage>(std::make_shared<KernelStorage>(
      std::make_shared<QueueChoice>(uring, may_fall_back, std::move(reason)), options.direct));
}

}  // namespace cairn::log
