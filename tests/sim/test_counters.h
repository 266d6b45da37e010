// What the exploring tests did, in numbers: tools/test adds them up and prints them at its end.
//
// With CAIRN_TEST_COUNTERS in the environment, a test program that ends writes a file of its own
// into the directory named there: a line "VALUE NAME" for each counter, and a line "= NAME VALUE"
// for each fact that is compared, not added.
#ifndef CAIRN_TESTS_SIM_TEST_COUNTERS_H_
#define CAIRN_TESTS_SIM_TEST_COUNTERS_H_

#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <map>
#include <string>

namespace cairn::sim {

class TestCounters {
 public:
  // The one of this program. For one thread.
  static TestCounters& get() {
    static TestCounters counters;
    return counters;
  }
  TestCounters(const TestCounters&) = delete;
  TestCounters& operator=(const TestCounters&) = delete;

  void add(const std::string& name, std::uint64_t value = 1) { counts_[name] += value; }
  // For example the digest of all that happened from one seed.
  void note(const std::string& name, const std::string& value) { facts_[name] = value; }

 private:
  TestCounters() = default;
  ~TestCounters() {
    const char* directory = std::getenv("CAIRN_TEST_COUNTERS");
    if (directory == nullptr || (counts_.empty() && facts_.empty())) return;
    std::ofstream out(std::string(directory) + "/" + std::to_string(::getpid()) + ".txt");
    for (const auto& [name, value] : counts_) out << value << " " << name << "\n";
    for (const auto& [name, value] : facts_) out << "= " << name << " " << value << "\n";
  }

  std::map<std::string, std::uint64_t> counts_;
  std::map<std::string, std::string> facts_;
};

// A running sum over values in order: two runs that did the same have the same. (FNV-1a over 64-bit
// words.)
class Digest {
 public:
  void add(std::uint64_t value) { sum_ = (sum_ ^ value) * 0x100000001b3ULL ^ (sum_ >> 29); }
  void add(const std::string& text) {
    for (const char letter : text) add(static_cast<unsigned char>(letter));
  }
  [[nodiscard]] std::string to_string() const {
    constexpr char kHex[] = "0123456789abcdef";
    std::string text(16, '0');
    std::uint64_t rest = sum_;
    for (std::size_t i = text.size(); i-- > 0; rest >>= 4) text[i] = kHex[rest & 15];
    return text;
  }

 private:
  std::uint64_t sum_ = 0xcbf29ce484222325ULL;
};

}  // namespace cairn::sim

#endif  // CAIRN_TESTS_SIM_TEST_COUNTERS_H_
