// `cairn torture soak`: everything at once, for hours, with bounds.
#include <chrono>
#include <fstream>

#include <nlohmann/json.hpp>

#include <cairn/torture/soak.h>

#include "commands.h"
#include "interrupt.h"
#include "soak_svg.h"
#include "text.h"
#include "torture_report.h"

namespace cairn::tools {
namespace {

using nlohmann::ordered_json;
using torture::SoakBounds;
using torture::SoakReport;
using torture::SoakSample;

constexpr std::uint64_t kBytesOfMiB = std::uint64_t{1} << 20;

SoakBounds bounds_of(const SoakArguments& arguments) {
  SoakBounds bounds;
  bounds.memory_bytes = arguments.memory_mib * kBytesOfMiB;
  bounds.descriptors = arguments.descriptors;
  bounds.disk_bytes = arguments.disk_mib * kBytesOfMiB;
  bounds.recovery_cpu_ms = static_cast<double>(arguments.recovery_ms);
  return bounds;
}

ordered_json json_of(const SoakArguments& arguments, const SoakBounds& bounds,
                     const SoakReport& report, const std::string& violation) {
  ordered_json json{{"torture", "soak"},
                    {"seed", arguments.seed},
                    {"hours", arguments.hours},
                    {"seconds", report.seconds},
                    {"directory", arguments.directory},
                    {"lives", report.lives},
                    {"kills", report.kills},
                    {"closings", report.closings},
                    {"recoveries", report.recoveries},
                    {"committed", report.committed},
                    {"rolled_back", report.rolled_back},
                    {"records", report.records},
                    {"archives", report.archives},
                    {"archives_overtaken", report.overtaken},
                    {"resource_managers_came_back", report.came_back}};
  const SoakSample& most = report.most;
  json["bounds"] = {
      {"memory_bytes", {{"most", most.memory_bytes}, {"bound", bounds.memory_bytes}}},
      {"descriptors", {{"most", most.descriptors}, {"bound", bounds.descriptors}}},
      {"disk_bytes", {{"most", most.disk_bytes}, {"bound", bounds.disk_bytes}}},
      {"recovery_cpu_ms", {{"most", most.recovery_cpu_ms}, {"bound", bounds.recovery_cpu_ms}}},
      {"recovery_wall_ms", {{"most", most.recovery_wall_ms}}}};
  json["curve"] = ordered_json::array();
  for (const SoakSample& sample : report.curve.samples()) {
    json["curve"].push_back({{"seconds", sample.seconds},
                             {"life", sample.life},
                             {"memory_bytes", sample.memory_bytes},
                             {"descriptors", sample.descriptors},
                             {"disk_bytes", sample.disk_bytes},
                             {"recovery_cpu_ms", sample.recovery_cpu_ms},
                             {"recovery_wall_ms", sample.recovery_wall_ms}});
  }
  json["violations"] = ordered_json::array();
  if (!violation.empty()) json["violations"].push_back({{"what", violation}});
  return json;
}

Status write_svg(const std::string& path, const std::string& svg) {
  std::ofstream file(path);
  file << svg;
  file.close();
  return file ? Status() : Status(StatusCode::kIoError, "cannot write " + path);
}

void print_soak(const SoakArguments& arguments, const SoakBounds& bounds, const SoakReport& report,
                const std::string& violation, Output& out) {
  const SoakSample& most = report.most;
  out.line("soak: {:.0f} s, seed {}: {} lives, {} kills, {} closed, {} violations", report.seconds,
           arguments.seed, report.lives, report.kills, report.closings, violation.empty() ? 0 : 1);
  out.line(
      "  {} transactions committed, {} rolled back; {} records; {} archives, {} overtaken; "
      "resource managers came back {} times",
      report.committed, report.rolled_back, report.records, report.archives, report.overtaken,
      report.came_back);
  out.line(
      "  most: memory {} of {} MiB, descriptors {} of {}, disk {} of {} MiB, recovery {:.0f} "
      "of {:.0f} ms of the processor ({:.0f} ms by the clock)",
      most.memory_bytes / kBytesOfMiB, bounds.memory_bytes / kBytesOfMiB, most.descriptors,
      bounds.descriptors, most.disk_bytes / kBytesOfMiB, bounds.disk_bytes / kBytesOfMiB,
      most.recovery_cpu_ms, bounds.recovery_cpu_ms, most.recovery_wall_ms);
  if (!violation.empty()) out.line("       {}", violation);
  out.line("  what it made is left in {}", escaped(arguments.directory));
}

}  // namespace

ExitCode run_torture_soak(const SoakArguments& arguments, Output& out) {
  catch_interrupts();
  torture::SoakOptions options;
  options.directory = arguments.directory;
  options.storage = storage_kind(arguments.storage);
  options.seconds = arguments.hours * 3600;
  options.seed = arguments.seed;
  options.bounds = bounds_of(arguments);
  torture::Soak soak(options);
  if (const Status prepared = soak.prepare(); !prepared) return report("torture soak", prepared);
  const Status kept = soak.run([&](const SoakReport& report) {
    show_progress(
        fmt::format("soak {:.0f}/{:.0f} s, {} kills, {} transactions, {} MiB, {} archives",
                    report.seconds, options.seconds, report.kills, report.committed,
                    report.most.memory_bytes / kBytesOfMiB, report.archives));
    return !interrupted();
  });
  clear_progress();
  const SoakReport& report = soak.report();
  // A full disk says nothing of promises.
  const bool is_full = kept.code() == StatusCode::kNoSpace;
  const std::string violation = kept || is_full ? std::string() : kept.to_string();
  print_soak(arguments, options.bounds, report, violation, out);
  if (!arguments.json_file.empty()) {
    const Status written =
        write_json(arguments.json_file, json_of(arguments, options.bounds, report, violation));
    if (!written) return tools::report("torture soak", written);
  }
  if (!arguments.svg_file.empty()) {
    const std::string title = fmt::format("cairn torture soak, seed {}, {} lives, {} transactions",
                                          arguments.seed, report.lives, report.committed);
    const Status written =
        write_svg(arguments.svg_file, soak_svg(report.curve.samples(), options.bounds, title));
    if (!written) return tools::report("torture soak", written);
  }
  if (is_full) return tools::report("torture soak", kept);
  return kept ? ExitCode::kOk : ExitCode::kDamage;
}

}  // namespace cairn::tools
