// Many streams in one log: who pins the tail, what is counted of each, and what thousands of them
// cost.
#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <cairn/log.h>
#include <cairn/sim/random.h>
#include <cairn/sim/sim_storage.h>

#include "catalog.h"
#include "log/torture_names.h"
#include "sim/test_budget.h"

namespace cairn::log {
namespace {

using log_test::manual_options;
using log_test::small_log;

std::span<const std::byte> bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

class Streams : public testing::Test {
 protected:
  void create(const CreateOptions& options = small_log()) {
    auto created = Log::create("log", options, manual_options(storage_));
    ASSERT_TRUE(created) << created.status().to_string();
    log_ = std::move(*created);
  }
  void reopen() {
    if (log_ != nullptr) {
      ASSERT_TRUE(log_->close());
    }
    log_.reset();
    auto opened = Log::open("log", manual_options(storage_));
    ASSERT_TRUE(opened) << opened.status().to_string();
    log_ = std::move(*opened);
  }

  std::shared_ptr<sim::SimStorage> storage_ = std::make_shared<sim::SimStorage>();
  std::unique_ptr<Log> log_;
};

// What the index must agree with: a look at every stream.
std::optional<Lsn> oldest_by_search(const Catalog& catalog) {
  std::optional<Lsn> oldest;
  for (const auto& [id, entry] : catalog.entries()) {
    const Lsn pin = entry.pin();
    if (!pin.is_invalid() && (!oldest || pin < *oldest)) oldest = pin;
  }
  return oldest;
}

TEST(CatalogPins, OldestIsThatOfASearchThroughAllStreamsWhateverHappensToThem) {
  Catalog catalog;
  sim::Random random(7);
  Lsn lsn(8);
  StreamId created = 0;
  for (int step = 0; step < 20'000; ++step) {
    lsn = lsn + 8;
    const auto id = static_cast<StreamId>(1 + random.below(40));
    Catalog::Entry* entry = catalog.find(id);
    switch (random.below(6)) {
      case 0:
        if (entry == nullptr) catalog.create(id, "s" + std::to_string(++created), lsn);
        break;
      case 1:
        if (random.chance(5)) catalog.remove(id);
        break;
      case 2:
        if (entry != nullptr) catalog.restart_written(*entry, lsn, entry->base);
        break;
      case 3:
        if (entry != nullptr) catalog.advance(*entry, Lsn(lsn.value() - 8 * random.below(50)));
        break;
      default:
        if (entry != nullptr) catalog.appended(*entry, lsn, 10);
        break;
    }
    const auto pin = catalog.oldest_pin();
    const auto expected = oldest_by_search(catalog);
    ASSERT_EQ(pin.has_value(), expected.has_value()) << "step " << step;
    if (!pin) continue;
    ASSERT_EQ(pin->lsn, *expected) << "step " << step;
    ASSERT_EQ(catalog.find(pin->stream)->pin(), pin->lsn) << "step " << step;
  }
}

TEST_F(Streams, OneThatPinsTheTailIsNamedInTheInformation) {
  create();
  Stream idle = *log_->create_stream("idle");
  Stream busy = *log_->create_stream("busy");
  EXPECT_TRUE(log_->info().pins.empty()) << "a stream without records needs nothing";
  ASSERT_TRUE(busy.append(bytes("b")));
  ASSERT_TRUE(idle.append(bytes("i")));
  ASSERT_TRUE(busy.advance_base(busy.last_lsn()));
  const auto pins = log_->info().pins;
  ASSERT_EQ(pins.size(), 1U);
  EXPECT_EQ(pins[0].kind, PinKind::kStream);
  EXPECT_EQ(pins[0].name, "idle");
  EXPECT_EQ(pins[0].lsn, idle.base());
  EXPECT_EQ(pins[0].bytes, log_->info().end - idle.base());
  reopen();
  EXPECT_EQ(log_->info().pins.at(0).name, "idle") << "found again in recovery";
  EXPECT_EQ((*LogView::open("log", manual_options(storage_)))->info().pins.at(0).name, "idle");
}

TEST_F(Streams, StatisticsCountWhatWasAppendedToEachSinceItWasOpened) {
  create();
  Stream one = *log_->create_stream("one");
  Stream two = *log_->create_stream("two");
  ASSERT_TRUE(one.append(bytes("12345")));
  ASSERT_TRUE(one.append(bytes("678")));
  ASSERT_TRUE(two.write_restart_area(bytes("area")));
  const auto streams = log_->list_streams();
  EXPECT_EQ(streams[0].statistics.records, 2U);
  EXPECT_EQ(streams[0].statistics.payload_bytes, 8U);
  EXPECT_EQ(streams[0].statistics.restart_areas, 0U);
  EXPECT_EQ(streams[1].statistics.records, 0U);
  EXPECT_EQ(streams[1].statistics.restart_areas, 1U);
  reopen();
  EXPECT_EQ(log_->list_streams()[0].statistics.records, 0U);
  EXPECT_EQ(log_->list_streams()[1].statistics.restart_areas, 0U);
}

TEST_F(Streams, SeveralAreMadeAndDeletedWithOneForcedWrite) {
  create();
  const std::vector<std::string_view> names{"a", "b", "c"};
  const std::uint64_t before = log_->statistics().wait_ns.count();
  const auto made = log_->create_streams(names);
  ASSERT_TRUE(made) << made.status().to_string();
  EXPECT_EQ(log_->statistics().wait_ns.count() - before, 1U);
  ASSERT_EQ(made->size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(log_->open_stream(names[i])->id(), (*made)[i].id());
  const std::vector<std::string_view> again{"d", "b", "e"};
  const Status exists = log_->create_streams(again).status();
  EXPECT_EQ(exists.code(), StatusCode::kAlreadyExists);
  EXPECT_NE(exists.message().find("1 of 3"), std::string::npos) << exists.message();
  EXPECT_TRUE(log_->open_stream("d")) << "those before the error stay";
  EXPECT_EQ(log_->open_stream("e").code(), StatusCode::kNotFound);
  const std::vector<std::string_view> gone{"a", "x", "c"};
  EXPECT_EQ(log_->delete_streams(gone).code(), StatusCode::kNotFound);
  EXPECT_EQ(log_->open_stream("a").code(), StatusCode::kNotFound);
  EXPECT_TRUE(log_->open_stream("c"));
  reopen();
  EXPECT_EQ(log_->list_streams().size(), 3U);
}

// Thousands of streams.
class ManyStreams : public Streams {
 protected:
  static constexpr std::size_t kStreams = 10'000;

  void make_streams() {
    for (std::size_t i = 0; i < kStreams; ++i) names_.push_back("stream-" + std::to_string(i));
    views_.assign(names_.begin(), names_.end());
    auto made = log_->create_streams(views_);
    ASSERT_TRUE(made) << made.status().to_string();
    streams_ = std::move(*made);
  }
  // Bytes that an open after a crash now reads.
  [[nodiscard]] std::uint64_t read_by_an_open() const {
    const auto next_boot = storage_->after_crash(sim::survive_all());
    const auto opened = Log::open("log", manual_options(next_boot));
    EXPECT_TRUE(opened) << opened.status().to_string();
    EXPECT_EQ((*opened)->list_streams().size(), kStreams);
    return next_boot->bytes_read();
  }

  std::vector<std::string> names_;
  std::vector<std::string_view> views_;
  std::vector<Stream> streams_;
};

TEST_F(ManyStreams, KeepTheirFactsOverAReopenAndGoAgain) {
  CreateOptions options;
  options.alignment = 512;
  create(options);
  make_streams();
  for (std::size_t i = 0; i < kStreams; ++i) {
    ASSERT_TRUE(streams_[i].append(bytes(names_[i])));
  }
  ASSERT_TRUE(log_->flush());
  const auto area = streams_[4711].write_restart_area(bytes("area"));
  ASSERT_TRUE(area);
  ASSERT_TRUE(streams_[0].advance_base(streams_[0].last_lsn() + 8));
  const auto before = log_->list_streams();
  reopen();
  const auto after = log_->list_streams();
  ASSERT_EQ(after.size(), kStreams);
  for (std::size_t i = 0; i < kStreams; ++i) {
    ASSERT_EQ(after[i].name, before[i].name);
    ASSERT_EQ(after[i].base, before[i].base);
    ASSERT_EQ(after[i].last, before[i].last);
    ASSERT_EQ(after[i].restart, i == 4711 ? *area : Lsn());
  }
  EXPECT_EQ(log_->info().pins.at(0).name, names_[1]) << "the first gave up its record";
  ASSERT_TRUE(log_->delete_streams(std::span(views_).first(kStreams - 1)));
  reopen();
  ASSERT_EQ(log_->list_streams().size(), 1U);
  EXPECT_EQ(log_->info().pins.at(0).name, names_.back());
}

// A snapshot of all these streams takes half a container.
TEST_F(ManyStreams, InSmallContainersCostAQuarterAndAnOpenReadsSomeContainersOfALongLog) {
  create(small_log(64));
  Policies policies = log_->policies();
  policies.restart_area = 0;  // 10,000 of them are more than this log
  ASSERT_TRUE(log_->set_policies(policies));
  make_streams();
  ASSERT_TRUE(streams_.back().append(bytes("pins all that follows")));
  const LogStatistics before = log_->statistics();
  const std::vector<std::byte> payload(60'000);
  std::uint64_t appended = 0;
  std::uint64_t most_read = 0;
  while (appended < 45 * kMinContainerSize) {
    const auto lsn = streams_[appended / payload.size() % 100].append(payload);
    ASSERT_TRUE(lsn) << lsn.status().to_string();
    appended += payload.size();
    ASSERT_TRUE(log_->run_background());
    const bool is_long = appended > 35 * kMinContainerSize;
    if (is_long && appended / payload.size() % (12 * sim::sweep_stride(4)) == 0)
      most_read = std::max(most_read, read_by_an_open());
  }
  ASSERT_TRUE(log_->flush());
  const LogStatistics after = log_->statistics();
  const std::uint64_t written = after.block_bytes - before.block_bytes;
  EXPECT_LT(written, appended + appended * 3 / 10) << "a quarter for snapshots, some for framing";
  ASSERT_GT(log_->info().end - log_->info().tail, 48 * kMinContainerSize);
  EXPECT_GT(most_read, 2 * kMinContainerSize);
  EXPECT_LT(most_read, 5 * kMinContainerSize);
}

}  // namespace
}  // namespace cairn::log
