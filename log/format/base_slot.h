// Encoding and checking the base log's two slots, and choosing between them.
#ifndef CAIRN_LOG_FORMAT_BASE_SLOT_H_
#define CAIRN_LOG_FORMAT_BASE_SLOT_H_

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string>

#include <cairn/result.h>

#include "format/calibration_bytes.h"
#include "format/layout.h"

namespace cairn::log::format {

// Whether the container size, block size and alignment are ones that a log can have.
[[nodiscard]] bool geometry_ok(const BaseSlot& slot);

// A slot as bytes, with the calibration behind it if there is one, zero-filled up to the slot
// stride.
void encode_base_slot(BaseSlot slot, const std::optional<Calibration>& calibration,
                      std::span<std::byte, kBaseSlotStride> out);

// The content of a base log file, `bytes` being as much of it as there is. Returns the valid slot
// with the higher generation. Errors, none being valid: kNewerVersion (one says so), kNotALog (no
// magic in either), kBaseLogDamaged.
struct BaseChoice {
  BaseSlot slot;
  std::uint32_t index = 0;   // which slot it is
  bool other_valid = false;  // the other slot is valid too
  // That of this slot or, where it has none that is valid, of the other one if that is valid.
  std::optional<Calibration> calibration{};
  std::string calibration_fault{};  // of what is there and not valid; empty: nothing is
};
[[nodiscard]] Result<BaseChoice> choose_base_slot(std::span<const std::byte> bytes,
                                                  const std::string& file);

}  // namespace cairn::log::format

#endif  // CAIRN_LOG_FORMAT_BASE_SLOT_H_
