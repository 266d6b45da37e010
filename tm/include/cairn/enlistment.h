// Enlistment: one resource manager's part in one transaction.
#ifndef CAIRN_ENLISTMENT_H_
#define CAIRN_ENLISTMENT_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include <cairn/lsn.h>
#include <cairn/notification.h>
#include <cairn/result.h>
#include <cairn/status.h>
#include <cairn/uuid.h>

namespace cairn::tm {

class EnlistmentReference;

// The states of an enlistment. The tables of their transitions are tm/enlistment_machine.h and, for
// a superior, tm/superior_machine.h: it goes through the phases as those below it do.
enum class EnlistmentState : std::uint8_t {
  kActive = 1,             // asked for nothing yet
  kPrePreparing,           // PREPREPARE is out
  kPrePrepared,            // answered
  kPreparing,              // PREPARE is out
  kPrepared,               // promised to commit or to roll back on order, across crashes
  kInDoubt,                // promised, recovered, waits for the outcome
  kDelegated,              // SINGLE_PHASE_COMMIT is out
  kCommittedNotify,        // COMMIT is out
  kAborting,               // ROLLBACK is out
  kRecovering,             // unfinished; to be recovered by its resource manager
  kOffline,                // promised, and its resource manager is away
  kCommitted,              // finished
  kAborted,                // finished
  kReadOnly,               // finished: takes no part in the outcome
  kDelegatedDisconnected,  // finished: was to decide alone and vanished
  kOutcomeUnavailable,     // finished: nobody can say the outcome
  kForgotten,              // finished without an answer being needed
  kCommitRequested,        // a superior: COMMIT_REQUEST is out
  kCommitting,             // a superior: it ordered the commit, which is being carried out
  kUnhardened,             // committed, but a crash of its resource manager could undo that
};
[[nodiscard]] std::string_view enlistment_state_name(EnlistmentState state);

inline constexpr std::size_t kMaxRecoveryInformation = 65536;  // bytes

struct EnlistmentOptions {
  // Own the decision: the transaction is prepared and ended by this enlistment's verbs alone. Its
  // owner is a resource manager that is itself part of a larger transaction. At most one for each
  // transaction. Mask: check_superior_mask().
  bool superior = false;
  // Be asked for the vote when all others have answered. If all of these said ReadOnly, so that
  // this one alone is left to decide, it gets SINGLE_PHASE_COMMIT instead of PREPARE, and the
  // manager forces no decision. Otherwise it gets PREPARE as ever. For a resource manager that
  // updates beside others that mostly read; it costs every other transaction one step more, as its
  // vote is not taken beside the others'. It has to be able to wait: until it is asked it may leave
  // (read_only()) or roll back. Where several ask for it, only the last that enlisted is held back,
  // the others are asked with the rest. Below a superior it is held back too, but never decides
  // alone. Not for a superior; the mask must have SINGLE_PHASE_COMMIT (else kInvalidArgument).
  bool votes_last = false;
};

// Whether the commit of a resource manager survives its crash.
enum class Hardened : std::uint8_t { kYes, kNo };

struct EnlistmentInformation {
  Uuid id{};
  Uuid transaction{};
  Uuid resource_manager{};
  std::uint64_t key = 0;
  NotificationMask mask = 0;
  EnlistmentState state = EnlistmentState::kActive;
  bool durable = false;
  bool superior = false;
  bool votes_last = false;
  // Not OK: an administrator gave up waiting for it; who and why. It is still told the outcome.
  Status given_up{};
};

// A value for the manager's virtual clock seen elsewhere: the clock becomes the larger of both.
// Absent: no change. More than kMaxClock: kInvalidArgument.
using Clock = std::optional<std::uint64_t>;
inline constexpr std::uint64_t kMaxClock = std::uint64_t{1} << 63;

// A counted reference: copies share it, and enlist() and each open_enlistment() give a new one.
// When the last of all is gone while an answer is still owed before the outcome (Active to
// Preparing), the transaction is rolled back; while it decides alone (Delegated), the outcome
// becomes unknown. Later nothing happens, but that ROLLBACK then needs no answer: the enlistment is
// finished, and open_enlistment() does not find it.
//
// An answer may be given from any thread, also before enlist() returned (through
// open_enlistment()), also from the thread that asked for the commit. Errors of every answer, the
// state being unchanged:
//   kNotRequested   nobody asked for this answer now
//   kFenced         the session of the resource manager that this reference belongs to has ended
//   kObjectExpired  the manager was closed or went offline: recover
// Repeating an answer that was accepted is OK and does nothing.
class Enlistment {
 public:
  Enlistment() = default;  // refers to nothing; calls are kInvalidState

  // Null for a default-constructed object.
  [[nodiscard]] Uuid id() const;

  // Answers PREPREPARE. One that did not ask for COMMIT has left the transaction with it.
  [[nodiscard]] Status pre_prepare_complete(Clock clock = {});
  // Answers PREPARE: from now on it can do either, across crashes. `recovery_information`, if
  // given, replaces what was set before; it is durable with the commit decision, not earlier.
  // Errors also: kInvalidArgument (more than kMaxRecoveryInformation bytes), kTmVolatile (recovery
  // information of a volatile resource manager), kRecordTooLong (the decision would no longer fit
  // in one log record; not answered: answer with less, or roll back).
  [[nodiscard]] Status prepare_complete(
      std::optional<std::span<const std::byte>> recovery_information = std::nullopt,
      Clock clock = {});
  // The same, for a resource manager whose records lie in a stream of the manager's own log: it has
  // not forced them. `covered_by` is the LSN of the last of them; the manager's record, which is
  // behind it in the same log, makes both durable with one forced write. REQUIRES: the LSN is of
  // that log. Errors also: kTmVolatile (no log, or a volatile resource manager, of which no record
  // is written), kLsnInvalid (nothing was appended there yet).
  [[nodiscard]] Status prepare_complete_covered(
      Lsn covered_by, std::optional<std::span<const std::byte>> recovery_information = std::nullopt,
      Clock clock = {});
  // Answers COMMIT, or SINGLE_PHASE_COMMIT with "committed". REQUIRES, of the resource manager: its
  // commit is durable, or can be redone. The transaction may be forgotten at once, and then its
  // absence means rollback.
  [[nodiscard]] Status commit_complete(Clock clock = {});
  // With Hardened::kNo it answers COMMIT before its commit is durable, and saves a forced write.
  // The transaction is completed, clients do not wait longer, but the manager keeps the decision
  // until hardened(), and after a crash of either sends COMMIT again. Not for SINGLE_PHASE_COMMIT
  // (kNotRequested). For a volatile resource manager the same as kYes.
  [[nodiscard]] Status commit_complete(Hardened hardened, Clock clock = {});
  // What was answered with Hardened::kNo is durable now. ResourceManager::hardened(): all of it.
  [[nodiscard]] Status hardened(Clock clock = {});
  // Answers ROLLBACK, or SINGLE_PHASE_COMMIT with "rolled back".
  [[nodiscard]] Status rollback_complete(Clock clock = {});
  // Takes no further part: while active, as the answer to PREPREPARE or PREPARE, or between them.
  // Nothing more is sent to it, not even the outcome.
  [[nodiscard]] Status read_only(Clock clock = {});
  // Answers SINGLE_PHASE_COMMIT: run the ordinary phases instead.
  [[nodiscard]] Status single_phase_reject(Clock clock = {});

  // A subordinate that is prepared, and must know, asks for the decision. Nobody has decided: the
  // transaction is rolled back. Below a superior that decides: it is sent REQUEST_OUTCOME, if it
  // asked for that. OK also when the decision is on its way. Error: kRequestNotValid (not
  // prepared), kFenced, kObjectExpired.
  [[nodiscard]] Status request_outcome(Clock clock = {});

  // Rolls the transaction back, until it has promised: from Active to Preparing, and while
  // Delegated. ROLLBACK is sent to this enlistment too. Errors: kRequestNotValid (promised, or the
  // transaction can no longer be rolled back), kAlreadyCommitted, kAlreadyAborted (by another),
  // kOutcomeUnknown, kFenced, kObjectExpired.
  [[nodiscard]] Status rollback(Clock clock = {});
  // The same, and says why: the text becomes part of TransactionInformation::abort_reason and of
  // what commit() answers, for as long as the transaction is in memory. OK: nothing is said.
  [[nodiscard]] Status rollback(const Status& why, Clock clock = {});

  // After RECOVER: gives the enlistment its key, and queues what became of the transaction: COMMIT,
  // ROLLBACK or INDOUBT (then the outcome later). Repeating it in the same session is OK and sends
  // nothing. A superior, after RECOVER_QUERY or RECOVER, is queued nothing now: RECOVER_QUERY waits
  // for its superior_commit() or superior_rollback(), RECOVER says that it ordered the commit
  // before the crash, and that COMMIT_COMPLETE follows. Error: kRequestNotValid (was not offered).
  [[nodiscard]] Status recover(std::uint64_t key);

  // Bytes that are given back at recovery, at most kMaxRecoveryInformation; durable with the commit
  // decision. Errors: kNotActive (only while the transaction is active or in its preprepare phase),
  // kInvalidArgument, kTmVolatile (the resource manager is volatile), kFenced, kObjectExpired.
  [[nodiscard]] Status set_recovery_information(std::span<const std::byte> data);
  // In any state. Empty if none was set.
  [[nodiscard]] Result<std::vector<std::byte>> recovery_information() const;
  [[nodiscard]] Result<EnlistmentInformation> information() const;

  // The verbs of a superior. They return at once; the notification of the same name says that the
  // phase is over. Each needs its *_COMPLETE bit in the mask. A rollback by anyone else, a vote for
  // it included, comes as ROLLBACK, which wants no answer. Common errors: kNotSuperior,
  // kResponseNotEnlisted (the bit), kRequestNotValid (not legal in this state), kAlreadyCommitted,
  // kAlreadyAborted, kOutcomeUnknown, kFenced, kObjectExpired. Repeating an accepted verb is OK.
  //
  // Runs the preprepare phase; PREPREPARE_COMPLETE follows. May be left out.
  [[nodiscard]] Status superior_pre_prepare(Clock clock = {});
  // Runs the phases up to the votes; PREPARE_COMPLETE follows once all voted yes and, if durable
  // resource managers did, a prepare record is on stable storage. From then on only this superior
  // decides, across crashes: after one it is offered the enlistment by RECOVER_QUERY.
  [[nodiscard]] Status superior_prepare(Clock clock = {});
  // Decides to commit; COMMIT_COMPLETE follows. REQUIRES, of one that prepared: its own decision is
  // durable. Before superior_prepare() it runs all the phases, and leaves the decision to the
  // votes; then nobody but this session learns the outcome. Error also: kLogFull (only after a
  // recovery in a full log; still in doubt: make room, then order it again. A rollback needs none).
  [[nodiscard]] Status superior_commit(Clock clock = {});
  // Decides to roll back; ROLLBACK_COMPLETE follows. The same as rollback() of a superior.
  [[nodiscard]] Status superior_rollback(Clock clock = {});

 private:
  friend class ResourceManager;
  explicit Enlistment(std::shared_ptr<EnlistmentReference> reference);
  std::shared_ptr<EnlistmentReference> reference_;
};

}  // namespace cairn::tm

#endif  // CAIRN_ENLISTMENT_H_
