#include "catalog.h"

#include <algorithm>
#include <utility>

namespace cairn::log {
namespace {

// Bytes of stream facts in one snapshot record, well below the smallest log's largest record.
constexpr std::size_t kSnapshotPiece = std::size_t{16} * 1024;
constexpr std::size_t kGapsPerRecord = 512;

}  // namespace

void Catalog::Entry::set_restart(Lsn lsn, Lsn new_base) {
  previous_restart = restart < advanced ? Lsn::null() : restart;
  restart = lsn;
  base = std::max(base, new_base);
}

void Catalog::Entry::advance(Lsn new_base) {
  base = std::max(base, new_base);
  advanced = std::max(advanced, new_base);
  if (previous_restart < advanced) previous_restart = Lsn::null();
}

Catalog::Entry* Catalog::find(StreamId id) {
  const auto it = entries_.find(id);
  return it == entries_.end() ? nullptr : &it->second;
}

const Catalog::Entry* Catalog::find(StreamId id) const {
  const auto it = entries_.find(id);
  return it == entries_.end() ? nullptr : &it->second;
}

const Catalog::Entry* Catalog::find(std::string_view name) const {
  const auto it = by_name_.find(std::string(name));
  return it == by_name_.end() ? nullptr : find(it->second);
}

Catalog::Entry& Catalog::entry_of(StreamId id) {
  Entry& entry = entries_[id];
  entry.id = id;
  next_stream_ = std::max(next_stream_, id + 1);
  return entry;
}

void Catalog::create(StreamId id, std::string_view name, Lsn base) {
  Entry& entry = entry_of(id);
  entry.name = name;
  entry.base = std::max(entry.base, base);
  by_name_[entry.name] = id;
}

void Catalog::remove(StreamId id) {
  if (const auto it = entries_.find(id); it != entries_.end()) {
    by_name_.erase(it->second.name);
    entries_.erase(it);
  }
}

Status Catalog::apply(const Record& record) {
  if (record.kind == RecordKind::kCatalog) {
    CAIRN_ASSIGN_OR_RETURN(const format::CatalogRecord decoded,
                           format::decode_catalog(record.type, record.payload, record.lsn));
    apply_catalog(decoded, record.lsn);
    return Status::ok();
  }
  if (deleted_.contains(record.stream)) return Status::ok();
  Entry& entry = entry_of(record.stream);
  entry.last = std::max(entry.last, record.lsn);
  if (record.kind == RecordKind::kRestart && record.lsn > entry.restart) {
    entry.set_restart(record.lsn, record.base);
  }
  return Status::ok();
}

void Catalog::apply_catalog(const format::CatalogRecord& record, Lsn lsn) {
  if (const auto* created = std::get_if<format::StreamCreated>(&record)) {
    if (!deleted_.contains(created->id)) create(created->id, created->name, lsn);
  } else if (const auto* gone = std::get_if<format::StreamDeleted>(&record)) {
    remove(gone->id);
    deleted_.insert(gone->id);
  } else if (const auto* advanced = std::get_if<format::BaseAdvanced>(&record)) {
    if (deleted_.contains(advanced->id)) return;
    entry_of(advanced->id).advance(advanced->base);
  } else if (const auto* begin = std::get_if<format::SnapshotBegin>(&record)) {
    // A later snapshot repeats what is known already; the first one is what this scan began with.
    if (!snapshot_begin_.is_valid()) snapshot_begin_ = lsn;
    next_stream_ = std::max(next_stream_, begin->next_stream);
  } else if (const auto* streams = std::get_if<format::SnapshotStreams>(&record)) {
    for (const format::SnapshotStream& stream : streams->streams) merge(stream);
  } else if (const auto* gaps = std::get_if<format::SnapshotGaps>(&record)) {
    for (const format::Gap& gap : gaps->gaps) add_gap(gap.begin, gap.end);
  } else if (const auto* end = std::get_if<format::SnapshotEnd>(&record)) {
    if (end->begin == snapshot_begin_) snapshot_whole_ = true;
  }
}

void Catalog::merge(const format::SnapshotStream& seen) {
  if (deleted_.contains(seen.id)) return;
  create(seen.id, seen.name, seen.base);
  Entry& entry = entry_of(seen.id);
  entry.last = std::max(entry.last, seen.last);
  if (seen.restart > entry.restart) {
    entry.restart = seen.restart;
    entry.previous_restart = seen.previous_restart;
  } else if (entry.previous_restart.is_null() && seen.restart < entry.restart) {
    // The restart area seen behind the snapshot's begin is the newest; the snapshot knows the one
    // before it.
    entry.previous_restart = seen.restart;
  }
  if (entry.previous_restart < entry.advanced) entry.previous_restart = Lsn::null();
}

void Catalog::add_gap(Lsn begin, Lsn end) {
  const format::Gap gap{begin, end};
  const auto at = std::lower_bound(gaps_.begin(), gaps_.end(), gap,
                                   [](const auto& a, const auto& b) { return a.begin < b.begin; });
  if (at != gaps_.end() && *at == gap) return;
  gaps_.insert(at, gap);
}

Status Catalog::finish_recovery() {
  StatusDetail detail;
  detail.lsn_begin = snapshot_begin_;
  if (!snapshot_begin_.is_valid() || !snapshot_whole_) {
    return Status(StatusCode::kCorrupt,
                  "LSN " + snapshot_begin_.to_string() +
                      ": expected a whole catalog snapshot here, found one without its end",
                  detail);
  }
  for (const auto& [id, entry] : entries_) {
    if (!entry.name.empty()) continue;
    detail.lsn_begin = entry.last;
    return Status(StatusCode::kCorrupt,
                  "LSN " + entry.last.to_string() + ": record of stream " + std::to_string(id) +
                      ", of which no record says that it was created",
                  detail);
  }
  deleted_.clear();
  return Status::ok();
}

bool Catalog::in_gap(Lsn lsn) const {
  return std::any_of(gaps_.begin(), gaps_.end(),
                     [&](const format::Gap& gap) { return gap.begin <= lsn && lsn < gap.end; });
}

void Catalog::drop_gaps_before(Lsn tail) {
  std::erase_if(gaps_, [&](const format::Gap& gap) { return gap.end <= tail; });
}

std::optional<Catalog::Pin> Catalog::oldest_pin() const {
  std::optional<Pin> oldest;
  for (const auto& [id, entry] : entries_) {
    if (entry.last.is_null()) continue;
    Lsn pin = Lsn::invalid();
    if (entry.last >= entry.base) pin = entry.base;
    if (entry.restart.is_valid()) pin = std::min(pin, entry.restart);
    if (entry.previous_restart.is_valid()) pin = std::min(pin, entry.previous_restart);
    if (!pin.is_invalid() && (!oldest || pin < oldest->lsn)) oldest = Pin{pin, id};
  }
  return oldest;
}

std::vector<format::CatalogRecord> Catalog::snapshot() const {
  std::vector<format::CatalogRecord> records;
  records.emplace_back(format::SnapshotBegin{next_stream_});
  format::SnapshotStreams piece;
  std::size_t bytes = 0;
  for (const auto& [id, entry] : entries_) {
    piece.streams.push_back(
        {id, entry.base, entry.last, entry.restart, entry.previous_restart, entry.name});
    bytes += 40 + entry.name.size();
    if (bytes >= kSnapshotPiece) {
      records.emplace_back(std::exchange(piece, {}));
      bytes = 0;
    }
  }
  if (!piece.streams.empty()) records.emplace_back(std::move(piece));
  for (std::size_t i = 0; i < gaps_.size(); i += kGapsPerRecord) {
    const std::size_t end = std::min(gaps_.size(), i + kGapsPerRecord);
    records.emplace_back(format::SnapshotGaps{{gaps_.begin() + static_cast<std::ptrdiff_t>(i),
                                               gaps_.begin() + static_cast<std::ptrdiff_t>(end)}});
  }
  return records;
}

}  // namespace cairn::log
