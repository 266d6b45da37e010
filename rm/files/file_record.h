// FileChanges: what a transaction is to do to the files of the tree, and its bytes in a record of a
// PromiseStream (stream/promise_stream.h), little-endian:
//   changes, each: kind (1), size of the new contents (8; 0 for a removal), path length (4), length
//   of the staged name (4; 0 for a removal), path, staged name
// They are valid only if they end with a change, each path passes check_path(), each kind is one of
// FileChangeKind, and the staged name is empty exactly for a removal and has no '/'.
#ifndef CAIRN_RM_FILES_FILE_RECORD_H_
#define CAIRN_RM_FILES_FILE_RECORD_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include <cairn/result.h>

namespace cairn::rm {

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

[[nodiscard]] std::vector<std::byte> encode(const FileChanges& changes);
// Error: kCorrupt, with what was expected and found.
[[nodiscard]] Result<FileChanges> decode_file_changes(std::span<const std::byte> bytes);

}  // namespace cairn::rm

#endif  // CAIRN_RM_FILES_FILE_RECORD_H_
