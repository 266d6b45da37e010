// What tests of archives share: a log of two containers, archived and made a log again.
#ifndef CAIRN_TESTS_LOG_ARCHIVE_FIXTURE_H_
#define CAIRN_TESTS_LOG_ARCHIVE_FIXTURE_H_

#include <iterator>
#include <memory>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include <cairn/archive.h>

#include "log/sim_log_fixture.h"

namespace cairn::log_test {

inline const std::string kArchive = "archive";

class Archive : public SimLogTest {
 protected:
  void SetUp() override { create(small_log(8)); }

  log::ArchiveOptions on(const std::shared_ptr<sim::SimStorage>& machine) const {
    log::ArchiveOptions options;
    options.storage = machine;
    options.lock_wait = std::chrono::milliseconds(0);
    return options;
  }
  Result<log::ArchiveReport> archive_open_log() { return log::archive(log->log(), kArchive); }
  Result<log::ArchiveReport> archive_files() {
    return log::archive(kDirectory, kArchive, on(storage));
  }

  // Restored on a copy of the machine, which lost its power. Nothing in it is damaged.
  struct Restored {
    std::shared_ptr<sim::SimStorage> machine;
    log::EndLabel end{};
    std::unique_ptr<log::Log> log;
    LogContents contents;
  };
  void restore(Restored& restored) {
    restored.machine = storage->after_crash(sim::survive_none());
    const auto report = log::restore(kArchive, "restored", on(restored.machine));
    ASSERT_TRUE(report) << report.status().to_string();
    restored.end = report->end_of_log.label;
    log::VerifyOptions verify;
    verify.storage = restored.machine;
    EXPECT_TRUE(log::verify("restored", verify)->damages.empty());
    auto opened = log::Log::open("restored", manual_options(restored.machine));
    ASSERT_TRUE(opened) << opened.status().to_string();
    restored.log = std::move(*opened);
    auto contents = read_contents(*restored.log);
    ASSERT_TRUE(contents) << contents.status().to_string();
    restored.contents = std::move(*contents);
  }
  // It keeps the model, and takes appends and a crash.
  void expect_restored(const LogModel& expected) {
    Restored restored;
    ASSERT_NO_FATAL_FAILURE(restore(restored));
    ASSERT_EQ(expected.violation(restored.contents), "");
    EXPECT_EQ(restored.log->info().end_of_log.label, restored.end);
    ASSERT_TRUE(restored.log->open_stream("s")->append(Bytes(100), durable()));
    restored.log.reset();
    const auto again = log::Log::open("restored", manual_options(restored.machine));
    ASSERT_TRUE(again) << again.status().to_string();
  }

  // Two containers, one of them sealed.
  void fill() {
    ASSERT_TRUE(log->write_restart_area("s", Bytes(20), Lsn()));
    ASSERT_TRUE(append(50'000, 22));
    ASSERT_TRUE(log->log().run_background());
    ASSERT_TRUE(append(100, 5));
    ASSERT_TRUE(log->write_restart_area("s", Bytes(50, std::byte{1}), Lsn()));
  }
  Lsn record(std::size_t index) const {
    return std::next(log->model().streams.at("s").records.begin(),
                     static_cast<std::ptrdiff_t>(index))
        ->first;
  }
};

}  // namespace cairn::log_test

#endif  // CAIRN_TESTS_LOG_ARCHIVE_FIXTURE_H_
