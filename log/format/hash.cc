#include "format/hash.h"

#include <new>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "format/hash_wide.h"

namespace cairn::log::format {
namespace {

#ifdef CAIRN_HASH_AVX2
// Up to here xxHash uses no wide instructions.
constexpr std::size_t kShort = 240;

bool has_avx2() {
  static const bool has = __builtin_cpu_supports("avx2") != 0;
  return has;
}
#endif

}  // namespace

std::uint64_t hash(std::span<const std::byte> bytes, std::uint64_t seed) {
#ifdef CAIRN_HASH_AVX2
  if (bytes.size() > kShort && has_avx2()) return hash_avx2(bytes.data(), bytes.size(), seed);
#endif
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

PieceHash::PieceHash(std::uint64_t seed) {
  static_assert(sizeof(XXH3_state_t) <= kStateSize && alignof(XXH3_state_t) <= alignof(PieceHash));
  auto* const state = new (state_.data()) XXH3_state_t;
  XXH3_INITSTATE(state);
  XXH3_64bits_reset_withSeed(state, seed);
}

void PieceHash::add(std::span<const std::byte> bytes) {
#ifdef CAIRN_HASH_AVX2
  if (has_avx2()) return hash_more_avx2(state_.data(), bytes.data(), bytes.size());
#endif
  XXH3_64bits_update(reinterpret_cast<XXH3_state_t*>(state_.data()), bytes.data(), bytes.size());
}

std::uint64_t PieceHash::value() const {
  return XXH3_64bits_digest(reinterpret_cast<const XXH3_state_t*>(state_.data()));
}

}  // namespace cairn::log::format
