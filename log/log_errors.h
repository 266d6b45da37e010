// Errors that several parts of the open log give.
#ifndef CAIRN_LOG_LOG_ERRORS_H_
#define CAIRN_LOG_LOG_ERRORS_H_

#include <string>

#include <cairn/lsn.h>
#include <cairn/status.h>

namespace cairn::log {

[[nodiscard]] inline Status no_stream(const std::string& what) {
  return Status(StatusCode::kNotFound, "no stream " + what + " in this log");
}

[[nodiscard]] inline StatusDetail about(Lsn lsn) {
  StatusDetail detail;
  detail.lsn_begin = lsn;
  return detail;
}

}  // namespace cairn::log

#endif  // CAIRN_LOG_LOG_ERRORS_H_
