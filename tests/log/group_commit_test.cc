// How threads that wait for durability share writes, and how they are woken.
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <cairn/sim/sim_storage.h>

#include "append/block_writer.h"
#include "append/join_estimate.h"
#include "append/shared_histogram.h"
#include "append/wake_word.h"
#include "log/gated_storage.h"
#include "log/sim_log_fixture.h"

namespace cairn::log_test {
namespace {

// --- how many are waited for ---

TEST(JoinEstimate, ExpectsAllAtFirstAndThenAsManyAsCameTheLastTime) {
  log::JoinEstimate joins;
  EXPECT_EQ(joins.expect(100), 100U);
  joins.came_only(3);
  EXPECT_EQ(joins.expect(100), 3U);
  EXPECT_EQ(joins.expect(2), 2U) << "never more than were woken";
}

TEST(JoinEstimate, ExpectsMoreAndMoreOfThoseWhoComeBack) {
  log::JoinEstimate joins;
  joins.came_only(1);
  for (const unsigned expected : {1U, 2U, 4U, 8U, 8U}) {
    EXPECT_EQ(joins.expect(8), expected);
    joins.came_all(expected);
  }
  EXPECT_EQ(joins.expect(3), 3U);
  joins.came_all(3);
  EXPECT_EQ(joins.expect(8), 8U) << "a small group does not make the others forgotten";
}

TEST(JoinEstimate, WaitsForNobodyWhereNobodyComesBackButTriesAgain) {
  log::JoinEstimate joins;
  joins.came_only(0);
  unsigned groups = 1;
  while (joins.expect(8) == 0) ++groups;
  EXPECT_EQ(groups, log::JoinEstimate::kPause);
  joins.came_only(0);
  EXPECT_EQ(joins.expect(8), 0U);
}

// --- waking ---

TEST(WakeWord, DoesNotLoseAWakeUpBetweenLookingAndSleeping) {
  log::WakeWord word;
  const std::uint32_t seen = word.value();
  word.change();
  word.wait(seen);                                              // returns
  word.wait_for(word.value(), std::chrono::nanoseconds(1000));  // ends by itself
}

TEST(WakeWord, WakesAllThatSleep) {
  log::WakeWord word;
  std::atomic<int> awake = 0;
  std::vector<std::thread> threads;
  const std::uint32_t seen = word.value();
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      while (word.value() == seen) word.wait(seen);
      ++awake;
    });
  }
  word.change();
  word.wake_all();
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(awake, 4);
}

TEST(SharedHistogram, CountsWhatSeveralThreadsRecord) {
  log::SharedHistogram shared;
  std::vector<std::thread> threads;
  for (std::uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&shared, t] {
      for (std::uint64_t i = 0; i < 1000; ++i) shared.record(t * 1000 + i);
    });
  }
  for (auto& thread : threads) thread.join();
  log::Histogram plain;
  for (std::uint64_t value = 0; value < 4000; ++value) plain.record(value);
  const log::Histogram values = shared.values();
  EXPECT_EQ(values.count(), plain.count());
  EXPECT_EQ(values.sum(), plain.sum());
  EXPECT_EQ(values.max(), plain.max());
  for (const double fraction : {0.0, 0.1, 0.5, 0.99, 1.0}) {
    EXPECT_EQ(values.quantile(fraction), plain.quantile(fraction));
  }
}

// --- groups ---

class GroupCommit : public testing::Test {
 protected:
  void SetUp() override {
    log::OpenOptions options =
        manual_options(std::make_shared<GatedStorage>(std::make_shared<sim::SimStorage>(), gate_));
    options.background = log::Background::kThread;
    options.idle_mark = std::chrono::milliseconds(0);
    options.time = [this] { return std::chrono::steady_clock::time_point(time_.load()); };
    auto made = log::Log::create(kDirectory, small_log(8), options);
    ASSERT_TRUE(made) << made.status().to_string();
    log_ = std::move(*made);
    stream_ = log_->create_stream("s").value();
  }
  void TearDown() override {
    gate_->open();
    for (auto& thread : threads_) thread.join();
  }
  // A thread that appends so many records in a row, each durable before the next.
  void start(int records) {
    threads_.emplace_back([this, records] {
      for (int i = 0; i < records; ++i) {
        const auto lsn = stream_.append(Bytes(100), durable());
        ASSERT_TRUE(lsn) << lsn.status().to_string();
        EXPECT_LT(*lsn, log_->durable_lsn());
        ++acknowledged_;
      }
    });
  }
  void wait_for_records(std::uint64_t records) {
    while (log_->statistics().records < records) std::this_thread::yield();
  }
  void wait_for_blocks(std::uint64_t blocks) {
    while (log_->statistics().blocks < blocks) std::this_thread::yield();
  }

  // Stands still, so that nothing ends because it took long, unless a test says so.
  std::atomic<std::chrono::steady_clock::duration> time_{std::chrono::hours(1)};
  std::shared_ptr<Gate> gate_ = std::make_shared<Gate>();
  std::unique_ptr<log::Log> log_;
  log::Stream stream_;
  std::vector<std::thread> threads_;
  std::atomic<int> acknowledged_ = 0;
};

TEST_F(GroupCommit, WhoeverComesWhileWritesAreInFlightSharesTheNextOne) {
  const log::LogStatistics before = log_->statistics();
  gate_->shut();
  start(1);
  wait_for_blocks(before.blocks + 1);
  start(1);  // a second write may be in flight beside the first
  wait_for_blocks(before.blocks + 2);
  for (int i = 0; i < 10; ++i) start(1);
  wait_for_records(before.records + 12);
  EXPECT_EQ(log_->statistics().blocks, before.blocks + 2) << "the rest gathers";
  EXPECT_EQ(acknowledged_, 0);
  gate_->open();
  for (auto& thread : threads_) thread.join();
  threads_.clear();
  EXPECT_EQ(acknowledged_, 12);
  EXPECT_EQ(log_->statistics().blocks, before.blocks + 3);
  EXPECT_EQ(log_->statistics().wait_ns.count(), before.wait_ns.count() + 12);
}

TEST_F(GroupCommit, ThreadsThatDoNotComeBackHoldNobodyUp) {
  const log::LogStatistics before = log_->statistics();
  gate_->shut();
  start(1);
  wait_for_blocks(before.blocks + 1);
  start(1);
  wait_for_blocks(before.blocks + 2);
  // A group of five, of which one comes back and the others do not.
  for (const int records : {1, 1, 2, 1, 1}) start(records);
  wait_for_records(before.records + 7);
  time_ = time_.load() + std::chrono::seconds(1);  // so long the writes took
  gate_->open();
  for (auto& thread : threads_) thread.join();
  threads_.clear();
  EXPECT_EQ(acknowledged_, 8);
  ASSERT_TRUE(log_->flush());
}

TEST_F(GroupCommit, ThreadsThatEndOneByOneHoldNobodyUp) {
  for (int i = 0; i < 8; ++i) start(20 + i * 20);
  for (auto& thread : threads_) thread.join();
  threads_.clear();
  EXPECT_EQ(acknowledged_, 8 * 20 + 20 * 28);
  // Nobody but this thread is left, which waits in other ways.
  const Lsn lsn = stream_.append(Bytes(10)).value();
  ASSERT_TRUE(log_->wait_durable(lsn));
  ASSERT_TRUE(stream_.append(Bytes(10), {.durability = log::Durability::kWritten}));
  ASSERT_TRUE(log_->create_stream("t"));
}

TEST_F(GroupCommit, WaitersOfAllKindsGetTheirs) {
  std::atomic<int> called = 0;
  constexpr int kRounds = 100;
  threads_.emplace_back([this] {
    for (int i = 0; i < kRounds; ++i) {
      const Lsn lsn = stream_.append(Bytes(10)).value();
      ASSERT_TRUE(log_->wait_durable(lsn, std::chrono::hours(1)));
    }
  });
  threads_.emplace_back([this] {
    for (int i = 0; i < kRounds; ++i) ASSERT_TRUE(log_->flush());
  });
  threads_.emplace_back([this, &called] {
    for (int i = 0; i < kRounds; ++i) {
      ASSERT_TRUE(stream_.append(Bytes(10), {}, [&called](const Status& status) {
        if (status) ++called;
      }));
    }
  });
  threads_.emplace_back([this] {
    for (int i = 0; i < kRounds; ++i) {
      ASSERT_TRUE(stream_.append(Bytes(10), {.durability = log::Durability::kWritten}));
    }
  });
  for (int i = 0; i < 3; ++i) start(kRounds);
  for (auto& thread : threads_) thread.join();
  threads_.clear();
  while (called < kRounds) std::this_thread::yield();
  EXPECT_EQ(acknowledged_, 3 * kRounds);
}

// However a wait ends: before the lock, while the thread waits for the lock, or asleep.
TEST_F(GroupCommit, EveryWaitIsCounted) {
  const std::uint64_t before = log_->statistics().wait_ns.count();
  constexpr int kThreads = 6;
  constexpr int kEach = 400;
  for (int i = 0; i < kThreads; ++i) start(kEach);
  for (auto& thread : threads_) thread.join();
  threads_.clear();
  // Whoever makes the next container ready waits, too.
  EXPECT_GE(log_->statistics().wait_ns.count(), before + kThreads * kEach);
}

TEST_F(GroupCommit, AFailedWriteReachesEveryoneThatWaits) {
  // Behind the gate, as the log would otherwise be done before all have come.
  const log::LogStatistics before = log_->statistics();
  std::atomic<int> indeterminate = 0;
  gate_->shut();
  for (int i = 0; i < 8; ++i) {
    threads_.emplace_back([&] {
      const auto lsn = stream_.append(Bytes(100), durable());
      if (lsn.code() == StatusCode::kIndeterminate) ++indeterminate;
    });
  }
  wait_for_records(before.records + 8);
  gate_->fail();
  gate_->open();
  for (auto& thread : threads_) thread.join();
  threads_.clear();
  EXPECT_EQ(indeterminate, 8);
  EXPECT_EQ(log_->health().code(), StatusCode::kPoisoned);
}

// --- copies ---

TEST(BlockWriter, WritesABlockOnlyWhenEveryCopyHasEnded) {
  sim::SimStorage storage;
  const auto directory = storage.open_directory(kDirectory, true).value();
  std::shared_ptr<log::File> file = directory->open("container", log::OpenMode::kCreate).value();
  log::BlockWriter::Config config;
  config.geometry = {{}, std::uint64_t{1} << 20, std::uint32_t{1} << 16, 4096};
  config.background = false;
  ASSERT_TRUE(directory->fill_zero(*file, config.geometry.container_size));
  log::WriterStart start;
  start.container = {1, file, {}, Lsn(config.geometry.container_size + 4096)};
  start.position = start.container.first_block;
  log::BlockWriter writer(config, directory->make_queue(4, nullptr).value(), start);
  const Bytes payload(100);
  const std::array<std::span<const std::byte>, 1> pieces{payload};
  bool durable = false;

  log::BlockWriter::Lock lock(writer.mutex());
  ASSERT_TRUE(writer.make_room(lock, payload.size()));
  const auto first = writer.take(payload.size());
  ASSERT_TRUE(writer.make_room(lock, payload.size()));
  const auto second = writer.take(payload.size());
  EXPECT_TRUE(writer.call_when_durable(second, [&](const Status& status) { durable = !!status; }));
  lock.unlock();
  writer.fill(second, {}, pieces);
  writer.start();  // closes the block
  lock.lock();
  EXPECT_EQ(writer.statistics().blocks, 0U) << "the first record is not there yet";
  lock.unlock();
  writer.fill(first, {}, pieces);
  lock.lock();
  EXPECT_EQ(writer.statistics().blocks, 1U) << "the last copy lets the block go";
  writer.drive(lock);
  EXPECT_TRUE(durable);
}

// --- a sync behind the writes ---

TEST(SyncBehindWrites, WakesNobodyWhoWaitsForItWhenTheWriteHasEnded) {
  static thread_local int looked = 0;  // at the clock: first of all, and before it sleeps again
  std::atomic<int> sleeper_looked = 0;
  static thread_local bool is_sleeper = false;
  const auto gate = std::make_shared<Gate>();
  log::OpenOptions options =
      manual_options(std::make_shared<GatedStorage>(std::make_shared<sim::SimStorage>(), gate));
  options.durable_writes = log::DurableWrites::kPerPrefix;
  options.time = [&] {
    if (is_sleeper) sleeper_looked = ++looked;
    return std::chrono::steady_clock::time_point(std::chrono::hours(1));
  };
  auto made = log::Log::create(kDirectory, small_log(8), options);
  ASSERT_TRUE(made) << made.status().to_string();
  log::Log& log = **made;
  log::Stream stream = log.create_stream("s").value();
  const Lsn lsn = stream.append(Bytes(100)).value();

  gate->shut();
  std::thread drives([&] { EXPECT_TRUE(log.wait_durable(lsn)); });
  while (gate->waiting() == 0) std::this_thread::yield();
  std::thread sleeps([&] {
    is_sleeper = true;
    EXPECT_TRUE(log.wait_durable(lsn));
  });
  while (sleeper_looked < 1) std::this_thread::yield();  // when it began: next, it sleeps
  const std::uint64_t syncs = log.statistics().syncs;
  gate->let_one_through();
  while (log.statistics().syncs == syncs || gate->waiting() == 0) std::this_thread::yield();
  EXPECT_GT(log.written_lsn(), lsn);
  EXPECT_LE(log.durable_lsn(), lsn);
  for (int i = 0; i < 2000; ++i) std::this_thread::yield();  // whoever was woken looks again
  EXPECT_EQ(sleeper_looked, 1) << "woken though nothing is durable yet";
  gate->open();
  drives.join();
  sleeps.join();
  EXPECT_EQ(sleeper_looked, 2) << "how long it waited";
  EXPECT_TRUE(log.close());
}

}  // namespace
}  // namespace cairn::log_test
