// The Kernel Transaction Manager by its own names, over Cairn's transaction manager. C11 and C++.
//
//   HANDLE tm = CreateTransactionManager(NULL, L"/var/lib/app/log", 0, 0);
//   RecoverTransactionManager(tm);
//   HANDLE rm = CreateResourceManager(NULL, &kOrders, 0, tm, L"orders");
//   RecoverResourceManager(rm);   // then GetNotificationResourceManager() until LAST_RECOVER
//   HANDLE tx = CreateTransaction(NULL, NULL, 0, 0, 0, 0, L"order 7");
//   HANDLE en = CreateEnlistment(NULL, rm, tx, TRANSACTION_NOTIFY_PREPARE | ..., 0, key);
//   CommitTransaction(tx);
//
// Functions, options, values and layouts are the documented ones; docs/win32.md says of each
// function where it differs. What a function does is done by the C++ API, and is promised there:
// cairn/transaction_manager.h, transaction.h, resource_manager.h, enlistment.h. Conventions, types
// and handles: cairn/win32_types.h.
//
// Access rights: whatever access is asked for, a handle may do everything. Security attributes: see
// SECURITY_ATTRIBUTES. Options that are not documented: ERROR_INVALID_PARAMETER.
//
// Common errors: ERROR_INVALID_HANDLE; ERROR_INVALID_PARAMETER; ERROR_TRANSACTIONMANAGER_NOT_ONLINE
// (recover the manager, or the resource manager, first); ERROR_TRANSACTION_OBJECT_EXPIRED (the
// manager went offline after an error of its log: close its handles and begin again);
// ERROR_EXPIRED_HANDLE (the session of the resource manager has ended); those of the log.
#ifndef CAIRN_KTMW32_H_
#define CAIRN_KTMW32_H_

#include <cairn/win32_types.h>

CAIRN_WIN32_BEGIN

// --- Options and limits ---

#define TRANSACTION_DO_NOT_PROMOTE 0x00000001u
#define TRANSACTION_MANAGER_COMMIT_DEFAULT 0x00000000u
#define TRANSACTION_MANAGER_VOLATILE 0x00000001u
#define TRANSACTION_MANAGER_COMMIT_SYSTEM_VOLUME 0x00000002u
#define TRANSACTION_MANAGER_COMMIT_SYSTEM_HIVES 0x00000004u
#define TRANSACTION_MANAGER_COMMIT_LOWEST 0x00000008u
#define TRANSACTION_MANAGER_CORRUPT_FOR_RECOVERY 0x00000010u
#define TRANSACTION_MANAGER_CORRUPT_FOR_PROGRESS 0x00000020u
#define RESOURCE_MANAGER_VOLATILE 0x00000001u
#define RESOURCE_MANAGER_COMMUNICATION 0x00000002u
#define ENLISTMENT_SUPERIOR 0x00000001u

#define MAX_TRANSACTION_DESCRIPTION_LENGTH 64
#define MAX_RESOURCEMANAGER_DESCRIPTION_LENGTH 64

// --- Access rights, which are accepted and not told apart ---

#define TRANSACTIONMANAGER_QUERY_INFORMATION 0x00000001u
#define TRANSACTIONMANAGER_SET_INFORMATION 0x00000002u
#define TRANSACTIONMANAGER_RECOVER 0x00000004u
#define TRANSACTIONMANAGER_RENAME 0x00000008u
#define TRANSACTIONMANAGER_CREATE_RM 0x00000010u
#define TRANSACTIONMANAGER_BIND_TRANSACTION 0x00000020u
#define TRANSACTIONMANAGER_ALL_ACCESS 0x000F003Fu
#define TRANSACTION_QUERY_INFORMATION 0x00000001u
#define TRANSACTION_SET_INFORMATION 0x00000002u
#define TRANSACTION_ENLIST 0x00000004u
#define TRANSACTION_COMMIT 0x00000008u
#define TRANSACTION_ROLLBACK 0x00000010u
#define TRANSACTION_PROPAGATE 0x00000020u
#define TRANSACTION_ALL_ACCESS 0x001F003Fu
#define RESOURCEMANAGER_QUERY_INFORMATION 0x00000001u
#define RESOURCEMANAGER_SET_INFORMATION 0x00000002u
#define RESOURCEMANAGER_RECOVER 0x00000004u
#define RESOURCEMANAGER_ENLIST 0x00000008u
#define RESOURCEMANAGER_GET_NOTIFICATION 0x00000010u
#define RESOURCEMANAGER_REGISTER_PROTOCOL 0x00000020u
#define RESOURCEMANAGER_COMPLETE_PROPAGATION 0x00000040u
#define RESOURCEMANAGER_ALL_ACCESS 0x001F007Fu
#define ENLISTMENT_QUERY_INFORMATION 0x00000001u
#define ENLISTMENT_SET_INFORMATION 0x00000002u
#define ENLISTMENT_RECOVER 0x00000004u
#define ENLISTMENT_SUBORDINATE_RIGHTS 0x00000008u
#define ENLISTMENT_SUPERIOR_RIGHTS 0x00000010u
#define ENLISTMENT_ALL_ACCESS 0x000F001Fu

// --- Notifications ---

typedef ULONG NOTIFICATION_MASK;

#define TRANSACTION_NOTIFY_MASK 0x3FFFFFFFu
#define TRANSACTION_NOTIFY_PREPREPARE 0x00000001u
#define TRANSACTION_NOTIFY_PREPARE 0x00000002u
#define TRANSACTION_NOTIFY_COMMIT 0x00000004u
#define TRANSACTION_NOTIFY_ROLLBACK 0x00000008u
#define TRANSACTION_NOTIFY_PREPREPARE_COMPLETE 0x00000010u
#define TRANSACTION_NOTIFY_PREPARE_COMPLETE 0x00000020u
#define TRANSACTION_NOTIFY_COMMIT_COMPLETE 0x00000040u
#define TRANSACTION_NOTIFY_ROLLBACK_COMPLETE 0x00000080u
#define TRANSACTION_NOTIFY_RECOVER 0x00000100u
#define TRANSACTION_NOTIFY_SINGLE_PHASE_COMMIT 0x00000200u
#define TRANSACTION_NOTIFY_DELEGATE_COMMIT 0x00000400u
#define TRANSACTION_NOTIFY_RECOVER_QUERY 0x00000800u
#define TRANSACTION_NOTIFY_ENLIST_PREPREPARE 0x00001000u
#define TRANSACTION_NOTIFY_LAST_RECOVER 0x00002000u
#define TRANSACTION_NOTIFY_INDOUBT 0x00004000u
#define TRANSACTION_NOTIFY_PROPAGATE_PULL 0x00008000u
#define TRANSACTION_NOTIFY_PROPAGATE_PUSH 0x00010000u
#define TRANSACTION_NOTIFY_MARSHAL 0x00020000u
#define TRANSACTION_NOTIFY_ENLIST_MASK 0x00040000u
#define TRANSACTION_NOTIFY_RM_DISCONNECTED 0x01000000u
#define TRANSACTION_NOTIFY_TM_ONLINE 0x02000000u
#define TRANSACTION_NOTIFY_COMMIT_REQUEST 0x04000000u
#define TRANSACTION_NOTIFY_PROMOTE 0x08000000u
#define TRANSACTION_NOTIFY_PROMOTE_NEW 0x10000000u
#define TRANSACTION_NOTIFY_REQUEST_OUTCOME 0x20000000u
#define TRANSACTION_NOTIFY_COMMIT_FINALIZE 0x40000000u

// ArgumentLength bytes follow it.
typedef struct _TRANSACTION_NOTIFICATION {
  PVOID TransactionKey;  // the enlistment's; null for RECOVER, RECOVER_QUERY and LAST_RECOVER
  ULONG TransactionNotification;
  LARGE_INTEGER TmVirtualClock;
  ULONG ArgumentLength;
} TRANSACTION_NOTIFICATION;
typedef TRANSACTION_NOTIFICATION *PTRANSACTION_NOTIFICATION;

// The argument of RECOVER and RECOVER_QUERY; the others have none.
typedef struct _TRANSACTION_NOTIFICATION_RECOVERY_ARGUMENT {
  GUID EnlistmentId;
  GUID UOW;
} TRANSACTION_NOTIFICATION_RECOVERY_ARGUMENT;
typedef TRANSACTION_NOTIFICATION_RECOVERY_ARGUMENT *PTRANSACTION_NOTIFICATION_RECOVERY_ARGUMENT;

typedef enum _TRANSACTION_OUTCOME {
  TransactionOutcomeUndetermined = 1,
  TransactionOutcomeCommitted = 2,
  TransactionOutcomeAborted = 3,
  CairnTransactionOutcomeUnknown = 4  // nobody here can say; never to be read as either
} TRANSACTION_OUTCOME;

// --- Transaction managers ---

// Makes a transaction manager, or opens the one that is in the stream. LogFileName: the directory
// of the log, made if it is not there, and with "::" behind it the stream ("tm" if none is named);
// "log:" may stand before it. Null, with TRANSACTION_MANAGER_VOLATILE and only then: a volatile
// one, which is online at once. With the last handle to it, to its resource managers, its
// enlistments and transactions that work with it, it is closed. Errors: ERROR_ALREADY_EXISTS (this
// process has it open: OpenTransactionManager), ERROR_SHARING_VIOLATION (another process has),
// ERROR_NOT_SUPPORTED (COMMIT_LOWEST, CORRUPT_FOR_...: no manager here decides by guessing).
CAIRN_WIN32_API HANDLE CreateTransactionManager(LPSECURITY_ATTRIBUTES lpTransactionAttributes,
                                                LPWSTR LogFileName, ULONG CreateOptions,
                                                ULONG CommitStrength);
// One that exists: open in this process, or in a log. Errors: ERROR_FILE_NOT_FOUND (no log),
// ERROR_TRANSACTIONMANAGER_NOT_FOUND (none in that stream), ERROR_SHARING_VIOLATION.
CAIRN_WIN32_API HANDLE OpenTransactionManager(LPWSTR LogFileName, ACCESS_MASK DesiredAccess,
                                              ULONG OpenOptions);
// One that is open in this process. Error: ERROR_TRANSACTIONMANAGER_NOT_FOUND.
CAIRN_WIN32_API HANDLE OpenTransactionManagerById(LPGUID TransactionManagerId,
                                                  ACCESS_MASK DesiredAccess, ULONG OpenOptions);
// Reads the log and brings it online. Of one that is online: TRUE. Errors: ERROR_TM_VOLATILE (there
// is nothing to recover: go on), ERROR_LOG_CORRUPTION_DETECTED (the log is untouched),
// ERROR_TM_INITIALIZATION_FAILED (it failed before).
CAIRN_WIN32_API BOOL RecoverTransactionManager(HANDLE TransactionManagerHandle);
// Up to and with the decision of this virtual clock; online only if none follows. Null: to the end.
CAIRN_WIN32_API BOOL RollforwardTransactionManager(HANDLE TransactionManagerHandle,
                                                   PLARGE_INTEGER TmVirtualClock);
// Gives the manager in a log that nobody has open a new identity. Errors:
// ERROR_TRANSACTIONMANAGER_IDENTITY_MISMATCH (it is not the one named), ERROR_SHARING_VIOLATION.
CAIRN_WIN32_API BOOL RenameTransactionManager(LPWSTR LogFileName,
                                              LPGUID ExistingTransactionManagerGuid);
CAIRN_WIN32_API BOOL GetTransactionManagerId(HANDLE TransactionManagerHandle,
                                             LPGUID TransactionManagerId);
CAIRN_WIN32_API BOOL GetCurrentClockTransactionManager(HANDLE TransactionManagerHandle,
                                                       PLARGE_INTEGER TmVirtualClock);

// --- Transactions ---

// A transaction, which belongs to no manager until the first resource manager enlists in it. UOW:
// null; isolation: 0. Timeout in milliseconds; 0 or INFINITE: none. Description: at most
// MAX_TRANSACTION_DESCRIPTION_LENGTH characters. With the last handle it is rolled back, unless its
// commit was asked for.
CAIRN_WIN32_API HANDLE CreateTransaction(LPSECURITY_ATTRIBUTES lpTransactionAttributes, LPGUID UOW,
                                         DWORD CreateOptions, DWORD IsolationLevel,
                                         DWORD IsolationFlags, DWORD Timeout, LPWSTR Description);
// Error: ERROR_TRANSACTION_NOT_FOUND.
CAIRN_WIN32_API HANDLE OpenTransaction(DWORD dwDesiredAccess, LPGUID TransactionId);
CAIRN_WIN32_API BOOL GetTransactionId(HANDLE TransactionHandle, LPGUID TransactionId);
// BufferLength: bytes of Description, which gets the terminating 0 too. Each pointer may be null.
// Error: ERROR_INSUFFICIENT_BUFFER (nothing is written).
CAIRN_WIN32_API BOOL GetTransactionInformation(HANDLE TransactionHandle, PDWORD Outcome,
                                               PDWORD IsolationLevel, PDWORD IsolationFlags,
                                               PDWORD Timeout, DWORD BufferLength,
                                               LPWSTR Description);
// Timeout from now on. A null Description leaves it as it is. Error: ERROR_TRANSACTION_NOT_ACTIVE.
CAIRN_WIN32_API BOOL SetTransactionInformation(HANDLE TransactionHandle, DWORD IsolationLevel,
                                               DWORD IsolationFlags, DWORD Timeout,
                                               LPWSTR Description);
// Commits, and waits until every resource manager has answered. Errors, none of which undoes
// anything: ERROR_TRANSACTION_ALREADY_ABORTED (it is rolled back), ERROR_RM_DISCONNECTED (nobody
// can say what became of it: recovery decides), ERROR_TRANSACTION_ALREADY_COMMITTED,
// ERROR_TRANSACTION_REQUEST_NOT_VALID (asked for before), ERROR_TRANSACTION_SUPERIOR_EXISTS.
CAIRN_WIN32_API BOOL CommitTransaction(HANDLE TransactionHandle);
// Asks for it. TRUE: it is committed, all answered. ERROR_IO_PENDING: it goes on;
// WaitForSingleObject(), then GetTransactionInformation(). Other errors as above.
CAIRN_WIN32_API BOOL CommitTransactionAsync(HANDLE TransactionHandle);
// Rolls back; answers are not waited for. Again: TRUE. Errors: ERROR_TRANSACTION_ALREADY_COMMITTED,
// ERROR_TRANSACTION_REQUEST_NOT_VALID (the decision is made elsewhere by now).
CAIRN_WIN32_API BOOL RollbackTransaction(HANDLE TransactionHandle);
// The same: it is rolled back on return. As documented, GetLastError() is ERROR_IO_PENDING after
// TRUE.
CAIRN_WIN32_API BOOL RollbackTransactionAsync(HANDLE TransactionHandle);

// --- Resource managers ---

// Begins the first session of a resource manager; a handle is a session. With the handle it ends:
// enlistments that have not promised roll their transactions back, those that have wait for the
// next session. Errors: ERROR_ALREADY_EXISTS (known: OpenResourceManager), ERROR_TM_VOLATILE,
// ERROR_NOT_SUPPORTED (RESOURCE_MANAGER_COMMUNICATION).
CAIRN_WIN32_API HANDLE CreateResourceManager(LPSECURITY_ATTRIBUTES lpResourceManagerAttributes,
                                             LPGUID ResourceManagerId, DWORD CreateOptions,
                                             HANDLE TmHandle, LPWSTR Description);
// Begins a new session of one that is known, and ends the one before: its calls are
// ERROR_EXPIRED_HANDLE from then on. Error: ERROR_RESOURCEMANAGER_NOT_FOUND (create it).
CAIRN_WIN32_API HANDLE OpenResourceManager(DWORD dwDesiredAccess, HANDLE TmHandle,
                                           LPGUID ResourceManagerId);
// Brings it online, and queues RECOVER or RECOVER_QUERY for each unfinished enlistment, then
// LAST_RECOVER. Errors: ERROR_TM_VOLATILE (a volatile one has nothing to recover, and is online),
// ERROR_TRANSACTION_REQUEST_NOT_VALID (this session recovered before).
CAIRN_WIN32_API BOOL RecoverResourceManager(HANDLE ResourceManagerHandle);
// The next notification. ReturnLength, if not null: its size, also with ERROR_INSUFFICIENT_BUFFER,
// after which it is still the next. ERROR_TIMEOUT: none came within dwMilliseconds.
CAIRN_WIN32_API BOOL GetNotificationResourceManager(
    HANDLE ResourceManagerHandle, PTRANSACTION_NOTIFICATION TransactionNotification,
    ULONG NotificationLength, DWORD dwMilliseconds, PULONG ReturnLength);
// From now on buffers can be handed over by GetNotificationResourceManagerAsync(). The port is a
// handle of CairnOpenCompletionPort(), and may be closed. CompletionKey is not told to anyone: the
// event descriptor only counts. Errors: ERROR_ALREADY_EXISTS (it has one), ERROR_INVALID_HANDLE.
CAIRN_WIN32_API BOOL SetResourceManagerCompletionPort(HANDLE ResourceManagerHandle,
                                                      HANDLE IoCompletionPortHandle,
                                                      ULONG_PTR CompletionKey);
// Hands a buffer over for one notification; any number may be out. FALSE and ERROR_IO_PENDING: when
// a notification is in it, *ReturnLength (if not null) is its size,
// HasOverlappedIoCompleted(lpOverlapped) holds, lpOverlapped->Internal is 0, and 1 was added to the
// port. A notification goes to the first buffer that is large enough; if none is, the first buffer
// comes back with ERROR_INSUFFICIENT_BUFFER in Internal and the size it would have taken. When the
// session ends, all come back with ERROR_OPERATION_ABORTED; buffers are not written to after
// CloseHandle() of the resource manager returned. Errors: ERROR_INVALID_PARAMETER (no port was set;
// hEvent).
CAIRN_WIN32_API BOOL GetNotificationResourceManagerAsync(
    HANDLE ResourceManagerHandle, PTRANSACTION_NOTIFICATION TransactionNotification,
    ULONG TransactionNotificationLength, PULONG ReturnLength, LPOVERLAPPED lpOverlapped);

// --- Enlistments ---

// Takes part in a transaction. EnlistmentKey comes with each notification, which may be before this
// returns. The handle is a reference: with the last one, while an answer is owed before the
// outcome, the transaction is rolled back. Errors: ERROR_TRANSACTION_NOT_ACTIVE,
// ERROR_TRANSACTION_MUST_WRITETHROUGH, ERROR_TRANSACTION_SUPERIOR_EXISTS, ERROR_TM_VOLATILE,
// ERROR_TRANSACTION_REQUIRED_PROMOTION (the transaction works with another manager; two managers
// are connected by cairn/subordinate_bridge.h), ERROR_NOT_SUPPORTED (notifications that are never
// sent).
CAIRN_WIN32_API HANDLE CreateEnlistment(LPSECURITY_ATTRIBUTES lpEnlistmentAttributes,
                                        HANDLE ResourceManagerHandle, HANDLE TransactionHandle,
                                        NOTIFICATION_MASK NotificationMask, DWORD CreateOptions,
                                        PVOID EnlistmentKey);
// Error: ERROR_ENLISTMENT_NOT_FOUND.
CAIRN_WIN32_API HANDLE OpenEnlistment(DWORD dwDesiredAccess, HANDLE ResourceManagerHandle,
                                      LPGUID EnlistmentId);
// After RECOVER: gives the enlistment its key, and queues COMMIT, ROLLBACK or INDOUBT. After
// RECOVER_QUERY the superior decides. Error: ERROR_TRANSACTION_REQUEST_NOT_VALID.
CAIRN_WIN32_API BOOL RecoverEnlistment(HANDLE EnlistmentHandle, PVOID EnlistmentKey);
CAIRN_WIN32_API BOOL GetEnlistmentId(HANDLE EnlistmentHandle, LPGUID EnlistmentId);
// BufferUsed, if not null: how many bytes there are, also with ERROR_INSUFFICIENT_BUFFER.
// Error: ERROR_TM_VOLATILE (of a volatile resource manager).
CAIRN_WIN32_API BOOL GetEnlistmentRecoveryInformation(HANDLE EnlistmentHandle, ULONG BufferSize,
                                                      PVOID Buffer, PULONG BufferUsed);
// 1 to 65536 bytes, durable with the commit decision. Errors: ERROR_TRANSACTION_NOT_ACTIVE,
// ERROR_TM_VOLATILE.
CAIRN_WIN32_API BOOL SetEnlistmentRecoveryInformation(HANDLE EnlistmentHandle, ULONG BufferSize,
                                                      PVOID Buffer);

// Answers. TmVirtualClock, of all that follow: null, or a value that the manager's clock is raised
// to. Errors of answers: ERROR_TRANSACTION_NOT_REQUESTED (nobody asked). An answer that was
// accepted may be repeated: TRUE.
CAIRN_WIN32_API BOOL PrePrepareComplete(HANDLE EnlistmentHandle, PLARGE_INTEGER TmVirtualClock);
CAIRN_WIN32_API BOOL PrepareComplete(HANDLE EnlistmentHandle, PLARGE_INTEGER TmVirtualClock);
CAIRN_WIN32_API BOOL CommitComplete(HANDLE EnlistmentHandle, PLARGE_INTEGER TmVirtualClock);
CAIRN_WIN32_API BOOL RollbackComplete(HANDLE EnlistmentHandle, PLARGE_INTEGER TmVirtualClock);
CAIRN_WIN32_API BOOL ReadOnlyEnlistment(HANDLE EnlistmentHandle, PLARGE_INTEGER TmVirtualClock);
CAIRN_WIN32_API BOOL SinglePhaseReject(HANDLE EnlistmentHandle, PLARGE_INTEGER TmVirtualClock);

// Rolls the transaction back: by a subordinate until it has promised, by the superior until it has
// ordered the commit. Errors: ERROR_TRANSACTION_REQUEST_NOT_VALID, _ALREADY_COMMITTED,
// _ALREADY_ABORTED.
CAIRN_WIN32_API BOOL RollbackEnlistment(HANDLE EnlistmentHandle, PLARGE_INTEGER TmVirtualClock);

// The superior's verbs; the notification of the same name says that the phase is over. Errors:
// ERROR_ENLISTMENT_NOT_SUPERIOR, ERROR_TRANSACTION_RESPONSE_NOT_ENLISTED (the *_COMPLETE bit is not
// in the mask), ERROR_TRANSACTION_REQUEST_NOT_VALID, _ALREADY_COMMITTED, _ALREADY_ABORTED.
CAIRN_WIN32_API BOOL PrePrepareEnlistment(HANDLE EnlistmentHandle, PLARGE_INTEGER TmVirtualClock);
CAIRN_WIN32_API BOOL PrepareEnlistment(HANDLE EnlistmentHandle, PLARGE_INTEGER TmVirtualClock);
CAIRN_WIN32_API BOOL CommitEnlistment(HANDLE EnlistmentHandle, PLARGE_INTEGER TmVirtualClock);

// --- Enumeration ---

typedef CAIRN_WIN32_ENUM(_KTMOBJECT_TYPE){
    KTMOBJECT_TRANSACTION = 0, KTMOBJECT_TRANSACTION_MANAGER = 1, KTMOBJECT_RESOURCE_MANAGER = 2,
    KTMOBJECT_ENLISTMENT = 3, KTMOBJECT_INVALID = 4} KTMOBJECT_TYPE;
typedef KTMOBJECT_TYPE *PKTMOBJECT_TYPE;

typedef struct _KTMOBJECT_CURSOR {
  GUID LastQuery;  // all 0 to begin; then left as it is
  DWORD ObjectIdCount;
  GUID ObjectIds[1];  // as many as there is room for
} KTMOBJECT_CURSOR;
typedef KTMOBJECT_CURSOR *PKTMOBJECT_CURSOR;

// What NtEnumerateTransactionObject does, in the conventions of this header: the next identities of
// one kind. Root: of transactions null (all of this process) or a manager, of managers null, of
// resource managers a manager, of enlistments a resource manager. Not a snapshot: what comes or
// goes meanwhile may be among them or not; the others come once. Errors: ERROR_NO_MORE_ITEMS,
// ERROR_INSUFFICIENT_BUFFER (no room for one).
CAIRN_WIN32_API BOOL EnumerateTransactionObject(HANDLE RootObjectHandle, KTMOBJECT_TYPE QueryType,
                                                PKTMOBJECT_CURSOR ObjectCursor,
                                                ULONG ObjectCursorLength, PULONG ReturnLength);

CAIRN_WIN32_END

#endif  // CAIRN_KTMW32_H_
