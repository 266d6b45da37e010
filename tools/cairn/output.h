// Output: standard output, buffered, with an eye on its reader.
#ifndef CAIRN_TOOLS_OUTPUT_H_
#define CAIRN_TOOLS_OUTPUT_H_

#include <chrono>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace cairn::tools {

// A reader that closes the pipe early (`cairn dump DIR | head`) has what it wanted: the command
// ends, and that is no error. REQUIRES: SIGPIPE is ignored.
class Output {
 public:
  explicit Output(int descriptor) : descriptor_(descriptor) {}
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  // Adds a line; its end is added.
  template <typename... T>
  void line(fmt::format_string<T...> format, T&&... values) {
    fmt::format_to(std::back_inserter(buffer_), format, std::forward<T>(values)...);
    end_line();
  }
  void line() { end_line(); }

  // Writes what is buffered.
  void flush();
  // Flushes, then sleeps for `time`, or until the reader is gone.
  void flush_and_wait(std::chrono::milliseconds time);

  // Nothing more can be written: the reader is gone, or writing failed. Long commands stop then.
  [[nodiscard]] bool is_closed() const { return closed_; }
  // errno of the write that failed; 0: none did, or the reader went away.
  [[nodiscard]] int error() const { return error_; }

 private:
  void end_line();

  int descriptor_;
  std::string buffer_;
  bool closed_ = false;
  int error_ = 0;
};

}  // namespace cairn::tools

#endif  // CAIRN_TOOLS_OUTPUT_H_
