#include "shared_logs.h"

#include <filesystem>
#include <system_error>
#include <utility>

namespace cairn::win32 {
namespace {

// One name for all names of a directory. Of one that is not there yet, what it will have.
std::string canonical_path(const std::string& path) {
  std::error_code error;
  const std::filesystem::path canonical = std::filesystem::weakly_canonical(path, error);
  std::string name = error ? path : canonical.string();
  while (name.size() > 1 && name.back() == '/') name.pop_back();
  return name;
}

}  // namespace

SharedLogs& SharedLogs::get() {
  static SharedLogs* const logs = new SharedLogs;
  return *logs;
}

Result<std::shared_ptr<log::Log>> SharedLogs::open(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (auto found = find_locked(canonical_path(path)); found != nullptr) return found;
  CAIRN_ASSIGN_OR_RETURN(auto log, log::Log::open(path));
  return keep_locked(path, std::move(log));
}

Result<std::shared_ptr<log::Log>> SharedLogs::open_or_create(const std::string& path,
                                                             const log::CreateOptions& options) {
  const std::lock_guard lock(mutex_);
  if (auto found = find_locked(canonical_path(path)); found != nullptr) return found;
  CAIRN_ASSIGN_OR_RETURN(auto log, log::Log::open_or_create(path, options));
  return keep_locked(path, std::move(log));
}

Result<std::shared_ptr<log::Log>> SharedLogs::create(const std::string& path,
                                                     const log::CreateOptions& options) {
  const std::lock_guard lock(mutex_);
  CAIRN_ASSIGN_OR_RETURN(auto log, log::Log::create(path, options));
  return keep_locked(path, std::move(log));
}

std::shared_ptr<log::Log> SharedLogs::find(const std::string& path) {
  const std::lock_guard lock(mutex_);
  return find_locked(canonical_path(path));
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
  logs_[canonical_path(path)] = shared;
  return shared;
}

}  // namespace cairn::win32
