#include "posix_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include "file_locks.h"

namespace cairn::rm {
namespace {

constexpr int kDirectory = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

StatusCode code_of(int error) {
  switch (error) {
    case ENOENT:
      return StatusCode::kNotFound;
    case EEXIST:
      return StatusCode::kAlreadyExists;
    case ENOTDIR:
    case ELOOP:
    case EISDIR:
    case EXDEV:
    case ENAMETOOLONG:
      return StatusCode::kInvalidArgument;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return StatusCode::kNoSpace;
    case EACCES:
    case EPERM:
    case EROFS:
      return StatusCode::kPermissionDenied;
    case EMLINK:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      return StatusCode::kResourceExhausted;
    case EOPNOTSUPP:
      return StatusCode::kNotSupported;
    default:
      return StatusCode::kIoError;
  }
}

Status from_errno(int error, const std::string& file, const std::string& call) {
  StatusDetail detail;
  detail.file = file;
  detail.os_error = error;
  return Status(code_of(error), file + ": " + call + ": " + std::generic_category().message(error),
                std::move(detail));
}

std::string last_name(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

class PosixOpenFile final : public OpenFile {
 public:
  PosixOpenFile(Descriptor file, std::string path)
      : file_(std::move(file)), path_(std::move(path)) {}
  Result<std::string> read_all() override {
    std::string all;
    std::array<char, 65536> buffer;
    while (true) {
      const ssize_t got =
          ::pread(file_.get(), buffer.data(), buffer.size(), static_cast<off_t>(all.size()));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return from_errno(errno, path_, "read");
      if (got == 0) return all;
      all.append(buffer.data(), static_cast<std::size_t>(got));
    }
  }

 private:
  Descriptor file_;
  std::string path_;
};

// A pipe would keep the opener waiting: O_NONBLOCK. What is opened is a regular file, or refused.
Result<std::unique_ptr<OpenFile>> open_file(int directory, const std::string& name,
                                            const std::string& shown) {
  Descriptor file(
      ::openat(directory, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!file.is_open()) return from_errno(errno, shown, "open");
  struct stat found {};
  if (::fstat(file.get(), &found) != 0) return from_errno(errno, shown, "fstat");
  if (!S_ISREG(found.st_mode)) {
    return Status(StatusCode::kInvalidArgument, shown + ": expected a regular file");
  }
  return std::unique_ptr<OpenFile>(std::make_unique<PosixOpenFile>(std::move(file), shown));
}

Status write_all(int file, std::string_view contents, const std::string& shown) {
  while (!contents.empty()) {
    const ssize_t put = ::write(file, contents.data(), contents.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return from_errno(errno, shown, "write");
    contents.remove_prefix(static_cast<std::size_t>(put));
  }
  return Status::ok();
}

bool is_within(const std::filesystem::path& inner, const std::filesystem::path& outer) {
  return std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end()).first == outer.end();
}

}  // namespace

Descriptor::~Descriptor() {
  if (fd_ >= 0) ::close(fd_);
}

// ---- Opening

Result<std::unique_ptr<PosixFiles>> PosixFiles::open(const std::string& tree,
                                                     const std::string& staging) {
  std::unique_ptr<PosixFiles> files(new PosixFiles(tree, staging));
  files->tree_ = Descriptor(::open(tree.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!files->tree_.is_open()) return from_errno(errno, tree, "open the tree");
  if (::mkdir(staging.c_str(), 0700) != 0 && errno != EEXIST) {
    return from_errno(errno, staging, "make the staging directory");
  }
  files->staging_ = Descriptor(::open(staging.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!files->staging_.is_open()) return from_errno(errno, staging, "open the staging directory");
  CAIRN_RETURN_IF_ERROR(files->check_apart());
  if (::flock(files->staging_.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return from_errno(errno, staging, "flock");
    return Status(StatusCode::kLocked,
                  staging + ": another resource manager has this staging directory");
  }
  // Its own name has to survive too.
  const std::string above = std::filesystem::path(staging + "/..").string();
  const Descriptor parent(::open(above.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!parent.is_open() || ::fsync(parent.get()) != 0) return from_errno(errno, above, "fsync");
  return files;
}

Status PosixFiles::check_apart() {
  std::error_code error;
  const auto tree = std::filesystem::canonical(tree_path_, error);
  if (error) return from_errno(error.value(), tree_path_, "realpath");
  const auto staging = std::filesystem::canonical(staging_path_, error);
  if (error) return from_errno(error.value(), staging_path_, "realpath");
  if (is_within(staging, tree) || is_within(tree, staging)) {
    return Status(StatusCode::kInvalidArgument, "staging directory " + staging.string() +
                                                    ": expected one neither in the tree " +
                                                    tree.string() + " nor around it");
  }
  CAIRN_ASSIGN_OR_RETURN(const Mount of_tree, mount_of(tree_.get(), tree_path_));
  CAIRN_ASSIGN_OR_RETURN(const Mount of_staging, mount_of(staging_.get(), staging_path_));
  mount_ = of_tree;
  if (of_tree == of_staging) return Status::ok();
  return Status(StatusCode::kInvalidArgument,
                "staging directory " + staging.string() +
                    ": expected it on the mounted file system of the tree " + tree.string() +
                    ", found it on another");
}

Result<PosixFiles::Mount> PosixFiles::mount_of(int directory, const std::string& path) {
  struct statx found {};
  if (::statx(directory, "", AT_EMPTY_PATH, STATX_TYPE | STATX_MNT_ID, &found) != 0) {
    return from_errno(errno, path, "statx");
  }
  const std::uint64_t device = std::uint64_t{found.stx_dev_major} << 32 | found.stx_dev_minor;
  // Kernels before 5.8 tell the device only.
  return Mount{device, (found.stx_mask & STATX_MNT_ID) != 0 ? found.stx_mnt_id : 0};
}

Result<Descriptor> PosixFiles::open_directory(const std::string& path) const {
  Descriptor at(::openat(tree_.get(), ".", kDirectory));
  if (!at.is_open()) return from_errno(errno, tree_path_, "open");
  for (std::size_t begin = 0; begin < path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string name = path.substr(begin, end - begin);
    const std::string shown = in_tree(path.substr(0, end));
    Descriptor next(::openat(at.get(), name.c_str(), kDirectory));
    if (!next.is_open() && (errno == ENOTDIR || errno == ELOOP)) {
      return Status(StatusCode::kInvalidArgument,
                    shown + ": expected a directory, found a file or a symbolic link");
    }
    if (!next.is_open()) return from_errno(errno, shown, "open");
    CAIRN_ASSIGN_OR_RETURN(const Mount mount, mount_of(next.get(), shown));
    if (mount != mount_) {
      return Status(StatusCode::kInvalidArgument,
                    shown + ": expected the file system of the tree, found another mounted there");
    }
    at = std::move(next);
    begin = end + 1;
  }
  return at;
}

std::string PosixFiles::in_tree(const std::string& path) const { return tree_path_ + "/" + path; }
std::string PosixFiles::in_staging(const std::string& name) const {
  return staging_path_ + "/" + name;
}

// ---- Looking

Result<std::optional<std::uint64_t>> PosixFiles::size_of(const std::string& path) {
  const auto directory = open_directory(parent_of(path));
  if (directory.code() == StatusCode::kNotFound) return std::optional<std::uint64_t>();
  CAIRN_RETURN_IF_ERROR(directory.status());
  struct stat found {};
  if (::fstatat(directory->get(), last_name(path).c_str(), &found, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return std::optional<std::uint64_t>();
    return from_errno(errno, in_tree(path), "fstatat");
  }
  if (S_ISREG(found.st_mode)) return std::optional(static_cast<std::uint64_t>(found.st_size));
  return Status(StatusCode::kInvalidArgument, in_tree(path) +
                                                  ": expected a regular file or nothing, found " +
                                                  (S_ISDIR(found.st_mode)   ? "a directory"
                                                   : S_ISLNK(found.st_mode) ? "a symbolic link"
                                                                            : "something else"));
}

Result<std::unique_ptr<OpenFile>> PosixFiles::open(const std::string& path) {
  CAIRN_ASSIGN_OR_RETURN(const Descriptor directory, open_directory(parent_of(path)));
  return open_file(directory.get(), last_name(path), in_tree(path));
}

Result<std::unique_ptr<OpenFile>> PosixFiles::open_staged(const std::string& name) {
  return open_file(staging_.get(), name, in_staging(name));
}

Result<std::vector<std::string>> PosixFiles::list_staged() {
  std::vector<std::string> names;
  std::error_code error;
  for (std::filesystem::directory_iterator next(staging_path_, error), end; !error && next != end;
       next.increment(error)) {
    names.push_back(next->path().filename().string());
  }
  if (error) return from_errno(error.value(), staging_path_, "list");
  return names;
}

// ---- The staging directory

Status PosixFiles::write_staged(const std::string& name, std::string_view contents,
                                const std::string& path) {
  const std::string shown = in_staging(name);
  const Descriptor file(::openat(staging_.get(), name.c_str(),
                                 O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666));
  if (!file.is_open()) return from_errno(errno, shown, "create");
  Status written = write_all(file.get(), contents, shown);
  const auto directory = open_directory(parent_of(path));
  struct stat old {};
  if (written && directory &&
      ::fstatat(directory->get(), last_name(path).c_str(), &old, AT_SYMLINK_NOFOLLOW) == 0 &&
      S_ISREG(old.st_mode) && ::fchmod(file.get(), old.st_mode & 07777) != 0) {
    written = from_errno(errno, shown, "fchmod");
  }
  if (!written) static_cast<void>(::unlinkat(staging_.get(), name.c_str(), 0));
  return written;
}

Status PosixFiles::link_staged(const std::string& path, const std::string& name) {
  CAIRN_ASSIGN_OR_RETURN(const Descriptor directory, open_directory(parent_of(path)));
  if (::linkat(directory.get(), last_name(path).c_str(), staging_.get(), name.c_str(), 0) == 0) {
    return Status::ok();
  }
  return from_errno(errno, in_tree(path), "link to " + in_staging(name));
}

Status PosixFiles::sync_staged(const std::string& name) {
  const Descriptor file(::openat(staging_.get(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  if (!file.is_open()) return from_errno(errno, in_staging(name), "open");
  if (::fsync(file.get()) != 0) return from_errno(errno, in_staging(name), "fsync");
  return Status::ok();
}

Status PosixFiles::sync_staging() {
  if (::fsync(staging_.get()) != 0) return from_errno(errno, staging_path_, "fsync");
  return Status::ok();
}

Status PosixFiles::remove_staged(const std::string& name) {
  if (::unlinkat(staging_.get(), name.c_str(), 0) == 0 || errno == ENOENT) return Status::ok();
  return from_errno(errno, in_staging(name), "unlink");
}

// ---- The tree

// Two names of one file: renameat() would leave both (POSIX), so the staged one is removed then.
Status PosixFiles::publish(const std::string& name, const std::string& path) {
  const auto directory = open_directory(parent_of(path));
  if (directory.code() == StatusCode::kNotFound) {
    return Status(StatusCode::kInvalidState,
                  in_tree(path) + ": its directory vanished: " + directory.status().message());
  }
  CAIRN_RETURN_IF_ERROR(directory.status());
  if (::renameat(staging_.get(), name.c_str(), directory->get(), last_name(path).c_str()) != 0) {
    return from_errno(errno, in_staging(name), "rename to " + in_tree(path));
  }
  return remove_staged(name);
}

Status PosixFiles::remove(const std::string& path) {
  const auto directory = open_directory(parent_of(path));
  if (directory.code() == StatusCode::kNotFound) return Status::ok();
  CAIRN_RETURN_IF_ERROR(directory.status());
  const std::string name = last_name(path);
  if (::unlinkat(directory->get(), name.c_str(), 0) == 0 || errno == ENOENT) return Status::ok();
  return from_errno(errno, in_tree(path), "unlink");
}

Result<bool> PosixFiles::make_directory(const std::string& path) {
  CAIRN_ASSIGN_OR_RETURN(const Descriptor directory, open_directory(parent_of(path)));
  if (::mkdirat(directory.get(), last_name(path).c_str(), 0777) == 0) return true;
  if (errno != EEXIST) return from_errno(errno, in_tree(path), "mkdir");
  CAIRN_RETURN_IF_ERROR(open_directory(path).status());  // it is one
  return false;
}

Status PosixFiles::sync_directory(const std::string& path) {
  const auto directory = open_directory(path);
  if (directory.code() == StatusCode::kNotFound) return Status::ok();
  CAIRN_RETURN_IF_ERROR(directory.status());
  if (::fsync(directory->get()) != 0) return from_errno(errno, in_tree(path), "fsync");
  return Status::ok();
}

}  // namespace cairn::rm
