#include "ktm_objects.h"

#include "ktm_transaction_object.h"

namespace cairn::win32 {

KtmNames& KtmNames::get() {
  static KtmNames* const names = new KtmNames;
  return *names;
}

void KtmNames::add(const std::shared_ptr<TmObject>& manager) {
  const std::lock_guard lock(mutex_);
  std::erase_if(managers_, [](const auto& known) { return known.expired(); });
  managers_.push_back(manager);
}

void KtmNames::add(const Uuid& unit_of_work,
                   const std::shared_ptr<TransactionObject>& transaction) {
  const std::lock_guard lock(mutex_);
  transactions_[unit_of_work] = transaction;
}

std::shared_ptr<TransactionObject> KtmNames::add_or_find(
    const Uuid& unit_of_work, const std::shared_ptr<TransactionObject>& transaction) {
  const std::lock_guard lock(mutex_);
  std::weak_ptr<TransactionObject>& known = transactions_[unit_of_work];
  if (auto found = known.lock(); found != nullptr) return found;
  known = transaction;
  return transaction;
}

// Objects are let go of after the lock: a manager that goes with its last reference is closed.
std::shared_ptr<TmObject> KtmNames::find_manager(const Uuid& id) const {
  for (auto& manager : managers()) {
    if (manager->manager.id() == id) return manager;
  }
  return nullptr;
}

std::shared_ptr<TmObject> KtmNames::find_manager(const log::Log& log,
                                                 const std::string& stream) const {
  for (auto& manager : managers()) {
    if (manager->log.get() == &log && manager->stream == stream) return manager;
  }
  return nullptr;
}

std::shared_ptr<TransactionObject> KtmNames::find_transaction(const Uuid& unit_of_work) const {
  const std::lock_guard lock(mutex_);
  const auto found = transactions_.find(unit_of_work);
  return found == transactions_.end() ? nullptr : found->second.lock();
}

std::vector<std::shared_ptr<TmObject>> KtmNames::managers() const {
  std::vector<std::shared_ptr<TmObject>> live;
  const std::lock_guard lock(mutex_);
  live.reserve(managers_.size());
  for (const auto& known : managers_) {
    if (auto manager = known.lock(); manager != nullptr) live.push_back(std::move(manager));
  }
  return live;
}

std::vector<std::shared_ptr<TransactionObject>> KtmNames::transactions() const {
  std::vector<std::shared_ptr<TransactionObject>> live;
  const std::lock_guard lock(mutex_);
  live.reserve(transactions_.size());
  for (const auto& [id, known] : transactions_) {
    if (auto transaction = known.lock(); transaction != nullptr) {
      live.push_back(std::move(transaction));
    }
  }
  return live;
}

// Another object may have taken the name meanwhile: that one stays.
void KtmNames::forget(const Uuid& unit_of_work) {
  const std::lock_guard lock(mutex_);
  const auto found = transactions_.find(unit_of_work);
  if (found != transactions_.end() && found->second.expired()) transactions_.erase(found);
}

}  // namespace cairn::win32
