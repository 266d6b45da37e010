// Message: what a worker tells its driver through a pipe, one JSON object per line.
//
// A line is shorter than PIPE_BUF, so it arrives whole or, when the worker is killed, not at all.
#ifndef CAIRN_EXAMPLES_BANK_MESSAGE_H_
#define CAIRN_EXAMPLES_BANK_MESSAGE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include <cairn/result.h>

#include "bank/report.h"
#include "bank/transfer.h"

namespace cairn::examples::bank {

// Both stores are recovered and serve.
struct Ready {
  Recovery recovery;
};

enum class Verdict : std::uint8_t {
  kCommitted,     // commit() returned OK
  kAlreadyThere,  // an earlier try had committed: the marker was found
  kAborted,       // insufficient funds; rolled back
};

// A transfer has its outcome.
struct Done {
  TransferId id = 0;
  Verdict verdict = Verdict::kCommitted;
  std::uint64_t conflicts = 0;  // tries given up before this one
};

// The worker cannot go on; its text says why.
struct Failed {
  std::string text;
};

using Message = std::variant<Ready, Done, Failed>;

// The line, with its line end. A long text is cut to keep the line whole.
[[nodiscard]] std::string encode(const Message& message);
// From a line without its end. Error: kInvalidArgument with the line.
[[nodiscard]] Result<Message> decode(std::string_view line);

}  // namespace cairn::examples::bank

#endif  // CAIRN_EXAMPLES_BANK_MESSAGE_H_
