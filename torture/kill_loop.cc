#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <optional>
#include <utility>

#include <cairn/torture/kill_loop.h>
#include <cairn/verdict.h>

#include "child_process.h"
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
    for (std::uint32_t number = 0; number < AppendKnowledge::kThreads; ++number) {
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
  const ChildProcess child([this](int pipe) {
    work_until_killed(options_.directory, options_.storage, AppendKnowledge::kThreads, pipe);
  });
  if (child.process < 0) return system_error("a process to be killed");
  return listen(child, milliseconds);
}

// Until the pipe ends: what it holds outlives the child. The time runs from the first message on.
Status KillLoop::listen(const ChildProcess& child, std::uint64_t milliseconds) {
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
  if (add_said(message, &said_)) return {};
  if (message.kind == Message::kFailed) {
    return end_of_child(message, "the log refused the child: " + said_);
  }
  if (message.stream >= AppendKnowledge::kThreads) {
    return broken("the child told of a thread that is not there");
  }
  if (message.kind == Message::kMovingBase) {
    known_.moving_base(message.stream, Lsn(message.lsn));
    return {};
  }
  return known_.acknowledged(message.stream, message.sequence, Lsn(message.lsn));
}

// Recovers the log in this process and compares.
Status KillLoop::verify() {
  log::OpenOptions options;
  CAIRN_ASSIGN_OR_RETURN(options.storage, log::make_storage(options_.storage));
  options.lock_wait = kRingWait;
  options.background = log::Background::kManual;
  CAIRN_ASSIGN_OR_RETURN(const auto log, log::Log::open(options_.directory, options));
  CAIRN_RETURN_IF_ERROR(known_.check(*log));
  known_.ended_at(log->end_lsn());
  CAIRN_RETURN_IF_ERROR(log->close());
  log::VerifyOptions verify;
  verify.storage = options.storage;
  CAIRN_ASSIGN_OR_RETURN(const log::VerifyReport report, log::verify(options_.directory, verify));
  return report.damages.empty() ? Status() : broken("I7: " + report.damages[0].reason);
}

}  // namespace cairn::torture
