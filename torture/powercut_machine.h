// PowercutMachine: what runs when the power goes: a transaction manager with two resource managers,
// a client of a log of its own, and one that archives its log.
#ifndef CAIRN_TORTURE_POWERCUT_MACHINE_H_
#define CAIRN_TORTURE_POWERCUT_MACHINE_H_

#include <memory>
#include <string>

#include <cairn/sim/random.h>
#include <cairn/torture/log_scenario.h>
#include <cairn/torture/two_rm_machine.h>

#include "archive_scenario.h"

namespace cairn::torture {

struct PowercutKnowledge {
  Knowledge transactions;
  LogModel log;
  ArchiveKnowledge archive;
};

// For one thread.
class PowercutMachine {
 public:
  PowercutMachine(std::shared_ptr<log::Storage> storage, std::uint64_t seed,
                  PowercutKnowledge known);

  // Opens or makes everything, recovers it, and answers until nothing is left to say. Once.
  [[nodiscard]] Status boot();
  [[nodiscard]] Status step(sim::Random& random);
  // A commit over both resource managers, a durable record, and an archive.
  [[nodiscard]] Status commit_one();

  // Also from within a call.
  [[nodiscard]] PowercutKnowledge knowledge() const;
  // What the logs are written with.
  [[nodiscard]] std::string storage_kind() const;
  // Of T1 to T5 and I1 to I8, by what is here now; or empty. REQUIRES: boot() returned OK.
  [[nodiscard]] std::string violation() const;
  // I7, by reading every byte of all logs.
  [[nodiscard]] std::string damage() const;

 private:
  [[nodiscard]] std::string garbage() const;

  std::shared_ptr<log::Storage> storage_;
  LogModel known_log_;
  TwoRmMachine transactions_;
  LogScenario log_;
  ArchiveScenario archive_;
  bool log_runs_ = false;
  std::uint64_t steps_ = 0;
  std::string violation_;  // of the logs, at boot
};

}  // namespace cairn::torture

#endif  // CAIRN_TORTURE_POWERCUT_MACHINE_H_
