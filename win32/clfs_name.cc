#include "clfs_name.h"

#include <limits.h>

#include <algorithm>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "last_error.h"
#include "text.h"

namespace cairn::win32 {
namespace {

std::optional<std::string> text_of(LPCWSTR text) {
  if (text == nullptr) {
    fail(ERROR_INVALID_PARAMETER, "a name expected, found NULL");
    return std::nullopt;
  }
  auto utf8 = utf8_of(text);
  if (!utf8) fail(ERROR_INVALID_NAME, "a name in Unicode expected");
  return utf8;
}

}  // namespace

std::optional<ClfsName> parse_clfs_name(LPCWSTR text) {
  const auto utf8 = text_of(text);
  if (!utf8) return std::nullopt;
  const auto bad = [&](const char* expected) {
    fail(ERROR_INVALID_NAME, "\"" + *utf8 + "\": " + expected);
    return std::nullopt;
  };
  std::string_view rest = *utf8;
  if (!has_log_prefix(rest)) return bad("expected log:<path> or log:<path>::<stream>");
  rest.remove_prefix(4);
  ClfsName name;
  const std::size_t mark = rest.find("::");
  name.path = rest.substr(0, mark);
  name.multiplexed = mark != std::string_view::npos;
  if (name.multiplexed) name.stream = rest.substr(mark + 2);
  if (name.path.empty()) return bad("expected a path behind log:");
  if (!is_stream_name(name.stream)) {
    return bad("expected a stream's name of at most 255 bytes that does not begin with a colon");
  }
  if (!accept_path_length(name.path)) return std::nullopt;
  return name;
}

std::string canonical_log_path(const std::string& path) {
  std::error_code error;
  // Of a relative path that is not there yet, weakly_canonical() would leave it relative.
  const std::filesystem::path absolute = std::filesystem::absolute(path, error);
  std::string name = error ? path : absolute.string();
  const std::filesystem::path canonical = std::filesystem::weakly_canonical(name, error);
  if (!error) name = canonical.string();
  while (name.size() > 1 && name.back() == '/') name.pop_back();
  return name;
}

bool accept_path_length(const std::string& path) {
  std::size_t name = 0;
  std::size_t longest = 0;
  for (const char character : path) {
    name = character == '/' ? 0 : name + 1;
    longest = std::max(longest, name);
  }
  if (path.size() < PATH_MAX && longest <= NAME_MAX) return true;
  return fail(ERROR_FILENAME_EXCED_RANGE, "a path of " + std::to_string(path.size()) +
                                              " bytes with a name of " + std::to_string(longest));
}

bool accept_container_path(LPCWSTR text, const std::string& log_path, std::string* name) {
  const auto utf8 = text_of(text);
  if (!utf8) return false;
  std::string_view rest = *utf8;
  const std::size_t slash = rest.find_last_of("/\\");
  *name = rest.substr(slash == std::string_view::npos ? 0 : slash + 1);
  if (name->empty() || *name == "." || *name == "..") {
    return fail(ERROR_INVALID_NAME, "\"" + *utf8 + "\": expected the name of a file");
  }
  if (slash == std::string_view::npos) return true;
  const std::string_view folder = rest.substr(0, slash);
  if (folder == "%BLF%") return true;
  const std::string canonical = canonical_log_path(folder.empty() ? "/" : std::string(folder));
  const std::filesystem::path log(log_path);
  if (canonical == log_path || canonical == log.parent_path()) return true;
  return fail(ERROR_NOT_SUPPORTED, "\"" + *utf8 + "\": the containers of this log lie in " +
                                       log_path + " and nowhere else");
}

}  // namespace cairn::win32
