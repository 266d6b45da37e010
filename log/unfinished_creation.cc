#include "unfinished_creation.h"

#include <algorithm>
#include <string>
#include <vector>

#include "base_log.h"
#include "read/read_source.h"

namespace cairn::log {
namespace {

// The base log goes last: while it is there, so is the word that nothing here is a log.
Status remove_files(Directory& directory) {
  CAIRN_ASSIGN_OR_RETURN(const std::vector<std::string> names, directory.list());
  for (const std::string& name : names) {
    std::uint64_t number;
    const bool ours = parse_container_file_name(name, &number) || name.starts_with("spare-") ||
                      name.starts_with("new-");
    if (ours) CAIRN_RETURN_IF_ERROR(directory.remove(name));
  }
  CAIRN_RETURN_IF_ERROR(directory.sync_directory());
  CAIRN_RETURN_IF_ERROR(directory.remove(format::kBaseFileName));
  return directory.sync_directory();
}

}  // namespace

Status clear_unfinished_creation(Directory& directory, std::chrono::milliseconds lock_wait) {
  CAIRN_ASSIGN_OR_RETURN(const std::vector<std::string> names, directory.list());
  if (std::find(names.begin(), names.end(), format::kBaseFileName) == names.end()) {
    if (names != std::vector<std::string>{kUnfinishedBaseName}) return Status::ok();
    return directory.remove(kUnfinishedBaseName);
  }
  const auto is_unfinished = [&] {
    const auto base = BaseLog::open(directory, OpenMode::kRead);
    return base.is_ok() && base->is_being_created();
  };
  const Status there(StatusCode::kAlreadyExists, directory.path() + ": a log is there already");
  if (!is_unfinished()) return there;
  CAIRN_ASSIGN_OR_RETURN(const auto lock, directory.lock(format::kBaseFileName, lock_wait));
  // Again: whoever held the lock may have finished it, and more.
  if (!is_unfinished()) return there;
  return remove_files(directory);
}

Status remove_log(Directory& directory, std::chrono::milliseconds lock_wait) {
  CAIRN_ASSIGN_OR_RETURN(const std::vector<std::string> names, directory.list());
  if (std::find(names.begin(), names.end(), format::kBaseFileName) == names.end()) {
    return Status(StatusCode::kNotALog,
                  directory.path() + ": expected a log, found no " + format::kBaseFileName);
  }
  CAIRN_ASSIGN_OR_RETURN(const auto lock, directory.lock(format::kBaseFileName, lock_wait));
  auto base = BaseLog::open(directory, OpenMode::kReadWrite);
  if (base.is_ok()) {
    format::BaseSlot slot = base->slot();
    slot.state = static_cast<std::uint64_t>(format::BaseState::kCreating);
    CAIRN_RETURN_IF_ERROR(base->write(slot));
    CAIRN_RETURN_IF_ERROR(base->write(slot));
  } else if (base.code() != StatusCode::kBaseLogDamaged) {
    return base.status();
  }
  return remove_files(directory);
}

}  // namespace cairn::log
