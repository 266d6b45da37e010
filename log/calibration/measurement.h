// Measurement: how fast blocks become durable in a directory, written in different ways.
#ifndef CAIRN_LOG_CALIBRATION_MEASUREMENT_H_
#define CAIRN_LOG_CALIBRATION_MEASUREMENT_H_

#include <array>
#include <chrono>
#include <cstdint>
#include <vector>

#include <cairn/options.h>
#include <cairn/result.h>
#include <cairn/storage.h>

#include "calibration/way_rule.h"

namespace cairn::log {

// The file that is written to. Like all new-*.tmp it goes when the log is opened, or its creation
// begun again.
inline constexpr char kCalibrationFileName[] = "new-calibration.tmp";

inline constexpr std::array<std::uint32_t, 5> kMeasuredDepths{1, 2, 4, 8, 16};
inline constexpr std::size_t kRounds = 5;

struct MeasurementOptions {
  std::uint32_t block = 4096;              // bytes
  std::uint32_t large_block = 256 * 1024;  // bytes, a multiple of `block`
  std::chrono::nanoseconds duration{0};    // of all of it; what is in flight then is waited for
  TimeSource time{};                       // null: the steady clock
};

// Writes and makes durable as the block writer does, through a queue of `directory`'s, into a file
// with written extents; in kRounds rounds in which all ways take turns. The file is removed, also
// after an error. REQUIRES: `lock` is held. Errors: those of the storage; kTimeout (fewer than
// kLeastRounds rounds in the time), kInvalidState (the clock stands still).
[[nodiscard]] Result<std::vector<WaySamples>> measure(Directory& directory,
                                                      const DirectoryLock* lock,
                                                      const MeasurementOptions& options);

}  // namespace cairn::log

#endif  // CAIRN_LOG_CALIBRATION_MEASUREMENT_H_
