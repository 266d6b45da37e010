// LogCore's archive tail: what has not been archived is not recycled.
#include <algorithm>
#include <utility>

#include "log_core.h"

namespace cairn::log {

Status LogCore::set_archive_tail(Lsn lsn) noexcept {
  // Nothing is recycled meanwhile, so that what is held now stays held.
  const std::lock_guard round(housekeeping_mutex_);
  {
    const Lock lock(writer_->mutex());
    const Lsn present = catalog_.archive_tail();
    if (lsn.is_null()) lsn = std::max(present, tail());
    if (lsn < std::max(present, tail()) || lsn > writer_->durable()) {
      StatusDetail detail;
      detail.lsn_begin = lsn;
      return Status(StatusCode::kLsnInvalid,
                    "archive tail: expected an LSN from " + std::max(present, tail()).to_string() +
                        " to the durable LSN " + writer_->durable().to_string() + ", found " +
                        lsn.to_string(),
                    detail);
    }
  }
  return write_archive_tail(lsn);
}

Status LogCore::stop_archiving() noexcept {
  const std::lock_guard round(housekeeping_mutex_);
  {
    const Lock lock(writer_->mutex());
    if (catalog_.archive_tail().is_null() && writer_->health().is_ok()) return Status::ok();
  }
  return write_archive_tail(Lsn());
}

Lsn LogCore::archive_tail() const {
  const Lock lock(writer_->mutex());
  return catalog_.archive_tail();
}

// REQUIRES: housekeeping_mutex_ held. As a part of the housekeeping it does not ask for space to be
// reclaimed; a full log has some held back for it.
Status LogCore::write_archive_tail(Lsn lsn) {
  auto encoded = format::encode_catalog(format::ArchiveTail{lsn, Lsn()});
  const std::size_t size = encoded.payload.size();
  Lock lock(writer_->mutex());
  if (closing_) return Status(StatusCode::kClosed, "the log was closed");
  SpaceDemand demand = demand_of(SpaceClass::kHeldBack, size);
  demand.moves_pin = in_later_container(catalog_.archive_tail(), lsn);
  demand.in_housekeeping = true;
  CAIRN_RETURN_IF_ERROR(admit(lock, demand, size));
  return settle(append_catalog(lock, size, [&](const BlockWriter::Place& place) {
    catalog_.set_archive_tail({lsn, place.lsn});
    newest_catalog_change_ = place.lsn + 1;
    return std::move(encoded);
  }));
}

}  // namespace cairn::log
