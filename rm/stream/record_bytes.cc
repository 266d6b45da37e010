#include "stream/record_bytes.h"

#include <cstring>

namespace cairn::rm {

void put_number(std::vector<std::byte>& out, std::uint64_t value, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) out.push_back(static_cast<std::byte>(value >> (8 * i)));
}

void put_uuid(std::vector<std::byte>& out, const Uuid& id) {
  for (const std::uint8_t byte : id.bytes) out.push_back(std::byte{byte});
}

void put_text(std::vector<std::byte>& out, std::string_view text) {
  const auto* const bytes = reinterpret_cast<const std::byte*>(text.data());
  out.insert(out.end(), bytes, bytes + text.size());
}

Result<std::span<const std::byte>> RecordReader::take(std::uint64_t size, const char* what) {
  if (size > rest_.size()) {
    return Status(StatusCode::kCorrupt, "expected " + std::to_string(size) + " bytes of " + what +
                                            " at offset " + std::to_string(size_ - rest_.size()) +
                                            ", found " + std::to_string(rest_.size()));
  }
  const auto taken = rest_.first(static_cast<std::size_t>(size));
  rest_ = rest_.subspan(taken.size());
  return taken;
}

Result<std::uint64_t> RecordReader::take_number(std::size_t size, const char* what) {
  CAIRN_ASSIGN_OR_RETURN(const auto bytes, take(size, what));
  std::uint64_t value = 0;
  for (std::size_t i = size; i-- > 0;)
    value = value << 8 | std::to_integer<std::uint64_t>(bytes[i]);
  return value;
}

Result<Uuid> RecordReader::take_uuid(const char* what) {
  Uuid id;
  CAIRN_ASSIGN_OR_RETURN(const auto bytes, take(kUuidSize, what));
  std::memcpy(id.bytes.data(), bytes.data(), bytes.size());
  return id;
}

Result<std::string> RecordReader::take_text(std::uint64_t size, const char* what) {
  CAIRN_ASSIGN_OR_RETURN(const auto bytes, take(size, what));
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

}  // namespace cairn::rm
