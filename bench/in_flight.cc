#include "in_flight.h"

#include <algorithm>
#include <utility>

#include "closed_loop.h"

namespace cairn::bench {

Result<std::unique_ptr<InFlight>> InFlight::make(std::shared_ptr<log::Log> log, unsigned count) {
  auto made = std::make_unique<InFlight>();
  made->log_ = std::move(log);
  made->slots_.resize(count);
  CAIRN_ASSIGN_OR_RETURN(made->tm_, AnsweringManagers::start({.log = made->log_}, 2));
  return made;
}

Status InFlight::begin(unsigned number) {
  Slot& slot = slots_[number];
  slot.begun = Clock::now();
  slot.owed = 2;
  CAIRN_ASSIGN_OR_RETURN(slot.transaction, tm_->manager().create_transaction());
  for (unsigned i = 0; i < 2; ++i) {
    CAIRN_ASSIGN_OR_RETURN(slot.members[i],
                           (*tm_)[i].enlist(slot.transaction, tm::kTwoPhase, number));
  }
  return slot.transaction.commit_async();
}

Status InFlight::answer(unsigned manager, const tm::Notification& notification) {
  const auto number = static_cast<unsigned>(notification.key);
  Slot& slot = slots_[number];
  CAIRN_RETURN_IF_ERROR(
      AnsweringManagers::answer_at_once(manager, notification.kind, slot.members[manager]));
  if (notification.kind == tm::NotificationKind::kCommit && --slot.owed == 0) {
    completed_.push_back(number);
  }
  return {};
}

Status InFlight::answer() {
  bool any = false;
  for (unsigned manager = 0; manager < 2; ++manager) {
    for (;;) {
      CAIRN_ASSIGN_OR_RETURN(const auto next, (*tm_)[manager].try_get_notification());
      if (!next) break;
      any = true;
      CAIRN_RETURN_IF_ERROR(answer(manager, *next));
    }
  }
  if (any) return {};
  // The last one to be told: what it gets the other has already.
  CAIRN_ASSIGN_OR_RETURN(const auto next, (*tm_)[1].get_notification());
  return answer(1, next);
}

Result<double> InFlight::run_for_a_window(benchmark::State& state, const Run& run) {
  const std::uint64_t flushes_before = run.flushes.now();
  std::vector<std::uint32_t> latencies;
  const auto start = Clock::now();
  const auto until = start + run.window();
  auto left = static_cast<unsigned>(slots_.size());
  for (unsigned slot = 0; slot < slots_.size(); ++slot) CAIRN_RETURN_IF_ERROR(begin(slot));
  while (left > 0) {
    CAIRN_RETURN_IF_ERROR(answer());
    const auto now = Clock::now();
    for (const unsigned slot : std::exchange(completed_, {})) {
      const auto took = std::chrono::nanoseconds(now - slots_[slot].begun).count();
      latencies.push_back(static_cast<std::uint32_t>(std::min<std::int64_t>(took, UINT32_MAX)));
      if (now < until) {
        CAIRN_RETURN_IF_ERROR(begin(slot));
      } else {
        --left;
      }
    }
  }
  const double seconds = seconds_since(start);
  const std::uint64_t flushes = run.flushes.now() - flushes_before;
  CAIRN_RETURN_IF_ERROR(tm_->manager().checkpoint());
  std::sort(latencies.begin(), latencies.end());
  const auto done = static_cast<double>(latencies.size());
  state.counters["transactions_per_s"] = done / seconds;
  state.counters["ns_per_commit"] = seconds / done * 1e9;
  count_latencies(state, latencies);
  if (run.flushes.unavailable().empty()) {
    state.counters["flushes_per_transaction"] = static_cast<double>(flushes) / done;
  }
  return seconds;
}

}  // namespace cairn::bench
