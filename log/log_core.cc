#include "log_core.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

#include <cairn/deadline.h>

#include "log_errors.h"
#include "log_opener.h"

namespace cairn::log {
namespace {

ReservedInfo reserved_info(const ReservedSpace& space) {
  return {space.reservations, space.records, space.bytes};
}

}  // namespace

LogCore::~LogCore() {
  // The error of a close that nobody asked for has no one to go to; Log::close() is for those who
  // want it.
  if (const Status status = close(); !status.is_ok()) return;
}

Status LogCore::close() noexcept {
  if (writer_ == nullptr) return Status::ok();  // opening failed before there was anything to close
  const std::lock_guard once(close_mutex_);     // a second call returns when the log is closed
  Lock lock(writer_->mutex());
  if (closed_) return Status::ok();
  closed_ = true;
  closing_ = true;
  house_stop_ = true;
  house_signal_.notify_all();
  maker_signal_.notify_all();
  space_signal_.notify_all();
  lock.unlock();
  if (house_.joinable()) house_.join();
  if (maker_.joinable()) maker_.join();

  // Calls that make, recycle or remove containers, or write the base log, end by themselves; nobody
  // enters any more. Behind the last of them only this thread writes.
  lock.lock();
  calls_.wait_until_empty(lock);

  // Everything appended becomes durable; then the mark that proves it, and the base log that says
  // so.
  Status status = writer_->wait(lock, writer_->end(), Durability::kDurable);
  lock.unlock();
  if (status.is_ok()) {
    Lsn marked;
    const Status mark = write_mark(true, &marked);
    const std::lock_guard base_lock(base_mutex_);
    format::BaseSlot slot = present_slot();
    if (mark.is_ok()) {
      slot.state = static_cast<std::uint64_t>(format::BaseState::kClosed);
      slot.durable = marked.value();
    } else if (mark.code() != StatusCode::kLogFull) {
      status = mark;
    }
    if (status.is_ok()) status = base_->write(slot);
  }
  lock.lock();
  if (status.is_ok() && !writer_->health().is_ok()) status = writer_->health();
  if (status.code() == StatusCode::kIndeterminate) status = writer_->health();
  writer_->stop(lock, Status(StatusCode::kClosed, "the log was closed"));
  lock.unlock();
  stop_stall_thread();
  lock_.reset();
  return status;
}

// --- restart areas and bases ---

// Whether a pin that moved from `before` to `after` lets go of the container it was in.
bool LogCore::in_later_container(Lsn before, Lsn after) const {
  const std::uint64_t size = geometry_.container_size;
  return before.is_valid() && (!after.is_valid() || after.container(size) > before.container(size));
}

Result<Lsn> LogCore::write_restart_area(StreamId stream, std::span<const std::byte> data, Lsn base,
                                        Reservation* reservation) noexcept {
  format::RestartPrefix prefix{};
  const std::size_t payload = sizeof prefix + data.size();
  const std::uint32_t longest = format::max_payload(geometry_.block_size);
  if (payload > longest) {
    return Status(StatusCode::kRecordTooLong, "restart area: expected at most " +
                                                  std::to_string(longest - sizeof prefix) +
                                                  " bytes, found " + std::to_string(data.size()));
  }
  // Asked before there is room for it, as what is refused must take none of it; and again after.
  const auto check = [&](const Catalog::Entry& of) {
    if (base.is_null() || base.is_invalid() || (base >= of.base && base <= writer_->end())) {
      return Status::ok();
    }
    return Status(StatusCode::kLsnInvalid,
                  "new base: expected an LSN from the present base " + of.base.to_string() +
                      " to the log's end " + writer_->end().to_string() + ", found " +
                      base.to_string(),
                  about(base));
  };
  Booking booking;
  if (reservation != nullptr) {
    CAIRN_ASSIGN_OR_RETURN(booking, plan(stream, *reservation, data.size(), {}));
  }
  Lock lock(writer_->mutex());
  CAIRN_ASSIGN_OR_RETURN(const Catalog::Entry* const before, entry(stream));
  CAIRN_RETURN_IF_ERROR(check(*before));
  SpaceDemand demand = demand_of(SpaceClass::kRestart, payload, stream);
  if (booking.paid) demand = demand_of(booking, data.size());
  demand.moves_pin =
      in_later_container(before->pin(), before->pin_after_restart(writer_->end(), base));
  CAIRN_RETURN_IF_ERROR(admit(lock, demand, payload));
  CAIRN_ASSIGN_OR_RETURN(Catalog::Entry* const found, entry(stream));
  CAIRN_RETURN_IF_ERROR(check(*found));
  if (base.is_null()) base = found->base;
  const BlockWriter::Place place = writer_->take(payload);
  if (base.is_invalid()) base = place.lsn;
  prefix.base = base.value();
  format::RecordFields fields;
  fields.stream = stream;
  fields.kind = RecordKind::kRestart;
  fields.previous = found->restart;
  catalog_.restart_written(*found, place.lsn, base);
  note_append(stream, place.lsn);
  if (booking.paid) book(stream, booking, data.size(), *reservation);
  lock.unlock();

  const std::array<std::span<const std::byte>, 2> pieces{
      std::as_bytes(std::span<const format::RestartPrefix, 1>(&prefix, 1)), data};
  writer_->fill(place, fields, pieces);
  CAIRN_RETURN_IF_ERROR(settle(place.lsn));
  return place.lsn;
}

Result<RestartArea> LogCore::read_restart_area(StreamId stream, bool previous) {
  for (;;) {
    CAIRN_ASSIGN_OR_RETURN(auto area, try_read_restart_area(stream, previous));
    if (area) return *std::move(area);
  }
}

Result<std::optional<RestartArea>> LogCore::try_read_restart_area(StreamId stream, bool previous) {
  Lsn lsn;
  {
    const Lock lock(writer_->mutex());
    CAIRN_ASSIGN_OR_RETURN(Catalog::Entry* const found, entry(stream));
    lsn = previous ? found->previous_restart : found->restart;
    if (lsn.is_null()) {
      return Status(StatusCode::kNoRestartArea,
                    "stream \"" + found->name + "\" has no " +
                        (previous ? "previous restart area" : "restart area"));
    }
  }
  CAIRN_RETURN_IF_ERROR(make_durable(lsn));
  AlignedBuffer buffer;
  const Result<Record> record = source_->read_record(lsn, &buffer);
  if (record.is_ok()) {
    return std::optional(
        RestartArea{lsn, record->base, {record->payload.begin(), record->payload.end()}});
  }
  // Newer restart areas may have given this one up while it was read: then one of them is asked
  // for.
  const Lock lock(writer_->mutex());
  CAIRN_ASSIGN_OR_RETURN(Catalog::Entry* const found, entry(stream));
  if (lsn == (previous ? found->previous_restart : found->restart)) return record.status();
  return std::optional<RestartArea>();
}

Status LogCore::advance_base(StreamId stream, Lsn lsn) noexcept {
  auto encoded = format::encode_catalog(format::BaseAdvanced{stream, lsn});
  const std::size_t size = encoded.payload.size();
  Lock lock(writer_->mutex());
  CAIRN_ASSIGN_OR_RETURN(const Catalog::Entry* const before, entry(stream));
  if (lsn.is_invalid() || lsn > writer_->end()) {
    return Status(StatusCode::kLsnInvalid,
                  "new base: expected at most the log's end " + writer_->end().to_string() +
                      ", found " + lsn.to_string(),
                  about(lsn));
  }
  // Asked before there is room for it, as what changes nothing must take none of it; and again
  // after.
  const auto is_older = [lsn](const Catalog::Entry& of) {
    return lsn <= of.advanced || lsn < of.base;
  };
  // Someone was there before: what he wrote is what this caller waits for.
  if (is_older(*before)) {
    return writer_->wait(lock, newest_catalog_change_, Durability::kDurable);
  }
  SpaceDemand demand = demand_of(SpaceClass::kHeldBack, size, stream);
  demand.moves_pin = in_later_container(before->pin(), before->pin_after_advance(lsn));
  CAIRN_RETURN_IF_ERROR(admit(lock, demand, size));
  CAIRN_ASSIGN_OR_RETURN(Catalog::Entry* const found, entry(stream));
  if (is_older(*found)) {
    return writer_->wait(lock, newest_catalog_change_, Durability::kDurable);
  }
  return settle(append_catalog(lock, size, [&](const BlockWriter::Place& place) {
    catalog_.advance(*found, lsn);
    newest_catalog_change_ = place.lsn + 1;
    return std::move(encoded);
  }));
}

Lsn LogCore::stream_base(StreamId stream) const {
  const Lock lock(writer_->mutex());
  const Catalog::Entry* found = catalog_.find(stream);
  return found == nullptr ? Lsn::null() : found->base;
}

Lsn LogCore::last_lsn(StreamId stream) const {
  const Lock lock(writer_->mutex());
  const Catalog::Entry* found = catalog_.find(stream);
  return found == nullptr ? Lsn::null() : found->last;
}

// --- streams ---

Result<Stream> LogCore::create_stream(std::string_view name) noexcept {
  CAIRN_ASSIGN_OR_RETURN(const CatalogChange made, add_stream(name));
  CAIRN_RETURN_IF_ERROR(wait_for(made.lsn + 1, Durability::kDurable));
  return Stream(this, made.stream);
}

Result<std::vector<Stream>> LogCore::create_streams(
    std::span<const std::string_view> names) noexcept {
  std::vector<Stream> streams;
  Lsn last;
  Status status;
  for (const std::string_view name : names) {
    const auto made = add_stream(name);
    status = made.status();
    if (!status.is_ok()) break;
    streams.push_back(Stream(this, made->stream));
    last = made->lsn;
  }
  // Those that were made stay, whatever became of the others.
  if (last.is_valid()) CAIRN_RETURN_IF_ERROR(wait_for(last + 1, Durability::kDurable));
  if (!status.is_ok()) {
    return status.with_context(std::to_string(streams.size()) + " of " +
                               std::to_string(names.size()) + " streams were created");
  }
  return streams;
}

// Not durable yet.
Result<LogCore::CatalogChange> LogCore::add_stream(std::string_view name) {
  if (name.empty() || name.size() > 255 || name.find('\0') != std::string_view::npos) {
    return Status(StatusCode::kInvalidArgument,
                  "stream name: expected 1 to 255 bytes without NUL, found " +
                      std::to_string(name.size()) + " bytes");
  }
  Lock lock(writer_->mutex());
  if (closing_) return Status(StatusCode::kClosed, "the log was closed");
  // The name's length decides the record's, the id does not: room first, then the id under the same
  // lock.
  const std::size_t size =
      format::encode_catalog(format::StreamCreated{0, std::string(name)}).payload.size();
  SpaceDemand demand = demand_of(SpaceClass::kOrdinary, size);
  demand.streams = 1;
  demand.name_bytes = name.size();
  CAIRN_RETURN_IF_ERROR(admit(lock, demand, size));
  if (catalog_.find(name) != nullptr) {
    return Status(StatusCode::kAlreadyExists,
                  "stream \"" + std::string(name) + "\" exists already");
  }
  const StreamId id = catalog_.next_stream();
  const Lsn lsn = append_catalog(lock, size, [&](const BlockWriter::Place& place) {
    catalog_.create(id, name, place.lsn);
    ledger_->stream_created(name.size());
    newest_catalog_change_ = place.lsn + 1;
    return format::encode_catalog(format::StreamCreated{id, std::string(name)});
  });
  return CatalogChange{id, lsn};
}

Result<Stream> LogCore::open_stream(std::string_view name) {
  Lock lock(writer_->mutex());
  if (closing_) return Status(StatusCode::kClosed, "the log was closed");
  const Catalog::Entry* found = std::as_const(catalog_).find(name);
  if (found == nullptr) return no_stream("\"" + std::string(name) + "\"");
  // A stream that another thread is just creating is shown once it is durable.
  const StreamId id = found->id;
  CAIRN_RETURN_IF_ERROR(writer_->wait(lock, newest_catalog_change_, Durability::kDurable));
  return Stream(this, id);
}

Status LogCore::delete_stream(std::string_view name) noexcept { return delete_streams({&name, 1}); }

Status LogCore::delete_streams(std::span<const std::string_view> names) noexcept {
  Lsn last;
  Status status;
  std::size_t count = 0;
  for (const std::string_view name : names) {
    const auto gone = drop_stream(name);
    status = gone.status();
    if (!status.is_ok()) break;
    last = gone->lsn;
    ++count;
  }
  if (last.is_valid()) CAIRN_RETURN_IF_ERROR(settle(last));
  if (names.size() == 1) return status;
  return status.with_context(std::to_string(count) + " of " + std::to_string(names.size()) +
                             " streams were deleted");
}

// Not durable yet.
Result<LogCore::CatalogChange> LogCore::drop_stream(std::string_view name) {
  Lock lock(writer_->mutex());
  if (closing_) return Status(StatusCode::kClosed, "the log was closed");
  const std::size_t size = format::encode_catalog(format::StreamDeleted{}).payload.size();
  const Catalog::Entry* found = std::as_const(catalog_).find(name);
  if (found == nullptr) return no_stream("\"" + std::string(name) + "\"");
  SpaceDemand demand = demand_of(SpaceClass::kHeldBack, size, found->id);
  demand.moves_pin = true;
  CAIRN_RETURN_IF_ERROR(admit(lock, demand, size));
  found = std::as_const(catalog_).find(name);
  if (found == nullptr) return no_stream("\"" + std::string(name) + "\"");
  const StreamId id = found->id;
  const Lsn lsn = append_catalog(lock, size, [&](const BlockWriter::Place&) {
    clients_.remove(id);
    ledger_->stream_deleted(id, name.size());
    catalog_.remove(id);
    return format::encode_catalog(format::StreamDeleted{id});
  });
  return CatalogChange{id, lsn};
}

std::vector<StreamInfo> LogCore::list_streams() const {
  const Lock lock(writer_->mutex());
  std::vector<StreamInfo> all;
  for (const auto& [id, found] : catalog_.entries()) {
    all.push_back({id, found.name, found.base, found.last, found.restart, found.previous_restart,
                   found.statistics, reserved_info(ledger_->of(id))});
  }
  return all;
}

// --- waiting and reading ---

Status LogCore::wait_for(Lsn end, Durability level) {
  Lock lock(writer_->mutex());
  return writer_->wait(lock, end, level);
}

Status LogCore::flush() noexcept {
  Lock lock(writer_->mutex());
  if (closing_) return Status(StatusCode::kClosed, "the log was closed");
  return writer_->wait(lock, writer_->end(), Durability::kDurable);
}

Status LogCore::wait_durable(Lsn lsn, std::optional<std::chrono::nanoseconds> limit) noexcept {
  Lock lock(writer_->mutex());
  if (lsn.is_invalid() || lsn >= writer_->end()) {
    if (lsn < writer_->durable()) return Status::ok();
    return Status(StatusCode::kLsnInvalid,
                  "wait_durable: expected an LSN before the log's end " +
                      writer_->end().to_string() + ", found " + lsn.to_string(),
                  about(lsn));
  }
  std::optional<std::chrono::steady_clock::time_point> deadline;
  if (limit) deadline = deadline_after(*limit);
  if (limit || lsn < writer_->durable() || !writer_->health().is_ok()) {
    return writer_->wait(lock, lsn + 1, Durability::kDurable, deadline);
  }
  const BlockWriter::Expected expected = writer_->expect(lsn + 1, Durability::kDurable);
  lock.unlock();
  return writer_->await(expected);
}

void LogCore::on_durable(Lsn lsn, DurableCallback callback) noexcept {
  Lock lock(writer_->mutex());
  if (lsn >= writer_->end() && lsn >= writer_->durable()) {
    lock.unlock();
    callback(Status(StatusCode::kLsnInvalid,
                    "on_durable: LSN " + lsn.to_string() + " is not before the log's end",
                    about(lsn)));
    return;
  }
  writer_->when_durable(lock, lsn + 1, std::move(callback));
}

Lsn LogCore::end_lsn() const {
  const Lock lock(writer_->mutex());
  return writer_->end();
}

Status LogCore::make_durable(Lsn lsn) {
  if (lsn < writer_->durable()) return Status::ok();
  return wait_durable(lsn, std::nullopt);
}

bool LogCore::in_gap(Lsn lsn) const {
  const Lock lock(writer_->mutex());
  return catalog_.in_gap(lsn);
}

std::optional<format::Gap> LogCore::gap_behind(Lsn lsn) const {
  const Lock lock(writer_->mutex());
  return catalog_.gap_behind(lsn);
}

Lsn LogCore::last_block() const {
  const Lock lock(writer_->mutex());
  return writer_->last_durable_block();
}

Result<Cursor> LogCore::read(ReadOptions options) {
  if (options.stream) {
    const Lock lock(writer_->mutex());
    if (const auto found = entry(*options.stream); !found.is_ok()) return found.status();
  }
  return source_->make_cursor(std::move(options), this);
}

Status LogCore::health() const {
  const Lock lock(writer_->mutex());
  return writer_->health();
}

LogStatistics LogCore::statistics() const {
  const Lock lock(writer_->mutex());
  LogStatistics statistics = writer_->statistics();
  statistics.containers_made = containers_->made();
  statistics.containers_recycled = containers_->recycled();
  statistics.growth_stalls = growth_stalls_;
  return statistics;
}

LogInfo LogCore::info() const {
  LogInfo info;
  info.path = directory_->path();
  info.id = geometry_.log_id;
  info.format_version = format::kFormatVersion;
  info.epoch = epoch_;
  info.container_size = geometry_.container_size;
  info.max_size = max_size_.load();
  info.block_size = geometry_.block_size;
  info.alignment = geometry_.alignment;
  info.max_record = format::max_payload(geometry_.block_size);
  info.tail = tail();
  info.durable = durable_lsn();
  info.streams = list_streams();
  describe_storage(storage_->describe(*directory_), plan_, &info);
  info.end_of_log = found_end_;
  std::uint64_t active;
  Lsn needed;
  {
    const Lock lock(writer_->mutex());
    info.end = writer_->end();
    info.policies = ledger_->policies();
    info.space = space_info();
    info.pins = catalog_.pins(info.end);
    pins_.show(info.end, &info.pins);
    info.archive_tail = catalog_.archive_tail();
    needed = catalog_.oldest_pin() ? catalog_.oldest_pin()->lsn : info.end;
    active = writer_->container_number();
  }
  info.containers = containers_->list(active);
  mark_pending_archive(&info, std::min(needed, Lsn(scan_start_.load())));
  return info;
}

}  // namespace cairn::log
