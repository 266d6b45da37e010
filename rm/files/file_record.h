// FileRecord: what the resource manager for files writes into its stream of the log.
//
// All records have one layout, little-endian:
//   offset  size
//        0    16  GUID of the transaction manager that the promise was given to
//       16    16  unit of work
//       32     -  changes, each: kind (1), size of the new contents (8; 0 for a removal), path
//                 length (4), length of the staged name (4; 0 for a removal), path, staged name
// An end (kDone, kRollback) has no changes: they are in the record before it. A record is valid
// only if its bytes end with a change, each path passes check_path(), each kind is one of
// FileChangeKind, and the staged name is empty exactly for a removal and has no '/'.
//
// The stream's restart area: layout (1, the value 1), GUID of the resource manager (16), GUID of
// this stream's incarnation (16). The recovery information of a promise: incarnation (16), LSN of
// the record (8).
#ifndef CAIRN_RM_FILES_FILE_RECORD_H_
#define CAIRN_RM_FILES_FILE_RECORD_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include <cairn/result.h>
#include <cairn/uuid.h>

namespace cairn::rm {

// The record's type in the log. Persisted; values never change.
enum class FileRecordType : std::uint16_t {
  kPromise = 1,   // what is to be done if it commits
  kAtOnce = 2,    // what is to be done, committed by this very record
  kDone = 3,      // all of that is done, and durable
  kRollback = 4,  // of a promise
};

// Persisted; values never change.
enum class FileChangeKind : std::uint8_t {
  kPut = 1,     // the staged file gets the path
  kRemove = 2,  // nothing has the path
};

struct FileChange {
  FileChangeKind kind = FileChangeKind::kRemove;
  std::uint64_t size = 0;
  std::string staged{};  // its name in the staging directory

  friend bool operator==(const FileChange&, const FileChange&) = default;
};
using FileChanges = std::map<std::string, FileChange>;  // by path

struct FileRecord {
  Uuid transaction_manager;
  Uuid transaction;
  FileChanges changes;
};

inline constexpr std::size_t kFileHeaderSize = 32;  // of a record without changes

[[nodiscard]] std::vector<std::byte> encode(const FileRecord& record);
// Error: kCorrupt, with what was expected and found.
[[nodiscard]] Result<FileRecord> decode(std::span<const std::byte> bytes);

}  // namespace cairn::rm

#endif  // CAIRN_RM_FILES_FILE_RECORD_H_
