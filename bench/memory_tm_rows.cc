// T1: transactions in memory. M: what objects take there.
#include <malloc.h>

#include "answering_managers.h"
#include "dying_process.h"
#include "rows.h"

namespace cairn::bench {
namespace {

Result<double> run_for_a_window(benchmark::State& state, const Run& run, AnsweringManagers& tm) {
  Members members(2);
  constexpr int kBetweenLooks = 64;  // at the clock
  std::uint64_t done = 0;
  const auto start = Clock::now();
  const auto until = start + run.window();
  do {
    for (int i = 0; i < kBetweenLooks; ++i) CAIRN_RETURN_IF_ERROR(tm.run_one(members));
    done += kBetweenLooks;
  } while (Clock::now() < until);
  const double seconds = seconds_since(start);
  state.counters["transactions_per_s"] = static_cast<double>(done) / seconds;
  return seconds;
}

double allocated() {
  const auto now = ::mallinfo2();
  return static_cast<double>(now.uordblks + now.hblkhd);
}

// Bytes per resource manager, per transaction, and per enlistment, of so many each. Handles
// included: an embedder that has the object has the handle.
Result<Measured> measure_objects(unsigned transactions, unsigned managers) {
  CAIRN_ASSIGN_OR_RETURN(const auto tm, AnsweringManagers::start({}, 2));
  std::vector<tm::Transaction> live(transactions);
  std::vector<tm::ResourceManager> sessions(managers);
  const double at_first = allocated();
  for (unsigned i = 0; i < managers; ++i) {
    CAIRN_ASSIGN_OR_RETURN(sessions[i], tm->manager().create_resource_manager(
                                            numbered_id(2 + i), tm::RmKind::kVolatile));
  }
  const double with_managers = allocated();
  for (auto& transaction : live) {
    CAIRN_ASSIGN_OR_RETURN(transaction, tm->manager().create_transaction());
  }
  const double with_transactions = allocated();
  std::vector<tm::Enlistment> enlistments(transactions);
  const double before_enlisting = allocated();
  for (unsigned i = 0; i < transactions; ++i) {
    CAIRN_ASSIGN_OR_RETURN(enlistments[i], (*tm)[0].enlist(live[i], tm::kTwoPhase, i));
  }
  const double with_enlistments = allocated();
  return Measured{(with_managers - at_first) / managers,
                  (with_transactions - with_managers) / transactions,
                  (with_enlistments - before_enlisting) / transactions};
}

}  // namespace

void register_memory_tm_rows(Run& run) {
  register_round(
      "T1/2rm/cairn",
      [&run, kept = Kept<AnsweringManagers>()](benchmark::State& state) mutable -> Result<double> {
        CAIRN_ASSIGN_OR_RETURN(auto* const tm,
                               kept.get(run, [] { return AnsweringManagers::start({}, 2); }));
        return run_for_a_window(state, run, *tm);
      });
  register_round("M/objects/cairn", [&run](benchmark::State& state) -> Result<double> {
    const unsigned transactions = run.quick ? 100'000 : 999'000;
    const unsigned managers = run.quick ? 10'000 : 99'000;
    const auto start = Clock::now();
    CAIRN_ASSIGN_OR_RETURN(const Measured bytes, measured_in_a_process_that_dies([&] {
                             return measure_objects(transactions, managers);
                           }));
    state.counters["bytes_per_manager"] = bytes[0];
    state.counters["bytes_per_transaction"] = bytes[1];
    state.counters["bytes_per_enlistment"] = bytes[2];
    state.counters["live_transactions"] = transactions;
    state.counters["live_managers"] = managers;
    return seconds_since(start);
  });
}

}  // namespace cairn::bench
