#include "notification_queue.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>

#include <cairn/deadline.h>

namespace cairn::tm {

NotificationQueue::~NotificationQueue() {
  if (event_fd_ >= 0) ::close(event_fd_);
}

void NotificationQueue::push(Entry entry) {
  const std::lock_guard lock(mutex_);
  if (ended_) return;
  entries_.splice(entries_.end(), entry);
  if (entries_.size() == 1) signal_locked();
  changed_.notify_one();
}

void NotificationQueue::end(Status reason) {
  const std::lock_guard lock(mutex_);
  if (ended_) return;
  ended_ = std::move(reason);
  if (entries_.empty()) signal_locked();
  entries_.clear();
  changed_.notify_all();
}

Result<Notification> NotificationQueue::pop(std::optional<std::chrono::nanoseconds> limit) {
  std::unique_lock lock(mutex_);
  CAIRN_RETURN_IF_ERROR(wait_locked(lock, limit));
  return take_locked();
}

Result<Notification> NotificationQueue::pop_if(const std::function<bool(const Notification&)>& fits,
                                               std::optional<std::chrono::nanoseconds> limit) {
  std::unique_lock lock(mutex_);
  CAIRN_RETURN_IF_ERROR(wait_locked(lock, limit));
  if (!fits(entries_.front())) {
    changed_.notify_one();  // another reader may have room for it
    return Status(StatusCode::kBufferTooSmall,
                  "no room for the next notification: " + entries_.front().to_string());
  }
  return take_locked();
}

Result<Notification> NotificationQueue::pop_until(const std::atomic<bool>& stop) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return stop.load() || ended_ || !entries_.empty(); });
  if (stop.load()) return Status(StatusCode::kClosed, "the delivery was stopped");
  if (ended_) return *ended_;
  return take_locked();
}

void NotificationQueue::interrupt(std::atomic<bool>& stop) {
  const std::lock_guard lock(mutex_);
  stop.store(true);
  changed_.notify_all();
}

Result<std::optional<Notification>> NotificationQueue::try_pop() {
  const std::lock_guard lock(mutex_);
  if (ended_) return *ended_;
  if (entries_.empty()) return std::optional<Notification>();
  return std::optional<Notification>(take_locked());
}

Result<int> NotificationQueue::event_fd() {
  const std::lock_guard lock(mutex_);
  if (event_fd_ < 0) {
    event_fd_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (event_fd_ < 0) {
      StatusDetail detail;
      detail.os_error = errno;
      return Status(StatusCode::kResourceExhausted,
                    std::string("no event descriptor: ") + std::strerror(errno), detail);
    }
    if (ended_ || !entries_.empty()) signal_locked();
  }
  return event_fd_;
}

std::size_t NotificationQueue::size() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

// OK: there is something to take.
Status NotificationQueue::wait_locked(std::unique_lock<std::mutex>& lock,
                                      std::optional<std::chrono::nanoseconds> limit) {
  const auto ready = [this] { return ended_ || !entries_.empty(); };
  if (!limit) {
    changed_.wait(lock, ready);
  } else if (!changed_.wait_until(lock, deadline_after(*limit), ready)) {
    return Status(StatusCode::kTimeout, "no notification within the time limit");
  }
  return ended_ ? *ended_ : Status::ok();
}

Notification NotificationQueue::take_locked() {
  const Notification front = entries_.front();
  entries_.pop_front();
  if (entries_.empty() && event_fd_ >= 0) {
    std::uint64_t count = 0;
    // Cannot fail: the counter is not 0 while something is queued.
    [[maybe_unused]] const auto size = ::read(event_fd_, &count, sizeof count);
  }
  return front;
}

// Called when the queue becomes readable.
void NotificationQueue::signal_locked() {
  if (event_fd_ < 0) return;
  const std::uint64_t one = 1;
  // Cannot fail: the counter is 0 before.
  [[maybe_unused]] const auto size = ::write(event_fd_, &one, sizeof one);
}

}  // namespace cairn::tm
