// Crash-tests a recovery of its own with cairn::sim: a counter that is kept in a log. After a crash
// at any I/O, whatever survived of it, the counter is at least what was acknowledged and at most
// what was asked for. Exit 0 if that is so, and if the same test goes red on a storage that lies.
#include <array>
#include <cstdio>
#include <memory>
#include <vector>

#include <cairn/log.h>
#include <cairn/sim/crash_states.h>
#include <cairn/sim/sim_storage.h>

namespace {

using namespace cairn;

// What the program knew at one moment, and the machine as a crash then leaves it.
struct Point {
  std::shared_ptr<sim::SimStorage> frozen;
  unsigned acknowledged = 0;
  unsigned asked = 0;
};

log::OpenOptions options(std::shared_ptr<sim::SimStorage> machine) {
  log::OpenOptions out;
  out.storage = std::move(machine);
  out.background = log::Background::kManual;  // one thread: each run is the same
  return out;
}

// The program under test: counts to 5, one durable record each.
Status count(const std::shared_ptr<sim::SimStorage>& machine, Point& now) {
  log::CreateOptions small;
  small.container_size = log::kMinContainerSize;
  CAIRN_ASSIGN_OR_RETURN(const auto log,
                         log::Log::open_or_create("counter", small, options(machine)));
  CAIRN_ASSIGN_OR_RETURN(log::Stream stream, log->open_or_create_stream("counter"));
  while (now.asked < 5) {
    ++now.asked;
    const std::array<std::byte, 1> one{std::byte{1}};
    CAIRN_RETURN_IF_ERROR(stream.append(one, {.durability = log::Durability::kDurable}).status());
    ++now.acknowledged;
  }
  return log->close();
}

// Its recovery: how far did it count?
Result<unsigned> recover(const std::shared_ptr<sim::SimStorage>& machine) {
  const auto log = log::Log::open("counter", options(machine));
  if (log.code() == StatusCode::kNotFound || log.code() == StatusCode::kNotALog) return 0U;
  CAIRN_RETURN_IF_ERROR(log.status());
  const auto stream = (*log)->open_stream("counter");
  if (stream.code() == StatusCode::kNotFound) return 0U;
  CAIRN_RETURN_IF_ERROR(stream.status());
  CAIRN_ASSIGN_OR_RETURN(log::Cursor cursor, stream->read());
  for (unsigned found = 0;; ++found) {
    CAIRN_ASSIGN_OR_RETURN(const auto record, cursor.next());
    if (!record) return found;
  }
}

// How many states were tried, and how many of them broke the promise.
struct Outcome {
  unsigned states = 0;
  unsigned broken = 0;
};

Outcome crash_everywhere(const sim::Lies& lies) {
  const auto machine = std::make_shared<sim::SimStorage>(sim::SimOptions{.seed = 7});
  machine->set_lies(lies);
  std::vector<Point> points;
  Point now;
  machine->set_observer([&](const sim::IoEvent&, const auto& frozen) {
    points.push_back({frozen, now.acknowledged, now.asked});
  });
  const Status counted = count(machine, now);
  machine->set_observer(nullptr);
  Outcome outcome;
  if (!counted) std::fprintf(stderr, "%s\n", counted.to_string().c_str());
  outcome.broken = counted ? 0 : 1;
  for (const Point& point : points) {
    for (const auto& state : sim::crash_states(point.frozen->pending().size(), {}, 7)) {
      const auto found = recover(point.frozen->after_crash(state.choice, state.seed));
      ++outcome.states;
      if (!found || *found < point.acknowledged || *found > point.asked) ++outcome.broken;
    }
  }
  return outcome;
}

}  // namespace

int main() {
  const Outcome honest = crash_everywhere({});
  const Outcome lying = crash_everywhere({.durable_writes = true, .syncs = true});
  std::printf("%u states, %u broke the promise; on a storage that lies %u of %u\n", honest.states,
              honest.broken, lying.broken, lying.states);
  return honest.states > 100 && honest.broken == 0 && lying.broken > 0 ? 0 : 1;
}
