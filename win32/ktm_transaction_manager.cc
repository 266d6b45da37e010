// ktmw32.h: transaction managers.
#include <algorithm>
#include <string>
#include <utility>

#include <cairn/ktmw32.h>
#include <cairn/transaction_manager.h>

#include "clfs_name.h"
#include "ktm_objects.h"
#include "last_error.h"
#include "physical_log.h"
#include "shared_logs.h"
#include "text.h"

namespace cairn::win32 {
namespace {

using cairn::tm::TmOptions;
using cairn::tm::TmState;
using cairn::tm::TransactionManager;

constexpr const char* kDefaultStream = "tm";
constexpr ULONG kSystemOptions =
    TRANSACTION_MANAGER_COMMIT_SYSTEM_VOLUME | TRANSACTION_MANAGER_COMMIT_SYSTEM_HIVES;
constexpr ULONG kGuessingOptions = TRANSACTION_MANAGER_COMMIT_LOWEST |
                                   TRANSACTION_MANAGER_CORRUPT_FOR_RECOVERY |
                                   TRANSACTION_MANAGER_CORRUPT_FOR_PROGRESS;
constexpr ULONG kKnownOptions = TRANSACTION_MANAGER_VOLATILE | kSystemOptions | kGuessingOptions;

// A log for decisions: small containers, but large enough for a record with the longest recovery
// information. Not measured at its creation, which takes a moment: `cairn calibrate` does.
log::CreateOptions log_options() {
  log::CreateOptions options;
  options.container_size = std::uint64_t{16} << 20;
  options.calibrate = false;
  return options;
}

// The log and stream that a name means; nothing, and the last error is set.
std::optional<LogName> stream_of(LPCWSTR name) {
  auto parsed = name == nullptr ? std::nullopt : parse_log_name(name);
  if (!parsed) {
    fail(ERROR_INVALID_PARAMETER, "a name of a log expected: PATH or PATH::STREAM");
    return std::nullopt;
  }
  if (!accept_path_length(parsed->path)) return std::nullopt;
  if (parsed->stream.empty()) parsed->stream = kDefaultStream;
  return parsed;
}

TmOptions options_of(const std::shared_ptr<log::Log>& log, const std::string& stream) {
  TmOptions options;
  options.log = log;
  options.stream = stream;
  return options;
}

// Whether the stream is the manager's alone: the log is no dedicated one, and nobody has the stream
// open to change it. Else the last error is set.
bool accept_stream(const log::Log& log, const LogName& name) {
  const auto streams = log.list_streams();
  if (std::ranges::any_of(streams, [](const auto& s) { return s.name == kDedicatedStream; })) {
    return fail(ERROR_LOG_DEDICATED, name.path + ": the log is a dedicated one and has no streams");
  }
  if (!PhysicalLog::is_changed_through_handles(name.path, name.stream)) return true;
  return fail(ERROR_SHARING_VIOLATION, name.path +
                                           ": a handle of CreateLogFile() has the stream \"" +
                                           name.stream + "\" open to change it");
}

// A manager is known once it has a handle. Asked again then: of the two that come at once, one at
// least sees the other.
HANDLE keep_durable(std::shared_ptr<log::Log> log, const LogName& name,
                    TransactionManager manager) {
  auto object = std::make_shared<TmObject>(std::move(log), name.stream, std::move(manager));
  KtmNames::get().add(object);
  if (!accept_stream(*object->log, name)) return INVALID_HANDLE_VALUE;
  return handle_of(std::move(object));
}

HANDLE create_volatile() {
  auto manager = TransactionManager::create({});
  if (!manager) return no_handle(manager.status());
  auto object = std::make_shared<TmObject>(nullptr, "", std::move(*manager));
  KtmNames::get().add(object);
  return handle_of(std::move(object));
}

HANDLE create_durable(const LogName& name) {
  auto log = SharedLogs::get().open_or_create(name.path, log_options());
  if (!log) return no_handle(log.status(), {kNoDirectory});
  if (!accept_stream(**log, name)) return INVALID_HANDLE_VALUE;
  auto manager = TransactionManager::open_or_create(options_of(*log, name.stream));
  if (!manager) {
    return no_handle(manager.status(), {{StatusCode::kLocked, ERROR_ALREADY_EXISTS}});
  }
  return keep_durable(std::move(*log), name, std::move(*manager));
}

HANDLE open_durable(const LogName& name) {
  auto log = SharedLogs::get().open(name.path);
  if (!log) return no_handle(log.status(), {kNoDirectory});
  if (auto live = KtmNames::get().find_manager(**log, name.stream); live != nullptr) {
    return handle_of(std::move(live));
  }
  if (!accept_stream(**log, name)) return INVALID_HANDLE_VALUE;
  auto manager = TransactionManager::open(options_of(*log, name.stream));
  if (!manager) {
    return no_handle(manager.status(),
                     {{StatusCode::kNotFound, ERROR_TRANSACTIONMANAGER_NOT_FOUND}});
  }
  return keep_durable(std::move(*log), name, std::move(*manager));
}

// Whether there is nothing to do: it is online. Else why it cannot be recovered, if so.
Result<bool> is_online(const TransactionManager& manager) {
  CAIRN_ASSIGN_OR_RETURN(const auto information, manager.information());
  return information.durable && information.state == TmState::kOnline;
}

BOOL recover(const TmObject& object, std::optional<std::uint64_t> clock) {
  TransactionManager manager = object.manager;
  const auto online = is_online(manager);
  if (!online) return fail(online.status());
  if (*online) return TRUE;
  const auto report = clock ? manager.roll_forward(*clock) : manager.recover();
  return succeed_if(report.status(),
                    {{StatusCode::kRequestNotValid, ERROR_TM_INITIALIZATION_FAILED}});
}

}  // namespace
}  // namespace cairn::win32

using namespace cairn::win32;  // NOLINT(google-build-using-namespace): C functions have none

HANDLE CreateTransactionManager(LPSECURITY_ATTRIBUTES lpTransactionAttributes, LPWSTR LogFileName,
                                ULONG CreateOptions, ULONG CommitStrength) {
  if (!accept_security(lpTransactionAttributes)) return INVALID_HANDLE_VALUE;
  const bool is_volatile = (CreateOptions & TRANSACTION_MANAGER_VOLATILE) != 0;
  if (CommitStrength != 0 || (CreateOptions & ~kKnownOptions) != 0 ||
      (CreateOptions & kSystemOptions) != 0 || is_volatile != (LogFileName == nullptr)) {
    return no_handle(ERROR_INVALID_PARAMETER);
  }
  if ((CreateOptions & kGuessingOptions) != 0) return no_handle(ERROR_NOT_SUPPORTED);
  if (is_volatile) return create_volatile();
  const auto name = stream_of(LogFileName);
  return name ? create_durable(*name) : INVALID_HANDLE_VALUE;
}

HANDLE OpenTransactionManager(LPWSTR LogFileName, ACCESS_MASK /*DesiredAccess*/,
                              ULONG OpenOptions) {
  if (OpenOptions != 0) return no_handle(ERROR_INVALID_PARAMETER);
  const auto name = stream_of(LogFileName);
  return name ? open_durable(*name) : INVALID_HANDLE_VALUE;
}

HANDLE OpenTransactionManagerById(LPGUID TransactionManagerId, ACCESS_MASK /*DesiredAccess*/,
                                  ULONG OpenOptions) {
  if (TransactionManagerId == nullptr || OpenOptions != 0) {
    return no_handle(ERROR_INVALID_PARAMETER);
  }
  auto live = KtmNames::get().find_manager(uuid_of(*TransactionManagerId));
  if (live == nullptr) return no_handle(ERROR_TRANSACTIONMANAGER_NOT_FOUND);
  return handle_of(std::move(live));
}

BOOL RecoverTransactionManager(HANDLE TransactionManagerHandle) {
  const auto object = object_of<TmObject>(TransactionManagerHandle);
  return object == nullptr ? FALSE : recover(*object, std::nullopt);
}

BOOL RollforwardTransactionManager(HANDLE TransactionManagerHandle, PLARGE_INTEGER TmVirtualClock) {
  const auto object = object_of<TmObject>(TransactionManagerHandle);
  if (object == nullptr) return FALSE;
  if (TmVirtualClock == nullptr) return recover(*object, std::nullopt);
  if (TmVirtualClock->QuadPart < 0) return fail(ERROR_INVALID_PARAMETER);
  return recover(*object, static_cast<std::uint64_t>(TmVirtualClock->QuadPart));
}

BOOL RenameTransactionManager(LPWSTR LogFileName, LPGUID ExistingTransactionManagerGuid) {
  if (ExistingTransactionManagerGuid == nullptr) return fail(ERROR_INVALID_PARAMETER);
  const auto name = stream_of(LogFileName);
  if (!name) return FALSE;
  const auto log = SharedLogs::get().open(name->path);
  if (!log) return fail(log.status(), {kNoDirectory});
  if (!accept_stream(**log, *name)) return FALSE;
  const auto renamed = TransactionManager::rename(options_of(*log, name->stream),
                                                  uuid_of(*ExistingTransactionManagerGuid));
  return succeed_if(renamed.status(),
                    {{cairn::StatusCode::kNotFound, ERROR_TRANSACTIONMANAGER_NOT_FOUND}});
}

BOOL GetTransactionManagerId(HANDLE TransactionManagerHandle, LPGUID TransactionManagerId) {
  const auto object = object_of<TmObject>(TransactionManagerHandle);
  if (object == nullptr) return FALSE;
  if (TransactionManagerId == nullptr) return fail(ERROR_INVALID_PARAMETER);
  *TransactionManagerId = guid_of(object->manager.id());
  return TRUE;
}

BOOL GetCurrentClockTransactionManager(HANDLE TransactionManagerHandle,
                                       PLARGE_INTEGER TmVirtualClock) {
  const auto object = object_of<TmObject>(TransactionManagerHandle);
  if (object == nullptr) return FALSE;
  if (TmVirtualClock == nullptr) return fail(ERROR_INVALID_PARAMETER);
  TmVirtualClock->QuadPart = static_cast<LONGLONG>(object->manager.clock());
  return TRUE;
}
