// The last error of a thread, and the table from Cairn's errors to the documented ones.
#ifndef CAIRN_WIN32_LAST_ERROR_H_
#define CAIRN_WIN32_LAST_ERROR_H_

#include <initializer_list>
#include <memory>
#include <span>

#include <cairn/result.h>
#include <cairn/status.h>
#include <cairn/win32_types.h>

#include "handle_table.h"

namespace cairn::win32 {

struct ErrorRow {
  StatusCode code;
  DWORD error;
};
// One row for each StatusCode.
[[nodiscard]] std::span<const ErrorRow> error_table();
// What the table says.
[[nodiscard]] DWORD error_of(StatusCode code);

// Where one call means something more precise by a code than the table does: the object that was
// not found, for example.
using Meanings = std::initializer_list<ErrorRow>;

// Sets the last error. All return FALSE, for `return fail(...)`.
BOOL fail(DWORD error);
BOOL fail(DWORD error, std::string text);
BOOL fail(const Status& status, Meanings meanings = {});
// TRUE for OK.
BOOL succeed_if(const Status& status, Meanings meanings = {});

// The same for functions that return a handle: INVALID_HANDLE_VALUE.
HANDLE no_handle(DWORD error);
HANDLE no_handle(const Status& status, Meanings meanings = {});
// A new handle of `object`.
HANDLE handle_of(std::shared_ptr<Object> object);

// What is behind a handle; null, and the last error is ERROR_INVALID_HANDLE.
template <typename T>
[[nodiscard]] std::shared_ptr<T> object_of(HANDLE handle) {
  auto object = HandleTable::get().find<T>(handle);
  if (object == nullptr) fail(ERROR_INVALID_HANDLE);
  return object;
}

// Whether a caller's security attributes ask for nothing that would not be done; else the last
// error is set (see SECURITY_ATTRIBUTES).
[[nodiscard]] bool accept_security(const SECURITY_ATTRIBUTES* attributes);

}  // namespace cairn::win32

#endif  // CAIRN_WIN32_LAST_ERROR_H_
