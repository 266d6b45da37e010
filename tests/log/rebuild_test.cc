// rebuild_base_log(): a base log from the containers alone, or a refusal that names what is wrong
// with them.
#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cairn/rebuild.h>

#include "log/sim_log_fixture.h"
#include "sim/test_budget.h"

namespace cairn::log_test {
namespace {

namespace format = log::format;
using testing::HasSubstr;

class Rebuild : public SimLogTest {
 protected:
  void SetUp() override { create(small_log(8)); }

  // Two containers, the first one sealed, with a restart area in each.
  void fill() {
    ASSERT_TRUE(log->write_restart_area("s", Bytes(20), Lsn()));
    ASSERT_TRUE(append(50'000, 21));
    ASSERT_TRUE(log->log().run_background());
    ASSERT_TRUE(append(100, 10));
    ASSERT_TRUE(log->write_restart_area("s", Bytes(50, std::byte{1}), Lsn()));
    ASSERT_TRUE(append(1000, 5));
  }

  Result<log::RebuildReport> rebuild(
      const std::shared_ptr<sim::SimStorage>& on, bool replace_sound = false,
      std::chrono::milliseconds lock_wait = log::RebuildOptions().lock_wait) {
    log::RebuildOptions options;
    options.storage = on;
    options.replace_sound = replace_sound;
    options.lock_wait = lock_wait;
    return log::rebuild_base_log(kDirectory, options);
  }

  void lose_base_log() { storage->remove_file(kDirectory, format::kBaseFileName); }

  // Loses the base log in every way there is; each time the log is what it was.
  void expect_rebuilt_whatever_happened_to_the_base_log() {
    const auto image = storage;
    const Bytes garbage(5000, std::byte{0xA5});
    const std::vector<std::function<void()>> losses{
        [&] { lose_base_log(); },
        [&] { storage->truncate(kDirectory, format::kBaseFileName, 0); },
        [&] { storage->truncate(kDirectory, format::kBaseFileName, 100); },
        [&] { storage->overwrite(kDirectory, format::kBaseFileName, 0, garbage); },
        [&] {
          storage->flip_bit(kDirectory, format::kBaseFileName, 30, 3);
          storage->flip_bit(kDirectory, format::kBaseFileName, 4096 + 30, 3);
        },
    };
    for (std::size_t i = 0; i < losses.size(); ++i) {
      SCOPED_TRACE("loss " + std::to_string(i));
      storage = image->clone();
      const log::EndLabel label = verify_log(storage).end_of_log.label;
      losses[i]();
      const auto report = rebuild(storage);
      ASSERT_TRUE(report) << report.status().to_string();
      EXPECT_EQ(report->end_of_log.label, label);
      EXPECT_TRUE(verify_log(storage->clone()).damages.empty());
      ASSERT_TRUE(reopen());
      EXPECT_EQ(end.label, label);
      ASSERT_TRUE(append(100)) << "it goes on";
      crash(sim::survive_none());
      ASSERT_TRUE(reopen());
      crash(sim::survive_none());
      model = initial_;
    }
    storage = image;
  }

  void close() {
    SimLogTest::close();
    initial_ = model;
  }
  void crash_now() {
    crash(sim::survive_none());
    initial_ = model;
  }
  LogModel initial_;

  // The base log is lost, `change` happens to the containers: it is refused, and nothing is
  // written.
  void expect_refused(StatusCode code, const std::vector<std::string>& named,
                      const std::function<void()>& change) {
    change();
    lose_base_log();
    const auto before = storage->clone();
    const auto report = rebuild(storage);
    EXPECT_EQ(report.code(), code) << report.status().to_string();
    for (const std::string& text : named) {
      EXPECT_THAT(report.status().message(), HasSubstr(text));
    }
    ASSERT_EQ(storage->list(kDirectory), before->list(kDirectory));
    for (const std::string& file : before->list(kDirectory)) {
      EXPECT_EQ(storage->read_image(kDirectory, file), before->read_image(kDirectory, file))
          << file;
    }
  }
};

constexpr char kFirstText[] = "container-0000000000000000.cairn";
constexpr char kSecondText[] = "container-0000000000000001.cairn";
constexpr char kThird[] = "container-0000000000000002.cairn";

// --- what it finds ---

TEST_F(Rebuild, OfAClosedLog) {
  fill();
  close();
  expect_rebuilt_whatever_happened_to_the_base_log();
}

TEST_F(Rebuild, OfALogWithoutARecord) {
  close();
  expect_rebuilt_whatever_happened_to_the_base_log();
}

TEST_F(Rebuild, OfALogThatWasNotClosed) {
  fill();
  crash_now();
  expect_rebuilt_whatever_happened_to_the_base_log();
}

TEST_F(Rebuild, OfALogThatWasTruncated) {
  fill();
  ASSERT_TRUE(
      log->truncate_after(std::next(log->model().streams.at("s").records.begin(), 5)->first));
  ASSERT_TRUE(append(100, 3));
  crash_now();
  expect_rebuilt_whatever_happened_to_the_base_log();
}

TEST_F(Rebuild, OfALogWhoseContainersWereRecycled) {
  fill();
  ASSERT_TRUE(append(50'000, 60));
  ASSERT_TRUE(log->advance_base("s", log->model().highest));
  ASSERT_TRUE(log->log().run_background());
  ASSERT_TRUE(append(100, 2));
  ASSERT_FALSE(storage->exists(kDirectory, kFirstText));
  close();
  expect_rebuilt_whatever_happened_to_the_base_log();
}

// A crash while files before the tail are given up leaves some of them, under either name.
TEST_F(Rebuild, WithSparesAndContainersBeforeTheTailLyingAround) {
  fill();
  ASSERT_TRUE(append(50'000, 60));
  const auto before = storage->clone();
  ASSERT_TRUE(log->advance_base("s", log->model().highest));
  ASSERT_TRUE(log->log().run_background());
  close();
  storage->add_file(kDirectory, kFirstText, before->read_image(kDirectory, kFirstText));
  storage->add_file(kDirectory, "spare-1.cairn", before->read_image(kDirectory, kSecondText));
  storage->add_file(kDirectory, "new-1.tmp", Bytes(512));
  expect_rebuilt_whatever_happened_to_the_base_log();
}

TEST_F(Rebuild, LeavesOutTheFileThatWasJustBecomingAContainer) {
  fill();
  const Bytes earlier_life = storage->read_image(kDirectory, kFirstText);
  ASSERT_TRUE(log->advance_base("s", log->model().highest));
  ASSERT_TRUE(log->write_restart_area("s", Bytes(1), Lsn::invalid()));
  ASSERT_TRUE(log->write_restart_area("s", Bytes(2), Lsn::invalid()));
  ASSERT_TRUE(log->log().run_background());
  crash(sim::survive_all());
  initial_ = model;
  ASSERT_FALSE(storage->exists(kDirectory, kFirstText));
  if (storage->exists(kDirectory, kThird)) storage->remove_file(kDirectory, kThird);
  const auto image = storage;
  const Bytes zeros(log::kMinContainerSize);
  const Bytes sevens(log::kMinContainerSize, std::byte{7});
  for (const Bytes& content : {zeros, sevens, earlier_life}) {
    storage = image->clone();
    storage->add_file(kDirectory, kThird, content);
    expect_rebuilt_whatever_happened_to_the_base_log();
  }
}

// --- what it refuses ---

TEST_F(Rebuild, ASoundBaseLogIsReplacedOnlyWhenAskedFor) {
  fill();
  close();
  EXPECT_EQ(rebuild(storage).code(), StatusCode::kAlreadyExists);
  const std::uint64_t generation = read_base_slot(*storage, kDirectory).generation;
  ASSERT_TRUE(rebuild(storage, true));
  EXPECT_GT(read_base_slot(*storage, kDirectory).generation, generation);
  ASSERT_TRUE(reopen());
}

TEST_F(Rebuild, ALogThatIsOpenIsLeftAlone) {
  log::RebuildOptions options;
  options.storage = storage;
  options.replace_sound = true;
  options.lock_wait = std::chrono::milliseconds(0);
  EXPECT_EQ(log::rebuild_base_log(kDirectory, options).code(), StatusCode::kLocked);
}

// Its base log was removed under it, and it goes on.
TEST_F(Rebuild, ALogThatIsOpenWithoutItsBaseLogIsLeftAlone) {
  fill();
  lose_base_log();
  EXPECT_EQ(rebuild(storage, false, std::chrono::milliseconds(0)).code(), StatusCode::kLocked);
  EXPECT_FALSE(storage->exists(kDirectory, format::kBaseFileName));
}

TEST_F(Rebuild, WithoutABaseLogKeepsOthersAway) {
  fill();
  close();
  lose_base_log();
  const auto directory = storage->open_directory(kDirectory, false).value();
  // What a rebuild holds while it works.
  auto held = directory->lock(storage->list(kDirectory).front(), {}).value();
  EXPECT_EQ(rebuild(storage, false, std::chrono::milliseconds(0)).code(), StatusCode::kLocked);
  held.reset();
  ASSERT_TRUE(rebuild(storage));
  held = directory->lock(storage->list(kDirectory).back(), {}).value();
  EXPECT_EQ(log::Log::open(kDirectory, manual_options(storage)).code(), StatusCode::kLocked);
  held.reset();
  ASSERT_TRUE(reopen());
}

TEST_F(Rebuild, ADirectoryWithoutContainersIsNoLog) {
  close();
  expect_refused(StatusCode::kNotALog, {"no containers"}, [&] {
    for (const std::string& file : storage->list(kDirectory)) {
      if (file.starts_with("container-")) storage->remove_file(kDirectory, file);
    }
  });
}

TEST_F(Rebuild, DamageIsNamedAndNothingWritten) {
  fill();
  close();
  const ImageBlock block = read_image(*storage, kDirectory)[0].blocks[3];
  expect_refused(StatusCode::kCorrupt, {kFirstText, block.lsn.to_string()},
                 [&] { zero_sector(block); });
}

TEST_F(Rebuild, AContainerThatIsMissingIsNamed) {
  fill();
  close();
  expect_refused(StatusCode::kContainerMissing, {kFirstText, "found no sound one"},
                 [&] { storage->remove_file(kDirectory, kFirstText); });
}

TEST_F(Rebuild, ADamagedHeaderIsNamed) {
  fill();
  close();
  expect_refused(StatusCode::kContainerMissing, {kFirstText, "checksum"},
                 [&] { storage->flip_bit(kDirectory, kFirstText, 20, 1); });
}

TEST_F(Rebuild, AContainerOfAnotherLogIsNamedWithBothLogs) {
  fill();
  const std::string id = log->log().info().id.to_string();
  close();
  const auto other = std::make_shared<sim::SimStorage>();
  const auto opened = log::Log::create(kDirectory, small_log(), manual_options(other));
  ASSERT_TRUE(opened);
  expect_refused(StatusCode::kCorrupt,
                 {kFirstText, "expected a container of log " + id,
                  "found one of log " + (*opened)->info().id.to_string()},
                 [&] {
                   storage->overwrite(kDirectory, kFirstText, 0,
                                      other->read_image(kDirectory, kFirstText));
                 });
}

TEST_F(Rebuild, SwappedContainersAreNamed) {
  fill();
  close();
  expect_refused(StatusCode::kCorrupt,
                 {kFirstText, kSecondText, "expected container 0", "found container 1"}, [&] {
                   storage->rename_file(kDirectory, kFirstText, "x");
                   storage->rename_file(kDirectory, kSecondText, kFirstText);
                   storage->rename_file(kDirectory, "x", kSecondText);
                 });
}

TEST_F(Rebuild, ADoubledContainerIsNamed) {
  fill();
  close();
  const std::string doubled = "container-0000000000000009.cairn";
  expect_refused(StatusCode::kCorrupt, {doubled, kSecondText, "is the same container"},
                 [&] { storage->copy_file(kDirectory, kSecondText, doubled); });
}

TEST_F(Rebuild, AContainerCutShortIsNamed) {
  fill();
  close();
  expect_refused(StatusCode::kContainerSize, {kFirstText, "found 524288"},
                 [&] { storage->truncate(kDirectory, kFirstText, log::kMinContainerSize / 2); });
}

// --- crashes ---

TEST_F(Rebuild, ACrashAtEveryIoLeavesALogThatCanBeRebuiltAgain) {
  fill();
  crash_now();
  const auto image = storage;
  for (const bool file_gone : {true, false}) {
    const auto lost = image->clone();
    if (file_gone) {
      lost->remove_file(kDirectory, format::kBaseFileName);
    } else {
      for (const std::uint64_t slot : {0, 4096}) {
        lost->flip_bit(kDirectory, format::kBaseFileName, slot + 30, 3);
      }
    }
    const auto counted = lost->clone();
    ASSERT_TRUE(rebuild(counted));
    const std::uint64_t ios = counted->io_count();
    ASSERT_GE(ios, 6U);
    for (std::uint64_t io = 1; io <= ios; io += sim::sweep_stride(3)) {
      for (std::uint64_t seed = 0; seed < 4; ++seed) {
        const auto machine = lost->clone();
        machine->crash_at(io);
        EXPECT_FALSE(rebuild(machine));
        storage = machine->after_crash(sim::survive_random(seed), seed);
        const auto again = rebuild(storage);
        ASSERT_TRUE(again || again.code() == StatusCode::kAlreadyExists)
            << "I/O " << io << ": " << again.status().to_string();
        ASSERT_TRUE(reopen()) << "I/O " << io;
        crash(sim::survive_none());
        model = initial_;
      }
    }
  }
}

}  // namespace
}  // namespace cairn::log_test
