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

namespace cairn::tm {

class TmReference;

// Thread-safe. Its lock is held over nothing else.
class Registry {
 public:
  [[nodiscard]] static Registry& get();

  // One manager per stream: two would write decisions that contradict each other. False if it is
  // taken.
  [[nodiscard]] bool claim_stream(const Uuid& log, const std::string& stream);
  void release_stream(const Uuid& log, const std::string& stream);

  void add(const Uuid& id, std::weak_ptr<TmReference> reference);
  void remove(const Uuid& id);
  // Null if it is not open.
  [[nodiscard]] std::shared_ptr<TmReference> find(const Uuid& id) const;
  [[nodiscard]] std::vector<Uuid> ids() const;

 private:
  Registry() = default;

  mutable std::mutex mutex_;
  std::set<std::pair<Uuid, std::string>> streams_;
  std::unordered_map<Uuid, std::weak_ptr<TmReference>> managers_;
};

}  // namespace cairn::tm

#endif  // CAIRN_TM_REGISTRY_H_
