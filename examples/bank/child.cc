#include "bank/child.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include <fmt/format.h>

namespace cairn::examples::bank {
namespace {

Status system_error(const char* what) {
  const int error = errno;
  return Status(StatusCode::kIoError, fmt::format("{}: {}", what, std::strerror(error)),
                {.lsn_begin = {},
                 .lsn_end = {},
                 .file = {},
                 .stream = {},
                 .cause = FullCause::kNone,
                 .os_error = error});
}

// Between fork and exec: nothing but system calls.
[[noreturn]] void run_child(pid_t parent, int output, char* const* arguments) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(127);  // it died before the line above
  if (::dup2(output, STDOUT_FILENO) < 0) ::_exit(127);
  ::execv(arguments[0], arguments);
  ::_exit(127);
}

}  // namespace

Result<Child> Child::start(const std::string& program, const std::vector<std::string>& arguments) {
  std::vector<std::string> texts{program};
  texts.insert(texts.end(), arguments.begin(), arguments.end());
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);

  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return system_error("pipe2");
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid == 0) run_child(parent, ends[1], pointers.data());
  const Status forked = pid < 0 ? system_error("fork") : Status::ok();
  ::close(ends[1]);
  if (forked) return Child(pid, ends[0]);
  ::close(ends[0]);
  return forked;
}

Child::Child(Child&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      output_(std::exchange(other.output_, -1)),
      rest_(std::move(other.rest_)) {}

Child::~Child() {
  kill();
  wait();
  if (output_ >= 0) ::close(output_);
}

Result<std::vector<std::string>> Child::lines(std::chrono::milliseconds limit) {
  std::vector<std::string> lines;
  pollfd wanted{.fd = output_, .events = POLLIN, .revents = 0};
  const int ready = ::poll(&wanted, 1, static_cast<int>(limit.count()));
  if (ready < 0 && errno != EINTR) return system_error("poll");
  if (ready <= 0) return lines;
  std::array<char, 65536> buffer;
  const ssize_t size = ::read(output_, buffer.data(), buffer.size());
  if (size < 0) return system_error("read from the worker");
  if (size == 0) {
    ::close(std::exchange(output_, -1));
    return lines;
  }
  rest_.append(buffer.data(), static_cast<std::size_t>(size));
  std::size_t begin = 0;
  for (std::size_t end; (end = rest_.find('\n', begin)) != std::string::npos; begin = end + 1) {
    lines.push_back(rest_.substr(begin, end - begin));
  }
  rest_.erase(0, begin);
  return lines;
}

void Child::kill() {
  if (pid_ > 0) ::kill(pid_, SIGKILL);
}

Child::End Child::wait() {
  if (pid_ < 0) return {};
  int status = 0;
  pid_t waited = 0;
  do {
    waited = ::waitpid(pid_, &status, 0);
  } while (waited < 0 && errno == EINTR);
  pid_ = -1;
  if (waited < 0) return {.is_success = false, .text = system_error("waitpid").to_string()};
  if (WIFSIGNALED(status)) {
    return {.is_success = false, .text = fmt::format("ended by signal {}", WTERMSIG(status))};
  }
  return {.is_success = WEXITSTATUS(status) == 0,
          .text = fmt::format("exited with status {}", WEXITSTATUS(status))};
}

}  // namespace cairn::examples::bank
