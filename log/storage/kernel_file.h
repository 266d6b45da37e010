// Files, directories and locks of the kernel's file systems; what the posix and uring storages
// share.
#ifndef CAIRN_LOG_STORAGE_KERNEL_FILE_H_
#define CAIRN_LOG_STORAGE_KERNEL_FILE_H_

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <cairn/storage.h>

#include "storage/durable_flag.h"

namespace cairn::log {

// An owned file descriptor.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept;
  ~Fd();
  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] bool is_open() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

// "NAME: what failed: strerror", with the code that fits `os_error`.
[[nodiscard]] Status os_status(const std::string& name, const char* what, int os_error);

class KernelFile final : public File {
 public:
  KernelFile(Fd fd, std::string name) : fd_(std::move(fd)), name_(std::move(name)) {}

  [[nodiscard]] Result<std::size_t> read(std::uint64_t offset,
                                         std::span<std::byte> out) const override;
  [[nodiscard]] Status write(std::uint64_t offset, std::span<const std::byte> data) override;
  [[nodiscard]] Status sync() override;
  [[nodiscard]] Status copy_from(const File& from, std::uint64_t offset,
                                 std::uint64_t length) override;
  [[nodiscard]] Result<std::uint64_t> size() const override;
  [[nodiscard]] const std::string& name() const override { return name_; }
  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  Fd fd_;
  std::string name_;
};

// An flock of a file and one of its directory, each on its own open file description. Whoever keeps
// a reference to such a description keeps the lock, so a queue that registers fds() with its ring
// holds it until the ring's last request ended, also when the process was killed (S4). Destruction
// unlocks at once, whoever keeps a reference: the owner has seen the end of all I/O by then.
class KernelLock final : public DirectoryLock {
 public:
  // `directory` is not open where directories cannot be locked.
  KernelLock(Fd file, Fd directory) : file_(std::move(file)), directory_(std::move(directory)) {}
  ~KernelLock() override;
  KernelLock(const KernelLock&) = delete;
  KernelLock& operator=(const KernelLock&) = delete;
  [[nodiscard]] std::vector<int> fds() const;

 private:
  Fd file_;
  Fd directory_;
};

// Whether files of a directory are direct, the alignment that asks for, and why.
struct DirectAnswer {
  bool direct = false;
  std::uint32_t alignment = 512;
  std::string reason;
};

class KernelDirectory final : public Directory {
 public:
  using QueueFactory = std::function<Result<std::unique_ptr<IoQueue>>(unsigned, const KernelLock*)>;

  KernelDirectory(Fd fd, std::string path, DirectAnswer direct,
                  std::shared_ptr<DurableFlag> durable, QueueFactory queue)
      : fd_(std::move(fd)),
        path_(std::move(path)),
        direct_(std::move(direct)),
        durable_(std::move(durable)),
        make_queue_(std::move(queue)) {}

  [[nodiscard]] Result<std::unique_ptr<File>> open(std::string_view name, OpenMode mode) override;
  [[nodiscard]] Status rename(std::string_view from, std::string_view to) override;
  [[nodiscard]] Status remove(std::string_view name) override;
  [[nodiscard]] Result<std::vector<std::string>> list() const override;
  [[nodiscard]] Status sync_directory() override;
  [[nodiscard]] Status fill_zero(File& file, std::uint64_t size) override;
  [[nodiscard]] Result<std::unique_ptr<DirectoryLock>> lock(
      std::string_view name, std::chrono::milliseconds limit) override;
  [[nodiscard]] Result<std::unique_ptr<IoQueue>> make_queue(unsigned depth,
                                                            const DirectoryLock* lock) override;
  [[nodiscard]] unsigned read_depth() const override { return kReadDepth; }
  [[nodiscard]] const std::string& path() const override { return path_; }

  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] const DirectAnswer& direct() const { return direct_; }
  [[nodiscard]] const DurableFlag& durable_flag() const { return *durable_; }

 private:
  static constexpr unsigned kReadDepth = 3;

  Fd fd_;
  std::string path_;
  DirectAnswer direct_;
  std::shared_ptr<DurableFlag> durable_;
  QueueFactory make_queue_;
};

}  // namespace cairn::log

#endif  // CAIRN_LOG_STORAGE_KERNEL_FILE_H_
