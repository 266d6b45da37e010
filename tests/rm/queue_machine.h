// A simulated computer with a log, a manager, queues and a partner that has no opinion, for tests
// that take its power away.
#ifndef CAIRN_TESTS_RM_QUEUE_MACHINE_H_
#define CAIRN_TESTS_RM_QUEUE_MACHINE_H_

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <cairn/rm_queue.h>
#include <cairn/sim/sim_storage.h>
#include <cairn/transaction_manager.h>

namespace cairn::rm {

class QueueMachine {
 public:
  explicit QueueMachine(QueueOptions options = {}) : options_(std::move(options)) {
    options_.id = Uuid::parse("0b6f0c4e-58ab-4d0e-9b1c-6f1f0c9b7a73").value();
  }
  ~QueueMachine() { stop(); }

  // Opens or makes all of it.
  Status start() {
    log::CreateOptions create;
    create.container_size = log::kMinContainerSize;
    create.max_size = 8 * log::kMinContainerSize;
    create.calibrate = false;
    log::OpenOptions open;
    open.storage = storage_;
    CAIRN_ASSIGN_OR_RETURN(log_, log::Log::open_or_create("log", create, open));
    CAIRN_ASSIGN_OR_RETURN(tm_, tm::TransactionManager::open_or_create({.log = log_}));
    CAIRN_RETURN_IF_ERROR(tm_.recover().status());
    CAIRN_ASSIGN_OR_RETURN(partner_,
                           tm_.create_resource_manager(Uuid::generate(), tm::RmKind::kVolatile));
    return open_queues();
  }
  Status open_queues() {
    QueueOptions options = options_;
    options.log = log_;
    CAIRN_ASSIGN_OR_RETURN(queues_, QueueResourceManager::open(tm_, options));
    return Status::ok();
  }
  void close_queues() { queues_.reset(); }
  void stop() {
    queues_.reset();
    partner_ = {};
    static_cast<void>(tm_.close());
    tm_ = {};
    if (log_) static_cast<void>(log_->close());
    log_.reset();
  }
  // `choice` says what survives of what was not durable. All is ended then.
  void cut_power(const sim::CrashChoice& choice, std::uint64_t seed = 1) {
    storage_->crash();
    stop();
    storage_ = storage_->after_crash(choice, seed);
  }
  // Without power, and with it again.
  Status crash_and_start(const sim::CrashChoice& choice, std::uint64_t seed = 1) {
    cut_power(choice, seed);
    return start();
  }

  [[nodiscard]] tm::Transaction begin() { return tm_.create_transaction().value(); }
  Status produce(const std::string& queue, const std::vector<std::string>& bodies) {
    tm::Transaction transaction = begin();
    for (const std::string& body : bodies) {
      CAIRN_RETURN_IF_ERROR(queues_->produce(transaction, queue, body));
    }
    return transaction.commit();
  }
  // Of the ready messages.
  [[nodiscard]] std::vector<std::string> bodies(const std::string& queue) const {
    std::vector<std::string> all;
    for (const QueueMessage& message : queues_->browse(queue)) all.push_back(message.body);
    return all;
  }
  // Someone else in the transaction, so that it has two phases. Answers when serve_partner() is
  // called.
  tm::Enlistment join(const tm::Transaction& transaction) {
    return partner_.enlist(transaction, tm::kTwoPhase, 1).value();
  }
  // One notification, if there is one.
  void serve_partner(tm::Enlistment& enlistment) {
    const auto next = partner_.try_get_notification();
    if (!next || !*next) return;
    switch ((*next)->kind) {
      case tm::NotificationKind::kPrepare:
        return static_cast<void>(enlistment.prepare_complete());
      case tm::NotificationKind::kCommit:
        return static_cast<void>(enlistment.commit_complete());
      default:
        return static_cast<void>(enlistment.rollback_complete());
    }
  }
  // To its end, or until the power is gone: then kTimeout says that it is undecided. In two phases
  // with a partner.
  Status commit_with(tm::Transaction& transaction, tm::Enlistment* partner) {
    CAIRN_RETURN_IF_ERROR(transaction.commit_async());
    while (true) {
      if (partner != nullptr) serve_partner(*partner);
      const Status done = transaction.wait(tm::WaitFor::kCompleted, std::chrono::microseconds(20));
      if (done.code() != StatusCode::kTimeout) return done;
      if (storage_->crashed() || !queues_->health()) {
        return transaction.wait(tm::WaitFor::kDecided, std::chrono::nanoseconds(0));
      }
    }
  }

  [[nodiscard]] QueueResourceManager& queues() { return *queues_; }
  [[nodiscard]] log::Log& log() { return *log_; }
  [[nodiscard]] tm::TransactionManager& manager() { return tm_; }
  [[nodiscard]] sim::SimStorage& storage() { return *storage_; }

 private:
  QueueOptions options_;
  std::shared_ptr<sim::SimStorage> storage_ = std::make_shared<sim::SimStorage>();
  std::shared_ptr<log::Log> log_;
  tm::TransactionManager tm_;
  tm::ResourceManager partner_;
  std::unique_ptr<QueueResourceManager> queues_;
};

}  // namespace cairn::rm

#endif  // CAIRN_TESTS_RM_QUEUE_MACHINE_H_
