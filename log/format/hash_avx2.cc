// Compiled for processors with AVX2 (log/CMakeLists.txt).
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "format/hash_wide.h"

namespace cairn::log::format {

uint64_t hash_avx2(const void* bytes, size_t size, uint64_t seed) {
  return XXH3_64bits_withSeed(bytes, size, seed);
}

void hash_more_avx2(void* state, const void* bytes, size_t size) {
  XXH3_64bits_update(static_cast<XXH3_state_t*>(state), bytes, size);
}

}  // namespace cairn::log::format
