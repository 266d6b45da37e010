// Whatever is handed over for a handle, every function of ktmw32.h says ERROR_INVALID_HANDLE.
#include <functional>
#include <map>
#include <string>

#include "win32/ktm_fixture.h"

namespace cairn::win32 {
namespace {

class KtmBadInput : public Ktm {
 protected:
  enum Kind { kTm, kTx, kRm, kEnlistment };

  // A call with one handle that is looked at, and only with what is right for the rest.
  struct Call {
    Kind kind;
    std::function<bool(HANDLE)> fails;
  };
  std::map<std::string, Call> calls() {
    std::map<std::string, Call> all;
    const auto add = [&all](const char* name, Kind kind, auto call) {
      all[name] = {kind, [call](HANDLE handle) { return is_failure(call(handle)); }};
    };
    add("RecoverTransactionManager", kTm, RecoverTransactionManager);
    add("RollforwardTransactionManager", kTm,
        [](HANDLE tm) { return RollforwardTransactionManager(tm, nullptr); });
    add("GetTransactionManagerId", kTm,
        [this](HANDLE tm) { return GetTransactionManagerId(tm, &guid_); });
    add("GetCurrentClockTransactionManager", kTm,
        [this](HANDLE tm) { return GetCurrentClockTransactionManager(tm, &clock_); });
    add("CreateResourceManager", kTm, [this](HANDLE tm) {
      return CreateResourceManager(nullptr, &guid_, RESOURCE_MANAGER_VOLATILE, tm, nullptr);
    });
    add("OpenResourceManager", kTm,
        [this](HANDLE tm) { return OpenResourceManager(0, tm, &guid_); });
    add("GetTransactionId", kTx, [this](HANDLE tx) { return GetTransactionId(tx, &guid_); });
    add("GetTransactionInformation", kTx, [](HANDLE tx) {
      return GetTransactionInformation(tx, nullptr, nullptr, nullptr, nullptr, 0, nullptr);
    });
    add("SetTransactionInformation", kTx,
        [](HANDLE tx) { return SetTransactionInformation(tx, 0, 0, 0, nullptr); });
    add("CommitTransaction", kTx, CommitTransaction);
    add("CommitTransactionAsync", kTx, CommitTransactionAsync);
    add("RollbackTransaction", kTx, RollbackTransaction);
    add("RollbackTransactionAsync", kTx, RollbackTransactionAsync);
    add("CreateEnlistment, transaction", kTx,
        [this](HANDLE tx) { return CreateEnlistment(nullptr, rm_, tx, kTwoPhases, 0, nullptr); });
    add("CreateEnlistment, resource manager", kRm,
        [this](HANDLE rm) { return CreateEnlistment(nullptr, rm, tx_, kTwoPhases, 0, nullptr); });
    add("RecoverResourceManager", kRm, RecoverResourceManager);
    add("GetNotificationResourceManager", kRm, [this](HANDLE rm) {
      return GetNotificationResourceManager(rm, &told_.head, sizeof told_, 0, nullptr);
    });
    add("GetNotificationResourceManagerAsync", kRm, [this](HANDLE rm) {
      return GetNotificationResourceManagerAsync(rm, &told_.head, sizeof told_, nullptr,
                                                 &overlapped_);
    });
    add("SetResourceManagerCompletionPort", kRm,
        [](HANDLE rm) { return SetResourceManagerCompletionPort(rm, nullptr, 0); });
    add("OpenEnlistment", kRm, [this](HANDLE rm) { return OpenEnlistment(0, rm, &guid_); });
    add("RecoverEnlistment", kEnlistment, [](HANDLE e) { return RecoverEnlistment(e, nullptr); });
    add("GetEnlistmentId", kEnlistment, [this](HANDLE e) { return GetEnlistmentId(e, &guid_); });
    add("GetEnlistmentRecoveryInformation", kEnlistment,
        [](HANDLE e) { return GetEnlistmentRecoveryInformation(e, 0, nullptr, nullptr); });
    add("SetEnlistmentRecoveryInformation", kEnlistment,
        [this](HANDLE e) { return SetEnlistmentRecoveryInformation(e, 1, &guid_); });
    using Verb = BOOL (*)(HANDLE, PLARGE_INTEGER);
    const std::map<const char*, Verb> verbs{
        {"PrePrepareComplete", PrePrepareComplete}, {"PrepareComplete", PrepareComplete},
        {"CommitComplete", CommitComplete},         {"RollbackComplete", RollbackComplete},
        {"ReadOnlyEnlistment", ReadOnlyEnlistment}, {"SinglePhaseReject", SinglePhaseReject},
        {"RollbackEnlistment", RollbackEnlistment}, {"PrePrepareEnlistment", PrePrepareEnlistment},
        {"PrepareEnlistment", PrepareEnlistment},   {"CommitEnlistment", CommitEnlistment}};
    for (const auto& [name, verb] : verbs) {
      add(name, kEnlistment, [verb = verb](HANDLE e) { return verb(e, nullptr); });
    }
    return all;
  }

  void expect_invalid(HANDLE handle, Kind kind, const char* what) {
    for (const auto& [name, call] : calls()) {
      if (call.kind != kind) continue;
      SetLastError(ERROR_SUCCESS);
      EXPECT_TRUE(call.fails(handle)) << name << " with " << what;
      EXPECT_EQ(GetLastError(), ERROR_INVALID_HANDLE) << name << " with " << what;
    }
  }

  GUID guid_ = guid(9);
  LARGE_INTEGER clock_{};
  Told told_;
  OVERLAPPED overlapped_{};
  Handle rm_ = volatile_rm(tm_);
  Handle tx_ = begin();
};

TEST_F(KtmBadInput, EveryFunctionRefusesWhatIsNoLiveHandleOfItsKind) {
  Handle enlistment = enlist(rm_, tx_);
  Handle closed = begin();
  const HANDLE stale = closed;
  closed.close();
  int here = 0;
  const HANDLE of_kind[] = {tm_, tx_, rm_, enlistment};
  for (const Kind kind : {kTm, kTx, kRm, kEnlistment}) {
    expect_invalid(nullptr, kind, "null");
    expect_invalid(INVALID_HANDLE_VALUE, kind, "INVALID_HANDLE_VALUE");
    expect_invalid(&here, kind, "a pointer");
    expect_invalid(stale, kind, "a handle that was closed");
    for (const Kind other : {kTm, kTx, kRm, kEnlistment}) {
      if (other != kind) expect_invalid(of_kind[other], kind, "a handle of another kind");
    }
  }
  EXPECT_EQ(outcome_of(tx_), DWORD{TransactionOutcomeUndetermined}) << "and nothing was done";
}

TEST_F(KtmBadInput, NullWhereSomethingIsToBeWrittenIsRefused) {
  Handle enlistment = enlist(rm_, tx_);
  EXPECT_ERROR(GetTransactionManagerId(tm_, nullptr), ERROR_INVALID_PARAMETER);
  EXPECT_ERROR(GetCurrentClockTransactionManager(tm_, nullptr), ERROR_INVALID_PARAMETER);
  EXPECT_ERROR(GetTransactionId(tx_, nullptr), ERROR_INVALID_PARAMETER);
  EXPECT_ERROR(GetEnlistmentId(enlistment, nullptr), ERROR_INVALID_PARAMETER);
  EXPECT_ERROR(OpenResourceManager(0, tm_, nullptr), ERROR_INVALID_PARAMETER);
  EXPECT_ERROR(OpenTransactionManagerById(nullptr, 0, 0), ERROR_INVALID_PARAMETER);
  std::wstring log = path();
  EXPECT_ERROR(RenameTransactionManager(log.data(), nullptr), ERROR_INVALID_PARAMETER);
  EXPECT_ERROR(RenameTransactionManager(nullptr, &guid_), ERROR_INVALID_PARAMETER);
}

}  // namespace
}  // namespace cairn::win32
