// BridgeRecord: the recovery information of both enlistments of a branch. By it each half names the
// other, so that a bridge finds after a crash what belongs together.
//
//    0  u8[4]  magic "CBR1"
//    4  u16    version = 1, little-endian
//    6  u16    zero
//    8  u8[16] the other manager
//   24  u8[16] unit of work there
//   40  u8[16] enlistment there
//   56
#ifndef CAIRN_TM_BRIDGE_RECORD_H_
#define CAIRN_TM_BRIDGE_RECORD_H_

#include <array>
#include <cstddef>
#include <span>

#include <cairn/result.h>
#include <cairn/uuid.h>

namespace cairn::tm {

inline constexpr std::size_t kBridgeRecordBytes = 56;

struct BridgeRecord {
  Uuid manager{};
  Uuid transaction{};
  Uuid enlistment{};

  friend bool operator==(const BridgeRecord&, const BridgeRecord&) = default;
};

[[nodiscard]] std::array<std::byte, kBridgeRecordBytes> encode(const BridgeRecord& record);
// Errors: kCorrupt (length, magic, a field that cannot be), kNewerVersion.
[[nodiscard]] Result<BridgeRecord> decode_bridge_record(std::span<const std::byte> bytes);

}  // namespace cairn::tm

#endif  // CAIRN_TM_BRIDGE_RECORD_H_
