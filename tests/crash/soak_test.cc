// What a soak holds against what it finds: each broken promise and each bound is seen.
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cairn/torture/append_knowledge.h>
#include <cairn/torture/soak.h>
#include <cairn/torture/soak_bounds.h>

#include "crash/faulty_world.h"
#include "kill_messages.h"
#include "soak_machine.h"

namespace cairn::crash_test {
namespace {

using testing::HasSubstr;
using torture::SoakBounds;
using torture::SoakMachine;
using torture::SoakSample;
using torture::SoakTransactions;

// --- bounds ---

SoakBounds small_bounds() {
  SoakBounds bounds;
  bounds.memory_bytes = 1000;
  bounds.descriptors = 10;
  bounds.disk_bytes = 5000;
  bounds.recovery_cpu_ms = 100;
  return bounds;
}

SoakSample sample_at_the_bounds() {
  SoakSample sample;
  sample.seconds = 7;
  sample.life = 3;
  sample.memory_bytes = 1000;
  sample.descriptors = 10;
  sample.disk_bytes = 5000;
  sample.recovery_cpu_ms = 100;
  sample.recovery_wall_ms = 99'999;
  return sample;
}

TEST(SoakBounds, AreKeptUpToTheirValueWhateverTheClockSays) {
  EXPECT_EQ(torture::beyond(small_bounds(), sample_at_the_bounds()), "");
}

TEST(SoakBounds, EachIsSeenWhenItIsPassed) {
  SoakSample sample = sample_at_the_bounds();
  ++sample.memory_bytes;
  EXPECT_EQ(
      torture::beyond(small_bounds(), sample),
      "bound: bytes of resident memory: expected at most 1000, found 1001 in life 3 after 7 s");
  sample = sample_at_the_bounds();
  ++sample.descriptors;
  EXPECT_THAT(torture::beyond(small_bounds(), sample),
              HasSubstr("descriptors: expected at most 10"));
  sample = sample_at_the_bounds();
  ++sample.disk_bytes;
  EXPECT_THAT(torture::beyond(small_bounds(), sample), HasSubstr("disk: expected at most 5000"));
  sample = sample_at_the_bounds();
  sample.recovery_cpu_ms += 1;
  EXPECT_THAT(torture::beyond(small_bounds(), sample), HasSubstr("recovery: expected at most 100"));
}

std::vector<SoakSample> life_of(std::size_t count, std::uint64_t memory_step,
                                std::uint64_t descriptor_step) {
  std::vector<SoakSample> life(count);
  for (std::size_t i = 0; i < count; ++i) {
    life[i].life = 1;
    life[i].memory_bytes = (std::uint64_t{30} << 20) + i * memory_step;
    life[i].descriptors = 50 + i * descriptor_step;
  }
  return life;
}

TEST(SoakBounds, WhatGoesOnGrowingIsSeenInALongLife) {
  constexpr std::size_t kLong = 4 * torture::kGrowthSamples;
  EXPECT_EQ(torture::growth(life_of(kLong, 1000, 0)), "");
  EXPECT_THAT(torture::growth(life_of(kLong, 200'000, 0)),
              HasSubstr("memory (bytes) of life 1 grew"));
  EXPECT_THAT(torture::growth(life_of(kLong, 0, 1)), HasSubstr("descriptors of life 1 grew"));
  EXPECT_EQ(torture::growth(life_of(torture::kGrowthSamples - 1, 1 << 20, 9)), "") << "too short";
  // What a life takes at its beginning is no growth.
  std::vector<SoakSample> warm = life_of(kLong, 0, 0);
  for (std::size_t i = 0; i < kLong / 8; ++i) warm[i].memory_bytes = 1000;
  EXPECT_EQ(torture::growth(warm), "");
}

TEST(SoakCurve, StaysShortAndLosesNoPeak) {
  torture::SoakCurve curve;
  for (std::uint64_t i = 0; i < 50'000; ++i) {
    SoakSample sample;
    sample.seconds = static_cast<double>(i);
    sample.memory_bytes = i == 33'333 ? 777 : 10;
    curve.add(sample);
  }
  EXPECT_LE(curve.samples().size(), torture::SoakCurve::kMost);
  EXPECT_GE(curve.samples().size(), torture::SoakCurve::kMost / 2);
  std::uint64_t most = 0;
  double before = -1;
  for (const SoakSample& sample : curve.samples()) {
    most = std::max(most, sample.memory_bytes);
    EXPECT_GT(sample.seconds, before);
    before = sample.seconds;
  }
  EXPECT_EQ(most, 777U);
  EXPECT_EQ(curve.samples().front().seconds, 0);
}

// --- promises ---

class SoakTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "/cairn_soak_XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::unique_ptr<SoakMachine> open() {
    auto machine = SoakMachine::open(directory_, log::StorageKind::kPosix);
    EXPECT_TRUE(machine) << machine.status().to_string();
    return std::move(*machine);
  }
  static void commit(SoakMachine& machine, std::uint32_t worker, std::uint64_t before,
                     std::uint64_t number) {
    auto transaction = machine.manager().create_transaction();
    ASSERT_TRUE(transaction);
    ASSERT_TRUE(machine.work(*transaction, worker, before, number));
    const Status committed = transaction->commit();
    ASSERT_TRUE(committed) << committed.to_string();
  }
  static std::string violation(SoakMachine& machine, const SoakTransactions& asked) {
    const auto found = machine.check(asked);
    return found ? std::string() : found.status().message();
  }

  std::string directory_;
};

TEST_F(SoakTest, ALostAHalfAndAnUnaskedCommitAreSeen) {
  SoakTransactions asked{};
  {
    const auto machine = open();
    EXPECT_EQ(violation(*machine, asked), "");
    ASSERT_NO_FATAL_FAILURE(commit(*machine, 0, 0, 1));
    ASSERT_NO_FATAL_FAILURE(commit(*machine, 0, 1, 4));
    ASSERT_NO_FATAL_FAILURE(commit(*machine, 1, 0, 2));
    asked[0] = {4, 4, false};
    asked[1] = {2, 2, false};
    EXPECT_EQ(violation(*machine, asked), "");
    asked[1] = {0, 2, true};
    EXPECT_EQ(violation(*machine, asked), "") << "killed before the answer";
    asked[1] = {0, 2, false};
    EXPECT_THAT(violation(*machine, asked), HasSubstr("T3: what was rolled back")) << "told so";
    asked[1] = {2, 2, false};
    asked[0] = {5, 5, false};
    EXPECT_THAT(violation(*machine, asked), HasSubstr("T2: an acknowledged commit is lost"));
    asked[0] = {4, 4, false};
    ASSERT_TRUE(machine->send_away(SoakMachine::Member::kFiles, {}));
    ASSERT_TRUE(machine->send_away(SoakMachine::Member::kQueue, {}));
    EXPECT_EQ(violation(*machine, asked), "");
    ASSERT_TRUE(machine->close());
  }
  std::filesystem::copy_file(directory_ + "/tree/worker0", directory_ + "/saved");
  std::filesystem::remove(directory_ + "/tree/worker0");
  EXPECT_THAT(violation(*open(), asked), HasSubstr("T1: the queue of worker0"));
  std::ofstream(directory_ + "/tree/worker0") << "nobody wrote this";
  EXPECT_THAT(violation(*open(), asked), HasSubstr("T1: the file of worker0 holds what no"));
  const auto other = torture::payload_of(0, 3);
  std::ofstream(directory_ + "/tree/worker0", std::ios::trunc)
      .write(reinterpret_cast<const char*>(other.data()),
             static_cast<std::streamsize>(other.size()));
  EXPECT_THAT(violation(*open(), asked),
              HasSubstr("T1: the file of worker0 has transaction 3, its queue 4"));
}

TEST_F(SoakTest, RecordsThatAreLostOrWereNeverAppendedAreSeen) {
  const auto machine = open();
  auto stream = machine->appended().create_stream(torture::stream_name(0)).value();
  torture::AppendKnowledge known;
  log::AppendOptions durable;
  durable.durability = log::Durability::kDurable;
  Lsn newest;
  for (std::uint64_t number = 1; number <= 3; ++number) {
    newest = stream.append(torture::payload_of(0, number), durable).value();
    ASSERT_TRUE(known.acknowledged(0, number, newest));
  }
  EXPECT_TRUE(known.check(machine->appended()));
  torture::AppendKnowledge lied_to = known;
  ASSERT_TRUE(lied_to.acknowledged(0, 4, newest + 4096));
  EXPECT_THAT(lied_to.check(machine->appended()).message(), HasSubstr("I1: "));
  EXPECT_THAT(lied_to.acknowledged(0, 5, newest).message(), HasSubstr("I8: "));
  torture::AppendKnowledge later = known;
  later.ended_at(newest + 4096);
  EXPECT_THAT(later.acknowledged(0, 4, newest + 8).message(), HasSubstr("I8: "));
  const Lsn fifth = stream.append(torture::payload_of(0, 5), durable).value();
  EXPECT_THAT(known.check(machine->appended()).message(), HasSubstr("I2: "));
  ASSERT_TRUE(stream.advance_base(fifth));
  ASSERT_TRUE(stream.append(std::vector<std::byte>(40), durable));
  EXPECT_THAT(known.check(machine->appended()).message(), HasSubstr("I3: "));
  known.moving_base(0, Lsn(8));
  EXPECT_THAT(known.check(machine->appended()).message(), HasSubstr("I4: "));
}

// The command's own test does it for longer (CAIRN_TEST_SECONDS).
TEST_F(SoakTest, KeepsEveryPromiseForAMoment) {
  torture::SoakOptions options;
  options.directory = directory_ + "/soak";
  options.seconds = 1.2;
  options.seed = 3;
  options.bounds.memory_bytes = std::uint64_t{4} << 30;  // a sanitizer takes some for itself
  torture::Soak soak(options);
  ASSERT_TRUE(soak.prepare());
  std::uint64_t looks = 0;
  const Status kept = soak.run([&](const torture::SoakReport&) {
    ++looks;
    return true;
  });
  EXPECT_TRUE(kept) << kept.to_string();
  EXPECT_GT(looks, 0U);
  const torture::SoakReport& report = soak.report();
  EXPECT_GT(report.committed, 0U);
  EXPECT_EQ(report.lives, report.kills + report.closings);
  EXPECT_GT(report.most.recovery_cpu_ms, 0);
}

TEST_F(SoakTest, AFullDiskIsToldAndIsNoBrokenPromise) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root may mount a small file system";
  const std::string end = in_a_process([&]() -> std::string {
    if (const Status status = torture::enter_private_mounts(directory_); !status) {
      return status.to_string();
    }
    if (::mount(nullptr, directory_.c_str(), nullptr, MS_REMOUNT, "size=3m") != 0) return "mount";
    torture::SoakOptions options;
    options.directory = directory_ + "/soak";
    options.seconds = 5;
    torture::Soak soak(options);
    if (const Status status = soak.prepare(); !status) return status.to_string();
    return soak.run([](const torture::SoakReport&) { return true; }).to_string();
  });
  EXPECT_THAT(end, testing::StartsWith("NoSpace: life "));
}

TEST_F(SoakTest, EndsWhenItIsToldTo) {
  torture::SoakOptions options;
  options.directory = directory_ + "/soak";
  options.seconds = 1e9;
  torture::Soak soak(options);
  ASSERT_TRUE(soak.prepare());
  const Status kept = soak.run([](const torture::SoakReport&) { return false; });
  EXPECT_TRUE(kept) << kept.to_string();
  EXPECT_GE(soak.report().closings, 1U) << "with a last recovery";
}

TEST_F(SoakTest, TakesNoDirectoryThatHoldsSomething) {
  std::ofstream(directory_ + "/thing") << "x";
  torture::SoakOptions options;
  options.directory = directory_;
  EXPECT_EQ(torture::Soak(options).prepare().code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace cairn::crash_test
