/* A resource manager and its client in one thread, with KTM's names only. A first process commits,
   and is killed with SIGKILL when it is told COMMIT: the decision is made, and not answered. The
   next one recovers, and must be told RECOVER, LAST_RECOVER, COMMIT. Sections: ktm_program.h. */
#define _POSIX_C_SOURCE 200809L
#include <signal.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cairn/ktmw32.h>

#include "ktm_program.h"

static const GUID kRm = {0xaaaaaaaa, 0xbbbb, 0xcccc, {1, 2, 3, 4, 5, 6, 7, 8}};

typedef struct {
  TRANSACTION_NOTIFICATION head;
  TRANSACTION_NOTIFICATION_RECOVERY_ARGUMENT argument;
} Notification;

static ULONG next(HANDLE rm, Notification *heard) {
  MUST(GetNotificationResourceManager(rm, &heard->head, sizeof *heard, 10000, NULL));
  return heard->head.TransactionNotification;
}

static HANDLE start(const char *path, HANDLE *tm) {
  HANDLE rm;
  *tm = CreateTransactionManager(NULL, wide(path), 0, 0);
  MUST(*tm != INVALID_HANDLE_VALUE);
  MUST(RecoverTransactionManager(*tm));
  rm = CreateResourceManager(NULL, (LPGUID)&kRm, 0, *tm, NULL);
  if (rm == INVALID_HANDLE_VALUE) { /* the log knows it */
    MUST(GetLastError() == ERROR_ALREADY_EXISTS);
    rm = OpenResourceManager(RESOURCEMANAGER_ALL_ACCESS, *tm, (LPGUID)&kRm);
    MUST(rm != INVALID_HANDLE_VALUE);
  }
  MUST(RecoverResourceManager(rm));
  return rm;
}

/* Says so to `told` when it is told COMMIT, and waits to be killed. */
static void first(const char *path, int told) {
  Notification heard;
  HANDLE tm;
  HANDLE rm = start(path, &tm);
  HANDLE transaction = CreateTransaction(NULL, NULL, 0, 0, 0, 0, NULL);
  HANDLE enlistment;
  char redo[] = "redo";
  MUST(next(rm, &heard) == TRANSACTION_NOTIFY_LAST_RECOVER);
  enlistment = CreateEnlistment(NULL, rm, transaction,
                                TRANSACTION_NOTIFY_PREPARE | TRANSACTION_NOTIFY_COMMIT |
                                    TRANSACTION_NOTIFY_ROLLBACK,
                                0, NULL);
  MUST(enlistment != INVALID_HANDLE_VALUE);
  MUST(SetEnlistmentRecoveryInformation(enlistment, sizeof redo, redo));
  MUST_FAIL(CommitTransactionAsync(transaction), ERROR_IO_PENDING);
  MUST(next(rm, &heard) == TRANSACTION_NOTIFY_PREPARE);
  MUST(PrepareComplete(enlistment, NULL));
  MUST(next(rm, &heard) == TRANSACTION_NOTIFY_COMMIT);
  MUST(write(told, "c", 1) == 1);
  for (;;) pause();
}

static void again(const char *path) {
  int key = 0;
  char redo[8];
  ULONG used = 0;
  Notification heard;
  HANDLE tm;
  HANDLE rm = start(path, &tm);
  HANDLE enlistment;
  HANDLE transaction;
  DWORD outcome = 0;
  MUST(next(rm, &heard) == TRANSACTION_NOTIFY_RECOVER);
  MUST(heard.head.ArgumentLength == sizeof heard.argument);
  enlistment = OpenEnlistment(ENLISTMENT_ALL_ACCESS, rm, &heard.argument.EnlistmentId);
  MUST(enlistment != INVALID_HANDLE_VALUE);
  transaction = OpenTransaction(TRANSACTION_ALL_ACCESS, &heard.argument.UOW);
  MUST(transaction != INVALID_HANDLE_VALUE);
  MUST(GetEnlistmentRecoveryInformation(enlistment, sizeof redo, redo, &used));
  MUST(used == 5 && strcmp(redo, "redo") == 0);
  MUST(next(rm, &heard) == TRANSACTION_NOTIFY_LAST_RECOVER);
  MUST(RecoverEnlistment(enlistment, &key));
  MUST(next(rm, &heard) == TRANSACTION_NOTIFY_COMMIT && heard.head.TransactionKey == &key);
  MUST(CommitComplete(enlistment, NULL));
  MUST(WaitForSingleObject(transaction, 10000) == WAIT_OBJECT_0);
  MUST(GetTransactionInformation(transaction, &outcome, NULL, NULL, NULL, 0, NULL));
  MUST(outcome == TransactionOutcomeCommitted);
  MUST(CloseHandle(enlistment));
  MUST(CloseHandle(transaction));
  MUST(CloseHandle(rm));
  MUST(CloseHandle(tm));
}

/* Before this process has made anything of its own. */
static void killed_between_decision_and_answer_it_is_told_again(const char *directory) {
  int status = 0;
  int told[2];
  char byte;
  pid_t child;
  MUST(pipe(told) == 0);
  child = fork();
  MUST(child >= 0);
  if (child == 0) first(directory, told[1]);
  close(told[1]);
  MUST(read(told[0], &byte, 1) == 1); /* otherwise the child has ended, and said why */
  close(told[0]);
  MUST(kill(child, SIGKILL) == 0);
  MUST(waitpid(child, &status, 0) == child);
  MUST(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  again(directory);
}

int main(int argc, char **argv) {
  static const Section sections[] = {
      {"KilledBetweenDecisionAndAnswerItIsToldAgain",
       killed_between_decision_and_answer_it_is_told_again},
      {NULL, NULL}};
  return run_sections(argc, argv, sections);
}
