#include "read/end_of_log.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

namespace cairn::log {
namespace {

using format::BlockFault;
using format::BlockHeader;
using format::BlockKind;

// Errors that say "these bytes are not a container of this log" are evidence for the scan; others
// are the storage's.
bool is_evidence(StatusCode code) {
  return code == StatusCode::kContainerMissing || code == StatusCode::kCorrupt;
}

// Whether the block's last record is a mark, and which kind.
std::optional<format::Mark> closing_record_mark(const BlockReader::Block& block) {
  if (block.header.record_count != 1) return std::nullopt;
  const auto view = format::record_at(block.bytes, sizeof(BlockHeader));
  format::Mark mark;
  if (static_cast<RecordKind>(view.header.kind) != RecordKind::kCatalog ||
      static_cast<format::CatalogType>(view.header.type) != format::CatalogType::kMark ||
      view.payload.size() != sizeof mark) {
    return std::nullopt;
  }
  std::memcpy(&mark, view.payload.data(), sizeof mark);
  return mark;
}

}  // namespace

EndLabel judge_end(const EndEvidence& evidence) {
  if (evidence.base_log_beyond) return EndLabel::kDamageProvenByBaseLog;
  if (evidence.watermark_beyond) return EndLabel::kDamageProvenByWatermark;
  if (evidence.later_container) return EndLabel::kDamageProvenBySeal;
  if (evidence.block_begun) return EndLabel::kTornTail;
  if (evidence.last_is_closing_mark) return EndLabel::kCleanClose;
  if (evidence.last_is_idle_mark) return EndLabel::kEndAtMark;
  return EndLabel::kEndUnwritten;
}

LogScanner::LogScanner(ReadSource& source, const format::BaseSlot& slot, Lsn start)
    : source_(&source), slot_(slot), reader_(source), position_(start) {}

std::optional<BlockFault> LogScanner::check_order(const BlockHeader& header) const {
  const Lsn lsn(header.lsn);
  const auto fault = [&](const char* what, std::uint64_t expected, std::uint64_t found) {
    return BlockFault{
        std::string(what) + std::to_string(expected) + ", found " + std::to_string(found), lsn,
        false};
  };
  if (header.watermark > header.lsn) {
    return fault("block watermark: expected at most ", header.lsn, header.watermark);
  }
  if (!order_known_) {
    if (header.epoch >= epoch_) return std::nullopt;
    return fault("epoch: expected at least ", epoch_, header.epoch);
  }
  if (header.previous_block != last_block_.value()) {
    return fault("previous block: expected LSN ", last_block_.value(), header.previous_block);
  }
  const bool opens_epoch = header.kind == static_cast<std::uint16_t>(BlockKind::kEpoch);
  if (opens_epoch ? header.epoch <= epoch_ : header.epoch != epoch_) {
    return fault(opens_epoch ? "epoch of an epoch block: expected more than " : "epoch: expected ",
                 epoch_, header.epoch);
  }
  return std::nullopt;
}

Result<std::optional<BlockFault>> LogScanner::enter_container(std::uint64_t number,
                                                              Lsn* first_block) {
  const auto entered = source_->container(number);
  if (entered.is_ok()) {
    *first_block = Lsn((*entered)->content.first_block);
    return std::optional<BlockFault>();
  }
  if (!is_evidence(entered.code())) return entered.status();
  *first_block = Lsn(number * source_->geometry().container_size);
  return std::optional<BlockFault>(BlockFault{entered.status().message(), *first_block, false});
}

Result<std::optional<BlockReader::Block>> LogScanner::next() {
  CAIRN_ASSIGN_OR_RETURN(auto block, try_next());
  if (block || !end_label_is_damage(end_.label)) return block;
  // Beside a process that writes the log, the bytes here can have arrived between the look at them
  // and the look at the proof behind them. What is damaged stays so.
  return try_next();
}

Result<std::optional<BlockReader::Block>> LogScanner::try_next() {
  gap_.reset();
  if (pending_fault_) {
    container_lost_ = true;
    CAIRN_RETURN_IF_ERROR(judge(*pending_fault_));
    return std::optional<BlockReader::Block>();
  }
  auto outcome = reader_.read_forward(position_, Lsn::invalid());
  if (!outcome.is_ok()) {
    if (!is_evidence(outcome.code())) return outcome.status();
    CAIRN_RETURN_IF_ERROR(judge(BlockFault{outcome.status().message(), position_, false}));
    return std::optional<BlockReader::Block>();
  }
  auto* block = std::get_if<BlockReader::Block>(&*outcome);
  if (block != nullptr) {
    if (auto fault = check_order(block->header)) {
      CAIRN_RETURN_IF_ERROR(judge(*fault));
      return std::optional<BlockReader::Block>();
    }
    CAIRN_RETURN_IF_ERROR(accept(*block));
    return std::optional<BlockReader::Block>(*block);
  }
  CAIRN_RETURN_IF_ERROR(judge(std::get<BlockFault>(*outcome)));
  return std::optional<BlockReader::Block>();
}

Status LogScanner::accept(const BlockReader::Block& block) {
  const std::uint64_t size = source_->geometry().container_size;
  last_block_ = position_;
  last_header_ = block.header;
  order_known_ = true;
  epoch_ = block.header.epoch;
  window_ = std::max(window_, block.header.window);
  const auto mark = closing_record_mark(block);
  last_is_closing_mark_ = mark && mark->closed != 0;
  last_is_idle_mark_ = mark && mark->closed == 0;

  const Lsn behind = position_ + block.header.padded_length;
  std::optional<std::uint64_t> into;  // container to enter
  switch (static_cast<BlockKind>(block.header.kind)) {
    case BlockKind::kContainerHeader:
    case BlockKind::kData:
      position_ = behind;
      break;
    case BlockKind::kSeal:
      into = position_.container(size) + 1;
      break;
    case BlockKind::kEpoch:
      gap_ = format::Gap{behind, Lsn(block.header.continue_lsn)};
      position_ = gap_->end;
      if (last_block_.container(size) != position_.container(size))
        into = position_.container(size);
      break;
  }
  if (!into) return Status::ok();
  Lsn first_block;
  CAIRN_ASSIGN_OR_RETURN(pending_fault_, enter_container(*into, &first_block));
  if (!gap_) position_ = first_block;
  return Status::ok();
}

Status LogScanner::judge(const BlockFault& fault) {
  EndEvidence evidence;
  end_ = EndOfLog{};
  end_.end = position_;
  end_.epoch = epoch_;
  end_.reason = fault.reason;
  end_.damage_begin = fault.header_valid ? std::max(fault.lsn, position_) : position_;
  fault_header_.reset();
  if (Lsn(slot_.durable) > position_) {
    evidence.base_log_beyond = true;
    end_.damage_end = Lsn(slot_.durable);
  }
  evidence.block_begun = fault.header_valid;
  CAIRN_RETURN_IF_ERROR(look_on(&evidence));
  CAIRN_RETURN_IF_ERROR(look_at_later_containers(&evidence));
  evidence.last_is_closing_mark = last_is_closing_mark_;
  evidence.last_is_idle_mark = last_is_idle_mark_;
  end_.label = judge_end(evidence);
  return Status::ok();
}

// Rows 2 and 4: every place in the window where a block could begin.
Status LogScanner::look_on(EndEvidence* evidence) {
  const std::uint64_t size = source_->geometry().container_size;
  const std::uint64_t step = source_->geometry().alignment;
  const Lsn container_end((position_.container(size) + 1) * size);
  // Until a block was seen the window is not known; then the whole container is looked at.
  const Lsn window_end = window_ == 0 ? container_end : position_ + window_;
  for (Lsn at = position_; at < container_end && at <= window_end; at = at + step) {
    const auto header = reader_.probe_header(at, epoch_);
    if (!header.is_ok()) {
      if (is_evidence(header.code())) return Status::ok();
      return header.status();
    }
    if (!*header) continue;
    if (at == position_) fault_header_ = **header;
    if (at != position_ || (*header)->previous_block == last_block_.value()) {
      evidence->block_begun = true;
    }
    if (Lsn((*header)->watermark) > position_) {
      evidence->watermark_beyond = true;
      end_.damage_end = std::max(end_.damage_end, Lsn((*header)->watermark));
    }
  }
  return Status::ok();
}

// Row 3.
Status LogScanner::look_at_later_containers(EndEvidence* evidence) {
  const std::uint64_t size = source_->geometry().container_size;
  const std::uint64_t number = position_.container(size);
  if (container_lost_) {
    evidence->later_container = true;
    end_.damage_end = std::max(end_.damage_end, position_ + 1);
  }
  CAIRN_ASSIGN_OR_RETURN(const std::vector<std::uint64_t> numbers, source_->list_containers());
  for (const std::uint64_t later : numbers) {
    if (later <= number) continue;
    const auto container = source_->container(later);
    if (!container.is_ok()) {
      if (!is_evidence(container.code())) return container.status();
      continue;
    }
    if ((*container)->header.epoch < epoch_) continue;
    const Lsn first((*container)->content.first_block);
    CAIRN_ASSIGN_OR_RETURN(const auto header, reader_.probe_header(first, epoch_));
    if (header || later > number + 1) {
      evidence->later_container = true;
      end_.damage_end =
          std::max(end_.damage_end, header ? Lsn(header->watermark) : Lsn((later - 1) * size));
    }
  }
  return Status::ok();
}

Result<bool> LogScanner::skip_damage(Lsn limit) {
  const std::uint64_t size = source_->geometry().container_size;
  const std::uint64_t step = source_->geometry().alignment;
  order_known_ = false;
  container_lost_ = false;
  pending_fault_.reset();
  if (fault_header_) {
    // The faulty block's own header is whole, and says what comes behind it.
    const auto kind = static_cast<BlockKind>(fault_header_->kind);
    if (kind == BlockKind::kEpoch) {
      position_ = Lsn(fault_header_->continue_lsn);
    } else if (kind == BlockKind::kSeal) {
      Lsn first_block;
      CAIRN_ASSIGN_OR_RETURN(pending_fault_,
                             enter_container(position_.container(size) + 1, &first_block));
      position_ = first_block;
    } else {
      position_ = position_ + fault_header_->padded_length;
    }
    return position_ < limit;
  }
  for (Lsn at = position_ + step; at < limit;) {
    if (at.offset(size) == 0) {
      Lsn first_block;
      CAIRN_ASSIGN_OR_RETURN(const auto fault, enter_container(at.container(size), &first_block));
      if (!fault) {
        position_ = first_block;
        return position_ < limit;
      }
      at = at + size;
      continue;
    }
    const auto header = reader_.probe_header(at, 0);
    if (!header.is_ok() && !is_evidence(header.code())) return header.status();
    if (header.is_ok() && *header) {
      position_ = at;
      return true;
    }
    // No container here at all, or behind the end of its file: the next one.
    const auto container = source_->container(at.container(size));
    const bool inside = container.is_ok() && at.offset(size) < (*container)->file_size;
    at = header.is_ok() && inside ? at + step : Lsn((at.container(size) + 1) * size);
  }
  return false;
}

Status fold_catalog(const LogScanner& scanner, const BlockReader::Block& block,
                    const format::LogGeometry& geometry, Catalog* catalog) {
  if (const auto gap = scanner.gap()) catalog->add_gap(gap->begin, gap->end);
  std::uint32_t offset = sizeof(BlockHeader);
  for (std::uint32_t i = 0; i < block.header.record_count; ++i) {
    const auto view = format::record_at(block.bytes, offset);
    CAIRN_ASSIGN_OR_RETURN(const Record record,
                           to_record(view, Lsn(block.header.lsn) + offset, geometry));
    CAIRN_RETURN_IF_ERROR(catalog->apply(record));
    offset = view.next_offset;
  }
  return Status::ok();
}

Result<FoundEnd> find_end(ReadSource& source, const format::BaseSlot& slot) {
  FoundEnd found;
  LogScanner scanner(source, slot, Lsn(slot.scan_start));
  for (;;) {
    CAIRN_ASSIGN_OR_RETURN(const auto block, scanner.next());
    if (!block) break;
    found.scanned_bytes += block->header.padded_length;
    CAIRN_RETURN_IF_ERROR(fold_catalog(scanner, *block, source.geometry(), &found.catalog));
  }
  found.end = scanner.end();
  found.last_block = scanner.last_block();
  found.window = scanner.window();
  if (!end_label_is_damage(found.end.label)) CAIRN_RETURN_IF_ERROR(found.catalog.finish_recovery());
  return found;
}

Status damage_status(const EndOfLog& end, ReadSource& source) {
  StatusDetail detail;
  detail.lsn_begin = end.damage_begin;
  detail.lsn_end = end.damage_end;
  detail.file = source.directory().path() + "/" +
                container_file_name(end.end.container(source.geometry().container_size));
  return Status(StatusCode::kCorrupt,
                detail.file + ": acknowledged bytes from LSN " + end.damage_begin.to_string() +
                    " to " + end.damage_end.to_string() + " are damaged (" +
                    std::string(end_label_name(end.label)) + "): " + end.reason,
                detail);
}

}  // namespace cairn::log
