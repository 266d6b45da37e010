#include <algorithm>
#include <utility>

#include <cairn/rebuild.h>

#include "base_log.h"
#include "read/read_source.h"
#include "rebuild/container_survey.h"

namespace cairn::log {
namespace {

// What is to be replaced: a file with two unusable slots, no file, or, if asked for, a sound one.
struct OldBaseLog {
  std::string state;  // in words
  bool there = false;
  bool sound = false;
};

Result<OldBaseLog> look_at_base_log(Directory& directory, bool replace_sound) {
  OldBaseLog old;
  CAIRN_ASSIGN_OR_RETURN(const std::vector<std::string> names, directory.list());
  old.there = std::find(names.begin(), names.end(), format::kBaseFileName) != names.end();
  const auto base = BaseLog::open(directory, OpenMode::kRead);
  if (!base.is_ok()) {
    const bool unusable =
        base.code() == StatusCode::kBaseLogDamaged || base.code() == StatusCode::kNotALog;
    if (!unusable) return base.status();
    old.state = base.status().message();
    return old;
  }
  const std::string shown = directory.path() + "/" + format::kBaseFileName;
  if (base->slot().state == static_cast<std::uint64_t>(format::BaseState::kCreating)) {
    return Status(StatusCode::kNotALog,
                  directory.path() + ": the creation of this log was not finished");
  }
  old.sound = true;
  old.state = shown + ": sound, generation " + std::to_string(base->slot().generation);
  if (replace_sound) return old;
  StatusDetail detail;
  detail.file = shown;
  return Status(StatusCode::kAlreadyExists,
                old.state + "; a new one is not needed, and is written only if asked for by name",
                detail);
}

// The lock that openers take, by way of the base log or, where there is none, the oldest container:
// any file will do (S4).
Result<std::unique_ptr<DirectoryLock>> lock_log(Directory& directory,
                                                std::chrono::milliseconds limit) {
  CAIRN_ASSIGN_OR_RETURN(const std::vector<std::string> names, directory.list());
  std::string file;
  for (const std::string& name : names) {
    std::uint64_t number;
    if (name == format::kBaseFileName) return directory.lock(name, limit);
    if (!parse_container_file_name(name, &number)) continue;
    if (file.empty() || name < file) file = name;
  }
  if (!file.empty()) return directory.lock(file, limit);
  return Status(StatusCode::kNotALog, directory.path() + ": not a Cairn log: no containers");
}

Status write_base_log(Directory& directory, const OldBaseLog& old, const format::BaseSlot& slot) {
  if (!old.there) {
    const Status removed = directory.remove(kUnfinishedBaseName);
    if (!removed.is_ok() && removed.code() != StatusCode::kNotFound) return removed;
    CAIRN_RETURN_IF_ERROR(BaseLog::create(directory, slot));
  } else if (!old.sound) {
    return BaseLog::rewrite(directory, slot);
  }
  CAIRN_ASSIGN_OR_RETURN(BaseLog base, BaseLog::open(directory, OpenMode::kReadWrite));
  CAIRN_RETURN_IF_ERROR(base.write(slot));
  return base.write(slot);
}

}  // namespace

Result<RebuildReport> rebuild_base_log(const std::string& path, const RebuildOptions& options) {
  std::shared_ptr<Storage> storage = options.storage;
  if (storage == nullptr) {
    CAIRN_ASSIGN_OR_RETURN(storage, make_storage());
  }
  CAIRN_ASSIGN_OR_RETURN(const auto directory, storage->open_directory(path, false));
  CAIRN_RETURN_IF_ERROR(look_at_base_log(*directory, options.replace_sound).status());
  CAIRN_ASSIGN_OR_RETURN(const auto lock, lock_log(*directory, options.lock_wait));
  // Again: whoever held it may have written.
  CAIRN_ASSIGN_OR_RETURN(const OldBaseLog old, look_at_base_log(*directory, options.replace_sound));
  CAIRN_ASSIGN_OR_RETURN(const ContainerSurvey survey, survey_containers(*directory));
  CAIRN_RETURN_IF_ERROR(write_base_log(*directory, old, survey.slot));
  RebuildReport report;
  report.base_log = old.state;
  report.id = geometry_of(survey.slot).log_id;
  report.container_size = survey.slot.container_size;
  report.first_container = survey.first;
  report.last_container = survey.last;
  report.tail = Lsn(survey.slot.tail);
  report.scan_start = Lsn(survey.slot.scan_start);
  report.end_of_log = survey.end_of_log;
  report.notes = survey.notes;
  return report;
}

}  // namespace cairn::log
