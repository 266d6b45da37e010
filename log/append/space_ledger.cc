#include "append/space_ledger.h"

#include <algorithm>

namespace cairn::log {
namespace {

constexpr std::uint64_t kNoMaximum = std::numeric_limits<std::uint64_t>::max();
// Snapshot records: bytes of a stream without its name, of a gap, and of streams in one record.
constexpr std::uint64_t kStreamBytes = 40;
constexpr std::uint64_t kGapBytes = 16;
constexpr std::uint64_t kPieceBytes = std::uint64_t{8} * 1024;
// Of a snapshot, besides its streams and gaps: begin, policies and end, and the last, shorter
// pieces of both lists.
constexpr std::uint64_t kSnapshotRecords = 8;
// How many makings of containers the wish for free ones remembers.
constexpr std::size_t kRemembered = 8;

}  // namespace

SpaceLedger::SpaceLedger(const format::LogGeometry& geometry, const Policies& policies)
    : alignment_(geometry.alignment),
      container_size_(geometry.container_size),
      slack_(geometry.block_size) {
  set_policies(policies);
}

void SpaceLedger::set_policies(const Policies& policies) {
  allowance_ = 0;
  policies_ = policies;
  wanted_ahead_ = policies.ahead;
  seen_.clear();
  growth_failed_ = false;
}

// --- containers ---

void SpaceLedger::begin(std::uint64_t containers, std::uint64_t free, std::uint64_t number) {
  allowance_ = 0;
  containers_ = containers;
  free_made_ = free;
  first_number_ = number;
}

void SpaceLedger::begin_growth() {
  allowance_ = 0;
  growing_ = true;
  ++containers_;
}

void SpaceLedger::end_growth(const Status& status) {
  allowance_ = 0;
  growing_ = false;
  growth_failed_ = !status.is_ok();
  if (status.is_ok()) {
    ++free_made_;
  } else {
    --containers_;
  }
}

void SpaceLedger::recycled(std::uint64_t kept, std::uint64_t removed) {
  allowance_ = 0;
  free_made_ += kept;
  containers_ -= removed;
  if (kept > 0 || removed > 0) growth_failed_ = false;
}

void SpaceLedger::begin_removal(std::uint64_t count) {
  allowance_ = 0;
  free_made_ -= count;
  containers_ -= count;
}

void SpaceLedger::cancel_removal(std::uint64_t count) {
  allowance_ = 0;
  free_made_ += count;
  containers_ += count;
}

std::uint64_t SpaceLedger::max_containers() const {
  return policies_.max_size == 0 ? kNoMaximum : policies_.max_size / container_size_;
}

std::uint64_t SpaceLedger::min_containers() const { return policies_.min_size / container_size_; }

// While one container was made, `containers` were entered: twice as many as the most that was seen
// lately are kept, and the one that is being made.
void SpaceLedger::saw_consumption(std::uint64_t containers) {
  seen_.push_back(containers);
  if (seen_.size() > kRemembered) seen_.pop_front();
  const std::uint64_t most = *std::max_element(seen_.begin(), seen_.end());
  wanted_ahead_ = std::clamp<std::uint64_t>(1 + 2 * most, policies_.ahead, most_free());
}

bool SpaceLedger::wants_growth(std::uint64_t number) const {
  if (growing_ || policies_.growth == 0 || !may_grow()) return false;
  return free_containers(number) < wanted_ahead_ || containers_ < min_containers();
}

std::uint64_t SpaceLedger::removable(const Stock& stock) const {
  const std::uint64_t free = free_containers(stock.number);
  const std::uint64_t snapshot = snapshot_bytes(streams_, name_bytes_);
  const std::uint64_t have = existing(stock, snapshot);
  const std::uint64_t needed = reserved() + held_back();
  // The one that comes next stays.
  std::uint64_t count = free > 0 ? free - 1 : 0;
  count = std::min(count, have > needed ? (have - needed) / usable(snapshot) : 0);
  return std::min(count, containers_ > min_containers() ? containers_ - min_containers() : 0);
}

std::uint64_t SpaceLedger::superfluous(const Stock& stock) const {
  const std::uint64_t free = free_containers(stock.number);
  std::uint64_t count = free > most_free() ? free - most_free() : 0;
  if (policies_.shrink_percent > 0) {
    std::uint64_t shrunk = 0;
    while (free - shrunk > wanted_ahead_ &&
           (free - shrunk) * 100 >= policies_.shrink_percent * (containers_ - shrunk)) {
      ++shrunk;
    }
    count = std::max(count, shrunk);
  }
  return std::min(count, removable(stock));
}

std::uint64_t SpaceLedger::keepable(std::uint64_t number, std::uint64_t count) const {
  if (policies_.spare_max == 0) return 0;
  const auto less = [](std::uint64_t a, std::uint64_t b) { return a > b ? a - b : 0; };
  const std::uint64_t free = free_containers(number);
  const std::uint64_t for_pool = less(policies_.spare_max, free);
  const std::uint64_t for_minimum = less(min_containers(), less(containers_, count));
  // After the maximum was lowered or exceeded, what is too much goes.
  const std::uint64_t excess = less(containers_, max_containers());
  return std::min(std::max(for_pool, for_minimum), less(count, excess));
}

// --- appends ---

// A block's header, its trailer, and padding: sizes are multiples of 8, so at most the alignment
// less 8. At least the sum of charge() over the records, however the bytes are divided among them.
std::uint64_t SpaceLedger::backing(std::uint64_t records, std::uint64_t bytes) const {
  // Any of them may become a restart area.
  const std::uint64_t framing = sizeof(format::BlockHeader) + sizeof(format::RestartPrefix) +
                                format::kBlockTrailerSize + alignment_ - format::kRecordAlignment;
  return bytes + records * framing;
}

std::uint64_t SpaceLedger::snapshot_bytes(std::uint64_t streams, std::uint64_t names) const {
  const std::uint64_t facts = streams * kStreamBytes + names + gaps_ * kGapBytes;
  const std::uint64_t records = kSnapshotRecords + facts / kPieceBytes;
  return backing(records, records * (sizeof(format::RecordHeader) + 64) + facts);
}

// A snapshot must not cost more than a quarter of the space it is written for.
std::uint64_t SpaceLedger::interval(std::uint64_t snapshot) const {
  return 1 + 4 * snapshot / container_size_;
}

std::uint64_t SpaceLedger::snapshot_interval() const {
  return interval(snapshot_bytes(streams_, name_bytes_));
}

bool SpaceLedger::snapshot_pays(std::uint64_t containers) const {
  const std::uint64_t snapshot = snapshot_bytes(streams_, name_bytes_);
  return containers * usable(snapshot) > snapshot;
}

std::uint64_t SpaceLedger::usable(std::uint64_t snapshot) const {
  const std::uint64_t share = snapshot / interval(snapshot) + 1;
  return container_size_ - 2 * std::uint64_t{alignment_} - slack_ - share;
}

std::uint64_t SpaceLedger::existing(const Stock& stock, std::uint64_t snapshot) const {
  const std::uint64_t present = stock.room > slack_ ? stock.room - slack_ : 0;
  const std::uint64_t all = present + free_containers(stock.number) * usable(snapshot);
  const std::uint64_t due = stock.snapshot_due ? snapshot : 0;
  return all > due ? all - due : 0;
}

std::uint64_t SpaceLedger::restart_room() const {
  return charge(sizeof(format::RestartPrefix) + policies_.restart_area);
}

std::uint64_t SpaceLedger::held_back() const {
  return streams_ * restart_room() + slack_ + snapshot_bytes(streams_, name_bytes_);
}

SpaceVerdict SpaceLedger::ask(const SpaceDemand& demand, const Stock& stock) const {
  // A reservation was granted against space that exists, and so was a whole snapshot.
  if (demand.who == SpaceClass::kReserved || demand.who == SpaceClass::kSnapshotPiece) {
    return SpaceVerdict::kGranted;
  }
  const std::uint64_t streams = streams_ + demand.streams;
  const std::uint64_t snapshot = snapshot_bytes(streams, name_bytes_ + demand.name_bytes);
  const std::uint64_t have = existing(stock, snapshot) + demand.given_back;
  const std::uint64_t held = streams * restart_room() + slack_ + snapshot;
  if (demand.who == SpaceClass::kCut) {
    // All of it, and all that is held back besides: it frees nothing.
    if (have >= reserved() + held + snapshot) return SpaceVerdict::kGranted;
    return can_grow() ? SpaceVerdict::kGrow : SpaceVerdict::kFull;
  }
  if (have >= reserved() + held + demand.bytes) return SpaceVerdict::kGranted;
  if (demand.who == SpaceClass::kSnapshot) {
    // All of it. One that is due was left out of what exists.
    SpaceDemand whole = demand;
    whole.bytes = stock.snapshot_due ? 0 : snapshot;
    return ask_held_back(whole, have);
  }
  if (demand.who != SpaceClass::kOrdinary) return ask_held_back(demand, have);
  if (can_grow()) return SpaceVerdict::kGrow;
  return have >= held + demand.bytes ? SpaceVerdict::kFullByReservation : SpaceVerdict::kFull;
}

// Of what is held back, without touching what is reserved.
SpaceVerdict SpaceLedger::ask_held_back(const SpaceDemand& demand, std::uint64_t have) const {
  if (have < reserved() + demand.bytes) {
    // After a crash at a full log, or with a larger policy, it may have to be made good: beyond the
    // maximum too, since without it nothing could ever be recycled again.
    return growth_failed_ ? SpaceVerdict::kFull : SpaceVerdict::kGrow;
  }
  if (demand.who == SpaceClass::kSnapshot || own_room(demand) || common_room(demand)) {
    return SpaceVerdict::kGranted;
  }
  return can_grow() ? SpaceVerdict::kGrow : SpaceVerdict::kFull;
}

bool SpaceLedger::own_room(const SpaceDemand& demand) const {
  return demand.bytes <= restart_room() && demand.stream != kCatalogStream &&
         (demand.who == SpaceClass::kRestart || demand.moves_pin) &&
         !spent_.contains(demand.stream);
}

bool SpaceLedger::common_room(const SpaceDemand& demand) const {
  return common_spent_ + demand.bytes <= (demand.moves_pin ? slack_ : slack_ / 2);
}

void SpaceLedger::granted(const SpaceDemand& demand, const Stock& stock) {
  // What others take, ordinary appends no longer may; what is paid for was not theirs.
  if (demand.who != SpaceClass::kOrdinary && demand.who != SpaceClass::kReserved) allowance_ = 0;
  if (spent_.empty() && common_spent_ == 0 && demand.who != SpaceClass::kRestart &&
      demand.who != SpaceClass::kHeldBack) {
    return;
  }
  const std::uint64_t have = existing(stock, snapshot_bytes(streams_, name_bytes_));
  if (have >= reserved() + held_back() + demand.bytes) {
    spent_.clear();
    common_spent_ = 0;
    return;
  }
  if (demand.who != SpaceClass::kRestart && demand.who != SpaceClass::kHeldBack) return;
  if (own_room(demand) && (demand.who == SpaceClass::kRestart || !common_room(demand))) {
    spent_.insert(demand.stream);
  } else {
    common_spent_ += demand.bytes;
  }
}

void SpaceLedger::allow(const SpaceDemand& demand, const Stock& stock) {
  allowance_ = 0;
  if (demand.who != SpaceClass::kOrdinary || demand.streams != 0 || !spent_.empty() ||
      common_spent_ != 0 || wants_growth(stock.number)) {
    return;
  }
  const std::uint64_t have = existing(stock, snapshot_bytes(streams_, name_bytes_));
  const std::uint64_t needed = reserved() + held_back() + demand.bytes;
  if (have <= needed || is_low(stock)) return;
  allowed_in_ = stock.number;
  allowance_ = have - needed;
  if (policies_.low_space_percent != 0 && policies_.max_size != 0) {
    const std::uint64_t until_low = left(stock) - low_space();
    allowance_ = std::min(allowance_, until_low > demand.bytes ? until_low - demand.bytes : 0);
  }
}

std::uint64_t SpaceLedger::left(const Stock& stock) const {
  const std::uint64_t snapshot = snapshot_bytes(streams_, name_bytes_);
  std::uint64_t have = existing(stock, snapshot);
  if (policies_.max_size != 0 && can_grow()) {
    have += (max_containers() - containers_) * usable(snapshot);
  }
  const std::uint64_t taken = reserved() + held_back();
  return have > taken ? have - taken : 0;
}

bool SpaceLedger::is_low(const Stock& stock) const {
  if (policies_.low_space_percent == 0 || policies_.max_size == 0) return false;
  return left(stock) < low_space();
}

// --- reservations ---

void SpaceLedger::reserve(StreamId stream, std::uint64_t reservations, std::uint64_t records,
                          std::uint64_t bytes) {
  allowance_ = 0;
  for (ReservedSpace* const space : {&total_, &reserved_[stream]}) {
    space->reservations += reservations;
    space->records += records;
    space->bytes += bytes;
  }
}

void SpaceLedger::release(StreamId stream, std::uint64_t reservations, std::uint64_t records,
                          std::uint64_t bytes) {
  ReservedSpace& of_stream = reserved_[stream];
  for (ReservedSpace* const space : {&total_, &of_stream}) {
    space->reservations -= reservations;
    space->records -= records;
    space->bytes -= bytes;
  }
  if (of_stream.reservations == 0) reserved_.erase(stream);
}

ReservedSpace SpaceLedger::of(StreamId stream) const {
  const auto found = reserved_.find(stream);
  return found == reserved_.end() ? ReservedSpace{} : found->second;
}

std::optional<StreamId> SpaceLedger::largest_holder() const {
  std::optional<StreamId> holder;
  std::uint64_t most = 0;
  for (const auto& [stream, space] : reserved_) {
    const std::uint64_t backed = backing(space.records, space.bytes);
    if (backed > most) {
      most = backed;
      holder = stream;
    }
  }
  return holder;
}

// --- what is held back ---

void SpaceLedger::set_catalog(std::uint64_t streams, std::uint64_t name_bytes, std::uint64_t gaps) {
  allowance_ = 0;
  streams_ = streams;
  name_bytes_ = name_bytes;
  gaps_ = gaps;
}

void SpaceLedger::stream_created(std::uint64_t name_bytes) {
  allowance_ = 0;
  ++streams_;
  name_bytes_ += name_bytes;
}

void SpaceLedger::stream_deleted(StreamId stream, std::uint64_t name_bytes) {
  allowance_ = 0;
  --streams_;
  name_bytes_ -= name_bytes;
  spent_.erase(stream);
}

}  // namespace cairn::log
