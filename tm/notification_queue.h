// NotificationQueue: what one session of a resource manager has yet to read.
#ifndef CAIRN_TM_NOTIFICATION_QUEUE_H_
#define CAIRN_TM_NOTIFICATION_QUEUE_H_

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <list>
#include <mutex>
#include <optional>

#include <cairn/notification.h>
#include <cairn/result.h>
#include <cairn/status.h>

namespace cairn::tm {

// First in, first out, without a bound of its own: what is in it is bounded by the enlistments that
// exist, each of which has at most one request and one outcome waiting. Thread-safe. Its lock comes
// after the transaction manager's and is held over nothing but the list and one system call on an
// event descriptor.
class NotificationQueue {
 public:
  // A list of exactly one, so that an entry can be made early and be delivered without taking
  // memory.
  using Entry = std::list<Notification>;

  NotificationQueue() = default;
  NotificationQueue(const NotificationQueue&) = delete;
  NotificationQueue& operator=(const NotificationQueue&) = delete;
  ~NotificationQueue();

  // After end() it is dropped: nobody will read it.
  void push(Entry entry);
  // Wakes all readers; from now on they get `reason`. What was queued is dropped. The first reason
  // counts.
  void end(Status reason);

  // Waits up to `limit`, or without one until there is something. Errors: kTimeout, the reason
  // given to end().
  [[nodiscard]] Result<Notification> pop(std::optional<std::chrono::nanoseconds> limit);
  // The same, but leaves the next one where it is if `fits`, called with the lock held, says no:
  // kBufferTooSmall.
  [[nodiscard]] Result<Notification> pop_if(const std::function<bool(const Notification&)>& fits,
                                            std::optional<std::chrono::nanoseconds> limit);
  [[nodiscard]] Result<std::optional<Notification>> try_pop();
  // Waits until there is something, or `stop` is set by interrupt(): then the error is kClosed, and
  // nothing was taken.
  [[nodiscard]] Result<Notification> pop_until(const std::atomic<bool>& stop);
  void interrupt(std::atomic<bool>& stop);
  // Readable while something is queued, and for ever after end(). Error: kResourceExhausted.
  [[nodiscard]] Result<int> event_fd();
  [[nodiscard]] std::size_t size() const;

 private:
  [[nodiscard]] Status wait_locked(std::unique_lock<std::mutex>& lock,
                                   std::optional<std::chrono::nanoseconds> limit);
  [[nodiscard]] Notification take_locked();
  void signal_locked();

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::list<Notification> entries_;
  std::optional<Status> ended_;
  int event_fd_ = -1;
};

}  // namespace cairn::tm

#endif  // CAIRN_TM_NOTIFICATION_QUEUE_H_
