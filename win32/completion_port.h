// CompletionPort: an event descriptor of the caller's that stands for an I/O completion port.
#ifndef CAIRN_WIN32_COMPLETION_PORT_H_
#define CAIRN_WIN32_COMPLETION_PORT_H_

#include <chrono>
#include <optional>

#include "handle_table.h"

namespace cairn::win32 {

class CompletionPort : public Object {
 public:
  static constexpr HandleType kType = HandleType::kCompletionPort;

  // Takes the descriptors over, and closes them at the end. `closing_fd`: an event descriptor that
  // nobody else has.
  CompletionPort(int event_fd, int closing_fd)
      : Object(kType), event_fd_(event_fd), closing_fd_(closing_fd) {}
  ~CompletionPort() override;

  // One request was completed.
  void signal();
  // Ends waits.
  void closed() override;
  // Whether the descriptor is readable. Absent: its handle was closed.
  [[nodiscard]] std::optional<bool> wait(std::optional<std::chrono::nanoseconds> limit) override;

 private:
  const int event_fd_;
  const int closing_fd_;  // readable from closed() on
};

}  // namespace cairn::win32

#endif  // CAIRN_WIN32_COMPLETION_PORT_H_
