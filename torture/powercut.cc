#include <numeric>

#include <cairn/torture/powercut.h>

#include "file_system.h"

namespace cairn::torture {

std::string_view powercut_fault_name(PowercutFault fault) {
  switch (fault) {
    case PowercutFault::kNone:
      return "none";
    case PowercutFault::kNoFlush:
      return "flush";
    case PowercutFault::kNoDirectorySync:
      return "directory";
    case PowercutFault::kNoEpochBlock:
      return "epoch";
  }
  return "unknown";
}

std::string_view cut_kind_name(CutKind kind) {
  switch (kind) {
    case CutKind::kFlush:
      return "right after a flush";
    case CutKind::kPrefix:
      return "all up to a write";
    case CutKind::kOneMissing:
      return "one write missing";
    case CutKind::kOneAlone:
      return "one write alone";
    case CutKind::kByChance:
      return "writes by chance";
    case CutKind::kRecovery:
      return "again in recovery";
    case CutKind::kAfterCommit:
      return "again after a commit";
  }
  return "unknown";
}

std::uint64_t PowercutReport::all_states() const {
  return std::accumulate(states.begin(), states.end(), std::uint64_t{0});
}

Status can_cut_power(const std::string& file_system) {
  const FileSystemKind* kind = find_file_system(file_system);
  if (kind != nullptr) return can_mount(*kind);
  std::string known;
  for (const std::string& name : powercut_file_systems()) known += " " + name;
  return Status(StatusCode::kInvalidArgument,
                "expected a file system of:" + known + "; found '" + file_system + "'");
}

std::vector<std::string> powercut_file_systems() {
  std::vector<std::string> names;
  for (const FileSystemKind& kind : file_system_kinds()) names.emplace_back(kind.name);
  return names;
}

}  // namespace cairn::torture
