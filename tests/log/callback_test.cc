// Who is told when a record is durable without waiting for it: callbacks and coroutines.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <coroutine>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <cairn/await.h>
#include <cairn/sim/sim_storage.h>

#include "log/gated_storage.h"
#include "log/sim_log_fixture.h"

namespace cairn::log_test {
namespace {

class WaitingTest : public testing::Test {
 protected:
  void create(log::Background background, std::uint32_t depth = 0) {
    storage_ = std::make_shared<sim::SimStorage>();
    gate_ = std::make_shared<Gate>();
    log::OpenOptions options =
        manual_options(std::make_shared<GatedStorage>(storage_, gate_, BeforeChange{}));
    options.background = background;
    if (depth > 0) options.depth = depth;
    options.idle_mark = std::chrono::milliseconds(0);
    auto made = log::Log::create(kDirectory, small_log(8), options);
    ASSERT_TRUE(made) << made.status().to_string();
    log_ = std::move(*made);
    stream_ = log_->create_stream("s").value();
  }
  void run_until(const std::atomic<int>& calls, int expected) {
    while (calls < expected) {
      ASSERT_TRUE(log_->health());
      std::this_thread::yield();
    }
  }

  std::shared_ptr<sim::SimStorage> storage_;
  std::shared_ptr<Gate> gate_;
  std::unique_ptr<log::Log> log_;
  log::Stream stream_;
};
using AppendWithCallback = WaitingTest;
using Coroutine = WaitingTest;
using WaitWithLimit = WaitingTest;

// --- callbacks ---

TEST_F(AppendWithCallback, CallsOnceAndOnlyWhenTheRecordIsDurable) {
  create(log::Background::kManual);
  int calls = 0;
  Lsn lsn;
  const auto appended = stream_.append(Bytes(100), {}, [&](const Status& status) {
    EXPECT_TRUE(status) << status.to_string();
    EXPECT_LT(lsn, log_->durable_lsn());
    ++calls;
  });
  ASSERT_TRUE(appended);
  lsn = *appended;
  EXPECT_EQ(calls, 0) << "nobody has reaped the write";
  ASSERT_TRUE(log_->run_background());
  EXPECT_EQ(calls, 1);
  ASSERT_TRUE(log_->flush());
  EXPECT_EQ(calls, 1);
}

TEST_F(AppendWithCallback, HasOneOfEachRecordHoweverManyAreInFlight) {
  create(log::Background::kThread);
  constexpr int kThreads = 2;
  constexpr int kEach = 3000;
  std::vector<std::atomic<int>> told(kThreads * kEach);
  std::vector<std::atomic<std::uint64_t>> lsns(kThreads * kEach);
  std::atomic<int> calls = 0;
  std::atomic<int> early = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = t * kEach; i < (t + 1) * kEach; ++i) {
        const auto at = static_cast<std::size_t>(i);
        const auto lsn = stream_.append(Bytes(100), {}, [&, at](const Status& status) {
          if (!status || lsns[at] >= log_->durable_lsn().value()) ++early;
          ++told[at];
          ++calls;
        });
        ASSERT_TRUE(lsn) << lsn.status().to_string();
        lsns[at] = lsn->value();
      }
    });
  }
  for (auto& thread : threads) thread.join();
  run_until(calls, kThreads * kEach);
  EXPECT_EQ(early, 0);
  for (const auto& times : told) EXPECT_EQ(times, 1);
  EXPECT_EQ(log_->statistics().callbacks, static_cast<std::uint64_t>(kThreads * kEach));
}

TEST_F(AppendWithCallback, IsRefusedWithoutACall) {
  create(log::Background::kManual);
  int calls = 0;
  const auto count = [&](const Status&) { ++calls; };
  EXPECT_EQ(stream_.append(Bytes(100), {}, log::DurableCallback{}).code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(stream_.append(Bytes(1U << 20), {}, count).code(), StatusCode::kRecordTooLong);
  EXPECT_EQ(stream_.append(Bytes(10), {.previous = Lsn(8)}, count).code(), StatusCode::kLsnInvalid);
  EXPECT_EQ(log::Stream().append(Bytes(10), {}, count).code(), StatusCode::kInvalidState);
  ASSERT_TRUE(log_->close());
  EXPECT_EQ(stream_.append(Bytes(10), {}, count).code(), StatusCode::kClosed);
  EXPECT_EQ(calls, 0);
}

TEST_F(AppendWithCallback, HearsOfTheErrorThatPoisonedTheLog) {
  create(log::Background::kManual);
  storage_->inject({.on = sim::IoKind::kCompleteWrite});
  std::vector<StatusCode> heard;
  const auto hear = [&](const Status& status) { heard.push_back(status.code()); };
  ASSERT_TRUE(stream_.append(Bytes(100), {}, hear));
  ASSERT_TRUE(stream_.append(Bytes(100), {}, hear));
  EXPECT_FALSE(log_->run_background());
  EXPECT_EQ(heard, (std::vector{StatusCode::kPoisoned, StatusCode::kPoisoned}));
  EXPECT_EQ(stream_.append(Bytes(100), {}, hear).code(), StatusCode::kPoisoned);
  EXPECT_EQ(heard.size(), 2U);
}

TEST_F(AppendWithCallback, IsToldAtTheCloseThatEverythingWasDurable) {
  create(log::Background::kManual);
  int durable = 0;
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(stream_.append(Bytes(100), {}, [&](const Status& status) {
      if (status) ++durable;
    }));
  }
  ASSERT_TRUE(log_->close());
  EXPECT_EQ(durable, 10);
}

TEST_F(AppendWithCallback, MayAppendAgainFromTheCall) {
  create(log::Background::kThread);
  std::atomic<int> calls = 0;
  struct Chain {
    log::Stream stream;
    std::atomic<int>& calls;
    void step() {
      ASSERT_TRUE(stream.append(Bytes(10), {}, [this](const Status& status) {
        ASSERT_TRUE(status);
        if (++calls < 100) step();
      }));
    }
  } chain{stream_, calls};
  chain.step();
  run_until(calls, 100);
  EXPECT_LT(stream_.last_lsn(), log_->durable_lsn());
}

TEST_F(AppendWithCallback, IsNeverCalledInsideAnother) {
  create(log::Background::kManual);
  constexpr int kCalls = 1000;
  const Lsn first = stream_.append(Bytes(10), durable()).value();
  int calls = 0;
  int inside = 0;
  struct Chain {
    log::Log& log;
    log::Stream stream;
    Lsn first;
    int& calls;
    int& inside;
    void step(const Status& status) {
      EXPECT_TRUE(status);
      EXPECT_EQ(inside, 0) << "on the stack of another call";
      ++inside;
      if (++calls < kCalls) {
        const auto next = [this](const Status& then) { step(then); };
        if (calls % 10 == 0) {
          EXPECT_TRUE(stream.append(Bytes(10), {}, next));
        } else {
          log.on_durable(first, next);  // due at once
        }
      }
      --inside;
    }
  } chain{*log_, stream_, first, calls, inside};
  log_->on_durable(first, [&chain](const Status& status) { chain.step(status); });
  for (int rounds = 0; calls < kCalls && rounds < kCalls; ++rounds) {
    ASSERT_TRUE(log_->run_background());
  }
  EXPECT_EQ(calls, kCalls);
}

// --- limits ---

TEST_F(WaitWithLimit, HandsTheDrivingOnWhenTheLimitHasPassed) {
  constexpr std::chrono::milliseconds kLimit{30};
  create(log::Background::kManual, 1);
  const log::LogStatistics before = log_->statistics();
  gate_->shut();
  ASSERT_TRUE(stream_.append(Bytes(log_->info().max_record)));  // a whole block
  const Lsn lsn = stream_.append(Bytes(100)).value();  // now that is in flight, and no other may be
  std::thread limited(
      [&] { EXPECT_EQ(log_->wait_durable(lsn, kLimit).code(), StatusCode::kTimeout); });
  while (gate_->waiting() == 0) std::this_thread::yield();  // it reaps the first write
  std::atomic<bool> ended = false;
  std::thread unlimited([&] {
    EXPECT_TRUE(stream_.append(Bytes(100), durable()));
    ended = true;
  });
  while (log_->statistics().records < before.records + 3) std::this_thread::yield();
  const auto passed = std::chrono::steady_clock::now() + kLimit;
  while (std::chrono::steady_clock::now() < passed) std::this_thread::yield();
  gate_->let_one_through();  // and submits the second, for which it has no time
  limited.join();
  gate_->open();
  const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(8);
  while (!ended && std::chrono::steady_clock::now() < patience) std::this_thread::yield();
  EXPECT_TRUE(ended) << "a write is in flight that nobody reaps";
  EXPECT_TRUE(log_->flush());  // so that the test ends
  unlimited.join();
}

TEST_F(WaitWithLimit, EndsWhileAnotherThreadDrives) {
  create(log::Background::kManual);
  gate_->shut();
  const Lsn lsn = stream_.append(Bytes(100)).value();
  std::thread drives([&] { EXPECT_TRUE(log_->wait_durable(lsn)); });
  while (gate_->waiting() == 0) std::this_thread::yield();
  std::atomic<bool> ended = false;
  std::thread limited([&] {
    EXPECT_EQ(log_->wait_durable(lsn, std::chrono::milliseconds(1)).code(), StatusCode::kTimeout);
    ended = true;
  });
  const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(8);
  while (!ended && std::chrono::steady_clock::now() < patience) std::this_thread::yield();
  EXPECT_TRUE(ended) << "it sleeps beyond its limit";
  gate_->open();
  limited.join();
  drives.join();
}

TEST_F(WaitWithLimit, DrivesOnWhenTheOtherThreadHasWhatItWanted) {
  create(log::Background::kManual, 1);
  gate_->shut();
  const Lsn first = stream_.append(Bytes(100)).value();
  std::thread drives([&] { EXPECT_TRUE(log_->wait_durable(first)); });
  while (gate_->waiting() == 0) std::this_thread::yield();
  const Lsn second = stream_.append(Bytes(100)).value();
  std::thread limited([&] { EXPECT_TRUE(log_->wait_durable(second, std::chrono::hours(1))); });
  gate_->let_one_through();
  drives.join();
  gate_->open();
  limited.join();
}

TEST_F(WaitWithLimit, DrivesWhatAnotherThreadWasJustSubmitting) {
  create(log::Background::kManual);
  gate_->hold_submissions(true);
  std::thread submits([&] { EXPECT_TRUE(stream_.append(Bytes(100), {}, [](const Status&) {})); });
  while (gate_->submitting() == 0) std::this_thread::yield();
  std::atomic<bool> ended = false;
  std::thread limited([&] {
    EXPECT_TRUE(log_->wait_durable(stream_.last_lsn(), std::chrono::hours(1)));
    ended = true;
  });
  for (int i = 0; i < 1000; ++i) std::this_thread::yield();  // most often it sleeps by then
  gate_->hold_submissions(false);
  const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(8);
  while (!ended && std::chrono::steady_clock::now() < patience) std::this_thread::yield();
  EXPECT_TRUE(ended) << "a write is in flight that nobody reaps";
  EXPECT_TRUE(log_->flush());  // so that the test ends
  limited.join();
  submits.join();
}

// --- coroutines ---

// Runs at once, and ends on its own.
struct Fiber {
  struct promise_type {
    Fiber get_return_object() { return {}; }
    std::suspend_never initial_suspend() { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
};

Fiber append_in_turn(log::Stream stream, log::Log& log, int records, std::vector<Lsn>& lsns,
                     std::atomic<int>& ended) {
  const Bytes payload(50);
  for (int i = 0; i < records; ++i) {
    const Result<Lsn> lsn = co_await log::append_durable(stream, payload);
    EXPECT_TRUE(lsn) << lsn.status().to_string();
    if (!lsn) break;
    EXPECT_LT(*lsn, log.durable_lsn());
    lsns.push_back(*lsn);
  }
  ++ended;
}

TEST_F(Coroutine, GoesOnWhenItsRecordIsDurable) {
  create(log::Background::kManual);
  std::vector<Lsn> lsns;
  std::atomic<int> ended = 0;
  append_in_turn(stream_, *log_, 3, lsns, ended);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(lsns.size(), static_cast<std::size_t>(i));
    // What goes on appends again, and that is written and reaped in the same or the next round.
    while (lsns.size() == static_cast<std::size_t>(i)) ASSERT_TRUE(log_->run_background());
    if (lsns.size() == 3) break;
    i = static_cast<int>(lsns.size()) - 1;
  }
  EXPECT_EQ(ended, 1);
  EXPECT_TRUE(std::is_sorted(lsns.begin(), lsns.end()));
}

TEST_F(Coroutine, ManyWaitWithoutAThreadForEach) {
  create(log::Background::kThread);
  constexpr int kFibers = 200;
  std::atomic<int> ended = 0;
  std::vector<std::vector<Lsn>> lsns(kFibers);
  for (auto& of_one : lsns) append_in_turn(stream_, *log_, 5, of_one, ended);
  run_until(ended, kFibers);
  for (const auto& of_one : lsns) {
    EXPECT_EQ(of_one.size(), 5U);
    EXPECT_TRUE(std::is_sorted(of_one.begin(), of_one.end()));
  }
}

Fiber wait_for(log::Log& log, Lsn lsn, std::vector<StatusCode>& heard) {
  const Status status = co_await log::durable(log, lsn);
  heard.push_back(status.code());
}

Fiber append_once(log::Stream stream, std::size_t size, std::vector<StatusCode>& heard) {
  const Bytes payload(size);
  heard.push_back((co_await log::append_durable(stream, payload)).code());
}

TEST_F(Coroutine, WaitsForAnLsnAndNotIfThatIsDurable) {
  create(log::Background::kManual);
  std::vector<StatusCode> heard;
  const Lsn lsn = stream_.append(Bytes(10)).value();
  wait_for(*log_, lsn, heard);
  EXPECT_TRUE(heard.empty());
  ASSERT_TRUE(log_->run_background());
  EXPECT_EQ(heard, std::vector{StatusCode::kOk});
  wait_for(*log_, lsn, heard);
  EXPECT_EQ(heard.size(), 2U);
  wait_for(*log_, Lsn::invalid(), heard);
  EXPECT_EQ(heard.back(), StatusCode::kLsnInvalid);
}

TEST_F(Coroutine, GetsTheErrorOfItsAppend) {
  create(log::Background::kManual);
  std::vector<StatusCode> heard;
  append_once(stream_, 1U << 20, heard);
  EXPECT_EQ(heard, std::vector{StatusCode::kRecordTooLong});
  storage_->inject({.on = sim::IoKind::kCompleteWrite});
  append_once(stream_, 10, heard);
  EXPECT_EQ(heard.size(), 1U);
  EXPECT_FALSE(log_->run_background());
  ASSERT_EQ(heard.size(), 2U);
  EXPECT_EQ(heard.back(), StatusCode::kIndeterminate);
}

}  // namespace
}  // namespace cairn::log_test
