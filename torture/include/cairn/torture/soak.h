// Soak: everything at once, for hours, in a process that is killed again and again.
//
// Threads append to a log that gives up its old records and recycles its containers, and commit
// transactions over resource managers that go away and come back; checkpoints are written, and
// archives are made meanwhile and become logs again. After each kill everything is recovered and
// held against what had been acknowledged; and memory, descriptors, disk space and the time of each
// recovery against bounds.
#ifndef CAIRN_TORTURE_SOAK_H_
#define CAIRN_TORTURE_SOAK_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include <cairn/storage.h>
#include <cairn/torture/soak_bounds.h>

namespace cairn::torture {

struct SoakOptions {
  std::string directory;  // made, or empty; what the soak made is left in it
  log::StorageKind storage = log::StorageKind::kAuto;
  double seconds = 60;
  std::uint64_t seed = 1;  // of the moments and of the choices of each thread, not of their order
  SoakBounds bounds;
};

struct SoakReport {
  double seconds = 0;
  std::uint64_t lives = 0;
  std::uint64_t kills = 0;
  std::uint64_t closings = 0;     // in good order
  std::uint64_t recoveries = 0;   // that were checked
  std::uint64_t committed = 0;    // transactions, acknowledged
  std::uint64_t rolled_back = 0;  // acknowledged
  std::uint64_t records = 0;      // acknowledged
  std::uint64_t archives = 0;     // that became logs again
  std::uint64_t overtaken = 0;    // not made, as the log recycled faster than they were read
  std::uint64_t came_back = 0;    // resource managers, from away
  SoakSample most;                // the largest of each value
  SoakCurve curve;
};

// For one thread. Forks: REQUIRES that the process has no other thread.
class Soak {
 public:
  explicit Soak(const SoakOptions& options);
  ~Soak();
  Soak(const Soak&) = delete;
  Soak& operator=(const Soak&) = delete;

  // Makes the directory. Errors: kInvalidArgument (it is not empty), and those of the system.
  [[nodiscard]] Status prepare();
  // Lives and deaths until the time is over, or `go_on`, called a few times per second, says no;
  // then a last recovery. Error: kCorrupt: a promise that was not kept, or a bound; or what kept a
  // child from working.
  [[nodiscard]] Status run(const std::function<bool(const SoakReport&)>& go_on);
  [[nodiscard]] const SoakReport& report() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cairn::torture

#endif  // CAIRN_TORTURE_SOAK_H_
