#include "format/block.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>

#include "format/hash.h"

namespace cairn::log::format {
namespace {

// Up to this size a record is copied whole and then hashed while it is in the first-level cache; a
// longer one in steps of this size, each hashed right after its copy.
constexpr std::size_t kHashStep = std::size_t{16} * 1024;

std::uint64_t header_checksum(const BlockHeader& header) {
  return hash(std::as_bytes(std::span(&header, 1)).first(offsetof(BlockHeader, checksum)));
}

// A block of one small record is padding, most of it: the first byte is compared, and each with the
// one before it.
bool all_zero(std::span<const std::byte> bytes) {
  return bytes.empty() || (bytes[0] == std::byte{0} &&
                           std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

BlockFault fault(Lsn lsn, bool header_valid, std::string reason) {
  return BlockFault{std::move(reason), lsn, header_valid};
}

std::string expected_found(const char* what, std::uint64_t expected, std::uint64_t found) {
  return std::string(what) + ": expected " + std::to_string(expected) + ", found " +
         std::to_string(found);
}

// Rules 12 to 15 for the record at `offset`; on success sets *next.
std::optional<BlockFault> check_record(std::span<const std::byte> block, const BlockHeader& header,
                                       std::uint32_t offset, std::uint64_t seed,
                                       std::uint32_t* next) {
  const Lsn lsn = Lsn(header.lsn) + offset;
  if (header.used_length - offset < sizeof(RecordHeader)) {
    return fault(lsn, true, "a record header does not fit into the used part of its block");
  }
  RecordHeader record;
  std::memcpy(&record, block.data() + offset, sizeof record);
  const std::uint64_t size = record_size(record.length);
  if (size > header.used_length - offset) {
    return fault(lsn, true,
                 expected_found("record longer than the rest of its block, bytes left",
                                header.used_length - offset, size));
  }
  const auto body = block.subspan(offset + sizeof record.checksum,
                                  sizeof record - sizeof record.checksum + record.length);
  const std::uint64_t computed = hash(body, record_seed(seed, lsn));
  if (computed != record.checksum) {
    return fault(lsn, true, expected_found("record checksum", record.checksum, computed));
  }
  const std::size_t end = offset + sizeof record + record.length;
  if (record.block_offset != offset || record.zero != 0 ||
      !all_zero(block.subspan(end, offset + size - end))) {
    return fault(lsn, true, "record framing is not as written (block offset, zero bytes)");
  }
  *next = offset + static_cast<std::uint32_t>(size);
  return std::nullopt;
}

// The header of a record but for its checksum, in words: a processor that stores single fields and
// then loads a word of them, to copy or to hash it, waits for the stores to reach the cache.
void put_header(std::span<std::byte> out, const RecordFields& fields, std::uint32_t length,
                std::uint32_t block_offset) {
  static_assert(offsetof(RecordHeader, stream) == offsetof(RecordHeader, length) + 4);
  static_assert(offsetof(RecordHeader, kind) == offsetof(RecordHeader, type) + 2);
  static_assert(offsetof(RecordHeader, block_offset) == offsetof(RecordHeader, type) + 4);
  const auto put = [out](std::size_t at, std::uint64_t word) {
    std::memcpy(out.data() + at, &word, sizeof word);
  };
  put(offsetof(RecordHeader, length), length | std::uint64_t{fields.stream} << 32);
  put(offsetof(RecordHeader, type), fields.type | std::uint64_t{std::uint8_t(fields.kind)} << 16 |
                                        std::uint64_t{block_offset} << 32);
  put(offsetof(RecordHeader, previous), fields.previous.value());
  put(offsetof(RecordHeader, undo_next), fields.undo_next.value());
}

}  // namespace

std::uint64_t container_seed(const ContainerIdentity& identity) {
  std::array<std::byte, 24> bytes;
  std::memcpy(bytes.data(), identity.log_id.bytes.data(), 16);
  std::memcpy(bytes.data() + 16, &identity.incarnation, 8);
  return hash(bytes);
}

void encode_record(std::span<std::byte> out, const RecordFields& fields,
                   std::span<const std::span<const std::byte>> pieces, std::uint32_t block_offset,
                   std::uint64_t seed) {
  std::size_t length = 0;
  for (const auto& piece : pieces) length += piece.size();

  // The padding, a part of the last word of the record; what belongs there comes over it.
  static_assert(sizeof(RecordHeader) % kRecordAlignment == 0);
  std::memset(out.data() + record_size(length) - kRecordAlignment, 0, kRecordAlignment);
  put_header(out, fields, static_cast<std::uint32_t>(length), block_offset);

  std::byte* const hashed_from = out.data() + sizeof(RecordHeader::checksum);
  std::byte* to = out.data() + sizeof(RecordHeader);
  std::uint64_t checksum = 0;
  if (length <= kHashStep) {
    for (const auto& piece : pieces) {
      if (!piece.empty()) std::memcpy(to, piece.data(), piece.size());
      to += piece.size();
    }
    checksum = hash({hashed_from, static_cast<std::size_t>(to - hashed_from)}, seed);
  } else {
    PieceHash sum(seed);
    sum.add({hashed_from, static_cast<std::size_t>(to - hashed_from)});
    for (const auto& piece : pieces) {
      for (std::size_t done = 0; done < piece.size();) {
        const std::size_t step = std::min(kHashStep, piece.size() - done);
        std::memcpy(to, piece.data() + done, step);
        sum.add({to, step});
        to += step;
        done += step;
      }
    }
    checksum = sum.value();
  }
  std::memcpy(out.data(), &checksum, sizeof checksum);
}

std::uint32_t seal_block(std::span<std::byte> block, std::uint32_t used, std::uint32_t alignment,
                         const BlockFields& fields, const ContainerIdentity& identity) {
  const auto padded = static_cast<std::uint32_t>(padded_size(used, alignment));
  assert(padded <= block.size());
  BlockHeader header{};
  header.magic = kBlockMagic;
  header.version = kBlockVersion;
  header.kind = static_cast<std::uint16_t>(fields.kind);
  std::memcpy(header.log_id, identity.log_id.bytes.data(), sizeof header.log_id);
  header.incarnation = identity.incarnation;
  header.lsn = fields.lsn.value();
  header.previous_block = fields.previous_block.value();
  header.watermark = fields.watermark.value();
  header.continue_lsn = fields.continue_lsn.value();
  header.epoch = fields.epoch;
  header.record_count = fields.record_count;
  header.used_length = used;
  header.padded_length = padded;
  header.window = fields.window;
  header.checksum = header_checksum(header);
  std::memcpy(block.data(), &header, sizeof header);
  std::memset(block.data() + used, 0, padded - kBlockTrailerSize - used);
  std::memcpy(block.data() + padded - kBlockTrailerSize, &header.checksum, kBlockTrailerSize);
  return padded;
}

namespace {

// A container begins with its header and nothing else does; an epoch block leads forward, to where
// a block can begin in this container or the next one, and no other block leads anywhere.
bool place_ok(const BlockHeader& header, const LogGeometry& geometry) {
  const std::uint64_t size = geometry.container_size;
  const Lsn lsn(header.lsn);
  const bool is_header = header.kind == static_cast<std::uint16_t>(BlockKind::kContainerHeader);
  if (is_header != (lsn.offset(size) == 0)) return false;
  if (header.kind != static_cast<std::uint16_t>(BlockKind::kEpoch)) return header.continue_lsn == 0;
  const Lsn to(header.continue_lsn);
  return to >= lsn + header.padded_length && to.offset(size) % geometry.alignment == 0 &&
         to.offset(size) != 0 && to.container(size) <= lsn.container(size) + 1;
}

}  // namespace

std::optional<BlockFault> check_block_header(std::span<const std::byte> bytes, Lsn lsn,
                                             const LogGeometry& geometry,
                                             const ContainerIdentity* identity, BlockHeader* out) {
  BlockHeader header;
  if (bytes.size() < sizeof header) {
    return fault(lsn, false,
                 expected_found("bytes for a block header", sizeof header, bytes.size()));
  }
  std::memcpy(&header, bytes.data(), sizeof header);
  if (header.magic != kBlockMagic) {
    const bool nothing = all_zero(bytes.first(sizeof header));
    return fault(lsn, false,
                 nothing ? std::string("no block: zeros")
                         : expected_found("block magic", kBlockMagic, header.magic));
  }
  if (header.version != kBlockVersion) {
    return fault(lsn, false, expected_found("block format version", kBlockVersion, header.version));
  }
  if (const std::uint64_t sum = header_checksum(header); sum != header.checksum) {
    return fault(lsn, false, expected_found("block header checksum", header.checksum, sum));
  }
  if (std::memcmp(header.log_id, geometry.log_id.bytes.data(), sizeof header.log_id) != 0) {
    Uuid found;
    std::memcpy(found.bytes.data(), header.log_id, sizeof header.log_id);
    return fault(lsn, false,
                 "block of another log: expected " + geometry.log_id.to_string() + ", found " +
                     found.to_string());
  }
  if (header.lsn != lsn.value()) {
    return fault(lsn, false, expected_found("block LSN", lsn.value(), header.lsn));
  }
  if (identity != nullptr && header.incarnation != identity->incarnation) {
    return fault(
        lsn, false,
        expected_found("container incarnation", identity->incarnation, header.incarnation));
  }
  const std::uint64_t room = geometry.container_size - lsn.offset(geometry.container_size);
  const bool kind_ok = header.kind >= static_cast<std::uint16_t>(BlockKind::kContainerHeader) &&
                       header.kind <= static_cast<std::uint16_t>(BlockKind::kEpoch);
  const bool lengths_ok =
      header.used_length >= sizeof header && header.used_length % kRecordAlignment == 0 &&
      header.padded_length <= geometry.block_size && header.padded_length <= room &&
      header.padded_length == padded_size(header.used_length, geometry.alignment);
  if (!kind_ok || !lengths_ok || header.zero != 0) {
    return fault(lsn, false,
                 "block header fields contradict each other (kind " + std::to_string(header.kind) +
                     ", used " + std::to_string(header.used_length) + ", padded " +
                     std::to_string(header.padded_length) + ")");
  }
  if (!place_ok(header, geometry)) {
    return fault(lsn, false,
                 "block header fields contradict its place (kind " + std::to_string(header.kind) +
                     " at LSN " + lsn.to_string() + ", goes on at " +
                     std::to_string(header.continue_lsn) + ")");
  }
  *out = header;
  return std::nullopt;
}

std::optional<BlockFault> check_block(std::span<const std::byte> bytes, Lsn lsn,
                                      const LogGeometry& geometry,
                                      const ContainerIdentity* identity, BlockHeader* out) {
  BlockHeader header;
  if (auto bad = check_block_header(bytes, lsn, geometry, identity, &header)) return bad;
  if (bytes.size() < header.padded_length) {
    return fault(lsn, true,
                 expected_found("bytes of the block", header.padded_length, bytes.size()));
  }
  const auto block = bytes.first(header.padded_length);
  const std::uint64_t seed = container_seed({geometry.log_id, header.incarnation});
  std::uint32_t offset = sizeof header;
  for (std::uint32_t i = 0; i < header.record_count; ++i) {
    if (auto bad = check_record(block, header, offset, seed, &offset)) return bad;
  }
  if (offset != header.used_length) {
    return fault(lsn, true, expected_found("bytes used by records", header.used_length, offset));
  }
  std::uint64_t trailer;
  std::memcpy(&trailer, block.data() + header.padded_length - kBlockTrailerSize, sizeof trailer);
  if (trailer != header.checksum) {
    return fault(lsn, true, expected_found("block trailer", header.checksum, trailer));
  }
  if (!all_zero(block.subspan(header.used_length,
                              header.padded_length - kBlockTrailerSize - header.used_length))) {
    return fault(lsn, true, "the padding of the block is not zero");
  }
  *out = header;
  return std::nullopt;
}

RecordView record_at(std::span<const std::byte> block, std::uint32_t offset) {
  RecordView view;
  std::memcpy(&view.header, block.data() + offset, sizeof view.header);
  view.payload = block.subspan(offset + sizeof view.header, view.header.length);
  view.next_offset = offset + static_cast<std::uint32_t>(record_size(view.header.length));
  return view;
}

}  // namespace cairn::log::format
