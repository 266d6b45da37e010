// system_error(): what the kernel refused, as a Status.
#ifndef CAIRN_TORTURE_SYSTEM_ERROR_H_
#define CAIRN_TORTURE_SYSTEM_ERROR_H_

#include <cerrno>
#include <cstring>
#include <string>

#include <cairn/status.h>

namespace cairn::torture {

// By errno: kNotFound, kPermissionDenied, kNoSpace, kNotSupported (no such device or file system)
// or kIoError.
[[nodiscard]] inline Status system_error(const std::string& what) {
  const int error = errno;
  StatusDetail detail;
  detail.os_error = error;
  StatusCode code = StatusCode::kIoError;
  if (error == EPERM || error == EACCES) code = StatusCode::kPermissionDenied;
  if (error == ENOENT) code = StatusCode::kNotFound;
  if (error == ENOSPC) code = StatusCode::kNoSpace;
  if (error == ENODEV || error == ENXIO || error == EOPNOTSUPP) code = StatusCode::kNotSupported;
  return Status(code, what + ": " + std::strerror(error), detail);
}

}  // namespace cairn::torture

#endif  // CAIRN_TORTURE_SYSTEM_ERROR_H_
