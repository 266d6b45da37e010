// What hash.h chooses from, for one kind of processor each. A file that defines some of it is
// compiled for more than the least processor and so includes nothing but xxHash: an inline function
// of another header, compiled there, could be the one that the linker takes for all.
#ifndef CAIRN_LOG_FORMAT_HASH_WIDE_H_
#define CAIRN_LOG_FORMAT_HASH_WIDE_H_

#include <stddef.h>
#include <stdint.h>

namespace cairn::log::format {

// REQUIRES: the processor has AVX2.
[[nodiscard]] uint64_t hash_avx2(const void* bytes, size_t size, uint64_t seed);
// `state`: an XXH3_state_t, the same for all kinds of processors.
void hash_more_avx2(void* state, const void* bytes, size_t size);

}  // namespace cairn::log::format

#endif  // CAIRN_LOG_FORMAT_HASH_WIDE_H_
