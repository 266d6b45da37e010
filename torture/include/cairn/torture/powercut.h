// Powercut: a machine that runs logs and a transaction manager on a real file system loses its
// power again and again; what each recovery makes of it is checked.
//
// Every write and every flush that the kernel sends below the file system is recorded while the
// machine works. What a power cut leaves is then any disk that the record allows: all that was
// flushed, and of what came after it any part. Each such disk is mounted, so that the file system
// recovers; then the logs and the manager do, and must keep what had been acknowledged when the
// power went:
//  I1 to I8 of the logs, T1 to T5 of the transactions (docs/architecture.md).
#ifndef CAIRN_TORTURE_POWERCUT_H_
#define CAIRN_TORTURE_POWERCUT_H_

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <cairn/result.h>
#include <cairn/storage.h>

namespace cairn::torture {

// A fault of Cairn's own, built in on purpose: whoever looks for lost commits must find some.
enum class PowercutFault : std::uint8_t {
  kNone,
  kNoFlush,          // what is acknowledged was written, and not flushed
  kNoDirectorySync,  // the names of new files are not made durable
  kNoEpochBlock,     // recovery cuts a torn tail off and does not say so on the disk
};
// "none", "flush", "directory", "epoch".
[[nodiscard]] std::string_view powercut_fault_name(PowercutFault fault);

// Which part of what came after the last flush is there.
enum class CutKind : std::uint8_t {
  kFlush,        // the power went right after a flush: nothing is open
  kPrefix,       // all up to some write
  kOneMissing,   // all up to the next flush but one
  kOneAlone,     // one of them only
  kByChance,     // each by chance, some of them torn between pages of 4096 bytes
  kRecovery,     // by chance, and the power goes again while the first cut is recovered from
  kAfterCommit,  // the same, after another commit
};
inline constexpr std::size_t kCutKinds = 7;
[[nodiscard]] std::string_view cut_kind_name(CutKind kind);

struct PowercutOptions {
  std::string file_system = "ext4";  // ext4, xfs or btrfs
  log::StorageKind storage = log::StorageKind::kAuto;
  // How many disks are recovered from. When a recording has no more, another one is made with the
  // next seed.
  std::uint64_t budget = 500;
  std::uint64_t seed = 1;
  std::uint64_t steps = 40;  // of the machine, per recording
  PowercutFault fault = PowercutFault::kNone;
  // The exploration ends when so many disks did not keep a promise.
  std::size_t most_violations = 1;
  // A directory for images of those disks, as the power cut left them; empty: none are kept.
  std::string keep;
};

struct PowercutViolation {
  std::string what;   // the promise, and what was found
  std::string state;  // which disk it was
  std::string image;  // the kept file; may be empty
};

struct PowercutReport {
  std::string file_system;
  std::string storage;  // what Cairn wrote with, as StorageInfo has it
  std::uint64_t recordings = 0;
  std::uint64_t writes = 0;  // of the kernel, in all recordings
  std::uint64_t flushes = 0;
  std::uint64_t steps = 0;                        // of the machine
  std::uint64_t transactions = 0;                 // that a client was told the end of
  std::array<std::uint64_t, kCutKinds> states{};  // by CutKind
  std::vector<PowercutViolation> violations;
  double seconds = 0;

  [[nodiscard]] std::uint64_t all_states() const;
};

// Whether this process may do that: root, /dev/fuse, loop devices, the file system in the kernel,
// the command that makes one. Errors: kNotSupported, which says what is missing; kInvalidArgument
// (no file system of that name is known here).
[[nodiscard]] Status can_cut_power(const std::string& file_system);
// The file systems that are known here.
[[nodiscard]] std::vector<std::string> powercut_file_systems();

// One exploration, in a process of its own, which ends with this one. Its mounts and loop devices
// go with it, however it ends. For one thread.
class PowercutProcess {
 public:
  // Errors: those of can_cut_power(), kResourceExhausted.
  [[nodiscard]] static Result<std::unique_ptr<PowercutProcess>> start(
      const PowercutOptions& options);
  // Ends it after the state that it is at, if it is still there.
  ~PowercutProcess();
  PowercutProcess(const PowercutProcess&) = delete;
  PowercutProcess& operator=(const PowercutProcess&) = delete;

  // How many disks were recovered from so far.
  [[nodiscard]] std::uint64_t states() const;
  // Whether it ended, at the latest after `milliseconds`.
  [[nodiscard]] bool ends_within(int milliseconds);
  // Waits for the end. Error: what kept it from exploring; that a promise was not kept is none.
  [[nodiscard]] Result<PowercutReport> finish();

 private:
  struct Shared;
  PowercutProcess() = default;

  int process_ = -1;
  int pipe_ = -1;
  std::string received_;
  Shared* shared_ = nullptr;
  std::string directory_;
};

}  // namespace cairn::torture

#endif  // CAIRN_TORTURE_POWERCUT_H_
