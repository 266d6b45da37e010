#include "notification_queue.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include <cairn/deadline.h>

namespace cairn::tm {

namespace {

// An entry that comes with what it says.
struct OwnEntry {
  NotificationQueue::Entry entry;
  Notification notification;
};

}  // namespace

NotificationQueue::~NotificationQueue() {
  end(Status(StatusCode::kObjectExpired, "the queue is gone"));
  if (event_fd_ >= 0) ::close(event_fd_);
}

bool NotificationQueue::push(Entry& entry, const Message& message,
                             std::shared_ptr<const void> owner) {
  const std::lock_guard lock(mutex_);
  if (ended_) return true;
  if (entry.owner_ != nullptr) return false;
  entry.kind_ = message.kind;
  entry.key_ = message.key;
  entry.enlistment_ = message.enlistment;
  entry.transaction_ = message.transaction;
  entry.clock_ = message.clock;
  push_locked(entry, std::move(owner));
  return true;
}

void NotificationQueue::push(const Notification& notification) {
  const auto own = std::make_shared<OwnEntry>();
  own->notification = notification;
  Entry& entry = own->entry;
  entry.kind_ = notification.kind;
  entry.key_ = notification.key;
  entry.enlistment_ = &own->notification.enlistment;
  entry.transaction_ = &own->notification.transaction;
  entry.manager_ = &own->notification.manager;
  entry.clock_ = notification.clock;
  const std::lock_guard lock(mutex_);
  if (!ended_) push_locked(entry, own);
}

void NotificationQueue::push_locked(Entry& entry, std::shared_ptr<const void> owner) {
  entry.owner_ = std::move(owner);
  entry.next_ = nullptr;
  (last_ == nullptr ? first_ : last_->next_) = &entry;
  last_ = &entry;
  if (++size_ == 1) signal_locked();
  readable_.store(true, std::memory_order_release);
  changed_.notify_one();
}

void NotificationQueue::end(Status reason) {
  std::vector<std::shared_ptr<const void>> dropped;  // let go of without the lock
  const std::lock_guard lock(mutex_);
  if (ended_) return;
  ended_ = std::move(reason);
  has_ended_.store(true, std::memory_order_release);
  if (size_ == 0) signal_locked();
  dropped.reserve(size_);
  while (size_ > 0) {
    Entry* const entry = first_;
    first_ = entry->next_;
    --size_;
    dropped.push_back(std::move(entry->owner_));
  }
  last_ = nullptr;
  readable_.store(true, std::memory_order_release);
  changed_.notify_all();
}

Result<Notification> NotificationQueue::pop(std::optional<std::chrono::nanoseconds> limit) {
  std::shared_ptr<const void> owner;
  std::unique_lock lock(mutex_);
  CAIRN_RETURN_IF_ERROR(wait_locked(lock, limit));
  return take_locked(owner);
}

Result<Notification> NotificationQueue::pop_if(const std::function<bool(const Notification&)>& fits,
                                               std::optional<std::chrono::nanoseconds> limit) {
  std::shared_ptr<const void> owner;
  std::unique_lock lock(mutex_);
  CAIRN_RETURN_IF_ERROR(wait_locked(lock, limit));
  if (const Notification next = read(*first_); !fits(next)) {
    changed_.notify_one();  // another reader may have room for it
    return Status(StatusCode::kBufferTooSmall,
                  "no room for the next notification: " + next.to_string());
  }
  return take_locked(owner);
}

Result<Notification> NotificationQueue::pop_until(const std::atomic<bool>& stop) {
  std::shared_ptr<const void> owner;
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return stop.load() || ended_ || size_ > 0; });
  if (stop.load()) return Status(StatusCode::kClosed, "the delivery was stopped");
  if (ended_) return *ended_;
  return take_locked(owner);
}

void NotificationQueue::interrupt(std::atomic<bool>& stop) {
  const std::lock_guard lock(mutex_);
  stop.store(true);
  changed_.notify_all();
}

Result<std::optional<Notification>> NotificationQueue::try_pop() {
  if (!readable_.load(std::memory_order_acquire)) return std::optional<Notification>();
  std::shared_ptr<const void> owner;
  const std::lock_guard lock(mutex_);
  if (ended_) return *ended_;
  if (size_ == 0) return std::optional<Notification>();
  return std::optional<Notification>(take_locked(owner));
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
    if (ended_ || size_ > 0) signal_locked();
  }
  return event_fd_;
}

std::size_t NotificationQueue::size() const {
  const std::lock_guard lock(mutex_);
  return size_;
}

// OK: there is something to take.
Status NotificationQueue::wait_locked(std::unique_lock<std::mutex>& lock,
                                      std::optional<std::chrono::nanoseconds> limit) {
  const auto ready = [this] { return ended_ || size_ > 0; };
  if (!limit) {
    changed_.wait(lock, ready);
  } else if (!changed_.wait_until(lock, deadline_after(*limit), ready)) {
    return Status(StatusCode::kTimeout, "no notification within the time limit");
  }
  return ended_ ? *ended_ : Status::ok();
}

Notification NotificationQueue::read(const Entry& entry) {
  const auto value = [](const Uuid* id) { return id == nullptr ? Uuid{} : *id; };
  return {entry.kind_,  entry.key_,           value(entry.enlistment_), value(entry.transaction_),
          entry.clock_, value(entry.manager_)};
}

Notification NotificationQueue::take_locked(std::shared_ptr<const void>& owner) {
  Entry& entry = *first_;
  const Notification taken = read(entry);
  first_ = entry.next_;
  if (first_ == nullptr) last_ = nullptr;
  if (--size_ == 0) readable_.store(false, std::memory_order_relaxed);
  owner = std::move(entry.owner_);  // from here on it may be queued again
  if (size_ == 0 && event_fd_ >= 0) {
    std::uint64_t count = 0;
    // Cannot fail: the counter is not 0 while something is queued.
    [[maybe_unused]] const auto size = ::read(event_fd_, &count, sizeof count);
  }
  return taken;
}

// A call of the handler, or the try of one. While it is counted, the handler stays; who finds that
// there is one after it was counted may call it, without the lock.
class NotificationQueue::HandlerCall {
 public:
  explicit HandlerCall(NotificationQueue& queue) : queue_(queue), outer_(innermost_) {
    innermost_ = this;
    queue_.calls_.fetch_add(1);
  }
  ~HandlerCall() {
    innermost_ = outer_;
    // In one order with what clear_handler() does, which sets brings_ and then reads calls_: if
    // this thread still sees a handler, that one sees this call ended.
    queue_.calls_.fetch_sub(1);
    if (queue_.brings_.load()) return;
    const std::lock_guard lock(queue_.mutex_);
    queue_.returned_.notify_all();
  }
  HandlerCall(const HandlerCall&) = delete;
  HandlerCall& operator=(const HandlerCall&) = delete;

  // Those of this thread, the innermost first.
  [[nodiscard]] static HandlerCall* innermost() { return innermost_; }
  [[nodiscard]] HandlerCall* outer() const { return outer_; }
  [[nodiscard]] bool is_of(const NotificationQueue& queue) const { return &queue_ == &queue; }
  // The handler was taken from the queue within this call of it.
  void keep(std::unique_ptr<const Handler> handler) { kept_ = std::move(handler); }

 private:
  NotificationQueue& queue_;
  HandlerCall* const outer_;
  std::unique_ptr<const Handler> kept_;
  static thread_local HandlerCall* innermost_;
};
thread_local NotificationQueue::HandlerCall* NotificationQueue::HandlerCall::innermost_ = nullptr;

bool NotificationQueue::set_handler(Handler handler) {
  const std::lock_guard lock(mutex_);
  if (handler_ != nullptr) return false;
  handler_ = std::make_unique<const Handler>(std::move(handler));
  brought_end_ = false;
  brings_.store(true);
  return true;
}

void NotificationQueue::clear_handler() {
  unsigned mine = 0;
  HandlerCall* outermost = nullptr;
  for (HandlerCall* at = HandlerCall::innermost(); at != nullptr; at = at->outer()) {
    if (!at->is_of(*this)) continue;
    ++mine;
    outermost = at;
  }
  std::unique_lock lock(mutex_);
  brings_.store(false);
  returned_.wait(lock, [&] { return calls_.load() <= mine; });
  if (outermost != nullptr && handler_ != nullptr) outermost->keep(std::move(handler_));
  handler_ = nullptr;
}

std::optional<Result<Notification>> NotificationQueue::take_for_handler(
    std::shared_ptr<const void>& owner) {
  const std::lock_guard lock(mutex_);
  if (ended_) {
    if (std::exchange(brought_end_, true)) return std::nullopt;
    return Result<Notification>(*ended_);
  }
  if (size_ == 0) return std::nullopt;
  return Result<Notification>(take_locked(owner));
}

void NotificationQueue::bring() {
  const HandlerCall call(*this);
  if (!brings_.load()) return;
  std::shared_ptr<const void> owner;
  const std::optional<Result<Notification>> next = take_for_handler(owner);
  owner = nullptr;
  if (next) (*handler_)(*next);
}

bool NotificationQueue::bring(const Message& message) {
  const HandlerCall call(*this);
  if (!brings_.load()) return false;
  if (has_ended_.load(std::memory_order_acquire)) return true;
  (*handler_)(Notification{message.kind, message.key, *message.enlistment, *message.transaction,
                           message.clock, Uuid{}});
  return true;
}

// Called when the queue becomes readable.
void NotificationQueue::signal_locked() {
  if (event_fd_ < 0) return;
  const std::uint64_t one = 1;
  // Cannot fail: the counter is 0 before.
  [[maybe_unused]] const auto size = ::write(event_fd_, &one, sizeof one);
}

}  // namespace cairn::tm
