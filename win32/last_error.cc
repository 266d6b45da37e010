#include "last_error.h"

#include <string>
#include <utility>

namespace cairn::win32 {
namespace {

thread_local DWORD last_error = ERROR_SUCCESS;
thread_local std::string last_error_text;

// clang-format off
constexpr ErrorRow kErrors[] = {
    {StatusCode::kOk, ERROR_SUCCESS},

    {StatusCode::kInvalidArgument, ERROR_INVALID_PARAMETER},
    {StatusCode::kInvalidState, ERROR_INVALID_STATE},
    {StatusCode::kNotFound, ERROR_FILE_NOT_FOUND},  // of objects: each call says which
    {StatusCode::kAlreadyExists, ERROR_ALREADY_EXISTS},
    {StatusCode::kTimeout, ERROR_TIMEOUT},
    {StatusCode::kPermissionDenied, ERROR_ACCESS_DENIED},
    {StatusCode::kIoError, ERROR_IO_DEVICE},
    {StatusCode::kNoSpace, ERROR_DISK_FULL},
    {StatusCode::kNotSupported, ERROR_NOT_SUPPORTED},
    {StatusCode::kClosed, ERROR_INVALID_HANDLE},
    {StatusCode::kResourceExhausted, ERROR_NO_SYSTEM_RESOURCES},

    {StatusCode::kNotALog, ERROR_LOG_METADATA_INVALID},
    {StatusCode::kNewerVersion, ERROR_LOG_BLOCK_VERSION},
    {StatusCode::kLocked, ERROR_SHARING_VIOLATION},
    {StatusCode::kReadOnly, ERROR_ACCESS_DENIED},
    {StatusCode::kCorrupt, ERROR_LOG_BLOCK_INVALID},
    {StatusCode::kContainerMissing, ERROR_LOG_CONTAINER_OPEN_FAILED},
    {StatusCode::kContainerSize, ERROR_LOG_CONTAINER_STATE_INVALID},
    {StatusCode::kBaseLogDamaged, ERROR_LOG_METADATA_CORRUPT},
    {StatusCode::kLogFull, ERROR_LOG_FULL},
    {StatusCode::kRecordTooLong, ERROR_BAD_LENGTH},
    {StatusCode::kPoisoned, ERROR_LOG_STATE_INVALID},
    {StatusCode::kIndeterminate, ERROR_LOG_APPENDED_FLUSH_FAILED},
    {StatusCode::kEndOfLog, ERROR_HANDLE_EOF},
    {StatusCode::kStartOfLog, ERROR_LOG_START_OF_LOG},
    {StatusCode::kNoRestartArea, ERROR_LOG_NO_RESTART},
    {StatusCode::kLsnInvalid, ERROR_LOG_INVALID_RANGE},

    {StatusCode::kNotOnline, ERROR_TRANSACTIONMANAGER_NOT_ONLINE},
    {StatusCode::kTmVolatile, ERROR_TM_VOLATILE},
    {StatusCode::kNotActive, ERROR_TRANSACTION_NOT_ACTIVE},
    {StatusCode::kRequestNotValid, ERROR_TRANSACTION_REQUEST_NOT_VALID},
    {StatusCode::kNotRequested, ERROR_TRANSACTION_NOT_REQUESTED},
    {StatusCode::kAlreadyCommitted, ERROR_TRANSACTION_ALREADY_COMMITTED},
    {StatusCode::kAlreadyAborted, ERROR_TRANSACTION_ALREADY_ABORTED},
    {StatusCode::kResponseNotEnlisted, ERROR_TRANSACTION_RESPONSE_NOT_ENLISTED},
    {StatusCode::kNotSuperior, ERROR_ENLISTMENT_NOT_SUPERIOR},
    {StatusCode::kSuperiorExists, ERROR_TRANSACTION_SUPERIOR_EXISTS},
    {StatusCode::kMustWriteThrough, ERROR_TRANSACTION_MUST_WRITETHROUGH},
    {StatusCode::kNameCollision, ERROR_ALREADY_EXISTS},  // STATUS_OBJECT_NAME_COLLISION
    {StatusCode::kRecoveryFailed, ERROR_LOG_CORRUPTION_DETECTED},
    {StatusCode::kOutcomeUnknown, ERROR_RM_DISCONNECTED},
    {StatusCode::kObjectExpired, ERROR_TRANSACTION_OBJECT_EXPIRED},
    {StatusCode::kBufferTooSmall, ERROR_INSUFFICIENT_BUFFER},
    {StatusCode::kIdentityMismatch, ERROR_TRANSACTIONMANAGER_IDENTITY_MISMATCH},
    {StatusCode::kRmDisconnected, ERROR_RM_DISCONNECTED},
    {StatusCode::kFenced, ERROR_EXPIRED_HANDLE},
};
// clang-format on

}  // namespace

std::span<const ErrorRow> error_table() { return kErrors; }

DWORD error_of(StatusCode code) {
  for (const ErrorRow& row : kErrors) {
    if (row.code == code) return row.error;
  }
  return ERROR_GEN_FAILURE;
}

BOOL fail(DWORD error) { return fail(error, std::string()); }

BOOL fail(DWORD error, std::string text) {
  last_error = error;
  last_error_text = std::move(text);
  return FALSE;
}

BOOL fail(const Status& status, Meanings meanings) {
  for (const ErrorRow& row : meanings) {
    if (row.code == status.code()) return fail(row.error, status.to_string());
  }
  return fail(error_of(status.code()), status.to_string());
}

BOOL succeed_if(const Status& status, Meanings meanings) {
  return status ? TRUE : fail(status, meanings);
}

HANDLE no_handle(DWORD error) { return fail(error), INVALID_HANDLE_VALUE; }

HANDLE no_handle(const Status& status, Meanings meanings) {
  return fail(status, meanings), INVALID_HANDLE_VALUE;
}

HANDLE handle_of(std::shared_ptr<Object> object) {
  const Result<HANDLE> handle = HandleTable::get().insert(std::move(object));
  return handle ? *handle : no_handle(handle.status());
}

bool accept_security(const SECURITY_ATTRIBUTES* attributes) {
  if (attributes == nullptr) return true;
  if (attributes->nLength != sizeof(SECURITY_ATTRIBUTES)) {
    fail(ERROR_INVALID_PARAMETER);
    return false;
  }
  if (attributes->lpSecurityDescriptor != nullptr || attributes->bInheritHandle != FALSE) {
    fail(ERROR_NOT_SUPPORTED, "access control and inheritance are the file system's here");
    return false;
  }
  return true;
}

}  // namespace cairn::win32

DWORD GetLastError() { return cairn::win32::last_error; }

void SetLastError(DWORD dwErrCode) { cairn::win32::fail(dwErrCode); }

const char* CairnLastErrorText() { return cairn::win32::last_error_text.c_str(); }
