#include "calibration_text.h"

#include <algorithm>
#include <chrono>
#include <cstdint>

#include <fmt/format.h>

#include "text.h"

namespace cairn::tools {
namespace {

std::string taken_text(const log::Calibration& calibration) {
  const auto taken =
      std::chrono::duration_cast<std::chrono::nanoseconds>(calibration.taken.time_since_epoch());
  return time_text(static_cast<std::uint64_t>(std::max<std::int64_t>(0, taken.count())));
}

double microseconds(std::chrono::nanoseconds time) {
  return static_cast<double>(time.count()) / 1000;
}

}  // namespace

std::string calibration_place(const log::Calibration& calibration) {
  return fmt::format("{}, {} on {}, {}, device {}", taken_text(calibration),
                     escaped(calibration.storage), escaped(calibration.file_system),
                     calibration.direct ? "direct" : "through the page cache",
                     log::device_text(calibration.device));
}

nlohmann::ordered_json calibration_json(const log::Calibration& calibration) {
  nlohmann::ordered_json json = {
      {"durable_writes", log::durable_writes_name(calibration.durable_writes)},
      {"depth", calibration.depth},
      {"reason", log::describe_choice(calibration)},
      {"taken", taken_text(calibration)},
      {"storage", calibration.storage},
      {"file_system", calibration.file_system},
      {"device", log::device_text(calibration.device)},
      {"direct", calibration.direct},
      {"rounds", calibration.rounds},
      {"block", calibration.block},
      {"large_block", calibration.large_block},
      {"ways", nlohmann::ordered_json::array()}};
  for (const log::CalibratedWay& way : calibration.ways) {
    json["ways"].push_back({{"durable_writes", log::durable_writes_name(way.durable_writes)},
                            {"depth", way.depth},
                            {"writes_per_second", way.writes_per_second},
                            {"latency_us", microseconds(way.latency)},
                            {"commit_us", microseconds(way.commit_time())},
                            {"large_kib_per_second", way.large_kib_per_second}});
  }
  return json;
}

void print_ways(const log::Calibration& calibration, Output& out) {
  out.line("{:<10}  {:>9}  {:>9}  {:>10}  {:>9}  {:>11}", "DURABLE", "IN FLIGHT", "WRITES/S",
           "LATENCY US", "COMMIT US", "LARGE MIB/S");
  for (const log::CalibratedWay& way : calibration.ways) {
    out.line("{:<10}  {:>9}  {:>9}  {:>10.0f}  {:>9.0f}  {:>11}",
             log::durable_writes_name(way.durable_writes), way.depth, way.writes_per_second,
             microseconds(way.latency), microseconds(way.commit_time()),
             way.large_kib_per_second == 0 ? std::string("-")
                                           : std::to_string(way.large_kib_per_second / 1024));
  }
}

}  // namespace cairn::tools
