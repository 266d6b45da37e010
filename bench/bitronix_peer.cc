// Bitronix in row T2: a process of its own (peers/BitronixPeer.java), whose round is its window.
#include <cstdio>

#include "rows.h"

namespace cairn::bench {
namespace {

constexpr unsigned kWarmUpMs = 1500;  // its code is compiled while it runs

struct Told {
  unsigned long long transactions = 0;
  double seconds = 0, p50 = 0, p90 = 0, p99 = 0, p99_9 = 0;
};

// Runs it to its end. The classpath and the directory come from this program's caller.
Result<Told> run_it(const std::string& command) {
  std::FILE* const output = ::popen(command.c_str(), "r");
  if (output == nullptr) return Status(StatusCode::kIoError, "popen: " + command);
  Told told;
  const int fields = std::fscanf(output, "%llu %lf %lf %lf %lf %lf", &told.transactions,
                                 &told.seconds, &told.p50, &told.p90, &told.p99, &told.p99_9);
  const int status = ::pclose(output);
  if (fields != 6 || status != 0 || told.transactions == 0) {
    return Status(StatusCode::kIoError, "failed; standard error says why: " + command);
  }
  return told;
}

}  // namespace

void register_bitronix(Run& run, unsigned threads) {
  if (run.bitronix.empty()) return;
  const std::string name = "T2/" + std::to_string(threads) + "/bitronix";
  register_round(name, [&run, name, threads](benchmark::State& state) -> Result<double> {
    const auto directory = make_directory(run, name);
    const std::uint64_t flushes_before = run.flushes.now();
    CAIRN_ASSIGN_OR_RETURN(
        const Told told,
        run_it("java -cp '" + run.bitronix + "' BitronixPeer '" + directory.string() + "' " +
               std::to_string(threads) + " " + std::to_string(kWarmUpMs) + " " +
               std::to_string(run.window().count())));
    if (run.flushes.unavailable().empty() && run.flushes.now() == flushes_before) {
      return Status(StatusCode::kIoError, "does not make its transactions durable");
    }
    state.counters["transactions_per_s"] = static_cast<double>(told.transactions) / told.seconds;
    state.counters["p50_us"] = told.p50;
    state.counters["p90_us"] = told.p90;
    state.counters["p99_us"] = told.p99;
    state.counters["p99_9_us"] = told.p99_9;
    return told.seconds;
  });
}

}  // namespace cairn::bench
