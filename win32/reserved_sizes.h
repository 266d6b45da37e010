// ReservedSizes: how a marshalling area's reservation is divided among the records it is for.
#ifndef CAIRN_WIN32_RESERVED_SIZES_H_
#define CAIRN_WIN32_RESERVED_SIZES_H_

#include <cstdint>
#include <map>

namespace cairn::win32 {

// CLFS counts records: one that is written takes one that was reserved, however much smaller it is.
// A Reservation counts bytes, so that what is left of each would add up to a full log. Of records
// whose sizes are known, the one that fits best is taken whole. A value; its owner locks.
class ReservedSizes {
 public:
  // `records` more, of `bytes` together; how those are divided is known only of a single one.
  void add(std::uint64_t records, std::uint64_t bytes);
  // One record of `needed` bytes is written. Returns the bytes that are reserved no longer.
  // REQUIRES: a record and so many bytes are reserved.
  [[nodiscard]] std::uint64_t use(std::uint64_t needed);
  // So much is given up. Returns the bytes that are reserved no longer: with the last record all.
  // REQUIRES: so much is reserved.
  [[nodiscard]] std::uint64_t give_up(std::uint64_t records, std::uint64_t bytes);

 private:
  void forget_sizes();
  [[nodiscard]] std::uint64_t take_together(std::uint64_t records, std::uint64_t bytes);

  std::map<std::uint64_t, std::uint64_t> known_;  // records by their size, none of them 0
  // Those of which only the sum is known.
  std::uint64_t records_ = 0;
  std::uint64_t bytes_ = 0;
};

}  // namespace cairn::win32

#endif  // CAIRN_WIN32_RESERVED_SIZES_H_
