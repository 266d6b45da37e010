#define XXH_INLINE_ALL
#include <unistd.h>

#include <xxhash.h>

#include "bench_log.h"
#include "direct_file.h"
#include "fio.h"
#include "rows.h"

namespace cairn::bench {
namespace {

std::size_t scanned_bytes(const Run& run) { return (run.quick ? std::size_t{64} : 1024) << 20; }

// A log that holds `bytes` of its own bytes, in records of `size`.
Result<std::unique_ptr<BenchLog>> fill_log(const std::filesystem::path& path, std::size_t bytes,
                                           std::size_t size) {
  BenchLogShape shape;
  shape.containers = 4;
  CAIRN_ASSIGN_OR_RETURN(BenchLog made, make_bench_log(path, shape));
  const std::vector<std::byte> payload(size, std::byte{'r'});
  for (Lsn last, first; last.is_null() || last - first < bytes;) {
    CAIRN_ASSIGN_OR_RETURN(last, made.stream.append(payload));
    if (first.is_null()) first = last;
  }
  CAIRN_RETURN_IF_ERROR(made.log->flush());
  return std::make_unique<BenchLog>(std::move(made));
}

Result<double> scan(benchmark::State& state, const BenchLog& log) {
  const auto start = Clock::now();
  CAIRN_ASSIGN_OR_RETURN(log::Cursor cursor, log.log->read());
  double records = 0;
  Lsn first;
  Lsn last;
  while (true) {
    CAIRN_ASSIGN_OR_RETURN(const auto record, cursor.next());
    if (!record) break;
    if (first.is_null()) first = record->lsn;
    last = record->lsn;
    ++records;
  }
  const double seconds = seconds_since(start);
  state.counters["mb_per_s"] = static_cast<double>(last - first) / seconds / 1e6;
  state.counters["records_per_s"] = records / seconds;
  return seconds;
}

}  // namespace

void register_scan_row(Run& run) {
  register_round("S/all/fio", [&run](benchmark::State& state) -> Result<double> {
    const auto file = run.directory / "fio-read";
    if (!std::filesystem::exists(file)) {
      CAIRN_ASSIGN_OR_RETURN(const int made, make_written_file(file, scanned_bytes(run)));
      ::close(made);
    }
    constexpr std::chrono::seconds kDuration{1};
    CAIRN_ASSIGN_OR_RETURN(const double rate, run_fio(FioJob::kRead, file, kDuration));
    state.counters["mb_per_s"] = rate / 1e6;
    return static_cast<double>(kDuration.count());
  });
  register_round("S/all/xxh3", [](benchmark::State& state) -> Result<double> {
    constexpr std::size_t kBytes = std::size_t{256} << 20;  // more than the caches hold
    const AlignedBytes bytes = make_aligned(kBytes);
    const auto start = Clock::now();
    benchmark::DoNotOptimize(XXH3_64bits(bytes.get(), kBytes));
    const double seconds = seconds_since(start);
    state.counters["mb_per_s"] = kBytes / seconds / 1e6;
    return seconds;
  });
  for (const std::size_t size : {128U, 4096U}) {
    const std::string name = "S/" + std::to_string(size) + "B/cairn";
    register_round(name,
                   [&run, name, size,
                    kept = Kept<BenchLog>()](benchmark::State& state) mutable -> Result<double> {
                     CAIRN_ASSIGN_OR_RETURN(BenchLog * log, kept.get(run, [&] {
                       return fill_log(make_directory(run, name) / "log", scanned_bytes(run), size);
                     }));
                     return scan(state, *log);
                   });
  }
}

}  // namespace cairn::bench
