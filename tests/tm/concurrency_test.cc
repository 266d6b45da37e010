// Many threads, real directories, real background threads. Clean under TSan is a part of what is
// shown.
#include <stdlib.h>

#include <atomic>
#include <filesystem>
#include <map>
#include <mutex>
#include <thread>

#include <cairn/delivery.h>

#include "tm/harness.h"

namespace cairn::tm {
namespace {

// A directory that goes with the test.
class ScratchDirectory {
 public:
  ScratchDirectory() {
    std::string pattern = testing::TempDir() + "cairn-tm-XXXXXX";
    path_ = ::mkdtemp(pattern.data()) != nullptr ? pattern : "";
    EXPECT_FALSE(path_.empty());
  }
  ~ScratchDirectory() { std::filesystem::remove_all(path_); }
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;
  [[nodiscard]] std::string log() const { return path_ + "/log"; }

 private:
  std::string path_;
};

// A resource manager with a thread of its own that answers whatever comes, through
// open_enlistment() where the answer is faster than enlist(). Counts what became of each
// transaction.
class AnsweringRm {
 public:
  explicit AnsweringRm(ResourceManager session) : session_(std::move(session)) {
    thread_ = std::thread([this] { run(); });
  }
  ~AnsweringRm() { stop(); }
  AnsweringRm(const AnsweringRm&) = delete;
  AnsweringRm& operator=(const AnsweringRm&) = delete;

  // Ends the session, as a crash of its process would.
  void stop() {
    if (!thread_.joinable()) return;
    stopping_ = true;
    thread_.join();
    kept_.clear();
    session_ = ResourceManager();
  }
  Status enlist(const Transaction& transaction, NotificationMask mask = kTwoPhase) {
    auto enlistment = session_.enlist(transaction, mask, 1);
    if (!enlistment) return enlistment.status();
    const std::lock_guard lock(mutex_);
    kept_.emplace(enlistment->id(), *enlistment);
    return Status::ok();
  }
  std::map<Uuid, NotificationKind> outcomes() {
    const std::lock_guard lock(mutex_);
    return outcomes_;
  }

 private:
  void run() {
    while (!stopping_) {
      auto next = session_.get_notification(std::chrono::milliseconds(5));
      if (next.code() == StatusCode::kTimeout) continue;
      if (!next) return;
      answer(*next);
    }
  }
  void answer(const Notification& next) {
    if (next.kind == NotificationKind::kLastRecover) return;
    auto opened = session_.open_enlistment(next.enlistment);
    if (!opened) return;  // it ended meanwhile
    switch (next.kind) {
      case NotificationKind::kRecover: {
        const Status taken = opened->recover(1);
        EXPECT_TRUE(taken || taken.code() == StatusCode::kFenced) << taken.to_string();
        const std::lock_guard lock(mutex_);
        kept_.emplace(next.enlistment, *opened);
        return;
      }
      case NotificationKind::kPrepare:
        (void)opened->prepare_complete().is_ok();  // it may be rolled back by now
        return;
      case NotificationKind::kCommit:
      case NotificationKind::kRollback: {
        {
          const std::lock_guard lock(mutex_);
          const auto [outcome, first] = outcomes_.emplace(next.transaction, next.kind);
          EXPECT_EQ(outcome->second, next.kind) << "the outcome changed";
        }
        const Status answered = next.kind == NotificationKind::kCommit
                                    ? opened->commit_complete()
                                    : opened->rollback_complete();
        EXPECT_TRUE(answered || answered.code() == StatusCode::kObjectExpired ||
                    answered.code() == StatusCode::kFenced)
            << answered.to_string();
        const std::lock_guard lock(mutex_);
        kept_.erase(next.enlistment);
        return;
      }
      default:
        return;
    }
  }

  ResourceManager session_;
  std::mutex mutex_;
  std::map<Uuid, Enlistment> kept_;
  std::map<Uuid, NotificationKind> outcomes_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

class Concurrency : public testing::Test {
 protected:
  void start() {
    auto log = log::Log::open_or_create(
        directory_.log(), {.container_size = log::kMinContainerSize, .calibrate = false});
    ASSERT_OK(log);
    log_ = std::move(*log);
    TmOptions options;
    options.log = log_;
    options.checkpoint_bytes = 16 << 10;
    options.carry_forward_bytes = 32 << 10;
    auto tm = TransactionManager::open_or_create(options);
    ASSERT_OK(tm);
    tm_ = std::move(*tm);
    ASSERT_OK(tm_.recover());
  }
  Result<ResourceManager> open_session(std::uint8_t number) {
    return tm_.open_or_create_resource_manager(numbered_id(number), RmKind::kDurable);
  }
  // Others may create, open and leave the same one at the same time.
  std::unique_ptr<AnsweringRm> make_rm(std::uint8_t number) {
    auto session = open_session(number);
    EXPECT_OK(session);
    const Status recovered = session->recover();
    EXPECT_TRUE(recovered || recovered.code() == StatusCode::kFenced) << recovered.to_string();
    return std::make_unique<AnsweringRm>(std::move(*session));
  }
  // Runs `work(thread)` on so many threads.
  static void in_parallel(int threads, const std::function<void(int)>& work) {
    std::vector<std::thread> all;
    for (int i = 0; i < threads; ++i) all.emplace_back(work, i);
    for (std::thread& thread : all) thread.join();
  }
  void wait_until_all_is_forgotten() {
    const auto end = std::chrono::steady_clock::now() + kSoon;
    while (!tm_.transactions()->empty() && std::chrono::steady_clock::now() < end) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    EXPECT_TRUE(tm_.transactions()->empty());
  }

  ScratchDirectory directory_;
  std::shared_ptr<log::Log> log_;
  TransactionManager tm_;
};

TEST_F(Concurrency, AllResourceManagersOfATransactionEndAlike) {
  start();
  auto one = make_rm(1);
  auto two = make_rm(2);
  std::mutex mutex;
  std::map<Uuid, bool> committed;
  in_parallel(4, [&](int thread) {
    for (int i = 0; i < 50; ++i) {
      auto transaction = tm_.create_transaction();
      ASSERT_OK(transaction);
      ASSERT_OK(one->enlist(*transaction));
      ASSERT_OK(two->enlist(*transaction));
      const bool roll_back = (i + thread) % 5 == 0;
      const Status status = roll_back ? transaction->rollback() : transaction->commit();
      EXPECT_OK(status);
      const std::lock_guard lock(mutex);
      committed[transaction->id()] = !roll_back;
    }
  });
  wait_until_all_is_forgotten();
  for (const auto& [id, did_commit] : committed) {
    const auto expected = did_commit ? NotificationKind::kCommit : NotificationKind::kRollback;
    EXPECT_EQ(one->outcomes().at(id), expected);
    EXPECT_EQ(two->outcomes().at(id), expected);
  }
}

// Each thread is answered by itself, if nobody else was faster, and forces its own decision.
TEST_F(Concurrency, CommitsThatAreAnsweredInlineEndWhileSessionsAndDeliveriesComeAndGo) {
  start();
  const auto answer = [](ResourceManager& session) {
    return Delivery::start_inline(session, [&session](const Result<Notification>& next) {
      if (!next) return;
      auto enlistment = session.open_enlistment(next->enlistment);
      if (!enlistment) return;
      if (next->kind == NotificationKind::kPrepare) (void)enlistment->prepare_complete().is_ok();
      if (next->kind == NotificationKind::kCommit) (void)enlistment->commit_complete().is_ok();
      if (next->kind == NotificationKind::kRollback) {
        (void)enlistment->rollback_complete().is_ok();
      }
    });
  };
  auto steady = open_session(1);
  ASSERT_OK(steady);
  ASSERT_OK(steady->recover());
  const auto delivery = answer(*steady);
  ASSERT_OK(delivery);
  std::atomic<bool> done{false};
  std::thread other([&] {
    while (!done) {
      auto session = open_session(2);
      ASSERT_OK(session);
      auto brought = answer(*session);
      ASSERT_OK(brought);
      ASSERT_OK(session->recover());
      auto transaction = tm_.create_transaction();
      ASSERT_OK(transaction);
      const auto one = steady->enlist(*transaction, kTwoPhase, 1);
      const auto two = session->enlist(*transaction, kTwoPhase, 1);
      ASSERT_OK(one);
      ASSERT_OK(two);
      EXPECT_OK(transaction->commit(WaitFor::kDecided, kSoon));
      brought->stop();
    }
  });
  in_parallel(4, [&](int thread) {
    for (int i = 0; i < 50; ++i) {
      auto transaction = tm_.create_transaction();
      ASSERT_OK(transaction);
      const auto enlistment = steady->enlist(*transaction, kTwoPhase, 1);
      ASSERT_OK(enlistment);
      const bool roll_back = (i + thread) % 5 == 0;
      EXPECT_OK(roll_back ? transaction->rollback() : transaction->commit());
    }
  });
  done = true;
  other.join();
  auto last = make_rm(2);  // takes over what the others left
  wait_until_all_is_forgotten();
}

TEST_F(Concurrency, CommitRollbackTimeoutAndDisconnectMayRaceAndOneWins) {
  start();
  auto steady = make_rm(1);
  std::atomic<bool> done{false};
  std::thread restarter([&] {
    while (!done) {
      auto volatile_rm = make_rm(2);
      auto transaction = tm_.create_transaction();
      if (transaction && volatile_rm->enlist(*transaction))
        (void)transaction->commit_async().is_ok();
      volatile_rm->stop();
    }
  });
  std::thread checkpointer([&] {
    while (!done) EXPECT_OK(tm_.checkpoint());
  });
  in_parallel(3, [&](int thread) {
    for (int i = 0; i < 60; ++i) {
      auto transaction =
          tm_.create_transaction({.timeout = std::chrono::microseconds(50 * (i % 8) * (i % 8))});
      ASSERT_OK(transaction);
      const Status enlisted = steady->enlist(*transaction);
      if (!enlisted) continue;  // the timeout was faster
      std::thread rival;
      if (thread == 0)
        rival = std::thread([copy = *transaction]() mutable { (void)copy.rollback().is_ok(); });
      const Status status = transaction->commit(WaitFor::kDecided, kSoon);
      if (rival.joinable()) rival.join();
      const Outcome outcome = transaction->outcome();
      EXPECT_EQ(status.is_ok(), outcome == Outcome::kCommitted) << status.to_string();
      EXPECT_TRUE(outcome == Outcome::kCommitted || outcome == Outcome::kAborted);
    }
  });
  done = true;
  restarter.join();
  checkpointer.join();
  auto last = make_rm(2);
  wait_until_all_is_forgotten();
}

TEST_F(Concurrency, CloseMayComeAtAnyMomentAndNothingAcknowledgedIsLost) {
  for (int round = 0; round < 5; ++round) {
    start();
    auto one = make_rm(1);
    auto two = make_rm(2);
    std::mutex mutex;
    std::vector<Uuid> acknowledged;
    std::thread closer([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(3 * round));
      EXPECT_OK(tm_.close());
    });
    in_parallel(3, [&](int) {
      for (;;) {
        auto transaction = tm_.create_transaction();
        if (!transaction) return;
        if (!one->enlist(*transaction) || !two->enlist(*transaction)) return;
        if (!transaction->commit(WaitFor::kDecided, kSoon)) return;
        const std::lock_guard lock(mutex);
        acknowledged.push_back(transaction->id());
      }
    });
    closer.join();
    auto before = one->outcomes();
    one->stop();
    two->stop();
    tm_ = TransactionManager();
    log_ = nullptr;
    start();
    auto after = make_rm(1);
    auto after_two = make_rm(2);
    wait_until_all_is_forgotten();
    const auto later = after->outcomes();
    for (const Uuid& id : acknowledged) {
      const bool told = before.contains(id)
                            ? before.at(id) == NotificationKind::kCommit
                            : later.contains(id) && later.at(id) == NotificationKind::kCommit;
      EXPECT_TRUE(told) << "an acknowledged commit was lost";
    }
    after->stop();
    after_two->stop();
    tm_ = TransactionManager();
    log_ = nullptr;
  }
}

TEST_F(Concurrency, AnswerMayComeBeforeEnlistReturns) {
  start();
  auto rm = make_rm(1);
  in_parallel(2, [&](int) {
    for (int i = 0; i < 100; ++i) {
      auto transaction = tm_.create_transaction();
      ASSERT_OK(transaction);
      std::thread rival([copy = *transaction]() mutable { (void)copy.rollback().is_ok(); });
      const Status enlisted = rm->enlist(*transaction);
      EXPECT_TRUE(enlisted || enlisted.code() == StatusCode::kNotActive) << enlisted.to_string();
      rival.join();
    }
  });
  wait_until_all_is_forgotten();
}

TEST_F(Concurrency, SessionsMayFenceEachOtherWhileTheirTransactionsMove) {
  start();
  in_parallel(3, [&](int) {
    for (int i = 0; i < 30; ++i) {
      auto rm = make_rm(1);
      for (int j = 0; j < 3; ++j) {
        auto transaction = tm_.create_transaction();
        ASSERT_OK(transaction);
        if (!rm->enlist(*transaction)) break;  // another session took over
        (void)transaction->commit_async().is_ok();
      }
    }
  });
  auto last = make_rm(1);
  wait_until_all_is_forgotten();
}

// The recovery of a resource manager, over and over, against the end of what it is offered.
TEST_F(Concurrency, RecoveryMayRaceWithAnswersCloseAndASecondRecovery) {
  start();
  std::atomic<bool> stop{false};
  std::thread clients([&] {
    while (!stop) {
      auto other = make_rm(2);
      if (!other) break;
      auto transaction = tm_.create_transaction();
      if (!transaction) break;
      if (!other->enlist(*transaction)) continue;
      (void)transaction->commit_async().is_ok();
      (void)transaction->rollback().is_ok();
    }
  });
  in_parallel(2, [&](int) {
    for (int i = 0; i < 40; ++i) {
      auto session = open_session(1);
      if (!session) continue;
      std::thread again([&] { (void)session->recover().is_ok(); });
      (void)session->recover().is_ok();
      again.join();
      auto transaction = tm_.create_transaction();
      if (!transaction) break;
      auto enlistment = session->enlist(*transaction, kTwoPhase, 1);
      if (!enlistment) continue;
      (void)transaction->commit_async().is_ok();
      (void)enlistment->prepare_complete().is_ok();
      (void)enlistment->commit_complete(Hardened::kNo).is_ok();
      if (i % 3 == 0) (void)session->hardened().is_ok();
    }
  });
  stop = true;
  clients.join();
  auto last = make_rm(1);
  auto other = make_rm(2);
  wait_until_all_is_forgotten();
}

// A superior's orders, its restarts, timeouts and a freeze, against the votes.
TEST_F(Concurrency, SuperiorsOrdersMayRaceWithVotesRestartsAndFreezes) {
  start();
  std::atomic<bool> stop{false};
  std::thread freezer([&] {
    while (!stop) {
      if (tm_.freeze(kSoon, kSoon)) (void)tm_.thaw().is_ok();
      std::this_thread::yield();
    }
  });
  in_parallel(2, [&](int number) {
    for (int i = 0; i < 30; ++i) {
      auto above = open_session(static_cast<std::uint8_t>(20 + number));
      ASSERT_OK(above);
      ASSERT_OK(above->recover());
      // Whatever an earlier session left: presumed abort.
      const std::vector<Uuid> unfinished = *above->enlistments();
      for (const Uuid& id : unfinished) {
        auto left = above->open_enlistment(id);
        if (!left) continue;
        (void)left->recover(1).is_ok();
        (void)left->superior_rollback().is_ok();
      }
      auto below = open_session(static_cast<std::uint8_t>(40 + number));
      ASSERT_OK(below);
      ASSERT_OK(below->recover());
      auto transaction = tm_.create_transaction();
      ASSERT_OK(transaction);
      auto superior = above->enlist(*transaction, kSuperior, 1, {.superior = true});
      auto enlistment = below->enlist(*transaction, kTwoPhase, 2);
      ASSERT_OK(superior);
      ASSERT_OK(enlistment);
      (void)superior->superior_prepare().is_ok();
      std::thread voter([&] { (void)enlistment->prepare_complete().is_ok(); });
      std::thread decider([&] {
        (void)(i % 2 == 0 ? superior->superior_commit() : superior->superior_rollback()).is_ok();
      });
      voter.join();
      decider.join();
      (void)(i % 2 == 0 ? superior->superior_commit() : superior->superior_rollback()).is_ok();
    }
  });
  stop = true;
  freezer.join();
}

}  // namespace
}  // namespace cairn::tm
