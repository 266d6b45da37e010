// check_mask() over every subset of the bits that exist, and every one that does not.
#include <array>
#include <set>

#include "sim/test_budget.h"
#include "tm/harness.h"

namespace cairn::tm {
namespace {

constexpr std::array kBits = {
    NotificationKind::kPrePrepare,
    NotificationKind::kPrepare,
    NotificationKind::kCommit,
    NotificationKind::kRollback,
    NotificationKind::kPrePrepareComplete,
    NotificationKind::kPrepareComplete,
    NotificationKind::kCommitComplete,
    NotificationKind::kRollbackComplete,
    NotificationKind::kRecover,
    NotificationKind::kSinglePhaseCommit,
    NotificationKind::kDelegateCommit,
    NotificationKind::kRecoverQuery,
    NotificationKind::kEnlistPrePrepare,
    NotificationKind::kLastRecover,
    NotificationKind::kInDoubt,
    NotificationKind::kRmDisconnected,
    NotificationKind::kTmOnline,
    NotificationKind::kCommitRequest,
    NotificationKind::kRequestOutcome,
    NotificationKind::kCommitFinalize,
};

// The rules once more, as one sees them in the manual: values, not names.
StatusCode expected(NotificationMask mask) {
  if (mask & (0xF0 | 0x800 | 0x4000000 | 0x20000000)) return StatusCode::kNotSuperior;
  if (mask & (0x400 | 0x1000 | 0x2000000)) return StatusCode::kNotSupported;
  const bool preprepare = mask & 0x1, prepare = mask & 0x2, commit = mask & 0x4;
  const bool rollback = mask & 0x8, single = mask & 0x200;
  const bool good = rollback && (!prepare || commit) && (!single || (prepare && commit)) &&
                    (commit || preprepare);
  return good ? StatusCode::kOk : StatusCode::kInvalidArgument;
}

TEST(Mask, EverySubsetOfBitsIsAnsweredByTheRules) {
  for (std::uint32_t subset = 0; subset < (1u << kBits.size());
       subset += static_cast<std::uint32_t>(sim::sweep_stride(13))) {
    NotificationMask mask = 0;
    for (std::size_t i = 0; i < kBits.size(); ++i) {
      if ((subset >> i) & 1) mask |= bit(kBits[i]);
    }
    const Status answer = check_mask(mask);
    if (answer.code() != expected(mask)) {
      FAIL() << std::hex << "mask 0x" << mask << ": " << answer.to_string();
    }
  }
}

StatusCode expected_of_superior(NotificationMask mask) {
  if (mask & (0x400 | 0x1000 | 0x2000000)) return StatusCode::kNotSupported;
  if (mask & (0x1 | 0x2 | 0x4 | 0x200 | 0x40000000)) return StatusCode::kInvalidArgument;
  return mask & 0x8 ? StatusCode::kOk : StatusCode::kInvalidArgument;
}

TEST(Mask, EverySubsetOfBitsIsAnsweredByTheRulesOfASuperior) {
  for (std::uint32_t subset = 0; subset < (1u << kBits.size());
       subset += static_cast<std::uint32_t>(sim::sweep_stride(13))) {
    NotificationMask mask = 0;
    for (std::size_t i = 0; i < kBits.size(); ++i) {
      if ((subset >> i) & 1) mask |= bit(kBits[i]);
    }
    const Status answer = check_superior_mask(mask);
    if (answer.code() != expected_of_superior(mask)) {
      FAIL() << std::hex << "mask 0x" << mask << ": " << answer.to_string();
    }
  }
  EXPECT_OK(check_superior_mask(kSuperior));
  EXPECT_CODE(check_superior_mask(kSuperior | NotificationMask{0x8000}), kInvalidArgument);
}

TEST(Mask, BitThatIsNoNotificationIsRefused) {
  for (unsigned i = 0; i < 32; ++i) {
    const NotificationMask one = NotificationMask{1} << i;
    if (!notification_kind_name(NotificationKind{one}).empty()) continue;
    EXPECT_CODE(check_mask(kTwoPhase | one), kInvalidArgument) << std::hex << one;
  }
}

TEST(Mask, ValuesAreThoseOfKtm) {
  EXPECT_EQ(kTwoPhase, 0xEu);
  EXPECT_EQ(kTwoOrSinglePhase, 0x20Eu);
  EXPECT_EQ(bit(NotificationKind::kCommitFinalize), 0x40000000u);
  EXPECT_EQ(bit(NotificationKind::kRmDisconnected), 0x1000000u);
  EXPECT_EQ(bit(NotificationKind::kLastRecover), 0x2000u);
}

TEST(Mask, EveryKindHasItsOwnName) {
  std::set<std::string_view> names;
  for (const NotificationKind kind : kBits) names.insert(notification_kind_name(kind));
  EXPECT_EQ(names.size(), kBits.size());
  EXPECT_EQ(notification_kind_name(NotificationKind::kPrePrepare), "PREPREPARE");
  EXPECT_EQ(notification_kind_name(NotificationKind{0x8000}), "");
}

using MaskOfEnlistment = VolatileTm;

TEST_F(MaskOfEnlistment, RefusedMaskLeavesNothingBehind) {
  Rm rm = make_rm(1);
  const Transaction transaction = begin();
  EXPECT_CODE(rm.session().enlist(transaction, bit(NotificationKind::kCommit), 1),
              kInvalidArgument);
  EXPECT_CODE(rm.session().enlist(transaction, kTwoPhase | NotificationKind::kCommitComplete, 1),
              kNotSuperior);
  EXPECT_CODE(rm.session().enlist(transaction, kTwoPhase, 1, {.superior = true}), kInvalidArgument);
  EXPECT_TRUE(rm.session().enlistments()->empty());
  EXPECT_TRUE(transaction.information()->enlistments.empty());
}

}  // namespace
}  // namespace cairn::tm
