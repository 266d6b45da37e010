// cairn_bench: one run of some rows; tools/bench is what runs it. Beside the options of Google
// Benchmark:
//   --directory=DIR   where files go; must exist. They stay there: the caller removes them.
//   --quick           short windows, small logs, 128 bytes only
//   --bitronix=PATH   Java's class path to Bitronix and peers/BitronixPeer.java, compiled
#include <cstdio>
#include <cstring>
#include <ranges>

#include "rows.h"
#include "subject.h"

namespace {

constexpr const char kDirectory[] = "--directory=";
constexpr const char kBitronix[] = "--bitronix=";

// Takes the options that are not Google Benchmark's out of the arguments. Exits where there is no
// directory.
cairn::bench::Run take_options(int& count, char** arguments) {
  std::filesystem::path directory;
  std::string bitronix;
  bool quick = false;
  int kept = 1;
  for (int i = 1; i < count; ++i) {
    if (std::strcmp(arguments[i], "--quick") == 0) {
      quick = true;
    } else if (std::strncmp(arguments[i], kDirectory, sizeof kDirectory - 1) == 0) {
      directory = arguments[i] + sizeof kDirectory - 1;
    } else if (std::strncmp(arguments[i], kBitronix, sizeof kBitronix - 1) == 0) {
      bitronix = arguments[i] + sizeof kBitronix - 1;
    } else {
      arguments[kept++] = arguments[i];
    }
  }
  count = kept;
  if (!std::filesystem::is_directory(directory)) {
    std::fprintf(stderr, "cairn_bench: %sDIR: an existing directory expected, found '%s'\n",
                 kDirectory, directory.c_str());
    std::exit(2);
  }
  return {.directory = directory, .quick = quick, .bitronix = bitronix};
}

}  // namespace

int main(int argc, char** argv) {
  cairn::bench::Run run = take_options(argc, argv);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  for (const auto& engine : cairn::bench::engines()) {
    if (!engine.version.empty()) benchmark::AddCustomContext(engine.name, engine.version);
  }
  benchmark::AddCustomContext("device", run.flushes.device());
  benchmark::AddCustomContext("flushes_unavailable", run.flushes.unavailable());
  cairn::bench::register_durable_rows(run);
  cairn::bench::register_stream_row(run);
  cairn::bench::register_memory_row(run);
  cairn::bench::register_scan_row(run);
  cairn::bench::register_open_row(run);
  cairn::bench::register_memory_tm_rows(run);
  cairn::bench::register_durable_tm_rows(run);
#ifdef CAIRN_BENCH_POSTGRES
  cairn::bench::register_postgres_row(run);
#endif
  cairn::bench::register_recovery_row(run);
  cairn::bench::register_growth_row(run);
  const std::size_t done = benchmark::RunSpecifiedBenchmarks();
  for (auto& kept : run.kept | std::views::reverse) kept.reset();
  benchmark::Shutdown();
  return done == 0 ? 2 : 0;
}
