// R: recovery of transactions that are in doubt: promised to a superior that has not decided.
#include <malloc.h>

#include "answering_managers.h"
#include "bench_log.h"
#include "dying_process.h"
#include "rows.h"

namespace cairn::bench {
namespace {

constexpr unsigned kSuperiors = 0;  // the resource manager whose enlistments are superiors
constexpr unsigned kWorkers = 1;    // and the one below
constexpr std::uint32_t kMostSpares = 1024;

Status promise(AnsweringManagers& tm, std::vector<tm::Transaction>& transactions,
               std::vector<tm::Enlistment>& superiors, Members& members) {
  for (std::size_t i = 0; i < transactions.size(); ++i) {
    CAIRN_ASSIGN_OR_RETURN(transactions[i], tm.manager().create_transaction());
    CAIRN_ASSIGN_OR_RETURN(
        superiors[i], tm[kSuperiors].enlist(transactions[i], tm::kSuperior, 0, {.superior = true}));
    CAIRN_ASSIGN_OR_RETURN(members[i],
                           tm[kWorkers].enlist(transactions[i], tm::kTwoPhase,
                                               reinterpret_cast<std::uintptr_t>(&members[i])));
    CAIRN_RETURN_IF_ERROR(superiors[i].superior_prepare());
    CAIRN_RETURN_IF_ERROR(tm.answer(kWorkers, 1));
  }
  return {};
}

// Leaves a log with so many transactions in doubt, each with its superior and one resource manager.
Result<double> promise_and_die(const std::filesystem::path& path, unsigned count) {
  const auto start = Clock::now();
  BenchLogShape shape;
  shape.create.container_size = std::uint64_t{64} << 20;
  CAIRN_ASSIGN_OR_RETURN(BenchLog made, make_bench_log(path, shape));
  const std::shared_ptr<log::Log> log(std::move(made.log));
  // What is promised has room in the log. The containers for it are free ones to the next opening:
  // what that gives back as too many, recovery must make again.
  log::Policies policies = log->policies();
  policies.spare_max = kMostSpares;
  CAIRN_RETURN_IF_ERROR(log->set_policies(policies));
  CAIRN_ASSIGN_OR_RETURN(auto tm, AnsweringManagers::start({.log = log}, 2));
  std::vector<tm::Transaction> transactions(count);
  std::vector<tm::Enlistment> superiors(count);
  Members members(count);
  CAIRN_RETURN_IF_ERROR(promise(*tm, transactions, superiors, members));
  CAIRN_RETURN_IF_ERROR(log->flush());
  const double seconds = seconds_since(start);
  // Only the end of the process may end them: their destructors would roll back and close.
  (void)new auto(std::move(transactions));
  (void)new auto(std::move(superiors));
  (void)new auto(std::move(members));
  (void)tm.release();
  return seconds;
}

double allocated() {
  const auto now = ::mallinfo2();
  return static_cast<double>(now.uordblks + now.hblkhd);
}

// Reads every record of the manager's stream from its base on, as recovery must; its bytes.
Result<std::uint64_t> scan(log::Log& log) {
  CAIRN_ASSIGN_OR_RETURN(log::Stream stream, log.open_stream("tm"));
  log::ReadOptions options;
  options.start = stream.base();
  CAIRN_ASSIGN_OR_RETURN(log::Cursor cursor, stream.read(options));
  std::uint64_t bytes = 0;
  for (;;) {
    CAIRN_ASSIGN_OR_RETURN(const auto record, cursor.next());
    if (!record) return bytes;
    bytes += record->payload.size();
  }
}

// Seconds of the scan and of the whole recovery, bytes of memory that are left of it, and how many
// transactions there were.
Result<Measured> recover_and_die(const std::filesystem::path& path) {
  CAIRN_ASSIGN_OR_RETURN(auto opened, log::Log::open(path.string()));
  const std::shared_ptr<log::Log> log(std::move(opened));
  auto start = Clock::now();
  CAIRN_RETURN_IF_ERROR(scan(*log).status());
  const double scanned = seconds_since(start);
  CAIRN_ASSIGN_OR_RETURN(auto tm, tm::TransactionManager::open({.log = log}));
  const double before = allocated();
  start = Clock::now();
  double found = 0;
  {
    CAIRN_ASSIGN_OR_RETURN(const auto report, tm.recover());
    found = static_cast<double>(report.in_doubt.size());
  }
  const double recovered = seconds_since(start);
  const double after = allocated();
  (void)new auto(std::move(tm));
  return Measured{scanned, recovered, after - before, found};
}

void register_recovery(Run& run, unsigned count) {
  const std::string name = "R/" + std::to_string(count) + "/cairn";
  register_round(name, [=, &run, made = false](benchmark::State& state) mutable -> Result<double> {
    const auto path = run.directory / name / "log";
    if (!made) {
      (void)make_directory(run, name);
      CAIRN_RETURN_IF_ERROR(
          in_a_process_that_dies([&] { return promise_and_die(path, count); }).status());
      made = true;
    }
    const auto copy = run.directory / name / "copy";
    CAIRN_RETURN_IF_ERROR(copy_log(path, copy));
    CAIRN_ASSIGN_OR_RETURN(const Measured measured,
                           measured_in_a_process_that_dies([&] { return recover_and_die(copy); }));
    const auto [scanned, recovered, bytes, found] = measured;
    if (found != count) {
      return Status(StatusCode::kInvalidState,
                    std::to_string(found) + " in doubt, expected " + std::to_string(count));
    }
    state.counters["recover_ms"] = recovered * 1e3;
    state.counters["scan_ms"] = scanned * 1e3;
    state.counters["after_scan_ms"] = (recovered - scanned) * 1e3;
    state.counters["bytes_per_transaction"] = bytes / count;
    return recovered;
  });
}

}  // namespace

void register_recovery_row(Run& run) {
  for (const unsigned count : {10'000U, 100'000U, 1'000'000U}) {
    if (run.quick && count > 100'000) continue;
    register_recovery(run, count);
  }
}

}  // namespace cairn::bench
