// WritePlan: how an opening writes blocks, of what was asked for, what was measured and what the
// storage says.
#ifndef CAIRN_LOG_CALIBRATION_WRITE_PLAN_H_
#define CAIRN_LOG_CALIBRATION_WRITE_PLAN_H_

#include <cstdint>
#include <optional>
#include <string>

#include <cairn/calibration.h>
#include <cairn/options.h>
#include <cairn/storage.h>

#include "format/block.h"

namespace cairn::log {

struct WritePlan {
  DurableWrites durable_writes = DurableWrites::kPerWrite;
  std::string durable_writes_reason;
  std::uint32_t depth = kDefaultDepth;
  std::string depth_reason;
  std::uint32_t blocks = 8;
  std::optional<Calibration> calibration;
  std::string calibration_note;  // why the calibration is not followed, or may not fit
};

// Options go before the calibration, that before what the storage says. A calibration from another
// kind of storage or file system, or with the other answer to direct I/O, is not followed. One from
// another device is (a number may change with a reboot, and what it says costs speed at most), and
// the note says so.
[[nodiscard]] WritePlan plan_writes(const StorageInfo& storage,
                                    const std::optional<Calibration>& calibration,
                                    const OpenOptions& options,
                                    const format::LogGeometry& geometry);

}  // namespace cairn::log

#endif  // CAIRN_LOG_CALIBRATION_WRITE_PLAN_H_
