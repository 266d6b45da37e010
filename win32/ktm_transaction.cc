// ktmw32.h: transactions.
#include <cstring>
#include <string>
#include <utility>

#include <cairn/ktmw32.h>
#include <cairn/transaction_manager.h>

#include "ktm_objects.h"
#include "ktm_transaction_object.h"
#include "last_error.h"
#include "text.h"

namespace cairn::win32 {
namespace {

using cairn::tm::Outcome;

static_assert(static_cast<int>(Outcome::kUndetermined) == TransactionOutcomeUndetermined);
static_assert(static_cast<int>(Outcome::kCommitted) == TransactionOutcomeCommitted);
static_assert(static_cast<int>(Outcome::kAborted) == TransactionOutcomeAborted);
static_assert(static_cast<int>(Outcome::kUnknown) == CairnTransactionOutcomeUnknown);

// What is said of a transaction; nothing, and the last error is set.
std::optional<TransactionObject::Properties> properties_of(DWORD isolation_level,
                                                           DWORD isolation_flags, DWORD timeout,
                                                           LPCWSTR description) {
  const auto text = utf8_of(description == nullptr ? L"" : description);
  const bool too_long =
      description != nullptr && std::wcslen(description) > MAX_TRANSACTION_DESCRIPTION_LENGTH;
  if (isolation_level != 0 || isolation_flags != 0 || !text || too_long) {
    fail(ERROR_INVALID_PARAMETER);
    return std::nullopt;
  }
  return TransactionObject::Properties{timeout == INFINITE ? 0 : timeout, *text};
}

// One that a manager of this process has. Null: there is none.
std::shared_ptr<TransactionObject> find_in_managers(const Uuid& unit_of_work) {
  for (auto& object : KtmNames::get().managers()) {
    auto found = object->manager.open_transaction(unit_of_work);
    if (found) return TransactionObject::of(std::move(object), std::move(*found));
  }
  return nullptr;
}

void put(PDWORD to, DWORD value) {
  if (to != nullptr) *to = value;
}

}  // namespace
}  // namespace cairn::win32

using namespace cairn::win32;  // NOLINT(google-build-using-namespace): C functions have none

HANDLE CreateTransaction(LPSECURITY_ATTRIBUTES lpTransactionAttributes, LPGUID UOW,
                         DWORD CreateOptions, DWORD IsolationLevel, DWORD IsolationFlags,
                         DWORD Timeout, LPWSTR Description) {
  if (!accept_security(lpTransactionAttributes)) return INVALID_HANDLE_VALUE;
  if (UOW != nullptr || (CreateOptions & ~TRANSACTION_DO_NOT_PROMOTE) != 0) {
    return no_handle(ERROR_INVALID_PARAMETER);
  }
  auto properties = properties_of(IsolationLevel, IsolationFlags, Timeout, Description);
  if (!properties) return INVALID_HANDLE_VALUE;
  return TransactionObject::new_handle(TransactionObject::create(std::move(*properties)));
}

HANDLE OpenTransaction(DWORD /*dwDesiredAccess*/, LPGUID TransactionId) {
  if (TransactionId == nullptr) return no_handle(ERROR_INVALID_PARAMETER);
  const cairn::Uuid unit_of_work = uuid_of(*TransactionId);
  auto object = KtmNames::get().find_transaction(unit_of_work);
  if (object == nullptr) object = find_in_managers(unit_of_work);
  if (object == nullptr) return no_handle(ERROR_TRANSACTION_NOT_FOUND);
  return TransactionObject::new_handle(object);
}

BOOL GetTransactionId(HANDLE TransactionHandle, LPGUID TransactionId) {
  const auto object = object_of<TransactionObject>(TransactionHandle);
  if (object == nullptr) return FALSE;
  if (TransactionId == nullptr) return fail(ERROR_INVALID_PARAMETER);
  *TransactionId = guid_of(object->id());
  return TRUE;
}

BOOL GetTransactionInformation(HANDLE TransactionHandle, PDWORD Outcome, PDWORD IsolationLevel,
                               PDWORD IsolationFlags, PDWORD Timeout, DWORD BufferLength,
                               LPWSTR Description) {
  const auto object = object_of<TransactionObject>(TransactionHandle);
  if (object == nullptr) return FALSE;
  const auto information = object->information();
  if (!information) return fail(information.status());
  if (Description != nullptr) {
    const std::wstring text = wide_of(information->description);
    const std::size_t size = (text.size() + 1) * sizeof(WCHAR);
    if (BufferLength < size) return fail(ERROR_INSUFFICIENT_BUFFER);
    std::memcpy(Description, text.c_str(), size);
  }
  put(Outcome, static_cast<DWORD>(information->outcome));
  put(IsolationLevel, 0);
  put(IsolationFlags, 0);
  put(Timeout, information->timeout_ms);
  return TRUE;
}

BOOL SetTransactionInformation(HANDLE TransactionHandle, DWORD IsolationLevel, DWORD IsolationFlags,
                               DWORD Timeout, LPWSTR Description) {
  const auto object = object_of<TransactionObject>(TransactionHandle);
  if (object == nullptr) return FALSE;
  auto properties = properties_of(IsolationLevel, IsolationFlags, Timeout, Description);
  if (!properties) return FALSE;
  std::optional<std::string> description;
  if (Description != nullptr) description = std::move(properties->description);
  return succeed_if(object->set_properties(properties->timeout_ms, std::move(description)));
}

BOOL CommitTransaction(HANDLE TransactionHandle) {
  const auto object = object_of<TransactionObject>(TransactionHandle);
  return object == nullptr ? FALSE : succeed_if(object->commit());
}

BOOL CommitTransactionAsync(HANDLE TransactionHandle) {
  const auto object = object_of<TransactionObject>(TransactionHandle);
  if (object == nullptr) return FALSE;
  const cairn::Status begun = object->commit_async();
  if (!begun) return fail(begun);
  if (object->wait(std::chrono::nanoseconds(0)) == false) return fail(ERROR_IO_PENDING);
  // It has ended. How, is known; a second request would only say that there was one.
  const auto information = object->information();
  if (!information) return fail(information.status());
  switch (information->outcome) {
    case cairn::tm::Outcome::kCommitted:
      return TRUE;
    case cairn::tm::Outcome::kAborted:
      return fail(ERROR_TRANSACTION_ALREADY_ABORTED);
    case cairn::tm::Outcome::kUnknown:
      return fail(ERROR_RM_DISCONNECTED);
    case cairn::tm::Outcome::kUndetermined:
      break;  // its manager went away before it decided
  }
  return fail(ERROR_TRANSACTION_OBJECT_EXPIRED);
}

BOOL RollbackTransaction(HANDLE TransactionHandle) {
  const auto object = object_of<TransactionObject>(TransactionHandle);
  return object == nullptr ? FALSE : succeed_if(object->rollback());
}

BOOL RollbackTransactionAsync(HANDLE TransactionHandle) {
  if (!RollbackTransaction(TransactionHandle)) return FALSE;
  SetLastError(ERROR_IO_PENDING);
  return TRUE;
}
