// EventFd: an eventfd of the kernel's.
#ifndef CAIRN_LOG_STORAGE_EVENT_FD_H_
#define CAIRN_LOG_STORAGE_EVENT_FD_H_

#include <memory>

#include <cairn/result.h>

namespace cairn::log {

// Thread-safe.
class EventFd {
 public:
  // Error: kResourceExhausted.
  [[nodiscard]] static Result<std::shared_ptr<EventFd>> make();
  explicit EventFd(int fd) : fd_(fd) {}
  ~EventFd();
  EventFd(const EventFd&) = delete;
  EventFd& operator=(const EventFd&) = delete;

  [[nodiscard]] int fd() const { return fd_; }

 private:
  int fd_;
};

// Adds one to the event descriptor `fd`: whoever polls it wakes. A full counter wakes as well.
void signal_event(int fd);

}  // namespace cairn::log

#endif  // CAIRN_LOG_STORAGE_EVENT_FD_H_
