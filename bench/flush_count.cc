#include "flush_count.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <fstream>
#include <iterator>
#include <vector>

namespace cairn::bench {
namespace {

// Of Documentation/block/stat.rst: the sixteenth number of the file is of flush requests completed.
constexpr std::size_t kFlushField = 15;

std::vector<std::uint64_t> numbers_in(const std::filesystem::path& file) {
  std::ifstream in(file);
  return {std::istream_iterator<std::uint64_t>(in), {}};
}

std::string line_of(const std::filesystem::path& file) {
  std::ifstream in(file);
  std::string line;
  std::getline(in, line);
  return line;
}

}  // namespace

FlushCount::FlushCount(const std::filesystem::path& directory) {
  namespace fs = std::filesystem;
  struct stat info {};
  std::error_code error;
  fs::path device;
  if (::stat(directory.c_str(), &info) == 0) {
    device = fs::canonical("/sys/dev/block/" + std::to_string(major(info.st_dev)) + ":" +
                               std::to_string(minor(info.st_dev)),
                           error);
  }
  if (device.empty() || error) {
    unavailable_ = "no block device was found below " + directory.string();
    return;
  }
  // Flushes are counted on the whole device.
  if (fs::exists(device / "partition")) device = device.parent_path();
  device_ = device.filename().string();
  statistics_ = device / "stat";
  if (numbers_in(statistics_).size() <= kFlushField) {
    unavailable_ = "the kernel counts no flushes of " + device_;
  } else if (line_of(device / "queue/write_cache") == "write through") {
    unavailable_ = device_ + " has no volatile cache to flush";
  } else if (line_of(device / "queue/fua") == "1") {
    unavailable_ = device_ + " takes durable writes without a flush (FUA)";
  }
}

std::uint64_t FlushCount::now() const {
  if (!unavailable_.empty()) return 0;
  const auto numbers = numbers_in(statistics_);
  return numbers.size() > kFlushField ? numbers[kFlushField] : 0;
}

}  // namespace cairn::bench
