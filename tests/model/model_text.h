// What the models say, read from their text.
#ifndef CAIRN_TESTS_MODEL_MODEL_TEXT_H_
#define CAIRN_TESTS_MODEL_MODEL_TEXT_H_

#include <filesystem>
#include <set>
#include <string>
#include <vector>

namespace cairn::model {

// The directory of the models.
[[nodiscard]] std::filesystem::path directory();

// All bytes of a file. A failure of the test when there is none.
[[nodiscard]] std::string text_of(const std::filesystem::path& file);

// A row of a table as one line: "transaction Active Commit Phases PrePreparing".
[[nodiscard]] std::string row(const std::string& machine, const std::string& from,
                              const std::string& event, const std::string& condition,
                              const std::string& to);

// Every move that a file of the models makes, without those it includes.
[[nodiscard]] std::set<std::string> moves_in(const std::string& file);

// A promise that can be broken on purpose.
struct Mutant {
  std::string name;  // without MUTANT_
  int number = 0;
};

// Those that `model` must reject: machines.pml names them in groups.
[[nodiscard]] std::vector<Mutant> mutants_of(const std::string& model);

}  // namespace cairn::model

#endif  // CAIRN_TESTS_MODEL_MODEL_TEXT_H_
