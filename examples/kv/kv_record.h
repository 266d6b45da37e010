// KvRecord: what the key-value store writes into its stream of the log.
//
// All records have one layout, little-endian:
//   offset  size
//        0    16  GUID of the transaction manager under which the work was prepared
//       16    16  unit of work
//       32    16  enlistment
//       48     -  writes, each: key length (4), value length (4, kErased for "erased"), key, value
// The identities are null in a snapshot, and a commit or rollback has no writes: they are in its
// prepare record.
#ifndef CAIRN_EXAMPLES_KV_KV_RECORD_H_
#define CAIRN_EXAMPLES_KV_KV_RECORD_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <cairn/result.h>
#include <cairn/uuid.h>

namespace cairn::examples {

// The record's type in the log. Persisted; values never change.
enum class KvRecordType : std::uint16_t {
  kSnapshot = 1,     // some entries of the map
  kPrepare = 2,      // redo of a transaction that is promised and not decided
  kCommit = 3,       // of a prepared one
  kRollback = 4,     // of a prepared one
  kSinglePhase = 5,  // redo of a transaction that is committed by this very record
};

// A key's new value, or nothing: erased.
using KvWrites = std::map<std::string, std::optional<std::string>, std::less<>>;

struct KvRecord {
  Uuid transaction_manager;
  Uuid transaction;
  Uuid enlistment;
  KvWrites writes;
};

inline constexpr std::size_t kKvHeaderSize = 48;  // of a record without writes
inline constexpr std::size_t kKvWriteHeaderSize = 8;

[[nodiscard]] std::vector<std::byte> encode(const KvRecord& record);
// Error: kCorrupt, with what was expected and found.
[[nodiscard]] Result<KvRecord> decode(std::span<const std::byte> bytes);
// For people: "PREPARE unit of work ... enlistment ... manager ..., 2 writes".
[[nodiscard]] std::string describe(KvRecordType type, const KvRecord& record);

}  // namespace cairn::examples

#endif  // CAIRN_EXAMPLES_KV_KV_RECORD_H_
