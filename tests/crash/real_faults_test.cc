// What goes wrong below a log on a real system: a full file system, a device that fails, a file
// system that is shut down, one that is read only, a limit on file sizes, no io_uring. Each ends in
// an error that says what it was; and what had been acknowledged is there when it is over.
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cairn/log.h>

#include "crash/faulty_world.h"
#include "sim/test_budget.h"

namespace cairn::crash_test {
namespace {

using testing::AnyOf;
using testing::Eq;

constexpr std::uint64_t kMiB = 1 << 20;

log::CreateOptions small_containers() {
  log::CreateOptions options;
  options.container_size = log::kMinContainerSize;
  options.max_size = 256 * options.container_size;
  options.calibrate = false;
  return options;
}

log::OpenOptions quiet(log::StorageKind kind = log::StorageKind::kAuto) {
  log::OpenOptions options;
  options.background = log::Background::kManual;
  options.storage = log::make_storage(kind).value();
  options.lock_wait = std::chrono::seconds(10);
  return options;
}

// Appends up to `most` records of 60,000 bytes, each durable; how many were acknowledged.
std::uint64_t fill(log::Log& log, std::uint64_t most, Status* refused) {
  auto stream = log.open_or_create_stream("s");
  std::uint64_t acknowledged = 0;
  *refused = stream.status();
  log::AppendOptions durable;
  durable.durability = log::Durability::kDurable;
  while (refused->is_ok() && acknowledged < most) {
    const std::vector<std::byte> payload(60'000, static_cast<std::byte>(acknowledged));
    *refused = stream->append(payload, durable).status();
    acknowledged += refused->is_ok();
  }
  return acknowledged;
}

// Whether a log has at least so many of the records of fill(), in order; what is wrong, or empty.
std::string check_filled(const std::string& path, std::uint64_t acknowledged) {
  auto log = log::Log::open(path, quiet());
  if (!log) return "after it: " + log.status().to_string();
  auto cursor = (*log)->open_stream("s")->read();
  std::uint64_t found = 0;
  while (true) {
    auto record = cursor->next();
    if (!record) return "after it: " + record.status().to_string();
    if (!record->has_value()) break;
    if ((*record)->payload[0] != static_cast<std::byte>(found)) return "another record";
    ++found;
  }
  if (found >= acknowledged) return {};
  return std::to_string(acknowledged) + " acknowledged, found " + std::to_string(found);
}

// A log is filled on `file_system`, `strike` comes in between; the refusal is one of `expected`.
std::string survives(const char* file_system, std::uint64_t bytes,
                     const std::function<void(Mounted&)>& strike,
                     const std::vector<StatusCode>& expected,
                     const std::function<void(Mounted&)>& heal) {
  Mounted world(file_system, bytes);
  if (!world.status) return world.status.to_string();
  std::uint64_t acknowledged = 0;
  {
    auto log = log::Log::create(world.log(), small_containers(), quiet());
    if (!log) return "create: " + log.status().to_string();
    Status refused;
    acknowledged = fill(**log, 20, &refused);
    if (!refused) return "before it: " + refused.to_string();
    if (strike) {
      strike(world);
      acknowledged = 20;
    }
    log::AppendOptions durable;
    durable.durability = log::Durability::kDurable;
    for (auto stream = (*log)->open_stream("s"); refused && acknowledged < 10'000;) {
      const std::vector<std::byte> payload(60'000, static_cast<std::byte>(acknowledged));
      refused = stream->append(payload, durable).status();
      acknowledged += refused.is_ok();
    }
    if (std::ranges::find(expected, refused.code()) == expected.end()) {
      return "refused with " + refused.to_string();
    }
  }
  if (heal) heal(world);
  if (!world.status) return world.status.to_string();
  return check_filled(world.log(), acknowledged);
}

class RealFaults : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const Status possible = torture::can_mount(*torture::find_file_system(GetParam()));
    if (!possible) GTEST_SKIP() << possible.message();
  }
};

TEST_P(RealFaults, AFullFileSystemEndsInAnErrorAndTakesNothing) {
  const std::uint64_t bytes = torture::find_file_system(GetParam())->disk_bytes;
  const std::string wrong = in_a_process([&] {
    return survives(GetParam(), bytes, fill_up,
                    {StatusCode::kNoSpace, StatusCode::kLogFull, StatusCode::kIndeterminate},
                    give_room);
  });
  EXPECT_EQ(wrong, "");
}

TEST_P(RealFaults, ADeviceThatFailsEndsInAnErrorAndTakesNothing) {
  const std::uint64_t bytes = torture::find_file_system(GetParam())->disk_bytes;
  const std::string wrong = in_a_process([&] {
    return survives(
        GetParam(), bytes, [](Mounted& world) { world.disk->fail(true); },
        {StatusCode::kIndeterminate, StatusCode::kPoisoned, StatusCode::kIoError},
        [](Mounted& world) {
          world.disk->fail(false);
          world.again();
        });
  });
  EXPECT_EQ(wrong, "");
}

TEST_P(RealFaults, AFileSystemThatIsShutDownEndsInAnErrorAndTakesNothing) {
  const std::uint64_t bytes = torture::find_file_system(GetParam())->disk_bytes;
  if (std::string(GetParam()) == "btrfs") GTEST_SKIP() << "btrfs cannot be shut down";
  const std::string wrong = in_a_process([&] {
    return survives(GetParam(), bytes, shut_down,
                    {StatusCode::kIndeterminate, StatusCode::kPoisoned, StatusCode::kIoError},
                    [](Mounted& world) { world.again(); });
  });
  EXPECT_EQ(wrong, "");
}

TEST_P(RealFaults, AReadOnlyFileSystemIsReadAndNotOpenedForWriting) {
  const std::uint64_t bytes = torture::find_file_system(GetParam())->disk_bytes;
  const std::string wrong = in_a_process([&]() -> std::string {
    Mounted world(GetParam(), bytes);
    if (!world.status) return world.status.to_string();
    Status refused;
    std::uint64_t acknowledged = 0;
    {
      auto log = log::Log::create(world.log(), small_containers(), quiet());
      if (!log) return log.status().to_string();
      acknowledged = fill(**log, 5, &refused);
    }
    world.again();  // nobody has a file of it open
    const std::string root = world.root();
    if (::mount(nullptr, root.c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr) != 0) {
      return "no remount";
    }
    const auto opened = log::Log::open(world.log(), quiet());
    if (opened) return "opened for writing";
    if (opened.code() != StatusCode::kPermissionDenied && opened.code() != StatusCode::kIoError) {
      return "refused with " + opened.status().to_string();
    }
    const auto view = log::LogView::open(world.log(), quiet());
    if (!view) return "no view: " + view.status().to_string();
    ::mount(nullptr, root.c_str(), nullptr, MS_REMOUNT, nullptr);
    return check_filled(world.log(), acknowledged);
  });
  EXPECT_EQ(wrong, "");
}

// The others with a larger budget: most of the time goes to making file systems.
std::vector<const char*> file_systems() {
  if (sim::test_budget() < 2) return {"ext4"};
  return {"ext4", "xfs", "btrfs"};
}
INSTANTIATE_TEST_SUITE_P(On, RealFaults, testing::ValuesIn(file_systems()),
                         [](const auto& one) { return std::string(one.param); });

class ProcessFaults : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "/cairn_limit_XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  std::string directory_;
};

TEST_F(ProcessFaults, ALimitOnFileSizesIsAnErrorOfTheCreation) {
  const std::string wrong = in_a_process([&]() -> std::string {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{kMiB / 2, kMiB / 2};
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return "no limit";
    const auto log = log::Log::create(directory_ + "/log", small_containers(), quiet());
    return log ? "created" : std::string(status_code_name(log.code()));
  });
  EXPECT_THAT(wrong, AnyOf(Eq("NoSpace"), Eq("IoError")));
  // Without the limit the same directory serves.
  EXPECT_TRUE(log::Log::create(directory_ + "/log", small_containers(), quiet()));
}

TEST_F(ProcessFaults, WithoutIoUringTheLogIsWrittenWithoutIt) {
  const std::string wrong = in_a_process([&]() -> std::string {
    if (!forbid_io_uring()) return "no filter";
    const auto forced = log::make_storage(log::StorageKind::kUring);
    if (forced.code() != StatusCode::kNotSupported) return "io_uring in spite of the filter";
    const auto log = log::Log::create(directory_ + "/log", small_containers(), quiet());
    if (!log) return log.status().to_string();
    if ((*log)->info().storage.kind != "posix") return (*log)->info().storage.kind;
    Status refused;
    return fill(**log, 5, &refused) == 5 ? "" : refused.to_string();
  });
  EXPECT_EQ(wrong, "");
  EXPECT_EQ(check_filled(directory_ + "/log", 5), "");
}

}  // namespace
}  // namespace cairn::crash_test
