#include "exit_code.h"

#include <fmt/format.h>

#include "text.h"

namespace cairn::tools {

ExitCode exit_code_of(const Status& status) {
  if (status.is_ok()) return ExitCode::kOk;
  const bool damage = status.code() == StatusCode::kCorrupt ||
                      status.code() == StatusCode::kContainerMissing ||
                      status.code() == StatusCode::kContainerSize;
  return damage ? ExitCode::kDamage : ExitCode::kFailed;
}

ExitCode report(std::string_view command, const Status& error) {
  if (!error.is_ok()) print_error(command, error);
  return exit_code_of(error);
}

Status end_of_log_status(const log::LogInfo& info) {
  const log::EndOfLog& end = info.end_of_log;
  if (!log::end_label_is_damage(end.label)) return Status::ok();
  StatusDetail detail;
  detail.lsn_begin = end.damage_begin;
  detail.lsn_end = end.damage_end;
  detail.file = info.path + "/" + container_file_name(end.end.container(info.container_size));
  return Status(StatusCode::kCorrupt,
                fmt::format("{}: acknowledged bytes from LSN {} to {} are damaged ({}): {}",
                            detail.file, end.damage_begin.to_string(), end.damage_end.to_string(),
                            log::end_label_name(end.label), end.reason),
                detail);
}

}  // namespace cairn::tools
