// A transaction manager on real files, killed again and again between its decision and the first
// answer to COMMIT, while three resource managers take part, one of which is gone for a while.
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <cairn/log.h>
#include <cairn/transaction_manager.h>

#include "sim/test_budget.h"

namespace cairn::crash_test {
namespace {

using tm::NotificationKind;

constexpr std::uint8_t kManagers = 3;
// Of each so many rounds the third resource manager misses those in the middle.
constexpr std::uint64_t kCycle = 100;
constexpr std::uint64_t kGoneFrom = 20;
constexpr std::uint64_t kGoneTo = 80;
constexpr std::uint64_t kContainers = 10;

bool is_gone(std::uint64_t round, std::uint8_t number) {
  const std::uint64_t at = round % kCycle;
  return number == kManagers && at >= kGoneFrom && at < kGoneTo;
}

// Keeps promises in a file: a killed process loses nothing that it wrote.
class FileRm {
 public:
  enum Type : char { kPromise = 'P', kCommit = 'C', kRollback = 'R' };

  FileRm(std::uint8_t number, std::string path) : number_(number), path_(std::move(path)) {
    id_.bytes.back() = number;
    for (const auto& [type, transaction] : read(path_)) note(type, transaction);
  }

  // What stands in such a file; nothing if it is not there.
  static std::vector<std::pair<Type, Uuid>> read(const std::string& path) {
    std::vector<std::pair<Type, Uuid>> all;
    const std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(path.c_str(), "rb"), std::fclose);
    if (!file) return all;
    std::array<char, 17> bytes{};
    while (std::fread(bytes.data(), bytes.size(), 1, file.get()) == 1) {
      Uuid id;
      std::copy(bytes.begin() + 1, bytes.end(), id.bytes.begin());
      all.emplace_back(static_cast<Type>(bytes[0]), id);
    }
    return all;
  }

  // A session, recovered: all that was promised is offered, as each of it had been decided.
  Status connect(tm::TransactionManager& manager) {
    CAIRN_ASSIGN_OR_RETURN(session_,
                           manager.open_or_create_resource_manager(id_, tm::RmKind::kDurable));
    CAIRN_RETURN_IF_ERROR(session_.recover());
    while (!last_recover_ || !untold_.empty()) {
      CAIRN_ASSIGN_OR_RETURN(const auto told, session_.try_get_notification());
      if (!told) return Status(StatusCode::kNotFound, name() + " was not told of all it promised");
      CAIRN_RETURN_IF_ERROR(answer(*told));
    }
    return Status::ok();
  }
  Status enlist(const tm::Transaction& transaction) {
    CAIRN_ASSIGN_OR_RETURN(enlistments_[transaction.id()],
                           session_.enlist(transaction, tm::kTwoPhase, 1));
    return Status::ok();
  }
  // Answers what is queued, up to a COMMIT; true: that was the last one.
  Result<bool> answer_until_commit() {
    while (true) {
      CAIRN_ASSIGN_OR_RETURN(const auto told, session_.try_get_notification());
      if (!told) return false;
      if (told->kind == NotificationKind::kCommit) return true;
      CAIRN_RETURN_IF_ERROR(answer(*told));
    }
  }

 private:
  std::string name() const { return "resource manager " + std::to_string(number_); }

  void note(Type type, const Uuid& transaction) {
    if (type == kPromise) {
      promised_.insert(transaction);
    } else {
      promised_.erase(transaction);
    }
    if (type == kCommit) committed_.insert(transaction);
  }
  Status write(Type type, const Uuid& transaction) {
    std::array<char, 17> bytes{type};
    std::copy(transaction.bytes.begin(), transaction.bytes.end(), bytes.begin() + 1);
    const int file = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    const bool written = ::write(file, bytes.data(), bytes.size()) == ssize_t{bytes.size()};
    ::close(file);
    if (!written) return Status(StatusCode::kIoError, path_);
    note(type, transaction);
    return Status::ok();
  }
  Status answer(const tm::Notification& told) {
    if (told.kind == NotificationKind::kLastRecover) {
      last_recover_ = true;
      for (const Uuid& transaction : promised_) {
        if (offered_.contains(transaction)) continue;
        return Status(StatusCode::kNotFound, name() + " promised " + transaction.to_string() +
                                                 ", which was decided, and is not offered it");
      }
      return Status::ok();
    }
    tm::Enlistment& enlistment = enlistments_[told.transaction];
    switch (told.kind) {
      case NotificationKind::kRecover: {
        offered_.insert(told.transaction);
        untold_.insert(told.transaction);
        CAIRN_ASSIGN_OR_RETURN(enlistment, session_.open_enlistment(told.enlistment));
        return enlistment.recover(1);
      }
      case NotificationKind::kPrepare:
        CAIRN_RETURN_IF_ERROR(write(kPromise, told.transaction));
        return enlistment.prepare_complete();
      case NotificationKind::kCommit:
        untold_.erase(told.transaction);
        if (!committed_.contains(told.transaction)) {
          CAIRN_RETURN_IF_ERROR(write(kCommit, told.transaction));
        }
        return enlistment.commit_complete();
      default:
        return Status(StatusCode::kInvalidState, name() + " was told " + told.to_string());
    }
  }

  const std::uint8_t number_;
  const std::string path_;
  Uuid id_{};
  std::set<Uuid> promised_;  // and not ended
  std::set<Uuid> committed_;
  std::set<Uuid> offered_;
  std::set<Uuid> untold_;  // offered, and the outcome has not come
  std::map<Uuid, tm::Enlistment> enlistments_;
  bool last_recover_ = false;
  tm::ResourceManager session_;
};

class DecisionKill : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = where() + "/cairn_decision_XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  // In memory where there is such a place: what is written outlives a process in either.
  static std::string where() {
    return ::access("/dev/shm", W_OK) == 0 ? "/dev/shm" : testing::TempDir();
  }
  std::string log_path() const { return directory_ + "/log"; }
  std::string rm_path(std::uint8_t number) const {
    return directory_ + "/rm" + std::to_string(number);
  }

  struct Running {
    tm::TransactionManager manager;
    std::vector<std::unique_ptr<FileRm>> rms;
  };
  Result<Running> start(std::uint64_t round) {
    log::CreateOptions create;
    create.container_size = log::kMinContainerSize;
    create.max_size = kContainers * create.container_size;
    create.calibrate = false;
    log::OpenOptions open;
    // The ring of a killed process takes its time to go, and the lock with it.
    CAIRN_ASSIGN_OR_RETURN(open.storage, log::make_storage(log::StorageKind::kPosix));
    open.background = log::Background::kManual;
    open.lock_wait = std::chrono::seconds(10);
    tm::TmOptions options;
    options.background = tm::Background::kManual;
    options.carry_forward_bytes = 4 * create.container_size;
    CAIRN_ASSIGN_OR_RETURN(options.log, log::Log::open_or_create(log_path(), create, open));
    Running running;
    CAIRN_ASSIGN_OR_RETURN(running.manager, tm::TransactionManager::open_or_create(options));
    CAIRN_RETURN_IF_ERROR(running.manager.recover().status());
    for (std::uint8_t number = 1; number <= kManagers; ++number) {
      if (is_gone(round, number)) continue;
      running.rms.push_back(std::make_unique<FileRm>(number, rm_path(number)));
      CAIRN_RETURN_IF_ERROR(running.rms.back()->connect(running.manager));
    }
    return running;
  }

  // In a process of its own, which ends at the first COMMIT of a new transaction.
  Status live_until_the_decision(std::uint64_t round) {
    CAIRN_ASSIGN_OR_RETURN(Running running, start(round));
    CAIRN_ASSIGN_OR_RETURN(tm::Transaction transaction, running.manager.create_transaction());
    for (auto& rm : running.rms) CAIRN_RETURN_IF_ERROR(rm->enlist(transaction));
    CAIRN_RETURN_IF_ERROR(transaction.commit_async());
    for (int turn = 0; turn < 1000; ++turn) {
      for (auto& rm : running.rms) {
        CAIRN_ASSIGN_OR_RETURN(const bool is_decided, rm->answer_until_commit());
        if (is_decided) ::kill(::getpid(), SIGKILL);
      }
      CAIRN_RETURN_IF_ERROR(running.manager.run_background());
    }
    return Status(StatusCode::kTimeout, "no COMMIT came");
  }
  void run_and_kill(std::uint64_t round) {
    const pid_t child = ::fork();
    if (child == 0) {
      const Status ended = live_until_the_decision(round);
      std::fprintf(stderr, "round %llu: %s\n", static_cast<unsigned long long>(round),
                   ended.to_string().c_str());
      std::_Exit(1);
    }
    ASSERT_GT(child, 0);
    int end = 0;
    ASSERT_EQ(::waitpid(child, &end, 0), child);
    ASSERT_TRUE(WIFSIGNALED(end) && WTERMSIG(end) == SIGKILL) << "it ended by itself; see above";
  }

  std::uint64_t log_bytes() const {
    std::uint64_t bytes = 0;
    for (const auto& file : std::filesystem::directory_iterator(log_path())) {
      bytes += file.file_size();
    }
    return bytes;
  }
  std::vector<Uuid> committed(std::uint8_t number) const {
    std::vector<Uuid> all;
    for (const auto& [type, transaction] : FileRm::read(rm_path(number))) {
      EXPECT_NE(type, FileRm::kRollback);
      if (type == FileRm::kCommit) all.push_back(transaction);
    }
    std::sort(all.begin(), all.end());
    EXPECT_EQ(std::adjacent_find(all.begin(), all.end()), all.end()) << "committed twice";
    return all;
  }

  std::string directory_;
};

TEST_F(DecisionKill, AThousandOfThemLoseNothingForgetNothingTooEarlyAndLeaveTheLogSmall) {
  const std::uint64_t rounds = std::max<std::uint64_t>(sim::budgeted(1000), kCycle / 4);
  std::uint64_t with_all = 0;
  std::uint64_t most_bytes = 0;
  for (std::uint64_t round = 0; round < rounds; ++round) {
    ASSERT_NO_FATAL_FAILURE(run_and_kill(round));
    with_all += !is_gone(round, kManagers);
    most_bytes = std::max(most_bytes, log_bytes());
  }
  {
    Result<Running> last = start(0);  // all are there
    ASSERT_TRUE(last) << last.status().to_string();
    ASSERT_TRUE(last->manager.run_background());
    EXPECT_TRUE(last->manager.transactions()->empty()) << "not all is forgotten";
    EXPECT_TRUE(last->manager.close());
  }
  EXPECT_EQ(committed(1).size(), rounds);
  EXPECT_EQ(committed(2), committed(1));
  const std::vector<Uuid> third = committed(kManagers);
  EXPECT_EQ(third.size(), with_all);
  const std::vector<Uuid> first = committed(1);
  EXPECT_TRUE(std::includes(first.begin(), first.end(), third.begin(), third.end()));
  EXPECT_LE(most_bytes, (kContainers + 1) * log::kMinContainerSize) << "the log grew";
  std::printf("[ kills    ] %llu between decision and answer, the log at most %llu KiB\n",
              static_cast<unsigned long long>(rounds),
              static_cast<unsigned long long>(most_bytes / 1024));
}

}  // namespace
}  // namespace cairn::crash_test
