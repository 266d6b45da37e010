#include "dying_process.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <system_error>

namespace cairn::bench {

Result<Measured> measured_in_a_process_that_dies(const std::function<Result<Measured>()>& work) {
  int ends[2];
  if (::pipe(ends) != 0) return Status(StatusCode::kIoError, "pipe");
  const pid_t child = ::fork();
  if (child < 0) return Status(StatusCode::kIoError, "fork");
  if (child == 0) {
    const Result<Measured> measured = work();
    if (!measured.is_ok()) std::fprintf(stderr, "%s\n", measured.status().to_string().c_str());
    const Measured answer = measured.is_ok() ? *measured : Measured{};
    const bool told = ::write(ends[1], &answer, sizeof answer) == ssize_t{sizeof answer};
    ::_exit(told && measured.is_ok() ? 0 : 1);
  }
  ::close(ends[1]);
  Measured measured{};
  const bool told = ::read(ends[0], &measured, sizeof measured) == ssize_t{sizeof measured};
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  if (!told || status != 0) {
    return Status(StatusCode::kIoError, "the process failed; standard error says why");
  }
  return measured;
}

Result<double> in_a_process_that_dies(const std::function<Result<double>()>& work) {
  CAIRN_ASSIGN_OR_RETURN(const Measured measured,
                         measured_in_a_process_that_dies([&]() -> Result<Measured> {
                           CAIRN_ASSIGN_OR_RETURN(const double one, work());
                           return Measured{one};
                         }));
  return measured[0];
}

namespace {

// Copies what is not zero of a file, and takes the space for all of it: most of a log's containers
// may be filled with zeros.
bool copy_filled(int from, int to) {
  constexpr std::size_t kPiece = std::size_t{1} << 16;
  static constexpr std::array<char, kPiece> kZeros{};
  std::array<char, kPiece> piece;
  const off_t size = ::lseek(from, 0, SEEK_END);
  if (size < 0 || (size > 0 && ::fallocate(to, 0, 0, size) != 0)) return false;
  for (off_t at = 0; at < size;) {
    const ssize_t got = ::pread(from, piece.data(), piece.size(), at);
    if (got <= 0) return false;
    const auto bytes = static_cast<std::size_t>(got);
    const bool filled = std::memcmp(piece.data(), kZeros.data(), bytes) != 0;
    if (filled && ::pwrite(to, piece.data(), bytes, at) != got) return false;
    at += got;
  }
  return ::fsync(to) == 0;
}

bool copy_one(const std::filesystem::path& from, const std::filesystem::path& to) {
  const int in = ::open(from.c_str(), O_RDONLY | O_CLOEXEC);
  const int out = ::open(to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  const bool copied = in >= 0 && out >= 0 && copy_filled(in, out);
  if (in >= 0) ::close(in);
  if (out >= 0) ::close(out);
  return copied;
}

}  // namespace

Status copy_log(const std::filesystem::path& from, const std::filesystem::path& to) {
  std::error_code error;
  std::filesystem::remove_all(to, error);
  if (!error) std::filesystem::create_directory(to, error);
  if (error) return Status(StatusCode::kIoError, to.string() + ": " + error.message());
  for (const auto& file : std::filesystem::directory_iterator(from, error)) {
    if (!copy_one(file.path(), to / file.path().filename())) {
      return Status(StatusCode::kIoError, file.path().string() + ": " + std::strerror(errno));
    }
  }
  if (error) return Status(StatusCode::kIoError, from.string() + ": " + error.message());
  return Status::ok();
}

}  // namespace cairn::bench
