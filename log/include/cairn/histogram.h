// Histogram: how many values of which size there were, in a fixed number of buckets.
//
// A bucket is one value wide up to 15, and a sixteenth of its power of two beyond: a quantile is at
// most 1/16 above the true one, at any size. In the manner of HdrHistogram; recording is a handful
// of instructions and takes no memory.
#ifndef CAIRN_HISTOGRAM_H_
#define CAIRN_HISTOGRAM_H_

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace cairn::log {

// A value type, not thread-safe. Without a unit of its own: its name says which.
class Histogram {
 public:
  // Larger values count in the last bucket; max() still is exact.
  static constexpr unsigned kValueBits = 44;

  Histogram() = default;

  void record(std::uint64_t value) {
    ++buckets_[bucket_of(value)];
    ++count_;
    sum_ += value;
    max_ = std::max(max_, value);
  }
  // As if all values of `other` had been recorded here.
  void merge(const Histogram& other);

  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] std::uint64_t sum() const { return sum_; }
  [[nodiscard]] std::uint64_t max() const { return max_; }
  [[nodiscard]] double mean() const {
    return count_ == 0 ? 0.0 : static_cast<double>(sum_) / static_cast<double>(count_);
  }
  // A value that at least `fraction` (0 to 1) of all do not exceed: the upper end of its bucket, or
  // max() if that is less. 0 if nothing was recorded.
  [[nodiscard]] std::uint64_t quantile(double fraction) const;

  // The bucket that counts `value`, and the largest value that a bucket counts.
  [[nodiscard]] static constexpr std::size_t bucket_of(std::uint64_t value) {
    value = std::min(value, (std::uint64_t{1} << kValueBits) - 1);
    if (value < kSteps) return static_cast<std::size_t>(value);
    const unsigned shift = static_cast<unsigned>(std::bit_width(value)) - 1 - kStepBits;
    return (shift + 1) * kSteps + static_cast<std::size_t>((value >> shift) % kSteps);
  }
  [[nodiscard]] static constexpr std::uint64_t largest_in(std::size_t bucket) {
    if (bucket < kSteps) return bucket;
    const auto shift = static_cast<unsigned>(bucket / kSteps - 1);
    return ((kSteps + bucket % kSteps + 1) << shift) - 1;
  }

 private:
  static constexpr unsigned kStepBits = 4;
  static constexpr std::uint64_t kSteps = std::uint64_t{1} << kStepBits;  // per power of two

 public:
  static constexpr std::size_t kBuckets = (kValueBits - kStepBits + 1) * kSteps;
  // Of values that were counted elsewhere, in the same buckets.
  Histogram(const std::array<std::uint64_t, kBuckets>& buckets, std::uint64_t sum,
            std::uint64_t max)
      : buckets_(buckets), sum_(sum), max_(max) {
    for (const std::uint64_t count : buckets) count_ += count;
  }

 private:
  std::array<std::uint64_t, kBuckets> buckets_{};
  std::uint64_t count_ = 0;
  std::uint64_t sum_ = 0;
  std::uint64_t max_ = 0;
};
static_assert(Histogram::bucket_of(~std::uint64_t{0}) == Histogram::kBuckets - 1);
static_assert(Histogram::largest_in(Histogram::kBuckets - 1) ==
              (std::uint64_t{1} << Histogram::kValueBits) - 1);

}  // namespace cairn::log

#endif  // CAIRN_HISTOGRAM_H_
