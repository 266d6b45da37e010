// What a manager's records add up to, and which of them contradict each other.
#include <set>

#include <gtest/gtest.h>

#include "fold_rules.h"
#include "recovery/records.h"

namespace cairn::recovery {
namespace {

// A fold that began at LSN 100 with manager 1 at clock 1, and takes records as they are written
// here.
class FoldOf {
 public:
  explicit FoldOf(std::uint64_t clock = 1) {
    log::RestartArea area;
    area.lsn = Lsn(5000);
    area.base = Lsn(100);
    area.data = encode(restart(clock));
    auto begun = Fold::begin(area);
    EXPECT_TRUE(begun.is_ok());
    fold_.emplace(std::move(*begun));
  }
  template <typename Record>
  FoldOf& accept(std::uint64_t lsn, const Record& record) {
    const Status status = fold_->add(LogRecord(lsn, record).record);
    EXPECT_TRUE(status.is_ok()) << status.to_string();
    return *this;
  }
  template <typename Record>
  void refuse(std::uint64_t lsn, const Record& record, std::string_view label) {
    const Status status = fold_->add(LogRecord(lsn, record).record);
    EXPECT_EQ(status.code(), StatusCode::kCorrupt);
    EXPECT_NE(status.message().find(": " + std::string(label) + ": "), std::string::npos)
        << status.to_string();
    EXPECT_EQ(status.detail().lsn_begin, Lsn(lsn));
  }
  RecoveredState finish() { return std::move(*fold_).finish(); }

 private:
  std::optional<Fold> fold_;
};

TEST(Fold, OfNothingIsTheRestartArea) {
  const RecoveredState state = FoldOf(7).finish();
  EXPECT_EQ(state.transaction_manager, numbered_id(1));
  EXPECT_EQ(state.clock, 7u);
  EXPECT_EQ(state.begin, Lsn(100));
  EXPECT_TRUE(state.end.is_null());
  EXPECT_TRUE(state.transactions.empty());
}

TEST(Fold, KeepsWhatIsDecidedAndNotForgottenInTheOrderOfTheLog) {
  const RecoveredState state = FoldOf()
                                   .accept(100, decision(30, 2))
                                   .accept(200, decision(20, 3))
                                   .accept(300, decision(10, 4))
                                   .accept(400, forget(20, 9, 200))
                                   .finish();
  ASSERT_EQ(state.transactions.size(), 2u);
  EXPECT_EQ(state.transactions[0].record, decision(30, 2));
  EXPECT_EQ(state.transactions[0].lsn, Lsn(100));
  EXPECT_EQ(state.transactions[1].record, decision(10, 4));
  EXPECT_EQ(state.clock, 9u) << "the highest on any record";
  EXPECT_EQ(state.records, 4u);
  EXPECT_EQ(state.end, Lsn(400));
}

TEST(Fold, CopyTakesTheOriginalsPlace) {
  const RecoveredState state = FoldOf()
                                   .accept(100, decision(1, 2))
                                   .accept(200, decision(2, 3))
                                   .accept(300, decision(1, 2, Lsn(100)))
                                   .accept(400, decision(1, 2, Lsn(100)))
                                   .finish();
  ASSERT_EQ(state.transactions.size(), 2u);
  EXPECT_EQ(state.transactions[1].lsn, Lsn(400));
  EXPECT_EQ(state.transactions[1].record.original, Lsn(100));
}

TEST(Fold, CopyOfWhatTheBasePassedIsTheDecision) {
  const RecoveredState state =
      FoldOf().accept(100, decision(2, 9)).accept(200, decision(1, 2, Lsn(50))).finish();
  ASSERT_EQ(state.transactions.size(), 2u);
  EXPECT_EQ(state.transactions[1].record.transaction, numbered_id(1));
}

TEST(Fold, ForgetOfWhatTheBasePassedIsNothing) {
  EXPECT_TRUE(FoldOf().accept(200, forget(1, 2, 99)).finish().transactions.empty());
}

TEST(Fold, UnitOfWorkMayComeAgainOnceForgotten) {
  const RecoveredState state = FoldOf()
                                   .accept(100, decision(1, 2))
                                   .accept(200, forget(1, 2, 100))
                                   .accept(300, decision(1, 3))
                                   .finish();
  ASSERT_EQ(state.transactions.size(), 1u);
  EXPECT_EQ(state.transactions[0].lsn, Lsn(300));
}

TEST(Fold, ContradictionsAreRefusedWithTheirLabel) {
  FoldOf().accept(100, decision(1, 5)).refuse(200, decision(2, 5), "ClockWentBack");
  FoldOf().accept(100, decision(1, 5)).refuse(200, decision(1, 6), "DecidedTwice");
  FoldOf().accept(100, decision(1, 5)).refuse(200, decision(1, 6, Lsn(100)), "CopyDiffers");
  FoldOf().accept(110, decision(1, 5)).refuse(200, decision(1, 5, Lsn(100)), "CopyDiffers");
  FoldOf().refuse(200, decision(1, 5, Lsn(100)), "CopyWithoutOriginal");
  FoldOf().accept(100, decision(1, 5)).refuse(200, forget(1, 5, 99), "ForgetNamesOther");
  FoldOf().refuse(200, forget(1, 5, 100), "ForgetWithoutDecision");
  FoldOf()
      .accept(100, decision(1, 5))
      .accept(200, forget(1, 5, 100))
      .refuse(300, forget(1, 5, 100), "ForgetWithoutDecision");
  FoldOf().refuse(200, restart(1, 2), "ForeignIdentity");
  FoldOf().accept(150, restart(4)).refuse(200, restart(3), "CheckpointClockWentBack");
}

TEST(Fold, OneEnlistmentInTwoTransactionsIsRefused) {
  TransactionRecord second = decision(2, 6);
  second.enlistments.push_back(enlistment(1));
  FoldOf().accept(100, decision(1, 5)).refuse(200, second, "EnlistmentShared");
  second.original = Lsn(50);
  FoldOf().accept(100, decision(1, 5)).refuse(200, second, "CopyEnlistmentShared");
  FoldOf().accept(100, decision(1, 5)).accept(150, forget(1, 5, 100)).accept(200, second);
}

TEST(Fold, UnreadableRecordEndsIt) {
  FoldOf fold;
  LogRecord record(200, decision(1, 5));
  record.record.type = 99;
  log::RestartArea area;
  area.data = encode(restart(1));
  auto begun = Fold::begin(area);
  EXPECT_EQ(begun->add(record.record).code(), StatusCode::kCorrupt);
}

TEST(Fold, ForeignRestartAreaDoesNotBegin) {
  log::RestartArea area;
  area.lsn = Lsn(77);
  area.data = {std::byte{1}, std::byte{2}};
  EXPECT_EQ(Fold::begin(area).code(), StatusCode::kCorrupt);
  EXPECT_EQ(Fold::begin(area).status().detail().lsn_begin, Lsn(77));
}

TEST(Fold, PreparedTransactionIsInDoubtUntilItsSuperiorsDecisionIsRead) {
  FoldOf prepared;
  prepared.accept(100, prepare(1, 2));
  const RecoveredState in_doubt = prepared.finish();
  ASSERT_EQ(in_doubt.transactions.size(), 1u);
  EXPECT_EQ(in_doubt.transactions[0].record, prepare(1, 2));
  EXPECT_EQ(in_doubt.transactions[0].lsn, Lsn(100));

  const RecoveredState decided =
      FoldOf().accept(100, prepare(1, 2)).accept(200, ordered(1, 3)).finish();
  ASSERT_EQ(decided.transactions.size(), 1u);
  EXPECT_EQ(decided.transactions[0].record, ordered(1, 3));
  EXPECT_EQ(decided.transactions[0].lsn, Lsn(200));

  EXPECT_TRUE(FoldOf()
                  .accept(100, prepare(1, 2))
                  .accept(200, ordered(1, 3))
                  .accept(300, forget(1, 3, 200))
                  .finish()
                  .transactions.empty());
}

TEST(Fold, ForgottenPreparedTransactionWasRolledBack) {
  EXPECT_TRUE(FoldOf()
                  .accept(100, prepare(1, 2))
                  .accept(200, forget(1, 2, 100))
                  .accept(300, decision(1, 3))
                  .accept(400, forget(1, 3, 300))
                  .finish()
                  .transactions.empty());
}

TEST(Fold, PrepareRecordIsCarriedForwardLikeADecision) {
  const RecoveredState state = FoldOf()
                                   .accept(100, prepare(1, 2))
                                   .accept(200, prepare(1, 2, Lsn(100)))
                                   .accept(300, ordered(1, 3))
                                   .finish();
  ASSERT_EQ(state.transactions.size(), 1u);
  EXPECT_EQ(state.transactions[0].lsn, Lsn(300));
  EXPECT_EQ(FoldOf().accept(200, prepare(1, 2, Lsn(50))).finish().transactions.size(), 1u);
}

TEST(Fold, ActsOfAnAdministratorTakeTheirRecordsPlace) {
  const RecoveredState rolled =
      FoldOf().accept(100, prepare(1, 2)).accept(200, rolled_back(1, 2)).finish();
  ASSERT_EQ(rolled.transactions.size(), 1u);
  EXPECT_EQ(rolled.transactions[0].record, rolled_back(1, 2));
  const RecoveredState given_up =
      FoldOf().accept(100, decision(1, 2)).accept(200, amended(1, 2)).finish();
  EXPECT_EQ(given_up.transactions[0].record, amended(1, 2));
  EXPECT_TRUE(FoldOf()
                  .accept(200, amended(1, 2))
                  .accept(300, forget(1, 2, 200))
                  .finish()
                  .transactions.empty())
      << "the base has passed what it was on";
  FoldOf().accept(100, decision(1, 2)).refuse(200, rolled_back(1, 2), "ActDiffers");
  FoldOf().accept(100, prepare(1, 2)).refuse(200, amended(1, 2), "ActDiffers");
  TransactionRecord other = amended(1, 2);
  other.description = "another";
  FoldOf().accept(100, decision(1, 2)).refuse(200, other, "ActDiffers");
  FoldOf().accept(100, amended(1, 2)).refuse(200, amended(1, 2), "ActDiffers");
  TransactionRecord second = amended(2, 3);
  second.enlistments.push_back(enlistment(1));
  FoldOf().accept(100, decision(1, 2)).refuse(200, second, "ActEnlistmentShared");
}

TEST(Fold, StopsBeforeADecisionOfAHigherClock) {
  EXPECT_FALSE(*Fold::is_beyond(LogRecord(100, decision(1, 5)).record, 5));
  EXPECT_TRUE(*Fold::is_beyond(LogRecord(100, decision(1, 6)).record, 5));
  EXPECT_FALSE(*Fold::is_beyond(LogRecord(100, decision(1, 6, Lsn(50))).record, 5)) << "a copy";
  EXPECT_FALSE(*Fold::is_beyond(LogRecord(100, forget(1, 6, 50)).record, 5));
}

TEST(Fold, RestartAreasOfFormerNamesAreReadAsTheManagersBeforeItWasRenamed) {
  log::RestartArea area;
  area.lsn = Lsn(5000);
  area.base = Lsn(100);
  area.data = encode(renamed(4));
  auto begun = Fold::begin(area);
  ASSERT_TRUE(begun.is_ok());
  EXPECT_EQ(begun->transaction_manager(), numbered_id(2));
  EXPECT_TRUE(begun->add(LogRecord(200, restart(2, 1)).record).is_ok());
  EXPECT_TRUE(begun->add(LogRecord(900, restart(3, 2)).record).is_ok());
  EXPECT_EQ(begun->add(LogRecord(950, restart(3, 1)).record).code(), StatusCode::kCorrupt);
}

TEST(Fold, ContradictionsOfPrepareRecordsAreRefusedWithTheirLabel) {
  FoldOf().accept(100, prepare(1, 5)).refuse(200, prepare(1, 5), "PreparedTwice");
  FoldOf().accept(100, decision(1, 5)).refuse(200, prepare(1, 5), "PreparedTwice");
  FoldOf().accept(100, decision(1, 5)).refuse(200, prepare(2, 4), "PrepareClockWentBack");
  FoldOf().accept(100, prepare(1, 5)).refuse(200, decision(1, 6), "DecisionDiffersFromPrepare");
  FoldOf()
      .accept(100, prepare(1, 5))
      .accept(150, decision(2, 6))
      .refuse(200, ordered(1, 6), "PrepareClockPassed");
  FoldOf().accept(100, prepare(1, 5)).refuse(200, ordered(1, 5, Lsn(100)), "CopyDiffers");
  FoldOf().accept(100, prepare(1, 5)).refuse(200, forget(1, 5, 90), "ForgetNamesOther");
  TransactionRecord second = prepare(2, 6);
  second.superior = prepare(1, 5).superior;
  FoldOf().accept(100, prepare(1, 5)).refuse(200, second, "PrepareEnlistmentShared");
  FoldOf().accept(100, prepare(1, 5)).accept(150, forget(1, 5, 100)).accept(200, second);
}

// The table once more, said differently: for each combination of facts, what must come out.
bool must_accept(const FoldFacts& facts) {
  switch (facts.kind) {
    case FoldKind::kDecision:
      if (facts.known) return facts.prepared && facts.matches && facts.clock_rises;
      return facts.clock_rises && !facts.shares;
    case FoldKind::kPrepare:
      return !facts.known && facts.clock_rises && !facts.shares;
    case FoldKind::kAct:
      return facts.known ? facts.matches : !facts.shares;
    case FoldKind::kCopy:
      return facts.known ? facts.matches : facts.before_base && !facts.shares;
    case FoldKind::kForget:
      return facts.known ? facts.matches : facts.before_base;
    case FoldKind::kRestart:
      return facts.matches && facts.clock_rises;
  }
  return false;
}

TEST(FoldRules, EveryCombinationOfFactsGetsItsVerdict) {
  std::set<FoldLabel> met;
  for_each_fold_facts([&](const FoldFacts& facts) {
    const FoldRule& rule = judge(facts);
    met.insert(rule.label);
    EXPECT_EQ(rule.accept, must_accept(facts)) << rule.name;
  });
  EXPECT_EQ(met.size(), kFoldRules.size()) << "every row is met by some facts";
}

TEST(FoldRules, EveryRowHasItsLabelItsNameAndItsReason) {
  std::set<std::string_view> names;
  std::set<FoldLabel> labels;
  for (const FoldRule& rule : kFoldRules) {
    names.insert(rule.name);
    labels.insert(rule.label);
    EXPECT_GT(rule.why.size(), 20u) << rule.name;
  }
  EXPECT_EQ(names.size(), kFoldRules.size());
  EXPECT_EQ(labels.size(), kFoldRules.size());
}

}  // namespace
}  // namespace cairn::recovery
