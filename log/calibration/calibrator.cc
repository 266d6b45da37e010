#include "calibration/calibrator.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include "base_log.h"
#include "calibration/measurement.h"
#include "calibration/way_rule.h"
#include "log_opener.h"

namespace cairn::log {
namespace {

constexpr std::chrono::milliseconds kLeastDuration{50};
constexpr std::chrono::milliseconds kUsualDuration{2000};
constexpr std::chrono::milliseconds kMostDuration{60'000};
// Larger ones tell nothing else, and take time that small devices do not have.
constexpr std::uint32_t kLargestBlock = 256 * 1024;
constexpr std::size_t kLongestName = sizeof(format::CalibrationBytes::storage);

// At least 1: 0 says "not measured".
std::uint32_t to_number(double value) {
  constexpr double kMost = std::numeric_limits<std::uint32_t>::max();
  return static_cast<std::uint32_t>(std::clamp(std::round(value), 1.0, kMost));
}

CalibratedWay shown(const WaySamples& samples) {
  CalibratedWay way;
  way.durable_writes = samples.way.durable_writes;
  way.depth = samples.way.depth;
  way.writes_per_second = to_number(median(samples.writes_per_second));
  way.latency = std::chrono::nanoseconds(to_number(median(samples.latency_ns)));
  if (!samples.large_kib_per_second.empty()) {
    way.large_kib_per_second = to_number(median(samples.large_kib_per_second));
  }
  return way;
}

const CalibratedWay* find_way(const Calibration& calibration, DurableWrites how,
                              std::uint32_t depth) {
  const auto found = std::ranges::find_if(calibration.ways, [&](const CalibratedWay& way) {
    return way.durable_writes == how && way.depth == depth;
  });
  return found == calibration.ways.end() ? nullptr : &*found;
}

std::string microseconds(std::chrono::nanoseconds time) {
  return std::to_string(std::chrono::round<std::chrono::microseconds>(time).count()) + " us";
}

}  // namespace

std::chrono::nanoseconds CalibratedWay::commit_time() const {
  if (writes_per_second == 0) return std::chrono::nanoseconds(0);
  return std::chrono::nanoseconds(static_cast<std::int64_t>(
      commit_ns(writes_per_second, static_cast<double>(latency.count()))));
}

std::string describe_choice(const Calibration& calibration) {
  const CalibratedWay* chosen =
      find_way(calibration, calibration.durable_writes, calibration.depth);
  const std::string choice = std::string(durable_writes_name(calibration.durable_writes)) + ", " +
                             std::to_string(calibration.depth) + " in flight: ";
  if (chosen == nullptr) return choice + "the default, which was not measured";
  const std::string time = "an append waits " + microseconds(chosen->commit_time());
  // Of both ways: what the storage's own word was is not kept.
  const CalibratedWay* usual = find_way(calibration, calibration.durable_writes, kDefaultDepth);
  const DurableWrites other = calibration.durable_writes == DurableWrites::kPerWrite
                                  ? DurableWrites::kPerPrefix
                                  : DurableWrites::kPerWrite;
  std::string text = choice + time;
  if (usual != nullptr && usual != chosen) {
    text += ", with " + std::to_string(kDefaultDepth) + " in flight " +
            microseconds(usual->commit_time());
  }
  if (const CalibratedWay* rival = find_way(calibration, other, calibration.depth)) {
    text +=
        ", " + std::string(durable_writes_name(other)) + " " + microseconds(rival->commit_time());
  }
  return text;
}

std::string device_text(std::uint64_t device) {
  if (device == 0) return "unknown";
  // As the kernel's dev_t has them.
  const std::uint64_t major = ((device >> 8) & 0xfff) | ((device >> 32) & ~std::uint64_t{0xfff});
  const std::uint64_t minor = (device & 0xff) | ((device >> 12) & ~std::uint64_t{0xff});
  return std::to_string(major) + ":" + std::to_string(minor & 0xffffffff);
}

void set_place(const StorageInfo& storage, Calibration* calibration) {
  calibration->storage = storage.kind.substr(0, kLongestName);
  calibration->file_system = storage.file_system.substr(0, kLongestName);
  calibration->device = storage.device;
  calibration->direct = storage.direct;
}

Result<Calibration> make_calibration(Storage& storage, Directory& directory,
                                     const DirectoryLock* lock, const format::BaseSlot& slot,
                                     std::chrono::milliseconds duration, const TimeSource& time) {
  MeasurementOptions options;
  options.block = slot.alignment;
  options.large_block = std::min(slot.block_size, kLargestBlock);
  options.duration = duration;
  options.time = time;
  CAIRN_ASSIGN_OR_RETURN(const std::vector<WaySamples> samples, measure(directory, lock, options));
  const StorageInfo info = storage.describe(directory);
  const Way way = choose_way(samples, {info.durable_writes, kDefaultDepth});
  Calibration made;
  set_place(info, &made);
  made.durable_writes = way.durable_writes;
  made.depth = way.depth;
  made.taken = std::chrono::system_clock::now();
  made.rounds = static_cast<std::uint32_t>(samples.front().latency_ns.size());
  made.block = options.block;
  made.large_block = options.large_block;
  for (const WaySamples& one : samples) made.ways.push_back(shown(one));
  return made;
}

Result<Calibration> calibrate(const std::string& path, const CalibrateOptions& options) {
  const bool patient = options.duration == std::chrono::milliseconds(0);
  if (!patient && (options.duration < kLeastDuration || options.duration > kMostDuration)) {
    return Status(StatusCode::kInvalidArgument, "duration: expected 0 or 50 ms to 60 s, found " +
                                                    std::to_string(options.duration.count()) +
                                                    " ms");
  }
  OpenOptions open;
  open.storage = options.storage;
  CAIRN_ASSIGN_OR_RETURN(const auto storage, storage_of(open));
  CAIRN_ASSIGN_OR_RETURN(const auto directory, storage->open_directory(path, false));
  // Before the lock: a directory that is no log, or a newer one, is told as such and not touched.
  CAIRN_RETURN_IF_ERROR(BaseLog::open(*directory, OpenMode::kRead).status());
  CAIRN_ASSIGN_OR_RETURN(const auto lock,
                         directory->lock(format::kBaseFileName, options.lock_wait));
  CAIRN_ASSIGN_OR_RETURN(BaseLog base, BaseLog::open(*directory, OpenMode::kReadWrite));
  CAIRN_RETURN_IF_ERROR(base.check_created());
  std::chrono::milliseconds duration = patient ? kUsualDuration : options.duration;
  for (;;) {
    auto made =
        make_calibration(*storage, *directory, lock.get(), base.slot(), duration, options.time);
    if (patient && made.code() == StatusCode::kTimeout && duration < kMostDuration) {
      duration = std::min(4 * duration, kMostDuration);
      continue;
    }
    CAIRN_RETURN_IF_ERROR(made.status());
    base.set_calibration(*made);
    CAIRN_RETURN_IF_ERROR(base.write(base.slot()));
    CAIRN_RETURN_IF_ERROR(base.write(base.slot()));
    return made;
  }
}

}  // namespace cairn::log
