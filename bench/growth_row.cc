// G: what one commit costs, against the number of live transactions, of resource managers, of
// enlistments in it, and against what the log holds.
#include "answering_managers.h"
#include "bench_log.h"
#include "in_flight.h"
#include "rows.h"

namespace cairn::bench {
namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

// A manager with its surroundings, in which transactions are committed.
struct Surroundings {
  std::unique_ptr<AnsweringManagers> tm;
  std::vector<tm::Transaction> live;  // beside those that are measured
  unsigned members = 2;               // of each transaction
  unsigned first = 0;                 // resource manager of the next one
};

// Commits for a window, each with the next resource managers in turn.
Result<double> commit_for_a_window(benchmark::State& state, const Run& run, Surroundings& in) {
  Members members(in.members);
  std::uint64_t done = 0;
  const auto start = Clock::now();
  const auto until = start + run.window();
  do {
    CAIRN_RETURN_IF_ERROR(in.tm->run_one(members, in.first));
    ++done;
    in.first += in.members;
    if (in.first + in.members > in.tm->count()) in.first = 0;
  } while (Clock::now() < until);
  const double seconds = seconds_since(start);
  state.counters["ns_per_commit"] = seconds / static_cast<double>(done) * 1e9;
  return seconds;
}

using Make = std::function<Result<std::unique_ptr<Surroundings>>()>;

void register_growth(Run& run, const std::string& kind, std::uint64_t at, Make make) {
  register_round("G/" + kind + "-" + std::to_string(at) + "/cairn",
                 [&run, at, make = std::move(make),
                  kept = Kept<Surroundings>()](benchmark::State& state) mutable -> Result<double> {
                   CAIRN_ASSIGN_OR_RETURN(auto* const in, kept.get(run, make));
                   state.counters["at"] = static_cast<double>(at);
                   return commit_for_a_window(state, run, *in);
                 });
}

Result<std::unique_ptr<Surroundings>> in_memory(unsigned managers, unsigned members,
                                                std::size_t live) {
  auto made = std::make_unique<Surroundings>();
  CAIRN_ASSIGN_OR_RETURN(made->tm, AnsweringManagers::start({}, managers));
  made->members = members;
  made->live.resize(live);
  for (auto& transaction : made->live) {
    // With a timeout, as live transactions have.
    CAIRN_ASSIGN_OR_RETURN(
        transaction, made->tm->manager().create_transaction({.timeout = std::chrono::hours(1)}));
  }
  return made;
}

// Another stream holds so many bytes of the log; 256 transactions are on their way.
Result<std::unique_ptr<InFlight>> with_bytes_in_the_log(const std::filesystem::path& directory,
                                                        std::uint64_t bytes) {
  BenchLogShape shape;
  shape.create.container_size = 16 * kMiB;
  shape.containers = static_cast<std::uint32_t>(bytes / shape.create.container_size) + 8;
  CAIRN_ASSIGN_OR_RETURN(BenchLog made, make_bench_log(directory / "log", shape));
  const std::vector<std::byte> payload(64 << 10, std::byte{'r'});
  for (std::uint64_t at = 0; at < bytes; at += payload.size()) {
    CAIRN_RETURN_IF_ERROR(made.stream.append(payload).status());
  }
  CAIRN_RETURN_IF_ERROR(made.log->flush());
  return InFlight::make(std::move(made.log), 256);
}

void register_growth_of_log(Run& run, std::uint64_t mib) {
  const std::string name = "G/log_mib-" + std::to_string(mib);
  register_round(name + "/cairn",
                 [&run, mib, name,
                  kept = Kept<InFlight>()](benchmark::State& state) mutable -> Result<double> {
                   CAIRN_ASSIGN_OR_RETURN(auto* const work, kept.get(run, [&] {
                     return with_bytes_in_the_log(make_directory(run, name), mib * kMiB);
                   }));
                   state.counters["at"] = static_cast<double>(mib);
                   return work->run_for_a_window(state, run);
                 });
}

}  // namespace

void register_growth_row(Run& run) {
  for (const std::size_t live : {1U, 1'000U, 10'000U, 100'000U, 999'000U}) {
    if (run.quick && live > 100'000) continue;
    register_growth(run, "live", live, [=] { return in_memory(2, 2, live); });
  }
  for (const unsigned managers : {2U, 100U, 1'000U, 10'000U, 100'000U}) {
    if (run.quick && managers > 10'000) continue;
    register_growth(run, "managers", managers, [=] { return in_memory(managers, 2, 0); });
  }
  for (const unsigned members : {1U, 10U, 100U, 1'000U, 10'000U}) {
    if (run.quick && members > 1'000) continue;
    register_growth(run, "enlistments", members, [=] { return in_memory(members, members, 0); });
  }
  for (const std::uint64_t mib : {16U, 64U, 256U, 1024U}) {
    if (run.quick && mib > 64) continue;
    register_growth_of_log(run, mib);
  }
}

}  // namespace cairn::bench
