// A log on the kernel's storages, where it can meet what a simulated one does not show.
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <cairn/log.h>

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

// Where the kernel hands writes to worker threads (tmpfs, buffered files, a file that is busy), these go with the thread
// that submitted, and what they have not begun is cancelled: it must be written all the same.
TEST(KernelStorage, AThreadThatEndsTakesNoWriteWithIt) {
  const bool has_tmpfs = std::filesystem::is_directory("/dev/shm");
  const std::string path = (has_tmpfs ? "/dev/shm/" : testing::TempDir()) + "cairn_threads_" +
                           Uuid::generate().to_string();
  CreateOptions options;
  options.container_size = std::uint64_t{4} << 20;
  options.block_size = 64 * 1024;
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

TEST(KernelStorage, ALockIsWaitedForWithoutEndIfTheLimitSaysSo) {
  const std::string path = testing::TempDir() + "cairn_lock_" + Uuid::generate().to_string();
  CreateOptions options;
  options.container_size = kMinContainerSize;
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

// From here on this process gets EPERM for the system call `number`; if `second` is not negative, only with that
// second argument.
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
  const sock_fprog program{std::size(filter), filter};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
    std::perror("seccomp");
    ::_exit(77);
  }
}

// What a program does that never heard of system calls. Ends the process: 0 if the log says `refused` and works.
void use_a_log_and_exit(const std::string& path, const std::string& refused) {
  const auto log = Log::create(path, {.container_size = kMinContainerSize});
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

}  // namespace
}  // namespace cairn::log
