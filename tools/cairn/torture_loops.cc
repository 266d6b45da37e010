// `cairn torture kill`, `sim` and `fault`: loops that go on for as many rounds as are asked for,
// and stop at the first promise that is not kept.
#include <cstdio>

#include <nlohmann/json.hpp>

#include <cairn/torture/kill_loop.h>
#include <cairn/torture/sim_torture.h>

#include "commands.h"
#include "interrupt.h"
#include "text.h"
#include "torture_report.h"

namespace cairn::tools {
namespace {

using nlohmann::ordered_json;

// Says how it ended, with the seed that a failure comes back from; writes the report for programs.
ExitCode finish(const TortureArguments& arguments, ordered_json json, const std::string& violation,
                Output& out) {
  clear_progress();
  json["violations"] = ordered_json::array();
  if (!violation.empty()) {
    json["violations"].push_back({{"what", violation}});
    out.line("       {}", violation);
  }
  if (!arguments.json_file.empty()) {
    const Status written = write_json(arguments.json_file, json);
    if (!written) return report("torture", written);
  }
  return violation.empty() ? ExitCode::kOk : ExitCode::kDamage;
}

using OfASeed = torture::SeedOutcome (*)(std::uint64_t seed, std::uint64_t stride);

ExitCode run_seeds(const char* name, OfASeed of_a_seed, const TortureArguments& arguments,
                   Output& out) {
  catch_interrupts();
  std::string violation;
  std::uint64_t states = 0;
  std::uint64_t done = 0;
  for (; done < arguments.rounds && violation.empty() && !interrupted(); ++done) {
    show_progress(fmt::format("{} {}/{} seeds, {} states", name, done, arguments.rounds, states));
    const std::uint64_t seed = arguments.seed + done;
    const torture::SeedOutcome outcome = of_a_seed(seed, arguments.stride);
    states += outcome.states;
    if (outcome.violation.empty()) continue;
    violation = fmt::format("{} (again: cairn torture {} --seed {} --rounds 1 --stride {})",
                            outcome.violation, name, seed, arguments.stride);
  }
  out.line("{}: {} seeds from {} on, {} states, {} violations", name, done, arguments.seed, states,
           violation.empty() ? 0 : 1);
  return finish(arguments,
                {{"torture", name},
                 {"seed", arguments.seed},
                 {"seeds", done},
                 {"stride", arguments.stride},
                 {"states", states}},
                violation, out);
}

}  // namespace

ExitCode run_torture_sim(const TortureArguments& arguments, Output& out) {
  return run_seeds("sim", torture::cut_power_in_simulation, arguments, out);
}

ExitCode run_torture_fault(const TortureArguments& arguments, Output& out) {
  return run_seeds("fault", torture::fail_io_in_simulation, arguments, out);
}

ExitCode run_torture_kill(const TortureArguments& arguments, Output& out) {
  catch_interrupts();
  torture::KillOptions options;
  options.directory = arguments.directory;
  options.seed = arguments.seed;
  options.storage = storage_kind(arguments.storage);
  torture::KillLoop loop(options);
  Status kept;
  while (loop.kills() < arguments.rounds && kept && !interrupted()) {
    show_progress(fmt::format("kill {}/{}, {} records acknowledged", loop.kills(), arguments.rounds,
                              loop.acknowledged()));
    kept = loop.round();
  }
  // What kept it from killing anyone, and a full disk, say nothing of promises.
  const bool could_not = loop.kills() == 0 || kept.code() == StatusCode::kNoSpace;
  if (!kept && could_not) return clear_progress(), report("torture kill", kept);
  out.line("kill: {} kills, {} records acknowledged, {} violations; the log is left in {}",
           loop.kills(), loop.acknowledged(), kept ? 0 : 1, arguments.directory);
  return finish(arguments,
                {{"torture", "kill"},
                 {"seed", arguments.seed},
                 {"kills", loop.kills()},
                 {"acknowledged", loop.acknowledged()},
                 {"directory", arguments.directory}},
                kept ? std::string() : kept.to_string(), out);
}

}  // namespace cairn::tools
