// The models hold, and would not if a promise were broken.
#include <algorithm>
#include <cstdlib>
#include <map>
#include <regex>

#include <gtest/gtest.h>

#include "model/model_text.h"
#include "model/verifier.h"
#include "sim/test_counters.h"

namespace cairn::model {
namespace {

using Names = std::set<std::string>;

// A minute is enough for one resource manager more.
bool has_time_for_more() {
  const char* seconds = std::getenv("CAIRN_TEST_SECONDS");
  return seconds != nullptr && std::atoi(seconds) >= 60;
}

// The property that rejects each mutant, by the table of docs/model.md.
std::map<std::string, std::string> documented() {
  static const std::regex line("\\| `([A-Z_]+)` \\| (T[1-4]|M4|Order) \\|");
  const std::string text = text_of(CAIRN_MODEL_DOCUMENT);
  std::map<std::string, std::string> table;
  for (std::sregex_iterator found(text.begin(), text.end(), line), end; found != end; ++found) {
    table[(*found)[1]] = (*found)[2];
  }
  return table;
}

class Model : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string why_not;
    if (!can_verify(&why_not)) GTEST_SKIP() << why_not;
  }

  // No state breaks a promise, every run ends with everything forgotten, and each of `moves` is
  // made.
  static void expect_sound(const Verifier& verifier, const Names& moves) {
    const Verdict verdict = verifier.explore(0);
    EXPECT_TRUE(verdict.complete) << verdict.output;
    ASSERT_EQ(verdict.error, "") << verdict.output << verifier.replay(0);
    Names unmade;
    std::ranges::set_difference(moves, verdict.walked, std::inserter(unmade, unmade.end()));
    EXPECT_EQ(unmade, Names()) << "moves that no run makes: the model shows nothing about them";
    sim::TestCounters::get().add("model states explored", verdict.states);
    sim::TestCounters::get().add("model transitions explored", verdict.transitions);
  }

  // Each mutant breaks a property, the one that docs/model.md names. How, spin replays; that is
  // tried once, since statements are the same for all.
  static void expect_mutants_rejected(const Verifier& verifier, const std::string& model) {
    std::map<std::string, std::string> properties = documented();
    for (const Mutant& mutant : mutants_of(model)) {
      SCOPED_TRACE(mutant.name);
      const Verdict verdict = verifier.explore(mutant.number);
      EXPECT_NE(verdict.error, "") << "it was not seen that the promise is broken";
      if (verdict.error.empty()) continue;
      EXPECT_EQ(verdict.broken_property(), properties[mutant.name]) << verdict.error;
      sim::TestCounters::get().add("model mutants rejected");
    }
    const Mutant first = mutants_of(model).front();
    ASSERT_NE(verifier.explore(first.number).error, "");
    const std::string replayed = verifier.replay(first.number);
    EXPECT_NE(replayed.find("spin: trail ends after"), std::string::npos) << replayed;
  }
};

Names with(Names names, const Names& more) {
  names.insert(more.begin(), more.end());
  return names;
}

TEST_F(Model, OfARootManagerHoldsAndItsMutantsDoNot) {
  const Verifier verifier("commit.pml", 2, false);
  expect_sound(verifier, with(moves_in("commit.pml"), moves_in("members.pml")));
  expect_mutants_rejected(verifier, "commit.pml");
  if (has_time_for_more()) {
    expect_sound(Verifier("commit.pml", 3, true), moves_in("commit.pml"));
  }
}

TEST_F(Model, OfASubordinateAndItsSuperiorHoldsAndItsMutantsDoNot) {
  const Verifier verifier("superior.pml", 1, false);
  expect_sound(verifier, moves_in("superior.pml"));
  expect_mutants_rejected(verifier, "superior.pml");
  if (has_time_for_more()) {
    expect_sound(Verifier("superior.pml", 2, true), moves_in("superior.pml"));
  }
}

TEST(ModelDocument, NamesEachMutantAndNoOther) {
  Names mutants;
  for (const char* model : {"commit.pml", "superior.pml"}) {
    EXPECT_GE(mutants_of(model).size(), 10U);
    for (const Mutant& mutant : mutants_of(model)) mutants.insert(mutant.name);
  }
  Names named;
  for (const auto& [mutant, property] : documented()) named.insert(mutant);
  EXPECT_EQ(named, mutants);
}

}  // namespace
}  // namespace cairn::model
