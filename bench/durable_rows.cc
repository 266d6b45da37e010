#include <algorithm>
#include <atomic>
#include <barrier>
#include <mutex>
#include <thread>

#include "rows.h"
#include "subject.h"

namespace cairn::bench {
namespace {

struct ClosedLoop {
  Status status;
  double seconds = 0;
  std::vector<std::uint32_t> latencies_ns;  // one per append, ascending
};

// Each thread appends, waits, appends, until the window is over. Lasts until the last one is done.
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

// One thread never shares a flush with another, so each of its appends is at least one. Some counts
// are missed, since the device counts a flush when it is done.
Status check_flushes(double per_append, const Workload& workload) {
  const double least = workload.threads == 1 ? 0.9 : 0.9 / workload.threads / 4;
  if (per_append >= least) return {};
  return {StatusCode::kIoError, "does not make its appends durable: " + std::to_string(per_append) +
                                    " flushes of the device per append, expected at least " +
                                    std::to_string(least)};
}

Result<double> durable_round(benchmark::State& state, Run& run, Subject& subject,
                             const Workload& workload, bool durable) {
  const std::uint64_t flushes_before = run.flushes.now();
  const ClosedLoop loop = run_closed_loop(subject, workload, run.window());
  const std::uint64_t flushes = run.flushes.now() - flushes_before;
  CAIRN_RETURN_IF_ERROR(loop.status);
  CAIRN_RETURN_IF_ERROR(subject.end_round());
  const auto appends = static_cast<double>(loop.latencies_ns.size());
  state.counters["appends_per_s"] = appends / loop.seconds;
  state.counters["p50_us"] = microseconds_at(loop.latencies_ns, 0.5);
  state.counters["p90_us"] = microseconds_at(loop.latencies_ns, 0.9);
  state.counters["p99_us"] = microseconds_at(loop.latencies_ns, 0.99);
  state.counters["p99_9_us"] = microseconds_at(loop.latencies_ns, 0.999);
  if (durable && run.flushes.unavailable().empty()) {
    const double per_append = static_cast<double>(flushes) / appends;
    state.counters["flushes_per_append"] = per_append;
    CAIRN_RETURN_IF_ERROR(check_flushes(per_append, workload));
  }
  return loop.seconds;
}

void register_subject(Run& run, const std::string& name, const Engine& engine,
                      const Workload& workload) {
  register_round(name,
                 [&run, name, engine, workload,
                  kept = Kept<Subject>()](benchmark::State& state) mutable -> Result<double> {
                   CAIRN_ASSIGN_OR_RETURN(Subject * subject, kept.get(run, [&] {
                     return engine.open(make_directory(run, name), workload);
                   }));
                   return durable_round(state, run, *subject, workload, engine.durable);
                 });
}

}  // namespace

void register_durable_rows(Run& run) {
  for (const unsigned threads : {1U, 4U, 16U, 64U, 256U}) {
    for (const std::size_t payload : {std::size_t{128}, std::size_t{4096}}) {
      if (run.quick && payload != 128) continue;
      const std::string prefix =
          "A" + std::to_string(threads) + "/" + std::to_string(payload) + "B/";
      for (const Engine& engine : engines()) {
        register_subject(run, prefix + engine.name, engine,
                         {.threads = threads, .payload = payload});
      }
      // What one flush takes, in the same minute: the physical limit is the threads divided by it.
      if (threads > 1) {
        register_subject(run, prefix + "floor_1_thread", floor_engine(),
                         {.threads = 1, .payload = payload});
        register_subject(run, prefix + "wakeups", wakeups_engine(),
                         {.threads = threads, .payload = payload});
      }
    }
  }
}

}  // namespace cairn::bench
