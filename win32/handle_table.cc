#include "handle_table.h"

#include <limits>
#include <string>
#include <utility>

namespace cairn::win32 {
namespace {

// A handle, from the lowest bit: 2 bits 0, as documented of handles; 24 bits of the slot's number;
// 32 bits of its generation, which begins at 1. So none is null, small, or INVALID_HANDLE_VALUE.
constexpr unsigned kSlotShift = 2;
constexpr unsigned kGenerationShift = 26;
constexpr std::uint64_t kSlotMask = HandleTable::kMaxHandles - 1;

HANDLE encode(std::uint32_t slot, std::uint32_t generation) {
  const std::uint64_t number =
      (std::uint64_t{generation} << kGenerationShift) | (std::uint64_t{slot} << kSlotShift);
  return reinterpret_cast<HANDLE>(number);
}

}  // namespace

static_assert(sizeof(HANDLE) == sizeof(std::uint64_t), "handles are numbers of 64 bits");

std::optional<bool> Object::wait(std::optional<std::chrono::nanoseconds> /*limit*/) {
  return std::nullopt;
}

HandleTable& HandleTable::get() {
  static HandleTable* const table = new HandleTable;
  return *table;
}

Result<HANDLE> HandleTable::insert(std::shared_ptr<Object> object) {
  const std::lock_guard lock(mutex_);
  if (free_.empty()) {
    if (slots_.size() == max_handles_) {
      return Status(StatusCode::kResourceExhausted,
                    std::to_string(max_handles_) + " handles are open, which is the maximum");
    }
    slots_.emplace_back();
    free_.push_back(static_cast<std::uint32_t>(slots_.size() - 1));
  }
  const std::uint32_t number = free_.back();
  free_.pop_back();
  Slot& slot = slots_[number];
  slot.object = std::move(object);
  return encode(number, slot.generation);
}

std::shared_ptr<Object> HandleTable::find_object(HANDLE handle) const {
  const std::lock_guard lock(mutex_);
  const Slot* const slot = slot_locked(handle);
  return slot == nullptr ? nullptr : slot->object;
}

std::size_t HandleTable::size() const {
  const std::lock_guard lock(mutex_);
  std::size_t open = 0;
  for (const Slot& slot : slots_) open += slot.object == nullptr ? 0 : 1;
  return open;
}

// The slot that `handle` names, or null.
const HandleTable::Slot* HandleTable::slot_locked(HANDLE handle) const {
  const auto number = reinterpret_cast<std::uint64_t>(handle);
  const std::uint64_t slot = (number >> kSlotShift) & kSlotMask;
  if (slot >= slots_.size()) return nullptr;
  const Slot& found = slots_[slot];
  if (found.object == nullptr) return nullptr;
  return encode(static_cast<std::uint32_t>(slot), found.generation) == handle ? &found : nullptr;
}

std::shared_ptr<Object> HandleTable::take_if(HANDLE handle, bool (*wanted)(const Object&)) {
  const std::lock_guard lock(mutex_);
  const Slot* const found = slot_locked(handle);
  if (found == nullptr || !wanted(*found->object)) return nullptr;
  const auto number = static_cast<std::uint32_t>(found - slots_.data());
  Slot& slot = slots_[number];
  std::shared_ptr<Object> object = std::move(slot.object);
  slot.object = nullptr;
  if (slot.generation != std::numeric_limits<std::uint32_t>::max()) {
    ++slot.generation;
    free_.push_back(number);
  }
  return object;
}

}  // namespace cairn::win32
