#include "file_record.h"

#include <cstring>

#include "file_locks.h"

namespace cairn::rm {
namespace {

void put_number(std::vector<std::byte>& out, std::uint64_t value, unsigned size) {
  for (unsigned i = 0; i < size; ++i) out.push_back(static_cast<std::byte>(value >> (8 * i)));
}

void put_bytes(std::vector<std::byte>& out, const void* data, std::size_t size) {
  const auto* bytes = static_cast<const std::byte*>(data);
  out.insert(out.end(), bytes, bytes + size);
}

// Takes bytes from the front of what is left; every length is checked against it.
class RecordReader {
 public:
  explicit RecordReader(std::span<const std::byte> bytes) : size_(bytes.size()), rest_(bytes) {}

  [[nodiscard]] bool is_empty() const { return rest_.empty(); }
  [[nodiscard]] std::size_t offset() const { return size_ - rest_.size(); }

  Result<std::span<const std::byte>> take(std::size_t size, const char* what) {
    if (size > rest_.size()) {
      return Status(StatusCode::kCorrupt, "expected " + std::to_string(size) + " bytes of " + what +
                                              " at offset " + std::to_string(offset()) +
                                              ", found " + std::to_string(rest_.size()));
    }
    const auto taken = rest_.first(size);
    rest_ = rest_.subspan(size);
    return taken;
  }

  Result<std::uint64_t> take_number(std::size_t size, const char* what) {
    CAIRN_ASSIGN_OR_RETURN(const auto bytes, take(size, what));
    std::uint64_t value = 0;
    for (std::size_t i = size; i-- > 0;) {
      value = value << 8 | std::to_integer<std::uint64_t>(bytes[i]);
    }
    return value;
  }

  Result<Uuid> take_uuid(const char* what) {
    Uuid id;
    CAIRN_ASSIGN_OR_RETURN(const auto bytes, take(id.bytes.size(), what));
    std::memcpy(id.bytes.data(), bytes.data(), bytes.size());
    return id;
  }

  Result<std::string> take_string(std::uint64_t size, const char* what) {
    CAIRN_ASSIGN_OR_RETURN(const auto bytes, take(size, what));
    return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }

 private:
  std::size_t size_;
  std::span<const std::byte> rest_;
};

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

std::vector<std::byte> encode(const FileRecord& record) {
  std::vector<std::byte> out;
  for (const Uuid& id : {record.transaction_manager, record.transaction}) {
    put_bytes(out, id.bytes.data(), id.bytes.size());
  }
  for (const auto& [path, change] : record.changes) {
    put_number(out, static_cast<std::uint64_t>(change.kind), 1);
    put_number(out, change.size, 8);
    put_number(out, path.size(), 4);
    put_number(out, change.staged.size(), 4);
    put_bytes(out, path.data(), path.size());
    put_bytes(out, change.staged.data(), change.staged.size());
  }
  return out;
}

Result<FileRecord> decode(std::span<const std::byte> bytes) {
  RecordReader reader(bytes);
  FileRecord record;
  CAIRN_ASSIGN_OR_RETURN(record.transaction_manager, reader.take_uuid("transaction manager"));
  CAIRN_ASSIGN_OR_RETURN(record.transaction, reader.take_uuid("unit of work"));
  while (!reader.is_empty()) {
    FileChange change;
    CAIRN_ASSIGN_OR_RETURN(const std::uint64_t kind, reader.take_number(1, "kind"));
    CAIRN_ASSIGN_OR_RETURN(change.size, reader.take_number(8, "size"));
    CAIRN_ASSIGN_OR_RETURN(const std::uint64_t path_size, reader.take_number(4, "path length"));
    CAIRN_ASSIGN_OR_RETURN(const std::uint64_t name_size, reader.take_number(4, "name length"));
    CAIRN_ASSIGN_OR_RETURN(std::string path, reader.take_string(path_size, "path"));
    CAIRN_ASSIGN_OR_RETURN(change.staged, reader.take_string(name_size, "staged name"));
    change.kind = static_cast<FileChangeKind>(kind);
    CAIRN_RETURN_IF_ERROR(check_change(path, change));
    record.changes.insert_or_assign(std::move(path), std::move(change));
  }
  return record;
}

}  // namespace cairn::rm
