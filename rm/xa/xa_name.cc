#include "xa_name.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace cairn::rm {
namespace {

constexpr std::size_t kIdSize = 16;
constexpr char kXidMagic[] = {'X', 'I', 'D', '1'};
constexpr std::size_t kXidHeader = sizeof kXidMagic + 8 + 2;

Uuid id_at(const XID& xid, std::size_t at) {
  Uuid id;
  std::memcpy(id.bytes.data(), xid.data + at, kIdSize);
  return id;
}

std::size_t data_size(const XID& xid) {
  return static_cast<std::size_t>(xid.gtrid_length + xid.bqual_length);
}

std::string hexadecimal(const char* data, long length) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (long i = 0; i < length; ++i) {
    const auto byte = static_cast<unsigned char>(data[i]);
    text.push_back(kDigits[byte >> 4U]);
    text.push_back(kDigits[byte & 15U]);
  }
  return text;
}

}  // namespace

XID to_xid(const BranchName& name) {
  XID xid{};
  xid.formatID = kXaFormat;
  xid.gtrid_length = 2 * kIdSize;
  xid.bqual_length = kIdSize;
  std::memcpy(xid.data, name.transaction_manager.bytes.data(), kIdSize);
  std::memcpy(xid.data + kIdSize, name.transaction.bytes.data(), kIdSize);
  std::memcpy(xid.data + 2 * kIdSize, name.resource_manager.bytes.data(), kIdSize);
  return xid;
}

std::optional<BranchName> from_xid(const XID& xid) {
  if (xid.formatID != kXaFormat || xid.gtrid_length != 2 * kIdSize || xid.bqual_length != kIdSize) {
    return std::nullopt;
  }
  return BranchName{id_at(xid, 0), id_at(xid, 2 * kIdSize), id_at(xid, kIdSize)};
}

bool is_valid(const XID& xid) {
  return xid.formatID != -1 && xid.gtrid_length >= 1 && xid.gtrid_length <= MAXGTRIDSIZE &&
         xid.bqual_length >= 1 && xid.bqual_length <= MAXBQUALSIZE;
}

std::string xid_key(const XID& xid) {
  const std::vector<std::byte> bytes = encode_xid(xid);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string xid_text(const XID& xid) {
  if (!is_valid(xid)) return "(no valid XID)";
  return std::to_string(xid.formatID) + ":" + hexadecimal(xid.data, xid.gtrid_length) + ":" +
         hexadecimal(xid.data + xid.gtrid_length, xid.bqual_length);
}

std::vector<std::byte> encode_xid(const XID& xid) {
  std::vector<std::byte> bytes;
  for (const char letter : kXidMagic) bytes.push_back(static_cast<std::byte>(letter));
  const auto format = static_cast<std::uint64_t>(xid.formatID);
  for (unsigned shift = 0; shift < 64; shift += 8) {
    bytes.push_back(static_cast<std::byte>(format >> shift));
  }
  bytes.push_back(static_cast<std::byte>(xid.gtrid_length));
  bytes.push_back(static_cast<std::byte>(xid.bqual_length));
  const auto* const data = reinterpret_cast<const std::byte*>(xid.data);
  bytes.insert(bytes.end(), data, data + data_size(xid));
  return bytes;
}

Result<XID> decode_xid(std::span<const std::byte> bytes) {
  const auto corrupt = [&](const std::string& what) {
    return Status(StatusCode::kCorrupt, "an XID in " + std::to_string(bytes.size()) +
                                            " bytes of recovery information: " + what);
  };
  if (bytes.size() < kXidHeader || std::memcmp(bytes.data(), kXidMagic, sizeof kXidMagic) != 0) {
    return corrupt("expected the magic XID1 and " + std::to_string(kXidHeader) + " bytes");
  }
  XID xid{};
  std::uint64_t format = 0;
  for (std::size_t i = sizeof kXidMagic + 8; i-- > sizeof kXidMagic;) {
    format = format << 8U | std::to_integer<std::uint64_t>(bytes[i]);
  }
  xid.formatID = static_cast<long>(format);
  xid.gtrid_length = std::to_integer<long>(bytes[kXidHeader - 2]);
  xid.bqual_length = std::to_integer<long>(bytes[kXidHeader - 1]);
  if (!is_valid(xid)) return corrupt("expected lengths from 1 to 64 and no null format");
  if (bytes.size() != kXidHeader + data_size(xid)) {
    return corrupt("expected " + std::to_string(kXidHeader + data_size(xid)));
  }
  std::memcpy(xid.data, bytes.data() + kXidHeader, data_size(xid));
  return xid;
}

}  // namespace cairn::rm
