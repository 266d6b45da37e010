#include "append/growth_watches.h"

#include <algorithm>
#include <utility>

namespace cairn::log {

std::uint64_t GrowthWatches::add(Lsn durable, std::uint64_t bytes, GrowthCallback callback) {
  auto watch = std::make_shared<Watch>();
  watch->bytes = bytes;
  watch->next = durable + bytes;
  watch->callback = std::move(callback);
  watches_.emplace(++last_id_, std::move(watch));
  find_least();
  return last_id_;
}

void GrowthWatches::remove(Lock& lock, std::uint64_t id) {
  const auto found = watches_.find(id);
  if (found == watches_.end()) return;
  const std::shared_ptr<Watch> watch = found->second;
  watches_.erase(found);
  find_least();
  watch->ended = true;
  if (watch->running && watch->runner == std::this_thread::get_id()) return;
  told_.wait(lock, [&] { return !watch->running; });
}

bool GrowthWatches::due(const Watch& watch, Lsn durable, const Status& health) {
  return !watch.running && !watch.ended && (durable >= watch.next || !health.is_ok());
}

bool GrowthWatches::due(Lsn durable, const Status& health) const {
  if (watches_.empty() || (durable < least_ && health.is_ok())) return false;
  return std::any_of(watches_.begin(), watches_.end(),
                     [&](const auto& entry) { return due(*entry.second, durable, health); });
}

void GrowthWatches::tell_one(Lock& lock, Lsn durable, const Status& health) {
  const auto found = std::find_if(watches_.begin(), watches_.end(), [&](const auto& entry) {
    return due(*entry.second, durable, health);
  });
  const std::shared_ptr<Watch> watch = found->second;
  const bool grown = durable >= watch->next;
  watch->next = durable + watch->bytes;
  if (!grown) watch->ended = true;
  find_least();
  watch->running = true;
  watch->runner = std::this_thread::get_id();
  const Status status = grown ? Status::ok() : health;
  lock.unlock();
  watch->callback(status, durable);
  lock.lock();
  watch->running = false;
  told_.notify_all();
}

void GrowthWatches::find_least() {
  least_ = Lsn::invalid();
  for (const auto& [id, watch] : watches_) least_ = std::min(least_, watch->next);
}

}  // namespace cairn::log
