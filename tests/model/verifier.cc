#include "model/verifier.h"

#include <cstdlib>
#include <regex>
#include <sstream>

#include <gtest/gtest.h>

#include <cairn/uuid.h>

#include "model/model_text.h"

namespace cairn::model {
namespace {

// MiB. The largest exploration takes a third of it.
constexpr int kMemoryLimit = 1000;

// The first number in `text` that stands before `what`.
std::uint64_t number_before(const std::string& text, const std::string& what) {
  std::smatch found;
  const std::regex pattern("(\\d+) " + what);
  return std::regex_search(text, found, pattern) ? std::stoull(found[1]) : 0;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

std::string Verdict::broken_property() const {
  if (error.empty()) return "";
  if (has(error, "acceptance cycle") || has(error, "!(ended)")) return "T4";
  if (has(error, "done_somewhere&&undone_somewhere")) return "T1";
  if (has(error, "shown_committed&&undone_somewhere")) return "T2";
  if (has(error, "shown_aborted&&done_somewhere")) return "T3";
  if (has(error, "shown_committed&&shown_aborted")) return "M4";
  if (has(error, "work[i]") || has(error, "enlistment[") || has(error, "superior!="))
    return "Order";
  return "unknown";
}

bool can_verify(std::string* why_not) {
  const std::string spin = CAIRN_SPIN;
  const std::string compiler = CAIRN_MODEL_COMPILER;
  if (spin.empty()) *why_not = "spin is not installed (Debian: spin); tools/setup installs it";
  if (compiler.empty()) *why_not = "no C compiler is installed; tools/setup installs one";
  return !spin.empty() && !compiler.empty();
}

Verifier::Verifier(const std::string& model, int members, bool optimized)
    : model_(model),
      definitions_("-DMEMBERS=" + std::to_string(members)),
      hash_bits_(optimized ? 22 : 18),
      directory_(std::filesystem::temp_directory_path() /
                 ("cairn-model-" + Uuid::generate().to_string())) {
  std::filesystem::create_directory(directory_);
  const std::string made = run(std::string(CAIRN_SPIN) + " -DVERIFIER " + definitions_ + " -a " +
                               (directory() / model_).string());
  const std::string compiled =
      run(std::string(CAIRN_MODEL_COMPILER) + (optimized ? " -O2" : " -O0") +
          " -w -DMEMLIM=" + std::to_string(kMemoryLimit) + " -o verifier pan.c");
  EXPECT_TRUE(std::filesystem::exists(directory_ / "verifier")) << made << compiled;
  EXPECT_FALSE(has(made, "Error")) << made;
}

Verifier::~Verifier() {
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

// What it says, errors included.
std::string Verifier::run(const std::string& command) const {
  const std::filesystem::path output = directory_ / "output.txt";
  const std::string line =
      "cd '" + directory_.string() + "' && ( " + command + " ) > output.txt 2>&1";
  // Its verdict is in what it prints.
  [[maybe_unused]] const int status = std::system(line.c_str());
  return text_of(output);
}

Verdict Verifier::explore(int mutant) const {
  Verdict verdict;
  // Liveness too (-a); a run longer than -m is an error (-b); no list of what was not reached (-n).
  verdict.output = run("MUTANT=" + std::to_string(mutant) + " ./verifier -a -b -m100000 -n -w" +
                       std::to_string(hash_bits_));
  std::istringstream lines(verdict.output);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("walked ")) verdict.walked.insert(line.substr(7));
    if (line.starts_with("pan:1: ")) verdict.error = line.substr(7);
  }
  verdict.states = number_before(verdict.output, "states, stored");
  verdict.transitions = number_before(verdict.output, "transitions");
  const bool searched = has(verdict.output, "Full statespace search for:");
  const bool cut_off = has(verdict.output, "Search not completed");
  verdict.complete = searched && (!cut_off || !verdict.error.empty());
  return verdict;
}

std::string Verifier::replay(int mutant) const {
  return run(std::string(CAIRN_SPIN) + " -DMUTANT=" + std::to_string(mutant) + " " + definitions_ +
             " -k " + model_ + ".trail -p -g " + (directory() / model_).string());
}

}  // namespace cairn::model
