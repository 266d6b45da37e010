// ktmw32.h: enlistments, and the verbs of a superior.
#include <string>
#include <vector>

#include "win32/ktm_fixture.h"

namespace cairn::win32 {
namespace {

class KtmEnlistment : public Ktm {
 protected:
  Handle rm_ = volatile_rm(tm_, 1);
  Handle upper_ = volatile_rm(tm_, 2);
};

TEST_F(KtmEnlistment, MaskIsCheckedBeforeTheTransactionFindsItsManager) {
  Handle transaction = begin();
  const auto enlist_with = [&](ULONG mask, DWORD options = 0) {
    return CreateEnlistment(nullptr, rm_, transaction, mask, options, nullptr);
  };
  EXPECT_ERROR(enlist_with(0), ERROR_INVALID_PARAMETER);
  EXPECT_ERROR(enlist_with(TRANSACTION_NOTIFY_COMMIT), ERROR_INVALID_PARAMETER);
  EXPECT_ERROR(enlist_with(TRANSACTION_NOTIFY_ROLLBACK | TRANSACTION_NOTIFY_PREPARE),
               ERROR_INVALID_PARAMETER);
  EXPECT_ERROR(enlist_with(TRANSACTION_NOTIFY_COMMIT | TRANSACTION_NOTIFY_ROLLBACK |
                           TRANSACTION_NOTIFY_SINGLE_PHASE_COMMIT),
               ERROR_INVALID_PARAMETER);
  EXPECT_ERROR(enlist_with(kTwoPhases | TRANSACTION_NOTIFY_COMMIT_COMPLETE),
               ERROR_INVALID_PARAMETER);
  EXPECT_ERROR(enlist_with(kTwoPhases | 0x80000000u), ERROR_INVALID_PARAMETER);
  EXPECT_ERROR(enlist_with(kTwoPhases | TRANSACTION_NOTIFY_DELEGATE_COMMIT), ERROR_NOT_SUPPORTED);
  EXPECT_ERROR(enlist_with(kTwoPhases, ENLISTMENT_SUPERIOR), ERROR_INVALID_PARAMETER);
  EXPECT_ERROR(enlist_with(kTwoPhases, 2), ERROR_INVALID_PARAMETER);
  Handle other = CreateTransactionManager(nullptr, nullptr, TRANSACTION_MANAGER_VOLATILE, 0);
  Handle there = volatile_rm(other);
  enlist(there, transaction);  // none of the mistakes has bound it to the first
}

TEST_F(KtmEnlistment, IsOpenedByItsIdentityWhileItIsUnfinished) {
  Handle transaction = begin();
  Handle enlistment = enlist(rm_, transaction);
  GUID id{};
  EXPECT_DONE(GetEnlistmentId(enlistment, &id));
  Handle second = OpenEnlistment(ENLISTMENT_ALL_ACCESS, rm_, &id);
  ASSERT_DONE(second != INVALID_HANDLE_VALUE);
  enlistment.close();
  EXPECT_EQ(outcome_of(transaction), DWORD{TransactionOutcomeUndetermined}) << "one handle is left";
  // It is that of another resource manager.
  EXPECT_ERROR(OpenEnlistment(0, upper_, &id), ERROR_ENLISTMENT_NOT_FOUND);
  second.close();
  EXPECT_EQ(outcome_of(transaction), DWORD{TransactionOutcomeAborted}) << "an answer was owed";
  EXPECT_ERROR(OpenEnlistment(0, rm_, nullptr), ERROR_INVALID_PARAMETER);
}

TEST_F(KtmEnlistment, ThatComesLateIsTakenWithoutPrePrepare) {
  Handle transaction = begin();
  Handle first = enlist(rm_, transaction, kTwoPhases | TRANSACTION_NOTIFY_PREPREPARE);
  EXPECT_ERROR(CommitTransactionAsync(transaction), ERROR_IO_PENDING);
  EXPECT_EQ(next(rm_), TRANSACTION_NOTIFY_PREPREPARE);
  EXPECT_ERROR(CreateEnlistment(nullptr, upper_, transaction,
                                kTwoPhases | TRANSACTION_NOTIFY_PREPREPARE, 0, nullptr),
               ERROR_TRANSACTION_MUST_WRITETHROUGH);
  Handle late = enlist(upper_, transaction);
  EXPECT_DONE(PrePrepareComplete(first, nullptr));
  EXPECT_DONE(PrePrepareComplete(first, nullptr)) << "a repeated answer does nothing";
  EXPECT_EQ(next(upper_), TRANSACTION_NOTIFY_PREPARE);
  EXPECT_ERROR(CreateEnlistment(nullptr, upper_, transaction, kTwoPhases, 0, nullptr),
               ERROR_TRANSACTION_NOT_ACTIVE);
}

TEST_F(KtmEnlistment, RecoveryInformationIsOfDurableOnesAndBounded) {
  std::vector<char> data(65537, 'x');
  const auto set = [&data](HANDLE enlistment, ULONG size) {
    return SetEnlistmentRecoveryInformation(enlistment, size, data.data());
  };
  Handle volatile_transaction = begin();
  Handle volatile_one = enlist(rm_, volatile_transaction);
  EXPECT_ERROR(set(volatile_one, 1), ERROR_TM_VOLATILE);
  EXPECT_ERROR(GetEnlistmentRecoveryInformation(volatile_one, 0, nullptr, nullptr),
               ERROR_TM_VOLATILE);
  Handle tm = durable();
  Handle rm = durable_rm(tm);
  Handle transaction = begin();
  Handle enlistment = enlist(rm, transaction);
  ULONG used = 7;
  EXPECT_DONE(GetEnlistmentRecoveryInformation(enlistment, 0, nullptr, &used));
  EXPECT_EQ(used, 0u) << "none was set";
  EXPECT_ERROR(set(enlistment, 0), ERROR_INVALID_PARAMETER);
  EXPECT_ERROR(SetEnlistmentRecoveryInformation(enlistment, 1, nullptr), ERROR_INVALID_PARAMETER);
  EXPECT_ERROR(set(enlistment, 65537), ERROR_INVALID_PARAMETER);
  EXPECT_DONE(set(enlistment, 65536));
  EXPECT_ERROR(GetEnlistmentRecoveryInformation(enlistment, 0, nullptr, &used),
               ERROR_INSUFFICIENT_BUFFER);
  EXPECT_EQ(used, 65536u);
  EXPECT_ERROR(GetEnlistmentRecoveryInformation(enlistment, 1, nullptr, &used),
               ERROR_INVALID_PARAMETER);
  EXPECT_DONE(RollbackTransaction(transaction));
  EXPECT_ERROR(set(enlistment, 1), ERROR_TRANSACTION_NOT_ACTIVE);
}

TEST_F(KtmEnlistment, SuperiorDrivesThePhases) {
  Handle transaction = begin();
  Handle superior = enlist(upper_, transaction, kSuperiorMask, ENLISTMENT_SUPERIOR);
  Handle below = enlist(rm_, transaction, kTwoPhases | TRANSACTION_NOTIFY_PREPREPARE);
  EXPECT_ERROR(CommitTransaction(transaction), ERROR_TRANSACTION_SUPERIOR_EXISTS);
  EXPECT_ERROR(
      CreateEnlistment(nullptr, upper_, transaction, kSuperiorMask, ENLISTMENT_SUPERIOR, nullptr),
      ERROR_TRANSACTION_SUPERIOR_EXISTS);
  EXPECT_DONE(PrePrepareEnlistment(superior, nullptr));
  EXPECT_EQ(next(rm_), TRANSACTION_NOTIFY_PREPREPARE);
  EXPECT_DONE(PrePrepareComplete(below, nullptr));
  EXPECT_EQ(next(upper_), TRANSACTION_NOTIFY_PREPREPARE_COMPLETE);
  EXPECT_DONE(PrepareEnlistment(superior, nullptr));
  EXPECT_EQ(next(rm_), TRANSACTION_NOTIFY_PREPARE);
  EXPECT_DONE(PrepareComplete(below, nullptr));
  EXPECT_EQ(next(upper_), TRANSACTION_NOTIFY_PREPARE_COMPLETE);
  EXPECT_DONE(CommitEnlistment(superior, nullptr));
  EXPECT_EQ(next(rm_), TRANSACTION_NOTIFY_COMMIT);
  EXPECT_DONE(CommitComplete(below, nullptr));
  EXPECT_EQ(next(upper_), TRANSACTION_NOTIFY_COMMIT_COMPLETE);
  EXPECT_EQ(outcome_of(transaction), DWORD{TransactionOutcomeCommitted});
}

TEST_F(KtmEnlistment, SuperiorRollsBackWhatIsPromised) {
  Handle transaction = begin();
  Handle superior = enlist(upper_, transaction, kSuperiorMask, ENLISTMENT_SUPERIOR);
  Handle below = enlist(rm_, transaction);
  EXPECT_DONE(PrepareEnlistment(superior, nullptr));
  EXPECT_EQ(next(rm_), TRANSACTION_NOTIFY_PREPARE);
  EXPECT_DONE(PrepareComplete(below, nullptr));
  EXPECT_EQ(next(upper_), TRANSACTION_NOTIFY_PREPARE_COMPLETE);
  EXPECT_ERROR(RollbackEnlistment(below, nullptr), ERROR_TRANSACTION_REQUEST_NOT_VALID);
  EXPECT_ERROR(RollbackTransaction(transaction), ERROR_TRANSACTION_REQUEST_NOT_VALID);
  EXPECT_DONE(RollbackEnlistment(superior, nullptr));
  EXPECT_EQ(next(rm_), TRANSACTION_NOTIFY_ROLLBACK);
  EXPECT_DONE(RollbackComplete(below, nullptr));
  EXPECT_EQ(next(upper_), TRANSACTION_NOTIFY_ROLLBACK_COMPLETE);
}

TEST_F(KtmEnlistment, SuperiorsVerbsAreForSuperiorsThatAskedToBeTold) {
  Handle transaction = begin();
  Handle superior = enlist(upper_, transaction, TRANSACTION_NOTIFY_ROLLBACK, ENLISTMENT_SUPERIOR);
  Handle below = enlist(rm_, transaction);
  for (auto* const verb : {PrePrepareEnlistment, PrepareEnlistment, CommitEnlistment}) {
    EXPECT_ERROR(verb(below, nullptr), ERROR_ENLISTMENT_NOT_SUPERIOR);
    EXPECT_ERROR(verb(superior, nullptr), ERROR_TRANSACTION_RESPONSE_NOT_ENLISTED);
  }
}

TEST_F(KtmEnlistment, PreparedTransactionIsInDoubtUntilItsSuperiorIsBackAndSays) {
  {
    Handle tm = durable();
    Handle upper = durable_rm(tm, 2);
    Handle rm = durable_rm(tm, 1);
    Handle transaction = begin();
    Handle superior = enlist(upper, transaction, kSuperiorMask, ENLISTMENT_SUPERIOR);
    Handle below = enlist(rm, transaction);
    EXPECT_DONE(PrepareEnlistment(superior, nullptr));
    EXPECT_EQ(next(rm), TRANSACTION_NOTIFY_PREPARE);
    EXPECT_DONE(PrepareComplete(below, nullptr));
    EXPECT_EQ(next(upper), TRANSACTION_NOTIFY_PREPARE_COMPLETE);
  }
  Handle tm = durable();
  int key = 0;
  GUID id = guid(1);
  Told told;
  Handle rm = OpenResourceManager(0, tm, &id);
  EXPECT_DONE(RecoverResourceManager(rm));
  EXPECT_EQ(next(rm, &told), TRANSACTION_NOTIFY_RECOVER);
  EXPECT_EQ(told.head.ArgumentLength, sizeof told.argument);
  Handle below = OpenEnlistment(0, rm, &told.argument.EnlistmentId);
  EXPECT_EQ(next(rm), TRANSACTION_NOTIFY_LAST_RECOVER);
  EXPECT_DONE(RecoverEnlistment(below, &key));
  EXPECT_EQ(next(rm), TRANSACTION_NOTIFY_INDOUBT);
  id = guid(2);
  Handle upper = OpenResourceManager(0, tm, &id);
  EXPECT_DONE(RecoverResourceManager(upper));
  EXPECT_EQ(next(upper, &told), TRANSACTION_NOTIFY_RECOVER_QUERY);
  Handle superior = OpenEnlistment(0, upper, &told.argument.EnlistmentId);
  EXPECT_DONE(RecoverEnlistment(superior, nullptr));
  Handle transaction = OpenTransaction(0, &told.argument.UOW);
  EXPECT_EQ(outcome_of(transaction), DWORD{TransactionOutcomeUndetermined});
  EXPECT_DONE(CommitEnlistment(superior, nullptr));
  EXPECT_EQ(next(rm, &told), TRANSACTION_NOTIFY_COMMIT);
  EXPECT_EQ(told.head.TransactionKey, &key);
  EXPECT_DONE(CommitComplete(below, nullptr));
  EXPECT_EQ(outcome_of(transaction), DWORD{TransactionOutcomeCommitted});
}

TEST_F(KtmEnlistment, SinglePhaseIsForOneThatVotesAlone) {
  Handle transaction = begin();
  Handle alone = enlist(rm_, transaction, kTwoPhases | TRANSACTION_NOTIFY_SINGLE_PHASE_COMMIT);
  EXPECT_ERROR(SinglePhaseReject(alone, nullptr), ERROR_TRANSACTION_NOT_REQUESTED);
  EXPECT_ERROR(RecoverEnlistment(alone, nullptr), ERROR_TRANSACTION_REQUEST_NOT_VALID);
  EXPECT_ERROR(CommitTransactionAsync(transaction), ERROR_IO_PENDING);
  EXPECT_EQ(next(rm_), TRANSACTION_NOTIFY_SINGLE_PHASE_COMMIT);
  EXPECT_DONE(CommitComplete(alone, nullptr));
  EXPECT_EQ(WaitForSingleObject(transaction, kSoonMs), WAIT_OBJECT_0);
  EXPECT_EQ(outcome_of(transaction), DWORD{TransactionOutcomeCommitted});
}

}  // namespace
}  // namespace cairn::win32
