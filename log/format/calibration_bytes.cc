#include "format/calibration_bytes.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "format/hash.h"

namespace cairn::log::format {
namespace {

constexpr std::uint32_t kMostDepth = 32;
// As far as the clock counts.
constexpr std::int64_t kMostTaken = std::chrono::duration_cast<std::chrono::microseconds>(
                                        std::chrono::system_clock::duration::max())
                                        .count();

std::uint64_t checksum_of(const CalibrationBytes& bytes) {
  return hash(std::as_bytes(std::span(&bytes, 1)).first(offsetof(CalibrationBytes, checksum)));
}

std::uint32_t index_of(DurableWrites how, std::uint32_t depth) {
  const auto index = static_cast<std::uint32_t>(std::bit_width(depth)) - 1;
  return how == DurableWrites::kPerPrefix ? kCalibratedDepths + index : index;
}

void put_text(const std::string& text, std::span<char, 16> out) {
  std::ranges::fill(out, '\0');
  std::memcpy(out.data(), text.data(), std::min(text.size(), out.size()));
}

std::string get_text(std::span<const char, 16> bytes) {
  return {bytes.begin(), std::ranges::find(bytes, '\0')};
}

bool text_ok(std::span<const char, 16> bytes) {
  return std::all_of(std::ranges::find(bytes, '\0'), bytes.end(),
                     [](char one) { return one == '\0'; });
}

bool way_ok(const CalibratedWayBytes& way) {
  return way.writes_per_second != 0 || (way.latency_ns == 0 && way.large_kib_per_second == 0);
}

std::string fault_of(const CalibrationBytes& bytes) {
  const auto differs = [](const char* what, std::uint64_t expected, std::uint64_t found) {
    return std::string("expected ") + what + " " + std::to_string(expected) + ", found " +
           std::to_string(found);
  };
  if (bytes.magic != kCalibrationMagic) return differs("magic", kCalibrationMagic, bytes.magic);
  if (bytes.version != kCalibrationVersion) {
    return differs("version", kCalibrationVersion, bytes.version);
  }
  const std::uint64_t sum = checksum_of(bytes);
  if (sum != bytes.checksum) return differs("checksum", bytes.checksum, sum);
  const bool sound =
      (bytes.durable_writes == static_cast<std::uint8_t>(CalibratedDurability::kPerWrite) ||
       bytes.durable_writes == static_cast<std::uint8_t>(CalibratedDurability::kPerPrefix)) &&
      bytes.direct <= 1 && bytes.taken >= 0 && bytes.taken <= kMostTaken && bytes.depth >= 1 &&
      bytes.depth <= kMostDepth && bytes.zero == 0 && text_ok(bytes.storage) &&
      text_ok(bytes.file_system) && std::ranges::all_of(bytes.ways, way_ok);
  return sound ? "" : "its fields are none that a calibration can have";
}

}  // namespace

void encode_calibration(const Calibration& calibration,
                        std::span<std::byte, sizeof(CalibrationBytes)> out) {
  CalibrationBytes bytes{};
  bytes.magic = kCalibrationMagic;
  bytes.version = kCalibrationVersion;
  bytes.durable_writes = static_cast<std::uint8_t>(
      calibration.durable_writes == DurableWrites::kPerPrefix ? CalibratedDurability::kPerPrefix
                                                              : CalibratedDurability::kPerWrite);
  bytes.direct = calibration.direct ? 1 : 0;
  const auto taken =
      std::chrono::duration_cast<std::chrono::microseconds>(calibration.taken.time_since_epoch());
  bytes.taken = std::max<std::int64_t>(0, taken.count());
  bytes.device = calibration.device;
  put_text(calibration.storage, bytes.storage);
  put_text(calibration.file_system, bytes.file_system);
  bytes.depth = static_cast<std::uint16_t>(calibration.depth);
  bytes.rounds = static_cast<std::uint16_t>(calibration.rounds);
  bytes.block = calibration.block;
  bytes.large_block = calibration.large_block;
  for (const CalibratedWay& way : calibration.ways) {
    bytes.ways[index_of(way.durable_writes, way.depth)] = {
        way.writes_per_second, static_cast<std::uint32_t>(way.latency.count()),
        way.large_kib_per_second};
  }
  bytes.checksum = checksum_of(bytes);
  std::memcpy(out.data(), &bytes, sizeof bytes);
}

FoundCalibration decode_calibration(std::span<const std::byte> raw) {
  const bool zeros = std::ranges::all_of(raw, [](std::byte one) { return one == std::byte{0}; });
  if (zeros) return {};
  CalibrationBytes bytes;
  if (raw.size() < sizeof bytes) return {{}, "the calibration is cut short"};
  std::memcpy(&bytes, raw.data(), sizeof bytes);
  if (std::string fault = fault_of(bytes); !fault.empty()) {
    return {{}, "calibration: " + std::move(fault)};
  }
  Calibration found;
  const auto per_prefix = static_cast<std::uint8_t>(CalibratedDurability::kPerPrefix);
  found.durable_writes =
      bytes.durable_writes == per_prefix ? DurableWrites::kPerPrefix : DurableWrites::kPerWrite;
  found.depth = bytes.depth;
  found.taken = std::chrono::system_clock::time_point(std::chrono::microseconds(bytes.taken));
  found.storage = get_text(bytes.storage);
  found.file_system = get_text(bytes.file_system);
  found.device = bytes.device;
  found.direct = bytes.direct == 1;
  found.rounds = bytes.rounds;
  found.block = bytes.block;
  found.large_block = bytes.large_block;
  for (std::uint32_t i = 0; i < kCalibratedWays; ++i) {
    const CalibratedWayBytes& way = bytes.ways[i];
    if (way.writes_per_second == 0) continue;
    found.ways.push_back(
        {i < kCalibratedDepths ? DurableWrites::kPerWrite : DurableWrites::kPerPrefix,
         1U << i % kCalibratedDepths, way.writes_per_second,
         std::chrono::nanoseconds(way.latency_ns), way.large_kib_per_second});
  }
  return {std::move(found), ""};
}

}  // namespace cairn::log::format
