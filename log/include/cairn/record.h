// Record: what a cursor yields, and what an append is given besides its bytes.
#ifndef CAIRN_RECORD_H_
#define CAIRN_RECORD_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include <cairn/lsn.h>

namespace cairn::log {

using StreamId = std::uint32_t;
// Stream 0 belongs to the engine: stream names, bases, watermarks. It can be read, not appended to.
inline constexpr StreamId kCatalogStream = 0;

// What a record is to the engine. Persisted; values never change.
enum class RecordKind : std::uint8_t {
  kData = 1,     // a client's append
  kRestart = 2,  // a restart area
  kCatalog = 3,  // the engine's own (stream 0 only)
};
[[nodiscard]] std::string_view record_kind_name(RecordKind kind);

// A record as read. `payload` points into the cursor and is valid until the cursor moves or ends.
struct Record {
  Lsn lsn;
  StreamId stream = 0;
  RecordKind kind = RecordKind::kData;
  std::uint16_t type = 0;              // the client's own; not interpreted
  Lsn previous;                        // null: none
  Lsn undo_next;                       // null: none
  std::span<const std::byte> payload;  // for kRestart: the client's bytes
  Lsn base;                            // for kRestart: the base it set, otherwise null

  // Where the payload lies on disk, for inspection.
  std::uint64_t container = 0;    // logical number
  std::uint64_t file_offset = 0;  // of payload's first byte in the container's file
};

// How far an append's bytes must have come before the call returns.
enum class Durability : std::uint8_t {
  kNone = 0,     // in memory only: lost with the process. Gets an LSN at once.
  kWritten = 1,  // handed to the operating system: survives the process, not the machine
  kDurable = 2,  // on stable storage: survives a power cut
};

struct AppendOptions {
  std::uint16_t type = 0;
  // An older record of the same stream, not behind its base; null: none. Checked: kLsnInvalid.
  Lsn previous{};
  Lsn undo_next{};
  Durability durability = Durability::kNone;
  // How long to wait for space when the log is full, before the answer is kLogFull. Woken when
  // there may be some, and at once when the log is closed or poisoned, or when the owner of the
  // stream that pins the tail says that it cannot advance it. Zero: not at all.
  std::chrono::nanoseconds wait_for_space{0};
};

}  // namespace cairn::log

#endif  // CAIRN_RECORD_H_
