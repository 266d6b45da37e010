// `cairn archive`, `cairn restore`, `cairn rebuild`: the commands that write. None changes a
// container of a log.
#include <string>

#include <cairn/archive.h>
#include <cairn/rebuild.h>

#include "commands.h"
#include "text.h"

namespace cairn::tools {
namespace {

void print_end(const log::EndOfLog& end, Output& out) {
  out.line("end of log  LSN {}: {}", end.end.to_string(), log::end_label_name(end.label));
}

nlohmann::ordered_json end_json(const log::EndOfLog& end) {
  return {{"label", log::end_label_name(end.label)}, {"lsn", lsn_json(end.end)}};
}

// Refused because of what lies there, as against not having been able to look.
ExitCode report_refusal(std::string_view command, const Status& status) {
  print_error(command, status);
  switch (status.code()) {
    case StatusCode::kIdentityMismatch:
    case StatusCode::kStartOfLog:
      return ExitCode::kDamage;
    default:
      return exit_code_of(status);
  }
}

// To move the archive tail the log must be open for writing: then no other process has it.
Result<log::ArchiveReport> archive_as_told(const ArchiveArguments& arguments) {
  if (!arguments.set_archive_tail) return log::archive(arguments.directory, arguments.archive);
  log::OpenOptions options;
  options.background = log::Background::kManual;
  CAIRN_ASSIGN_OR_RETURN(const auto opened, log::Log::open(arguments.directory, options));
  CAIRN_ASSIGN_OR_RETURN(const log::ArchiveReport report,
                         log::archive_and_set_tail(*opened, arguments.archive));
  // What is archived is recycled now rather than at the next opening.
  CAIRN_RETURN_IF_ERROR(opened->run_background());
  CAIRN_RETURN_IF_ERROR(opened->close());
  return report;
}

}  // namespace

ExitCode run_archive(const ArchiveArguments& arguments, Output& out) {
  const auto done = archive_as_told(arguments);
  if (!done.is_ok()) return report_refusal("archive", done.status());
  if (arguments.json) {
    nlohmann::ordered_json json;
    json["log"] = arguments.directory;
    json["archive"] = arguments.archive;
    json["id"] = done->log_id.to_string();
    json["begin"] = done->begin.value();
    json["end"] = done->end.value();
    json["extents"] = done->extents;
    json["bytes"] = done->bytes;
    json["bytes_shared"] = done->bytes_shared;
    if (arguments.set_archive_tail) json["archive_tail"] = done->end.value();
    out.line("{}", json_line(json));
  } else {
    out.line("log         {}", escaped(arguments.directory));
    out.line("identity    {}", done->log_id.to_string());
    out.line("archive     {}, LSN {} to {}", escaped(arguments.archive), done->begin.value(),
             done->end.value());
    out.line("added       {} extents, {} bytes, {} of them without passing memory", done->extents,
             done->bytes, done->bytes_shared);
    if (arguments.set_archive_tail) {
      out.line("tail        archived up to LSN {}", done->end.value());
    }
  }
  return ExitCode::kOk;
}

ExitCode run_restore(const RestoreArguments& arguments, Output& out) {
  const auto done = log::restore(arguments.archive, arguments.directory);
  if (!done.is_ok()) return report_refusal("restore", done.status());
  if (arguments.json) {
    nlohmann::ordered_json json;
    json["archive"] = arguments.archive;
    json["log"] = arguments.directory;
    json["id"] = done->log_id.to_string();
    json["tail"] = lsn_json(done->tail);
    json["end"] = lsn_json(done->end);
    json["containers"] = done->containers;
    json["bytes"] = done->bytes;
    json["end_of_log"] = end_json(done->end_of_log);
    out.line("{}", json_line(json));
  } else {
    out.line("archive     {}", escaped(arguments.archive));
    out.line("log         {}", escaped(arguments.directory));
    out.line("identity    {}", done->log_id.to_string());
    out.line("restored    {} containers, {} bytes, LSN {} to {}", done->containers, done->bytes,
             done->tail.to_string(), done->end.to_string());
    print_end(done->end_of_log, out);
  }
  return ExitCode::kOk;
}

ExitCode run_rebuild(const RebuildArguments& arguments, Output& out) {
  log::RebuildOptions options;
  options.replace_sound = arguments.replace_sound;
  const auto done = log::rebuild_base_log(arguments.directory, options);
  if (!done.is_ok()) return report_refusal("rebuild", done.status());
  if (arguments.json) {
    nlohmann::ordered_json json;
    json["log"] = arguments.directory;
    json["id"] = done->id.to_string();
    json["base_log"] = done->base_log;
    json["first_container"] = done->first_container;
    json["last_container"] = done->last_container;
    json["tail"] = lsn_json(done->tail);
    json["scan_start"] = lsn_json(done->scan_start);
    json["end_of_log"] = end_json(done->end_of_log);
    json["notes"] = done->notes;
    out.line("{}", json_line(json));
  } else {
    out.line("log         {}", escaped(arguments.directory));
    out.line("identity    {}", done->id.to_string());
    out.line("base log    {}", escaped(done->base_log));
    out.line("containers  {} to {}", done->first_container, done->last_container);
    out.line("tail        {}", done->tail.to_string());
    out.line("scan start  {}", done->scan_start.to_string());
    print_end(done->end_of_log, out);
    for (const std::string& note : done->notes) out.line("note        {}", escaped(note));
  }
  return ExitCode::kOk;
}

}  // namespace cairn::tools
