#include <atomic>
#include <condition_variable>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include <cairn/delivery.h>

#include "inline_delivery.h"
#include "references.h"

namespace cairn::tm {

class Delivery::Pump : public std::enable_shared_from_this<Delivery::Pump> {
 public:
  Pump(std::shared_ptr<NotificationQueue> queue, Executor executor, Handler handler)
      : queue_(std::move(queue)), executor_(std::move(executor)), handler_(std::move(handler)) {}
  Pump(const Pump&) = delete;
  Pump& operator=(const Pump&) = delete;

  Status start() {
    try {
      thread_ = std::thread([self = shared_from_this()] { self->run(); });
    } catch (const std::system_error& error) {
      return Status(StatusCode::kResourceExhausted,
                    std::string("no thread for the delivery: ") + error.what());
    }
    return Status::ok();
  }

  // The handler comes to where notifications arise; there is no thread.
  Status start_inline() {
    if (!queue_->set_handler(handler_)) {
      return Status(StatusCode::kRequestNotValid,
                    "the session has a handler that is called inline");
    }
    inline_ = true;
    const InlineDelivery delivery;
    const std::size_t all = queue_->size() + 1;  // with the end, if the session is over
    for (std::size_t i = 0; i < all; ++i) InlineDelivery::add({queue_, nullptr});
    return Status::ok();
  }

  void stop() {
    if (inline_) return queue_->clear_handler();
    {
      const std::lock_guard lock(mutex_);
      stopped_ = true;
    }
    queue_->interrupt(stop_);
    if (thread_.joinable()) {
      if (thread_.get_id() == std::this_thread::get_id()) {
        thread_.detach();  // it holds this object until it has returned
      } else if (runs_here()) {
        thread_.detach();  // its executor's thread waits for this call, and it for that thread
      } else {
        thread_.join();
      }
    }
  }

 private:
  // That a task was run, or will never be.
  class Turn {
   public:
    void wait() {
      std::unique_lock lock(mutex_);
      over_.wait(lock, [this] { return is_over_; });
    }
    void end() {
      const std::lock_guard lock(mutex_);
      is_over_ = true;
      over_.notify_all();
    }

   private:
    std::mutex mutex_;
    std::condition_variable over_;
    bool is_over_ = false;
  };

  void run() {
    for (;;) {
      const Result<Notification> next = queue_->pop_until(stop_);
      if (stop_.load()) return;
      if (!executor_) {
        call(next);
      } else {
        hand_over(next);
      }
      if (!next) return;
    }
  }

  void hand_over(const Result<Notification>& next) {
    const auto turn = std::make_shared<Turn>();
    // Goes with the task, whether that was run or not.
    std::shared_ptr<void> last(nullptr, [turn](void*) { turn->end(); });
    executor_([self = shared_from_this(), next, last = std::move(last)] { self->call(next); });
    turn->wait();
  }

  void call(const Result<Notification>& next) {
    {
      const std::lock_guard lock(mutex_);
      if (stopped_) return;
      caller_ = std::this_thread::get_id();
    }
    handler_(next);
    const std::lock_guard lock(mutex_);
    caller_ = std::thread::id();
  }

  bool runs_here() {
    const std::lock_guard lock(mutex_);
    return caller_ == std::this_thread::get_id();
  }

  const std::shared_ptr<NotificationQueue> queue_;
  const Executor executor_;
  const Handler handler_;
  bool inline_ = false;
  std::thread thread_;
  std::atomic<bool> stop_{false};

  std::mutex mutex_;
  bool stopped_ = false;
  std::thread::id caller_;  // while the handler runs
};

Delivery::Delivery(std::shared_ptr<Pump> pump) : pump_(std::move(pump)) {}

Result<Delivery> Delivery::start(const ResourceManager& session, Executor executor,
                                 Handler handler) {
  if (!session.reference_) return refers_to_nothing("resource manager");
  if (!handler) return Status(StatusCode::kInvalidArgument, "delivery: a handler expected");
  auto pump =
      std::make_shared<Pump>(session.reference_->queue, std::move(executor), std::move(handler));
  CAIRN_RETURN_IF_ERROR(pump->start());
  return Delivery(std::move(pump));
}

Result<Delivery> Delivery::start_inline(const ResourceManager& session, Handler handler) {
  if (!session.reference_) return refers_to_nothing("resource manager");
  if (!handler) return Status(StatusCode::kInvalidArgument, "delivery: a handler expected");
  auto pump = std::make_shared<Pump>(session.reference_->queue, Executor(), std::move(handler));
  CAIRN_RETURN_IF_ERROR(pump->start_inline());
  return Delivery(std::move(pump));
}

Delivery& Delivery::operator=(Delivery&& other) noexcept {
  if (this != &other) {
    stop();
    pump_ = std::move(other.pump_);
  }
  return *this;
}

Delivery::~Delivery() { stop(); }

void Delivery::stop() {
  if (const std::shared_ptr<Pump> pump = std::exchange(pump_, nullptr)) pump->stop();
}

}  // namespace cairn::tm
