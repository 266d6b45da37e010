// What recovery found and nobody has touched yet: it is told, counted and awaited as if it had
// objects.
#include <algorithm>

#include "tm/durable_harness.h"

namespace cairn::tm {
namespace {

class Dormant : public DurableTm {
 protected:
  static constexpr std::size_t kInDoubt = 3;

  // Leaves some in doubt, below superior 9, and one committed, all with resource manager 1.
  void SetUp() override {
    start_and_recover();
    Rm below = make_rm(1);
    Rm above = make_rm(9);
    std::vector<Work> works;
    std::vector<Enlistment> superiors;
    for (std::size_t i = 0; i < kInDoubt; ++i) {
      Work work{begin({.description = "doubted"}), {}};
      superiors.push_back(
          *above.session().enlist(work.transaction, kSuperior, 90, {.superior = true}));
      work.enlistments.push_back(below.enlist(work.transaction));
      EXPECT_OK(superiors.back().superior_prepare());
      EXPECT_OK(work.enlistments.front().prepare_complete(bytes_of("kept")));
      works.push_back(std::move(work));
    }
    works.push_back(decide({&below}));
    EXPECT_OK(log_->flush());
    for (const Work& work : works) units_.push_back(work.transaction.id());
    crash();
  }
  [[nodiscard]] auto reserved() { return log_->info().space.reserved; }
  // Whether an enlistment of resource manager 1 is told the outcome that has not been offered it.
  [[nodiscard]] StatusCode recover_unoffered() {
    Rm rm = open_rm(1);
    auto enlistment = rm.session().open_enlistment(rm.session().enlistments()->front());
    EXPECT_OK(enlistment);
    return enlistment->recover(1).code();
  }

  std::vector<Uuid> units_;
};

TEST_F(Dormant, IsCountedAndNamedBeforeAndAfterItWakes) {
  const RecoveryReport report = start_and_recover();
  EXPECT_EQ(report.in_doubt.size(), kInDoubt);
  EXPECT_EQ(report.committed, std::vector{units_.back()});
  Rm below = open_rm(1);
  for (std::size_t woken = 0; woken <= units_.size(); ++woken) {
    if (woken > 0) {
      auto opened = tm_.open_transaction(units_[woken - 1]);
      ASSERT_OK(opened);
      EXPECT_EQ(state_of(*opened),
                woken <= kInDoubt ? TransactionState::kInDoubt : TransactionState::kCommitted);
    }
    const TmInformation information = *tm_.information();
    EXPECT_EQ(information.transactions, units_.size());
    EXPECT_EQ(information.enlistments, 2 * kInDoubt + 1);
    auto named = *tm_.transactions();
    std::sort(named.begin(), named.end());
    auto expected = units_;
    std::sort(expected.begin(), expected.end());
    EXPECT_EQ(named, expected);
    EXPECT_EQ(tm_.enlistments()->size(), 2 * kInDoubt + 1);
    EXPECT_EQ(below.session().enlistments()->size(), units_.size());
    EXPECT_EQ(below.session().information()->enlistments, units_.size());
  }
}

TEST_F(Dormant, UnitOfWorkIsTaken) {
  start_and_recover();
  EXPECT_CODE(tm_.create_transaction({.unit_of_work = units_.front()}), kNameCollision);
}

TEST_F(Dormant, EnlistmentIsFoundByItsOwnResourceManagerAlone) {
  start_and_recover();
  Rm below = open_rm(1);
  Rm above = open_rm(9);
  const Uuid id = above.session().enlistments()->front();
  EXPECT_CODE(below.session().open_enlistment(id), kNotFound);
  auto found = above.session().open_enlistment(id);
  ASSERT_OK(found);
  EXPECT_TRUE(found->information()->superior);
}

TEST_F(Dormant, RecoveryInformationAndDescriptionComeWithIt) {
  start_and_recover();
  Rm below = open_rm(1);
  const auto ids = *below.session().enlistments();
  for (const Uuid& id : ids) {
    auto enlistment = below.session().open_enlistment(id);
    ASSERT_OK(enlistment);
    const Uuid unit = enlistment->information()->transaction;
    if (unit == units_.back()) continue;
    EXPECT_EQ(*enlistment->recovery_information(), bytes_of("kept"));
    EXPECT_EQ(tm_.open_transaction(unit)->information()->description, "doubted");
  }
}

TEST_F(Dormant, RoomForItsRecordsIsHeldAndGoesWithIt) {
  start_and_recover();
  const auto before = reserved();
  EXPECT_EQ(before.records, 2 * kInDoubt + 1);
  for (const Uuid& unit : units_) {
    ASSERT_OK(tm_.open_transaction(unit));
    EXPECT_EQ(reserved().records, before.records);
  }
  // Rounding to records alone is less than to all of them together.
  EXPECT_LE(reserved().bytes, before.bytes);
  EXPECT_GE(reserved().bytes + 8 * before.records, before.bytes);
  for (std::size_t i = 0; i < kInDoubt; ++i) {
    EXPECT_OK(tm_.resolve(units_[i], Outcome::kCommitted, {"me", "test"}));
  }
  Rm below = open_rm(1);
  ASSERT_OK(below.session().recover());
  for (std::size_t i = 0; i < units_.size(); ++i) {
    EXPECT_OK(take_over(below, i).commit_complete());
  }
  Rm above = open_rm(9);
  ASSERT_OK(above.session().recover());
  const auto ids = *above.session().enlistments();
  for (const Uuid& id : ids) {
    auto superior = above.session().open_enlistment(id);
    ASSERT_OK(superior);
    EXPECT_OK(superior->recover(1));
    EXPECT_OK(superior->superior_commit());
  }
  EXPECT_EQ(tm_.information()->transactions, 0U);
  EXPECT_EQ(reserved().records, 0U);
  EXPECT_EQ(reserved().bytes, 0U);
}

// Before it is offered, an enlistment may be recovered in the first session after recovery; a
// session that ended has taken that back.
TEST_F(Dormant, SessionThatEndedIsNoticedWhenItWakes) {
  start_and_recover();
  EXPECT_EQ(recover_unoffered(), StatusCode::kOk);
  stop();
  start_and_recover();
  open_rm(1).disconnect();
  EXPECT_NE(recover_unoffered(), StatusCode::kOk);
  Rm rm = open_rm(1);
  ASSERT_OK(rm.session().recover());
  EXPECT_OK(take_over(rm, 1).information());
}

TEST_F(Dormant, PinsTheBaseWhileNobodyTouchesIt) {
  start_and_recover();
  const Lsn oldest = tm_.information()->oldest;
  EXPECT_FALSE(oldest.is_null());
  Rm rm = make_rm(2);
  for (int i = 0; i < 3; ++i) {
    commit_once(rm);
    ASSERT_OK(tm_.checkpoint());
    EXPECT_EQ(tm_.information()->base, oldest);
  }
  EXPECT_EQ(tm_.information()->carried_forward, 0U);
  crash();
  const RecoveryReport report = start_and_recover();
  EXPECT_EQ(report.in_doubt.size(), kInDoubt);
  EXPECT_GE(report.committed.size(), 1U);
}

TEST_F(Dormant, IsCarriedForward) {
  tm_options_.carry_forward_bytes = 4096;
  start_and_recover();
  const Lsn pinned = tm_.information()->oldest;
  EXPECT_FALSE(pinned.is_null());
  for (Rm rm = make_rm(2); tm_.information()->oldest == pinned;) {
    commit_once(rm);
    ASSERT_OK(tm_.checkpoint());
  }
  EXPECT_GE(tm_.information()->carried_forward, 1U);
  crash();
  const RecoveryReport report = start_and_recover();
  EXPECT_EQ(report.in_doubt.size(), kInDoubt);
}

}  // namespace
}  // namespace cairn::tm
