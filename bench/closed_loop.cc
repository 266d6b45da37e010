#include "closed_loop.h"

#include <algorithm>
#include <atomic>
#include <barrier>
#include <mutex>
#include <thread>

namespace cairn::bench {
namespace {

struct ClosedLoop {
  Status status;
  double seconds = 0;
  std::vector<std::uint32_t> latencies_ns;  // ascending
};

// Each thread begins with the next when the one before is done, until the window is over. Lasts
// until the last one is done.
ClosedLoop run_closed_loop(Subject& subject, const Workload& workload,
                           std::chrono::milliseconds window) {
  const std::vector<std::byte> payload(workload.payload, std::byte{'r'});
  std::vector<std::vector<std::uint32_t>> latencies(workload.threads);
  std::atomic<bool> stop{false};
  std::barrier start(static_cast<std::ptrdiff_t>(workload.threads) + 1);
  std::mutex mutex;
  ClosedLoop result;
  const auto loop = [&](unsigned thread) {
    auto& mine = latencies[thread];
    mine.reserve(1U << 14);
    start.arrive_and_wait();
    for (auto before = Clock::now(); !stop.load(std::memory_order_relaxed);) {
      if (const Status status = subject.append(thread, payload); !status) {
        const std::lock_guard lock(mutex);
        result.status = status;
        stop = true;
        return;
      }
      const auto after = Clock::now();
      const auto took = std::chrono::nanoseconds(after - before).count();
      mine.push_back(static_cast<std::uint32_t>(std::min<std::int64_t>(took, UINT32_MAX)));
      before = after;
    }
  };
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < workload.threads; ++i) threads.emplace_back(loop, i);
  start.arrive_and_wait();
  const auto began = Clock::now();
  std::this_thread::sleep_for(window);
  stop = true;
  for (auto& thread : threads) thread.join();
  result.seconds = seconds_since(began);
  for (const auto& of : latencies) {
    result.latencies_ns.insert(result.latencies_ns.end(), of.begin(), of.end());
  }
  std::sort(result.latencies_ns.begin(), result.latencies_ns.end());
  return result;
}

double microseconds_at(const std::vector<std::uint32_t>& ascending, double fraction) {
  const auto last = static_cast<double>(ascending.size() - 1);
  return ascending[static_cast<std::size_t>(last * fraction)] / 1e3;
}

// One thread never shares a flush with another, so what it does is at least one. Some counts
// are missed, since the device counts a flush when it is done.
Status check_flushes(double per_one, const std::string& what, const Workload& workload) {
  const double least = workload.threads == 1 ? 0.9 : 0.9 / workload.threads / 4;
  if (per_one >= least) return {};
  return {StatusCode::kIoError, "does not make its " + what + "s durable: " +
                                    std::to_string(per_one) + " flushes of the device per " + what +
                                    ", expected at least " + std::to_string(least)};
}

Result<double> durable_round(benchmark::State& state, Run& run, Subject& subject,
                             const Workload& workload, const std::string& what, bool durable) {
  const std::uint64_t flushes_before = run.flushes.now();
  const ClosedLoop loop = run_closed_loop(subject, workload, run.window());
  const std::uint64_t flushes = run.flushes.now() - flushes_before;
  CAIRN_RETURN_IF_ERROR(loop.status);
  CAIRN_RETURN_IF_ERROR(subject.end_round());
  const auto done = static_cast<double>(loop.latencies_ns.size());
  state.counters[what + "s_per_s"] = done / loop.seconds;
  count_latencies(state, loop.latencies_ns);
  if (durable && run.flushes.unavailable().empty()) {
    const double per_one = static_cast<double>(flushes) / done;
    state.counters["flushes_per_" + what] = per_one;
    CAIRN_RETURN_IF_ERROR(check_flushes(per_one, what, workload));
  }
  return loop.seconds;
}

}  // namespace

void count_latencies(benchmark::State& state, const std::vector<std::uint32_t>& ascending_ns) {
  state.counters["p50_us"] = microseconds_at(ascending_ns, 0.5);
  state.counters["p90_us"] = microseconds_at(ascending_ns, 0.9);
  state.counters["p99_us"] = microseconds_at(ascending_ns, 0.99);
  state.counters["p99_9_us"] = microseconds_at(ascending_ns, 0.999);
}

void register_subject(Run& run, const std::string& name, const Engine& engine,
                      const Workload& workload, const std::string& what) {
  register_round(name,
                 [&run, name, engine, workload, what,
                  kept = Kept<Subject>()](benchmark::State& state) mutable -> Result<double> {
                   CAIRN_ASSIGN_OR_RETURN(Subject * subject, kept.get(run, [&] {
                     return engine.open(make_directory(run, name), workload);
                   }));
                   return durable_round(state, run, *subject, workload, what, engine.durable);
                 });
}

}  // namespace cairn::bench
