// The functions of clfsmgmtw32.h: clients and policies.
#include <algorithm>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>

#include <cairn/clfsmgmtw32.h>

#include "clfs_name.h"
#include "log_clients.h"
#include "log_containers.h"
#include "log_file.h"

namespace cairn::win32 {
namespace {

// The registration of an open log; null, and the last error is set.
std::shared_ptr<LogClient> client_of(HANDLE log) {
  const auto handle = object_of<LogHandle>(log);
  if (handle == nullptr) return nullptr;
  auto client = handle->client();
  if (client == nullptr) fail(ERROR_LOG_CLIENT_NOT_REGISTERED);
  return client;
}

// A prefix that names another directory would be a promise that is not kept.
bool accept_prefix(const PhysicalLog& log, const CLFS_MGMT_POLICY& policy) {
  if (policy.PolicyType != ClfsMgmtPolicyNewContainerPrefix) return true;
  const auto& prefix = policy.PolicyParameters.NewContainerPrefix;
  std::wstring text(prefix.PrefixString, prefix.PrefixLengthInBytes / sizeof(WCHAR));
  if (const auto nul = text.find(L'\0'); nul != std::wstring::npos) text.resize(nul);
  std::string name;
  return accept_container_path(text.c_str(), log.path(), &name);
}

// What SetLogFileSizeWithPolicy() is to bring the log to; 0, and the last error is set.
std::uint32_t wanted_size(const LogPolicies& policies, std::uint32_t there, ULONGLONG desired) {
  const auto most = policies.maximum_size();
  const std::uint32_t least = policies.minimum_size();
  if (desired == 0) return std::max(there, least);
  if (desired == 1) return fail(ERROR_INVALID_PARAMETER), 0;
  if (desired > kMaxLogContainers) {
    if (!most) fail(ERROR_LOG_POLICY_CONFLICT, "so large a log needs a maximum size");
    return most.value_or(0);
  }
  if (desired < least) return fail(ERROR_COULD_NOT_RESIZE_LOG, "below the minimum size"), 0;
  return std::min(static_cast<std::uint32_t>(desired), most.value_or(kMaxLogContainers));
}

// REQUIRES: the log's container_mutex() is held.
bool resize(PhysicalLog& log, ULONGLONG desired, ULONGLONG* result) {
  const auto open = log.log();
  const std::uint32_t there = open == nullptr ? 0 : count_containers(*open);
  const std::uint32_t wanted = wanted_size(log.policies, there, desired);
  if (wanted == 0) return false;
  if (wanted > there) {
    if (!add_containers(log, 0, wanted - there)) return false;
  } else {
    std::uint32_t left = there;
    while (left > wanted && remove_containers(log, 1).is_ok()) --left;
    if (left == there && left > wanted) {
      return fail(ERROR_COULD_NOT_RESIZE_LOG, "no container is free");
    }
  }
  *result = count_containers(*log.log());
  return true;
}

}  // namespace
}  // namespace cairn::win32

using cairn::win32::all_given;
using cairn::win32::fail;
using cairn::win32::LogClient;
using cairn::win32::LogHandle;
using cairn::win32::object_of;
using cairn::win32::PhysicalLog;
using cairn::win32::succeed_log_if;

// --- clients ---

BOOL RegisterManageableLogClient(HANDLE hLog, PLOG_MANAGEMENT_CALLBACKS pCallbacks) {
  const auto handle = object_of<LogHandle>(hLog);
  if (handle == nullptr) return FALSE;
  const auto client = std::make_shared<LogClient>(hLog, handle->file, pCallbacks);
  if (!handle->set_client(client)) return fail(ERROR_LOG_CLIENT_ALREADY_REGISTERED);
  handle->file->physical().clients.add(client);
  return TRUE;
}

BOOL DeregisterManageableLogClient(HANDLE hLog) {
  const auto handle = object_of<LogHandle>(hLog);
  if (handle == nullptr) return FALSE;
  const auto client = handle->take_client();
  if (client == nullptr) return fail(ERROR_LOG_CLIENT_NOT_REGISTERED);
  handle->file->physical().clients.remove(client);
  client->deregister();
  return TRUE;
}

BOOL ReadLogNotification(HANDLE hLog, PCLFS_MGMT_NOTIFICATION pNotification,
                         LPOVERLAPPED lpOverlapped) {
  // Closing the handle must end the wait, so that nothing here keeps what it names.
  const auto client = cairn::win32::client_of(hLog);
  if (client == nullptr || !cairn::win32::is_synchronous(lpOverlapped)) return FALSE;
  if (!all_given(pNotification)) return FALSE;
  const auto notification = client->next();
  if (!notification) return fail(ERROR_OPERATION_ABORTED, "the client is no longer registered");
  *pNotification = {};
  pNotification->Notification = notification->type;
  pNotification->Lsn = notification->target;
  pNotification->LogIsPinned = notification->pinned ? TRUE : FALSE;
  return TRUE;
}

BOOL RegisterForLogWriteNotification(HANDLE hLog, ULONG cbThreshold, BOOL fEnable) {
  const auto client = cairn::win32::client_of(hLog);
  if (client == nullptr) return FALSE;
  if (fEnable == FALSE) return succeed_log_if(client->watch_growth(std::nullopt));
  if (client->file().physical().need_log() == nullptr) return FALSE;
  return succeed_log_if(client->watch_growth(cbThreshold));
}

BOOL HandleLogFull(HANDLE hLog) {
  const auto client = cairn::win32::client_of(hLog);
  if (client == nullptr) return FALSE;
  PhysicalLog& log = client->file().physical();
  if (log.need_log() == nullptr) return FALSE;
  const DWORD error = log.clients.handle_full(log, client);
  return fail(error == ERROR_SUCCESS ? ERROR_IO_PENDING : error);
}

BOOL LogTailAdvanceFailure(HANDLE hLog, DWORD dwReason) {
  const auto client = cairn::win32::client_of(hLog);
  if (client == nullptr) return FALSE;
  if (dwReason == ERROR_SUCCESS) return fail(ERROR_INVALID_PARAMETER, "a reason expected");
  PhysicalLog& log = client->file().physical();
  log.clients.cannot_advance(log, client, dwReason);
  return TRUE;
}

// --- policies ---

BOOL InstallLogPolicy(HANDLE hLog, PCLFS_MGMT_POLICY pPolicy) {
  const auto handle = object_of<LogHandle>(hLog);
  if (handle == nullptr || !all_given(pPolicy)) return FALSE;
  if (!handle->file->allows(GENERIC_WRITE)) return FALSE;
  if ((pPolicy->PolicyFlags & ~ULONG{LOG_POLICY_OVERWRITE | LOG_POLICY_PERSIST}) != 0) {
    return fail(ERROR_LOG_POLICY_INVALID);
  }
  if ((pPolicy->PolicyFlags & LOG_POLICY_PERSIST) != 0) {
    return fail(ERROR_NOT_SUPPORTED, "policies last until the last handle is closed");
  }
  PhysicalLog& log = handle->file->physical();
  const std::lock_guard lock(log.container_mutex());
  const cairn::win32::LogPolicies before = log.policies;
  if (const DWORD error = log.policies.install(*pPolicy); error != 0) return fail(error);
  if (!cairn::win32::accept_prefix(log, *pPolicy)) {
    log.policies = before;
    return FALSE;
  }
  if (const auto applied = cairn::win32::apply_policies(log); !applied) {
    log.policies = before;
    return cairn::win32::fail_log(
        applied, {{cairn::StatusCode::kInvalidArgument, ERROR_LOG_POLICY_CONFLICT}});
  }
  return TRUE;
}

BOOL QueryLogPolicy(HANDLE hLog, CLFS_MGMT_POLICY_TYPE ePolicyType, PCLFS_MGMT_POLICY pPolicyBuffer,
                    PULONG pcbPolicyBuffer) {
  const auto handle = object_of<LogHandle>(hLog);
  if (handle == nullptr || !all_given(pcbPolicyBuffer)) return FALSE;
  if (pPolicyBuffer == nullptr && *pcbPolicyBuffer != 0) return fail(ERROR_INVALID_PARAMETER);
  if (static_cast<unsigned>(ePolicyType) >= CLFS_MGMT_NUM_POLICIES) {
    return fail(ERROR_LOG_POLICY_INVALID);
  }
  PhysicalLog& log = handle->file->physical();
  const std::lock_guard lock(log.container_mutex());
  const auto* const bytes = log.policies.find(ePolicyType);
  if (bytes == nullptr) return fail(ERROR_LOG_POLICY_NOT_INSTALLED);
  const ULONG room = *pcbPolicyBuffer;
  *pcbPolicyBuffer = static_cast<ULONG>(bytes->size());
  if (room < bytes->size()) return fail(ERROR_MORE_DATA);
  std::memcpy(pPolicyBuffer, bytes->data(), bytes->size());
  return TRUE;
}

BOOL RemoveLogPolicy(HANDLE hLog, CLFS_MGMT_POLICY_TYPE ePolicyType) {
  const auto handle = object_of<LogHandle>(hLog);
  if (handle == nullptr || !handle->file->allows(GENERIC_WRITE)) return FALSE;
  if (static_cast<unsigned>(ePolicyType) >= CLFS_MGMT_NUM_POLICIES) {
    return fail(ERROR_LOG_POLICY_INVALID);
  }
  PhysicalLog& log = handle->file->physical();
  const std::lock_guard lock(log.container_mutex());
  if (!log.policies.remove(ePolicyType)) return fail(ERROR_LOG_POLICY_NOT_INSTALLED);
  return succeed_log_if(cairn::win32::apply_policies(log));
}

BOOL SetLogFileSizeWithPolicy(HANDLE hLog, PULONGLONG pDesiredSize, PULONGLONG pResultingSize) {
  const auto handle = object_of<LogHandle>(hLog);
  if (handle == nullptr || !all_given(pDesiredSize, pResultingSize)) return FALSE;
  if (!handle->file->allows(GENERIC_WRITE)) return FALSE;
  PhysicalLog& log = handle->file->physical();
  {
    const std::lock_guard lock(log.container_mutex());
    if (!cairn::win32::resize(log, *pDesiredSize, pResultingSize)) return FALSE;
  }
  log.clients.settle(log);
  return TRUE;
}
