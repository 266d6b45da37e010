// Status: the outcome of an operation, with a code to branch on and a text to read.
//
// Cairn throws nothing across its API. Operating errors and damaged bytes are returned as a Status
// (or a Result<T>, see result.h); a broken invariant of Cairn's own code is an assertion.
#ifndef CAIRN_STATUS_H_
#define CAIRN_STATUS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <cairn/lsn.h>

namespace cairn {

// What went wrong. The values are stable: they may be logged and compared across versions.
enum class StatusCode : std::uint16_t {
  kOk = 0,

  // Any layer.
  kInvalidArgument = 1,     // the call's arguments are wrong in every state
  kInvalidState = 2,        // the object cannot do this now (for example: it is closed)
  kNotFound = 3,            // no such file, stream, record or object
  kAlreadyExists = 4,       // something of that name or identity is there
  kTimeout = 5,             // the time limit passed; nothing else is known to be wrong
  kPermissionDenied = 6,    // the operating system refused access
  kIoError = 7,             // the storage reported an error; errno is in the text
  kNoSpace = 8,             // the file system or quota is full
  kNotSupported = 9,        // this storage, file system or build cannot do it
  kClosed = 10,             // the object was closed, by this or by another thread
  kResourceExhausted = 11,  // a named bound of Cairn was reached (queues, buffers, counts)

  // The log.
  kNotALog = 32,           // the directory or file is not a Cairn log
  kNewerVersion = 33,      // written by a newer format version than this code reads
  kLocked = 34,            // another opener holds the log
  kReadOnly = 35,          // a change was asked of a read-only view
  kCorrupt = 36,           // acknowledged bytes are damaged; lsn_range() says which
  kContainerMissing = 37,  // a container that must exist does not
  kContainerSize = 38,     // a container is shorter or longer than the log's container size
  kBaseLogDamaged = 39,    // both slots of the base log are unusable
  kLogFull = 40,           // no space for this append; full_cause() says why
  kRecordTooLong = 41,     // longer than the log's maximum record
  kPoisoned = 42,          // an earlier write error stopped this log; reopen to recover
  kIndeterminate = 43,     // submitted, not acknowledged: may or may not be there after reopening
  kEndOfLog = 44,          // no record at or behind this position
  kStartOfLog = 45,        // the position lies before the stream's base or the log's tail
  kNoRestartArea = 46,     // the stream has no (previous) restart area
  kLsnInvalid = 47,        // the LSN is not that of a record of this stream

  // Coordination protocols above the log. The names are those of KTM's documented errors.
  kNotOnline = 64,            // the manager is not recovered, or went offline
  kTmVolatile = 65,           // a durable thing was asked of a volatile manager
  kNotActive = 66,            // past the point where this request is allowed
  kRequestNotValid = 67,      // a client or superior verb that is not legal in this state
  kNotRequested = 68,         // an answer that nobody asked for
  kAlreadyCommitted = 69,     // the outcome is: committed
  kAlreadyAborted = 70,       // the outcome is: aborted
  kResponseNotEnlisted = 71,  // a verb whose notification bit is not in the mask
  kNotSuperior = 72,          // a superior verb on a subordinate
  kSuperiorExists = 73,       // a superior owns the decision
  kMustWriteThrough = 74,     // enlists for PREPREPARE after that phase began
  kNameCollision = 75,        // the identity is registered already
  kRecoveryFailed = 76,       // recovery met a damaged or contradictory log
  kOutcomeUnknown = 77,       // neither committed nor aborted can be said; never read it as either
  kObjectExpired = 78,        // the manager behind this object is gone
  kBufferTooSmall = 79,       // the caller's buffer cannot hold the answer
  kIdentityMismatch = 80,     // the identity found is not the one expected
  kRmDisconnected = 81,       // the single-phase owner vanished before it answered
  kFenced = 82,               // a newer session of the same manager took over
};

// The code's name without the leading k, for example "LogFull".
[[nodiscard]] std::string_view status_code_name(StatusCode code);

// Why an append met a full log.
enum class FullCause : std::uint8_t {
  kNone = 0,
  kBase = 1,         // a stream's base pins the oldest container
  kArchive = 2,      // the archive tail pins it
  kReservation = 3,  // the free space is promised to reservations
  kMaximum = 4,      // the log is at its maximum size and nothing is left to recycle
};
[[nodiscard]] std::string_view full_cause_name(FullCause cause);

// Facts a program may act on, beyond the code. Absent values are null LSNs, empty strings, 0.
struct StatusDetail {
  Lsn lsn_begin;       // first LSN concerned (damage, pin, wrong argument)
  Lsn lsn_end;         // first LSN no longer concerned
  std::string file;    // the file concerned
  std::string stream;  // the stream concerned (for kLogFull: the one that pins the tail)
  FullCause cause = FullCause::kNone;
  int os_error = 0;  // errno, positive
};

// A value type. OK costs one null pointer; copies of an error share its text. Immutable, so
// one Status may be read by several threads.
class [[nodiscard]] Status {
 public:
  Status() = default;  // OK
  Status(StatusCode code, std::string message)
      : state_(std::make_shared<const State>(State{code, std::move(message), {}})) {}
  Status(StatusCode code, std::string message, StatusDetail detail)
      : state_(std::make_shared<const State>(State{code, std::move(message), std::move(detail)})) {}

  [[nodiscard]] static Status ok() { return Status(); }

  [[nodiscard]] bool is_ok() const { return state_ == nullptr; }
  explicit operator bool() const { return is_ok(); }
  [[nodiscard]] StatusCode code() const { return state_ ? state_->code : StatusCode::kOk; }

  // Names the file, LSN, expected and found where they apply. Empty for OK.
  [[nodiscard]] const std::string& message() const;
  [[nodiscard]] const StatusDetail& detail() const;

  // "LogFull: ...", or "OK".
  [[nodiscard]] std::string to_string() const;

  // The same error with `context` and ": " before its text. OK stays OK.
  [[nodiscard]] Status with_context(std::string_view context) const;

 private:
  struct State {
    StatusCode code;
    std::string message;
    StatusDetail detail;
  };
  std::shared_ptr<const State> state_;
};

}  // namespace cairn

// Returns the error to the caller, or goes on.
#define CAIRN_RETURN_IF_ERROR(expr)                               \
  do {                                                            \
    if (::cairn::Status cairn_status_ = (expr); !cairn_status_) { \
      return cairn_status_;                                       \
    }                                                             \
  } while (false)

#endif  // CAIRN_STATUS_H_
