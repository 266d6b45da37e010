#include "file_system.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <sched.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>

#include "system_error.h"

namespace cairn::torture {

namespace {

constexpr std::uint64_t kMiB = 1 << 20;
// A loop device that seems free may be taken by someone else meanwhile.
constexpr int kAttachTries = 64;
// An io_uring lets go of its files a moment after it was closed, and tells nobody when.
constexpr int kUnmountTries = 10'000;
constexpr useconds_t kUnmountPause = 500;

// Small, and without work that goes on in the background after the mount.
const std::array<FileSystemKind, 3>& kinds() {
  static const std::array<FileSystemKind, 3> all{{
      {"ext4",
       {"mkfs.ext4", "-q", "-F", "-N", "1024", "-E", "lazy_itable_init=0,lazy_journal_init=1"},
       "",
       128 * kMiB},
      {"xfs", {"mkfs.xfs", "-q", "-f"}, "", 320 * kMiB},
      {"btrfs", {"mkfs.btrfs", "-q", "-f"}, "", 256 * kMiB},
  }};
  return all;
}

Status missing(const FileSystemKind& kind, const std::string& what) {
  return Status(StatusCode::kNotSupported, std::string(kind.name) + ": " + what);
}

// Where root finds its commands, whatever PATH says.
constexpr std::array<const char*, 4> kCommandFolders{"/usr/sbin/", "/sbin/", "/usr/bin/",
                                                     "/usr/local/sbin/"};
std::string find_command(const char* name) {
  for (const char* folder : kCommandFolders) {
    std::string path = std::string(folder) + name;
    if (::access(path.c_str(), X_OK) == 0) return path;
  }
  return {};
}

bool kernel_knows(const char* file_system) {
  std::ifstream in("/proc/filesystems");
  for (std::string word; in >> word;) {
    if (word == file_system) return true;
  }
  // A module is loaded by the mount. Its file lies below the running kernel's modules.
  return ::access(("/sys/module/" + std::string(file_system)).c_str(), F_OK) == 0;
}

std::string bytes_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

std::span<const FileSystemKind> file_system_kinds() { return kinds(); }

const FileSystemKind* find_file_system(std::string_view name) {
  for (const FileSystemKind& kind : kinds()) {
    if (kind.name == name) return &kind;
  }
  return nullptr;
}

Status can_mount(const FileSystemKind& kind) {
  if (::geteuid() != 0) return missing(kind, "only root may mount a file system");
  if (::access("/dev/fuse", R_OK | W_OK) != 0) return missing(kind, "there is no /dev/fuse");
  if (::access("/dev/loop-control", R_OK | W_OK) != 0) {
    return missing(kind, "there are no loop devices (/dev/loop-control)");
  }
  if (!kernel_knows(kind.name)) return missing(kind, "this kernel does not know it");
  if (find_command(kind.make[0]).empty()) {
    return missing(kind, "the command " + std::string(kind.make[0]) + " is not installed");
  }
  return {};
}

Result<std::unique_ptr<LoopDevice>> LoopDevice::attach(const std::string& file) {
  const int control = ::open("/dev/loop-control", O_RDWR | O_CLOEXEC);
  if (control < 0) return system_error("/dev/loop-control");
  const int backing = ::open(file.c_str(), O_RDWR | O_CLOEXEC);
  if (backing < 0) {
    Status error = system_error(file);
    ::close(control);
    return error;
  }
  Status error(StatusCode::kResourceExhausted, "no free loop device");
  std::unique_ptr<LoopDevice> made;
  for (int i = 0; i < kAttachTries && !made; ++i) {
    const int number = ::ioctl(control, LOOP_CTL_GET_FREE);
    if (number < 0) {
      error = system_error("LOOP_CTL_GET_FREE");
      break;
    }
    const std::string path = "/dev/loop" + std::to_string(number);
    const int device = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
    if (device < 0) {
      error = system_error(path);
      break;
    }
    loop_config config{};
    config.fd = static_cast<std::uint32_t>(backing);
    config.info.lo_flags = LO_FLAGS_AUTOCLEAR;
    if (::ioctl(device, LOOP_CONFIGURE, &config) == 0) {
      made.reset(new LoopDevice(path, device));
      break;
    }
    error = system_error("LOOP_CONFIGURE of " + path);
    ::close(device);
    if (error.detail().os_error != EBUSY) break;
  }
  ::close(backing);
  ::close(control);
  if (!made) return error;
  return made;
}

LoopDevice::~LoopDevice() { ::close(device_); }

Status LoopDevice::forget_cache() {
  return ::ioctl(device_, BLKFLSBUF) == 0 ? Status() : system_error("BLKFLSBUF of " + path_);
}

Status make_file_system(const FileSystemKind& kind, const std::string& device,
                        const std::string& log) {
  const std::string command = find_command(kind.make[0]);
  std::vector<std::string> words(kind.make.begin(), kind.make.end());
  words.push_back(device);
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log.c_str(),
                                     O_WRONLY | O_CREAT | O_TRUNC, 0600);
  ::posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
  pid_t child = -1;
  errno = ::posix_spawn(&child, command.c_str(), &actions, nullptr, argv.data(), environ);
  Status spawned = errno == 0 ? Status() : system_error(command);
  ::posix_spawn_file_actions_destroy(&actions);
  CAIRN_RETURN_IF_ERROR(spawned);
  int end = 0;
  while (::waitpid(child, &end, 0) < 0) {
    if (errno != EINTR) return system_error("waitpid of " + command);
  }
  if (WIFEXITED(end) && WEXITSTATUS(end) == 0) return {};
  return Status(StatusCode::kIoError, command + " " + device + ": " + bytes_of(log));
}

Result<std::unique_ptr<Mount>> Mount::make(const FileSystemKind& kind, const std::string& device,
                                           const std::string& directory) {
  if (::mount(device.c_str(), directory.c_str(), kind.name, MS_NOATIME, kind.mount_options) != 0) {
    return system_error(std::string("mount of ") + kind.name + " from " + device);
  }
  return std::unique_ptr<Mount>(new Mount(directory));
}

Mount::~Mount() {
  if (mounted_ && !unmount()) ::umount2(directory_.c_str(), MNT_DETACH);
}

Status Mount::unmount() {
  for (int i = 0; ::umount2(directory_.c_str(), 0) != 0; ++i) {
    if (errno != EBUSY || i == kUnmountTries) return system_error("unmounting " + directory_);
    ::usleep(kUnmountPause);
  }
  mounted_ = false;
  return {};
}

Status enter_private_mounts(const std::string& directory) {
  if (::unshare(CLONE_NEWNS) != 0) return system_error("unshare(CLONE_NEWNS)");
  if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    return system_error("making mounts private");
  }
  if (::mount("cairn", directory.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, "mode=0700") != 0) {
    return system_error("mount of tmpfs on " + directory);
  }
  return {};
}

}  // namespace cairn::torture
