// Names of prepared transactions: whole, or not ours.
#include "names/branch_name.h"

#include <gtest/gtest.h>

#include "names/xa_name.h"

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

// ---- X/Open's

XaName xa_sample() {
  return {Uuid::generate(), Uuid::generate(), Uuid::generate(), Uuid::generate()};
}

TEST(XaName, IsReadAsWritten) {
  const XaName name = xa_sample();
  EXPECT_EQ(XaName::parse(name.to_string()), name);
  EXPECT_EQ(XaName::parse(XaName::kFormat, name.global_part(), name.branch_part()), name);
}

TEST(XaName, FillsBothParts) {
  EXPECT_EQ(xa_sample().global_part().size(), 64U);
  EXPECT_EQ(xa_sample().branch_part().size(), 64U);
}

TEST(XaName, AChangedLetterIsAnotherNameOrNone) {
  const XaName name = xa_sample();
  for (std::size_t at = 0; at < 64; ++at) {
    for (const char with : {'0', 'F', 'x', '-', '\0'}) {
      std::string global = name.global_part();
      std::string branch = name.branch_part();
      global[at] = with;
      branch[at] = with;
      if (global != name.global_part()) {
        EXPECT_NE(XaName::parse(XaName::kFormat, global, name.branch_part()), name) << at;
      }
      if (branch != name.branch_part()) {
        EXPECT_NE(XaName::parse(XaName::kFormat, name.global_part(), branch), name) << at;
      }
    }
  }
}

TEST(XaName, OtherFormatsAndLengthsAreNone) {
  const XaName name = xa_sample();
  EXPECT_EQ(XaName::parse(1, name.global_part(), name.branch_part()), std::nullopt);
  for (std::size_t size = 0; size < 64; ++size) {
    const std::string part = name.global_part().substr(0, size);
    EXPECT_EQ(XaName::parse(XaName::kFormat, part, name.branch_part()), std::nullopt) << size;
    EXPECT_EQ(XaName::parse(XaName::kFormat, name.global_part(), part), std::nullopt) << size;
  }
}

}  // namespace
}  // namespace cairn::rm
