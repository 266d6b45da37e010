// `cairn torture powercut`: explorations beside each other, a process for each file system.
#include <memory>
#include <utility>

#include <nlohmann/json.hpp>

#include <cairn/torture/powercut.h>

#include "commands.h"
#include "interrupt.h"
#include "text.h"
#include "torture_report.h"

namespace cairn::tools {
namespace {

using torture::CutKind;
using torture::PowercutProcess;
using torture::PowercutReport;

constexpr int kPollMilliseconds = 100;

// One file system: explored, or not for a reason.
struct Exploration {
  std::string file_system;
  std::unique_ptr<PowercutProcess> process;
  bool ended = false;
  std::uint64_t states = 0;  // so far
  Result<PowercutReport> report = Status(StatusCode::kClosed, "interrupted");
};

torture::PowercutOptions options_of(const PowercutArguments& arguments,
                                    const std::string& file_system) {
  torture::PowercutOptions options;
  options.file_system = file_system;
  options.budget = arguments.budget;
  options.seed = arguments.seed;
  options.steps = arguments.steps;
  options.keep = arguments.keep;
  options.storage = storage_kind(arguments.storage);
  for (const auto fault :
       {torture::PowercutFault::kNoFlush, torture::PowercutFault::kNoDirectorySync,
        torture::PowercutFault::kNoEpochBlock}) {
    if (arguments.fault == torture::powercut_fault_name(fault)) options.fault = fault;
  }
  return options;
}

void show_states(const std::vector<Exploration>& all, std::uint64_t budget) {
  std::string line;
  for (const Exploration& one : all) {
    if (one.process == nullptr) continue;
    line += fmt::format("{} {}/{}  ", one.file_system, one.states, budget);
  }
  show_progress(line);
}

void wait_for_all(std::vector<Exploration>& all, std::uint64_t budget) {
  catch_interrupts();
  for (bool any = true; any && !interrupted();) {
    any = false;
    for (Exploration& one : all) {
      if (one.process == nullptr || one.ended) continue;
      if (one.process->ends_within(kPollMilliseconds)) {
        one.ended = true;
        one.report = one.process->finish();
      }
      one.states = one.process->states();
      any = any || !one.ended;
    }
    show_states(all, budget);
  }
  clear_progress();
}

nlohmann::ordered_json json_of(const Exploration& one) {
  nlohmann::ordered_json json{{"file_system", one.file_system}};
  if (!one.report) {
    json["explored"] = false;
    json["reason"] = one.report.status().to_string();
    return json;
  }
  const PowercutReport& report = *one.report;
  json["explored"] = true;
  json["storage"] = report.storage;
  json["recordings"] = report.recordings;
  json["writes"] = report.writes;
  json["flushes"] = report.flushes;
  json["steps"] = report.steps;
  json["transactions"] = report.transactions;
  json["states"] = report.all_states();
  for (std::size_t i = 0; i < torture::kCutKinds; ++i) {
    const std::string name(torture::cut_kind_name(static_cast<CutKind>(i)));
    json["states_by_kind"][name] = report.states[i];
  }
  json["seconds"] = report.seconds;
  json["violations"] = nlohmann::ordered_json::array();
  for (const torture::PowercutViolation& violation : report.violations) {
    nlohmann::ordered_json entry{{"what", violation.what}, {"state", violation.state}};
    if (!violation.image.empty()) entry["image"] = violation.image;
    json["violations"].push_back(std::move(entry));
  }
  return json;
}

void print(const Exploration& one, Output& out) {
  if (!one.report) {
    // Missing here, or an exploration that was begun and did not end.
    out.line("{:<6} {}: {}", one.file_system, one.process == nullptr ? "skipped" : "not finished",
             one.report.status().message());
    return;
  }
  const PowercutReport& report = *one.report;
  out.line(
      "{:<6} {} states, {} violations; {} recordings of {} writes and {} flushes, {} "
      "transactions; {}; {:.1f} s",
      one.file_system, report.all_states(), report.violations.size(), report.recordings,
      report.writes, report.flushes, report.transactions, report.storage, report.seconds);
  for (const torture::PowercutViolation& violation : report.violations) {
    out.line("       {}", violation.what);
    out.line("         {}", violation.state);
    if (!violation.image.empty()) out.line("         the disk: {}", violation.image);
  }
}

// Not explored: 1, if it was asked for by name or nothing else was explored.
ExitCode exit_code_of(const std::vector<Exploration>& all, bool by_name) {
  bool any = false;
  bool all_ran = true;
  for (const Exploration& one : all) {
    if (one.report && !one.report->violations.empty()) return ExitCode::kDamage;
    any = any || one.report.is_ok();
    // A file system that is missing here says nothing of the others; what went wrong does.
    const bool is_missing = one.process == nullptr && !by_name;
    all_ran = all_ran && (one.report.is_ok() || is_missing);
  }
  return any && all_ran ? ExitCode::kOk : ExitCode::kFailed;
}

}  // namespace

ExitCode run_torture_powercut(const PowercutArguments& arguments, Output& out) {
  const bool by_name = !arguments.file_systems.empty();
  std::vector<Exploration> all;
  for (const std::string& name :
       by_name ? arguments.file_systems : torture::powercut_file_systems()) {
    Exploration& one = all.emplace_back();
    one.file_system = name;
    Result<std::unique_ptr<PowercutProcess>> started =
        PowercutProcess::start(options_of(arguments, name));
    if (started) {
      one.process = std::move(*started);
    } else {
      one.report = started.status();
    }
  }
  wait_for_all(all, arguments.budget);

  nlohmann::ordered_json json{{"torture", "powercut"},
                              {"seed", arguments.seed},
                              {"budget", arguments.budget},
                              {"fault", arguments.fault}};
  for (const Exploration& one : all) {
    print(one, out);
    json["file_systems"].push_back(json_of(one));
  }
  if (!arguments.json_file.empty()) {
    const Status written = write_json(arguments.json_file, json);
    if (!written) return report("torture powercut", written);
  }
  return exit_code_of(all, by_name);
}

}  // namespace cairn::tools
