#include "storage/event_fd.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>

namespace cairn::log {

Result<std::shared_ptr<EventFd>> EventFd::make() {
  const int fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (fd < 0) {
    StatusDetail detail;
    detail.os_error = errno;
    return Status(StatusCode::kResourceExhausted,
                  std::string("no event descriptor: ") + std::strerror(errno), detail);
  }
  return std::make_shared<EventFd>(fd);
}

EventFd::~EventFd() { ::close(fd_); }

void signal_event(int fd) {
  const std::uint64_t one = 1;
  while (::write(fd, &one, sizeof one) < 0 && errno == EINTR) {
  }
}

}  // namespace cairn::log
