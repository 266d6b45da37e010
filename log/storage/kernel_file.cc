#include "storage/kernel_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <thread>

#include <cairn/deadline.h>

namespace cairn::log {
namespace {

// File systems that share blocks between files do so in multiples of this, or of less.
constexpr std::uint64_t kCloneBlock = 4096;
constexpr std::size_t kFillStep = std::size_t{1} << 20;

StatusCode code_of(int os_error) {
  switch (os_error) {
    case ENOENT:
      return StatusCode::kNotFound;
    case EEXIST:
      return StatusCode::kAlreadyExists;
    case EACCES:
    case EPERM:
    case EROFS:
    case ELOOP:
      return StatusCode::kPermissionDenied;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return StatusCode::kNoSpace;
    case EOPNOTSUPP:
    case ENOSYS:
      return StatusCode::kNotSupported;
    case ENOTDIR:
    case EISDIR:
    case ENAMETOOLONG:
      return StatusCode::kInvalidArgument;
    default:
      return StatusCode::kIoError;
  }
}

struct FreeDeleter {
  void operator()(void* memory) const { std::free(memory); }
};

// S5: after a failed sync the page cache goes on showing bytes that never reached the device, and
// marks them clean. What is clean is dropped here, so that reads see the device.
Status drop_cache(int fd, const std::string& shown) {
  if (::fdatasync(fd) != 0) return os_status(shown, "fdatasync", errno);
  if (const int error = ::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED); error != 0) {
    return os_status(shown, "posix_fadvise", error);
  }
  return Status::ok();
}

// 0, or errno; EWOULDBLOCK when another still holds it at the deadline.
int wait_for_flock(int fd, std::chrono::steady_clock::time_point deadline) {
  while (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) return errno;
    if (std::chrono::steady_clock::now() >= deadline) return EWOULDBLOCK;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return 0;
}

Status lock_status(const std::string& shown, int error, std::chrono::milliseconds limit) {
  if (error != EWOULDBLOCK) return os_status(shown, "flock", error);
  StatusDetail detail;
  detail.file = shown;
  return Status(StatusCode::kLocked,
                shown + ": the log is open elsewhere (waited " + std::to_string(limit.count()) +
                    " ms for its lock)",
                detail);
}

}  // namespace

Fd& Fd::operator=(Fd&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

Fd::~Fd() {
  if (fd_ >= 0) ::close(fd_);
}

Status os_status(const std::string& name, const char* what, int os_error) {
  StatusDetail detail;
  detail.file = name;
  detail.os_error = os_error;
  return Status(code_of(os_error), name + ": " + what + ": " + std::strerror(os_error), detail);
}

Result<std::size_t> KernelFile::read(std::uint64_t offset, std::span<std::byte> out) const {
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t got =
        ::pread(fd_.get(), out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return os_status(name_, "read", errno);
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}

Status KernelFile::write(std::uint64_t offset, std::span<const std::byte> data) {
  std::size_t done = 0;
  while (done < data.size()) {
    const ssize_t put = ::pwrite(fd_.get(), data.data() + done, data.size() - done,
                                 static_cast<off_t>(offset + done));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return os_status(name_, "write", errno);
    if (put == 0) return os_status(name_, "write", EIO);
    done += static_cast<std::size_t>(put);
  }
  return Status::ok();
}

Status KernelFile::sync() {
  if (::fdatasync(fd_.get()) != 0) return os_status(name_, "fdatasync", errno);
  return Status::ok();
}

// Shared blocks first, as far as whole blocks go; the rest, or all of it where the file system
// shares none, is copied inside the kernel.
Status KernelFile::copy_from(const File& from, std::uint64_t offset, std::uint64_t length) {
  const auto& source = static_cast<const KernelFile&>(from);
  const std::uint64_t whole = offset % kCloneBlock == 0 ? length / kCloneBlock * kCloneBlock : 0;
  std::uint64_t done = 0;
  if (whole > 0) {
    file_clone_range range{};
    range.src_fd = source.fd();
    range.src_offset = offset;
    range.src_length = whole;
    range.dest_offset = offset;
    if (::ioctl(fd_.get(), FICLONERANGE, &range) == 0) done = whole;
  }
  while (done < length) {
    auto in = static_cast<off64_t>(offset + done);
    auto out = in;
    const ssize_t copied = ::copy_file_range(source.fd(), &in, fd_.get(), &out, length - done, 0);
    if (copied < 0 && errno == EINTR) continue;
    if (copied < 0 && (errno == ENOSPC || errno == EDQUOT || errno == EIO)) {
      return os_status(name_, "copy_file_range", errno);
    }
    if (copied <= 0) {
      return Status(StatusCode::kNotSupported,
                    name_ + ": the kernel does not copy bytes of " + source.name());
    }
    done += static_cast<std::uint64_t>(copied);
  }
  return Status::ok();
}

Result<std::uint64_t> KernelFile::size() const {
  struct stat info;
  if (::fstat(fd_.get(), &info) != 0) return os_status(name_, "fstat", errno);
  return static_cast<std::uint64_t>(info.st_size);
}

KernelLock::~KernelLock() {
  for (const int fd : fds()) ::flock(fd, LOCK_UN);
}

std::vector<int> KernelLock::fds() const {
  std::vector<int> fds{file_.get()};
  if (directory_.is_open()) fds.push_back(directory_.get());
  return fds;
}

Result<std::unique_ptr<File>> KernelDirectory::open(std::string_view name, OpenMode mode) {
  const std::string file(name);
  const std::string shown = path_ + "/" + file;
  int flags = O_CLOEXEC | O_NOFOLLOW | (direct_.direct ? O_DIRECT : 0);
  switch (mode) {
    case OpenMode::kRead:
      flags |= O_RDONLY;
      break;
    case OpenMode::kReadWrite:
      flags |= O_RDWR;
      break;
    case OpenMode::kCreate:
      flags |= O_RDWR | O_CREAT | O_EXCL;
      break;
  }
  Fd fd(::openat(fd_.get(), file.c_str(), flags, 0600));
  if (!fd.is_open()) return os_status(shown, "open", errno);
  struct stat info;
  if (::fstat(fd.get(), &info) != 0) return os_status(shown, "fstat", errno);
  if (!S_ISREG(info.st_mode)) {
    return Status(StatusCode::kInvalidArgument, shown + ": expected a regular file");
  }
  if (!direct_.direct && mode != OpenMode::kCreate)
    CAIRN_RETURN_IF_ERROR(drop_cache(fd.get(), shown));
  return std::unique_ptr<File>(std::make_unique<KernelFile>(std::move(fd), shown));
}

Status KernelDirectory::rename(std::string_view from, std::string_view to) {
  const std::string source(from);
  const std::string target(to);
  if (::renameat2(fd_.get(), source.c_str(), fd_.get(), target.c_str(), RENAME_NOREPLACE) == 0) {
    return Status::ok();
  }
  if (errno != EINVAL && errno != ENOSYS) {
    return os_status(path_ + "/" + source, ("rename to " + target).c_str(), errno);
  }
  // The file system does not know RENAME_NOREPLACE. The log is locked, so nobody else makes `to` in
  // between.
  if (::faccessat(fd_.get(), target.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
    return os_status(path_ + "/" + source, ("rename to " + target).c_str(), EEXIST);
  }
  if (::renameat(fd_.get(), source.c_str(), fd_.get(), target.c_str()) != 0) {
    return os_status(path_ + "/" + source, ("rename to " + target).c_str(), errno);
  }
  return Status::ok();
}

Status KernelDirectory::remove(std::string_view name) {
  const std::string file(name);
  if (::unlinkat(fd_.get(), file.c_str(), 0) != 0) {
    return os_status(path_ + "/" + file, "unlink", errno);
  }
  return Status::ok();
}

Result<std::vector<std::string>> KernelDirectory::list() const {
  const int copy = ::openat(fd_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (copy < 0) return os_status(path_, "open", errno);
  DIR* dir = ::fdopendir(copy);
  if (dir == nullptr) {
    const int error = errno;
    ::close(copy);
    return os_status(path_, "fdopendir", error);
  }
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(dir)) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
    errno = 0;
  }
  const int error = errno;
  ::closedir(dir);
  if (error != 0) return os_status(path_, "readdir", error);
  return names;
}

Status KernelDirectory::sync_directory() {
  if (::fsync(fd_.get()) != 0) return os_status(path_, "fsync of the directory", errno);
  return Status::ok();
}

Status KernelDirectory::fill_zero(File& file, std::uint64_t size) {
  // Written zeros, not fallocate: blocks that are only allocated are converted at their first
  // write, which costs a journal commit inside every durable write later. The reservation before is
  // only there to meet a full disk early.
  auto& kernel_file = static_cast<KernelFile&>(file);
  if (::posix_fallocate(kernel_file.fd(), 0, static_cast<off_t>(size)) == ENOSPC) {
    return os_status(file.name(), "allocate container", ENOSPC);
  }
  const std::size_t step = static_cast<std::size_t>(std::min<std::uint64_t>(kFillStep, size));
  const std::unique_ptr<void, FreeDeleter> zeros(
      std::aligned_alloc(4096, std::max<std::size_t>(step, 4096)));
  if (zeros == nullptr) return Status(StatusCode::kResourceExhausted, "out of memory");
  std::memset(zeros.get(), 0, step);
  for (std::uint64_t done = 0; done < size; done += step) {
    CAIRN_RETURN_IF_ERROR(file.write(done, {static_cast<const std::byte*>(zeros.get()), step}));
  }
  if (::fsync(kernel_file.fd()) != 0) return os_status(file.name(), "fsync", errno);
  return Status::ok();
}

Result<std::unique_ptr<DirectoryLock>> KernelDirectory::lock(std::string_view name,
                                                             std::chrono::milliseconds limit) {
  const std::string file(name);
  const std::string shown = path_ + "/" + file;
  Fd fd(::openat(fd_.get(), file.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  if (!fd.is_open()) return os_status(shown, "open", errno);
  Fd whole(::openat(fd_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!whole.is_open()) return os_status(path_, "open", errno);
  // The file first: it is all that code before version 0.2 knows.
  const auto deadline = deadline_after(limit);
  if (const int error = wait_for_flock(fd.get(), deadline); error != 0) {
    return lock_status(shown, error, limit);
  }
  const int error = wait_for_flock(whole.get(), deadline);
  if (error == EWOULDBLOCK) return lock_status(shown, error, limit);
  // Where directories cannot be locked, the file's lock is what there is.
  if (error != 0) whole = Fd();
  return std::unique_ptr<DirectoryLock>(
      std::make_unique<KernelLock>(std::move(fd), std::move(whole)));
}

Result<std::unique_ptr<IoQueue>> KernelDirectory::make_queue(unsigned depth,
                                                             const DirectoryLock* lock) {
  return make_queue_(depth, static_cast<const KernelLock*>(lock));
}

}  // namespace cairn::log
