// Runs the `cairn` command as a process of its own.
#ifndef CAIRN_TESTS_TOOLS_COMMAND_H_
#define CAIRN_TESTS_TOOLS_COMMAND_H_

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <ostream>
#include <string>
#include <vector>

namespace cairn {

using Arguments = std::vector<std::string>;

struct Outcome {
  int exit_code = 0;  // negative: the signal that killed it
  std::string out;
  std::string err;
};
std::ostream& operator<<(std::ostream& stream, const Outcome& outcome);

// A command while it runs. Killed by destruction if nobody waited for it.
class RunningCommand {
 public:
  // Standard output and error go to new files in `directory`.
  RunningCommand(const Arguments& arguments, const std::filesystem::path& directory);
  // Standard output goes to the open file `out`.
  RunningCommand(const Arguments& arguments, const std::filesystem::path& directory, int out);
  ~RunningCommand();
  RunningCommand(const RunningCommand&) = delete;
  RunningCommand& operator=(const RunningCommand&) = delete;

  // Whether `text` is in the standard output, at the latest after `limit`.
  [[nodiscard]] bool prints(const std::string& text,
                            std::chrono::seconds limit = std::chrono::seconds(30)) const;
  // Whether the process ended by itself, at the latest after `limit`.
  [[nodiscard]] bool ends(std::chrono::seconds limit = std::chrono::seconds(30));
  void signal(int number) const;
  // Waits for the end.
  [[nodiscard]] Outcome wait();

 private:
  void start(const Arguments& arguments, int out);

  std::filesystem::path out_file_;
  std::filesystem::path err_file_;
  pid_t process_ = -1;
  bool ended_ = false;
  int status_ = 0;
};

// All bytes of a file; nothing for one that is not there.
[[nodiscard]] std::string file_bytes(const std::filesystem::path& file);

}  // namespace cairn

#endif  // CAIRN_TESTS_TOOLS_COMMAND_H_
