#include "clfs_lsn.h"

namespace cairn::win32 {
namespace {

constexpr std::uint64_t kNoLsn = 0xFFFF'FFFF'0000'0000;
constexpr std::uint64_t kSectorMask = 511;

constexpr std::uint32_t container_of(CLFS_LSN lsn) {
  return static_cast<std::uint32_t>(lsn.Internal >> 32);
}
constexpr std::uint32_t offset_of(CLFS_LSN lsn) {
  return static_cast<std::uint32_t>(lsn.Internal & 0xFFFF'FFFF);
}
// What a null pointer stands for in the functions below, which have no error to give.
CLFS_LSN value_of(const CLFS_LSN* lsn) { return lsn == nullptr ? CLFS_LSN{kNoLsn} : *lsn; }

}  // namespace

CLFS_LSN LsnCodec::encode(Lsn lsn) const {
  if (lsn.is_invalid()) return {kNoLsn};
  const std::uint64_t container = lsn.container(container_size_);
  if (container >= kNoLsn >> 32) return {kNoLsn};
  return {container << 32 | lsn.offset(container_size_)};
}

std::optional<Lsn> LsnCodec::decode(CLFS_LSN lsn) const {
  if (lsn.Internal == kNoLsn) return Lsn::invalid();
  if (container_of(lsn) == kNoLsn >> 32 || offset_of(lsn) >= container_size_) return std::nullopt;
  return Lsn(container_of(lsn) * container_size_ + offset_of(lsn));
}

CLFS_LSN LsnCodec::encode_link(Lsn lsn) const {
  return lsn.is_null() ? CLFS_LSN{kNoLsn} : encode(lsn);
}

std::optional<Lsn> LsnCodec::decode_link(const CLFS_LSN* lsn) const {
  if (lsn == nullptr) return Lsn::null();
  const std::optional<Lsn> decoded = decode(*lsn);
  return decoded && decoded->is_invalid() ? Lsn::null() : decoded;
}

}  // namespace cairn::win32

using cairn::win32::container_of;
using cairn::win32::kNoLsn;
using cairn::win32::kSectorMask;
using cairn::win32::offset_of;
using cairn::win32::value_of;

extern const CLFS_LSN CLFS_LSN_NULL = {0};
extern const CLFS_LSN CLFS_LSN_INVALID = {kNoLsn};

BOOLEAN LsnEqual(const CLFS_LSN* plsn1, const CLFS_LSN* plsn2) {
  return value_of(plsn1).Internal == value_of(plsn2).Internal;
}

BOOLEAN LsnLess(const CLFS_LSN* plsn1, const CLFS_LSN* plsn2) {
  return value_of(plsn1).Internal < value_of(plsn2).Internal;
}

BOOLEAN LsnGreater(const CLFS_LSN* plsn1, const CLFS_LSN* plsn2) {
  return value_of(plsn1).Internal > value_of(plsn2).Internal;
}

BOOLEAN LsnNull(const CLFS_LSN* plsn) { return value_of(plsn).Internal == 0; }

BOOLEAN LsnInvalid(const CLFS_LSN* plsn) { return value_of(plsn).Internal == kNoLsn; }

CLFS_CONTAINER_ID LsnContainer(const CLFS_LSN* plsn) { return container_of(value_of(plsn)); }

ULONG LsnBlockOffset(const CLFS_LSN* plsn) {
  return offset_of(value_of(plsn)) & ~static_cast<ULONG>(kSectorMask);
}

ULONG LsnRecordSequence(const CLFS_LSN* plsn) {
  return offset_of(value_of(plsn)) & static_cast<ULONG>(kSectorMask);
}

CLFS_LSN LsnCreate(CLFS_CONTAINER_ID cidContainer, ULONG offBlock, ULONG cRecord) {
  if ((offBlock & kSectorMask) != 0 || cRecord > kSectorMask) return CLFS_LSN_INVALID;
  return {std::uint64_t{cidContainer} << 32 | offBlock | cRecord};
}

CLFS_LSN LsnIncrement(const CLFS_LSN* plsn) {
  const CLFS_LSN lsn = value_of(plsn);
  return {lsn.Internal >= kNoLsn ? kNoLsn : lsn.Internal + 1};
}
