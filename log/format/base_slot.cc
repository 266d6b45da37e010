#include "format/base_slot.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>
#include <string>
#include <utility>

#include <cairn/options.h>

#include "format/hash.h"

namespace cairn::log::format {
namespace {

std::uint64_t slot_checksum(const BaseSlot& slot) {
  return hash(std::as_bytes(std::span(&slot, 1)).first(offsetof(BaseSlot, checksum)));
}

// Reads the calibration behind the chosen slot, or behind the other one.
void find_calibration(std::span<const std::byte> bytes, BaseChoice* choice) {
  for (const std::uint32_t slot : {choice->index, 1 - choice->index}) {
    if (slot != choice->index && !choice->other_valid) continue;
    const std::size_t offset = std::size_t{slot} * kBaseSlotStride + kCalibrationOffset;
    const std::size_t there = bytes.size() > offset ? bytes.size() - offset : 0;
    FoundCalibration found = decode_calibration(
        bytes.subspan(std::min(offset, bytes.size()), std::min(there, sizeof(CalibrationBytes))));
    if (!found.fault.empty()) {
      choice->calibration_fault += (choice->calibration_fault.empty() ? "slot " : "; slot ") +
                                   std::to_string(slot) + ": " + found.fault;
    }
    choice->calibration = std::move(found.calibration);
    if (choice->calibration) return;
  }
}

}  // namespace

bool geometry_ok(const BaseSlot& slot) {
  return std::has_single_bit(slot.container_size) && slot.container_size >= kMinContainerSize &&
         slot.container_size <= kMaxContainerSize && std::has_single_bit(slot.block_size) &&
         slot.block_size >= 64 * 1024 && slot.block_size <= slot.container_size / 16 &&
         std::has_single_bit(slot.alignment) && slot.alignment >= 512 && slot.alignment <= 4096;
}

void encode_base_slot(BaseSlot slot, const std::optional<Calibration>& calibration,
                      std::span<std::byte, kBaseSlotStride> out) {
  slot.magic = kBaseMagic;
  slot.version = kFormatVersion;
  slot.zero = 0;
  slot.zero2 = 0;
  slot.checksum = slot_checksum(slot);
  std::memset(out.data(), 0, out.size());
  std::memcpy(out.data(), &slot, sizeof slot);
  if (calibration) {
    encode_calibration(*calibration, out.subspan<kCalibrationOffset, sizeof(CalibrationBytes)>());
  }
}

Result<BaseChoice> choose_base_slot(std::span<const std::byte> bytes, const std::string& file) {
  std::optional<BaseChoice> best;
  std::uint32_t valid = 0;
  bool any_magic = false;
  std::uint16_t newest = 0;  // of the versions that are not known here; 0: none
  std::string reasons;
  for (std::uint32_t i = 0; i < kBaseSlots; ++i) {
    const std::size_t offset = std::size_t{i} * kBaseSlotStride;
    const std::string where = "slot " + std::to_string(i) + ": ";
    BaseSlot slot;
    if (bytes.size() < offset + sizeof slot) {
      reasons += where + "expected " + std::to_string(kBaseFileSize) + " bytes of file, found " +
                 std::to_string(bytes.size()) + "; ";
      continue;
    }
    std::memcpy(&slot, bytes.data() + offset, sizeof slot);
    if (slot.magic != kBaseMagic) {
      reasons += where + "expected magic " + std::to_string(kBaseMagic) + ", found " +
                 std::to_string(slot.magic) + "; ";
      continue;
    }
    any_magic = true;
    // Before the checksum: only the first eight bytes keep their meaning for ever.
    if (slot.version > kFormatVersion) {
      newest = std::max(newest, slot.version);
      reasons += where + "expected a version up to " + std::to_string(kFormatVersion) + ", found " +
                 std::to_string(slot.version) + "; ";
      continue;
    }
    const std::uint64_t sum = slot_checksum(slot);
    if (sum != slot.checksum || slot.version < kOldestFormatVersion || !geometry_ok(slot)) {
      reasons += where + "expected checksum " + std::to_string(slot.checksum) + ", found " +
                 std::to_string(sum) + "; ";
      continue;
    }
    ++valid;
    if (!best || slot.generation > best->slot.generation)
      best = BaseChoice{.slot = slot, .index = i};
  }
  if (best) {
    best->other_valid = valid == kBaseSlots;
    find_calibration(bytes, &*best);
    return *best;
  }
  StatusDetail detail;
  detail.file = file;
  // Nothing here can tell a newer slot from a damaged one, and a newer log must not be touched.
  if (newest != 0) {
    return Status(StatusCode::kNewerVersion,
                  file + ": written by format version " + std::to_string(newest) +
                      ", this code reads up to version " + std::to_string(kFormatVersion) + ": " +
                      reasons,
                  detail);
  }
  if (!any_magic && bytes.size() >= sizeof(BaseSlot)) {
    bool zeros = true;
    for (const std::byte b : bytes) zeros = zeros && b == std::byte{0};
    if (!zeros) {
      return Status(StatusCode::kNotALog, file + ": not a Cairn base log: " + reasons, detail);
    }
  }
  return Status(StatusCode::kBaseLogDamaged,
                file + ": neither slot of the base log is valid: " + reasons, detail);
}

}  // namespace cairn::log::format
