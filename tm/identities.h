// Identities: new identities for transactions and enlistments.
#ifndef CAIRN_TM_IDENTITIES_H_
#define CAIRN_TM_IDENTITIES_H_

#include <atomic>
#include <cstdint>

#include <cairn/uuid.h>

namespace cairn::tm {

// To ask the system for each identity takes longer than all else that a transaction in memory does.
// One is asked for; the others are hashes of it and of a count (UUIDs of version 8), as unlikely to
// meet as those by chance. They are names, no secrets. Thread-safe.
class Identities {
 public:
  [[nodiscard]] Uuid next();

 private:
  const Uuid seed_ = Uuid::generate();
  std::atomic<std::uint64_t> count_{0};
};

}  // namespace cairn::tm

#endif  // CAIRN_TM_IDENTITIES_H_
