// What goes wrong below a log on a real system: a full file system, a device that fails, a file
// system that is shut down, one that is read only, a limit on file sizes, no io_uring. Each ends in
// an error that says what it was; and what had been acknowledged is there when it is over.
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
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

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cairn/log.h>

#include "disk.h"
#include "disk_server.h"
#include "file_system.h"
#include "sim/test_budget.h"

namespace cairn::crash_test {
namespace {

using testing::AnyOf;
using testing::Eq;

constexpr std::uint64_t kMiB = 1 << 20;

// In a process of its own, as what is done there (mounts, limits, filters) cannot be taken back.
// The answer: what was wrong, or empty.
std::string in_a_process(const std::function<std::string()>& body) {
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

log::CreateOptions small_containers() {
  log::CreateOptions options;
  options.container_size = log::kMinContainerSize;
  options.max_size = 256 * options.container_size;
  options.calibrate = false;
  return options;
}

log::OpenOptions quiet(log::StorageKind kind = log::StorageKind::kAuto) {
  log::OpenOptions options;
  options.background = log::Background::kManual;
  options.storage = log::make_storage(kind).value();
  options.lock_wait = std::chrono::seconds(10);
  return options;
}

// Appends up to `most` records of 60,000 bytes, each durable; how many were acknowledged.
std::uint64_t fill(log::Log& log, std::uint64_t most, Status* refused) {
  auto stream = log.open_or_create_stream("s");
  std::uint64_t acknowledged = 0;
  *refused = stream.status();
  log::AppendOptions durable;
  durable.durability = log::Durability::kDurable;
  while (refused->is_ok() && acknowledged < most) {
    const std::vector<std::byte> payload(60'000, static_cast<std::byte>(acknowledged));
    *refused = stream->append(payload, durable).status();
    acknowledged += refused->is_ok();
  }
  return acknowledged;
}

// Whether a log has at least so many of the records of fill(), in order; what is wrong, or empty.
std::string check_filled(const std::string& path, std::uint64_t acknowledged) {
  auto log = log::Log::open(path, quiet());
  if (!log) return "after it: " + log.status().to_string();
  auto cursor = (*log)->open_stream("s")->read();
  std::uint64_t found = 0;
  while (true) {
    auto record = cursor->next();
    if (!record) return "after it: " + record.status().to_string();
    if (!record->has_value()) break;
    if ((*record)->payload[0] != static_cast<std::byte>(found)) return "another record";
    ++found;
  }
  if (found >= acknowledged) return {};
  return std::to_string(acknowledged) + " acknowledged, found " + std::to_string(found);
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

// A log is filled on `file_system`, `strike` comes in between; the refusal is one of `expected`.
std::string survives(const char* file_system, std::uint64_t bytes,
                     const std::function<void(Mounted&)>& strike,
                     const std::vector<StatusCode>& expected,
                     const std::function<void(Mounted&)>& heal) {
  Mounted world(file_system, bytes);
  if (!world.status) return world.status.to_string();
  std::uint64_t acknowledged = 0;
  {
    auto log = log::Log::create(world.log(), small_containers(), quiet());
    if (!log) return "create: " + log.status().to_string();
    Status refused;
    acknowledged = fill(**log, 20, &refused);
    if (!refused) return "before it: " + refused.to_string();
    if (strike) {
      strike(world);
      acknowledged = 20;
    }
    log::AppendOptions durable;
    durable.durability = log::Durability::kDurable;
    for (auto stream = (*log)->open_stream("s"); refused && acknowledged < 10'000;) {
      const std::vector<std::byte> payload(60'000, static_cast<std::byte>(acknowledged));
      refused = stream->append(payload, durable).status();
      acknowledged += refused.is_ok();
    }
    if (std::ranges::find(expected, refused.code()) == expected.end()) {
      return "refused with " + refused.to_string();
    }
  }
  if (heal) heal(world);
  if (!world.status) return world.status.to_string();
  return check_filled(world.log(), acknowledged);
}

class RealFaults : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const Status possible = torture::can_mount(*torture::find_file_system(GetParam()));
    if (!possible) GTEST_SKIP() << possible.message();
  }
};

TEST_P(RealFaults, AFullFileSystemEndsInAnErrorAndTakesNothing) {
  const std::uint64_t bytes = torture::find_file_system(GetParam())->disk_bytes;
  const std::string wrong = in_a_process([&] {
    // Somebody else takes the space.
    const auto strike = [](Mounted& world) {
      const int file = ::open((world.root() + "/other").c_str(), O_CREAT | O_WRONLY, 0600);
      const std::vector<char> block(1 << 16, 'x');
      while (::write(file, block.data(), block.size()) > 0) {
      }
      ::fsync(file);
      ::close(file);
    };
    const auto heal = [](Mounted& world) { ::unlink((world.root() + "/other").c_str()); };
    return survives(GetParam(), bytes, strike,
                    {StatusCode::kNoSpace, StatusCode::kLogFull, StatusCode::kIndeterminate}, heal);
  });
  EXPECT_EQ(wrong, "");
}

TEST_P(RealFaults, ADeviceThatFailsEndsInAnErrorAndTakesNothing) {
  const std::uint64_t bytes = torture::find_file_system(GetParam())->disk_bytes;
  const std::string wrong = in_a_process([&] {
    return survives(
        GetParam(), bytes, [](Mounted& world) { world.disk->fail(true); },
        {StatusCode::kIndeterminate, StatusCode::kPoisoned, StatusCode::kIoError},
        [](Mounted& world) {
          world.disk->fail(false);
          world.again();
        });
  });
  EXPECT_EQ(wrong, "");
}

TEST_P(RealFaults, AFileSystemThatIsShutDownEndsInAnErrorAndTakesNothing) {
  const std::uint64_t bytes = torture::find_file_system(GetParam())->disk_bytes;
  if (std::string(GetParam()) == "btrfs") GTEST_SKIP() << "btrfs cannot be shut down";
  const std::string wrong = in_a_process([&] {
    const auto strike = [](Mounted& world) {
      std::uint32_t without_flushing = 2;
      const int root = ::open(world.root().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
      if (::ioctl(root, _IOR('X', 125, std::uint32_t), &without_flushing) != 0) {
        std::perror("shutdown");
      }
      ::close(root);
    };
    return survives(GetParam(), bytes, strike,
                    {StatusCode::kIndeterminate, StatusCode::kPoisoned, StatusCode::kIoError},
                    [](Mounted& world) { world.again(); });
  });
  EXPECT_EQ(wrong, "");
}

TEST_P(RealFaults, AReadOnlyFileSystemIsReadAndNotOpenedForWriting) {
  const std::uint64_t bytes = torture::find_file_system(GetParam())->disk_bytes;
  const std::string wrong = in_a_process([&]() -> std::string {
    Mounted world(GetParam(), bytes);
    if (!world.status) return world.status.to_string();
    Status refused;
    std::uint64_t acknowledged = 0;
    {
      auto log = log::Log::create(world.log(), small_containers(), quiet());
      if (!log) return log.status().to_string();
      acknowledged = fill(**log, 5, &refused);
    }
    world.again();  // nobody has a file of it open
    const std::string root = world.root();
    if (::mount(nullptr, root.c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr) != 0) {
      return "no remount";
    }
    const auto opened = log::Log::open(world.log(), quiet());
    if (opened) return "opened for writing";
    if (opened.code() != StatusCode::kPermissionDenied && opened.code() != StatusCode::kIoError) {
      return "refused with " + opened.status().to_string();
    }
    const auto view = log::LogView::open(world.log(), quiet());
    if (!view) return "no view: " + view.status().to_string();
    ::mount(nullptr, root.c_str(), nullptr, MS_REMOUNT, nullptr);
    return check_filled(world.log(), acknowledged);
  });
  EXPECT_EQ(wrong, "");
}

// The others with a larger budget: most of the time goes to making file systems.
std::vector<const char*> file_systems() {
  if (sim::test_budget() < 2) return {"ext4"};
  return {"ext4", "xfs", "btrfs"};
}
INSTANTIATE_TEST_SUITE_P(On, RealFaults, testing::ValuesIn(file_systems()),
                         [](const auto& one) { return std::string(one.param); });

class ProcessFaults : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "/cairn_limit_XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  std::string directory_;
};

TEST_F(ProcessFaults, ALimitOnFileSizesIsAnErrorOfTheCreation) {
  const std::string wrong = in_a_process([&]() -> std::string {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{kMiB / 2, kMiB / 2};
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return "no limit";
    const auto log = log::Log::create(directory_ + "/log", small_containers(), quiet());
    return log ? "created" : std::string(status_code_name(log.code()));
  });
  EXPECT_THAT(wrong, AnyOf(Eq("NoSpace"), Eq("IoError")));
  // Without the limit the same directory serves.
  EXPECT_TRUE(log::Log::create(directory_ + "/log", small_containers(), quiet()));
}

TEST_F(ProcessFaults, WithoutIoUringTheLogIsWrittenWithoutIt) {
  const std::string wrong = in_a_process([&]() -> std::string {
    const sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const sock_fprog filter{4, const_cast<sock_filter*>(program)};
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0) {
      return "no filter";
    }
    const auto forced = log::make_storage(log::StorageKind::kUring);
    if (forced.code() != StatusCode::kNotSupported) return "io_uring in spite of the filter";
    const auto log = log::Log::create(directory_ + "/log", small_containers(), quiet());
    if (!log) return log.status().to_string();
    if ((*log)->info().storage.kind != "posix") return (*log)->info().storage.kind;
    Status refused;
    return fill(**log, 5, &refused) == 5 ? "" : refused.to_string();
  });
  EXPECT_EQ(wrong, "");
  EXPECT_EQ(check_filled(directory_ + "/log", 5), "");
}

}  // namespace
}  // namespace cairn::crash_test
