// XXH3 with 64 bits and a seed, in the widest instructions that the processor has.
//
// xxHash chooses them when it is compiled; the choice at run time is made here. What is computed is
// the same with all of them.
#ifndef CAIRN_LOG_FORMAT_HASH_H_
#define CAIRN_LOG_FORMAT_HASH_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace cairn::log::format {

[[nodiscard]] std::uint64_t hash(std::span<const std::byte> bytes, std::uint64_t seed = 0);

// The hash of bytes that come in pieces: the same as of all of them at once. Not thread-safe.
class PieceHash {
 public:
  explicit PieceHash(std::uint64_t seed = 0);

  void add(std::span<const std::byte> bytes);
  // Of what was added so far.
  [[nodiscard]] std::uint64_t value() const;

 private:
  // An XXH3_state_t; hash.cc asserts that it fits.
  static constexpr std::size_t kStateSize = 576;
  alignas(64) std::array<std::byte, kStateSize> state_;
};

}  // namespace cairn::log::format

#endif  // CAIRN_LOG_FORMAT_HASH_H_
