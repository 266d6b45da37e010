// How much the kit does in a test: a third of its runs; CAIRN_TEST_BUDGET=2 asks for all of them,
// CAIRN_TEST_SECONDS for as many rounds as that takes.
#ifndef CAIRN_TESTS_RM_KIT_OPTIONS_H_
#define CAIRN_TESTS_RM_KIT_OPTIONS_H_

#include <cstdlib>

#include <cairn/rm_kit.h>

#include "sim/test_budget.h"

namespace cairn::rm_kit {

inline Options options() {
  Options options;
  options.stride = sim::test_budget() > 1 ? 1 : sim::test_budget() == 1 ? 3 : 29;
  const char* seconds = std::getenv("CAIRN_TEST_SECONDS");
  if (seconds != nullptr) options.time = std::chrono::seconds(std::atoi(seconds));
  return options;
}

}  // namespace cairn::rm_kit

#endif  // CAIRN_TESTS_RM_KIT_OPTIONS_H_
