// A calibration as text and as JSON, for `cairn info` and `cairn calibrate`.
#ifndef CAIRN_TOOLS_CALIBRATION_TEXT_H_
#define CAIRN_TOOLS_CALIBRATION_TEXT_H_

#include <string>

#include <nlohmann/json.hpp>

#include <cairn/calibration.h>

#include "output.h"

namespace cairn::tools {

// When it was measured, and on what.
[[nodiscard]] std::string calibration_place(const log::Calibration& calibration);
[[nodiscard]] nlohmann::ordered_json calibration_json(const log::Calibration& calibration);
// What was measured, a line per way.
void print_ways(const log::Calibration& calibration, Output& out);

}  // namespace cairn::tools

#endif  // CAIRN_TOOLS_CALIBRATION_TEXT_H_
