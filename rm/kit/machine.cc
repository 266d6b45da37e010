#include "machine.h"

#include <chrono>
#include <filesystem>
#include <system_error>
#include <thread>
#include <utility>

namespace cairn::rm_kit {
namespace {

constexpr int kCopies = 20;  // of a directory that changes meanwhile
constexpr char kManagerDirectory[] = "manager";
constexpr char kSubjectDirectory[] = "subject";
constexpr std::chrono::microseconds kPause{20};  // of a wait in which nothing happened
// So many of them after a fault, and the subject is taken to say nothing more. If it does later,
// the run has seen less than it could.
constexpr int kQuiet = 50;

sim::CrashChoice choice_of(Fate fate, std::uint64_t seed) {
  switch (fate) {
    case Fate::kAll:
      return sim::survive_all();
    case Fate::kNone:
      return sim::survive_none();
    case Fate::kChance:
    case Fate::kCount_:
      break;
  }
  return sim::survive_random(seed);
}

}  // namespace

Disks disks_for_outside(std::uint64_t seed) {
  return {std::make_shared<sim::SimStorage>(sim::SimOptions{.seed = seed}), nullptr, {}};
}

Machine::Machine(const Environment& environment, Disks disks, std::uint64_t number)
    : environment_(environment),
      disks_(std::move(disks)),
      name_("run-" + std::to_string(number)),
      watchdog_(environment.options->patience) {}

Machine::~Machine() { close(); }

Status Machine::boot_manager() {
  log::CreateOptions create;
  create.container_size = log::kMinContainerSize;
  create.calibrate = false;
  log::OpenOptions open;
  open.storage = disks_.manager;
  open.background = log::Background::kManual;
  CAIRN_ASSIGN_OR_RETURN(log_, log::Log::open_or_create(kManagerDirectory, create, open));
  tm::TmOptions options;
  options.log = log_;
  options.background = tm::Background::kManual;
  CAIRN_ASSIGN_OR_RETURN(manager_, tm::TransactionManager::open_or_create(options));
  CAIRN_RETURN_IF_ERROR(manager_.recover().status());
  CAIRN_ASSIGN_OR_RETURN(session_, manager_.open_or_create_resource_manager(
                                       environment_.kit, tm::RmKind::kDurable, "kit"));
  return Status::ok();
}

Status Machine::open_subject() {
  ++*environment_.openings;
  Surroundings at;
  at.manager = manager_;
  at.id = environment_.subject;
  at.storage = disks_.subject;
  if (disks_.subject) at.directory = kSubjectDirectory;
  if (!disks_.files.empty()) at.directory = disks_.files;
  if (environment_.options->keeping == Keeping::kManagersLog) at.log = log_;
  if (environment_.options->keeping == Keeping::kOutside) at.directory = name_;
  std::unique_ptr<Subject> opened;
  CAIRN_RETURN_IF_ERROR(call("opening", [&]() -> Status {
    CAIRN_ASSIGN_OR_RETURN(opened, (*environment_.open)(at));
    return opened ? Status::ok() : Status(StatusCode::kInvalidState, "opening gave nothing");
  }));
  subject_ = std::move(opened);
  return Status::ok();
}

void Machine::close_subject() {
  subject_.reset();
  if (disks_.subject) disks_.subject->set_observer(nullptr);
  is_fenced_ = false;
}

bool Machine::has_failed() const { return is_to_fail_ && disks_.subject->faults_struck() > 0; }

Status Machine::call(const std::string& what, const std::function<Status()>& function) {
  watchdog_.arm(manager_);
  const Status done = function();
  if (!watchdog_.disarm()) return done;
  return Status(StatusCode::kTimeout, what +
                                          " did not end; when the manager was closed, it said: " +
                                          (done ? "OK" : done.to_string()));
}

// A new session that is dropped at once.
void Machine::fence_subject() {
  const auto fence = manager_.open_resource_manager(environment_.subject);
  static_cast<void>(fence);
}

Status Machine::crash_subject(Fate fate, std::uint64_t seed) {
  ++*environment_.crashes;
  if (disks_.subject) disks_.subject->crash();
  // The files as they are now; the old object has the old ones.
  const std::string old = disks_.files;
  if (!old.empty()) CAIRN_RETURN_IF_ERROR(copy_files());
  fence_subject();
  subject_.reset();
  std::error_code ignored;
  if (!old.empty()) std::filesystem::remove_all(old, ignored);
  if (disks_.subject) disks_.subject = disks_.subject->after_crash(choice_of(fate, seed), seed);
  is_to_fail_ = false;
  return Status::ok();
}

Status Machine::crash_manager(Fate fate, std::uint64_t seed) {
  ++*environment_.crashes;
  disks_.manager->crash();
  session_ = {};
  static_cast<void>(manager_.close());  // its log is dead
  subject_.reset();
  manager_ = {};
  if (log_) static_cast<void>(log_->close());
  log_.reset();
  disks_.manager = disks_.manager->after_crash(choice_of(fate, seed), seed);
  return Status::ok();
}

void Machine::close() {
  subject_.reset();
  session_ = {};
  static_cast<void>(manager_.close());
  manager_ = {};
  if (log_) static_cast<void>(log_->close());
  log_.reset();
}

void Machine::power_off() {
  disks_.manager->crash();
  if (disks_.subject) disks_.subject->crash();
}

bool Machine::subject_crashed() const { return disks_.subject && disks_.subject->crashed(); }

std::uint64_t Machine::subject_io() const {
  return disks_.subject ? disks_.subject->io_count() : 0;
}

void Machine::crash_subject_at(std::uint64_t io) {
  if (disks_.subject) disks_.subject->crash_at(subject_io() + io);
}

void Machine::fence_subject_at(std::uint64_t io) {
  if (!disks_.subject) return;
  const std::uint64_t at = subject_io() + io;
  disks_.subject->set_observer([this, at](const sim::IoEvent& event, const auto&) {
    if (event.number != at) return;
    is_fenced_ = true;  // before it shows
    fence_subject();
  });
}

// Full and defective by turns.
void Machine::fail_subject_at(std::uint64_t io) {
  if (!disks_.subject) return;
  is_to_fail_ = true;
  disks_.subject->inject(
      {.kind = io % 2 == 0 ? sim::FaultKind::kNoSpace : sim::FaultKind::kIoError, .nth = io});
}

bool Machine::hear_all(const Hear& hear) {
  for (bool any = false;; any = true) {
    const auto next = session_.try_get_notification();
    if (!next || !*next) return any;
    hear(**next);
  }
}

Status Machine::wait(const std::function<bool()>& done, const Hear& hear) {
  const auto end = std::chrono::steady_clock::now() + environment_.options->patience;
  int quiet = 0;
  while (true) {
    bool any = hear_all(hear);
    // Once more, as what it hears may be old by now.
    if (done() || subject_crashed() || manager_crashed() || is_fenced_) return Status::ok();
    if (subject_) {
      const auto served = subject_->serve();
      if (!served && !has_failed()) return served.status();
      any = any || (served && *served);
    }
    static_cast<void>(manager_.run_background());
    quiet = any || !has_failed() ? 0 : quiet + 1;
    if (quiet > kQuiet) return Status::ok();
    if (any) continue;
    if (std::chrono::steady_clock::now() > end) {
      return Status(StatusCode::kTimeout, "nothing within the kit's patience");
    }
    std::this_thread::sleep_for(kPause);
  }
}

// The old object lives on, and may rename or remove a file while it is copied: then once more.
Status Machine::copy_files() {
  const std::string to =
      environment_.options->directory + "/" + name_ + "-" + std::to_string(++generation_);
  std::error_code error;
  for (int tries = 0; tries < kCopies; ++tries) {
    std::filesystem::copy(disks_.files, to, std::filesystem::copy_options::recursive, error);
    if (error != std::errc::no_such_file_or_directory) break;
    std::error_code ignored;
    std::filesystem::remove_all(to, ignored);
  }
  if (error) {
    return Status(StatusCode::kIoError,
                  "copying " + disks_.files + " to " + to + ": " + error.message());
  }
  disks_.files = to;
  return Status::ok();
}

}  // namespace cairn::rm_kit
