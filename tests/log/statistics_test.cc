// What an open log counts and measures, and how it tells of writes that stall.
#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <mutex>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cairn/histogram.h>
#include <cairn/log.h>
#include <cairn/sim/random.h>
#include <cairn/sim/sim_storage.h>

#include "log/gated_storage.h"
#include "log/torture_names.h"

namespace cairn::log {
namespace {

using log_test::manual_options;
using log_test::small_log;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

TEST(HistogramBuckets, EachFollowsTheOneBeforeAndIsAtMostASixteenthWide) {
  std::uint64_t next = 0;  // the smallest value of the bucket
  for (std::size_t bucket = 0; bucket < Histogram::kBuckets; ++bucket) {
    const std::uint64_t largest = Histogram::largest_in(bucket);
    ASSERT_GE(largest, next);
    ASSERT_EQ(Histogram::bucket_of(next), bucket);
    ASSERT_EQ(Histogram::bucket_of(largest), bucket);
    ASSERT_LE((largest - next) * 16, next) << "bucket " << bucket;
    next = largest + 1;
  }
  EXPECT_EQ(next, std::uint64_t{1} << Histogram::kValueBits);
}

TEST(HistogramQuantiles, AreAtMostASixteenthAboveTheTrueOnes) {
  sim::Random random(3);
  Histogram histogram;
  std::vector<std::uint64_t> values;
  for (int i = 0; i < 5000; ++i) {
    values.push_back(random.next() >> (24 + random.below(40)));
    histogram.record(values.back());
  }
  std::sort(values.begin(), values.end());
  for (const double fraction : {0.0, 0.001, 0.5, 0.9, 0.99, 0.999, 1.0}) {
    const auto rank = static_cast<std::size_t>(std::max(1.0, std::ceil(fraction * 5000)));
    const std::uint64_t truth = values[rank - 1];
    EXPECT_GE(histogram.quantile(fraction), truth) << fraction;
    EXPECT_LE(histogram.quantile(fraction), truth + truth / 16) << fraction;
  }
  EXPECT_EQ(histogram.quantile(1.0), values.back());
  EXPECT_EQ(histogram.max(), values.back());
}

TEST(HistogramQuantiles, AreZeroOfNothingAndOfTheLargestValuesTheLargest) {
  Histogram histogram;
  EXPECT_EQ(histogram.quantile(0.99), 0U);
  EXPECT_EQ(histogram.mean(), 0.0);
  histogram.record(~std::uint64_t{0});
  EXPECT_EQ(histogram.quantile(0.5), ~std::uint64_t{0});
}

TEST(HistogramMerge, CountsAsIfAllHadBeenRecordedInOne) {
  Histogram one;
  Histogram other;
  Histogram both;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    (i % 3 == 0 ? one : other).record(i * i);
    both.record(i * i);
  }
  one.merge(other);
  EXPECT_EQ(one.count(), both.count());
  EXPECT_EQ(one.sum(), both.sum());
  EXPECT_EQ(one.max(), both.max());
  EXPECT_EQ(one.quantile(0.37), both.quantile(0.37));
}

class Watched : public testing::Test {
 protected:
  void create() {
    options_.time = [this] { return now_ += tick_; };
    auto created = Log::create("log", small_log(), options_);
    ASSERT_TRUE(created) << created.status().to_string();
    log_ = std::move(*created);
    stream_ = *log_->create_stream("s");
  }
  Lsn append(std::size_t size, Durability durability = Durability::kNone) {
    const auto lsn = stream_.append(std::vector<std::byte>(size), {.durability = durability});
    EXPECT_TRUE(lsn) << lsn.status().to_string();
    return lsn ? *lsn : Lsn();
  }

  std::shared_ptr<sim::SimStorage> storage_ = std::make_shared<sim::SimStorage>();
  OpenOptions options_ = manual_options(storage_);
  std::chrono::steady_clock::time_point now_{};
  nanoseconds tick_{0};  // passes between any two looks at the clock
  std::unique_ptr<Log> log_;
  Stream stream_;
};

class Statistics : public Watched {};

TEST_F(Statistics, LatenciesAreWhatTheClockSays) {
  create();
  const LogStatistics before = log_->statistics();
  tick_ = nanoseconds(1000);
  append(100, Durability::kDurable);
  append(100, Durability::kNone);
  const LogStatistics after = log_->statistics();
  ASSERT_EQ(after.wait_ns.count() - before.wait_ns.count(), 1U)
      << "who does not wait is not measured";
  ASSERT_EQ(after.write_ns.count() - before.write_ns.count(), 1U);
  const std::uint64_t waited = after.wait_ns.sum() - before.wait_ns.sum();
  const std::uint64_t wrote = after.write_ns.sum() - before.write_ns.sum();
  EXPECT_GE(wrote, 1000U);
  EXPECT_GT(waited, wrote) << "the write lies inside the wait";
  EXPECT_EQ(waited % 1000, 0U);
}

TEST_F(Statistics, SyncsAreMeasuredApart) {
  create();
  const LogStatistics before = log_->statistics();
  tick_ = nanoseconds(1000);
  const Lsn lsn = append(100, Durability::kWritten);
  ASSERT_TRUE(log_->wait_durable(lsn));
  const LogStatistics after = log_->statistics();
  EXPECT_EQ(after.sync_ns.count() - before.sync_ns.count(), 1U);
  EXPECT_EQ(after.syncs - before.syncs, 1U);
  EXPECT_GE(after.sync_ns.sum() - before.sync_ns.sum(), 1000U);
}

TEST_F(Statistics, GroupsAreCountedInRecordsAndBytes) {
  create();
  const LogStatistics before = log_->statistics();
  for (int i = 0; i < 5; ++i) append(92);
  ASSERT_TRUE(log_->flush());
  const LogStatistics after = log_->statistics();
  EXPECT_EQ(after.records - before.records, 5U);
  EXPECT_EQ(after.payload_bytes - before.payload_bytes, 5U * 92);
  EXPECT_EQ(after.block_records.count() - before.block_records.count(), 1U);
  EXPECT_EQ(after.block_records.sum() - before.block_records.sum(), 5U);
  // Header 96; each record header 40, payload 92, rounded up to 136.
  EXPECT_EQ(after.block_used_bytes.sum() - before.block_used_bytes.sum(), 96U + 5 * 136);
  EXPECT_EQ(after.padding_bytes - before.padding_bytes, 1024U - (96 + 5 * 136));
}

TEST_F(Statistics, CallbacksContainersAndSnapshotsAreCounted) {
  create();
  const LogStatistics before = log_->statistics();
  log_->on_durable(append(10), [](const Status&) {});
  ASSERT_TRUE(log_->run_background());
  EXPECT_EQ(log_->statistics().callbacks - before.callbacks, 1U);
  for (int i = 0; i < 200; ++i) {
    const Lsn lsn = append(50'000);
    if (i % 10 == 9) {
      ASSERT_TRUE(stream_.advance_base(lsn));
    }
  }
  const LogStatistics after = log_->statistics();
  EXPECT_GT(after.snapshots, before.snapshots);
  EXPECT_GT(after.containers_recycled, 0U);
  EXPECT_GT(after.block_waits, 0U);
  EXPECT_GT(after.container_waits, 0U) << "nobody made containers ahead";
}

TEST_F(Statistics, DescriptionShowsTheQuantiles) {
  create();
  append(100, Durability::kDurable);
  const std::string text = describe(log_->statistics());
  EXPECT_THAT(text, testing::HasSubstr("records              2\n"));
  EXPECT_THAT(text,
              testing::ContainsRegex("wait, us +p50 [0-9.]+  p99 [0-9.]+  p99.9 [0-9.]+  max"));
}

class Stall : public Watched {
 protected:
  Stall() {
    options_.stall_limit = milliseconds(100);
    options_.on_stall = [this](const StallEvent& event) { events_.push_back(event); };
  }
  std::vector<StallEvent> events_;
};

TEST_F(Stall, WriteOverTheLimitIsToldOnceAndOnceMoreWhenItEnded) {
  create();
  const Lsn lsn = append(1000);
  Status durable(StatusCode::kTimeout, "not yet");
  log_->on_durable(lsn, [&](const Status& status) { durable = status; });  // submits the write
  now_ += milliseconds(101);
  ASSERT_TRUE(log_->run_background());
  ASSERT_TRUE(durable.is_ok());
  ASSERT_EQ(events_.size(), 2U);
  const StallEvent& begun = events_[0];
  EXPECT_FALSE(begun.ended);
  EXPECT_FALSE(begun.sync);
  EXPECT_EQ(begun.age, milliseconds(101));
  EXPECT_EQ(begun.file, "log/container-0000000000000000.cairn");
  EXPECT_LE(begun.begin, lsn);
  EXPECT_GT(begun.end, lsn);
  EXPECT_TRUE(events_[1].ended);
  EXPECT_EQ(events_[1].begin, begun.begin);
  EXPECT_EQ(events_[1].end, begun.end);
  EXPECT_EQ(events_[1].age, milliseconds(101));
  EXPECT_EQ(log_->statistics().stalls, 1U);
  ASSERT_TRUE(log_->run_background());
  EXPECT_EQ(events_.size(), 2U) << "told once";
}

TEST_F(Stall, WriteWithinTheLimitIsNoStall) {
  create();
  log_->on_durable(append(1000), [](const Status&) {});
  now_ += milliseconds(100);
  ASSERT_TRUE(log_->run_background());
  now_ += milliseconds(1000);
  ASSERT_TRUE(log_->run_background());
  EXPECT_TRUE(events_.empty());
}

TEST_F(Stall, SyncIsToldAsSuch) {
  create();
  const Lsn lsn = append(1000, Durability::kWritten);
  log_->on_durable(lsn, [](const Status&) {});
  now_ += milliseconds(500);
  ASSERT_TRUE(log_->run_background());
  ASSERT_EQ(events_.size(), 2U);
  EXPECT_TRUE(events_[0].sync);
  EXPECT_LE(events_[0].begin, lsn);
  EXPECT_GT(events_[0].end, lsn);
  EXPECT_TRUE(events_[1].sync && events_[1].ended);
}

TEST_F(Stall, WithoutALimitNobodyLooks) {
  options_.stall_limit = milliseconds(0);
  create();
  log_->on_durable(append(1000), [](const Status&) {});
  now_ += milliseconds(1'000'000);
  ASSERT_TRUE(log_->run_background());
  EXPECT_TRUE(events_.empty());
}

TEST_F(Stall, LimitOutOfRangeIsNamed) {
  for (const milliseconds limit : {milliseconds(-1), milliseconds::max()}) {
    options_.stall_limit = limit;
    const Status refused = Log::create("log", small_log(), options_).status();
    EXPECT_EQ(refused.code(), StatusCode::kInvalidArgument);
    EXPECT_THAT(refused.message(), testing::HasSubstr("stall_limit"));
  }
}

// The write ends only when the stall was told: without the event this test does not end.
TEST(StallThread, TellsThoughTheHousekeepingWaitsForThatVeryWrite) {
  auto gate = std::make_shared<log_test::Gate>();
  OpenOptions options;
  options.storage =
      std::make_shared<log_test::GatedStorage>(std::make_shared<sim::SimStorage>(), gate);
  options.idle_mark = milliseconds(0);
  options.stall_limit = milliseconds(1);
  std::mutex mutex;
  std::condition_variable changed;
  int begun = 0;
  int ended = 0;
  bool durable = false;
  options.on_stall = [&](const StallEvent& event) {
    gate->open();
    const std::lock_guard lock(mutex);
    ++(event.ended ? ended : begun);
    changed.notify_all();
  };
  auto log = *Log::create("log", small_log(), options);
  Stream stream = *log->create_stream("s");
  gate->shut();
  log->on_durable(*stream.append(std::vector<std::byte>(100)), [&](const Status& status) {
    const std::lock_guard lock(mutex);
    durable = status.is_ok();
    changed.notify_all();
  });
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return durable && begun > 0 && ended > 0; });
  lock.unlock();
  EXPECT_TRUE(log->close());
}

}  // namespace
}  // namespace cairn::log
