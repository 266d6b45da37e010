// Two durable managers over a simulated storage, a bridge between them without a thread, and
// resource managers that answer by themselves.
#ifndef CAIRN_TESTS_TM_BRIDGE_HARNESS_H_
#define CAIRN_TESTS_TM_BRIDGE_HARNESS_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <cairn/log.h>
#include <cairn/recovered_state.h>
#include <cairn/sim/sim_storage.h>
#include <cairn/subordinate_bridge.h>

#include "tm/harness.h"

namespace cairn::tm {

inline void PrintTo(BranchAbove above, std::ostream* out) { *out << branch_above_name(above); }
inline void PrintTo(BranchBelow below, std::ostream* out) { *out << branch_below_name(below); }

// A resource manager that answers what it hears, unless it is told to hold its tongue.
class Member {
 public:
  enum class Vote { kYes, kReadOnly, kNo };

  Vote vote = Vote::kYes;
  bool silent = false;

  // A session, recovered; what is offered is answered like all else.
  void connect(TransactionManager& tm, std::uint8_t number, RmKind kind = RmKind::kDurable) {
    kept_.clear();
    auto session = tm.open_or_create_resource_manager(numbered_id(number), kind);
    ASSERT_OK(session);
    session_ = *std::move(session);
    if (kind == RmKind::kVolatile) return;
    ASSERT_OK(session_.recover());
  }
  void disconnect() {
    kept_.clear();
    session_ = ResourceManager();
  }
  Enlistment enlist(const Transaction& transaction, NotificationMask mask = kAllPhases) {
    auto enlistment = session_.enlist(transaction, mask, 1);
    EXPECT_OK(enlistment);
    if (!enlistment) return {};
    kept_.push_back(*enlistment);
    return *enlistment;
  }
  // Hears and answers what is there now; true if anything was.
  bool answer() {
    if (silent || session_.id().is_null()) return false;
    for (bool any = false;; any = true) {
      auto next = session_.try_get_notification();
      if (!next || !*next) return any;
      if (!heard_.empty()) heard_ += ' ';
      heard_ += notification_kind_name((*next)->kind);
      answer(**next);
    }
  }
  // What it heard since the last time.
  std::string heard() { return std::exchange(heard_, {}); }

 private:
  void answer(const Notification& next) {
    if (next.kind == NotificationKind::kLastRecover) return;
    auto enlistment = session_.open_enlistment(next.enlistment);
    if (!enlistment) return;
    if (next.kind == NotificationKind::kRecover) {
      EXPECT_OK(enlistment->recover(1));
      kept_.push_back(*enlistment);
    } else if (next.kind == NotificationKind::kPrePrepare) {
      EXPECT_OK(enlistment->pre_prepare_complete());
    } else if (next.kind == NotificationKind::kPrepare) {
      const Status voted = vote == Vote::kYes        ? enlistment->prepare_complete()
                           : vote == Vote::kReadOnly ? enlistment->read_only()
                                                     : enlistment->rollback();
      // Another one has rolled it back meanwhile, and ROLLBACK follows.
      if (voted.code() == StatusCode::kNotRequested) return;
      EXPECT_OK(voted);
    } else if (next.kind == NotificationKind::kCommit) {
      EXPECT_OK(enlistment->commit_complete());
    } else if (next.kind == NotificationKind::kRollback) {
      EXPECT_OK(enlistment->rollback_complete());
    }
  }

  ResourceManager session_;
  std::vector<Enlistment> kept_;
  std::string heard_;
};

class Bridged : public testing::Test {
 protected:
  Bridged() { create_options_.container_size = log::kMinContainerSize; }

  void SetUp() override {
    boot();
    join();
  }

  TransactionManager open_manager(const std::string& stream) {
    TmOptions options;
    options.log = log_;
    options.stream = stream;
    options.background = Background::kManual;
    options.now = [this] { return now_; };
    auto opened = TransactionManager::open_or_create(options);
    EXPECT_OK(opened);
    if (!opened) return {};
    EXPECT_OK(opened->recover());
    return *opened;
  }
  // Both managers, recovered; nobody is connected.
  void boot() {
    log::OpenOptions options;
    options.storage = storage_;
    options.background = log::Background::kManual;
    auto opened = log::Log::open_or_create("/log", create_options_, options);
    ASSERT_OK(opened);
    log_ = std::move(*opened);
    upper_ = open_manager("upper");
    lower_ = open_manager("lower");
  }
  void make_bridge() {
    bridge_options_.id = numbered_id(50);
    bridge_options_.upper = upper_;
    bridge_options_.lower = lower_;
    bridge_options_.background = Background::kManual;
    auto made = SubordinateBridge::create(bridge_options_);
    bridge_options_.upper = bridge_options_.lower = TransactionManager();
    ASSERT_OK(made);
    bridge_ = *std::move(made);
  }
  // Everybody, in the order of most programs.
  void join() {
    above_.connect(upper_, 1);
    first_.connect(lower_, 2);
    second_.connect(lower_, 3);
    make_bridge();
    ASSERT_OK(bridge_->recover());
    settle();
    for (Member* member : {&above_, &first_, &second_}) member->heard();
  }
  // Until nobody has anything to say, and everything written is durable.
  void settle() {
    for (bool any = true; any;) {
      auto pumped = bridge_ ? bridge_->pump() : Result<bool>(false);
      EXPECT_OK(pumped);
      any = pumped && *pumped;
      for (Member* member : {&above_, &first_, &second_}) any = member->answer() || any;
      if (!any) {
        const Lsn before = log_->durable_lsn();
        EXPECT_OK(log_->flush());
        any = log_->durable_lsn() > before;
      }
    }
  }
  void stop() {
    for (Member* member : {&above_, &first_, &second_}) member->disconnect();
    bridge_ = nullptr;
    upper_ = lower_ = TransactionManager();
    log_ = nullptr;
  }
  // The power goes, with nothing of what was not durable. Clients' handles must be gone.
  void crash() {
    storage_->crash();
    stop();
    storage_ = storage_->after_crash(sim::survive_none());
    boot();
  }

  struct Work {
    Transaction upper;
    Transaction branch;
  };
  // A transaction of these.
  Work work(bool with_above = true, std::vector<Member*> below = {},
            const TransactionOptions& options = {}) {
    auto made = upper_.create_transaction(options);
    EXPECT_OK(made);
    auto branch = bridge_->enlist(*made);
    EXPECT_OK(branch);
    if (!branch) return {};
    if (with_above) above_.enlist(*made, kTwoPhase);
    for (Member* member : below) member->enlist(*branch);
    return {*made, *branch};
  }
  Work work_of_all() { return work(true, {&first_, &second_}); }
  // The branch has voted; the upper manager waits for the vote of its own resource manager.
  Work voted() {
    above_.silent = true;
    Work made = work_of_all();
    EXPECT_OK(made.upper.commit_async());
    settle();
    EXPECT_EQ(state_of_branch(), "Voted/Prepared");
    return made;
  }
  // The same, and decided above; nobody has heard of it.
  Work decided() {
    Work made = voted();
    above_.silent = false;
    above_.answer();
    EXPECT_OK(log_->flush());
    EXPECT_EQ(made.upper.outcome(), Outcome::kCommitted);
    return made;
  }

  // Of the newest one: "Voted/Prepared".
  std::string state_of_branch() {
    const BridgeInformation information = bridge_->information();
    if (information.branches.empty()) return "";
    const BranchInformation& branch = information.branches.back();
    return std::string(branch_above_name(branch.above)) + "/" +
           std::string(branch_below_name(branch.below));
  }
  std::size_t unfinished() {
    return upper_.transactions()->size() + lower_.transactions()->size() +
           bridge_->information().branches.size();
  }
  // What a manager's stream holds: "restart prepare decision forget".
  std::string records(const std::string& stream) {
    EXPECT_OK(log_->flush());
    auto opened = log_->open_stream(stream);
    auto cursor = opened->read();
    std::string kinds;
    for (;;) {
      auto record = cursor->next();
      EXPECT_OK(record);
      if (!record || !*record) return kinds;
      const std::string text = recovery::describe(**record);
      if (!kinds.empty()) kinds += ' ';
      kinds += text.substr(0, text.find(' '));
    }
  }

  std::chrono::nanoseconds now_{0};
  log::CreateOptions create_options_;
  BridgeOptions bridge_options_;
  std::shared_ptr<sim::SimStorage> storage_ = std::make_shared<sim::SimStorage>();
  std::shared_ptr<log::Log> log_;
  TransactionManager upper_, lower_;
  std::unique_ptr<SubordinateBridge> bridge_;
  Member above_, first_, second_;
};

}  // namespace cairn::tm

#endif  // CAIRN_TESTS_TM_BRIDGE_HARNESS_H_
