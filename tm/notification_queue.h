// NotificationQueue: what one session of a resource manager has yet to read.
#ifndef CAIRN_TM_NOTIFICATION_QUEUE_H_
#define CAIRN_TM_NOTIFICATION_QUEUE_H_

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include <cairn/notification.h>
#include <cairn/result.h>
#include <cairn/status.h>
#include <cairn/uuid.h>

namespace cairn::tm {

// First in, first out, without a bound of its own: what is in it is bounded by the enlistments that
// exist, each of which has at most one request and one outcome waiting. Thread-safe. Its lock comes
// after the transaction manager's and is held over nothing but the list and one system call on an
// event descriptor.
class NotificationQueue {
 public:
  // A place in the queue. Who has one can be told something without memory being taken. In one
  // queue at a time.
  class Entry {
   public:
    Entry() = default;
    Entry(const Entry&) = delete;
    Entry& operator=(const Entry&) = delete;

    // With nobody else at the queue.
    [[nodiscard]] bool is_queued() const { return owner_ != nullptr; }

   private:
    friend class NotificationQueue;
    Entry* next_ = nullptr;
    // Keeps this entry and the identities while it is queued; null: it is not.
    std::shared_ptr<const void> owner_;
    const Uuid* enlistment_ = nullptr;  // null: none
    const Uuid* transaction_ = nullptr;
    const Uuid* manager_ = nullptr;
    std::uint64_t key_ = 0;
    std::uint64_t clock_ = 0;
    NotificationKind kind_ = NotificationKind::kRollback;
  };
  // What an enlistment is told.
  struct Message {
    NotificationKind kind = NotificationKind::kRollback;
    std::uint64_t key = 0;
    const Uuid* enlistment = nullptr;
    const Uuid* transaction = nullptr;
    std::uint64_t clock = 0;
  };

  NotificationQueue() = default;
  NotificationQueue(const NotificationQueue&) = delete;
  NotificationQueue& operator=(const NotificationQueue&) = delete;
  ~NotificationQueue();

  // After end() it is dropped: nobody will read it. False, and nothing done: the entry is queued
  // already. `owner` keeps the entry and the identities that `message` points to.
  [[nodiscard]] bool push(Entry& entry, const Message& message, std::shared_ptr<const void> owner);
  // The same with memory that is taken now.
  void push(const Notification& notification);
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

  using Handler = std::function<void(const Result<Notification>& next)>;
  // From now on whoever queues something brings it to `handler`, without locks of its own. False,
  // and nothing done, if there is a handler.
  [[nodiscard]] bool set_handler(Handler handler);
  // On return the handler does not run, but for calls of this thread, and is not called again. Only
  // then may another be set.
  void clear_handler();
  // Whether there is a handler.
  [[nodiscard]] bool brings() const { return brings_.load(std::memory_order_acquire); }
  // Takes the first one, or the end, and calls the handler with it, if there is one.
  void bring();
  // Calls the handler with what was never queued; after end() it is dropped. Takes no lock. False,
  // and nothing done: there is no handler. REQUIRES: the identities stay until it returns.
  [[nodiscard]] bool bring(const Message& message);
  // Readable while something is queued, and for ever after end(). Error: kResourceExhausted.
  [[nodiscard]] Result<int> event_fd();
  [[nodiscard]] std::size_t size() const;

 private:
  [[nodiscard]] Status wait_locked(std::unique_lock<std::mutex>& lock,
                                   std::optional<std::chrono::nanoseconds> limit);
  void push_locked(Entry& entry, std::shared_ptr<const void> owner);
  [[nodiscard]] static Notification read(const Entry& entry);
  // Gives what kept the entry to `owner`, to be let go of without the lock: other objects, this
  // queue too, may go with it.
  // REQUIRES: there is one.
  [[nodiscard]] Notification take_locked(std::shared_ptr<const void>& owner);
  // What bring() is to call the handler with.
  [[nodiscard]] std::optional<Result<Notification>> take_for_handler(
      std::shared_ptr<const void>& owner);
  void signal_locked();

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  Entry* first_ = nullptr;
  Entry* last_ = nullptr;
  std::size_t size_ = 0;
  std::atomic<bool> readable_{false};  // something is queued, or it has ended
  std::optional<Status> ended_;
  std::atomic<bool> has_ended_{false};  // the same
  int event_fd_ = -1;

  class HandlerCall;
  std::unique_ptr<const Handler> handler_;  // null: there is none
  std::atomic<bool> brings_{false};         // it may be called
  bool brought_end_ = false;                // to this handler
  std::atomic<unsigned> calls_{0};          // of a handler, that have not returned
  std::condition_variable returned_;        // one has, and no handler may be called any more
};

}  // namespace cairn::tm

#endif  // CAIRN_TM_NOTIFICATION_QUEUE_H_
