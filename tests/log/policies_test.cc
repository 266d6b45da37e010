// Policies and containers: validated, kept, changed while open; made ahead, added, removed, given
// back.
#include <algorithm>
#include <chrono>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "log/sim_log_fixture.h"

namespace cairn::log_test {
namespace {

using log::ContainerState;
using log::kMinContainerSize;
using testing::HasSubstr;

class PoliciesTest : public SimLogTest {
 protected:
  void SetUp() override { create(); }

  log::Log& open_log() { return log->log(); }
  // The present policies with a change.
  Status change(const std::function<void(log::Policies&)>& edit) {
    log::Policies policies = open_log().policies();
    edit(policies);
    return open_log().set_policies(policies);
  }
  std::size_t count(ContainerState state) {
    return open_log().scan_containers({.state = state}).size();
  }
  std::uint64_t stalls() { return open_log().statistics().growth_stalls; }
};
using Policies = PoliciesTest;
using Containers = PoliciesTest;

// --- policies ---

TEST_F(Policies, EachIsCheckedAndNamedWithWhatIsExpected) {
  const std::uint64_t mib = kMinContainerSize;
  const struct {
    const char* name;
    std::function<void(log::Policies&)> edit;
  } cases[] = {
      {"max_size", [=](auto& p) { p.max_size = 5 * mib + 1; }},
      {"max_size", [=](auto& p) { p.max_size = 3 * mib; }},
      {"min_size", [=](auto& p) { p.min_size = mib / 2; }},
      {"min_size", [=](auto& p) { p.min_size = p.max_size + mib; }},
      {"growth", [](auto& p) { p.growth = 65; }},
      {"ahead", [](auto& p) { p.ahead = 0; }},
      {"ahead", [](auto& p) { p.ahead = 65; }},
      {"spare_max", [](auto& p) { p.spare_max = p.ahead - 1; }},
      {"spare_max", [](auto& p) { p.spare_max = 1025; }},
      {"spare_max", [](auto& p) { p.growth = p.spare_max = 0; }},
      {"shrink_percent", [](auto& p) { p.shrink_percent = 101; }},
      {"low_space_percent", [](auto& p) { p.low_space_percent = 91; }},
      {"restart_area", [](auto& p) { p.restart_area = 65'536 - 144 - 7; }},
  };
  const log::Policies before = open_log().policies();
  for (const auto& one : cases) {
    const Status status = change(one.edit);
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << one.name;
    EXPECT_THAT(status.message(), HasSubstr("policy " + std::string(one.name) + ": expected"));
    EXPECT_THAT(status.message(), HasSubstr("found"));
  }
  EXPECT_EQ(open_log().policies(), before);
}

log::Policies unusual() {
  log::Policies policies;
  policies.max_size = 9 * kMinContainerSize;
  policies.min_size = 3 * kMinContainerSize;
  policies.growth = 2;
  policies.ahead = 3;
  policies.spare_max = 7;
  policies.shrink_percent = 80;
  policies.low_space_percent = 15;
  policies.restart_area = 2000;
  return policies;
}

TEST_F(Policies, AreThereAgainAfterCloseAndAfterACrash) {
  ASSERT_TRUE(open_log().set_policies(unusual()));
  close();
  ASSERT_TRUE(reopen());
  EXPECT_EQ(open_log().policies(), unusual());
  EXPECT_EQ(open_log().info().policies, unusual());
  EXPECT_EQ(open_log().info().max_size, 9 * kMinContainerSize);
  ASSERT_TRUE(change([](auto& p) { p.ahead = 4; }));
  crash(sim::survive_none());
  ASSERT_TRUE(reopen());
  EXPECT_EQ(open_log().policies().ahead, 4U);
  const auto view = log::LogView::open(kDirectory, manual_options(storage));
  ASSERT_TRUE(view);
  EXPECT_EQ((*view)->info().policies.ahead, 4U);
}

TEST_F(Policies, OutliveTheContainerInWhichTheyWereSet) {
  ASSERT_TRUE(open_log().set_policies(unusual()));
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(append(50'000));
    ASSERT_TRUE(log->advance_base("s", log->model().highest));
    ASSERT_TRUE(open_log().run_background());
  }
  ASSERT_GT(open_log().info().tail, Lsn(2 * kMinContainerSize));
  crash(sim::survive_all());
  ASSERT_TRUE(reopen());
  EXPECT_EQ(open_log().policies(), unusual());
}

TEST_F(Policies, CanBeChangedInAFullLogAndARaisedMaximumEndsThat) {
  ASSERT_EQ(append(60'000, 1000).code(), StatusCode::kLogFull);
  ASSERT_TRUE(change([](auto& p) { p.max_size = 6 * kMinContainerSize; }));
  EXPECT_TRUE(append(60'000, 20));
  EXPECT_LE(open_log().info().space.containers, 6U);
}

TEST_F(Policies, ALoweredMaximumRemovesNothingAndLetsNothingBeAdded) {
  ASSERT_TRUE(change([](auto& p) { p.max_size = 8 * kMinContainerSize; }));
  ASSERT_TRUE(append(60'000, 80));
  const std::uint64_t before = open_log().info().space.containers;
  ASSERT_GT(before, 4U);
  ASSERT_TRUE(change([](auto& p) { p.max_size = 4 * kMinContainerSize; }));
  EXPECT_EQ(open_log().info().space.containers, before);
  EXPECT_EQ(append(60'000, 200).code(), StatusCode::kLogFull);
  EXPECT_EQ(open_log().info().space.containers, before);
  // What is recycled then goes, down to the maximum.
  ASSERT_TRUE(log->advance_base("s", log->model().highest));
  ASSERT_TRUE(open_log().run_background());
  EXPECT_LE(open_log().info().space.containers, 4U);
  EXPECT_TRUE(append(60'000, 10));
}

TEST_F(Policies, ALogThatMayNotGrowIsFullUntilContainersAreAddedByHand) {
  ASSERT_TRUE(change([](auto& p) { p.growth = 0; }));
  const Status status = append(60'000, 100);
  EXPECT_EQ(status.code(), StatusCode::kLogFull);
  EXPECT_THAT(status.message(), HasSubstr("policies let it not grow"));
  ASSERT_TRUE(open_log().run_background());
  EXPECT_EQ(open_log().info().space.free_containers, 0U);
  ASSERT_TRUE(open_log().add_containers(1));
  EXPECT_TRUE(append(60'000, 10));
}

TEST_F(Policies, OfAClosedOrPoisonedLogCannotBeChanged) {
  storage->inject({.on = sim::IoKind::kCompleteWrite});
  EXPECT_EQ(append(100).code(), StatusCode::kIndeterminate);
  EXPECT_EQ(open_log().set_policies(unusual()).code(), StatusCode::kPoisoned);
  EXPECT_EQ(open_log().add_containers(1).code(), StatusCode::kPoisoned);
  EXPECT_EQ(open_log().remove_containers(0).code(), StatusCode::kPoisoned);
  EXPECT_EQ(open_log().close().code(), StatusCode::kPoisoned);
  EXPECT_EQ(open_log().set_policies(unusual()).code(), StatusCode::kClosed);
  EXPECT_EQ(open_log().add_containers(1).code(), StatusCode::kClosed);
  EXPECT_EQ(open_log().remove_containers(1).code(), StatusCode::kClosed);
}

// --- containers by hand ---

TEST_F(Containers, AreAddedAndRemovedWithinTheBounds) {
  EXPECT_EQ(count(ContainerState::kFree), 0U);
  ASSERT_TRUE(open_log().add_containers(3));
  EXPECT_EQ(count(ContainerState::kFree), 3U);
  Status status = open_log().add_containers(1);
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(status.message(), HasSubstr("maximum of 4"));
  ASSERT_TRUE(change([](auto& p) { p.max_size = 0; }));
  status = open_log().add_containers(2);
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(status.message(), HasSubstr("policy spare_max"));
  EXPECT_EQ(count(ContainerState::kFree), 3U) << "all or nothing";
  status = open_log().remove_containers(3);
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(status.message(), HasSubstr("expected at most 2, found 3"));
  ASSERT_TRUE(open_log().remove_containers(2));
  EXPECT_EQ(count(ContainerState::kFree), 1U);
  EXPECT_EQ(storage->list(kDirectory).size(), 3U) << "base log, container, spare";
  ASSERT_TRUE(append(50'000, 60));
}

TEST_F(Containers, OnAFullDiskAreNotAddedAndNothingIsLeftBehind) {
  storage->set_capacity(std::uint64_t{5} << 19);  // two and a half
  const Status status = open_log().add_containers(3);
  EXPECT_EQ(status.code(), StatusCode::kNoSpace);
  EXPECT_EQ(count(ContainerState::kFree), 1U);
  EXPECT_EQ(storage->list(kDirectory).size(), 3U);
}

TEST_F(Containers, ThatReservationsNeedAreNotRemoved) {
  ASSERT_TRUE(open_log().add_containers(3));
  auto stream = open_log().open_stream("s").value();
  log::Reservation room = stream.reserve(40, 2 * kMinContainerSize).value();
  EXPECT_EQ(open_log().remove_containers(2).code(), StatusCode::kResourceExhausted);
  room.release();
  EXPECT_TRUE(open_log().remove_containers(2));
}

TEST_F(Containers, AreScannedWithStateNumberAndFile) {
  ASSERT_TRUE(append(50'000, 45));
  ASSERT_TRUE(open_log().run_background());
  EXPECT_EQ(count(ContainerState::kActive), 1U);
  EXPECT_EQ(count(ContainerState::kInactive), 2U);
  const auto all = open_log().scan_containers();
  ASSERT_GE(all.size(), 4U);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(all[i].number, i);
    EXPECT_EQ(all[i].state, i == 2 ? ContainerState::kActive : ContainerState::kInactive);
    EXPECT_TRUE(storage->exists(kDirectory, all[i].file)) << all[i].file;
  }
  const auto some = open_log().scan_containers({.from = 1, .to = 2, .newest_first = true});
  ASSERT_EQ(some.size(), 2U);
  EXPECT_EQ(some[0].number, 2U);
  EXPECT_EQ(open_log().scan_containers({.at_most = 1}).size(), 1U);
}

// --- ahead of need ---

TEST_F(Containers, ThatAreKeptAheadSpareABurstEveryStall) {
  ASSERT_TRUE(change([](auto& p) {
    p.max_size = 0;
    p.ahead = 6;
    p.spare_max = 12;
  }));
  ASSERT_TRUE(open_log().run_background());
  EXPECT_EQ(open_log().info().space.free_containers, 6U);
  // Four containers and a half at once: nobody makes any meanwhile.
  ASSERT_TRUE(append(60'000, 75, {}));
  ASSERT_GE(log->model().highest, Lsn(4 * kMinContainerSize));
  EXPECT_EQ(stalls(), 0U);
  ASSERT_TRUE(open_log().run_background());
  EXPECT_GE(open_log().info().space.free_containers, 6U);
}

TEST_F(Containers, AreKeptFurtherAheadAfterABurstThatStalled) {
  ASSERT_TRUE(change([](auto& p) {
    p.max_size = 0;
    p.spare_max = 20;
  }));
  ASSERT_TRUE(open_log().run_background());
  ASSERT_TRUE(append(60'000, 75, {}));
  const std::uint64_t first = stalls();
  EXPECT_GT(first, 0U);
  // The same burst again finds what the first one missed.
  ASSERT_TRUE(open_log().run_background());
  ASSERT_TRUE(append(60'000, 75, {}));
  EXPECT_EQ(stalls(), first);
}

TEST_F(Containers, AreMadeAsManyAtATimeAsThePolicySays) {
  ASSERT_TRUE(change([](auto& p) {
    p.max_size = 0;
    p.growth = 4;
    p.ahead = 1;
    p.spare_max = 8;
  }));
  ASSERT_TRUE(open_log().run_background());
  EXPECT_EQ(open_log().info().space.free_containers, 4U);
  ASSERT_TRUE(append(60'000, 40));  // two of them
  ASSERT_TRUE(open_log().run_background());
  EXPECT_EQ(open_log().info().space.free_containers, 2U) << "not before they are used up";
}

TEST_F(Containers, AreMadeUpToTheMinimumAndNotRemovedBelowIt) {
  ASSERT_TRUE(change([](auto& p) {
    p.min_size = 4 * kMinContainerSize;
    p.shrink_percent = 1;
  }));
  ASSERT_TRUE(open_log().run_background());
  EXPECT_EQ(open_log().info().space.containers, 4U);
  ASSERT_TRUE(open_log().run_background());
  EXPECT_EQ(open_log().remove_containers(1).code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(open_log().info().space.containers, 4U);
}

TEST_F(Containers, BeyondTheBoundOfThePoolAreRemovedWhenRecycled) {
  ASSERT_TRUE(change([](auto& p) {
    p.max_size = 0;
    p.spare_max = 3;
  }));
  ASSERT_TRUE(append(60'000, 150));
  ASSERT_TRUE(log->advance_base("s", log->model().highest));
  ASSERT_TRUE(open_log().run_background());
  EXPECT_EQ(open_log().info().space.free_containers, 3U);
  EXPECT_LE(storage->list(kDirectory).size(), 6U);
  ASSERT_TRUE(change([](auto& p) {
    p.ahead = 1;
    p.shrink_percent = 20;
  }));
  ASSERT_TRUE(open_log().run_background());
  EXPECT_EQ(open_log().info().space.free_containers, 1U) << "shrunk to what is kept ahead";
}

TEST_F(Containers, AreMadeAnewAndNeverRecycledWithoutAPool) {
  ASSERT_TRUE(change([](auto& p) {
    p.max_size = 0;
    p.spare_max = 0;
  }));
  for (int round = 0; round < 3; ++round) {
    ASSERT_TRUE(append(60'000, 50));  // three of them
    ASSERT_TRUE(log->advance_base("s", log->model().highest));
    ASSERT_TRUE(open_log().run_background());
    EXPECT_EQ(open_log().info().space.free_containers, open_log().policies().ahead);
    EXPECT_EQ(open_log().add_containers(1).code(), StatusCode::kResourceExhausted);
    EXPECT_LE(storage->list(kDirectory).size(), 5U) << "what the tail passed is not there";
  }
  EXPECT_EQ(open_log().statistics().containers_recycled, 0U);
  EXPECT_GE(open_log().statistics().containers_made, 9U);
}

TEST_F(Containers, AreNotRecycledForTheMinimumWithoutAPool) {
  ASSERT_TRUE(change([](auto& p) {
    p.max_size = 0;
    p.spare_max = 0;
    p.min_size = 8 * kMinContainerSize;
  }));
  for (int round = 0; round < 3; ++round) {
    ASSERT_TRUE(append(60'000, 50));  // three of them
    ASSERT_TRUE(log->advance_base("s", log->model().highest));
    ASSERT_TRUE(open_log().run_background());
  }
  EXPECT_EQ(open_log().statistics().containers_recycled, 0U);
}

// With threads: the maker keeps up by itself, and close ends it.
TEST(ContainersInTheBackground, AreMadeWithoutAnyoneAsking) {
  const auto storage = std::make_shared<sim::SimStorage>();
  log::OpenOptions options = manual_options(storage);
  options.background = log::Background::kThread;
  log::CreateOptions create = small_log();
  create.max_size = 0;
  auto made = log::Log::create(kDirectory, create, options);
  ASSERT_TRUE(made);
  auto stream = (*made)->create_stream("s").value();
  for (int i = 0; i < 60; ++i) {
    ASSERT_TRUE(stream.append(Bytes(60'000), durable()));
    while ((*made)->info().space.free_containers < (*made)->info().space.wanted_ahead) {
      std::this_thread::yield();
    }
  }
  EXPECT_EQ((*made)->statistics().growth_stalls, 0U);
  EXPECT_TRUE((*made)->close());
}

}  // namespace
}  // namespace cairn::log_test
