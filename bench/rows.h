// The rows of the comparison, and what they share. Each registers its benchmarks with Google
// Benchmark, named ROW/CASE/SUBJECT: "A16/128B/cairn". One iteration is one round: a window of
// time, or a burst, of all its threads together, timed by itself.
#ifndef CAIRN_BENCH_ROWS_H_
#define CAIRN_BENCH_ROWS_H_

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include <cairn/result.h>

#include "flush_count.h"

namespace cairn::bench {

// What all rows of one run know.
struct Run {
  std::filesystem::path directory;  // for files; each benchmark uses one of its own below it
  bool quick = false;               // short windows, small logs
  std::string bitronix{};           // Java's class path to it and to our class; empty: not run
  FlushCount flushes{directory};
  // What benchmarks keep open from one round to the next; closed in the reverse order of opening.
  std::vector<std::shared_ptr<void>> kept{};

  [[nodiscard]] std::chrono::milliseconds window() const {
    return std::chrono::milliseconds(quick ? 150 : 1000);
  }
};

using Clock = std::chrono::steady_clock;
[[nodiscard]] inline double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// A benchmark with one iteration per round, whose time the round states itself, and with the least
// and largest round beside the median. An error ends the round, is shown, and fails the run.
// `round` sets counters and returns the seconds it took.
void register_round(const std::string& name,
                    std::function<Result<double>(benchmark::State&)> round);

// Makes an empty directory of this name below the run's.
[[nodiscard]] std::filesystem::path make_directory(const Run& run, const std::string& name);

// Makes `T` with `make` at the first round, and keeps it for the later ones.
template <typename T>
class Kept {
 public:
  template <typename Make>  // -> Result<std::unique_ptr<T>>
  Result<T*> get(Run& run, Make make) {
    if (value_ == nullptr) {
      CAIRN_ASSIGN_OR_RETURN(std::shared_ptr<T> made, Result<std::shared_ptr<T>>(share(make())));
      value_ = made.get();
      run.kept.push_back(std::move(made));
    }
    return value_;
  }

 private:
  static Result<std::shared_ptr<T>> share(Result<std::unique_ptr<T>> made) {
    if (!made.is_ok()) return made.status();
    return std::shared_ptr<T>(std::move(made).value());
  }
  T* value_ = nullptr;
};

// A1 to A256: durable appends in closed loop, by each engine.
void register_durable_rows(Run& run);
// B: a stream of appends with callbacks, and fio writing in sequence.
void register_stream_row(Run& run);
// C: appends without durability, and memcpy with XXH3.
void register_memory_row(Run& run);
// S: a scan with verification, fio reading in sequence, and XXH3 alone.
void register_scan_row(Run& run);
// O: opening a log that was not closed.
void register_open_row(Run& run);
// T1: transactions in memory. M: bytes per object.
void register_memory_tm_rows(Run& run);
// T2: durable transactions. T3: of resource managers that log, in the manager's log or their own.
void register_durable_tm_rows(Run& run);
// Its peer that is no library; none if Run::bitronix is empty.
void register_bitronix(Run& run, unsigned threads);
// T2P: durable transactions over databases of PostgreSQL.
void register_postgres_row(Run& run);
// R: recovery of transactions in doubt.
void register_recovery_row(Run& run);
// G: what a commit costs as everything around it grows.
void register_growth_row(Run& run);

}  // namespace cairn::bench

#endif  // CAIRN_BENCH_ROWS_H_
