// The resource manager for files on a machine that loses power before every change of a file and
// every I/O of the log, while it commits and while it recovers from that.
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include <cairn/sim/sim_storage.h>

#include "file_core.h"
#include "rm/sim_files.h"
#include "sim/test_budget.h"

namespace cairn::rm {
namespace {

using Tree = std::map<std::string, std::string>;

enum class Way : std::uint8_t {
  kSinglePhase,  // the files decide alone
  kOwnLog,       // two phases, records in a log of their own
  kManagersLog,  // two phases, records in the manager's log, covered by the manager's
};

const Uuid kFiles = Uuid::parse("5b1c7a1e-7c39-4f0e-93a2-3a6e2f8d0c01").value();
const Tree kOld{{"a", "old a"}, {"b", "old b"}, {"c", "old c"}, {"kept", "kept"}};
const Tree kNew{{"a", "a, new"}, {"deep/er/b", "old b"}, {"kept", "kept"}, {"x/y", "y, new"}};

std::string to_text(const Tree& tree) {
  std::string text;
  for (const auto& [path, contents] : tree) text += path + "=\"" + contents + "\" ";
  return text;
}

sim::CrashChoice choice_of(FileFate fate, std::uint64_t seed) {
  return fate == FileFate::kAll    ? sim::survive_all()
         : fate == FileFate::kNone ? sim::survive_none()
                                   : sim::survive_random(seed);
}

// A computer with two disks: one for logs, one for files.
class Machine {
 public:
  explicit Machine(Way way)
      : way_(way),
        storage_(std::make_shared<sim::SimStorage>()),
        disk_(std::make_shared<SimFileDisk>()) {}
  ~Machine() { stop(); }

  Status start() {
    disk_->share_power([storage = storage_] { storage->crash(); },
                       [storage = storage_] { return storage->crashed(); });
    CAIRN_ASSIGN_OR_RETURN(log_, open_log("manager"));
    CAIRN_ASSIGN_OR_RETURN(tm_, tm::TransactionManager::open_or_create(
                                    {.log = log_, .background = tm::Background::kManual}));
    CAIRN_RETURN_IF_ERROR(tm_.recover().status());
    FilesOptions options{
        .id = kFiles, .tree = "", .staging = "", .log = log_, .snapshot_bytes = 700};
    if (way_ != Way::kManagersLog) {
      CAIRN_ASSIGN_OR_RETURN(files_log_, open_log("files"));
      options.log = files_log_;
    }
    core_ = std::make_unique<FileCore>(std::make_unique<SimFiles>(disk_), tm_, options);
    return core_->open();
  }

  void stop() {
    partner_ = {};
    session_ = {};
    core_.reset();
    static_cast<void>(tm_.close());
    tm_ = {};
    for (auto* log : {&log_, &files_log_}) {
      if (*log) static_cast<void>((*log)->close());
      log->reset();
    }
  }

  // Takes the place of a machine that has crashed.
  void become(const Machine& crashed, FileFate fate, std::uint64_t seed) {
    storage_ = crashed.storage_->after_crash(choice_of(fate, seed), seed);
    disk_ = crashed.disk_->after_crash(fate, seed);
  }

  // Four changes as one. Ends when they are carried out, or cannot be any more.
  Status commit() {
    CAIRN_ASSIGN_OR_RETURN(transaction_, tm_.create_transaction());
    CAIRN_RETURN_IF_ERROR(core_->write(transaction_, "a", "a, new", false));
    CAIRN_RETURN_IF_ERROR(core_->rename(transaction_, "b", "deep/er/b"));
    CAIRN_RETURN_IF_ERROR(core_->remove(transaction_, "c"));
    CAIRN_RETURN_IF_ERROR(core_->write(transaction_, "x/y", "y, new", true));
    if (way_ != Way::kSinglePhase) {
      CAIRN_ASSIGN_OR_RETURN(session_,
                             tm_.create_resource_manager(Uuid::generate(), tm::RmKind::kVolatile));
      CAIRN_ASSIGN_OR_RETURN(partner_, session_.enlist(transaction_, tm::kTwoPhase, 1));
    }
    CAIRN_RETURN_IF_ERROR(transaction_.commit_async());
    while (!has_crashed() && core_->health()) {
      serve_partner();
      static_cast<void>(tm_.run_background());
      Status done = transaction_.wait(tm::WaitFor::kCompleted, std::chrono::nanoseconds(0));
      if (done.code() != StatusCode::kTimeout) return done;
      std::this_thread::sleep_for(std::chrono::microseconds(20));
    }
    return core_->health();
  }
  [[nodiscard]] bool is_committed() const {
    return transaction_.wait(tm::WaitFor::kDecided, std::chrono::nanoseconds(0)).is_ok();
  }

  [[nodiscard]] bool has_crashed() const { return disk_->crashed() || storage_->crashed(); }
  void power_off() {
    storage_->crash();
    disk_->crash();
  }
  // From the base of the stream to its last record.
  [[nodiscard]] std::uint64_t bytes_held() const {
    const auto streams = files_log_->list_streams();
    return streams.back().last - streams.back().base;
  }
  [[nodiscard]] SimFileDisk& disk() { return *disk_; }
  [[nodiscard]] sim::SimStorage& storage() { return *storage_; }
  [[nodiscard]] FileCore& core() { return *core_; }
  [[nodiscard]] tm::TransactionManager& manager() { return tm_; }

 private:
  Result<std::shared_ptr<log::Log>> open_log(const std::string& directory) {
    log::CreateOptions create;
    create.container_size = log::kMinContainerSize;
    create.calibrate = false;
    log::OpenOptions open;
    open.storage = storage_;
    open.background = log::Background::kManual;
    CAIRN_ASSIGN_OR_RETURN(auto log, log::Log::open_or_create(directory, create, open));
    return std::shared_ptr<log::Log>(std::move(log));
  }

  void serve_partner() {
    if (way_ == Way::kSinglePhase) return;
    const auto next = session_.try_get_notification();
    if (!next || !*next) return;
    switch ((*next)->kind) {
      case tm::NotificationKind::kPrepare:
        return static_cast<void>(partner_.prepare_complete());
      case tm::NotificationKind::kCommit:
        return static_cast<void>(partner_.commit_complete());
      default:
        return static_cast<void>(partner_.rollback_complete());
    }
  }

  Way way_;
  std::shared_ptr<sim::SimStorage> storage_;
  std::shared_ptr<SimFileDisk> disk_;
  std::shared_ptr<log::Log> log_;
  std::shared_ptr<log::Log> files_log_;
  tm::TransactionManager tm_;
  tm::ResourceManager session_;
  tm::Enlistment partner_;
  tm::Transaction transaction_;
  std::unique_ptr<FileCore> core_;
};

// Whether a recovered machine shows one of both trees and nothing left over; "": it does.
std::string look(Machine& machine, bool must_be_new) {
  const Tree tree = machine.disk().tree();
  if (tree != kNew && tree != kOld) return "neither old nor new: " + to_text(tree);
  if (must_be_new && tree != kNew) return "the committed is gone: " + to_text(tree);
  if (!machine.core().recovery().missing.empty()) {
    return "reported as missing: " + machine.core().recovery().missing.front();
  }
  if (const auto staged = machine.disk().staged(); !staged.empty()) {
    return "left over in the staging directory: " + staged.front();
  }
  for (const auto& [path, contents] : tree) {
    const auto read = machine.core().read_together({&path, 1}, {});
    if (!read) return read.status().to_string();
    if (read->front() != contents) return path + " reads wrong";
  }
  return {};
}

// Crashes at one place of the commit, recovers, and crashes again at each change of the recovery.
class Explorer {
 public:
  explicit Explorer(Way way, SimFileDisk::Lie lie = SimFileDisk::Lie::kNone)
      : way_(way), lie_(lie) {}

  // "": nothing wrong. `at` counts changes of files; I/Os of the logs with `in_log`.
  std::string run(std::uint64_t at, bool in_log, FileFate fate, bool again) {
    Machine machine(way_);
    for (const auto& [path, contents] : kOld) machine.disk().put(path, contents);
    if (Status started = machine.start(); !started) return started.to_string();
    machine.disk().lie(lie_);
    if (in_log) {
      machine.storage().crash_at(machine.storage().io_count() + at);
    } else {
      machine.disk().crash_at(at);
    }
    const Status done = machine.commit();
    is_complete_ = !machine.has_crashed();
    const bool is_committed = machine.is_committed();
    if (is_complete_ && !done) return "without a crash: " + done.to_string();
    machine.power_off();
    machine.stop();
    std::string wrong = recover(machine, fate, at, is_committed);
    for (std::uint64_t next = 1; wrong.empty() && again; ++next) {
      Machine second(way_);
      second.become(machine, fate, at);
      second.disk().crash_at(next);
      const Status started = second.start();
      if (!second.has_crashed()) break;
      if (started) return "recovery says OK although its storage has failed";
      ++crashes_;
      second.stop();
      wrong = recover(second, fate, next, is_committed);
    }
    return wrong;
  }

  // At each place.
  std::string explore(bool in_log, bool again) {
    const FileFate fates[] = {FileFate::kNone, FileFate::kChance, FileFate::kAll};
    for (std::uint64_t at = 1;; ++at) {
      for (const FileFate fate : fates) {
        ++crashes_;
        // Chance leaves what the others leave, and more.
        const bool twice = again && (fate == FileFate::kChance || sim::test_budget() > 1);
        const std::string wrong = run(at, in_log, fate, twice);
        if (!wrong.empty()) {
          return "crash at " + std::to_string(at) + (in_log ? " of the log" : " of the files") +
                 ", fate " + std::to_string(static_cast<int>(fate)) + ": " + wrong;
        }
      }
      if (is_complete_) break;
      places_ = at;
    }
    return {};
  }
  [[nodiscard]] std::uint64_t places() const { return places_; }
  [[nodiscard]] std::uint64_t crashes() const { return crashes_; }

 private:
  // And once more, as what recovery has done is durable.
  std::string recover(const Machine& crashed, FileFate fate, std::uint64_t seed, bool must_be_new) {
    Machine machine(way_);
    machine.become(crashed, fate, seed);
    if (Status started = machine.start(); !started) return started.to_string();
    if (std::string wrong = look(machine, must_be_new); !wrong.empty()) return wrong;
    const bool is_new = machine.disk().tree() == kNew;
    machine.power_off();
    machine.stop();
    Machine later(way_);
    later.become(machine, FileFate::kNone, seed);
    if (Status started = later.start(); !started) return started.to_string();
    return look(later, is_new);
  }

  Way way_;
  SimFileDisk::Lie lie_;
  bool is_complete_ = false;
  std::uint64_t places_ = 0;
  std::uint64_t crashes_ = 0;
};

class FilesCrashPoints : public testing::TestWithParam<Way> {};

TEST_P(FilesCrashPoints, EveryChangeOfAFileOfACommitAndOfItsRecovery) {
  Explorer explorer(GetParam());
  EXPECT_EQ(explorer.explore(false, true), "");
  EXPECT_GE(explorer.places(), 18u);
  std::printf("[ crashes  ] %d\n", static_cast<int>(explorer.crashes()));
}

TEST_P(FilesCrashPoints, EveryIoOfTheLogOfACommit) {
  Explorer explorer(GetParam());
  EXPECT_EQ(explorer.explore(true, false), "");
  EXPECT_GE(explorer.places(), 2u);
}

std::string way_name(const testing::TestParamInfo<Way>& way) {
  switch (way.param) {
    case Way::kSinglePhase:
      return "SinglePhase";
    case Way::kOwnLog:
      return "OwnLog";
    case Way::kManagersLog:
      return "ManagersLog";
  }
  return {};
}

INSTANTIATE_TEST_SUITE_P(Ways, FilesCrashPoints,
                         testing::Values(Way::kSinglePhase, Way::kOwnLog, Way::kManagersLog),
                         way_name);

TEST(FilesCrashPointsNotice, AStagingDirectoryThatIsNotSynced) {
  EXPECT_NE(Explorer(Way::kOwnLog, SimFileDisk::Lie::kStaging).explore(false, false), "");
}
TEST(FilesCrashPointsNotice, ContentsThatAreNotSynced) {
  EXPECT_NE(Explorer(Way::kOwnLog, SimFileDisk::Lie::kContents).explore(false, false), "");
}
TEST(FilesCrashPointsNotice, DirectoriesOfTheTreeThatAreNotSynced) {
  EXPECT_NE(Explorer(Way::kOwnLog, SimFileDisk::Lie::kTree).explore(false, false), "");
}

// ---- Errors of the file system: each change fails once, and no outcome is made up.

TEST(FilesAndErrors, EveryChangeThatFailsEndsInOldOrNew) {
  for (const Way way : {Way::kSinglePhase, Way::kOwnLog, Way::kManagersLog}) {
    for (std::uint64_t at = 1;; ++at) {
      Machine machine(way);
      for (const auto& [path, contents] : kOld) machine.disk().put(path, contents);
      ASSERT_TRUE(machine.start());
      const std::uint64_t before = machine.disk().count();
      machine.disk().fail_at(at, Status(StatusCode::kNoSpace, "the disk is full"));
      const Status done = machine.commit();
      const bool has_failed = machine.disk().count() - before >= at;
      const bool is_committed = machine.is_committed();
      if (done) {
        EXPECT_EQ(machine.disk().tree(), kNew);
      }
      machine.power_off();
      machine.stop();
      Machine later(way);
      later.become(machine, FileFate::kAll, at);
      ASSERT_TRUE(later.start());
      EXPECT_EQ(look(later, is_committed), "") << "change " << at << ": " << done.to_string();
      if (!has_failed) break;
    }
  }
}

TEST(FilesAndErrors, AFullDiskAtPrepareIsARollbackThatSaysWhy) {
  Machine machine(Way::kOwnLog);
  for (const auto& [path, contents] : kOld) machine.disk().put(path, contents);
  ASSERT_TRUE(machine.start());
  machine.disk().fail_at(4, Status(StatusCode::kNoSpace, "the disk is full"));  // the first sync
  const Status done = machine.commit();
  EXPECT_EQ(done.code(), StatusCode::kAlreadyAborted) << done.to_string();
  EXPECT_NE(done.to_string().find("the disk is full"), std::string::npos) << done.to_string();
  EXPECT_TRUE(machine.core().health());
}

// ---- Others

TEST(FilesAndOthers, AStagedFileThatSomeoneDeletedIsToldAfterTheRestart) {
  Machine machine(Way::kSinglePhase);
  for (const auto& [path, contents] : kOld) machine.disk().put(path, contents);
  ASSERT_TRUE(machine.start());
  // Before the first name of the tree changes: three staged, three synced, the directory.
  machine.disk().crash_at(8);
  static_cast<void>(machine.commit());
  machine.power_off();
  machine.stop();
  Machine later(Way::kSinglePhase);
  later.become(machine, FileFate::kAll, 1);
  ASSERT_EQ(later.disk().staged().size(), 3u);
  for (const std::string& name : later.disk().staged()) later.disk().erase("staging/" + name);
  ASSERT_TRUE(later.start());
  EXPECT_EQ(later.core().recovery().committed.size(), 1u);
  EXPECT_EQ(later.core().recovery().missing, (std::vector<std::string>{"a", "deep/er/b", "x/y"}));
  const std::string path = "kept";
  EXPECT_TRUE(later.core().read_together({&path, 1}, {}));
}

// The base moves, also past what is promised and not decided.
TEST(FilesStream, StaysBounded) {
  Machine machine(Way::kOwnLog);
  machine.disk().put("a", "old a");
  ASSERT_TRUE(machine.start());
  auto silent = machine.manager().create_resource_manager(Uuid::generate(), tm::RmKind::kVolatile);
  auto undecided = machine.manager().create_transaction().value();
  ASSERT_TRUE(machine.core().write(undecided, "a", "a, new", false));
  const auto partner = silent->enlist(undecided, tm::kTwoPhase, 1).value();
  ASSERT_TRUE(undecided.commit_async());
  for (int i = 0; i < 50; ++i) {
    auto transaction = machine.manager().create_transaction().value();
    ASSERT_TRUE(machine.core().write(transaction, "n", std::to_string(i), false));
    ASSERT_TRUE(transaction.commit_async());
    while (transaction.wait(tm::WaitFor::kCompleted, std::chrono::nanoseconds(0)).code() ==
           StatusCode::kTimeout) {
      static_cast<void>(machine.manager().run_background());
    }
  }
  EXPECT_LT(machine.bytes_held(), 8192u);
  Machine later(Way::kOwnLog);
  machine.power_off();
  machine.stop();
  later.become(machine, FileFate::kNone, 1);
  ASSERT_TRUE(later.start());
  EXPECT_EQ(later.core().recovery().aborted, std::vector<Uuid>{undecided.id()});
  EXPECT_EQ(later.disk().tree(), (Tree{{"a", "old a"}, {"n", "49"}}));
}

}  // namespace
}  // namespace cairn::rm
