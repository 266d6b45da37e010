// The bank as a whole: killed, recovered, audited.
#include "bank/bank.h"

#include <filesystem>
#include <fstream>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bank/child.h"
#include "bank/directory.h"
#include "bank/driver.h"
#include "bank/store.h"
#include "servers/temporary_directory.h"

namespace cairn::examples::bank {
namespace {

using testing::HasSubstr;

class BankTest : public testing::Test {
 protected:
  void open() {
    auto opened = Bank::open(temporary.path());
    ASSERT_TRUE(opened.is_ok()) << opened.status().to_string();
    bank = std::move(*opened);
    ASSERT_TRUE(bank->open_accounts(4));
  }
  void SetUp() override { open(); }
  void reopen() {
    ASSERT_TRUE(bank->close());
    bank.reset();
    open();
  }
  Audit run_audit(const std::vector<Outcome>& outcomes) {
    return audit(bank->contents().value(), 4, transfers, outcomes);
  }

  const TemporaryDirectory temporary;
  std::unique_ptr<Bank> bank;
  const std::vector<Transfer> transfers{
      {.id = 1, .from = 0, .to = 1, .amount = 10},
      {.id = 2, .from = 2, .to = 0, .amount = 20},
      {.id = 3, .from = 1, .to = 3, .amount = kOpeningBalance * 2}};
};

TEST_F(BankTest, ATransferMovesMoneyOnceHoweverOftenItIsSent) {
  EXPECT_EQ(bank->transfer(transfers[0]).value(), Verdict::kCommitted);
  EXPECT_EQ(bank->transfer(transfers[0]).value(), Verdict::kAlreadyThere);
  reopen();
  EXPECT_EQ(bank->transfer(transfers[0]).value(), Verdict::kAlreadyThere);
  EXPECT_TRUE(run_audit({Outcome::kCommitted, Outcome::kPending, Outcome::kPending}).is_clean());
}

TEST_F(BankTest, InsufficientFundsChangeNothing) {
  EXPECT_EQ(bank->transfer(transfers[2]).value(), Verdict::kAborted);
  EXPECT_TRUE(run_audit({Outcome::kPending, Outcome::kPending, Outcome::kAborted}).is_clean());
}

TEST_F(BankTest, AnAccountThatIsNotThereIsAnError) {
  const auto done = bank->transfer({.id = 9, .from = 0, .to = 77, .amount = 1});
  EXPECT_EQ(done.code(), StatusCode::kCorrupt);
  EXPECT_THAT(done.status().message(), HasSubstr("account 77"));
}

TEST_F(BankTest, ACleanStartFindsNothingInDoubt) {
  ASSERT_TRUE(bank->transfer(transfers[0]).is_ok());
  reopen();
  EXPECT_EQ(bank->recovery().in_doubt(), 0U);
  EXPECT_GT(bank->recovery().milliseconds, 0);
}

TEST(Child, SaysWhatItWroteAndHowItEnded) {
  Child child = Child::start(CAIRN_BANK, {"generate", "--transfers", "3"}).value();
  std::vector<std::string> all;
  while (!child.is_over()) {
    const auto lines = child.lines(std::chrono::seconds(1)).value();
    all.insert(all.end(), lines.begin(), lines.end());
  }
  EXPECT_EQ(all.size(), 4U);
  EXPECT_EQ(all[0], "id,from,to,amount");
  EXPECT_TRUE(child.wait().is_success);
}

TEST(Child, AFailureIsNotASuccess) {
  Child child = Child::start(CAIRN_BANK, {"generate", "--transfers", "0"}).value();
  while (!child.is_over()) ASSERT_TRUE(child.lines(std::chrono::seconds(1)).is_ok());
  EXPECT_FALSE(child.wait().is_success);
}

class DriverTest : public testing::Test {
 protected:
  DriverOptions some(std::uint64_t transfers, unsigned kills) {
    DriverOptions options;
    options.program = CAIRN_BANK;
    options.directory = make_directory(temporary.path()).value().path;
    options.transfers = generate({.transfers = transfers, .accounts = 60, .seed = 5}).value();
    options.accounts = accounts_of(options.transfers);
    options.kills = kills;
    return options;
  }
  const TemporaryDirectory temporary;
};

TEST_F(DriverTest, EveryTransferIsThereOnceAfterKills) {
  const auto report = run_driver(some(600, 4));
  ASSERT_TRUE(report.is_ok()) << report.status().to_string();
  EXPECT_TRUE(report->is_success()) << to_text(*report);
  EXPECT_EQ(report->kills, 4U);
  EXPECT_EQ(report->committed + report->aborted, 600U);
  EXPECT_GT(report->aborted, 0U);
}

TEST_F(DriverTest, WithoutKillsNothingIsRecovered) {
  const auto report = run_driver(some(50, 0));
  ASSERT_TRUE(report.is_ok()) << report.status().to_string();
  EXPECT_TRUE(report->is_success()) << to_text(*report);
  EXPECT_TRUE(report->recoveries.empty());
  EXPECT_EQ(report->already_there, 0U);
}

TEST_F(DriverTest, MoreKillsThanTransfersAreAllDelivered) {
  const auto report = run_driver(some(3, 5));
  ASSERT_TRUE(report.is_ok()) << report.status().to_string();
  EXPECT_TRUE(report->is_success()) << to_text(*report);
  EXPECT_EQ(report->kills, 5U);
}

// The process of a last resource is killed, also between its commit and the news of it.
TEST_F(DriverTest, EveryTransferIsThereOnceThoughSqliteDecides) {
  DriverOptions options = some(50, 3);
  options.rms = {"kv", "sqlite"};
  if (!find_store_kind("sqlite")) GTEST_SKIP() << "built without SQLite";
  const auto report = run_driver(options);
  ASSERT_TRUE(report.is_ok()) << report.status().to_string();
  EXPECT_TRUE(report->is_success()) << to_text(*report);
  EXPECT_EQ(report->kills, 3U);
}

// The worker, the server, and both at once.
class ServerDriverTest : public DriverTest, public testing::WithParamInterface<const char*> {};
TEST_P(ServerDriverTest, EveryTransferIsThereOnceThoughItsServerIsKilledToo) {
  DriverOptions options = some(90, 3);
  options.rms = {"rocksdb", GetParam()};
  if (!find_store_kind(GetParam())) GTEST_SKIP() << "built without " << GetParam();
  const auto report = run_driver(options);
  if (report.code() == StatusCode::kNotFound) GTEST_SKIP() << report.status().message();
  ASSERT_TRUE(report.is_ok()) << report.status().to_string();
  EXPECT_TRUE(report->is_success()) << to_text(*report);
  EXPECT_EQ(report->kills, 3U);
  EXPECT_EQ(report->prepared_left, 0U);
}
INSTANTIATE_TEST_SUITE_P(Of, ServerDriverTest, testing::Values("postgres", "mariadb"));

TEST_F(DriverTest, StoresThatAreNoneOrTooFewAreRefused) {
  for (const std::vector<std::string>& rms :
       {std::vector<std::string>{"rocksdb"}, {"rocksdb", "oracle"}, {"kv", "kv"}}) {
    DriverOptions options = some(3, 0);
    options.rms = rms;
    EXPECT_EQ(run_driver(options).code(), StatusCode::kInvalidArgument);
  }
}

TEST_F(DriverTest, AWorkerThatFailsByItselfIsReportedWithItsReason) {
  const DriverOptions options = some(3, 0);
  std::ofstream(options.directory + "/log") << "not a directory";
  const auto report = run_driver(options);
  ASSERT_FALSE(report.is_ok());
  EXPECT_THAT(report.status().message(), HasSubstr("/log"));
}

}  // namespace
}  // namespace cairn::examples::bank
