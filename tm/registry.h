// Registry: the transaction managers that are open in this process.
#ifndef CAIRN_TM_REGISTRY_H_
#define CAIRN_TM_REGISTRY_H_

#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <cairn/uuid.h>

namespace cairn::log {
class Log;
}

namespace cairn::tm {

class NotificationQueue;
class TmReference;

// Thread-safe. Its lock comes after a manager's and is held over nothing else.
class Registry {
 public:
  [[nodiscard]] static Registry& get();

  // One manager per stream: two would write decisions that contradict each other. By the open log,
  // not by its identity, which copies of it share. False if it is taken.
  [[nodiscard]] bool claim_stream(const log::Log& log, const std::string& stream);
  void release_stream(const log::Log& log, const std::string& stream);

  // False, and nothing done, if a live manager has this identity.
  [[nodiscard]] bool add(const Uuid& id, std::weak_ptr<TmReference> reference);
  void remove(const Uuid& id);
  // Null if it is not open.
  [[nodiscard]] std::shared_ptr<TmReference> find(const Uuid& id) const;
  [[nodiscard]] std::vector<Uuid> ids() const;

  // The queue hears TM_ONLINE of every manager but `own` that comes online, as long as it lives.
  void watch(const Uuid& own, std::weak_ptr<NotificationQueue> queue);
  void announce(const Uuid& id);

 private:
  Registry() = default;

  mutable std::mutex mutex_;
  std::set<std::pair<const log::Log*, std::string>> streams_;
  std::unordered_map<Uuid, std::weak_ptr<TmReference>> managers_;
  std::vector<std::pair<Uuid, std::weak_ptr<NotificationQueue>>> watchers_;
};

}  // namespace cairn::tm

#endif  // CAIRN_TM_REGISTRY_H_
