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

Status BackwardWalk::load() {
  const Lsn at = next_;
  if (const auto gap = horizon_->gap_behind(at); gap && at >= gap->begin) {
    // Dead blocks behind a truncation: the newest that still counts begins before it.
    CAIRN_ASSIGN_OR_RETURN(next_, block_before(gap->begin));
    above_ = gap->begin;
    if (next_ >= at) return bad_start(at, "a block before LSN " + at.to_string());
    return Status::ok();
  }
  auto outcome = reader_.read_ending_at(at, above_);
  if (!outcome.is_ok() || std::holds_alternative<format::BlockFault>(*outcome)) {
    return fault_at(at, outcome, std::min(above_, horizon_->durable_end()));
  }
  block_ = std::get<BlockReader::Block>(std::move(*outcome));
  block_gap_ = horizon_->gap_behind(at);
  const Lsn previous(block_.header.previous_block);
  if (previous >= at) {
    StatusDetail detail;
    detail.lsn_begin = at;
    return Status(StatusCode::kCorrupt,
                  "LSN " + at.to_string() + ": previous block: expected a smaller LSN, found " +
                      previous.to_string(),
                  detail);
  }
  next_ = at <= lowest_ ? Lsn::null() : previous;
  above_ = at;
  offsets_.clear();
  std::uint32_t offset = sizeof(format::BlockHeader);
  for (std::uint32_t i = 0; i < block_.header.record_count; ++i) {
    offsets_.push_back(offset);
    offset = format::record_at(block_.bytes, offset).next_offset;
  }
  return Status::ok();
}

}  // namespace cairn::log
