// Archives: what is in them was durable, they can be interrupted at any point, and they become a
// log again; a damaged or foreign one is refused by name. And the archive tail, which keeps what is
// not archived.
#include <functional>
#include <limits>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cairn/archive.h>

#include "archive/manifest.h"
#include "log/archive_fixture.h"
#include "read/read_source.h"
#include "sim/test_budget.h"

namespace cairn::log_test {
namespace {

namespace format = log::format;
using log::ContainerState;
using testing::HasSubstr;

constexpr char kFirst[] = "container-0000000000000000.cairn";
constexpr char kSecond[] = "container-0000000000000001.cairn";

// --- a log again ---

TEST_F(Archive, OfAnOpenLogBecomesThatLog) {
  fill();
  const auto report = archive_open_log();
  ASSERT_TRUE(report) << report.status().to_string();
  EXPECT_EQ(report->end, log->log().durable_lsn());
  expect_restored(log->model());
}

TEST_F(Archive, OfAClosedLogBecomesAClosedLog) {
  fill();
  close();
  ASSERT_TRUE(archive_files());
  expect_restored(model);
  const auto report = log::restore(kArchive, "restored", on(storage));
  EXPECT_EQ(report->end_of_log.label, log::EndLabel::kCleanClose);
}

TEST_F(Archive, OfALogThatWasNotClosedHoldsWhatRecoveryFinds) {
  fill();
  ASSERT_TRUE(append(100, 2, {}));
  crash(sim::survive_random(3), 3);
  const auto report = archive_files();
  ASSERT_TRUE(report) << report.status().to_string();
  expect_restored(model);
}

TEST_F(Archive, OfATruncatedLogIsTruncated) {
  fill();
  ASSERT_TRUE(archive_open_log());
  ASSERT_TRUE(log->truncate_after(record(4)));
  ASSERT_TRUE(append(100, 2));
  ASSERT_TRUE(archive_open_log());
  expect_restored(log->model());
}

TEST_F(Archive, OfALogWhoseContainersWereRecycledBeginsAtItsTail) {
  fill();
  ASSERT_TRUE(append(50'000, 30));
  ASSERT_TRUE(log->write_restart_area("s", Bytes(1), Lsn::invalid()));
  ASSERT_TRUE(log->write_restart_area("s", Bytes(1), Lsn::invalid()));
  ASSERT_TRUE(log->log().run_background());
  const auto report = archive_open_log();
  ASSERT_TRUE(report) << report.status().to_string();
  EXPECT_GT(report->begin, Lsn());
  expect_restored(log->model());
}

TEST_F(Archive, EachRunAddsWhatIsNew) {
  for (int round = 0; round < 4; ++round) {
    ASSERT_TRUE(append(50'000, 9));
    const Lsn before = round == 0 ? Lsn() : archive_open_log()->end;
    ASSERT_TRUE(append(100, 3));
    const auto report = archive_open_log();
    ASSERT_TRUE(report) << report.status().to_string();
    if (round > 0) {
      EXPECT_EQ(report->bytes, report->end - before);
    }
    EXPECT_EQ(archive_open_log()->extents, 0U) << "nothing is new";
    expect_restored(log->model());
  }
}

TEST_F(Archive, OfAReopenedLogGoesOnAcrossCutsOfItsTail) {
  for (std::uint64_t round = 0; round < 4; ++round) {
    ASSERT_TRUE(append(20'000, 5));
    ASSERT_TRUE(archive_open_log());
    ASSERT_TRUE(append(20'000, 2, {}));
    crash(sim::survive_random(round), round);
    ASSERT_TRUE(reopen());
  }
  const auto report = archive_open_log();
  ASSERT_TRUE(report) << report.status().to_string();
  expect_restored(log->model());
}

// The process that writes acknowledged nothing of its last blocks; an archive of the files that
// holds them has made them durable first.
TEST_F(Archive, BesideALiveWriterHoldsNothingThatACrashTakesBack) {
  fill();
  log::AppendOptions written;
  written.durability = log::Durability::kWritten;
  ASSERT_TRUE(append(1000, 3, written));
  const auto report = archive_files();
  ASSERT_TRUE(report) << report.status().to_string();
  ASSERT_GE(report->end, log->log().written_lsn());
  crash(sim::survive_none());
  ASSERT_TRUE(reopen());
  EXPECT_GE(log->log().end_lsn(), report->end);
  const auto again = archive_open_log();
  ASSERT_TRUE(again) << "the log took another way: " << again.status().to_string();
  expect_restored(model);
}

// What may still vanish in a crash would make the archive another log than the one that goes on.
TEST_F(Archive, HoldsNothingThatIsNotDurable) {
  fill();
  ASSERT_TRUE(append(50'000, 2, {}));
  LogModel durable_only = log->model();
  ASSERT_TRUE(archive_open_log());
  crash(sim::survive_none());
  ASSERT_TRUE(reopen());
  expect_restored(model);
  ASSERT_TRUE(append(100));
  const auto report = archive_open_log();
  ASSERT_TRUE(report) << report.status().to_string();
  expect_restored(log->model());
}

// --- the cursor ---

TEST_F(Archive, TheCursorCanBeResumedFromEachExtent) {
  fill();
  ASSERT_TRUE(append(50'000, 30));
  std::vector<log::ArchiveExtent> all;
  auto cursor = log::ArchiveCursor::over(log->log()).value();
  for (auto next = cursor.next(); next && *next; next = cursor.next()) all.push_back(**next);
  ASSERT_GE(all.size(), 3U);
  EXPECT_TRUE(all[0].sealed);
  EXPECT_FALSE(all.back().sealed);
  EXPECT_EQ(all.back().end, cursor.metadata().end);
  for (std::size_t i = 0; i + 1 < all.size(); ++i) {
    auto resumed = log::ArchiveCursor::over(log->log(), all[i].next).value();
    const auto next = resumed.next();
    ASSERT_TRUE(next && *next);
    EXPECT_EQ((*next)->begin, all[i + 1].begin);
    EXPECT_EQ((*next)->checksum, all[i + 1].checksum);
  }
  EXPECT_EQ(log::ArchiveCursor::over(log->log(), all[0].begin + 8).code(), StatusCode::kLsnInvalid);
  EXPECT_EQ(log::ArchiveCursor::over(log->log(), all[1].begin + 4096)->next().code(),
            StatusCode::kLsnInvalid);
}

// --- what is refused ---

TEST_F(Archive, AGapThatRecyclingLeftIsRefused) {
  fill();
  ASSERT_TRUE(archive_open_log());
  ASSERT_TRUE(append(50'000, 50));
  ASSERT_TRUE(log->write_restart_area("s", Bytes(1), Lsn::invalid()));
  ASSERT_TRUE(log->write_restart_area("s", Bytes(1), Lsn::invalid()));
  ASSERT_TRUE(log->log().run_background());
  ASSERT_FALSE(storage->exists(kDirectory, kSecond));
  EXPECT_EQ(archive_open_log().code(), StatusCode::kStartOfLog);
}

TEST_F(Archive, OfAnotherLogIsRefused) {
  fill();
  ASSERT_TRUE(archive_open_log());
  const auto other = log::Log::create("other", small_log(), manual_options(storage));
  ASSERT_TRUE(other);
  const Status status = log::archive(**other, kArchive).status();
  EXPECT_EQ(status.code(), StatusCode::kIdentityMismatch);
  EXPECT_THAT(status.message(), HasSubstr((*other)->info().id.to_string()));
}

TEST_F(Archive, OfTheSameLogThatTookAnotherWayIsRefused) {
  fill();
  ASSERT_TRUE(archive_open_log());
  ASSERT_TRUE(log::restore(kArchive, "restored", on(storage)));
  ASSERT_TRUE(append(100, 3));
  ASSERT_TRUE(archive_open_log());
  const auto fork = log::Log::open("restored", manual_options(storage)).value();
  ASSERT_TRUE(fork->open_stream("s")->append(Bytes(5000), durable()));
  const Status status = log::archive(*fork, kArchive).status();
  EXPECT_EQ(status.code(), StatusCode::kIdentityMismatch) << status.to_string();
}

TEST_F(Archive, ADirectoryWithSomethingElseIsRefused) {
  fill();
  EXPECT_EQ(log::archive(log->log(), kDirectory).code(), StatusCode::kInvalidArgument);
  ASSERT_TRUE(archive_open_log());
  EXPECT_EQ(log::restore(kArchive, kDirectory, on(storage)).code(), StatusCode::kAlreadyExists);
  EXPECT_EQ(log::restore(kArchive, kArchive, on(storage)).code(), StatusCode::kInvalidArgument);
}

TEST_F(Archive, DamageIsNamedWithItsFileAndLsns) {
  fill();
  ASSERT_TRUE(archive_open_log());
  for (const char* file : {kFirst, kSecond}) {
    const auto damaged = storage->clone();
    damaged->flip_bit(kArchive, file, 5000, 3);
    const Status status = log::restore(kArchive, "restored", on(damaged)).status();
    EXPECT_EQ(status.code(), StatusCode::kCorrupt);
    EXPECT_THAT(status.message(), HasSubstr(file));
    EXPECT_THAT(status.message(), HasSubstr("expected checksum"));
    EXPECT_TRUE(damaged->list("restored").empty()) << "nothing is left behind";
  }
}

TEST_F(Archive, AFileThatIsMissingOrCutShortIsNamed) {
  fill();
  ASSERT_TRUE(archive_open_log());
  const auto missing = storage->clone();
  missing->remove_file(kArchive, kSecond);
  const Status gone = log::restore(kArchive, "restored", on(missing)).status();
  EXPECT_EQ(gone.code(), StatusCode::kContainerMissing);
  EXPECT_THAT(gone.message(), HasSubstr(kSecond));
  const auto cut = storage->clone();
  cut->truncate(kArchive, kFirst, 4096);
  const Status short_file = log::restore(kArchive, "restored", on(cut)).status();
  EXPECT_EQ(short_file.code(), StatusCode::kCorrupt);
  EXPECT_THAT(short_file.message(), HasSubstr("found 4096"));
}

TEST_F(Archive, ARunThatNeverCameToItsEndIsIncomplete) {
  fill();
  log::Manifest manifest;
  auto cursor = log::ArchiveCursor::over(log->log()).value();
  manifest.metadata = cursor.metadata();
  manifest.extents.push_back(**cursor.next());
  const auto directory = storage->open_directory(kArchive, true).value();
  ASSERT_TRUE(log::write_manifest(*directory, &manifest));
  const Status status = log::restore(kArchive, "restored", on(storage)).status();
  EXPECT_EQ(status.code(), StatusCode::kInvalidState);
  EXPECT_THAT(status.message(), HasSubstr("incomplete"));
}

TEST(ArchiveManifest, EveryFlippedBitAndEveryCutIsRefused) {
  log::Manifest manifest;
  manifest.generation = 7;
  manifest.metadata.log_id = Uuid::generate();
  manifest.metadata.container_size = log::kMinContainerSize;
  manifest.metadata.block_size = 64 << 10;
  manifest.metadata.alignment = 512;
  manifest.metadata.tail = Lsn(1024);
  manifest.extents.push_back({0, Lsn(0), Lsn(4096), Lsn(4096), Lsn(2048), 5, 6, 1, false});
  manifest.extents.push_back(
      {0, Lsn(4096), Lsn(8192), Lsn(log::kMinContainerSize), Lsn(7680), 5, 8, 1, true});
  manifest.complete = 2;
  const std::vector<std::byte> whole = log::encode_manifest(manifest);
  ASSERT_TRUE(log::decode_manifest(whole, 7, "m"))
      << log::decode_manifest(whole, 7, "m").status().to_string();
  const std::size_t used = sizeof(log::ManifestHeader) + 2 * sizeof(log::ManifestExtent);
  for (std::size_t byte = 0; byte < used; ++byte) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      std::vector<std::byte> damaged = whole;
      damaged[byte] ^= std::byte{1} << bit;
      ASSERT_FALSE(log::decode_manifest(damaged, 7, "m")) << byte << "." << bit;
    }
  }
  for (std::size_t size = 0; size < whole.size(); ++size) {
    ASSERT_FALSE(log::decode_manifest(std::span(whole).first(size), 7, "m")) << size;
  }
  EXPECT_FALSE(log::decode_manifest(whole, 8, "m")) << "another generation's name";
}

// --- crashes ---

TEST_F(Archive, InterruptedAtEveryIoItIsWhatItWasOrMoreAndGoesOn) {
  fill();
  ASSERT_TRUE(archive_open_log());
  const LogModel first = log->model();
  ASSERT_TRUE(append(50'000, 18));
  ASSERT_TRUE(append(100, 3));
  close();
  const auto image = storage;
  const auto counted = image->clone();
  ASSERT_TRUE(log::archive(kDirectory, kArchive, on(counted)));
  for (std::uint64_t io = 1; io <= counted->io_count(); io += sim::sweep_stride(7)) {
    const auto machine = image->clone();
    machine->crash_at(io);
    (void)log::archive(kDirectory, kArchive, on(machine)).status();
    storage = machine->after_crash(sim::survive_random(io), io);
    const auto old = storage->clone();
    const auto restored = log::restore(kArchive, "restored", on(old));
    ASSERT_TRUE(restored) << "I/O " << io << ": " << restored.status().to_string();
    const auto report = archive_files();
    ASSERT_TRUE(report) << "I/O " << io << ": " << report.status().to_string();
    if (io % 5 == 0) expect_restored(model);
  }
}

TEST_F(Archive, ARestoreInterruptedAtEveryIoCanBeRepeated) {
  fill();
  close();
  ASSERT_TRUE(archive_files());
  const auto image = storage->after_crash(sim::survive_none());
  const auto counted = image->clone();
  ASSERT_TRUE(log::restore(kArchive, "restored", on(counted)));
  for (std::uint64_t io = 1; io <= counted->io_count(); io += sim::sweep_stride(7)) {
    const auto machine = image->clone();
    machine->crash_at(io);
    EXPECT_FALSE(log::restore(kArchive, "restored", on(machine)));
    storage = machine->after_crash(sim::survive_random(io), io);
    const auto opened = log::Log::open("restored", manual_options(storage->clone()));
    if (opened) continue;  // all of it was there
    const auto report = log::restore(kArchive, "restored", on(storage));
    ASSERT_TRUE(report) << "I/O " << io << ": " << report.status().to_string();
    const auto again = log::Log::open("restored", manual_options(storage));
    ASSERT_TRUE(again);
    EXPECT_EQ(model.violation(*read_contents(**again)), "");
  }
}

class ArchiveTail : public Archive {
 protected:
  void SetUp() override { create(small_log(4)); }

  // Appends and gives up what was appended, until the log is full or `containers` were filled.
  Status pass_containers(int containers) {
    for (int i = 0; i < containers; ++i) {
      CAIRN_RETURN_IF_ERROR(append(50'000, 20));
      CAIRN_RETURN_IF_ERROR(log->advance_base("s", log->model().highest));
      CAIRN_RETURN_IF_ERROR(log->log().run_background());
    }
    return {};
  }
  std::size_t pending() const {
    const auto containers = log->log().info().containers;
    return static_cast<std::size_t>(std::ranges::count(containers, ContainerState::kPendingArchive,
                                                       &log::ContainerInfo::state));
  }
};

TEST_F(ArchiveTail, IsOffUntilItIsSet) {
  EXPECT_TRUE(log->log().archive_tail().is_null());
  ASSERT_TRUE(pass_containers(8));
  EXPECT_EQ(pending(), 0U);
}

TEST_F(ArchiveTail, KeepsContainersThatNoStreamNeedsAndFillsTheLog) {
  ASSERT_TRUE(log->log().set_archive_tail());
  const Lsn tail = log->log().archive_tail();
  const Status status = pass_containers(8);
  EXPECT_EQ(status.code(), StatusCode::kLogFull);
  EXPECT_EQ(status.detail().cause, FullCause::kArchive);
  EXPECT_EQ(status.detail().lsn_begin, tail);
  EXPECT_THAT(status.message(), HasSubstr("the archive tail pins it"));
  EXPECT_GE(pending(), 1U);
  EXPECT_EQ(log->log().info().archive_tail, tail);

  const auto report = archive_open_log();
  ASSERT_TRUE(report) << report.status().to_string();
  ASSERT_TRUE(log->log().set_archive_tail(report->end));
  ASSERT_TRUE(log->log().run_background());
  EXPECT_EQ(pending(), 0U);
  ASSERT_TRUE(pass_containers(1)) << "appends go on";
  ASSERT_TRUE(archive_open_log());
  expect_restored(log->model());
}

TEST_F(ArchiveTail, IsNeverMovedBeyondWhatTheArchiveHolds) {
  ASSERT_TRUE(log->log().set_archive_tail());
  ASSERT_TRUE(append(50'000, 25));
  ASSERT_TRUE(log->advance_base("s", log->model().highest));
  close();
  const auto image = storage;
  const Lsn before =
      log::LogView::open(kDirectory, manual_options(image)).value()->info().archive_tail;
  const auto work = [](const std::shared_ptr<sim::SimStorage>& machine) -> Status {
    CAIRN_ASSIGN_OR_RETURN(const auto opened, log::Log::open(kDirectory, manual_options(machine)));
    CAIRN_RETURN_IF_ERROR(log::archive_and_set_tail(*opened, kArchive).status());
    CAIRN_RETURN_IF_ERROR(opened->run_background());
    return opened->close();
  };
  const auto counted = image->clone();
  ASSERT_TRUE(work(counted));
  bool moved = false;
  bool not_yet = false;
  for (std::uint64_t io = 1; io <= counted->io_count(); io += sim::sweep_stride(2)) {
    SCOPED_TRACE("I/O " + std::to_string(io));
    const auto machine = image->clone();
    machine->crash_at(io);
    (void)work(machine);
    storage = machine->after_crash(sim::survive_random(io), io);
    const auto opened = log::Log::open(kDirectory, manual_options(storage->clone()));
    ASSERT_TRUE(opened) << opened.status().to_string();
    const Lsn tail = (*opened)->archive_tail();
    const auto restored = log::restore(kArchive, "restored", on(storage->clone()));
    if (tail > before) {
      ASSERT_TRUE(restored) << "the log gave up what no archive holds";
      EXPECT_LE(tail, restored->end);
      moved = true;
    }
    not_yet = not_yet || (restored.is_ok() && tail == before);
    ASSERT_TRUE(work(storage)) << "it can be called again";
  }
  EXPECT_TRUE(moved);
  EXPECT_TRUE(not_yet) << "no crash came between the archive and the tail";
  expect_restored(model);
}

TEST_F(ArchiveTail, SurvivesACrashAndReopening) {
  ASSERT_TRUE(append(100, 3));
  ASSERT_TRUE(log->log().set_archive_tail(record(1)));
  const Lsn tail = record(1);
  crash(sim::survive_none());
  ASSERT_TRUE(reopen());
  EXPECT_EQ(log->log().archive_tail(), tail);
  ASSERT_TRUE(pass_containers(1));  // a snapshot takes it along
  close();
  ASSERT_TRUE(reopen());
  EXPECT_EQ(log->log().archive_tail(), tail);
  ASSERT_TRUE(append(100, 2));
  ASSERT_TRUE(log->truncate_after(record(0)));
  crash(sim::survive_none());
  ASSERT_TRUE(reopen());
  EXPECT_EQ(log->log().archive_tail(), tail);
  ASSERT_TRUE(log->log().stop_archiving());
  crash(sim::survive_none());
  ASSERT_TRUE(reopen());
  EXPECT_TRUE(log->log().archive_tail().is_null());
}

TEST_F(ArchiveTail, OnlyMovesForwardAndNotBeyondWhatIsDurable) {
  ASSERT_TRUE(append(100, 5));
  ASSERT_TRUE(log->log().set_archive_tail(record(3)));
  EXPECT_EQ(log->log().set_archive_tail(record(2)).code(), StatusCode::kLsnInvalid);
  EXPECT_EQ(log->log().set_archive_tail(log->log().end_lsn() + 8).code(), StatusCode::kLsnInvalid);
  EXPECT_EQ(log->log().set_archive_tail(Lsn::invalid()).code(), StatusCode::kLsnInvalid);
  EXPECT_EQ(log->log().archive_tail(), record(3));
  ASSERT_TRUE(log->log().stop_archiving());
  ASSERT_TRUE(log->log().stop_archiving());
  ASSERT_TRUE(log->log().set_archive_tail(record(2))) << "it begins anew";
}

}  // namespace
}  // namespace cairn::log_test
