// XaResourceManager: any X/Open XA resource manager as a resource manager of Cairn.
//
//   extern "C" struct xa_switch_t their_switch;       // from its client library
//   auto orders = XaResourceManager::open(
//       tm, {.id = kOrders, .rm = &their_switch, .open = "user=app", .log = log});
//   auto transaction = tm.create_transaction();
//   orders->work(*transaction, [] { return insert_an_order(); });
//   transaction->commit();
//
// A branch is the part of a Cairn transaction that lies in the resource manager, under an XID that
// names the manager, this resource manager and the unit of work. PREPARE is xa_prepare, the outcome
// xa_commit or xa_rollback, and xa_recover tells what was promised. What each return code means is
// in one table (rm/xa/xa_codes.h).
//
// Threads of control. One thread of the adapter's own calls xa_open, xa_prepare, xa_commit,
// xa_rollback, xa_recover, xa_forget, xa_complete and xa_close. work() runs in others of its own,
// `workers` of them, each with its own xa_open and xa_close; each piece of work lies between an
// xa_start and an xa_end of one thread, so no association outlives it.
//
// Crash semantics. Those of the resource manager: it has promised durably when xa_prepare returned
// XA_OK. It may go away and come back at any time: what it had not promised is voted down; what was
// promised is ordered again until it says that it is done. An error is never read as an outcome.
#ifndef CAIRN_RM_XA_H_
#define CAIRN_RM_XA_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <cairn/log.h>
#include <cairn/result.h>
#include <cairn/status.h>
#include <cairn/transaction_manager.h>
#include <cairn/uuid.h>
#include <cairn/xa.h>

namespace cairn::rm {

// A resource manager that ended a branch by itself, or cannot say how it ended.
struct XaHeuristic {
  Uuid transaction{};
  tm::Outcome decided =
      tm::Outcome::kUndetermined;  // what was ordered; kUndetermined: nothing was,
                                   // the branch was to decide alone
  int code = 0;  // what it said: XA_HEUR*, or XAER_NOTA, XAER_RMERR, XA_RB* to a commit order
  bool agrees = false;  // it did what was decided
};

struct XaOptions {
  // Identity of this resource manager: chosen once, the same at every start. Required, and for one
  // store only. A store may have several, of the same or of different managers.
  Uuid id{};
  // Its switch. It outlives the adapter. Required. One with TMREGISTER is not taken: it would want
  // ax_reg() of this process; such vendors export a second switch without.
  const xa_switch_t* rm = nullptr;
  // The strings for xa_open and xa_close, each less than MAXINFOSIZE bytes.
  std::string open{};
  std::string close{};
  // By which the resource manager tells its instances apart in this process.
  int rmid = 1;
  // Names the store, if the caller knows a name that no other store has: it travels with promises
  // and is compared where the resource manager does not know a decided branch. Empty: not compared.
  std::string store{};
  // Where heuristic outcomes are written before the resource manager is asked to forget them, in
  // the stream "xa:<id>"; usually the manager's log. Required.
  std::shared_ptr<log::Log> log{};
  // Told of each after it is durable in the log, from the adapter's thread; calls nothing of it.
  std::function<void(const XaHeuristic&)> on_heuristic{};
  // Threads for work(), at most 256. 0: the adapter's one thread does it, for a resource manager
  // that takes the process for the thread of control. A piece of work that waits for a lock of
  // another branch then waits for ever, if the resource manager has no limit of its own.
  unsigned workers = 4;
  // Shown by the transaction manager, at most as long as that allows.
  std::string description = "xa";
  // How long open() waits for the resource manager and for the outcomes of what it finds.
  std::chrono::milliseconds patience{30000};
};

// What open() found of transactions it had a part in, by unit of work.
struct XaRecovery {
  std::vector<Uuid> committed;       // were prepared; committed on the manager's order
  std::vector<Uuid> aborted;         // were prepared; rolled back: by its order, or as not offered
  std::vector<Uuid> redelivered;     // were committed already; only the answer had been lost
  std::vector<std::string> foreign;  // XIDs of branches of others: left alone
};

// Thread-safe. The manager outlives it. At most one with the same id at a time.
class XaResourceManager {
 public:
  // Begins a session with `manager` and brings every branch in doubt to its outcome. REQUIRES:
  // `manager` is recovered. Errors: kInvalidArgument (options; xa_open said XAER_INVAL),
  // kNotSupported (TMREGISTER), kIdentityMismatch (a decided branch was promised by another store),
  // kTimeout (not settled within `patience`, with what the resource manager said last), kIoError
  // (what it said to xa_open or xa_recover), those of manager and log.
  [[nodiscard]] static Result<std::unique_ptr<XaResourceManager>> open(
      tm::TransactionManager manager, XaOptions options);
  XaResourceManager(const XaResourceManager&) = delete;
  XaResourceManager& operator=(const XaResourceManager&) = delete;
  // Ends the session. Branches that have not promised are rolled back; promised ones stay prepared.
  ~XaResourceManager();

  // Work under a transaction, before its commit is asked for. The first call takes part in it.
  using Function = std::function<Status()>;
  // Runs `function` in a thread that is associated with the branch of `transaction`, alone, and
  // returns what it returns. An error of it ends the association with TMFAIL: the branch votes no,
  // with that Status as the reason. REQUIRES: it leaves the thread as it found it, and calls
  // neither the switch nor this object. Errors also: kNotActive (the transaction is past the point
  // of taking work), kLocked (XA_RETRY), kInvalidState (XAER_OUTSIDE, XAER_PROTO: nothing was
  // done), kIoError (what xa_open, xa_start or xa_end said), health()'s, and those of
  // ResourceManager::enlist().
  [[nodiscard]] Status work(const tm::Transaction& transaction, const Function& function);

  [[nodiscard]] const XaRecovery& recovery() const;
  // Every heuristic outcome in the log, of earlier openings too, oldest first.
  [[nodiscard]] std::vector<XaHeuristic> heuristics() const;
  // An administrator has seen those: they are dropped from the log. Errors: those of the log.
  [[nodiscard]] Status clear_heuristics();
  // OK, or why the session ended. The way on is to open again.
  [[nodiscard]] Status health() const;
  // The last error at an order that is being tried again, or at a connection; OK when the newest
  // try succeeded.
  [[nodiscard]] Status trouble() const;

 private:
  class Impl;
  explicit XaResourceManager(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace cairn::rm

#endif  // CAIRN_RM_XA_H_
