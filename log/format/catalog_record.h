// The engine's own records (RecordKind::kCatalog, stream 0): encode, decode, describe.
//
// They say which streams there are and where their bases lie. A snapshot repeats all of it, so that
// finding the state at open reads from the newest whole snapshot to the end, however old the log
// is. Facts in a snapshot are merged with what was seen before and comes after (the larger LSN
// wins, a deleted stream stays deleted), so that a snapshot may be written in pieces between other
// records.
#ifndef CAIRN_LOG_FORMAT_CATALOG_RECORD_H_
#define CAIRN_LOG_FORMAT_CATALOG_RECORD_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include <cairn/lsn.h>
#include <cairn/record.h>
#include <cairn/result.h>

#include "format/layout.h"

namespace cairn::log::format {

struct StreamCreated {
  StreamId id = 0;
  std::string name;
};
struct StreamDeleted {
  StreamId id = 0;
};
struct BaseAdvanced {
  StreamId id = 0;
  Lsn base;
};
struct SnapshotBegin {
  StreamId next_stream = 1;  // ids from here on were never given
};
struct SnapshotStream {
  StreamId id = 0;
  Lsn base;
  Lsn last;
  Lsn restart;
  Lsn previous_restart;
  std::string name;
};
struct SnapshotStreams {
  std::vector<SnapshotStream> streams;
};
// LSNs that were given out and lost with a torn tail: [begin, end) holds no records, whatever lies
// there.
struct Gap {
  Lsn begin;
  Lsn end;
  friend bool operator==(const Gap&, const Gap&) = default;
};
struct SnapshotGaps {
  std::vector<Gap> gaps;
};
struct SnapshotEnd {
  Lsn begin;  // LSN of its SnapshotBegin record
};
// Everything before `tail` has been archived; null: archiving is off. In a snapshot `changed` is
// the LSN of the record that set it, otherwise null: the newest one counts.
struct ArchiveTail {
  Lsn tail;
  Lsn changed;
};
// Second record of a snapshot that replaces all that was known before it: no record from `from` to
// `to` counts any more. It counts if the snapshot has its end.
struct Truncation {
  Lsn from;
  Lsn to;  // the block that begins with the snapshot
};

using CatalogRecord = std::variant<ContainerHeader, StreamCreated, StreamDeleted, BaseAdvanced,
                                   SnapshotBegin, SnapshotStreams, SnapshotGaps, SnapshotEnd, Mark,
                                   PolicyRecord, ArchiveTail, Truncation>;

struct EncodedCatalogRecord {
  CatalogType type;
  std::vector<std::byte> payload;
};
[[nodiscard]] EncodedCatalogRecord encode_catalog(const CatalogRecord& record);

// Error: kCorrupt, naming the LSN and what does not fit. Every length is checked against the
// payload.
[[nodiscard]] Result<CatalogRecord> decode_catalog(std::uint16_t type,
                                                   std::span<const std::byte> payload, Lsn lsn);

// One line for people, for example "stream created: 3 \"orders\"".
[[nodiscard]] std::string describe(const CatalogRecord& record);

}  // namespace cairn::log::format

#endif  // CAIRN_LOG_FORMAT_CATALOG_RECORD_H_
