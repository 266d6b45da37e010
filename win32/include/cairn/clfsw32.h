// clfsw32.h: the functions of the Common Log File System (CLFS), by their own names, on Cairn's
// log.
//
//   HANDLE log = CreateLogFile(L"log:/var/lib/app/log", GENERIC_READ | GENERIC_WRITE | DELETE, 0,
//                              NULL, OPEN_ALWAYS, 0);
//   ULONGLONG size = 1 << 20;
//   LPWSTR names[2] = {(LPWSTR)L"%BLF%/one", (LPWSTR)L"%BLF%/two"};
//   AddLogContainerSet(log, 2, &size, names, NULL);
//   PVOID area;
//   CreateLogMarshallingArea(log, NULL, NULL, NULL, 65536, INFINITE, 16, &area);
//   ReserveAndAppendLog(area, entries, 1, NULL, NULL, 0, NULL, CLFS_FLAG_FORCE_FLUSH, &lsn, NULL);
//
// C11 and C++. Each function returns TRUE, or FALSE with the reason in GetLastError().
// docs/win32.md says of each whether it works as documented for CLFS, how it differs, and which
// test shows it. What holds for all of them:
//
// Names. `log:<path>` is a dedicated log, `log:<path>::<stream>` a stream of a multiplexed one,
// `log:<path>::` a multiplexed log itself; <path> is a directory, which holds the whole log.
// wchar_t is UTF-32, names on disk are UTF-8.
//
// Contexts (marshalling areas, read and archive contexts) and handles are looked up in a table and
// never followed: a closed, foreign or null one is ERROR_INVALID_HANDLE (a read context:
// ERROR_LOG_READ_CONTEXT_INVALID). Pointers to results and to data must be valid or NULL; NULL
// where a result is not optional is ERROR_INVALID_PARAMETER.
//
// Threads. All functions may be called from any thread. A read context, scan context or archive
// context is for one thread at a time; a second one gets ERROR_BUSY (a scan context, which is the
// caller's memory, must not be shared).
//
// Asynchronous calls are not supported: FILE_FLAG_OVERLAPPED and an OVERLAPPED structure are
// refused with ERROR_NOT_SUPPORTED. Values called reserved must be NULL.
//
// Crashes. What Cairn promises (cairn/log.h) holds: a record appended with CLFS_FLAG_FORCE_FLUSH,
// or flushed, a restart area and a base that were acknowledged survive any crash.
#ifndef CAIRN_CLFSW32_H_
#define CAIRN_CLFSW32_H_

#include <stdio.h>

#include <cairn/win32_types.h>

// What CreateLogFile() takes, where no other header has said so.
#ifndef GENERIC_READ
#define GENERIC_READ 0x80000000u
#define GENERIC_WRITE 0x40000000u
#endif
#ifndef DELETE
#define DELETE 0x00010000u
#endif
#ifndef FILE_SHARE_READ
#define FILE_SHARE_READ 0x00000001u
#define FILE_SHARE_WRITE 0x00000002u
#define FILE_SHARE_DELETE 0x00000004u
#endif
#ifndef CREATE_NEW
#define CREATE_NEW 1u
#define OPEN_EXISTING 3u
#define OPEN_ALWAYS 4u
#endif
#ifndef FILE_ATTRIBUTE_ARCHIVE
#define FILE_ATTRIBUTE_ARCHIVE 0x00000020u
#endif
#ifndef FILE_FLAG_OVERLAPPED
#define FILE_FLAG_OVERLAPPED 0x40000000u
#endif
#define FILE_ATTRIBUTE_DEDICATED 0x00000100u

CAIRN_WIN32_BEGIN

typedef BYTE* PBYTE;

// --- LSNs --- Bits 63 to 32: the logical container; 31 to 0: the byte in it, of which
// LsnBlockOffset() gives the sector of 512 bytes and LsnRecordSequence() the rest. Final when an
// append returns; ordered over all streams of a log; CLFS_LSN_NULL is never the LSN of a record.
typedef struct _CLS_LSN {
  ULONGLONG Internal;
} CLS_LSN, *PCLS_LSN, **PPCLS_LSN, CLFS_LSN, *PCLFS_LSN, **PPCLFS_LSN;

CAIRN_WIN32_API extern const CLFS_LSN CLFS_LSN_NULL;
CAIRN_WIN32_API extern const CLFS_LSN CLFS_LSN_INVALID;

typedef ULONG CLFS_CONTAINER_ID, *PCLFS_CONTAINER_ID;

CAIRN_WIN32_API BOOLEAN LsnEqual(const CLFS_LSN* plsn1, const CLFS_LSN* plsn2);
CAIRN_WIN32_API BOOLEAN LsnLess(const CLFS_LSN* plsn1, const CLFS_LSN* plsn2);
CAIRN_WIN32_API BOOLEAN LsnGreater(const CLFS_LSN* plsn1, const CLFS_LSN* plsn2);
CAIRN_WIN32_API BOOLEAN LsnNull(const CLFS_LSN* plsn);
CAIRN_WIN32_API BOOLEAN LsnInvalid(const CLFS_LSN* plsn);
CAIRN_WIN32_API CLFS_CONTAINER_ID LsnContainer(const CLFS_LSN* plsn);
// CLFS_LSN_INVALID if offBlock is not a multiple of 512 or cRecord is not below 512.
CAIRN_WIN32_API CLFS_LSN LsnCreate(CLFS_CONTAINER_ID cidContainer, ULONG offBlock, ULONG cRecord);
CAIRN_WIN32_API ULONG LsnBlockOffset(const CLFS_LSN* plsn);
CAIRN_WIN32_API ULONG LsnRecordSequence(const CLFS_LSN* plsn);
// The smallest larger one; CLFS_LSN_INVALID if there is none.
CAIRN_WIN32_API CLFS_LSN LsnIncrement(const CLFS_LSN* plsn);

// --- constants and structures ---
#define CLFS_FLAG_NO_FLAGS 0x00000000
#define CLFS_FLAG_FORCE_APPEND 0x00000001
#define CLFS_FLAG_FORCE_FLUSH 0x00000002
#define CLFS_FLAG_USE_RESERVATION 0x00000004

typedef UCHAR CLS_RECORD_TYPE, *PCLS_RECORD_TYPE, CLFS_RECORD_TYPE, *PCLFS_RECORD_TYPE;
#define ClfsNullRecord 0x00
#define ClfsDataRecord 0x01
#define ClfsRestartRecord 0x02
#define ClfsClientRecord 0x03

typedef CAIRN_WIN32_ENUM(_CLS_CONTEXT_MODE){ClsContextNone = 0x00, ClsContextUndoNext = 0x01,
                                            ClsContextPrevious = 0x02,
                                            ClsContextForward = 0x03} CLS_CONTEXT_MODE,
    *PCLS_CONTEXT_MODE, CLFS_CONTEXT_MODE, *PCLFS_CONTEXT_MODE;
#define ClfsContextNone ClsContextNone
#define ClfsContextUndoNext ClsContextUndoNext
#define ClfsContextPrevious ClsContextPrevious
#define ClfsContextForward ClsContextForward

typedef CAIRN_WIN32_ENUM(_CLFS_LOG_ARCHIVE_MODE){
    ClfsLogArchiveEnabled = 0x01, ClfsLogArchiveDisabled = 0x02} CLFS_LOG_ARCHIVE_MODE,
    *PCLFS_LOG_ARCHIVE_MODE;

typedef UCHAR CLFS_SCAN_MODE, *PCLFS_SCAN_MODE;
#define CLFS_SCAN_INIT 0x01
#define CLFS_SCAN_FORWARD 0x02
#define CLFS_SCAN_BACKWARD 0x04
#define CLFS_SCAN_CLOSE 0x08
#define CLFS_SCAN_INITIALIZED 0x10
#define CLFS_SCAN_BUFFERED 0x20

typedef uint32_t CLFS_CONTAINER_STATE, *PCLFS_CONTAINER_STATE;
#define ClsContainerInitializing 0x01
#define ClsContainerInactive 0x02
#define ClsContainerActive 0x04
#define ClsContainerActivePendingDelete 0x08
#define ClsContainerPendingArchive 0x10
#define ClsContainerPendingArchiveAndDelete 0x20
#define ClfsContainerInitializing ClsContainerInitializing
#define ClfsContainerInactive ClsContainerInactive
#define ClfsContainerActive ClsContainerActive
#define ClfsContainerActivePendingDelete ClsContainerActivePendingDelete
#define ClfsContainerPendingArchive ClsContainerPendingArchive
#define ClfsContainerPendingArchiveAndDelete ClsContainerPendingArchiveAndDelete

#define CLFS_MAX_CONTAINER_INFO 256

typedef struct _CLFS_NODE_ID {
  ULONG cType;
  ULONG cbNode;
} CLFS_NODE_ID, *PCLFS_NODE_ID;

typedef struct _CLS_WRITE_ENTRY {
  PVOID Buffer;
  ULONG ByteLength;
} CLS_WRITE_ENTRY, *PCLS_WRITE_ENTRY, CLFS_WRITE_ENTRY, *PCLFS_WRITE_ENTRY;

// Bytes are those that are there for records, worst case (SpaceInfo of cairn/space.h).
typedef struct _CLS_INFORMATION {
  LONGLONG TotalAvailable;
  LONGLONG CurrentAvailable;
  LONGLONG TotalReservation;
  ULONGLONG BaseFileSize;
  ULONGLONG ContainerSize;
  ULONG TotalContainers;
  ULONG FreeContainers;
  ULONG TotalClients;
  ULONG Attributes;
  ULONG FlushThreshold;
  ULONG SectorSize;
  CLS_LSN MinArchiveTailLsn;
  CLS_LSN BaseLsn;
  CLS_LSN LastFlushedLsn;
  CLS_LSN LastLsn;
  CLS_LSN RestartLsn;
  GUID Identity;
} CLS_INFORMATION, *PCLS_INFORMATION, CLFS_INFORMATION, *PCLFS_INFORMATION;

// Times in units of 100 ns since 1601-01-01. FileNameLength and FileNameActualLength in bytes.
typedef struct _CLS_CONTAINER_INFORMATION {
  ULONG FileAttributes;
  ULONGLONG CreationTime;
  ULONGLONG LastAccessTime;
  ULONGLONG LastWriteTime;
  LONGLONG ContainerSize;
  ULONG FileNameActualLength;
  ULONG FileNameLength;
  WCHAR FileName[CLFS_MAX_CONTAINER_INFO];
  CLFS_CONTAINER_STATE State;
  CLFS_CONTAINER_ID PhysicalContainerId;
  CLFS_CONTAINER_ID LogicalContainerId;  // all ones: a free container has none
} CLS_CONTAINER_INFORMATION, *PCLS_CONTAINER_INFORMATION, CLFS_CONTAINER_INFORMATION,
    *PCLFS_CONTAINER_INFORMATION;

typedef struct _CLS_SCAN_CONTEXT {
  CLFS_NODE_ID cidNode;
  HANDLE hLog;
  ULONG cIndex;
  ULONG cContainers;
  ULONG cContainersReturned;
  CLFS_SCAN_MODE eScanMode;
  PCLS_CONTAINER_INFORMATION pinfoContainer;
} CLS_SCAN_CONTEXT, *PCLS_SCAN_CONTEXT, CLFS_SCAN_CONTEXT, *PCLFS_SCAN_CONTEXT;

// The bytes from coffLow up to, and without, coffHigh of the container's file.
typedef struct _CLS_ARCHIVE_DESCRIPTOR {
  ULONGLONG coffLow;
  ULONGLONG coffHigh;
  CLS_CONTAINER_INFORMATION infoContainer;
} CLS_ARCHIVE_DESCRIPTOR, *PCLS_ARCHIVE_DESCRIPTOR, CLFS_ARCHIVE_DESCRIPTOR,
    *PCLFS_ARCHIVE_DESCRIPTOR;

typedef CAIRN_WIN32_ENUM(_CLFS_IOSTATS_CLASS){ClfsIoStatsDefault = 0x0000,
                                              ClfsIoStatsMax = 0xFFFF} CLFS_IOSTATS_CLASS,
    *PCLFS_IOSTATS_CLASS;

typedef struct _CLS_IO_STATISTICS_HEADER {
  UCHAR ubMajorVersion;
  UCHAR ubMinorVersion;
  CLFS_IOSTATS_CLASS eStatsClass;
  USHORT cbLength;
  ULONG coffData;
} CLS_IO_STATISTICS_HEADER, *PCLS_IO_STATISTICS_HEADER;

typedef struct _CLS_IO_STATISTICS {
  CLS_IO_STATISTICS_HEADER hdrIoStats;
  ULONGLONG cFlush;
  ULONGLONG cbFlush;
  ULONGLONG cMetaFlush;
  ULONGLONG cbMetaFlush;
} CLS_IO_STATISTICS, *PCLS_IO_STATISTICS, CLFS_IO_STATISTICS, *PCLFS_IO_STATISTICS;

typedef PVOID (*CLFS_BLOCK_ALLOCATION)(ULONG cbBufferSize, PVOID pvUserContext);
typedef void (*CLFS_BLOCK_DEALLOCATION)(PVOID pvBuffer, PVOID pvUserContext);
typedef FILE* PFILE;
typedef ULONG (*CLFS_PRINT_RECORD_ROUTINE)(PFILE, CLFS_RECORD_TYPE, PVOID, ULONG);
typedef PVOID CLFS_LOG_ARCHIVE_CONTEXT, *PCLFS_LOG_ARCHIVE_CONTEXT;

// --- logs ---
CAIRN_WIN32_API HANDLE CreateLogFile(LPCWSTR pszLogFileName, ACCESS_MASK fDesiredAccess,
                                     DWORD dwShareMode, LPSECURITY_ATTRIBUTES psaLogFile,
                                     ULONG fCreateDisposition, ULONG fFlagsAndAttributes);
CAIRN_WIN32_API BOOL DeleteLogByHandle(HANDLE hLog);
CAIRN_WIN32_API BOOL DeleteLogFile(LPCWSTR pszLogFileName, PVOID pvReserved);
CAIRN_WIN32_API BOOL CloseAndResetLogFile(HANDLE hLog);
CAIRN_WIN32_API BOOL GetLogFileInformation(HANDLE hLog, PCLFS_INFORMATION pinfoBuffer,
                                           PULONG cbBuffer);
CAIRN_WIN32_API BOOL GetLogIoStatistics(HANDLE hLog, PVOID pvStatsBuffer, ULONG cbStatsBuffer,
                                        CLFS_IOSTATS_CLASS eStatsClass, PULONG pcbStatsWritten);
CAIRN_WIN32_API BOOL ValidateLog(LPCWSTR pszLogFileName, LPSECURITY_ATTRIBUTES psaLogFile,
                                 PCLFS_INFORMATION pinfoBuffer, PULONG pcbBuffer);
CAIRN_WIN32_API BOOL DumpLogRecords(PWSTR pwszLogFileName, CLFS_RECORD_TYPE fRecordType,
                                    PCLFS_LSN plsnStart, PCLFS_LSN plsnEnd, PFILE pstrmOut,
                                    CLFS_PRINT_RECORD_ROUTINE pfnPrintRecord,
                                    CLFS_BLOCK_ALLOCATION pfnAllocBlock,
                                    CLFS_BLOCK_DEALLOCATION pfnFreeBlock, PVOID pvBlockAllocContext,
                                    ULONG cbBlock, ULONG cMaxBlocks);

// --- containers ---
CAIRN_WIN32_API BOOL AddLogContainer(HANDLE hLog, PULONGLONG pcbContainer, LPWSTR pwszContainerPath,
                                     LPVOID pReserved);
CAIRN_WIN32_API BOOL AddLogContainerSet(HANDLE hLog, USHORT cContainer, PULONGLONG pcbContainer,
                                        LPWSTR* rgwszContainerPath, LPVOID pReserved);
CAIRN_WIN32_API BOOL RemoveLogContainer(HANDLE hLog, LPWSTR pwszContainerPath, BOOL fForce,
                                        LPVOID pReserved);
CAIRN_WIN32_API BOOL RemoveLogContainerSet(HANDLE hLog, USHORT cContainer,
                                           LPWSTR* rgwszContainerPath, BOOL fForce,
                                           LPVOID pReserved);
CAIRN_WIN32_API BOOL CreateLogContainerScanContext(HANDLE hLog, ULONG cFromContainer,
                                                   ULONG cContainers, CLFS_SCAN_MODE eScanMode,
                                                   PCLFS_SCAN_CONTEXT pcxScan,
                                                   LPOVERLAPPED pOverlapped);
CAIRN_WIN32_API BOOL ScanLogContainers(PCLFS_SCAN_CONTEXT pcxScan, CLFS_SCAN_MODE eScanMode,
                                       LPVOID pReserved);
CAIRN_WIN32_API BOOL GetLogContainerName(HANDLE hLog, CLFS_CONTAINER_ID cidLogicalContainer,
                                         LPWSTR pwstrContainerName, ULONG cLenContainerName,
                                         PULONG pcActualLenContainerName);

// --- marshalling areas and reservations ---
CAIRN_WIN32_API BOOL CreateLogMarshallingArea(HANDLE hLog, CLFS_BLOCK_ALLOCATION pfnAllocBuffer,
                                              CLFS_BLOCK_DEALLOCATION pfnFreeBuffer,
                                              PVOID pvBlockAllocContext, ULONG cbMarshallingBuffer,
                                              ULONG cMaxWriteBuffers, ULONG cMaxReadBuffers,
                                              PVOID* ppvMarshal);
CAIRN_WIN32_API BOOL DeleteLogMarshallingArea(PVOID pvMarshal);
CAIRN_WIN32_API BOOL AlignReservedLog(PVOID pvMarshal, ULONG cReservedRecords,
                                      LONGLONG rgcbReservation[], PLONGLONG pcbAlignReservation);
CAIRN_WIN32_API BOOL AllocReservedLog(PVOID pvMarshal, ULONG cReservedRecords,
                                      PLONGLONG pcbAdjustment);
CAIRN_WIN32_API BOOL FreeReservedLog(PVOID pvMarshal, ULONG cReservedRecords,
                                     PLONGLONG pcbAdjustment);
CAIRN_WIN32_API BOOL GetLogReservationInfo(PVOID pvMarshal, PULONG pcbRecordNumber,
                                           PLONGLONG pcbUserReservation,
                                           PLONGLONG pcbCommitReservation);

// --- records ---
CAIRN_WIN32_API BOOL ReserveAndAppendLog(PVOID pvMarshal, PCLFS_WRITE_ENTRY rgWriteEntries,
                                         ULONG cWriteEntries, PCLFS_LSN plsnUndoNext,
                                         PCLFS_LSN plsnPrevious, ULONG cReserveRecords,
                                         LONGLONG rgcbReservation[], ULONG fFlags, PCLFS_LSN plsn,
                                         LPOVERLAPPED pOverlapped);
CAIRN_WIN32_API BOOL ReserveAndAppendLogAligned(PVOID pvMarshal, PCLFS_WRITE_ENTRY rgWriteEntries,
                                                ULONG cWriteEntries, ULONG cbEntryAlignment,
                                                PCLFS_LSN plsnUndoNext, PCLFS_LSN plsnPrevious,
                                                ULONG cReserveRecords, LONGLONG rgcbReservation[],
                                                ULONG fFlags, PCLFS_LSN plsn,
                                                LPOVERLAPPED pOverlapped);
CAIRN_WIN32_API BOOL FlushLogBuffers(PVOID pvMarshal, LPOVERLAPPED pOverlapped);
CAIRN_WIN32_API BOOL FlushLogToLsn(PVOID pvMarshalContext, PCLFS_LSN plsnFlush,
                                   PCLFS_LSN plsnLastFlushed, LPOVERLAPPED pOverlapped);
CAIRN_WIN32_API BOOL ReadLogRecord(PVOID pvMarshal, PCLFS_LSN plsnFirst,
                                   CLFS_CONTEXT_MODE eContextMode, PVOID* ppvReadBuffer,
                                   PULONG pcbReadBuffer, PCLFS_RECORD_TYPE peRecordType,
                                   PCLFS_LSN plsnUndoNext, PCLFS_LSN plsnPrevious,
                                   PVOID* ppvReadContext, LPOVERLAPPED pOverlapped);
CAIRN_WIN32_API BOOL ReadNextLogRecord(PVOID pvReadContext, PVOID* ppvBuffer, PULONG pcbBuffer,
                                       PCLFS_RECORD_TYPE peRecordType, PCLFS_LSN plsnUser,
                                       PCLFS_LSN plsnUndoNext, PCLFS_LSN plsnPrevious,
                                       PCLFS_LSN plsnRecord, LPOVERLAPPED pOverlapped);
CAIRN_WIN32_API BOOL TerminateReadLog(PVOID pvCursorContext);

// --- restart areas, base and end ---
CAIRN_WIN32_API BOOL WriteLogRestartArea(PVOID pvMarshal, PVOID pvRestartBuffer,
                                         ULONG cbRestartBuffer, PCLFS_LSN plsnBase, ULONG fFlags,
                                         PULONG pcbWritten, PCLFS_LSN plsnNext,
                                         LPOVERLAPPED pOverlapped);
CAIRN_WIN32_API BOOL ReadLogRestartArea(PVOID pvMarshal, PVOID* ppvRestartBuffer,
                                        PULONG pcbRestartBuffer, PCLFS_LSN plsn, PVOID* ppvContext,
                                        LPOVERLAPPED pOverlapped);
CAIRN_WIN32_API BOOL ReadPreviousLogRestartArea(PVOID pvReadContext, PVOID* ppvRestartBuffer,
                                                PULONG pcbRestartBuffer, PCLFS_LSN plsnRestart,
                                                LPOVERLAPPED pOverlapped);
CAIRN_WIN32_API BOOL AdvanceLogBase(PVOID pvMarshal, PCLFS_LSN plsnBase, ULONG fFlags,
                                    LPOVERLAPPED pOverlapped);
CAIRN_WIN32_API BOOL SetEndOfLog(HANDLE hLog, PCLFS_LSN plsnEnd, LPOVERLAPPED lpOverlapped);
CAIRN_WIN32_API BOOL TruncateLog(PVOID pvMarshal, PCLFS_LSN plsnEnd, LPOVERLAPPED lpOverlapped);

// --- archives ---
CAIRN_WIN32_API BOOL SetLogArchiveMode(HANDLE hLog, CLFS_LOG_ARCHIVE_MODE eMode);
CAIRN_WIN32_API BOOL SetLogArchiveTail(HANDLE hLog, PCLFS_LSN plsnArchiveTail, LPVOID pReserved);
CAIRN_WIN32_API BOOL PrepareLogArchive(HANDLE hLog, PWSTR pszBaseLogFileName, ULONG cLen,
                                       PCLFS_LSN plsnLow, PCLFS_LSN plsnHigh, PULONG pcActualLength,
                                       PULONGLONG poffBaseLogFileData,
                                       PULONGLONG pcbBaseLogFileLength, PCLFS_LSN plsnBase,
                                       PCLFS_LSN plsnLast, PCLFS_LSN plsnCurrentArchiveTail,
                                       PCLFS_LOG_ARCHIVE_CONTEXT ppvArchiveContext);
CAIRN_WIN32_API BOOL ReadLogArchiveMetadata(CLFS_LOG_ARCHIVE_CONTEXT pvArchiveContext,
                                            ULONG cbOffset, ULONG cbBytesToRead, PBYTE pbReadBuffer,
                                            PULONG pcbBytesRead);
CAIRN_WIN32_API BOOL GetNextLogArchiveExtent(CLFS_LOG_ARCHIVE_CONTEXT pvArchiveContext,
                                             CLFS_ARCHIVE_DESCRIPTOR rgadExtent[],
                                             ULONG cDescriptors, PULONG pcDescriptorsReturned);
CAIRN_WIN32_API BOOL TerminateLogArchive(CLFS_LOG_ARCHIVE_CONTEXT pvArchiveContext);

CAIRN_WIN32_END

#endif  // CAIRN_CLFSW32_H_
