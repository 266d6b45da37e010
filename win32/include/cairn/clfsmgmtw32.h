// clfsmgmtw32.h: the functions that manage CLFS logs (policies, notifications, full logs), by their
// own names, on Cairn's log. docs/win32.md says of each how it differs from what is documented for
// CLFS.
//
//   LOG_MANAGEMENT_CALLBACKS callbacks = {context, advance_tail, log_full_handled, log_unpinned};
//   RegisterManageableLogClient(log, &callbacks);
//   ...
//   if (GetLastError() == ERROR_LOG_FULL) HandleLogFull(log);
//
// Callbacks. CLFS calls them as asynchronous procedure calls of the thread that registered them;
// here they run on the thread whose call made them due (HandleLogFull, or whatever moved a base),
// before that call returns, without locks of the library held. They may call all functions of
// cairn/clfsw32.h. A client that registers none reads its notifications with ReadLogNotification.
//
// Policies are those of the physical log, whichever handle they are installed through, and last
// until its last handle is closed.
#ifndef CAIRN_CLFSMGMTW32_H_
#define CAIRN_CLFSMGMTW32_H_

#include <cairn/clfsw32.h>

CAIRN_WIN32_BEGIN

#define CLFS_MGMT_POLICY_VERSION 0x01
#define LOG_POLICY_OVERWRITE 0x01
#define LOG_POLICY_PERSIST 0x02

typedef CAIRN_WIN32_ENUM(_CLFS_MGMT_POLICY_TYPE){ClfsMgmtPolicyMaximumSize = 0,
                                                 ClfsMgmtPolicyMinimumSize = 1,
                                                 ClfsMgmtPolicyNewContainerSize = 2,
                                                 ClfsMgmtPolicyGrowthRate = 3,
                                                 ClfsMgmtPolicyLogTail = 4,
                                                 ClfsMgmtPolicyAutoShrink = 5,
                                                 ClfsMgmtPolicyAutoGrow = 6,
                                                 ClfsMgmtPolicyNewContainerPrefix = 7,
                                                 ClfsMgmtPolicyNewContainerSuffix = 8,
                                                 ClfsMgmtPolicyNewContainerExtension = 9,
                                                 ClfsMgmtPolicyInvalid = 10} CLFS_MGMT_POLICY_TYPE,
    *PCLFS_MGMT_POLICY_TYPE;
#define CLFS_MGMT_NUM_POLICIES ClfsMgmtPolicyInvalid

typedef struct _CLFS_MGMT_POLICY {
  ULONG Version;        // CLFS_MGMT_POLICY_VERSION
  ULONG LengthInBytes;  // of the whole structure, the string included
  ULONG PolicyFlags;
  CLFS_MGMT_POLICY_TYPE PolicyType;
  union {
    struct {
      ULONG Containers;
    } MaximumSize;
    struct {
      ULONG Containers;
    } MinimumSize;
    struct {
      ULONG SizeInBytes;
    } NewContainerSize;
    struct {
      ULONG AbsoluteGrowthInContainers;  // one of the two, or neither: no growth
      ULONG RelativeGrowthPercentage;
    } GrowthRate;
    struct {
      ULONG MinimumAvailablePercentage;  // one of the two, or neither: nobody is asked
      ULONG MinimumAvailableContainers;
    } LogTail;
    struct {
      ULONG Percentage;
    } AutoShrink;
    struct {
      ULONG Enabled;
    } AutoGrow;
    struct {
      USHORT PrefixLengthInBytes;
      WCHAR PrefixString[1];
    } NewContainerPrefix;
    struct {
      ULONGLONG NextContainerSuffix;
    } NewContainerSuffix;
    struct {
      USHORT ExtensionLengthInBytes;
      WCHAR ExtensionString[1];
    } NewContainerExtension;
  } PolicyParameters;
} CLFS_MGMT_POLICY, *PCLFS_MGMT_POLICY;

typedef enum _CLFS_MGMT_NOTIFICATION_TYPE {
  ClfsMgmtAdvanceTailNotification = 0,
  ClfsMgmtLogFullHandlerNotification = 1,
  ClfsMgmtLogUnpinnedNotification = 2,
  ClfsMgmtLogWriteNotification = 3
} CLFS_MGMT_NOTIFICATION_TYPE,
    *PCLFS_MGMT_NOTIFICATION_TYPE;

typedef struct _CLFS_MGMT_NOTIFICATION {
  CLFS_MGMT_NOTIFICATION_TYPE Notification;
  CLFS_LSN Lsn;  // AdvanceTail: where the base is to be; not the LSN of a record
  USHORT LogIsPinned;
} CLFS_MGMT_NOTIFICATION, *PCLFS_MGMT_NOTIFICATION;

typedef void (*PLOG_TAIL_ADVANCE_CALLBACK)(HANDLE hLogFile, CLFS_LSN lsnTarget,
                                           PVOID pvClientContext);
typedef void (*PLOG_FULL_HANDLER_CALLBACK)(HANDLE hLogFile, DWORD dwError, BOOL fLogIsPinned,
                                           PVOID pvClientContext);
typedef void (*PLOG_UNPINNED_CALLBACK)(HANDLE hLogFile, PVOID pvClientContext);

typedef struct _LOG_MANAGEMENT_CALLBACKS {
  PVOID CallbackContext;
  PLOG_TAIL_ADVANCE_CALLBACK AdvanceTailCallback;
  PLOG_FULL_HANDLER_CALLBACK LogFullHandlerCallback;
  PLOG_UNPINNED_CALLBACK LogUnpinnedCallback;
} LOG_MANAGEMENT_CALLBACKS, *PLOG_MANAGEMENT_CALLBACKS;

CAIRN_WIN32_API BOOL RegisterManageableLogClient(HANDLE hLog, PLOG_MANAGEMENT_CALLBACKS pCallbacks);
CAIRN_WIN32_API BOOL DeregisterManageableLogClient(HANDLE hLog);
CAIRN_WIN32_API BOOL ReadLogNotification(HANDLE hLog, PCLFS_MGMT_NOTIFICATION pNotification,
                                         LPOVERLAPPED lpOverlapped);
CAIRN_WIN32_API BOOL RegisterForLogWriteNotification(HANDLE hLog, ULONG cbThreshold, BOOL fEnable);
CAIRN_WIN32_API BOOL HandleLogFull(HANDLE hLog);
CAIRN_WIN32_API BOOL LogTailAdvanceFailure(HANDLE hLog, DWORD dwReason);

CAIRN_WIN32_API BOOL InstallLogPolicy(HANDLE hLog, PCLFS_MGMT_POLICY pPolicy);
CAIRN_WIN32_API BOOL QueryLogPolicy(HANDLE hLog, CLFS_MGMT_POLICY_TYPE ePolicyType,
                                    PCLFS_MGMT_POLICY pPolicyBuffer, PULONG pcbPolicyBuffer);
CAIRN_WIN32_API BOOL RemoveLogPolicy(HANDLE hLog, CLFS_MGMT_POLICY_TYPE ePolicyType);
CAIRN_WIN32_API BOOL SetLogFileSizeWithPolicy(HANDLE hLog, PULONGLONG pDesiredSize,
                                              PULONGLONG pResultingSize);

CAIRN_WIN32_END

#endif  // CAIRN_CLFSMGMTW32_H_
