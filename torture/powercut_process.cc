// PowercutProcess: the process of an exploration, and the way of its report.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <new>
#include <optional>
#include <utility>

#include <cairn/torture/powercut.h>

#include "file_system.h"
#include "powercut_run.h"
#include "system_error.h"

namespace cairn::torture {

namespace {

// The report is written field by field: numbers as they lie in memory, texts with their length. The
// reader is of the same program.
class Writer {
 public:
  void number(std::uint64_t value) { raw(&value, sizeof value); }
  void real(double value) { raw(&value, sizeof value); }
  void text(const std::string& value) {
    number(value.size());
    raw(value.data(), value.size());
  }
  [[nodiscard]] const std::string& bytes() const { return bytes_; }

 private:
  void raw(const void* data, std::size_t size) {
    bytes_.append(static_cast<const char*>(data), size);
  }
  std::string bytes_;
};

class Reader {
 public:
  explicit Reader(const std::string& bytes) : bytes_(bytes) {}
  std::uint64_t number() {
    std::uint64_t value = 0;
    raw(&value, sizeof value);
    return value;
  }
  double real() {
    double value = 0;
    raw(&value, sizeof value);
    return value;
  }
  std::string text() {
    const std::uint64_t size = number();
    if (!is_whole_ || size > bytes_.size() - at_) {
      is_whole_ = false;
      return {};
    }
    at_ += size;
    return bytes_.substr(at_ - size, size);
  }
  // False: the bytes ended before what was asked for.
  [[nodiscard]] bool is_whole() const { return is_whole_; }

 private:
  void raw(void* out, std::size_t size) {
    is_whole_ = is_whole_ && size <= bytes_.size() - at_;
    if (!is_whole_) return;
    std::memcpy(out, bytes_.data() + at_, size);
    at_ += size;
  }
  const std::string& bytes_;
  std::size_t at_ = 0;
  bool is_whole_ = true;
};

std::string encode(const Result<PowercutReport>& result) {
  Writer out;
  out.number(static_cast<std::uint64_t>(result.code()));
  out.text(result.status().message());
  if (!result) return out.bytes();
  const PowercutReport& report = *result;
  out.text(report.file_system);
  out.text(report.storage);
  for (const std::uint64_t value :
       {report.recordings, report.writes, report.flushes, report.steps, report.transactions}) {
    out.number(value);
  }
  for (const std::uint64_t states : report.states) out.number(states);
  out.real(report.seconds);
  out.number(report.violations.size());
  for (const PowercutViolation& violation : report.violations) {
    out.text(violation.what);
    out.text(violation.state);
    out.text(violation.image);
  }
  return out.bytes();
}

// Nothing: the process ended before it had told everything.
std::optional<Result<PowercutReport>> decode(const std::string& bytes) {
  Reader in(bytes);
  const auto code = static_cast<StatusCode>(in.number());
  const std::string message = in.text();
  if (!in.is_whole()) return std::nullopt;
  if (code != StatusCode::kOk) return Result<PowercutReport>(Status(code, message));
  PowercutReport report;
  report.file_system = in.text();
  report.storage = in.text();
  for (std::uint64_t* value :
       {&report.recordings, &report.writes, &report.flushes, &report.steps, &report.transactions}) {
    *value = in.number();
  }
  for (std::uint64_t& states : report.states) states = in.number();
  report.seconds = in.real();
  for (std::uint64_t left = in.number(); left > 0 && in.is_whole(); --left) {
    PowercutViolation& violation = report.violations.emplace_back();
    violation.what = in.text();
    violation.state = in.text();
    violation.image = in.text();
  }
  if (!in.is_whole()) return std::nullopt;
  return Result<PowercutReport>(std::move(report));
}

void write_all(int file, const std::string& bytes) {
  for (std::size_t at = 0; at < bytes.size();) {
    const ssize_t written = ::write(file, bytes.data() + at, bytes.size() - at);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;  // nobody reads any more
    at += static_cast<std::size_t>(written);
  }
}

// Set by a signal. A process that is killed while it waits for its own disk would never be gone:
// the thread that answers for the disk would be gone first. So it ends after the state it is at.
volatile std::sig_atomic_t g_stopped = 0;
void stop(int /*signal*/) { g_stopped = 1; }

void end_in_good_order_on_signals() {
  struct sigaction action {};
  action.sa_handler = stop;
  action.sa_flags = SA_RESTART;
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
}

Result<PowercutReport> explore(const PowercutOptions& options, const std::string& directory,
                               std::atomic<std::uint64_t>& states) {
  CAIRN_RETURN_IF_ERROR(enter_private_mounts(directory));
  PowercutRun run(options, directory, states, [] { return g_stopped != 0; });
  return run.run();
}

std::string temporary_place() {
  const char* named = ::getenv("TMPDIR");
  return named != nullptr && *named != '\0' ? named : "/tmp";
}

}  // namespace

// In memory of both processes.
struct PowercutProcess::Shared {
  std::atomic<std::uint64_t> states{0};
};

Result<std::unique_ptr<PowercutProcess>> PowercutProcess::start(const PowercutOptions& options) {
  CAIRN_RETURN_IF_ERROR(can_cut_power(options.file_system));
  std::unique_ptr<PowercutProcess> one(new PowercutProcess());
  void* memory =
      ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return system_error("shared memory");
  one->shared_ = new (memory) Shared();
  std::string pattern = temporary_place() + "/cairn_powercut_XXXXXX";
  if (::mkdtemp(pattern.data()) == nullptr) return system_error(pattern);
  one->directory_ = pattern;
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return system_error("pipe");
  const pid_t parent = ::getpid();
  one->process_ = ::fork();
  if (one->process_ == 0) {
    end_in_good_order_on_signals();
    if (::getppid() != parent) ::_exit(1);
    ::close(ends[0]);
    write_all(ends[1], encode(explore(options, one->directory_, one->shared_->states)));
    ::_exit(0);
  }
  ::close(ends[1]);
  one->pipe_ = ends[0];
  if (one->process_ < 0) return system_error("fork");
  return one;
}

PowercutProcess::~PowercutProcess() {
  if (process_ > 0) {
    ::kill(process_, SIGTERM);
    while (::waitpid(process_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  if (pipe_ >= 0) ::close(pipe_);
  if (!directory_.empty()) ::rmdir(directory_.c_str());
  if (shared_ != nullptr) ::munmap(shared_, sizeof(Shared));
}

std::uint64_t PowercutProcess::states() const { return shared_->states; }

bool PowercutProcess::ends_within(int milliseconds) {
  pollfd one{pipe_, POLLIN, 0};
  while (::poll(&one, 1, milliseconds) > 0) {
    std::array<char, 4096> buffer;
    const ssize_t bytes = ::read(pipe_, buffer.data(), buffer.size());
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes <= 0) return true;
    received_.append(buffer.data(), static_cast<std::size_t>(bytes));
  }
  return false;
}

Result<PowercutReport> PowercutProcess::finish() {
  while (!ends_within(-1)) {
  }
  int end = 0;
  while (::waitpid(process_, &end, 0) < 0 && errno == EINTR) {
  }
  process_ = -1;
  std::optional<Result<PowercutReport>> result = decode(received_);
  if (result) return std::move(*result);
  std::string how = "with exit code " + std::to_string(WEXITSTATUS(end));
  if (WIFSIGNALED(end)) how = std::string("by signal ") + ::strsignal(WTERMSIG(end));
  if (WIFSIGNALED(end) && WTERMSIG(end) == SIGALRM) how = "as one recovery did not end (I7)";
  return Status(StatusCode::kInvalidState, "the exploring process ended " + how + ", after " +
                                               std::to_string(states()) + " states");
}

}  // namespace cairn::torture
