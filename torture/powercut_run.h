// PowercutRun: one exploration, in this process. PowercutProcess gives it one of its own.
#ifndef CAIRN_TORTURE_POWERCUT_RUN_H_
#define CAIRN_TORTURE_POWERCUT_RUN_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <cairn/torture/powercut.h>

#include "disk.h"
#include "disk_server.h"
#include "file_system.h"
#include "observed_storage.h"
#include "powercut_machine.h"
#include "powercut_states.h"

namespace cairn::torture {

// What was known, by the number of requests that the disk had seen when it came to be known. What
// was acknowledged is in the first version at or behind its flush; what is to be written is in a
// version before its writes.
class KnownVersions {
 public:
  void add(std::uint64_t position, PowercutKnowledge knowledge);
  // What was known after so many requests.
  [[nodiscard]] const PowercutKnowledge& at(std::uint64_t position) const;

 private:
  std::vector<std::pair<std::uint64_t, std::shared_ptr<const PowercutKnowledge>>> versions_;
};

// For one thread. Its process must have entered private mounts on `directory`, and `done` is told
// the number of states explored.
class PowercutRun {
 public:
  PowercutRun(const PowercutOptions& options, std::string directory,
              std::atomic<std::uint64_t>& done, std::function<bool()> is_stopped);

  // Error: what kept it from exploring; that a promise was not kept is none.
  [[nodiscard]] Result<PowercutReport> run();

 private:
  // A machine on the mounted disk, while its power is on.
  struct Running {
    Running() = default;
    Running(Running&&) = default;
    Running& operator=(Running&&) = default;
    ~Running() { end_observation(); }
    // What the machine writes from here on, its end included, changes nothing that is known.
    void end_observation() {
      if (storage) storage->set_observer(nullptr);
    }

    std::unique_ptr<Mount> mount;
    std::shared_ptr<ObservedStorage> storage;
    std::unique_ptr<PowercutMachine> machine;
    std::shared_ptr<KnownVersions> known;
  };
  // What the kernel wrote while a machine worked.
  struct Recording {
    std::vector<DiskEntry> log;
    std::shared_ptr<const KnownVersions> known;
  };

  [[nodiscard]] Status make_disk();
  [[nodiscard]] Result<Recording> record(std::uint64_t seed);
  [[nodiscard]] Status explore(const Recording& recording, std::uint64_t seed);
  // `applied` entries of the recording are in the disk's base.
  [[nodiscard]] Status explore(const Recording& recording, std::size_t applied, const Cut& cut);
  // The power goes a second time, as `again` says of what the machine did after the first cut.
  [[nodiscard]] Status cut_again(const Recording& first, std::size_t applied, const Cut& cut,
                                 const Recording& second, const Cut& again);
  // Mounts, and lets a machine boot that knows `known`. `*violation`: what it found.
  [[nodiscard]] Result<Running> switch_on(const PowercutKnowledge& known, PowercutFault fault,
                                          std::string* violation);
  // What was written until now, and what unmounting writes.
  [[nodiscard]] Result<Recording> switch_off(Running running);
  // Takes a violation down. `leave`: writes the disk as the cut left it.
  void violated(std::string what, std::string state, const std::function<void()>& leave);
  void count(CutKind kind);
  [[nodiscard]] bool is_over() const;

  const PowercutOptions options_;
  const std::string directory_;
  std::atomic<std::uint64_t>& done_;
  const std::function<bool()> is_stopped_;  // asked between two states
  const FileSystemKind* kind_ = nullptr;
  std::shared_ptr<log::Storage> kernel_;
  std::unique_ptr<Disk> disk_;
  std::unique_ptr<DiskServer> server_;
  std::unique_ptr<LoopDevice> device_;
  std::uint64_t machine_seed_ = 0;  // of the recording
  PowercutReport report_;
};

}  // namespace cairn::torture

#endif  // CAIRN_TORTURE_POWERCUT_RUN_H_
