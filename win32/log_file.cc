#include "log_file.h"

#include <utility>

#include "log_clients.h"

namespace cairn::win32 {

bool LogFile::allows(DWORD access) const {
  if ((access_ & access) != 0) return true;
  return fail(ERROR_ACCESS_DENIED, "the log was not opened with the access that this call needs");
}

LogHandle::~LogHandle() {
  if (const auto client = take_client(); client != nullptr) {
    file->physical().clients.remove(client);
    client->deregister();
  }
}

std::shared_ptr<LogClient> LogHandle::client() const {
  const std::lock_guard lock(mutex_);
  return client_;
}

bool LogHandle::set_client(std::shared_ptr<LogClient> client) {
  const std::lock_guard lock(mutex_);
  if (client_ != nullptr) return false;
  client_ = std::move(client);
  return true;
}

std::shared_ptr<LogClient> LogHandle::take_client() {
  const std::lock_guard lock(mutex_);
  return std::exchange(client_, nullptr);
}

DWORD log_error_of(const Status& status) {
  if (status.code() != StatusCode::kLogFull) return error_of(status.code());
  switch (status.detail().cause) {
    case FullCause::kArchive:
      return ERROR_LOG_PINNED_ARCHIVE_TAIL;
    case FullCause::kReservation:
      return ERROR_LOG_PINNED_RESERVATION;
    case FullCause::kNone:
    case FullCause::kBase:
    case FullCause::kMaximum:
      break;
  }
  return ERROR_LOG_FULL;
}

BOOL fail_log(const Status& status, Meanings meanings) {
  if (status.code() == StatusCode::kLogFull) return fail(log_error_of(status), status.to_string());
  return fail(status, meanings);
}

BOOL succeed_log_if(const Status& status, Meanings meanings) {
  return status ? TRUE : fail_log(status, meanings);
}

bool is_synchronous(const OVERLAPPED* overlapped) {
  if (overlapped == nullptr) return true;
  return fail(ERROR_NOT_SUPPORTED, "no OVERLAPPED structure expected: calls are synchronous");
}

bool is_null_reserved(const void* reserved) {
  if (reserved == nullptr) return true;
  return fail(ERROR_INVALID_PARAMETER, "NULL expected where a value is reserved");
}

}  // namespace cairn::win32

using cairn::win32::accept_security;
using cairn::win32::ClfsName;
using cairn::win32::fail;
using cairn::win32::HandleTable;
using cairn::win32::LogFile;
using cairn::win32::LogHandle;
using cairn::win32::no_handle;
using cairn::win32::object_of;
using cairn::win32::OpenRequest;
using cairn::win32::parse_clfs_name;
using cairn::win32::PhysicalLog;

HANDLE CreateLogFile(LPCWSTR pszLogFileName, ACCESS_MASK fDesiredAccess, DWORD dwShareMode,
                     LPSECURITY_ATTRIBUTES psaLogFile, ULONG fCreateDisposition,
                     ULONG fFlagsAndAttributes) {
  constexpr ACCESS_MASK kAccess = GENERIC_READ | GENERIC_WRITE | DELETE;
  constexpr DWORD kShare = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
  constexpr ULONG kFlags = FILE_ATTRIBUTE_ARCHIVE | FILE_ATTRIBUTE_DEDICATED;
  const std::optional<ClfsName> name = parse_clfs_name(pszLogFileName);
  if (!name) return INVALID_HANDLE_VALUE;
  if ((fDesiredAccess & ~kAccess) != 0 || (dwShareMode & ~kShare) != 0 ||
      (fCreateDisposition != CREATE_NEW && fCreateDisposition != OPEN_EXISTING &&
       fCreateDisposition != OPEN_ALWAYS)) {
    return no_handle(ERROR_INVALID_PARAMETER);
  }
  if ((fFlagsAndAttributes & FILE_FLAG_OVERLAPPED) != 0) return no_handle(ERROR_NOT_SUPPORTED);
  if ((fFlagsAndAttributes & ~kFlags) != 0) return no_handle(ERROR_INVALID_PARAMETER);
  if (!accept_security(psaLogFile)) return INVALID_HANDLE_VALUE;
  OpenRequest request;
  request.access = fDesiredAccess;
  request.share = dwShareMode;
  request.disposition = fCreateDisposition;
  request.archive = (fFlagsAndAttributes & FILE_ATTRIBUTE_ARCHIVE) != 0;
  auto file = PhysicalLog::open(*name, request);
  if (file == nullptr) return INVALID_HANDLE_VALUE;
  return cairn::win32::handle_of(std::make_shared<LogHandle>(std::move(file)));
}

namespace {

BOOL mark_for_deletion(const LogFile& file) {
  if (!file.allows(DELETE)) return FALSE;
  if (file.is_stream() && !file.physical().is_dedicated()) {
    file.physical().delete_stream_when_closed(file.log_stream());
  } else {
    file.physical().delete_when_closed();
  }
  return TRUE;
}

}  // namespace

BOOL DeleteLogByHandle(HANDLE hLog) {
  const auto handle = object_of<LogHandle>(hLog);
  return handle == nullptr ? FALSE : mark_for_deletion(*handle->file);
}

BOOL DeleteLogFile(LPCWSTR pszLogFileName, PVOID pvReserved) {
  const std::optional<ClfsName> name = parse_clfs_name(pszLogFileName);
  if (!name || !cairn::win32::is_null_reserved(pvReserved)) return FALSE;
  OpenRequest request;
  request.access = DELETE;
  request.share = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
  request.disposition = OPEN_EXISTING;
  const auto file = PhysicalLog::open(*name, request);
  return file == nullptr ? FALSE : mark_for_deletion(*file);
}

BOOL CloseAndResetLogFile(HANDLE hLog) {
  const auto handle = object_of<LogHandle>(hLog);
  if (handle == nullptr) return FALSE;
  if (!handle->file->is_stream()) return fail(ERROR_INVALID_HANDLE);
  if (!handle->file->allows(GENERIC_WRITE)) return FALSE;
  if (HandleTable::get().take<LogHandle>(hLog) == nullptr) return fail(ERROR_INVALID_HANDLE);
  handle->file->physical().reset_stream_when_closed(handle->file->log_stream());
  return TRUE;
}
