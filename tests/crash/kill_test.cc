// A real process on real files, killed at random: what it said was acknowledged is there.
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <map>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <cairn/log.h>
#include <cairn/sim/random.h>

#include "crash/kill_messages.h"
#include "sim/test_budget.h"

namespace cairn::crash_test {
namespace {

constexpr std::uint32_t kThreads = 4;

// The child process, and the pipe on which it speaks.
class Child {
 public:
  Child(const std::string& directory, const std::string& storage) {
    int ends[2];
    EXPECT_EQ(pipe(ends), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    posix_spawn_file_actions_addclose(&actions, ends[1]);
    std::vector<std::string> arguments{CAIRN_KILL_CHILD, directory, std::to_string(kThreads)};
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    setenv("CAIRN_STORAGE", storage.c_str(), 1);
    EXPECT_EQ(posix_spawn(&pid_, CAIRN_KILL_CHILD, &actions, nullptr, argv.data(), environ), 0);
    unsetenv("CAIRN_STORAGE");
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    pipe_ = ends[0];
  }
  ~Child() { close(pipe_); }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  // The next message; false at the end.
  bool read_message(Message* message) {
    auto* to = reinterpret_cast<char*>(message);
    for (std::size_t done = 0; done < sizeof *message;) {
      const ssize_t n = read(pipe_, to + done, sizeof *message - done);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return false;
      done += static_cast<std::size_t>(n);
    }
    return true;
  }
  void kill_now() { kill(pid_, SIGKILL); }
  // How it ended, as of waitpid().
  int wait_for_end() {
    int status = 0;
    EXPECT_EQ(waitpid(pid_, &status, 0), pid_);
    return status;
  }

 private:
  pid_t pid_ = -1;
  int pipe_ = -1;
};

class KillTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    kind_ =
        std::string(GetParam()) == "uring" ? log::StorageKind::kUring : log::StorageKind::kPosix;
    const auto storage = log::make_storage(kind_);
    if (storage.code() == StatusCode::kNotSupported) GTEST_SKIP() << storage.status().to_string();
    ASSERT_TRUE(storage) << storage.status().to_string();
    std::string pattern = testing::TempDir() + "/cairn_kill_XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override {
    if (!directory_.empty()) std::filesystem::remove_all(directory_);
  }

  // Lets a child work for `life`, kills it and takes down what it said.
  void run_and_kill(std::chrono::milliseconds life) {
    Child child(log_path(), GetParam());
    std::thread killer;
    for (Message message; child.read_message(&message);) {
      if (!killer.joinable()) {  // the log is open: the time runs
        killer = std::thread([&child, life] {
          std::this_thread::sleep_for(life);
          child.kill_now();
        });
      }
      note(message);
    }
    if (killer.joinable()) killer.join();
    const int end = child.wait_for_end();
    EXPECT_TRUE(WIFSIGNALED(end) && WTERMSIG(end) == SIGKILL) << "the child ended by itself";
  }

  void note(const Message& message) {
    ASSERT_NE(message.kind, Message::kFailed) << "the log refused the child; see above";
    ASSERT_LT(message.stream, kThreads);
    if (message.kind == Message::kMovingBase) {
      moving_[message.stream] = Lsn(message.lsn);
      return;
    }
    ++acknowledged_count_;
    const Lsn lsn(message.lsn);
    EXPECT_TRUE(acknowledged_[message.stream].emplace(lsn, message.sequence).second)
        << "LSN " << lsn.to_string() << " was given twice";
    EXPECT_GE(lsn, former_end_) << "an LSN of a former round was given again";
  }

  // Recovers the log in this process and compares.
  void verify() {
    log::OpenOptions options;
    options.storage = log::make_storage(kind_).value();
    options.lock_wait = std::chrono::seconds(10);
    auto log = log::Log::open(log_path(), options);
    ASSERT_TRUE(log) << log.status().to_string();
    for (std::uint32_t number = 0; number < kThreads; ++number) verify_stream(**log, number);
    former_end_ = (*log)->end_lsn();
    EXPECT_TRUE((*log)->close());
    const auto report = log::verify(log_path(), {options.storage});
    ASSERT_TRUE(report) << report.status().to_string();
    EXPECT_TRUE(report->damages.empty()) << report->damages[0].reason;
  }

  void verify_stream(log::Log& log, std::uint32_t number) {
    auto stream = log.open_stream(stream_name(number));
    if (!stream && acknowledged_[number].empty()) return;  // killed before it was made
    ASSERT_TRUE(stream) << stream.status().to_string();
    const Lsn base = stream->base();
    EXPECT_TRUE(base <= moving_[number] || moving_[number].is_null());
    auto& acknowledged = acknowledged_[number];
    acknowledged.erase(acknowledged.begin(), acknowledged.lower_bound(base));

    std::map<Lsn, std::uint64_t> found;
    auto cursor = stream->read().value();
    for (auto record = cursor.next(); record.value(); record = cursor.next()) {
      const log::Record& one = **record;
      if (one.kind != log::RecordKind::kData) continue;
      const auto sequence = sequence_in(number, one.payload);
      ASSERT_TRUE(sequence) << "LSN " << one.lsn.to_string() << " holds what nobody appended";
      EXPECT_TRUE(found.empty() || found.rbegin()->second + 1 == *sequence)
          << "a gap before LSN " << one.lsn.to_string();
      found.emplace(one.lsn, *sequence);
    }
    for (const auto& [lsn, sequence] : acknowledged) {
      const auto there = found.find(lsn);
      ASSERT_TRUE(there != found.end() && there->second == sequence)
          << "record " << sequence << " of stream " << number << ", acknowledged at LSN "
          << lsn.to_string() << ", is lost";
    }
  }

  std::string log_path() const { return directory_ + "/log"; }

  log::StorageKind kind_ = log::StorageKind::kAuto;
  std::string directory_;
  std::map<std::uint32_t, std::map<Lsn, std::uint64_t>>
      acknowledged_;  // per stream: LSN -> sequence
  std::map<std::uint32_t, Lsn> moving_;
  Lsn former_end_;  // of the log, when the newest child was started
  std::uint64_t acknowledged_count_ = 0;
};

TEST_P(KillTest, AcknowledgedRecordsSurviveAnyNumberOfKills) {
  const std::uint64_t rounds = sim::budgeted(6);
  sim::Random random(static_cast<std::uint64_t>(getpid()));
  for (std::uint64_t round = 0; round < rounds && !HasFailure(); ++round) {
    run_and_kill(std::chrono::milliseconds(random.below(250)));
    if (!HasFatalFailure()) verify();
  }
  std::printf("[ kills    ] %llu kills, %llu records acknowledged\n",
              static_cast<unsigned long long>(rounds),
              static_cast<unsigned long long>(acknowledged_count_));
  EXPECT_GT(acknowledged_count_, 0U);
}

INSTANTIATE_TEST_SUITE_P(Storage, KillTest, testing::Values("uring", "posix"),
                         [](const auto& one) { return std::string(one.param); });

}  // namespace
}  // namespace cairn::crash_test
