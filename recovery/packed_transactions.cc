#include <algorithm>
#include <cstring>
#include <functional>
#include <string>
#include <utility>

#include <cairn/packed_transactions.h>

namespace cairn::recovery {
namespace {

constexpr std::size_t kLeastSlots = 16;
constexpr std::size_t kLeastChunk = std::size_t{4} << 10;
constexpr std::size_t kMostChunk = std::size_t{1} << 20;
constexpr std::size_t kTransactionOffset = 8;  // of the identity, in the payload

// The identities of programs may count: what differs in any bit must lie apart.
std::uint32_t hash_of(const Uuid& id) {
  std::uint64_t hash = std::hash<Uuid>()(id);
  hash = (hash ^ (hash >> 32)) * 0x9E3779B97F4A7C15ULL;
  return static_cast<std::uint32_t>(hash >> 32);
}

}  // namespace

void HashIndex::insert(std::uint32_t hash, std::uint32_t number) {
  if (size_ >= slots_.size() / 8 * 7) {
    std::vector<std::uint64_t> old(slots_.empty() ? kLeastSlots : 2 * slots_.size());
    old.swap(slots_);
    for (const std::uint64_t slot : old) {
      if (slot != 0) place(slot);
    }
  }
  place(std::uint64_t{hash} << 32 | (number + 1));
  ++size_;
}

void HashIndex::place(std::uint64_t slot) {
  std::size_t at = hash_of(slot) & mask();
  while (slots_[at] != 0) at = (at + 1) & mask();
  slots_[at] = slot;
}

// Whoever lies behind the gap and may lie in it moves there.
void HashIndex::erase(std::uint32_t hash, std::uint32_t number) {
  std::size_t gap = hash & mask();
  while (number_of(slots_[gap]) != number || hash_of(slots_[gap]) != hash) gap = (gap + 1) & mask();
  for (std::size_t at = (gap + 1) & mask(); slots_[at] != 0; at = (at + 1) & mask()) {
    const std::size_t from_place = (at - hash_of(slots_[at])) & mask();
    const std::size_t from_gap = (at - gap) & mask();
    if (from_place < from_gap) continue;
    slots_[gap] = slots_[at];
    gap = at;
  }
  slots_[gap] = 0;
  --size_;
}

void HashIndex::clear() {
  slots_ = {};
  size_ = 0;
}

const std::byte* PackedTransactions::keep(std::span<const std::byte> payload) {
  if (payload.size() > free_bytes_) {
    const std::size_t grown = kLeastChunk << std::min<std::size_t>(chunks_.size(), 8);
    free_bytes_ = std::max(payload.size(), std::min(grown, kMostChunk));
    chunks_.emplace_back(new std::byte[free_bytes_]);  // not zeroed first
    free_ = chunks_.back().get();
  }
  std::byte* const kept = free_;
  std::memcpy(kept, payload.data(), payload.size());
  free_ += payload.size();
  free_bytes_ -= payload.size();
  return kept;
}

Status PackedTransactions::add(Lsn lsn, const TransactionView& view) {
  if (member_rows_.size() + view.members() >= kNone) {
    return Status(StatusCode::kResourceExhausted,
                  "recovery: no more than " + std::to_string(kNone) + " enlistments");
  }
  const auto row = static_cast<std::uint32_t>(rows_.size());
  const auto first = static_cast<std::uint32_t>(member_rows_.size());
  const std::byte* const payload = keep(view.payload);
  rows_.push_back({lsn, payload, static_cast<std::uint32_t>(view.payload.size()), first, view.type,
                   view.acts > 0, true, false});
  by_transaction_.insert(hash_of(view.transaction), row);
  view.for_each_member([&](std::size_t offset) {
    const auto number = static_cast<std::uint32_t>(member_rows_.size());
    member_rows_.push_back({row, static_cast<std::uint32_t>(offset), kNone});
    by_member_.insert(hash_of(MemberView(payload, offset).enlistment()), number);
  });
  ++size_;
  live_members_ += view.members();
  return Status::ok();
}

void PackedTransactions::erase(std::uint32_t row) {
  for (std::uint32_t at = members_begin(row); at < members_end(row); ++at) {
    by_member_.erase(hash_of(member(at).enlistment()), at);
    --live_members_;
  }
  by_transaction_.erase(hash_of(id(row)), row);
  rows_[row].here = false;
  if (--size_ == 0) clear();
}

void PackedTransactions::clear() { *this = PackedTransactions(); }

void PackedTransactions::pack() {
  if (erased() == 0) {
    rows_.shrink_to_fit();
    member_rows_.shrink_to_fit();
    return;
  }
  PackedTransactions packed;
  packed.rows_.reserve(size_);
  packed.member_rows_.reserve(live_members_);
  for (std::uint32_t row = 0; row < end(); ++row) {
    if (!is_here(row)) continue;
    const Row& from = rows_[row];
    const auto to = packed.end();
    Row moved = from;
    moved.payload = packed.keep(payload(row));
    moved.members_begin = static_cast<std::uint32_t>(packed.member_rows_.size());
    packed.rows_.push_back(moved);
    packed.by_transaction_.insert(hash_of(id(row)), to);
    for (std::uint32_t at = members_begin(row); at < members_end(row); ++at) {
      const auto number = static_cast<std::uint32_t>(packed.member_rows_.size());
      packed.member_rows_.push_back({to, member_rows_[at].offset, kNone});
      packed.by_member_.insert(hash_of(member(at).enlistment()), number);
    }
  }
  packed.size_ = size_;
  packed.live_members_ = live_members_;
  *this = std::move(packed);
}

Uuid PackedTransactions::id(std::uint32_t row) const {
  Uuid id;
  std::memcpy(id.bytes.data(), rows_[row].payload + kTransactionOffset, id.bytes.size());
  return id;
}

std::uint32_t PackedTransactions::find(const Uuid& transaction) const {
  return by_transaction_.find(hash_of(transaction),
                              [&](std::uint32_t row) { return id(row) == transaction; });
}

std::uint32_t PackedTransactions::find_member(const Uuid& enlistment) const {
  return by_member_.find(hash_of(enlistment),
                         [&](std::uint32_t at) { return member(at).enlistment() == enlistment; });
}

void PackedTransactions::prefetch(const Uuid& transaction) const {
  by_transaction_.prefetch(hash_of(transaction));
}

void PackedTransactions::prefetch_member(const Uuid& enlistment) const {
  by_member_.prefetch(hash_of(enlistment));
}

std::uint32_t PackedTransactions::first() const {
  while (first_ < end() && !is_here(first_)) ++first_;
  return first_;
}

TransactionRecord PackedTransactions::record(std::uint32_t row) const {
  // It was checked when it was added.
  const Result<TransactionView> view = view_transaction(lsn(row), type(row), payload(row));
  return copy_of(*view);
}

}  // namespace cairn::recovery
