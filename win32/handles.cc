// What can be done with every handle.
#include <cairn/win32_types.h>

#include "handle_table.h"
#include "last_error.h"
#include "text.h"

using cairn::win32::HandleTable;

BOOL CloseHandle(HANDLE hObject) {
  const auto object = HandleTable::get().take_handle(hObject);
  if (object == nullptr) return cairn::win32::fail(ERROR_INVALID_HANDLE);
  object->closed();
  return TRUE;
}

DWORD WaitForSingleObject(HANDLE hHandle, DWORD dwMilliseconds) {
  const auto object = HandleTable::get().find_object(hHandle);
  std::optional<bool> signaled;
  if (object != nullptr) signaled = object->wait(cairn::win32::limit_of(dwMilliseconds));
  if (!signaled) {
    cairn::win32::fail(ERROR_INVALID_HANDLE);
    return WAIT_FAILED;
  }
  return *signaled ? WAIT_OBJECT_0 : WAIT_TIMEOUT;
}
