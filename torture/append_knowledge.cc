#include <string>
#include <utility>

#include <cairn/torture/append_knowledge.h>

#include "kill_messages.h"

namespace cairn::torture {

namespace {

Status not_kept(const std::string& text) { return Status(StatusCode::kCorrupt, text); }

std::string place(std::uint32_t number) { return "stream " + std::to_string(number) + ", LSN "; }

}  // namespace

Status AppendKnowledge::acknowledged(std::uint32_t stream, std::uint64_t sequence, Lsn lsn) {
  ++count_;
  if (!acknowledged_[stream].emplace(lsn, sequence).second) {
    return not_kept("I8: LSN " + lsn.to_string() + " was given twice");
  }
  if (lsn < former_end_) {
    return not_kept("I8: LSN " + lsn.to_string() + " of a former round was given again");
  }
  return {};
}

// A thread moves its base again only when that of before has moved: what lay behind it is gone.
void AppendKnowledge::moving_base(std::uint32_t stream, Lsn to) {
  auto& known = acknowledged_[stream];
  known.erase(known.begin(), known.lower_bound(moving_[stream]));
  moving_[stream] = to;
}

Status AppendKnowledge::check(log::Log& log) const {
  for (std::uint32_t number = 0; number < kThreads; ++number) {
    CAIRN_RETURN_IF_ERROR(check_stream(log, number));
  }
  return {};
}

Status AppendKnowledge::check_stream(log::Log& log, std::uint32_t number) const {
  const auto& known = acknowledged_[number];
  Result<log::Stream> stream = log.open_stream(stream_name(number));
  // Killed before it was made.
  if (!stream && known.empty()) return {};
  if (!stream) return not_kept("I1: " + stream.status().to_string());
  const Lsn base = stream->base();
  if (base > moving_[number] && !moving_[number].is_null()) {
    return not_kept("I4: " + place(number) + base.to_string() + " is a base that nobody set");
  }
  CAIRN_ASSIGN_OR_RETURN(log::Cursor cursor, stream->read());
  CAIRN_ASSIGN_OR_RETURN(const auto found, read_appended(std::move(cursor), number));
  for (auto it = known.lower_bound(base); it != known.end(); ++it) {
    const auto there = found.find(it->first);
    if (there == found.end() || there->second != it->second) {
      return not_kept("I1: " + place(number) + it->first.to_string() + ": record " +
                      std::to_string(it->second) + ", acknowledged, is lost");
    }
  }
  return {};
}

Result<std::map<Lsn, std::uint64_t>> read_appended(log::Cursor cursor, std::uint32_t number) {
  std::map<Lsn, std::uint64_t> found;
  while (true) {
    CAIRN_ASSIGN_OR_RETURN(const std::optional<log::Record> record, cursor.next());
    if (!record) return found;
    if (record->kind != log::RecordKind::kData) continue;
    const auto sequence = sequence_in(number, record->payload);
    if (!sequence) {
      return not_kept("I3: " + place(number) + record->lsn.to_string() +
                      " holds what nobody appended");
    }
    if (!found.empty() && found.rbegin()->second + 1 != *sequence) {
      return not_kept("I2: " + place(number) + record->lsn.to_string() + " has a gap before it");
    }
    found.emplace(record->lsn, *sequence);
  }
}

}  // namespace cairn::torture
