// The decision table of recovery: what one record means after those before it.
//
// A record is judged by yes/no facts alone. Every combination of facts meets exactly one row; that
// is asserted below, and the label of the row is in the error and in the tests.
#ifndef CAIRN_RECOVERY_FOLD_RULES_H_
#define CAIRN_RECOVERY_FOLD_RULES_H_

#include <array>
#include <cstdint>
#include <string_view>

namespace cairn::recovery {

enum class FoldKind : std::uint8_t { kDecision, kPrepare, kAct, kCopy, kForget, kRestart };

// Facts that do not apply to a kind are false.
struct FoldFacts {
  FoldKind kind = FoldKind::kDecision;
  // A decision or prepare record of this transaction was read, and no forget.
  bool known = false;
  // Only its prepare record was read, no decision.
  bool prepared = false;
  // A copy: equals that record. A decision after a prepare record: names the same. An act: is on
  // what that record says. A forget: names the newest copy. A restart area: has the identity of the
  // newest one, or had it.
  bool matches = false;
  // A decision: its clock is above that of the decision before. A prepare record: not below that. A
  // restart area: not below the one before.
  bool clock_rises = false;
  // The record that a copy or a forget names lies before the first LSN read.
  bool before_base = false;
  // A decision, prepare record or copy names an enlistment of another live transaction.
  bool shares = false;
};

enum class FoldLabel : std::uint8_t {
  kDecided,
  kEnlistmentShared,
  kClockWentBack,
  kDecidedTwice,
  kPrepareCommitted,
  kPrepareClockPassed,
  kDecisionDiffersFromPrepare,
  kPrepared,
  kPrepareEnlistmentShared,
  kPrepareClockWentBack,
  kPreparedTwice,
  kActed,
  kActDiffers,
  kActedBeforeBase,
  kActEnlistmentShared,
  kCarriedForward,
  kCopyDiffers,
  kCarriedFromBeforeBase,
  kCopyEnlistmentShared,
  kCopyWithoutOriginal,
  kForgotten,
  kRolledBack,
  kForgetNamesOther,
  kForgottenBeforeBase,
  kForgetWithoutDecision,
  kCheckpoint,
  kForeignIdentity,
  kCheckpointClockWentBack,
};

enum class Want : std::uint8_t { kNo, kYes, kAny };

struct FoldRule {
  FoldLabel label;
  std::string_view name;
  FoldKind kind;
  Want known;
  Want prepared;
  Want matches;
  Want clock_rises;
  Want before_base;
  Want shares;
  bool accept;
  std::string_view why;
};

// clang-format off
inline constexpr std::array kFoldRules = {
//        label, name
//        kind                 known       prepared    matches     clock_rises before_base shares     accept
FoldRule{FoldLabel::kDecided, "Decided",
         FoldKind::kDecision, Want::kNo,  Want::kAny, Want::kAny, Want::kYes, Want::kAny, Want::kNo,  true,
         "The commit of this transaction was decided; it is committed whatever else was lost, because the record names all "
         "who must be told."},
FoldRule{FoldLabel::kEnlistmentShared, "EnlistmentShared",
         FoldKind::kDecision, Want::kNo,  Want::kAny, Want::kAny, Want::kYes, Want::kAny, Want::kYes, false,
         "An enlistment is one resource manager's part in one transaction. Its answer could not be told apart."},
FoldRule{FoldLabel::kClockWentBack, "ClockWentBack",
         FoldKind::kDecision, Want::kNo,  Want::kAny, Want::kAny, Want::kNo,  Want::kAny, Want::kAny, false,
         "Decisions enter the log in the order of their virtual clocks, each above the one before. One that does not was "
         "not written by the manager that wrote the others: two managers on one stream, or foreign bytes."},
FoldRule{FoldLabel::kDecidedTwice, "DecidedTwice",
         FoldKind::kDecision, Want::kYes, Want::kNo,  Want::kAny, Want::kAny, Want::kAny, Want::kAny, false,
         "A unit of work is decided once until it is forgotten; a repetition would be marked as a copy."},
FoldRule{FoldLabel::kPrepareCommitted, "PrepareCommitted",
         FoldKind::kDecision, Want::kYes, Want::kYes, Want::kYes, Want::kYes, Want::kAny, Want::kAny, true,
         "The superior of a prepared transaction ordered the commit. The decision takes the prepare record's place."},
FoldRule{FoldLabel::kPrepareClockPassed, "PrepareClockPassed",
         FoldKind::kDecision, Want::kYes, Want::kYes, Want::kYes, Want::kNo,  Want::kAny, Want::kAny, false,
         "As ClockWentBack, of a decision that a superior ordered."},
FoldRule{FoldLabel::kDecisionDiffersFromPrepare, "DecisionDiffersFromPrepare",
         FoldKind::kDecision, Want::kYes, Want::kYes, Want::kNo,  Want::kAny, Want::kAny, Want::kAny, false,
         "After a prepare record nobody joins or leaves: the decision names the superior and the enlistments that the other "
         "named."},
FoldRule{FoldLabel::kPrepared, "Prepared",
         FoldKind::kPrepare,  Want::kNo,  Want::kAny, Want::kAny, Want::kYes, Want::kAny, Want::kNo,  true,
         "The transaction is prepared and its superior decides: it is in doubt until a decision or a forget follows."},
FoldRule{FoldLabel::kPrepareEnlistmentShared, "PrepareEnlistmentShared",
         FoldKind::kPrepare,  Want::kNo,  Want::kAny, Want::kAny, Want::kYes, Want::kAny, Want::kYes, false,
         "As EnlistmentShared, of a prepare record."},
FoldRule{FoldLabel::kPrepareClockWentBack, "PrepareClockWentBack",
         FoldKind::kPrepare,  Want::kNo,  Want::kAny, Want::kAny, Want::kNo,  Want::kAny, Want::kAny, false,
         "Prepare records and decisions enter the log in the order of their virtual clocks; a prepare record has that of the decision "
         "before it, or a higher one."},
FoldRule{FoldLabel::kPreparedTwice, "PreparedTwice",
         FoldKind::kPrepare,  Want::kYes, Want::kAny, Want::kAny, Want::kAny, Want::kAny, Want::kAny, false,
         "A unit of work is prepared once, before it is decided; a repetition would be marked as a copy."},
FoldRule{FoldLabel::kActed, "Acted",
         FoldKind::kAct,      Want::kYes, Want::kAny, Want::kYes, Want::kAny, Want::kAny, Want::kAny, true,
         "An administrator rolled back what was prepared, or gave up an enlistment of what was decided. The record takes "
         "the place of the one before."},
FoldRule{FoldLabel::kActDiffers, "ActDiffers",
         FoldKind::kAct,      Want::kYes, Want::kAny, Want::kNo,  Want::kAny, Want::kAny, Want::kAny, false,
         "An act is on what the record before it says: a rollback on a prepare record, an amendment on a decision, and but "
         "for the act nothing changes."},
FoldRule{FoldLabel::kActedBeforeBase, "ActedBeforeBase",
         FoldKind::kAct,      Want::kNo,  Want::kAny, Want::kAny, Want::kAny, Want::kAny, Want::kNo,  true,
         "The base moved past the record that the act is on: this one is complete in itself. Its clock is as old as that "
         "and is not compared."},
FoldRule{FoldLabel::kActEnlistmentShared, "ActEnlistmentShared",
         FoldKind::kAct,      Want::kNo,  Want::kAny, Want::kAny, Want::kAny, Want::kAny, Want::kYes, false,
         "As EnlistmentShared, of a record of an act."},
FoldRule{FoldLabel::kCarriedForward, "CarriedForward",
         FoldKind::kCopy,     Want::kYes, Want::kAny, Want::kYes, Want::kAny, Want::kAny, Want::kAny, true,
         "The record was written again so that the tail could move. The copy takes the original's place."},
FoldRule{FoldLabel::kCopyDiffers, "CopyDiffers",
         FoldKind::kCopy,     Want::kYes, Want::kAny, Want::kNo,  Want::kAny, Want::kAny, Want::kAny, false,
         "A copy says what its original says. Which of two different ones is true cannot be known."},
FoldRule{FoldLabel::kCarriedFromBeforeBase, "CarriedFromBeforeBase",
         FoldKind::kCopy,     Want::kNo,  Want::kAny, Want::kAny, Want::kAny, Want::kYes, Want::kNo,  true,
         "The base moved past the original after the copy was durable: the copy stands for it. Its clock "
         "is as old as the original and is not compared."},
FoldRule{FoldLabel::kCopyEnlistmentShared, "CopyEnlistmentShared",
         FoldKind::kCopy,     Want::kNo,  Want::kAny, Want::kAny, Want::kAny, Want::kYes, Want::kYes, false,
         "As EnlistmentShared, of a copy whose original the base has passed."},
FoldRule{FoldLabel::kCopyWithoutOriginal, "CopyWithoutOriginal",
         FoldKind::kCopy,     Want::kNo,  Want::kAny, Want::kAny, Want::kAny, Want::kNo,  Want::kAny, false,
         "The original would have been read before the copy, and not forgotten: a transaction is never copied and "
         "forgotten at the same time. Something between them is missing."},
FoldRule{FoldLabel::kForgotten, "Forgotten",
         FoldKind::kForget,   Want::kYes, Want::kNo,  Want::kYes, Want::kAny, Want::kAny, Want::kAny, true,
         "All resource managers have answered. Nothing is left to do."},
FoldRule{FoldLabel::kRolledBack, "RolledBack",
         FoldKind::kForget,   Want::kYes, Want::kYes, Want::kYes, Want::kAny, Want::kAny, Want::kAny, true,
         "A prepared transaction was rolled back. Its resource managers presume that of what is not offered to them."},
FoldRule{FoldLabel::kForgetNamesOther, "ForgetNamesOther",
         FoldKind::kForget,   Want::kYes, Want::kAny, Want::kNo,  Want::kAny, Want::kAny, Want::kAny, false,
         "A forget names the newest copy of the decision or prepare record. Another LSN means that a record between them is "
         "missing."},
FoldRule{FoldLabel::kForgottenBeforeBase, "ForgottenBeforeBase",
         FoldKind::kForget,   Want::kNo,  Want::kAny, Want::kAny, Want::kAny, Want::kYes, Want::kAny, true,
         "The base moves to the oldest transaction that is not forgotten: records of forgotten ones fall behind it while "
         "their forget records, written later, are still read."},
FoldRule{FoldLabel::kForgetWithoutDecision, "ForgetWithoutDecision",
         FoldKind::kForget,   Want::kNo,  Want::kAny, Want::kAny, Want::kAny, Want::kNo,  Want::kAny, false,
         "The decision or prepare record would have been read before it. It is missing, or was forgotten twice."},
FoldRule{FoldLabel::kCheckpoint, "Checkpoint",
         FoldKind::kRestart,  Want::kAny, Want::kAny, Want::kYes, Want::kYes, Want::kAny, Want::kAny, true,
         "A restart area among the records carries the clock; the state itself is in the records."},
FoldRule{FoldLabel::kForeignIdentity, "ForeignIdentity",
         FoldKind::kRestart,  Want::kAny, Want::kAny, Want::kNo,  Want::kAny, Want::kAny, Want::kAny, false,
         "A stream belongs to one manager. Work of another must not be resolved in its name."},
FoldRule{FoldLabel::kCheckpointClockWentBack, "CheckpointClockWentBack",
         FoldKind::kRestart,  Want::kAny, Want::kAny, Want::kYes, Want::kNo,  Want::kAny, Want::kAny, false,
         "The virtual clock only rises, and restart areas are written one at a time."},
};
// clang-format on

constexpr bool meets(Want want, bool fact) {
  return want == Want::kAny || (want == Want::kYes) == fact;
}

constexpr bool meets(const FoldRule& rule, const FoldFacts& facts) {
  return rule.kind == facts.kind && meets(rule.known, facts.known) &&
         meets(rule.prepared, facts.prepared) && meets(rule.matches, facts.matches) &&
         meets(rule.clock_rises, facts.clock_rises) && meets(rule.before_base, facts.before_base) &&
         meets(rule.shares, facts.shares);
}

// Calls `visit` with every combination of facts.
template <typename Visit>
constexpr void for_each_fold_facts(Visit visit) {
  for (const FoldKind kind : {FoldKind::kDecision, FoldKind::kPrepare, FoldKind::kAct,
                              FoldKind::kCopy, FoldKind::kForget, FoldKind::kRestart}) {
    for (unsigned bits = 0; bits < 64; ++bits) {
      visit(FoldFacts{kind, (bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0, (bits & 8) != 0,
                      (bits & 16) != 0, (bits & 32) != 0});
    }
  }
}

// The bits of for_each_fold_facts().
constexpr unsigned bits_of(const FoldFacts& facts) {
  return (facts.known ? 1U : 0U) | (facts.prepared ? 2U : 0U) | (facts.matches ? 4U : 0U) |
         (facts.clock_rises ? 8U : 0U) | (facts.before_base ? 16U : 0U) | (facts.shares ? 32U : 0U);
}

// For every combination, which row it meets.
inline constexpr auto kFoldJudgements = [] {
  std::array<std::array<std::uint8_t, 64>, 6> rows{};
  for_each_fold_facts([&](const FoldFacts& facts) {
    std::uint8_t row = 0;
    while (!meets(kFoldRules[row], facts)) ++row;
    rows[static_cast<std::size_t>(facts.kind)][bits_of(facts)] = row;
  });
  return rows;
}();

// The one row for these facts.
constexpr const FoldRule& judge(const FoldFacts& facts) {
  return kFoldRules[kFoldJudgements[static_cast<std::size_t>(facts.kind)][bits_of(facts)]];
}

static_assert(
    [] {
      bool good = true;
      for_each_fold_facts([&](const FoldFacts& facts) {
        int rows = 0;
        for (const FoldRule& rule : kFoldRules) rows += meets(rule, facts) ? 1 : 0;
        good = good && rows == 1;
      });
      return good;
    }(),
    "every combination of facts meets exactly one row");

}  // namespace cairn::recovery

#endif  // CAIRN_RECOVERY_FOLD_RULES_H_
