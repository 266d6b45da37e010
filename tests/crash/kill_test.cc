// A real process on real files, killed at random: what it said was acknowledged is there.
#include <stdlib.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <string>

#include <gtest/gtest.h>

#include <cairn/torture/kill_loop.h>

#include "sim/test_budget.h"

namespace cairn::crash_test {
namespace {

class KillTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    kind_ =
        std::string(GetParam()) == "uring" ? log::StorageKind::kUring : log::StorageKind::kPosix;
    const auto storage = log::make_storage(kind_);
    if (storage.code() == StatusCode::kNotSupported) GTEST_SKIP() << storage.status().to_string();
    ASSERT_TRUE(storage) << storage.status().to_string();
    std::string pattern = testing::TempDir() + "/cairn_kill_XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override {
    if (!directory_.empty()) std::filesystem::remove_all(directory_);
  }

  log::StorageKind kind_ = log::StorageKind::kAuto;
  std::string directory_;
};

TEST_P(KillTest, AcknowledgedRecordsSurviveAnyNumberOfKills) {
  const std::uint64_t rounds = sim::budgeted(6);
  torture::KillLoop loop({.directory = directory_ + "/log",
                          .storage = kind_,
                          .seed = static_cast<std::uint64_t>(getpid())});
  for (std::uint64_t round = 0; round < rounds; ++round) {
    const Status kept = loop.round();
    ASSERT_TRUE(kept) << kept.to_string();
  }
  std::printf("[ kills    ] %llu kills, %llu records acknowledged\n",
              static_cast<unsigned long long>(rounds),
              static_cast<unsigned long long>(loop.acknowledged()));
  EXPECT_GT(loop.acknowledged(), 0U);
}

TEST_P(KillTest, LeavesALogOfSomebodyElseAlone) {
  log::CreateOptions create;
  create.calibrate = false;
  {
    auto log = log::Log::create(directory_ + "/log", create);
    ASSERT_TRUE(log) << log.status().to_string();
    ASSERT_TRUE((*log)->create_stream("orders"));
  }
  torture::KillLoop loop({.directory = directory_ + "/log", .storage = kind_});
  EXPECT_EQ(loop.round().code(), StatusCode::kInvalidArgument);
}

INSTANTIATE_TEST_SUITE_P(Storage, KillTest, testing::Values("uring", "posix"),
                         [](const auto& one) { return std::string(one.param); });

}  // namespace
}  // namespace cairn::crash_test
