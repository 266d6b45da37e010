// Power cuts on real file systems: all that the kernel wrote below ext4, XFS and btrfs is recorded,
// and recovered from as if the power had gone at any point of it. That a broken promise would be
// seen is shown with faults that are built in.
#include <stdlib.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cairn/torture/powercut.h>

#include "sim/test_budget.h"
#include "sim/test_counters.h"

namespace cairn::crash_test {
namespace {

using torture::PowercutFault;
using torture::PowercutOptions;
using torture::PowercutProcess;
using torture::PowercutReport;

// Explores all of it in processes beside each other, as most of the time is waiting.
class Powercut : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "/cairn_cuts_XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override {
    running_.clear();
    if (!HasFailure()) std::filesystem::remove_all(directory_);
  }

  void start(const std::string& file_system, PowercutFault fault, std::uint64_t budget) {
    const Status possible = torture::can_cut_power(file_system);
    if (possible.code() == StatusCode::kNotSupported) {
      std::printf("[ skipped  ] %s\n", possible.message().c_str());
      return;
    }
    PowercutOptions options;
    options.file_system = file_system;
    options.fault = fault;
    options.budget = budget;
    options.steps = 30;
    options.keep = directory_;
    auto process = PowercutProcess::start(options);
    ASSERT_TRUE(process) << process.status().to_string();
    running_.push_back(std::move(*process));
  }
  std::vector<PowercutReport> finish() {
    std::vector<PowercutReport> reports;
    for (const auto& process : running_) {
      Result<PowercutReport> report = process->finish();
      EXPECT_TRUE(report) << report.status().to_string();
      if (report) reports.push_back(std::move(*report));
    }
    return reports;
  }
  [[nodiscard]] bool nothing_runs() const { return running_.empty(); }

 private:
  std::string directory_;  // for disks; left behind with those that show a failure
  std::vector<std::unique_ptr<PowercutProcess>> running_;
};

TEST_F(Powercut, KeepsEveryPromiseOnEachFileSystem) {
  for (const std::string& name : torture::powercut_file_systems()) {
    start(name, PowercutFault::kNone, sim::budgeted(40));
  }
  if (nothing_runs()) GTEST_SKIP() << "no file system can be mounted here; see above";
  for (const PowercutReport& report : finish()) {
    std::printf("[ powercut ] %s: %llu states of %llu writes and %llu flushes, %llu transactions\n",
                report.file_system.c_str(), static_cast<unsigned long long>(report.all_states()),
                static_cast<unsigned long long>(report.writes),
                static_cast<unsigned long long>(report.flushes),
                static_cast<unsigned long long>(report.transactions));
    sim::TestCounters::get().add("power cuts on " + report.file_system, report.all_states());
    EXPECT_GT(report.transactions, 0U);
    for (const auto& violation : report.violations) {
      ADD_FAILURE() << report.file_system << ": " << violation.what << "\n"
                    << violation.state << "\nthe disk: " << violation.image;
    }
  }
}

// The name that is lost on each file system, whatever it makes durable beside what it is asked for,
// is that of an archive's manifest.
TEST_F(Powercut, FindsEachFaultThatIsBuiltIn) {
  start("ext4", PowercutFault::kNoFlush, 300);
  start("ext4", PowercutFault::kNoEpochBlock, 300);
  if (nothing_runs()) GTEST_SKIP() << "ext4 cannot be mounted here; see above";
  for (const std::string& name : torture::powercut_file_systems()) {
    start(name, PowercutFault::kNoDirectorySync, 300);
  }
  const std::vector<PowercutReport> reports = finish();
  for (const PowercutReport& report : reports) {
    ASSERT_FALSE(report.violations.empty())
        << report.file_system << ": after " << report.all_states() << " states";
    std::printf("[ powercut ] found on %s after %llu states: %s\n", report.file_system.c_str(),
                static_cast<unsigned long long>(report.all_states()),
                report.violations[0].what.c_str());
  }
  ASSERT_GE(reports.size(), 3U);
  EXPECT_THAT(reports[0].violations[0].what, testing::ContainsRegex("I1|T2|acknowledged"));
  for (std::size_t i = 2; i < reports.size(); ++i) {
    EXPECT_THAT(reports[i].violations[0].what,
                testing::ContainsRegex("the archive|the restored log|ContainerMissing"));
  }
  for (std::size_t i = 0; i < 3; ++i) {
    // The disk is kept as the power cut left it: the file system's magic is where ext4 has it.
    std::array<unsigned char, 2> magic{};
    std::FILE* disk = std::fopen(reports[i].violations[0].image.c_str(), "rb");
    ASSERT_NE(disk, nullptr) << reports[i].violations[0].image;
    EXPECT_EQ(std::fseek(disk, 1024 + 56, SEEK_SET), 0);
    EXPECT_EQ(std::fread(magic.data(), 1, magic.size(), disk), magic.size());
    std::fclose(disk);
    EXPECT_EQ(magic, (std::array<unsigned char, 2>{0x53, 0xEF}));
  }
}

TEST_F(Powercut, OfAFileSystemThatIsNotKnownIsRefused) {
  EXPECT_EQ(torture::can_cut_power("fat").code(), StatusCode::kInvalidArgument);
  PowercutOptions options;
  options.file_system = "fat";
  EXPECT_EQ(PowercutProcess::start(options).code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace cairn::crash_test
