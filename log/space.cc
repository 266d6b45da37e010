// LogCore's space: which appends are let in, what is reserved, and what a full log says and asks.
#include <algorithm>
#include <string>
#include <utility>

#include "log_core.h"

namespace cairn::log {
namespace {

Status closed() { return Status(StatusCode::kClosed, "the log was closed"); }

}  // namespace

// --- admission ---

SpaceLedger::Stock LogCore::stock() const {
  SpaceLedger::Stock stock;
  stock.number = writer_->container_number();
  stock.room = writer_->room_in_container();
  stock.snapshot_due = snapshot_due();
  return stock;
}

SpaceDemand LogCore::demand_of(SpaceClass who, std::size_t payload, StreamId stream) const {
  SpaceDemand demand;
  demand.who = who;
  demand.bytes = ledger_->charge(payload);
  demand.stream = stream;
  return demand;
}

// What keeps the oldest container. Whatever else may pin the tail belongs here: recycling, requests
// to advance and the text of a full log all go by it.
std::optional<LogCore::TailPin> LogCore::tail_pin(const Catalog& catalog) const {
  const auto pin = catalog.oldest_pin();
  const Lsn archived = catalog.archive_tail();
  const std::uint64_t size = geometry_.container_size;
  // What the archive keeps back is not the stream's fault.
  if (archived.is_valid() && (!pin || archived.container(size) < pin->lsn.container(size))) {
    return TailPin{archived, FullCause::kArchive, kCatalogStream};
  }
  if (!pin) return std::nullopt;
  return TailPin{pin->lsn, FullCause::kBase, pin->stream};
}

// REQUIRES: lock held, or nobody else there yet.
void LogCore::recount_catalog() {
  std::uint64_t name_bytes = 0;
  for (const auto& [id, entry] : catalog_.entries()) name_bytes += entry.name.size();
  ledger_->set_catalog(catalog_.entries().size(), name_bytes, catalog_.gaps().size());
}

Status LogCore::full(SpaceVerdict verdict) const {
  StatusDetail detail;
  const auto pin = tail_pin(catalog_);
  const std::uint64_t size = geometry_.container_size;
  detail.cause = FullCause::kMaximum;
  if (verdict == SpaceVerdict::kFullByReservation) {
    detail.cause = FullCause::kReservation;
  } else if (pin && pin->lsn.container(size) < writer_->container_number()) {
    detail.cause = pin->cause;
  }
  std::string text =
      directory_->path() + ": log full (" + std::string(full_cause_name(detail.cause)) + "): ";
  if (ledger_->growth_failed()) {
    text += "the file system has no space for another container";
  } else if (ledger_->policies().growth == 0 && ledger_->may_grow()) {
    text += "its policies let it not grow beyond its " + std::to_string(ledger_->containers()) +
            " containers";
  } else {
    text += "it has its maximum of " + std::to_string(ledger_->max_containers()) + " containers";
  }
  text += ", " + std::to_string(ledger_->total().bytes) + " bytes are reserved";
  if (const auto holder = ledger_->largest_holder()) {
    const Catalog::Entry* found = catalog_.find(*holder);
    text += ", the most by stream " +
            (found == nullptr ? std::to_string(*holder) : "\"" + found->name + "\"");
  }
  if (pin) {
    detail.lsn_begin = pin->lsn;
    const Catalog::Entry* found = catalog_.find(pin->stream);
    if (found != nullptr) {
      detail.stream = found->name;
      text += ", stream \"" + found->name + "\" pins it at LSN " + pin->lsn.to_string();
    } else {
      text += ", the archive tail pins it at LSN " + pin->lsn.to_string();
    }
    const Status* failure = clients_.failure(pin->stream, pin->lsn);
    if (failure != nullptr) text += ", its owner cannot advance it (" + failure->to_string() + ")";
  } else {
    text += ", nothing pins it";
  }
  return Status(StatusCode::kLogFull, std::move(text), detail);
}

// Makes the open block have room for a record that the ledger allows. The lock may be given up
// meanwhile, so that whatever was looked at before must be looked at again.
Status LogCore::admit(Lock& lock, const SpaceDemand& demand, std::size_t payload, bool own_block,
                      std::optional<Deadline> deadline) {
  const CallGate::Pass pass(calls_, lock);
  bool reclaimed = false;
  // The snapshot of a truncation is the only one that is written while others wait for its end.
  const bool waits = demand.who != SpaceClass::kSnapshot &&
                     demand.who != SpaceClass::kSnapshotPiece && demand.who != SpaceClass::kCut &&
                     !demand.in_housekeeping;
  // The closing mark itself is let through.
  const bool ends_at_close = (waits || demand.in_housekeeping) && !closing_;
  for (;;) {
    while (waits && truncating_) truncated_.wait(lock);
    const Status room = writer_->make_room(lock, payload, own_block);
    if (waits && truncating_) continue;
    if (ends_at_close && closing_) return closed();
    if (room.is_ok() && ledger_->take_allowance(demand, writer_->container_number())) return room;
    const bool no_container = room.code() == StatusCode::kLogFull;
    if (!room.is_ok() && !no_container) return room;
    SpaceVerdict verdict = ledger_->ask(demand, stock());
    if (verdict == SpaceVerdict::kGranted) {
      if (!no_container) {
        ledger_->granted(demand, stock());
        note_low_space();
        if (!maker_failed_) ledger_->allow(demand, stock());
        return Status::ok();
      }
      verdict = SpaceVerdict::kFull;
    }
    if (verdict == SpaceVerdict::kGrow) {
      const Status grown = grow(lock);
      if (!grown.is_ok() && grown.code() != StatusCode::kNoSpace) return grown;
      continue;
    }
    if (ledger_->growing()) {
      space_signal_.wait(lock);  // what is being made may do
      continue;
    }
    // A snapshot is a part of reclaiming space; it does not ask for it.
    if (!waits) return full(verdict);
    if (!reclaimed) {
      lock.unlock();
      const Status status = reclaim(true);
      lock.lock();
      reclaimed = true;
      if (!status.is_ok() && status.code() != StatusCode::kLogFull) return status;
      continue;
    }
    ask_to_advance_soon();
    if (!deadline || !wait_for_space(lock, *deadline)) return full(verdict);
    if (closing_) return closed();
    reclaimed = false;
  }
}

// False: the deadline passed, or the client that pins the tail said that it cannot move it.
bool LogCore::wait_for_space(Lock& lock, Deadline deadline) {
  const auto pin = tail_pin(catalog_);
  if (pin && clients_.failure(pin->stream, pin->lsn) != nullptr) return false;
  const std::uint64_t before = space_changes_;
  ++space_waiters_;
  const bool woken = space_signal_.wait_until(lock, deadline, [&] {
    return space_changes_ != before || closing_ || !writer_->health().is_ok();
  });
  --space_waiters_;
  return woken;
}

// REQUIRES: lock held. There may be more space than before.
void LogCore::note_space() {
  ++space_changes_;
  space_signal_.notify_all();
}

// REQUIRES: lock held.
void LogCore::note_low_space() {
  if (ledger_->wants_growth(writer_->container_number()) && !maker_failed_) {
    maker_signal_.notify_one();
  }
  const bool low = ledger_->is_low(stock());
  if (low && !low_noted_) ask_to_advance_soon();
  low_noted_ = low;
}

// --- reservations ---

Result<Reservation> LogCore::reserve(StreamId stream, std::uint64_t records,
                                     std::uint64_t bytes) noexcept {
  Lock lock(writer_->mutex());
  SpaceDemand demand;
  demand.bytes = ledger_->backing(records, bytes);
  const CallGate::Pass pass(calls_, lock);
  bool reclaimed = false;
  for (;;) {
    if (const auto found = entry(stream); !found.is_ok()) return found.status();
    if (!writer_->health().is_ok()) return writer_->health();
    const SpaceVerdict verdict = ledger_->ask(demand, stock());
    if (verdict == SpaceVerdict::kGranted) {
      ledger_->reserve(stream, 1, records, bytes);
      note_low_space();
      return Reservation(this, stream, records, bytes);
    }
    if (verdict == SpaceVerdict::kGrow) {
      const Status grown = grow(lock);
      if (!grown.is_ok() && grown.code() != StatusCode::kNoSpace) return grown;
      continue;
    }
    if (ledger_->growing()) {
      space_signal_.wait(lock);
      continue;
    }
    if (reclaimed) {
      ask_to_advance_soon();
      return full(verdict);
    }
    lock.unlock();
    const Status status = reclaim(true);
    lock.lock();
    reclaimed = true;
    if (!status.is_ok() && status.code() != StatusCode::kLogFull) return status;
  }
}

void LogCore::release(StreamId stream, std::uint64_t records, std::uint64_t bytes) noexcept {
  const Lock lock(writer_->mutex());
  ledger_->release(stream, 1, records, bytes);
  note_space();
}

void LogCore::give_back(StreamId stream, std::uint64_t records, std::uint64_t bytes) noexcept {
  const Lock lock(writer_->mutex());
  ledger_->release(stream, 0, records, bytes);
  note_space();
}

void LogCore::merge(StreamId from, StreamId to, std::uint64_t records,
                    std::uint64_t bytes) noexcept {
  const Lock lock(writer_->mutex());
  ledger_->reserve(to, 0, records, bytes);
  ledger_->release(from, 1, records, bytes);
}

void LogCore::split(StreamId stream) noexcept {
  const Lock lock(writer_->mutex());
  ledger_->reserve(stream, 1, 0, 0);
}

// What paying and changing comes to, or why it cannot be.
Result<LogCore::Booking> LogCore::plan(StreamId stream, const Reservation& reservation,
                                       std::size_t payload, const ReservationChange& change) const {
  if (reservation.core_ != nullptr && reservation.stream_ != stream) {
    return Status(StatusCode::kInvalidArgument,
                  "reservation: expected one of stream " + std::to_string(stream) +
                      ", found one of stream " + std::to_string(reservation.stream_));
  }
  Booking booking;
  booking.paid = reservation.covers(payload);
  const std::uint32_t longest = format::max_payload(geometry_.block_size);
  const auto too_long = [longest](std::uint64_t size) {
    return Status(StatusCode::kRecordTooLong, "reserved record: expected at most " +
                                                  std::to_string(longest) + " bytes, found " +
                                                  std::to_string(size));
  };
  for (const std::uint64_t size : change.reserve) {
    if (size > longest) return too_long(size);
    ++booking.new_records;
    booking.new_bytes += Reservation::reserved_bytes(size);
  }
  for (const std::uint64_t size : change.free) {
    if (size > longest) return too_long(size);
    ++booking.freed_records;
    booking.freed_bytes += Reservation::reserved_bytes(size);
  }
  std::uint64_t records = reservation.records_;
  std::uint64_t bytes = reservation.bytes_;
  if (booking.paid) {
    records -= 1;
    bytes -= Reservation::reserved_bytes(payload);
  }
  if (booking.freed_records > records || booking.freed_bytes > bytes) {
    return Status(StatusCode::kInvalidArgument, "reservation to give back: expected at most " +
                                                    std::to_string(records) + " records and " +
                                                    std::to_string(bytes) + " bytes, found " +
                                                    std::to_string(booking.freed_records) +
                                                    " and " + std::to_string(booking.freed_bytes));
  }
  return booking;
}

// REQUIRES: lock held, the record was taken.
SpaceDemand LogCore::demand_of(const Booking& booking, std::size_t payload) const {
  SpaceDemand demand;
  if (booking.paid && booking.new_records == 0) demand.who = SpaceClass::kReserved;
  if (!booking.paid) demand.bytes = ledger_->charge(payload);
  if (booking.new_records > 0) {
    demand.bytes += ledger_->backing(booking.new_records, booking.new_bytes);
  }
  demand.given_back = ledger_->backing(booking.freed_records, booking.freed_bytes);
  return demand;
}

void LogCore::book(StreamId stream, const Booking& booking, std::size_t payload,
                   Reservation& reservation) {
  const std::uint64_t paid_bytes = booking.paid ? Reservation::reserved_bytes(payload) : 0;
  const std::uint64_t gone_records = booking.freed_records + (booking.paid ? 1 : 0);
  const std::uint64_t gone_bytes = booking.freed_bytes + paid_bytes;
  if (reservation.core_ == nullptr) {
    if (booking.new_records == 0) return;
    reservation.core_ = this;
    reservation.stream_ = stream;
    ledger_->reserve(stream, 1, 0, 0);
  }
  ledger_->reserve(stream, 0, booking.new_records, booking.new_bytes);
  ledger_->release(stream, 0, gone_records, gone_bytes);
  reservation.records_ += booking.new_records;
  reservation.records_ -= gone_records;
  reservation.bytes_ += booking.new_bytes;
  reservation.bytes_ -= gone_bytes;
  if (booking.freed_records > 0) note_space();
}

void Reservation::release() {
  if (core_ != nullptr) core_->release(stream_, records_, bytes_);
  core_ = nullptr;
  records_ = 0;
  bytes_ = 0;
}

Status Reservation::give_back(std::uint64_t records, std::uint64_t bytes) {
  if (records > records_ || bytes > bytes_) {
    return Status(StatusCode::kInvalidArgument,
                  "reservation to give back: expected at most " + std::to_string(records_) +
                      " records and " + std::to_string(bytes_) + " bytes, found " +
                      std::to_string(records) + " and " + std::to_string(bytes));
  }
  if (records == 0 && bytes == 0) return {};
  core_->give_back(stream_, records, bytes);
  records_ -= records;
  bytes_ -= bytes;
  return {};
}

Result<Reservation> Reservation::split(std::uint64_t records, std::uint64_t bytes) {
  if (records > records_ || bytes > bytes_) {
    return Status(StatusCode::kInvalidArgument,
                  "reservation to split: expected at most " + std::to_string(records_) +
                      " records and " + std::to_string(bytes_) + " bytes, found " +
                      std::to_string(records) + " and " + std::to_string(bytes));
  }
  if (core_ == nullptr) return Reservation();
  core_->split(stream_);
  records_ -= records;
  bytes_ -= bytes;
  return Reservation(core_, stream_, records, bytes);
}

void Reservation::merge(Reservation&& other) {
  if (other.core_ == nullptr) return;
  if (core_ == nullptr) {
    *this = std::move(other);
    return;
  }
  core_->merge(other.stream_, stream_, other.records_, other.bytes_);
  records_ += std::exchange(other.records_, 0);
  bytes_ += std::exchange(other.bytes_, 0);
  other.core_ = nullptr;
}

// --- clients that can move the tail ---

// REQUIRES: lock held.
void LogCore::ask_to_advance_soon() {
  advance_wanted_ = true;
  house_asked_ = true;
  house_signal_.notify_one();
}

// One round: the owner of what pins the tail is asked; when it moved, the next one, as long as
// space is short.
void LogCore::ask_clients() {
  Lock lock(writer_->mutex());
  while (advance_wanted_ && !closing_ && writer_->health().is_ok()) {
    const auto pin = tail_pin(catalog_);
    const std::uint64_t size = geometry_.container_size;
    const std::uint64_t active = writer_->container_number();
    if (!pin || pin->cause != FullCause::kBase || pin->lsn.container(size) >= active) break;
    const auto call = clients_.next_call(pin->stream, pin->lsn);
    if (!call) break;
    AdvanceRequest request;
    // Enough for twice the threshold, one container at least, and never into the one in use.
    const std::uint64_t wanted =
        ledger_->policies().max_size / 100 * ledger_->policies().low_space_percent * 2;
    request.left = ledger_->left(stock());
    const std::uint64_t lacking = wanted > request.left ? (wanted - request.left) / size : 0;
    request.target = Lsn(std::min(pin->lsn.container(size) + 1 + lacking, active) * size);
    request.pin = pin->lsn;
    request.attempt = call->attempt;
    request.appends_wait = space_waiters_ > 0;
    clients_.running = pin->stream;
    clients_.running_on = std::this_thread::get_id();
    lock.unlock();
    call->callback(request);
    const Status status = unless_closing([&] { return reclaim(request.appends_wait); });
    lock.lock();
    clients_.running = kCatalogStream;
    client_signal_.notify_all();
    const auto now = tail_pin(catalog_);
    const bool moved = !now || now->lsn > pin->lsn;
    if (moved) note_space();
    if (!moved || !status.is_ok()) break;
    advance_wanted_ = ledger_->is_low(stock()) || space_waiters_ > 0;
  }
  // Whoever meets a full log next, or still waits, asks again.
  advance_wanted_ = false;
}

Status LogCore::on_advance_request(StreamId stream, AdvanceCallback callback) noexcept {
  Lock lock(writer_->mutex());
  if (const auto found = entry(stream); !found.is_ok()) return found.status();
  clients_.set(stream, std::move(callback));
  // The callback that was there does not run any more when this returns, except on this thread.
  client_signal_.wait(lock, [&] {
    return clients_.running != stream || clients_.running_on == std::this_thread::get_id();
  });
  return Status::ok();
}

Status LogCore::advance_failed(StreamId stream, const Status& why) noexcept {
  if (why.is_ok()) {
    return Status(StatusCode::kInvalidArgument, "advance_failed: expected an error, found OK");
  }
  const Lock lock(writer_->mutex());
  CAIRN_ASSIGN_OR_RETURN(const Catalog::Entry* const found, entry(stream));
  clients_.failed(stream, found->pin(), why);
  note_space();  // whoever waits for this stream need not wait any longer
  return Status::ok();
}

SpaceInfo LogCore::space_info() const {
  SpaceInfo info;
  info.reserved = {ledger_->total().reservations, ledger_->total().records, ledger_->total().bytes};
  info.reserved_backing = ledger_->reserved();
  info.held_back = ledger_->held_back();
  info.left = ledger_->left(stock());
  info.containers = ledger_->containers();
  info.free_containers = ledger_->free_containers(writer_->container_number());
  info.wanted_ahead = ledger_->wanted_ahead();
  info.waiting_appends = space_waiters_;
  info.growth_failed = ledger_->growth_failed();
  return info;
}

}  // namespace cairn::log
