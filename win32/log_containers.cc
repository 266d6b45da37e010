#include "log_containers.h"

#include <sys/stat.h>

#include <algorithm>
#include <bit>
#include <cwchar>
#include <string>
#include <utility>

#include "last_error.h"
#include "log_file.h"
#include "text.h"

namespace cairn::win32 {
namespace {

constexpr std::uint32_t kLeastLog = 2;  // containers; one to append to, and the next
constexpr std::uint32_t kNoContainer = 0xFFFF'FFFF;

std::uint64_t filetime_of(const timespec& time) {
  constexpr std::uint64_t kSecondsFrom1601 = 11'644'473'600;
  return (static_cast<std::uint64_t>(time.tv_sec) + kSecondsFrom1601) * 10'000'000 +
         static_cast<std::uint64_t>(time.tv_nsec) / 100;
}

// Sizes of CLFS are multiples of 512 KiB, Cairn's are powers of two from 1 MiB to 1 GiB.
bool round_container_size(std::uint64_t* size) {
  if (*size > log::kMaxContainerSize) {
    return fail(ERROR_INVALID_PARAMETER, "container size: expected at most " +
                                             std::to_string(log::kMaxContainerSize) + ", found " +
                                             std::to_string(*size));
  }
  *size = std::bit_ceil(std::max(*size, log::kMinContainerSize));
  return true;
}

CLFS_CONTAINER_STATE state_of(log::ContainerState state, bool to_remove) {
  switch (state) {
    case log::ContainerState::kFree:
      return ClsContainerInactive;
    case log::ContainerState::kActive:
    case log::ContainerState::kInactive:
      return to_remove ? ClsContainerActivePendingDelete : ClsContainerActive;
    case log::ContainerState::kPendingArchive:
      return to_remove ? ClsContainerPendingArchiveAndDelete : ClsContainerPendingArchive;
  }
  return ClsContainerInactive;
}

// The first containers of a log, or of one that has none yet.
bool create_with_containers(PhysicalLog& log, std::uint64_t container_size, std::uint32_t count) {
  if (container_size == 0) container_size = log.policies.new_container_size().value_or(0);
  if (container_size == 0) {
    return fail(ERROR_INVALID_PARAMETER, "the first container needs a size");
  }
  if (!round_container_size(&container_size)) return false;
  if (const Status made = log.create(container_size, std::max(count, kLeastLog)); !made) {
    return fail_log(made);
  }
  log.prepaid_containers = count < kLeastLog ? kLeastLog - count : 0;
  return succeed_log_if(apply_policies(log));
}

}  // namespace

std::uint32_t count_containers(const log::Log& log) {
  return static_cast<std::uint32_t>(log.info().space.containers);
}

bool add_containers(PhysicalLog& log, std::uint64_t container_size, std::uint32_t count) {
  const std::uint32_t most = log.policies.maximum_size().value_or(kMaxLogContainers);
  const auto open = log.log();
  const std::uint32_t there = open == nullptr ? 0 : count_containers(*open);
  const std::uint32_t prepaid = std::min(count, log.prepaid_containers);
  if (count - prepaid > most - std::min(most, there)) {
    return fail(ERROR_LOG_CONTAINER_LIMIT_EXCEEDED,
                "containers: expected at most " + std::to_string(most) + ", there are " +
                    std::to_string(there) + " and " + std::to_string(count) + " more are wanted");
  }
  if (open == nullptr) return create_with_containers(log, container_size, count);
  const Status added = open->add_containers(count - prepaid);
  if (!added) {
    return fail_log(added, {{StatusCode::kResourceExhausted, ERROR_LOG_CONTAINER_LIMIT_EXCEEDED}});
  }
  log.prepaid_containers -= prepaid;
  return succeed_log_if(apply_policies(log));
}

Status remove_containers(PhysicalLog& log, std::uint32_t count) {
  const auto open = log.log();
  CAIRN_RETURN_IF_ERROR(open->remove_containers(count));
  return apply_policies(log);
}

void remove_what_became_free(PhysicalLog& log) {
  while (log.containers_to_remove > 0 && remove_containers(log, 1).is_ok()) {
    --log.containers_to_remove;
  }
}

// A log that was not made by these calls keeps its own policies as long as none is installed.
Status apply_policies(PhysicalLog& log) {
  const auto open = log.log();
  if (open == nullptr) return {};
  if (!log.policies.any() && !log.policies_applied) return {};
  log.policies_applied = true;
  const log::Policies now = open->policies();
  const log::Policies then =
      log.policies.applied_to(now, log.container_size(), count_containers(*open));
  return now == then ? Status() : open->set_policies(then);
}

CLFS_CONTAINER_INFORMATION describe_container(const PhysicalLog& log,
                                              const log::ContainerInfo& container,
                                              std::size_t index) {
  CLFS_CONTAINER_INFORMATION out{};
  const std::string file = log.path() + "/" + container.file;
  struct stat facts;
  if (::stat(file.c_str(), &facts) == 0) {
    out.CreationTime =
        filetime_of(std::min(facts.st_mtim, facts.st_ctim, [](const auto& a, const auto& b) {
          return filetime_of(a) < filetime_of(b);
        }));
    out.LastAccessTime = filetime_of(facts.st_atim);
    out.LastWriteTime = filetime_of(facts.st_mtim);
  }
  out.ContainerSize = static_cast<LONGLONG>(log.container_size());
  const std::wstring name = wide_of(file);
  const std::size_t length = std::min<std::size_t>(name.size(), CLFS_MAX_CONTAINER_INFO - 1);
  std::copy_n(name.data(), length, out.FileName);
  out.FileNameActualLength = static_cast<ULONG>(name.size() * sizeof(WCHAR));
  out.FileNameLength = static_cast<ULONG>(length * sizeof(WCHAR));
  const bool free = container.state == log::ContainerState::kFree;
  out.State = state_of(container.state, index < log.containers_to_remove);
  out.PhysicalContainerId = static_cast<CLFS_CONTAINER_ID>(index);
  out.LogicalContainerId = free ? kNoContainer : static_cast<CLFS_CONTAINER_ID>(container.number);
  return out;
}

}  // namespace cairn::win32

using cairn::win32::fail;
using cairn::win32::is_null_reserved;
using cairn::win32::LogHandle;
using cairn::win32::object_of;
using cairn::win32::PhysicalLog;

namespace {

// Names of containers as a caller gave them, checked.
bool accept_names(const PhysicalLog& log, USHORT count, LPWSTR* paths,
                  std::vector<std::string>* names) {
  if (count == 0 || paths == nullptr) return fail(ERROR_INVALID_PARAMETER);
  for (USHORT i = 0; i < count; ++i) {
    std::string name;
    if (!cairn::win32::accept_container_path(paths[i], log.path(), &name)) return false;
    if (std::ranges::find(*names, name) != names->end()) {
      return fail(ERROR_ALREADY_EXISTS, name + ": named twice");
    }
    names->push_back(std::move(name));
  }
  return true;
}

// Takes one container out of the log: `name` is that of a file of the log, or was given when it was
// added. Nothing that is in use goes: `force` says so, otherwise it goes as soon as it is free.
bool remove_container(PhysicalLog& log, const std::string& name, bool force) {
  const auto open = log.log();
  const auto added = std::ranges::find(log.added_names, name);
  const std::vector<cairn::log::ContainerInfo> all = open->scan_containers();
  const auto file = std::ranges::find(all, name, &cairn::log::ContainerInfo::file);
  if (added == log.added_names.end() && file == all.end()) {
    return fail(ERROR_NOT_FOUND, name + ": the log has no such container");
  }
  const bool in_use = file != all.end() && file->state != cairn::log::ContainerState::kFree;
  const cairn::Status removed = in_use ? cairn::Status(cairn::StatusCode::kResourceExhausted,
                                                       name + ": the container is in use")
                                       : cairn::win32::remove_containers(log, 1);
  if (!removed && removed.code() != cairn::StatusCode::kResourceExhausted) {
    return cairn::win32::fail_log(removed);
  }
  if (!removed) {
    const auto after = all.size() - log.containers_to_remove;
    if (force || after <= 2) return fail(ERROR_LOG_CANT_DELETE, removed.to_string());
    ++log.containers_to_remove;
  }
  if (added != log.added_names.end()) log.added_names.erase(added);
  return true;
}

}  // namespace

BOOL AddLogContainer(HANDLE hLog, PULONGLONG pcbContainer, LPWSTR pwszContainerPath,
                     LPVOID pReserved) {
  return AddLogContainerSet(hLog, 1, pcbContainer, &pwszContainerPath, pReserved);
}

BOOL AddLogContainerSet(HANDLE hLog, USHORT cContainer, PULONGLONG pcbContainer,
                        LPWSTR* rgwszContainerPath, LPVOID pReserved) {
  const auto handle = object_of<LogHandle>(hLog);
  if (handle == nullptr || !is_null_reserved(pReserved)) return FALSE;
  if (!handle->file->allows(GENERIC_WRITE)) return FALSE;
  PhysicalLog& log = handle->file->physical();
  std::vector<std::string> names;
  if (!accept_names(log, cContainer, rgwszContainerPath, &names)) return FALSE;
  {
    const std::lock_guard lock(log.container_mutex());
    for (const std::string& name : names) {
      if (std::ranges::find(log.added_names, name) != log.added_names.end()) {
        return fail(ERROR_ALREADY_EXISTS, name + ": there is a container of this name");
      }
    }
    const std::uint64_t there = log.container_size();
    const std::uint64_t wanted = pcbContainer == nullptr ? 0 : *pcbContainer;
    if (there != 0 && wanted != 0 && wanted < there) {
      return fail(ERROR_INVALID_PARAMETER,
                  "container size: expected at least that of the others, " + std::to_string(there));
    }
    if (!cairn::win32::add_containers(log, wanted, cContainer)) return FALSE;
    log.added_names.insert(log.added_names.end(), names.begin(), names.end());
  }
  if (pcbContainer != nullptr) *pcbContainer = log.container_size();
  log.clients.settle(log);
  return TRUE;
}

BOOL RemoveLogContainer(HANDLE hLog, LPWSTR pwszContainerPath, BOOL fForce, LPVOID pReserved) {
  return RemoveLogContainerSet(hLog, 1, &pwszContainerPath, fForce, pReserved);
}

BOOL RemoveLogContainerSet(HANDLE hLog, USHORT cContainer, LPWSTR* rgwszContainerPath, BOOL fForce,
                           LPVOID pReserved) {
  const auto handle = object_of<LogHandle>(hLog);
  if (handle == nullptr || !is_null_reserved(pReserved)) return FALSE;
  if (!handle->file->allows(GENERIC_WRITE | DELETE)) return FALSE;
  PhysicalLog& log = handle->file->physical();
  if (log.need_log() == nullptr) return FALSE;
  std::vector<std::string> names;
  if (!accept_names(log, cContainer, rgwszContainerPath, &names)) return FALSE;
  const std::lock_guard lock(log.container_mutex());
  cairn::win32::remove_what_became_free(log);
  for (const std::string& name : names) {
    if (!remove_container(log, name, fForce != FALSE)) return FALSE;
  }
  return TRUE;
}

BOOL GetLogContainerName(HANDLE hLog, CLFS_CONTAINER_ID cidLogicalContainer,
                         LPWSTR pwstrContainerName, ULONG cLenContainerName,
                         PULONG pcActualLenContainerName) {
  const auto handle = object_of<LogHandle>(hLog);
  if (handle == nullptr) return FALSE;
  if (pwstrContainerName == nullptr && cLenContainerName != 0) return fail(ERROR_INVALID_PARAMETER);
  const auto log = handle->file->physical().need_log();
  if (log == nullptr) return FALSE;
  cairn::log::ContainerScan scan;
  scan.from = cidLogicalContainer;
  scan.to = cidLogicalContainer;
  std::vector<cairn::log::ContainerInfo> found = log->scan_containers(scan);
  std::erase_if(found, [](const auto& container) {
    return container.state == cairn::log::ContainerState::kFree;
  });
  if (found.empty()) return fail(ERROR_NOT_FOUND, "the log holds no container of this number");
  const std::wstring name =
      cairn::win32::wide_of(handle->file->physical().path() + "/" + found.front().file);
  const bool fits = cLenContainerName > name.size();
  if (pcActualLenContainerName != nullptr) {
    // Where it does not fit: what it needs, with the terminating 0.
    *pcActualLenContainerName = static_cast<ULONG>(name.size() + (fits ? 0 : 1));
  }
  if (!fits) return fail(ERROR_MORE_DATA);
  std::copy_n(name.c_str(), name.size() + 1, pwstrContainerName);
  return TRUE;
}
