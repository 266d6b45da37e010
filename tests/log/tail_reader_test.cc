// Tail readers and watches of growth: who is woken when, what a reader may hold back, and how both
// end.
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <cairn/log.h>
#include <cairn/sim/sim_storage.h>

#include "log/torture_names.h"

namespace cairn::log {
namespace {

using log_test::manual_options;
using log_test::small_log;
using std::chrono::nanoseconds;

constexpr std::uint64_t kMegabyte = std::uint64_t{1} << 20;
constexpr nanoseconds kAtOnce{0};

class Following : public testing::Test {
 protected:
  void create(std::uint64_t containers = 16, Background background = Background::kManual) {
    options_.background = background;
    options_.idle_mark = std::chrono::milliseconds(0);
    auto created = Log::create("log", small_log(containers), options_);
    ASSERT_TRUE(created) << created.status().to_string();
    log_ = std::move(*created);
    stream_ = *log_->create_stream("s");
  }
  // A record of `size` bytes that begins with `number`.
  Lsn append(std::uint64_t number, std::size_t size = 8, AppendOptions options = {}) {
    std::vector<std::byte> payload(size);
    std::memcpy(payload.data(), &number, sizeof number);
    const auto lsn = stream_.append(payload, options);
    EXPECT_TRUE(lsn) << lsn.status().to_string();
    return lsn ? *lsn : Lsn();
  }
  static std::uint64_t number(const Record& record) {
    std::uint64_t value = 0;
    std::memcpy(&value, record.payload.data(), sizeof value);
    return value;
  }
  // Of what is there at once.
  static std::vector<std::uint64_t> numbers(TailReader& reader) {
    std::vector<std::uint64_t> found;
    for (;;) {
      const auto record = reader.next(kAtOnce);
      EXPECT_TRUE(record) << record.status().to_string();
      if (!record || !*record) return found;
      found.push_back(number(**record));
    }
  }
  // So many containers' worth of records, each given up as soon as it is there.
  void write_containers(std::uint64_t containers, std::uint64_t first = 1000) {
    const std::uint64_t until = log_->end_lsn().container(kMegabyte) + containers;
    for (; log_->end_lsn().container(kMegabyte) < until; ++first) {
      const Lsn lsn = append(first, 50'000);
      if (first % 5 == 0) {
        ASSERT_TRUE(stream_.advance_base(lsn));
      }
      ASSERT_TRUE(log_->run_background());
    }
    ASSERT_TRUE(stream_.advance_base(stream_.last_lsn()));
    ASSERT_TRUE(log_->run_background());
  }

  std::shared_ptr<sim::SimStorage> storage_ = std::make_shared<sim::SimStorage>();
  OpenOptions options_ = manual_options(storage_);
  std::unique_ptr<Log> log_;
  Stream stream_;
};

class TailReaderTest : public Following {};

TEST_F(TailReaderTest, ShowsWhatIsDurableAndThenWhatBecomesSo) {
  create();
  append(1);
  append(2);
  ASSERT_TRUE(log_->flush());
  TailReader reader = *log_->follow({.stream = stream_.id()});
  append(3);
  EXPECT_EQ(numbers(reader), (std::vector<std::uint64_t>{1, 2}));
  ASSERT_TRUE(log_->flush());
  EXPECT_EQ(numbers(reader), (std::vector<std::uint64_t>{3}));
  EXPECT_EQ(numbers(reader), std::vector<std::uint64_t>{});
}

TEST_F(TailReaderTest, FromHereShowsOnlyWhatComesLater) {
  create();
  append(1);
  ASSERT_TRUE(log_->flush());
  TailReader reader = *log_->follow({.start = Lsn::invalid()});
  append(2);
  ASSERT_TRUE(log_->flush());
  EXPECT_EQ(numbers(reader), (std::vector<std::uint64_t>{2}));
}

TEST_F(TailReaderTest, HonoursStreamAndTypes) {
  create();
  Stream other = *log_->create_stream("other");
  TailReader reader = *log_->follow({.stream = stream_.id(), .types = {1, 3}});
  for (std::uint16_t type = 0; type < 5; ++type) {
    append(type, 8, {.type = type});
    ASSERT_TRUE(other.append(std::vector<std::byte>(8), {.type = type}));
  }
  ASSERT_TRUE(log_->flush());
  EXPECT_EQ(numbers(reader), (std::vector<std::uint64_t>{1, 3}));
}

TEST_F(TailReaderTest, GoesOnBehindATruncation) {
  create();
  TailReader reader = *log_->follow({.stream = stream_.id()});
  const Lsn kept = append(1);
  append(2);
  ASSERT_TRUE(log_->flush());
  ASSERT_EQ(number(**reader.next(kAtOnce)), 1U);
  ASSERT_TRUE(log_->truncate_after(kept));
  append(3);
  ASSERT_TRUE(log_->flush());
  EXPECT_EQ(numbers(reader), (std::vector<std::uint64_t>{3}))
      << "2 is gone, though it was read ahead";
}

TEST_F(TailReaderTest, IsWokenByEachDurableRecord) {
  create(16, Background::kThread);
  std::vector<std::uint64_t> seen;
  TailReader reader = *log_->follow({.stream = stream_.id()});
  std::thread thread([&] {
    while (seen.size() < 100) {
      const auto record = reader.next();
      ASSERT_TRUE(record) << record.status().to_string();
      seen.push_back(number(**record));
    }
  });
  for (std::uint64_t i = 0; i < 100; ++i) append(i, 8, {.durability = Durability::kDurable});
  thread.join();
  for (std::uint64_t i = 0; i < 100; ++i) EXPECT_EQ(seen[i], i);
}

TEST_F(TailReaderTest, CloseAndPoisonEndTheWaitAfterAllThatIsDurableWasShown) {
  for (const bool poison : {false, true}) {
    storage_ = std::make_shared<sim::SimStorage>();
    options_ = manual_options(storage_);
    create(16, Background::kThread);
    TailReader reader = *log_->follow({.stream = stream_.id()});
    append(7, 8, {.durability = Durability::kDurable});
    std::vector<std::uint64_t> seen;
    Status ended;
    std::thread thread([&] {
      for (;;) {
        const auto record = reader.next();
        ended = record.status();
        if (!record) return;
        seen.push_back(number(**record));
      }
    });
    if (poison) {
      storage_->inject({.kind = sim::FaultKind::kIoError, .on = sim::IoKind::kCompleteWrite});
      EXPECT_EQ(
          stream_.append(std::vector<std::byte>(8), {.durability = Durability::kDurable}).code(),
          StatusCode::kIndeterminate);
    } else {
      ASSERT_TRUE(log_->close());
    }
    thread.join();
    EXPECT_EQ(seen, (std::vector<std::uint64_t>{7}));
    EXPECT_EQ(ended.code(), poison ? StatusCode::kPoisoned : StatusCode::kClosed);
    EXPECT_EQ(reader.next().code(), ended.code()) << "also when it is asked again";
  }
}

TEST_F(TailReaderTest, PinIsShownAndKeepsContainersUpToItsBound) {
  create();
  TailReader reader = *log_->follow({.max_pinned_bytes = 4 * kMegabyte, .name = "replica"});
  append(1);
  ASSERT_TRUE(log_->flush());
  const Lsn first = reader.position();
  write_containers(3);
  const std::vector<PinInfo> pins = log_->info().pins;
  ASSERT_EQ(pins.size(), 2U);
  EXPECT_EQ(pins[1].kind, PinKind::kReader);
  EXPECT_EQ(pins[1].name, "replica");
  EXPECT_EQ(pins[1].lsn, first);
  EXPECT_EQ(pins[1].limit, 4 * kMegabyte);
  EXPECT_EQ(log_->info().tail.container(kMegabyte), first.container(kMegabyte))
      << "held back by the reader alone";
  const std::vector<std::uint64_t> seen = numbers(reader);
  ASSERT_GT(seen.size(), 50U) << "three containers of records";
  EXPECT_EQ(seen[0], 1U);
  for (std::size_t i = 1; i < seen.size(); ++i) EXPECT_EQ(seen[i], 999 + i);
  ASSERT_TRUE(log_->run_background());
  EXPECT_GT(log_->info().tail.container(kMegabyte), first.container(kMegabyte))
      << "given back as it is read";
}

TEST_F(TailReaderTest, BeyondItsBoundIsToldWhatItMissedAndGoesOnWhenItAsks) {
  create();
  TailReader reader = *log_->follow({.max_pinned_bytes = 2 * kMegabyte, .name = "slow"});
  append(1);
  ASSERT_TRUE(log_->flush());
  EXPECT_EQ(numbers(reader), (std::vector<std::uint64_t>{1}));
  const Lsn position = reader.position();
  write_containers(5);
  EXPECT_EQ(log_->statistics().readers_overrun, 1U);
  EXPECT_EQ(log_->info().pins.size(), 1U) << "the pin is gone";
  for (int i = 0; i < 2; ++i) {
    const Status status = reader.next(kAtOnce).status();
    EXPECT_EQ(status.code(), StatusCode::kStartOfLog) << status.to_string();
    EXPECT_EQ(status.detail().lsn_begin, position);
    EXPECT_GT(status.detail().lsn_end.container(kMegabyte), position.container(kMegabyte));
    EXPECT_LE(status.detail().lsn_end, log_->info().tail);
    EXPECT_NE(status.message().find("slow"), std::string::npos);
  }
  ASSERT_TRUE(reader.resume());
  EXPECT_GE(reader.position(), log_->info().tail);
  append(2);
  ASSERT_TRUE(log_->flush());
  EXPECT_EQ(numbers(reader).back(), 2U);
  EXPECT_EQ(log_->info().pins.size(), 2U) << "pinned again";
}

TEST_F(TailReaderTest, WithoutABoundPinsNothing) {
  create();
  TailReader reader = *log_->follow({.max_pinned_bytes = 0});
  write_containers(2);
  EXPECT_EQ(reader.next(kAtOnce).code(), StatusCode::kStartOfLog);
}

TEST_F(TailReaderTest, MakesNoAppendMeetAFullLog) {
  create(4);
  TailReader reader = *log_->follow({.max_pinned_bytes = 1024 * kMegabyte});
  write_containers(10);
  EXPECT_EQ(reader.next(kAtOnce).code(), StatusCode::kStartOfLog);
}

TEST_F(TailReaderTest, StartBeforeTheTailIsRefusedWithTheTail) {
  create();
  write_containers(2);
  const Lsn tail = log_->info().tail;
  const Status status = log_->follow({.start = Lsn(4096)}).status();
  EXPECT_EQ(status.code(), StatusCode::kStartOfLog);
  EXPECT_EQ(status.detail().lsn_end, tail);
  EXPECT_EQ(log_->follow({.stream = 99}).code(), StatusCode::kNotFound);
  ASSERT_TRUE(log_->close());
  EXPECT_EQ(log_->follow().code(), StatusCode::kClosed);
}

// Each reader sees an unbroken run of numbers; where it is broken, the error said so before, with
// the right range.
TEST_F(TailReaderTest, SeveralOnThreadsMissNothingUntold) {
  create(8, Background::kThread);
  constexpr std::uint64_t kRecords = 600;
  std::atomic<int> finished{0};
  std::vector<std::thread> threads;
  for (const std::uint64_t bound : {std::uint64_t{0}, kMegabyte, 64 * kMegabyte}) {
    threads.emplace_back([&, bound] {
      TailReader reader = *log_->follow(
          {.start = Lsn::invalid(), .stream = stream_.id(), .max_pinned_bytes = bound});
      std::uint64_t expected = 0;
      bool told = true;  // the first may be any
      Lsn missed_to;
      while (expected < kRecords) {
        const auto record = reader.next();
        if (record.code() == StatusCode::kStartOfLog) {
          told = true;
          missed_to = record.status().detail().lsn_end;
          ASSERT_TRUE(reader.resume());
          continue;
        }
        ASSERT_TRUE(record) << record.status().to_string();
        const std::uint64_t found = number(**record);
        if (told) {
          ASSERT_GE(found, expected);
          ASSERT_GE((*record)->lsn, missed_to);
        } else {
          ASSERT_EQ(found, expected);
        }
        told = false;
        expected = found + 1;
      }
      ++finished;
    });
  }
  for (std::uint64_t i = 0; finished < 3; ++i) {
    const Lsn lsn = append(std::min(i, kRecords), 20'000);
    if (i % 20 == 19) {
      ASSERT_TRUE(stream_.advance_base(lsn));
    }
  }
  for (std::thread& thread : threads) thread.join();
}

class Growth : public Following {};

TEST_F(Growth, IsToldEachTimeSoManyBytesBecameDurable) {
  create();
  std::vector<Lsn> told;
  GrowthWatch watch = *log_->watch_growth(10'000, [&](const Status& status, Lsn durable) {
    EXPECT_TRUE(status) << status.to_string();
    told.push_back(durable);
  });
  EXPECT_EQ(watch.event_fd(), -1);
  const Lsn begin = log_->durable_lsn();
  append(1, 9000, {.durability = Durability::kDurable});
  EXPECT_TRUE(told.empty());
  append(2, 9000);
  EXPECT_TRUE(told.empty()) << "not durable";
  ASSERT_TRUE(log_->flush());
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0], log_->durable_lsn());
  EXPECT_GE(told[0] - begin, 10'000U);
  append(3, 9000, {.durability = Durability::kDurable});
  EXPECT_EQ(told.size(), 1U) << "counted anew from the last call";
  append(4, 30'000, {.durability = Durability::kDurable});
  EXPECT_EQ(told.size(), 2U);
}

TEST_F(Growth, EndedWatchIsToldNothingMore) {
  create();
  int told = 0;
  GrowthWatch by_other = *log_->watch_growth(1, [&](const Status&, Lsn) { ++told; });
  GrowthWatch by_itself;
  by_itself = *log_->watch_growth(1, [&](const Status&, Lsn) {
    ++told;
    by_itself.end();
  });
  by_other.end();
  append(1, 8, {.durability = Durability::kDurable});
  append(2, 8, {.durability = Durability::kDurable});
  EXPECT_EQ(told, 1);
}

TEST_F(Growth, IsToldOnceOfPoisonAndOfClose) {
  for (const bool poison : {false, true}) {
    storage_ = std::make_shared<sim::SimStorage>();
    options_ = manual_options(storage_);
    create();
    std::vector<StatusCode> told;
    GrowthWatch watch = *log_->watch_growth(
        100 * kMegabyte, [&](const Status& status, Lsn) { told.push_back(status.code()); });
    if (poison) {
      storage_->inject({.kind = sim::FaultKind::kIoError, .on = sim::IoKind::kSubmitWrite});
      EXPECT_EQ(
          stream_.append(std::vector<std::byte>(8), {.durability = Durability::kDurable}).code(),
          StatusCode::kIndeterminate);
      EXPECT_EQ(log_->run_background().code(), StatusCode::kPoisoned);
      EXPECT_EQ(told, (std::vector<StatusCode>{StatusCode::kPoisoned}));
    }
    EXPECT_EQ(log_->close().code(), poison ? StatusCode::kPoisoned : StatusCode::kOk);
    EXPECT_EQ(told,
              (std::vector<StatusCode>{poison ? StatusCode::kPoisoned : StatusCode::kClosed}));
  }
}

TEST_F(Growth, BadArgumentsAndAClosedLogAreNamed) {
  create();
  EXPECT_EQ(log_->watch_growth(0).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(log_->watch_growth(1, nullptr).code(), StatusCode::kInvalidArgument);
  ASSERT_TRUE(log_->close());
  EXPECT_EQ(log_->watch_growth(1).code(), StatusCode::kClosed);
}

bool readable(int fd) {
  pollfd poller{fd, POLLIN, 0};
  return ::poll(&poller, 1, 0) == 1;
}

TEST_F(Growth, EventDescriptorBecomesReadableAndIsClearedByReading) {
  create();
  GrowthWatch watch = *log_->watch_growth(1);
  EXPECT_FALSE(readable(watch.event_fd()));
  append(1, 8, {.durability = Durability::kDurable});
  ASSERT_TRUE(readable(watch.event_fd()));
  std::uint64_t count = 0;
  ASSERT_EQ(::read(watch.event_fd(), &count, sizeof count), 8);
  EXPECT_FALSE(readable(watch.event_fd()));
  ASSERT_TRUE(log_->close());
  EXPECT_TRUE(readable(watch.event_fd())) << "who waits learns of the end";
}

TEST_F(Growth, EventDescriptorIsSignalledWhenAnLsnBecomesDurableAndWhenItNoLongerCan) {
  create();
  const int fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  log_->on_durable(append(1), fd);
  ASSERT_TRUE(log_->run_background());
  std::uint64_t count = 0;
  ASSERT_EQ(::read(fd, &count, sizeof count), 8);
  EXPECT_EQ(count, 1U);
  const Lsn lost = append(2);
  storage_->inject({.kind = sim::FaultKind::kIoError, .on = sim::IoKind::kCompleteWrite});
  log_->on_durable(lost, fd);
  EXPECT_EQ(log_->run_background().code(), StatusCode::kPoisoned);
  EXPECT_TRUE(readable(fd));
  EXPECT_EQ(log_->wait_durable(lost).code(), StatusCode::kIndeterminate);
  ::close(fd);
}

// Watches come and go while others are told.
TEST_F(Growth, WatchesMayBeMadeAndEndedWhileOthersAreTold) {
  create(8, Background::kThread);
  std::atomic<bool> stop{false};
  std::atomic<int> told{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&] {
      while (!stop) {
        std::atomic<bool> alive{true};
        GrowthWatch watch = *log_->watch_growth(1, [&](const Status&, Lsn) {
          EXPECT_TRUE(alive.load()) << "told after its end";
          ++told;
        });
        append(1, 8, {.durability = Durability::kDurable});
        watch.end();
        alive = false;
      }
    });
  }
  while (told < 50) {
    ASSERT_TRUE(stream_.advance_base(append(2, 8, {.durability = Durability::kDurable})));
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace cairn::log
