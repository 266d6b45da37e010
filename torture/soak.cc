#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <utility>
#include <vector>

#include <cairn/sim/random.h>
#include <cairn/torture/soak.h>

#include "child_process.h"
#include "kill_messages.h"
#include "soak_child.h"
#include "system_error.h"

namespace cairn::torture {

namespace {

namespace fs = std::filesystem;
using SoakTime = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kSampleEvery(200);
// A child that says nothing of its recovery, or does not close, for so long, hangs.
constexpr std::chrono::seconds kMostSilence(120);

Status soak_violation(const std::string& text) { return Status(StatusCode::kCorrupt, text); }

std::uint64_t resident_bytes(pid_t process) {
  std::ifstream file("/proc/" + std::to_string(process) + "/statm");
  std::uint64_t size = 0;
  std::uint64_t resident = 0;
  file >> size >> resident;
  return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

std::uint64_t open_descriptors(pid_t process) {
  std::error_code error;
  std::uint64_t count = 0;
  fs::directory_iterator it("/proc/" + std::to_string(process) + "/fd", error);
  for (; !error && it != fs::directory_iterator(); it.increment(error)) ++count;
  return count;
}

// Files come and go while they are counted.
std::uint64_t allocated_bytes(const std::string& directory) {
  std::uint64_t bytes = 0;
  std::error_code error;
  fs::directory_iterator it(directory, error);
  for (; !error && it != fs::directory_iterator(); it.increment(error)) {
    struct stat info {};
    if (::lstat(it->path().c_str(), &info) != 0) continue;
    bytes += static_cast<std::uint64_t>(info.st_blocks) * 512;
    if (S_ISDIR(info.st_mode)) bytes += allocated_bytes(it->path());
  }
  return bytes;
}

std::string end_of(int status) {
  if (WIFSIGNALED(status)) return "signal " + std::to_string(WTERMSIG(status));
  return "exit status " + std::to_string(WEXITSTATUS(status));
}

}  // namespace

class Soak::Impl {
 public:
  explicit Impl(const SoakOptions& options) : options_(options), random_(options.seed) {}

  Status prepare();
  Status run(const std::function<bool(const SoakReport&)>& go_on);

  SoakReport report;

 private:
  struct Plan {
    SoakLife life;
    milliseconds until_kill{0};
    bool from_its_start = false;  // the time runs from its first breath, else from its recovery on
    bool is_last = false;         // and is not stopped
    [[nodiscard]] bool is_killed() const { return life.work.count() < 0; }
  };

  double seconds() const { return std::chrono::duration<double>(SoakTime::now() - begin_).count(); }
  Plan plan();
  Status live(const Plan& plan, const std::function<bool(const SoakReport&)>& go_on);
  Status listen(ChildProcess& child, const Plan& plan,
                const std::function<bool(const SoakReport&)>& go_on);
  Status note(const Message& message);
  Status sample(const ChildProcess& child);

  const SoakOptions options_;
  sim::Random random_;
  SoakTime::time_point begin_;
  AppendKnowledge appended_;
  SoakTransactions asked_{};
  std::string said_;    // by a life that cannot go on
  bool stops_ = false;  // asked to

  // Of the life that is running.
  bool is_ready_ = false;
  bool is_closed_ = false;
  SoakSample now_;
  std::vector<SoakSample> life_samples_;
};

Status Soak::Impl::prepare() {
  const std::string& directory = options_.directory;
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) return system_error(directory);
  std::error_code error;
  const bool is_empty = fs::is_empty(directory, error);
  if (error) {
    return Status(StatusCode::kInvalidArgument, directory + ": " + error.message());
  }
  if (is_empty) return {};
  return Status(StatusCode::kInvalidArgument,
                directory + ": expected an empty directory for the soak, found something in it");
}

// Most lives end by a kill after some seconds, some in their recovery, a quarter in good order; one
// of eight is long, so that what grows has time to.
Soak::Impl::Plan Soak::Impl::plan() {
  Plan plan;
  plan.life.directory = options_.directory;
  plan.life.storage = options_.storage;
  plan.life.seed = random_.below(~std::uint64_t{0});
  plan.life.reads_every_byte = random_.chance(30);
  const double left = options_.seconds - seconds();
  if (left <= 0) {  // it goes on until something was committed
    plan.until_kill = std::chrono::seconds(2);
    return plan;
  }
  double most = 8;
  if (report.lives % 8 == 7) most = std::min(600.0, options_.seconds / 4);
  const double share = 0.05 + 0.95 * static_cast<double>(random_.below(1000)) / 1000;
  const double time = std::min(report.lives % 8 == 7 ? most : most * share, left);
  plan.until_kill = milliseconds(static_cast<std::int64_t>(time * 1000));
  if (random_.chance(25)) {
    plan.life.work = plan.until_kill;
  } else if (random_.chance(20)) {
    plan.from_its_start = true;
    plan.until_kill = milliseconds(random_.below(150));
  }
  return plan;
}

Status Soak::Impl::run(const std::function<bool(const SoakReport&)>& go_on) {
  begin_ = SoakTime::now();
  const auto goes_on = [&] {
    // A busy machine may have left no time for any; who has that and commits nothing hangs.
    const double slack = report.committed > 0 ? 0 : static_cast<double>(kMostSilence.count());
    return !stops_ && seconds() < options_.seconds + slack;
  };
  while (goes_on()) {
    CAIRN_RETURN_IF_ERROR(live(plan(), go_on));
  }
  Plan last;
  last.life.directory = options_.directory;
  last.life.storage = options_.storage;
  last.life.reads_every_byte = true;
  last.is_last = true;
  last.life.work = milliseconds(0);
  CAIRN_RETURN_IF_ERROR(live(last, [](const SoakReport&) { return true; }));
  report.seconds = seconds();
  if (report.committed == 0 && !stops_) {
    return soak_violation("no progress: no transaction was committed in " +
                          std::to_string(static_cast<std::uint64_t>(report.seconds)) + " s");
  }
  return {};
}

Status Soak::Impl::live(const Plan& plan, const std::function<bool(const SoakReport&)>& go_on) {
  ++report.lives;
  is_ready_ = is_closed_ = false;
  now_ = SoakSample();
  now_.life = report.lives;
  life_samples_.clear();
  ChildProcess child([&](int pipe) { live_soak(plan.life, appended_, asked_, pipe); });
  if (child.process < 0) return system_error("a process of a soak");
  const Status listened = listen(child, plan, go_on);
  report.seconds = seconds();
  report.records = appended_.count();
  if (!listened) return listened;
  const std::string grown = growth(life_samples_);
  return grown.empty() ? Status() : soak_violation(grown);
}

Status Soak::Impl::listen(ChildProcess& child, const Plan& plan,
                          const std::function<bool(const SoakReport&)>& go_on) {
  auto since = SoakTime::now();  // what the child does now
  auto next_sample = since;
  bool is_killed = false;
  std::vector<char> bytes(std::size_t{64} << 10);
  std::size_t have = 0;
  while (true) {
    const bool was_ready = is_ready_;
    const bool ran_out = plan.is_killed() && (is_ready_ || plan.from_its_start) &&
                         SoakTime::now() - since >= plan.until_kill;
    if (!is_killed && (ran_out || (stops_ && !plan.is_last))) {
      child.kill_now();
      is_killed = true;
    }
    const auto silence = SoakTime::now() - since;
    const bool is_over = !is_ready_ || silence > plan.until_kill;
    if (!is_killed && is_over && silence > plan.until_kill + kMostSilence) {
      return soak_violation("a life hangs: it did not recover, or not close, for " +
                            std::to_string(kMostSilence.count()) + " s");
    }
    if (!is_killed && SoakTime::now() >= next_sample) {
      next_sample = SoakTime::now() + kSampleEvery;
      CAIRN_RETURN_IF_ERROR(sample(child));
      stops_ = stops_ || !go_on(report);
    }
    pollfd one{child.pipe, POLLIN, 0};
    if (::poll(&one, 1, is_killed ? -1 : 10) <= 0) continue;
    const ssize_t got = ::read(child.pipe, bytes.data() + have, bytes.size() - have);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    have += static_cast<std::size_t>(got);
    std::size_t done = 0;
    for (Message message; have - done >= sizeof message; done += sizeof message) {
      std::memcpy(&message, bytes.data() + done, sizeof message);
      CAIRN_RETURN_IF_ERROR(note(message));
    }
    std::memmove(bytes.data(), bytes.data() + done, have - done);
    have -= done;
    if (is_ready_ != was_ready) since = next_sample = SoakTime::now();
  }
  const int end = child.wait();
  if (is_killed && WIFSIGNALED(end) && WTERMSIG(end) == SIGKILL) {
    ++report.kills;
    return {};
  }
  if (is_closed_ && WIFEXITED(end) && WEXITSTATUS(end) == 0) {
    ++report.closings;
    return {};
  }
  return soak_violation("life " + std::to_string(report.lives) + " ended by itself, with " +
                        end_of(end));
}

Status Soak::Impl::note(const Message& message) {
  if (add_said(message, &said_)) return {};
  const bool of_worker = message.kind == Message::kAsking || message.kind == Message::kCommitted ||
                         message.kind == Message::kRolledBack || message.kind == Message::kFound;
  if (message.stream >= (of_worker ? kSoakWorkers : AppendKnowledge::kThreads)) {
    return soak_violation("a life told of something that is not there");
  }
  SoakAsked& asked = asked_[message.stream % kSoakWorkers];
  switch (message.kind) {
    case Message::kAcknowledged:
      return appended_.acknowledged(message.stream, message.sequence, Lsn(message.lsn));
    case Message::kMovingBase:
      appended_.moving_base(message.stream, Lsn(message.lsn));
      return {};
    case Message::kAsking:
      asked.asked = message.sequence;
      asked.open = true;
      return {};
    case Message::kCommitted:
      asked.committed = message.sequence;
      asked.open = false;
      ++report.committed;
      return {};
    case Message::kRolledBack:
      asked.open = false;
      ++report.rolled_back;
      return {};
    case Message::kFound:
      asked.committed = message.sequence;
      asked.open = false;
      appended_.ended_at(Lsn(message.lsn));
      return {};
    case Message::kReady:
      is_ready_ = true;
      ++report.recoveries;
      now_.recovery_cpu_ms = static_cast<double>(message.sequence) / 1000;
      now_.recovery_wall_ms = static_cast<double>(message.lsn) / 1000;
      return {};
    case Message::kArchived:
      report.archives += message.sequence;
      report.overtaken += message.lsn;
      return {};
    case Message::kCameBack:
      ++report.came_back;
      return {};
    case Message::kClosed:
      is_closed_ = true;
      return {};
    default:
      return end_of_child(message, "life " + std::to_string(report.lives) + ": " + said_);
  }
}

Status Soak::Impl::sample(const ChildProcess& child) {
  now_.seconds = seconds();
  now_.memory_bytes = resident_bytes(child.process);
  now_.descriptors = open_descriptors(child.process);
  now_.disk_bytes = allocated_bytes(options_.directory);
  if (!is_ready_) return {};
  report.curve.add(now_);
  report.most = larger(report.most, now_);
  report.seconds = now_.seconds;
  report.records = appended_.count();
  life_samples_.push_back(now_);
  const std::string found = beyond(options_.bounds, now_);
  return found.empty() ? Status() : soak_violation(found);
}

Soak::Soak(const SoakOptions& options) : impl_(std::make_unique<Impl>(options)) {}
Soak::~Soak() = default;
Status Soak::prepare() { return impl_->prepare(); }
Status Soak::run(const std::function<bool(const SoakReport&)>& go_on) { return impl_->run(go_on); }
const SoakReport& Soak::report() const { return impl_->report; }

}  // namespace cairn::torture
