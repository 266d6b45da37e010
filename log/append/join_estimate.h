// JoinEstimate: for how many threads a block waits that were woken just now.
//
// Threads in closed loop append again as soon as they are woken. A block that is written before
// they are back carries few records, and they wait for the whole write; one that waits for them,
// for some microseconds, carries all. Nobody knows whether a thread comes back: as many are
// expected as came the last time, and now and then more.
#ifndef CAIRN_LOG_APPEND_JOIN_ESTIMATE_H_
#define CAIRN_LOG_APPEND_JOIN_ESTIMATE_H_

#include <algorithm>
#include <limits>

namespace cairn::log {

// A pure value; its owner locks.
class JoinEstimate {
 public:
  // After so many groups that nobody came back from, one is tried again.
  static constexpr unsigned kPause = 64;

  // Of `woken` threads, how many to wait for.
  [[nodiscard]] unsigned expect(unsigned woken) {
    if (most_ == 0) {
      if (--pause_ > 0) return 0;
      most_ = 1;
    }
    return std::min(woken, most_);
  }
  // All that were expected came.
  void came_all(unsigned expected) {
    if (expected > most_ / 2) most_ = expected * 2;
  }
  // The limit passed when only so many had come.
  void came_only(unsigned came) {
    most_ = came;
    pause_ = kPause;
  }

 private:
  unsigned most_ = std::numeric_limits<unsigned>::max();  // at first all are expected
  unsigned pause_ = kPause;
};

}  // namespace cairn::log

#endif  // CAIRN_LOG_APPEND_JOIN_ESTIMATE_H_
