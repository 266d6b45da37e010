// Calibrations: what is measured, what is kept, and what an opening makes of it. The rule that
// chooses: way_rule_test.cc.
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <cairn/archive.h>
#include <cairn/calibration.h>
#include <cairn/rebuild.h>
#include <cairn/sim/random.h>
#include <cairn/uuid.h>

#include "calibration/measurement.h"
#include "format/base_slot.h"
#include "log/crash_explorer.h"
#include "log/paced_storage.h"
#include "log/sim_log_fixture.h"
#include "sim/test_budget.h"

namespace cairn::log_test {
namespace {

using namespace std::chrono_literals;
using log::DurableWrites;

// --- measuring and keeping ---

// A device that writes so many blocks at once without becoming slower, and needs `flush` for each
// durable one or each sync.
Pace device(unsigned parallel, std::chrono::nanoseconds flush, bool flushes_in_turn = false) {
  return [=](const PacedRequest& request) -> std::chrono::nanoseconds {
    const auto transfer = 10us + std::chrono::nanoseconds(request.bytes / 4);
    if (request.sync) return flush;
    const unsigned share = std::max(1U, request.writes / parallel);
    const unsigned turns = flushes_in_turn ? request.writes : share;
    return transfer * request.writes + (request.durable ? flush * turns : 0ns);
  };
}

// A small log that is calibrated when it is created, as logs are unless somebody says otherwise.
log::CreateOptions measured_log() {
  log::CreateOptions options = small_log();
  options.calibrate = true;
  return options;
}

class CalibrationTest : public SimLogTest {
 protected:
  CalibrationTest() {
    world.pace = device(16, 100us);
    world.info.kind = "paced";
    world.info.file_system = "made up";
    world.info.direct = true;
    world.info.physical_sector = 512;
    world.info.device = 0x801;
    world.info.measurable = true;
  }
  [[nodiscard]] log::OpenOptions paced_options() {
    log::OpenOptions options;
    options.storage = std::make_shared<PacedStorage>(storage, world);
    options.background = log::Background::kManual;
    options.time = world.clock();
    return options;
  }
  [[nodiscard]] log::CalibrateOptions calibrate_options(
      std::chrono::milliseconds duration = 100ms) {
    return {.storage = std::make_shared<PacedStorage>(storage, world),
            .duration = duration,
            .time = world.clock()};
  }
  // A closed log that was not calibrated. Containers of 4 MiB: blocks enough for every depth.
  void make_log() {
    log::CreateOptions options = small_log();
    options.container_size = 4 * log::kMinContainerSize;
    options.block_size = 64 * 1024;
    options.max_size = 0;
    create(options);
    ASSERT_TRUE(append(100, 3));
    close();
  }
  [[nodiscard]] log::LogInfo view_info(const log::OpenOptions& options) const {
    return log::LogView::open(kDirectory, options).value()->info();
  }
  [[nodiscard]] bool has_file(const std::string& name) const {
    return storage->exists(kDirectory, name);
  }

  PacedWorld world;
};

TEST_F(CalibrationTest, FindsTheDepthThatTheDeviceTakesAtOnce) {
  make_log();
  world.pace = device(2, 100us);  // one or two at once, then in turn
  const auto made = log::calibrate(kDirectory, calibrate_options());
  ASSERT_TRUE(made) << made.status().to_string();
  EXPECT_EQ(made->depth, 2U);
  EXPECT_EQ(made->durable_writes, DurableWrites::kPerWrite);
  EXPECT_EQ(made->rounds, log::kRounds);
  EXPECT_EQ(made->ways.size(), 10U);
  EXPECT_FALSE(has_file(log::kCalibrationFileName));
}

TEST_F(CalibrationTest, MeasuresWhatTheDeviceDoes) {
  make_log();
  world.pace = [](const PacedRequest& request) -> std::chrono::nanoseconds {
    if (request.sync) return 300us;
    return request.bytes > 4096 ? 1ms : request.durable ? 200us : 50us;
  };
  const auto made = log::calibrate(kDirectory, calibrate_options());
  ASSERT_TRUE(made) << made.status().to_string();
  for (const log::CalibratedWay& way : made->ways) {
    if (way.durable_writes == DurableWrites::kPerPrefix) continue;
    EXPECT_EQ(way.latency, 200us);
    EXPECT_NEAR(way.writes_per_second, 5000.0 * way.depth, 50.0 * way.depth);
    EXPECT_NEAR(static_cast<double>(way.commit_time().count()), 2e5 + 2e5 / way.depth, 2000);
    EXPECT_NEAR(way.large_kib_per_second, way.depth <= 4 ? 64000.0 * way.depth : 0, 1000);
  }
  // A write, the rest of the sync in flight then, and the next one.
  const log::CalibratedWay& prefix = made->ways[5];
  EXPECT_EQ(prefix.durable_writes, DurableWrites::kPerPrefix);
  EXPECT_GE(prefix.latency, 350us);
  EXPECT_LE(prefix.latency, 650us);
  EXPECT_GT(prefix.writes_per_second, 2 / 300e-6) << "a sync serves several";
}

TEST_F(CalibrationTest, FindsThatOneSyncForManyIsCheaper) {
  make_log();
  // Durable writes wait for each other, with two flushes each; one sync serves all before it.
  world.pace = [](const PacedRequest& request) -> std::chrono::nanoseconds {
    return request.sync ? 100us : 10us + (request.durable ? 200us * request.writes : 0us);
  };
  const auto made = log::calibrate(kDirectory, calibrate_options());
  ASSERT_TRUE(made) << made.status().to_string();
  EXPECT_EQ(made->durable_writes, DurableWrites::kPerPrefix);
}

TEST_F(CalibrationTest, ANoisyTieKeepsTheDefault) {
  make_log();
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    // All depths alike, and every few milliseconds the device is up to a third slower.
    world.pace = [&](const PacedRequest& request) -> std::chrono::nanoseconds {
      const auto writes = std::max(1U, request.writes);
      const auto base = request.sync      ? 600us
                        : request.durable ? 400us * writes / (writes + 1)
                                          : 50us;
      sim::Random chance(seed * 1000 +
                         static_cast<std::uint64_t>(world.now.time_since_epoch() / 3ms));
      return base + base * chance.below(33) / 100;
    };
    const auto made = log::calibrate(kDirectory, calibrate_options(200ms));
    ASSERT_TRUE(made) << made.status().to_string();
    EXPECT_EQ(made->depth, log::kDefaultDepth) << seed << ": " << describe_choice(*made);
    EXPECT_EQ(made->durable_writes, DurableWrites::kPerWrite) << seed;
  }
}

TEST_F(CalibrationTest, IsKeptWithAllThatWasMeasuredAndFollowed) {
  make_log();
  world.pace = device(2, 100us);
  const auto made = log::calibrate(kDirectory, calibrate_options());
  ASSERT_TRUE(made) << made.status().to_string();
  for (int opening = 0; opening < 2; ++opening) {
    const log::LogInfo view = view_info(paced_options());
    const auto opened = log::Log::open(kDirectory, paced_options());
    ASSERT_TRUE(opened) << opened.status().to_string();
    for (const log::LogInfo& info : {view, (*opened)->info()}) {
      EXPECT_EQ(info.depth, 2U);
      EXPECT_EQ(info.depth_reason, "calibrated");
      EXPECT_EQ(info.storage.durable_writes_reason, "calibrated");
      EXPECT_EQ(info.calibration_note, "");
      ASSERT_TRUE(info.calibration.has_value());
      EXPECT_EQ(info.calibration->taken,
                std::chrono::floor<std::chrono::microseconds>(made->taken));
      EXPECT_EQ(info.calibration->file_system, "made up");
      EXPECT_EQ(info.calibration->device, 0x801U);
      EXPECT_EQ(describe_choice(*info.calibration), describe_choice(*made));
      ASSERT_EQ(info.calibration->ways.size(), made->ways.size());
      EXPECT_EQ(info.calibration->ways[3].latency, made->ways[3].latency);
    }
    ASSERT_TRUE((*opened)->close());
  }
  EXPECT_TRUE(verify_log(storage).notes.empty());
}

TEST_F(CalibrationTest, IsInBothSlotsOnReturn) {
  make_log();
  world.pace = device(2, 100us);
  ASSERT_TRUE(log::calibrate(kDirectory, calibrate_options()));
  for (const std::uint64_t slot : {std::uint64_t{0}, std::uint64_t{log::format::kBaseSlotStride}}) {
    const auto machine = storage->clone();
    machine->overwrite(kDirectory, "base.cairn", slot, Bytes(log::format::kBaseSlotStride));
    const auto view = log::LogView::open(kDirectory, manual_options(machine));
    ASSERT_TRUE(view) << view.status().to_string();
    EXPECT_TRUE((*view)->info().calibration.has_value());
  }
}

TEST_F(CalibrationTest, IsMadeWhenALogIsCreatedOnADeviceThatIsWorthIt) {
  storage = std::make_shared<sim::SimStorage>();
  world.pace = device(2, 100us);
  const auto begin = world.now;
  auto made = log::Log::create(kDirectory, {}, paced_options());
  ASSERT_TRUE(made) << made.status().to_string();
  EXPECT_LT(world.now - begin, 400ms) << "what a creation may take";
  ASSERT_TRUE((*made)->info().calibration.has_value());
  EXPECT_EQ((*made)->info().depth, 2U);
  EXPECT_FALSE(has_file(log::kCalibrationFileName));
}

TEST_F(CalibrationTest, IsNotMadeWhereItSaysNothingOrNobodyWantsIt) {
  for (const bool measurable : {false, true}) {
    storage = std::make_shared<sim::SimStorage>();
    world.info.measurable = measurable;
    log::CreateOptions create = small_log();
    create.calibrate = !measurable;
    auto made = log::Log::create(kDirectory, create, paced_options());
    ASSERT_TRUE(made) << made.status().to_string();
    EXPECT_FALSE((*made)->info().calibration.has_value());
    EXPECT_EQ((*made)->info().calibration_note, "");
    EXPECT_EQ((*made)->info().storage.durable_writes_reason, "the default");
  }
}

TEST_F(CalibrationTest, ThatCannotBeMadeIsNoErrorOfTheCreationAndInfoSaysWhy) {
  storage = std::make_shared<sim::SimStorage>();
  world.pace = [](const PacedRequest&) { return 100ms; };
  auto slow = log::Log::create(kDirectory, measured_log(), paced_options());
  ASSERT_TRUE(slow) << slow.status().to_string();
  EXPECT_NE((*slow)->info().calibration_note.find("the device is slow"), std::string::npos);
  EXPECT_FALSE((*slow)->info().calibration.has_value());
  EXPECT_FALSE(has_file(log::kCalibrationFileName));

  world.pace = [](const PacedRequest&) { return 0ns; };
  storage = std::make_shared<sim::SimStorage>();
  auto still = log::Log::create(kDirectory, measured_log(), paced_options());
  ASSERT_TRUE(still) << still.status().to_string();
  EXPECT_NE((*still)->info().calibration_note.find("the clock stands still"), std::string::npos);

  world.pace = device(2, 100us);
  sim::SimOptions full;
  full.capacity =
      log::kMinContainerSize + 64 * 1024;  // a container, and not the file to measure in
  storage = std::make_shared<sim::SimStorage>(full);
  auto small = log::Log::create(kDirectory, measured_log(), paced_options());
  ASSERT_TRUE(small) << small.status().to_string();
  EXPECT_NE((*small)->info().calibration_note, "");
  EXPECT_FALSE(has_file(log::kCalibrationFileName));
}

TEST_F(CalibrationTest, AWriteThatFailsMeanwhileEndsTheCreationAndLeavesNothing) {
  world.forgets.clear();
  storage = std::make_shared<sim::SimStorage>();
  world.pace = [this](const PacedRequest& request) -> std::chrono::nanoseconds {
    if (request.writes == 8) storage->inject({.kind = sim::FaultKind::kIoError});
    return 100us;
  };
  const auto made = log::Log::create(kDirectory, measured_log(), paced_options());
  EXPECT_EQ(made.code(), StatusCode::kIoError);
  EXPECT_TRUE(storage->list(kDirectory).empty());
}

TEST_F(CalibrationTest, OptionsGoBeforeIt) {
  make_log();
  world.pace = device(2, 100us);
  ASSERT_TRUE(log::calibrate(kDirectory, calibrate_options()));
  log::OpenOptions options = paced_options();
  options.depth = 5;
  options.durable_writes = DurableWrites::kPerPrefix;
  const log::LogInfo info = view_info(options);
  EXPECT_EQ(info.depth, 5U);
  EXPECT_EQ(info.depth_reason, "as asked for");
  EXPECT_EQ(info.storage.durable_writes, DurableWrites::kPerPrefix);
  EXPECT_EQ(info.storage.durable_writes_reason, "as asked for");
}

TEST_F(CalibrationTest, BlocksInMemoryAndTheStorageBoundTheDepth) {
  make_log();
  world.pace = [](const PacedRequest& request) -> std::chrono::nanoseconds {
    // The more at once, the faster: 16 is chosen.
    return request.sync ? 2ms : 1600us / std::max(1U, request.writes);
  };
  ASSERT_EQ(log::calibrate(kDirectory, calibrate_options(500ms))->depth, 16U);
  log::OpenOptions options = paced_options();
  EXPECT_EQ(view_info(options).depth, 14U) << "16 blocks are a quarter of a container";
  options.blocks = 8;
  const log::LogInfo info = view_info(options);
  EXPECT_EQ(info.depth, 6U);
  EXPECT_EQ(info.depth_reason, "calibrated: 16, of which 8 blocks in memory allow 6");
  world.depth = 3;
  const auto opened = log::Log::open(kDirectory, paced_options());
  ASSERT_TRUE(opened) << opened.status().to_string();
  EXPECT_EQ((*opened)->info().depth, 3U);
  EXPECT_EQ((*opened)->info().depth_reason, "all that the storage takes at once");
}

TEST_F(CalibrationTest, OfAnotherDeviceIsFollowedAndOfAnotherFileSystemIsNot) {
  make_log();
  world.pace = device(2, 100us);
  ASSERT_TRUE(log::calibrate(kDirectory, calibrate_options()));
  const log::StorageInfo measured = world.info;
  world.info.device = 0x802;
  log::LogInfo info = view_info(paced_options());
  EXPECT_EQ(info.depth, 2U);
  EXPECT_EQ(info.calibration_note,
            "measured on device 8:1, this is device 8:2: if that is another one, calibrate again");
  const std::function<void(log::StorageInfo&)> moves[] = {
      [](log::StorageInfo& to) { to.file_system = "other"; },
      [](log::StorageInfo& to) { to.kind = "posix"; },
      [](log::StorageInfo& to) { to.direct = false; }};
  for (const auto& move : moves) {
    world.info = measured;
    move(world.info);
    info = view_info(paced_options());
    EXPECT_EQ(info.depth, log::kDefaultDepth);
    EXPECT_EQ(info.depth_reason, "the default");
    EXPECT_EQ(
        info.calibration_note.rfind("not followed: measured with paced on made up, direct", 0), 0U);
    EXPECT_TRUE(info.calibration.has_value());
  }
}

TEST_F(CalibrationTest, IsDoneByAQueueThatTakesOneAtATime) {
  make_log();
  world.depth = 1;
  const auto made = log::calibrate(kDirectory, calibrate_options());
  ASSERT_TRUE(made) << made.status().to_string();
  EXPECT_EQ(made->depth, 1U);
  EXPECT_EQ(made->ways.size(), 2U);
}

TEST_F(CalibrationTest, WithoutATimeASlowDeviceIsMeasuredForLonger) {
  make_log();
  const auto took = [&](std::chrono::milliseconds each, std::chrono::milliseconds duration) {
    world.pace = [=](const PacedRequest&) { return each; };
    const auto begin = world.now;
    const auto made = log::calibrate(kDirectory, calibrate_options(duration));
    EXPECT_EQ(made.is_ok(), view_info(paced_options()).calibration.has_value());
    return std::pair(made.code(), world.now - begin);
  };
  EXPECT_EQ(took(30ms, 2s).first, StatusCode::kTimeout);
  // A time that all ends within a write or a few of.
  const auto never = took(10s, 0ms);
  EXPECT_EQ(never.first, StatusCode::kTimeout);
  EXPECT_LT(never.second, 200s);
  const auto slow = took(30ms, 0ms);
  EXPECT_EQ(slow.first, StatusCode::kOk);
  EXPECT_GT(slow.second, 2s);
  EXPECT_LT(slow.second, 12s);
  EXPECT_LT(took(1ms, 0ms).second, 2100ms);
}

TEST_F(CalibrationTest, RefusesWhatItCannotMeasureAndSaysWhy) {
  storage = std::make_shared<sim::SimStorage>();
  EXPECT_EQ(log::calibrate("nowhere", calibrate_options()).code(), StatusCode::kNotFound);
  EXPECT_EQ(log::calibrate("", calibrate_options()).code(), StatusCode::kNotFound);
  storage->add_file("other", "letter", Bytes(512));
  EXPECT_EQ(log::calibrate("other", calibrate_options()).code(), StatusCode::kNotALog);
  EXPECT_EQ(storage->list("other"), std::vector<std::string>{"letter"});
  make_log();
  for (const auto duration : {-1ms, 1ms, 49ms, 60001ms}) {
    EXPECT_EQ(log::calibrate(kDirectory, calibrate_options(duration)).code(),
              StatusCode::kInvalidArgument);
  }
  world.pace = [](const PacedRequest&) { return 10ms; };
  EXPECT_EQ(log::calibrate(kDirectory, calibrate_options(50ms)).code(), StatusCode::kTimeout);
  {
    const auto opened = log::Log::open(kDirectory, paced_options());
    ASSERT_TRUE(opened);
    log::CalibrateOptions impatient = calibrate_options();
    impatient.lock_wait = 0ms;
    EXPECT_EQ(log::calibrate(kDirectory, impatient).code(), StatusCode::kLocked);
  }
  storage->set_read_only(kDirectory, true);
  EXPECT_EQ(log::calibrate(kDirectory, calibrate_options()).code(), StatusCode::kPermissionDenied);
  storage->set_read_only(kDirectory, false);
  storage->set_capacity(1);
  EXPECT_EQ(log::calibrate(kDirectory, calibrate_options()).code(), StatusCode::kNoSpace);
  EXPECT_FALSE(has_file(log::kCalibrationFileName));
  EXPECT_FALSE(view_info(paced_options()).calibration.has_value());
}

// --- crashes and damage ---

TEST_F(CalibrationTest, ACrashAtEveryIoLeavesTheLogAndTheOldCalibrationOrTheNewOne) {
  make_log();
  world.forgets.clear();
  world.pace = device(2, 2ms);  // slow, so that few writes do
  const auto first = log::calibrate(kDirectory, calibrate_options(2s));
  ASSERT_TRUE(first);
  world.pace = device(64, 2ms);
  ExplorerOptions every;
  every.recovery_crash_every = every.append_crash_every = 25;
  CrashExplorer explorer(every);
  std::uint64_t points = 0;
  std::string violation;
  bool stale = false;
  std::map<std::uint32_t, int> seen;
  // The measuring itself is many I/Os of a kind: of those one in some hundred.
  storage->set_observer([&](const sim::IoEvent& event, const auto& frozen) {
    const bool measures = event.what.find(log::kCalibrationFileName) != std::string::npos;
    if ((measures && ++points % (401 * sim::sweep_stride(6)) != 1) || !violation.empty()) return;
    violation = explorer.explore(*frozen, model, event.what);
    for (std::uint64_t seed = 0; seed < 4; ++seed) {
      const auto after = frozen->after_crash(sim::survive_random(seed), seed);
      stale = stale || after->exists(kDirectory, log::kCalibrationFileName);
      log::OpenOptions options = paced_options();
      options.storage = std::make_shared<PacedStorage>(after, world);
      const auto opened = log::Log::open(kDirectory, options);
      ASSERT_TRUE(opened) << opened.status().to_string();
      ASSERT_TRUE((*opened)->info().calibration.has_value());
      ++seen[(*opened)->info().calibration->depth];
      EXPECT_FALSE(after->exists(kDirectory, log::kCalibrationFileName));
    }
  });
  const auto second = log::calibrate(kDirectory, calibrate_options(2s));
  storage->set_observer(nullptr);
  ASSERT_TRUE(second);
  EXPECT_EQ(violation, "");
  EXPECT_NE(first->depth, second->depth);
  EXPECT_EQ(seen.size(), 2U);
  EXPECT_GT(seen[second->depth], 0);
  EXPECT_TRUE(stale) << "a crash while measuring leaves the file";
  const auto after = storage->after_crash(sim::survive_none());
  EXPECT_EQ(
      log::LogView::open(kDirectory, manual_options(after)).value()->info().calibration->depth,
      second->depth)
      << "durable on return";
}

TEST_F(CalibrationTest, ACrashedCreationThatMeasuredIsClearedAway) {
  world.forgets.clear();
  world.pace = device(2, 500us);  // slow, so that few writes do
  int unfinished = 0;
  for (std::uint64_t at = 1;; at = at < 25 ? at + 1 : at + 401) {
    storage = std::make_shared<sim::SimStorage>();
    storage->crash_at(at);
    log::CreateOptions create = measured_log();
    if (log::Log::create(kDirectory, create, paced_options()).is_ok()) break;
    storage = storage->after_crash(sim::survive_all());
    if (has_file(log::kCalibrationFileName)) ++unfinished;
    create.calibrate = false;
    const auto made = log::Log::open_or_create(kDirectory, create, paced_options());
    ASSERT_TRUE(made) << at << ": " << made.status().to_string();
    EXPECT_FALSE(has_file(log::kCalibrationFileName));
  }
  EXPECT_GT(unfinished, 0);
}

TEST_F(CalibrationTest, WhatACrashLeftIsTakenAwayByTheNextCalibration) {
  make_log();
  storage->add_file(kDirectory, log::kCalibrationFileName, Bytes(512));
  const auto made = log::calibrate(kDirectory, calibrate_options());
  ASSERT_TRUE(made) << made.status().to_string();
  EXPECT_FALSE(has_file(log::kCalibrationFileName));
}

TEST_F(CalibrationTest, EveryBitOfBothDamagedIsACalibrationLostAndSaidSo) {
  make_log();
  ASSERT_TRUE(log::calibrate(kDirectory, calibrate_options()));
  constexpr std::uint64_t kOther = log::format::kBaseSlotStride;
  constexpr std::uint64_t kBits = sizeof(log::format::CalibrationBytes) * 8;
  for (std::uint64_t bit = 0; bit < kBits; bit += sim::sweep_stride(29)) {
    const std::uint64_t offset = log::format::kCalibrationOffset + bit / 8;
    for (const std::uint64_t slot : {std::uint64_t{0}, kOther}) {
      storage->flip_bit(kDirectory, "base.cairn", slot + offset, bit % 8);
      const log::LogInfo info = view_info(paced_options());
      EXPECT_EQ(info.calibration.has_value(), slot == 0) << "one of them is whole";
      EXPECT_EQ(info.end_of_log.label, log::EndLabel::kCleanClose);
    }
    EXPECT_NE(view_info(paced_options()).calibration_note.find("slot 1: calibration: expected "),
              std::string::npos);
    if (bit % 58 == 0) {
      const auto report = verify_log(storage);
      EXPECT_TRUE(report.damages.empty());
      ASSERT_EQ(report.notes.size(), 1U);
      EXPECT_NE(report.notes[0].find("how the device was calibrated is lost"), std::string::npos);
      const auto machine = storage->clone();
      EXPECT_TRUE(log::Log::open(kDirectory, manual_options(machine)));
    }
    for (const std::uint64_t slot : {std::uint64_t{0}, kOther}) {
      storage->flip_bit(kDirectory, "base.cairn", slot + offset, bit % 8);
    }
  }
}

TEST_F(CalibrationTest, StaysWithTheLogThroughUseAndGoesWithItsBaseLog) {
  make_log();
  world.pace = device(2, 100us);
  ASSERT_TRUE(log::calibrate(kDirectory, calibrate_options()));
  ASSERT_TRUE(reopen());
  ASSERT_TRUE(append(60'000, 300));  // through containers, with snapshots and base slots written
  close();
  EXPECT_EQ(view_info(paced_options()).depth, 2U);
  ASSERT_TRUE(log::archive(kDirectory, "archive", {storage}));
  ASSERT_TRUE(log::restore("archive", "copy", {storage}));
  EXPECT_FALSE(log::LogView::open("copy", manual_options(storage)).value()->info().calibration);
  storage->remove_file(kDirectory, "base.cairn");
  ASSERT_TRUE(log::rebuild_base_log(kDirectory, {.storage = storage}));
  const log::LogInfo info = view_info(paced_options());
  EXPECT_FALSE(info.calibration.has_value());
  EXPECT_EQ(info.depth, log::kDefaultDepth);
}

TEST_F(CalibrationTest, OfALogOfVersion1UpgradesItAndACrashInBetweenLeavesALogThatOpens) {
  make_log();
  write_slots_as_version(*storage, kDirectory, 1);
  storage->set_observer([&](const sim::IoEvent& event, const auto& frozen) {
    if (event.what.find("base.cairn") == std::string::npos) return;
    for (std::uint64_t seed = 0; seed < 4; ++seed) {
      const auto after = frozen->after_crash(sim::survive_random(seed), seed);
      EXPECT_TRUE(log::Log::open(kDirectory, manual_options(after)));
    }
  });
  ASSERT_TRUE(log::calibrate(kDirectory, calibrate_options()));
  storage->set_observer(nullptr);
  EXPECT_EQ(view_info(paced_options()).format_version, log::format::kFormatVersion);
  ASSERT_TRUE(reopen());
}

// --- the kernel's storages ---

class CalibrationOfTheKernels : public testing::TestWithParam<log::StorageKind> {};

TEST_P(CalibrationOfTheKernels, IsMadeKeptAndFollowed) {
  const auto made = log::make_storage(GetParam());
  if (!made) GTEST_SKIP() << made.status().to_string();
  // Its own: the storages' two cases run beside each other.
  const std::string path = testing::TempDir() + "cairn_calibration_" + Uuid::generate().to_string();
  log::OpenOptions options;
  options.storage = *made;
  options.background = log::Background::kManual;
  {
    auto log = log::Log::create(
        path, {.container_size = log::kMinContainerSize, .calibrate = false}, options);
    ASSERT_TRUE(log) << log.status().to_string();
  }
  // On a clock that goes on when it is looked at: how busy the machine is decides nothing.
  std::atomic<int> looks{0};
  const log::TimeSource clock = [&] {
    return std::chrono::steady_clock::time_point(looks.fetch_add(1) * 100us);
  };
  const auto calibrated =
      log::calibrate(path, {.storage = *made, .duration = 200ms, .time = clock});
  ASSERT_TRUE(calibrated) << calibrated.status().to_string();
  const auto view = log::LogView::open(path, options);
  ASSERT_TRUE(view);
  const log::LogInfo info = (*view)->info();
  ASSERT_TRUE(info.calibration.has_value());
  EXPECT_EQ(info.storage.durable_writes_reason, "calibrated");
  EXPECT_EQ(info.storage.durable_writes, calibrated->durable_writes);
  EXPECT_EQ(info.calibration->file_system, info.storage.file_system);
  EXPECT_NE(info.storage.device, 0U);
  EXPECT_FALSE(std::filesystem::exists(path + "/" + log::kCalibrationFileName));
  std::filesystem::remove_all(path);
}

INSTANTIATE_TEST_SUITE_P(Storages, CalibrationOfTheKernels,
                         testing::Values(log::StorageKind::kUring, log::StorageKind::kPosix),
                         [](const auto& instance) {
                           return instance.param == log::StorageKind::kUring ? "Uring" : "Posix";
                         });

}  // namespace
}  // namespace cairn::log_test
