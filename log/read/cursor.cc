#include <algorithm>
#include <utility>

#include <cairn/cursor.h>

#include "read/block_reader.h"
#include "read/read_source.h"

namespace cairn::log {
namespace {

Status bad_start(Lsn lsn, const char* expected) {
  StatusDetail detail;
  detail.lsn_begin = lsn;
  return Status(
      StatusCode::kLsnInvalid,
      std::string("cursor start: expected ") + expected + ", found LSN " + lsn.to_string(), detail);
}

}  // namespace

// Walks blocks for the forward order, single records for the chains.
class Cursor::Impl {
 public:
  Impl(ReadSource& source, ReadHorizon& horizon, ReadOptions options)
      : source_(&source), horizon_(&horizon), options_(std::move(options)), reader_(source) {}

  [[nodiscard]] Result<std::optional<Record>> next() {
    if (!error_.is_ok()) return error_;
    auto found = options_.order == ReadOrder::kForward ? next_forward() : next_in_chain();
    if (!found.is_ok()) error_ = found.status();
    return found;
  }

 private:
  [[nodiscard]] Result<std::optional<Record>> next_forward() {
    if (!position_.is_valid()) CAIRN_RETURN_IF_ERROR(seek());
    for (;;) {
      if (records_left_ == 0) {
        CAIRN_ASSIGN_OR_RETURN(const bool more, next_block());
        if (!more) return std::optional<Record>();
        continue;
      }
      const auto view = format::record_at(block_.bytes, offset_);
      const Lsn lsn = Lsn(block_.header.lsn) + offset_;
      if (options_.end.is_valid() && lsn >= options_.end) return std::optional<Record>();
      --records_left_;
      offset_ = view.next_offset;
      if (lsn < from_ || !wanted(view)) continue;
      CAIRN_ASSIGN_OR_RETURN(const Record record, to_record(view, lsn, source_->geometry()));
      return std::optional<Record>(record);
    }
  }

  [[nodiscard]] bool wanted(const format::RecordView& view) const {
    if (options_.stream) {
      if (view.header.stream != *options_.stream) return false;
    } else if (static_cast<RecordKind>(view.header.kind) == RecordKind::kCatalog &&
               !options_.catalog) {
      return false;
    }
    return options_.types.empty() || std::find(options_.types.begin(), options_.types.end(),
                                               view.header.type) != options_.types.end();
  }

  // Sets from_ (first LSN wanted) and position_ (first block to read).
  [[nodiscard]] Status seek() {
    from_ = std::max(options_.start, horizon_->tail());
    if (options_.stream) from_ = std::max(from_, horizon_->stream_base(*options_.stream));
    // An exact record says where its block begins; for any other LSN the container is walked from
    // its first block.
    const std::uint64_t size = source_->geometry().container_size;
    if (from_ >= horizon_->durable_end()) {
      position_ = horizon_->durable_end();
      return Status::ok();
    }
    AlignedBuffer buffer;
    std::uint32_t block_offset = 0;
    if (!horizon_->in_gap(from_) && source_->record_block_offset(from_, &buffer, &block_offset)) {
      position_ = Lsn(from_.value() - block_offset);
      return Status::ok();
    }
    CAIRN_ASSIGN_OR_RETURN(const auto container, source_->container(from_.container(size)));
    position_ = Lsn(container->content.first_block);
    return Status::ok();
  }

  // Loads the block at position_ and moves position_ behind it. False at the durable end.
  [[nodiscard]] Result<bool> next_block() {
    if (position_ >= horizon_->durable_end()) {
      CAIRN_RETURN_IF_ERROR(horizon_->end_status());
      return false;
    }
    auto outcome = reader_.read(position_);
    if (!outcome.is_ok() || std::holds_alternative<format::BlockFault>(*outcome)) {
      return fault_at_position(outcome);
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
      return false;
    }
    CAIRN_ASSIGN_OR_RETURN(const auto container, source_->container(number));
    position_ = Lsn(container->content.first_block);
    return true;
  }

  // A block below the durable end that cannot be read: the log moved on past it, or it is damaged.
  [[nodiscard]] Result<bool> fault_at_position(const Result<BlockReader::Outcome>& outcome) const {
    StatusDetail detail;
    detail.lsn_begin = position_;
    const std::uint64_t size = source_->geometry().container_size;
    if (position_.container(size) < horizon_->tail().container(size)) {
      return Status(StatusCode::kStartOfLog,
                    "LSN " + position_.to_string() + ": behind the log's tail " +
                        horizon_->tail().to_string() + " by now",
                    detail);
    }
    if (!outcome.is_ok()) return outcome.status();
    const auto& fault = std::get<format::BlockFault>(*outcome);
    detail.lsn_begin = fault.lsn;
    detail.lsn_end = horizon_->durable_end();
    detail.file =
        source_->directory().path() + "/" + container_file_name(position_.container(size));
    return Status(StatusCode::kCorrupt,
                  detail.file + ": LSN " + fault.lsn.to_string() + ": " + fault.reason, detail);
  }

  [[nodiscard]] Result<std::optional<Record>> next_in_chain() {
    const bool first = !chain_started_;
    const Lsn lsn = first ? options_.start : chain_next_;
    if (first && !lsn.is_valid()) return bad_start(lsn, "the LSN of a record");
    chain_started_ = true;
    const Lsn low = std::max(horizon_->tail(),
                             options_.stream ? horizon_->stream_base(*options_.stream) : Lsn());
    for (Lsn at = lsn;;) {
      if (!at.is_valid() || (at < low && !first)) return std::optional<Record>();
      if (at < low) return bad_start(at, ("an LSN from " + low.to_string() + " on").c_str());
      CAIRN_RETURN_IF_ERROR(horizon_->make_durable(at));
      if (horizon_->in_gap(at)) return bad_start(at, "a record, not a gap left by a torn tail");
      CAIRN_ASSIGN_OR_RETURN(const Record record, source_->read_record(at, &buffer_));
      if (options_.stream && record.stream != *options_.stream) {
        return bad_start(at, "a record of this stream");
      }
      chain_next_ = options_.order == ReadOrder::kPrevious ? record.previous : record.undo_next;
      if (chain_next_ >= at && chain_next_.is_valid()) {
        return Status(StatusCode::kCorrupt, "LSN " + at.to_string() +
                                                ": a chain link points forward, to LSN " +
                                                chain_next_.to_string());
      }
      if (options_.types.empty() || std::find(options_.types.begin(), options_.types.end(),
                                              record.type) != options_.types.end()) {
        return std::optional<Record>(record);
      }
      at = chain_next_;
      if (!at.is_valid() || at < low) return std::optional<Record>();
    }
  }

  ReadSource* source_;
  ReadHorizon* horizon_;
  ReadOptions options_;
  BlockReader reader_;
  Status error_;

  Lsn from_;
  Lsn position_;  // of the next block
  BlockReader::Block block_;
  std::uint32_t offset_ = 0;
  std::uint32_t records_left_ = 0;

  AlignedBuffer buffer_;
  bool chain_started_ = false;
  Lsn chain_next_;
};

Cursor::Cursor(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Cursor::Cursor(Cursor&&) noexcept = default;
Cursor& Cursor::operator=(Cursor&&) noexcept = default;
Cursor::~Cursor() = default;

Result<std::optional<Record>> Cursor::next() {
  if (impl_ == nullptr) return Status(StatusCode::kInvalidState, "the cursor was moved from");
  return impl_->next();
}

Result<Cursor> ReadSource::make_cursor(ReadOptions options, ReadHorizon* horizon) {
  if (options.order != ReadOrder::kForward && !options.start.is_valid()) {
    return bad_start(options.start, "the LSN of a record");
  }
  if (options.start.is_invalid()) return bad_start(options.start, "an LSN");
  return Cursor(std::make_unique<Cursor::Impl>(*this, *horizon, std::move(options)));
}

}  // namespace cairn::log
