// A full log: what is held back, what it says, whom it asks, and who waits.
#include <algorithm>
#include <chrono>
#include <deque>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "log/space_fixture.h"

namespace cairn::log_test {
namespace {

using testing::HasSubstr;

// --- restart areas at a full log ---

TEST_F(Space, AThousandStreamsCanEachWriteARestartAreaIntoAFullLog) {
  create(small_log(6));
  for (int i = 1; i < 1000; ++i) ASSERT_TRUE(log->create_stream("stream " + std::to_string(i)));
  ASSERT_EQ(fill(log::Durability::kDurable).code(), StatusCode::kLogFull);
  for (const log::StreamInfo& info : log->log().list_streams()) {
    const auto lsn = stream(info.name).write_restart_area(Bytes(1024), Lsn::invalid());
    ASSERT_TRUE(lsn) << info.name << ": " << lsn.status().to_string();
  }
  EXPECT_LE(log->log().info().space.containers, 6U);
  ASSERT_TRUE(stream("s").advance_base(stream("s").last_lsn()));
  ASSERT_TRUE(log->log().run_background());
  EXPECT_TRUE(stream("s").append(Bytes(100), durable()));
}

// Each opening goes on a part of a container behind what the process before it may have written.
TEST_F(Space, ProcessesThatDieBeforeTheirHousekeepingKeepALogBelowItsMaximumAndSoonOpened) {
  create(small_log(6));
  std::uint64_t most_read = 0;
  for (int round = 0; round < 60; ++round) {
    ASSERT_TRUE(append(100)) << round;
    ASSERT_TRUE(log->advance_base("s", stream("s").last_lsn())) << round;
    crash(sim::survive_none());
    ASSERT_TRUE(reopen()) << round;
    EXPECT_LE(log->log().info().space.containers, 6U) << round;
    const auto view = storage->clone();
    ASSERT_TRUE(log::Log::open(kDirectory, manual_options(view)));
    most_read = std::max(most_read, view->bytes_read());
  }
  EXPECT_LE(most_read, 4 * log::kMinContainerSize);
}

TEST_F(Space, OneStreamCannotUseUpTheRestartAreasOfOthers) {
  create();
  ASSERT_TRUE(log->create_stream("other"));
  ASSERT_EQ(fill(log::Durability::kDurable).code(), StatusCode::kLogFull);
  Status status;
  for (const std::size_t size : {1024, 0}) {
    do {
      status = log->write_restart_area("s", Bytes(size), {});
    } while (status);
    EXPECT_EQ(status.code(), StatusCode::kLogFull);
  }
  EXPECT_TRUE(log->write_restart_area("other", Bytes(1024), Lsn::invalid()));
  EXPECT_TRUE(log->advance_base("s", log->model().highest)) << "what frees a container finds room";
}

TEST_F(Space, AReservedRestartAreaFitsWhereNothingElseDoes) {
  create();
  ASSERT_TRUE(log->create_stream("other"));
  const std::uint64_t sizes[] = {1000, 3000, 8};
  log::Reservation reserved = stream("s").reserve(sizes).value();
  log::Reservation of_other = stream("other").reserve(1, 100).value();
  ASSERT_EQ(fill(log::Durability::kDurable).code(), StatusCode::kLogFull);
  for (const std::size_t size : {1000, 0}) {
    while (stream("s").write_restart_area(Bytes(size))) continue;
  }
  EXPECT_TRUE(stream("s").write_restart_area(Bytes(1000), {}, reserved));
  EXPECT_TRUE(stream("s").write_restart_area(Bytes(3000), {}, reserved));
  EXPECT_EQ(reserved.records(), 1U);
  EXPECT_EQ(reserved.bytes(), log::Reservation::reserved_bytes(8)) << "exactly so many are left";
  EXPECT_EQ(stream("s").write_restart_area(Bytes(9), {}, reserved).code(), StatusCode::kLogFull)
      << "as any other: it is not covered";
  EXPECT_EQ(stream("s").write_restart_area(Bytes(9), {}, of_other).code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(use("s", reserved, {8}, log::Durability::kDurable).code(), StatusCode::kOk);
  EXPECT_TRUE(stream("other").write_restart_area(Bytes(1024))) << "its own room is untouched";
  of_other.release();
  EXPECT_EQ(log->log().info().space.reserved.bytes, 0U);
  const auto newest = stream("s").read_restart_area();
  ASSERT_TRUE(newest);
  EXPECT_EQ(newest->data.size(), 3000U);
}

// Whoever moves its base record by record cannot use up what it needs to leave its container.
TEST_F(Space, AdvancesInSmallStepsDoNotJamAFullLog) {
  create(small_log(4));
  std::vector<Lsn> lsns;
  for (auto lsn = stream("s").append(Bytes(900)); lsn; lsn = stream("s").append(Bytes(900))) {
    lsns.push_back(*lsn);
  }
  ASSERT_GT(lsns.size(), 3000U);
  std::uint64_t left = 0;  // the container that the base was seen to enter last
  for (const Lsn lsn : lsns) {
    const Status moved = stream("s").advance_base(lsn);
    const std::uint64_t container = lsn.container(log::kMinContainerSize);
    ASSERT_TRUE(moved || (moved.code() == StatusCode::kLogFull && container == left))
        << lsn.to_string() << ": " << moved.to_string();
    if (moved) left = container;
  }
  EXPECT_TRUE(stream("s").append(Bytes(900), durable()));
  EXPECT_TRUE(stream("s").write_restart_area(Bytes(1024), Lsn::invalid()));
  EXPECT_LE(log->log().info().space.containers, 4U);
}

TEST_F(Space, CallsThatAreRefusedOrChangeNothingUseUpNoRoom) {
  create(small_log(4));
  const Lsn first = stream("s").append(Bytes(900)).value();
  ASSERT_TRUE(stream("s").advance_base(first));
  ASSERT_EQ(fill(log::Durability::kDurable).code(), StatusCode::kLogFull);
  const Lsn beyond(log->log().end_lsn().value() + 8);
  for (int i = 0; i < 500; ++i) {
    EXPECT_EQ(stream("s").advance_base(beyond).code(), StatusCode::kLsnInvalid);
    EXPECT_EQ(stream("s").write_restart_area(Bytes(10), beyond).code(), StatusCode::kLsnInvalid);
    EXPECT_TRUE(stream("s").advance_base(first)) << "an older one is OK, at a full log too";
  }
  expect_the_way_out();
}

TEST_F(Space, CutsAndArchiveTailsTakeNothingBeyondTheMaximum) {
  create(small_log(4));
  ASSERT_TRUE(log->create_stream("other"));
  ASSERT_TRUE(log->log().set_archive_tail());
  ASSERT_EQ(fill(log::Durability::kDurable).code(), StatusCode::kLogFull);
  for (int i = 0; i < 300; ++i) {
    const Status archived = log->log().set_archive_tail(log->log().archive_tail());
    ASSERT_TRUE(archived || archived.code() == StatusCode::kLogFull) << archived.to_string();
    const Status cut = log->log().truncate_after(Lsn(stream("s").last_lsn().value() - 8));
    ASSERT_TRUE(cut || cut.code() == StatusCode::kLogFull) << cut.to_string();
    ASSERT_LE(log->log().info().space.containers, 4U) << i;
  }
  EXPECT_TRUE(stream("other").write_restart_area(Bytes(1024), Lsn::invalid()));
  EXPECT_TRUE(stream("s").write_restart_area(Bytes(1024), Lsn::invalid()));
  EXPECT_TRUE(log->log().stop_archiving());
  EXPECT_TRUE(stream("s").advance_base(stream("s").last_lsn()));
  EXPECT_TRUE(stream("s").append(Bytes(900), durable()));
}

// Each crash at a full log takes room: LSNs jump, and a new container may be entered.
TEST_F(Space, RestartAreasCanBeWrittenAfterAnyNumberOfCrashesAtAFullLog) {
  create();
  ASSERT_EQ(fill(log::Durability::kDurable).code(), StatusCode::kLogFull);
  for (int i = 0; i < 12; ++i) {
    crash(sim::survive_none());
    ASSERT_TRUE(reopen());
    ASSERT_EQ(append(60'000, 40).code(), StatusCode::kLogFull) << i;
  }
  expect_the_way_out();
  EXPECT_LE(log->log().info().space.containers, 8U);
}

TEST_F(Space, CloseAndReopenAtAFullLogTakesNoRoomWorthMentioning) {
  create();
  ASSERT_EQ(fill(log::Durability::kDurable).code(), StatusCode::kLogFull);
  const Lsn before = log->log().end_lsn();
  for (int i = 0; i < 10; ++i) {
    close();
    ASSERT_TRUE(reopen());
    EXPECT_EQ(end.label, log::EndLabel::kCleanClose);
  }
  EXPECT_LE(log->log().end_lsn() - before, 10 * 4 * 512U);
  expect_the_way_out();
}

// --- a catalog so long that its snapshot is worth several containers ---

class LongSnapshots : public Space {
 protected:
  // A full log whose snapshots come every third container.
  void make_full() {
    create(small_log(16));
    log::Policies policies = log->log().policies();
    policies.restart_area = 0;
    ASSERT_TRUE(log->log().set_policies(policies));
    std::vector<std::string> names;
    for (int i = 0; i < 2100; ++i) names.push_back(std::to_string(i) + std::string(200, 'n'));
    const std::vector<std::string_view> views(names.begin(), names.end());
    ASSERT_TRUE(log->log().create_streams(views));
    ASSERT_EQ(fill().code(), StatusCode::kLogFull);
  }
  // Exactly one container is needed no more; by itself that is not worth a snapshot.
  void give_one_up() {
    const Lsn tail = log->log().info().tail;
    const std::uint64_t next = tail.container(log::kMinContainerSize) + 1;
    ASSERT_TRUE(stream("s").advance_base(Lsn(next * log::kMinContainerSize)));
  }
};

TEST_F(LongSnapshots, AreNotWrittenForOneContainerUnlessAnAppendWouldFail) {
  make_full();
  const Lsn tail = log->log().info().tail;
  give_one_up();
  ASSERT_TRUE(log->log().run_background());
  EXPECT_EQ(log->log().info().tail, tail);
  const std::uint64_t before = log->log().statistics().snapshots;
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(append(60'000)) << i;
    ASSERT_EQ(fill().code(), StatusCode::kLogFull);
    EXPECT_EQ(log->log().info().tail.container(log::kMinContainerSize),
              tail.container(log::kMinContainerSize) + i + 1);
    give_one_up();
  }
  EXPECT_LE(log->log().info().space.containers, 16U);
  EXPECT_LE(log->log().statistics().snapshots, before + 5);
}

// --- what a full log says ---

TEST_F(Space, AFullLogNamesItsCauseAndThePin) {
  create();
  ASSERT_TRUE(log->create_stream("idle"));
  ASSERT_TRUE(log->append("idle", Bytes(10), durable()));
  const Lsn pin = log->model().streams.at("idle").base;
  log::Reservation room = stream("idle").reserve(1, 60'000).value();
  ASSERT_EQ(fill().code(), StatusCode::kLogFull);
  // An empty record would fit if nothing were reserved.
  Status status = append(0, 1, {});
  EXPECT_EQ(status.detail().cause, FullCause::kReservation);
  EXPECT_THAT(status.message(), HasSubstr("log full (reservation)"));
  EXPECT_THAT(status.message(), HasSubstr("the most by stream \"idle\""));
  room.release();
  ASSERT_EQ(fill().code(), StatusCode::kLogFull);
  ASSERT_TRUE(log->advance_base("s", log->model().highest));
  status = append(60'000);
  EXPECT_EQ(status.detail().cause, FullCause::kBase);
  EXPECT_EQ(status.detail().stream, "idle");
  EXPECT_EQ(status.detail().lsn_begin, pin);
  EXPECT_THAT(status.message(), HasSubstr("stream \"idle\" pins it at LSN " + pin.to_string()));
}

TEST_F(Space, AFullLogThatNothingPinsIsAtItsMaximum) {
  create();
  const std::vector<std::uint64_t> whole(70, 60'000);
  const Status status = stream("s").reserve(whole).status();
  EXPECT_EQ(status.code(), StatusCode::kLogFull);
  EXPECT_EQ(status.detail().cause, FullCause::kMaximum) << status.to_string();
}

// --- asking the owner of the tail ---

TEST_F(Space, TheOwnerOfTheTailIsAskedWithATargetAndAgainWhenItDoesNotFollow) {
  create();
  ASSERT_TRUE(log->create_stream("idle"));
  ASSERT_TRUE(log->append("idle", Bytes(10), durable()));
  const Lsn pin = log->model().streams.at("idle").base;
  ASSERT_TRUE(log->advance_base("s", log->model().highest));
  std::vector<log::AdvanceRequest> requests;
  ASSERT_TRUE(stream("idle").on_advance_request(
      [&](const log::AdvanceRequest& request) { requests.push_back(request); }));
  ASSERT_TRUE(log->log().run_background());
  EXPECT_TRUE(requests.empty()) << "space is not short";
  ASSERT_EQ(fill().code(), StatusCode::kLogFull);
  for (unsigned attempt = 1; attempt <= 3; ++attempt) {
    ASSERT_TRUE(log->log().run_background());
    ASSERT_EQ(requests.size(), attempt);
    EXPECT_EQ(requests.back().attempt, attempt);
    EXPECT_EQ(requests.back().pin, pin);
    EXPECT_EQ(requests.back().target, Lsn(log::kMinContainerSize)) << "the next container";
    ASSERT_EQ(append(60'000).code(), StatusCode::kLogFull);
  }
  ASSERT_TRUE(log->advance_base("s", log->model().highest));
  ASSERT_TRUE(stream("idle").on_advance_request([&](const log::AdvanceRequest& request) {
    requests.push_back(request);
    ASSERT_TRUE(stream("idle").advance_base(stream("idle").last_lsn() + 1));
  }));
  ASSERT_TRUE(log->log().run_background());
  EXPECT_EQ(requests.size(), 4U);
  EXPECT_TRUE(append(60'000)) << "what pinned the tail is gone";
  ASSERT_TRUE(stream("idle").on_advance_request({}));
}

TEST_F(Space, TheThresholdOfThePolicyAsksBeforeTheLogIsFull) {
  create();
  log::Policies policies = log->log().policies();
  policies.low_space_percent = 40;
  ASSERT_TRUE(log->log().set_policies(policies));
  std::vector<log::AdvanceRequest> requests;
  ASSERT_TRUE(stream("s").on_advance_request([&](const log::AdvanceRequest& request) {
    requests.push_back(request);
    ASSERT_TRUE(stream("s").advance_base(request.target));
  }));
  for (int i = 0; i < 300; ++i) {
    ASSERT_TRUE(stream("s").append(Bytes(50'000), durable())) << i;
    ASSERT_TRUE(log->log().run_background());
  }
  ASSERT_GT(requests.size(), 3U);
  for (const log::AdvanceRequest& request : requests) {
    EXPECT_LT(request.left, policies.max_size / 100 * 40);
    EXPECT_GT(request.target, request.pin);
    EXPECT_FALSE(request.appends_wait);
  }
}

TEST_F(Space, AnOwnerThatCannotAdvanceIsNotAskedAgainAndTheFullLogSaysWhy) {
  create();
  int asked = 0;
  ASSERT_TRUE(stream("s").on_advance_request([&](const log::AdvanceRequest&) {
    ++asked;
    ASSERT_TRUE(stream("s").advance_failed(Status(StatusCode::kInvalidState, "a reader is busy")));
  }));
  EXPECT_EQ(stream("s").advance_failed(Status::ok()).code(), StatusCode::kInvalidArgument);
  ASSERT_EQ(fill().code(), StatusCode::kLogFull);
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(log->log().run_background());
    const Status status = append(60'000);
    EXPECT_EQ(status.code(), StatusCode::kLogFull);
    EXPECT_THAT(status.message(), HasSubstr("a reader is busy"));
  }
  EXPECT_EQ(asked, 1);
  // With a wait there is nothing to wait for.
  log::AppendOptions patient;
  patient.wait_for_space = std::chrono::hours(24);
  EXPECT_EQ(append(60'000, 1, patient).code(), StatusCode::kLogFull);
  // Once the pin moved, what was said about it is forgotten.
  ASSERT_TRUE(log->advance_base("s", log->model().highest));
  ASSERT_TRUE(log->log().run_background());
  ASSERT_EQ(fill().code(), StatusCode::kLogFull);
  ASSERT_TRUE(log->log().run_background());
  EXPECT_EQ(asked, 2);
}

// --- waiting for space ---

TEST_F(Space, AWaitEndsWithItsDeadline) {
  create();
  ASSERT_EQ(fill().code(), StatusCode::kLogFull);
  log::AppendOptions options;
  options.wait_for_space = std::chrono::milliseconds(5);
  const Status status = append(60'000, 1, options);
  EXPECT_EQ(status.code(), StatusCode::kLogFull);
  EXPECT_EQ(status.detail().cause, FullCause::kBase);
}

// Threads that wait for space, until `count` of them do.
class Waiters {
 public:
  Waiters(log::Log& log, log::Stream stream, int count) {
    for (int i = 0; i < count; ++i) {
      threads_.emplace_back([stream, &answer = answers_.emplace_back()]() mutable {
        log::AppendOptions options;
        options.wait_for_space = std::chrono::hours(24);
        answer = stream.append(Bytes(50'000), options).status();
      });
    }
    while (log.info().space.waiting_appends < static_cast<std::uint64_t>(count)) {
      std::this_thread::yield();
    }
  }
  std::deque<Status>& join() {
    for (std::thread& thread : threads_) thread.join();
    return answers_;
  }

 private:
  std::deque<Status> answers_;
  std::vector<std::thread> threads_;
};

TEST_F(Space, AWaitIsWokenWhenTheBaseAdvances) {
  create();
  ASSERT_EQ(fill().code(), StatusCode::kLogFull);
  Waiters waiters(log->log(), stream("s"), 3);
  ASSERT_TRUE(stream("s").advance_base(stream("s").last_lsn()));
  ASSERT_TRUE(log->log().run_background());
  for (const Status& status : waiters.join()) EXPECT_TRUE(status) << status.to_string();
}

TEST_F(LongSnapshots, AreWrittenForOneContainerWhenAnAppendWaits) {
  make_full();
  const Lsn tail = log->log().info().tail;
  Waiters waiters(log->log(), stream("s"), 1);
  give_one_up();
  ASSERT_TRUE(log->log().run_background());
  EXPECT_GT(log->log().info().tail, tail);
  if (HasFailure()) {
    ASSERT_TRUE(stream("s").advance_base(stream("s").last_lsn()));
    ASSERT_TRUE(log->log().run_background());
  }
  for (const Status& status : waiters.join()) EXPECT_TRUE(status) << status.to_string();
}

TEST_F(Space, AWaitIsWokenWhenAReservationIsGivenBack) {
  create();
  log::Reservation room = stream("s").reserve(3, 180'000).value();
  ASSERT_EQ(fill().code(), StatusCode::kLogFull);
  Waiters waiters(log->log(), stream("s"), 2);
  room.release();
  for (const Status& status : waiters.join()) EXPECT_TRUE(status) << status.to_string();
}

TEST_F(Space, AWaitIsWokenWhenThePoliciesAllowMore) {
  create();
  ASSERT_EQ(fill().code(), StatusCode::kLogFull);
  Waiters waiters(log->log(), stream("s"), 2);
  log::Policies policies = log->log().policies();
  policies.max_size *= 2;
  ASSERT_TRUE(log->log().set_policies(policies));
  for (const Status& status : waiters.join()) EXPECT_TRUE(status) << status.to_string();
}

TEST_F(Space, AWaitEndsWhenTheLogIsClosed) {
  create();
  ASSERT_EQ(fill().code(), StatusCode::kLogFull);
  Waiters waiters(log->log(), stream("s"), 3);
  ASSERT_TRUE(log->log().close());
  for (const Status& status : waiters.join()) EXPECT_EQ(status.code(), StatusCode::kClosed);
}

TEST_F(Space, AWaitEndsWhenTheLogIsPoisoned) {
  create();
  ASSERT_EQ(fill().code(), StatusCode::kLogFull);
  ASSERT_TRUE(log->flush());
  Waiters waiters(log->log(), stream("s"), 3);
  storage->inject({.on = sim::IoKind::kCompleteWrite});
  EXPECT_EQ(stream("s").write_restart_area(Bytes(10)).code(), StatusCode::kIndeterminate);
  for (const Status& status : waiters.join()) EXPECT_EQ(status.code(), StatusCode::kPoisoned);
}

TEST_F(Space, AWaitEndsWhenTheOwnerOfTheTailCannotAdvance) {
  create();
  ASSERT_EQ(fill().code(), StatusCode::kLogFull);
  Waiters waiters(log->log(), stream("s"), 2);
  ASSERT_TRUE(stream("s").advance_failed(Status(StatusCode::kInvalidState, "no")));
  for (const Status& status : waiters.join()) EXPECT_EQ(status.code(), StatusCode::kLogFull);
}

}  // namespace
}  // namespace cairn::log_test
