#include "torture_report.h"

#include <unistd.h>

#include <cstdio>
#include <fstream>

namespace cairn::tools {

void show_progress(const std::string& line) {
  if (::isatty(STDERR_FILENO) != 0) std::fprintf(stderr, "\r\033[K%s", line.c_str());
}

void clear_progress() { show_progress({}); }

Status write_json(const std::string& path, const nlohmann::ordered_json& json) {
  std::ofstream file(path);
  file << json.dump(2) << '\n';
  file.close();
  return file ? Status() : Status(StatusCode::kIoError, "cannot write " + path);
}

log::StorageKind storage_kind(const std::string& name) {
  if (name == "uring") return log::StorageKind::kUring;
  return name == "posix" ? log::StorageKind::kPosix : log::StorageKind::kAuto;
}

}  // namespace cairn::tools
