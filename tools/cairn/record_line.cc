#include "record_line.h"

#include <string_view>

#include <fmt/format.h>

#include <cairn/log.h>
#include <cairn/tm_record.h>

#include "text.h"

namespace cairn::tools {
namespace {

// LSN, previous, undo-next, kind, type, length, stream, content.
constexpr std::string_view kColumns = "{:>14}  {:>14}  {:>14}  {:<8}{:>6}{:>9}  {:<12}  {}";

}  // namespace

std::optional<std::string> record_description(const log::Record& record, const StreamNames& names) {
  if (record.stream == log::kCatalogStream) return log::describe_catalog_record(record);
  if (names.is_transaction_manager(record.stream)) return recovery::describe(record);
  return std::nullopt;
}

std::string record_text_head() {
  return fmt::format(kColumns, "LSN", "PREVIOUS", "UNDO-NEXT", "KIND", "TYPE", "LENGTH", "STREAM",
                     "CONTENT");
}

std::string record_text(const log::Record& record, const StreamNames& names) {
  std::string content = record_description(record, names).value_or(preview(record.payload));
  if (record.kind == log::RecordKind::kRestart) {
    content = fmt::format("base {}: {}", record.base.to_string(), content);
  }
  return fmt::format(kColumns, record.lsn.to_string(), lsn_text(record.previous),
                     lsn_text(record.undo_next), log::record_kind_name(record.kind), record.type,
                     record.payload.size(), escaped(names.stream_name(record.stream)),
                     escaped(content));
}

nlohmann::ordered_json record_json(const log::Record& record, const StreamNames& names,
                                   bool payload) {
  nlohmann::ordered_json json;
  json["lsn"] = record.lsn.value();
  json["stream"] = names.stream_name(record.stream);
  json["stream_id"] = record.stream;
  json["kind"] = log::record_kind_name(record.kind);
  json["type"] = record.type;
  json["length"] = record.payload.size();
  json["previous"] = lsn_json(record.previous);
  json["undo_next"] = lsn_json(record.undo_next);
  if (record.kind == log::RecordKind::kRestart) json["base"] = lsn_json(record.base);
  const auto file = names.container_file(record.container);
  json["file"] = file ? nlohmann::ordered_json(*file) : nlohmann::ordered_json(nullptr);
  json["file_offset"] = record.file_offset;
  if (const auto description = record_description(record, names)) {
    json["description"] = *description;
  }
  if (payload) json["payload"] = hex(record.payload);
  return json;
}

}  // namespace cairn::tools
