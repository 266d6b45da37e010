// Tally: how often each thing happened in a run of the simulation.
#ifndef CAIRN_TESTS_SYSTEM_TALLY_H_
#define CAIRN_TESTS_SYSTEM_TALLY_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace cairn::system_test {

class Tally {
 public:
  void add(std::string_view name, std::uint64_t count = 1) {
    const auto found = counts_.find(name);
    if (found == counts_.end()) {
      counts_.emplace(name, count);
    } else {
      found->second += count;
    }
  }
  [[nodiscard]] std::uint64_t of(std::string_view name) const {
    const auto found = counts_.find(name);
    return found == counts_.end() ? 0 : found->second;
  }
  [[nodiscard]] const std::map<std::string, std::uint64_t, std::less<>>& all() const {
    return counts_;
  }

 private:
  std::map<std::string, std::uint64_t, std::less<>> counts_;
};

}  // namespace cairn::system_test

#endif  // CAIRN_TESTS_SYSTEM_TALLY_H_
