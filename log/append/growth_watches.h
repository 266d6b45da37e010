// GrowthWatches: who wants to be told when the durable prefix has grown by so many bytes.
#ifndef CAIRN_LOG_APPEND_GROWTH_WATCHES_H_
#define CAIRN_LOG_APPEND_GROWTH_WATCHES_H_

#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <thread>

#include <cairn/growth.h>
#include <cairn/lsn.h>
#include <cairn/status.h>

namespace cairn::log {

// Guarded by the block writer's mutex: each call holds it, and gives it up only over a callback.
class GrowthWatches {
 public:
  using Lock = std::unique_lock<std::mutex>;

  // Tells each time when at least `bytes` became durable since `durable`, or since the last time.
  std::uint64_t add(Lsn durable, std::uint64_t bytes, GrowthCallback callback);
  // Waits for a call that is running, unless it is the one that asks.
  void remove(Lock& lock, std::uint64_t id);

  // Whether someone waits for an LSN up to `durable`, or for the end, and is not being told.
  [[nodiscard]] bool due(Lsn durable, const Status& health) const;
  // Tells one of them. REQUIRES: due().
  void tell_one(Lock& lock, Lsn durable, const Status& health);

 private:
  struct Watch {
    std::uint64_t bytes = 0;
    Lsn next;  // to be told when the durable LSN gets there
    GrowthCallback callback;
    bool running = false;
    bool ended = false;  // told of the log's end, or removed by its own callback
    std::thread::id runner;
  };
  [[nodiscard]] static bool due(const Watch& watch, Lsn durable, const Status& health);
  void find_least();

  std::map<std::uint64_t, std::shared_ptr<Watch>> watches_;
  std::uint64_t last_id_ = 0;
  Lsn least_ = Lsn::invalid();  // of all `next`: one comparison where nobody is due
  std::condition_variable told_;
};

}  // namespace cairn::log

#endif  // CAIRN_LOG_APPEND_GROWTH_WATCHES_H_
