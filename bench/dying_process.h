// A process that ends without closing or destroying anything, as if killed, and the files it
// leaves.
#ifndef CAIRN_BENCH_DYING_PROCESS_H_
#define CAIRN_BENCH_DYING_PROCESS_H_

#include <array>
#include <filesystem>
#include <functional>

#include <cairn/result.h>

namespace cairn::bench {

// What such a process tells: whatever it measured.
using Measured = std::array<double, 4>;

// Runs `work` in one, and returns what it measured. An error of it goes to standard error.
// REQUIRES: no other thread of this process holds a lock that `work` needs.
[[nodiscard]] Result<Measured> measured_in_a_process_that_dies(
    const std::function<Result<Measured>()>& work);
// The same for one number.
[[nodiscard]] Result<double> in_a_process_that_dies(const std::function<Result<double>()>& work);

// A log's files as they were left, so that no round opens what an older round made of them.
[[nodiscard]] Status copy_log(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace cairn::bench

#endif  // CAIRN_BENCH_DYING_PROCESS_H_
