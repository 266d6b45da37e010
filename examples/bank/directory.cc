#include "bank/directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <system_error>
#include <utility>

#include <fmt/chrono.h>
#include <fmt/format.h>

namespace cairn::examples::bank {
namespace {

namespace fs = std::filesystem;

// Says that the directory is a bank's own.
constexpr std::string_view kSign = "cairn-bank";
constexpr std::string_view kSignText =
    "A run of cairn-bank. Everything here is replaced by the next.\n";
constexpr std::array<std::string_view, 8> kOwn{
    "log",           "rocksdb",           "sqlite.db", "sqlite.db-wal",
    "sqlite.db-shm", "sqlite.db-journal", "work.csv",  kSign};

Status failed(const fs::path& path, const std::error_code& error) {
  return Status(StatusCode::kIoError, fmt::format("{}: {}", path.string(), error.message()));
}

Result<std::shared_ptr<void>> hold(const fs::path& directory) {
  const int fd = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return failed(directory, {errno, std::generic_category()});
  std::shared_ptr<void> held(nullptr, [fd](void*) { ::close(fd); });
  if (::flock(fd, LOCK_EX | LOCK_NB) == 0) return held;
  if (errno != EWOULDBLOCK) return failed(directory, {errno, std::generic_category()});
  return Status(StatusCode::kLocked,
                fmt::format("{}: another run of cairn-bank is in it", directory.string()));
}

}  // namespace

Result<BankDirectory> make_directory(const std::string& path) {
  std::error_code error;
  const fs::path directory = fs::absolute(path, error);
  if (!error) fs::create_directories(directory, error);
  if (error) return failed(path, error);
  const bool is_empty = fs::is_empty(directory, error);
  if (error) return failed(directory, error);
  if (!is_empty && !fs::exists(directory / kSign, error)) {
    return Status(StatusCode::kAlreadyExists,
                  fmt::format("{}: expected an empty directory or an earlier run of cairn-bank, "
                              "found other files; name another with --dir",
                              directory.string()));
  }
  CAIRN_ASSIGN_OR_RETURN(std::shared_ptr<void> held, hold(directory));
  // The sign goes last: a removal that was cut short is still recognized.
  for (const std::string_view name : kOwn) {
    fs::remove_all(directory / name, error);
    if (error) return failed(directory / name, error);
  }
  std::ofstream sign(directory / kSign);
  if (!(sign << kSignText).flush()) {
    return Status(StatusCode::kIoError,
                  fmt::format("{}: cannot be written", (directory / kSign).string()));
  }
  return BankDirectory{directory.string(), std::move(held)};
}

std::string default_directory() {
  const auto now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  return fmt::format("out/bank-{:%Y%m%d-%H%M%S}-{}", fmt::localtime(now), ::getpid());
}

}  // namespace cairn::examples::bank
