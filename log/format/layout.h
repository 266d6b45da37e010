// The bytes of a Cairn log on disk. FORMAT.md beside this file is the specification; writer and
// reader both use these structures, and nothing else in the tree knows an offset.
//
// All integers are little-endian. The structures are read and written by memcpy.
#ifndef CAIRN_LOG_FORMAT_LAYOUT_H_
#define CAIRN_LOG_FORMAT_LAYOUT_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace cairn::log::format {

static_assert(std::endian::native == std::endian::little,
              "the format is little-endian; a big-endian port must swap in encode and decode");

inline constexpr std::uint32_t kBlockMagic = 0x4B42'5243;  // "CRBK"
inline constexpr std::uint32_t kBaseMagic = 0x5342'5243;   // "CRBS"
// Of the log, in the base log's slots. Version 2 added catalog records (types 10 and up);
// everything of version 1 means the same. A log of version 1 becomes one of version 2 when it is
// opened for writing, before anything is appended, so that older code says kNewerVersion, not
// damage.
inline constexpr std::uint16_t kFormatVersion = 2;
inline constexpr std::uint16_t kOldestFormatVersion = 1;
// Of the layout of blocks and records.
inline constexpr std::uint16_t kBlockVersion = 1;

// Persisted; values never change.
enum class BlockKind : std::uint16_t {
  kContainerHeader = 1,  // first block of a container; holds one ContainerHeader record
  kData = 2,             // records
  kSeal = 3,             // last block of a full container; no records
  kEpoch = 4,  // written at the end found by an open; no records; says where the log goes on
};

// Types of the engine's own records (RecordKind::kCatalog). Persisted; values never change.
enum class CatalogType : std::uint16_t {
  kContainerHeader = 1,
  kStreamCreated = 2,
  kStreamDeleted = 3,
  kBaseAdvanced = 4,
  kSnapshotBegin = 5,
  kSnapshotStreams = 6,
  kSnapshotGaps = 7,
  kSnapshotEnd = 8,
  kMark = 9,
  kPolicies = 10,
  kArchiveTail = 11,
  kTruncation = 12,
};

// Starts every block.
struct BlockHeader {
  std::uint32_t magic;           // kBlockMagic
  std::uint16_t version;         // kBlockVersion
  std::uint16_t kind;            // BlockKind
  std::uint8_t log_id[16];       // the log's UUID
  std::uint64_t incarnation;     // random, new each time a file becomes a container
  std::uint64_t lsn;             // of this block: its position
  std::uint64_t previous_block;  // LSN of the block before this one, 0 for the log's first
  std::uint64_t watermark;       // every byte before this LSN was durable when the block was built
  std::uint64_t continue_lsn;    // kEpoch: LSN of the next block; otherwise 0
  std::uint32_t epoch;           // one more at each open for writing
  std::uint32_t record_count;
  std::uint32_t used_length;    // header and records, a multiple of 8
  std::uint32_t padded_length;  // of the whole block, a multiple of the log's alignment
  std::uint32_t window;  // bytes behind any end of the durable prefix that can have been in flight
  std::uint32_t zero;    // 0
  std::uint64_t checksum;  // XXH3-64 of the 88 bytes before
};
static_assert(sizeof(BlockHeader) == 96);
static_assert(offsetof(BlockHeader, log_id) == 8);
static_assert(offsetof(BlockHeader, incarnation) == 24);
static_assert(offsetof(BlockHeader, lsn) == 32);
static_assert(offsetof(BlockHeader, previous_block) == 40);
static_assert(offsetof(BlockHeader, watermark) == 48);
static_assert(offsetof(BlockHeader, continue_lsn) == 56);
static_assert(offsetof(BlockHeader, epoch) == 64);
static_assert(offsetof(BlockHeader, used_length) == 72);
static_assert(offsetof(BlockHeader, window) == 80);
static_assert(offsetof(BlockHeader, checksum) == 88);
static_assert(std::has_unique_object_representations_v<BlockHeader>, "no padding");

// Ends every block: its last 8 bytes repeat BlockHeader::checksum, so that a block of which the
// last sector is missing is invalid however little of it was used.
using BlockTrailer = std::uint64_t;
inline constexpr std::uint32_t kBlockTrailerSize = sizeof(BlockTrailer);

// Starts every record. The payload follows, then zeros up to a multiple of 8.
struct RecordHeader {
  std::uint64_t checksum;  // XXH3-64, seeded (block.h), of the rest of this header and the payload
  std::uint32_t length;    // of the payload, in bytes
  std::uint32_t stream;    // 0: the engine's
  std::uint16_t type;      // the client's, or CatalogType
  std::uint8_t kind;       // RecordKind
  std::uint8_t zero;       // 0
  std::uint32_t block_offset;  // of this header in its block
  std::uint64_t previous;      // LSN, 0: none
  std::uint64_t undo_next;     // LSN, 0: none
};
static_assert(sizeof(RecordHeader) == 40);
static_assert(offsetof(RecordHeader, length) == 8);
static_assert(offsetof(RecordHeader, type) == 16);
static_assert(offsetof(RecordHeader, kind) == 18);
static_assert(offsetof(RecordHeader, block_offset) == 20);
static_assert(offsetof(RecordHeader, previous) == 24);
static_assert(offsetof(RecordHeader, undo_next) == 32);
static_assert(std::has_unique_object_representations_v<RecordHeader>, "no padding");

// Payload prefix of a restart record (RecordKind::kRestart); the client's bytes follow.
struct RestartPrefix {
  std::uint64_t base;  // LSN: the stream's base from here on
};
static_assert(sizeof(RestartPrefix) == 8);

// Payload of CatalogType::kContainerHeader.
struct ContainerHeader {
  std::uint64_t number;          // logical: lsn / container_size
  std::uint64_t container_size;  // bytes
  std::uint64_t max_size;        // bytes; 0: none
  std::uint64_t scan_start;      // LSN as in BaseSlot when the container was made ready
  std::uint64_t tail;            // likewise
  std::uint64_t first_block;     // LSN of the first block behind this header
  std::uint32_t block_size;      // bytes
  std::uint32_t alignment;       // bytes
};
static_assert(sizeof(ContainerHeader) == 56);

// Payload of CatalogType::kMark.
struct Mark {
  std::uint64_t durable;  // every byte before this LSN was durable; repeats the block's watermark
  std::uint64_t closed;   // 1: written by close(); nothing follows but a new epoch
};
static_assert(sizeof(Mark) == 16);

// Payload of CatalogType::kPolicies. The fields are those of cairn::log::Policies.
struct PolicyRecord {
  std::uint64_t changed;  // in a snapshot: LSN of the record that set them; otherwise 0
  std::uint64_t max_size;
  std::uint64_t min_size;
  std::uint32_t growth;
  std::uint32_t ahead;
  std::uint32_t spare_max;
  std::uint32_t shrink_percent;
  std::uint32_t low_space_percent;
  std::uint32_t restart_area;
};
static_assert(sizeof(PolicyRecord) == 48);
static_assert(std::has_unique_object_representations_v<PolicyRecord>, "no padding");

// Persisted; values never change.
enum class BaseState : std::uint64_t {
  kOpen = 0,      // written while the log was open
  kClosed = 1,    // written by close()
  kCreating = 2,  // the first containers are not there yet
};

// One of the two slots of the base log.
struct BaseSlot {
  std::uint32_t magic;    // kBaseMagic
  std::uint16_t version;  // kOldestFormatVersion to kFormatVersion
  std::uint16_t zero;     // 0
  std::uint8_t log_id[16];
  std::uint64_t generation;      // the valid slot with the higher one wins
  std::uint64_t container_size;  // bytes
  std::uint64_t max_size;        // bytes; 0: none
  std::uint64_t scan_start;      // LSN of the block that begins with the newest whole snapshot
  std::uint64_t tail;            // LSN: containers wholly before it may be recycled
  std::uint64_t durable;         // every byte before this LSN was durable
  std::uint64_t state;           // BaseState
  std::uint32_t block_size;      // bytes
  std::uint32_t alignment;       // bytes
  std::uint32_t epoch;
  std::uint32_t zero2;     // 0
  std::uint64_t checksum;  // XXH3-64 of the 96 bytes before
};
static_assert(sizeof(BaseSlot) == 104);
static_assert(offsetof(BaseSlot, generation) == 24);
static_assert(offsetof(BaseSlot, block_size) == 80);
static_assert(offsetof(BaseSlot, checksum) == 96);
static_assert(std::has_unique_object_representations_v<BaseSlot>, "no padding");

inline constexpr std::uint32_t kCalibrationMagic = 0x4143'5243;  // "CRCA"
inline constexpr std::uint16_t kCalibrationVersion = 1;

// Persisted; values never change.
enum class CalibratedDurability : std::uint8_t {
  kPerWrite = 1,
  kPerPrefix = 2,
};

// Of one way of making blocks durable; zeros: not measured.
struct CalibratedWayBytes {
  std::uint32_t writes_per_second;
  std::uint32_t latency_ns;
  std::uint32_t large_kib_per_second;
};
inline constexpr std::uint32_t kCalibratedDepths = 5;  // 1, 2, 4, 8, 16
inline constexpr std::uint32_t kCalibratedWays = 2 * kCalibratedDepths;

// A calibration, behind a slot of the base log and written with it. Not of the log's format
// version: whoever does not know it, or finds it damaged, goes without.
struct CalibrationBytes {
  std::uint32_t magic;          // kCalibrationMagic
  std::uint16_t version;        // kCalibrationVersion
  std::uint8_t durable_writes;  // chosen: CalibratedDurability
  std::uint8_t direct;          // 0 or 1: past the page cache
  std::int64_t taken;           // microseconds since 1970 in UTC
  std::uint64_t device;         // 0: not known
  char storage[16];             // text, the rest zeros
  char file_system[16];         // likewise
  std::uint16_t depth;          // chosen, 1 to 32
  std::uint16_t rounds;
  std::uint32_t block;                       // bytes
  std::uint32_t large_block;                 // bytes
  std::uint32_t zero;                        // 0
  CalibratedWayBytes ways[kCalibratedWays];  // per write, by depth; then per prefix, by depth
  std::uint64_t checksum;                    // XXH3-64 of the 192 bytes before
};
static_assert(sizeof(CalibrationBytes) == 200);
static_assert(offsetof(CalibrationBytes, durable_writes) == 6);
static_assert(offsetof(CalibrationBytes, taken) == 8);
static_assert(offsetof(CalibrationBytes, storage) == 24);
static_assert(offsetof(CalibrationBytes, depth) == 56);
static_assert(offsetof(CalibrationBytes, block) == 60);
static_assert(offsetof(CalibrationBytes, ways) == 72);
static_assert(offsetof(CalibrationBytes, checksum) == 192);
static_assert(std::has_unique_object_representations_v<CalibrationBytes>, "no padding");

// In the sector of the slot itself.
inline constexpr std::uint32_t kCalibrationOffset = 128;
static_assert(kCalibrationOffset >= sizeof(BaseSlot));
static_assert(kCalibrationOffset + sizeof(CalibrationBytes) <= 512);

inline constexpr char kBaseFileName[] = "base.cairn";
inline constexpr std::uint32_t kBaseSlotStride = 4096;  // slot i lies at i * this
inline constexpr std::uint32_t kBaseSlots = 2;
inline constexpr std::uint64_t kBaseFileSize = std::uint64_t{kBaseSlotStride} * kBaseSlots;

inline constexpr std::uint32_t kRecordAlignment = 8;

// REQUIRES: alignment is a power of two.
[[nodiscard]] constexpr std::uint64_t align_up(std::uint64_t value, std::uint64_t alignment) {
  return (value + alignment - 1) & ~(alignment - 1);
}
// Bytes of a record in a block.
[[nodiscard]] constexpr std::uint64_t record_size(std::uint64_t payload) {
  return align_up(sizeof(RecordHeader) + payload, kRecordAlignment);
}
// Bytes of a block on disk whose header and records take `used`.
[[nodiscard]] constexpr std::uint64_t padded_size(std::uint64_t used, std::uint32_t alignment) {
  return align_up(used + kBlockTrailerSize, alignment);
}
// The largest payload that a block of `block_size` can hold.
[[nodiscard]] constexpr std::uint32_t max_payload(std::uint32_t block_size) {
  return block_size - static_cast<std::uint32_t>(sizeof(BlockHeader) + sizeof(RecordHeader)) -
         kBlockTrailerSize;
}

}  // namespace cairn::log::format

#endif  // CAIRN_LOG_FORMAT_LAYOUT_H_
