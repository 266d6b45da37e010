// Included by tests that open logs by the thousand: keeps the heap from giving each log's buffers
// back to the kernel, only to ask for them again a millisecond later.
#ifndef CAIRN_TESTS_SIM_TEST_HEAP_H_
#define CAIRN_TESTS_SIM_TEST_HEAP_H_

#include <cstdlib>
#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace cairn::sim {

inline bool keep_the_heap() {
#ifdef __GLIBC__
  return mallopt(M_MMAP_THRESHOLD, 64 << 20) != 0 && mallopt(M_TRIM_THRESHOLD, 256 << 20) != 0;
#else
  return false;
#endif
}
inline const bool kHeapIsKept = keep_the_heap();

}  // namespace cairn::sim

#endif  // CAIRN_TESTS_SIM_TEST_HEAP_H_
