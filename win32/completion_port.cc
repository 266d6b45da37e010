#include "completion_port.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
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

using Clock = std::chrono::steady_clock;

// What is left until `deadline`, for poll(2): rounded up, at most what an int holds. -1: for ever.
int poll_milliseconds(std::optional<Clock::time_point> deadline) {
  if (!deadline) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(*deadline - Clock::now()).count();
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, INT_MAX));
}

// /proc names what is behind a descriptor.
bool is_event_descriptor(int descriptor) {
  std::error_code error;
  const auto target =
      std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(descriptor), error);
  return !error && target.string().find("[eventfd]") != std::string::npos;
}

}  // namespace

CompletionPort::~CompletionPort() { ::close(event_fd_); }

void CompletionPort::signal() {
  const std::uint64_t one = 1;
  // Fails only if 2^64 - 2 completions were not read; then it is readable, and stays so.
  [[maybe_unused]] const auto size = ::write(event_fd_, &one, sizeof one);
}

std::optional<bool> CompletionPort::wait(std::optional<std::chrono::nanoseconds> limit) {
  std::optional<Clock::time_point> deadline;
  if (limit) deadline = Clock::now() + *limit;
  pollfd readable{event_fd_, POLLIN, 0};
  for (;;) {
    const int found = ::poll(&readable, 1, poll_milliseconds(deadline));
    if (found > 0) return true;
    if (found < 0 && errno != EINTR) return std::nullopt;
    if (deadline && Clock::now() >= *deadline) return false;
  }
}

}  // namespace cairn::win32

HANDLE CairnOpenCompletionPort(int event_fd) {
  using namespace cairn::win32;  // NOLINT(google-build-using-namespace): C functions have none
  if (!is_event_descriptor(event_fd)) return no_handle(ERROR_INVALID_PARAMETER);
  const int own = ::fcntl(event_fd, F_DUPFD_CLOEXEC, 0);
  if (own < 0) return no_handle(ERROR_TOO_MANY_OPEN_FILES);
  return handle_of(std::make_shared<CompletionPort>(own));
}
