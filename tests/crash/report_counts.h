// What an Explorer did, for the reader of a test's output and for the counters of the test run.
#ifndef CAIRN_TESTS_CRASH_REPORT_COUNTS_H_
#define CAIRN_TESTS_CRASH_REPORT_COUNTS_H_

#include <cstdio>

#include <cairn/torture/explorer.h>

#include "sim/test_counters.h"

namespace cairn::crash_test {

// Prints what was done, and adds it to the counters of the test run as `name`.
inline void report(const torture::Counts& counts, const char* name) {
  std::printf(
      "[ crashes  ] %llu crash points, %llu images, %llu more with a crash in recovery, "
      "%llu with a commit and a crash after it\n",
      static_cast<unsigned long long>(counts.crash_points),
      static_cast<unsigned long long>(counts.images),
      static_cast<unsigned long long>(counts.recovery_crash_images),
      static_cast<unsigned long long>(counts.commit_crash_images));
  sim::TestCounters::get().add(
      name, counts.images + counts.recovery_crash_images + counts.commit_crash_images);
}

}  // namespace cairn::crash_test

#endif  // CAIRN_TESTS_CRASH_REPORT_COUNTS_H_
