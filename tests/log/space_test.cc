// Space: reservations to the last byte of a full log, restart areas, and what a full log says.
#include <algorithm>
#include <array>
#include <chrono>
#include <deque>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cairn/sim/random.h>

#include "log/sim_log_fixture.h"

namespace cairn::log_test {
namespace {

using testing::HasSubstr;

class Space : public SimLogTest {
 protected:
  log::Stream stream(const std::string& name) { return log->log().open_stream(name).value(); }

  // Fills the log with records of stream "s" in memory, each shorter than the last that did not
  // fit, until not even an empty one fits. The last answer.
  Status fill(log::Durability durability = log::Durability::kNone) {
    Status status;
    for (std::size_t size = 60'000;; size /= 2) {
      log::AppendOptions options;
      options.durability = durability;
      do {
        status = log->append("s", Bytes(size, std::byte{7}), options);
      } while (status);
      if (status.code() != StatusCode::kLogFull || size == 0) return status;
    }
  }

  // Appends what `reservation` is for, record by record. The first error.
  Status use(const std::string& name, log::Reservation& reservation,
             const std::vector<std::uint64_t>& sizes, log::Durability durability) {
    log::AppendOptions options;
    options.durability = durability;
    for (const std::uint64_t size : sizes) {
      const Bytes payload(size, std::byte{9});
      const std::array<std::span<const std::byte>, 1> pieces{payload};
      const Result<Lsn> lsn = stream(name).append(log::Gather(pieces), options, reservation);
      CAIRN_RETURN_IF_ERROR(lsn.status());
      last_used = *lsn;
    }
    return {};
  }

  // Restart areas on all streams, the bases move, appends go on, and no byte is damaged.
  void expect_the_way_out() {
    for (const log::StreamInfo& info : log->log().list_streams()) {
      EXPECT_TRUE(log->write_restart_area(info.name, Bytes(1024), Lsn::invalid())) << info.name;
    }
    for (const log::StreamInfo& info : log->log().list_streams()) {
      EXPECT_TRUE(log->advance_base(info.name, info.last)) << info.name;
    }
    (void)log->log().run_background();  // the file system may have no space for more containers
    EXPECT_TRUE(append(50'000, 3));
    ASSERT_TRUE(log->close());
    const log::VerifyReport report = verify_log(storage);
    EXPECT_TRUE(report.damages.empty());
  }

  Lsn last_used;
};

// --- exact bytes, and the ledger ---

TEST_F(Space, ReservationsAreExactBytesAndTheirStreamsHoldThem) {
  create();
  ASSERT_TRUE(log->create_stream("t"));
  const std::vector<std::uint64_t> sizes{0, 1, 8, 1000};
  auto exact = stream("s").reserve(sizes);
  ASSERT_TRUE(exact);
  EXPECT_EQ(exact->bytes(), 40U + 48U + 48U + 1040U);
  EXPECT_EQ(exact->records(), 4U);
  auto other = stream("t").reserve(2, 100);
  ASSERT_TRUE(other);
  const log::LogInfo info = log->log().info();
  EXPECT_EQ(info.streams[0].reserved.bytes, exact->bytes());
  EXPECT_EQ(info.streams[0].reserved.records, 4U);
  EXPECT_EQ(info.streams[1].reserved.bytes, other->bytes());
  EXPECT_EQ(info.space.reserved.bytes, exact->bytes() + other->bytes());
  EXPECT_EQ(info.space.reserved.reservations, 2U);
  ASSERT_TRUE(use("s", *exact, sizes, log::Durability::kNone));
  EXPECT_EQ(exact->bytes(), 0U);
  EXPECT_FALSE(exact->covers(0));
  other->release();
  EXPECT_EQ(log->log().info().space.reserved.bytes, 0U);
  exact->release();
  EXPECT_EQ(log->log().info().space.reserved.reservations, 0U);
}

TEST_F(Space, ReservationsMoveAndMergeAndGiveBackWhatIsLeft) {
  create();
  const auto held = [&] { return log->log().info().space.reserved; };
  {
    log::Reservation one = stream("s").reserve(3, 300).value();
    log::Reservation two = stream("s").reserve(2, 200).value();
    const std::uint64_t both = one.bytes() + two.bytes();
    one.merge(std::move(two));
    EXPECT_EQ(one.bytes(), both);
    EXPECT_EQ(one.records(), 5U);
    log::Reservation moved = std::move(one);
    log::Reservation empty;
    empty.merge(std::move(moved));
    EXPECT_EQ(empty.bytes(), both);
    EXPECT_EQ(held().bytes, both);
    EXPECT_EQ(held().reservations, 1U);
    empty = stream("s").reserve(1, 10).value();
    EXPECT_EQ(held().records, 1U);
  }
  EXPECT_EQ(held().reservations, 0U);
  EXPECT_EQ(held().bytes, 0U);
}

TEST_F(Space, OneCallPaysReservesAndGivesBack) {
  create();
  const Bytes payload(100);
  const std::array<std::span<const std::byte>, 1> pieces{payload};
  const std::vector<std::uint64_t> first{100, 200};
  log::Reservation room;
  ASSERT_TRUE(stream("s").append_reserved(log::Gather(pieces), {}, room, {.reserve = first}));
  EXPECT_EQ(room.records(), 2U);
  EXPECT_EQ(room.bytes(), 144U + 240U);
  const std::vector<std::uint64_t> more{8};
  const std::vector<std::uint64_t> gone{200};
  ASSERT_TRUE(
      stream("s").append_reserved(log::Gather(pieces), {}, room, {.reserve = more, .free = gone}));
  EXPECT_EQ(room.records(), 1U);
  EXPECT_EQ(room.bytes(), 48U);
  EXPECT_EQ(log->log().info().space.reserved.bytes, 48U);
}

TEST_F(Space, OneCallThatCannotDoAllDoesNothing) {
  create();
  const Bytes payload(100);
  const std::array<std::span<const std::byte>, 1> pieces{payload};
  log::Reservation room = stream("s").reserve(1, 100).value();
  const std::uint64_t bytes = room.bytes();
  const Lsn end_before = log->log().end_lsn();
  const std::vector<std::uint64_t> too_much{100};
  // The one record it holds is spent on the append itself.
  EXPECT_EQ(stream("s").append_reserved(log::Gather(pieces), {}, room, {.free = too_much}).code(),
            StatusCode::kInvalidArgument);
  const std::vector<std::uint64_t> too_long{65'536};
  EXPECT_EQ(
      stream("s").append_reserved(log::Gather(pieces), {}, room, {.reserve = too_long}).code(),
      StatusCode::kRecordTooLong);
  const std::vector<std::uint64_t> too_many(200, 60'000);
  EXPECT_EQ(
      stream("s").append_reserved(log::Gather(pieces), {}, room, {.reserve = too_many}).code(),
      StatusCode::kLogFull);
  EXPECT_EQ(stream("s").reserve(too_long).code(), StatusCode::kRecordTooLong);
  EXPECT_EQ(room.bytes(), bytes);
  EXPECT_EQ(log->log().info().space.reserved.bytes, bytes);
  EXPECT_EQ(log->log().end_lsn(), end_before);
}

TEST_F(Space, AReservationOfAnotherStreamIsRefused) {
  create();
  ASSERT_TRUE(log->create_stream("t"));
  log::Reservation room = stream("t").reserve(1, 100).value();
  EXPECT_EQ(use("s", room, {100}, log::Durability::kNone).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(room.records(), 1U);
}

// --- the proof: a full log, and every reservation to the last byte ---

struct Plan {
  const char* name;
  log::Durability durability = log::Durability::kDurable;  // each in a block of its own
  std::uint32_t alignment = 512;
  std::uint64_t containers = 4;
  bool disk_full = false;  // the file system is full, below the maximum
  bool recycled = false;   // the containers were used before
  unsigned streams = 1;
  bool tiny = false;  // records whose framing is most of what they take
};

class Promise : public Space, public testing::WithParamInterface<Plan> {};

TEST_P(Promise, EveryReservationCanBeUsedToItsLastByteInAFullLog) {
  const Plan& plan = GetParam();
  log::CreateOptions options = small_log(plan.containers);
  options.alignment = plan.alignment;
  create(options);
  for (unsigned i = 1; i < plan.streams; ++i) {
    ASSERT_TRUE(log->create_stream("stream " + std::to_string(i)));
  }
  if (plan.recycled) {
    for (int i = 0; i < 150; ++i) {
      ASSERT_TRUE(append(50'000));
      if (i % 5 != 0) continue;
      ASSERT_TRUE(log->advance_base("s", log->model().highest));
    }
    ASSERT_TRUE(log->log().run_background());
  }
  if (plan.disk_full) {
    storage->set_capacity(std::uint64_t{5} << 19);  // two containers and a half
  }
  // Sizes around what is worst: a byte beyond an alignment unit, tiny, the longest.
  sim::Random random(7);
  const std::array<std::uint64_t, 7> kinds{
      0, 1, plan.alignment - 144, plan.alignment - 143, 5000, 65'536 - 144, 65'536 / 2};
  struct Held {
    log::Reservation room;
    std::vector<std::uint64_t> sizes;
  };
  std::vector<Held> all;
  Status status;
  for (unsigned failures = 0; failures < 20;) {
    Held held;
    const std::uint64_t records = 1 + random.below(plan.tiny ? 60 : 6);
    for (std::uint64_t i = 0; i < records; ++i) {
      const std::uint64_t choices = plan.tiny ? 2 : failures == 0 ? 7 : 5;
      held.sizes.push_back(kinds[random.below(choices)]);
    }
    auto room = stream("s").reserve(held.sizes);
    status = room.status();
    if (!room) {
      ASSERT_EQ(status.code(), StatusCode::kLogFull) << status.to_string();
      ++failures;
      continue;
    }
    held.room = std::move(*room);
    all.push_back(std::move(held));
    // Others append in between.
    if (random.chance(30)) (void)log->append("s", Bytes(3000), {});
  }
  EXPECT_EQ(status.detail().cause, FullCause::kReservation) << status.to_string();
  ASSERT_GT(all.size(), 10U);
  status = fill();
  ASSERT_EQ(status.code(), StatusCode::kLogFull);

  std::size_t used = 0;
  for (Held& held : all) {
    ASSERT_TRUE(use("s", held.room, held.sizes, plan.durability)) << "reservation " << used;
    EXPECT_EQ(held.room.bytes(), 0U);
    EXPECT_EQ(held.room.records(), 0U);
    if (++used % 3 == 0) (void)log->log().run_background();
    // What its framing did not need, others take at once.
    ASSERT_EQ(fill().code(), StatusCode::kLogFull);
  }
  all.clear();
  EXPECT_LE(log->log().info().space.containers, plan.containers);
  expect_the_way_out();
}

INSTANTIATE_TEST_SUITE_P(
    Full, Promise,
    testing::Values(Plan{"EachInItsBlock"}, Plan{"Together", log::Durability::kNone},
                    Plan{"LargeSectors", log::Durability::kDurable, 4096},
                    Plan{"ManyContainers", log::Durability::kDurable, 512, 9},
                    Plan{"DiskFull", log::Durability::kDurable, 512, 9, true},
                    Plan{"Recycled", log::Durability::kDurable, 512, 5, false, true},
                    Plan{"ManyStreams", log::Durability::kDurable, 512, 6, false, false, 300},
                    Plan{"TinyRecords", log::Durability::kDurable, 512, 4, false, false, 1, true}),
    [](const auto& plan) { return std::string(plan.param.name); });

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

// Such as a difference that became negative.
TEST_F(Space, AReservationOfMoreThanItsRecordsCanHoldIsRefused) {
  create(small_log(4));
  const std::uint64_t longest = log->log().info().max_record;
  const std::uint64_t before = log->log().info().space.left;
  for (const std::uint64_t bytes : {longest + 1, ~std::uint64_t{0}, ~std::uint64_t{0} - 40,
                                    ~std::uint64_t{0} - 2000, std::uint64_t{1} << 63}) {
    EXPECT_EQ(stream("s").reserve(1, bytes).code(), StatusCode::kRecordTooLong) << bytes;
  }
  EXPECT_EQ(stream("s").reserve(0, 1).code(), StatusCode::kRecordTooLong);
  auto held = stream("s").reserve(1, longest);
  ASSERT_TRUE(held);
  for (const std::uint64_t bytes : {longest + 1, ~std::uint64_t{0} - 15}) {
    const std::vector<std::uint64_t> free{bytes};
    const Bytes payload(8);
    const std::array<std::span<const std::byte>, 1> pieces{payload};
    EXPECT_EQ(stream("s").append_reserved(pieces, {}, *held, {.free = free}).code(),
              StatusCode::kRecordTooLong);
  }
  held->release();
  EXPECT_EQ(log->log().info().space.left, before);
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
