// SubordinateBridge: makes transactions of one transaction manager branches of another's.
//
// Of two managers in one program the upper decides, the lower carries out. The bridge is a resource
// manager of the upper one and, with the same identity, the superior of branches in the lower one.
// It hands the phases down and the answers up, and after any crash finds which halves belong
// together. Managers can stand in more than two levels, with a bridge between each two.
//
//   auto bridge = cairn::tm::SubordinateBridge::create({.id = kBridge, .upper = a, .lower = b});
//   (*bridge)->recover();                        // after both managers have recovered
//   auto transaction = a.create_transaction();
//   auto branch = (*bridge)->enlist(*transaction);  // a transaction of b: enlist in it, work
//   transaction->commit();                       // decides over both
//
// What is promised, whatever crashes when:
//   - All durable resource managers of both levels end alike. The bridge votes yes only when the
//     branch is prepared on stable storage, and answers COMMIT only when it has committed.
//   - A branch that is prepared is ended by what the upper manager decided, and rolled back only
//     when that manager is recovered and knows nothing of it (presumed abort).
//   - A branch in which nobody has anything to commit votes read-only: nothing is logged for it.
//   - Rolled back by anyone on either side, it is rolled back on both.
//
// Volatile managers. Below a durable upper manager, what a volatile lower one keeps is lost with
// the process, so nothing is logged for the bridge. Below a volatile upper manager a durable lower
// one could be told "commit" by a decision that nobody remembers after a crash: a branch there is
// committed only if the bridge alone votes in its transaction (then the lower manager decides, by
// SINGLE_PHASE_COMMIT). In a transaction with other votes the bridge votes for rollback, with
// kTmVolatile as the reason.
#ifndef CAIRN_SUBORDINATE_BRIDGE_H_
#define CAIRN_SUBORDINATE_BRIDGE_H_

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include <cairn/result.h>
#include <cairn/status.h>
#include <cairn/transaction_manager.h>
#include <cairn/uuid.h>

namespace cairn::tm {

class BridgeCore;

// What a client's commit() of a branch does.
enum class BranchCommit : std::uint8_t {
  kRefuse,   // kSuperiorExists: only the upper transaction can be committed
  kForward,  // asks for the commit of the upper transaction, and waits for what is decided there.
             // That transaction below a superior too, which does not want to be asked: it waits
             // until someone else commits
};

struct BridgeOptions {
  // Its own, the same after every restart, and that of no other resource manager of either manager.
  Uuid id{};
  // Two different ones. The bridge holds references to both until its end, so they are closed by
  // their close() and not by dropping references. REQUIRES: the lower one is not above the upper
  // one by other bridges in one and the same transaction.
  TransactionManager upper{};
  TransactionManager lower{};
  // kThread: one thread carries the notifications. kManual: pump() does.
  Background background = Background::kThread;
  // Lets the lower manager decide where the bridge alone votes: one forced write instead of three.
  // But nobody above knows the outcome if the lower manager goes offline meanwhile
  // (kOutcomeUnknown; what was decided there stands). Of a volatile upper manager it is always so.
  bool single_phase = true;
  BranchCommit branch_commit = BranchCommit::kRefuse;
};

// What is known of a branch above: the last thing that was asked for and not answered.
enum class BranchAbove : std::uint8_t {
  kUnknown,      // the upper manager is away; it may know of the branch
  kAbsent,       // it does not, or does no longer: answered, or rolled back
  kWorking,      // nothing is asked
  kPrePrepare,   // PREPREPARE
  kPrepare,      // PREPARE
  kVoted,        // voted yes; the upper side decides
  kSinglePhase,  // SINGLE_PHASE_COMMIT
  kCommit,       // COMMIT
  kRollback,     // ROLLBACK
};
[[nodiscard]] std::string_view branch_above_name(BranchAbove above);

// What is known of it below: the last thing that was ordered or heard.
enum class BranchBelow : std::uint8_t {
  kUnknown,       // the lower manager is away; it may know of the branch
  kAbsent,        // it does not, or does no longer
  kActive,        // nothing is ordered
  kPrePreparing,  // ordered
  kPrePrepared,   // done
  kPreparing,     // ordered
  kPrepared,      // done: promised, across crashes
  kReadOnly,      // done, and nobody is left who takes part
  kCommitting,    // ordered
  kCommitted,     // done
  kAborting,      // ordered, or rolled back by others
  kAborted,       // done
};
[[nodiscard]] std::string_view branch_below_name(BranchBelow below);

struct BranchInformation {
  Uuid upper_transaction{};
  Uuid lower_transaction{};
  BranchAbove above = BranchAbove::kUnknown;
  BranchBelow below = BranchBelow::kUnknown;
  // The two sides ended differently, because one was resolved by hand
  // (TransactionManager::resolve). The bridge answers nothing; `refused` says what was done.
  bool contradictory = false;
  Status refused{};  // the last step that a manager refused, and why; OK: none
};

struct BridgeInformation {
  Uuid id{};
  Uuid upper{};
  Uuid lower{};
  Status upper_session{};  // OK: connected. Else why not: recover()
  Status lower_session{};
  std::vector<BranchInformation> branches{};  // unfinished
  // Enlistments that were offered and are left alone: they name another manager as the other side,
  // or their recovery information cannot be read.
  std::uint64_t strangers = 0;
  Status stranger{};  // what is wrong with the last one
};

// Thread-safe. No code of resource managers runs in its calls.
class SubordinateBridge {
 public:
  // Connects nothing yet. Errors: kInvalidArgument (null identity; managers that refer to nothing,
  // or are one and the same), kResourceExhausted (no thread or descriptor left).
  [[nodiscard]] static Result<std::unique_ptr<SubordinateBridge>> create(
      const BridgeOptions& options);
  SubordinateBridge(const SubordinateBridge&) = delete;
  SubordinateBridge& operator=(const SubordinateBridge&) = delete;
  ~SubordinateBridge();  // close()

  [[nodiscard]] Uuid id() const;

  // Begins a session with each manager with which there is none, and recovers it; what follows is
  // carried by the thread or by pump(). First after both managers have recovered, in any order.
  // Later, a manager that was closed and comes online again, with the same identity, is connected
  // by itself as long as the other is; if both were closed, or another bridge of this identity took
  // over, it takes another call. Repeating it is OK. It and pump() try again what a manager refused
  // with kLogFull. Errors: of the manager that cannot be connected (kNotOnline: recover it first);
  // the other one is.
  [[nodiscard]] Status recover();

  // The branch of `upper`, a transaction of the upper manager: the same one each time. It is
  // created with `options` at the first call. The bridge holds a reference to it, so dropping the
  // last one of the clients does not roll it back. Errors: kNotOnline (a side is not connected),
  // kNotActive (its commit has begun, or it has ended), kClosed, and those of
  // ResourceManager::enlist() above and TransactionManager::create_transaction() below; nothing is
  // left of a failed call.
  [[nodiscard]] Result<Transaction> enlist(const Transaction& upper,
                                           const TransactionOptions& options = {});

  // Carries everything that can be carried now, and returns whether there was anything. It waits
  // for no resource manager. Lets a lower manager of kManual work, too: forced writes that a branch
  // waits for. With kThread it is harmless. Error: kClosed.
  [[nodiscard]] Result<bool> pump();

  // Ends both sessions and the thread. Branches that have not promised are rolled back, on both
  // sides; those that have wait, across crashes, for the next bridge of this identity. Below a
  // volatile manager nothing can wait: their outcome is unknown there. A second call is OK.
  [[nodiscard]] Status close();

  // In every state.
  [[nodiscard]] BridgeInformation information() const;

 private:
  explicit SubordinateBridge(std::unique_ptr<BridgeCore> core);
  std::unique_ptr<BridgeCore> core_;
};

}  // namespace cairn::tm

#endif  // CAIRN_SUBORDINATE_BRIDGE_H_
