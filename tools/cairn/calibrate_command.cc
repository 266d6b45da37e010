// `cairn calibrate`: measures how the device below a log is best written to, and keeps that in it.
#include <chrono>
#include <cmath>

#include <cairn/calibration.h>

#include "calibration_text.h"
#include "commands.h"
#include "text.h"

namespace cairn::tools {

ExitCode run_calibrate(const CalibrateArguments& arguments, Output& out) {
  // Of the range that the command line allows, or no number at all.
  if (arguments.seconds && std::isnan(*arguments.seconds)) {
    return report("calibrate",
                  Status(StatusCode::kInvalidArgument, "--seconds: expected a number, found none"));
  }
  log::CalibrateOptions options;
  options.duration = std::chrono::round<std::chrono::milliseconds>(
      std::chrono::duration<double>(arguments.seconds.value_or(0)));
  const auto made = log::calibrate(arguments.directory, options);
  if (!made.is_ok()) return report("calibrate", made.status());
  if (arguments.json) {
    nlohmann::ordered_json json;
    json["log"] = arguments.directory;
    json["calibration"] = calibration_json(*made);
    out.line("{}", json_line(json));
    return ExitCode::kOk;
  }
  out.line("log         {}", escaped(arguments.directory));
  out.line("measured    {}", calibration_place(*made));
  out.line("            {} rounds, of blocks of {} and large ones of {}", made->rounds,
           bytes_text(made->block), bytes_text(made->large_block));
  out.line("calibrated  {}", escaped(log::describe_choice(*made)));
  out.line();
  print_ways(*made, out);
  return ExitCode::kOk;
}

}  // namespace cairn::tools
