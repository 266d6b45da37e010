// Transaction: one unit of work over any number of resource managers.
#ifndef CAIRN_TRANSACTION_H_
#define CAIRN_TRANSACTION_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <cairn/lsn.h>
#include <cairn/result.h>
#include <cairn/status.h>
#include <cairn/uuid.h>

namespace cairn::tm {

class TransactionReference;

// What became of a transaction. The first three values are KTM's.
enum class Outcome : std::uint8_t {
  kUndetermined = 1,
  kCommitted = 2,
  kAborted = 3,
  kUnknown = 4,  // committed or aborted, and nobody here can say which. Never read it as either.
};
[[nodiscard]] std::string_view outcome_name(Outcome outcome);

// Which moment a wait is for.
enum class WaitFor : std::uint8_t {
  kDecided,  // the outcome can no longer change: a commit decision is durable, or it is rolled back
  kCompleted,  // and every resource manager has answered COMMIT (a rollback waits for no answers)
};

// The states of a transaction. The table of their transitions is tm/transaction_machine.h.
enum class TransactionState : std::uint8_t {
  kActive = 1,        // taking work
  kPreparing = 2,     // PREPARE is out, votes come in
  kPrepared = 3,      // all voted yes; below a superior: it decides now
  kInDoubt = 4,       // promised to a superior that is away: it decides when it is back
  kCommitted = 5,     // decided: commit; COMMIT is out
  kAborted = 6,       // decided: rollback; ROLLBACK is out
  kDelegated = 7,     // one resource manager decides alone
  kPrePreparing = 8,  // PREPREPARE is out
  kForgotten = 9,     // nothing is left to do
  kRecovering = 10,   // being rebuilt from the log
  kPrePrepared = 11,  // all answered PREPREPARE
  kCommitting = 12,   // the commit decision is on its way to stable storage
  kPromising = 13,    // the prepare record, for the superior, is on its way to stable storage
  kUnknown = 14,      // nobody here can say the outcome
  kRollingBack = 15,  // an administrator's rollback is on its way to stable storage
};
[[nodiscard]] std::string_view transaction_state_name(TransactionState state);

inline constexpr std::size_t kMaxDescription = 64;        // UTF-8 characters
inline constexpr std::size_t kMaxDescriptionBytes = 256;  // of all of them

struct TransactionOptions {
  // Rolled back when it is not past the votes after this long; 0: never.
  std::chrono::nanoseconds timeout{0};
  // Kept and shown, not interpreted.
  std::uint32_t isolation_level = 0;
  std::uint32_t isolation_flags = 0;
  std::string description{};  // at most kMaxDescription characters
  // The unit of work; null: a new one is made. Errors: kNameCollision if it is live in this
  // manager.
  Uuid unit_of_work{};
};

inline constexpr std::size_t kMaxWho = 64;   // bytes
inline constexpr std::size_t kMaxWhy = 256;  // bytes

// Who resolves a transaction by hand, and why: kept in the log and shown.
struct Administrator {
  std::string who{};  // at most kMaxWho
  std::string why{};  // at most kMaxWhy, not empty
};

// What was done by hand.
struct HeuristicAct {
  Administrator by{};
  std::uint64_t wall_clock_ns = 0;  // since 1970 UTC
  Uuid enlistment{};                // that is no longer waited for; null: the outcome was decided
};

// Absent fields are left as they are.
struct TransactionProperties {
  std::optional<std::chrono::nanoseconds> timeout{};  // from now on; 0: never
  std::optional<std::uint32_t> isolation_level{};
  std::optional<std::uint32_t> isolation_flags{};
  std::optional<std::string> description{};
};

struct TransactionInformation {
  Uuid id{};
  TransactionState state = TransactionState::kActive;
  Outcome outcome = Outcome::kUndetermined;
  std::chrono::nanoseconds timeout{0};
  std::uint32_t isolation_level = 0;
  std::uint32_t isolation_flags = 0;
  std::string description{};
  Status abort_reason{};    // why it was rolled back, or its outcome is unknown; OK otherwise
  std::uint64_t clock = 0;  // virtual clock of its commit decision; 0: none was taken
  Lsn decision_lsn{};  // of its newest decision record; null: none (nothing durable was involved)
  bool carried_forward = false;  // that record is a copy, written so that the log's tail could move
  struct Member {
    Uuid enlistment{};
    Uuid resource_manager{};
  };
  bool completed = false;             // every resource manager has answered COMMIT, or was given up
  std::vector<HeuristicAct> acts{};   // of administrators
  std::vector<Member> enlistments{};  // those not finished, the superior left out
  std::optional<Member> superior{};   // the enlistment that decides; absent: this manager does
};

// A counted reference: copies share it, and create_transaction and each open_transaction give a new
// one. When the last of all is gone before a commit was asked for, the transaction is rolled back.
// A default-constructed one refers to nothing (kInvalidState). Thread-safe, except that one object
// must not be assigned while it is used.
//
// Common errors of all verbs: kObjectExpired (the manager was closed or went offline; outcome(),
// id() and information() still answer).
class Transaction {
 public:
  Transaction() = default;

  // The unit of work. Null for a default-constructed object.
  [[nodiscard]] Uuid id() const;

  // Asks for the commit and waits. OK: it is committed, and `wait` was reached.
  // Errors, none of which undoes anything: kAlreadyAborted (it is rolled back; the text and
  // information().abort_reason say why), kOutcomeUnknown (nobody can say; recovery of manager and
  // log decides), kTimeout (`limit` passed; the commit goes on, wait() waits again),
  // kAlreadyCommitted, kRequestNotValid (the commit was asked for before), kSuperiorExists (a
  // superior enlistment decides, and did not ask for COMMIT_REQUEST; one that did is sent it, and
  // the wait is for what it decides). A commit that involves
  // durable resource managers costs one forced write, shared with commits of other threads;
  // read-only, single-phase and volatile ones cost none.
  [[nodiscard]] Status commit(WaitFor wait = WaitFor::kCompleted,
                              std::optional<std::chrono::nanoseconds> limit = std::nullopt);
  // Asks for the commit and returns. OK says that it began. Errors: kAlreadyAborted,
  // kAlreadyCommitted, kRequestNotValid, kSuperiorExists.
  [[nodiscard]] Status commit_async();
  // Waits for the end of a commit that was asked for, here or elsewhere. Results as commit();
  // kTimeout also for a transaction that nobody ends.
  [[nodiscard]] Status wait(WaitFor wait, std::optional<std::chrono::nanoseconds> limit) const;

  // Rolls it back. The outcome is certain on return; answers are not waited for. Repeating it is
  // OK. Errors: kAlreadyCommitted; kRequestNotValid (the decision is submitted, delegated to one
  // resource manager, or the superior's by now); kOutcomeUnknown.
  [[nodiscard]] Status rollback();

  // kUndetermined for a default-constructed object.
  [[nodiscard]] Outcome outcome() const;
  // Errors: kInvalidState (refers to nothing).
  [[nodiscard]] Result<TransactionInformation> information() const;
  // All or nothing. Errors: kNotActive (only an active transaction can be changed),
  // kInvalidArgument.
  [[nodiscard]] Status set_properties(const TransactionProperties& properties);

 private:
  friend class TransactionManager;
  friend class ResourceManager;
  explicit Transaction(std::shared_ptr<TransactionReference> reference);
  std::shared_ptr<TransactionReference> reference_;
};

}  // namespace cairn::tm

#endif  // CAIRN_TRANSACTION_H_
