// Log::truncate_after(): what lies behind the cut is gone for every reader, for good, as a whole;
// nothing else is.
#include <atomic>
#include <functional>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "log/crash_explorer.h"
#include "log/sim_log_fixture.h"
#include "sim/test_budget.h"

namespace cairn::log_test {
namespace {

using testing::HasSubstr;

class Truncation : public SimLogTest {
 protected:
  void SetUp() override { create(); }

  Lsn record(std::size_t index) const {
    return std::next(log->model().streams.at("s").records.begin(),
                     static_cast<std::ptrdiff_t>(index))
        ->first;
  }
  std::size_t records() const { return log->model().streams.at("s").records.size(); }
  log::Stream stream() { return log->log().open_stream("s").value(); }

  // The log as it runs is what the model says, and verify finds nothing wrong.
  void expect_as_modelled() {
    const auto contents = read_contents(log->log());
    ASSERT_TRUE(contents) << contents.status().to_string();
    EXPECT_EQ(log->model().violation(*contents), "");
    EXPECT_TRUE(check_stream_cursors(log->log(), *contents));
    EXPECT_TRUE(verify_log(storage->clone()).damages.empty());
  }
  void expect_as_modelled_after_reopening() {
    close();
    ASSERT_TRUE(reopen());
    crash(sim::survive_none());
    ASSERT_TRUE(reopen());
  }

  // Explores the crashes at every I/O of `act`. How many images there were.
  std::uint64_t explore(const std::function<void()>& act) {
    struct Point {
      std::shared_ptr<sim::SimStorage> frozen;
      LogModel model;
    };
    std::vector<Point> points;
    storage->set_observer([&](const sim::IoEvent&, const auto& frozen) {
      points.push_back({frozen, log->model()});
    });
    act();
    storage->set_observer(nullptr);
    ExplorerOptions options;
    options.states.at_most = 6;
    options.recovery_crash_every = 30;
    CrashExplorer explorer(options);
    for (std::size_t i = 0; i < points.size(); i += sim::sweep_stride(5)) {
      const std::string violation =
          explorer.explore(*points[i].frozen, points[i].model, "I/O " + std::to_string(i));
      EXPECT_EQ(violation, "");
      if (!violation.empty()) break;
    }
    return explorer.counts().images;
  }
};

TEST_F(Truncation, RecordsBehindTheCutAreGoneAndTheOthersStay) {
  ASSERT_TRUE(append(100, 10));
  ASSERT_TRUE(log->truncate_after(record(5)));
  EXPECT_EQ(records(), 6U);
  EXPECT_EQ(stream().last_lsn(), record(5));
  expect_as_modelled();
  ASSERT_TRUE(append(100, 3));
  expect_as_modelled();
  expect_as_modelled_after_reopening();
  EXPECT_EQ(records(), 9U);
}

TEST_F(Truncation, AnLsnInsideARecordKeepsThatRecord) {
  ASSERT_TRUE(append(100, 5));
  const Lsn kept = record(2);
  ASSERT_TRUE(log->log().truncate_after(kept + 50));
  EXPECT_EQ(stream().last_lsn(), kept);
}

TEST_F(Truncation, NothingIsAppendedForARecordThatIsTheLast) {
  ASSERT_TRUE(append(100, 2));
  ASSERT_TRUE(log->flush());
  ASSERT_TRUE(log->truncate_after(record(1)));
  expect_as_modelled_after_reopening();
}

TEST_F(Truncation, CutsAcrossContainersAndInEverySectorSize) {
  for (const std::uint32_t alignment : {512U, 1024U, 4096U}) {
    log::CreateOptions options = small_log(8);
    options.alignment = alignment;
    create(options, {.alignment = 512, .physical_sector = alignment});
    ASSERT_TRUE(append(50'000, 50));
    ASSERT_GE(log->log().end_lsn().container(log::kMinContainerSize), 2U);
    ASSERT_TRUE(log->truncate_after(record(7)));
    ASSERT_TRUE(append(50'000, 5));
    expect_as_modelled();
    expect_as_modelled_after_reopening();
    EXPECT_EQ(records(), 13U);
  }
}

TEST_F(Truncation, ASecondOneMayCutBeforeOrBehindTheFirst) {
  ASSERT_TRUE(append(100, 10));
  ASSERT_TRUE(log->truncate_after(record(6)));
  ASSERT_TRUE(append(100, 5));
  ASSERT_TRUE(log->truncate_after(record(9)));
  expect_as_modelled();
  ASSERT_TRUE(append(100, 5));
  ASSERT_TRUE(log->truncate_after(record(3)));
  expect_as_modelled();
  ASSERT_TRUE(append(100, 5));
  expect_as_modelled_after_reopening();
  EXPECT_EQ(records(), 9U);
}

TEST_F(Truncation, TheLsnsTakenAwayAreNeverGivenAgain) {
  ASSERT_TRUE(append(100, 10));
  const Lsn highest = log->log().end_lsn();
  ASSERT_TRUE(log->truncate_after(record(0)));
  expect_as_modelled_after_reopening();
  ASSERT_TRUE(append(100));
  EXPECT_GT(record(1), highest);
}

// --- streams ---

TEST_F(Truncation, StreamsMadeBehindTheCutAreGoneAndDeletedOnesStayDeleted) {
  ASSERT_TRUE(log->create_stream("deleted"));
  ASSERT_TRUE(append(100, 3));
  ASSERT_TRUE(log->delete_stream("deleted"));
  ASSERT_TRUE(log->create_stream("made"));
  const log::StreamId id = log->log().open_stream("made")->id();
  ASSERT_TRUE(log->append("made", Bytes(10), durable()));
  ASSERT_TRUE(log->truncate_after(record(1)));
  EXPECT_EQ(log->log().open_stream("made").code(), StatusCode::kNotFound);
  EXPECT_EQ(log->log().open_stream("deleted").code(), StatusCode::kNotFound);
  expect_as_modelled();
  expect_as_modelled_after_reopening();
  ASSERT_TRUE(log->create_stream("made"));
  EXPECT_GT(log->log().open_stream("made")->id(), id) << "an id was given twice";
}

TEST_F(Truncation, IsRefusedBehindABaseAndNamesIt) {
  ASSERT_TRUE(append(100, 10));
  ASSERT_TRUE(log->advance_base("s", record(5)));
  const Lsn base = record(0);
  const Status status = log->log().truncate_after(Lsn(base.value() - 8));
  EXPECT_EQ(status.code(), StatusCode::kLsnInvalid);
  EXPECT_EQ(status.detail().stream, "s");
  EXPECT_EQ(status.detail().lsn_begin, base);
  EXPECT_THAT(status.message(), HasSubstr("base " + base.to_string() + " of stream \"s\""));
  expect_as_modelled();
  ASSERT_TRUE(append(100)) << "appends go on after a truncation that was refused";
}

TEST_F(Truncation, IsRefusedOutsideTheLog) {
  ASSERT_TRUE(append(100));
  for (const Lsn lsn : {Lsn(), Lsn(8), log->log().end_lsn(), Lsn::invalid()}) {
    EXPECT_EQ(log->log().truncate_after(lsn).code(), StatusCode::kLsnInvalid) << lsn.to_string();
  }
}

TEST_F(Truncation, RestartAreasBehindTheCutAreGoneAndTheChainIsFollowedBack) {
  std::vector<Lsn> areas;
  for (unsigned char i = 0; i < 5; ++i) {
    ASSERT_TRUE(append(100));
    ASSERT_TRUE(log->write_restart_area("s", Bytes(20, std::byte{i}), Lsn()));
    areas.push_back(log->model().streams.at("s").restart);
  }
  ASSERT_TRUE(append(100));
  ASSERT_TRUE(log->truncate_after(areas[4]));
  EXPECT_EQ(stream().read_restart_area()->lsn, areas[4]);
  ASSERT_TRUE(log->truncate_after(Lsn(areas[3].value() - 8)));
  EXPECT_EQ(stream().read_restart_area()->lsn, areas[2]);
  EXPECT_EQ(stream().read_previous_restart_area()->lsn, areas[1]);
  expect_as_modelled();
  expect_as_modelled_after_reopening();
  ASSERT_TRUE(log->write_restart_area("s", Bytes(20, std::byte{9}), Lsn()));
  EXPECT_EQ(stream().read_previous_restart_area()->lsn, areas[2]);
  ASSERT_TRUE(log->truncate_after(record(0)));
  EXPECT_EQ(stream().read_restart_area().code(), StatusCode::kNoRestartArea);
  expect_as_modelled_after_reopening();
}

// --- readers ---

TEST_F(Truncation, AChainOrALinkIntoTheCutIsRefused) {
  ASSERT_TRUE(append(100, 5));
  const Lsn kept = record(1);
  const Lsn gone = record(3);
  ASSERT_TRUE(log->truncate_after(kept));
  ASSERT_TRUE(append(100));
  log::ReadOptions chain;
  chain.order = log::ReadOrder::kPrevious;
  chain.start = gone;
  EXPECT_EQ(stream().read(chain)->next().code(), StatusCode::kLsnInvalid);
  log::AppendOptions link = durable();
  link.previous = gone;
  EXPECT_EQ(stream().append(Bytes(1), link).code(), StatusCode::kLsnInvalid);
  link.previous = kept;
  EXPECT_TRUE(stream().append(Bytes(1), link));
}

TEST_F(Truncation, ACursorThatHasReadAheadGoesOnBehindTheCut) {
  ASSERT_TRUE(append(100, 5, {}));  // one block
  ASSERT_TRUE(log->flush());
  log::Cursor cursor = stream().read().value();
  const Lsn first = (*cursor.next())->lsn;
  ASSERT_TRUE(log->truncate_after(first));
  EXPECT_FALSE(cursor.next()->has_value());
  ASSERT_TRUE(append(100));
  EXPECT_EQ((*cursor.next())->lsn, record(1));
}

TEST_F(Truncation, ACursorMayBeginInsideTheCut) {
  ASSERT_TRUE(append(100, 5));
  log::ReadOptions options;
  options.start = record(3);
  ASSERT_TRUE(log->truncate_after(record(1)));
  ASSERT_TRUE(append(100));
  EXPECT_EQ((*stream().read(options)->next())->lsn, record(2));
}

// --- space ---

TEST_F(Truncation, ItsSpaceComesBackWhenTheBasePassesIt) {
  for (int round = 0; round < 6; ++round) {
    ASSERT_TRUE(append(50'000, 20)) << round;
    ASSERT_TRUE(log->truncate_after(record(1)));
    ASSERT_TRUE(append(100));
    ASSERT_TRUE(log->advance_base("s", record(2)));
    ASSERT_TRUE(log->log().run_background());
  }
  EXPECT_LE(log->log().info().containers.size(), 4U);
  expect_as_modelled_after_reopening();
}

// --- crashes ---

TEST_F(Truncation, ACrashAtEveryIoLeavesAllOfItOrNothing) {
  create(small_log(8));
  ASSERT_TRUE(log->create_stream("other"));
  ASSERT_TRUE(log->write_restart_area("s", Bytes(10), Lsn()));
  ASSERT_TRUE(append(50'000, 12));
  const Lsn cut = log->model().highest;
  ASSERT_TRUE(append(50'000, 12));
  ASSERT_TRUE(log->write_restart_area("s", Bytes(30), Lsn()));
  ASSERT_TRUE(log->create_stream("behind"));
  ASSERT_TRUE(log->append("other", Bytes(1000), {}));
  const std::uint64_t images = explore([&] {
    ASSERT_TRUE(log->truncate_after(cut));
    ASSERT_TRUE(append(100, 2));
    ASSERT_TRUE(log->truncate_after(Lsn(cut.value() - 8)));
    ASSERT_TRUE(log->log().run_background());
    ASSERT_TRUE(append(100, 2));
  });
  EXPECT_GE(images, 40U / sim::sweep_stride(5));
}

// What a truncation writes may be longer than a block: a crash can leave its first blocks without
// the last one.
TEST_F(Truncation, ACrashBetweenItsBlocksLeavesAllOfItOrNothing) {
  create(small_log(8));
  for (int i = 100; i < 340; ++i) {
    ASSERT_TRUE(log->create_stream(std::string(250, 'n') + std::to_string(i)));
  }
  ASSERT_TRUE(append(100, 8));
  const Lsn before = log->log().end_lsn();
  const std::uint64_t images = explore([&] { ASSERT_TRUE(log->truncate_after(record(3))); });
  EXPECT_GT(log->log().end_lsn() - before, 64 * 1024U) << "more than a block";
  EXPECT_GE(images, 10U / sim::sweep_stride(5));
}

TEST_F(Truncation, AWriteErrorLeavesAllOfItOrNothing) {
  ASSERT_TRUE(append(100, 5));
  storage->inject({.on = sim::IoKind::kCompleteWrite});
  EXPECT_EQ(log->truncate_after(record(1)).code(), StatusCode::kIndeterminate);
  crash(sim::survive_random(1), 1);
  ASSERT_TRUE(reopen());
}

// --- threads ---

// Appends beside truncations wait for them; what was acknowledged and is not behind a cut is there.
TEST_F(Truncation, AppendersBesideItLoseNothingButWhatWasCut) {
  close();
  log::OpenOptions options = manual_options(std::make_shared<sim::SimStorage>());
  options.background = log::Background::kThread;
  auto opened = log::Log::create(kDirectory, small_log(8), options).value();
  ASSERT_TRUE(opened->create_stream("s"));
  std::mutex mutex;
  std::vector<Lsn> acknowledged;
  std::vector<Lsn> gone;  // acknowledged before the truncation began, and behind its cut
  std::vector<std::pair<Lsn, Lsn>> cuts;  // from the cut to the log's end after it
  std::atomic<bool> stop = false;
  std::vector<std::thread> appenders;
  for (int i = 0; i < 3; ++i) {
    appenders.emplace_back([&] {
      log::Stream mine = opened->open_stream("s").value();
      for (int count = 0; !stop && count < 2000; ++count) {
        const auto lsn = mine.append(Bytes(200), durable());
        ASSERT_TRUE(lsn) << lsn.status().to_string();
        const std::lock_guard lock(mutex);
        acknowledged.push_back(*lsn);
      }
    });
  }
  for (int round = 0; round < 20; ++round) {
    const Lsn cut(opened->durable_lsn().value() - 8);
    {
      const std::lock_guard lock(mutex);
      std::ranges::copy_if(acknowledged, std::back_inserter(gone),
                           [&](Lsn lsn) { return lsn > cut; });
    }
    const Status status = opened->truncate_after(cut);
    ASSERT_TRUE(status) << status.to_string();
    cuts.emplace_back(cut, opened->end_lsn());
  }
  stop = true;
  for (std::thread& appender : appenders) appender.join();
  std::set<Lsn> there;
  log::Cursor cursor = opened->open_stream("s")->read().value();
  for (auto next = cursor.next(); next && *next; next = cursor.next()) there.insert((*next)->lsn);
  for (const Lsn lsn : acknowledged) {
    const bool may_be_cut = std::ranges::any_of(
        cuts, [&](const auto& cut) { return lsn > cut.first && lsn < cut.second; });
    EXPECT_TRUE(there.contains(lsn) || may_be_cut) << lsn.to_string();
  }
  for (const Lsn lsn : gone) EXPECT_FALSE(there.contains(lsn)) << lsn.to_string();
}

}  // namespace
}  // namespace cairn::log_test
