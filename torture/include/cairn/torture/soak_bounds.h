// What a soak measures, the bounds that are held against it, and curves that stay short however
// long a soak is. Pure functions and values.
#ifndef CAIRN_TORTURE_SOAK_BOUNDS_H_
#define CAIRN_TORTURE_SOAK_BOUNDS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace cairn::torture {

// One look at a life of the process.
struct SoakSample {
  double seconds = 0;              // since the soak began
  std::uint64_t life = 0;          // from 1
  std::uint64_t memory_bytes = 0;  // resident
  std::uint64_t descriptors = 0;   // open
  std::uint64_t disk_bytes = 0;    // allocated in the soak's directory
  // What the recovery at the beginning of this life took: of the processor, all threads together,
  // and by the clock, which says how busy the machine was too.
  double recovery_cpu_ms = 0;
  double recovery_wall_ms = 0;
};

struct SoakBounds {
  std::uint64_t memory_bytes = std::uint64_t{256} << 20;
  std::uint64_t descriptors = 256;
  std::uint64_t disk_bytes = std::uint64_t{128} << 20;
  double recovery_cpu_ms = 5000;
};

// The bound that a sample is beyond, in words; or empty.
[[nodiscard]] std::string beyond(const SoakBounds& bounds, const SoakSample& sample);

// Whether memory or descriptors of one life go on growing: its last quarter against its second
// one, by the medians, once it has kGrowthSamples. In words; or empty.
inline constexpr std::size_t kGrowthSamples = 80;
[[nodiscard]] std::string growth(std::span<const SoakSample> life);

// Samples in their order. When there are too many, each two neighbours become one, with the larger
// of each value: no peak is lost.
class SoakCurve {
 public:
  static constexpr std::size_t kMost = 2048;

  void add(const SoakSample& sample);
  [[nodiscard]] const std::vector<SoakSample>& samples() const { return samples_; }

 private:
  std::vector<SoakSample> samples_;
  std::size_t stride_ = 1;  // samples that one point stands for
  std::size_t in_last_ = 0;
};

// The larger of each value of two samples, at the place of the first.
[[nodiscard]] SoakSample larger(const SoakSample& one, const SoakSample& other);

}  // namespace cairn::torture

#endif  // CAIRN_TORTURE_SOAK_BOUNDS_H_
