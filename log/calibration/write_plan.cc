#include "calibration/write_plan.h"

#include <algorithm>

#include "calibration/calibrator.h"

namespace cairn::log {
namespace {

constexpr std::uint32_t kDefaultBlocks = 8;
constexpr std::uint32_t kLeastBlocks = 4;
constexpr std::uint32_t kMostBlocks = 64;

std::string place_of(const Calibration& calibration) {
  return calibration.storage + " on " + calibration.file_system +
         (calibration.direct ? ", direct" : ", through the page cache");
}

// Blocks in memory such that their sum stays below a quarter of a container: then what is in
// flight, and the jump after a crash, always fit into one container.
std::uint32_t block_count(std::uint32_t asked, std::uint32_t depth,
                          const format::LogGeometry& geometry) {
  const std::uint32_t wanted =
      asked != 0 ? asked : std::clamp(depth + 2, kDefaultBlocks, kMostBlocks);
  const std::uint64_t most =
      std::max<std::uint64_t>(kLeastBlocks, geometry.container_size / 4 / geometry.block_size);
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(wanted, most));
}

}  // namespace

WritePlan plan_writes(const StorageInfo& storage, const std::optional<Calibration>& calibration,
                      const OpenOptions& options, const format::LogGeometry& geometry) {
  WritePlan plan;
  plan.durable_writes = storage.durable_writes;
  plan.durable_writes_reason = storage.durable_writes_reason;
  plan.depth_reason = "the default";
  plan.calibration = calibration;
  if (calibration) {
    Calibration here;
    set_place(storage, &here);
    const bool fits = calibration->storage == here.storage &&
                      calibration->file_system == here.file_system &&
                      calibration->direct == here.direct;
    if (fits) {
      plan.durable_writes = calibration->durable_writes;
      plan.depth = calibration->depth;
      plan.durable_writes_reason = plan.depth_reason = "calibrated";
      if (calibration->device != here.device) {
        plan.calibration_note = "measured on device " + device_text(calibration->device) +
                                ", this is device " + device_text(here.device) +
                                ": if that is another one, calibrate again";
      }
    } else {
      plan.calibration_note = "not followed: measured with " + place_of(*calibration) +
                              ", this is " + place_of(here) + "; calibrate again";
    }
  }
  if (options.durable_writes != DurableWrites::kAutomatic) {
    plan.durable_writes = options.durable_writes;
    plan.durable_writes_reason = "as asked for";
  }
  if (options.depth != 0) {
    plan.depth = options.depth;
    plan.depth_reason = "as asked for";
  }
  plan.blocks = block_count(options.blocks, plan.depth, geometry);
  if (plan.depth > plan.blocks - 2) {
    plan.depth_reason += ": " + std::to_string(plan.depth) + ", of which " +
                         std::to_string(plan.blocks) + " blocks in memory allow " +
                         std::to_string(plan.blocks - 2);
    plan.depth = plan.blocks - 2;
  }
  return plan;
}

}  // namespace cairn::log
