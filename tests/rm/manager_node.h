// What tests of database adapters share: a manager that can crash, a second resource manager that
// answers by hand, and waiting.
#ifndef CAIRN_TESTS_RM_MANAGER_NODE_H_
#define CAIRN_TESTS_RM_MANAGER_NODE_H_

#include <chrono>
#include <memory>
#include <thread>

#include <gtest/gtest.h>

#include <cairn/log.h>
#include <cairn/sim/sim_storage.h>
#include <cairn/transaction_manager.h>

namespace cairn::rm {

inline constexpr std::chrono::seconds kLimit{60};

// A manager on a simulated storage, which can crash.
class ManagerNode {
 public:
  ManagerNode() = default;
  ~ManagerNode() { stop_manager(); }
  ManagerNode(const ManagerNode&) = delete;
  ManagerNode& operator=(const ManagerNode&) = delete;

  Status start_manager() {
    CAIRN_ASSIGN_OR_RETURN(const tm::TmOptions with, open_log());
    CAIRN_ASSIGN_OR_RETURN(tm, tm::TransactionManager::open_or_create(with));
    identity_ = tm.id();
    return tm.recover().status();
  }
  // REQUIRES: the manager is not running, and was.
  Status rename_manager() {
    CAIRN_ASSIGN_OR_RETURN(const tm::TmOptions with, open_log());
    CAIRN_RETURN_IF_ERROR(tm::TransactionManager::rename(with, identity_).status());
    stop_manager();
    return Status::ok();
  }
  void stop_manager() {
    static_cast<void>(tm.close());
    tm = {};
    if (log_) static_cast<void>(log_->close());
    log_.reset();
  }
  tm::Transaction begin() { return tm.create_transaction().value(); }

  const Uuid id = Uuid::generate();
  tm::TransactionManager tm;

 protected:
  // The power fails, with nothing kept that was not forced; `drop` ends what used the manager.
  template <typename Drop>
  void crash_manager(const Drop& drop) {
    storage_->crash();
    drop();
    stop_manager();
    storage_ = storage_->after_crash(sim::survive_none(), 1);
  }

 private:
  Result<tm::TmOptions> open_log() {
    log::CreateOptions create;
    create.container_size = log::kMinContainerSize;
    create.calibrate = false;
    log::OpenOptions open;
    open.storage = storage_;
    open.idle_mark = {};  // it would make durable what nothing forced, when the test is slow
    CAIRN_ASSIGN_OR_RETURN(log_, log::Log::open_or_create("manager", create, open));
    tm::TmOptions with;
    with.log = log_;
    return with;
  }

  std::shared_ptr<sim::SimStorage> storage_ = std::make_shared<sim::SimStorage>();
  std::shared_ptr<log::Log> log_;
  Uuid identity_{};
};

// A second resource manager that answers by hand: while it keeps silent, nothing is decided. It
// remembers what it heard, as a durable one does.
class Puppet {
 public:
  void start(tm::TransactionManager& tm) {
    session_ = tm.open_or_create_resource_manager(id_, tm::RmKind::kDurable, "puppet").value();
    EXPECT_TRUE(session_.recover());
    while (true) {
      const auto told = session_.get_notification(kLimit);
      if (!told) return ADD_FAILURE() << told.status().to_string();
      if (told->kind == tm::NotificationKind::kLastRecover) return;
      enlistment = session_.open_enlistment(told->enlistment).value();
      EXPECT_TRUE(enlistment.recover(1));
    }
  }
  void join(const tm::Transaction& transaction) {
    enlistment = session_.enlist(transaction, tm::kTwoPhase, 1).value();
  }
  tm::NotificationKind next() {
    const auto told = session_.get_notification(kLimit);
    if (!told) ADD_FAILURE() << told.status().to_string();
    return told ? told->kind : tm::NotificationKind::kTmOnline;
  }
  // Answers what has come by now.
  void answer() {
    while (true) {
      const auto told = session_.try_get_notification();
      if (!told || !*told) return;
      if ((*told)->kind == tm::NotificationKind::kPrepare) {
        static_cast<void>(enlistment.prepare_complete());
      } else if ((*told)->kind == tm::NotificationKind::kCommit) {
        has_committed = true;
        static_cast<void>(enlistment.commit_complete());
      } else if ((*told)->kind == tm::NotificationKind::kRollback) {
        static_cast<void>(enlistment.rollback_complete());
      }
    }
  }
  void stop() {
    enlistment = {};
    session_ = {};
  }

  tm::Enlistment enlistment;
  bool has_committed = false;

 private:
  const Uuid id_ = Uuid::generate();
  tm::ResourceManager session_;
};

template <typename Condition>
bool eventually(const Condition& condition) {
  const auto end = std::chrono::steady_clock::now() + kLimit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

}  // namespace cairn::rm

#endif  // CAIRN_TESTS_RM_MANAGER_NODE_H_
