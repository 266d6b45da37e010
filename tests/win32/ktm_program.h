/* What the C programs share: checks that say where, and text as KTM takes it. */
#ifndef CAIRN_TESTS_WIN32_KTM_PROGRAM_H_
#define CAIRN_TESTS_WIN32_KTM_PROGRAM_H_

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cairn/win32_types.h>

/* Ends the program unless the condition holds, and says the last error. */
#define MUST(condition)                                                             \
  do {                                                                              \
    if (!(condition)) {                                                             \
      fprintf(stderr, "%s:%d: %s: error %u (%s)\n", __FILE__, __LINE__, #condition, \
              (unsigned)GetLastError(), CairnLastErrorText());                      \
      exit(1);                                                                      \
    }                                                                               \
  } while (0)

#define MUST_FAIL(call, error)       \
  do {                               \
    MUST(!(call));                   \
    MUST(GetLastError() == (error)); \
  } while (0)

/* A path of the program's arguments, in ASCII. The result is good until the next call. */
static WCHAR *wide(const char *text) {
  static WCHAR buffer[4096];
  size_t i = 0;
  for (; text[i] != '\0' && i + 1 < sizeof buffer / sizeof buffer[0]; ++i) {
    buffer[i] = (WCHAR)(unsigned char)text[i];
  }
  buffer[i] = L'\0';
  return buffer;
}

typedef struct {
  const char *name;
  void (*run)(const char *directory);
} Section;

/* PROGRAM DIRECTORY SECTION...: runs the sections that are named, or, for "all", all of them. Logs
   may be made in the directory. */
static int run_sections(int argc, char **argv, const Section *sections) {
  int found = 0;
  const Section *section;
  int i;
  for (i = 2; i < argc; ++i) {
    for (section = sections; section->name != NULL; ++section) {
      if (strcmp(argv[i], "all") != 0 && strcmp(argv[i], section->name) != 0) continue;
      section->run(argv[1]);
      ++found;
    }
  }
  if (found != 0) return 0;
  fprintf(stderr, "usage: %s DIRECTORY SECTION...|all\n", argv[0]);
  return 2;
}

#endif /* CAIRN_TESTS_WIN32_KTM_PROGRAM_H_ */
