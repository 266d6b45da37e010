// The seeds of the exploring tests: 1, 2 (with a reduced budget, as under a sanitizer, 1 alone),
// or those that CAIRN_TEST_SEEDS names ("7,8,9"; tools/test --seeds sets it).
#ifndef CAIRN_TESTS_SIM_TEST_SEEDS_H_
#define CAIRN_TESTS_SIM_TEST_SEEDS_H_

#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "sim/test_budget.h"

namespace cairn::sim {

// How many test cases share the seeds; cases have fixed names, whatever the seeds are.
inline constexpr std::size_t kSeedShares = 2;

[[nodiscard]] inline std::vector<std::uint64_t> test_seeds() {
  const char* text = std::getenv("CAIRN_TEST_SEEDS");
  if (text == nullptr || *text == '\0') {
    return test_budget() < 1 ? std::vector<std::uint64_t>{1} : std::vector<std::uint64_t>{1, 2};
  }
  std::vector<std::uint64_t> seeds;
  for (char* end = nullptr;; text = end + 1) {
    seeds.push_back(std::strtoull(text, &end, 10));
    if (*end != ',') return seeds;
  }
}

// The seeds of the test case number `share`, from 0; none if there are fewer seeds than cases.
[[nodiscard]] inline std::vector<std::uint64_t> test_seeds_of(std::size_t share) {
  std::vector<std::uint64_t> mine;
  const std::vector<std::uint64_t> all = test_seeds();
  for (std::size_t i = share; i < all.size(); i += kSeedShares) mine.push_back(all[i]);
  return mine;
}

}  // namespace cairn::sim

#endif  // CAIRN_TESTS_SIM_TEST_SEEDS_H_
