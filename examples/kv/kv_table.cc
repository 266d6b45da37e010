#include "kv/kv_table.h"

#include <algorithm>

namespace cairn::examples {

std::optional<std::string> KvTable::read(std::string_view key) const {
  const auto found = entries_.find(key);
  return found == entries_.end() ? std::nullopt : std::optional(found->second);
}

void KvTable::apply(const KvWrites& writes) {
  for (const auto& [key, value] : writes) {
    if (value) {
      entries_.insert_or_assign(key, *value);
    } else {
      entries_.erase(key);
    }
  }
}

KvWork& KvTable::add(const Uuid& transaction) {
  KvWork& work = works_[next_key_];
  work.key = next_key_++;
  work.transaction = transaction;
  return work;
}

KvWork* KvTable::find(std::uint64_t key) {
  const auto found = works_.find(key);
  return found == works_.end() ? nullptr : &found->second;
}

KvWork* KvTable::find(const Uuid& transaction) {
  const auto found = std::find_if(works_.begin(), works_.end(), [&](const auto& entry) {
    return entry.second.transaction == transaction;
  });
  return found == works_.end() ? nullptr : &found->second;
}

void KvTable::forget(const KvWork& work) {
  const std::uint64_t key = work.key;
  std::erase_if(locks_, [&](const auto& lock) { return lock.second == key; });
  works_.erase(key);
}

Status KvTable::lock(std::string_view key, const KvWork& work) {
  const auto [lock, is_new] = locks_.try_emplace(std::string(key), work.key);
  if (lock->second == work.key) return Status::ok();
  return Status(StatusCode::kLocked, "key " + lock->first + " is locked by unit of work " +
                                         works_.at(lock->second).transaction.to_string());
}

}  // namespace cairn::examples
