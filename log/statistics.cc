#include <array>
#include <cmath>
#include <cstdio>
#include <string_view>

#include <cairn/statistics.h>

namespace cairn::log {
namespace {

void put_count(std::string& out, std::string_view name, std::uint64_t value) {
  std::array<char, 80> line;
  std::snprintf(line.data(), line.size(), "%-20.*s %llu\n", static_cast<int>(name.size()),
                name.data(), static_cast<unsigned long long>(value));
  out += line.data();
}

// `unit` is divided out: 1000 shows nanoseconds as microseconds.
void put_histogram(std::string& out, std::string_view name, const Histogram& values, double unit) {
  const auto shown = [unit](std::uint64_t value) { return static_cast<double>(value) / unit; };
  std::array<char, 200> line;
  std::snprintf(line.data(), line.size(),
                "%-20.*s p50 %.1f  p99 %.1f  p99.9 %.1f  max %.1f  mean %.1f  of %llu\n",
                static_cast<int>(name.size()), name.data(), shown(values.quantile(0.5)),
                shown(values.quantile(0.99)), shown(values.quantile(0.999)), shown(values.max()),
                values.mean() / unit, static_cast<unsigned long long>(values.count()));
  out += line.data();
}

}  // namespace

void Histogram::merge(const Histogram& other) {
  for (std::size_t i = 0; i < kBuckets; ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  sum_ += other.sum_;
  max_ = std::max(max_, other.max_);
}

std::uint64_t Histogram::quantile(double fraction) const {
  const double wanted = std::ceil(std::clamp(fraction, 0.0, 1.0) * static_cast<double>(count_));
  const auto rank = std::max<std::uint64_t>(1, static_cast<std::uint64_t>(wanted));
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i + 1 < kBuckets; ++i) {
    seen += buckets_[i];
    if (seen >= rank) return std::min(largest_in(i), max_);
  }
  return max_;
}

std::string describe(const LogStatistics& statistics) {
  struct Row {
    std::string_view name;
    std::uint64_t LogStatistics::*value;
  };
  constexpr std::array<Row, 16> kRows{{
      {"records", &LogStatistics::records},
      {"payload bytes", &LogStatistics::payload_bytes},
      {"blocks", &LogStatistics::blocks},
      {"block bytes", &LogStatistics::block_bytes},
      {"padding bytes", &LogStatistics::padding_bytes},
      {"durable writes", &LogStatistics::durable_writes},
      {"syncs", &LogStatistics::syncs},
      {"containers made", &LogStatistics::containers_made},
      {"containers recycled", &LogStatistics::containers_recycled},
      {"growth stalls", &LogStatistics::growth_stalls},
      {"snapshots", &LogStatistics::snapshots},
      {"block waits", &LogStatistics::block_waits},
      {"container waits", &LogStatistics::container_waits},
      {"callbacks", &LogStatistics::callbacks},
      {"stalls", &LogStatistics::stalls},
      {"readers overrun", &LogStatistics::readers_overrun},
  }};
  std::string out;
  for (const Row& row : kRows) put_count(out, row.name, statistics.*row.value);
  put_histogram(out, "records per block", statistics.block_records, 1);
  put_histogram(out, "bytes per block", statistics.block_used_bytes, 1);
  put_histogram(out, "wait, us", statistics.wait_ns, 1000);
  put_histogram(out, "block write, us", statistics.write_ns, 1000);
  put_histogram(out, "sync, us", statistics.sync_ns, 1000);
  return out;
}

}  // namespace cairn::log
