#include <algorithm>

#include <cairn/torture/soak_bounds.h>

namespace cairn::torture {

namespace {

std::string too_much(const std::string& what, std::uint64_t found, std::uint64_t most,
                     const SoakSample& sample) {
  return "bound: " + what + ": expected at most " + std::to_string(most) + ", found " +
         std::to_string(found) + " in life " + std::to_string(sample.life) + " after " +
         std::to_string(static_cast<std::uint64_t>(sample.seconds)) + " s";
}

std::uint64_t median(std::span<const SoakSample> samples, std::uint64_t SoakSample::*value) {
  std::vector<std::uint64_t> all;
  for (const SoakSample& sample : samples) all.push_back(sample.*value);
  const auto middle = all.begin() + static_cast<std::ptrdiff_t>(all.size() / 2);
  std::nth_element(all.begin(), middle, all.end());
  return *middle;
}

std::string growth_of(std::span<const SoakSample> life, std::uint64_t SoakSample::*value,
                      std::uint64_t slack, const std::string& what) {
  const std::size_t quarter = life.size() / 4;
  const std::uint64_t early = median(life.subspan(quarter, quarter), value);
  const std::uint64_t late = median(life.last(quarter), value);
  if (late <= early + early / 4 + slack) return {};
  return "bound: " + what + " of life " + std::to_string(life.front().life) + " grew from " +
         std::to_string(early) + " to " + std::to_string(late);
}

}  // namespace

std::string beyond(const SoakBounds& bounds, const SoakSample& sample) {
  if (sample.memory_bytes > bounds.memory_bytes) {
    return too_much("bytes of resident memory", sample.memory_bytes, bounds.memory_bytes, sample);
  }
  if (sample.descriptors > bounds.descriptors) {
    return too_much("open descriptors", sample.descriptors, bounds.descriptors, sample);
  }
  if (sample.disk_bytes > bounds.disk_bytes) {
    return too_much("bytes on the disk", sample.disk_bytes, bounds.disk_bytes, sample);
  }
  if (sample.recovery_cpu_ms > bounds.recovery_cpu_ms) {
    return too_much("ms of processor time for a recovery",
                    static_cast<std::uint64_t>(sample.recovery_cpu_ms + 0.5),
                    static_cast<std::uint64_t>(bounds.recovery_cpu_ms), sample);
  }
  return {};
}

std::string growth(std::span<const SoakSample> life) {
  if (life.size() < kGrowthSamples) return {};
  constexpr std::uint64_t kMemorySlack = std::uint64_t{8} << 20;
  constexpr std::uint64_t kDescriptorSlack = 16;
  std::string found =
      growth_of(life, &SoakSample::memory_bytes, kMemorySlack, "resident memory (bytes)");
  if (!found.empty()) return found;
  return growth_of(life, &SoakSample::descriptors, kDescriptorSlack, "open descriptors");
}

SoakSample larger(const SoakSample& one, const SoakSample& other) {
  SoakSample both = one;
  both.memory_bytes = std::max(one.memory_bytes, other.memory_bytes);
  both.descriptors = std::max(one.descriptors, other.descriptors);
  both.disk_bytes = std::max(one.disk_bytes, other.disk_bytes);
  both.recovery_cpu_ms = std::max(one.recovery_cpu_ms, other.recovery_cpu_ms);
  both.recovery_wall_ms = std::max(one.recovery_wall_ms, other.recovery_wall_ms);
  return both;
}

void SoakCurve::add(const SoakSample& sample) {
  if (!samples_.empty() && in_last_ < stride_) {
    samples_.back() = larger(samples_.back(), sample);
    ++in_last_;
    return;
  }
  if (samples_.size() == kMost) {
    for (std::size_t i = 0; i < kMost / 2; ++i) {
      samples_[i] = larger(samples_[2 * i], samples_[2 * i + 1]);
    }
    samples_.resize(kMost / 2);
    stride_ *= 2;
  }
  samples_.push_back(sample);
  in_last_ = 1;
}

}  // namespace cairn::torture
