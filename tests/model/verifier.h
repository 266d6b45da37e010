// A model's verifier: the program that spin makes of it, which explores every state.
#ifndef CAIRN_TESTS_MODEL_VERIFIER_H_
#define CAIRN_TESTS_MODEL_VERIFIER_H_

#include <cstdint>
#include <filesystem>
#include <set>
#include <string>

namespace cairn::model {

// What one exploration found.
struct Verdict {
  bool complete = false;  // every state was explored, or an error was found
  std::string error;      // in the verifier's words; empty: none
  std::uint64_t states = 0;
  std::uint64_t transitions = 0;
  std::set<std::string> walked;  // the moves that were made, as row() writes them
  std::string output;

  // T1 ... T4 or M4 of docs/architecture.md, or Order: told what contradicts what it did or
  // promised.
  [[nodiscard]] std::string broken_property() const;
};

// Whether spin and a C compiler are there. `why_not` names what is missing.
[[nodiscard]] bool can_verify(std::string* why_not);

class Verifier {
 public:
  // REQUIRES can_verify(). `members`: how many resource managers. `optimized`: compiled for a long
  // exploration. Its files are in a temporary directory as long as it lives. A failure of the test
  // when it cannot be made.
  Verifier(const std::string& model, int members, bool optimized);
  ~Verifier();
  Verifier(const Verifier&) = delete;
  Verifier& operator=(const Verifier&) = delete;

  // Explores all states with the promise of this number broken; 0: none.
  [[nodiscard]] Verdict explore(int mutant) const;

  // What spin prints when it replays the error that explore() of this mutant found last.
  [[nodiscard]] std::string replay(int mutant) const;

 private:
  [[nodiscard]] std::string run(const std::string& command) const;

  std::string model_;
  std::string definitions_;
  int hash_bits_;  // of the table of states: a large one takes time to clear
  std::filesystem::path directory_;
};

}  // namespace cairn::model

#endif  // CAIRN_TESTS_MODEL_VERIFIER_H_
