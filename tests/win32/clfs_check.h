/* What the CLFS programs of the tests share: plain C, CLFS's names only. */
#ifndef CAIRN_TESTS_WIN32_CLFS_CHECK_H_
#define CAIRN_TESTS_WIN32_CLFS_CHECK_H_

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include <cairn/clfsmgmtw32.h>

#define CHECK(condition)                                                                          \
  do {                                                                                            \
    if (!(condition)) {                                                                           \
      fprintf(stderr, "%s:%d: expected %s; last error %u (%s)\n", __FILE__, __LINE__, #condition, \
              (unsigned)GetLastError(), CairnLastErrorText());                                    \
      exit(1);                                                                                    \
    }                                                                                             \
  } while (0)

/* The call must fail, and with this error. */
#define CHECK_ERROR(error, call)                                                              \
  do {                                                                                        \
    SetLastError(ERROR_SUCCESS);                                                              \
    const BOOL succeeded_ = (call);                                                           \
    if (succeeded_ || GetLastError() != (error)) {                                            \
      fprintf(stderr, "%s:%d: %s: expected %s (%u), found %s, error %u (%s)\n", __FILE__,     \
              __LINE__, #call, #error, (unsigned)(error), succeeded_ ? "success" : "failure", \
              (unsigned)GetLastError(), CairnLastErrorText());                                \
      exit(1);                                                                                \
    }                                                                                         \
  } while (0)

#define ALL_ACCESS (GENERIC_READ | GENERIC_WRITE | DELETE)
#define ALL_SHARED (FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE)
#define AREA_BYTES 32768u

typedef struct {
  const char* name;
  void (*run)(void);
} Section;

/* The directory that the logs of this run lie in. */
static const char* test_directory;

/* "log:<directory>/<name>" in a buffer of the caller's. */
static inline wchar_t* log_name(wchar_t* out, const char* name) {
  swprintf(out, 512, L"log:%s/%s", test_directory, name);
  return out;
}

static inline HANDLE open_log_as(const char* name, ULONG disposition, ULONG flags) {
  wchar_t text[512];
  return CreateLogFile(log_name(text, name), ALL_ACCESS, ALL_SHARED, NULL, disposition, flags);
}

/* A new log, or a new stream of one. */
static inline HANDLE new_log(const char* name) {
  const HANDLE log = open_log_as(name, CREATE_NEW, 0);
  CHECK(log != INVALID_HANDLE_VALUE);
  return log;
}

static inline void add_containers(HANDLE log, USHORT count) {
  ULONGLONG size = 1 << 20;
  wchar_t names[16][32];
  LPWSTR paths[16];
  for (USHORT i = 0; i < count; ++i) {
    swprintf(names[i], 32, L"%%BLF%%/container%d", (int)i);
    paths[i] = names[i];
  }
  CHECK(AddLogContainerSet(log, count, &size, paths, NULL));
  CHECK(size == 1 << 20);
}

static inline PVOID new_area(HANDLE log) {
  PVOID area = NULL;
  CHECK(CreateLogMarshallingArea(log, NULL, NULL, NULL, AREA_BYTES, INFINITE, 4, &area));
  CHECK(area != NULL);
  return area;
}

/* Appends `bytes` bytes of `fill`. */
static inline BOOL append_bytes(PVOID area, ULONG bytes, char fill, ULONG flags, CLFS_LSN* lsn) {
  static char data[AREA_BYTES];
  CLFS_WRITE_ENTRY entry;
  memset(data, fill, sizeof data);
  entry.Buffer = data;
  entry.ByteLength = bytes;
  return ReserveAndAppendLog(area, &entry, 1, NULL, NULL, 0, NULL, flags, lsn, NULL);
}

/* Appends the text, its end included, with these links. */
static inline CLFS_LSN append_text(PVOID area, const char* text, CLFS_LSN* undo_next,
                                   CLFS_LSN* previous) {
  CLFS_LSN lsn = CLFS_LSN_INVALID;
  CLFS_WRITE_ENTRY entry;
  entry.Buffer = (PVOID)text;
  entry.ByteLength = (ULONG)strlen(text) + 1;
  CHECK(ReserveAndAppendLog(area, &entry, 1, undo_next, previous, 0, NULL, CLFS_FLAG_NO_FLAGS, &lsn,
                            NULL));
  return lsn;
}

static inline CLFS_INFORMATION information_of(HANDLE log) {
  CLFS_INFORMATION information;
  ULONG size = sizeof information;
  CHECK(GetLogFileInformation(log, &information, &size));
  CHECK(size == sizeof information);
  return information;
}

/* Appends until the log, of 10 containers at most, is full. Returns the error that says so, and the
 * last record. */
static inline DWORD fill_log(PVOID area, CLFS_LSN* last) {
  ULONG bytes = 30000;
  for (int records = 0;; ++records) {
    CHECK(records < 1000);
    if (append_bytes(area, bytes, 'f', CLFS_FLAG_NO_FLAGS, last)) continue;
    const DWORD error = GetLastError();
    if (bytes == 0 || (error != ERROR_LOG_FULL && error != ERROR_LOG_PINNED_ARCHIVE_TAIL &&
                       error != ERROR_LOG_PINNED_RESERVATION)) {
      return error;
    }
    bytes /= 8;
  }
}

/* Runs the sections that are named, or all of them. */
static inline int run_sections(int argc, char** argv, const Section* sections) {
  if (argc < 3) {
    fprintf(stderr, "usage: %s DIRECTORY SECTION...|all\n", argv[0]);
    return 2;
  }
  test_directory = argv[1];
  for (int i = 2; i < argc; ++i) {
    int found = 0;
    for (const Section* section = sections; section->name != NULL; ++section) {
      if (strcmp(argv[i], "all") != 0 && strcmp(argv[i], section->name) != 0) continue;
      section->run();
      ++found;
    }
    if (found == 0) {
      fprintf(stderr, "no section %s\n", argv[i]);
      return 2;
    }
  }
  return 0;
}

#endif /* CAIRN_TESTS_WIN32_CLFS_CHECK_H_ */
