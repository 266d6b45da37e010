// What the readers of records share: how a record is refused, and what must hold of every one.
#ifndef CAIRN_RECOVERY_RECORD_CHECKS_H_
#define CAIRN_RECOVERY_RECORD_CHECKS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <cairn/tm_record.h>

#include "bytes.h"

namespace cairn::recovery {

// A refusal of the record at `lsn`.
inline Status corrupt(Lsn lsn, const std::string& what) {
  return Status(StatusCode::kCorrupt,
                "transaction manager's record at LSN " + lsn.to_string() + ": " + what, place(lsn));
}

inline Status too_short(Lsn lsn, std::string_view kind, std::size_t found) {
  return corrupt(lsn, std::string(kind) + " ends within its fields, after " +
                          std::to_string(found) + " bytes");
}

inline Status check_version(Lsn lsn, std::string_view kind, std::uint16_t version,
                            std::uint16_t newest = kSchemaVersion) {
  if (version >= 1 && version <= newest) return Status::ok();
  const std::string text = std::string(kind) + " of schema version " + std::to_string(version) +
                           ", this program reads versions 1 to " + std::to_string(newest);
  if (version == 0) return corrupt(lsn, text);
  return Status(StatusCode::kNewerVersion,
                "transaction manager's record at LSN " + lsn.to_string() + ": " + text, place(lsn));
}

// What must hold of every record once its fields are read.
inline Status check_common(Lsn lsn, std::string_view kind, const ByteReader& in, const Uuid& id,
                           std::uint64_t clock, std::uint64_t zeros) {
  if (in.left() != 0) {
    return corrupt(lsn, std::string(kind) + " with " + std::to_string(in.left()) +
                            " bytes behind its last field");
  }
  if (id.is_null()) return corrupt(lsn, std::string(kind) + " with a null identity");
  if (clock == 0 || clock > kMaxRecordClock) {
    return corrupt(lsn, std::string(kind) + " with virtual clock " + std::to_string(clock) +
                            ", expected 1 to " + std::to_string(kMaxRecordClock));
  }
  if (zeros != 0) return corrupt(lsn, std::string(kind) + " with reserved bytes that are not zero");
  return Status::ok();
}

}  // namespace cairn::recovery

#endif  // CAIRN_RECOVERY_RECORD_CHECKS_H_
