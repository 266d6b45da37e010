#include <algorithm>
#include <utility>

#include <cairn/archive.h>

#include "aligned_buffer.h"
#include "format/hash.h"
#include "log_core.h"
#include "read/block_reader.h"
#include "read/read_source.h"

namespace cairn::log {
namespace {

constexpr std::size_t kCursorPiece = std::size_t{1} << 20;

Status cursor_error(StatusCode code, Lsn lsn, const std::string& text) {
  StatusDetail detail;
  detail.lsn_begin = lsn;
  return Status(code, text, detail);
}

// Whatever is there: whether it is the log's own, still_held() says afterwards.
Status read_bytes(const ArchiveCursor& cursor, Lsn lsn, std::span<std::byte> out) {
  const std::uint64_t size = cursor.metadata().container_size;
  CAIRN_ASSIGN_OR_RETURN(const auto from, cursor.file(lsn.container(size)));
  CAIRN_ASSIGN_OR_RETURN(const std::size_t got, from->read(lsn.offset(size), out));
  if (got == out.size()) return Status::ok();
  return cursor_error(StatusCode::kCorrupt, lsn,
                      from->name() + ": LSN " + lsn.to_string() + ": expected " +
                          std::to_string(out.size()) + " bytes, found " + std::to_string(got));
}

// The bytes between two LSNs of one container, read anew; likewise.
Status add_bytes(const ArchiveCursor& cursor, Lsn begin, Lsn end, format::PieceHash* sum) {
  if (begin == end) return Status::ok();
  AlignedBuffer buffer(kCursorPiece);
  for (std::uint64_t done = 0; done < end - begin;) {
    const auto step =
        static_cast<std::size_t>(std::min<std::uint64_t>(kCursorPiece, end - begin - done));
    CAIRN_RETURN_IF_ERROR(read_bytes(cursor, begin + done, buffer.bytes().first(step)));
    sum->add(std::as_const(buffer).bytes().first(step));
    done += step;
  }
  return Status::ok();
}

}  // namespace

Result<ArchiveCursor> ArchiveCursor::over(const Log& log, Lsn from) {
  ArchiveCursor cursor;
  LogCore& core = *log.core_;
  cursor.source_ = &core.source();
  cursor.horizon_ = &core;
  cursor.storage_ = core.shared_storage();
  // In this order: what the tail says was durable before the end is asked for.
  cursor.metadata_.tail = core.tail();
  cursor.metadata_.end = core.durable_end();
  cursor.metadata_.max_size = core.info().max_size;
  CAIRN_RETURN_IF_ERROR(cursor.start(from));
  return cursor;
}

Result<ArchiveCursor> ArchiveCursor::over(const LogView& view, Lsn from) {
  ArchiveCursor cursor;
  CAIRN_RETURN_IF_ERROR(view.make_durable(&cursor.source_, &cursor.horizon_, &cursor.metadata_.tail,
                                          &cursor.metadata_.end));
  cursor.metadata_.max_size = view.info().max_size;
  CAIRN_RETURN_IF_ERROR(cursor.start(from));
  return cursor;
}

Status ArchiveCursor::start(Lsn from) {
  const format::LogGeometry& geometry = source_->geometry();
  metadata_.log_id = geometry.log_id;
  metadata_.container_size = geometry.container_size;
  metadata_.block_size = geometry.block_size;
  metadata_.alignment = geometry.alignment;
  const std::uint64_t first = metadata_.tail.container(geometry.container_size);
  from_ = Lsn(first * geometry.container_size);
  // LSN 0 is null: an archive that begins with the first container is not resumed there.
  if (from.is_null()) return Status::ok();
  resumed_ = true;
  if (from < from_) {
    return cursor_error(StatusCode::kStartOfLog, from,
                        source_->directory().path() + ": LSN " + from.to_string() +
                            ": expected to go on there, found that the log begins at container " +
                            std::to_string(first) + " (LSN " + from_.to_string() +
                            ") by now: what lies between was recycled");
  }
  if (from.value() % geometry.alignment != 0) {
    return cursor_error(StatusCode::kLsnInvalid, from,
                        source_->directory().path() +
                            ": expected the boundary of an extent, found LSN " + from.to_string());
  }
  if (from > metadata_.end &&
      from.container(geometry.container_size) <= metadata_.end.container(geometry.container_size)) {
    return cursor_error(StatusCode::kLsnInvalid, from,
                        source_->directory().path() + ": expected at most the durable LSN " +
                            metadata_.end.to_string() + ", found " + from.to_string());
  }
  from_ = from;
  return Status::ok();
}

Result<std::optional<ArchiveExtent>> ArchiveCursor::next() {
  if (from_ >= metadata_.end) return std::optional<ArchiveExtent>();
  auto extent = read_extent();
  // In this order: what the container's next life left there is neither damage nor an extent.
  CAIRN_RETURN_IF_ERROR(still_held(from_.container(metadata_.container_size)));
  CAIRN_RETURN_IF_ERROR(extent.status());
  from_ = extent->next;
  return std::optional(*std::move(extent));
}

Result<ArchiveExtent> ArchiveCursor::read_extent() {
  const std::uint64_t size = metadata_.container_size;
  ArchiveExtent extent;
  extent.container = from_.container(size);
  extent.begin = from_;
  CAIRN_ASSIGN_OR_RETURN(const auto container, source_->container(extent.container));
  extent.incarnation = container->identity.incarnation;
  extent.epoch = container->header.epoch;
  extent.last_block = Lsn(extent.container * size);
  Lsn at = from_.offset(size) == 0 ? Lsn(container->content.first_block) : from_;
  BlockReader reader(*source_);
  // Blocks are hashed as they are read; what lies between them is read for that alone.
  format::PieceHash sum;
  Lsn summed = extent.begin;
  while (at < metadata_.end && !extent.sealed) {
    CAIRN_ASSIGN_OR_RETURN(const auto outcome, reader.read_forward(at, metadata_.end));
    if (const auto* fault = std::get_if<format::BlockFault>(&outcome)) {
      const bool no_boundary =
          std::exchange(resumed_, false) && at == from_ && !fault->header_valid;
      return cursor_error(no_boundary ? StatusCode::kLsnInvalid : StatusCode::kCorrupt, fault->lsn,
                          container->file->name() + ": LSN " + fault->lsn.to_string() + ": " +
                              (no_boundary ? "expected the boundary of an extent: " : "") +
                              fault->reason);
    }
    const auto& block = std::get<BlockReader::Block>(outcome);
    resumed_ = false;
    CAIRN_RETURN_IF_ERROR(add_bytes(*this, summed, at, &sum));
    sum.add(block.bytes);
    summed = at + block.bytes.size();
    extent.last_block = at;
    extent.epoch = block.header.epoch;
    extent.end = at + block.header.padded_length;
    at = extent.end;
    const auto kind = static_cast<format::BlockKind>(block.header.kind);
    if (kind == format::BlockKind::kEpoch) at = Lsn(block.header.continue_lsn);
    extent.sealed = kind == format::BlockKind::kSeal || at.container(size) != extent.container;
  }
  // What lies between an epoch block and the place where it goes on is dead, and a part of it.
  if (!extent.sealed) extent.end = at;
  extent.next = extent.sealed ? Lsn((extent.container + 1) * size) : extent.end;
  CAIRN_RETURN_IF_ERROR(add_bytes(*this, summed, extent.end, &sum));
  extent.checksum = sum.value();
  return extent;
}

Result<std::shared_ptr<const File>> ArchiveCursor::file(std::uint64_t container) const {
  CAIRN_ASSIGN_OR_RETURN(const auto opened, source_->container(container));
  return std::shared_ptr<const File>(opened, opened->file.get());
}

Status ArchiveCursor::read(const ArchiveExtent& extent, std::uint64_t offset,
                           std::span<std::byte> out) const {
  const Status status = read_bytes(*this, extent.begin + offset, out);
  CAIRN_RETURN_IF_ERROR(still_held(extent.container));
  return status;
}

Result<std::uint64_t> ArchiveCursor::checksum(Lsn begin, Lsn end) const {
  format::PieceHash sum;
  const Status status = add_bytes(*this, begin, end, &sum);
  CAIRN_RETURN_IF_ERROR(still_held(begin.container(metadata_.container_size)));
  CAIRN_RETURN_IF_ERROR(status);
  return sum.value();
}

// The tail is moved, for everybody to see, before a container behind it is recycled.
Status ArchiveCursor::still_held(std::uint64_t container) const {
  CAIRN_ASSIGN_OR_RETURN(const Lsn tail, horizon_->tail_now());
  const std::uint64_t size = metadata_.container_size;
  if (container >= tail.container(size)) return Status::ok();
  return cursor_error(
      StatusCode::kStartOfLog, Lsn(container * size),
      source_->directory().path() + ": container " + std::to_string(container) + " (LSN " +
          Lsn(container * size).to_string() +
          " and on): the log's tail passed it while it was archived and is at LSN " +
          tail.to_string() + " by now: it may have been recycled");
}

}  // namespace cairn::log
