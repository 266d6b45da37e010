// Durable appends by N threads in closed loop, beside the floor of the device: the same threads,
// each writing 4 KiB with O_DIRECT|O_DSYNC into written extents of its own. A result means
// something as a ratio of two rows of one run.
//
//   cairn_bench_append --benchmark_repetitions=5 --benchmark_enable_random_interleaving=true
//
// Files are made below the directory in CAIRN_BENCH_DIR, or the current one, and removed.
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include <cairn/log.h>

namespace {

using cairn::log::CreateOptions;
using cairn::log::Durability;
using cairn::log::Log;
using cairn::log::Stream;

constexpr std::size_t kPayload = 128;
constexpr std::size_t kFloorWrite = 4096;
constexpr std::size_t kFloorSpan = std::size_t{8} << 20;  // bytes each thread writes over

std::filesystem::path bench_path(const std::string& name) {
  const char* directory = std::getenv("CAIRN_BENCH_DIR");
  return std::filesystem::path(directory == nullptr ? "." : directory) / name;
}

// Made by the first thread of a run and used by all of them; the threads meet where the timing
// begins.
struct Shared {
  std::unique_ptr<Log> log;
  Stream stream;
};
Shared shared;

void append_durable(benchmark::State& state) {
  const auto path = bench_path("cairn-bench-log");
  if (state.thread_index() == 0) {
    std::filesystem::remove_all(path);
    CreateOptions options;
    options.alignment = static_cast<std::uint32_t>(state.range(0));
    auto log = Log::create(path, options);
    if (log.is_ok()) {
      shared.log = std::move(log).value();
      shared.stream = *shared.log->create_stream("bench");
    } else {
      state.SkipWithError(log.status().to_string().c_str());
    }
  }
  const std::array<std::byte, kPayload> payload{};
  cairn::log::AppendOptions options;
  options.durability = Durability::kDurable;
  for ([[maybe_unused]] auto _ : state) {
    if (const auto lsn = shared.stream.append(payload, options); !lsn.is_ok()) {
      state.SkipWithError(lsn.status().to_string().c_str());
      break;
    }
  }
  state.SetItemsProcessed(state.iterations());
  if (state.thread_index() == 0 && shared.log != nullptr) {
    const auto statistics = shared.log->statistics();
    state.counters["records_per_write"] =
        static_cast<double>(statistics.records) / static_cast<double>(statistics.blocks);
    shared = {};
    std::filesystem::remove_all(path);
  }
}

struct FreeDeleter {
  void operator()(void* memory) const { std::free(memory); }
};

void floor_pwrite(benchmark::State& state) {
  const auto path = bench_path("cairn-bench-floor-" + std::to_string(state.thread_index()));
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_DIRECT | O_DSYNC, 0600);
  const std::unique_ptr<void, FreeDeleter> block(std::aligned_alloc(4096, kFloorSpan));
  std::fill_n(static_cast<char*>(block.get()), kFloorSpan, 'x');
  if (file < 0 || ::pwrite(file, block.get(), kFloorSpan, 0) != kFloorSpan) {
    state.SkipWithError("the floor's file cannot be written");
  }
  std::size_t offset = 0;
  for ([[maybe_unused]] auto _ : state) {
    if (::pwrite(file, block.get(), kFloorWrite, static_cast<off_t>(offset)) != kFloorWrite) {
      state.SkipWithError("pwrite");
      break;
    }
    offset = (offset + kFloorWrite) % kFloorSpan;
  }
  state.SetItemsProcessed(state.iterations());
  if (file >= 0) ::close(file);
  std::filesystem::remove(path);
}

BENCHMARK(floor_pwrite)->Threads(1)->Threads(4)->Threads(16)->Threads(64)->UseRealTime();
BENCHMARK(append_durable)
    ->ArgName("alignment")
    ->Arg(512)
    ->Arg(4096)
    ->Threads(1)
    ->Threads(4)
    ->Threads(16)
    ->Threads(64)
    ->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
