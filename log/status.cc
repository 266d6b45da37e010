#include <cairn/status.h>

namespace cairn {

std::string_view status_code_name(StatusCode code) {
  switch (code) {
    case StatusCode::kOk:
      return "OK";
    case StatusCode::kInvalidArgument:
      return "InvalidArgument";
    case StatusCode::kInvalidState:
      return "InvalidState";
    case StatusCode::kNotFound:
      return "NotFound";
    case StatusCode::kAlreadyExists:
      return "AlreadyExists";
    case StatusCode::kTimeout:
      return "Timeout";
    case StatusCode::kPermissionDenied:
      return "PermissionDenied";
    case StatusCode::kIoError:
      return "IoError";
    case StatusCode::kNoSpace:
      return "NoSpace";
    case StatusCode::kNotSupported:
      return "NotSupported";
    case StatusCode::kClosed:
      return "Closed";
    case StatusCode::kResourceExhausted:
      return "ResourceExhausted";
    case StatusCode::kNotALog:
      return "NotALog";
    case StatusCode::kNewerVersion:
      return "NewerVersion";
    case StatusCode::kLocked:
      return "Locked";
    case StatusCode::kReadOnly:
      return "ReadOnly";
    case StatusCode::kCorrupt:
      return "Corrupt";
    case StatusCode::kContainerMissing:
      return "ContainerMissing";
    case StatusCode::kContainerSize:
      return "ContainerSize";
    case StatusCode::kBaseLogDamaged:
      return "BaseLogDamaged";
    case StatusCode::kLogFull:
      return "LogFull";
    case StatusCode::kRecordTooLong:
      return "RecordTooLong";
    case StatusCode::kPoisoned:
      return "Poisoned";
    case StatusCode::kIndeterminate:
      return "Indeterminate";
    case StatusCode::kEndOfLog:
      return "EndOfLog";
    case StatusCode::kStartOfLog:
      return "StartOfLog";
    case StatusCode::kNoRestartArea:
      return "NoRestartArea";
    case StatusCode::kLsnInvalid:
      return "LsnInvalid";
    case StatusCode::kNotOnline:
      return "NotOnline";
    case StatusCode::kTmVolatile:
      return "TmVolatile";
    case StatusCode::kNotActive:
      return "NotActive";
    case StatusCode::kRequestNotValid:
      return "RequestNotValid";
    case StatusCode::kNotRequested:
      return "NotRequested";
    case StatusCode::kAlreadyCommitted:
      return "AlreadyCommitted";
    case StatusCode::kAlreadyAborted:
      return "AlreadyAborted";
    case StatusCode::kResponseNotEnlisted:
      return "ResponseNotEnlisted";
    case StatusCode::kNotSuperior:
      return "NotSuperior";
    case StatusCode::kSuperiorExists:
      return "SuperiorExists";
    case StatusCode::kMustWriteThrough:
      return "MustWriteThrough";
    case StatusCode::kNameCollision:
      return "NameCollision";
    case StatusCode::kRecoveryFailed:
      return "RecoveryFailed";
    case StatusCode::kOutcomeUnknown:
      return "OutcomeUnknown";
    case StatusCode::kObjectExpired:
      return "ObjectExpired";
    case StatusCode::kBufferTooSmall:
      return "BufferTooSmall";
    case StatusCode::kIdentityMismatch:
      return "IdentityMismatch";
    case StatusCode::kRmDisconnected:
      return "RmDisconnected";
    case StatusCode::kFenced:
      return "Fenced";
  }
  return "Unnamed";
}

std::string_view full_cause_name(FullCause cause) {
  switch (cause) {
    case FullCause::kNone:
      return "none";
    case FullCause::kBase:
      return "base";
    case FullCause::kArchive:
      return "archive";
    case FullCause::kReservation:
      return "reservation";
    case FullCause::kMaximum:
      return "maximum";
  }
  return "unnamed";
}

const std::string& Status::message() const {
  static const std::string empty;
  return state_ ? state_->message : empty;
}

const StatusDetail& Status::detail() const {
  static const StatusDetail none;
  return state_ ? state_->detail : none;
}

std::string Status::to_string() const {
  if (is_ok()) return "OK";
  return std::string(status_code_name(state_->code)) + ": " + state_->message;
}

Status Status::with_context(std::string_view context) const {
  if (is_ok()) return *this;
  return Status(state_->code, std::string(context) + ": " + state_->message, state_->detail);
}

}  // namespace cairn
