// A last resource on a machine that loses power before every I/O of the manager's log, and before
// and behind its own commit: of two transactions that queues have a part in too, and of the
// recovery from that. The kit for resource managers has no place for it: it decides itself.
#include <atomic>
#include <cstdio>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <cairn/rm_last_resource.h>

#include "rm/manager_node.h"
#include "rm/queue_machine.h"
#include "sim/test_budget.h"

namespace cairn::rm {
namespace {

// A database with one writer at a time. What is committed is durable.
class Rows : public LastResource {
 public:
  // Whether its process runs; asked before anything is done.
  std::function<bool()> is_alive;
  // The next commit: before it, and behind it.
  std::function<void()> before;
  std::function<void()> behind;

  Result<std::unique_ptr<LastBranch>> begin() override {
    if (!is_alive()) return dead();
    return std::unique_ptr<LastBranch>(std::make_unique<Branch>(*this));
  }
  Result<std::vector<std::string>> markers(const std::string& prefix) override {
    if (!is_alive()) return dead();
    const std::lock_guard lock(mutex_);
    std::vector<std::string> found;
    for (const std::string& marker : markers_) {
      if (marker.starts_with(prefix)) found.push_back(marker);
    }
    return found;
  }
  Status clear(std::span<const std::string> markers) override {
    if (!is_alive()) return dead();
    const std::lock_guard lock(mutex_);
    for (const std::string& marker : markers) markers_.erase(marker);
    return Status::ok();
  }
  [[nodiscard]] std::multiset<std::string> rows() const {
    const std::lock_guard lock(mutex_);
    return rows_;
  }
  [[nodiscard]] std::size_t marker_count() const {
    const std::lock_guard lock(mutex_);
    return markers_.size();
  }

  class Branch : public LastBranch {
   public:
    explicit Branch(Rows& rows) : rows_(rows) {}
    void put(const std::string& row) { work_.push_back(row); }
    LastCommit commit(const std::string& marker, std::span<const std::string> obsolete,
                      Status& why) override {
      if (const auto hook = std::exchange(rows_.before, nullptr)) hook();
      why = dead();
      if (!rows_.is_alive()) return LastCommit::kUnknown;
      {
        const std::lock_guard lock(rows_.mutex_);
        for (const std::string& one : obsolete) rows_.markers_.erase(one);
        rows_.markers_.insert(marker);
        rows_.rows_.insert(work_.begin(), work_.end());
      }
      if (const auto hook = std::exchange(rows_.behind, nullptr)) hook();
      if (!rows_.is_alive()) return LastCommit::kUnknown;
      why = Status::ok();
      return LastCommit::kCommitted;
    }
    void cancel() override {}
    Status failure() const override { return Status::ok(); }

   private:
    Rows& rows_;
    std::vector<std::string> work_;
  };

 private:
  static Status dead() { return Status(StatusCode::kIoError, "the process was killed"); }

  mutable std::mutex mutex_;
  std::set<std::string> markers_;
  std::multiset<std::string> rows_;
};

constexpr char kLastId[] = "3c5d0f0e-6d0b-4a53-9d1a-6f5d3a7a1c11";

class LastMachine {
 public:
  LastMachine() {
    rows->is_alive = [this] { return !queue.storage().crashed(); };
  }
  ~LastMachine() { last.reset(); }

  Status start() {
    CAIRN_RETURN_IF_ERROR(queue.start());
    return open_last();
  }
  Status open_last() {
    CAIRN_ASSIGN_OR_RETURN(last, LastResourceManager::open(queue.manager(), rows,
                                                           {.id = Uuid::parse(kLastId).value()}));
    return Status::ok();
  }
  void cut_power(const sim::CrashChoice& choice, std::uint64_t seed) {
    queue.storage().crash();
    last.reset();
    queue.cut_power(choice, seed);
  }
  // Both put `item`, or neither does.
  Status put(const std::string& item) {
    auto transaction = queue.begin();
    CAIRN_RETURN_IF_ERROR(last->work(transaction, [&](LastBranch& branch) {
      static_cast<Rows::Branch&>(branch).put(item);
      return Status::ok();
    }));
    CAIRN_RETURN_IF_ERROR(queue.queues().produce(transaction, "q", item));
    return queue.commit_with(transaction, nullptr);
  }
  // All that was promised has its outcome, or there is no power any more.
  bool is_settled() {
    return eventually([&] {
      const auto left = queue.manager().transactions();
      return queue.storage().crashed() || (left && left->empty());
    });
  }
  // "": what was told is there, in both or in neither, once.
  std::string look(const std::vector<std::string>& told) {
    if (!is_settled()) return "not settled";
    const auto bodies = queue.bodies("q");
    const std::multiset<std::string> messages(bodies.begin(), bodies.end());
    const std::multiset<std::string> found = rows->rows();
    if (messages != found) {
      return std::to_string(messages.size()) + " messages, " + std::to_string(found.size()) +
             " rows";
    }
    for (const char* const item : {"a", "b"}) {
      if (found.count(item) > 1) return std::string(item) + " twice";
    }
    for (const std::string& item : told) {
      if (found.count(item) == 0) return item + " was committed and is gone";
    }
    return {};
  }

  const std::shared_ptr<Rows> rows = std::make_shared<Rows>();
  QueueMachine queue;
  std::unique_ptr<LastResourceManager> last;
};

// Where the power goes.
struct Cut {
  std::uint64_t at_io = 0;  // 0: not at an I/O, but
  bool is_behind = false;   // before or behind the commit of the database
};

class LastExplorer {
 public:
  // The power goes as `cut` says; in the recovery from that, again before I/O `again` if not 0.
  std::string run(const Cut& cut, const sim::CrashChoice& choice, std::uint64_t again) {
    LastMachine machine;
    if (Status started = machine.start(); !started) return started.to_string();
    if (cut.at_io > 0) {
      machine.queue.storage().crash_at(machine.queue.storage().io_count() + cut.at_io);
    } else {
      (cut.is_behind ? machine.rows->behind : machine.rows->before) = [&machine] {
        machine.queue.storage().crash();
      };
    }
    std::vector<std::string> told;
    for (const char* const item : {"a", "b"}) {
      if (!machine.put(item)) break;
      told.emplace_back(item);
    }
    is_complete_ = !machine.queue.storage().crashed();
    if (is_complete_ && told.size() != 2) return "without a crash: not committed";
    machine.cut_power(choice, cut.at_io + 1);
    ++crashes_;
    if (again > 0) {
      machine.queue.storage().crash_at(again);
      static_cast<void>(machine.start() && machine.is_settled());
      is_recovered_ = !machine.queue.storage().crashed();
      machine.cut_power(choice, again);
      ++crashes_;
    }
    if (Status started = machine.start(); !started) return started.to_string();
    if (std::string wrong = machine.look(told); !wrong.empty()) return wrong;
    const std::multiset<std::string> rows = machine.rows->rows();
    machine.cut_power(sim::survive_none(), 1);
    if (Status started = machine.start(); !started) return started.to_string();
    if (machine.rows->rows() != rows) return "what was recovered does not stay";
    if (std::string wrong = machine.look(told); !wrong.empty()) return wrong;
    machine.last.reset();
    return machine.rows->marker_count() == 0 ? "" : "markers that nobody asks for stay";
  }

  std::string run_and_recover(const Cut& cut, const sim::CrashChoice& choice, bool again) {
    std::string wrong = run(cut, choice, 0);
    is_recovered_ = !again;
    for (std::uint64_t next = 1; wrong.empty() && !is_recovered_; ++next) {
      wrong = run(cut, choice, next);
      if (!wrong.empty()) wrong += " (recovery crashes at " + std::to_string(next) + ")";
    }
    return wrong;
  }

  std::string explore() {
    const std::uint64_t stride = sim::sweep_stride(7);
    for (const bool is_behind : {false, true}) {
      const std::string wrong = run_and_recover({0, is_behind}, sim::survive_none(), true);
      if (!wrong.empty()) return std::string(is_behind ? "behind" : "before") + ": " + wrong;
    }
    is_complete_ = false;
    for (std::uint64_t at = 1; !is_complete_; at += stride) {
      for (const auto& choice : {sim::survive_none(), sim::survive_random(at)}) {
        const std::string wrong = run_and_recover({at, false}, choice, false);
        if (!wrong.empty()) return "crash at " + std::to_string(at) + ": " + wrong;
      }
      places_ = at;
    }
    return {};
  }
  [[nodiscard]] std::uint64_t places() const { return places_; }
  [[nodiscard]] std::uint64_t crashes() const { return crashes_; }

 private:
  bool is_complete_ = false;
  bool is_recovered_ = false;
  std::uint64_t places_ = 0;
  std::uint64_t crashes_ = 0;
};

// The database is away behind its commit, while the manager lives: nobody may be told anything.
TEST(LastResource, ACommitThatCannotBeLookedForLeavesTheOthersInDoubt) {
  for (const bool is_behind : {false, true}) {
    std::atomic<bool> is_away = false;  // outlives the machine, which asks it
    LastMachine machine;
    ASSERT_TRUE(machine.start());
    machine.rows->is_alive = [&] { return !is_away.load(); };
    (is_behind ? machine.rows->behind : machine.rows->before) = [&] { is_away = true; };
    auto transaction = machine.queue.begin();
    ASSERT_TRUE(machine.last->work(transaction, [](LastBranch& branch) {
      static_cast<Rows::Branch&>(branch).put("a");
      return Status::ok();
    }));
    ASSERT_TRUE(machine.queue.queues().produce(transaction, "q", "a"));
    ASSERT_TRUE(transaction.commit_async());
    ASSERT_TRUE(eventually([&] { return !machine.last->health(); }));
    EXPECT_EQ(machine.last->health().code(), StatusCode::kIoError);
    EXPECT_TRUE(eventually(
        [&] { return transaction.information()->state == tm::TransactionState::kInDoubt; }));
    machine.last.reset();
    is_away = false;
    ASSERT_TRUE(machine.open_last());
    EXPECT_EQ(machine.look({}), "");
    EXPECT_EQ(machine.rows->rows().size(), is_behind ? 1U : 0U);
  }
}

TEST(LastResourceCrashPoints, EveryIoOfTwoTransactionsAndOfTheirRecovery) {
  LastExplorer explorer;
  EXPECT_EQ(explorer.explore(), "");
  EXPECT_GE(explorer.places(), 3U);
  std::printf("[ crashes  ] %d at %d places\n", static_cast<int>(explorer.crashes()),
              static_cast<int>(explorer.places()));
}

}  // namespace
}  // namespace cairn::rm
