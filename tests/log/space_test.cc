// Reservations: exact bytes, a ledger per stream, and each used to its last byte in a full log.
#include <array>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <cairn/sim/random.h>

#include "log/space_fixture.h"

namespace cairn::log_test {
namespace {

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

TEST_F(Space, PartOfAReservationBecomesOneOfItsOwn) {
  create();
  const auto held = [&] { return log->log().info().space.reserved; };
  log::Reservation all = stream("s").reserve(5, 500).value();
  const std::uint64_t bytes = all.bytes();
  {
    Result<log::Reservation> part = all.split(2, log::Reservation::reserved_bytes_of(2, 200));
    ASSERT_TRUE(part.is_ok());
    EXPECT_EQ(part->records(), 2U);
    EXPECT_EQ(part->bytes(), stream("s").reserve(2, 200).value().bytes());
    EXPECT_EQ(all.records(), 3U);
    EXPECT_EQ(all.bytes() + part->bytes(), bytes);
    EXPECT_EQ(held().reservations, 2U);
    EXPECT_EQ(held().bytes, bytes);
    EXPECT_EQ(all.split(4, 8).code(), StatusCode::kInvalidArgument);
    EXPECT_EQ(all.split(1, bytes).code(), StatusCode::kInvalidArgument);
  }
  EXPECT_EQ(held().reservations, 1U);
  EXPECT_EQ(held().records, 3U);
  EXPECT_EQ(held().bytes, all.bytes());
  EXPECT_EQ(log::Reservation().split(0, 0).value().records(), 0U);
}

TEST_F(Space, PartsOfAReservationAreGivenBack) {
  create();
  log::Reservation room = stream("s").reserve(3, 300).value();
  const std::uint64_t all = room.bytes();
  EXPECT_TRUE(room.give_back(1, 144));
  EXPECT_EQ(room.records(), 2U);
  EXPECT_EQ(room.bytes(), all - 144);
  EXPECT_EQ(log->log().info().space.reserved.bytes, all - 144);
  EXPECT_EQ(room.give_back(3, 8).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(room.give_back(1, all).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(room.bytes(), all - 144);
  EXPECT_TRUE(room.give_back(2, room.bytes()));
  EXPECT_EQ(log->log().info().space.reserved.bytes, 0U);
  EXPECT_TRUE(log::Reservation().give_back(0, 0));
  EXPECT_EQ(log::Reservation().give_back(1, 0).code(), StatusCode::kInvalidArgument);
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

}  // namespace
}  // namespace cairn::log_test
