#include "identities.h"

#include <array>
#include <cstddef>
#include <cstring>

#include <xxhash.h>

namespace cairn::tm {

Uuid Identities::next() {
  const std::uint64_t count = count_.fetch_add(1, std::memory_order_relaxed);
  std::array<std::byte, sizeof seed_.bytes + sizeof count> input;
  std::memcpy(input.data(), seed_.bytes.data(), sizeof seed_.bytes);
  std::memcpy(input.data() + sizeof seed_.bytes, &count, sizeof count);
  XXH128_canonical_t hash;
  XXH128_canonicalFromHash(&hash, XXH3_128bits(input.data(), input.size()));
  Uuid id;
  static_assert(sizeof hash.digest == sizeof id.bytes);
  std::memcpy(id.bytes.data(), hash.digest, sizeof id.bytes);
  id.bytes[6] = static_cast<std::uint8_t>((id.bytes[6] & 0x0F) | 0x80);  // version 8
  id.bytes[8] = static_cast<std::uint8_t>((id.bytes[8] & 0x3F) | 0x80);  // the variant of RFC 9562
  return id;
}

}  // namespace cairn::tm
