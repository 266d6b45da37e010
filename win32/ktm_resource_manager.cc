// ktmw32.h: resource managers and their notifications.
#include <string>
#include <utility>

#include <cairn/ktmw32.h>
#include <cairn/resource_manager.h>
#include <cairn/transaction_manager.h>

#include "completion_port.h"
#include "ktm_objects.h"
#include "ktm_session.h"
#include "last_error.h"
#include "text.h"

using namespace cairn::win32;  // NOLINT(google-build-using-namespace): C functions have none

HANDLE CreateResourceManager(LPSECURITY_ATTRIBUTES lpResourceManagerAttributes,
                             LPGUID ResourceManagerId, DWORD CreateOptions, HANDLE TmHandle,
                             LPWSTR Description) {
  if (!accept_security(lpResourceManagerAttributes)) return INVALID_HANDLE_VALUE;
  const auto manager = object_of<TmObject>(TmHandle);
  if (manager == nullptr) return INVALID_HANDLE_VALUE;
  const auto description = utf8_of(Description == nullptr ? L"" : Description);
  if (ResourceManagerId == nullptr || !description ||
      (CreateOptions & ~(RESOURCE_MANAGER_VOLATILE | RESOURCE_MANAGER_COMMUNICATION)) != 0) {
    return no_handle(ERROR_INVALID_PARAMETER);
  }
  if ((CreateOptions & RESOURCE_MANAGER_COMMUNICATION) != 0) return no_handle(ERROR_NOT_SUPPORTED);
  const auto kind = (CreateOptions & RESOURCE_MANAGER_VOLATILE) != 0 ? cairn::tm::RmKind::kVolatile
                                                                     : cairn::tm::RmKind::kDurable;
  cairn::tm::TransactionManager tm = manager->manager;
  auto session = tm.create_resource_manager(uuid_of(*ResourceManagerId), kind, *description);
  if (!session) return no_handle(session.status());
  return handle_of(std::make_shared<SessionObject>(manager, std::move(*session)));
}

HANDLE OpenResourceManager(DWORD /*dwDesiredAccess*/, HANDLE TmHandle, LPGUID ResourceManagerId) {
  const auto manager = object_of<TmObject>(TmHandle);
  if (manager == nullptr) return INVALID_HANDLE_VALUE;
  if (ResourceManagerId == nullptr) return no_handle(ERROR_INVALID_PARAMETER);
  cairn::tm::TransactionManager tm = manager->manager;
  auto session = tm.open_resource_manager(uuid_of(*ResourceManagerId));
  if (!session) {
    return no_handle(session.status(),
                     {{cairn::StatusCode::kNotFound, ERROR_RESOURCEMANAGER_NOT_FOUND}});
  }
  return handle_of(std::make_shared<SessionObject>(manager, std::move(*session)));
}

BOOL RecoverResourceManager(HANDLE ResourceManagerHandle) {
  const auto object = object_of<SessionObject>(ResourceManagerHandle);
  return object == nullptr ? FALSE : succeed_if(object->session.recover());
}

BOOL GetNotificationResourceManager(HANDLE ResourceManagerHandle,
                                    PTRANSACTION_NOTIFICATION TransactionNotification,
                                    ULONG NotificationLength, DWORD dwMilliseconds,
                                    PULONG ReturnLength) {
  const auto object = object_of<SessionObject>(ResourceManagerHandle);
  if (object == nullptr) return FALSE;
  if (TransactionNotification == nullptr) return fail(ERROR_INVALID_PARAMETER);
  ULONG size = 0;
  const auto next = object->session.get_notification(
      [&](const cairn::tm::Notification& notification) {
        size = size_of(notification);
        return size <= NotificationLength;
      },
      limit_of(dwMilliseconds));
  if (ReturnLength != nullptr) *ReturnLength = size;
  if (!next) return fail(next.status());
  write_notification(*next, TransactionNotification);
  return TRUE;
}

BOOL SetResourceManagerCompletionPort(HANDLE ResourceManagerHandle, HANDLE IoCompletionPortHandle,
                                      ULONG_PTR /*CompletionKey*/) {
  const auto object = object_of<SessionObject>(ResourceManagerHandle);
  auto port = object == nullptr ? nullptr : object_of<CompletionPort>(IoCompletionPortHandle);
  return port == nullptr ? FALSE : succeed_if(object->set_port(std::move(port)));
}

BOOL GetNotificationResourceManagerAsync(HANDLE ResourceManagerHandle,
                                         PTRANSACTION_NOTIFICATION TransactionNotification,
                                         ULONG TransactionNotificationLength, PULONG ReturnLength,
                                         LPOVERLAPPED lpOverlapped) {
  const auto object = object_of<SessionObject>(ResourceManagerHandle);
  if (object == nullptr) return FALSE;
  if (TransactionNotification == nullptr || lpOverlapped == nullptr ||
      lpOverlapped->hEvent != nullptr) {
    return fail(ERROR_INVALID_PARAMETER);
  }
  const cairn::Status out = object->request(
      {TransactionNotification, TransactionNotificationLength, ReturnLength, lpOverlapped});
  return out ? fail(ERROR_IO_PENDING) : fail(out);
}
