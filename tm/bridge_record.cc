#include "bridge_record.h"

#include <algorithm>
#include <cstring>
#include <string>

namespace cairn::tm {
namespace {

constexpr std::array<std::byte, 4> kMagic{std::byte{'C'}, std::byte{'B'}, std::byte{'R'},
                                          std::byte{'1'}};
constexpr unsigned kVersion = 1;
constexpr std::size_t kManagerAt = 8;
constexpr std::size_t kTransactionAt = 24;
constexpr std::size_t kEnlistmentAt = 40;
static_assert(sizeof(Uuid::bytes) == 16 && kEnlistmentAt + 16 == kBridgeRecordBytes);

Status corrupt(const std::string& what) {
  return Status(StatusCode::kCorrupt, "recovery information of a bridge: " + what);
}

Uuid uuid_at(std::span<const std::byte> bytes, std::size_t at) {
  Uuid id;
  std::memcpy(id.bytes.data(), bytes.data() + at, id.bytes.size());
  return id;
}

}  // namespace

std::array<std::byte, kBridgeRecordBytes> encode(const BridgeRecord& record) {
  std::array<std::byte, kBridgeRecordBytes> bytes{};
  std::copy(kMagic.begin(), kMagic.end(), bytes.begin());
  bytes[4] = std::byte{kVersion};
  const auto put = [&](std::size_t at, const Uuid& id) {
    std::memcpy(bytes.data() + at, id.bytes.data(), id.bytes.size());
  };
  put(kManagerAt, record.manager);
  put(kTransactionAt, record.transaction);
  put(kEnlistmentAt, record.enlistment);
  return bytes;
}

Result<BridgeRecord> decode_bridge_record(std::span<const std::byte> bytes) {
  if (bytes.size() < kManagerAt || !std::equal(kMagic.begin(), kMagic.end(), bytes.begin())) {
    return corrupt("expected the magic CBR1, found " + std::to_string(bytes.size()) +
                   " bytes that do not begin with it");
  }
  const unsigned version = std::to_integer<unsigned>(bytes[4]) | std::to_integer<unsigned>(bytes[5])
                                                                     << 8U;
  if (version > kVersion) {
    return Status(StatusCode::kNewerVersion, "recovery information of a bridge has version " +
                                                 std::to_string(version) + ", expected " +
                                                 std::to_string(kVersion));
  }
  if (version == 0) return corrupt("version 0, expected " + std::to_string(kVersion));
  if (bytes.size() != kBridgeRecordBytes) {
    return corrupt("expected " + std::to_string(kBridgeRecordBytes) + " bytes, found " +
                   std::to_string(bytes.size()));
  }
  if (bytes[6] != std::byte{0} || bytes[7] != std::byte{0}) {
    return corrupt("bytes 6 and 7 are not zero");
  }
  const BridgeRecord record{uuid_at(bytes, kManagerAt), uuid_at(bytes, kTransactionAt),
                            uuid_at(bytes, kEnlistmentAt)};
  if (record.manager.is_null() || record.transaction.is_null() || record.enlistment.is_null()) {
    return corrupt("a null identity");
  }
  return record;
}

}  // namespace cairn::tm
