// The audit: each way in which the stores can differ from what was acknowledged shows as its own
// count.
#include "bank/ledger.h"

#include <gtest/gtest.h>

namespace cairn::examples::bank {
namespace {

// Accounts 0 and 2 lie in RocksDB, 1 and 3 in the key-value store. Transfer 1 goes across, 2 stays
// in RocksDB.
constexpr std::size_t kParts = 2;

class AuditTest : public testing::Test {
 protected:
  AuditTest() {
    for (AccountId account = 0; account < 4; ++account) {
      part(part_of(account, kParts)).balances[account] = kOpeningBalance;
    }
  }

  PartContents& part(Part which) { return contents[which]; }
  void apply(const Transfer& transfer) {
    part(part_of(transfer.from, kParts)).balances[transfer.from] -= transfer.amount;
    part(part_of(transfer.to, kParts)).balances[transfer.to] += transfer.amount;
  }
  void mark(const Transfer& transfer) {
    for (Part which = 0; which < kParts; ++which) {
      if (touches(transfer, which, kParts)) part(which).markers.insert(transfer.id);
    }
  }
  Audit run() const { return audit(contents, 4, transfers, outcomes); }

  Contents contents{kParts};
  const Transfer across{.id = 1, .from = 0, .to = 1, .amount = 10};
  const Transfer within{.id = 2, .from = 0, .to = 2, .amount = 5};
  const std::vector<Transfer> transfers{across, within};
  std::vector<Outcome> outcomes{Outcome::kCommitted, Outcome::kAborted};
};

TEST_F(AuditTest, AllAsAcknowledgedIsClean) {
  apply(across);
  mark(across);
  EXPECT_TRUE(run().is_clean());
  EXPECT_EQ(run().sum_found, 4 * kOpeningBalance);
}

TEST_F(AuditTest, AnAcknowledgedTransferThatIsNotThereIsLost) { EXPECT_EQ(run().lost, 1U); }

TEST_F(AuditTest, AnAcknowledgedTransferThatIsThereByHalfIsLost) {
  apply(across);
  part(0).markers.insert(across.id);
  EXPECT_EQ(run().lost, 1U);
}

TEST_F(AuditTest, AMarkedTransferAppliedTwiceIsAWrongBalance) {
  apply(across);
  apply(across);
  mark(across);
  const Audit audit = run();
  EXPECT_EQ(audit.wrong_balances, 2U);
  EXPECT_EQ(audit.sum_found, audit.sum_expected);
}

TEST_F(AuditTest, MoneyFromNowhereChangesTheSum) {
  apply(across);
  mark(across);
  part(1).balances[3] += 1;
  const Audit audit = run();
  EXPECT_EQ(audit.sum_found, audit.sum_expected + 1);
  EXPECT_FALSE(audit.is_clean());
}

TEST_F(AuditTest, AnUnacknowledgedTransferMayBeThereOrNotButNotByHalf) {
  outcomes = {Outcome::kPending, Outcome::kPending};
  EXPECT_TRUE(run().is_clean());
  apply(across);
  mark(across);
  EXPECT_TRUE(run().is_clean());
  part(1).markers.clear();
  EXPECT_EQ(run().half_applied, 1U);
}

TEST_F(AuditTest, AMarkerOfAnAbortedTransferIsUnexplained) {
  apply(across);
  mark(across);
  apply(within);
  mark(within);
  EXPECT_EQ(run().unexplained, 1U);
}

TEST_F(AuditTest, AMarkerInAHalfThatATransferDoesNotTouchIsUnexplained) {
  apply(across);
  mark(across);
  part(1).markers.insert(within.id);
  EXPECT_EQ(run().unexplained, 1U);
}

TEST_F(AuditTest, AMarkerOfNoTransferIsUnexplainedOnce) {
  apply(across);
  mark(across);
  for (Part which = 0; which < kParts; ++which) part(which).markers.insert(77);
  EXPECT_EQ(run().unexplained, 1U);
}

TEST_F(AuditTest, AMissingOrMisplacedAccountIsAWrongBalance) {
  apply(across);
  mark(across);
  part(1).balances.erase(3);
  EXPECT_EQ(run().wrong_balances, 1U);
  part(0).balances[3] = kOpeningBalance;
  EXPECT_EQ(run().wrong_balances, 2U);
}

TEST(PartContents, TakesInWhatTheBankWrites) {
  PartContents contents;
  ASSERT_TRUE(contents.add(account_key(12), format_balance(-5)));
  ASSERT_TRUE(contents.add(marker_key(34), "1"));
  EXPECT_EQ(contents.balances.at(12), -5);
  EXPECT_TRUE(contents.markers.contains(34));
}

TEST(PartContents, RefusesWhatItNeverWrites) {
  PartContents contents;
  for (const std::string key : {"", "account/", "account/x", "transfer/1x", "other"}) {
    EXPECT_EQ(contents.add(key, "1").code(), StatusCode::kCorrupt) << key;
  }
  EXPECT_EQ(contents.add(account_key(1), "ten").code(), StatusCode::kCorrupt);
}

}  // namespace
}  // namespace cairn::examples::bank
