// IdTable: the live objects of one kind, by identity.
#ifndef CAIRN_TM_ID_TABLE_H_
#define CAIRN_TM_ID_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include <cairn/uuid.h>

namespace cairn::tm {

// Finds, adds and removes in O(1), on the average over the calls: it grows and shrinks by factors
// of two. An object takes a slot of 16 bytes here, of which an eighth to seven eighths are used,
// and no memory of its own. `Object` has `id`, which does not change.
//
//   slots   | - | a | b | - | c | - | ...   a and b have the same place; b came later
//
// Who is not in its place is behind it, with no empty slot between (linear probing). Removing
// closes the gap, so that nothing marks what once was there.
template <typename Object>
class IdTable {
 public:
  using Pointer = std::shared_ptr<Object>;

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }

  // Null if it is not there.
  [[nodiscard]] const Pointer& find(const Uuid& id) const {
    static const Pointer none;
    if (slots_.empty()) return none;
    return slots_[slot_of(id)];  // an empty one, if it is not there
  }
  [[nodiscard]] bool contains(const Uuid& id) const { return find(id) != nullptr; }

  // False, and nothing done, if one of this identity is there.
  bool insert(Pointer object) {
    if (size_ >= slots_.size() / 8 * 7) resize(slots_.empty() ? kLeast : 2 * slots_.size());
    Pointer& slot = slots_[slot_of(object->id)];
    if (slot != nullptr) return false;
    slot = std::move(object);
    ++size_;
    return true;
  }

  // Nothing if it is not there. `id` may be the object's own.
  void erase(const Uuid& id) {
    if (slots_.empty()) return;
    std::size_t gap = slot_of(id);
    if (slots_[gap] == nullptr) return;
    const Pointer removed = std::move(slots_[gap]);
    --size_;
    // Whoever lies behind the gap and may lie in it moves there.
    for (std::size_t at = next(gap); slots_[at] != nullptr; at = next(at)) {
      const std::size_t from_place = (at - place_of(slots_[at]->id)) & (slots_.size() - 1);
      const std::size_t from_gap = (at - gap) & (slots_.size() - 1);
      if (from_place < from_gap) continue;
      slots_[gap] = std::move(slots_[at]);
      gap = at;
    }
    if (slots_.size() > kLeast && size_ < slots_.size() / 8) resize(slots_.size() / 2);
  }

  void clear() {
    slots_.clear();
    size_ = 0;
  }

  // Calls `visit` with the pointer to each. REQUIRES: it changes nothing here.
  template <typename Visit>
  void for_each(Visit visit) const {
    for (const Pointer& slot : slots_) {
      if (slot != nullptr) visit(slot);
    }
  }
  [[nodiscard]] std::vector<Pointer> all() const {
    std::vector<Pointer> found;
    found.reserve(size_);
    for_each([&](const Pointer& object) { found.push_back(object); });
    return found;
  }
  [[nodiscard]] std::vector<Uuid> ids() const {
    std::vector<Uuid> found;
    found.reserve(size_);
    for_each([&](const Pointer& object) { found.push_back(object->id); });
    return found;
  }

 private:
  static constexpr std::size_t kLeast = 8;  // slots

  [[nodiscard]] std::size_t next(std::size_t slot) const {
    return (slot + 1) & (slots_.size() - 1);
  }
  // The identities of programs may count: what differs in any bit must lie apart.
  [[nodiscard]] std::size_t place_of(const Uuid& id) const {
    std::uint64_t hash = std::hash<Uuid>()(id);
    hash = (hash ^ (hash >> 32)) * 0x9E3779B97F4A7C15ULL;
    return static_cast<std::size_t>(hash >> 32) & (slots_.size() - 1);
  }
  // Where it is, or the empty slot where it would be. REQUIRES: there is an empty slot.
  [[nodiscard]] std::size_t slot_of(const Uuid& id) const {
    std::size_t slot = place_of(id);
    while (slots_[slot] != nullptr && slots_[slot]->id != id) slot = next(slot);
    return slot;
  }

  void resize(std::size_t slots) {
    std::vector<Pointer> old(slots);
    old.swap(slots_);
    for (Pointer& object : old) {
      if (object != nullptr) slots_[slot_of(object->id)] = std::move(object);
    }
  }

  std::vector<Pointer> slots_;  // as many as a power of two, or none
  std::size_t size_ = 0;
};

}  // namespace cairn::tm

#endif  // CAIRN_TM_ID_TABLE_H_
