// From a directory to its calibration.
#ifndef CAIRN_LOG_CALIBRATION_CALIBRATOR_H_
#define CAIRN_LOG_CALIBRATION_CALIBRATOR_H_

#include <chrono>

#include <cairn/calibration.h>
#include <cairn/options.h>
#include <cairn/result.h>
#include <cairn/storage.h>

#include "format/layout.h"

namespace cairn::log {

// How long the creation of a log measures.
inline constexpr std::chrono::milliseconds kCreationMeasures{300};

// What `storage` says of where something was measured, as it is kept.
void set_place(const StorageInfo& storage, Calibration* calibration);

// Measures for a log of this slot's geometry and chooses. Changes nothing but a file of its own,
// which is removed. REQUIRES: `lock` is held. Errors: as measure().
[[nodiscard]] Result<Calibration> make_calibration(Storage& storage, Directory& directory,
                                                   const DirectoryLock* lock,
                                                   const format::BaseSlot& slot,
                                                   std::chrono::milliseconds duration,
                                                   const TimeSource& time);

}  // namespace cairn::log

#endif  // CAIRN_LOG_CALIBRATION_CALIBRATOR_H_
