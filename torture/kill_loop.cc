#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <optional>
#include <utility>

#include <cairn/torture/kill_loop.h>
#include <cairn/verdict.h>

#include "kill_child.h"
#include "kill_messages.h"
#include "system_error.h"

namespace cairn::torture {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kMostMilliseconds = 250;
constexpr std::chrono::seconds kRingWait(10);  // the ring of a killed process takes its time to go

Status broken(const std::string& text) { return Status(StatusCode::kCorrupt, text); }

}  // namespace

// The child process, and the pipe on which it speaks.
struct KillLoop::Child {
  explicit Child(const KillOptions& options) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return;
    const pid_t parent = ::getpid();
    process = ::fork();
    if (process == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (::getppid() != parent) ::_exit(1);
      ::close(ends[0]);
      work_until_killed(options.directory, options.storage, kThreads, ends[1]);
    }
    ::close(ends[1]);
    pipe = ends[0];
  }
  ~Child() {
    kill_now();
    if (pipe >= 0) ::close(pipe);
    while (process > 0 && ::waitpid(process, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  void kill_now() const {
    if (process > 0) ::kill(process, SIGKILL);
  }

  pid_t process = -1;
  int pipe = -1;
};

Status KillLoop::round() {
  if (kills_ == 0) CAIRN_RETURN_IF_ERROR(check_directory());
  CAIRN_RETURN_IF_ERROR(run_and_kill(random_.below(kMostMilliseconds)));
  ++kills_;
  return verify();
}

// A log that serves something else is none to be tortured.
Status KillLoop::check_directory() const {
  const auto there = log::LogView::open(options_.directory);
  if (there.code() == StatusCode::kNotFound) return {};
  if (!there) return there.status();
  for (const log::StreamInfo& stream : (*there)->info().streams) {
    bool is_ours = false;
    for (std::uint32_t number = 0; number < kThreads; ++number) {
      is_ours = is_ours || stream.name == stream_name(number);
    }
    if (is_ours) continue;
    return Status(StatusCode::kInvalidArgument,
                  options_.directory +
                      ": expected no log, or one of an earlier loop; found stream '" + stream.name +
                      "'");
  }
  return {};
}

Status KillLoop::run_and_kill(std::uint64_t milliseconds) {
  const Child child(options_);
  if (child.process < 0) return system_error("a process to be killed");
  return listen(child, milliseconds);
}

// Until the pipe ends: what it holds outlives the child. The time runs from the first message on.
Status KillLoop::listen(const Child& child, std::uint64_t milliseconds) {
  std::optional<Clock::time_point> deadline;
  bool is_killed = false;
  Message message;
  auto* to = reinterpret_cast<char*>(&message);
  std::size_t have = 0;
  while (true) {
    if (deadline && !is_killed) {
      const auto left =
          std::chrono::duration_cast<std::chrono::milliseconds>(*deadline - Clock::now());
      pollfd one{child.pipe, POLLIN, 0};
      if (left.count() <= 0 || ::poll(&one, 1, static_cast<int>(left.count())) == 0) {
        child.kill_now();
        is_killed = true;
      }
    }
    const ssize_t bytes = ::read(child.pipe, to + have, sizeof message - have);
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes <= 0) break;
    if (!deadline) deadline = Clock::now() + std::chrono::milliseconds(milliseconds);
    have += static_cast<std::size_t>(bytes);
    if (have < sizeof message) continue;
    have = 0;
    CAIRN_RETURN_IF_ERROR(note(&message));
  }
  return is_killed ? Status() : broken("the child ended by itself");
}

Status KillLoop::note(const void* bytes) {
  const Message& message = *static_cast<const Message*>(bytes);
  if (message.kind == Message::kFailed || message.stream >= kThreads) {
    return broken("the log refused the child; see standard error");
  }
  if (message.kind == Message::kMovingBase) {
    moving_[message.stream] = Lsn(message.lsn);
    return {};
  }
  ++acknowledged_count_;
  const Lsn lsn(message.lsn);
  if (!acknowledged_[message.stream].emplace(lsn, message.sequence).second) {
    return broken("I8: LSN " + lsn.to_string() + " was given twice");
  }
  if (lsn < former_end_) {
    return broken("I8: LSN " + lsn.to_string() + " of a former round was given again");
  }
  return {};
}

// Recovers the log in this process and compares.
Status KillLoop::verify() {
  log::OpenOptions options;
  CAIRN_ASSIGN_OR_RETURN(options.storage, log::make_storage(options_.storage));
  options.lock_wait = kRingWait;
  options.background = log::Background::kManual;
  CAIRN_ASSIGN_OR_RETURN(const auto log, log::Log::open(options_.directory, options));
  for (std::uint32_t number = 0; number < kThreads; ++number) {
    CAIRN_RETURN_IF_ERROR(verify_stream(*log, number));
  }
  former_end_ = log->end_lsn();
  CAIRN_RETURN_IF_ERROR(log->close());
  log::VerifyOptions verify;
  verify.storage = options.storage;
  CAIRN_ASSIGN_OR_RETURN(const log::VerifyReport report, log::verify(options_.directory, verify));
  return report.damages.empty() ? Status() : broken("I7: " + report.damages[0].reason);
}

Status KillLoop::verify_stream(log::Log& log, std::uint32_t number) {
  const std::string where = "stream " + std::to_string(number) + ", LSN ";
  auto& acknowledged = acknowledged_[number];
  Result<log::Stream> stream = log.open_stream(stream_name(number));
  // Killed before it was made.
  if (!stream && acknowledged.empty()) return {};
  if (!stream) return broken("I1: " + stream.status().to_string());
  const Lsn base = stream->base();
  if (base > moving_[number] && !moving_[number].is_null()) {
    return broken("I4: " + where + base.to_string() + " is a base that nobody set");
  }
  acknowledged.erase(acknowledged.begin(), acknowledged.lower_bound(base));

  std::map<Lsn, std::uint64_t> found;
  CAIRN_ASSIGN_OR_RETURN(log::Cursor cursor, stream->read());
  while (true) {
    CAIRN_ASSIGN_OR_RETURN(const std::optional<log::Record> record, cursor.next());
    if (!record) break;
    if (record->kind != log::RecordKind::kData) continue;
    const auto sequence = sequence_in(number, record->payload);
    if (!sequence) {
      return broken("I3: " + where + record->lsn.to_string() + " holds what nobody appended");
    }
    if (!found.empty() && found.rbegin()->second + 1 != *sequence) {
      return broken("I2: " + where + record->lsn.to_string() + " has a gap before it");
    }
    found.emplace(record->lsn, *sequence);
  }
  for (const auto& [lsn, sequence] : acknowledged) {
    const auto there = found.find(lsn);
    if (there == found.end() || there->second != sequence) {
      return broken("I1: " + where + lsn.to_string() + ": record " + std::to_string(sequence) +
                    ", acknowledged, is lost");
    }
  }
  return {};
}

}  // namespace cairn::torture
