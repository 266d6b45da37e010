// What the simulated storage promises, and what it does not: a test on it is worth no more than
// these.

#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <set>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cairn/sim/crash_states.h>
#include <cairn/sim/sim_storage.h>

namespace cairn::sim {
namespace {

using log::Completion;
using log::OpenMode;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

constexpr std::size_t kBlock = 4 * kSectorSize;
struct alignas(4096) Block {
  std::array<std::byte, kBlock> bytes{};
};

Block filled(char with) {
  Block block;
  block.bytes.fill(static_cast<std::byte>(with));
  return block;
}

// The file's sectors, one character each: its first byte; '?' where a sector holds more than one
// value.
std::string sectors(const SimStorage& storage, std::string_view file) {
  const std::vector<std::byte> bytes = storage.read_image("d", file);
  std::string text;
  for (std::size_t at = 0; at < bytes.size(); at += kSectorSize) {
    const auto first = bytes.begin() + static_cast<std::ptrdiff_t>(at);
    const bool uniform =
        std::all_of(first, first + kSectorSize, [&](auto b) { return b == *first; });
    text += uniform ? (*first == std::byte{0} ? '.' : static_cast<char>(*first)) : '?';
  }
  return text;
}

// A directory "d" with a durable file "f" of 8 zero sectors, and a queue.
class SimStorageTest : public testing::Test {
 protected:
  void start(const SimOptions& options) {
    storage = std::make_shared<SimStorage>(options);
    directory = storage->open_directory("d", true).value();
    file = directory->open("f", OpenMode::kCreate).value();
    ASSERT_TRUE(directory->fill_zero(*file, 2 * kBlock));
    ASSERT_TRUE(directory->sync_directory());
    queue = directory->make_queue(8, nullptr).value();
  }
  void SetUp() override { start({}); }

  Status submit(const Block& block, std::uint64_t offset, bool durable, std::uint64_t tag = 1) {
    return queue->submit_write(*file, offset, block.bytes, durable, tag);
  }
  Completion reap_one() {
    std::array<Completion, 1> out;
    EXPECT_EQ(queue->reap(out, true).value(), 1U);
    return out[0];
  }
  std::string left(const CrashChoice& choice, std::uint64_t seed = 0) const {
    return sectors(*storage->after_crash(choice, seed), "f");
  }

  std::shared_ptr<SimStorage> storage;
  std::unique_ptr<log::Directory> directory;
  std::unique_ptr<log::File> file;
  std::unique_ptr<log::IoQueue> queue;
  const Block a = filled('a');
  const Block b = filled('b');
};

// S1

TEST_F(SimStorageTest, DurableWriteSurvivesOnceCompleted) {
  ASSERT_TRUE(submit(a, 0, true));
  EXPECT_EQ(left(survive_none()), "........");
  EXPECT_EQ(left(survive_all()), "aaaa....");
  ASSERT_TRUE(reap_one().status);
  EXPECT_EQ(left(survive_none()), "aaaa....");
  EXPECT_THAT(storage->pending(), IsEmpty());
}

TEST_F(SimStorageTest, PlainWriteSurvivesInAnySubsetOfItsSectors) {
  ASSERT_TRUE(file->write(0, a.bytes));
  ASSERT_EQ(storage->pending().size(), 4U);
  EXPECT_EQ(left(survive_subset({false, true, false, true})), ".a.a....");
}

TEST_F(SimStorageTest, SyncCoversWritesReapedBeforeItsSubmission) {
  ASSERT_TRUE(submit(a, 0, false));
  reap_one();
  ASSERT_TRUE(queue->submit_sync(*file, 2));
  ASSERT_TRUE(file->write(kBlock, b.bytes));
  ASSERT_TRUE(reap_one().status);
  EXPECT_EQ(left(survive_none()), "aaaa....");
}

TEST_F(SimStorageTest, SyncDoesNotCoverAWriteStillInFlight) {
  start({.max_delay = 0, .reorder = false});
  ASSERT_TRUE(submit(a, 0, false));
  ASSERT_TRUE(queue->submit_sync(*file, 2));
  reap_one();
  ASSERT_TRUE(reap_one().status);
  EXPECT_EQ(left(survive_none()), "........");
}

TEST_F(SimStorageTest, FileSyncCoversAllCompletedWrites) {
  ASSERT_TRUE(file->write(0, a.bytes));
  ASSERT_TRUE(file->write(kSectorSize, b.bytes));
  ASSERT_TRUE(file->sync());
  EXPECT_EQ(left(survive_none()), "abbbb...");
}

TEST_F(SimStorageTest, EarlierVersionOfASectorMaySurviveWhereALaterDoesNot) {
  ASSERT_TRUE(file->write(0, a.bytes));
  ASSERT_TRUE(file->write(0, b.bytes));
  const auto all_of_a = [](const Pending& one, std::size_t) {
    return one.operation == 3 ? Fate::kNew : Fate::kOld;  // 1 and 2 made the file and filled it
  };
  EXPECT_EQ(left(all_of_a), "aaaa....");
  EXPECT_EQ(left(survive_all()), "bbbb....");
}

TEST_F(SimStorageTest, DurableWriteIsNotUndoneByAnEarlierPendingOne) {
  ASSERT_TRUE(file->write(0, a.bytes));
  ASSERT_TRUE(submit(b, 0, true));
  reap_one();
  EXPECT_EQ(left(survive_all()), "bbbb....");
}

TEST_F(SimStorageTest, SectorsTearAndVanish) {
  ASSERT_TRUE(submit(a, 0, true));
  reap_one();
  ASSERT_TRUE(file->write(0, b.bytes));
  const auto fates = [](const Pending&, std::size_t index) { return static_cast<Fate>(index); };
  EXPECT_EQ(left(fates), "ab?.....");
}

TEST_F(SimStorageTest, WriteBehindTheEndMakesTheFileLongOnlyWhereItSurvives) {
  ASSERT_TRUE(file->write(2 * kBlock, a.bytes));
  EXPECT_EQ(left(survive_none()).size(), 8U);
  EXPECT_EQ(left(survive_subset({false, true})), ".........a");
}

// S2

TEST_F(SimStorageTest, NamesSurviveOnceTheDirectoryIsSynced) {
  ASSERT_TRUE(directory->rename("f", "g"));
  EXPECT_THAT(storage->after_crash(survive_none())->list("d"), ElementsAre("f"));
  EXPECT_THAT(storage->after_crash(survive_all())->list("d"), ElementsAre("g"));
  ASSERT_TRUE(directory->sync_directory());
  EXPECT_THAT(storage->after_crash(survive_none())->list("d"), ElementsAre("g"));
}

TEST_F(SimStorageTest, UnsyncedNamesSurviveInAnySubset) {
  ASSERT_TRUE(directory->open("x", OpenMode::kCreate));
  ASSERT_TRUE(directory->open("y", OpenMode::kCreate));
  ASSERT_TRUE(directory->remove("f"));
  const auto names = [&](std::vector<bool> survives) {
    return storage->after_crash(survive_subset(std::move(survives)))->list("d");
  };
  EXPECT_THAT(names({false, true, false}), UnorderedElementsAre("f", "y"));
  EXPECT_THAT(names({true, false, true}), UnorderedElementsAre("x"));
}

TEST_F(SimStorageTest, NameChangeNeedsTheEarlierOnesOfItsNamesAndFile) {
  ASSERT_TRUE(directory->open("x", OpenMode::kCreate));
  ASSERT_TRUE(directory->rename("x", "y"));  // needs the file
  ASSERT_TRUE(directory->remove("f"));
  ASSERT_TRUE(directory->open("f", OpenMode::kCreate));  // needs the name
  const auto after = storage->after_crash(survive_subset({false, true, false, true}));
  EXPECT_THAT(after->list("d"), ElementsAre("f"));
  EXPECT_EQ(sectors(*after, "f"), "........");
}

TEST_F(SimStorageTest, SyncedFileWithoutASyncedNameMayBeGone) {
  auto other = directory->open("g", OpenMode::kCreate).value();
  ASSERT_TRUE(other->write(0, a.bytes));
  ASSERT_TRUE(other->sync());
  EXPECT_FALSE(storage->after_crash(survive_none())->exists("d", "g"));
  EXPECT_EQ(sectors(*storage->after_crash(survive_all()), "g"), "aaaa");
}

TEST_F(SimStorageTest, ZeroFillIsDurableOnceItReturned) {
  auto other = directory->open("g", OpenMode::kCreate).value();
  ASSERT_TRUE(directory->fill_zero(*other, kBlock));
  ASSERT_TRUE(directory->sync_directory());
  EXPECT_EQ(sectors(*storage->after_crash(survive_none()), "g"), "....");
}

// S3

TEST_F(SimStorageTest, AnErrorIsReportedOnceAndTheNextCallWorks) {
  storage->inject({.on = IoKind::kCompleteWrite, .nth = 2});
  for (const bool good : {true, false, true}) {
    ASSERT_TRUE(submit(a, 0, true));
    EXPECT_EQ(reap_one().status.is_ok(), good);
  }
  EXPECT_EQ(storage->faults_struck(), 1U);
}

TEST_F(SimStorageTest, FailedWriteLeavesEachSectorOldOrNew) {
  std::set<std::string> seen;
  for (std::uint64_t seed = 1; seed <= 64; ++seed) {
    start({.seed = seed});
    storage->inject({.on = IoKind::kCompleteWrite});
    ASSERT_TRUE(submit(a, 0, true));
    EXPECT_EQ(reap_one().status.code(), StatusCode::kIoError);
    seen.insert(sectors(*storage, "f"));
    EXPECT_EQ(left(survive_none()), "........") << "what failed is not durable";
  }
  EXPECT_EQ(seen.size(), 16U);
}

TEST_F(SimStorageTest, ShortWriteIsAnErrorWithAFirstPart) {
  std::set<std::string> seen;
  for (std::uint64_t seed = 1; seed <= 64; ++seed) {
    start({.seed = seed});
    storage->inject({.kind = FaultKind::kShortWrite, .on = IoKind::kCompleteWrite});
    ASSERT_TRUE(submit(a, 0, true));
    EXPECT_EQ(reap_one().status.code(), StatusCode::kIoError);
    seen.insert(sectors(*storage, "f"));
  }
  EXPECT_THAT(seen, UnorderedElementsAre("........", "a.......", "aa......", "aaa....."));
}

TEST_F(SimStorageTest, FailedSyncDropsDirtyDataForGood) {
  storage->inject({.on = IoKind::kSync});
  ASSERT_TRUE(file->write(0, a.bytes));
  ASSERT_TRUE(file->write(kBlock, b.bytes));
  EXPECT_EQ(file->sync().code(), StatusCode::kIoError);
  const std::string seen = sectors(*storage, "f");
  EXPECT_NE(seen, "aaaabbbb");
  ASSERT_TRUE(file->sync()) << "nothing is dirty any more";
  EXPECT_EQ(left(survive_all()), seen);
}

TEST_F(SimStorageTest, FailedSyncMayHideWhatItDroppedUntilTheFileIsOpenedAgain) {
  storage->failed_syncs_keep_view(true);
  storage->inject({.on = IoKind::kSync});
  ASSERT_TRUE(file->write(0, a.bytes));
  ASSERT_TRUE(file->write(kBlock, b.bytes));
  EXPECT_FALSE(file->sync());
  EXPECT_EQ(sectors(*storage, "f"), "aaaabbbb");
  ASSERT_TRUE(file->sync());
  EXPECT_NE(left(survive_all()), "aaaabbbb");
  ASSERT_TRUE(directory->open("f", OpenMode::kRead));
  EXPECT_EQ(sectors(*storage, "f"), left(survive_all()));
}

// S4

TEST_F(SimStorageTest, LockExcludesAnotherHolder) {
  auto held = directory->lock("f", {}).value();
  EXPECT_EQ(directory->lock("f", std::chrono::milliseconds(1)).code(), StatusCode::kLocked);
  held.reset();
  EXPECT_TRUE(directory->lock("f", {}));
}

TEST_F(SimStorageTest, LockIsHeldUntilTheLastIoOfItsHolderEnded) {
  auto held = directory->lock("f", {}).value();
  queue = directory->make_queue(2, held.get()).value();
  ASSERT_TRUE(submit(a, 0, true));
  held.reset();
  EXPECT_EQ(directory->lock("f", {}).code(), StatusCode::kLocked);
  reap_one();
  EXPECT_TRUE(directory->lock("f", {}));
}

TEST_F(SimStorageTest, LockDoesNotSurviveACrash) {
  auto held = directory->lock("f", {}).value();
  auto next = storage->after_crash(survive_none())->open_directory("d", false).value();
  EXPECT_TRUE(next->lock("f", {}));
}

// Queue

TEST_F(SimStorageTest, CompletionsComeInAnyOrderAndEachOnce) {
  std::set<std::vector<std::uint64_t>> orders;
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    start({.seed = seed});
    for (std::uint64_t tag = 0; tag < 3; ++tag) ASSERT_TRUE(submit(a, 0, false, tag));
    std::vector<std::uint64_t> order;
    while (order.size() < 3) order.push_back(reap_one().tag);
    orders.insert(order);
    EXPECT_EQ(std::set(order.begin(), order.end()).size(), 3U);
  }
  EXPECT_EQ(orders.size(), 6U);
}

TEST_F(SimStorageTest, ReapWithoutWaitingMayFindNothingYet) {
  bool late = false;
  for (std::uint64_t seed = 1; seed <= 20 && !late; ++seed) {
    start({.seed = seed});
    ASSERT_TRUE(submit(a, 0, false));
    std::array<Completion, 1> out;
    late = queue->reap(out, false).value() == 0;
  }
  EXPECT_TRUE(late);
}

TEST_F(SimStorageTest, BrokenContractOfTheQueueAborts) {
  std::array<Completion, 1> out;
  EXPECT_DEATH((void)queue->reap(out, true), "request in flight");
  Block changing = filled('a');
  ASSERT_TRUE(submit(changing, 0, false));
  changing.bytes[7] = std::byte{1};
  EXPECT_DEATH(reap_one(), "data stays unchanged");
}

TEST_F(SimStorageTest, UnalignedRequestIsRefused) {
  EXPECT_EQ(file->write(1, a.bytes).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(file->write(0, std::span(a.bytes).first(100)).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(file->write(0, std::span(a.bytes).subspan(8, 512)).code(),
            StatusCode::kInvalidArgument);
}

// Crash points

TEST_F(SimStorageTest, EveryIoIsACrashPointAndAllLaterCallsFail) {
  const std::uint64_t before = storage->io_count();
  storage->crash_at(before + 2);
  ASSERT_TRUE(submit(a, 0, true));
  EXPECT_EQ(reap_one().status.code(), StatusCode::kIoError);
  EXPECT_TRUE(storage->crashed());
  EXPECT_EQ(submit(b, 0, true).code(), StatusCode::kIoError);
  EXPECT_EQ(directory->sync_directory().code(), StatusCode::kIoError);
  EXPECT_EQ(file->size().code(), StatusCode::kIoError);
  EXPECT_EQ(storage->pending().size(), 4U) << "what was in flight is undecided";
}

TEST_F(SimStorageTest, ObserverSeesTheMachineBeforeEachIo) {
  std::vector<std::string> seen;
  storage->set_observer([&](const IoEvent& event, const std::shared_ptr<SimStorage>& frozen) {
    seen.push_back(std::string(io_kind_name(event.kind)) + " " +
                   sectors(*frozen->after_crash(survive_all()), "f") + " " +
                   sectors(*frozen->after_crash(survive_none()), "f"));
  });
  ASSERT_TRUE(submit(a, 0, true));
  reap_one();
  ASSERT_TRUE(directory->sync_directory());
  EXPECT_THAT(seen,
              ElementsAre("submit write ........ ........", "complete write aaaa.... ........",
                          "sync directory aaaa.... aaaa...."));
}

TEST_F(SimStorageTest, SameSeedSameRun) {
  std::vector<std::uint64_t> tags[2];
  std::string images[2];
  for (int run = 0; run < 2; ++run) {
    start({.seed = 42});
    for (std::uint64_t tag = 0; tag < 8; ++tag) ASSERT_TRUE(submit(a, 0, false, tag));
    for (int i = 0; i < 8; ++i) tags[run].push_back(reap_one().tag);
    images[run] = left(survive_random(9), 9);
  }
  EXPECT_EQ(tags[0], tags[1]);
  EXPECT_EQ(images[0], images[1]);
}

TEST_F(SimStorageTest, RandomBitsAreNotRepeatedAfterACrash) {
  const std::uint64_t first = storage->random();
  const auto next = storage->after_crash(survive_none());
  EXPECT_NE(next->random(), first);
}

TEST_F(SimStorageTest, CloneGoesItsOwnWay) {
  ASSERT_TRUE(file->write(0, a.bytes));
  const auto copy = storage->clone();
  ASSERT_TRUE(file->write(0, b.bytes));
  EXPECT_EQ(sectors(*copy, "f"), "aaaa....");
  EXPECT_EQ(copy->pending().size(), 4U);
}

// Faults

TEST_F(SimStorageTest, LostWriteIsReportedAsASuccess) {
  storage->inject({.kind = FaultKind::kLostWrite, .on = IoKind::kSubmitWrite});
  ASSERT_TRUE(submit(a, 0, true));
  EXPECT_TRUE(reap_one().status);
  EXPECT_EQ(sectors(*storage, "f"), "........");
}

TEST_F(SimStorageTest, MisdirectedWriteLandsElsewhere) {
  storage->inject({.kind = FaultKind::kMisdirectedWrite, .on = IoKind::kSubmitWrite});
  ASSERT_TRUE(submit(a, 0, true));
  EXPECT_TRUE(reap_one().status);
  const std::string seen = left(survive_none());
  EXPECT_EQ(std::count(seen.begin(), seen.end(), 'a'), 4);
  EXPECT_NE(seen, "aaaa....");
}

TEST_F(SimStorageTest, SpaceRunsOutAtTheCapacity) {
  storage->set_capacity(3 * kBlock);
  auto other = directory->open("g", OpenMode::kCreate).value();
  EXPECT_EQ(directory->fill_zero(*other, 2 * kBlock).code(), StatusCode::kNoSpace);
  EXPECT_TRUE(directory->fill_zero(*other, kBlock));
  EXPECT_EQ(file->write(2 * kBlock, a.bytes).code(), StatusCode::kNoSpace);
  EXPECT_TRUE(file->write(0, a.bytes)) << "inside the file nothing grows";
}

TEST_F(SimStorageTest, EachKindOfIoCanFail) {
  const std::uint64_t reads = 1;
  storage->inject({.on = IoKind::kRead, .nth = reads});
  Block into;
  EXPECT_EQ(file->read(0, into.bytes).code(), StatusCode::kIoError);
  EXPECT_TRUE(file->read(0, into.bytes));
  storage->inject({.kind = FaultKind::kNoSpace, .on = IoKind::kEndFill});
  auto other = directory->open("g", OpenMode::kCreate).value();
  EXPECT_EQ(directory->fill_zero(*other, kBlock).code(), StatusCode::kNoSpace);
  for (const IoKind kind : {IoKind::kRename, IoKind::kRemove, IoKind::kSyncDirectory}) {
    storage->inject({.on = kind});
  }
  EXPECT_EQ(directory->rename("g", "h").code(), StatusCode::kIoError);
  EXPECT_EQ(directory->remove("g").code(), StatusCode::kIoError);
  EXPECT_EQ(directory->sync_directory().code(), StatusCode::kIoError);
  EXPECT_THAT(storage->list("d"), UnorderedElementsAre("f", "g"));
}

TEST_F(SimStorageTest, ReadOnlyDirectoryRefusesChanges) {
  storage->set_read_only("d", true);
  EXPECT_EQ(directory->open("g", OpenMode::kCreate).code(), StatusCode::kPermissionDenied);
  EXPECT_EQ(directory->open("f", OpenMode::kReadWrite).code(), StatusCode::kPermissionDenied);
  EXPECT_EQ(directory->remove("f").code(), StatusCode::kPermissionDenied);
  EXPECT_TRUE(directory->open("f", OpenMode::kRead));
}

TEST_F(SimStorageTest, LyingStorageLosesWhatItReportedDurable) {
  storage->set_lies({.durable_writes = true, .syncs = true, .directory_syncs = true});
  ASSERT_TRUE(submit(a, 0, true));
  ASSERT_TRUE(reap_one().status);
  ASSERT_TRUE(file->sync());
  ASSERT_TRUE(directory->rename("f", "g"));
  ASSERT_TRUE(directory->sync_directory());
  EXPECT_EQ(left(survive_none()), "........");
}

// Bytes at rest

TEST_F(SimStorageTest, ImagesCanBeDamagedAtRest) {
  storage->overwrite("d", "f", kSectorSize, std::span(a.bytes).first(kSectorSize));
  storage->flip_bit("d", "f", 3 * kSectorSize, 6);
  EXPECT_EQ(left(survive_none()), ".a.?....");
  storage->truncate("d", "f", 2 * kSectorSize);
  EXPECT_EQ(left(survive_none()), ".a");
  storage->copy_file("d", "f", "copy");
  storage->rename_file("d", "f", "moved");
  EXPECT_THAT(storage->after_crash(survive_none())->list("d"), ElementsAre("copy", "moved"));
}

TEST_F(SimStorageTest, ImagesGoToARealDirectoryAndBack) {
  const std::string path = testing::TempDir() + "cairn_sim_dump_" + std::to_string(::getpid());
  storage->overwrite("d", "f", 0, a.bytes);
  ASSERT_TRUE(storage->dump("d", path));
  SimStorage other;
  ASSERT_TRUE(other.load(path, "d"));
  EXPECT_EQ(other.read_image("d", "f"), storage->read_image("d", "f"));
  std::filesystem::remove_all(path);
}

// Crash states

TEST(CrashStates, FewPendingThingsAreTriedInEverySubset) {
  std::set<std::vector<bool>> subsets;
  for (const CrashState& state : crash_states(4, {.exhaustive_up_to = 4, .by_chance = 1}, 1)) {
    std::vector<bool> survives;
    const bool by_chance = state.name == "chance 0";
    for (std::size_t i = 0; i < 4; ++i) survives.push_back(state.choice({}, i) == Fate::kNew);
    if (!by_chance) subsets.insert(survives);
  }
  EXPECT_EQ(subsets.size(), 16U);
}

TEST(CrashStates, ManyPendingThingsAreTriedInTypicalSubsets) {
  std::set<std::string> names;
  for (const CrashState& state : crash_states(20, {}, 1)) names.insert(state.name);
  EXPECT_EQ(names.size(), 3U + 19U + 20U + 20U + 7U);
  EXPECT_TRUE(names.contains("without 19") && names.contains("prefix 1"));
}

TEST(CrashStates, ThinningKeepsTheCorners) {
  const std::vector<CrashState> states = crash_states(20, {.at_most = 5}, 1);
  ASSERT_EQ(states.size(), 5U);
  EXPECT_EQ(states[0].name, "none");
  EXPECT_EQ(states[1].name, "all");
}

}  // namespace
}  // namespace cairn::sim
