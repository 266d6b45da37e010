#include "kv/kv_record.h"

#include <cstring>
#include <limits>
#include <string_view>

namespace cairn::examples {
namespace {

constexpr std::uint32_t kErased = std::numeric_limits<std::uint32_t>::max();

void put_u32(std::vector<std::byte>& out, std::uint32_t value) {
  for (int shift = 0; shift < 32; shift += 8) out.push_back(static_cast<std::byte>(value >> shift));
}

void put_bytes(std::vector<std::byte>& out, const void* data, std::size_t size) {
  const auto* bytes = static_cast<const std::byte*>(data);
  out.insert(out.end(), bytes, bytes + size);
}

// Takes bytes from the front of what is left; every length is checked against it.
class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : size_(bytes.size()), rest_(bytes) {}

  [[nodiscard]] bool is_empty() const { return rest_.empty(); }

  Result<std::span<const std::byte>> take(std::size_t size, const char* what) {
    if (size > rest_.size()) {
      return Status(StatusCode::kCorrupt, "key-value record of " + std::to_string(size_) +
                                              " bytes: expected " + std::to_string(size) +
                                              " bytes of " + what + " at offset " +
                                              std::to_string(size_ - rest_.size()) + ", found " +
                                              std::to_string(rest_.size()));
    }
    const auto taken = rest_.first(size);
    rest_ = rest_.subspan(size);
    return taken;
  }

  Result<std::uint32_t> take_u32(const char* what) {
    CAIRN_ASSIGN_OR_RETURN(const auto bytes, take(4, what));
    std::uint32_t value = 0;
    for (std::size_t i = 4; i-- > 0;) value = value << 8 | std::to_integer<std::uint32_t>(bytes[i]);
    return value;
  }

  Result<Uuid> take_uuid(const char* what) {
    Uuid id;
    CAIRN_ASSIGN_OR_RETURN(const auto bytes, take(id.bytes.size(), what));
    std::memcpy(id.bytes.data(), bytes.data(), bytes.size());
    return id;
  }

  Result<std::string> take_string(std::size_t size, const char* what) {
    CAIRN_ASSIGN_OR_RETURN(const auto bytes, take(size, what));
    return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }

 private:
  std::size_t size_;
  std::span<const std::byte> rest_;
};

std::string_view type_name(KvRecordType type) {
  switch (type) {
    case KvRecordType::kSnapshot:
      return "SNAPSHOT";
    case KvRecordType::kPrepare:
      return "PREPARE";
    case KvRecordType::kCommit:
      return "COMMIT";
    case KvRecordType::kRollback:
      return "ROLLBACK";
    case KvRecordType::kSinglePhase:
      return "SINGLE PHASE";
  }
  return "UNKNOWN";
}

}  // namespace

std::vector<std::byte> encode(const KvRecord& record) {
  std::vector<std::byte> out;
  for (const Uuid& id : {record.transaction_manager, record.transaction, record.enlistment}) {
    put_bytes(out, id.bytes.data(), id.bytes.size());
  }
  for (const auto& [key, value] : record.writes) {
    put_u32(out, static_cast<std::uint32_t>(key.size()));
    put_u32(out, value ? static_cast<std::uint32_t>(value->size()) : kErased);
    put_bytes(out, key.data(), key.size());
    if (value) put_bytes(out, value->data(), value->size());
  }
  return out;
}

Result<KvRecord> decode(std::span<const std::byte> bytes) {
  Reader reader(bytes);
  KvRecord record;
  CAIRN_ASSIGN_OR_RETURN(record.transaction_manager, reader.take_uuid("transaction manager"));
  CAIRN_ASSIGN_OR_RETURN(record.transaction, reader.take_uuid("unit of work"));
  CAIRN_ASSIGN_OR_RETURN(record.enlistment, reader.take_uuid("enlistment"));
  while (!reader.is_empty()) {
    CAIRN_ASSIGN_OR_RETURN(const std::uint32_t key_size, reader.take_u32("key length"));
    CAIRN_ASSIGN_OR_RETURN(const std::uint32_t value_size, reader.take_u32("value length"));
    CAIRN_ASSIGN_OR_RETURN(std::string key, reader.take_string(key_size, "key"));
    std::optional<std::string> value;
    if (value_size != kErased) {
      CAIRN_ASSIGN_OR_RETURN(value, reader.take_string(value_size, "value"));
    }
    record.writes.insert_or_assign(std::move(key), std::move(value));
  }
  return record;
}

std::string describe(KvRecordType type, const KvRecord& record) {
  std::string text(type_name(type));
  if (type != KvRecordType::kSnapshot) {
    text += " unit of work " + record.transaction.to_string() + " enlistment " +
            record.enlistment.to_string() + " manager " + record.transaction_manager.to_string();
  }
  return text + ", " + std::to_string(record.writes.size()) + " writes";
}

}  // namespace cairn::examples
