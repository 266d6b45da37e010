#include "log/log_contents.h"

#include <utility>

namespace cairn::log_test {

namespace {

SeenRecord copy_of(const log::Record& record) {
  return {record.lsn,      record.kind,      record.type,
          record.previous, record.undo_next, Bytes(record.payload.begin(), record.payload.end()),
          record.base};
}

Result<std::optional<SeenRestart>> seen(Result<log::RestartArea> area) {
  if (area) {
    return std::optional(SeenRestart{area->lsn, area->base, std::move(area->data)});
  }
  if (area.code() == StatusCode::kNoRestartArea) return std::optional<SeenRestart>();
  return area.status();
}

Result<SeenStream> read_stream(log::Log& log, const std::string& name) {
  CAIRN_ASSIGN_OR_RETURN(log::Stream stream, log.open_stream(name));
  SeenStream out;
  out.id = stream.id();
  out.base = stream.base();
  out.last = stream.last_lsn();
  CAIRN_ASSIGN_OR_RETURN(out.restart, seen(stream.read_restart_area()));
  CAIRN_ASSIGN_OR_RETURN(out.previous_restart, seen(stream.read_previous_restart_area()));
  CAIRN_ASSIGN_OR_RETURN(log::Cursor cursor, stream.read());
  while (true) {
    CAIRN_ASSIGN_OR_RETURN(const std::optional<log::Record> record, cursor.next());
    if (!record) return out;
    if (record->stream != out.id) {
      return Status(StatusCode::kCorrupt,
                    "a cursor over '" + name + "' shows stream " + std::to_string(record->stream));
    }
    out.records.push_back(copy_of(*record));
  }
}

// The cursor over all streams must show just what the streams' own cursors showed, in one order. Records before
// their stream's base, and of streams that are gone, it may show or not.
Status compare_with_all(log::Log& log, const LogContents& contents) {
  std::map<log::StreamId, std::pair<const SeenStream*, std::size_t>> next;
  for (const auto& [name, stream] : contents.streams) next[stream.id] = {&stream, 0};
  CAIRN_ASSIGN_OR_RETURN(log::Cursor cursor, log.read());
  Lsn before;
  while (true) {
    CAIRN_ASSIGN_OR_RETURN(const std::optional<log::Record> record, cursor.next());
    if (!record) break;
    const std::string where = "the cursor over all streams at LSN " + record->lsn.to_string();
    if (record->lsn <= before) return Status(StatusCode::kCorrupt, where + " goes back");
    before = record->lsn;
    const auto found = next.find(record->stream);
    if (found == next.end() || record->lsn < found->second.first->base) continue;
    auto& [stream, index] = found->second;
    if (index == stream->records.size() || stream->records[index] != copy_of(*record)) {
      return Status(StatusCode::kCorrupt, where + " shows what the stream's own does not");
    }
    ++index;
  }
  for (const auto& [id, place] : next) {
    if (place.second != place.first->records.size()) {
      return Status(StatusCode::kCorrupt, "the cursor over all streams misses LSN " +
                                              place.first->records[place.second].lsn.to_string());
    }
  }
  return {};
}

std::string difference(const SeenStream& expected, const SeenStream& found) {
  if (expected.id != found.id) return "another id";
  if (expected.base != found.base) {
    return "base " + found.base.to_string() + " instead of " + expected.base.to_string();
  }
  if (expected.last != found.last) {
    return "last LSN " + found.last.to_string() + " instead of " + expected.last.to_string();
  }
  if (expected.restart != found.restart) return "another restart area";
  if (expected.previous_restart != found.previous_restart) return "another previous restart area";
  for (std::size_t i = 0; i < std::min(expected.records.size(), found.records.size()); ++i) {
    if (expected.records[i] == found.records[i]) continue;
    return "record LSN " + found.records[i].lsn.to_string() + " instead of LSN " +
           expected.records[i].lsn.to_string() + ", or another content";
  }
  if (expected.records.size() == found.records.size()) return {};
  return std::to_string(found.records.size()) + " records instead of " +
         std::to_string(expected.records.size());
}

}  // namespace

Result<LogContents> read_contents(log::Log& log) {
  LogContents contents;
  for (const log::StreamInfo& info : log.list_streams()) {
    CAIRN_ASSIGN_OR_RETURN(contents.streams[info.name], read_stream(log, info.name));
  }
  CAIRN_RETURN_IF_ERROR(compare_with_all(log, contents));
  return contents;
}

std::string difference(const LogContents& expected, const LogContents& found) {
  for (const auto& [name, stream] : expected.streams) {
    const auto other = found.streams.find(name);
    if (other == found.streams.end()) return "stream '" + name + "' is missing";
    const std::string text = difference(stream, other->second);
    if (!text.empty()) return "stream '" + name + "': " + text;
  }
  for (const auto& [name, stream] : found.streams) {
    if (!expected.streams.contains(name)) return "stream '" + name + "' should not be there";
  }
  return {};
}

}  // namespace cairn::log_test
