// Archives where the file system can share bytes between files: a file system made for the test, in
// a file, on a loop device, in a mount namespace of this process alone (with the process all of it
// goes).
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <cairn/archive.h>
#include <cairn/log.h>

namespace cairn::log {
namespace {

namespace fs = std::filesystem;

constexpr char kFirst[] = "container-0000000000000000.cairn";
constexpr char kSecond[] = "container-0000000000000001.cairn";

bool run(const std::string& command) {
  return std::system((command + " >/dev/null 2>&1").c_str()) == 0;
}

std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// Bytes of a file in extents that another file has too.
std::uint64_t shared_bytes(const fs::path& path) {
  constexpr unsigned kMost = 256;
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  EXPECT_GE(fd, 0) << path;
  std::vector<std::byte> memory(sizeof(fiemap) + kMost * sizeof(fiemap_extent));
  auto* map = reinterpret_cast<fiemap*>(memory.data());
  map->fm_length = FIEMAP_MAX_OFFSET;
  map->fm_flags = FIEMAP_FLAG_SYNC;
  map->fm_extent_count = kMost;
  EXPECT_EQ(::ioctl(fd, FS_IOC_FIEMAP, map), 0) << std::strerror(errno);
  ::close(fd);
  std::uint64_t shared = 0;
  for (unsigned i = 0; i < map->fm_mapped_extents; ++i) {
    if ((map->fm_extents[i].fe_flags & FIEMAP_EXTENT_SHARED) != 0) {
      shared += map->fm_extents[i].fe_length;
    }
  }
  return shared;
}

// From here on this thread gets EPERM for copy_file_range(), which on some file systems shares
// bytes too.
void refuse_copies_in_the_kernel() {
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_copy_file_range, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{std::size(filter), filter};
  EXPECT_EQ(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
  EXPECT_EQ(::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

class Reflink : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "only root may mount a file system";
    make_ = run("command -v mkfs.xfs")     ? "mkfs.xfs -q -m reflink=1 "
            : run("command -v mkfs.btrfs") ? "mkfs.btrfs -q "
                                           : "";
    if (make_.empty()) GTEST_SKIP() << "neither mkfs.xfs nor mkfs.btrfs is installed (tools/setup)";
    directory_ = fs::path(testing::TempDir()) / ("cairn-reflink-" + Uuid::generate().to_string());
    fs::create_directories(mounted());
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
      GTEST_SKIP() << "no mount namespace of its own: " << std::strerror(errno);
    }
    // Holes: what is written is some MiB.
    const std::string image = (directory_ / "image").string();
    std::ofstream(image).close();
    fs::resize_file(image, std::uint64_t{512} << 20);
    ASSERT_TRUE(run(make_ + image)) << make_ << image;
    if (!run("mount -o loop " + image + " " + mounted().string())) {
      GTEST_SKIP() << "no loop device, or a kernel without the file system of " << make_;
    }
    is_mounted_ = true;
    // Two containers, one of them full.
    CreateOptions create;
    create.container_size = kMinContainerSize;
    create.calibrate = false;
    create.alignment = 4096;  // whole blocks of the file system
    log_ = Log::create(log_path(), create).value();
    stream_ = log_->create_stream("s").value();
    append(25);
  }
  void TearDown() override {
    stream_ = {};
    log_.reset();
    // Detached: the kernel takes a closed ring apart later, with the files that it holds.
    if (is_mounted_) {
      EXPECT_EQ(::umount2(mounted().c_str(), MNT_DETACH), 0) << std::strerror(errno);
    }
    if (!directory_.empty()) fs::remove_all(directory_);
  }

  void append(int count) {
    for (int i = 0; i < count; ++i) {
      std::vector<std::byte> payload(50'000, static_cast<std::byte>(i));
      ASSERT_TRUE(stream_->append(payload, {.durability = Durability::kDurable}).is_ok());
    }
  }
  // Bytes can only be shared by FICLONERANGE, or pass through memory.
  ArchiveReport archived_without_copies_in_the_kernel(const fs::path& to) const {
    Result<ArchiveReport> report = Status(StatusCode::kInvalidState, "not run");
    std::thread([&] {
      refuse_copies_in_the_kernel();
      report = archive(*log_, to.string());
    }).join();
    EXPECT_TRUE(report.is_ok()) << report.status().to_string();
    return report.is_ok() ? *report : ArchiveReport();
  }
  // Each archived container holds what the log's file holds, as far as it was archived.
  void expect_equal_bytes(const fs::path& archive, const ArchiveReport& report) const {
    std::uint64_t compared = 0;
    for (const ContainerInfo& container : log_->info().containers) {
      const fs::path archived = archive / container.file;
      if (!fs::exists(archived)) continue;
      const std::string found = read_file(archived);
      ASSERT_EQ(found, read_file(fs::path(log_path()) / container.file).substr(0, found.size()));
      compared += found.size();
    }
    EXPECT_GE(compared, report.bytes);
  }
  void expect_restorable(const fs::path& archive) const {
    const auto restored = restore(archive.string(), (directory_ / "restored").string());
    EXPECT_TRUE(restored.is_ok()) << restored.status().to_string();
  }

  fs::path mounted() const { return directory_ / "mounted"; }
  std::string log_path() const { return (mounted() / "log").string(); }

  std::string make_;
  fs::path directory_;
  bool is_mounted_ = false;
  std::unique_ptr<Log> log_;
  std::optional<Stream> stream_;
};

TEST_F(Reflink, AnArchiveOnTheSameFileSystemSharesTheBytesOfTheLog) {
  const fs::path archived = mounted() / "archive";
  const ArchiveReport first = archived_without_copies_in_the_kernel(archived);
  EXPECT_EQ(first.bytes_shared, first.bytes);
  EXPECT_GE(first.bytes, kMinContainerSize);
  EXPECT_EQ(shared_bytes(archived / kFirst), fs::file_size(archived / kFirst));
  expect_equal_bytes(archived, first);

  // The log goes on in a container whose first part is shared: what the archive holds does not
  // change.
  const std::string before = read_file(archived / kSecond);
  append(3);
  EXPECT_EQ(read_file(archived / kSecond), before);
  const ArchiveReport second = archived_without_copies_in_the_kernel(archived);
  EXPECT_GT(second.bytes, 0U);
  EXPECT_EQ(second.bytes_shared, second.bytes);
  expect_equal_bytes(archived, second);
  expect_restorable(archived);
}

// FICLONERANGE says EXDEV.
TEST_F(Reflink, AnArchiveOnAnotherFileSystemIsCopied) {
  const fs::path archived = directory_ / "archive";
  const ArchiveReport report = archived_without_copies_in_the_kernel(archived);
  EXPECT_EQ(report.bytes_shared, 0U);
  EXPECT_GE(report.bytes, kMinContainerSize);
  expect_equal_bytes(archived, report);
  expect_restorable(archived);
}

}  // namespace
}  // namespace cairn::log
