// FlushCount: how often the block device under a directory was told to flush, by anyone.
#ifndef CAIRN_BENCH_FLUSH_COUNT_H_
#define CAIRN_BENCH_FLUSH_COUNT_H_

#include <cstdint>
#include <filesystem>
#include <string>

namespace cairn::bench {

class FlushCount {
 public:
  // Looks for the device of the file system that `directory` lies on.
  explicit FlushCount(const std::filesystem::path& directory);

  // "vda"; empty if none was found (a file system over several devices, a container without /sys).
  [[nodiscard]] const std::string& device() const { return device_; }
  // Empty, or why the count says nothing about durability here: there is no device, its kernel
  // counts no flushes, or a durable write needs none (write-through cache, or FUA).
  [[nodiscard]] const std::string& unavailable() const { return unavailable_; }

  // Since the machine started. 0 if unavailable.
  [[nodiscard]] std::uint64_t now() const;

 private:
  std::filesystem::path statistics_;
  std::string device_;
  std::string unavailable_;
};

}  // namespace cairn::bench

#endif  // CAIRN_BENCH_FLUSH_COUNT_H_
