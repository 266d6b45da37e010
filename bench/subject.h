// Subject: an engine, or the bare device, that makes a payload durable; what the rows A compare.
#ifndef CAIRN_BENCH_SUBJECT_H_
#define CAIRN_BENCH_SUBJECT_H_

#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <cairn/result.h>
#include <cairn/status.h>

namespace cairn::bench {

class Subject {
 public:
  virtual ~Subject() = default;

  // Returns when `payload` survives a power cut. From many threads at once; `thread` is the
  // caller's number, from 0.
  [[nodiscard]] virtual Status append(unsigned thread, std::span<const std::byte> payload) = 0;
  // Between two rounds, not timed: gives back the space that the round took.
  [[nodiscard]] virtual Status end_round() { return {}; }
};

struct Workload {
  unsigned threads = 1;
  std::size_t payload = 0;  // bytes
};

struct Engine {
  std::string name;
  std::string version;  // of the peer's library; empty for the floor
  // Makes its files in the existing, empty `directory`.
  std::function<Result<std::unique_ptr<Subject>>(const std::filesystem::path& directory,
                                                 const Workload& workload)>
      open;
  bool durable = true;  // it must show flushes of the device
};

// The floor first, Cairn second, then the peers that were there when this was built.
[[nodiscard]] std::vector<Engine> engines();

Engine floor_engine();
Engine wakeups_engine();  // what blocking and waking alone cost; makes nothing durable
Engine cairn_engine();
Engine berkeley_db_engine();
Engine leveldb_engine();
Engine rocksdb_engine();
Engine sqlite_engine();

}  // namespace cairn::bench

#endif  // CAIRN_BENCH_SUBJECT_H_
