#include "shared_logs.h"

#include <utility>

#include "clfs_name.h"

namespace cairn::win32 {

SharedLogs& SharedLogs::get() {
  static SharedLogs* const logs = new SharedLogs;
  return *logs;
}

Result<std::shared_ptr<log::Log>> SharedLogs::open(const std::string& path) {
  const std::lock_guard lock(mutex_);
  const std::string name = canonical_log_path(path);
  if (auto found = find_locked(name); found != nullptr) return found;
  CAIRN_ASSIGN_OR_RETURN(auto log, log::Log::open(name));
  return keep_locked(name, std::move(log));
}

Result<std::shared_ptr<log::Log>> SharedLogs::open_or_create(const std::string& path,
                                                             const log::CreateOptions& options) {
  const std::lock_guard lock(mutex_);
  const std::string name = canonical_log_path(path);
  if (auto found = find_locked(name); found != nullptr) return found;
  CAIRN_ASSIGN_OR_RETURN(auto log, log::Log::open_or_create(name, options));
  return keep_locked(name, std::move(log));
}

std::shared_ptr<log::Log> SharedLogs::find_locked(const std::string& key) {
  const auto found = logs_.find(key);
  return found == logs_.end() ? nullptr : found->second.lock();
}

// The path again: the directory may have been made, and have another name than before.
std::shared_ptr<log::Log> SharedLogs::keep_locked(const std::string& path,
                                                  std::unique_ptr<log::Log> log) {
  std::erase_if(logs_, [](const auto& entry) { return entry.second.expired(); });
  std::shared_ptr<log::Log> shared = std::move(log);
  logs_[canonical_log_path(path)] = shared;
  return shared;
}

}  // namespace cairn::win32
