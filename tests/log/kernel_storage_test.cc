// A log on the kernel's storages, where it can meet what a simulated one does not show.
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

}  // namespace
}  // namespace cairn::log
