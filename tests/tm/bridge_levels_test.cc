// Bridges below bridges, volatile managers, and bridges with threads.
#include <stdlib.h>

#include <atomic>
#include <filesystem>
#include <mutex>
#include <set>
#include <thread>

#include "tm/bridge_harness.h"

namespace cairn::tm {
namespace {

// A third manager below the lower one, with second_ in it instead.
class ThreeLevels : public Bridged {
 protected:
  void SetUp() override {
    boot();
    deepest_ = open_manager("deepest");
    join_all();
  }
  void join_all() {
    above_.connect(upper_, 1);
    first_.connect(lower_, 2);
    second_.connect(deepest_, 3);
    make_bridge();
    auto made = SubordinateBridge::create({.id = numbered_id(60),
                                           .upper = lower_,
                                           .lower = deepest_,
                                           .background = Background::kManual});
    ASSERT_OK(made);
    lower_bridge_ = *std::move(made);
  }
  void settle_all() {
    for (bool any = true; any;) {
      const Lsn before = log_->durable_lsn();
      settle();
      any = *lower_bridge_->pump() || log_->durable_lsn() > before;
    }
  }
  void crash_all() {
    storage_->crash();
    lower_bridge_ = nullptr;
    deepest_ = TransactionManager();
    stop();
    storage_ = storage_->after_crash(sim::survive_none());
    boot();
    deepest_ = open_manager("deepest");
  }
  Work work_of_three() {
    Work made = work(true, {&first_});
    auto deepest = lower_bridge_->enlist(made.branch);
    EXPECT_OK(deepest);
    if (deepest) second_.enlist(*deepest);
    return made;
  }
  std::size_t unfinished_in_all() {
    return unfinished() + deepest_.transactions()->size() +
           lower_bridge_->information().branches.size();
  }
  void recover_bridges() {
    EXPECT_OK(bridge_->recover());
    EXPECT_OK(lower_bridge_->recover());
  }

  TransactionManager deepest_;
  std::unique_ptr<SubordinateBridge> lower_bridge_;
};

TEST_F(ThreeLevels, CommitTogetherAndRollBackTogether) {
  recover_bridges();
  settle_all();
  Work made = work_of_three();
  EXPECT_OK(made.upper.commit_async());
  settle_all();
  EXPECT_EQ(state_of(made.upper), TransactionState::kForgotten);
  EXPECT_EQ(made.upper.outcome(), Outcome::kCommitted);
  EXPECT_EQ(second_.heard(), "LAST_RECOVER PREPREPARE PREPARE COMMIT");
  EXPECT_EQ(records("deepest"), "restart prepare decision forget");

  second_.vote = Member::Vote::kNo;
  Work refused = work_of_three();
  EXPECT_OK(refused.upper.commit_async());
  settle_all();
  EXPECT_EQ(refused.upper.outcome(), Outcome::kAborted);
  EXPECT_EQ(above_.heard(), "LAST_RECOVER PREPARE COMMIT PREPARE ROLLBACK");
  EXPECT_EQ(unfinished_in_all(), 0u);
}

TEST_F(ThreeLevels, CommitRequestGoesUpToTheTop) {
  bridge_ = nullptr;
  lower_bridge_ = nullptr;
  bridge_options_.branch_commit = BranchCommit::kForward;
  make_bridge();
  auto made = SubordinateBridge::create({.id = numbered_id(60),
                                         .upper = lower_,
                                         .lower = deepest_,
                                         .background = Background::kManual,
                                         .branch_commit = BranchCommit::kForward});
  ASSERT_OK(made);
  lower_bridge_ = *std::move(made);
  recover_bridges();
  settle_all();
  Work three = work(true, {&first_});
  auto deepest = lower_bridge_->enlist(three.branch);
  ASSERT_OK(deepest);
  second_.enlist(*deepest);
  EXPECT_OK(deepest->commit_async());
  settle_all();
  EXPECT_EQ(three.upper.outcome(), Outcome::kCommitted);
  EXPECT_EQ(deepest->outcome(), Outcome::kCommitted);
}

// The manager in the middle is itself in doubt: the deepest waits with it.
TEST_F(ThreeLevels, InDoubtInTheMiddleWaitsBelow) {
  recover_bridges();
  settle_all();
  {
    above_.silent = true;
    Work made = work_of_three();
    EXPECT_OK(made.upper.commit_async());
    settle_all();
    above_.silent = false;
    above_.answer();
    EXPECT_OK(log_->flush());
    ASSERT_EQ(made.upper.outcome(), Outcome::kCommitted);
  }
  crash_all();
  for (Member* member : {&above_, &first_, &second_}) member->heard();
  join_all();
  EXPECT_OK(lower_bridge_->recover());
  settle_all();
  EXPECT_EQ(second_.heard(), "RECOVER LAST_RECOVER INDOUBT");
  EXPECT_EQ(lower_bridge_->information().branches.at(0).above, BranchAbove::kVoted);
  EXPECT_OK(bridge_->recover());
  settle_all();
  EXPECT_EQ(first_.heard(), "RECOVER LAST_RECOVER INDOUBT COMMIT");
  EXPECT_EQ(second_.heard(), "COMMIT");
  EXPECT_EQ(unfinished_in_all(), 0u);
}

// --- volatile managers ---

TransactionManager volatile_manager() {
  auto made = TransactionManager::create({.background = Background::kManual});
  EXPECT_OK(made);
  return made ? *made : TransactionManager();
}

// above_ in a manager that keeps nothing, first_ in one that does.
class VolatileAbove : public Bridged {
 protected:
  void SetUp() override {
    boot();
    upper_ = volatile_manager();
    above_.connect(upper_, 1, RmKind::kVolatile);
    first_.connect(lower_, 2);
    make_bridge();
    ASSERT_OK(bridge_->recover());
    settle();
    first_.heard();
  }
};

TEST_F(VolatileAbove, BranchThatAloneVotesIsCommittedByTheLowerManager) {
  Work made = work(false, {&first_});
  EXPECT_OK(made.upper.commit_async());
  settle();
  EXPECT_EQ(made.upper.outcome(), Outcome::kCommitted);
  EXPECT_EQ(first_.heard(), "PREPREPARE PREPARE COMMIT");
  EXPECT_EQ(records("lower"), "restart decision forget");
  EXPECT_EQ(unfinished(), 0u);
}

TEST_F(VolatileAbove, DecisionThatNobodyWouldRememberIsRefused) {
  Work made = work(true, {&first_});
  EXPECT_OK(made.upper.commit_async());
  settle();
  EXPECT_EQ(made.upper.outcome(), Outcome::kAborted);
  const std::string why = made.upper.information()->abort_reason.to_string();
  EXPECT_NE(why.find("is durable, and others vote"), std::string::npos) << why;
  EXPECT_EQ(first_.heard(), "PREPREPARE ROLLBACK") << "it was not asked to promise";
  EXPECT_EQ(records("lower"), "restart");
  EXPECT_EQ(unfinished(), 0u);
}

// above_ in a durable manager, first_ in one that keeps nothing.
class VolatileBelow : public Bridged {
 protected:
  void SetUp() override {
    boot();
    lower_ = volatile_manager();
    above_.connect(upper_, 1);
    first_.connect(lower_, 2, RmKind::kVolatile);
    make_bridge();
    ASSERT_OK(bridge_->recover());
    settle();
    above_.heard();
  }
};

TEST_F(VolatileBelow, NothingIsLoggedForIt) {
  Work made = work(true, {&first_});
  EXPECT_OK(made.upper.commit_async());
  settle();
  EXPECT_EQ(made.upper.outcome(), Outcome::kCommitted);
  EXPECT_EQ(made.branch.outcome(), Outcome::kCommitted);
  EXPECT_EQ(first_.heard(), "PREPREPARE PREPARE COMMIT");
  EXPECT_EQ(unfinished(), 0u);
}

TEST_F(VolatileBelow, DecisionIsReadFromAnUpperManagerThatWasClosedBeforeItWasHeard) {
  above_.silent = true;
  Work made = work(true, {&first_});
  EXPECT_OK(made.upper.commit_async());
  settle();
  ASSERT_EQ(state_of_branch(), "Voted/Prepared");
  above_.silent = false;
  above_.answer();
  EXPECT_OK(log_->flush());
  ASSERT_EQ(made.upper.outcome(), Outcome::kCommitted);
  EXPECT_OK(upper_.close());
  settle();
  EXPECT_EQ(made.branch.outcome(), Outcome::kCommitted);
  EXPECT_EQ(bridge_->information().branches.size(), 0u);
}

TEST_F(VolatileBelow, LowerManagerThatWasToDecideAloneIsGone) {
  first_.silent = true;
  Work made = work(false, {&first_});
  EXPECT_OK(made.upper.commit_async());
  settle();
  ASSERT_EQ(state_of_branch(), "SinglePhase/Committing");
  EXPECT_OK(lower_.close());
  settle();
  EXPECT_EQ(made.upper.outcome(), Outcome::kUnknown) << "and not rolled back";
}

TEST_F(VolatileBelow, UndecidedIsRolledBackWhenTheUpperManagerCloses) {
  above_.silent = true;
  Work made = work(true, {&first_});
  EXPECT_OK(made.upper.commit_async());
  settle();
  ASSERT_EQ(state_of_branch(), "Voted/Prepared");
  EXPECT_OK(upper_.close());
  settle();
  EXPECT_EQ(made.branch.outcome(), Outcome::kAborted);
}

// --- threads ---

// A resource manager with a thread of its own, that counts what it committed.
class Answering {
 public:
  explicit Answering(ResourceManager session) : session_(std::move(session)) {
    thread_ = std::thread([this] { run(); });
  }
  ~Answering() {
    stopping_ = true;
    thread_.join();
  }
  Answering(const Answering&) = delete;
  Answering& operator=(const Answering&) = delete;

  Status enlist(const Transaction& transaction) {
    auto enlistment = session_.enlist(transaction, kTwoPhase, 1);
    if (!enlistment) return enlistment.status();
    const std::lock_guard lock(mutex_);
    kept_.push_back(*enlistment);
    return Status::ok();
  }
  std::set<Uuid> committed() {
    const std::lock_guard lock(mutex_);
    return committed_;
  }

 private:
  void run() {
    while (!stopping_) {
      auto next = session_.get_notification(std::chrono::milliseconds(5));
      if (!next) continue;
      auto enlistment = session_.open_enlistment(next->enlistment);
      if (!enlistment) continue;
      Status answered;
      if (next->kind == NotificationKind::kPrepare) answered = enlistment->prepare_complete();
      if (next->kind == NotificationKind::kRollback) answered = enlistment->rollback_complete();
      if (next->kind != NotificationKind::kCommit) continue;
      {
        const std::lock_guard lock(mutex_);
        committed_.insert(next->transaction);
      }
      answered = enlistment->commit_complete();
    }
  }

  ResourceManager session_;
  std::mutex mutex_;
  std::vector<Enlistment> kept_;
  std::set<Uuid> committed_;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

ResourceManager connect(TransactionManager& tm, std::uint8_t number) {
  auto session = tm.create_resource_manager(numbered_id(number), RmKind::kDurable);
  EXPECT_OK(session);
  EXPECT_OK(session->recover());
  return *session;
}

// Several clients, real files, the threads of two logs' worth of managers and of the bridge; and
// meanwhile others roll back branches and another thread asks for information.
TEST(BridgeThreads, EveryTransactionEndsAlikeOnBothSides) {
  std::string directory = testing::TempDir() + "cairn-bridge-XXXXXX";
  ASSERT_NE(::mkdtemp(directory.data()), nullptr);
  {
    auto opened = log::Log::open_or_create(
        directory + "/log", {.container_size = log::kMinContainerSize, .calibrate = false});
    ASSERT_OK(opened);
    auto log = std::shared_ptr<log::Log>(std::move(*opened));
    auto upper = TransactionManager::open_or_create({.log = log, .stream = "upper"});
    auto lower = TransactionManager::open_or_create({.log = log, .stream = "lower"});
    ASSERT_OK(upper);
    ASSERT_OK(lower);
    ASSERT_OK(lower->recover());
    ASSERT_OK(upper->recover());
    auto bridge =
        SubordinateBridge::create({.id = numbered_id(50), .upper = *upper, .lower = *lower});
    ASSERT_OK(bridge);
    ASSERT_OK((*bridge)->recover());
    Answering above(connect(*upper, 1));
    Answering below(connect(*lower, 2));

    std::mutex mutex;
    std::vector<std::pair<Transaction, Transaction>> all;
    std::atomic<int> left = 4;
    const auto client = [&](int number) {
      for (int i = 0; i < 12; ++i) {
        auto transaction = upper->create_transaction();
        auto branch = (*bridge)->enlist(*transaction);
        ASSERT_OK(branch);
        if (i % 3 != 0) {
          ASSERT_OK(above.enlist(*transaction));
        }
        ASSERT_OK(below.enlist(*branch));
        if ((i + number) % 4 == 0) {
          std::thread other([&] { [[maybe_unused]] const Status s = branch->rollback(); });
          [[maybe_unused]] const Status s = transaction->commit(WaitFor::kDecided, kSoon);
          other.join();
        } else {
          EXPECT_OK(transaction->commit(WaitFor::kCompleted, kSoon));
        }
        const std::lock_guard lock(mutex);
        all.emplace_back(*transaction, *branch);
      }
      --left;
    };
    std::vector<std::thread> clients;
    for (int number = 0; number < 4; ++number) clients.emplace_back(client, number);
    while (left > 0) {
      EXPECT_TRUE((*bridge)->information().upper_session);
      EXPECT_OK((*bridge)->recover());  // harmless
      std::this_thread::yield();
    }
    for (std::thread& thread : clients) thread.join();
    for (const auto& [transaction, branch] : all) {
      [[maybe_unused]] const Status ended = branch.wait(WaitFor::kCompleted, kSoon);
      EXPECT_EQ(transaction.outcome(), branch.outcome());
      EXPECT_NE(branch.outcome(), Outcome::kUndetermined);
      EXPECT_EQ(below.committed().contains(branch.id()), branch.outcome() == Outcome::kCommitted);
    }
    EXPECT_OK((*bridge)->close());
    EXPECT_OK(upper->close());
    EXPECT_OK(lower->close());
  }
  std::filesystem::remove_all(directory);
}

// The thread finds out by itself that a manager went and that it is back.
TEST(BridgeThreads, ManagerThatComesOnlineAgainIsConnected) {
  const auto storage = std::make_shared<sim::SimStorage>();
  log::CreateOptions create;
  create.container_size = log::kMinContainerSize;
  log::OpenOptions open;
  open.storage = storage;
  auto opened = log::Log::open_or_create("/log", create, open);
  ASSERT_OK(opened);
  const auto log = std::shared_ptr<log::Log>(std::move(*opened));
  auto upper = TransactionManager::open_or_create({.log = log, .stream = "upper"});
  ASSERT_OK(upper->recover());
  const auto start = [&] {
    auto lower = TransactionManager::open_or_create({.log = log, .stream = "lower"});
    EXPECT_OK(lower);
    EXPECT_OK(lower->recover());
    return *lower;
  };
  TransactionManager lower = start();
  auto bridge = SubordinateBridge::create({.id = numbered_id(50), .upper = *upper, .lower = lower});
  ASSERT_OK(bridge);
  ASSERT_OK((*bridge)->recover());
  for (int round = 0; round < 5; ++round) {
    auto lost = upper->create_transaction();
    ASSERT_OK((*bridge)->enlist(*lost));
    EXPECT_OK(lower.close());
    EXPECT_CODE(lost->wait(WaitFor::kDecided, kSoon), kAlreadyAborted);
    lower = start();
    const auto until = std::chrono::steady_clock::now() + kSoon;
    while (!(*bridge)->information().lower_session && std::chrono::steady_clock::now() < until) {
      std::this_thread::yield();
    }
    Answering below(connect(lower, 2));
    auto transaction = upper->create_transaction();
    auto branch = (*bridge)->enlist(*transaction);
    ASSERT_OK(branch);
    ASSERT_OK(below.enlist(*branch));
    EXPECT_OK(transaction->commit(WaitFor::kCompleted, kSoon));
    EXPECT_TRUE(below.committed().contains(branch->id()));
  }
  EXPECT_OK((*bridge)->close());
}

// Closing in the middle of everything returns, and leaves nothing that waits for ever.
TEST(BridgeThreads, CloseReturnsWhileTransactionsAreUnderWay) {
  auto upper = TransactionManager::create({});
  auto lower = TransactionManager::create({});
  ASSERT_OK(upper);
  ASSERT_OK(lower);
  for (int round = 0; round < 20; ++round) {
    auto bridge =
        SubordinateBridge::create({.id = numbered_id(50), .upper = *upper, .lower = *lower});
    ASSERT_OK(bridge);
    ASSERT_OK((*bridge)->recover());
    std::vector<Transaction> all;
    for (int i = 0; i < 4; ++i) {
      auto transaction = upper->create_transaction();
      ASSERT_OK((*bridge)->enlist(*transaction));
      ASSERT_OK(transaction->commit_async());
      all.push_back(*transaction);
    }
    std::thread closer([&] { EXPECT_OK((*bridge)->close()); });
    EXPECT_OK((*bridge)->close());
    closer.join();
    for (const Transaction& transaction : all) {
      [[maybe_unused]] const Status ended = transaction.wait(WaitFor::kDecided, kSoon);
      EXPECT_NE(transaction.outcome(), Outcome::kUndetermined);
    }
  }
}

}  // namespace
}  // namespace cairn::tm
