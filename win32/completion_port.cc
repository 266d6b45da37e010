#include "completion_port.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <string>
#include <system_error>

#include <cairn/win32_types.h>

#include "last_error.h"

namespace cairn::win32 {
namespace {

using PortClock = std::chrono::steady_clock;

// What is left until `deadline`, for poll(2): rounded up, at most what an int holds. -1: for ever.
int poll_milliseconds(std::optional<PortClock::time_point> deadline) {
  if (!deadline) return -1;
  const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(*deadline - PortClock::now()).count();
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, INT_MAX));
}

void add_one(int event_fd) {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto size = ::write(event_fd, &one, sizeof one);
}

// /proc names what is behind a descriptor.
bool is_event_descriptor(int descriptor) {
  std::error_code error;
  const auto target =
      std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(descriptor), error);
  return !error && target.string().find("[eventfd]") != std::string::npos;
}

}  // namespace

CompletionPort::~CompletionPort() {
  ::close(event_fd_);
  ::close(closing_fd_);
}

void CompletionPort::signal() {
  // The caller's counter may be full, and the descriptor one that blocks: then it is readable as it
  // is, and stays so.
  pollfd writable{event_fd_, POLLOUT, 0};
  if (::poll(&writable, 1, 0) == 1) add_one(event_fd_);
}

void CompletionPort::closed() { add_one(closing_fd_); }

std::optional<bool> CompletionPort::wait(std::optional<std::chrono::nanoseconds> limit) {
  std::optional<PortClock::time_point> deadline;
  if (limit) deadline = PortClock::now() + *limit;
  pollfd readable[] = {{event_fd_, POLLIN, 0}, {closing_fd_, POLLIN, 0}};
  for (;;) {
    const int found = ::poll(readable, 2, poll_milliseconds(deadline));
    if (found > 0 && readable[1].revents != 0) return std::nullopt;
    if (found > 0) return true;
    if (found < 0 && errno != EINTR) return std::nullopt;
    if (deadline && PortClock::now() >= *deadline) return false;
  }
}

}  // namespace cairn::win32

HANDLE CairnOpenCompletionPort(int event_fd) {
  using namespace cairn::win32;  // NOLINT(google-build-using-namespace): C functions have none
  if (!is_event_descriptor(event_fd)) return no_handle(ERROR_INVALID_PARAMETER);
  const int own = ::fcntl(event_fd, F_DUPFD_CLOEXEC, 0);
  if (own < 0) return no_handle(ERROR_TOO_MANY_OPEN_FILES);
  const int closing = ::eventfd(0, EFD_CLOEXEC);
  if (closing < 0) {
    ::close(own);
    return no_handle(ERROR_TOO_MANY_OPEN_FILES);
  }
  return handle_of(std::make_shared<CompletionPort>(own, closing));
}
