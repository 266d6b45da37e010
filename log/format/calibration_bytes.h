// Encoding and checking the calibration that is kept behind a slot of the base log.
#ifndef CAIRN_LOG_FORMAT_CALIBRATION_BYTES_H_
#define CAIRN_LOG_FORMAT_CALIBRATION_BYTES_H_

#include <cstddef>
#include <optional>
#include <span>
#include <string>

#include <cairn/calibration.h>

#include "format/layout.h"

namespace cairn::log::format {

// REQUIRES: the ways are of the depths 1, 2, 4, 8, 16, in any order; none twice.
void encode_calibration(const Calibration& calibration,
                        std::span<std::byte, sizeof(CalibrationBytes)> out);

struct FoundCalibration {
  std::optional<Calibration> calibration{};
  std::string fault{};  // of what is there and not valid; empty: it is valid, or there is none
};
// `bytes`: as many as there are. Zeros, or none, say that there is no calibration.
[[nodiscard]] FoundCalibration decode_calibration(std::span<const std::byte> bytes);

}  // namespace cairn::log::format

#endif  // CAIRN_LOG_FORMAT_CALIBRATION_BYTES_H_
