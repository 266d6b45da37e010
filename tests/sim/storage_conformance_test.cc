// The storages that Cairn brings, and ones that break a rule, run through the checks for storages.
#include <unistd.h>

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cairn/sim/sim_storage.h>
#include <cairn/sim/storage_conformance.h>

namespace cairn::sim {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

std::string fresh_directory(const std::string& name) {
  std::string path = testing::TempDir() + "/conformance_" + name + std::to_string(::getpid());
  std::filesystem::remove_all(path);
  return path;
}

std::vector<std::string> check_kernel_storage(log::StorageKind kind, const std::string& name) {
  const auto storage = log::make_storage(kind);
  if (!storage) return {storage.status().to_string()};
  const std::string path = fresh_directory(name);
  std::vector<std::string> broken = check_storage(**storage, path);
  std::filesystem::remove_all(path);
  return broken;
}

TEST(StorageConformance, PosixStorageKeepsEveryRule) {
  EXPECT_THAT(check_kernel_storage(log::StorageKind::kPosix, "posix"), IsEmpty());
}

TEST(StorageConformance, UringStorageKeepsEveryRule) {
  if (log::make_storage(log::StorageKind::kUring).code() == StatusCode::kNotSupported) {
    GTEST_SKIP() << "io_uring is not allowed here";
  }
  EXPECT_THAT(check_kernel_storage(log::StorageKind::kUring, "uring"), IsEmpty());
}

TEST(StorageConformance, SimulatedStorageKeepsEveryRule) {
  for (const std::uint32_t alignment : {512U, 4096U}) {
    SimStorage storage({.alignment = alignment, .physical_sector = 4096});
    EXPECT_THAT(check_storage(storage, "log"), IsEmpty());
  }
}

// Breaks one rule each: the checks must see it.
TEST(StorageConformance, LostWriteIsSeen) {
  SimStorage storage;
  storage.inject({.kind = FaultKind::kLostWrite, .on = IoKind::kWrite});
  EXPECT_THAT(check_storage(storage, "log"), Contains(HasSubstr("bytes that were written")));
}

TEST(StorageConformance, LostWriteOfTheQueueIsSeen) {
  SimStorage storage;
  storage.inject({.kind = FaultKind::kLostWrite, .on = IoKind::kSubmitWrite, .nth = 3});
  EXPECT_THAT(check_storage(storage, "log"), Contains(HasSubstr("once it completed")));
}

TEST(StorageConformance, ErrorsAreSeen) {
  for (const IoKind kind : {IoKind::kMakeDirectory, IoKind::kCreate, IoKind::kRename,
                            IoKind::kRemove, IoKind::kSyncDirectory, IoKind::kWrite, IoKind::kSync,
                            IoKind::kEndFill, IoKind::kCompleteWrite, IoKind::kCompleteSync}) {
    SimStorage storage;
    storage.inject({.on = kind});
    EXPECT_THAT(check_storage(storage, "log"), Contains(HasSubstr("injected EIO")))
        << io_kind_name(kind);
  }
}

// A storage whose random numbers repeat.
class Repeating final : public log::Storage {
 public:
  Result<std::unique_ptr<log::Directory>> open_directory(const std::string& path,
                                                         bool create) override {
    return sim_.open_directory(path, create);
  }
  log::StorageInfo describe(const log::Directory& directory) const override {
    return sim_.describe(directory);
  }
  std::uint64_t random() override { return 4; }

 private:
  SimStorage sim_;
};

TEST(StorageConformance, RandomNumbersThatRepeatAreSeen) {
  Repeating storage;
  EXPECT_THAT(check_storage(storage, "log"), Contains(HasSubstr("random()")));
}

}  // namespace
}  // namespace cairn::sim
