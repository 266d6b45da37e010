// TransactionManager: makes one atomic, durable decision over several resource managers.
//
// Modelled on the Kernel Transaction Manager (KTM) of Windows, from its public documentation.
// Two-phase commit with presumed abort: one forced log record per committing transaction, none for
// one that rolls back.
//
//   auto log = std::shared_ptr(std::move(*cairn::log::Log::open_or_create("/var/lib/app/log")));
//   auto tm = cairn::tm::TransactionManager::open_or_create({.log = log});
//   tm->recover();
//   auto rm = tm->open_or_create_resource_manager(kOrders, RmKind::kDurable, "orders");
//   ... recover it: see resource_manager.h ...
//   auto transaction = tm->create_transaction();
//   ... work, enlist ...
//   transaction->commit();
//
// Crash semantics. A commit that returned OK, or whose wait for kDecided did, is committed on all
// resource managers, whatever crashes when: the manager tells each of them after recovery, as often
// as it takes. A transaction that was rolled back, or was not decided at the crash, is rolled back
// on all of them.
//
// A manager belongs to the process that opened it. A child made by fork() must not use it, a
// volatile one neither: it has no threads there, and would give its transactions the same
// identities.
#ifndef CAIRN_TRANSACTION_MANAGER_H_
#define CAIRN_TRANSACTION_MANAGER_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <cairn/enlistment.h>
#include <cairn/lsn.h>
#include <cairn/notification.h>
#include <cairn/resource_manager.h>
#include <cairn/result.h>
#include <cairn/status.h>
#include <cairn/tm_options.h>
#include <cairn/transaction.h>
#include <cairn/uuid.h>

namespace cairn::tm {

class TmReference;

// Bounds, beyond which create_* and enlist answer kResourceExhausted.
inline constexpr std::size_t kMaxTransactions = 1'000'000;    // live, per manager
inline constexpr std::size_t kMaxResourceManagers = 100'000;  // per manager
inline constexpr std::size_t kMaxEnlistments = 10'000;        // unfinished, per transaction

// The table of the transitions is tm/tm_machine.h.
enum class TmState : std::uint8_t {
  kInitialized = 1,     // durable, not recovered: only queries
  kRecovering = 2,      // recover() runs
  kOnline = 3,          // at work
  kRecoveryFailed = 4,  // the log is damaged or contradicts itself; it was left untouched
  kOffline = 5,         // closed, or stopped after a write whose outcome nobody knows
};
[[nodiscard]] std::string_view tm_state_name(TmState state);

struct TmInformation {
  Uuid id{};
  bool durable = false;
  TmState state = TmState::kInitialized;
  Status cause{};           // why it is RecoveryFailed or Offline; OK otherwise
  std::uint64_t clock = 0;  // virtual
  std::string log_path{};   // "" if volatile
  Uuid log_id{};
  std::string stream{};
  Lsn base{};           // of its stream
  Lsn oldest{};         // record of the oldest transaction not forgotten; null: none
  bool frozen = false;  // decisions are held back: freeze()
  std::uint64_t transactions = 0;
  std::uint64_t resource_managers = 0;
  std::uint64_t enlistments = 0;
  std::uint64_t checkpoints = 0;      // written since it was opened
  std::uint64_t carried_forward = 0;  // records written again since it was opened
  // Forget records that the log did not take since it was opened. Each costs one more telling of an
  // outcome after the next recovery, nothing else.
  std::uint64_t forgets_unwritten = 0;
  Status checkpoint_error{};  // of the last one by the housekeeping thread; OK if it succeeded
};

struct RecoveryReport {
  Uuid tm_id{};
  std::uint64_t clock = 0;    // virtual, after recovery
  Lsn begin{};                // where reading began
  Lsn end{};                  // where it ended
  std::uint64_t records = 0;  // read
  bool at_end = true;         // of roll_forward(): nothing of a higher clock follows
  std::vector<Uuid>
      committed;  // decided and not forgotten: rebuilt; their resource managers will be told
  std::vector<Uuid> in_doubt;     // promised to a superior, not decided: rebuilt; it will be asked
  std::uint64_t enlistments = 0;  // unfinished ones rebuilt
  std::uint64_t resource_managers = 0;  // rebuilt; each is Offline until it recovers
  std::chrono::nanoseconds duration{0};
};

// A counted reference: copies share it; when the last is gone the manager is closed, errors of that
// being lost. Transactions, resource managers and enlistments do not keep it open. Thread-safe,
// except that one object must not be assigned while it is used. A default-constructed one refers to
// nothing (kInvalidState).
class TransactionManager {
 public:
  TransactionManager() = default;

  // Makes a new manager. Durable: makes the stream and writes a first restart area with a new
  // identity; recover() comes next. Volatile: usable at once. Errors: kAlreadyExists (the stream
  // holds a manager, or foreign records), kLocked (a live manager has the stream), kInvalidArgument
  // (options), and those of the log.
  [[nodiscard]] static Result<TransactionManager> create(const TmOptions& options);
  // Opens an existing durable one; recover() comes next. Errors: kNotFound (no such stream, or no
  // manager was completed in it), kLocked, kInvalidArgument (options; no log), kRecoveryFailed (its
  // restart area cannot be read), and those of the log.
  [[nodiscard]] static Result<TransactionManager> open(const TmOptions& options);
  // open(), or create() if there is none.
  [[nodiscard]] static Result<TransactionManager> open_or_create(const TmOptions& options);
  // A further reference to a manager that is open in this process. Error: kNotFound.
  [[nodiscard]] static Result<TransactionManager> open_by_id(const Uuid& id);
  // The managers open in this process.
  [[nodiscard]] static std::vector<Uuid> enumerate();

  // Null for a default-constructed object.
  [[nodiscard]] Uuid id() const;

  // Reads the log from the stream's base to its end, rebuilds what is not forgotten, writes a
  // restart area and goes Online. Nothing but queries works before. Errors: kTmVolatile (nothing to
  // recover), kRequestNotValid (recovered before), kRecoveryFailed (the log is damaged or
  // contradicts itself: the detail has the first bad LSN; the log is untouched, the state is
  // RecoveryFailed), and those of the log (the state is RecoveryFailed too: reopen).
  [[nodiscard]] Result<RecoveryReport> recover();

  // RollforwardTransactionManager: reads as recover() does, up to the decision of this virtual
  // clock, inclusive, and reports what was committed and in doubt then. Only if nothing of a higher
  // clock follows is the manager recovered and Online (report.at_end); else it stays as it was, so
  // that a larger value, or recover(), can follow. Errors: those of recover(); kInvalidArgument
  // (less than before).
  [[nodiscard]] Result<RecoveryReport> roll_forward(std::uint64_t clock);

  // RenameTransactionManager: gives the manager in this stream of `options.log` a new identity,
  // which is returned. For a copy of a log, which must not come up as the original: resource
  // managers that keep the identity with their work then leave that of the original alone. Errors:
  // kIdentityMismatch (it is not `expected`), kLocked (it is open in this process), kNotFound,
  // kRecoveryFailed (what the stream holds cannot be read), kInvalidArgument (options; no log),
  // kResourceExhausted (renamed 64 times without having been recovered), and those of the log.
  [[nodiscard]] static Result<Uuid> rename(const TmOptions& options, const Uuid& expected);

  // Holds back every decision and prepare record, for a snapshot of the stores of several resource
  // managers: from the return until thaw() none is written, and no COMMIT of a logged transaction
  // is sent that was not decided before. Waits up to `limit` for those in flight. After `hold` it
  // thaws by itself (Background::kManual: in run_background()). Errors: kRequestNotValid (frozen),
  // kTimeout (it is not frozen), kNotOnline, kInvalidArgument.
  [[nodiscard]] Status freeze(std::chrono::nanoseconds limit, std::chrono::nanoseconds hold);
  // Lets them go on. Error: kRequestNotValid (not frozen, or no longer).
  [[nodiscard]] Status thaw();

  // --- by hand ---
  // An administrator's acts, for when the other side is lost. They are forced to the log with who,
  // when and why before anyone is told, and break what the protocol promises if the other side
  // comes back and says otherwise; it is then refused with kAlreadyCommitted or kAlreadyAborted,
  // and this text.
  //
  // Decides a transaction that is promised to a superior (Prepared, InDoubt) in its place.
  // `outcome`: kCommitted or kAborted. The superior is still asked, and ends the matter by ordering
  // the same. Errors: kNotFound, kRequestNotValid (not in doubt), kInvalidArgument (who, why or
  // outcome), kNotOnline, those of the log.
  [[nodiscard]] Status resolve(const Uuid& unit_of_work, Outcome outcome, const Administrator& by);
  // Waits no longer for the answer of a resource manager that is away to the commit of a
  // transaction. The transaction is completed without it. What it must be told stays in the log: it
  // is told when it comes back. Errors: kNotFound (transaction, or its enlistment),
  // kRequestNotValid (not committed, or the resource manager is there), kInvalidArgument,
  // kTmVolatile, kNotOnline, those of the log.
  [[nodiscard]] Status give_up(const Uuid& unit_of_work, const Uuid& resource_manager,
                               const Administrator& by);

  // Errors of the next five: kNotOnline, kInvalidArgument.
  // Also kNameCollision (the unit of work is live, or no forget record of its use before could be
  // written: then until the next recovery), kResourceExhausted.
  [[nodiscard]] Result<Transaction> create_transaction(const TransactionOptions& options = {});
  // Error: kNotFound.
  [[nodiscard]] Result<Transaction> open_transaction(const Uuid& unit_of_work);
  // Begins the first session of a resource manager. `id` is its own, the same after every restart.
  // Errors: kTmVolatile (a durable one needs a durable manager), kNameCollision (known here:
  // rebuilt from the log, in session, or disconnected with unfinished enlistments; open it),
  // kResourceExhausted.
  [[nodiscard]] Result<ResourceManager> create_resource_manager(const Uuid& id, RmKind kind,
                                                                std::string_view description = {});
  // Begins a new session of a known resource manager and fences the one before. Error: kNotFound
  // (nothing is known of it: create it. Also after kNameCollision: the last enlistment that it was
  // known for may have ended in between).
  [[nodiscard]] Result<ResourceManager> open_resource_manager(const Uuid& id);
  // The one or the other, in one step: what is known between two calls may be forgotten meanwhile,
  // as what an older session left ends. Errors: as of create_resource_manager(), kNameCollision
  // only if what is known is of the other kind.
  [[nodiscard]] Result<ResourceManager> open_or_create_resource_manager(
      const Uuid& id, RmKind kind, std::string_view description = {});

  // Not forgotten ones.
  [[nodiscard]] Result<std::vector<Uuid>> transactions() const;
  [[nodiscard]] Result<std::vector<Uuid>> resource_managers() const;
  // Unfinished ones, of all resource managers.
  [[nodiscard]] Result<std::vector<Uuid>> enlistments() const;
  [[nodiscard]] Result<TmInformation> information() const;
  // The virtual clock: starts at 1, +1 with each commit decision. 0 for a default-constructed
  // object.
  [[nodiscard]] std::uint64_t clock() const;

  // Writes a restart area now, moving the base of the stream to the oldest transaction not
  // forgotten. Errors: kTmVolatile, kNotOnline, and those of the log.
  [[nodiscard]] Status checkpoint();
  // Expires timeouts, writes a checkpoint that is due, drives a log that is Background::kManual.
  // What the thread does otherwise; calling it beside the thread is harmless. Returns the error of
  // the checkpoint, if any.
  [[nodiscard]] Status run_background();

  // Rolls back what is not decided, waits for decisions in flight, writes a last checkpoint, goes
  // Offline, and lets go of the log. Waiting calls return. A second call is OK. Errors: those of
  // the last checkpoint, which loses nothing but a quick next recovery.
  [[nodiscard]] Status close();

 private:
  explicit TransactionManager(std::shared_ptr<TmReference> reference);
  [[nodiscard]] Status check_kind(RmKind kind) const;
  template <typename Find>
  Result<ResourceManager> begin_session(const Uuid& id, Find find);

  std::shared_ptr<TmReference> reference_;
};

}  // namespace cairn::tm

#endif  // CAIRN_TRANSACTION_MANAGER_H_
