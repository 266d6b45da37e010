// Calibration: how the device below a log is best written to, as it was measured there.
//
// Which way of making blocks durable is faster, and how many writes a device takes at once before
// each of them becomes slower, differs between devices by factors. A log measures it when it is
// created (CreateOptions::calibrate), keeps the result in its base log and follows it at each
// opening, unless OpenOptions says otherwise. It is a hint: it changes how fast a log is, never
// what it promises.
#ifndef CAIRN_CALIBRATION_H_
#define CAIRN_CALIBRATION_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <cairn/options.h>
#include <cairn/result.h>
#include <cairn/storage.h>

namespace cairn::log {

// One way of making blocks durable, and what was measured of it: medians over the rounds.
struct CalibratedWay {
  DurableWrites durable_writes = DurableWrites::kPerWrite;
  std::uint32_t depth = 1;  // writes in flight
  // Of blocks of Calibration::block bytes, each durable. 0: not measured; the storage does not take
  // so many writes at once.
  std::uint32_t writes_per_second = 0;
  std::chrono::nanoseconds latency{0};  // from the start of a write until it is durable
  // Of blocks of Calibration::large_block bytes, KiB per second. 0: not measured; only depths up to
  // the default are, a larger one cannot cost large blocks their speed.
  std::uint32_t large_kib_per_second = 0;

  // What an append waits while others keep the log busy: the time between two writes, until the
  // next one can begin, and that write. (All of that time: who was just answered appends again when
  // a write has just begun.) What the choice goes by. 0: not measured.
  [[nodiscard]] std::chrono::nanoseconds commit_time() const;
};

struct Calibration {
  // What was chosen: the default (StorageInfo::durable_writes, kDefaultDepth), or what was clearly
  // better.
  DurableWrites durable_writes = DurableWrites::kPerWrite;
  std::uint32_t depth = kDefaultDepth;
  // When it was measured.
  std::chrono::system_clock::time_point taken;
  // What it was measured on. Names longer than 16 bytes are cut off.
  std::string storage;  // StorageInfo::kind
  std::string file_system;
  std::uint64_t device = 0;  // StorageInfo::device
  bool direct = false;
  // What was measured.
  std::uint32_t rounds = 0;
  std::uint32_t block = 0;        // bytes; the log's alignment
  std::uint32_t large_block = 0;  // bytes; the log's block size, 256 KiB at most
  std::vector<CalibratedWay> ways;
};

// Why a calibration says what it says, in one sentence.
[[nodiscard]] std::string describe_choice(const Calibration& calibration);
// "8:1", or "unknown".
[[nodiscard]] std::string device_text(std::uint64_t device);

struct CalibrateOptions {
  std::shared_ptr<Storage> storage{};  // null: make_storage(kAuto)
  // How long to wait for another opener to go away.
  std::chrono::milliseconds lock_wait{2000};
  // How long to measure, 50 ms to 60 s. Longer: less noise; slow devices need it. 0: 2 s, and
  // longer where the device, or a busy machine, is too slow for that: up to 102 s.
  std::chrono::milliseconds duration{2000};
  // What latencies are measured with; null: the steady clock.
  TimeSource time{};
};

// Measures anew for the log in `path` and keeps the result in it, durable on return; followed from
// the next opening on. Takes the lock of the log meanwhile, writes to a file of its own in the
// log's directory, and removes that; containers are neither read nor written. After a crash in
// between the log has its old calibration or the new one, and what is left of the file is removed
// by the next opening or calibration. Errors, and the log has its old calibration: kNotFound;
// kNotALog; kNewerVersion; kBaseLogDamaged; kLocked; kInvalidArgument (duration); kNoSpace (a MiB
// is needed); kPermissionDenied (a read-only file system too); kIoError; kTimeout (the device is
// too slow to be measured in so short a time, or at all).
[[nodiscard]] Result<Calibration> calibrate(const std::string& path,
                                            const CalibrateOptions& options = {});

}  // namespace cairn::log

#endif  // CAIRN_CALIBRATION_H_
