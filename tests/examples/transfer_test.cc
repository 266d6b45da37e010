// Rows of the bank: what is read is what was written, and a bad row is named.
#include "bank/transfer.h"

#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cairn::examples::bank {
namespace {

using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Le;
using testing::Lt;

Result<std::vector<Transfer>> parse(const std::string& text) {
  std::istringstream in(text);
  return read_csv(in, "x.csv");
}

TEST(TransferCsv, WhatIsWrittenIsReadBack) {
  const std::vector<Transfer> transfers = generate({.transfers = 500, .accounts = 7}).value();
  std::ostringstream out;
  write_csv(out, transfers);
  EXPECT_EQ(parse(out.str()).value(), transfers);
}

TEST(TransferCsv, LinesOfOtherSystemsAreRead) {
  EXPECT_THAT(parse("id,from,to,amount\r\n7,0,1,50\r\n").value(),
              ElementsAre(Transfer{.id = 7, .from = 0, .to = 1, .amount = 50}));
}

TEST(TransferCsv, AHeaderAloneIsNoTransfers) {
  EXPECT_THAT(parse("id,from,to,amount\n").value(), IsEmpty());
}

TEST(TransferCsv, ABadRowIsRefusedWithItsLine) {
  for (const std::string row : {"", "1,2,3", "1,2,3,4,5", "x,2,3,4", "-1,2,3,4", "1,2,2,4",
                                "1,2,3,0", "1,2,3,-4", "1,2,3,4 ", "1,1000000,3,4", "1,2,1000000,4",
                                "1,2,3,1000000001", "99999999999999999999,2,3,4", "9,0,1,5"}) {
    const auto read = parse("id,from,to,amount\n9,0,1,5\n" + row + "\n");
    EXPECT_EQ(read.code(), StatusCode::kInvalidArgument) << row;
    EXPECT_THAT(read.status().message(), HasSubstr("x.csv, line 3: expected")) << row;
  }
}

TEST(TransferCsv, AnotherHeaderOrNoneIsRefused) {
  for (const std::string text : {"", "from,to\n", "1,2,3,4\n"}) {
    EXPECT_EQ(parse(text).code(), StatusCode::kInvalidArgument) << text;
  }
}

TEST(Generator, TheSameSeedGivesTheSameRows) {
  const GeneratorOptions options{.transfers = 100, .accounts = 10, .seed = 4};
  EXPECT_EQ(generate(options).value(), generate(options).value());
  GeneratorOptions other = options;
  other.seed = 5;
  EXPECT_NE(generate(options).value(), generate(other).value());
}

TEST(Generator, EveryRowIsValid) {
  const auto transfers = generate({.transfers = 5000, .accounts = 2, .seed = 1}).value();
  EXPECT_THAT(transfers, Each(AllOf(Field(&Transfer::from, Lt(2U)), Field(&Transfer::to, Lt(2U)),
                                    Field(&Transfer::amount, Le(kMaxAmount)))));
  std::ostringstream out;
  write_csv(out, transfers);
  EXPECT_TRUE(parse(out.str()).is_ok());
}

TEST(Generator, ImpossibleOptionsAreRefused) {
  EXPECT_EQ(generate({.transfers = 0}).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(generate({.accounts = 1}).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(generate({.accounts = kMaxAccounts + 1}).code(), StatusCode::kInvalidArgument);
}

TEST(AccountsOf, IsOneMoreThanTheHighest) {
  EXPECT_EQ(accounts_of({{.id = 1, .from = 3, .to = 9, .amount = 1}}), 10U);
  EXPECT_EQ(accounts_of({{.id = 1, .from = 9, .to = 3, .amount = 1}}), 10U);
}

}  // namespace
}  // namespace cairn::examples::bank
