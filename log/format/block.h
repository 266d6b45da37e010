// Encoding and checking blocks and records: pure functions over bytes.
#ifndef CAIRN_LOG_FORMAT_BLOCK_H_
#define CAIRN_LOG_FORMAT_BLOCK_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include <cairn/lsn.h>
#include <cairn/record.h>
#include <cairn/uuid.h>

#include "format/layout.h"

namespace cairn::log::format {

// Everything that makes the bytes at a place valid only there: seeds and expectations of one
// container.
struct ContainerIdentity {
  Uuid log_id;
  std::uint64_t incarnation = 0;
};

// The seed of a container's record checksums; record_seed() adds the position.
[[nodiscard]] std::uint64_t container_seed(const ContainerIdentity& identity);
[[nodiscard]] constexpr std::uint64_t record_seed(std::uint64_t container_seed, Lsn lsn) {
  // An odd multiplier: two positions never give one seed.
  return container_seed + lsn.value() * 0x9E37'79B9'7F4A'7C15ULL;
}

// Fields of a record header besides length and checksum.
struct RecordFields {
  StreamId stream = 0;
  RecordKind kind = RecordKind::kData;
  std::uint16_t type = 0;
  Lsn previous;
  Lsn undo_next;
};

// Copies the pieces behind a header at `out` and computes the checksum on the way. Zeroes the
// padding.
// REQUIRES: out has record_size(sum of the pieces) bytes; block_offset is out's offset in its
// block.
void encode_record(std::span<std::byte> out, const RecordFields& fields,
                   std::span<const std::span<const std::byte>> pieces, std::uint32_t block_offset,
                   std::uint64_t seed);

// What the writer puts into a block header besides lengths.
struct BlockFields {
  BlockKind kind = BlockKind::kData;
  Lsn lsn;
  Lsn previous_block;
  Lsn watermark;
  Lsn continue_lsn;
  std::uint32_t epoch = 0;
  std::uint32_t record_count = 0;
  std::uint32_t window = 0;
};

// Finishes a block whose records are in place: padding, header, trailer. Returns its padded length.
// REQUIRES: block.size() >= padded_size(used, alignment).
std::uint32_t seal_block(std::span<std::byte> block, std::uint32_t used, std::uint32_t alignment,
                         const BlockFields& fields, const ContainerIdentity& identity);

// Limits that hold for all blocks of a log.
struct LogGeometry {
  Uuid log_id;
  std::uint64_t container_size = 0;
  std::uint32_t block_size = 0;
  std::uint32_t alignment = 0;
};

// Why a block is not valid, in words, and the LSN concerned (the block's, or the first bad
// record's).
struct BlockFault {
  std::string reason;
  Lsn lsn;
  // The header is whole and is this log's at this place: a block of ours begins here.
  bool header_valid = false;
};

// Checks the header alone against its place: rules 1 to 9 of FORMAT.md's "A block is valid iff".
// `identity` is unset where the incarnation is not known yet (the container's header block,
// candidates of the look-on window). On success `*out` is the header.
[[nodiscard]] std::optional<BlockFault> check_block_header(std::span<const std::byte> bytes,
                                                           Lsn lsn, const LogGeometry& geometry,
                                                           const ContainerIdentity* identity,
                                                           BlockHeader* out);

// Checks the whole block, header included: all rules. REQUIRES: `bytes` begins at the block; it may
// be longer. A block that is longer than `bytes` is a fault.
[[nodiscard]] std::optional<BlockFault> check_block(std::span<const std::byte> bytes, Lsn lsn,
                                                    const LogGeometry& geometry,
                                                    const ContainerIdentity* identity,
                                                    BlockHeader* out);

// The record at `offset` of a block that check_block() accepted, and where the next one begins.
struct RecordView {
  RecordHeader header;
  std::span<const std::byte> payload;
  std::uint32_t next_offset = 0;
};
[[nodiscard]] RecordView record_at(std::span<const std::byte> block, std::uint32_t offset);

}  // namespace cairn::log::format

#endif  // CAIRN_LOG_FORMAT_BLOCK_H_
