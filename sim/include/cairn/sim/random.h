// Random: the one source of chance in the simulation. The same seed gives the same run.
#ifndef CAIRN_SIM_RANDOM_H_
#define CAIRN_SIM_RANDOM_H_

#include <cstdint>

namespace cairn::sim {

// SplitMix64: a full-period generator of 64-bit values. Copyable, so that a copied simulation goes
// on as its original would.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    state_ += 0x9E3779B97F4A7C15ULL;
    std::uint64_t mixed = state_;
    mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9ULL;
    mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EBULL;
    return mixed ^ (mixed >> 31);
  }
  // A value in [0, bound). REQUIRES: bound > 0.
  std::uint64_t below(std::uint64_t bound) { return next() % bound; }
  // True `percent` times in a hundred.
  bool chance(unsigned percent) { return below(100) < percent; }

 private:
  std::uint64_t state_;
};

}  // namespace cairn::sim

#endif  // CAIRN_SIM_RANDOM_H_
