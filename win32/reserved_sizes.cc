#include "reserved_sizes.h"

#include <utility>

namespace cairn::win32 {

void ReservedSizes::add(std::uint64_t records, std::uint64_t bytes) {
  if (records == 1) {
    ++known_[bytes];
    return;
  }
  records_ += records;
  bytes_ += bytes;
}

std::uint64_t ReservedSizes::use(std::uint64_t needed) {
  const auto best = known_.lower_bound(needed);
  if (best != known_.end()) {
    const std::uint64_t size = best->first;
    if (--best->second == 0) known_.erase(best);
    return size;
  }
  return take_together(1, needed);
}

std::uint64_t ReservedSizes::give_up(std::uint64_t records, std::uint64_t bytes) {
  const auto same = known_.find(bytes);
  if (records == 1 && same != known_.end()) {
    if (--same->second == 0) known_.erase(same);
    return bytes;
  }
  return take_together(records, bytes);
}

// Nobody said of which of them: from here on only the sum counts.
void ReservedSizes::forget_sizes() {
  for (const auto& [size, count] : known_) {
    records_ += count;
    bytes_ += size * count;
  }
  known_.clear();
}

std::uint64_t ReservedSizes::take_together(std::uint64_t records, std::uint64_t bytes) {
  if (records > records_ || bytes > bytes_) forget_sizes();
  records_ -= records;
  bytes_ -= bytes;
  return records_ == 0 ? bytes + std::exchange(bytes_, 0) : bytes;
}

}  // namespace cairn::win32
