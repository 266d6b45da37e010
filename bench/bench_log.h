// A Cairn log for a measurement: its containers are made beforehand, so that no round pays for
// them.
#ifndef CAIRN_BENCH_BENCH_LOG_H_
#define CAIRN_BENCH_BENCH_LOG_H_

#include <cstdint>
#include <filesystem>
#include <memory>

#include <cairn/log.h>

namespace cairn::bench {

struct BenchLog {
  std::unique_ptr<log::Log> log;
  log::Stream stream;

  // Everything appended so far is unneeded: its containers can be taken again.
  [[nodiscard]] Status give_space_back();
};

struct BenchLogShape {
  log::CreateOptions create{};
  log::OpenOptions open{};
  // Containers there are when it is made, and kept free at most afterwards. At least 4.
  std::uint32_t containers = 8;
};

// Makes a log in `path`, which must not exist or be empty.
[[nodiscard]] Result<BenchLog> make_bench_log(const std::filesystem::path& path,
                                              const BenchLogShape& shape);

}  // namespace cairn::bench

#endif  // CAIRN_BENCH_BENCH_LOG_H_
