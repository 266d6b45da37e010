// What goes wrong below a log or a manager, for tests of it: a process that may be killed, and a
// file system on a disk that fails.
#ifndef CAIRN_TESTS_CRASH_FAULTY_WORLD_H_
#define CAIRN_TESTS_CRASH_FAULTY_WORLD_H_

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <cairn/result.h>

#include "disk.h"
#include "disk_server.h"
#include "file_system.h"

namespace cairn::crash_test {

// In a process of its own, as what is done there (mounts, limits, filters) cannot be taken back.
// The answer: what was wrong, or empty.
inline std::string in_a_process(const std::function<std::string()>& body) {
  int ends[2];
  if (::pipe(ends) != 0) return "no pipe";
  const pid_t child = ::fork();
  if (child == 0) {
    const std::string said = body() + "\n";
    [[maybe_unused]] const ssize_t told = ::write(ends[1], said.data(), said.size());
    ::_exit(0);
  }
  ::close(ends[1]);
  std::string said;
  char letter = 0;
  while (::read(ends[0], &letter, 1) == 1) said += letter;
  ::close(ends[0]);
  int end = 0;
  ::waitpid(child, &end, 0);
  if (!WIFEXITED(end) || !said.ends_with('\n')) return "the process was killed";
  said.pop_back();
  return said;
}

// A file system on a disk in memory. For one process, whose mounts it makes private.
struct Mounted {
  explicit Mounted(const char* name, std::uint64_t bytes) {
    kind = *torture::find_file_system(name);
    std::string pattern = "/tmp/cairn_fault_XXXXXX";
    directory = ::mkdtemp(pattern.data());
    status = torture::enter_private_mounts(directory);
    const std::string file = directory + "/disk";
    ::close(::open(file.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600));
    ::mkdir(root().c_str(), 0700);
    if (status) disk = torture::Disk::make(bytes).value();
    if (status) take(torture::DiskServer::start(*disk, file), &server);
    if (status) take(torture::LoopDevice::attach(file), &device);
    if (status) status = torture::make_file_system(kind, device->path(), directory + "/mkfs.log");
    if (status) take(torture::Mount::make(kind, device->path(), root()), &mount);
  }
  ~Mounted() {
    mount.reset();
    device.reset();
    server.reset();
    ::umount2(directory.c_str(), MNT_DETACH);
    ::rmdir(directory.c_str());
  }
  void again() {
    status = mount->unmount();
    if (status) take(torture::Mount::make(kind, device->path(), root()), &mount);
  }
  [[nodiscard]] std::string root() const { return directory + "/fs"; }
  [[nodiscard]] std::string log() const { return root() + "/log"; }

  template <typename T>
  void take(Result<std::unique_ptr<T>> from, std::unique_ptr<T>* to) {
    status = from.status();
    if (from) *to = std::move(*from);
  }

  torture::FileSystemKind kind{};
  std::string directory;
  Status status;
  std::unique_ptr<torture::Disk> disk;
  std::unique_ptr<torture::DiskServer> server;
  std::unique_ptr<torture::LoopDevice> device;
  std::unique_ptr<torture::Mount> mount;
};

// Somebody else takes the space.
inline void fill_up(Mounted& world) {
  const int file = ::open((world.root() + "/other").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  const std::vector<char> block(1 << 16, 'x');
  while (::write(file, block.data(), block.size()) > 0) {
  }
  ::fsync(file);
  ::close(file);
}
inline void give_room(Mounted& world) { ::unlink((world.root() + "/other").c_str()); }

// Not on btrfs, which cannot be shut down.
inline void shut_down(Mounted& world) {
  std::uint32_t without_flushing = 2;
  const int root = ::open(world.root().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (::ioctl(root, _IOR('X', 125, std::uint32_t), &without_flushing) != 0) {
    std::perror("shutdown");
  }
  ::close(root);
}

// From here on this process has no io_uring. False: that cannot be had.
inline bool forbid_io_uring() {
  const sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog filter{4, const_cast<sock_filter*>(program)};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

}  // namespace cairn::crash_test

#endif  // CAIRN_TESTS_CRASH_FAULTY_WORLD_H_
