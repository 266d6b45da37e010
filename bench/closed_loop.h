// The closed loop: threads that each do one thing after the other for a window of time; what the
// rows A, T2 and T3 are.
#ifndef CAIRN_BENCH_CLOSED_LOOP_H_
#define CAIRN_BENCH_CLOSED_LOOP_H_

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "rows.h"
#include "subject.h"

namespace cairn::bench {

// Latencies in counters p50_us to p99_9_us. REQUIRES: ascending, not empty.
void count_latencies(benchmark::State& state, const std::vector<std::uint32_t>& ascending_ns);

// A benchmark of this name: `engine` under `workload`, kept open from round to round. Counters:
// what is done per second ("appends_per_s"), latencies, and flushes of the device ("flushes_per_
// append"); `what` is "append" there. A durable engine that shows too few flushes fails the run.
void register_subject(Run& run, const std::string& name, const Engine& engine,
                      const Workload& workload, const std::string& what = "append");

}  // namespace cairn::bench

#endif  // CAIRN_BENCH_CLOSED_LOOP_H_
