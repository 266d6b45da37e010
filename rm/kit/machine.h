// Machine: a transaction manager on simulated storage, the kit's session with it, and the subject,
// each of which can crash and come back.
#ifndef CAIRN_RM_KIT_MACHINE_H_
#define CAIRN_RM_KIT_MACHINE_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include <cairn/log.h>
#include <cairn/rm_kit.h>
#include <cairn/sim/sim_storage.h>

#include "plan.h"
#include "watchdog.h"

namespace cairn::rm_kit {

// Both machines at rest; each run begins from a copy.
struct Disks {
  std::shared_ptr<sim::SimStorage> manager;
  std::shared_ptr<sim::SimStorage> subject;  // kSimulated, else null
  std::string files;                         // a real directory; "" with kSimulated
};

struct Environment {
  const Open* open = nullptr;
  const Options* options = nullptr;
  Uuid subject;                       // its identity
  Uuid kit;                           // of the kit's own resource manager
  const Disks* begin = nullptr;       // what each run begins with a copy of
  std::uint64_t* number = nullptr;    // counted: of the newest run, which tells its place
  std::uint64_t* openings = nullptr;  // counted
  std::uint64_t* crashes = nullptr;   // counted
  std::uint64_t* runs = nullptr;      // counted
};

// What a run begins with where nothing can be copied: nothing.
[[nodiscard]] Disks disks_for_outside(std::uint64_t seed);

// For one thread.
class Machine {
 public:
  // Takes the disks over, but removes no files; `number` tells its directories from other runs'.
  Machine(const Environment& environment, Disks disks, std::uint64_t number);
  ~Machine();
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  // Opens the log, or makes it, recovers the manager and begins the kit's session, not recovered.
  // Errors are the kit's own.
  [[nodiscard]] Status boot_manager();
  // Opens the subject. An error is the subject's: it could not, or its time was up.
  [[nodiscard]] Status open_subject();
  // Runs a call of the subject. kTimeout: it did not end in time, and then the manager was closed.
  [[nodiscard]] Status call(const std::string& what, const std::function<Status()>& function);
  // An orderly end of the subject.
  void close_subject();
  // Ends the session of the subject, which does not know yet.
  void fence_subject();
  // The subject is gone, and what its storage had not made durable is up to `fate`.
  [[nodiscard]] Status crash_subject(Fate fate, std::uint64_t seed);
  // Neither storage does anything from now on.
  void power_off();
  // The manager is gone; so is the subject, in order, whose session ended with it.
  [[nodiscard]] Status crash_manager(Fate fate, std::uint64_t seed);
  // Orderly, all of it.
  void close();
  [[nodiscard]] const Disks& disks() const { return disks_; }

  [[nodiscard]] bool subject_crashed() const;  // its storage did
  [[nodiscard]] bool manager_crashed() const { return disks_.manager->crashed(); }
  [[nodiscard]] bool is_fenced() const { return is_fenced_; }  // by fence_subject_at()
  [[nodiscard]] bool has_failed() const;                       // by fail_subject_at()
  // Of the storages; 0 of real files.
  [[nodiscard]] std::uint64_t subject_io() const;
  [[nodiscard]] std::uint64_t manager_io() const { return disks_.manager->io_count(); }
  // The n-th I/O from now on takes the power away.
  void crash_subject_at(std::uint64_t io);
  void crash_manager_at(std::uint64_t io) { disks_.manager->crash_at(manager_io() + io); }
  // At the n-th I/O of the subject from now on it loses its session.
  void fence_subject_at(std::uint64_t io);
  // The n-th I/O of the subject from now on fails, and nothing else.
  void fail_subject_at(std::uint64_t io);

  // REQUIRES: open.
  [[nodiscard]] Subject& subject() { return *subject_; }
  [[nodiscard]] bool is_subject_open() const { return subject_ != nullptr; }
  [[nodiscard]] tm::TransactionManager& manager() { return manager_; }
  [[nodiscard]] tm::ResourceManager& session() { return session_; }

  // Waits until `done` says so, handing what the kit is told to `hear`, and serving the subject. An
  // error: of the subject's serve(), or kTimeout. Ends early and OK when a storage has crashed, the
  // subject is fenced, or its storage has failed and nothing more comes from it.
  using Hear = std::function<void(const tm::Notification&)>;
  [[nodiscard]] Status wait(const std::function<bool()>& done, const Hear& hear);

 private:
  [[nodiscard]] bool hear_all(const Hear& hear);
  [[nodiscard]] Status copy_files();

  Environment environment_;
  Disks disks_;
  bool is_to_fail_ = false;
  std::string name_;         // of the run's directories, or its place outside
  unsigned generation_ = 0;  // of the directory with files
  std::shared_ptr<log::Log> log_;
  tm::TransactionManager manager_;
  tm::ResourceManager session_;
  std::unique_ptr<Subject> subject_;
  std::atomic<bool> is_fenced_ = false;
  Watchdog watchdog_;
};

}  // namespace cairn::rm_kit

#endif  // CAIRN_RM_KIT_MACHINE_H_
