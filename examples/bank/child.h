// Child: a process that is started, listened to, and killed.
#ifndef CAIRN_EXAMPLES_BANK_CHILD_H_
#define CAIRN_EXAMPLES_BANK_CHILD_H_

#include <sys/types.h>

#include <chrono>
#include <string>
#include <vector>

#include <cairn/result.h>

namespace cairn::examples::bank {

// Killed and waited for by destruction, if it still runs. It dies with its parent. One thread.
class Child {
 public:
  // Runs the executable `program` with `arguments`; its standard output goes to lines(). Error:
  // kIoError.
  [[nodiscard]] static Result<Child> start(const std::string& program,
                                           const std::vector<std::string>& arguments);
  Child(Child&& other) noexcept;
  Child& operator=(Child&&) = delete;
  ~Child();

  // Waits up to `limit` for output and returns the complete lines of it. None: the limit passed, or
  // it ended. What it wrote before it was killed is all returned; a line without an end is not.
  [[nodiscard]] Result<std::vector<std::string>> lines(std::chrono::milliseconds limit);
  // Its output is closed and was read to the end.
  [[nodiscard]] bool is_over() const { return output_ < 0; }

  // SIGKILL: no destructor, no handler, nothing flushed.
  void kill();
  // Waits for its end. Zero if it exited by itself with status 0; otherwise a text that says how it
  // ended.
  struct End {
    bool is_success = false;
    std::string text;
  };
  End wait();

 private:
  Child(pid_t pid, int output) : pid_(pid), output_(output) {}

  pid_t pid_;         // -1: waited for
  int output_;        // -1: read to the end
  std::string rest_;  // of a line not yet complete
};

}  // namespace cairn::examples::bank

#endif  // CAIRN_EXAMPLES_BANK_CHILD_H_
