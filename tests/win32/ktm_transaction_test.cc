// ktmw32.h: transactions, before and after they have found their manager.
#include <string>
#include <thread>

#include "handle_table.h"
#include "ktm_transaction_object.h"
#include "win32/ktm_fixture.h"

namespace cairn::win32 {
namespace {

using KtmTransaction = Ktm;

TEST_F(KtmTransaction, ThatNobodyTakesPartInIsEndedByAWord) {
  Handle rm = volatile_rm(tm_);
  Handle committed = begin();
  EXPECT_EQ(WaitForSingleObject(committed, 0), WAIT_TIMEOUT);
  EXPECT_DONE(CommitTransaction(committed));
  EXPECT_EQ(WaitForSingleObject(committed, INFINITE), WAIT_OBJECT_0);
  EXPECT_EQ(outcome_of(committed), DWORD{TransactionOutcomeCommitted});
  EXPECT_ERROR(CommitTransaction(committed), ERROR_TRANSACTION_ALREADY_COMMITTED);
  EXPECT_ERROR(RollbackTransaction(committed), ERROR_TRANSACTION_ALREADY_COMMITTED);
  EXPECT_ERROR(CreateEnlistment(nullptr, rm, committed, kTwoPhases, 0, nullptr),
               ERROR_TRANSACTION_NOT_ACTIVE);
  Handle aborted = begin();
  EXPECT_DONE(RollbackTransaction(aborted));
  EXPECT_DONE(RollbackTransaction(aborted)) << "twice is once";
  EXPECT_EQ(outcome_of(aborted), DWORD{TransactionOutcomeAborted});
  EXPECT_ERROR(CommitTransaction(aborted), ERROR_TRANSACTION_ALREADY_ABORTED);
  EXPECT_ERROR(SetTransactionInformation(aborted, 0, 0, 1, nullptr), ERROR_TRANSACTION_NOT_ACTIVE);
}

TEST_F(KtmTransaction, IsOpenedByItsIdentityWhileItLives) {
  GUID id{};
  {
    Handle transaction = begin();
    EXPECT_DONE(GetTransactionId(transaction, &id));
    Handle second = OpenTransaction(TRANSACTION_ALL_ACCESS, &id);
    ASSERT_DONE(second != INVALID_HANDLE_VALUE);
    transaction.close();
    EXPECT_EQ(outcome_of(second), DWORD{TransactionOutcomeUndetermined}) << "one handle is left";
    EXPECT_DONE(CommitTransaction(second));
  }
  EXPECT_ERROR(OpenTransaction(0, &id), ERROR_TRANSACTION_NOT_FOUND);
  EXPECT_ERROR(OpenTransaction(0, nullptr), ERROR_INVALID_PARAMETER);
}

TEST_F(KtmTransaction, TimeoutRollsItBackBeforeAndAfterItFoundItsManager) {
  Handle unbound = begin(10);
  EXPECT_EQ(WaitForSingleObject(unbound, kSoonMs), WAIT_OBJECT_0);
  EXPECT_EQ(outcome_of(unbound), DWORD{TransactionOutcomeAborted});
  EXPECT_ERROR(CommitTransaction(unbound), ERROR_TRANSACTION_ALREADY_ABORTED);
  Handle rm = volatile_rm(tm_);
  Handle bound = begin(300);
  Handle enlistment = enlist(rm, bound);
  EXPECT_EQ(WaitForSingleObject(bound, kSoonMs), WAIT_OBJECT_0);
  EXPECT_EQ(outcome_of(bound), DWORD{TransactionOutcomeAborted});
  EXPECT_EQ(next(rm), TRANSACTION_NOTIFY_ROLLBACK);
}

TEST_F(KtmTransaction, TimeoutThatIsSetLaterCounts) {
  Handle unbound = begin(INFINITE);
  std::thread waiter([&] { EXPECT_EQ(WaitForSingleObject(unbound, INFINITE), WAIT_OBJECT_0); });
  EXPECT_DONE(SetTransactionInformation(unbound, 0, 0, 10, nullptr));
  waiter.join();
  EXPECT_EQ(outcome_of(unbound), DWORD{TransactionOutcomeAborted});
}

TEST_F(KtmTransaction, InformationIsWhatWasSaidOfIt) {
  Handle rm = volatile_rm(tm_);
  std::wstring description = L"\u00fcber";
  Handle transaction = begin(60'000, description.data());
  Handle enlistment;
  for (const bool bound : {false, true}) {
    if (bound) enlistment = enlist(rm, transaction);
    DWORD outcome = 0;
    DWORD level = 7;
    DWORD flags = 7;
    DWORD timeout = 0;
    WCHAR text[8] = L"";
    ASSERT_DONE(GetTransactionInformation(transaction, &outcome, &level, &flags, &timeout,
                                          sizeof text, text));
    EXPECT_EQ(outcome, DWORD{TransactionOutcomeUndetermined});
    EXPECT_EQ(level + flags, 0u);
    EXPECT_EQ(timeout, 60'000u);
    EXPECT_EQ(std::wstring(text), description);
    EXPECT_ERROR(GetTransactionInformation(transaction, nullptr, nullptr, nullptr, nullptr,
                                           4 * sizeof(WCHAR), text),
                 ERROR_INSUFFICIENT_BUFFER);
    EXPECT_DONE(GetTransactionInformation(transaction, nullptr, nullptr, nullptr, nullptr,
                                          5 * sizeof(WCHAR), text));
  }
  std::wstring other = L"other";
  EXPECT_DONE(SetTransactionInformation(transaction, 0, 0, INFINITE, other.data()));
  EXPECT_DONE(SetTransactionInformation(transaction, 0, 0, INFINITE, nullptr));
  WCHAR text[8] = L"";
  DWORD timeout = 1;
  EXPECT_DONE(GetTransactionInformation(transaction, nullptr, nullptr, nullptr, &timeout,
                                        sizeof text, text));
  EXPECT_EQ(std::wstring(text), other);
  EXPECT_EQ(timeout, 0u);
}

TEST_F(KtmTransaction, ReservedArgumentsAndLongDescriptionsAreRefused) {
  GUID id = guid(1);
  std::wstring longest(MAX_TRANSACTION_DESCRIPTION_LENGTH, L'\u00fc');
  std::wstring too_long = longest + L"x";
  std::wstring no_text(1, static_cast<wchar_t>(0xD800));
  const auto create = [](LPGUID uow, DWORD options, DWORD level, DWORD flags, LPWSTR text) {
    return CreateTransaction(nullptr, uow, options, level, flags, 0, text);
  };
  EXPECT_ERROR(create(&id, 0, 0, 0, nullptr), ERROR_INVALID_PARAMETER);
  EXPECT_ERROR(create(nullptr, 2, 0, 0, nullptr), ERROR_INVALID_PARAMETER);
  EXPECT_ERROR(create(nullptr, 0, 1, 0, nullptr), ERROR_INVALID_PARAMETER);
  EXPECT_ERROR(create(nullptr, 0, 0, 1, nullptr), ERROR_INVALID_PARAMETER);
  EXPECT_ERROR(create(nullptr, 0, 0, 0, too_long.data()), ERROR_INVALID_PARAMETER);
  EXPECT_ERROR(create(nullptr, 0, 0, 0, no_text.data()), ERROR_INVALID_PARAMETER);
  Handle taken = create(nullptr, TRANSACTION_DO_NOT_PROMOTE, 0, 0, longest.data());
  EXPECT_DONE(taken != INVALID_HANDLE_VALUE);
  EXPECT_ERROR(SetTransactionInformation(taken, 0, 0, 0, too_long.data()), ERROR_INVALID_PARAMETER);
  EXPECT_ERROR(SetTransactionInformation(taken, 1, 0, 0, nullptr), ERROR_INVALID_PARAMETER);
}

TEST_F(KtmTransaction, WorksWithOneManager) {
  Handle other = CreateTransactionManager(nullptr, nullptr, TRANSACTION_MANAGER_VOLATILE, 0);
  Handle here = volatile_rm(tm_);
  Handle there = volatile_rm(other);
  Handle transaction = begin();
  Handle enlistment = enlist(here, transaction);
  EXPECT_ERROR(CreateEnlistment(nullptr, there, transaction, kTwoPhases, 0, nullptr),
               ERROR_TRANSACTION_REQUIRED_PROMOTION);
  EXPECT_EQ(outcome_of(transaction), DWORD{TransactionOutcomeUndetermined});
}

TEST_F(KtmTransaction, CommitReturnsWhenAllHaveAnswered) {
  Handle rm = volatile_rm(tm_);
  Handle transaction = begin();
  Handle enlistment = enlist(rm, transaction);
  std::atomic<bool> answered{false};
  std::thread client([&] {
    EXPECT_DONE(CommitTransaction(transaction));
    EXPECT_TRUE(answered);
  });
  EXPECT_EQ(next(rm), TRANSACTION_NOTIFY_PREPARE);
  EXPECT_DONE(PrepareComplete(enlistment, nullptr));
  EXPECT_EQ(next(rm), TRANSACTION_NOTIFY_COMMIT);
  answered = true;
  EXPECT_DONE(CommitComplete(enlistment, nullptr));
  client.join();
}

TEST_F(KtmTransaction, AsynchronousRequestsSayWhetherTheyAreDone) {
  Handle rm = volatile_rm(tm_);
  Handle nobody = begin();
  EXPECT_DONE(CommitTransactionAsync(nobody));
  Handle read_only = begin();
  Handle reader = enlist(rm, read_only);
  EXPECT_DONE(ReadOnlyEnlistment(reader, nullptr));
  EXPECT_DONE(CommitTransactionAsync(read_only));
  Handle waits = begin();
  Handle voter = enlist(rm, waits);
  EXPECT_ERROR(CommitTransactionAsync(waits), ERROR_IO_PENDING);
  EXPECT_ERROR(CommitTransactionAsync(waits), ERROR_TRANSACTION_REQUEST_NOT_VALID);
  EXPECT_EQ(WaitForSingleObject(waits, 0), WAIT_TIMEOUT);
  SetLastError(ERROR_SUCCESS);
  EXPECT_TRUE(RollbackTransactionAsync(waits));
  EXPECT_EQ(GetLastError(), ERROR_IO_PENDING) << "as documented";
  EXPECT_EQ(WaitForSingleObject(waits, 0), WAIT_OBJECT_0);
}

TEST_F(KtmTransaction, EndsWithItsLastHandleWhoeverWaitsForIt) {
  Handle rm = volatile_rm(tm_);
  const auto held = [](HANDLE handle) {  // as a call that waits has it
    return HandleTable::get().find<TransactionObject>(handle);
  };
  Handle unbound = begin();
  const auto first = held(unbound);
  std::thread waiter([&] { EXPECT_EQ(first->wait(std::nullopt), true); });
  unbound.close();
  waiter.join();

  Handle bound = begin();
  const auto second = held(bound);
  GUID id{};
  EXPECT_DONE(GetTransactionId(bound, &id));
  Handle again = OpenTransaction(0, &id);
  Handle enlistment = enlist(rm, bound);
  bound.close();
  EXPECT_EQ(second->wait(std::chrono::nanoseconds(0)), false) << "it has another handle";
  again.close();
  EXPECT_EQ(second->wait(std::nullopt), true);
  EXPECT_EQ(next(rm), TRANSACTION_NOTIFY_ROLLBACK);

  Handle committing = begin();
  const auto third = held(committing);
  Handle voter = enlist(rm, committing);
  EXPECT_ERROR(CommitTransactionAsync(committing), ERROR_IO_PENDING);
  committing.close();
  EXPECT_EQ(next(rm), TRANSACTION_NOTIFY_PREPARE) << "it goes on";
  EXPECT_DONE(PrepareComplete(voter, nullptr));
  EXPECT_EQ(next(rm), TRANSACTION_NOTIFY_COMMIT);
  EXPECT_DONE(CommitComplete(voter, nullptr));
  EXPECT_EQ(third->wait(std::nullopt), true);
}

TEST_F(KtmTransaction, WaiterFollowsItIntoItsManager) {
  Handle rm = volatile_rm(tm_);
  Handle transaction = begin();
  std::thread waiter([&] { EXPECT_EQ(WaitForSingleObject(transaction, INFINITE), WAIT_OBJECT_0); });
  Handle enlistment = enlist(rm, transaction);
  EXPECT_DONE(RollbackTransaction(transaction));
  waiter.join();
}

}  // namespace
}  // namespace cairn::win32
