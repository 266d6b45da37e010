// ktmw32.h: enlistments.
#include <cstring>
#include <utility>

#include <cairn/enlistment.h>
#include <cairn/ktmw32.h>
#include <cairn/notification.h>

#include "ktm_objects.h"
#include "ktm_session.h"
#include "ktm_transaction_object.h"
#include "last_error.h"
#include "text.h"

namespace cairn::win32 {
namespace {

using cairn::tm::Enlistment;

// Calls a verb of the enlistment that takes nothing but a clock.
template <typename Verb>
BOOL run(HANDLE handle, PLARGE_INTEGER clock, Verb verb) {
  const auto object = object_of<EnlistmentObject>(handle);
  if (object == nullptr) return FALSE;
  cairn::tm::Clock value;
  if (clock != nullptr) {
    if (clock->QuadPart < 0) return fail(ERROR_INVALID_PARAMETER);
    value = static_cast<std::uint64_t>(clock->QuadPart);
  }
  return succeed_if(verb(object->enlistment, value));
}

std::uint64_t key_of(PVOID key) { return reinterpret_cast<std::uint64_t>(key); }

// A mask that asks for a superior's notifications without being one is a wrong argument here.
constexpr ErrorRow kWrongMask{StatusCode::kNotSuperior, ERROR_INVALID_PARAMETER};

HANDLE enlist(SessionObject& session, TransactionObject& transaction, ULONG mask, bool superior,
              PVOID key) {
  // Before the transaction is bound: a mistake must not decide which manager it works with.
  const Status allowed =
      superior ? cairn::tm::check_superior_mask(mask) : cairn::tm::check_mask(mask);
  if (!allowed) return no_handle(allowed, {kWrongMask});
  const auto bound = transaction.bind(session.manager);
  if (!bound) {
    return no_handle(bound.status(),
                     {{StatusCode::kInvalidArgument, ERROR_TRANSACTION_REQUIRED_PROMOTION}});
  }
  auto enlistment = session.session.enlist(*bound, mask, key_of(key), {.superior = superior});
  if (!enlistment) return no_handle(enlistment.status());
  return handle_of(std::make_shared<EnlistmentObject>(session.manager, std::move(*enlistment)));
}

}  // namespace
}  // namespace cairn::win32

using namespace cairn::win32;  // NOLINT(google-build-using-namespace): C functions have none
using cairn::tm::Clock;
using cairn::tm::Enlistment;

HANDLE CreateEnlistment(LPSECURITY_ATTRIBUTES lpEnlistmentAttributes, HANDLE ResourceManagerHandle,
                        HANDLE TransactionHandle, NOTIFICATION_MASK NotificationMask,
                        DWORD CreateOptions, PVOID EnlistmentKey) {
  if (!accept_security(lpEnlistmentAttributes)) return INVALID_HANDLE_VALUE;
  const auto session = object_of<SessionObject>(ResourceManagerHandle);
  if (session == nullptr) return INVALID_HANDLE_VALUE;
  const auto transaction = object_of<TransactionObject>(TransactionHandle);
  if (transaction == nullptr) return INVALID_HANDLE_VALUE;
  if ((CreateOptions & ~ENLISTMENT_SUPERIOR) != 0) return no_handle(ERROR_INVALID_PARAMETER);
  return enlist(*session, *transaction, NotificationMask, CreateOptions == ENLISTMENT_SUPERIOR,
                EnlistmentKey);
}

HANDLE OpenEnlistment(DWORD /*dwDesiredAccess*/, HANDLE ResourceManagerHandle,
                      LPGUID EnlistmentId) {
  const auto session = object_of<SessionObject>(ResourceManagerHandle);
  if (session == nullptr) return INVALID_HANDLE_VALUE;
  if (EnlistmentId == nullptr) return no_handle(ERROR_INVALID_PARAMETER);
  auto found = session->session.open_enlistment(uuid_of(*EnlistmentId));
  if (!found) {
    return no_handle(found.status(), {{cairn::StatusCode::kNotFound, ERROR_ENLISTMENT_NOT_FOUND}});
  }
  return handle_of(std::make_shared<EnlistmentObject>(session->manager, std::move(*found)));
}

BOOL RecoverEnlistment(HANDLE EnlistmentHandle, PVOID EnlistmentKey) {
  const auto object = object_of<EnlistmentObject>(EnlistmentHandle);
  return object == nullptr ? FALSE : succeed_if(object->enlistment.recover(key_of(EnlistmentKey)));
}

BOOL GetEnlistmentId(HANDLE EnlistmentHandle, LPGUID EnlistmentId) {
  const auto object = object_of<EnlistmentObject>(EnlistmentHandle);
  if (object == nullptr) return FALSE;
  if (EnlistmentId == nullptr) return fail(ERROR_INVALID_PARAMETER);
  *EnlistmentId = guid_of(object->enlistment.id());
  return TRUE;
}

BOOL GetEnlistmentRecoveryInformation(HANDLE EnlistmentHandle, ULONG BufferSize, PVOID Buffer,
                                      PULONG BufferUsed) {
  const auto object = object_of<EnlistmentObject>(EnlistmentHandle);
  if (object == nullptr) return FALSE;
  if (Buffer == nullptr && BufferSize != 0) return fail(ERROR_INVALID_PARAMETER);
  const auto information = object->enlistment.information();
  if (!information) return fail(information.status());
  if (!information->durable) return fail(ERROR_TM_VOLATILE);
  const auto data = object->enlistment.recovery_information();
  if (!data) return fail(data.status());
  if (BufferUsed != nullptr) *BufferUsed = static_cast<ULONG>(data->size());
  if (data->size() > BufferSize) return fail(ERROR_INSUFFICIENT_BUFFER);
  if (!data->empty()) std::memcpy(Buffer, data->data(), data->size());
  return TRUE;
}

BOOL SetEnlistmentRecoveryInformation(HANDLE EnlistmentHandle, ULONG BufferSize, PVOID Buffer) {
  const auto object = object_of<EnlistmentObject>(EnlistmentHandle);
  if (object == nullptr) return FALSE;
  if (Buffer == nullptr || BufferSize == 0) return fail(ERROR_INVALID_PARAMETER);
  return succeed_if(object->enlistment.set_recovery_information(
      {static_cast<const std::byte*>(Buffer), BufferSize}));
}

BOOL PrePrepareComplete(HANDLE EnlistmentHandle, PLARGE_INTEGER TmVirtualClock) {
  return run(EnlistmentHandle, TmVirtualClock, [](Enlistment& enlistment, Clock clock) {
    return enlistment.pre_prepare_complete(clock);
  });
}

BOOL PrepareComplete(HANDLE EnlistmentHandle, PLARGE_INTEGER TmVirtualClock) {
  return run(EnlistmentHandle, TmVirtualClock, [](Enlistment& enlistment, Clock clock) {
    return enlistment.prepare_complete(std::nullopt, clock);
  });
}

BOOL CommitComplete(HANDLE EnlistmentHandle, PLARGE_INTEGER TmVirtualClock) {
  return run(EnlistmentHandle, TmVirtualClock,
             [](Enlistment& enlistment, Clock clock) { return enlistment.commit_complete(clock); });
}

BOOL RollbackComplete(HANDLE EnlistmentHandle, PLARGE_INTEGER TmVirtualClock) {
  return run(EnlistmentHandle, TmVirtualClock, [](Enlistment& enlistment, Clock clock) {
    return enlistment.rollback_complete(clock);
  });
}

BOOL ReadOnlyEnlistment(HANDLE EnlistmentHandle, PLARGE_INTEGER TmVirtualClock) {
  return run(EnlistmentHandle, TmVirtualClock,
             [](Enlistment& enlistment, Clock clock) { return enlistment.read_only(clock); });
}

BOOL SinglePhaseReject(HANDLE EnlistmentHandle, PLARGE_INTEGER TmVirtualClock) {
  return run(EnlistmentHandle, TmVirtualClock, [](Enlistment& enlistment, Clock clock) {
    return enlistment.single_phase_reject(clock);
  });
}

BOOL RollbackEnlistment(HANDLE EnlistmentHandle, PLARGE_INTEGER TmVirtualClock) {
  return run(EnlistmentHandle, TmVirtualClock,
             [](Enlistment& enlistment, Clock clock) { return enlistment.rollback(clock); });
}

BOOL PrePrepareEnlistment(HANDLE EnlistmentHandle, PLARGE_INTEGER TmVirtualClock) {
  return run(EnlistmentHandle, TmVirtualClock, [](Enlistment& enlistment, Clock clock) {
    return enlistment.superior_pre_prepare(clock);
  });
}

BOOL PrepareEnlistment(HANDLE EnlistmentHandle, PLARGE_INTEGER TmVirtualClock) {
  return run(EnlistmentHandle, TmVirtualClock, [](Enlistment& enlistment, Clock clock) {
    return enlistment.superior_prepare(clock);
  });
}

BOOL CommitEnlistment(HANDLE EnlistmentHandle, PLARGE_INTEGER TmVirtualClock) {
  return run(EnlistmentHandle, TmVirtualClock,
             [](Enlistment& enlistment, Clock clock) { return enlistment.superior_commit(clock); });
}
