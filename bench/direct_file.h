// A file for direct I/O with written extents: what the floor writes to and fio works on.
#ifndef CAIRN_BENCH_DIRECT_FILE_H_
#define CAIRN_BENCH_DIRECT_FILE_H_

#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <memory>

#include <cairn/result.h>

namespace cairn::bench {

struct FreeMemory {
  void operator()(void* memory) const { std::free(memory); }
};
using AlignedBytes = std::unique_ptr<std::byte, FreeMemory>;

// `size` bytes at an address that direct I/O takes, filled with something that is not zero.
// REQUIRES: size is a multiple of 4096.
[[nodiscard]] AlignedBytes make_aligned(std::size_t size);

// Makes `path` with `size` written bytes, durable, and returns its descriptor, opened O_DIRECT and
// O_DSYNC. The caller closes it. REQUIRES: size is a multiple of 1 MiB.
[[nodiscard]] Result<int> make_written_file(const std::filesystem::path& path, std::size_t size);

}  // namespace cairn::bench

#endif  // CAIRN_BENCH_DIRECT_FILE_H_
