// LogCore's archive tail: what has not been archived is not recycled.
#include <algorithm>
#include <array>
#include <utility>

#include "log_core.h"

namespace cairn::log {

Status LogCore::set_archive_tail(Lsn lsn) {
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

Status LogCore::stop_archiving() {
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
  const auto encoded = format::encode_catalog(format::ArchiveTail{lsn, Lsn()});
  const std::array<std::span<const std::byte>, 1> pieces{encoded.payload};
  Lock lock(writer_->mutex());
  if (closing_) return Status(StatusCode::kClosed, "the log was closed");
  CAIRN_RETURN_IF_ERROR(admit(lock, demand_of(SpaceClass::kSnapshot, encoded.payload.size()),
                              encoded.payload.size()));
  const BlockWriter::Place place = writer_->take(encoded.payload.size());
  catalog_.set_archive_tail({lsn, place.lsn});
  newest_catalog_change_ = place.lsn + 1;
  note_append(kCatalogStream, place.lsn);
  lock.unlock();
  format::RecordFields fields;
  fields.kind = RecordKind::kCatalog;
  fields.type = static_cast<std::uint16_t>(encoded.type);
  writer_->fill(place, fields, pieces);
  CAIRN_RETURN_IF_ERROR(wait_for(place.lsn + 1, Durability::kDurable));
  ask_for_housekeeping();
  return Status::ok();
}

}  // namespace cairn::log
