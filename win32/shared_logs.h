// SharedLogs: the logs that this process has open through the C API.
#ifndef CAIRN_WIN32_SHARED_LOGS_H_
#define CAIRN_WIN32_SHARED_LOGS_H_

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include <cairn/log.h>
#include <cairn/result.h>

#include "last_error.h"

namespace cairn::win32 {

// What it means that a log cannot be opened with a path that is short enough: something in it, or
// at its end, is there and is no directory.
inline constexpr ErrorRow kNoDirectory{StatusCode::kInvalidArgument, ERROR_PATH_NOT_FOUND};

// A log has one opener, but a program has any number of handles to it and to its streams: they
// share one Log, which is closed with the last of them. Thread-safe.
class SharedLogs {
 public:
  // That of the process. Never destroyed, as the handle table.
  [[nodiscard]] static SharedLogs& get();

  // The log in the directory `path`, by whatever name it was opened before. Errors: Log::open()'s.
  [[nodiscard]] Result<std::shared_ptr<log::Log>> open(const std::string& path);
  // The same, and makes one if there is nothing. Errors also: Log::create()'s.
  [[nodiscard]] Result<std::shared_ptr<log::Log>> open_or_create(const std::string& path,
                                                                 const log::CreateOptions& options);

 private:
  [[nodiscard]] std::shared_ptr<log::Log> find_locked(const std::string& key);
  [[nodiscard]] std::shared_ptr<log::Log> keep_locked(const std::string& path,
                                                      std::unique_ptr<log::Log> log);

  // Held while a log is opened, so that a second opener meets the Log and not its lock.
  std::mutex mutex_;
  std::map<std::string, std::weak_ptr<log::Log>> logs_;  // by canonical path
};

}  // namespace cairn::win32

#endif  // CAIRN_WIN32_SHARED_LOGS_H_
