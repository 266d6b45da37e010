#include "append/space_ledger.h"

#include <algorithm>

namespace cairn::log {

SpaceLedger::SpaceLedger(const format::LogGeometry& geometry, std::uint64_t max_size)
    : alignment_(geometry.alignment),
      slack_(geometry.block_size),
      usable_(geometry.container_size - 2 * std::uint64_t{geometry.alignment} - slack_),
      max_containers_(max_size == 0 ? std::numeric_limits<std::uint64_t>::max()
                                    : max_size / geometry.container_size) {}

std::uint64_t SpaceLedger::charge(std::uint64_t payload) const {
  return format::padded_size(sizeof(format::BlockHeader) + format::record_size(payload),
                             alignment_);
}

std::uint64_t SpaceLedger::existing(const Stock& stock) const {
  return (stock.room > slack_ ? stock.room - slack_ : 0) + stock.free_containers * usable_;
}

SpaceVerdict SpaceLedger::ask(SpaceClass who, std::uint64_t bytes, const Stock& stock) const {
  // A reservation was granted against space that exists, and what is held back was held back for
  // these.
  if (who != SpaceClass::kOrdinary) return SpaceVerdict::kGranted;
  const std::uint64_t held_back = usable_;
  const std::uint64_t have = existing(stock);
  if (have >= reserved_ + held_back + bytes) return SpaceVerdict::kGranted;
  if (can_grow(stock)) {
    // What is held back may still have to be made; what is reserved must exist.
    return have >= reserved_ + bytes ? SpaceVerdict::kGranted : SpaceVerdict::kGrow;
  }
  return have >= held_back + bytes ? SpaceVerdict::kFullByReservation : SpaceVerdict::kFull;
}

SpaceVerdict SpaceLedger::ask_reserve(std::uint64_t bytes, const Stock& stock) const {
  const std::uint64_t held_back = usable_;
  const std::uint64_t have = existing(stock);
  if (have >= reserved_ + held_back + bytes) return SpaceVerdict::kGranted;
  if (can_grow(stock)) return SpaceVerdict::kGrow;
  return have >= held_back + bytes ? SpaceVerdict::kFullByReservation : SpaceVerdict::kFull;
}

}  // namespace cairn::log
