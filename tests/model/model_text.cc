#include "model/model_text.h"

#include <fstream>
#include <iterator>
#include <regex>

#include <gtest/gtest.h>

namespace cairn::model {
std::filesystem::path directory() { return CAIRN_MODELS; }

std::string text_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  EXPECT_TRUE(in.is_open()) << file;
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

std::string row(const std::string& machine, const std::string& from, const std::string& event,
                const std::string& condition, const std::string& to) {
  return machine + " " + from + " " + event + " " + condition + " " + to;
}

std::set<std::string> moves_in(const std::string& file) {
  static const std::regex move(
      "move_(transaction|enlistment|superior|rm|tm)\\(\\w+(?:\\[\\w+\\])?, (\\w+), (\\w+), (\\w+), "
      "(\\w+)\\)");
  static const std::regex any("move_(transaction|enlistment|superior|rm|tm)\\(");
  const std::string text = text_of(directory() / file);
  const auto count = [&text](const std::regex& what) {
    return std::distance(std::sregex_iterator(text.begin(), text.end(), what),
                         std::sregex_iterator());
  };
  std::set<std::string> moves;
  for (std::sregex_iterator found(text.begin(), text.end(), move), end; found != end; ++found) {
    const std::smatch& part = *found;
    moves.insert(row(part[1], part[2], part[3], part[4], part[5]));
  }
  EXPECT_EQ(count(move), count(any)) << file << " has a move that this test cannot read";
  return moves;
}

std::vector<Mutant> mutants_of(const std::string& model) {
  static const std::regex line("/\\* Rejected in (\\w+\\.pml): \\*/|#define MUTANT_(\\w+) (\\d+)");
  const std::string text = text_of(directory() / "machines.pml");
  std::vector<Mutant> mutants;
  std::string group;
  for (std::sregex_iterator found(text.begin(), text.end(), line), end; found != end; ++found) {
    const std::smatch& part = *found;
    if (part[1].matched) group = part[1];
    if (part[2].matched && group == model) mutants.push_back({part[2], std::stoi(part[3])});
  }
  return mutants;
}

}  // namespace cairn::model
