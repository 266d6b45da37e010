// The conformance kit sees each defect, and names the rule.
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "rm/faulty_rm.h"
#include "rm/kit_options.h"

namespace cairn::rm_kit {
namespace {

Report report_of(Defect defect, Way way = Way::kForces, Options with = options()) {
  // Answers that never come cost so much each. What is only slow must not be taken for silent.
  const bool slow = defect == Defect::kKnowsTheKeyAfterEnlist;
  with.patience = std::chrono::milliseconds(defect == Defect::kNone ? 5000 : slow ? 1500 : 200);
  if (defect != Defect::kNone) {
    with.at_most = 1;
    with.stride = 1;  // it ends as soon as it knows
  }
  if (way == Way::kCovered) with.keeping = Keeping::kManagersLog;
  return check([&](const Surroundings& at) { return FaultyRm::open(at, defect, way); }, with);
}

// The first rule that is broken, and that the run of it alone breaks it again.
void expect_rule(Defect defect, int rule, Way way = Way::kForces) {
  const Report report = report_of(defect, way);
  ASSERT_TRUE(report.status) << report.to_string();
  ASSERT_FALSE(report.violations.empty()) << report.to_string();
  const Violation& first = report.violations.front();
  EXPECT_EQ(first.rule, rule) << report.to_string();
  Options again = options();
  again.only = first.repeat;
  again.seed = first.seed;
  if (rule == 8) return;  // raced
  const Report repeated = report_of(defect, way, again);
  ASSERT_FALSE(repeated.violations.empty()) << first.repeat;
  EXPECT_EQ(repeated.violations.front().rule, rule) << repeated.to_string();
}

void expect_nothing(Way way) {
  const Report report = report_of(Defect::kNone, way);
  EXPECT_TRUE(report.status.is_ok() && report.violations.empty()) << report.to_string();
  std::printf("[ kit      ] %s", report.to_string().c_str());
}

TEST(Kit, FindsNothingWhereNothingIsWrong) { expect_nothing(Way::kForces); }
TEST(Kit, FindsNothingWrongWithOneThatPrePrepares) { expect_nothing(Way::kPrePrepares); }
TEST(Kit, FindsNothingWrongWithPromisesThatAreCovered) { expect_nothing(Way::kCovered); }
TEST(Kit, FindsNothingWrongWithCommitsThatAreHardenedLater) { expect_nothing(Way::kHardensLater); }

// Storages that live on without the resource manager, as a server does.
Report report_of_outside(Defect defect) {
  std::map<std::string, std::shared_ptr<log::Storage>> servers;
  Options with = options();
  with.keeping = Keeping::kOutside;
  with.patience = std::chrono::milliseconds(defect == Defect::kNone ? 5000 : 200);
  if (defect != Defect::kNone) with.at_most = with.stride = 1;
  return check(
      [&](const Surroundings& at) {
        EXPECT_TRUE(at.storage == nullptr && at.log == nullptr);
        auto& server = servers[at.directory];
        if (!server) server = std::make_shared<sim::SimStorage>();
        Surroundings inside = at;
        inside.storage = server;
        return FaultyRm::open(inside, defect, Way::kForces);
      },
      with);
}

TEST(Kit, FindsNothingWrongWithDataOutside) {
  const Report report = report_of_outside(Defect::kNone);
  EXPECT_TRUE(report.status.is_ok() && report.violations.empty()) << report.to_string();
  std::printf("[ kit      ] %s", report.to_string().c_str());
}
TEST(KitNotices, PromisesOutsideThatAreForgotten) {
  const Report report = report_of_outside(Defect::kForgetsPromisesAtRestart);
  ASSERT_TRUE(report.status && !report.violations.empty()) << report.to_string();
  EXPECT_EQ(report.violations.front().rule, 1) << report.to_string();
}
TEST(KitNotices, OrphansOutsideThatAreKept) {
  const Report report = report_of_outside(Defect::kKeepsTheUnoffered);
  ASSERT_TRUE(report.status && !report.violations.empty()) << report.to_string();
  EXPECT_EQ(report.violations.front().rule, 6) << report.to_string();
}

TEST(KitNotices, PromisesThatAreForgottenAtARestart) {
  expect_rule(Defect::kForgetsPromisesAtRestart, 1);
}
TEST(KitNotices, APromiseThatIsNotForced) { expect_rule(Defect::kPromisesWithoutForce, 2); }
TEST(KitNotices, ACommitAnsweredBeforeItIsDurable) {
  expect_rule(Defect::kAnswersCommitBeforeItIsDurable, 3);
}
TEST(KitNotices, ACommitThatIsDoneAgainWhenItIsToldAgain) {
  expect_rule(Defect::kAddsAgainWhenToldAgain, 4);
}
TEST(KitNotices, ARollbackOfTheUnknownThatIsIgnored) {
  expect_rule(Defect::kIgnoresRollbackOfTheUnknown, 4);
}
TEST(KitNotices, ARollbackThatNobodyOrdered) { expect_rule(Defect::kRollsBackOnRecover, 5); }
TEST(KitNotices, APromiseThatIsSeen) { expect_rule(Defect::kShowsWhatItPromised, 5); }
TEST(KitNotices, ARollbackBeforeLastRecover) {
  expect_rule(Defect::kRollsBackTheUnofferedTooEarly, 6);
}
TEST(KitNotices, NoRollbackAfterLastRecover) { expect_rule(Defect::kKeepsTheUnoffered, 6); }
TEST(KitNotices, ADecisionForAnotherManager) { expect_rule(Defect::kDecidesForAnotherManager, 7); }
TEST(KitNotices, AKeyThatIsNotKnownInTime) { expect_rule(Defect::kKnowsTheKeyAfterEnlist, 8); }
TEST(KitNotices, ADecisionAloneThatIsNotForced) {
  expect_rule(Defect::kDecidesAloneWithoutForce, 9);
}
TEST(KitNotices, APrepareThatIsNotAnswered) { expect_rule(Defect::kDoesNotAnswerPrepare, 10); }
TEST(KitNotices, APrePrepareThatIsNotAnswered) {
  expect_rule(Defect::kDoesNotAnswerPrePrepare, 10, Way::kPrePrepares);
}
TEST(KitNotices, APromiseDespiteAnError) { expect_rule(Defect::kPromisesDespiteAnError, 2); }
TEST(KitNotices, ACommitAnsweredDespiteAnError) {
  expect_rule(Defect::kAnswersCommitDespiteAnError, 3);
}
TEST(KitNotices, APromiseThatIsWrittenBehindWhatCoversIt) {
  expect_rule(Defect::kWritesThePromiseAfterTheAnswer, 2, Way::kCovered);
}
TEST(KitNotices, ACommitThatIsCalledHardenedAndIsNot) {
  expect_rule(Defect::kHardensWithoutForce, 3, Way::kHardensLater);
}
TEST(KitNotices, LocksThatOutliveARollback) { expect_rule(Defect::kKeepsLocksAfterRollback, 10); }

}  // namespace
}  // namespace cairn::rm_kit
