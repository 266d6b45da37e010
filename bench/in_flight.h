// InFlight: one thread that keeps a number of durable transactions on their way.
#ifndef CAIRN_BENCH_IN_FLIGHT_H_
#define CAIRN_BENCH_IN_FLIGHT_H_

#include <memory>
#include <vector>

#include "answering_managers.h"
#include "rows.h"

namespace cairn::bench {

// It waits for none of them alone: it answers what comes, and when one is completed begins the
// next in its place.
class InFlight {
 public:
  [[nodiscard]] static Result<std::unique_ptr<InFlight>> make(std::shared_ptr<log::Log> log,
                                                              unsigned count);

  // One round; lasts until the last one is completed. Counters as of a closed loop.
  [[nodiscard]] Result<double> run_for_a_window(benchmark::State& state, const Run& run);

 private:
  struct Slot {
    Members members{2};
    tm::Transaction transaction;
    unsigned owed = 0;  // commits that its members have yet to answer
    Clock::time_point begun;
  };

  [[nodiscard]] Status begin(unsigned slot);
  // Answers what is there; waits for something first if there is nothing.
  [[nodiscard]] Status answer();
  [[nodiscard]] Status answer(unsigned manager, const tm::Notification& notification);

  std::shared_ptr<log::Log> log_;
  std::vector<Slot> slots_;
  std::vector<unsigned> completed_;  // slots
  std::unique_ptr<AnsweringManagers> tm_;
};

}  // namespace cairn::bench

#endif  // CAIRN_BENCH_IN_FLIGHT_H_
