// What an open log does on threads of its own: it asks the owner of the tail to advance, and makes
// containers ahead.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "log/gated_storage.h"
#include "log/sim_log_fixture.h"

namespace cairn::log_test {
namespace {

class BackgroundTest : public testing::Test {
 protected:
  static constexpr std::size_t kPayload = 50'000;

  // A log with its threads and a stream "s"; `before_fill` runs before a new container is filled.
  void create(const log::Policies& policies, std::function<void()> before_fill = {}) {
    log::OpenOptions options = manual_options(std::make_shared<GatedStorage>(
        std::make_shared<sim::SimStorage>(), std::make_shared<Gate>(),
        [before_fill = std::move(before_fill)](std::string_view change, std::string_view) {
          if (before_fill && change == "fill") before_fill();
        }));
    options.background = log::Background::kThread;
    options.idle_mark = std::chrono::milliseconds(0);
    auto made = log::Log::create(kDirectory, small_log(8), options);
    ASSERT_TRUE(made) << made.status().to_string();
    log_ = std::move(*made);
    ASSERT_TRUE(log_->set_policies(policies));
    stream_ = log_->create_stream("s").value();
  }
  static log::Policies low_at(std::uint32_t percent) {
    log::Policies policies;
    policies.max_size = 8 * log::kMinContainerSize;
    policies.low_space_percent = percent;
    return policies;
  }
  // Records in memory, until the log asks for an advance or is full.
  Status append(std::size_t records, const log::AppendOptions& options = {}) {
    for (std::size_t i = 0; i < records; ++i) {
      CAIRN_RETURN_IF_ERROR(stream_.append(Bytes(kPayload), options).status());
    }
    return {};
  }
  static constexpr std::size_t per_container() { return log::kMinContainerSize / kPayload; }

  std::unique_ptr<log::Log> log_;
  log::Stream stream_;
};
using AdvanceRequests = BackgroundTest;
using Burst = BackgroundTest;

// --- the owner of the tail is asked ---

TEST_F(AdvanceRequests, AreFollowedFromWithinSoThatAppendsNeverMeetAFullLog) {
  create(low_at(50));
  std::atomic<int> requests = 0;
  std::atomic<bool> on_appender = false;
  const auto appender = std::this_thread::get_id();
  ASSERT_TRUE(stream_.on_advance_request([&](const log::AdvanceRequest& request) {
    ++requests;
    if (std::this_thread::get_id() == appender) on_appender = true;
    EXPECT_GT(request.target, request.pin);
    EXPECT_TRUE(stream_.advance_base(request.target));
  }));
  log::AppendOptions patient;
  patient.wait_for_space = std::chrono::hours(1);
  EXPECT_TRUE(append(20 * per_container(), patient));
  EXPECT_TRUE(stream_.on_advance_request({}));
  EXPECT_GT(requests, 2);
  EXPECT_FALSE(on_appender);
  EXPECT_LE(log_->info().space.containers, 8U);
  EXPECT_TRUE(log_->close());
}

TEST_F(AdvanceRequests, MayBeAnsweredWithAppendsAndRestartAreas) {
  create(low_at(60));
  std::atomic<int> answers = 0;
  ASSERT_TRUE(stream_.on_advance_request([&](const log::AdvanceRequest& request) {
    EXPECT_TRUE(stream_.append(Bytes(100), durable()));
    EXPECT_TRUE(stream_.write_restart_area(Bytes(500), request.target));
    EXPECT_TRUE(stream_.advance_base(request.target)) << "gives up the restart area before it";
    ++answers;
  }));
  log::AppendOptions patient;
  patient.wait_for_space = std::chrono::hours(1);
  EXPECT_TRUE(append(20 * per_container(), patient));
  EXPECT_TRUE(stream_.on_advance_request({}));
  EXPECT_GT(answers, 2);
  EXPECT_TRUE(log_->close());
}

TEST_F(AdvanceRequests, WakeAnAppendThatWaitsInAFullLog) {
  create(low_at(0));
  Status status;
  while ((status = append(1))) {
  }
  ASSERT_EQ(status.code(), StatusCode::kLogFull);
  std::atomic<bool> somebody_waited = false;
  ASSERT_TRUE(stream_.on_advance_request([&](const log::AdvanceRequest& request) {
    if (!request.appends_wait) return;  // of the append before, which did not wait
    somebody_waited = true;
    EXPECT_TRUE(stream_.advance_base(request.target));
  }));
  log::AppendOptions patient;
  patient.wait_for_space = std::chrono::hours(1);
  EXPECT_TRUE(append(1, patient));
  EXPECT_TRUE(stream_.on_advance_request({}));
  EXPECT_TRUE(somebody_waited);
}

// The one that pins the tail first moves in its own time; then another one does, and must hear of
// it.
TEST_F(AdvanceRequests, GoToWhoeverPinsTheTailOfAFullLogAsLongAsSomebodyWaits) {
  create(low_at(0));
  ASSERT_TRUE(append(1));
  log::Stream second = log_->create_stream("second").value();
  ASSERT_TRUE(second.append(Bytes(10)));
  ASSERT_TRUE(stream_.on_advance_request([&](const log::AdvanceRequest& request) {
    if (request.attempt < 3) return;
    EXPECT_TRUE(stream_.advance_base(log_->end_lsn()));
  }));
  ASSERT_TRUE(second.on_advance_request([&](const log::AdvanceRequest& request) {
    if (request.attempt < 2) return;
    EXPECT_TRUE(second.advance_base(request.target));
  }));
  log::AppendOptions patient;
  patient.wait_for_space = std::chrono::seconds(60);  // a right one never waits for it
  EXPECT_TRUE(append(8 * per_container(), patient));
  EXPECT_TRUE(stream_.on_advance_request({}));
  EXPECT_TRUE(second.on_advance_request({}));
}

// A callback that stands still until it is let go, once.
class SlowOwner {
 public:
  void operator()() {
    if (std::exchange(called_, true)) return;
    entered_.set_value();
    gate_.pass();
    left = true;
  }
  void wait_until_called() { entered_.get_future().wait(); }
  void let_go() { gate_.open(); }

  std::atomic<bool> left = false;

 private:
  struct ShutGate : Gate {
    ShutGate() { shut(); }
  } gate_;
  std::promise<void> entered_;
  bool called_ = false;  // by the background thread alone
};

TEST_F(AdvanceRequests, ThatTakeLongHoldNothingElseUp) {
  create(low_at(70));
  SlowOwner owner;
  ASSERT_TRUE(stream_.on_advance_request([&](const log::AdvanceRequest&) { owner(); }));
  ASSERT_TRUE(append(3 * per_container()));
  owner.wait_until_called();
  // Every lock of the log is taken by one of these.
  const Lsn last = stream_.last_lsn();
  EXPECT_TRUE(append(2 * per_container(), durable())) << "enters containers";
  EXPECT_TRUE(log_->create_stream("another"));
  EXPECT_TRUE(log_->set_policies(low_at(71)));
  EXPECT_TRUE(stream_.reserve(1, 100));
  EXPECT_TRUE(log_->set_archive_tail({}));
  EXPECT_TRUE(log_->stop_archiving());
  EXPECT_TRUE(log_->truncate_after(last));
  EXPECT_TRUE(stream_.advance_base(last));
  EXPECT_EQ(stream_.read().value().next().value()->lsn, last);
  EXPECT_FALSE(owner.left);
  owner.let_go();
  EXPECT_TRUE(log_->close());
}

TEST_F(AdvanceRequests, DoNotRunAnyMoreWhenTheCallbackWasTakenOut) {
  create(low_at(70));
  SlowOwner owner;
  std::atomic<bool> ended = false;
  ASSERT_TRUE(stream_.on_advance_request([&](const log::AdvanceRequest&) {
    owner();
    for (int i = 0; i < 300; ++i) EXPECT_TRUE(stream_.append(Bytes(10), durable()));
    ended = true;
  }));
  ASSERT_TRUE(append(3 * per_container()));
  owner.wait_until_called();
  std::promise<void> takes_out;
  std::thread taker([&] {
    takes_out.set_value();
    EXPECT_TRUE(stream_.on_advance_request({}));
    EXPECT_TRUE(ended);
  });
  takes_out.get_future().wait();
  owner.let_go();
  taker.join();
}

TEST_F(AdvanceRequests, ThatRunWhileTheLogIsClosedAreWaitedForAndGetThatAnswer) {
  create(low_at(70));
  SlowOwner owner;
  Status answer;
  ASSERT_TRUE(stream_.on_advance_request([&](const log::AdvanceRequest& request) {
    owner();
    answer = stream_.advance_base(request.target);
  }));
  ASSERT_TRUE(append(3 * per_container()));
  owner.wait_until_called();
  std::thread closer([&] {
    EXPECT_TRUE(log_->close());
    EXPECT_TRUE(owner.left);
  });
  while (log_->flush().code() != StatusCode::kClosed) std::this_thread::yield();
  owner.let_go();
  closer.join();
  EXPECT_EQ(answer.code(), StatusCode::kClosed) << answer.to_string();
}

// --- containers are made ahead ---

// Nine tenths of what is kept ahead, and that again once it is there again.
void burst(log::Stream& stream, std::uint64_t ahead) {
  const std::uint64_t bytes = ahead * log::kMinContainerSize / 10 * 9;
  for (std::uint64_t done = 0; done < bytes; done += 60'000) {
    ASSERT_TRUE(stream.append(Bytes(60'000)));
  }
}

log::Policies ahead_by(std::uint32_t containers) {
  log::Policies policies;
  policies.ahead = containers;
  policies.spare_max = containers;
  return policies;
}

void wait_until_made(log::Log& log, std::uint64_t containers) {
  while (log.info().space.free_containers < containers) std::this_thread::yield();
}

TEST_F(Burst, OfAllThatIsKeptAheadStallsNotHoweverLongAContainerTakesToBeMade) {
  auto filling = std::make_shared<Gate>();
  create(ahead_by(6), [filling] { filling->pass(); });
  wait_until_made(*log_, 6);
  filling->shut();
  std::atomic<bool> done = false;
  std::thread appender([&] {
    burst(stream_, 6);
    done = true;
  });
  while (!done && log_->statistics().growth_stalls == 0) std::this_thread::yield();
  filling->open();
  appender.join();
  EXPECT_EQ(log_->statistics().growth_stalls, 0U);
  EXPECT_GT(log_->info().end, Lsn(5 * log::kMinContainerSize));
  wait_until_made(*log_, 6);
}

TEST_F(Burst, AfterBurstStallsNotWhereAContainerTakesTenMilliseconds) {
  create(ahead_by(6), [] { std::this_thread::sleep_for(std::chrono::milliseconds(10)); });
  for (int i = 0; i < 4; ++i) {
    wait_until_made(*log_, 6);
    burst(stream_, 6);
  }
  EXPECT_EQ(log_->statistics().growth_stalls, 0U);
  EXPECT_GT(log_->statistics().containers_made, 4 * 5U);
}

// --- without threads of its own ---

// One thread submits what a callback waits for; the other, which drives the log and finds nothing
// in flight, must let it go on.
TEST(RunBackground, LetsAnotherThreadSubmitWhatItWaitsFor) {
  const auto gate = std::make_shared<Gate>();
  const auto log = log::Log::create(kDirectory, small_log(8),
                                    manual_options(std::make_shared<GatedStorage>(
                                        std::make_shared<sim::SimStorage>(), gate, BeforeChange{})))
                       .value();
  log::Stream stream = log->create_stream("s").value();
  const Lsn lsn = stream.append(Bytes(10)).value();
  std::atomic<bool> is_told = false;
  gate->hold_submissions(true);
  std::thread submitter([&] { log->on_durable(lsn, [&](const Status&) { is_told = true; }); });
  while (gate->submitting() == 0) std::this_thread::yield();
  std::atomic<bool> is_driven = false;
  std::thread driver([&] {
    is_driven = true;
    EXPECT_TRUE(log->run_background());
  });
  while (!is_driven) std::this_thread::yield();
  for (int i = 0; i < 1000; ++i) std::this_thread::yield();  // it is probably inside by now
  gate->hold_submissions(false);
  submitter.join();
  driver.join();
  EXPECT_TRUE(log->run_background());
  EXPECT_TRUE(is_told);
}

}  // namespace
}  // namespace cairn::log_test
