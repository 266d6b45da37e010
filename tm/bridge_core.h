// BridgeCore: what a SubordinateBridge is behind its handle. The two sessions, the branches, and
// the thread.
//
//   above_  session with the upper manager   -- notification -->  branch.above --+
//   below_  session with the lower manager   -- notification -->  branch.below --+--> bridge_step()
//                                                                                      |
//                       orders to the superior enlistment, answers to the upper one <--+
//
// Locks: lifecycle_, one close() at a time, then mutex_, which guards everything. That comes before
// the locks of both managers, whose calls are made with it held: they call nothing of the bridge.
// It is not held over waits for notifications.
#ifndef CAIRN_TM_BRIDGE_CORE_H_
#define CAIRN_TM_BRIDGE_CORE_H_

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>

#include <cairn/subordinate_bridge.h>

#include "bridge_record.h"
#include "bridge_steps.h"

namespace cairn::tm {

class BridgeCore {
 public:
  explicit BridgeCore(const BridgeOptions& options);
  BridgeCore(const BridgeCore&) = delete;
  BridgeCore& operator=(const BridgeCore&) = delete;
  ~BridgeCore();

  // Once, before all others. With kThread, starts the thread.
  [[nodiscard]] Status begin();
  [[nodiscard]] Uuid id() const { return options_.id; }
  [[nodiscard]] Status recover();
  [[nodiscard]] Result<Transaction> enlist(const Transaction& upper,
                                           const TransactionOptions& options);
  [[nodiscard]] Result<bool> pump();
  [[nodiscard]] Status close();
  [[nodiscard]] BridgeInformation information() const;

 private:
  struct Side {
    const char* name;
    Uuid id{};  // of the manager
    TransactionManager manager{};
    RmKind kind = RmKind::kVolatile;
    std::optional<ResourceManager> session{};
    Status lost{};           // of the present session: it has ended. Else, why there is none
    bool is_back = false;    // the manager came online since the session began
    bool recovered = false;  // everything that the manager knows of has been offered
  };
  struct Branch {
    std::uint64_t key = 0;
    Uuid upper_transaction{};
    Uuid upper_enlistment{};  // names the branch in the recovery information of its lower half
    Uuid lower_transaction{};
    Enlistment upper{};  // while there is something to answer
    Enlistment lower{};
    Transaction transaction{};  // the lower one, so that it lives without clients
    Transaction decided{};      // the upper one, once voted to a volatile manager: it can be asked
    BranchAbove above = BranchAbove::kUnknown;
    BranchBelow below = BranchBelow::kUnknown;
    std::uint64_t clock = 0;  // the highest that either side sent
    Status refused{};
    bool contradictory = false;  // an order was refused because the opposite was decided by hand

    // A clock that has risen above what may be handed in is handed on as the highest that may.
    void hear(std::uint64_t sent) { clock = std::max(clock, std::min(sent, kMaxClock)); }
  };

  // --- sessions ---
  [[nodiscard]] Status connect(Side& side);
  void renew_sessions();
  void lose_above();
  void lose_below();
  // Takes note of what a call to that side was answered; true if it was accepted.
  bool accepted(Side& side, Branch& branch, const Status& status);

  // --- notifications ---
  // Takes and handles one of that side; false if there was none.
  bool take_one(Side& side);
  void hear_above(const Notification& heard);
  void hear_below(const Notification& heard);
  void hear_recover_above(const Notification& heard);
  void hear_recover_below(const Notification& heard);
  void hear_last_recover(Side& side);
  void hear_online(const Uuid& manager);
  void hear_commit_request(Branch& branch);
  // The enlistment that is offered, and the other half's names; nothing if it has ended meanwhile
  // or is a stranger.
  struct Offer {
    Enlistment enlistment;
    BridgeRecord other;
  };
  [[nodiscard]] std::optional<Offer> offered(Side& side, const Side& other,
                                             const Notification& heard);
  void note_stranger(const Status& why);

  // --- branches ---
  [[nodiscard]] Result<Transaction> make_branch(const Transaction& upper,
                                                const TransactionOptions& options);
  [[nodiscard]] Status join(Branch& branch, const Transaction& upper);
  Branch& add(Branch branch);
  [[nodiscard]] Branch* find_by_enlistment(const Uuid& upper_enlistment);
  [[nodiscard]] Branch* find_by_key(std::uint64_t key);
  // Takes every step that waits for nothing. The branch may be gone afterwards.
  void advance(Branch& branch);
  void advance_all();
  [[nodiscard]] bool take(Branch& branch, BridgeStep step);
  [[nodiscard]] bool order(Branch& branch, BridgeStep step);
  [[nodiscard]] bool answer(Branch& branch, BridgeStep step);
  void forget(const Branch& branch);
  [[nodiscard]] Status reason_below(const Branch& branch) const;
  [[nodiscard]] bool awaits_record_below() const;

  // --- thread ---
  void run();
  [[nodiscard]] bool pump_once();
  void wake();

  const BridgeOptions options_;   // without the managers, which close() lets go of
  const bool single_phase_only_;  // a decision above would not be remembered

  std::mutex lifecycle_;
  mutable std::mutex mutex_;
  Side above_;
  Side below_;
  std::map<std::uint64_t, Branch> branches_;  // by key; stable addresses
  std::unordered_map<Uuid, std::uint64_t> by_upper_enlistment_;
  std::unordered_map<Uuid, std::uint64_t> by_upper_transaction_;
  std::uint64_t next_key_ = 1;
  std::uint64_t strangers_ = 0;
  Status stranger_;
  bool closed_ = false;

  std::thread thread_;
  int wake_fd_ = -1;
};

}  // namespace cairn::tm

#endif  // CAIRN_TM_BRIDGE_CORE_H_
