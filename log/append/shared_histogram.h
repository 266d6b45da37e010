// SharedHistogram: a Histogram that threads record into without a lock.
#ifndef CAIRN_LOG_APPEND_SHARED_HISTOGRAM_H_
#define CAIRN_LOG_APPEND_SHARED_HISTOGRAM_H_

#include <array>
#include <atomic>
#include <cstdint>

#include <cairn/histogram.h>

namespace cairn::log {

class SharedHistogram {
 public:
  void record(std::uint64_t value) {
    buckets_[Histogram::bucket_of(value)].fetch_add(1, std::memory_order_relaxed);
    sum_.fetch_add(value, std::memory_order_relaxed);
    std::uint64_t max = max_.load(std::memory_order_relaxed);
    while (value > max && !max_.compare_exchange_weak(max, value, std::memory_order_relaxed)) {
    }
  }

  // What was recorded. Of values that are recorded at the same time, some parts may be in it and
  // others not yet.
  [[nodiscard]] Histogram values() const {
    std::array<std::uint64_t, Histogram::kBuckets> buckets;
    for (std::size_t i = 0; i < buckets.size(); ++i) {
      buckets[i] = buckets_[i].load(std::memory_order_relaxed);
    }
    return Histogram(buckets, sum_.load(std::memory_order_relaxed),
                     max_.load(std::memory_order_relaxed));
  }

 private:
  std::array<std::atomic<std::uint64_t>, Histogram::kBuckets> buckets_{};
  std::atomic<std::uint64_t> sum_{0};
  std::atomic<std::uint64_t> max_{0};
};

}  // namespace cairn::log

#endif  // CAIRN_LOG_APPEND_SHARED_HISTOGRAM_H_
