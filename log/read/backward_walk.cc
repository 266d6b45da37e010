#include <algorithm>
#include <string>
#include <utility>

#include "read/walk.h"

namespace cairn::log {

BackwardWalk::BackwardWalk(ReadSource& source, ReadHorizon& horizon, ReadOptions options)
    : Walk(source, horizon, std::move(options)), reader_(source) {}

Result<std::optional<Record>> BackwardWalk::step() {
  if (!sought_) {
    CAIRN_RETURN_IF_ERROR(seek());
    sought_ = true;
  }
  for (;;) {
    if (offsets_.empty()) {
      if (!next_.is_valid()) return std::optional<Record>();
      CAIRN_RETURN_IF_ERROR(load());
      continue;
    }
    const std::uint32_t offset = offsets_.back();
    offsets_.pop_back();
    const Lsn lsn = Lsn(block_.header.lsn) + offset;
    if (lsn < lowest_) {
      offsets_.clear();
      continue;
    }
    const bool dead = block_gap_ && lsn >= block_gap_->begin;
    const auto view = format::record_at(block_.bytes, offset);
    if (lsn > from_ || dead || !wanted(view.header)) continue;
    CAIRN_ASSIGN_OR_RETURN(const Record record, to_record(view, lsn, source_->geometry()));
    return std::optional<Record>(record);
  }
}

Status BackwardWalk::seek() {
  lowest_ = std::max(lowest(), options_.end);
  from_ = options_.start;
  if (from_.is_null()) {
    // What stands behind the end, if it is damage, is a part of what was asked for.
    CAIRN_RETURN_IF_ERROR(horizon_->end_status());
    from_ = Lsn::invalid();
    next_ = horizon_->last_block();
    above_ = next_ + source_->geometry().block_size;
    return Status::ok();
  }
  if (from_ < lowest()) return bad_start(from_, "an LSN from " + lowest().to_string() + " on");
  CAIRN_RETURN_IF_ERROR(horizon_->make_durable(from_));
  AlignedBuffer buffer;
  std::uint32_t block_offset = 0;
  if (const auto gap = horizon_->gap_behind(from_); gap && from_ >= gap->begin) {
    CAIRN_ASSIGN_OR_RETURN(next_, block_before(gap->begin));
  } else if (source_->record_block_offset(from_, &buffer, &block_offset)) {
    next_ = Lsn(from_.value() - block_offset);
  } else {
    CAIRN_ASSIGN_OR_RETURN(next_, block_before(from_ + 1));
  }
  above_ = next_ + source_->geometry().block_size;
  return Status::ok();
}

Result<Lsn> BackwardWalk::block_before(Lsn lsn) {
  const std::uint64_t size = source_->geometry().container_size;
  const Lsn before(lsn.value() - 1);
  const auto container = source_->container(before.container(size));
  if (!container.is_ok()) return overtaken_or(before, container.status());
  const Lsn first((*container)->content.first_block);
  Lsn found;
  for (Lsn at = first; at < horizon_->durable_end();) {
    const auto outcome = reader_.read(at);
    if (!outcome.is_ok() || std::holds_alternative<format::BlockFault>(*outcome)) {
      return fault_at(at, outcome, lsn);
    }
    const format::BlockHeader& header = std::get<BlockReader::Block>(*outcome).header;
    // The container's own first block leads back into the one before it.
    if (at >= lsn) return Lsn(header.previous_block);
    found = at;
    const auto kind = static_cast<format::BlockKind>(header.kind);
    if (kind == format::BlockKind::kSeal) return found;
    at = kind == format::BlockKind::kEpoch ? Lsn(header.continue_lsn) : at + header.padded_length;
    if (at >= lsn) return found;
  }
  return found.is_valid() ? found : horizon_->last_block();
}

Status BackwardWalk::check_place(Lsn at) const {
  const std::uint64_t offset = at.offset(source_->geometry().container_size);
  const bool before = successor_.is_null() || at < successor_;
  if (before && offset != 0 && offset % source_->geometry().alignment == 0) return Status::ok();
  StatusDetail detail;
  detail.lsn_begin = successor_;
  return Status(
      StatusCode::kCorrupt,
      "LSN " + successor_.to_string() +
          ": previous block: expected an older place where a block can begin, found LSN " +
          at.to_string(),
      detail);
}

Status BackwardWalk::check_successor(const format::BlockHeader& header) const {
  if (successor_.is_null()) return Status::ok();
  const std::uint64_t size = source_->geometry().container_size;
  const Lsn at(header.lsn);
  bool leads = false;
  switch (static_cast<format::BlockKind>(header.kind)) {
    case format::BlockKind::kContainerHeader:
      break;
    case format::BlockKind::kData:
      leads = at + header.padded_length == successor_;
      break;
    case format::BlockKind::kSeal:
      leads = at.container(size) + 1 == successor_.container(size);
      break;
    case format::BlockKind::kEpoch:
      leads = Lsn(header.continue_lsn) == successor_;
      break;
  }
  if (leads) return Status::ok();
  StatusDetail detail;
  detail.lsn_begin = at;
  detail.lsn_end = successor_;
  return Status(StatusCode::kCorrupt,
                "LSN " + successor_.to_string() + ": previous block: the one at LSN " +
                    at.to_string() + " does not lead here",
                detail);
}

Status BackwardWalk::load() {
  const Lsn at = next_;
  CAIRN_RETURN_IF_ERROR(check_place(at));
  if (const auto gap = horizon_->gap_behind(at); gap && at >= gap->begin) {
    // Dead blocks behind a truncation: the newest that still counts begins before it.
    CAIRN_ASSIGN_OR_RETURN(next_, block_before(gap->begin));
    above_ = next_ + source_->geometry().block_size;
    successor_ = Lsn::null();
    return next_ < at ? Status::ok() : bad_start(at, "a block before LSN " + at.to_string());
  }
  auto outcome = reader_.read_ending_at(at, above_);
  if (!outcome.is_ok() || std::holds_alternative<format::BlockFault>(*outcome)) {
    return fault_at(at, outcome, std::min(above_, horizon_->durable_end()));
  }
  block_ = std::get<BlockReader::Block>(std::move(*outcome));
  CAIRN_RETURN_IF_ERROR(check_successor(block_.header));
  block_gap_ = horizon_->gap_behind(at);
  next_ = at <= lowest_ ? Lsn::null() : Lsn(block_.header.previous_block);
  above_ = at;
  successor_ = at;
  offsets_.clear();
  std::uint32_t offset = sizeof(format::BlockHeader);
  for (std::uint32_t i = 0; i < block_.header.record_count; ++i) {
    offsets_.push_back(offset);
    offset = format::record_at(block_.bytes, offset).next_offset;
  }
  return Status::ok();
}

}  // namespace cairn::log
