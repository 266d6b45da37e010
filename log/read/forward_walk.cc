#include <algorithm>
#include <utility>

#include "read/walk.h"

namespace cairn::log {

ForwardWalk::ForwardWalk(ReadSource& source, ReadHorizon& horizon, ReadOptions options)
    : Walk(source, horizon, std::move(options)), reader_(source) {}

Lsn ForwardWalk::position() const {
  if (!position_.is_valid()) return options_.start;
  return records_left_ > 0 ? Lsn(block_.header.lsn) + offset_ : position_;
}

void ForwardWalk::restart(std::unique_ptr<ForwardWalk>& walk, Lsn lsn) {
  ReadOptions options = walk->options_;
  options.start = lsn;
  walk = std::make_unique<ForwardWalk>(*walk->source_, *walk->horizon_, std::move(options));
}

Result<std::optional<Record>> ForwardWalk::step() {
  if (!position_.is_valid()) CAIRN_RETURN_IF_ERROR(seek());
  while (!over_) {
    if (records_left_ == 0) {
      if (const auto gap = gap_at(position_)) position_ = gap->end;
      const Result<bool> more = next_block();
      if (more.is_ok() && *more) continue;
      reader_.rest();
      CAIRN_RETURN_IF_ERROR(more.status());
      return std::optional<Record>();
    }
    const auto view = format::record_at(block_.bytes, offset_);
    const Lsn lsn = Lsn(block_.header.lsn) + offset_;
    over_ = options_.end.is_valid() && lsn >= options_.end;
    if (over_) break;
    if (const auto gap = gap_at(lsn)) {
      position_ = gap->end;
      records_left_ = 0;
      continue;
    }
    --records_left_;
    offset_ = view.next_offset;
    if (lsn < from_ || !wanted(view.header)) continue;
    CAIRN_ASSIGN_OR_RETURN(const Record record, to_record(view, lsn, source_->geometry()));
    return std::optional<Record>(record);
  }
  reader_.rest();
  return std::optional<Record>();
}

Lsn ForwardWalk::limit() const {
  const Lsn durable = horizon_->durable_end();
  if (!options_.end.is_valid() || options_.end >= durable) return durable;
  return std::min(durable, options_.end + source_->geometry().block_size);
}

Status ForwardWalk::seek() {
  from_ = std::max(options_.start, lowest());
  // An exact record says where its block begins; for any other LSN the container is walked from
  // its first block.
  if (from_ >= horizon_->durable_end()) {
    position_ = horizon_->durable_end();
    return Status::ok();
  }
  if (const auto gap = gap_at(from_)) {
    position_ = gap->end;
    return Status::ok();
  }
  AlignedBuffer buffer;
  std::uint32_t block_offset = 0;
  if (source_->record_block_offset(from_, &buffer, &block_offset)) {
    position_ = Lsn(from_.value() - block_offset);
    return Status::ok();
  }
  const auto container = source_->container(from_.container(source_->geometry().container_size));
  if (!container.is_ok()) return overtaken_or(from_, container.status());
  position_ = Lsn((*container)->content.first_block);
  return Status::ok();
}

Result<bool> ForwardWalk::next_block() {
  if (position_ >= horizon_->durable_end()) {
    CAIRN_RETURN_IF_ERROR(horizon_->end_status());
    return false;
  }
  auto outcome = reader_.read_forward(position_, limit());
  if (!outcome.is_ok() || std::holds_alternative<format::BlockFault>(*outcome)) {
    return fault_at(position_, outcome, horizon_->durable_end());
  }
  block_ = std::get<BlockReader::Block>(std::move(*outcome));
  offset_ = sizeof(format::BlockHeader);
  records_left_ = block_.header.record_count;
  const std::uint64_t size = source_->geometry().container_size;
  switch (static_cast<format::BlockKind>(block_.header.kind)) {
    case format::BlockKind::kContainerHeader:
    case format::BlockKind::kData:
      position_ = position_ + block_.header.padded_length;
      return true;
    case format::BlockKind::kEpoch:
      position_ = Lsn(block_.header.continue_lsn);
      return true;
    case format::BlockKind::kSeal:
      break;
  }
  const std::uint64_t number = position_.container(size) + 1;
  if (Lsn(number * size) >= horizon_->durable_end()) {
    // Nothing is durable in the next container yet. The seal is read again when the caller asks
    // again.
    records_left_ = 0;
    return false;
  }
  const auto container = source_->container(number);
  if (!container.is_ok()) return overtaken_or(Lsn(number * size), container.status());
  position_ = Lsn((*container)->content.first_block);
  return true;
}

}  // namespace cairn::log
