// LogCore's space: which appends are let in, what is reserved, and what a full log says.
#include <algorithm>
#include <string>
#include <utility>

#include "log_core.h"

namespace cairn::log {

// --- admission ---

SpaceLedger::Stock LogCore::stock() const {
  SpaceLedger::Stock stock;
  stock.room = writer_->room_in_container();
  stock.free_containers = containers_->spares() + (writer_->needs_container() ? 0 : 1);
  stock.containers = containers_->containers();
  return stock;
}

Status LogCore::full(SpaceVerdict verdict) const {
  StatusDetail detail;
  const auto pin = catalog_.oldest_pin();
  const std::uint64_t size = geometry_.container_size;
  detail.cause = FullCause::kMaximum;
  if (verdict == SpaceVerdict::kFullByReservation) {
    detail.cause = FullCause::kReservation;
  } else if (pin && pin->lsn.container(size) < writer_->container_number()) {
    detail.cause = FullCause::kBase;
  }
  std::string who = "nothing pins it";
  if (pin) {
    detail.lsn_begin = pin->lsn;
    detail.stream = catalog_.find(pin->stream)->name;
    who = "stream \"" + detail.stream + "\" pins it at LSN " + pin->lsn.to_string();
  }
  // What the archive keeps back is not the stream's fault.
  const Lsn archived = catalog_.archive_tail();
  const std::uint64_t held = archived.container(size);
  if (archived.is_valid() && verdict != SpaceVerdict::kFullByReservation &&
      held < writer_->container_number() && (!pin || held < pin->lsn.container(size))) {
    detail.cause = FullCause::kArchive;
    detail.lsn_begin = archived;
    detail.stream.clear();
    who = "the archive tail pins it at LSN " + archived.to_string();
  }
  const std::string limit =
      ledger_->growth_failed()
          ? "the file system has no space for another container"
          : "it has its maximum of " + std::to_string(ledger_->max_containers()) + " containers";
  return Status(StatusCode::kLogFull,
                directory_->path() + ": log full (" + std::string(full_cause_name(detail.cause)) +
                    "): " + limit + ", " + std::to_string(ledger_->reserved()) +
                    " bytes are reserved, " + who,
                detail);
}

// Makes the open block have room for a record that the ledger allows. The lock may be given up
// meanwhile, so that whatever was looked at before must be looked at again.
Status LogCore::admit(Lock& lock, SpaceClass who, std::size_t payload, bool own_block) {
  const std::uint64_t bytes = ledger_->charge(payload);
  bool reclaimed = false;
  // The snapshot of a truncation is the only one that is written while others wait for its end.
  const bool waits = who != SpaceClass::kSnapshot;
  for (;;) {
    while (waits && truncating_) truncated_.wait(lock);
    const Status room = writer_->make_room(lock, payload, own_block);
    if (waits && truncating_) continue;
    const bool no_container = room.code() == StatusCode::kLogFull;
    if (!room.is_ok() && !no_container) return room;
    const SpaceVerdict verdict =
        no_container ? SpaceVerdict::kFull : ledger_->ask(who, bytes, stock());
    if (verdict == SpaceVerdict::kGranted) return Status::ok();
    // A snapshot is a part of reclaiming space; it does not ask for it.
    if (verdict != SpaceVerdict::kGrow && (reclaimed || who == SpaceClass::kSnapshot)) {
      return full(verdict);
    }
    lock.unlock();
    Status status;
    if (verdict == SpaceVerdict::kGrow) {
      status = containers_->make_spare();
    } else {
      status = reclaim(true);
      reclaimed = true;
    }
    lock.lock();
    if (verdict == SpaceVerdict::kGrow) {
      ledger_->set_growth_failed(!status.is_ok());
      if (!status.is_ok() && status.code() != StatusCode::kNoSpace) return status;
    } else if (!status.is_ok() && status.code() != StatusCode::kLogFull) {
      return status;
    }
  }
}

// --- reservations ---

Result<Reservation> LogCore::reserve(std::uint32_t records, std::uint64_t payload_bytes) {
  // Each record may end up alone in a block: its framing, rounding, and one alignment unit of
  // padding.
  const std::uint64_t bytes =
      payload_bytes + std::uint64_t{records} * (ledger_->charge(0) + geometry_.alignment);
  bool reclaimed = false;
  Lock lock(writer_->mutex());
  for (;;) {
    if (closing_) return Status(StatusCode::kClosed, "the log was closed");
    if (!writer_->health().is_ok()) return writer_->health();
    const SpaceVerdict verdict = ledger_->ask_reserve(bytes, stock());
    if (verdict == SpaceVerdict::kGranted) {
      ledger_->reserve(bytes);
      return Reservation(this, bytes);
    }
    if (verdict != SpaceVerdict::kGrow && reclaimed) return full(verdict);
    lock.unlock();
    const bool grows = verdict == SpaceVerdict::kGrow;
    const Status status = grows ? containers_->make_spare() : reclaim(true);
    lock.lock();
    reclaimed = reclaimed || !grows;
    if (grows) ledger_->set_growth_failed(!status.is_ok());
    const StatusCode tolerated = grows ? StatusCode::kNoSpace : StatusCode::kLogFull;
    if (!status.is_ok() && status.code() != tolerated) return status;
  }
}

void LogCore::release(std::uint64_t bytes) {
  const Lock lock(writer_->mutex());
  ledger_->release(bytes);
}

void Reservation::release() {
  if (core_ != nullptr && bytes_ > 0) core_->release(bytes_);
  core_ = nullptr;
  bytes_ = 0;
}

void Reservation::merge(Reservation&& other) {
  if (core_ == nullptr) core_ = other.core_;
  bytes_ += std::exchange(other.bytes_, 0);
  other.core_ = nullptr;
}

}  // namespace cairn::log
