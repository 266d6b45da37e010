#include <algorithm>
#include <cstring>
#include <utility>

#include <cairn/torture/log_contents.h>

namespace cairn::torture {

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

Result<SeenStream> read_facts(log::Log& log, const std::string& name) {
  CAIRN_ASSIGN_OR_RETURN(log::Stream stream, log.open_stream(name));
  SeenStream out;
  out.id = stream.id();
  out.base = stream.base();
  out.last = stream.last_lsn();
  CAIRN_ASSIGN_OR_RETURN(out.restart, seen(stream.read_restart_area()));
  CAIRN_ASSIGN_OR_RETURN(out.previous_restart, seen(stream.read_previous_restart_area()));
  return out;
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

bool same_bytes(const Bytes& one, const Bytes& other) {
  return one.size() == other.size() &&
         (one.empty() || std::memcmp(one.data(), other.data(), one.size()) == 0);
}

bool operator==(const SeenRecord& one, const SeenRecord& other) {
  return one.lsn == other.lsn && one.kind == other.kind && one.type == other.type &&
         one.previous == other.previous && one.undo_next == other.undo_next &&
         one.base == other.base && same_bytes(one.payload, other.payload);
}

bool operator==(const SeenRestart& one, const SeenRestart& other) {
  return one.lsn == other.lsn && one.base == other.base && same_bytes(one.data, other.data);
}

Status check_space(const log::Log& log) {
  const log::LogInfo info = log.info();
  if (info.archive_tail.is_valid() && info.tail > info.archive_tail) {
    return Status(StatusCode::kCorrupt, "the log begins at LSN " + info.tail.to_string() +
                                            " and is archived before " +
                                            info.archive_tail.to_string() + " only");
  }
  if (info.space.containers != info.containers.size()) {
    return Status(StatusCode::kCorrupt, "the log has " + std::to_string(info.containers.size()) +
                                            " containers and counts " +
                                            std::to_string(info.space.containers));
  }
  if (info.max_size != info.policies.max_size) {
    return Status(StatusCode::kCorrupt, "the log has the maximum " + std::to_string(info.max_size) +
                                            ", its policies say " +
                                            std::to_string(info.policies.max_size));
  }
  return {};
}

LogSettings settings_of(const log::Log& log) { return {log.policies(), log.archive_tail()}; }

std::string to_string(const LogSettings& settings) {
  const log::Policies& policies = settings.policies;
  std::string text = "max_size " + std::to_string(policies.max_size);
  text += ", min_size " + std::to_string(policies.min_size);
  text += ", growth " + std::to_string(policies.growth);
  text += ", ahead " + std::to_string(policies.ahead);
  text += ", spare_max " + std::to_string(policies.spare_max);
  text += ", shrink_percent " + std::to_string(policies.shrink_percent);
  text += ", low_space_percent " + std::to_string(policies.low_space_percent);
  text += ", restart_area " + std::to_string(policies.restart_area);
  return text + ", archive tail " + settings.archive_tail.to_string();
}

// Records before their stream's base, and of streams that are gone, the cursor may show or not.
Result<LogContents> read_contents(log::Log& log) {
  LogContents contents;
  contents.settings = settings_of(log);
  std::map<log::StreamId, SeenStream*> by_id;
  for (const log::StreamInfo& info : log.list_streams()) {
    SeenStream& stream = contents.streams[info.name];
    CAIRN_ASSIGN_OR_RETURN(stream, read_facts(log, info.name));
    by_id[stream.id] = &stream;
  }
  CAIRN_ASSIGN_OR_RETURN(log::Cursor cursor, log.read());
  Lsn before;
  while (true) {
    CAIRN_ASSIGN_OR_RETURN(const std::optional<log::Record> record, cursor.next());
    if (!record) return contents;
    if (record->lsn <= before) {
      return Status(StatusCode::kCorrupt, "the cursor goes back from LSN " + before.to_string() +
                                              " to " + record->lsn.to_string());
    }
    before = record->lsn;
    const auto found = by_id.find(record->stream);
    if (found == by_id.end() || record->lsn < found->second->base) continue;
    found->second->records.push_back(copy_of(*record));
  }
}

namespace {

// That the cursor that goes backward over all streams shows the same records, from the last to the
// first.
Status check_backward_cursor(log::Log& log, const LogContents& contents) {
  std::map<Lsn, std::pair<const SeenRecord*, log::StreamId>> expected;
  std::map<log::StreamId, Lsn> bases;
  for (const auto& [name, stream] : contents.streams) {
    bases[stream.id] = stream.base;
    for (const SeenRecord& record : stream.records) expected[record.lsn] = {&record, stream.id};
  }
  CAIRN_ASSIGN_OR_RETURN(log::Cursor cursor, log.read({.order = log::ReadOrder::kBackward}));
  auto next = expected.rbegin();
  while (true) {
    CAIRN_ASSIGN_OR_RETURN(const std::optional<log::Record> record, cursor.next());
    if (!record) break;
    const auto base = bases.find(record->stream);
    if (base == bases.end() || record->lsn < base->second) continue;
    if (next == expected.rend() || next->second.second != record->stream ||
        !(*next->second.first == copy_of(*record))) {
      return Status(StatusCode::kCorrupt,
                    "the backward cursor shows another record at LSN " + record->lsn.to_string());
    }
    ++next;
  }
  if (next == expected.rend()) return {};
  return Status(StatusCode::kCorrupt,
                "the backward cursor does not show LSN " + next->first.to_string());
}

}  // namespace

Status check_stream_cursors(log::Log& log, const LogContents& contents) {
  for (const auto& [name, expected] : contents.streams) {
    CAIRN_ASSIGN_OR_RETURN(log::Stream stream, log.open_stream(name));
    CAIRN_ASSIGN_OR_RETURN(log::Cursor cursor, stream.read());
    std::vector<SeenRecord> records;
    while (true) {
      CAIRN_ASSIGN_OR_RETURN(const std::optional<log::Record> record, cursor.next());
      if (!record) break;
      records.push_back(copy_of(*record));
    }
    if (records != expected.records) {
      return Status(
          StatusCode::kCorrupt,
          "the cursor of stream '" + name + "' shows other records than the one over all streams");
    }
  }
  return check_backward_cursor(log, contents);
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
  if (expected.settings != found.settings) {
    return to_string(found.settings) + " instead of " + to_string(expected.settings);
  }
  return {};
}

}  // namespace cairn::torture
