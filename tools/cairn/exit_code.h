// ExitCode: what a command's end tells a script.
#ifndef CAIRN_TOOLS_EXIT_CODE_H_
#define CAIRN_TOOLS_EXIT_CODE_H_

#include <string_view>

#include <cairn/log.h>
#include <cairn/status.h>

namespace cairn::tools {

// Promised to scripts; values never change.
enum class ExitCode : int {
  kOk = 0,      // done; for verify: sound
  kFailed = 1,  // could not run, the reason is on standard error
  kDamage = 2,  // acknowledged bytes are damaged or missing
};

// kDamage for errors that speak of damaged or missing bytes of the log, kFailed for all others.
[[nodiscard]] ExitCode exit_code_of(const Status& status);

// Prints `error` on standard error, if it is one. Returns its exit code.
ExitCode report(std::string_view command, const Status& error);

// OK, or the damage that was met where the log should have ended, as an error.
[[nodiscard]] Status end_of_log_status(const log::LogInfo& info);

}  // namespace cairn::tools

#endif  // CAIRN_TOOLS_EXIT_CODE_H_
