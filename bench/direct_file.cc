#include "direct_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace cairn::bench {
namespace {

constexpr std::size_t kStep = std::size_t{1} << 20;

Status failure(const std::filesystem::path& path, const char* call) {
  return {StatusCode::kIoError,
          path.string() + ": " + call + ": " + std::generic_category().message(errno)};
}

}  // namespace

AlignedBytes make_aligned(std::size_t size) {
  AlignedBytes bytes(static_cast<std::byte*>(std::aligned_alloc(4096, size)));
  if (bytes == nullptr) std::abort();
  std::fill_n(bytes.get(), size, std::byte{'x'});
  return bytes;
}

Result<int> make_written_file(const std::filesystem::path& path, std::size_t size) {
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_DIRECT | O_DSYNC, 0600);
  if (file < 0) return failure(path, "open with O_DIRECT and O_DSYNC");
  const AlignedBytes bytes = make_aligned(kStep);
  for (std::size_t at = 0; at < size; at += kStep) {
    if (::pwrite(file, bytes.get(), kStep, static_cast<off_t>(at)) != ssize_t{kStep}) {
      const Status failed = failure(path, "pwrite");
      ::close(file);
      return failed;
    }
  }
  return file;
}

}  // namespace cairn::bench
