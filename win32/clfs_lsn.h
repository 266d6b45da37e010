// LsnCodec: a Cairn LSN as a CLFS_LSN, and back.
#ifndef CAIRN_WIN32_CLFS_LSN_H_
#define CAIRN_WIN32_CLFS_LSN_H_

#include <cstdint>
#include <optional>

#include <cairn/clfsw32.h>
#include <cairn/lsn.h>

namespace cairn::win32 {

// A Cairn LSN is a position p in bytes; a CLFS_LSN has the container in its upper half. With
// containers of C bytes, C at most 2^30, p is (p / C) << 32 | p % C: one to one, and in the same
// order. Null and invalid correspond to CLFS_LSN_NULL and CLFS_LSN_INVALID. Beyond 2^32 - 1
// containers (4 PiB of the smallest) there is no CLFS_LSN: CLFS_LSN_INVALID.
class LsnCodec {
 public:
  LsnCodec() = default;
  explicit LsnCodec(std::uint64_t container_size) : container_size_(container_size) {}

  [[nodiscard]] CLFS_LSN encode(Lsn lsn) const;
  // Nothing: it is none of this log.
  [[nodiscard]] std::optional<Lsn> decode(CLFS_LSN lsn) const;
  // A link of a record that was read: where there is none, CLFS_LSN_INVALID, which ends chains.
  [[nodiscard]] CLFS_LSN encode_link(Lsn lsn) const;
  // A link of a record to be appended: null, CLFS_LSN_NULL and CLFS_LSN_INVALID mean that there is
  // none.
  [[nodiscard]] std::optional<Lsn> decode_link(const CLFS_LSN* lsn) const;

 private:
  std::uint64_t container_size_ = std::uint64_t{1} << 20;
};

}  // namespace cairn::win32

#endif  // CAIRN_WIN32_CLFS_LSN_H_
