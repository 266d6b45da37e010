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

  // Takes the descriptor over, and closes it at the end.
  explicit CompletionPort(int event_fd) : Object(kType), event_fd_(event_fd) {}
  ~CompletionPort() override;

  // One request was completed.
  void signal();
  // Whether the descriptor is readable.
  [[nodiscard]] std::optional<bool> wait(std::optional<std::chrono::nanoseconds> limit) override;

 private:
  const int event_fd_;
};

}  // namespace cairn::win32

#endif  // CAIRN_WIN32_COMPLETION_PORT_H_
