// Logs of an older format version: they open, and are of the present version before anything new is
// in them.
#include <algorithm>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "log/log_image.h"
#include "log/sim_log_fixture.h"

namespace cairn::log_test {
namespace {

namespace format = log::format;

class FormatVersion : public SimLogTest {
 protected:
  // A closed log with three records, as version 1 left it.
  void SetUp() override {
    create();
    ASSERT_TRUE(append(100, 3));
    close();
    write_slots_as_version(*storage, kDirectory, 1);
  }

  // The versions of the two slots on disk.
  std::pair<int, int> versions(const sim::SimStorage& of) const {
    const Bytes bytes = of.read_image(kDirectory, format::kBaseFileName);
    return {static_cast<int>(bytes[4]), static_cast<int>(bytes[format::kBaseSlotStride + 4])};
  }
};

TEST_F(FormatVersion, OfVersion1OpensWithAllItsRecords) {
  ASSERT_TRUE(reopen());
  EXPECT_EQ(end.label, log::EndLabel::kCleanClose);
  ASSERT_TRUE(append(100));
  EXPECT_EQ(log->log().info().format_version, 2U);
  close();
  EXPECT_EQ(versions(*storage), std::pair(2, 2));
  EXPECT_TRUE(verify_log(storage).damages.empty());
}

TEST_F(FormatVersion, BothSlotsAreOfThePresentOneBeforeAContainerIsWritten) {
  int container_writes = 0;
  std::pair<int, int> seen{2, 2};
  storage->set_observer([&](const sim::IoEvent& event, const auto& frozen) {
    if (event.kind != sim::IoKind::kWrite || event.what.find("container-") == std::string::npos) {
      return;
    }
    ++container_writes;
    // What a power cut leaves at the least: what was synced.
    seen = std::min(seen, versions(*frozen->after_crash(sim::survive_none())));
  });
  ASSERT_TRUE(reopen());
  storage->set_observer(nullptr);
  EXPECT_GT(container_writes, 0) << "the epoch block";
  EXPECT_EQ(seen, std::pair(2, 2));
}

TEST_F(FormatVersion, ReadOnlyViewsLeaveItAsItIs) {
  const auto view = log::LogView::open(kDirectory, manual_options(storage));
  ASSERT_TRUE(view);
  EXPECT_EQ((*view)->info().format_version, 1U);
  EXPECT_TRUE(verify_log(storage).damages.empty());
  EXPECT_EQ(versions(*storage), std::pair(1, 1));
}

TEST_F(FormatVersion, ACrashAtAnyIoOfTheUpgradeLeavesALogThatOpens) {
  std::vector<std::shared_ptr<sim::SimStorage>> points;
  storage->set_observer([&](const sim::IoEvent&, const auto& frozen) { points.push_back(frozen); });
  {
    auto opened = log::Log::open(kDirectory, manual_options(storage));
    ASSERT_TRUE(opened) << opened.status().to_string();
    storage->set_observer(nullptr);
  }
  ASSERT_GT(points.size(), 4U);
  for (const auto& point : points) {
    for (std::uint64_t seed = 0; seed < 4; ++seed) {
      const auto machine = point->after_crash(sim::survive_random(seed), seed);
      auto opened = log::Log::open(kDirectory, manual_options(machine));
      ASSERT_TRUE(opened) << opened.status().to_string();
      const auto contents = read_contents(**opened);
      ASSERT_TRUE(contents);
      EXPECT_EQ(model.violation(*contents), "");
      EXPECT_EQ((*opened)->info().format_version, 2U);
    }
  }
}

}  // namespace
}  // namespace cairn::log_test
