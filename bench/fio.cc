#include "fio.h"

#include <algorithm>
#include <cstdio>
#include <memory>

#include <nlohmann/json.hpp>

namespace cairn::bench {
namespace {

struct ClosePipe {
  void operator()(std::FILE* pipe) const { ::pclose(pipe); }
};

// Single quotes for the shell.
std::string shell_word(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

std::string command_line(FioJob job, const std::filesystem::path& file,
                         std::chrono::seconds duration) {
  std::string command = "fio --name=cairn --ioengine=io_uring --direct=1 --bs=1m --iodepth=8";
  command += " --time_based --output-format=json --allow_file_create=0";
  command += job == FioJob::kRead ? " --readonly --rw=read" : " --rw=write";
  if (job == FioJob::kWriteDurable) command += " --sync=dsync";
  command += " --size=" + std::to_string(std::filesystem::file_size(file));
  command += " --runtime=" + std::to_string(duration.count());
  // fio would split a name at colons.
  std::string name;
  for (const char c : file.string()) name += c == ':' ? std::string("\\:") : std::string(1, c);
  return command + " --filename=" + shell_word(name) + " 2>&1";
}

}  // namespace

Result<double> run_fio(FioJob job, const std::filesystem::path& file,
                       std::chrono::seconds duration) {
  const std::string command = command_line(job, file, duration);
  std::unique_ptr<std::FILE, ClosePipe> pipe(::popen(command.c_str(), "re"));
  if (pipe == nullptr) return Status(StatusCode::kIoError, "popen: " + command);
  std::string output;
  char piece[4096];
  for (std::size_t got; (got = std::fread(piece, 1, sizeof piece, pipe.get())) > 0;) {
    output.append(piece, got);
  }
  const int exit_code = ::pclose(pipe.release());
  const auto report =
      nlohmann::json::parse(output.substr(std::min(output.find('{'), output.size())), nullptr,
                            /*allow_exceptions=*/false);
  const char* direction = job == FioJob::kRead ? "read" : "write";
  const nlohmann::json::json_pointer rate(std::string("/jobs/0/") + direction + "/bw_bytes");
  if (exit_code != 0 || report.is_discarded() || !report.contains(rate)) {
    return Status(exit_code == 127 << 8 ? StatusCode::kNotSupported : StatusCode::kIoError,
                  command + ": " + output.substr(0, 500));
  }
  return report[rate].get<double>();
}

}  // namespace cairn::bench
