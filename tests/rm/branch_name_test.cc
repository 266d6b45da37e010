// Names of prepared transactions: whole, or not ours.
#include "names/branch_name.h"

#include <gtest/gtest.h>

namespace cairn::rm {
namespace {

BranchName sample() { return {Uuid::generate(), Uuid::generate(), Uuid::generate()}; }

TEST(BranchName, IsReadAsWritten) {
  const BranchName name = sample();
  EXPECT_EQ(BranchName::parse(name.to_string()), name);
}

TEST(BranchName, NoPartOfANameIsAName) {
  const std::string text = sample().to_string();
  for (std::size_t size = 0; size < text.size(); ++size) {
    EXPECT_EQ(BranchName::parse(text.substr(0, size)), std::nullopt) << size;
  }
  EXPECT_EQ(BranchName::parse(text + "x"), std::nullopt);
}

TEST(BranchName, AChangedLetterIsAnotherNameOrNone) {
  const BranchName name = sample();
  const std::string text = name.to_string();
  for (std::size_t at = 0; at < text.size(); ++at) {
    for (const char with : {'0', 'F', 'x', ':', '-'}) {
      std::string changed = text;
      changed[at] = with;
      if (changed == text) continue;
      EXPECT_NE(BranchName::parse(changed), name) << changed;
    }
  }
}

TEST(BranchName, NamesOfOthersAreNone) {
  for (const std::string text : {"", "xid1", "cairn:1:", "cairn:2:"}) {
    EXPECT_EQ(BranchName::parse(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace cairn::rm
