// A durable manager over a simulated storage that can lose its power, and resource managers that
// come back.
#ifndef CAIRN_TESTS_TM_DURABLE_HARNESS_H_
#define CAIRN_TESTS_TM_DURABLE_HARNESS_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <cairn/log.h>
#include <cairn/recovered_state.h>
#include <cairn/sim/sim_storage.h>

#include "tm/harness.h"

namespace cairn::tm {

// One thread does everything, so that each I/O happens where the test says: the log and the manager
// are manual.
class DurableTm : public testing::Test {
 protected:
  static constexpr const char* kPath = "/log";

  DurableTm() {
    create_options_.container_size = log::kMinContainerSize;
    tm_options_.background = Background::kManual;
    tm_options_.now = [this] { return now_; };
    tm_options_.wall_clock = [] { return std::uint64_t{1'700'000'000'000'000'000}; };
  }

  void open_log() {
    log::OpenOptions options;
    options.storage = storage_;
    options.background = log::Background::kManual;
    auto opened = log::Log::open_or_create(kPath, create_options_, options);
    ASSERT_OK(opened);
    log_ = std::move(*opened);
  }
  // Opens log and manager, as after a boot.
  void start() {
    open_log();
    tm_options_.log = log_;
    auto opened = TransactionManager::open_or_create(tm_options_);
    tm_options_.log = nullptr;
    ASSERT_OK(opened);
    tm_ = std::move(*opened);
  }
  RecoveryReport start_and_recover() {
    start();
    auto report = tm_.recover();
    EXPECT_OK(report);
    return report ? *report : RecoveryReport();
  }
  void stop() {
    tm_ = TransactionManager();
    log_ = nullptr;
  }
  // The power goes; what was not durable fares as `choice` says.
  void crash(const sim::CrashChoice& choice = sim::survive_none()) {
    storage_->crash();
    stop();
    storage_ = storage_->after_crash(choice);
  }

  // A new session of resource manager `number`, in the order that its authors are told; recovered.
  Rm make_rm(std::uint8_t number) {
    Rm rm = open_rm(number);
    EXPECT_OK(rm.session().recover());
    EXPECT_EQ(rm.hear(), "LAST_RECOVER");
    return rm;
  }
  // The same, not recovered.
  Rm open_rm(std::uint8_t number) {
    auto session = tm_.open_or_create_resource_manager(numbered_id(number), RmKind::kDurable);
    EXPECT_OK(session);
    return session ? Rm(std::move(*session)) : Rm();
  }
  Transaction begin(const TransactionOptions& options = {}) {
    auto transaction = tm_.create_transaction(options);
    EXPECT_OK(transaction);
    return transaction ? std::move(*transaction) : Transaction();
  }

  // One transaction of these, taken up to where the decision is appended and not yet durable.
  struct Work {
    Transaction transaction;
    std::vector<Enlistment> enlistments;
  };
  Work submit(std::vector<Rm*> rms, NotificationMask mask = kTwoPhase) {
    Work work{begin(), {}};
    for (Rm* rm : rms) work.enlistments.push_back(rm->enlist(work.transaction, mask));
    EXPECT_OK(work.transaction.commit_async());
    for (Enlistment& enlistment : work.enlistments) EXPECT_OK(enlistment.prepare_complete());
    EXPECT_EQ(state_of(work.transaction), TransactionState::kCommitting);
    return work;
  }
  // The same, and decided: COMMIT is out.
  Work decide(std::vector<Rm*> rms, NotificationMask mask = kTwoPhase) {
    Work work = submit(std::move(rms), mask);
    EXPECT_OK(work.transaction.wait(WaitFor::kDecided, kSoon));
    return work;
  }
  // The same, and everyone has answered.
  void commit_once(Rm& rm) {
    Work work = decide({&rm});
    EXPECT_OK(work.enlistments.front().commit_complete());
    EXPECT_EQ(rm.hear(), "PREPARE COMMIT");
    EXPECT_EQ(state_of(work.transaction), TransactionState::kForgotten);
  }

  // Answers one RECOVER: the enlistment, with its key given.
  Enlistment take_over(Rm& rm, std::uint64_t key) {
    auto next = rm.session().try_get_notification();
    EXPECT_TRUE(next && *next && (*next)->kind == NotificationKind::kRecover);
    if (!next || !*next) return {};
    auto enlistment = rm.session().open_enlistment((*next)->enlistment);
    EXPECT_OK(enlistment);
    if (!enlistment) return {};
    EXPECT_EQ(enlistment->information()->transaction, (*next)->transaction);
    EXPECT_OK(enlistment->recover(key));
    return *enlistment;
  }

  // What the manager's stream holds from its base on: "restart decision forget".
  std::string records() {
    EXPECT_OK(log_->flush());
    auto stream = log_->open_stream(tm_options_.stream);
    auto cursor = stream->read();
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
  std::uint64_t forced_writes() const {
    const log::LogStatistics statistics = log_->statistics();
    return statistics.durable_writes + statistics.syncs;
  }

  std::chrono::nanoseconds now_{0};
  log::CreateOptions create_options_;
  TmOptions tm_options_;
  std::shared_ptr<sim::SimStorage> storage_ = std::make_shared<sim::SimStorage>();
  std::shared_ptr<log::Log> log_;
  TransactionManager tm_;
};

}  // namespace cairn::tm

#endif  // CAIRN_TESTS_TM_DURABLE_HARNESS_H_
