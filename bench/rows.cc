#include "rows.h"

#include <algorithm>

namespace cairn::bench {
namespace {

// Of no values, which is what rounds that all failed have: 0.
double least(const std::vector<double>& of) {
  return of.empty() ? 0 : *std::min_element(of.begin(), of.end());
}
double largest(const std::vector<double>& of) {
  return of.empty() ? 0 : *std::max_element(of.begin(), of.end());
}

}  // namespace

void register_round(const std::string& name,
                    std::function<Result<double>(benchmark::State&)> round) {
  benchmark::RegisterBenchmark(name.c_str(),
                               [round = std::move(round)](benchmark::State& state) {
                                 for ([[maybe_unused]] auto _ : state) {
                                   const Result<double> seconds = round(state);
                                   if (!seconds.is_ok()) {
                                     state.SkipWithError(seconds.status().to_string().c_str());
                                     break;
                                   }
                                   state.SetIterationTime(*seconds);
                                 }
                               })
      ->Iterations(1)
      ->UseManualTime()
      ->ComputeStatistics("min", least)
      ->ComputeStatistics("max", largest);
}

std::filesystem::path make_directory(const Run& run, const std::string& name) {
  auto path = run.directory / name;
  std::filesystem::remove_all(path);
  std::filesystem::create_directories(path);
  return path;
}

}  // namespace cairn::bench
