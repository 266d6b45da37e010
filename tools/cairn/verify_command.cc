// `cairn verify`: whether every acknowledged byte is as it was written.
#include <filesystem>
#include <string>

#include <cairn/verdict.h>

#include "commands.h"
#include "text.h"

namespace cairn::tools {
namespace {

std::string file_of(const log::Damage& damage, const std::string& directory) {
  return damage.file.empty() ? "" : (std::filesystem::path(directory) / damage.file).string();
}

std::string_view verdict(const log::VerifyReport& report) {
  if (!report.damages.empty()) return "damaged";
  return report.end_of_log.label == log::EndLabel::kTornTail ? "sound, with a torn tail" : "sound";
}

void print_text(const log::VerifyReport& report, const std::string& directory, Output& out) {
  const log::EndOfLog& end = report.end_of_log;
  out.line("log         {}", escaped(directory));
  out.line("checked     {} containers, {} blocks, {} records, {} bytes", report.containers,
           report.blocks, report.records, report.bytes);
  out.line("end of log  LSN {}: {}", end.end.to_string(), log::end_label_name(end.label));
  if (!end.reason.empty()) out.line("            {}", escaped(end.reason));
  for (const std::string& note : report.notes) out.line("note        {}", escaped(note));
  for (const log::Damage& damage : report.damages) {
    const std::string file = file_of(damage, directory);
    out.line("damage      LSN {} to {}{}{}: {}", damage.begin.to_string(), damage.end.to_string(),
             file.empty() ? "" : " in ", escaped(file), escaped(damage.reason));
  }
  out.line("verdict     {}", verdict(report));
}

void print_json(const log::VerifyReport& report, const std::string& directory, Output& out) {
  const log::EndOfLog& end = report.end_of_log;
  nlohmann::ordered_json json;
  json["log"] = directory;
  json["sound"] = report.damages.empty();
  json["verdict"] = verdict(report);
  json["end_of_log"] = {{"label", log::end_label_name(end.label)},
                        {"lsn", lsn_json(end.end)},
                        {"reason", end.reason},
                        {"epoch", end.epoch}};
  json["containers"] = report.containers;
  json["blocks"] = report.blocks;
  json["records"] = report.records;
  json["bytes"] = report.bytes;
  json["notes"] = report.notes;
  json["damages"] = nlohmann::ordered_json::array();
  for (const log::Damage& damage : report.damages) {
    json["damages"].push_back(
        {{"begin", lsn_json(damage.begin)},
         {"end", lsn_json(damage.end)},
         {"file", file_of(damage, directory)},
         {"label", damage.label ? nlohmann::ordered_json(log::end_label_name(*damage.label))
                                : nlohmann::ordered_json()},
         {"reason", damage.reason}});
  }
  out.line("{}", json_line(json));
}

}  // namespace

ExitCode run_verify(const VerifyArguments& arguments, Output& out) {
  const auto verified = log::verify(arguments.directory);
  // What keeps verify from judging is no verdict, whatever its code is.
  if (!verified.is_ok()) {
    print_error("verify", verified.status());
    return ExitCode::kFailed;
  }
  if (arguments.json) {
    print_json(*verified, arguments.directory, out);
  } else {
    print_text(*verified, arguments.directory, out);
  }
  return verified->damages.empty() ? ExitCode::kOk : ExitCode::kDamage;
}

}  // namespace cairn::tools
