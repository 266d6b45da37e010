#include "output.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>

namespace cairn::tools {
namespace {

constexpr std::size_t kBufferBytes = std::size_t{64} << 10;

}  // namespace

void Output::end_line() {
  buffer_.push_back('\n');
  if (buffer_.size() >= kBufferBytes) flush();
}

void Output::flush() {
  std::string_view rest = buffer_;
  while (!rest.empty() && !closed_) {
    const ssize_t written = ::write(descriptor_, rest.data(), rest.size());
    if (written >= 0) {
      rest.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno != EINTR) {
      closed_ = true;
      if (errno != EPIPE) error_ = errno;
    }
  }
  buffer_.clear();
}

void Output::flush_and_wait(std::chrono::milliseconds time) {
  flush();
  if (closed_) return;
  // Asking for no event still reports POLLERR, which a pipe gives once its reader is gone.
  pollfd reader{.fd = descriptor_, .events = 0, .revents = 0};
  const int events = ::poll(&reader, 1, static_cast<int>(time.count()));
  if (events > 0 && (reader.revents & (POLLERR | POLLNVAL)) != 0) closed_ = true;
}

}  // namespace cairn::tools
