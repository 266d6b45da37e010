// Archives of a log that recycles meanwhile: what was recycled is left out, never called damage,
// and never taken for what took its place (decision 0082).
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cairn/archive.h>

#include "log/archive_fixture.h"
#include "log/gated_storage.h"
#include "sim/test_budget.h"

namespace cairn::log_test {
namespace {

using testing::HasSubstr;

// Before one read of an archiver the log gives up what it holds, recycles its containers and takes
// them into use again.
class ArchiveWhileRecycled : public Archive {
 protected:
  void SetUp() override {
    Archive::SetUp();
    fill();
    ASSERT_TRUE(append(50'000, 30));
    close();
    image_ = storage;
  }

  // The log anew, as SetUp() left it. It and whoever archives it read through `gated_`.
  void begin(std::uint64_t recycle_at, bool copies) {
    log.reset();
    reads_ = 0;
    recycled_ = 0;
    recycle_at_ = std::numeric_limits<std::uint64_t>::max();
    storage = image_->clone();
    GatedReads reads;
    reads.before = [this] { before_read(); };
    reads.copies = copies;
    gated_ = std::make_shared<GatedStorage>(storage, std::make_shared<Gate>(), BeforeChange{},
                                            std::move(reads));
    auto opened = log::Log::open(kDirectory, manual_options(gated_));
    ASSERT_TRUE(opened) << opened.status().to_string();
    const auto contents = read_contents(**opened);
    ASSERT_TRUE(contents);
    log = std::make_unique<ModelledLog>(std::move(*opened), model.after_recovery(*contents));
    before_ = log->model();
    reads_ = 0;
    recycle_at_ = recycle_at;
  }

  Status recycle() {
    CAIRN_RETURN_IF_ERROR(log->write_restart_area("s", Bytes(1), Lsn::invalid()));
    CAIRN_RETURN_IF_ERROR(log->write_restart_area("s", Bytes(1), Lsn::invalid()));
    for (int container = 0; container < 3; ++container) {
      CAIRN_RETURN_IF_ERROR(log->log().run_background());
      CAIRN_RETURN_IF_ERROR(append(50'000, 20));
    }
    return log->log().run_background();
  }

  Result<log::ArchiveReport> archive_the(bool files) {
    log::ArchiveOptions options;
    options.storage = gated_;
    options.lock_wait = std::chrono::milliseconds(0);
    return files ? log::archive(kDirectory, kArchive, options)
                 : log::archive(log->log(), kArchive, options);
  }

  // The archive is the log as it was before it gave anything up, or as it is now.
  void expect_one_of_the_two() {
    Restored restored;
    ASSERT_NO_FATAL_FAILURE(restore(restored));
    const std::string as_before = before_.violation(restored.contents);
    const std::string as_now = log->model().violation(restored.contents);
    EXPECT_TRUE(as_before.empty() || as_now.empty()) << as_before << "; " << as_now;
    if (as_before.empty()) ++kept_;
    if (as_now.empty()) ++begun_anew_;
  }

  // What is no part of the archive any more is not in its directory.
  void expect_nothing_before(Lsn begin) {
    for (const std::string& name : storage->list(kArchive)) {
      std::uint64_t number;
      if (log::parse_container_file_name(name, &number)) {
        EXPECT_GE(number, begin.container(log::kMinContainerSize)) << name;
      }
    }
  }

  // With the log recycled before the first read, before another one, and so on.
  void sweep(bool files, bool copies,
             const std::function<void(const Result<log::ArchiveReport>&)>& look) {
    for (std::uint64_t read = 1;; read += 2 + sim::sweep_stride(7)) {
      SCOPED_TRACE("before read " + std::to_string(read));
      begin(read, copies);
      const auto report = archive_the(files);
      if (recycled_ == 0) break;
      look(report);
      if (HasFailure()) break;
    }
  }

  std::shared_ptr<sim::SimStorage> image_;
  std::shared_ptr<GatedStorage> gated_;
  LogModel before_;
  std::uint64_t reads_ = 0;
  std::uint64_t recycle_at_ = 0;  // and at each read behind, if for_ever_
  bool for_ever_ = false;
  int recycled_ = 0;
  int kept_ = 0;
  int begun_anew_ = 0;

 private:
  void before_read() {
    if (recycling_ || ++reads_ < recycle_at_ || (reads_ > recycle_at_ && !for_ever_)) return;
    recycling_ = true;
    ++recycled_;
    const Status status = recycle();
    EXPECT_TRUE(status) << status.to_string();
    recycling_ = false;
  }

  bool recycling_ = false;
};

TEST_F(ArchiveWhileRecycled, ItIsTheLogAsItWasOrAsItIs) {
  for (const bool files : {false, true}) {
    for (const bool copies : {false, true}) {
      SCOPED_TRACE(std::string(files ? "of files" : "of an open log") + (copies ? ", copied" : ""));
      kept_ = begun_anew_ = 0;
      sweep(files, copies, [&](const Result<log::ArchiveReport>& report) {
        ASSERT_TRUE(report) << report.status().to_string();
        expect_one_of_the_two();
        expect_nothing_before(report->begin);
        EXPECT_EQ(report->bytes_shared, copies ? report->bytes : 0);
        EXPECT_LE(report->bytes, report->end - report->begin) << "what was left out counts";
      });
      EXPECT_GT(kept_, 0);
      EXPECT_GT(begun_anew_, 0);
    }
  }
}

// Then the log and the archive have a gap between them, or what was new is in the archive.
TEST_F(ArchiveWhileRecycled, AnArchiveThatWasCompleteStaysSo) {
  for (const bool files : {false, true}) {
    SCOPED_TRACE(files ? "of files" : "of an open log");
    int gaps = 0;
    for (std::uint64_t read = 1;; read += sim::sweep_stride(7)) {
      SCOPED_TRACE("before read " + std::to_string(read));
      begin(std::numeric_limits<std::uint64_t>::max(), false);
      ASSERT_TRUE(archive_the(files));
      ASSERT_TRUE(append(50'000, 15));
      ASSERT_TRUE(log->log().run_background());
      const LogModel archived = std::exchange(before_, log->model());
      reads_ = 0;
      recycle_at_ = read;
      const auto report = archive_the(files);
      if (recycled_ == 0) break;
      if (!report.is_ok()) {
        ++gaps;
        ASSERT_EQ(report.code(), StatusCode::kStartOfLog) << report.status().to_string();
        before_ = archived;
      }
      expect_one_of_the_two();
      if (HasFailure()) break;
    }
    EXPECT_GT(gaps, 0);
  }
}

TEST_F(ArchiveWhileRecycled, ALogThatIsAlwaysFasterIsNamed) {
  for_ever_ = true;
  begin(1, false);
  const Status status = archive_the(false).status();
  EXPECT_EQ(status.code(), StatusCode::kStartOfLog) << status.to_string();
  EXPECT_THAT(status.message(), HasSubstr("with an archive tail it keeps"));
  for_ever_ = false;
  ASSERT_TRUE(archive_the(false)) << "it can be called again";
  before_ = log->model();
  expect_one_of_the_two();
}

// The archive tail is there before anything is read, and gone again if nothing came of it.
TEST_F(ArchiveWhileRecycled, WhoSetsTheArchiveTailIsNeverOvertaken) {
  for (std::uint64_t read = 1;; read += 1 + sim::sweep_stride(7)) {
    SCOPED_TRACE("before read " + std::to_string(read));
    begin(read, false);
    const auto report = log::archive_and_set_tail(log->log(), kArchive);
    if (recycled_ == 0) break;
    ASSERT_TRUE(report) << report.status().to_string();
    EXPECT_EQ(log->log().archive_tail(), report->end);
    EXPECT_EQ(report->begin, Lsn()) << "nothing was left out";
    expect_one_of_the_two();
  }
  begin(std::numeric_limits<std::uint64_t>::max(), false);
  EXPECT_EQ(log::archive_and_set_tail(log->log(), kDirectory).code(), StatusCode::kInvalidArgument);
  EXPECT_TRUE(log->log().archive_tail().is_null());
}

// --- the archive tail ---

}  // namespace
}  // namespace cairn::log_test
