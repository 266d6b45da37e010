// BridgeMachine: one simulated machine with two transaction managers, one above the other, a bridge
// between them, and three resource managers: one above, two below.
#ifndef CAIRN_TESTS_CRASH_BRIDGE_MACHINE_H_
#define CAIRN_TESTS_CRASH_BRIDGE_MACHINE_H_

#include <array>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <cairn/sim/random.h>
#include <cairn/subordinate_bridge.h>
#include <cairn/torture/test_rm.h>

namespace cairn::crash_test {

inline constexpr std::array<const char*, 2> kBridgedTmDirectories{"tm0", "tm1"};
inline constexpr std::array<const char*, 3> kBridgedRmDirectories{"rm0", "rm1", "rm2"};

struct BridgedFacts {
  Uuid branch{};  // of the lower manager; null: none
  std::array<bool, 3> members{};
  enum class Told { kNothing, kCommitted, kAborted } told = Told::kNothing;
};

// What is known at one moment about a machine, from outside.
struct BridgedKnowledge {
  std::map<Uuid, BridgedFacts> transactions;
  std::array<torture::LogModel, 3> rm_logs;
  std::uint64_t boots = 0;  // says, with the number of transactions, in which order all come back
};

// For one thread: all logs, the managers and the bridge are manual.
class BridgeMachine {
 public:
  using Known = BridgedKnowledge;

  // `logs`: 1, both managers lie in one; 2, each has its own.
  BridgeMachine(std::size_t logs, std::shared_ptr<sim::SimStorage> storage, Known known)
      : log_count_(logs), storage_(std::move(storage)), known_(std::move(known)) {}
  ~BridgeMachine();
  BridgeMachine(const BridgeMachine&) = delete;
  BridgeMachine& operator=(const BridgeMachine&) = delete;

  // Opens all logs (or makes them), recovers both managers, then everybody else, and lets them
  // answer until nothing is left to say. Once.
  [[nodiscard]] Status boot();

  // One random step: a transaction over some of the resource managers that is committed, rolled
  // back from either side, or refused by one; sometimes two at a time; checkpoints; a resource
  // manager or the bridge that begins anew; one of the managers that is closed and opened.
  [[nodiscard]] Status step(sim::Random& random);
  // A commit over all.
  [[nodiscard]] Status commit_one();

  [[nodiscard]] Known knowledge() const;
  // Of T1 to T4, then of I1 to I4 of the resource managers' logs; or empty.
  [[nodiscard]] std::string violation() const;

 private:
  struct Work {
    tm::Transaction upper;
    tm::Transaction branch;
  };
  [[nodiscard]] tm::TransactionManager& manager_of(std::size_t rm) { return tms_[rm == 0 ? 0 : 1]; }
  [[nodiscard]] Status open_tm(std::size_t level);
  // The manager, and the resource managers in it.
  [[nodiscard]] Status recover_level(std::size_t level);
  [[nodiscard]] Status new_bridge();
  [[nodiscard]] Status reopen_tm(std::size_t level);
  [[nodiscard]] Status answer_until_quiet();
  [[nodiscard]] Result<Work> begin(std::array<bool, 3> members);
  [[nodiscard]] Status commit(Work& work);
  [[nodiscard]] Status roll_back(Work& work, bool below);
  [[nodiscard]] Status run_background();
  [[nodiscard]] std::string violation_of(const Uuid& id, const BridgedFacts& facts) const;

  const std::size_t log_count_;
  std::shared_ptr<sim::SimStorage> storage_;
  Known known_;
  std::array<std::shared_ptr<log::Log>, 2> logs_;
  std::array<tm::TransactionManager, 2> tms_;  // upper, lower
  std::array<std::unique_ptr<torture::TestRm>, 3> rms_;
  std::unique_ptr<tm::SubordinateBridge> bridge_;
};

class OneLogMachine : public BridgeMachine {
 public:
  OneLogMachine(std::shared_ptr<sim::SimStorage> storage, Known known)
      : BridgeMachine(1, std::move(storage), std::move(known)) {}
  static std::array<const char*, 4> directories() {
    return {kBridgedTmDirectories[0], kBridgedRmDirectories[0], kBridgedRmDirectories[1],
            kBridgedRmDirectories[2]};
  }
};

class TwoLogMachine : public BridgeMachine {
 public:
  TwoLogMachine(std::shared_ptr<sim::SimStorage> storage, Known known)
      : BridgeMachine(2, std::move(storage), std::move(known)) {}
  static std::array<const char*, 5> directories() {
    return {kBridgedTmDirectories[0], kBridgedTmDirectories[1], kBridgedRmDirectories[0],
            kBridgedRmDirectories[1], kBridgedRmDirectories[2]};
  }
};

}  // namespace cairn::crash_test

#endif  // CAIRN_TESTS_CRASH_BRIDGE_MACHINE_H_
