#include "catalog.h"

#include <algorithm>
#include <utility>

namespace cairn::log {
namespace {

// Bytes of stream facts in one snapshot record, well below the smallest log's largest record.
constexpr std::size_t kSnapshotPiece = std::size_t{16} * 1024;
constexpr std::size_t kGapsPerRecord = 512;

// Of a stream with records, the last one `last`: null restart areas are none.
Lsn oldest_of(Lsn base, Lsn last, Lsn restart, Lsn previous_restart) {
  Lsn oldest = last >= base ? base : Lsn::invalid();
  if (restart.is_valid()) oldest = std::min(oldest, restart);
  if (previous_restart.is_valid()) oldest = std::min(oldest, previous_restart);
  return oldest;
}

}  // namespace

Lsn Catalog::Entry::pin() const {
  if (last.is_null()) return Lsn::invalid();
  return oldest_of(base, last, restart, previous_restart);
}

Lsn Catalog::Entry::pin_after_advance(Lsn new_base) const {
  if (last.is_null()) return Lsn::invalid();
  const bool gives_up = previous_restart < std::max(advanced, new_base);
  return oldest_of(std::max(base, new_base), last, restart,
                   gives_up ? Lsn::null() : previous_restart);
}

Lsn Catalog::Entry::pin_after_restart(Lsn lsn, Lsn new_base) const {
  return oldest_of(std::max(base, std::min(new_base, lsn)), lsn, lsn,
                   restart < advanced ? Lsn::null() : restart);
}

void Catalog::reindex(Entry& entry) {
  const Lsn pin = entry.pin();
  if (pin == entry.indexed_) return;
  auto node = pins_.extract({entry.indexed_, entry.id});
  entry.indexed_ = pin;
  if (pin.is_invalid()) return;
  if (node.empty()) {
    pins_.emplace(pin, entry.id);
  } else {
    node.value() = {pin, entry.id};
    pins_.insert(std::move(node));
  }
}

void Catalog::appended(Entry& entry, Lsn lsn, std::size_t payload) {
  entry.last = lsn;
  ++entry.statistics.records;
  entry.statistics.payload_bytes += payload;
  // A stream that needs something already needs nothing older because of a newer record.
  if (entry.indexed_.is_invalid()) reindex(entry);
}

void Catalog::restart_written(Entry& entry, Lsn lsn, Lsn new_base) {
  entry.previous_restart = entry.restart < entry.advanced ? Lsn::null() : entry.restart;
  entry.restart = lsn;
  entry.last = std::max(entry.last, lsn);
  entry.base = std::max(entry.base, new_base);
  ++entry.statistics.restart_areas;
  reindex(entry);
}

void Catalog::advance(Entry& entry, Lsn new_base) {
  entry.base = std::max(entry.base, new_base);
  entry.advanced = std::max(entry.advanced, new_base);
  if (entry.previous_restart < entry.advanced) entry.previous_restart = Lsn::null();
  reindex(entry);
}

void Catalog::truncated(Entry& entry, Lsn last, Lsn restart, Lsn previous_restart) {
  entry.last = last;
  entry.restart = restart;
  entry.previous_restart = previous_restart;
  reindex(entry);
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
  reindex(entry);
}

void Catalog::remove(StreamId id) {
  if (const auto it = entries_.find(id); it != entries_.end()) {
    by_name_.erase(it->second.name);
    pins_.erase({it->second.indexed_, id});
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
    restart_written(entry, record.lsn, record.base);
    entry.statistics = {};  // counts what is appended while the log is open
  }
  reindex(entry);
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
    advance(entry_of(advanced->id), advanced->base);
  } else {
    apply_snapshot(record, lsn);
  }
}

// A later snapshot repeats what is known already; the first one is what this scan began with. One
// with a truncation does not repeat: its streams and gaps are kept apart until its end shows that
// it counts, and then are all there is.
void Catalog::apply_snapshot(const format::CatalogRecord& record, Lsn lsn) {
  if (const auto* begin = std::get_if<format::SnapshotBegin>(&record)) {
    if (!snapshot_begin_.is_valid()) snapshot_begin_ = lsn;
    next_stream_ = std::max(next_stream_, begin->next_stream);
    newest_begin_ = lsn;
    replacement_.reset();
  } else if (std::holds_alternative<format::Truncation>(record)) {
    replacement_ = std::make_shared<Catalog>();
    replacement_->snapshot_begin_ = newest_begin_;
    replacement_->next_stream_ = next_stream_;
  } else if (const auto* end = std::get_if<format::SnapshotEnd>(&record)) {
    if (end->begin == snapshot_begin_) snapshot_whole_ = true;
    if (replacement_ == nullptr || end->begin != newest_begin_) return;
    const std::shared_ptr<Catalog> whole = std::move(replacement_);
    whole->snapshot_whole_ = true;
    whole->policies_ = policies_;
    whole->policies_changed_ = policies_changed_;
    whole->archive_tail_ = archive_tail_;
    *this = std::move(*whole);
  } else if (const auto* policies = std::get_if<format::PolicyRecord>(&record)) {
    apply_policies(*policies, lsn);
  } else if (const auto* archive = std::get_if<format::ArchiveTail>(&record)) {
    set_archive_tail({archive->tail, archive->changed.is_null() ? lsn : archive->changed});
  } else if (replacement_ != nullptr) {
    replacement_->apply_snapshot(record, lsn);
  } else if (const auto* streams = std::get_if<format::SnapshotStreams>(&record)) {
    for (const format::SnapshotStream& stream : streams->streams) merge(stream);
  } else if (const auto* gaps = std::get_if<format::SnapshotGaps>(&record)) {
    for (const format::Gap& gap : gaps->gaps) add_gap(gap.begin, gap.end);
  }
}

void Catalog::apply_policies(const format::PolicyRecord& record, Lsn lsn) {
  Policies found;
  found.max_size = record.max_size;
  found.min_size = record.min_size;
  found.growth = record.growth;
  found.ahead = record.ahead;
  found.spare_max = record.spare_max;
  found.shrink_percent = record.shrink_percent;
  found.low_space_percent = record.low_space_percent;
  found.restart_area = record.restart_area;
  set_policies(found, record.changed == 0 ? lsn : Lsn(record.changed));
}

void Catalog::set_archive_tail(const format::ArchiveTail& tail) {
  if (tail.changed >= archive_tail_.changed) archive_tail_ = tail;
}

// A snapshot may repeat older ones behind a change that was made while it was being written.
void Catalog::set_policies(const Policies& policies, Lsn changed) {
  if (policies_ && changed < policies_changed_) return;
  policies_ = policies;
  policies_changed_ = changed;
}

format::PolicyRecord Catalog::policy_record() const {
  format::PolicyRecord record{};
  record.changed = policies_changed_.value();
  record.max_size = policies_->max_size;
  record.min_size = policies_->min_size;
  record.growth = policies_->growth;
  record.ahead = policies_->ahead;
  record.spare_max = policies_->spare_max;
  record.shrink_percent = policies_->shrink_percent;
  record.low_space_percent = policies_->low_space_percent;
  record.restart_area = policies_->restart_area;
  return record;
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
  reindex(entry);
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

std::optional<format::Gap> Catalog::gap_behind(Lsn lsn) const {
  const auto found = std::find_if(gaps_.begin(), gaps_.end(),
                                  [&](const format::Gap& gap) { return lsn < gap.end; });
  return found == gaps_.end() ? std::nullopt : std::optional(*found);
}

void Catalog::cut(Lsn from, Lsn to) {
  std::erase_if(gaps_, [&](const format::Gap& gap) { return from <= gap.begin && gap.end <= to; });
  add_gap(from, to);
}

void Catalog::drop_gaps_before(Lsn tail) {
  std::erase_if(gaps_, [&](const format::Gap& gap) { return gap.end <= tail; });
}

std::optional<Catalog::Pin> Catalog::oldest_pin() const {
  if (pins_.empty()) return std::nullopt;
  return Pin{pins_.begin()->first, pins_.begin()->second};
}

Lsn Catalog::oldest_needed(Lsn end) const {
  const auto pin = oldest_pin();
  const Lsn oldest = pin ? pin->lsn : end;
  return archive_tail().is_null() ? oldest : std::min(oldest, archive_tail());
}

std::vector<PinInfo> Catalog::pins(Lsn end) const {
  std::vector<PinInfo> pins;
  const auto held = [end](Lsn from) { return from < end ? end - from : 0; };
  if (const auto oldest = oldest_pin()) {
    pins.push_back(
        {PinKind::kStream, find(oldest->stream)->name, oldest->lsn, held(oldest->lsn), 0});
  }
  if (const Lsn tail = archive_tail(); tail.is_valid()) {
    pins.push_back({PinKind::kArchive, "archive tail", tail, held(tail), 0});
  }
  return pins;
}

std::vector<format::CatalogRecord> Catalog::snapshot() const {
  std::vector<format::CatalogRecord> records;
  records.emplace_back(format::SnapshotBegin{next_stream_});
  if (policies_) records.emplace_back(policy_record());
  if (archive_tail_.changed.is_valid()) records.emplace_back(archive_tail_);
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

void mark_pending_archive(LogInfo* info, Lsn needed) {
  if (info->archive_tail.is_null()) return;
  for (ContainerInfo& container : info->containers) {
    if (container.state == ContainerState::kInactive &&
        container.number < needed.container(info->container_size)) {
      container.state = ContainerState::kPendingArchive;
    }
  }
}

}  // namespace cairn::log
