// What a child of a loop says to its parent: messages, and why it cannot go on.
#ifndef CAIRN_TORTURE_CHILD_PIPE_H_
#define CAIRN_TORTURE_CHILD_PIPE_H_

#include <unistd.h>

#include <cstdlib>
#include <mutex>
#include <string>

#include <cairn/status.h>

#include "kill_messages.h"

namespace cairn::torture {

// The one pipe of this process.
inline int child_pipe = -1;

inline void tell(const Message& message) {
  // A parent that is gone, or a pipe that broke, ends the child.
  if (::write(child_pipe, &message, sizeof message) != sizeof message) std::_Exit(3);
}

[[noreturn]] inline void fail(std::uint32_t stream, const std::string& call, const Status& status) {
  static std::mutex once;  // of several threads only the first one speaks
  once.lock();
  const std::string text = (call + ": " + status.to_string()).substr(0, 1024);
  for (std::size_t at = 0; at < text.size(); at += kSaidBytes) tell(said(text.substr(at)));
  tell({Message::kFailed, stream, static_cast<std::uint64_t>(status.code()), 0});
  std::_Exit(2);
}

}  // namespace cairn::torture

#endif  // CAIRN_TORTURE_CHILD_PIPE_H_
