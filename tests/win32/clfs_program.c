/* A program by CLFS's names: logs, containers, records, chains, reservations, restart areas, bases,
 * ends, archives. Each section is a test of its own. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clfs_check.h"

/* --- logs and containers --- */

static void a_log_begins_without_containers(void) {
  const HANDLE log = new_log("begins");
  CLFS_INFORMATION information = information_of(log);
  CHECK(information.TotalContainers == 0 && information.ContainerSize == 0);
  CHECK((information.Attributes & FILE_ATTRIBUTE_DEDICATED) != 0);
  PVOID area = NULL;
  CHECK_ERROR(ERROR_LOG_NOT_ENOUGH_CONTAINERS,
              CreateLogMarshallingArea(log, NULL, NULL, NULL, 512, 1, 1, &area));
  /* The first size is that of all, rounded up; what is smaller later is refused. */
  ULONGLONG size = 1100000;
  wchar_t one[] = L"%BLF%\\one";
  wchar_t two[] = L"two";
  CHECK(AddLogContainer(log, &size, one, NULL));
  CHECK(size == 2 << 20);
  CHECK(AddLogContainer(log, NULL, two, NULL));
  CHECK_ERROR(ERROR_ALREADY_EXISTS, AddLogContainer(log, NULL, two, NULL));
  wchar_t three[] = L"three";
  size = 1 << 20;
  CHECK_ERROR(ERROR_INVALID_PARAMETER, AddLogContainer(log, &size, three, NULL));
  wchar_t elsewhere[] = L"/var/elsewhere/three";
  CHECK_ERROR(ERROR_NOT_SUPPORTED, AddLogContainer(log, NULL, elsewhere, NULL));
  information = information_of(log);
  CHECK(information.TotalContainers == 2 && information.ContainerSize == 2 << 20);
  CHECK(CloseHandle(log));
  CHECK(open_log_as("begins", CREATE_NEW, 0) == INVALID_HANDLE_VALUE);
  CHECK(GetLastError() == ERROR_ALREADY_EXISTS);
  const HANDLE again = open_log_as("begins", OPEN_EXISTING, 0);
  CHECK(again != INVALID_HANDLE_VALUE);
  CHECK(information_of(again).TotalContainers == 2);
  CHECK(CloseHandle(again));
  CHECK(open_log_as("nothing", OPEN_EXISTING, 0) == INVALID_HANDLE_VALUE);
  CHECK(GetLastError() == ERROR_FILE_NOT_FOUND);
}

static void containers_are_scanned(void) {
  const HANDLE log = new_log("scanned");
  add_containers(log, 5);
  CLFS_SCAN_CONTEXT scan;
  CHECK(CreateLogContainerScanContext(log, 0, 3, CLFS_SCAN_INIT | CLFS_SCAN_FORWARD, &scan, NULL));
  CHECK(scan.cContainersReturned == 3);
  CHECK(scan.pinfoContainer[0].State == ClsContainerActive);
  CHECK(scan.pinfoContainer[0].LogicalContainerId == 0);
  CHECK(scan.pinfoContainer[0].ContainerSize == 1 << 20);
  CHECK(scan.pinfoContainer[1].State == ClsContainerInactive);
  wchar_t name[512];
  ULONG length = 0;
  CHECK_ERROR(ERROR_MORE_DATA, GetLogContainerName(log, 0, name, 4, &length));
  CHECK(GetLogContainerName(log, 0, name, 512, &length));
  CHECK(wcslen(name) == length && wcscmp(name, scan.pinfoContainer[0].FileName) == 0);
  CHECK_ERROR(ERROR_NOT_FOUND, GetLogContainerName(log, 77, name, 512, &length));
  CHECK(ScanLogContainers(&scan, CLFS_SCAN_FORWARD, NULL));
  CHECK(scan.cContainersReturned == 2);
  CHECK_ERROR(ERROR_NO_MORE_ITEMS, ScanLogContainers(&scan, CLFS_SCAN_FORWARD, NULL));
  CHECK(ScanLogContainers(&scan, CLFS_SCAN_INIT | CLFS_SCAN_BACKWARD, NULL));
  CHECK(scan.cContainersReturned == 3 && scan.pinfoContainer[2].PhysicalContainerId == 4);
  CHECK(ScanLogContainers(&scan, CLFS_SCAN_CLOSE, NULL));
  CHECK_ERROR(ERROR_INVALID_PARAMETER, ScanLogContainers(&scan, CLFS_SCAN_FORWARD, NULL));
  CHECK(CloseHandle(log));
}

static void containers_are_removed_now_or_when_free(void) {
  const HANDLE log = new_log("removed");
  add_containers(log, 4);
  const PVOID area = new_area(log);
  CLFS_LSN last = CLFS_LSN_INVALID;
  while (LsnContainer(&last) != 1) CHECK(append_bytes(area, 30000, 'r', 0, &last));
  wchar_t in_use[512];
  CHECK(GetLogContainerName(log, 0, in_use, 512, NULL));
  CHECK_ERROR(ERROR_LOG_CANT_DELETE, RemoveLogContainer(log, in_use, TRUE, NULL));
  wchar_t unknown[] = L"unknown";
  CHECK_ERROR(ERROR_NOT_FOUND, RemoveLogContainer(log, unknown, TRUE, NULL));
  wchar_t added[] = L"container3";
  CHECK(RemoveLogContainer(log, added, TRUE, NULL));
  CHECK(information_of(log).TotalContainers == 3);
  CHECK_ERROR(ERROR_NOT_FOUND, RemoveLogContainer(log, added, TRUE, NULL));
  /* Later: shown as such, and gone once the base has passed it. */
  LPWSTR set[1] = {in_use};
  CHECK(RemoveLogContainerSet(log, 1, set, FALSE, NULL));
  CLFS_SCAN_CONTEXT scan;
  CHECK(CreateLogContainerScanContext(log, 0, 1, CLFS_SCAN_FORWARD, &scan, NULL));
  CHECK(scan.pinfoContainer[0].State == ClsContainerActivePendingDelete);
  CHECK(ScanLogContainers(&scan, CLFS_SCAN_CLOSE, NULL));
  for (int i = 0; i < 1000 && information_of(log).TotalContainers > 2; ++i) {
    CHECK(append_bytes(area, 30000, 'r', CLFS_FLAG_FORCE_FLUSH, &last));
    CHECK(AdvanceLogBase(area, &last, 0, NULL));
  }
  CHECK(information_of(log).TotalContainers == 2);
  CHECK(DeleteLogMarshallingArea(area));
  CHECK(CloseHandle(log));
}

static void share_modes_are_those_of_the_openings(void) {
  wchar_t name[512];
  const HANDLE log = CreateLogFile(log_name(name, "shared"), GENERIC_READ | GENERIC_WRITE,
                                   FILE_SHARE_READ, NULL, OPEN_ALWAYS, 0);
  CHECK(log != INVALID_HANDLE_VALUE);
  add_containers(log, 2);
  CHECK(CreateLogFile(name, GENERIC_WRITE, ALL_SHARED, NULL, OPEN_EXISTING, 0) ==
        INVALID_HANDLE_VALUE);
  CHECK(GetLastError() == ERROR_SHARING_VIOLATION);
  CHECK(CreateLogFile(name, GENERIC_READ, FILE_SHARE_READ, NULL, OPEN_EXISTING, 0) ==
        INVALID_HANDLE_VALUE);
  CHECK(GetLastError() == ERROR_SHARING_VIOLATION);
  const HANDLE reader = CreateLogFile(name, GENERIC_READ, ALL_SHARED, NULL, OPEN_EXISTING, 0);
  CHECK(reader != INVALID_HANDLE_VALUE);
  const PVOID area = new_area(reader);
  CHECK_ERROR(ERROR_ACCESS_DENIED, append_bytes(area, 10, 'w', 0, NULL));
  CHECK_ERROR(ERROR_ACCESS_DENIED, DeleteLogByHandle(reader));
  CHECK(CloseHandle(log));
  /* The reader's area keeps its opening beyond its handle. */
  CHECK(CloseHandle(reader));
  CHECK(CreateLogFile(name, GENERIC_READ, 0, NULL, OPEN_EXISTING, 0) == INVALID_HANDLE_VALUE);
  CHECK(DeleteLogMarshallingArea(area));
  const HANDLE alone = CreateLogFile(name, GENERIC_READ, 0, NULL, OPEN_EXISTING, 0);
  CHECK(alone != INVALID_HANDLE_VALUE);
  CHECK(CloseHandle(alone));
}

static void streams_are_on_their_own(void) {
  const HANDLE orders = new_log("streams::orders");
  const HANDLE parts = new_log("streams::parts");
  const HANDLE whole = open_log_as("streams", OPEN_EXISTING, 0);
  CHECK(orders != INVALID_HANDLE_VALUE && whole != INVALID_HANDLE_VALUE);
  add_containers(whole, 4);
  PVOID area = NULL;
  CHECK_ERROR(ERROR_LOG_MULTIPLEXED,
              CreateLogMarshallingArea(whole, NULL, NULL, NULL, 512, 1, 1, &area));
  const PVOID of_orders = new_area(orders);
  const PVOID of_parts = new_area(parts);
  CLFS_LSN first = append_text(of_orders, "an order", NULL, NULL);
  append_text(of_parts, "a part", NULL, NULL);
  CHECK(FlushLogBuffers(of_parts, NULL));
  CHECK(information_of(whole).TotalClients == 2);
  PVOID buffer;
  PVOID context;
  ULONG bytes;
  CLFS_RECORD_TYPE type = ClfsDataRecord;
  CHECK_ERROR(ERROR_NOT_FOUND, ReadLogRecord(of_parts, &first, ClfsContextPrevious, &buffer, &bytes,
                                             &type, NULL, NULL, &context, NULL));
  CHECK(ReadLogRecord(of_orders, &first, ClfsContextForward, &buffer, &bytes, &type, NULL, NULL,
                      &context, NULL));
  CHECK(strcmp((const char*)buffer, "an order") == 0);
  CHECK_ERROR(ERROR_HANDLE_EOF, ReadNextLogRecord(context, &buffer, &bytes, &type, NULL, NULL, NULL,
                                                  NULL, NULL));
  CHECK(TerminateReadLog(context));
  CHECK_ERROR(ERROR_NOT_SUPPORTED, TruncateLog(of_orders, &first, NULL));
  /* Deleted with its last handle, contexts and areas included. */
  CHECK(DeleteLogByHandle(parts));
  CHECK(CloseHandle(parts));
  CHECK(information_of(whole).TotalClients == 2);
  CHECK(DeleteLogMarshallingArea(of_parts));
  CHECK(information_of(whole).TotalClients == 1);
  CHECK(open_log_as("streams::parts", OPEN_EXISTING, 0) == INVALID_HANDLE_VALUE);
  CHECK(GetLastError() == ERROR_FILE_NOT_FOUND);
  /* Reset: there again, with nothing in it. */
  CHECK_ERROR(ERROR_INVALID_HANDLE, CloseAndResetLogFile(whole));
  CHECK(DeleteLogMarshallingArea(of_orders));
  CHECK(CloseAndResetLogFile(orders));
  CHECK_ERROR(ERROR_INVALID_HANDLE, CloseHandle(orders));
  const HANDLE again = open_log_as("streams::orders", OPEN_EXISTING, 0);
  CHECK(again != INVALID_HANDLE_VALUE);
  const PVOID of_again = new_area(again);
  CHECK_ERROR(ERROR_LOG_START_OF_LOG, ReadLogRecord(of_again, &first, ClfsContextForward, &buffer,
                                                    &bytes, &type, NULL, NULL, &context, NULL));
  CHECK(DeleteLogMarshallingArea(of_again));
  CHECK(CloseHandle(again));
  CHECK(CloseHandle(whole));
  /* The other kind has no streams. */
  const HANDLE dedicated = new_log("dedicated");
  CHECK(open_log_as("dedicated::stream", OPEN_ALWAYS, 0) == INVALID_HANDLE_VALUE);
  CHECK(GetLastError() == ERROR_LOG_DEDICATED);
  CHECK(CloseHandle(dedicated));
}

/* A log with containers and no stream, as a crash in the creation of either kind may leave it. */
static void the_first_opening_decides_the_kind(void) {
  const HANDLE log = open_log_as("kind::", CREATE_NEW, 0);
  CHECK(log != INVALID_HANDLE_VALUE);
  add_containers(log, 2);
  CHECK(CloseHandle(log));
  CHECK(open_log_as("kind", CREATE_NEW, 0) == INVALID_HANDLE_VALUE);
  CHECK(GetLastError() == ERROR_ALREADY_EXISTS);
  const HANDLE dedicated = open_log_as("kind", OPEN_EXISTING, 0);
  CHECK(dedicated != INVALID_HANDLE_VALUE);
  CHECK((information_of(dedicated).Attributes & FILE_ATTRIBUTE_DEDICATED) != 0);
  const PVOID area = new_area(dedicated);
  append_text(area, "dedicated", NULL, NULL);
  CHECK(DeleteLogMarshallingArea(area));
  CHECK(CloseHandle(dedicated));
  CHECK(open_log_as("kind::stream", OPEN_ALWAYS, 0) == INVALID_HANDLE_VALUE);
  CHECK(GetLastError() == ERROR_LOG_DEDICATED);
}

static void a_deleted_log_goes_with_its_last_handle(void) {
  wchar_t name[512];
  const HANDLE log = new_log("deleted");
  add_containers(log, 2);
  const PVOID area = new_area(log);
  append_text(area, "gone", NULL, NULL);
  CHECK(DeleteLogFile(log_name(name, "deleted"), NULL));
  append_text(area, "still there", NULL, NULL);
  CHECK(open_log_as("deleted", OPEN_ALWAYS, 0) == INVALID_HANDLE_VALUE);
  CHECK(GetLastError() == ERROR_ACCESS_DENIED);
  CHECK(DeleteLogMarshallingArea(area));
  CHECK(CloseHandle(log));
  CHECK(open_log_as("deleted", OPEN_EXISTING, 0) == INVALID_HANDLE_VALUE);
  CHECK(GetLastError() == ERROR_FILE_NOT_FOUND);
  CHECK_ERROR(ERROR_FILE_NOT_FOUND, DeleteLogFile(name, NULL));
  const HANDLE again = new_log("deleted");
  CHECK(DeleteLogByHandle(again));
  CHECK(CloseHandle(again));
}

/* --- records --- */

/* What the program of a small transaction would append: three updates and a compensation of the
 * third, whose undo-next is the first. */
typedef struct {
  HANDLE log;
  PVOID area;
  CLFS_LSN first;
  CLFS_LSN second;
  CLFS_LSN third;
  CLFS_LSN compensation;
} Chains;

static Chains append_chains(const char* name) {
  Chains chains;
  chains.log = new_log(name);
  add_containers(chains.log, 3);
  chains.area = new_area(chains.log);
  chains.first = append_text(chains.area, "first", NULL, NULL);
  chains.second = append_text(chains.area, "second", &chains.first, &chains.first);
  chains.third = append_text(chains.area, "third", &chains.second, &chains.second);
  chains.compensation = append_text(chains.area, "undo third", &chains.first, &chains.third);
  return chains;
}

static void expect_next(PVOID context, const char* text, CLFS_LSN lsn) {
  PVOID buffer;
  ULONG bytes;
  CLFS_RECORD_TYPE type = ClfsDataRecord;
  CLFS_LSN found;
  CHECK(ReadNextLogRecord(context, &buffer, &bytes, &type, NULL, NULL, NULL, &found, NULL));
  CHECK(type == ClfsDataRecord && bytes == strlen(text) + 1);
  CHECK(strcmp((const char*)buffer, text) == 0);
  CHECK(LsnEqual(&found, &lsn));
}

static PVOID read_at(PVOID area, CLFS_LSN lsn, CLFS_CONTEXT_MODE mode, const char* text) {
  PVOID buffer;
  PVOID context;
  ULONG bytes;
  CLFS_RECORD_TYPE type = ClfsNullRecord;
  CHECK(ReadLogRecord(area, &lsn, mode, &buffer, &bytes, &type, NULL, NULL, &context, NULL));
  CHECK(type == ClfsDataRecord && bytes == strlen(text) + 1);
  CHECK(strcmp((const char*)buffer, text) == 0);
  return context;
}

static void expect_end(PVOID context, DWORD error) {
  PVOID buffer;
  ULONG bytes;
  CLFS_RECORD_TYPE type = ClfsClientRecord;
  CHECK_ERROR(error,
              ReadNextLogRecord(context, &buffer, &bytes, &type, NULL, NULL, NULL, NULL, NULL));
  CHECK(TerminateReadLog(context));
}

static void records_are_read_in_each_mode(void) {
  Chains chains = append_chains("modes");
  CHECK(LsnLess(&chains.first, &chains.second) && LsnGreater(&chains.third, &chains.second));
  PVOID context = read_at(chains.area, chains.first, ClfsContextForward, "first");
  expect_next(context, "second", chains.second);
  expect_next(context, "third", chains.third);
  expect_next(context, "undo third", chains.compensation);
  expect_end(context, ERROR_HANDLE_EOF);
  context = read_at(chains.area, chains.compensation, ClfsContextPrevious, "undo third");
  expect_next(context, "third", chains.third);
  expect_next(context, "second", chains.second);
  expect_next(context, "first", chains.first);
  expect_end(context, ERROR_HANDLE_EOF);
  context = read_at(chains.area, chains.compensation, ClfsContextUndoNext, "undo third");
  expect_next(context, "first", chains.first);
  expect_end(context, ERROR_HANDLE_EOF);
  /* The base stands for the first record; what comes later is seen by who asks again. */
  context = read_at(chains.area, information_of(chains.log).BaseLsn, ClfsContextForward, "first");
  expect_next(context, "second", chains.second);
  PVOID buffer;
  ULONG bytes;
  CLFS_RECORD_TYPE type = ClfsDataRecord;
  CLFS_LSN found;
  CLFS_LSN undo_next;
  CLFS_LSN previous;
  CHECK(ReadNextLogRecord(context, &buffer, &bytes, &type, &chains.compensation, &undo_next,
                          &previous, &found, NULL));
  CHECK(LsnEqual(&found, &chains.compensation) && LsnEqual(&undo_next, &chains.first));
  CHECK(LsnEqual(&previous, &chains.third));
  CHECK_ERROR(ERROR_INVALID_PARAMETER, ReadNextLogRecord(context, &buffer, &bytes, &type,
                                                         &chains.first, NULL, NULL, NULL, NULL));
  CHECK_ERROR(ERROR_HANDLE_EOF, ReadNextLogRecord(context, &buffer, &bytes, &type, NULL, NULL, NULL,
                                                  NULL, NULL));
  const CLFS_LSN later = append_text(chains.area, "later", NULL, NULL);
  expect_next(context, "later", later);
  CHECK(TerminateReadLog(context));
  CHECK(DeleteLogMarshallingArea(chains.area));
  CHECK(CloseHandle(chains.log));
}

static void what_cannot_be_read_says_why(void) {
  Chains chains = append_chains("unreadable");
  PVOID buffer;
  PVOID context;
  ULONG bytes;
  CLFS_RECORD_TYPE type = ClfsDataRecord;
  CLFS_LSN between = LsnIncrement(&chains.second);
  CHECK_ERROR(ERROR_NOT_FOUND, ReadLogRecord(chains.area, &between, ClfsContextForward, &buffer,
                                             &bytes, &type, NULL, NULL, &context, NULL));
  CLFS_LSN end = information_of(chains.log).LastLsn;
  CHECK_ERROR(ERROR_HANDLE_EOF, ReadLogRecord(chains.area, &end, ClfsContextForward, &buffer,
                                              &bytes, &type, NULL, NULL, &context, NULL));
  CHECK_ERROR(ERROR_LOG_READ_MODE_INVALID,
              ReadLogRecord(chains.area, &chains.first, (CLFS_CONTEXT_MODE)7, &buffer, &bytes, &type,
                            NULL, NULL, &context, NULL));
  /* A chain that leads behind the base. */
  CHECK(AdvanceLogBase(chains.area, &chains.third, 0, NULL));
  CHECK_ERROR(ERROR_LOG_START_OF_LOG,
              ReadLogRecord(chains.area, &chains.first, ClfsContextForward, &buffer, &bytes, &type,
                            NULL, NULL, &context, NULL));
  context = read_at(chains.area, chains.compensation, ClfsContextPrevious, "undo third");
  expect_next(context, "third", chains.third);
  expect_end(context, ERROR_LOG_START_OF_LOG);
  /* As many read contexts as the area has blocks; none that outlives it reads on. */
  PVOID contexts[4];
  for (int i = 0; i < 4; ++i) {
    contexts[i] = read_at(chains.area, chains.third, ClfsContextForward, "third");
  }
  CHECK_ERROR(ERROR_LOG_BLOCKS_EXHAUSTED,
              ReadLogRecord(chains.area, &chains.third, ClfsContextForward, &buffer, &bytes, &type,
                            NULL, NULL, &context, NULL));
  CHECK(DeleteLogMarshallingArea(chains.area));
  expect_end(contexts[0], ERROR_LOG_READ_CONTEXT_INVALID);
  CHECK_ERROR(ERROR_LOG_READ_CONTEXT_INVALID, TerminateReadLog(contexts[0]));
  for (int i = 1; i < 4; ++i) CHECK(TerminateReadLog(contexts[i]));
  /* Areas with smaller blocks than a record do not read it. */
  PVOID small = NULL;
  CHECK(CreateLogMarshallingArea(chains.log, NULL, NULL, NULL, 512, INFINITE, 1, &small));
  CHECK_ERROR(ERROR_BAD_LENGTH, append_bytes(small, 513, 's', 0, NULL));
  const PVOID large = new_area(chains.log);
  CLFS_LSN long_record;
  CHECK(append_bytes(large, 513, 'l', 0, &long_record));
  CHECK_ERROR(ERROR_LOG_BLOCK_INCOMPLETE,
              ReadLogRecord(small, &long_record, ClfsContextForward, &buffer, &bytes, &type, NULL,
                            NULL, &context, NULL));
  CHECK(DeleteLogMarshallingArea(small));
  CHECK(DeleteLogMarshallingArea(large));
  CHECK(CloseHandle(chains.log));
}

static void entries_are_gathered_and_aligned(void) {
  const HANDLE log = new_log("gathered");
  add_containers(log, 2);
  const PVOID area = new_area(log);
  CLFS_WRITE_ENTRY entries[3] = {{(PVOID) "abc", 3}, {NULL, 0}, {(PVOID) "de", 2}};
  CLFS_LSN lsn;
  CHECK(ReserveAndAppendLogAligned(area, entries, 3, 8, NULL, NULL, 0, NULL, CLFS_FLAG_FORCE_FLUSH,
                                   &lsn, NULL));
  CLFS_LSN flushed;
  CHECK(FlushLogToLsn(area, &lsn, &flushed, NULL));
  CHECK(LsnGreater(&flushed, &lsn));
  PVOID buffer;
  PVOID context;
  ULONG bytes;
  CLFS_RECORD_TYPE type;
  CLFS_LSN undo_next;
  CLFS_LSN previous;
  CHECK(ReadLogRecord(area, &lsn, ClfsContextForward, &buffer, &bytes, &type, &undo_next, &previous,
                      &context, NULL));
  CHECK(bytes == 10 && memcmp(buffer, "abc\0\0\0\0\0de", 10) == 0);
  CHECK(LsnInvalid(&undo_next) && LsnInvalid(&previous));
  CHECK(TerminateReadLog(context));
  CLFS_LSN beyond = information_of(log).LastLsn;
  CHECK_ERROR(ERROR_LOG_RECORD_NONEXISTENT,
              ReserveAndAppendLog(area, entries, 1, &beyond, NULL, 0, NULL, 0, NULL, NULL));
  CHECK(append_bytes(area, 1, 'w', CLFS_FLAG_FORCE_APPEND, &lsn));
  CHECK(DeleteLogMarshallingArea(area));
  CHECK(CloseHandle(log));
}

/* Appends what it reserved before, again and again. */
static void* append_reserved(void* area) {
  CLFS_WRITE_ENTRY entry = {(PVOID) "reserved", 9};
  for (int i = 0; i < 200; ++i) {
    LONGLONG size[1] = {9};
    CHECK(ReserveAndAppendLog(area, &entry, 1, NULL, NULL, 1, size, 0, NULL, NULL));
    CHECK(ReserveAndAppendLog(area, &entry, 1, NULL, NULL, 0, NULL, CLFS_FLAG_USE_RESERVATION, NULL,
                              NULL));
  }
  CHECK(FlushLogBuffers(area, NULL));
  return NULL;
}

static void any_number_of_threads_share_an_area(void) {
  const HANDLE log = new_log("threads");
  add_containers(log, 3);
  const PVOID area = new_area(log);
  pthread_t threads[4];
  for (int i = 0; i < 4; ++i) {
    CHECK(pthread_create(&threads[i], NULL, append_reserved, area) == 0);
  }
  for (int i = 0; i < 4; ++i) CHECK(pthread_join(threads[i], NULL) == 0);
  CLFS_LSN base = information_of(log).BaseLsn;
  PVOID context = read_at(area, base, ClfsContextForward, "reserved");
  PVOID buffer;
  ULONG bytes;
  CLFS_RECORD_TYPE type = ClfsDataRecord;
  int count = 1;
  while (ReadNextLogRecord(context, &buffer, &bytes, &type, NULL, NULL, NULL, NULL, NULL)) ++count;
  CHECK(GetLastError() == ERROR_HANDLE_EOF && count == 4 * 2 * 200);
  CHECK(TerminateReadLog(context));
  CHECK(information_of(log).TotalReservation == 0);
  CHECK(DeleteLogMarshallingArea(area));
  CHECK(CloseHandle(log));
}

/* What a program does that is killed: nothing is closed. */
static void append_and_be_killed(int done) {
  const HANDLE log = new_log("killed");
  add_containers(log, 2);
  const PVOID area = new_area(log);
  CLFS_LSN lsn = append_text(area, "flushed", NULL, NULL);
  CHECK(WriteLogRestartArea(area, (PVOID) "restart", 8, &lsn, 0, NULL, NULL, NULL));
  CHECK(append_bytes(area, 100, 'k', CLFS_FLAG_FORCE_FLUSH, &lsn));
  append_text(area, "not flushed", NULL, NULL);
  CHECK(write(done, "d", 1) == 1);
  for (;;) pause();
}

static void what_was_flushed_survives_a_kill(void) {
  int status = 0;
  int done[2];
  char byte;
  CHECK(pipe(done) == 0);
  const pid_t child = fork();
  if (child == 0) append_and_be_killed(done[1]);
  CHECK(close(done[1]) == 0);
  CHECK(read(done[0], &byte, 1) == 1); /* otherwise the child has ended, and said why */
  CHECK(close(done[0]) == 0);
  CHECK(child > 0 && kill(child, SIGKILL) == 0);
  CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGKILL);
  const HANDLE log = open_log_as("killed", OPEN_EXISTING, 0);
  CHECK(log != INVALID_HANDLE_VALUE);
  const PVOID area = new_area(log);
  PVOID buffer;
  PVOID context;
  ULONG bytes;
  CLFS_LSN lsn;
  CHECK(ReadLogRestartArea(area, &buffer, &bytes, &lsn, &context, NULL));
  CHECK(strcmp((const char*)buffer, "restart") == 0);
  CHECK(TerminateReadLog(context));
  context = read_at(area, information_of(log).BaseLsn, ClfsContextForward, "flushed");
  CLFS_RECORD_TYPE type = ClfsDataRecord;
  CHECK(ReadNextLogRecord(context, &buffer, &bytes, &type, NULL, NULL, NULL, &lsn, NULL));
  CHECK(bytes == 100 && ((const char*)buffer)[99] == 'k');
  CHECK(TerminateReadLog(context));
  CHECK(DeleteLogMarshallingArea(area));
  CHECK(CloseHandle(log));
}

/* --- reservations --- */

static void expect_reserved(PVOID area, ULONG records, LONGLONG bytes) {
  ULONG found_records;
  LONGLONG user;
  LONGLONG committed;
  CHECK(GetLogReservationInfo(area, &found_records, &user, &committed));
  CHECK(found_records == records && committed == bytes);
  CHECK(user <= committed);
}

static void reservations_pay_in_a_full_log(void) {
  const HANDLE log = new_log("reserved");
  add_containers(log, 3);
  const PVOID area = new_area(log);
  /* One call appends a record and reserves for two more. */
  CLFS_WRITE_ENTRY entry = {(PVOID) "update", 7};
  LONGLONG sizes[2] = {500, 100};
  CHECK(ReserveAndAppendLog(area, &entry, 1, NULL, NULL, 2, sizes, 0, NULL, NULL));
  CHECK(sizes[0] == 544 && sizes[1] == 144);
  expect_reserved(area, 2, 544 + 144);
  CHECK(information_of(log).TotalReservation == 544 + 144);
  CLFS_LSN last;
  CHECK(fill_log(area, &last) == ERROR_LOG_FULL);
  CHECK_ERROR(ERROR_LOG_SPACE_RESERVED_INVALID,
              append_bytes(area, 5000, 'c', CLFS_FLAG_USE_RESERVATION, &last));
  CHECK(append_bytes(area, 500, 'c', CLFS_FLAG_USE_RESERVATION | CLFS_FLAG_FORCE_FLUSH, &last));
  expect_reserved(area, 1, 144);
  CHECK(append_bytes(area, 100, 'c', CLFS_FLAG_USE_RESERVATION, &last));
  expect_reserved(area, 0, 0);
  CHECK_ERROR(ERROR_LOG_RECORDS_RESERVED_INVALID,
              append_bytes(area, 1, 'c', CLFS_FLAG_USE_RESERVATION, &last));
  /* A log that nothing but reservations fills says so: no base that advances would help. */
  CLFS_LSN end = information_of(log).LastLsn;
  CHECK(AdvanceLogBase(area, &end, 0, NULL));
  LONGLONG large = 30040;
  while (AllocReservedLog(area, 1, &large)) continue;
  CHECK(GetLastError() == ERROR_LOG_PINNED_RESERVATION);
  CHECK_ERROR(ERROR_LOG_PINNED_RESERVATION, append_bytes(area, 30000, 'c', 0, &last));
  CHECK(DeleteLogMarshallingArea(area));
  CHECK(CloseHandle(log));
}

/* A record takes one that was reserved, however much smaller it is: nothing is left over that nobody
 * could use. One that is larger is kept all the time. */
static void a_record_takes_all_of_one_that_was_reserved(void) {
  const HANDLE log = new_log("taken_whole");
  add_containers(log, 2);
  const PVOID area = new_area(log);
  LONGLONG kept[1] = {25000};
  CHECK(ReserveAndAppendLog(area, NULL, 0, NULL, NULL, 1, kept, 0, NULL, NULL));
  CLFS_LSN last;
  for (int i = 0; i < 150; ++i) { /* together more than the log has */
    LONGLONG sizes[1] = {20000};
    CHECK(ReserveAndAppendLog(area, NULL, 0, NULL, NULL, 1, sizes, 0, NULL, NULL));
    CHECK(append_bytes(area, 10, 'c', CLFS_FLAG_USE_RESERVATION, &last));
    expect_reserved(area, 1, kept[0]);
  }
  CHECK(append_bytes(area, 25000, 'c', CLFS_FLAG_USE_RESERVATION, &last));
  expect_reserved(area, 0, 0);
  /* Of two that were reserved together only the sum is known: what the last leaves goes back. */
  LONGLONG sizes[2] = {5000, 300};
  LONGLONG together;
  CHECK(AlignReservedLog(area, 2, sizes, &together));
  CHECK(AllocReservedLog(area, 2, &together));
  CHECK(append_bytes(area, 100, 'c', CLFS_FLAG_USE_RESERVATION, &last));
  expect_reserved(area, 1, together - 144);
  CHECK(append_bytes(area, 4000, 'c', CLFS_FLAG_USE_RESERVATION, &last));
  expect_reserved(area, 0, 0);
  CHECK(DeleteLogMarshallingArea(area));
  CHECK(CloseHandle(log));
}

static void reservations_are_given_back(void) {
  const HANDLE log = new_log("given_back");
  add_containers(log, 3);
  const PVOID area = new_area(log);
  LONGLONG sizes[3] = {100, 200, 300};
  LONGLONG aligned;
  CHECK(AlignReservedLog(area, 3, sizes, &aligned));
  CHECK(aligned == 144 + 240 + 344);
  CHECK(AllocReservedLog(area, 3, &aligned));
  expect_reserved(area, 3, aligned);
  /* One by its size, in a call that reserves for another. */
  LONGLONG change[2] = {-240, 8};
  CHECK(ReserveAndAppendLog(area, NULL, 0, NULL, NULL, 2, change, 0, NULL, NULL));
  CHECK(change[0] == -240 && change[1] == 48);
  expect_reserved(area, 3, 144 + 344 + 48);
  LONGLONG less = -144;
  CHECK(FreeReservedLog(area, 1, &less));
  expect_reserved(area, 2, 344 + 48);
  LONGLONG remaining = 48;
  CHECK(FreeReservedLog(area, 1, &remaining));
  expect_reserved(area, 1, 48);
  LONGLONG too_many = -48;
  CHECK_ERROR(ERROR_LOG_RECORDS_RESERVED_INVALID, FreeReservedLog(area, 2, &too_many));
  LONGLONG too_much = -56;
  CHECK_ERROR(ERROR_LOG_SPACE_RESERVED_INVALID, FreeReservedLog(area, 1, &too_much));
  LONGLONG never_reserved[1] = {-4096};
  CHECK_ERROR(ERROR_LOG_SPACE_RESERVED_INVALID,
              ReserveAndAppendLog(area, NULL, 0, NULL, NULL, 1, never_reserved, 0, NULL, NULL));
  LONGLONG larger_than_the_log = (LONGLONG)8 << 20;
  CHECK_ERROR(ERROR_LOG_FULL, AllocReservedLog(area, 1000, &larger_than_the_log));
  /* With the area goes what is left, though a read context still keeps its memory. */
  const CLFS_LSN record = append_text(area, "record", NULL, NULL);
  const PVOID context = read_at(area, record, ClfsContextForward, "record");
  CHECK(information_of(log).TotalReservation == 48);
  CHECK(DeleteLogMarshallingArea(area));
  CHECK(information_of(log).TotalReservation == 0);
  CHECK(TerminateReadLog(context));
  CHECK(CloseHandle(log));
}

/* --- restart areas, bases, ends --- */

static void restart_areas_are_read_newest_first(void) {
  const HANDLE log = new_log("restart");
  add_containers(log, 3);
  PVOID area = new_area(log);
  PVOID buffer;
  PVOID context;
  ULONG bytes;
  CLFS_LSN lsn;
  CHECK_ERROR(ERROR_LOG_NO_RESTART, ReadLogRestartArea(area, &buffer, &bytes, &lsn, &context, NULL));
  CLFS_LSN written[3];
  CLFS_LSN needed = append_text(area, "needed", NULL, NULL);
  CHECK(WriteLogRestartArea(area, (PVOID) "one", 4, NULL, 0, &bytes, &written[0], NULL));
  CHECK(bytes == 4);
  CHECK(WriteLogRestartArea(area, (PVOID) "two", 4, &needed, 0, NULL, &written[1], NULL));
  CHECK(WriteLogRestartArea(area, (PVOID) "three", 6, NULL, 0, NULL, &written[2], NULL));
  CLFS_INFORMATION information = information_of(log);
  CHECK(LsnEqual(&information.BaseLsn, &needed));
  CHECK(LsnEqual(&information.RestartLsn, &written[2]));
  CLFS_LSN before_base = LsnCreate(0, 512, 0);
  CHECK_ERROR(ERROR_LOG_TAIL_INVALID,
              WriteLogRestartArea(area, (PVOID) "bad", 4, &before_base, 0, NULL, NULL, NULL));
  CHECK(CloseHandle(log));
  CHECK(DeleteLogMarshallingArea(area));
  /* After a restart of the program. */
  const HANDLE again = open_log_as("restart", OPEN_EXISTING, 0);
  area = new_area(again);
  CHECK(ReadLogRestartArea(area, &buffer, &bytes, &lsn, &context, NULL));
  CHECK(bytes == 6 && strcmp((const char*)buffer, "three") == 0 && LsnEqual(&lsn, &written[2]));
  CHECK(ReadPreviousLogRestartArea(context, &buffer, &bytes, &lsn, NULL));
  CHECK(strcmp((const char*)buffer, "two") == 0 && LsnEqual(&lsn, &written[1]));
  CHECK(ReadPreviousLogRestartArea(context, &buffer, &bytes, &lsn, NULL));
  CHECK(strcmp((const char*)buffer, "one") == 0 && LsnEqual(&lsn, &written[0]));
  CHECK_ERROR(ERROR_LOG_START_OF_LOG,
              ReadPreviousLogRestartArea(context, &buffer, &bytes, &lsn, NULL));
  CHECK(TerminateReadLog(context));
  /* They are records of a type of their own. */
  context = read_at(area, needed, ClfsContextForward, "needed");
  CLFS_RECORD_TYPE type = ClfsRestartRecord;
  CHECK(ReadNextLogRecord(context, &buffer, &bytes, &type, NULL, NULL, NULL, &lsn, NULL));
  CHECK(type == ClfsRestartRecord && LsnEqual(&lsn, &written[0]));
  type = ClfsDataRecord;
  CHECK_ERROR(ERROR_HANDLE_EOF, ReadNextLogRecord(context, &buffer, &bytes, &type, NULL, NULL, NULL,
                                                  NULL, NULL));
  CHECK(TerminateReadLog(context));
  /* The one before is there though the base came to the newest; an advance gives it up. */
  CLFS_LSN newest;
  CLFS_LSN to_newest = information_of(again).LastLsn;
  CHECK(WriteLogRestartArea(area, (PVOID) "four", 5, &to_newest, 0, NULL, &newest, NULL));
  CHECK(ReadLogRestartArea(area, &buffer, &bytes, &lsn, &context, NULL));
  CHECK(ReadPreviousLogRestartArea(context, &buffer, &bytes, &lsn, NULL));
  CHECK(strcmp((const char*)buffer, "three") == 0);
  CHECK_ERROR(ERROR_LOG_START_OF_LOG,
              ReadPreviousLogRestartArea(context, &buffer, &bytes, &lsn, NULL));
  CHECK(TerminateReadLog(context));
  CHECK(DeleteLogMarshallingArea(area));
  CHECK(CloseHandle(again));
}

static void a_restart_area_fits_into_a_full_log(void) {
  const HANDLE log = new_log("restart_full");
  add_containers(log, 2);
  const PVOID area = new_area(log);
  LONGLONG reserved[1] = {3000};
  CHECK(ReserveAndAppendLog(area, NULL, 0, NULL, NULL, 1, reserved, 0, NULL, NULL));
  CLFS_LSN last;
  CHECK(fill_log(area, &last) == ERROR_LOG_FULL);
  char data[3000];
  memset(data, 'r', sizeof data);
  CHECK_ERROR(ERROR_LOG_RESERVATION_INVALID,
              WriteLogRestartArea(area, data, 3000 + 512, NULL, CLFS_FLAG_USE_RESERVATION, NULL,
                                  NULL, NULL));
  CHECK(WriteLogRestartArea(area, data, sizeof data, NULL, CLFS_FLAG_USE_RESERVATION, NULL, NULL,
                            NULL));
  expect_reserved(area, 0, 0);
  CHECK(WriteLogRestartArea(area, data, 100, &last, 0, NULL, NULL, NULL));
  CHECK(DeleteLogMarshallingArea(area));
  CHECK(CloseHandle(log));
}

/* In a log that is full to the last byte, and has used up what is held back. */
static void a_reserved_restart_area_needs_no_other_room(void) {
  const HANDLE log = new_log("restart_reserved");
  add_containers(log, 2);
  const PVOID area = new_area(log);
  LONGLONG sizes[3] = {1000, 8, 3000};
  CHECK(ReserveAndAppendLog(area, NULL, 0, NULL, NULL, 3, sizes, 0, NULL, NULL));
  CLFS_LSN last;
  CHECK(fill_log(area, &last) == ERROR_LOG_FULL);
  static char data[3000];
  int more = 0;
  while (WriteLogRestartArea(area, data, 1000, NULL, 0, NULL, NULL, NULL)) CHECK(++more < 100);
  CHECK(GetLastError() == ERROR_LOG_FULL);
  CHECK(WriteLogRestartArea(area, data, 1000, NULL, CLFS_FLAG_USE_RESERVATION, NULL, NULL, NULL));
  CHECK(WriteLogRestartArea(area, data, 3000, NULL, CLFS_FLAG_USE_RESERVATION, NULL, NULL, NULL));
  expect_reserved(area, 1, 48);
  CHECK(append_bytes(area, 8, 'c', CLFS_FLAG_USE_RESERVATION, &last));
  expect_reserved(area, 0, 0);
  CHECK(DeleteLogMarshallingArea(area));
  CHECK(CloseHandle(log));
}

static void a_base_that_advances_makes_room(void) {
  const HANDLE log = new_log("full");
  add_containers(log, 2);
  const PVOID area = new_area(log);
  for (int round = 0; round < 5; ++round) {
    CLFS_LSN last;
    CHECK(fill_log(area, &last) == ERROR_LOG_FULL);
    CHECK(information_of(log).TotalContainers == 2);
    CHECK(AdvanceLogBase(area, &last, 0, NULL));
    CLFS_INFORMATION information = information_of(log);
    CHECK(LsnEqual(&information.BaseLsn, &last));
    CHECK_ERROR(ERROR_LOG_START_OF_LOG,
                (last.Internal -= 8, AdvanceLogBase(area, &last, 0, NULL)));
  }
  CLFS_LSN end = information_of(log).LastLsn;
  CHECK(AdvanceLogBase(area, &end, 0, NULL));
  end = LsnCreate(LsnContainer(&end) + 1, 0, 0);
  CHECK_ERROR(ERROR_LOG_TAIL_INVALID, AdvanceLogBase(area, &end, 0, NULL));
  CHECK(DeleteLogMarshallingArea(area));
  CHECK(CloseHandle(log));
}

static void the_end_of_a_log_is_set_back(void) {
  Chains chains = append_chains("ended");
  CHECK(TruncateLog(chains.area, &chains.third, NULL));
  PVOID context = read_at(chains.area, chains.first, ClfsContextForward, "first");
  expect_next(context, "second", chains.second);
  expect_end(context, ERROR_HANDLE_EOF);
  const CLFS_LSN after = append_text(chains.area, "after", NULL, &chains.second);
  CHECK(LsnGreater(&after, &chains.compensation));
  CHECK(SetEndOfLog(chains.log, &chains.second, NULL));
  context = read_at(chains.area, chains.first, ClfsContextForward, "first");
  expect_end(context, ERROR_HANDLE_EOF);
  CLFS_LSN beyond = LsnCreate(1000, 0, 0);
  CHECK_ERROR(ERROR_LOG_INVALID_RANGE, SetEndOfLog(chains.log, &beyond, NULL));
  CHECK(DeleteLogMarshallingArea(chains.area));
  CHECK(CloseHandle(chains.log));
}

/* --- archives --- */

static void copy_bytes(const wchar_t* from, ULONGLONG low, ULONGLONG high, FILE* to) {
  char path[1024];
  CHECK(wcstombs(path, from, sizeof path) < sizeof path);
  FILE* in = fopen(path, "rb");
  CHECK(in != NULL && fseek(in, (long)low, SEEK_SET) == 0 && fseek(to, (long)low, SEEK_SET) == 0);
  for (ULONGLONG at = low; at < high; at += 512) {
    char sector[512];
    CHECK(fread(sector, 1, sizeof sector, in) == sizeof sector);
    CHECK(fwrite(sector, 1, sizeof sector, to) == sizeof sector);
  }
  fclose(in);
}

/* Writes what the context gives into a directory of files with the same names. */
static void archive_into(CLFS_LOG_ARCHIVE_CONTEXT context, ULONGLONG metadata_bytes,
                         const char* directory) {
  char path[1024];
  char metadata[65536];
  ULONG count = 0;
  CHECK(metadata_bytes <= sizeof metadata);
  CHECK(ReadLogArchiveMetadata(context, 0, (ULONG)metadata_bytes, (PBYTE)metadata, &count));
  CHECK(count == metadata_bytes);
  snprintf(path, sizeof path, "%s/base.cairn", directory);
  FILE* base = fopen(path, "wb");
  CHECK(base != NULL && fwrite(metadata, 1, count, base) == count && fclose(base) == 0);
  for (;;) {
    CLFS_ARCHIVE_DESCRIPTOR extent;
    if (!GetNextLogArchiveExtent(context, &extent, 1, &count)) break;
    CHECK(count == 1);
    const wchar_t* name = wcsrchr(extent.infoContainer.FileName, L'/');
    snprintf(path, sizeof path, "%s%ls", directory, name);
    FILE* file = fopen(path, "wb");
    CHECK(file != NULL);
    copy_bytes(extent.infoContainer.FileName, extent.coffLow, extent.coffHigh, file);
    CHECK(fseek(file, (long)extent.infoContainer.ContainerSize - 1, SEEK_SET) == 0);
    CHECK(extent.coffHigh == (ULONGLONG)extent.infoContainer.ContainerSize || fputc(0, file) == 0);
    CHECK(fclose(file) == 0);
  }
  CHECK(GetLastError() == ERROR_NO_MORE_ITEMS);
}

static void an_archive_is_a_log_again(void) {
  const HANDLE log = open_log_as("archived", CREATE_NEW, FILE_ATTRIBUTE_ARCHIVE);
  CHECK(log != INVALID_HANDLE_VALUE);
  add_containers(log, 4);
  CHECK((information_of(log).Attributes & FILE_ATTRIBUTE_ARCHIVE) != 0);
  const PVOID area = new_area(log);
  const CLFS_LSN first = append_text(area, "first", NULL, NULL);
  CLFS_LSN last = first;
  while (LsnContainer(&last) < 2) CHECK(append_bytes(area, 30000, 'a', 0, &last));
  const CLFS_LSN newest = append_text(area, "newest", NULL, NULL);
  wchar_t name[512];
  ULONG length;
  ULONGLONG offset;
  ULONGLONG bytes;
  CLFS_LSN base;
  CLFS_LSN end;
  CLFS_LSN tail;
  CLFS_LOG_ARCHIVE_CONTEXT context;
  CHECK_ERROR(ERROR_BUFFER_OVERFLOW, PrepareLogArchive(log, name, 5, NULL, NULL, &length, &offset,
                                                       &bytes, &base, &end, &tail, &context));
  CHECK(PrepareLogArchive(log, name, 512, NULL, NULL, &length, &offset, &bytes, &base, &end, &tail,
                          &context));
  CHECK(wcslen(name) == length && offset == 0 && LsnGreater(&end, &newest));
  CLFS_LOG_ARCHIVE_CONTEXT second;
  CHECK_ERROR(ERROR_LOG_ARCHIVE_IN_PROGRESS,
              PrepareLogArchive(log, name, 512, NULL, NULL, &length, &offset, &bytes, &base, &end,
                                &tail, &second));
  /* The tail waits for the archive to be done with. */
  CHECK(SetLogArchiveTail(log, &last, NULL));
  CLFS_INFORMATION information = information_of(log);
  CHECK(LsnEqual(&information.MinArchiveTailLsn, &tail));
  char copy[512];
  wchar_t copy_name[512];
  snprintf(copy, sizeof copy, "%s/copy", test_directory);
  const HANDLE made = new_log("copy"); /* an empty directory */
  CHECK(CloseHandle(made));
  archive_into(context, bytes, copy);
  CHECK(TerminateLogArchive(context));
  CHECK_ERROR(ERROR_INVALID_HANDLE, TerminateLogArchive(context));
  information = information_of(log);
  CHECK(LsnEqual(&information.MinArchiveTailLsn, &last));
  CHECK(ValidateLog(log_name(copy_name, "copy"), NULL, NULL, NULL));
  const HANDLE restored = open_log_as("copy", OPEN_EXISTING, 0);
  CHECK(restored != INVALID_HANDLE_VALUE);
  const PVOID restored_area = new_area(restored);
  PVOID reader = read_at(restored_area, newest, ClfsContextForward, "newest");
  expect_end(reader, ERROR_HANDLE_EOF);
  reader = read_at(restored_area, first, ClfsContextForward, "first");
  CHECK(TerminateReadLog(reader));
  CHECK(DeleteLogMarshallingArea(restored_area));
  CHECK(CloseHandle(restored));
  CHECK(DeleteLogMarshallingArea(area));
  CHECK(CloseHandle(log));
}

static void the_archive_tail_keeps_containers(void) {
  const HANDLE log = new_log("tail");
  add_containers(log, 3);
  const PVOID area = new_area(log);
  CLFS_LSN last = append_text(area, "first", NULL, NULL);
  CHECK_ERROR(ERROR_LOG_EPHEMERAL, SetLogArchiveTail(log, &last, NULL));
  CHECK(SetLogArchiveMode(log, ClfsLogArchiveEnabled));
  CHECK(fill_log(area, &last) == ERROR_LOG_FULL);
  CHECK(AdvanceLogBase(area, &last, 0, NULL));
  /* No stream needs them any more, but they are not archived. */
  CHECK(fill_log(area, &last) == ERROR_LOG_PINNED_ARCHIVE_TAIL);
  CLFS_SCAN_CONTEXT scan;
  CHECK(CreateLogContainerScanContext(log, 0, 1, CLFS_SCAN_FORWARD, &scan, NULL));
  CHECK(ScanLogContainers(&scan, CLFS_SCAN_CLOSE, NULL));
  CHECK(SetLogArchiveTail(log, &last, NULL));
  CHECK(append_bytes(area, 30000, 'a', 0, &last));
  CHECK(SetLogArchiveMode(log, ClfsLogArchiveDisabled));
  CHECK_ERROR(ERROR_LOG_EPHEMERAL, SetLogArchiveTail(log, &last, NULL));
  CHECK_ERROR(ERROR_INVALID_PARAMETER, SetLogArchiveMode(log, (CLFS_LOG_ARCHIVE_MODE)3));
  CHECK(DeleteLogMarshallingArea(area));
  CHECK(CloseHandle(log));
}

/* --- what a log says of itself --- */

static ULONG print_length(PFILE out, CLFS_RECORD_TYPE type, PVOID buffer, ULONG bytes) {
  return (ULONG)fprintf(out, "[%d %s %u]\n", (int)type, (const char*)buffer, (unsigned)bytes);
}

static void a_log_describes_itself(void) {
  Chains chains = append_chains("described");
  CHECK(FlushLogBuffers(chains.area, NULL));
  CLFS_INFORMATION information = information_of(chains.log);
  CHECK(LsnGreater(&information.LastLsn, &chains.compensation));
  CHECK(LsnGreater(&information.LastFlushedLsn, &chains.compensation));
  CHECK(LsnInvalid(&information.RestartLsn) && LsnInvalid(&information.MinArchiveTailLsn));
  CHECK(information.TotalAvailable == 3 << 20);
  CHECK(information.CurrentAvailable > 0 && information.CurrentAvailable < 3 << 20);
  CHECK(information.BaseFileSize > 0 && information.SectorSize >= 512);
  CHECK(information.TotalClients == 1 && information.Identity.Data1 != 0);
  ULONG size = 8;
  CHECK_ERROR(ERROR_MORE_DATA, GetLogFileInformation(chains.log, &information, &size));
  CHECK(size == sizeof information);
  CLFS_IO_STATISTICS statistics;
  ULONG written;
  CHECK_ERROR(ERROR_MORE_DATA,
              GetLogIoStatistics(chains.log, &statistics, 4, ClfsIoStatsDefault, &written));
  CHECK(GetLogIoStatistics(chains.log, &statistics, sizeof statistics, ClfsIoStatsDefault,
                           &written));
  CHECK(written == sizeof statistics && statistics.cFlush > 0 && statistics.cbFlush > 0);
  /* As text: headers and bytes, or what a routine prints. */
  wchar_t name[512];
  char* text = NULL;
  size_t length = 0;
  FILE* out = open_memstream(&text, &length);
  CHECK(DumpLogRecords(log_name(name, "described"), ClfsClientRecord, &chains.second, &chains.third,
                       out, print_length, NULL, NULL, NULL, AREA_BYTES, 1));
  fflush(out);
  CHECK(strstr(text, "[1 second 7]") != NULL && strstr(text, "[1 third 6]") != NULL);
  CHECK(strstr(text, "[1 first 6]") == NULL && strstr(text, "undo third") == NULL);
  CHECK(DumpLogRecords(name, ClfsDataRecord, NULL, NULL, out, NULL, NULL, NULL, NULL, AREA_BYTES, 1));
  fflush(out);
  CHECK(strstr(text, "666972737400") != NULL); /* "first" */
  CLFS_LSN wrong = LsnIncrement(&chains.first);
  CHECK_ERROR(ERROR_INVALID_PARAMETER, DumpLogRecords(name, ClfsDataRecord, &wrong, NULL, out, NULL,
                                                      NULL, NULL, NULL, AREA_BYTES, 1));
  CLFS_LSN beyond = LsnCreate(1000, 0, 0);
  CHECK_ERROR(ERROR_HANDLE_EOF, DumpLogRecords(name, ClfsDataRecord, NULL, &beyond, out, NULL, NULL,
                                               NULL, NULL, AREA_BYTES, 1));
  fclose(out);
  free(text);
  CHECK(DeleteLogMarshallingArea(chains.area));
  CHECK(CloseHandle(chains.log));
  /* Of a log that is not open, and of one that is damaged. */
  size = sizeof information;
  CHECK(ValidateLog(name, NULL, &information, &size));
  CHECK(information.TotalContainers >= 1 && information.TotalContainers <= 3);
  CHECK((information.Attributes & FILE_ATTRIBUTE_DEDICATED) != 0);
  char path[1024];
  snprintf(path, sizeof path, "%s/described/container-0000000000000000.cairn", test_directory);
  FILE* container = fopen(path, "r+b");
  CHECK(container != NULL && fseek(container, 9000, SEEK_SET) == 0);
  for (int i = 0; i < 64; ++i) fputc(0x55, container);
  fclose(container);
  CHECK_ERROR(ERROR_LOG_METADATA_CORRUPT, ValidateLog(name, NULL, NULL, NULL));
}

static void lsns_are_made_taken_apart_and_compared(void) {
  CLFS_LSN lsn = LsnCreate(7, 1024, 8);
  CHECK(LsnContainer(&lsn) == 7 && LsnBlockOffset(&lsn) == 1024 && LsnRecordSequence(&lsn) == 8);
  CLFS_LSN next = LsnIncrement(&lsn);
  CHECK(LsnLess(&lsn, &next) && LsnGreater(&next, &lsn) && !LsnEqual(&lsn, &next));
  CLFS_LSN bad = LsnCreate(7, 1000, 0);
  CHECK(LsnInvalid(&bad));
  bad = LsnCreate(7, 1024, 512);
  CHECK(LsnInvalid(&bad));
  CHECK(LsnNull(&CLFS_LSN_NULL) && !LsnNull(&lsn) && !LsnInvalid(&lsn));
  CHECK(LsnLess(&CLFS_LSN_NULL, &lsn) && LsnLess(&lsn, &CLFS_LSN_INVALID));
  bad = LsnIncrement(&CLFS_LSN_INVALID);
  CHECK(LsnInvalid(&bad));
  const CLFS_LSN highest = {CLFS_LSN_INVALID.Internal - 1};
  bad = LsnIncrement(&highest);
  CHECK(LsnInvalid(&bad));
  /* Those of a log: the container is the one that holds the record. */
  Chains chains = append_chains("lsns");
  CHECK(LsnContainer(&chains.first) == 0 && LsnBlockOffset(&chains.first) > 0);
  CLFS_LSN again = LsnCreate(LsnContainer(&chains.third), LsnBlockOffset(&chains.third),
                             LsnRecordSequence(&chains.third));
  CHECK(LsnEqual(&again, &chains.third));
  CLFS_LSN last = chains.third;
  while (LsnContainer(&last) == 0) CHECK(append_bytes(chains.area, 30000, 'l', 0, &last));
  CHECK(LsnContainer(&last) == 1);
  wchar_t name[512];
  CHECK(GetLogContainerName(chains.log, LsnContainer(&last), name, 512, NULL));
  CHECK(DeleteLogMarshallingArea(chains.area));
  CHECK(CloseHandle(chains.log));
}

int main(int argc, char** argv) {
  static const Section sections[] = {
      {"ALogBeginsWithoutContainers", a_log_begins_without_containers},
      {"ContainersAreScanned", containers_are_scanned},
      {"ContainersAreRemovedNowOrWhenFree", containers_are_removed_now_or_when_free},
      {"ShareModesAreThoseOfTheOpenings", share_modes_are_those_of_the_openings},
      {"StreamsAreOnTheirOwn", streams_are_on_their_own},
      {"ADeletedLogGoesWithItsLastHandle", a_deleted_log_goes_with_its_last_handle},
      {"RecordsAreReadInEachMode", records_are_read_in_each_mode},
      {"WhatCannotBeReadSaysWhy", what_cannot_be_read_says_why},
      {"EntriesAreGatheredAndAligned", entries_are_gathered_and_aligned},
      {"TheFirstOpeningDecidesTheKind", the_first_opening_decides_the_kind},
      {"AnyNumberOfThreadsShareAnArea", any_number_of_threads_share_an_area},
      {"WhatWasFlushedSurvivesAKill", what_was_flushed_survives_a_kill},
      {"ReservationsPayInAFullLog", reservations_pay_in_a_full_log},
      {"ReservationsAreGivenBack", reservations_are_given_back},
      {"RestartAreasAreReadNewestFirst", restart_areas_are_read_newest_first},
      {"ARestartAreaFitsIntoAFullLog", a_restart_area_fits_into_a_full_log},
      {"AReservedRestartAreaNeedsNoOtherRoom", a_reserved_restart_area_needs_no_other_room},
      {"ARecordTakesAllOfOneThatWasReserved", a_record_takes_all_of_one_that_was_reserved},
      {"ABaseThatAdvancesMakesRoom", a_base_that_advances_makes_room},
      {"TheEndOfALogIsSetBack", the_end_of_a_log_is_set_back},
      {"AnArchiveIsALogAgain", an_archive_is_a_log_again},
      {"TheArchiveTailKeepsContainers", the_archive_tail_keeps_containers},
      {"ALogDescribesItself", a_log_describes_itself},
      {"LsnsAreMadeTakenApartAndCompared", lsns_are_made_taken_apart_and_compared},
      {NULL, NULL}};
  return run_sections(argc, argv, sections);
}
