// truncate_after(): all records behind an LSN are gone.
//
// Durable blocks are never rewritten and the end of the log never moves back, so this is a cut in
// the log, not of its files (decision 0030):
//
//   ... kept | from ......... dead ......... | to: snapshot {truncation from, to} end | new records
//
// The snapshot states the catalog as it was at `from`. It counts if its end record is there, and
// then takes the place of everything read before it; readers step over [from, to). A crash before
// that leaves a snapshot without an end, which nobody looks at.
#include <algorithm>
#include <map>
#include <utility>

#include "log_core.h"

namespace cairn::log {
namespace {

StatusDetail named(Lsn lsn) {
  StatusDetail detail;
  detail.lsn_begin = lsn;
  return detail;
}

}  // namespace

// The newest record before the cut of each stream that there was when it was looked for.
struct LogCore::LastRecords {
  std::map<StreamId, Lsn> of;
};

Status LogCore::truncate_after(Lsn lsn) noexcept {
  // Nobody else writes snapshots or recycles meanwhile.
  const std::lock_guard round(housekeeping_mutex_);
  Lsn from;
  Lock lock(writer_->mutex());
  if (closing_) return Status(StatusCode::kClosed, "the log was closed");
  const CallGate::Pass pass(calls_, lock);
  if (!writer_->health().is_ok()) return writer_->health();
  const Lsn end = writer_->end();
  if (!lsn.is_valid() || lsn < tail() || lsn >= end) {
    return Status(StatusCode::kLsnInvalid,
                  "truncate_after: expected an LSN from the log's tail " + tail().to_string() +
                      " to before its end " + end.to_string() + ", found " + lsn.to_string(),
                  named(lsn));
  }
  from = Lsn(format::align_up(lsn.value() + 1, format::kRecordAlignment));
  if (const auto gap = catalog_.gap_behind(from); gap && from >= gap->begin) from = gap->begin;
  if (from >= end) return writer_->wait(lock, end, Durability::kDurable);
  lock.unlock();
  CAIRN_ASSIGN_OR_RETURN(const LastRecords last, last_records_before(from));
  lock.lock();
  truncating_ = true;
  lock.unlock();
  const Status status = truncate_from(lsn, from, last);
  lock.lock();
  truncating_ = false;
  truncated_.notify_all();
  return status;
}

// REQUIRES: appends are held out.
Status LogCore::truncate_from(Lsn lsn, Lsn from, const LastRecords& last) {
  {
    Lock lock(writer_->mutex());
    CAIRN_RETURN_IF_ERROR(writer_->wait(lock, writer_->end(), Durability::kDurable));
  }
  CAIRN_ASSIGN_OR_RETURN(Catalog after, catalog_as_of(lsn, from, last));
  CAIRN_RETURN_IF_ERROR(write_snapshot(from, &after).status());
  const Lock lock(writer_->mutex());
  catalog_ = std::move(after);
  recount_catalog();
  note_space();
  for (Recent& recent : recent_) {
    if (recent.lsn >= from) recent = {};
  }
  gap_changes_.fetch_add(1, std::memory_order_release);
  house_asked_ = true;  // less may be needed now
  house_signal_.notify_one();
  return Status::ok();
}

// What is known already of streams that were not appended to since, and one walk for the others:
// what a container holds of a stream cannot be known without reading it.
Result<LogCore::LastRecords> LogCore::last_records_before(Lsn from) {
  LastRecords last;
  std::set<StreamId> sought;
  ReadOptions options;
  options.start = from;
  options.end = from;
  {
    const Lock lock(writer_->mutex());
    for (const auto& [id, entry] : catalog_.entries()) {
      if (entry.last < from) {
        last.of[id] = entry.last;
      } else if (entry.base < from) {
        sought.insert(id);
        options.start = std::min(options.start, entry.base);
      }
    }
  }
  if (sought.empty()) return last;
  CAIRN_RETURN_IF_ERROR(make_durable(Lsn(from.value() - 1)));
  CAIRN_ASSIGN_OR_RETURN(Cursor cursor, source_->make_cursor(options, this));
  for (;;) {
    CAIRN_ASSIGN_OR_RETURN(const std::optional<Record> record, cursor.next());
    if (!record) return last;
    if (sought.contains(record->stream)) last.of[record->stream] = record->lsn;
  }
}

Result<std::set<StreamId>> LogCore::streams_created_behind(Lsn from) {
  std::set<StreamId> created;
  ReadOptions options;
  options.start = from;
  options.types = {static_cast<std::uint16_t>(format::CatalogType::kStreamCreated)};
  options.catalog = true;
  CAIRN_ASSIGN_OR_RETURN(Cursor cursor, source_->make_cursor(options, this));
  for (;;) {
    CAIRN_ASSIGN_OR_RETURN(const std::optional<Record> record, cursor.next());
    if (!record) return created;
    if (record->kind != RecordKind::kCatalog) continue;
    CAIRN_ASSIGN_OR_RETURN(const format::CatalogRecord decoded,
                           format::decode_catalog(record->type, record->payload, record->lsn));
    created.insert(std::get<format::StreamCreated>(decoded).id);
  }
}

// The present catalog without what happened behind `from`. Its gap is added by the snapshot.
Result<Catalog> LogCore::catalog_as_of(Lsn lsn, Lsn from, const LastRecords& last) {
  CAIRN_ASSIGN_OR_RETURN(const std::set<StreamId> created, streams_created_behind(from));
  Catalog after;
  {
    const Lock lock(writer_->mutex());
    after = catalog_;
  }
  for (const StreamId id : created) after.remove(id);
  std::vector<StreamId> remaining;
  for (const auto& [id, entry] : after.entries()) remaining.push_back(id);
  for (const StreamId id : remaining) {
    Catalog::Entry& entry = *after.find(id);
    if (entry.base > lsn) {
      StatusDetail detail = named(entry.base);
      detail.stream = entry.name;
      return Status(StatusCode::kLsnInvalid,
                    "truncate_after: LSN " + lsn.to_string() + " is before base " +
                        entry.base.to_string() + " of stream \"" + entry.name +
                        "\", and a base never moves back",
                    detail);
    }
    if (entry.last < from) continue;
    CAIRN_ASSIGN_OR_RETURN(const Lsn restart, restart_area_before(entry.restart, from));
    Lsn previous = entry.previous_restart;
    if (restart != entry.restart) {
      CAIRN_ASSIGN_OR_RETURN(previous, previous_restart_area(restart));
      if (previous < entry.advanced) previous = Lsn::null();
    }
    const auto found = last.of.find(id);
    const Lsn newest = found == last.of.end() ? Lsn::null() : found->second;
    after.truncated(entry, std::max(restart, newest), restart, previous);
  }
  return after;
}

// Along the chain of a stream's restart areas, the newest one before `from` that the log still
// holds; null: none.
Result<Lsn> LogCore::restart_area_before(Lsn restart, Lsn from) {
  AlignedBuffer buffer;
  while (restart >= from) {
    CAIRN_ASSIGN_OR_RETURN(const Record record, source_->read_record(restart, &buffer));
    restart = record.previous;
  }
  return restart < tail() ? Lsn::null() : restart;
}

// The one before it in the chain, if the log still holds it.
Result<Lsn> LogCore::previous_restart_area(Lsn restart) {
  if (restart.is_null()) return restart;
  AlignedBuffer buffer;
  CAIRN_ASSIGN_OR_RETURN(const Record record, source_->read_record(restart, &buffer));
  return record.previous < tail() ? Lsn::null() : record.previous;
}

}  // namespace cairn::log
