#include <unistd.h>

#include <atomic>
#include <thread>

#include "bench_log.h"
#include "direct_file.h"
#include "fio.h"
#include "rows.h"

namespace cairn::bench {
namespace {

constexpr std::uint64_t kContainer = std::uint64_t{64} << 20;
constexpr std::size_t kFioFile = std::size_t{128} << 20;
// Appended and not yet called back about, of all threads together.
constexpr std::uint64_t kMostInFlight = 16384;
constexpr unsigned kBatch = 64;

// Gives space back while a stream of records is written, as a client with checkpoints does: the
// base follows the durable end, a container behind it.
class BaseFollower {
 public:
  explicit BaseFollower(BenchLog& log) : log_(log) {
    auto watch = log.log->watch_growth(kContainer, [this](Status status, Lsn durable) {
      if (!status) return;
      wanted_ = durable.value();
      wanted_.notify_one();
    });
    status_ = watch.status();
    if (watch.is_ok()) watch_ = std::move(watch).value();
    thread_ = std::thread([this] { follow(); });
  }
  ~BaseFollower() {
    watch_.end();
    wanted_ = kEnd;
    wanted_.notify_one();
    thread_.join();
  }

  // OK, or why the base does not follow.
  [[nodiscard]] const Status& status() const { return status_; }

 private:
  static constexpr std::uint64_t kEnd = ~std::uint64_t{0};

  void follow() {
    for (std::uint64_t seen = 0; seen != kEnd;) {
      wanted_.wait(seen);
      seen = wanted_;
      // A failure shows in the appends, which then find the log full or poisoned.
      if (seen != kEnd && !log_.stream.advance_base(Lsn(seen))) return;
    }
  }

  BenchLog& log_;
  std::atomic<std::uint64_t> wanted_{0};
  log::GrowthWatch watch_;
  Status status_;
  std::thread thread_;
};

// Each on a cache line of its own: what is measured is not how threads count.
struct Counts {
  alignas(64) std::atomic<std::uint64_t> appended{0};
  alignas(64) std::atomic<std::uint64_t> called_back{0};
  alignas(64) std::atomic<std::uint64_t> failed{0};
};

void append_until(Clock::time_point end, BenchLog& log, std::size_t size, Counts& counts) {
  const std::vector<std::byte> payload(size, std::byte{'r'});
  const auto on_durable = [&counts](const Status& status) {
    if (!status) ++counts.failed;
    const auto before = counts.called_back.fetch_add(1, std::memory_order_release);
    if (before % (kMostInFlight / 4) == 0) counts.called_back.notify_all();
  };
  while (Clock::now() < end && counts.failed == 0) {
    counts.appended += kBatch;  // before the first of them can be called back about
    for (unsigned i = 0; i < kBatch; ++i) {
      if (!log.stream.append(payload, {}, on_durable).is_ok()) {
        ++counts.failed;
        return;
      }
    }
    for (auto done = counts.called_back.load(); counts.appended - done > kMostInFlight;
         done = counts.called_back.load()) {
      counts.called_back.wait(done);
    }
  }
}

Result<double> stream_round(benchmark::State& state, Run& run, BenchLog& log, unsigned threads,
                            std::size_t size) {
  Counts counts;
  const std::uint64_t flushes_before = run.flushes.now();
  double seconds = 0;
  {
    const BaseFollower follower(log);
    CAIRN_RETURN_IF_ERROR(follower.status());
    const auto start = Clock::now();
    std::vector<std::thread> producers;
    for (unsigned i = 0; i < threads; ++i) {
      producers.emplace_back([&] { append_until(start + run.window(), log, size, counts); });
    }
    for (auto& producer : producers) producer.join();
    CAIRN_RETURN_IF_ERROR(log.log->flush());
    for (auto done = counts.called_back.load(); done < counts.appended;
         done = counts.called_back.load()) {
      std::this_thread::yield();
    }
    seconds = seconds_since(start);
  }
  if (counts.failed != 0) {
    const Status health = log.log->health();
    return health ? Status(StatusCode::kIoError, "an append failed; is the log full?") : health;
  }
  const auto records = static_cast<double>(counts.appended.load());
  state.counters["records_per_s"] = records / seconds;
  state.counters["mb_per_s"] = records * static_cast<double>(size) / seconds / 1e6;
  if (run.flushes.unavailable().empty()) {
    const auto flushes = static_cast<double>(run.flushes.now() - flushes_before);
    state.counters["flushes_per_append"] = flushes / records;
    if (flushes < 1) return Status(StatusCode::kIoError, "the device was never flushed");
  }
  CAIRN_RETURN_IF_ERROR(log.give_space_back());
  return seconds;
}

Result<std::unique_ptr<BenchLog>> make_log(const Run& run) {
  BenchLogShape shape;
  shape.create.container_size = kContainer;
  shape.open.blocks = 16;
  shape.open.depth = 8;
  shape.containers = 8;
  CAIRN_ASSIGN_OR_RETURN(BenchLog made, make_bench_log(make_directory(run, "B") / "log", shape));
  return std::make_unique<BenchLog>(std::move(made));
}

}  // namespace

void register_stream_row(Run& run) {
  for (const auto& [subject, job] :
       {std::pair{"fio", FioJob::kWrite}, std::pair{"fio_dsync", FioJob::kWriteDurable}}) {
    const std::string name = std::string("B/all/") + subject;
    register_round(name, [&run, name, job](benchmark::State& state) -> Result<double> {
      const auto file = run.directory / "fio-write";
      if (!std::filesystem::exists(file)) {
        CAIRN_ASSIGN_OR_RETURN(const int made, make_written_file(file, kFioFile));
        ::close(made);
      }
      constexpr std::chrono::seconds kShort{1};
      constexpr std::chrono::seconds kLong{2};
      const auto duration = run.quick ? kShort : kLong;
      CAIRN_ASSIGN_OR_RETURN(const double rate, run_fio(job, file, duration));
      state.counters["mb_per_s"] = rate / 1e6;
      return static_cast<double>(duration.count());
    });
  }
  const auto kept = std::make_shared<Kept<BenchLog>>();
  for (const std::size_t size : {128U, 1024U, 4096U, 65536U}) {
    for (const unsigned threads : {1U, 2U}) {
      const std::string name =
          "B/" + std::to_string(size) + "B-" + std::to_string(threads) + "t/cairn";
      register_round(name, [=, &run](benchmark::State& state) -> Result<double> {
        CAIRN_ASSIGN_OR_RETURN(BenchLog * log, kept->get(run, [&] { return make_log(run); }));
        return stream_round(state, run, *log, threads, size);
      });
    }
  }
}

}  // namespace cairn::bench
