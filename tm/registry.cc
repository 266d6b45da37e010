#include "registry.h"

namespace cairn::tm {

Registry& Registry::get() {
  static Registry* const registry = new Registry;  // never destroyed: managers may outlive statics
  return *registry;
}

bool Registry::claim_stream(const Uuid& log, const std::string& stream) {
  const std::lock_guard lock(mutex_);
  return streams_.emplace(log, stream).second;
}

void Registry::release_stream(const Uuid& log, const std::string& stream) {
  const std::lock_guard lock(mutex_);
  streams_.erase({log, stream});
}

void Registry::add(const Uuid& id, std::weak_ptr<TmReference> reference) {
  const std::lock_guard lock(mutex_);
  managers_[id] = std::move(reference);
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
