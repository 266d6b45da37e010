#define XXH_INLINE_ALL
#include <barrier>
#include <cstring>
#include <thread>

#include <xxhash.h>

#include "bench_log.h"
#include "direct_file.h"
#include "rows.h"

namespace cairn::bench {
namespace {

// What one round appends: less than the log keeps in memory, so that no append waits for the
// device.
constexpr std::size_t kBurst = std::size_t{16} << 20;
constexpr std::uint64_t kContainer = std::uint64_t{128} << 20;

// Runs `work(thread)` on that many threads at once and returns the seconds until the last is done.
template <typename Work>
double time_threads(unsigned threads, Work work) {
  std::barrier start(static_cast<std::ptrdiff_t>(threads) + 1);
  std::vector<std::thread> running;
  for (unsigned i = 0; i < threads; ++i) {
    running.emplace_back([&, i] {
      start.arrive_and_wait();
      work(i);
    });
  }
  const auto begin = Clock::now();
  start.arrive_and_wait();
  for (auto& thread : running) thread.join();
  return seconds_since(begin);
}

Result<std::unique_ptr<BenchLog>> make_log(const Run& run) {
  BenchLogShape shape;
  shape.create.container_size = kContainer;
  shape.open.blocks = 32;
  shape.open.depth = 8;
  shape.containers = 4;
  CAIRN_ASSIGN_OR_RETURN(BenchLog made, make_bench_log(make_directory(run, "C") / "log", shape));
  return std::make_unique<BenchLog>(std::move(made));
}

void register_cairn(Run& run, std::shared_ptr<Kept<BenchLog>> kept, const std::string& name,
                    std::size_t size, unsigned threads, std::size_t records) {
  register_round(name, [=, &run](benchmark::State& state) -> Result<double> {
    CAIRN_ASSIGN_OR_RETURN(BenchLog * log, kept->get(run, [&] { return make_log(run); }));
    std::vector<Status> failed(threads);
    const std::uint64_t waits = log->log->statistics().block_waits;
    const double seconds = time_threads(threads, [&](unsigned thread) {
      const std::vector<std::byte> payload(size, std::byte{'r'});
      for (std::size_t i = 0; i < records && failed[thread].is_ok(); ++i) {
        failed[thread] = log->stream.append(payload).status();
      }
    });
    for (const Status& status : failed) CAIRN_RETURN_IF_ERROR(status);
    state.counters["ns_per_record"] = seconds * 1e9 / static_cast<double>(records * threads);
    state.counters["block_waits"] = static_cast<double>(log->log->statistics().block_waits - waits);
    CAIRN_RETURN_IF_ERROR(log->give_space_back());
    return seconds;
  });
}

void register_copy_and_hash(const std::string& name, std::size_t size, unsigned threads,
                            std::size_t records) {
  register_round(name, [=](benchmark::State& state) -> Result<double> {
    std::vector<AlignedBytes> targets;
    for (unsigned i = 0; i < threads; ++i) {
      targets.push_back(make_aligned(records * size + 4096 - records * size % 4096));
    }
    const double seconds = time_threads(threads, [&](unsigned thread) {
      const std::vector<std::byte> payload(size, std::byte{'r'});
      std::byte* to = targets[thread].get();
      for (std::size_t i = 0; i < records; ++i, to += size) {
        std::memcpy(to, payload.data(), size);
        benchmark::DoNotOptimize(XXH3_64bits(to, size));
      }
    });
    state.counters["ns_per_record"] = seconds * 1e9 / static_cast<double>(records * threads);
    return seconds;
  });
}

}  // namespace

void register_memory_row(Run& run) {
  const auto kept = std::make_shared<Kept<BenchLog>>();
  for (const std::size_t size : {128U, 1024U, 4096U}) {
    for (const unsigned threads : {1U, 2U, 4U}) {
      // A record's header is counted as at most 64 bytes.
      const std::size_t records = kBurst / (size + 64) / threads;
      const std::string prefix =
          "C/" + std::to_string(size) + "B-" + std::to_string(threads) + "t/";
      register_copy_and_hash(prefix + "memcpy_xxh3", size, threads, records);
      register_cairn(run, kept, prefix + "cairn", size, threads, records);
    }
  }
}

}  // namespace cairn::bench
