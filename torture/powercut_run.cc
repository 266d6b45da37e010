#include "powercut_run.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include <cairn/sim/random.h>

#include "system_error.h"

namespace cairn::torture {

namespace {

// A recovery that takes longer hangs: I7.
constexpr unsigned kMostSecondsPerState = 120;
// Of so many states one is cut a second time, and of so many all bytes of all logs are read.
constexpr std::uint64_t kCutAgainEvery = 3;
constexpr std::uint64_t kVerifyEvery = 8;

std::uint64_t told(const PowercutKnowledge& known) {
  return static_cast<std::uint64_t>(
      std::ranges::count_if(known.transactions.transactions,
                            [](const auto& one) { return one.second.told != Told::kNothing; }));
}

}  // namespace

void KnownVersions::add(std::uint64_t position, PowercutKnowledge knowledge) {
  auto version = std::make_shared<const PowercutKnowledge>(std::move(knowledge));
  if (!versions_.empty() && versions_.back().first == position) versions_.pop_back();
  versions_.emplace_back(position, std::move(version));
}

const PowercutKnowledge& KnownVersions::at(std::uint64_t position) const {
  static const PowercutKnowledge nothing;
  const auto behind =
      std::upper_bound(versions_.begin(), versions_.end(), position,
                       [](std::uint64_t one, const auto& other) { return one < other.first; });
  return behind == versions_.begin() ? nothing : *std::prev(behind)->second;
}

PowercutRun::PowercutRun(const PowercutOptions& options, std::string directory,
                         std::atomic<std::uint64_t>& done, std::function<bool()> is_stopped)
    : options_(options),
      directory_(std::move(directory)),
      done_(done),
      is_stopped_(std::move(is_stopped)) {
  report_.file_system = options.file_system;
}

Result<PowercutReport> PowercutRun::run() {
  const auto start = std::chrono::steady_clock::now();
  kind_ = find_file_system(options_.file_system);
  CAIRN_ASSIGN_OR_RETURN(kernel_, log::make_storage(options_.storage));
  CAIRN_RETURN_IF_ERROR(make_disk());
  for (std::uint64_t seed = options_.seed; !is_over(); ++seed) {
    CAIRN_ASSIGN_OR_RETURN(const Recording recording, record(seed));
    CAIRN_RETURN_IF_ERROR(explore(recording, seed));
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  report_.seconds = took.count();
  return report_;
}

bool PowercutRun::is_over() const {
  return is_stopped_() || report_.all_states() >= options_.budget ||
         report_.violations.size() >= options_.most_violations;
}

Status PowercutRun::make_disk() {
  const std::string file = directory_ + "/disk";
  const int made = ::open(file.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  if (made < 0) return system_error(file);
  ::close(made);
  if (::mkdir((directory_ + "/fs").c_str(), 0700) != 0) return system_error(directory_ + "/fs");
  CAIRN_ASSIGN_OR_RETURN(disk_, Disk::make(kind_->disk_bytes));
  CAIRN_ASSIGN_OR_RETURN(server_, DiskServer::start(*disk_, file));
  CAIRN_ASSIGN_OR_RETURN(device_, LoopDevice::attach(file));
  return {};
}

Result<PowercutRun::Recording> PowercutRun::record(std::uint64_t seed) {
  disk_->revert();
  CAIRN_RETURN_IF_ERROR(device_->forget_cache());
  CAIRN_RETURN_IF_ERROR(make_file_system(*kind_, device_->path(), directory_ + "/mkfs.log"));
  CAIRN_RETURN_IF_ERROR(device_->forget_cache());
  disk_->make_base();
  (void)disk_->take_log();

  machine_seed_ = seed;
  // Of a fault in recovery the machine knows nothing that was never cut off.
  const bool in_recovery = options_.fault == PowercutFault::kNoEpochBlock;
  const PowercutFault fault = in_recovery ? PowercutFault::kNone : options_.fault;
  std::string violation;
  CAIRN_ASSIGN_OR_RETURN(Running running, switch_on({}, fault, &violation));
  if (!violation.empty()) return Status(StatusCode::kCorrupt, "before any cut: " + violation);
  sim::Random random(seed);
  for (std::uint64_t step = 0; step < options_.steps; ++step) {
    const Status status = running.machine->step(random);
    running.storage->observe();
    if (!status) return status.with_context("before any cut, step " + std::to_string(step));
  }
  report_.storage = running.machine->storage_kind();
  report_.transactions += told(running.machine->knowledge());
  report_.steps += options_.steps;
  CAIRN_ASSIGN_OR_RETURN(Recording recording, switch_off(std::move(running)));
  const auto flushes = static_cast<std::uint64_t>(
      std::ranges::count(recording.log, DiskEntry::Kind::kFlush, &DiskEntry::kind));
  ++report_.recordings;
  report_.flushes += flushes;
  report_.writes += recording.log.size() - flushes;
  return recording;
}

Result<PowercutRun::Running> PowercutRun::switch_on(const PowercutKnowledge& known,
                                                    PowercutFault fault, std::string* violation) {
  Running running;
  running.known = std::make_shared<KnownVersions>();
  running.known->add(0, known);
  CAIRN_ASSIGN_OR_RETURN(running.mount, Mount::make(*kind_, device_->path(), directory_ + "/fs"));
  running.storage = std::make_shared<ObservedStorage>(kernel_, directory_ + "/fs", fault);
  running.machine = std::make_unique<PowercutMachine>(running.storage, machine_seed_, known);
  running.storage->set_observer(
      [this, versions = running.known.get(), machine = running.machine.get()] {
        versions->add(disk_->position(), machine->knowledge());
      });
  const Status booted = running.machine->boot();
  running.storage->observe();
  *violation = booted ? running.machine->violation() : "boot: " + booted.to_string();
  return running;
}

Result<PowercutRun::Recording> PowercutRun::switch_off(Running running) {
  running.end_observation();
  running.machine.reset();
  CAIRN_RETURN_IF_ERROR(running.mount->unmount());
  return Recording{disk_->take_log(), running.known};
}

Status PowercutRun::explore(const Recording& recording, std::uint64_t seed) {
  disk_->revert();
  std::size_t applied = 0;
  const std::uint64_t left = options_.budget - report_.all_states();
  for (const Cut& cut : choose_cuts(recording.log, left, seed)) {
    disk_->revert();
    for (; applied < flushed_before(recording.log, cut); ++applied) {
      disk_->apply_to_base(recording.log[applied]);
    }
    CAIRN_RETURN_IF_ERROR(explore(recording, applied, cut)
                              .with_context("seed " + std::to_string(seed) + ", " +
                                            describe_cut(recording.log, cut)));
    if (is_over()) return {};
  }
  return {};
}

Status PowercutRun::explore(const Recording& recording, std::size_t applied, const Cut& cut) {
  const auto leave = [&] { apply_cut(*disk_, recording.log, applied, cut); };
  leave();
  CAIRN_RETURN_IF_ERROR(device_->forget_cache());
  ::alarm(kMostSecondsPerState);
  std::string violation;
  CAIRN_ASSIGN_OR_RETURN(Running running,
                         switch_on(recording.known->at(cut.end), options_.fault, &violation));
  count(cut.kind);
  const std::uint64_t number = report_.all_states();
  const bool is_cut_again = violation.empty() && number % kCutAgainEvery == 0;
  Cut again{CutKind::kRecovery, disk_->position(), 0, number};
  if (violation.empty() && number % kVerifyEvery == 0) violation = running.machine->damage();
  if (is_cut_again && violation.empty() && number % 2 == 0) {
    const Status committed = running.machine->commit_one();
    running.storage->observe();
    if (!committed) violation = "commit after recovery: " + committed.to_string();
    again = {CutKind::kAfterCommit, disk_->position(), again.end, number};
  }
  CAIRN_ASSIGN_OR_RETURN(const Recording second, switch_off(std::move(running)));
  ::alarm(0);
  if (!violation.empty()) {
    violated(violation, describe_cut(recording.log, cut), leave);
  } else if (is_cut_again && again.end > again.which) {
    // Anywhere in recovery, or anywhere behind it.
    sim::Random random(number);
    again.end = again.which + 1 + random.below(again.end - again.which);
    return cut_again(recording, applied, cut, second, again);
  }
  return {};
}

Status PowercutRun::cut_again(const Recording& first, std::size_t applied, const Cut& cut,
                              const Recording& second, const Cut& again) {
  const auto leave = [&] {
    apply_cut(*disk_, first.log, applied, cut);
    apply_cut(*disk_, second.log, 0, again);
  };
  disk_->revert();
  leave();
  CAIRN_RETURN_IF_ERROR(device_->forget_cache());
  ::alarm(kMostSecondsPerState);
  std::string violation;
  CAIRN_ASSIGN_OR_RETURN(Running running,
                         switch_on(second.known->at(again.end), options_.fault, &violation));
  count(again.kind);
  CAIRN_RETURN_IF_ERROR(switch_off(std::move(running)).status());
  ::alarm(0);
  if (violation.empty()) return {};
  violated(violation,
           describe_cut(first.log, cut) + "; then, " + std::string(cut_kind_name(again.kind)) +
               ", " + describe_cut(second.log, again),
           leave);
  return {};
}

void PowercutRun::violated(std::string what, std::string state,
                           const std::function<void()>& leave) {
  PowercutViolation violation{
      std::move(what), "seed " + std::to_string(machine_seed_) + ", " + state, {}};
  if (!options_.keep.empty()) {
    violation.image = options_.keep + "/" + options_.file_system + "-" +
                      std::string(powercut_fault_name(options_.fault)) + "-seed" +
                      std::to_string(machine_seed_) + "-" +
                      std::to_string(report_.violations.size() + 1) + ".img";
    disk_->revert();
    leave();
    const Status saved = disk_->save(violation.image);
    if (!saved) violation.image = "not kept: " + saved.to_string();
  }
  report_.violations.push_back(std::move(violation));
}

void PowercutRun::count(CutKind kind) {
  ++report_.states[static_cast<std::size_t>(kind)];
  done_ = report_.all_states();
}

}  // namespace cairn::torture
