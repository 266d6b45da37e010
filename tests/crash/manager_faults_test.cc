// What goes wrong below a transaction manager with two resource managers on a real system: in the
// middle of its work the file system is full, the device fails, the file system is shut down or
// becomes read only, files may not grow, memory is used up; there is no io_uring; the clock jumps.
// Whatever a client had been told is so when it is over (T1 to T4, and I1 to I4 of the logs).
#include <malloc.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <new>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cairn/sim/random.h>
#include <cairn/torture/two_rm_machine.h>

#include "crash/faulty_world.h"
#include "observed_storage.h"
#include "sim/test_budget.h"

namespace {

// Below 0: memory is there. Else so many more allocations succeed.
std::atomic<std::int64_t> g_allocations_left{-1};
// The wall clock shows so many seconds more.
std::atomic<std::int64_t> g_clock_jump{0};

}  // namespace

void* operator new(std::size_t size) {
  if (g_allocations_left.load() >= 0 && g_allocations_left.fetch_sub(1) <= 0) {
    g_allocations_left = 0;
    throw std::bad_alloc();
  }
  if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

// In place of the C library's, also for the C++ library's clocks.
extern "C" int clock_gettime(clockid_t clock, timespec* time) noexcept {
  const auto failed = ::syscall(SYS_clock_gettime, clock, time);
  if (failed == 0 && clock == CLOCK_REALTIME) time->tv_sec += g_clock_jump.load();
  return static_cast<int>(failed);
}

namespace cairn::crash_test {
namespace {

using torture::Knowledge;
using torture::ObservedStorage;
using torture::PowercutFault;
using torture::TwoRmMachine;

constexpr int kStepsBefore = 3;
// Enough for files that are full to be followed by new ones.
constexpr int kMostSteps = 3000;
constexpr int kStepsOfAProcess = 40;
constexpr std::chrono::seconds kHangs(60);
constexpr int kCaught = 7;

std::shared_ptr<ObservedStorage> storage_in(const std::string& root) {
  return std::make_shared<ObservedStorage>(log::make_storage().value(), root, PowercutFault::kNone);
}

// Whether a machine that boots in `root` keeps what was known, and goes on; what is wrong.
std::string check_machine(const std::string& root, const Knowledge& known) {
  TwoRmMachine machine(storage_in(root), known);
  if (const Status booted = machine.boot(); !booted) return "after it: " + booted.to_string();
  if (std::string found = machine.violation(); !found.empty()) return "after it: " + found;
  const Status committed = machine.commit_one();
  return committed ? machine.violation() : "a commit after it: " + committed.to_string();
}

struct Fault {
  std::function<void(Mounted&)> strike;
  std::function<void(Mounted&)> heal;
};

// A machine works on `file_system`; the fault strikes before its change number `place` of what is
// on the disk, or thereabouts. Its work must come to an error that is not called damage.
std::string machine_survives(const char* file_system, std::uint64_t place, const Fault& fault) {
  Mounted world(file_system, torture::find_file_system(file_system)->disk_bytes);
  if (!world.status) return world.status.to_string();
  Knowledge known;
  {
    const auto storage = storage_in(world.root());
    TwoRmMachine machine(storage, {});
    Status status = machine.boot();
    sim::Random random(place);
    for (int i = 0; i < kStepsBefore && status; ++i) status = machine.step(random);
    if (!status) return "before it: " + status.to_string();
    std::uint64_t changes = 0;
    storage->set_observer([&] {
      if (++changes == place) fault.strike(world);
    });
    for (int i = 0; i < kMostSteps && status; ++i) status = machine.step(random);
    storage->set_observer(nullptr);
    if (status) return "no error";
    if (status.code() == StatusCode::kCorrupt) return "called damage: " + status.to_string();
    known = machine.knowledge();
  }
  fault.heal(world);
  if (!world.status) return world.status.to_string();
  return check_machine(world.root(), known);
}

class ManagerFaults : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const Status possible = torture::can_mount(*torture::find_file_system(GetParam()));
    if (!possible) GTEST_SKIP() << possible.message();
  }
  // In the middle of the commits, which have some ten changes each.
  static void expect_survived(const Fault& fault, const std::vector<std::uint64_t>& places) {
    for (const std::uint64_t place : places) {
      const std::string wrong =
          in_a_process([&] { return machine_survives(GetParam(), place, fault); });
      EXPECT_EQ(wrong, "") << "before change " << place;
    }
  }
};

TEST_P(ManagerFaults, AFullFileSystemTakesNothing) { expect_survived({fill_up, give_room}, {4}); }

TEST_P(ManagerFaults, ADeviceThatFailsTakesNothing) {
  const auto strike = [](Mounted& world) { world.disk->fail(true); };
  const auto heal = [](Mounted& world) {
    world.disk->fail(false);
    world.again();
  };
  expect_survived({strike, heal}, {1, 3, 4, 6, 9});
}

TEST_P(ManagerFaults, AFileSystemThatIsShutDownTakesNothing) {
  if (std::string(GetParam()) == "btrfs") GTEST_SKIP() << "btrfs cannot be shut down";
  expect_survived({shut_down, [](Mounted& world) { world.again(); }}, {2, 5, 9});
}

// No one can make it read only while files are open for writing; the file system itself does so
// when it gives up, which ext4 does on request.
TEST_P(ManagerFaults, AFileSystemThatBecomesReadOnlyTakesNothing) {
  if (std::string(GetParam()) != "ext4") GTEST_SKIP() << "only ext4 gives up on request";
  const auto strike = [](Mounted& world) {
    const std::string root = world.root();
    const bool refused =
        ::mount(nullptr, root.c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr) != 0 &&
        errno == EBUSY;
    const bool gave_up = ::mount(nullptr, root.c_str(), nullptr, MS_REMOUNT, "abort") == 0;
    if (!refused || !gave_up) world.status = Status(StatusCode::kInvalidState, "not read only");
  };
  const auto heal = [](Mounted& world) {
    if (world.status) world.again();
  };
  expect_survived({strike, heal}, {2, 7});
}

std::vector<const char*> mounted_systems() {
  if (sim::test_budget() < 2) return {"ext4"};
  return {"ext4", "xfs", "btrfs"};
}
INSTANTIATE_TEST_SUITE_P(On, ManagerFaults, testing::ValuesIn(mounted_systems()),
                         [](const auto& one) { return std::string(one.param); });

// What a client knew of its transactions, in memory that outlives its process.
class SharedFacts {
 public:
  SharedFacts()
      : all_(static_cast<All*>(::mmap(nullptr, sizeof(All), PROT_READ | PROT_WRITE,
                                      MAP_SHARED | MAP_ANONYMOUS, -1, 0))) {}
  ~SharedFacts() { ::munmap(all_, sizeof(All)); }
  SharedFacts(const SharedFacts&) = delete;
  SharedFacts& operator=(const SharedFacts&) = delete;

  void tell(const Knowledge& known) {
    std::size_t count = 0;
    for (const auto& [id, facts] : known.transactions) {
      if (count == kMost) break;
      all_->versions[1 - all_->newest][count++] = {id, facts};
    }
    all_->counts[1 - all_->newest] = count;
    all_->newest = 1 - all_->newest;
  }
  // Of the logs nothing is known but what the manager says of them.
  [[nodiscard]] Knowledge told() const {
    Knowledge known;
    for (std::size_t i = 0; i < all_->counts[all_->newest]; ++i) {
      const auto& [id, facts] = all_->versions[all_->newest][i];
      known.transactions[id] = facts;
    }
    return known;
  }

 private:
  static constexpr std::size_t kMost = 4096;
  struct One {
    Uuid id;
    torture::TransactionFacts facts;
  };
  struct All {
    std::atomic<std::size_t> newest;
    std::array<std::size_t, 2> counts;
    std::array<std::array<One, kMost>, 2> versions;
  };
  All* all_;
};

struct MemoryAgain {
  ~MemoryAgain() { g_allocations_left = -1; }
};

class ManagerProcessFaults : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = place() + "/cairn_manager_XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  virtual std::string place() const { return testing::TempDir(); }

  struct End {
    int status = 0;     // as waitpid() has it
    Knowledge known;    // by then
    std::string error;  // of the machine
  };
  // A machine works in a process until an error, or until that is killed. `strike` is called when
  // it has booted and worked for a while. Memory that was missing is there again when the process
  // `catches` that: then it closes everything and ends.
  End work_in_a_process(const std::function<void()>& strike, int steps = kStepsOfAProcess,
                        bool catches = false) {
    SharedFacts facts;
    int ends[2];
    EXPECT_EQ(::pipe(ends), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      begin();
      if (catches) {
        try {
          work(facts, strike, steps, ends[1]);
        } catch (const std::bad_alloc&) {
        }
        ::_exit(kCaught);
      }
      [&]() noexcept { work(facts, strike, steps, ends[1]); }();
      ::_exit(0);
    }
    ::close(ends[1]);
    End end;
    for (char letter = 0; ::read(ends[0], &letter, 1) == 1;) end.error += letter;
    ::close(ends[0]);
    ::waitpid(child, &end.status, 0);
    end.known = facts.told();
    return end;
  }

  std::string directory_;

 private:
  static void begin() {
    const rlimit no_core{0, 0};
    ::setrlimit(RLIMIT_CORE, &no_core);
    ::alarm(kHangs.count());
    ::close(STDERR_FILENO);  // std::terminate() says why
  }
  void work(SharedFacts& facts, const std::function<void()>& strike, int steps, int report) {
    const auto storage = storage_in(directory_);
    TwoRmMachine machine(storage, {});
    const MemoryAgain again;
    const auto tell = [&] {
      const std::int64_t left = g_allocations_left.exchange(-1);
      facts.tell(machine.knowledge());
      g_allocations_left = left;
    };
    storage->set_observer(tell);
    Status status = machine.boot();
    sim::Random random(1);
    for (int i = 0; i < kStepsBefore && status; ++i) status = machine.step(random);
    if (status) strike();
    for (int i = 0; i < steps && status; ++i) {
      status = machine.step(random);
      tell();
    }
    storage->set_observer(nullptr);
    const std::string said = status.is_ok() ? "" : status.to_string();
    [[maybe_unused]] const ssize_t told = ::write(report, said.data(), said.size());
  }
};

TEST_F(ManagerProcessFaults, ALimitOnFileSizesTakesNothing) {
  const rlimit limit{64 << 10, 64 << 10};
  const End failed = work_in_a_process(
      [&] {
        ::signal(SIGXFSZ, SIG_IGN);
        ::setrlimit(RLIMIT_FSIZE, &limit);
      },
      kMostSteps);
  EXPECT_TRUE(WIFEXITED(failed.status));
  EXPECT_THAT(failed.error, testing::ContainsRegex("NoSpace|IoError|Indeterminate|Poisoned"));
  EXPECT_EQ(check_machine(directory_, failed.known), "");
}

TEST_F(ManagerProcessFaults, ALimitOnFileSizesThatKillsTakesNothing) {
  const rlimit limit{64 << 10, 64 << 10};
  const End killed = work_in_a_process([&] { ::setrlimit(RLIMIT_FSIZE, &limit); }, kMostSteps);
  EXPECT_TRUE(WIFSIGNALED(killed.status) && WTERMSIG(killed.status) == SIGXFSZ) << killed.error;
  EXPECT_EQ(check_machine(directory_, killed.known), "");
}

TEST_F(ManagerProcessFaults, WithoutIoUringAllIsDoneWithoutIt) {
  const End end = work_in_a_process([] {}, 5);
  EXPECT_EQ(end.error, "");
  const std::string wrong = in_a_process([&]() -> std::string {
    if (!forbid_io_uring()) return "no filter";
    return check_machine(directory_, end.known);
  });
  EXPECT_EQ(wrong, "");
}

// The end of a process takes nothing from a file system in memory, which is fast.
class ManagerMemoryFaults : public ManagerProcessFaults {
 protected:
  std::string place() const override {
    return ::access("/dev/shm", W_OK) == 0 ? "/dev/shm" : ManagerProcessFaults::place();
  }
};

// Memory that cannot be had ends the process, wherever it is missing, and the next one recovers.
// Whoever catches what was thrown in his own code, or in a call that changes nothing, can close.
TEST_F(ManagerMemoryFaults, MissingAnywhereEndsTheProcessAndTakesNothing) {
  std::uint64_t ended = 0;
  std::uint64_t caught = 0;
  const std::int64_t stride = sim::test_budget() < 2 ? 97 : 3;
  for (std::int64_t left = 0; left < 4000; left += stride) {
    const bool catches = left % 2 == 1;
    const End end =
        work_in_a_process([&] { g_allocations_left = left; }, kStepsOfAProcess, catches);
    ASSERT_TRUE(WIFEXITED(end.status) || WTERMSIG(end.status) == SIGABRT) << "hangs, " << left;
    ASSERT_EQ(end.error, "") << "after " << left << " allocations";
    ended += WIFSIGNALED(end.status);
    caught += WIFEXITED(end.status) && WEXITSTATUS(end.status) == kCaught;
    ASSERT_EQ(check_machine(directory_, end.known), "") << "after " << left << " allocations";
    std::filesystem::remove_all(directory_);
    std::filesystem::create_directory(directory_);
  }
  EXPECT_GT(ended, 10U);
  EXPECT_GT(caught, 1U);
}

TEST_F(ManagerMemoryFaults, ALimitEndsTheProcessAndTakesNothing) {
  const End end = work_in_a_process(
      [] {
        std::ifstream in("/proc/self/statm");
        std::uint64_t pages = 0;
        in >> pages;
        const rlimit limit{pages * 4096, pages * 4096};
        ::setrlimit(RLIMIT_AS, &limit);
        // Somebody else takes what is left.
        for (std::size_t size = 1 << 20; size >= 16; size /= 2) {
          while (::malloc(size) != nullptr) {
          }
        }
      },
      kMostSteps);
  EXPECT_TRUE(WIFSIGNALED(end.status) && WTERMSIG(end.status) == SIGABRT) << end.error;
  EXPECT_EQ(check_machine(directory_, end.known), "");
}

// A resource manager on a thread of its own, which says yes to everything.
class Yes {
 public:
  Yes(tm::TransactionManager& manager, std::uint8_t number) {
    Uuid id;
    id.bytes.back() = number;
    rm_ = manager.open_or_create_resource_manager(id, tm::RmKind::kDurable).value();
    EXPECT_TRUE(rm_.recover());
    thread_ = std::thread([this] {
      while (const auto told = rm_.get_notification()) answer(*told);
    });
  }
  ~Yes() { thread_.join(); }  // the manager's close() ends it
  Yes(const Yes&) = delete;
  Yes& operator=(const Yes&) = delete;

  void enlist(const tm::Transaction& transaction) {
    auto enlistment = rm_.enlist(transaction, tm::kTwoPhase, 0);
    ASSERT_TRUE(enlistment) << enlistment.status().to_string();
    held_.push_back(std::move(*enlistment));
  }
  [[nodiscard]] int committed() const { return committed_; }

 private:
  void answer(const tm::Notification& told) {
    auto enlistment = rm_.open_enlistment(told.enlistment);
    if (!enlistment) return;
    Status done;
    if (told.kind == tm::NotificationKind::kPrepare) done = enlistment->prepare_complete();
    if (told.kind == tm::NotificationKind::kRollback) done = enlistment->rollback_complete();
    if (told.kind == tm::NotificationKind::kCommit) {
      ++committed_;
      done = enlistment->commit_complete();
    }
    EXPECT_TRUE(done) << done.to_string();
  }

  tm::ResourceManager rm_;
  std::vector<tm::Enlistment> held_;  // one that nobody holds is rolled back
  std::thread thread_;
  std::atomic<int> committed_{0};
};

// Forward, and back before it began; a transaction that has time left keeps it, and one whose time
// is out ends.
TEST_F(ManagerProcessFaults, AWallClockThatJumpsDecidesNothing) {
  constexpr std::int64_t kTenYears = 10LL * 365 * 24 * 3600;
  const auto before = std::chrono::system_clock::now();
  auto log = log::Log::open_or_create(directory_ + "/log", torture::small_log());
  ASSERT_TRUE(log) << log.status().to_string();
  auto manager = tm::TransactionManager::open_or_create({.log = std::move(*log)}).value();
  ASSERT_TRUE(manager.recover());
  {
    Yes one(manager, 1);
    Yes other(manager, 2);
    const auto begin = [&](const tm::TransactionOptions& options) {
      auto transaction = manager.create_transaction(options).value();
      one.enlist(transaction);
      other.enlist(transaction);
      return transaction;
    };
    tm::Transaction patient = begin({.timeout = std::chrono::hours(24)});
    for (const std::int64_t jump : {kTenYears, -kTenYears}) {
      g_clock_jump = jump;
      EXPECT_EQ(std::chrono::system_clock::now() > before, jump > 0) << "the clock did not jump";
      const tm::Transaction short_lived =
          manager.create_transaction({.timeout = std::chrono::milliseconds(1)}).value();
      EXPECT_EQ(short_lived.wait(tm::WaitFor::kDecided, kHangs).code(),
                StatusCode::kAlreadyAborted);
      EXPECT_EQ(begin({}).commit(tm::WaitFor::kCompleted).code(), StatusCode::kOk);
    }
    const Status committed = patient.commit(tm::WaitFor::kCompleted);
    EXPECT_TRUE(committed) << committed.to_string();
    EXPECT_TRUE(manager.close());
    EXPECT_EQ(one.committed(), 3);
    EXPECT_EQ(other.committed(), 3);
  }
  g_clock_jump = 0;
  log = log::Log::open(directory_ + "/log");
  ASSERT_TRUE(log) << log.status().to_string();
  manager = tm::TransactionManager::open_or_create({.log = std::move(*log)}).value();
  const auto report = manager.recover();
  ASSERT_TRUE(report) << report.status().to_string();
  EXPECT_TRUE(manager.transactions()->empty());
}

}  // namespace
}  // namespace cairn::crash_test
