// The floor: what the device does when each thread writes for itself. 4 KiB with O_DIRECT and
// O_DSYNC into written extents of a file of its own, whatever the payload (up to 4 KiB).
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "direct_file.h"
#include "subject.h"

namespace cairn::bench {
namespace {

constexpr std::size_t kWrite = 4096;
constexpr std::size_t kSpan = std::size_t{1} << 20;  // bytes that a thread writes over, in a circle

class FloorSubject final : public Subject {
 public:
  ~FloorSubject() override {
    for (const Writer& writer : writers_) ::close(writer.file);
  }

  Status prepare(const std::filesystem::path& directory, unsigned threads) {
    for (unsigned i = 0; i < threads; ++i) {
      CAIRN_ASSIGN_OR_RETURN(const int file,
                             make_written_file(directory / std::to_string(i), kSpan));
      writers_.push_back({.file = file, .bytes = make_aligned(kWrite)});
    }
    return {};
  }

  Status append(unsigned thread, std::span<const std::byte> /*payload*/) override {
    Writer& writer = writers_[thread];
    const auto written =
        ::pwrite(writer.file, writer.bytes.get(), kWrite, static_cast<off_t>(writer.offset));
    if (written != ssize_t{kWrite}) {
      return {StatusCode::kIoError, "pwrite: " + std::generic_category().message(errno)};
    }
    writer.offset = (writer.offset + kWrite) % kSpan;
    return {};
  }

 private:
  struct alignas(64) Writer {
    int file = -1;
    AlignedBytes bytes;
    std::size_t offset = 0;
  };
  std::vector<Writer> writers_;
};

}  // namespace

Engine floor_engine() {
  return {.name = "floor",
          .version = "",
          .open = [](const std::filesystem::path& directory,
                     const Workload& workload) -> Result<std::unique_ptr<Subject>> {
            auto subject = std::make_unique<FloorSubject>();
            CAIRN_RETURN_IF_ERROR(subject->prepare(directory, workload.threads));
            return std::unique_ptr<Subject>(std::move(subject));
          }};
}

}  // namespace cairn::bench
