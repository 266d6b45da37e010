// What the commands of `cairn torture` share: progress on a terminal, the report for programs.
#ifndef CAIRN_TOOLS_TORTURE_REPORT_H_
#define CAIRN_TOOLS_TORTURE_REPORT_H_

#include <string>

#include <nlohmann/json.hpp>

#include <cairn/storage.h>

namespace cairn::tools {

// One line that is overwritten, on a terminal only.
void show_progress(const std::string& line);
void clear_progress();

// Error: kIoError.
[[nodiscard]] Status write_json(const std::string& path, const nlohmann::ordered_json& json);

// Of "auto", "uring" and "posix".
[[nodiscard]] log::StorageKind storage_kind(const std::string& name);

}  // namespace cairn::tools

#endif  // CAIRN_TOOLS_TORTURE_REPORT_H_
