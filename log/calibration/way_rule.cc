#include "calibration/way_rule.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <utility>

namespace cairn::log {
namespace {

// A device that does one write at a time makes one in flight wait 0.4 of what four wait; one that
// does two, 0.6. What does four or more at a time makes others wait 0.85 at least (decision 0056).
constexpr double kOtherDepth = 5.0 / 8;  // step 1
constexpr double kOtherWay = 2.0 / 3;    // step 2

// Less is better, as with times.
std::vector<double> large_cost(const WaySamples& samples) {
  std::vector<double> cost;
  for (const double speed : samples.large_kib_per_second) cost.push_back(1 / std::max(speed, 1e-9));
  return cost;
}

using Samples = std::vector<const WaySamples*>;

// The one that writes large blocks fastest; null: none was measured.
const WaySamples* fastest_large(const Samples& ways) {
  const WaySamples* best = nullptr;
  for (const WaySamples* way : ways) {
    if (way->large_kib_per_second.empty()) continue;
    if (best == nullptr || median(large_cost(*way)) < median(large_cost(*best))) best = way;
  }
  return best;
}

int distance(std::uint32_t depth, std::uint32_t other) {
  return std::abs(static_cast<int>(std::bit_width(depth)) -
                  static_cast<int>(std::bit_width(other)));
}

// The one that runs if none is better: of the depth nearest to `depth` (of two, the smaller one).
const WaySamples* nearest(const Samples& ways, std::uint32_t depth) {
  return *std::ranges::min_element(ways, {}, [&](const WaySamples* way) {
    return std::pair(distance(way->way.depth, depth), way->way.depth);
  });
}

bool slower_in_large(const WaySamples& way, const WaySamples& than) {
  return !way.large_kib_per_second.empty() && clearly_less(large_cost(than), large_cost(way));
}

// Step 1. Null: none was measured.
const WaySamples* choose_depth(const Samples& ways, std::uint32_t otherwise) {
  if (ways.empty()) return nullptr;
  const WaySamples* const usual = nearest(ways, otherwise);
  Samples better = ways;
  std::erase_if(better, [&](const WaySamples* way) {
    return !clearly_less(way->commit_ns(), usual->commit_ns(), kOtherDepth) ||
           slower_in_large(*way, *usual);
  });
  if (better.empty()) return usual;
  const WaySamples* const shortest = *std::ranges::min_element(
      better, {}, [](const WaySamples* way) { return median(way->commit_ns()); });
  const std::vector<double> best = shortest->commit_ns();
  std::erase_if(better,
                [&](const WaySamples* way) { return clearly_less(best, way->commit_ns()); });
  return nearest(better, otherwise);
}

Samples measured(std::span<const WaySamples> ways, bool like, DurableWrites how) {
  Samples found;
  for (const WaySamples& samples : ways) {
    if (samples.writes_per_second.empty()) continue;
    if ((samples.way.durable_writes == how) == like) found.push_back(&samples);
  }
  return found;
}

}  // namespace

double commit_ns(double writes_per_second, double latency_ns) {
  return latency_ns + 1e9 / writes_per_second;
}

std::vector<double> WaySamples::commit_ns() const {
  std::vector<double> times;
  for (std::size_t i = 0; i < writes_per_second.size(); ++i) {
    times.push_back(log::commit_ns(writes_per_second[i], latency_ns[i]));
  }
  return times;
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

bool clearly_less(std::span<const double> a, std::span<const double> b, double part) {
  const std::size_t rounds = std::min(a.size(), b.size());
  if (rounds < kLeastRounds) return false;
  if (median({a.begin(), a.end()}) > part * median({b.begin(), b.end()})) return false;
  std::size_t less = 0;
  for (std::size_t i = 0; i < rounds; ++i) {
    if (a[i] < b[i]) ++less;
  }
  return less + 1 >= rounds;
}

Way choose_way(std::span<const WaySamples> ways, const Way& otherwise) {
  const Samples usual = measured(ways, true, otherwise.durable_writes);
  const Samples other = measured(ways, false, otherwise.durable_writes);
  const WaySamples* first = choose_depth(usual, otherwise.depth);
  const WaySamples* second = choose_depth(other, otherwise.depth);
  if (first == nullptr) return otherwise;
  if (second == nullptr) return first->way;
  const std::vector<double> times = first->commit_ns();
  const std::vector<double> shortest(times.size(), std::ranges::min(times));
  if (!clearly_less(second->commit_ns(), shortest, kOtherWay)) return first->way;
  const WaySamples* first_large = fastest_large(usual);
  const WaySamples* second_large = fastest_large(other);
  const bool slower = first_large != nullptr && second_large != nullptr &&
                      clearly_less(large_cost(*first_large), large_cost(*second_large));
  return slower ? first->way : second->way;
}

}  // namespace cairn::log
