// How much a test that could go on for ever does.
//
// CAIRN_TEST_BUDGET in the environment multiplies the work of the exploring tests: 1 is the default
// run, 100 a night. Under a sanitizer the default is smaller, because each step takes several times
// as long; smallest under TSan, which has nothing to find where one thread explores alone.
#ifndef CAIRN_TESTS_SIM_TEST_BUDGET_H_
#define CAIRN_TESTS_SIM_TEST_BUDGET_H_

#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "sim/sanitizer.h"

namespace cairn::sim {

[[nodiscard]] inline double test_budget() {
  constexpr double kDefault = kThreadSanitizer ? 0.02 : kAddressSanitizer ? 0.03 : 1.0;
  const char* text = std::getenv("CAIRN_TEST_BUDGET");
  const double factor = text == nullptr ? 1.0 : std::strtod(text, nullptr);
  return kDefault * (factor > 0 ? factor : 1.0);
}

// `amount` of work as the budget allows, at least 1.
[[nodiscard]] inline std::uint64_t budgeted(std::uint64_t amount) {
  return std::max<std::uint64_t>(
      1, static_cast<std::uint64_t>(static_cast<double>(amount) * test_budget()));
}

// For a sweep over all places: from one that is tried to the next. 1, each of them, unless the
// budget is as small as under a sanitizer, then `small`.
[[nodiscard]] inline std::uint64_t sweep_stride(std::uint64_t small) {
  return test_budget() < 0.2 ? small : 1;
}

}  // namespace cairn::sim

#endif  // CAIRN_TESTS_SIM_TEST_BUDGET_H_
