// Creations that a crash ends, and creations that meet each other.
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <cairn/log.h>
#include <cairn/sim/sim_storage.h>
#include <cairn/verdict.h>

#include "log/sim_log_fixture.h"
#include "log/torture_names.h"

namespace cairn::log_test {
namespace {

// A directory that lets someone else work just before it takes a lock.
class InterruptedDirectory : public log::Directory {
 public:
  InterruptedDirectory(std::unique_ptr<log::Directory> wrapped, std::function<void()>& before_lock)
      : inner(std::move(wrapped)), before_lock_(before_lock) {}

  Result<std::unique_ptr<log::File>> open(std::string_view name, log::OpenMode mode) override {
    return inner->open(name, mode);
  }
  Status rename(std::string_view from, std::string_view to) override {
    return inner->rename(from, to);
  }
  Status remove(std::string_view name) override { return inner->remove(name); }
  Result<std::vector<std::string>> list() const override { return inner->list(); }
  Status sync_directory() override { return inner->sync_directory(); }
  Status fill_zero(log::File& file, std::uint64_t size) override {
    return inner->fill_zero(file, size);
  }
  Result<std::unique_ptr<log::DirectoryLock>> lock(std::string_view name,
                                                   std::chrono::milliseconds limit) override {
    if (const auto other = std::exchange(before_lock_, nullptr)) other();
    return inner->lock(name, limit);
  }
  Result<std::unique_ptr<log::IoQueue>> make_queue(unsigned depth,
                                                   const log::DirectoryLock* lock) override {
    return inner->make_queue(depth, lock);
  }
  const std::string& path() const override { return inner->path(); }

  const std::unique_ptr<log::Directory> inner;

 private:
  std::function<void()>& before_lock_;
};

class InterruptedStorage : public log::Storage {
 public:
  explicit InterruptedStorage(std::shared_ptr<sim::SimStorage> inner) : inner_(std::move(inner)) {}

  Result<std::unique_ptr<log::Directory>> open_directory(const std::string& path,
                                                         bool create) override {
    CAIRN_ASSIGN_OR_RETURN(auto directory, inner_->open_directory(path, create));
    return std::unique_ptr<log::Directory>(
        std::make_unique<InterruptedDirectory>(std::move(directory), before_lock));
  }
  log::StorageInfo describe(const log::Directory& directory) const override {
    return inner_->describe(*static_cast<const InterruptedDirectory&>(directory).inner);
  }
  std::uint64_t random() override { return inner_->random(); }

  std::function<void()> before_lock;  // once

 private:
  const std::shared_ptr<sim::SimStorage> inner_;
};

class Creation : public testing::Test {
 protected:
  // A machine on which a creation was ended by a crash when the base log said "being created".
  static std::shared_ptr<sim::SimStorage> with_unfinished_creation() {
    std::shared_ptr<sim::SimStorage> found;
    for_each_crash([&](const std::shared_ptr<sim::SimStorage>& after) {
      if (found == nullptr && after->exists(kDirectory, "base.cairn")) found = after;
    });
    return found;
  }

  // Calls `visit` with what a crash at each I/O of a creation leaves behind.
  static void for_each_crash(
      const std::function<void(const std::shared_ptr<sim::SimStorage>&)>& visit) {
    for (std::uint64_t at = 1;; ++at) {
      const auto storage = std::make_shared<sim::SimStorage>();
      storage->crash_at(at);
      const bool done = log::Log::create(kDirectory, small_log(), manual_options(storage)).is_ok();
      if (done) return;
      visit(storage->after_crash(sim::survive_all()));
      visit(storage->after_crash(sim::survive_none()));
    }
  }

  // Someone else makes the log, appends a record that is acknowledged, and closes.
  static void make_a_log_with_a_record(const std::shared_ptr<sim::SimStorage>& storage) {
    const auto log =
        log::Log::open_or_create(kDirectory, small_log(), manual_options(storage)).value();
    log::Stream stream = log->create_stream("s").value();
    ASSERT_TRUE(stream.append(Bytes(100), durable()).is_ok());
    ASSERT_TRUE(log->close());
  }

  static void expect_the_record(const std::shared_ptr<sim::SimStorage>& storage) {
    const auto log = log::Log::open(kDirectory, manual_options(storage));
    ASSERT_TRUE(log.is_ok()) << log.status().to_string();
    const auto stream = (*log)->open_stream("s");
    ASSERT_TRUE(stream.is_ok()) << stream.status().to_string();
    EXPECT_TRUE(stream->read().value().next().value().has_value());
  }
};

TEST_F(Creation, ThatACrashEndedIsNoDamagedLog) {
  int unfinished = 0;
  for_each_crash([&](const std::shared_ptr<sim::SimStorage>& after) {
    const auto report = log::verify(kDirectory, {after});
    if (report.is_ok()) {
      EXPECT_TRUE(report->damages.empty()) << report->damages[0].reason;
    } else if (after->exists(kDirectory, "base.cairn")) {
      EXPECT_EQ(report.code(), StatusCode::kNotALog) << report.status().to_string();
      ++unfinished;
    }
  });
  EXPECT_GT(unfinished, 0);
}

TEST_F(Creation, ThatSomeoneFinishedMeanwhileIsNotClearedAway) {
  const auto storage = with_unfinished_creation();
  ASSERT_NE(storage, nullptr);
  const auto interrupted = std::make_shared<InterruptedStorage>(storage);
  interrupted->before_lock = [&] { make_a_log_with_a_record(storage); };
  log::OpenOptions options = manual_options(storage);
  options.storage = interrupted;
  EXPECT_EQ(log::Log::create(kDirectory, small_log(), options).code(), StatusCode::kAlreadyExists);
  expect_the_record(storage);
}

// Another creator took this one for what a crash left behind, began its own, and was ended by a
// crash.
TEST_F(Creation, ThatFindsAnothersBaseLogUnderItsLockPutsNothingBesideIt) {
  const auto others = with_unfinished_creation();
  ASSERT_NE(others, nullptr);
  const auto base = others->read_image(kDirectory, "base.cairn");
  const auto storage = std::make_shared<sim::SimStorage>();
  const auto interrupted = std::make_shared<InterruptedStorage>(storage);
  interrupted->before_lock = [&] {
    storage->remove_file(kDirectory, "base.cairn");
    storage->add_file(kDirectory, "base.cairn", base);
  };
  log::OpenOptions options = manual_options(storage);
  options.storage = interrupted;
  EXPECT_EQ(log::Log::create(kDirectory, small_log(), options).code(), StatusCode::kAlreadyExists);
  EXPECT_EQ(storage->list(kDirectory), std::vector<std::string>{"base.cairn"});
  EXPECT_EQ(storage->read_image(kDirectory, "base.cairn"), base);
  make_a_log_with_a_record(storage);
  expect_the_record(storage);
}

// Both want the log, whoever makes it.
TEST_F(Creation, OpenOrCreateOpensWhatAnotherMadeMeanwhile) {
  const auto storage = std::make_shared<sim::SimStorage>();
  const auto interrupted = std::make_shared<InterruptedStorage>(storage);
  interrupted->before_lock = [&] { make_a_log_with_a_record(storage); };
  log::OpenOptions options = manual_options(storage);
  options.storage = interrupted;
  const auto log = log::Log::open_or_create(kDirectory, small_log(), options);
  ASSERT_TRUE(log.is_ok()) << log.status().to_string();
  EXPECT_TRUE((*log)->open_stream("s").is_ok());
}

// A log, a stream in it and a file that is not the log's, in `storage`.
class Removal : public Creation {
 protected:
  void SetUp() override {
    make_a_log_with_a_record(storage);
    storage->add_file(kDirectory, "note.txt", Bytes(3));
  }
  static Status remove(const std::shared_ptr<sim::SimStorage>& from) {
    return log::Log::remove(kDirectory, manual_options(from));
  }

  std::shared_ptr<sim::SimStorage> storage = std::make_shared<sim::SimStorage>();
};

TEST_F(Removal, LeavesNoFileOfTheLogAndAllOthers) {
  ASSERT_TRUE(remove(storage));
  EXPECT_EQ(storage->list(kDirectory), std::vector<std::string>{"note.txt"});
  EXPECT_EQ(log::Log::open(kDirectory, manual_options(storage)).code(), StatusCode::kNotALog);
  EXPECT_EQ(remove(storage).code(), StatusCode::kNotALog);
  EXPECT_EQ(log::Log::remove("nowhere", manual_options(storage)).code(), StatusCode::kNotFound);
}

TEST_F(Removal, OfAnOpenLogIsRefused) {
  const auto log = log::Log::open(kDirectory, manual_options(storage));
  ASSERT_TRUE(log.is_ok());
  log::OpenOptions options = manual_options(storage);
  options.lock_wait = std::chrono::milliseconds(0);
  EXPECT_EQ(log::Log::remove(kDirectory, options).code(), StatusCode::kLocked);
  EXPECT_TRUE((*log)->open_stream("s").is_ok());
}

TEST_F(Removal, OfALogWithADamagedBaseLogAndNoContainerSucceeds) {
  for (const std::string& name : storage->list(kDirectory)) {
    if (name != "base.cairn") storage->remove_file(kDirectory, name);
  }
  EXPECT_NE(storage->list(kDirectory).size(), 0U);
  storage->truncate(kDirectory, "base.cairn", 0);
  EXPECT_TRUE(remove(storage));
  EXPECT_TRUE(storage->list(kDirectory).empty());
}

TEST_F(Removal, ThatACrashEndsLeavesTheLogOrWhatCreatingClearsAway) {
  int whole = 0;
  int begun = 0;
  for (std::uint64_t at = 1;; ++at) {
    const auto machine = storage->clone();
    machine->crash_at(at);
    if (remove(machine)) break;
    for (const auto& choice : {sim::survive_all(), sim::survive_none()}) {
      const auto after = machine->after_crash(choice);
      if (log::Log::open(kDirectory, manual_options(after->clone())).is_ok()) {
        ++whole;
        expect_the_record(after);
        continue;
      }
      ++begun;
      const auto removed = after->clone();
      if (removed->exists(kDirectory, "base.cairn")) {
        EXPECT_TRUE(remove(removed)) << "I/O " << at;
      }
      EXPECT_EQ(removed->list(kDirectory), std::vector<std::string>{"note.txt"});
      after->remove_file(kDirectory, "note.txt");
      make_a_log_with_a_record(after);
      expect_the_record(after);
    }
  }
  EXPECT_GT(whole, 0);
  EXPECT_GT(begun, 0);
}

}  // namespace
}  // namespace cairn::log_test
