// A life of a soak: recovers, checks what it finds, and works until it is killed or told to end.
#ifndef CAIRN_TORTURE_SOAK_CHILD_H_
#define CAIRN_TORTURE_SOAK_CHILD_H_

#include <chrono>
#include <cstdint>
#include <string>

#include <cairn/storage.h>
#include <cairn/torture/append_knowledge.h>

#include "soak_machine.h"

namespace cairn::torture {

struct SoakLife {
  std::string directory;
  log::StorageKind storage = log::StorageKind::kAuto;
  std::uint64_t seed = 0;
  bool reads_every_byte = false;  // of the logs, before it works
  // Works for so long and closes everything; less than 0: until it is killed.
  std::chrono::milliseconds work{-1};
};

// Tells over `pipe` (kill_messages.h). What is not as it was promised ends it.
[[noreturn]] void live_soak(const SoakLife& life, const AppendKnowledge& appended,
                            const SoakTransactions& asked, int pipe);

}  // namespace cairn::torture

#endif  // CAIRN_TORTURE_SOAK_CHILD_H_
