// TwoRmMachine: one simulated machine with a transaction manager and two resource managers, each
// with a log of its own.
#ifndef CAIRN_TORTURE_TWO_RM_MACHINE_H_
#define CAIRN_TORTURE_TWO_RM_MACHINE_H_

#include <array>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include <cairn/sim/random.h>
#include <cairn/torture/test_rm.h>
#include <cairn/transaction_manager.h>

namespace cairn::torture {

inline constexpr char kTmDirectory[] = "tm";
inline constexpr std::array<const char*, 2> kRmDirectories{"rm0", "rm1"};

// What a client was told of a transaction.
enum class Told { kNothing, kCommitted, kAborted };
struct TransactionFacts {
  std::array<bool, 2> members{};
  Told told = Told::kNothing;
};

// What is known at one moment about a machine, from outside.
struct Knowledge {
  std::map<Uuid, TransactionFacts> transactions;
  std::array<LogModel, 2> rm_logs;
  LogContents tm_log;  // what was durable in it; there may be more
};

// For one thread: all logs and the manager are manual.
class TwoRmMachine {
 public:
  using Known = Knowledge;
  static std::array<const char*, 3> directories() {
    return {kTmDirectory, kRmDirectories[0], kRmDirectories[1]};
  }

  TwoRmMachine(std::shared_ptr<log::Storage> storage, Knowledge known)
      : TwoRmMachine(std::move(storage), std::move(known), false) {}

  // Opens all logs (or makes them), recovers the manager, lets both resource managers recover and
  // answer until nothing is left to say. Once.
  [[nodiscard]] Status boot();

  // One random step: a transaction over one or both resource managers that is committed, rolled
  // back, or refused by one; sometimes two at a time; a checkpoint; a resource manager that begins
  // a new session.
  [[nodiscard]] Status step(sim::Random& random);
  // A commit over both.
  [[nodiscard]] Status commit_one();

  // Also from within a call, boot() included.
  [[nodiscard]] Knowledge knowledge() const;
  // Of T1 to T4, then of I1 to I4, by what is here now; or empty.
  [[nodiscard]] std::string violation() const;

 protected:
  // `is_inline`: a commit and all its answers are one call, that forces the decision on its own.
  TwoRmMachine(std::shared_ptr<log::Storage> storage, Knowledge known, bool is_inline)
      : inline_(is_inline), storage_(std::move(storage)), known_(std::move(known)) {}

 private:
  [[nodiscard]] Status connect(std::size_t number);
  [[nodiscard]] Status answer_until_quiet();
  [[nodiscard]] Result<tm::Transaction> begin(std::array<bool, 2> members);
  [[nodiscard]] Status commit(tm::Transaction& transaction);
  [[nodiscard]] Status roll_back(tm::Transaction& transaction);
  [[nodiscard]] Status new_session(std::size_t number);
  [[nodiscard]] Status note_tm_log();

  const bool inline_;
  std::shared_ptr<log::Storage> storage_;
  Knowledge known_;
  std::string violation_;  // of the manager's log, at boot
  std::shared_ptr<log::Log> log_;
  tm::TransactionManager tm_;
  std::array<std::unique_ptr<TestRm>, 2> rms_;
};

// The same with resource managers that are told by whoever causes it (Delivery::start_inline()).
class InlineTwoRmMachine : public TwoRmMachine {
 public:
  InlineTwoRmMachine(std::shared_ptr<log::Storage> storage, Knowledge known)
      : TwoRmMachine(std::move(storage), std::move(known), true) {}
};

}  // namespace cairn::torture

#endif  // CAIRN_TORTURE_TWO_RM_MACHINE_H_
