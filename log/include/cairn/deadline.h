// The moment at which a limit ends.
#ifndef CAIRN_DEADLINE_H_
#define CAIRN_DEADLINE_H_

#include <chrono>

namespace cairn {

// `limit` from now. Limits that mean "for ever", such as nanoseconds::max(), end when the clock
// does.
template <typename Rep, typename Period>
[[nodiscard]] std::chrono::steady_clock::time_point deadline_after(
    std::chrono::duration<Rep, Period> limit) {
  using Clock = std::chrono::steady_clock;
  using Wide = std::chrono::duration<double>;  // holds any limit, if not exactly
  const Clock::time_point now = Clock::now();
  if (Wide(limit) >= Wide(Clock::time_point::max() - now)) return Clock::time_point::max();
  return now + std::chrono::duration_cast<Clock::duration>(limit);
}

}  // namespace cairn

#endif  // CAIRN_DEADLINE_H_
