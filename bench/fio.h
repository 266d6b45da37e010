// fio, run as a program: the floor of the rows that move many bytes.
#ifndef CAIRN_BENCH_FIO_H_
#define CAIRN_BENCH_FIO_H_

#include <chrono>
#include <filesystem>
#include <string>

#include <cairn/result.h>

namespace cairn::bench {

enum class FioJob { kRead, kWrite, kWriteDurable };

// Sequential I/O in steps of 1 MiB, direct, 8 in flight, over the existing `file` for that long.
// kWriteDurable: each write with O_DSYNC. Returns bytes per second. Errors: kNotSupported (there is
// no fio, with what it said), kIoError.
[[nodiscard]] Result<double> run_fio(FioJob job, const std::filesystem::path& file,
                                     std::chrono::seconds duration);

}  // namespace cairn::bench

#endif  // CAIRN_BENCH_FIO_H_
