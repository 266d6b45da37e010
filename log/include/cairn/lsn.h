// Lsn: the log sequence number, a 64-bit logical byte position.
//
// The LSN of a record is the byte position of its header in the log's one address space. It is
// final when append returns, one order for all streams of a log, and never used twice, not even
// for bytes that were lost with a torn tail. The position maps on a file without a table:
// container number = lsn / container size, offset in that container = lsn % container size.
#ifndef CAIRN_LSN_H_
#define CAIRN_LSN_H_

#include <compare>
#include <cstdint>
#include <string>

namespace cairn {

class Lsn {
 public:
  constexpr Lsn() = default;  // null
  constexpr explicit Lsn(std::uint64_t value) : value_(value) {}

  [[nodiscard]] static constexpr Lsn null() { return Lsn(0); }
  [[nodiscard]] static constexpr Lsn invalid() { return Lsn(~std::uint64_t{0}); }

  [[nodiscard]] constexpr std::uint64_t value() const { return value_; }
  [[nodiscard]] constexpr bool is_null() const { return value_ == 0; }
  [[nodiscard]] constexpr bool is_invalid() const { return value_ == ~std::uint64_t{0}; }
  // Neither null nor invalid. Does not say that a record is there.
  [[nodiscard]] constexpr bool is_valid() const { return !is_null() && !is_invalid(); }

  // Logical container number and byte offset in it. REQUIRES: container_size is the log's.
  [[nodiscard]] constexpr std::uint64_t container(std::uint64_t container_size) const {
    return value_ / container_size;
  }
  [[nodiscard]] constexpr std::uint64_t offset(std::uint64_t container_size) const {
    return value_ % container_size;
  }

  [[nodiscard]] constexpr Lsn operator+(std::uint64_t bytes) const { return Lsn(value_ + bytes); }
  // Distance in bytes. REQUIRES: *this >= other.
  [[nodiscard]] constexpr std::uint64_t operator-(Lsn other) const { return value_ - other.value_; }

  friend constexpr auto operator<=>(Lsn, Lsn) = default;

  // Decimal; "null" and "invalid" for the two special values.
  [[nodiscard]] std::string to_string() const {
    if (is_null()) return "null";
    if (is_invalid()) return "invalid";
    return std::to_string(value_);
  }

 private:
  std::uint64_t value_ = 0;
};

}  // namespace cairn

#endif  // CAIRN_LSN_H_
