// Every input that the fuzzers kept, replayed: in every build, and without them.
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "fuzz/fuzz_target.h"
#include "sim/test_heap.h"

namespace cairn::fuzz {
namespace {

const std::filesystem::path kCorpus = CAIRN_FUZZ_CORPUS;

std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

class FuzzCorpus : public testing::TestWithParam<FuzzTarget> {};

TEST_P(FuzzCorpus, KeepsEveryPromise) {
  std::size_t inputs = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kCorpus / GetParam().name)) {
    SCOPED_TRACE(entry.path());
    const std::string bytes = read_file(entry.path());
    GetParam().run(std::as_bytes(std::span(bytes)));
    // Cut anywhere it is an input too.
    for (std::size_t length = 0; length < bytes.size(); length += 1 + bytes.size() / 16) {
      GetParam().run(std::as_bytes(std::span(bytes)).first(length));
    }
    ++inputs;
  }
  EXPECT_GT(inputs, 0U);
}

INSTANTIATE_TEST_SUITE_P(Targets, FuzzCorpus,
                         testing::ValuesIn(fuzz_targets().begin(), fuzz_targets().end()),
                         [](const auto& target) { return std::string(target.param.name); });

TEST(FuzzCorpusNotice, APromiseThatIsBroken) {
  EXPECT_DEATH(expect(false, "this one"), "broken: this one");
}

}  // namespace
}  // namespace cairn::fuzz
