// LogCore's appends: records of streams, and of the catalog.
#include <array>
#include <cassert>
#include <optional>
#include <utility>

#include <cairn/deadline.h>

#include "log_core.h"
#include "log_errors.h"

namespace cairn::log {

// --- appending ---

Result<Catalog::Entry*> LogCore::entry(StreamId stream) {
  if (closing_) return Status(StatusCode::kClosed, "the log was closed");
  Catalog::Entry* found = stream == kCatalogStream ? nullptr : catalog_.find(stream);
  if (found == nullptr) return no_stream(std::to_string(stream));
  return found;
}

// That `link` is an older record of the stream. REQUIRES: lock not held: a record that is no longer
// remembered is read.
Status LogCore::check_link(StreamId stream, Lsn link, const char* name) {
  if (link.is_null()) return Status::ok();
  const auto bad = [&](const std::string& expected) {
    return Status(StatusCode::kLsnInvalid,
                  std::string(name) + ": expected " + expected + ", found LSN " + link.to_string(),
                  about(link));
  };
  {
    const Lock lock(writer_->mutex());
    const Catalog::Entry* found = catalog_.find(stream);
    if (found == nullptr) return no_stream(std::to_string(stream));
    if (link > found->last || link < found->base || !link.is_valid()) {
      return bad("a record of the stream from its base " + found->base.to_string() +
                 " to its last " + found->last.to_string());
    }
    const Recent& recent = recent_[(link.value() / format::kRecordAlignment) % kRecent];
    if (recent.lsn == link) {
      return recent.stream == stream ? Status::ok() : bad("a record of this stream");
    }
    if (catalog_.in_gap(link)) return bad("a record");
  }
  CAIRN_RETURN_IF_ERROR(make_durable(link));
  AlignedBuffer buffer;
  const auto record = source_->read_record(link, &buffer);
  if (!record.is_ok()) {
    return record.code() == StatusCode::kLsnInvalid ? bad("a record") : record.status();
  }
  return record->stream == stream ? Status::ok() : bad("a record of this stream");
}

void LogCore::note_append(StreamId stream, Lsn lsn) {
  recent_[(lsn.value() / format::kRecordAlignment) % kRecent] = {lsn, stream};
  if (house_asleep_) {
    house_asleep_ = false;
    house_signal_.notify_one();
  }
}

// Lets a record without a reservation in that is far from every limit, which most are. REQUIRES:
// lock held.
bool LogCore::admit_at_once(std::size_t payload) {
  return !truncating_ && writer_->has_room(payload) &&
         ledger_->take_allowance(ledger_->charge(payload), writer_->container_number());
}

// That links that were checked before are not behind the base by now.
Status LogCore::check_base(const Catalog::Entry& of, const AppendOptions& options) {
  for (const Lsn link : {options.previous, options.undo_next}) {
    if (!link.is_null() && link < of.base) {
      return Status(StatusCode::kLsnInvalid,
                    "LSN " + link.to_string() + " is behind the stream's base " +
                        of.base.to_string() + " by now",
                    about(link));
    }
  }
  return Status::ok();
}

Result<Lsn> LogCore::append(StreamId stream, Gather pieces, const AppendOptions& options,
                            const AppendExtras& extras) noexcept {
  std::size_t payload = 0;
  for (const auto& piece : pieces) payload += piece.size();
  if (payload > max_record()) {
    return Status(StatusCode::kRecordTooLong, "record: expected at most " +
                                                  std::to_string(max_record()) + " bytes, found " +
                                                  std::to_string(payload));
  }
  const bool plain = extras.reservation == nullptr && extras.callback == nullptr &&
                     options.durability == Durability::kNone && options.previous.is_null() &&
                     options.undo_next.is_null();
  if (plain) {
    if (const Lsn lsn = append_at_once(stream, pieces, payload, options.type); lsn.is_valid()) {
      return lsn;
    }
  }
  return append_with_all(stream, pieces, payload, options, extras);
}

// An append that asks for nothing but a place, and finds it. Null: append_with_all() says why not.
Lsn LogCore::append_at_once(StreamId stream, Gather pieces, std::size_t payload,
                            std::uint16_t type) {
  BlockWriter::Place place;
  {
    const Lock lock(writer_->mutex());
    if (closing_ || stream == kCatalogStream) return Lsn::null();
    Catalog::Entry* const found = catalog_.find(stream);
    if (found == nullptr || !admit_at_once(payload)) return Lsn::null();
    place = writer_->take(payload);
    catalog_.appended(*found, place.lsn, payload);
    note_append(stream, place.lsn);
  }
  format::RecordFields fields;
  fields.stream = stream;
  fields.type = type;
  writer_->fill(place, fields, pieces);
  return place.lsn;
}

// REQUIRES: `payload`, the size of all pieces, is at most max_record().
Result<Lsn> LogCore::append_with_all(StreamId stream, Gather pieces, std::size_t payload,
                                     const AppendOptions& options, const AppendExtras& extras) {
  const bool linked = !options.previous.is_null() || !options.undo_next.is_null();
  if (linked) {
    CAIRN_RETURN_IF_ERROR(check_link(stream, options.previous, "previous"));
    CAIRN_RETURN_IF_ERROR(check_link(stream, options.undo_next, "undo_next"));
  }
  Booking booking;
  if (extras.reservation != nullptr) {
    CAIRN_ASSIGN_OR_RETURN(booking, plan(stream, *extras.reservation, payload, extras.change));
  }

  Lock lock(writer_->mutex());
  Catalog::Entry* found = closing_ ? nullptr : catalog_.find(stream);
  if (found == nullptr || stream == kCatalogStream) return entry(stream).status();
  if (extras.reservation != nullptr || !admit_at_once(payload)) {
    std::optional<Deadline> deadline;
    if (options.wait_for_space > std::chrono::nanoseconds::zero()) {
      deadline = deadline_after(options.wait_for_space);
    }
    CAIRN_RETURN_IF_ERROR(admit(lock, demand_of(booking, payload), payload, false, deadline));
    CAIRN_ASSIGN_OR_RETURN(found, entry(stream));
  }
  if (linked) CAIRN_RETURN_IF_ERROR(check_base(*found, options));
  const BlockWriter::Place place = writer_->take(payload);
  catalog_.appended(*found, place.lsn, payload);
  note_append(stream, place.lsn);
  if (extras.reservation != nullptr) book(stream, booking, payload, *extras.reservation);
  BlockWriter::Expected expected;
  if (options.durability != Durability::kNone) {
    expected = writer_->expect(place, options.durability);
  }
  const bool undriven =
      extras.callback != nullptr && writer_->call_when_durable(place, std::move(*extras.callback));
  lock.unlock();

  format::RecordFields fields;
  fields.stream = stream;
  fields.type = options.type;
  fields.previous = options.previous;
  fields.undo_next = options.undo_next;
  writer_->fill(place, fields, pieces);
  if (undriven) writer_->start();
  if (options.durability != Durability::kNone) CAIRN_RETURN_IF_ERROR(writer_->await(expected));
  return place.lsn;
}

// --- records of the catalog ---

Lsn LogCore::append_catalog(Lock& lock, std::size_t payload, const ChangeAt& change) {
  const BlockWriter::Place place = writer_->take(payload);
  const format::EncodedCatalogRecord encoded = change(place);
  assert(encoded.payload.size() == payload);
  note_append(kCatalogStream, place.lsn);
  lock.unlock();
  const std::array<std::span<const std::byte>, 1> pieces{encoded.payload};
  format::RecordFields fields;
  fields.kind = RecordKind::kCatalog;
  fields.type = static_cast<std::uint16_t>(encoded.type);
  writer_->fill(place, fields, pieces);
  return place.lsn;
}

Status LogCore::settle(Lsn change) {
  CAIRN_RETURN_IF_ERROR(wait_for(change + 1, Durability::kDurable));
  ask_for_housekeeping();
  return Status::ok();
}

}  // namespace cairn::log
