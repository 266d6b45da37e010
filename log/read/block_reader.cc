#include "read/block_reader.h"

#include <algorithm>

namespace cairn::log {

BlockReader::BlockReader(ReadSource& source) : source_(&source) {}

Result<std::span<const std::byte>> BlockReader::bytes_at(Lsn lsn, std::size_t want, bool fresh) {
  const std::uint64_t size = source_->geometry().container_size;
  const std::uint64_t number = lsn.container(size);
  const std::uint64_t offset = lsn.offset(size);
  want = static_cast<std::size_t>(std::min<std::uint64_t>(want, size - offset));
  const bool held = container_ != nullptr && number == container_number_ &&
                    offset >= buffer_offset_ && offset + want <= buffer_offset_ + buffer_length_;
  fresh_ = fresh || !held;
  if (fresh_) {
    if (buffer_.size() == 0) {
      buffer_ = AlignedBuffer(BlockStream::piece_size(source_->geometry()));
    }
    if (container_ == nullptr || number != container_number_ || fresh) {
      buffer_length_ = 0;
      CAIRN_ASSIGN_OR_RETURN(container_, source_->container(number));
      container_number_ = number;
    }
    std::uint64_t from = offset;
    std::uint64_t to = std::min<std::uint64_t>(size, offset + buffer_.size());
    if (backward_to_ > offset) {
      to = std::min(size, backward_to_);
      from = std::min(offset, to - std::min<std::uint64_t>(to, buffer_.size()));
    }
    CAIRN_ASSIGN_OR_RETURN(
        buffer_length_,
        container_->file->read(from, buffer_.bytes().first(static_cast<std::size_t>(to - from))));
    buffer_offset_ = from;
  }
  return std::as_const(buffer_).bytes().subspan(
      offset - buffer_offset_,
      buffer_length_ - std::min<std::size_t>(buffer_length_, offset - buffer_offset_));
}

Result<BlockReader::Outcome> BlockReader::read(Lsn lsn) {
  for (bool fresh = false;; fresh = true) {
    CAIRN_ASSIGN_OR_RETURN(auto bytes, bytes_at(lsn, sizeof(format::BlockHeader), fresh));
    format::BlockHeader header;
    auto fault =
        format::check_block_header(bytes, lsn, source_->geometry(), &container_->identity, &header);
    if (!fault) {
      CAIRN_ASSIGN_OR_RETURN(bytes, bytes_at(lsn, header.padded_length, false));
      fault = format::check_block(bytes, lsn, source_->geometry(), &container_->identity, &header);
      if (!fault) return Outcome(Block{header, bytes.first(header.padded_length)});
    }
    if (fresh_ || fresh) return Outcome(std::move(*fault));
  }
}

Result<BlockReader::Outcome> BlockReader::read_forward(Lsn lsn, Lsn limit) {
  // Whoever came as far as one piece goes on, most likely. For a short rest it is not worth while.
  const std::uint64_t piece = BlockStream::piece_size(source_->geometry());
  if (stream_ == nullptr && run_ >= piece && limit > lsn && limit - lsn > 2 * piece &&
      source_->reads_ahead()) {
    run_ = 0;
    stream_ = BlockStream::start(*source_, lsn, limit);
  }
  if (stream_ != nullptr) {
    if (const auto block = stream_->next(lsn)) return Outcome(*block);
    stream_.reset();
  }
  auto outcome = read(lsn);
  if (outcome.is_ok()) {
    if (const auto* block = std::get_if<Block>(&*outcome)) run_ += block->header.padded_length;
  }
  return outcome;
}

void BlockReader::rest() {
  stream_.reset();
  run_ = 0;
}

Result<BlockReader::Outcome> BlockReader::read_ending_at(Lsn lsn, Lsn end) {
  const std::uint64_t size = source_->geometry().container_size;
  const std::uint64_t offset = lsn.offset(size);
  // More than a block is never needed behind `lsn`, and a container's end is an end too.
  const std::uint64_t longest = source_->geometry().block_size;
  backward_to_ = offset + std::min<std::uint64_t>({end - lsn, longest, size - offset});
  auto outcome = read(lsn);
  backward_to_ = 0;
  return outcome;
}

Result<std::optional<format::BlockHeader>> BlockReader::probe_header(Lsn lsn,
                                                                     std::uint32_t epoch_min) {
  CAIRN_ASSIGN_OR_RETURN(const auto bytes, bytes_at(lsn, sizeof(format::BlockHeader), false));
  format::BlockHeader header;
  const auto fault =
      format::check_block_header(bytes, lsn, source_->geometry(), &container_->identity, &header);
  if (fault || header.epoch < epoch_min || header.watermark > header.lsn) {
    return std::optional<format::BlockHeader>();
  }
  return std::optional<format::BlockHeader>(header);
}

}  // namespace cairn::log
