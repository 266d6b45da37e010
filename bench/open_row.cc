#include <deque>

#include "bench_log.h"
#include "dying_process.h"
#include "rows.h"

namespace cairn::bench {
namespace {

constexpr std::uint64_t kContainer = std::uint64_t{4} << 20;
constexpr std::size_t kPayload = 1024;
constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

// Appends until `ever` bytes of the log were used, with the base `live` bytes behind the end, and
// leaves the log with appends that nobody waited for. All such logs end as far behind their newest
// snapshot: it is written when a container is entered, and here it is known when that is.
Result<double> write_and_die(const std::filesystem::path& path, std::uint64_t live,
                             std::uint64_t ever) {
  const auto start = Clock::now();
  BenchLogShape shape;
  shape.create.container_size = kContainer;
  shape.containers = 8;
  shape.open.background = log::Background::kManual;
  CAIRN_ASSIGN_OR_RETURN(BenchLog log, make_bench_log(path, shape));
  const std::vector<std::byte> payload(kPayload, std::byte{'r'});
  std::deque<Lsn> marks;  // one in each container's length
  const Lsn first = log.log->end_lsn();
  std::uint64_t container = first.container(kContainer);
  for (Lsn last = first; last - first < ever;) {
    CAIRN_ASSIGN_OR_RETURN(last, log.stream.append(payload));
    if (last.container(kContainer) != container) {
      container = last.container(kContainer);
      CAIRN_RETURN_IF_ERROR(log.log->run_background());
    }
    if (marks.empty() || last - marks.back() >= kContainer) {
      marks.push_back(last);
      while (last - marks.front() > live) marks.pop_front();
      CAIRN_RETURN_IF_ERROR(log.stream.advance_base(marks.front()));
    }
  }
  CAIRN_RETURN_IF_ERROR(log.log->flush());
  CAIRN_RETURN_IF_ERROR(log.stream.append(payload).status());
  const double seconds = seconds_since(start);
  // Only the end of the process may end the log: its destructor would close it.
  (void)new BenchLog(std::move(log));
  return seconds;
}

Result<double> open_and_die(const std::filesystem::path& path) {
  const auto start = Clock::now();
  CAIRN_ASSIGN_OR_RETURN(auto log, log::Log::open(path.string()));
  const double seconds = seconds_since(start);
  (void)log.release();
  return seconds;
}

void register_open(Run& run, const std::string& name, std::uint64_t live, std::uint64_t ever) {
  register_round(name, [=, &run, made = false](benchmark::State& state) mutable -> Result<double> {
    const auto path = run.directory / name / "log";
    if (!made) {
      (void)make_directory(run, name);
      CAIRN_RETURN_IF_ERROR(
          in_a_process_that_dies([&] { return write_and_die(path, live, ever); }).status());
      made = true;
    }
    const auto copy = run.directory / name / "copy";
    CAIRN_RETURN_IF_ERROR(copy_log(path, copy));
    CAIRN_ASSIGN_OR_RETURN(const double seconds,
                           in_a_process_that_dies([&] { return open_and_die(copy); }));
    state.counters["open_ms"] = seconds * 1e3;
    state.counters["live_mib"] = static_cast<double>(live / kMiB);
    state.counters["ever_mib"] = static_cast<double>(ever / kMiB);
    return seconds;
  });
}

}  // namespace

void register_open_row(Run& run) {
  constexpr std::uint64_t kLive = 16;
  for (const std::uint64_t ever : {32U, 128U, 512U, 2048U}) {
    if (run.quick && ever > 128) continue;
    register_open(run, "O/ever-" + std::to_string(ever) + "MiB/cairn", kLive * kMiB, ever * kMiB);
  }
  for (const std::uint64_t live : {16U, 64U, 256U, 512U}) {
    if (run.quick && live > 64) continue;
    register_open(run, "O/live-" + std::to_string(live) + "MiB/cairn", live * kMiB, live * kMiB);
  }
}

}  // namespace cairn::bench
