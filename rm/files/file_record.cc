#include "file_record.h"

#include <utility>

#include "file_locks.h"
#include "stream/record_bytes.h"

namespace cairn::rm {
namespace {

// Names come from the disk and are handed to the file system: none may lead out of its directory.
Status check_change(const std::string& path, const FileChange& change) {
  if (Status checked = check_path(path); !checked) {
    return Status(StatusCode::kCorrupt, checked.message());
  }
  const bool removes = change.kind == FileChangeKind::kRemove;
  if (!removes && change.kind != FileChangeKind::kPut) {
    return Status(StatusCode::kCorrupt, "path \"" + path + "\": expected a kind of change, found " +
                                            std::to_string(static_cast<unsigned>(change.kind)));
  }
  const bool is_name =
      check_path(change.staged).is_ok() && change.staged.find('/') == std::string::npos;
  if (removes ? change.staged.empty() && change.size == 0 : is_name) return Status::ok();
  return Status(StatusCode::kCorrupt,
                "path \"" + path + "\": expected " +
                    (removes ? "no staged file" : "the name of a staged file") + ", found \"" +
                    change.staged + "\"");
}

}  // namespace

std::vector<std::byte> encode(const FileChanges& changes) {
  std::vector<std::byte> out;
  for (const auto& [path, change] : changes) {
    put_number(out, static_cast<std::uint64_t>(change.kind), 1);
    put_number(out, change.size, 8);
    put_number(out, path.size(), 4);
    put_number(out, change.staged.size(), 4);
    put_text(out, path);
    put_text(out, change.staged);
  }
  return out;
}

Result<FileChanges> decode_file_changes(std::span<const std::byte> bytes) {
  RecordReader reader(bytes);
  FileChanges changes;
  while (!reader.is_empty()) {
    FileChange change;
    CAIRN_ASSIGN_OR_RETURN(const std::uint64_t kind, reader.take_number(1, "kind"));
    CAIRN_ASSIGN_OR_RETURN(change.size, reader.take_number(8, "size"));
    CAIRN_ASSIGN_OR_RETURN(const std::uint64_t path_size, reader.take_number(4, "path length"));
    CAIRN_ASSIGN_OR_RETURN(const std::uint64_t name_size, reader.take_number(4, "name length"));
    CAIRN_ASSIGN_OR_RETURN(std::string path, reader.take_text(path_size, "path"));
    CAIRN_ASSIGN_OR_RETURN(change.staged, reader.take_text(name_size, "staged name"));
    change.kind = static_cast<FileChangeKind>(kind);
    CAIRN_RETURN_IF_ERROR(check_change(path, change));
    changes.insert_or_assign(std::move(path), std::move(change));
  }
  return changes;
}

}  // namespace cairn::rm
