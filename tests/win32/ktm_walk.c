/* A walk through KTM with its names only, in plain C: a volatile and a durable transaction manager,
   a resource manager of each, commits in three, two and one phase, rollbacks, and what they are told.
   Sections: ktm_program.h. Exit 0: everything was as documented. */
#include <string.h>

#include <cairn/ktmw32.h>

#include "ktm_program.h"

static const GUID kVolatileRm = {0x11111111, 0x2222, 0x3333, {1, 2, 3, 4, 5, 6, 7, 8}};
static const GUID kDurableRm = {0xaaaaaaaa, 0xbbbb, 0xcccc, {1, 2, 3, 4, 5, 6, 7, 8}};

static const NOTIFICATION_MASK kTwoPhases = TRANSACTION_NOTIFY_PREPARE | TRANSACTION_NOTIFY_COMMIT |
                                            TRANSACTION_NOTIFY_ROLLBACK;

/* The next notification, which must be this one. Returns its key. */
static void *expect(HANDLE rm, ULONG notification) {
  TRANSACTION_NOTIFICATION heard;
  ULONG length = 0;
  MUST(GetNotificationResourceManager(rm, &heard, sizeof heard, 10000, &length));
  MUST(heard.TransactionNotification == notification);
  MUST(length == sizeof heard && heard.ArgumentLength == 0);
  return heard.TransactionKey;
}

static void expect_silence(HANDLE rm) {
  TRANSACTION_NOTIFICATION heard;
  MUST_FAIL(GetNotificationResourceManager(rm, &heard, sizeof heard, 0, NULL), ERROR_TIMEOUT);
}

static DWORD outcome_of(HANDLE transaction) {
  DWORD outcome = 0;
  MUST(GetTransactionInformation(transaction, &outcome, NULL, NULL, NULL, 0, NULL));
  return outcome;
}

/* A transaction of one resource manager. */
static HANDLE begin(HANDLE rm, NOTIFICATION_MASK mask, void *key, HANDLE *transaction) {
  HANDLE enlistment;
  *transaction = CreateTransaction(NULL, NULL, 0, 0, 0, 0, NULL);
  MUST(*transaction != INVALID_HANDLE_VALUE);
  enlistment = CreateEnlistment(NULL, rm, *transaction, mask, 0, key);
  MUST(enlistment != INVALID_HANDLE_VALUE);
  return enlistment;
}

static void close_both(HANDLE enlistment, HANDLE transaction) {
  MUST(CloseHandle(enlistment));
  MUST(CloseHandle(transaction));
}

static void commits_in_three_phases(HANDLE rm) {
  int work = 0; /* the key: what the resource manager does for this transaction */
  LARGE_INTEGER clock;
  HANDLE transaction;
  HANDLE enlistment = begin(rm, TRANSACTION_NOTIFY_PREPREPARE | kTwoPhases, &work, &transaction);
  MUST_FAIL(PrepareComplete(enlistment, NULL), ERROR_TRANSACTION_NOT_REQUESTED);
  MUST_FAIL(CommitTransactionAsync(transaction), ERROR_IO_PENDING);
  MUST(expect(rm, TRANSACTION_NOTIFY_PREPREPARE) == &work);
  MUST(PrePrepareComplete(enlistment, NULL));
  MUST(expect(rm, TRANSACTION_NOTIFY_PREPARE) == &work);
  MUST(WaitForSingleObject(transaction, 0) == WAIT_TIMEOUT);
  MUST(outcome_of(transaction) == TransactionOutcomeUndetermined);
  clock.QuadPart = 1000;
  MUST(PrepareComplete(enlistment, &clock));
  MUST(expect(rm, TRANSACTION_NOTIFY_COMMIT) == &work);
  MUST(outcome_of(transaction) == TransactionOutcomeCommitted);
  MUST_FAIL(RollbackTransaction(transaction), ERROR_TRANSACTION_ALREADY_COMMITTED);
  MUST(CommitComplete(enlistment, NULL));
  MUST(WaitForSingleObject(transaction, INFINITE) == WAIT_OBJECT_0);
  expect_silence(rm);
  close_both(enlistment, transaction);
}

static void commits_in_one_phase(HANDLE rm) {
  HANDLE transaction;
  HANDLE enlistment =
      begin(rm, TRANSACTION_NOTIFY_SINGLE_PHASE_COMMIT | kTwoPhases, NULL, &transaction);
  MUST_FAIL(CommitTransactionAsync(transaction), ERROR_IO_PENDING);
  MUST(expect(rm, TRANSACTION_NOTIFY_SINGLE_PHASE_COMMIT) == NULL);
  MUST(SinglePhaseReject(enlistment, NULL)); /* once not */
  MUST(expect(rm, TRANSACTION_NOTIFY_PREPARE) == NULL);
  MUST(ReadOnlyEnlistment(enlistment, NULL)); /* nothing was changed */
  MUST(WaitForSingleObject(transaction, 10000) == WAIT_OBJECT_0);
  MUST(outcome_of(transaction) == TransactionOutcomeCommitted);
  close_both(enlistment, transaction);
}

static void rolls_back(HANDLE rm) {
  HANDLE transaction;
  HANDLE enlistment = begin(rm, kTwoPhases, NULL, &transaction);
  MUST(RollbackTransaction(transaction));
  MUST(expect(rm, TRANSACTION_NOTIFY_ROLLBACK) == NULL);
  MUST(RollbackComplete(enlistment, NULL));
  MUST(outcome_of(transaction) == TransactionOutcomeAborted);
  MUST_FAIL(CommitTransaction(transaction), ERROR_TRANSACTION_ALREADY_ABORTED);
  close_both(enlistment, transaction);

  enlistment = begin(rm, kTwoPhases, NULL, &transaction); /* by the resource manager */
  MUST_FAIL(CommitTransactionAsync(transaction), ERROR_IO_PENDING);
  MUST(expect(rm, TRANSACTION_NOTIFY_PREPARE) == NULL);
  MUST(RollbackEnlistment(enlistment, NULL));
  MUST(expect(rm, TRANSACTION_NOTIFY_ROLLBACK) == NULL);
  MUST(RollbackComplete(enlistment, NULL));
  MUST(WaitForSingleObject(transaction, 10000) == WAIT_OBJECT_0);
  MUST(outcome_of(transaction) == TransactionOutcomeAborted);
  close_both(enlistment, transaction);

  enlistment = begin(rm, kTwoPhases, NULL, &transaction); /* by closing the last handle */
  MUST(CloseHandle(transaction));
  MUST(expect(rm, TRANSACTION_NOTIFY_ROLLBACK) == NULL);
  MUST(RollbackComplete(enlistment, NULL));
  MUST(CloseHandle(enlistment));
}

static void keeps_recovery_information(HANDLE rm) {
  char data[16];
  ULONG used = 0;
  HANDLE transaction;
  HANDLE enlistment = begin(rm, kTwoPhases, NULL, &transaction);
  strcpy(data, "redo at 4711");
  MUST(SetEnlistmentRecoveryInformation(enlistment, (ULONG)strlen(data) + 1, data));
  memset(data, 0, sizeof data);
  MUST_FAIL(GetEnlistmentRecoveryInformation(enlistment, 4, data, &used), ERROR_INSUFFICIENT_BUFFER);
  MUST(used == 13 && data[0] == '\0');
  MUST(GetEnlistmentRecoveryInformation(enlistment, sizeof data, data, &used));
  MUST(used == 13 && strcmp(data, "redo at 4711") == 0);
  MUST(RollbackTransaction(transaction));
  close_both(enlistment, transaction);
  MUST(expect(rm, TRANSACTION_NOTIFY_ROLLBACK) == NULL);
}

static void volatile_manager_runs_it_all(const char *directory) {
  HANDLE tm = CreateTransactionManager(NULL, NULL, TRANSACTION_MANAGER_VOLATILE, 0);
  HANDLE rm;
  (void)directory;
  MUST(tm != INVALID_HANDLE_VALUE);
  MUST_FAIL(RecoverTransactionManager(tm), ERROR_TM_VOLATILE); /* there is nothing to recover */
  MUST(CreateResourceManager(NULL, (LPGUID)&kDurableRm, 0, tm, NULL) == INVALID_HANDLE_VALUE);
  MUST(GetLastError() == ERROR_TM_VOLATILE);
  rm = CreateResourceManager(NULL, (LPGUID)&kVolatileRm, RESOURCE_MANAGER_VOLATILE, tm, NULL);
  MUST(rm != INVALID_HANDLE_VALUE);
  commits_in_three_phases(rm);
  commits_in_one_phase(rm);
  rolls_back(rm);
  MUST(CloseHandle(rm));
  MUST(CloseHandle(tm));
}

static void run_durable(const char *directory) {
  WCHAR description[] = L"orders";
  HANDLE tm = CreateTransactionManager(NULL, wide(directory), 0, 0);
  HANDLE rm;
  MUST(tm != INVALID_HANDLE_VALUE);
  MUST(CreateResourceManager(NULL, (LPGUID)&kDurableRm, 0, tm, NULL) == INVALID_HANDLE_VALUE);
  MUST(GetLastError() == ERROR_TRANSACTIONMANAGER_NOT_ONLINE);
  MUST(RecoverTransactionManager(tm));
  rm = CreateResourceManager(NULL, (LPGUID)&kDurableRm, 0, tm, description);
  MUST(rm != INVALID_HANDLE_VALUE);
  MUST(RecoverResourceManager(rm));
  MUST(expect(rm, TRANSACTION_NOTIFY_LAST_RECOVER) == NULL);
  commits_in_three_phases(rm);
  commits_in_one_phase(rm);
  rolls_back(rm);
  keeps_recovery_information(rm);
  MUST(CloseHandle(rm));
  MUST_FAIL(CloseHandle(rm), ERROR_INVALID_HANDLE);
  MUST(CloseHandle(tm));
}

static void durable_manager_runs_it_all_and_again_on_its_log(const char *directory) {
  run_durable(directory);
  run_durable(directory);
}

int main(int argc, char **argv) {
  static const Section sections[] = {
      {"AVolatileManagerRunsItAll", volatile_manager_runs_it_all},
      {"ADurableManagerRunsItAllAndAgainOnItsLog", durable_manager_runs_it_all_and_again_on_its_log},
      {NULL, NULL}};
  return run_sections(argc, argv, sections);
}
