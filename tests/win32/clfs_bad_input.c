/* What every function of CLFS says to handles, contexts and pointers that are none. Each section is a
 * test of its own. */
#define _POSIX_C_SOURCE 200809L
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clfs_check.h"

typedef struct {
  HANDLE log;
  HANDLE closed_log;
  PVOID area;
  PVOID closed_area;
  PVOID reader;
  PVOID closed_reader;
  CLFS_LSN record;
} Bench;

/* A log with an area and a read context, and what is left of others that were closed. */
static Bench set_up(const char* name) {
  Bench bench;
  PVOID buffer;
  ULONG bytes;
  CLFS_RECORD_TYPE type;
  bench.closed_log = new_log(name);
  add_containers(bench.closed_log, 2);
  CHECK(CloseHandle(bench.closed_log));
  bench.log = open_log_as(name, OPEN_EXISTING, 0);
  CHECK(bench.log != INVALID_HANDLE_VALUE && bench.log != bench.closed_log);
  bench.closed_area = new_area(bench.log);
  CHECK(DeleteLogMarshallingArea(bench.closed_area));
  bench.area = new_area(bench.log);
  bench.record = append_text(bench.area, "record", NULL, NULL);
  CHECK(ReadLogRecord(bench.area, &bench.record, ClfsContextForward, &buffer, &bytes, &type, NULL,
                      NULL, &bench.closed_reader, NULL));
  CHECK(TerminateReadLog(bench.closed_reader));
  CHECK(ReadLogRecord(bench.area, &bench.record, ClfsContextForward, &buffer, &bytes, &type, NULL,
                      NULL, &bench.reader, NULL));
  return bench;
}

static void tear_down(Bench* bench) {
  CHECK(TerminateReadLog(bench->reader));
  CHECK(DeleteLogMarshallingArea(bench->area));
  CHECK(CloseHandle(bench->log));
}

/* For each thing that is no `kind`: null, no number of a handle, a pointer, one that was closed, one
 * of another kind. */
#define FOR_EACH_BAD(h, closed, other)                                                       \
  for (size_t i_ = 0; i_ < 5; ++i_)                                                          \
    for (PVOID bad_[5] = {NULL, INVALID_HANDLE_VALUE, (PVOID)&bench, (closed), (other)},     \
               h = bad_[i_], once_ = (PVOID)&bench;                                          \
         once_ != NULL; once_ = NULL)

static void handles_of_logs_are_checked(void) {
  Bench bench = set_up("bad_logs");
  ULONGLONG size = 1 << 20;
  ULONGLONG result;
  wchar_t name[] = L"one more";
  LPWSTR names[1] = {name};
  wchar_t text[512];
  ULONG length = sizeof(CLFS_INFORMATION);
  CLFS_INFORMATION information;
  CLFS_IO_STATISTICS statistics;
  CLFS_SCAN_CONTEXT scan;
  CLFS_LSN lsn;
  PVOID context;
  CLFS_MGMT_POLICY policy;
  CLFS_MGMT_NOTIFICATION notification;
  memset(&policy, 0, sizeof policy);
  FOR_EACH_BAD(h, bench.closed_log, bench.area) {
    CHECK_ERROR(ERROR_INVALID_HANDLE, DeleteLogByHandle(h));
    CHECK_ERROR(ERROR_INVALID_HANDLE, CloseAndResetLogFile(h));
    CHECK_ERROR(ERROR_INVALID_HANDLE, GetLogFileInformation(h, &information, &length));
    CHECK_ERROR(ERROR_INVALID_HANDLE, GetLogIoStatistics(h, &statistics, sizeof statistics,
                                                         ClfsIoStatsDefault, &length));
    CHECK_ERROR(ERROR_INVALID_HANDLE, AddLogContainer(h, &size, name, NULL));
    CHECK_ERROR(ERROR_INVALID_HANDLE, AddLogContainerSet(h, 1, &size, names, NULL));
    CHECK_ERROR(ERROR_INVALID_HANDLE, RemoveLogContainer(h, name, TRUE, NULL));
    CHECK_ERROR(ERROR_INVALID_HANDLE, RemoveLogContainerSet(h, 1, names, TRUE, NULL));
    CHECK_ERROR(ERROR_INVALID_HANDLE,
                CreateLogContainerScanContext(h, 0, 1, CLFS_SCAN_FORWARD, &scan, NULL));
    CHECK_ERROR(ERROR_INVALID_HANDLE, GetLogContainerName(h, 0, text, 512, &length));
    CHECK_ERROR(ERROR_INVALID_HANDLE,
                CreateLogMarshallingArea(h, NULL, NULL, NULL, 512, 1, 1, &context));
    CHECK_ERROR(ERROR_INVALID_HANDLE, SetEndOfLog(h, &bench.record, NULL));
    CHECK_ERROR(ERROR_INVALID_HANDLE, SetLogArchiveMode(h, ClfsLogArchiveEnabled));
    CHECK_ERROR(ERROR_INVALID_HANDLE, SetLogArchiveTail(h, &bench.record, NULL));
    CHECK_ERROR(ERROR_INVALID_HANDLE, PrepareLogArchive(h, text, 512, NULL, NULL, &length, &size,
                                                        &result, &lsn, &lsn, &lsn, &context));
    CHECK_ERROR(ERROR_INVALID_HANDLE, RegisterManageableLogClient(h, NULL));
    CHECK_ERROR(ERROR_INVALID_HANDLE, DeregisterManageableLogClient(h));
    CHECK_ERROR(ERROR_INVALID_HANDLE, ReadLogNotification(h, &notification, NULL));
    CHECK_ERROR(ERROR_INVALID_HANDLE, RegisterForLogWriteNotification(h, 1, TRUE));
    CHECK_ERROR(ERROR_INVALID_HANDLE, HandleLogFull(h));
    CHECK_ERROR(ERROR_INVALID_HANDLE, LogTailAdvanceFailure(h, ERROR_BUSY));
    CHECK_ERROR(ERROR_INVALID_HANDLE, InstallLogPolicy(h, &policy));
    CHECK_ERROR(ERROR_INVALID_HANDLE,
                QueryLogPolicy(h, ClfsMgmtPolicyAutoGrow, &policy, &length));
    CHECK_ERROR(ERROR_INVALID_HANDLE, RemoveLogPolicy(h, ClfsMgmtPolicyAutoGrow));
    CHECK_ERROR(ERROR_INVALID_HANDLE, SetLogFileSizeWithPolicy(h, &size, &result));
    CHECK_ERROR(ERROR_INVALID_HANDLE, CloseHandle(h));
  }
  tear_down(&bench);
}

static void contexts_are_checked(void) {
  Bench bench = set_up("bad_contexts");
  CLFS_WRITE_ENTRY entry = {(PVOID) "x", 1};
  LONGLONG bytes = 48;
  LONGLONG sizes[1] = {8};
  ULONG count;
  PVOID buffer;
  PVOID context;
  CLFS_RECORD_TYPE type = ClfsDataRecord;
  CLFS_LSN lsn;
  CLFS_ARCHIVE_DESCRIPTOR extent;
  BYTE data[16];
  FOR_EACH_BAD(h, bench.closed_area, bench.log) {
    CHECK_ERROR(ERROR_INVALID_HANDLE, DeleteLogMarshallingArea(h));
    CHECK_ERROR(ERROR_INVALID_HANDLE, AlignReservedLog(h, 1, sizes, &bytes));
    CHECK_ERROR(ERROR_INVALID_HANDLE, AllocReservedLog(h, 1, &bytes));
    CHECK_ERROR(ERROR_INVALID_HANDLE, FreeReservedLog(h, 1, &bytes));
    CHECK_ERROR(ERROR_INVALID_HANDLE, GetLogReservationInfo(h, &count, &bytes, &bytes));
    CHECK_ERROR(ERROR_INVALID_HANDLE,
                ReserveAndAppendLog(h, &entry, 1, NULL, NULL, 0, NULL, 0, &lsn, NULL));
    CHECK_ERROR(ERROR_INVALID_HANDLE,
                ReserveAndAppendLogAligned(h, &entry, 1, 8, NULL, NULL, 0, NULL, 0, &lsn, NULL));
    CHECK_ERROR(ERROR_INVALID_HANDLE, FlushLogBuffers(h, NULL));
    CHECK_ERROR(ERROR_INVALID_HANDLE, FlushLogToLsn(h, &bench.record, NULL, NULL));
    CHECK_ERROR(ERROR_INVALID_HANDLE, ReadLogRecord(h, &bench.record, ClfsContextForward, &buffer,
                                                    &count, &type, NULL, NULL, &context, NULL));
    CHECK_ERROR(ERROR_INVALID_HANDLE,
                WriteLogRestartArea(h, data, 16, NULL, 0, NULL, NULL, NULL));
    CHECK_ERROR(ERROR_INVALID_HANDLE, ReadLogRestartArea(h, &buffer, &count, &lsn, &context, NULL));
    CHECK_ERROR(ERROR_INVALID_HANDLE, AdvanceLogBase(h, &bench.record, 0, NULL));
    CHECK_ERROR(ERROR_INVALID_HANDLE, TruncateLog(h, &bench.record, NULL));
  }
  FOR_EACH_BAD(h, bench.closed_reader, bench.area) {
    CHECK_ERROR(ERROR_LOG_READ_CONTEXT_INVALID,
                ReadNextLogRecord(h, &buffer, &count, &type, NULL, NULL, NULL, NULL, NULL));
    CHECK_ERROR(ERROR_LOG_READ_CONTEXT_INVALID,
                ReadPreviousLogRestartArea(h, &buffer, &count, &lsn, NULL));
    CHECK_ERROR(ERROR_LOG_READ_CONTEXT_INVALID, TerminateReadLog(h));
    CHECK_ERROR(ERROR_INVALID_HANDLE, ReadLogArchiveMetadata(h, 0, 16, data, &count));
    CHECK_ERROR(ERROR_INVALID_HANDLE, GetNextLogArchiveExtent(h, &extent, 1, &count));
    CHECK_ERROR(ERROR_INVALID_HANDLE, TerminateLogArchive(h));
  }
  /* Contexts are no handles. */
  CHECK_ERROR(ERROR_INVALID_HANDLE, CloseHandle(bench.area));
  CHECK_ERROR(ERROR_INVALID_HANDLE, CloseHandle(bench.reader));
  CLFS_SCAN_CONTEXT scan;
  memset(&scan, 0, sizeof scan);
  CHECK_ERROR(ERROR_INVALID_PARAMETER, ScanLogContainers(&scan, CLFS_SCAN_FORWARD, NULL));
  scan.pinfoContainer = (PCLFS_CONTAINER_INFORMATION)&scan;
  CHECK_ERROR(ERROR_INVALID_PARAMETER, ScanLogContainers(&scan, CLFS_SCAN_CLOSE, NULL));
  tear_down(&bench);
}

static void null_pointers_are_refused(void) {
  Bench bench = set_up("bad_pointers");
  const HANDLE log = bench.log;
  const PVOID area = bench.area;
  ULONG count = 0;
  ULONGLONG wide;
  PVOID pointer;
  CLFS_RECORD_TYPE type = ClfsDataRecord;
  CLFS_LSN lsn;
  LONGLONG bytes = 48;
  wchar_t text[512];
  CLFS_WRITE_ENTRY no_buffer = {NULL, 5};
  CHECK(CreateLogFile(NULL, GENERIC_READ, 0, NULL, OPEN_ALWAYS, 0) == INVALID_HANDLE_VALUE);
  CHECK(GetLastError() == ERROR_INVALID_PARAMETER);
#define REFUSED(call) CHECK_ERROR(ERROR_INVALID_PARAMETER, call)
  REFUSED(DeleteLogFile(NULL, NULL));
  REFUSED(ValidateLog(NULL, NULL, NULL, NULL));
  REFUSED(DumpLogRecords(NULL, ClfsDataRecord, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 512, 1));
  REFUSED(GetLogFileInformation(log, NULL, NULL));
  count = 8;
  REFUSED(GetLogFileInformation(log, NULL, &count));
  REFUSED(GetLogIoStatistics(log, NULL, 100, ClfsIoStatsDefault, NULL));
  REFUSED(AddLogContainer(log, NULL, NULL, NULL));
  REFUSED(AddLogContainerSet(log, 1, NULL, NULL, NULL));
  REFUSED(RemoveLogContainer(log, NULL, TRUE, NULL));
  REFUSED(RemoveLogContainerSet(log, 1, NULL, TRUE, NULL));
  REFUSED(CreateLogContainerScanContext(log, 0, 1, CLFS_SCAN_FORWARD, NULL, NULL));
  REFUSED(ScanLogContainers(NULL, CLFS_SCAN_FORWARD, NULL));
  REFUSED(GetLogContainerName(log, 0, NULL, 10, NULL));
  REFUSED(CreateLogMarshallingArea(log, NULL, NULL, NULL, 512, 1, 1, NULL));
  REFUSED(AlignReservedLog(area, 1, NULL, &bytes));
  REFUSED(AllocReservedLog(area, 1, NULL));
  REFUSED(FreeReservedLog(area, 1, NULL));
  REFUSED(GetLogReservationInfo(area, NULL, NULL, NULL));
  REFUSED(ReserveAndAppendLog(area, NULL, 1, NULL, NULL, 0, NULL, 0, NULL, NULL));
  REFUSED(ReserveAndAppendLog(area, &no_buffer, 1, NULL, NULL, 0, NULL, 0, NULL, NULL));
  REFUSED(ReserveAndAppendLog(area, NULL, 0, NULL, NULL, 1, NULL, 0, NULL, NULL));
  REFUSED(ReserveAndAppendLogAligned(area, NULL, 1, 8, NULL, NULL, 0, NULL, 0, NULL, NULL));
  REFUSED(FlushLogToLsn(area, NULL, NULL, NULL));
  REFUSED(ReadLogRecord(area, NULL, ClfsContextForward, &pointer, &count, &type, NULL, NULL,
                        &pointer, NULL));
  REFUSED(ReadLogRecord(area, &bench.record, ClfsContextForward, NULL, NULL, NULL, NULL, NULL, NULL,
                        NULL));
  REFUSED(ReadNextLogRecord(bench.reader, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL));
  REFUSED(WriteLogRestartArea(area, NULL, 5, NULL, 0, NULL, NULL, NULL));
  REFUSED(ReadLogRestartArea(area, NULL, NULL, NULL, NULL, NULL));
  REFUSED(ReadPreviousLogRestartArea(bench.reader, NULL, NULL, NULL, NULL));
  REFUSED(AdvanceLogBase(area, NULL, 0, NULL));
  REFUSED(SetEndOfLog(log, NULL, NULL));
  REFUSED(TruncateLog(area, NULL, NULL));
  REFUSED(SetLogArchiveTail(log, NULL, NULL));
  REFUSED(PrepareLogArchive(log, text, 512, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL));
  CLFS_LOG_ARCHIVE_CONTEXT archive;
  CHECK(PrepareLogArchive(log, text, 512, NULL, NULL, &count, &wide, &wide, &lsn, &lsn, &lsn,
                          &archive));
  REFUSED(ReadLogArchiveMetadata(archive, 0, 1, NULL, NULL));
  REFUSED(GetNextLogArchiveExtent(archive, NULL, 1, NULL));
  CHECK(TerminateLogArchive(archive));
  REFUSED(InstallLogPolicy(log, NULL));
  REFUSED(QueryLogPolicy(log, ClfsMgmtPolicyAutoGrow, NULL, NULL));
  REFUSED(SetLogFileSizeWithPolicy(log, NULL, NULL));
  CHECK(RegisterManageableLogClient(log, NULL));
  REFUSED(ReadLogNotification(log, NULL, NULL));
#undef REFUSED
  CHECK(LsnInvalid(NULL) && !LsnNull(NULL) && !LsnLess(NULL, NULL) && LsnEqual(NULL, NULL));
  tear_down(&bench);
}

static void arguments_out_of_range_are_refused(void) {
  Bench bench = set_up("bad_arguments");
  const HANDLE log = bench.log;
  const PVOID area = bench.area;
  wchar_t name[512];
  PVOID pointer;
  CLFS_LSN lsn;
  log_name(name, "bad_arguments");
#define NOT_OPENED(error, ...)                                       \
  do {                                                               \
    CHECK(CreateLogFile(__VA_ARGS__) == INVALID_HANDLE_VALUE);       \
    CHECK(GetLastError() == (error));                                \
  } while (0)
  NOT_OPENED(ERROR_INVALID_NAME, L"file:/tmp/x", GENERIC_READ, 0, NULL, OPEN_ALWAYS, 0);
  NOT_OPENED(ERROR_INVALID_NAME, L"log:", GENERIC_READ, 0, NULL, OPEN_ALWAYS, 0);
  NOT_OPENED(ERROR_INVALID_NAME, L"log:/tmp/x:::y", GENERIC_READ, 0, NULL, OPEN_ALWAYS, 0);
  NOT_OPENED(ERROR_PATH_NOT_FOUND, L"log:/no/such/directory", GENERIC_READ, 0, NULL, OPEN_ALWAYS,
             0);
  NOT_OPENED(ERROR_LOG_METADATA_INVALID, L"log:/usr", GENERIC_READ, 0, NULL, OPEN_ALWAYS, 0);
  NOT_OPENED(ERROR_PATH_NOT_FOUND, L"log:/etc/passwd", GENERIC_READ, 0, NULL, OPEN_ALWAYS, 0);
  NOT_OPENED(ERROR_PATH_NOT_FOUND, L"log:/etc/passwd/x", GENERIC_READ, 0, NULL, OPEN_ALWAYS, 0);
  static wchar_t too_long[5000] = L"log:";
  wmemset(too_long + 4, L'n', 256);
  NOT_OPENED(ERROR_FILENAME_EXCED_RANGE, too_long, GENERIC_READ, 0, NULL, OPEN_ALWAYS, 0);
  for (size_t i = 4; i < 4990; ++i) too_long[i] = i % 2 == 0 ? L'/' : L'n';
  NOT_OPENED(ERROR_FILENAME_EXCED_RANGE, too_long, GENERIC_READ, 0, NULL, OPEN_ALWAYS, 0);
  NOT_OPENED(ERROR_INVALID_PARAMETER, name, 1, 0, NULL, OPEN_ALWAYS, 0);
  NOT_OPENED(ERROR_INVALID_PARAMETER, name, GENERIC_READ, 64, NULL, OPEN_ALWAYS, 0);
  NOT_OPENED(ERROR_INVALID_PARAMETER, name, GENERIC_READ, 0, NULL, 2, 0);
  NOT_OPENED(ERROR_INVALID_PARAMETER, name, GENERIC_READ, ALL_SHARED, NULL, OPEN_ALWAYS, 0x1000);
  NOT_OPENED(ERROR_NOT_SUPPORTED, name, GENERIC_READ, ALL_SHARED, NULL, OPEN_ALWAYS,
             FILE_FLAG_OVERLAPPED);
  SECURITY_ATTRIBUTES security = {sizeof security, &bench, FALSE};
  NOT_OPENED(ERROR_NOT_SUPPORTED, name, GENERIC_READ, ALL_SHARED, &security, OPEN_ALWAYS, 0);
#undef NOT_OPENED
  /* Nothing is asynchronous, and what is reserved stays so. */
  OVERLAPPED overlapped;
  memset(&overlapped, 0, sizeof overlapped);
  CLFS_WRITE_ENTRY entry = {(PVOID) "x", 1};
  CHECK_ERROR(ERROR_NOT_SUPPORTED,
              ReserveAndAppendLog(area, &entry, 1, NULL, NULL, 0, NULL, 0, &lsn, &overlapped));
  CHECK_ERROR(ERROR_NOT_SUPPORTED, FlushLogBuffers(area, &overlapped));
  CHECK_ERROR(ERROR_INVALID_PARAMETER, DeleteLogFile(name, &overlapped));
  wchar_t container[] = L"c";
  CHECK_ERROR(ERROR_INVALID_PARAMETER, AddLogContainer(log, NULL, container, &overlapped));
  wchar_t dots[] = L"%BLF%/..";
  CHECK_ERROR(ERROR_INVALID_NAME, AddLogContainer(log, NULL, dots, NULL));
  /* Sizes, flags and modes. */
  CHECK_ERROR(ERROR_INVALID_PARAMETER,
              CreateLogMarshallingArea(log, NULL, NULL, NULL, 1000, 1, 1, &pointer));
  CHECK_ERROR(ERROR_INVALID_PARAMETER,
              CreateLogMarshallingArea(log, NULL, NULL, NULL, 512, 0, 1, &pointer));
  CHECK_ERROR(ERROR_INVALID_PARAMETER,
              ReserveAndAppendLog(area, &entry, 1, NULL, NULL, 0, NULL, 0x40, &lsn, NULL));
  CHECK_ERROR(ERROR_INVALID_PARAMETER,
              ReserveAndAppendLog(area, NULL, 0, NULL, NULL, 0, NULL, 0, &lsn, NULL));
  CHECK_ERROR(ERROR_INVALID_PARAMETER,
              ReserveAndAppendLogAligned(area, &entry, 1, 0, NULL, NULL, 0, NULL, 0, &lsn, NULL));
  LONGLONG sizes[1] = {100};
  CHECK_ERROR(ERROR_INVALID_PARAMETER,
              ReserveAndAppendLog(area, &entry, 1, NULL, NULL, 1, sizes, CLFS_FLAG_USE_RESERVATION,
                                  &lsn, NULL));
  sizes[0] = 0;
  CHECK_ERROR(ERROR_INVALID_PARAMETER,
              ReserveAndAppendLog(area, NULL, 0, NULL, NULL, 1, sizes, 0, &lsn, NULL));
  LONGLONG aligned = 41;
  CHECK_ERROR(ERROR_INVALID_PARAMETER, AlignReservedLog(area, 1, sizes, &aligned));
  CHECK_ERROR(ERROR_INVALID_PARAMETER, AllocReservedLog(area, 1, &aligned));
  CHECK_ERROR(ERROR_INVALID_PARAMETER, AdvanceLogBase(area, &bench.record, 1, NULL));
  CHECK_ERROR(ERROR_INVALID_PARAMETER,
              WriteLogRestartArea(area, NULL, 0, NULL, 0x80, NULL, NULL, NULL));
  CLFS_SCAN_CONTEXT scan;
  CHECK_ERROR(ERROR_INVALID_PARAMETER,
              CreateLogContainerScanContext(log, 0, 0, CLFS_SCAN_FORWARD, &scan, NULL));
  CHECK_ERROR(ERROR_INVALID_PARAMETER,
              CreateLogContainerScanContext(log, 0, 1, CLFS_SCAN_CLOSE, &scan, NULL));
  CHECK_ERROR(ERROR_INVALID_PARAMETER,
              CreateLogContainerScanContext(log, 0, 1, CLFS_SCAN_FORWARD | CLFS_SCAN_BACKWARD, &scan,
                                            NULL));
  /* An LSN between that of a record and the end. */
  lsn = bench.record;
  ++lsn.Internal;
  CLFS_RECORD_TYPE type;
  ULONG count;
  CHECK_ERROR(ERROR_NOT_FOUND, ReadLogRecord(area, &lsn, ClfsContextForward, &pointer, &count,
                                             &type, NULL, NULL, &pointer, NULL));
  CHECK_ERROR(ERROR_LOG_READ_MODE_INVALID,
              ReadPreviousLogRestartArea(bench.reader, &pointer, &count, &lsn, NULL));
  /* LSNs that are none of this log: its containers have 1 MiB. */
  lsn = LsnCreate(0, 2 << 20, 0);
  CHECK_ERROR(ERROR_INVALID_PARAMETER, AdvanceLogBase(area, &lsn, 0, NULL));
  CHECK_ERROR(ERROR_INVALID_PARAMETER, TruncateLog(area, &lsn, NULL));
  CHECK_ERROR(ERROR_INVALID_PARAMETER, FlushLogToLsn(area, &lsn, NULL, NULL));
  CHECK_ERROR(ERROR_INVALID_PARAMETER,
              ReserveAndAppendLog(area, &entry, 1, &lsn, NULL, 0, NULL, 0, NULL, NULL));
  lsn = LsnCreate(1000, 0, 0);
  CHECK_ERROR(ERROR_LOG_INVALID_RANGE, FlushLogToLsn(area, &lsn, &lsn, NULL));
  tear_down(&bench);
}

/* Sizes of reservations that wrap around when they are added up. */
static void sums_of_sizes_do_not_wrap_around(void) {
  Bench bench = set_up("bad_sums");
  const PVOID area = bench.area;
  LONGLONG sizes[2] = {100, 100};
  LONGLONG user;
  LONGLONG commit;
  ULONG records;
  CHECK(ReserveAndAppendLog(area, NULL, 0, NULL, NULL, 2, sizes, 0, NULL, NULL));
  sizes[0] = sizes[1] = LLONG_MIN; /* twice that is 0 in 64 bits */
  CHECK_ERROR(ERROR_LOG_SPACE_RESERVED_INVALID,
              ReserveAndAppendLog(area, NULL, 0, NULL, NULL, 2, sizes, 0, NULL, NULL));
  sizes[0] = sizes[1] = LLONG_MAX;
  CHECK_ERROR(ERROR_BAD_LENGTH,
              ReserveAndAppendLog(area, NULL, 0, NULL, NULL, 2, sizes, 0, NULL, NULL));
  LONGLONG bytes = LLONG_MIN;
  CHECK_ERROR(ERROR_LOG_SPACE_RESERVED_INVALID, FreeReservedLog(area, 1, &bytes));
  bytes = LLONG_MAX & ~7LL;
  CHECK_ERROR(ERROR_LOG_SPACE_RESERVED_INVALID, FreeReservedLog(area, 1, &bytes));
  bytes = -1;
  CHECK_ERROR(ERROR_INVALID_PARAMETER, FreeReservedLog(area, 0, &bytes));
  bytes = LLONG_MAX & ~7LL;
  CHECK_ERROR(ERROR_BAD_LENGTH, AllocReservedLog(area, 0xFFFFFFFFu, &bytes));
  CHECK(GetLogReservationInfo(area, &records, &user, &commit));
  CHECK(records == 2 && commit == 288);
  tear_down(&bench);
}

/* The size that a call asks for is enough for the next one, and not more than that. */
static void sizes_that_are_asked_for_are_enough(void) {
  Bench bench = set_up("bad_sizes");
  const CLFS_CONTAINER_ID container = LsnContainer(&bench.record);
  ULONG needed = 0;
  ULONG length = 0;
  CHECK_ERROR(ERROR_MORE_DATA, GetLogContainerName(bench.log, container, NULL, 0, &needed));
  wchar_t* name = (wchar_t*)malloc(needed * sizeof *name);
  CHECK_ERROR(ERROR_MORE_DATA, GetLogContainerName(bench.log, container, name, needed - 1, NULL));
  CHECK(GetLogContainerName(bench.log, container, name, needed, &length));
  CHECK(length == needed - 1 && wcslen(name) == length);
  free(name);
  ULONGLONG offset;
  ULONGLONG bytes;
  CLFS_LSN lsn;
  CLFS_LOG_ARCHIVE_CONTEXT archive;
#define PREPARE(buffer, size, actual)                                                            \
  PrepareLogArchive(bench.log, buffer, size, NULL, NULL, actual, &offset, &bytes, &lsn, &lsn, &lsn, \
                    &archive)
  CHECK_ERROR(ERROR_BUFFER_OVERFLOW, PREPARE(NULL, 0, &needed));
  name = (wchar_t*)malloc(needed * sizeof *name);
  CHECK_ERROR(ERROR_BUFFER_OVERFLOW, PREPARE(name, needed - 1, NULL));
  CHECK(PREPARE(name, needed, &length));
  CHECK(length == needed - 1 && wcslen(name) == length);
#undef PREPARE
  CHECK(TerminateLogArchive(archive));
  free(name);
  tear_down(&bench);
}

/* Of a policy, what it means is read, however long it is said to be. */
static void policies_are_read_no_further_than_they_mean(void) {
  Bench bench = set_up("bad_policies");
  const size_t size = offsetof(CLFS_MGMT_POLICY, PolicyParameters) + sizeof(ULONG);
  CLFS_MGMT_POLICY whole;
  memset(&whole, 0, sizeof whole);
  whole.Version = CLFS_MGMT_POLICY_VERSION;
  whole.LengthInBytes = 0xFFFFFFFFu;
  whole.PolicyType = ClfsMgmtPolicyMaximumSize;
  whole.PolicyParameters.MaximumSize.Containers = 10;
  CLFS_MGMT_POLICY* exact = (CLFS_MGMT_POLICY*)malloc(size); /* not a byte more is there */
  memcpy((void*)exact, &whole, size);
  CHECK(InstallLogPolicy(bench.log, exact));
  free(exact);
  ULONG length = 0;
  CHECK_ERROR(ERROR_MORE_DATA,
              QueryLogPolicy(bench.log, ClfsMgmtPolicyMaximumSize, NULL, &length));
  CHECK(length == sizeof whole);
  CHECK(QueryLogPolicy(bench.log, ClfsMgmtPolicyMaximumSize, &whole, &length));
  CHECK(whole.PolicyParameters.MaximumSize.Containers == 10);
  tear_down(&bench);
}

/* Whatever number comes for an enumeration. */
static void values_of_no_enumeration_are_refused(void) {
  Bench bench = set_up("bad_values");
  static const int values[] = {-1, 4, 99, INT_MIN, INT_MAX};
  for (size_t i = 0; i < sizeof values / sizeof *values; ++i) {
    const int value = values[i];
    PVOID buffer;
    PVOID context;
    ULONG count = sizeof(CLFS_MGMT_POLICY);
    CLFS_IO_STATISTICS statistics;
    CLFS_MGMT_POLICY policy;
    memset(&policy, 0, sizeof policy);
    policy.Version = CLFS_MGMT_POLICY_VERSION;
    policy.LengthInBytes = sizeof policy;
    policy.PolicyType = (CLFS_MGMT_POLICY_TYPE)(value == 4 ? 10 : value);
    CHECK_ERROR(ERROR_LOG_POLICY_INVALID, InstallLogPolicy(bench.log, &policy));
    CHECK_ERROR(ERROR_LOG_POLICY_INVALID,
                QueryLogPolicy(bench.log, policy.PolicyType, &policy, &count));
    CHECK_ERROR(ERROR_LOG_POLICY_INVALID, RemoveLogPolicy(bench.log, policy.PolicyType));
    CHECK_ERROR(ERROR_LOG_READ_MODE_INVALID,
                ReadLogRecord(bench.area, &bench.record, (CLFS_CONTEXT_MODE)value, &buffer, &count,
                              NULL, NULL, NULL, &context, NULL));
    CHECK_ERROR(ERROR_INVALID_PARAMETER,
                SetLogArchiveMode(bench.log, (CLFS_LOG_ARCHIVE_MODE)value));
    CHECK_ERROR(ERROR_INVALID_PARAMETER,
                GetLogIoStatistics(bench.log, &statistics, sizeof statistics,
                                   (CLFS_IOSTATS_CLASS)value, NULL));
  }
  tear_down(&bench);
}

/* A log is the one its name meant when it was opened, whatever the current directory is later. */
static void relative_paths_are_those_of_the_opening(void) {
  char before[512];
  CHECK(getcwd(before, sizeof before) != NULL);
  CHECK(chdir(test_directory) == 0 && mkdir("elsewhere", 0700) == 0);
  const HANDLE log = CreateLogFile(L"log:relative", ALL_ACCESS, 0, NULL, CREATE_NEW, 0);
  CHECK(log != INVALID_HANDLE_VALUE);
  /* The same one, by another name, and nobody shares it. */
  CHECK(CreateLogFile(L"log:./relative", ALL_ACCESS, ALL_SHARED, NULL, OPEN_EXISTING, 0) ==
        INVALID_HANDLE_VALUE);
  CHECK(GetLastError() == ERROR_SHARING_VIOLATION);
  add_containers(log, 2);
  CHECK(chdir("elsewhere") == 0 && mkdir("relative", 0700) == 0);
  CHECK(information_of(log).BaseFileSize > 0);
  CHECK(DeleteLogByHandle(log));
  CHECK(CloseHandle(log));
  CHECK(access("relative", F_OK) == 0);     /* another one of that name */
  CHECK(access("../relative", F_OK) != 0);  /* the log */
  CHECK(chdir(before) == 0);
}

int main(int argc, char** argv) {
  static const Section sections[] = {
      {"HandlesOfLogsAreChecked", handles_of_logs_are_checked},
      {"ContextsAreChecked", contexts_are_checked},
      {"NullPointersAreRefused", null_pointers_are_refused},
      {"ArgumentsOutOfRangeAreRefused", arguments_out_of_range_are_refused},
      {"SumsOfSizesDoNotWrapAround", sums_of_sizes_do_not_wrap_around},
      {"SizesThatAreAskedForAreEnough", sizes_that_are_asked_for_are_enough},
      {"PoliciesAreReadNoFurtherThanTheyMean", policies_are_read_no_further_than_they_mean},
      {"ValuesOfNoEnumerationAreRefused", values_of_no_enumeration_are_refused},
      {"RelativePathsAreThoseOfTheOpening", relative_paths_are_those_of_the_opening},
      {NULL, NULL}};
  return run_sections(argc, argv, sections);
}
