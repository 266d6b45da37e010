// A log on the kernel's storages, where it can meet what a simulated one does not show.
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <cairn/log.h>
#include <cairn/rebuild.h>

namespace cairn::log {
namespace {

constexpr int kRounds = 200;
constexpr int kThreads = 4;
constexpr int kAppends = 3;
constexpr std::size_t kSize = 60'000;  // about a block each

// One round: each thread appends, asks for durability without waiting for it, and ends.
void append_from_threads_that_end(Log& log, Stream& stream) {
  const std::vector<std::byte> payload(kSize);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kAppends; ++i) {
        const auto lsn = stream.append(std::span(payload), {.type = 1});
        ASSERT_TRUE(lsn.is_ok()) << lsn.status().to_string();
        log.on_durable(*lsn,
                       [](const Status& status) { EXPECT_TRUE(status) << status.to_string(); });
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

// Where the kernel hands writes to worker threads (tmpfs, buffered files, a file that is busy),
// these go with the thread that submitted, and what they have not begun is cancelled: it must be
// written all the same.
TEST(KernelStorage, AThreadThatEndsTakesNoWriteWithIt) {
  const bool has_tmpfs = std::filesystem::is_directory("/dev/shm");
  const std::string path = (has_tmpfs ? "/dev/shm/" : testing::TempDir()) + "cairn_threads_" +
                           Uuid::generate().to_string();
  CreateOptions options;
  options.container_size = std::uint64_t{4} << 20;
  options.block_size = 64 * 1024;
  options.calibrate = false;
  auto log = Log::create(path, options);
  ASSERT_TRUE(log.is_ok()) << log.status().to_string();
  Stream stream = (*log)->create_stream("s").value();
  for (int round = 0; round < kRounds && (*log)->health(); ++round) {
    append_from_threads_that_end(**log, stream);
    EXPECT_TRUE(stream.advance_base(stream.last_lsn()));  // or the log grows
  }
  EXPECT_TRUE((*log)->health()) << (*log)->health().to_string();
  EXPECT_TRUE((*log)->close());
  std::filesystem::remove_all(path);
}

TEST(KernelStorage, ALogWhoseBaseLogWasRemovedWhileOpenIsNotRebuilt) {
  for (const StorageKind kind : {StorageKind::kAuto, StorageKind::kPosix}) {
    const std::string path = testing::TempDir() + "cairn_removed_" + Uuid::generate().to_string();
    CreateOptions create;
    create.container_size = kMinContainerSize;
    create.calibrate = false;
    OpenOptions options;
    options.storage = make_storage(kind).value();
    auto log = Log::create(path, create, options);
    ASSERT_TRUE(log.is_ok()) << log.status().to_string();
    Stream stream = (*log)->create_stream("s").value();
    std::filesystem::remove(path + "/base.cairn");
    const RebuildOptions at_once{.lock_wait = std::chrono::milliseconds(0)};
    EXPECT_EQ(rebuild_base_log(path, at_once).code(), StatusCode::kLocked);
    EXPECT_TRUE(stream.append(std::vector<std::byte>(100), {.type = 1}).is_ok());
    EXPECT_TRUE((*log)->close());
    const auto rebuilt = rebuild_base_log(path, at_once);
    ASSERT_TRUE(rebuilt.is_ok()) << rebuilt.status().to_string();
    log = Log::open(path);
    ASSERT_TRUE(log.is_ok()) << log.status().to_string();
    EXPECT_TRUE((*log)->open_stream("s")->read()->next()->has_value());
    EXPECT_TRUE((*log)->close());
    std::filesystem::remove_all(path);
  }
}

TEST(KernelStorage, PassesThePageCacheAsAskedForOrSaysWhyNot) {
  for (const std::string& place : {std::string("/dev/shm/"), testing::TempDir()}) {
    if (!std::filesystem::is_directory(place)) continue;
    const std::string path = place + ("cairn_direct_" + Uuid::generate().to_string());
    const auto automatic = make_storage(StorageOptions{}).value();
    const auto directory = automatic->open_directory(path, true).value();
    const StorageInfo info = automatic->describe(*directory);
    EXPECT_FALSE(info.direct_reason.empty());

    const auto off = make_storage(StorageOptions{.direct = DirectIo::kOff}).value();
    const auto buffered = off->open_directory(path, false).value();
    EXPECT_FALSE(off->describe(*buffered).direct);
    EXPECT_EQ(off->describe(*buffered).direct_reason, "as asked for");

    const auto on = make_storage(StorageOptions{.direct = DirectIo::kOn}).value();
    const auto direct = on->open_directory(path, false);
    EXPECT_EQ(direct.is_ok(), info.direct) << direct.status().to_string();
    if (direct.is_ok()) {
      EXPECT_TRUE(on->describe(**direct).direct);
    } else {
      EXPECT_EQ(direct.code(), StatusCode::kNotSupported);
      EXPECT_NE(direct.status().message().find("O_DIRECT"), std::string::npos);
    }
    std::filesystem::remove_all(path);
  }
}

TEST(KernelStorage, ALockIsWaitedForWithoutEndIfTheLimitSaysSo) {
  const std::string path = testing::TempDir() + "cairn_lock_" + Uuid::generate().to_string();
  CreateOptions options;
  options.container_size = kMinContainerSize;
  options.calibrate = false;
  auto first = Log::create(path, options);
  ASSERT_TRUE(first.is_ok()) << first.status().to_string();
  auto second = std::async(std::launch::async, [&] {
    OpenOptions patient;
    patient.lock_wait = std::chrono::milliseconds::max();
    return Log::open(path, patient).status();
  });
  EXPECT_EQ(second.wait_for(std::chrono::milliseconds(20)), std::future_status::timeout);
  EXPECT_TRUE((*first)->close());
  const Status opened = second.get();
  EXPECT_TRUE(opened) << opened.to_string();
  std::filesystem::remove_all(path);
}

void install(std::span<sock_filter> filter) {
  const sock_fprog program{static_cast<unsigned short>(filter.size()), filter.data()};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
    std::perror("seccomp");
    ::_exit(77);
  }
}

// From here on this process gets EPERM for the system call `number`; if `second` is not negative,
// only with that second argument.
void refuse(long number, long second) {
  const auto call = static_cast<unsigned>(number);
  const auto argument = static_cast<unsigned>(second);
  const unsigned char to_argument = second < 0 ? 2 : 0;
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, to_argument, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[1])),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, argument, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  install(filter);
}

// From here on this process gets EOPNOTSUPP for a pwritev2 with RWF_DSYNC, as from a file system
// that does not know it; with `fdatasync`, EIO for that too; with `nameless`, EOPNOTSUPP for files
// without a name.
void refuse_durable_writes(bool fdatasync, bool nameless) {
  constexpr unsigned kNamelessBit = O_TMPFILE & ~O_DIRECTORY;
  const unsigned sync_call = fdatasync ? __NR_fdatasync : ~0U;
  const unsigned open_call = nameless ? __NR_openat : ~0U;
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, sync_call, 7, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_pwritev2, 2, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, open_call, 3, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[5])),
      BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, RWF_DSYNC, 3, 4),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[2])),
      BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, kNamelessBit, 1, 2),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EIO),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EOPNOTSUPP),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  install(filter);
}

constexpr const char* kDsyncRefused = "RWF_DSYNC refused: Operation not supported";

// Makes a log with a durable record. Ends the process: 0 if the log then says that the flag was
// refused, and works.
void use_a_log_without_the_flag_and_exit(const std::string& path, StorageKind kind) {
  OpenOptions options;
  options.storage = make_storage(kind).value();
  const auto log =
      Log::create(path, {.container_size = kMinContainerSize, .calibrate = false}, options);
  if (!log) std::fprintf(stderr, "%s\n", log.status().to_string().c_str()), ::_exit(1);
  Stream stream = (*log)->create_stream("s").value();
  const std::vector<std::byte> payload(100);
  const auto lsn = stream.append(std::span(payload), {.durability = Durability::kDurable});
  if (!lsn) std::fprintf(stderr, "%s\n", lsn.status().to_string().c_str()), ::_exit(3);
  const std::string reason = (*log)->info().storage.reason;
  std::fprintf(stderr, "%s\n", reason.c_str());
  const bool said = reason.find(kDsyncRefused) != std::string::npos;
  ::_exit(said && (*log)->close() ? 0 : 2);
}

// What a program does that never heard of system calls. Ends the process: 0 if the log says
// `refused` and works.
void use_a_log_and_exit(const std::string& path, const std::string& refused) {
  const auto log = Log::create(path, {.container_size = kMinContainerSize, .calibrate = false});
  if (!log) std::fprintf(stderr, "%s\n", log.status().to_string().c_str()), ::_exit(1);
  const StorageInfo storage = (*log)->info().storage;
  if (storage.kind != "posix" || storage.reason.find(refused) == std::string::npos) {
    std::fprintf(stderr, "%s: %s\n", storage.kind.c_str(), storage.reason.c_str());
    ::_exit(2);
  }
  Stream stream = (*log)->create_stream("s").value();
  const std::vector<std::byte> payload(100);
  const auto lsn = stream.append(std::span(payload), {.durability = Durability::kDurable});
  ::_exit(lsn.is_ok() && (*log)->close() ? 0 : 3);
}

class Refused : public testing::Test {
 protected:
  Refused() : path_(testing::TempDir() + "cairn_refused_" + Uuid::generate().to_string()) {
    testing::FLAGS_gtest_death_test_style = "threadsafe";
    ::unsetenv("CAIRN_STORAGE");
  }
  ~Refused() override { std::filesystem::remove_all(path_); }

  std::string path_;
};

TEST_F(Refused, IoUringIsReplacedByThePosixCallsAndInfoSaysWhy) {
  EXPECT_EXIT((refuse(__NR_io_uring_setup, -1), use_a_log_and_exit(path_, "io_uring_setup")),
              testing::ExitedWithCode(0), "");
}

// A ring can be had, and then it cannot hold the log's lock.
TEST_F(Refused, IoUringThatIsRefusedLateIsReplacedToo) {
  constexpr long kRegisterFiles = 2;
  EXPECT_EXIT((refuse(__NR_io_uring_register, kRegisterFiles),
               use_a_log_and_exit(path_, "io_uring_register_files")),
              testing::ExitedWithCode(0), "");
}

TEST_F(Refused, TheFlagForDurableWritesIsReplacedByASyncAndInfoSaysSo) {
  for (const StorageKind kind : {StorageKind::kPosix, StorageKind::kAuto}) {
    EXPECT_EXIT(
        (refuse_durable_writes(false, false), use_a_log_without_the_flag_and_exit(path_, kind)),
        testing::ExitedWithCode(0), "");
    std::filesystem::remove_all(path_);
  }
}

// No nameless file can be had to try it with: the first durable write of the queue meets it.
TEST_F(Refused, TheFlagForDurableWritesThatIsRefusedLateIsReplacedToo) {
  EXPECT_EXIT((refuse_durable_writes(false, true),
               use_a_log_without_the_flag_and_exit(path_, StorageKind::kPosix)),
              testing::ExitedWithCode(0), "");
}

TEST_F(Refused, TheFlagForDurableWritesIsNotReplacedByNothing) {
  const auto append_without_syncs = [&] {
    OpenOptions options;
    options.storage = make_storage(StorageKind::kPosix).value();
    options.background = Background::kManual;  // no other thread, which the filter would not know
    const auto log =
        Log::create(path_, {.container_size = kMinContainerSize, .calibrate = false}, options);
    Stream stream = (*log)->create_stream("s").value();
    refuse_durable_writes(true, false);
    const std::vector<std::byte> payload(100);
    const auto lsn = stream.append(std::span(payload), {.durability = Durability::kDurable});
    std::fprintf(stderr, "%s\n", lsn.status().to_string().c_str());
    ::_exit(lsn.is_ok() ? 1 : 0);
  };
  EXPECT_EXIT(append_without_syncs(), testing::ExitedWithCode(0), "fdatasync");
}

// The file system's own answer, here that of a place where no block begins: not taken for the
// flag's.
TEST_F(Refused, TheFlagIsNotBlamedForWhatAWriteWithoutItMeetsToo) {
  const auto storage = make_storage(StorageKind::kPosix).value();
  const auto directory = storage->open_directory(path_, true).value();
  const auto file = directory->open("file", OpenMode::kCreate).value();
  if (!storage->describe(*directory).direct) GTEST_SKIP() << "no direct I/O here";
  const auto queue = directory->make_queue(1, nullptr).value();
  alignas(4096) const std::array<std::byte, 4096> bytes{};
  ASSERT_TRUE(queue->submit_write(*file, 1, std::span(bytes).first(512), true, 7));
  std::array<Completion, 1> ended;
  ASSERT_EQ(queue->reap(ended, true).value(), 1U);
  EXPECT_EQ(ended[0].status.code(), StatusCode::kIoError) << ended[0].status.to_string();
  EXPECT_EQ(storage->describe(*directory).reason.find("RWF_DSYNC"), std::string::npos);
}

}  // namespace
}  // namespace cairn::log
