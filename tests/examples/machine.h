// Machine: a simulated computer with a log, a manager and what runs on them, that loses power on
// command.
#ifndef CAIRN_TESTS_EXAMPLES_MACHINE_H_
#define CAIRN_TESTS_EXAMPLES_MACHINE_H_

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include <gtest/gtest.h>

#include <cairn/log.h>
#include <cairn/sim/sim_storage.h>
#include <cairn/transaction_manager.h>

namespace cairn {

// The log's directory is "log". Managers are told apart by their streams.
class Machine {
 public:
  Machine() { create_.container_size = log::kMinContainerSize; }
  ~Machine() { stop(); }
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  // Opens or makes log and manager; the manager is recovered.
  [[nodiscard]] Status start(const std::string& tm_stream = "tm") {
    log::OpenOptions open;
    open.storage = storage_;
    CAIRN_ASSIGN_OR_RETURN(log_, log::Log::open_or_create("log", create_, open));
    tm::TmOptions options;
    options.log = log_;
    options.stream = tm_stream;
    CAIRN_ASSIGN_OR_RETURN(tm_, tm::TransactionManager::open_or_create(options));
    return tm_.recover().status();
  }
  // An orderly end.
  void stop() {
    static_cast<void>(tm_.close());
    tm_ = {};
    if (log_) static_cast<void>(log_->close());
    log_.reset();
  }
  // What is pending now is decided by `choice`; what runs goes on without a disk and is to be
  // ended, then stop().
  void cut_power(const sim::CrashChoice& choice = sim::survive_none(), std::uint64_t seed = 0) {
    storage_->crash();
    next_ = storage_->after_crash(choice, seed);
  }
  // The next boot. REQUIRES: stopped.
  void boot() { storage_ = std::move(next_); }

  [[nodiscard]] sim::SimStorage& storage() { return *storage_; }
  // For logs of the test's own.
  [[nodiscard]] const std::shared_ptr<sim::SimStorage>& shared_storage() { return storage_; }
  [[nodiscard]] const std::shared_ptr<log::Log>& log() const { return log_; }
  [[nodiscard]] tm::TransactionManager& tm() { return tm_; }
  [[nodiscard]] tm::Transaction begin() { return tm_.create_transaction().value(); }

 private:
  log::CreateOptions create_;
  std::shared_ptr<sim::SimStorage> storage_ = std::make_shared<sim::SimStorage>();
  std::shared_ptr<sim::SimStorage> next_;
  std::shared_ptr<log::Log> log_;
  tm::TransactionManager tm_;
};

// A durable resource manager that answers only when the test says so. While it keeps silent, so
// does the decision.
class Puppet {
 public:
  explicit Puppet(tm::TransactionManager& tm) {
    session_ = tm.create_resource_manager(Uuid::generate(), tm::RmKind::kDurable, "puppet").value();
    EXPECT_TRUE(session_.recover());
    EXPECT_EQ(next().kind, tm::NotificationKind::kLastRecover);
  }

  void join(const tm::Transaction& transaction) {
    enlistment_ = session_.enlist(transaction, tm::kTwoPhase, 1).value();
  }
  tm::Notification next() {
    const auto next = session_.get_notification(std::chrono::seconds(20));
    EXPECT_TRUE(next.is_ok()) << next.status().to_string();
    return next.is_ok() ? *next : tm::Notification{};
  }
  tm::Enlistment& enlistment() { return enlistment_; }

 private:
  tm::ResourceManager session_;
  tm::Enlistment enlistment_;
};

}  // namespace cairn

#endif  // CAIRN_TESTS_EXAMPLES_MACHINE_H_
