// ClfsName: the name of a log or of a stream as CreateLogFile() takes it.
#ifndef CAIRN_WIN32_CLFS_NAME_H_
#define CAIRN_WIN32_CLFS_NAME_H_

#include <optional>
#include <string>

#include <cairn/win32_types.h>

namespace cairn::win32 {

struct ClfsName {
  std::string path;
  bool multiplexed = false;  // "::" was there
  std::string stream;        // what follows it; may be empty
};

// "log:<path>" or "log:<path>::<stream>"; the case of "log" does not matter. Nothing, and the last
// error is set: ERROR_INVALID_PARAMETER (null), ERROR_INVALID_NAME.
[[nodiscard]] std::optional<ClfsName> parse_clfs_name(LPCWSTR text);

// One name for all names of a directory, whatever the current one is later; of one that is not
// there yet, what it will have.
[[nodiscard]] std::string canonical_log_path(const std::string& path);

// Whether the system takes a path so long; else the last error is ERROR_FILENAME_EXCED_RANGE.
[[nodiscard]] bool accept_path_length(const std::string& path);

// Whether a container of this name, as AddLogContainer() and policies give it, may be one of the
// log in the directory `log_path`: its files lie there and nowhere else. "%BLF%/name", "name",
// "<log_path>/name", or a path beside the log. False, and the last error is set:
// ERROR_INVALID_PARAMETER, ERROR_INVALID_NAME, ERROR_NOT_SUPPORTED. Otherwise `name` is what
// follows the last separator.
[[nodiscard]] bool accept_container_path(LPCWSTR text, const std::string& log_path,
                                         std::string* name);

}  // namespace cairn::win32

#endif  // CAIRN_WIN32_CLFS_NAME_H_
