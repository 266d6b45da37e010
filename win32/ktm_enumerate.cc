// ktmw32.h: which objects there are.
#include <algorithm>
#include <cstddef>
#include <cstring>
#include <utility>
#include <vector>

#include <cairn/ktmw32.h>
#include <cairn/transaction_manager.h>

#include "ktm_objects.h"
#include "ktm_session.h"
#include "ktm_transaction_object.h"
#include "last_error.h"
#include "text.h"

namespace cairn::win32 {
namespace {

using Ids = Result<std::vector<Uuid>>;

// All that are known in this process. A manager that is not recovered knows none.
Ids all_transactions() {
  std::vector<Uuid> ids;
  for (const auto& transaction : KtmNames::get().transactions()) {
    if (transaction->is_unbound()) ids.push_back(transaction->id());
  }
  for (const auto& object : KtmNames::get().managers()) {
    const auto known = object->manager.transactions();
    if (known) ids.insert(ids.end(), known->begin(), known->end());
  }
  return ids;
}

std::vector<Uuid> all_managers() {
  std::vector<Uuid> ids;
  for (const auto& object : KtmNames::get().managers()) ids.push_back(object->manager.id());
  return ids;
}

// The identities asked for, in any order. kClosed (ERROR_INVALID_HANDLE): the root is not live.
Ids ids_of(HANDLE root, KTMOBJECT_TYPE type) {
  auto& table = HandleTable::get();
  const Status dead(StatusCode::kClosed, "the root is no live object of the kind expected");
  switch (type) {
    case KTMOBJECT_TRANSACTION: {
      if (root == nullptr) return all_transactions();
      const auto manager = table.find<TmObject>(root);
      return manager == nullptr ? Ids(dead) : manager->manager.transactions();
    }
    case KTMOBJECT_TRANSACTION_MANAGER:
      if (root == nullptr) return all_managers();
      return Status(StatusCode::kInvalidArgument, "managers have no root object");
    case KTMOBJECT_RESOURCE_MANAGER: {
      const auto manager = table.find<TmObject>(root);
      return manager == nullptr ? Ids(dead) : manager->manager.resource_managers();
    }
    case KTMOBJECT_ENLISTMENT: {
      const auto session = table.find<SessionObject>(root);
      return session == nullptr ? Ids(dead) : session->session.enlistments();
    }
    case KTMOBJECT_INVALID:
      break;
  }
  return Status(StatusCode::kInvalidArgument, "a kind of objects expected");
}

}  // namespace
}  // namespace cairn::win32

using namespace cairn::win32;  // NOLINT(google-build-using-namespace): C functions have none

BOOL EnumerateTransactionObject(HANDLE RootObjectHandle, KTMOBJECT_TYPE QueryType,
                                PKTMOBJECT_CURSOR ObjectCursor, ULONG ObjectCursorLength,
                                PULONG ReturnLength) {
  constexpr std::size_t kHeader = offsetof(KTMOBJECT_CURSOR, ObjectIds);
  if (ObjectCursor == nullptr) return fail(ERROR_INVALID_PARAMETER);
  auto ids = ids_of(RootObjectHandle, QueryType);
  if (!ids) return fail(ids.status());
  if (ObjectCursorLength < kHeader + sizeof(GUID)) return fail(ERROR_INSUFFICIENT_BUFFER);
  const std::size_t room = (ObjectCursorLength - kHeader) / sizeof(GUID);

  // In the order of their bytes, so that one identity says how far a caller has come.
  std::sort(ids->begin(), ids->end());
  const cairn::Uuid last = uuid_of(ObjectCursor->LastQuery);
  const auto first =
      last.is_null() ? ids->begin() : std::upper_bound(ids->begin(), ids->end(), last);
  const std::size_t count = std::min(room, static_cast<std::size_t>(ids->end() - first));
  if (ReturnLength != nullptr) *ReturnLength = static_cast<ULONG>(kHeader + count * sizeof(GUID));
  ObjectCursor->ObjectIdCount = static_cast<DWORD>(count);
  if (count == 0) return fail(ERROR_NO_MORE_ITEMS);
  for (std::size_t i = 0; i < count; ++i) {
    const GUID id = guid_of(first[static_cast<std::ptrdiff_t>(i)]);
    // Beyond the one element that is declared: by bytes.
    std::memcpy(reinterpret_cast<char*>(ObjectCursor) + kHeader + i * sizeof(GUID), &id, sizeof id);
    if (i + 1 == count) ObjectCursor->LastQuery = id;
  }
  return TRUE;
}
