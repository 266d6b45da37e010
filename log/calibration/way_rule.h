// The rule by which a calibration chooses. Pure: numbers in, choice out.
#ifndef CAIRN_LOG_CALIBRATION_WAY_RULE_H_
#define CAIRN_LOG_CALIBRATION_WAY_RULE_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <cairn/storage.h>

namespace cairn::log {

struct Way {
  DurableWrites durable_writes = DurableWrites::kPerWrite;
  std::uint32_t depth = 1;
  friend bool operator==(const Way&, const Way&) = default;
};

// What was measured of one way, a number per round; the rounds of all ways took turns.
struct WaySamples {
  Way way;
  std::vector<double> writes_per_second{};
  std::vector<double> latency_ns{};
  std::vector<double> large_kib_per_second{};  // empty: not measured

  [[nodiscard]] std::vector<double> commit_ns() const;
};

// Fewer rounds show nothing.
inline constexpr std::size_t kLeastRounds = 3;

// As in CalibratedWay::commit_time().
[[nodiscard]] double commit_ns(double writes_per_second, double latency_ns);

// REQUIRES: not empty.
[[nodiscard]] double median(std::vector<double> values);

// Whether `a` is less than `b` by more than noise: its median is at most `part` of the other one,
// and each round of it but one at most is less.
[[nodiscard]] bool clearly_less(std::span<const double> a, std::span<const double> b,
                                double part = 0.9);

// The rule. `otherwise` is what runs without a calibration.
//  1. Of each way of making blocks durable, the depth of `otherwise` (not measured: the nearest to
//     it), unless the commit time of others is shorter by three eighths and they do not write large
//     blocks clearly slower. Of those the shortest; of such as are not clearly longer than it, the
//     nearest to `otherwise`. So much, as what lies between is decided by noise, and is worth
//     little: a log that finds the device busy gathers.
//  2. The other way of making blocks durable instead of that of `otherwise` if its commit time is
//     shorter by a third then than the shortest round of that, and large blocks are not clearly
//     slower. So much, and from the best round (noise makes slower, never faster), as the two
//     differ in what is not measured here: a sync keeps a processor busy.
[[nodiscard]] Way choose_way(std::span<const WaySamples> ways, const Way& otherwise);

}  // namespace cairn::log

#endif  // CAIRN_LOG_CALIBRATION_WAY_RULE_H_
