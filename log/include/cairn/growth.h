// GrowthWatch: to be told when a log has grown.
#ifndef CAIRN_GROWTH_H_
#define CAIRN_GROWTH_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include <cairn/lsn.h>
#include <cairn/status.h>

namespace cairn::log {

class Log;
class LogCore;

// Runs with OK and the durable LSN each time the log has grown; at last once with kPoisoned or
// kClosed. On the thread that noticed, without locks of the log held, never on two threads at once.
// Must be short and must not call a waiting function of this log.
using GrowthCallback = std::function<void(Status status, Lsn durable)>;

// A watch that Log::watch_growth() made. Destruction ends it, and waits for a call that is running
// on another thread. Move-only; for one thread at a time. Must not outlive its Log.
class GrowthWatch {
 public:
  GrowthWatch() = default;  // watches nothing
  GrowthWatch(GrowthWatch&& other) noexcept
      : core_(std::exchange(other.core_, nullptr)),
        id_(other.id_),
        event_fd_(std::exchange(other.event_fd_, -1)),
        event_(std::move(other.event_)) {}
  GrowthWatch& operator=(GrowthWatch&& other) noexcept {
    if (this != &other) {
      end();
      core_ = std::exchange(other.core_, nullptr);
      id_ = other.id_;
      event_fd_ = std::exchange(other.event_fd_, -1);
      event_ = std::move(other.event_);
    }
    return *this;
  }
  GrowthWatch(const GrowthWatch&) = delete;
  GrowthWatch& operator=(const GrowthWatch&) = delete;
  ~GrowthWatch() { end(); }

  // Of a watch without a callback: an event descriptor (eventfd, not blocking) that becomes
  // readable each time, and for ever when the log is poisoned or closed: Log::health() says so.
  // Reading its 8 bytes clears it. Owned by the watch. -1: the watch has a callback.
  [[nodiscard]] int event_fd() const { return event_fd_; }
  // Ends the watch now. In its own callback, too.
  void end();

 private:
  friend class LogCore;
  GrowthWatch(LogCore* core, std::uint64_t id, int event_fd, std::shared_ptr<void> event)
      : core_(core), id_(id), event_fd_(event_fd), event_(std::move(event)) {}

  LogCore* core_ = nullptr;
  std::uint64_t id_ = 0;
  int event_fd_ = -1;
  std::shared_ptr<void> event_;  // owns the descriptor
};

}  // namespace cairn::log

#endif  // CAIRN_GROWTH_H_
