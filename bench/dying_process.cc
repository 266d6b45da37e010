#include "dying_process.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
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

Status copy_log(const std::filesystem::path& from, const std::filesystem::path& to) {
  std::error_code error;
  std::filesystem::remove_all(to, error);
  if (!error) std::filesystem::copy(from, to, error);
  if (error) return Status(StatusCode::kIoError, to.string() + ": " + error.message());
  // Only these: what else the machine has yet to write is not this copy's matter.
  for (const auto& file : std::filesystem::directory_iterator(to, error)) {
    const int descriptor = ::open(file.path().c_str(), O_RDONLY | O_CLOEXEC);
    const bool synced = descriptor >= 0 && ::fsync(descriptor) == 0;
    if (descriptor >= 0) ::close(descriptor);
    if (!synced) return Status(StatusCode::kIoError, file.path().string() + ": fsync");
  }
  if (error) return Status(StatusCode::kIoError, to.string() + ": " + error.message());
  return Status::ok();
}

}  // namespace cairn::bench
