#include "registry.h"

#include "inline_delivery.h"
#include "notification_queue.h"

namespace cairn::tm {

Registry& Registry::get() {
  static Registry* const registry = new Registry;  // never destroyed: managers may outlive statics
  return *registry;
}

bool Registry::claim_stream(const log::Log& log, const std::string& stream) {
  const std::lock_guard lock(mutex_);
  return streams_.emplace(&log, stream).second;
}

void Registry::release_stream(const log::Log& log, const std::string& stream) {
  const std::lock_guard lock(mutex_);
  streams_.erase({&log, stream});
}

bool Registry::add(const Uuid& id, std::weak_ptr<TmReference> reference) {
  const std::lock_guard lock(mutex_);
  return managers_.emplace(id, std::move(reference)).second;
}

void Registry::watch(const Uuid& own, std::weak_ptr<NotificationQueue> queue) {
  const std::lock_guard lock(mutex_);
  std::erase_if(watchers_, [&](const auto& watcher) {
    return watcher.second.expired() || watcher.second.lock() == queue.lock();  // it watched already
  });
  watchers_.emplace_back(own, std::move(queue));
}

void Registry::announce(const Uuid& id) {
  std::vector<std::shared_ptr<NotificationQueue>> queues;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [own, watcher] : watchers_) {
      if (auto queue = watcher.lock(); queue != nullptr && own != id) {
        queues.push_back(std::move(queue));
      }
    }
  }
  const InlineDelivery delivery;
  for (const auto& queue : queues) {
    Notification online;
    online.kind = NotificationKind::kTmOnline;
    online.manager = id;
    queue->push(online);
    if (queue->brings()) InlineDelivery::add({queue, nullptr});
  }
}

void Registry::remove(const Uuid& id) {
  const std::lock_guard lock(mutex_);
  managers_.erase(id);
}

std::shared_ptr<TmReference> Registry::find(const Uuid& id) const {
  const std::lock_guard lock(mutex_);
  const auto found = managers_.find(id);
  return found == managers_.end() ? nullptr : found->second.lock();
}

std::vector<Uuid> Registry::ids() const {
  const std::lock_guard lock(mutex_);
  std::vector<Uuid> ids;
  ids.reserve(managers_.size());
  for (const auto& [id, reference] : managers_) ids.push_back(id);
  return ids;
}

}  // namespace cairn::tm
