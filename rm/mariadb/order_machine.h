// The machine of an order: what is asked of the server for one notification, and what follows from
// each answer.
//
//   PREPARE               kMark -> kEnd -> kPrepare -> kPromised
//                         kLeaveEnd -> kLeave -> kReadOnly              if it could only read
//   SINGLE_PHASE_COMMIT   kMarkAlone -> kEndAlone -> kCommitAlone -> kCommitted
//   COMMIT                kCommitOwn -> kCommitted                      on its own connection
//                         kFenceCommit -> kCommit -> kCommitted         that is gone
//   ROLLBACK              kCancel -> kUndoEnd -> kUndo -> kRolledBack   XA PREPARE was not sent
//                         kUndoPrepared -> kRolledBack
//                         kFence -> kRollBack -> kRolledBack            its connection is gone
//
// Before the promise any trouble is a refusal. Behind it trouble is tried again. Only the
// connection that prepared a branch may end it, for as long as it lives in the server; for all
// others the name is not known (XAER_NOTA). So a connection that was lost, or that answered
// wrongly, is ended and waited for first (kFence..., kKill...). Also then that a name is not known
// is no outcome: the marker tells it (kProve...).
#ifndef CAIRN_RM_MARIADB_ORDER_MACHINE_H_
#define CAIRN_RM_MARIADB_ORDER_MACHINE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "sql/sql_order.h"

namespace cairn::rm::maria {

enum class Step : std::uint8_t {
  // On the branch's own connection.
  kMark,         // INSERT of the marker
  kEnd,          // XA END
  kPrepare,      // XA PREPARE
  kLeaveEnd,     // XA END of a branch that could only read
  kLeave,        // XA COMMIT ONE PHASE of it
  kMarkAlone,    // as kMark
  kEndAlone,     // XA END
  kCommitAlone,  // XA COMMIT ONE PHASE
  kLeaveEndAlone,
  kLeaveAlone,
  kUndoEnd,       // XA END, if it is not ended yet
  kUndo,          // XA ROLLBACK
  kUndoPrepared,  // XA ROLLBACK
  kCommitOwn,     // XA COMMIT
  // On any connection.
  kCancel,      // KILL QUERY: ends the statement that a client is waiting for
  kFenceAlone,  // who holds the lock of the lost connection?
  kKillAlone,   // KILL of that one
  kProveAlone,  // SELECT of the marker
  kFence,       // as kFenceAlone
  kKill,        // KILL
  kRollBack,    // XA ROLLBACK
  kProveAborted,
  kFenceCommit,  // as kFenceAlone
  kKillCommit,   // KILL
  kCommit,       // XA COMMIT
  kProveCommitted,
  kClear,  // DELETE of markers
  // Ends.
  kPromised,
  kReadOnly,
  kCommitted,
  kProven,  // committed by an earlier try
  kRolledBack,
  kRefused,
  kBroken,
  kCleared,
};

enum class Answer : std::uint8_t {
  kOk,
  kUnknown,  // XAER_NOTA
  kBusy,     // the connection, or a client, is still there
  kThere,    // the marker is
  kAbsent,   // it is not
  kRefusal,  // any other error of the server
  kLoss,     // of the connection
};

using OrderRow = SqlOrderRow<Step, Answer>;

// clang-format off
inline constexpr std::array kOrderTable{
    OrderRow{Step::kMark,           Answer::kOk,      Step::kEnd},
    OrderRow{Step::kMark,           Answer::kRefusal, Step::kRefused},
    OrderRow{Step::kMark,           Answer::kLoss,    Step::kRefused},
    OrderRow{Step::kEnd,            Answer::kOk,      Step::kPrepare},
    OrderRow{Step::kEnd,            Answer::kRefusal, Step::kRefused},
    OrderRow{Step::kEnd,            Answer::kLoss,    Step::kRefused},
    OrderRow{Step::kPrepare,        Answer::kOk,      Step::kPromised},
    OrderRow{Step::kPrepare,        Answer::kRefusal, Step::kRefused},  // ROLLBACK looks after it
    OrderRow{Step::kPrepare,        Answer::kLoss,    Step::kRefused},
    OrderRow{Step::kLeaveEnd,       Answer::kOk,      Step::kLeave},
    OrderRow{Step::kLeaveEnd,       Answer::kRefusal, Step::kRefused},
    OrderRow{Step::kLeaveEnd,       Answer::kLoss,    Step::kRefused},
    OrderRow{Step::kLeave,          Answer::kOk,      Step::kReadOnly},
    OrderRow{Step::kLeave,          Answer::kRefusal, Step::kRefused},
    OrderRow{Step::kLeave,          Answer::kLoss,    Step::kRefused},

    OrderRow{Step::kMarkAlone,      Answer::kOk,      Step::kEndAlone},
    OrderRow{Step::kMarkAlone,      Answer::kRefusal, Step::kRefused},
    OrderRow{Step::kMarkAlone,      Answer::kLoss,    Step::kRefused},
    OrderRow{Step::kEndAlone,       Answer::kOk,      Step::kCommitAlone},
    OrderRow{Step::kEndAlone,       Answer::kRefusal, Step::kRefused},
    OrderRow{Step::kEndAlone,       Answer::kLoss,    Step::kRefused},
    OrderRow{Step::kCommitAlone,    Answer::kOk,      Step::kCommitted},
    OrderRow{Step::kCommitAlone,    Answer::kRefusal, Step::kFenceAlone},
    OrderRow{Step::kCommitAlone,    Answer::kLoss,    Step::kFenceAlone},
    OrderRow{Step::kLeaveEndAlone,  Answer::kOk,      Step::kLeaveAlone},
    OrderRow{Step::kLeaveEndAlone,  Answer::kRefusal, Step::kRefused},
    OrderRow{Step::kLeaveEndAlone,  Answer::kLoss,    Step::kRefused},
    OrderRow{Step::kLeaveAlone,     Answer::kOk,      Step::kCommitted},
    OrderRow{Step::kLeaveAlone,     Answer::kRefusal, Step::kRefused},
    OrderRow{Step::kLeaveAlone,     Answer::kLoss,    Step::kRefused},
    OrderRow{Step::kFenceAlone,     Answer::kOk,      Step::kProveAlone},
    OrderRow{Step::kFenceAlone,     Answer::kBusy,    Step::kKillAlone},
    OrderRow{Step::kFenceAlone,     Answer::kRefusal, Step::kFenceAlone, true},
    OrderRow{Step::kFenceAlone,     Answer::kLoss,    Step::kFenceAlone, true},
    OrderRow{Step::kKillAlone,      Answer::kOk,      Step::kFenceAlone, true},
    OrderRow{Step::kKillAlone,      Answer::kRefusal, Step::kFenceAlone, true},  // it is gone
    OrderRow{Step::kKillAlone,      Answer::kLoss,    Step::kFenceAlone, true},
    OrderRow{Step::kProveAlone,     Answer::kThere,   Step::kProven},
    OrderRow{Step::kProveAlone,     Answer::kAbsent,  Step::kRefused},
    OrderRow{Step::kProveAlone,     Answer::kRefusal, Step::kProveAlone, true},
    OrderRow{Step::kProveAlone,     Answer::kLoss,    Step::kProveAlone, true},

    OrderRow{Step::kCancel,         Answer::kOk,      Step::kUndoEnd},
    OrderRow{Step::kCancel,         Answer::kBusy,    Step::kCancel, true},
    OrderRow{Step::kCancel,         Answer::kRefusal, Step::kCancel, true},
    OrderRow{Step::kCancel,         Answer::kLoss,    Step::kCancel, true},
    OrderRow{Step::kUndoEnd,        Answer::kOk,      Step::kUndo},
    OrderRow{Step::kUndoEnd,        Answer::kRefusal, Step::kUndo},
    OrderRow{Step::kUndoEnd,        Answer::kLoss,    Step::kRolledBack},
    OrderRow{Step::kUndo,           Answer::kOk,      Step::kRolledBack},
    OrderRow{Step::kUndo,           Answer::kRefusal, Step::kRolledBack},  // its connection is closed
    OrderRow{Step::kUndo,           Answer::kLoss,    Step::kRolledBack},

    OrderRow{Step::kUndoPrepared,   Answer::kOk,      Step::kRolledBack},
    OrderRow{Step::kUndoPrepared,   Answer::kUnknown, Step::kFence},
    OrderRow{Step::kUndoPrepared,   Answer::kRefusal, Step::kFence},
    OrderRow{Step::kUndoPrepared,   Answer::kLoss,    Step::kFence},
    OrderRow{Step::kFence,          Answer::kOk,      Step::kRollBack},
    OrderRow{Step::kFence,          Answer::kBusy,    Step::kKill},
    OrderRow{Step::kFence,          Answer::kRefusal, Step::kFence, true},
    OrderRow{Step::kFence,          Answer::kLoss,    Step::kFence, true},
    OrderRow{Step::kKill,           Answer::kOk,      Step::kFence, true},
    OrderRow{Step::kKill,           Answer::kRefusal, Step::kFence, true},
    OrderRow{Step::kKill,           Answer::kLoss,    Step::kFence, true},
    OrderRow{Step::kRollBack,       Answer::kOk,      Step::kRolledBack},
    OrderRow{Step::kRollBack,       Answer::kUnknown, Step::kProveAborted},
    OrderRow{Step::kRollBack,       Answer::kRefusal, Step::kRollBack, true},
    OrderRow{Step::kRollBack,       Answer::kLoss,    Step::kFence, true},
    OrderRow{Step::kProveAborted,   Answer::kThere,   Step::kBroken},
    OrderRow{Step::kProveAborted,   Answer::kAbsent,  Step::kRolledBack},
    OrderRow{Step::kProveAborted,   Answer::kRefusal, Step::kProveAborted, true},
    OrderRow{Step::kProveAborted,   Answer::kLoss,    Step::kProveAborted, true},

    OrderRow{Step::kCommitOwn,      Answer::kOk,      Step::kCommitted},
    OrderRow{Step::kCommitOwn,      Answer::kUnknown, Step::kFenceCommit},
    OrderRow{Step::kCommitOwn,      Answer::kRefusal, Step::kFenceCommit},
    OrderRow{Step::kCommitOwn,      Answer::kLoss,    Step::kFenceCommit},
    OrderRow{Step::kFenceCommit,    Answer::kOk,      Step::kCommit},
    OrderRow{Step::kFenceCommit,    Answer::kBusy,    Step::kKillCommit},
    OrderRow{Step::kFenceCommit,    Answer::kRefusal, Step::kFenceCommit, true},
    OrderRow{Step::kFenceCommit,    Answer::kLoss,    Step::kFenceCommit, true},
    OrderRow{Step::kKillCommit,     Answer::kOk,      Step::kFenceCommit, true},
    OrderRow{Step::kKillCommit,     Answer::kRefusal, Step::kFenceCommit, true},
    OrderRow{Step::kKillCommit,     Answer::kLoss,    Step::kFenceCommit, true},
    OrderRow{Step::kCommit,         Answer::kOk,      Step::kCommitted},
    OrderRow{Step::kCommit,         Answer::kUnknown, Step::kProveCommitted},
    OrderRow{Step::kCommit,         Answer::kRefusal, Step::kCommit, true},
    OrderRow{Step::kCommit,         Answer::kLoss,    Step::kFenceCommit, true},
    OrderRow{Step::kProveCommitted, Answer::kThere,   Step::kProven},
    OrderRow{Step::kProveCommitted, Answer::kAbsent,  Step::kBroken},
    OrderRow{Step::kProveCommitted, Answer::kRefusal, Step::kProveCommitted, true},
    OrderRow{Step::kProveCommitted, Answer::kLoss,    Step::kProveCommitted, true},

    OrderRow{Step::kClear,          Answer::kOk,      Step::kCleared},
    OrderRow{Step::kClear,          Answer::kRefusal, Step::kCleared},  // the next opening does it
    OrderRow{Step::kClear,          Answer::kLoss,    Step::kClear, true},
};
// clang-format on

[[nodiscard]] constexpr std::optional<OrderEnd> end_of(Step step) {
  switch (step) {
    case Step::kPromised:
      return OrderEnd::kPromised;
    case Step::kReadOnly:
      return OrderEnd::kReadOnly;
    case Step::kCommitted:
      return OrderEnd::kCommitted;
    case Step::kProven:
      return OrderEnd::kCommittedBefore;
    case Step::kRolledBack:
      return OrderEnd::kRolledBack;
    case Step::kRefused:
      return OrderEnd::kRefused;
    case Step::kBroken:
      return OrderEnd::kBroken;
    case Step::kCleared:
      return OrderEnd::kDone;
    default:
      return std::nullopt;
  }
}
[[nodiscard]] constexpr bool is_own(Step step) { return step <= Step::kCommitOwn; }
[[nodiscard]] constexpr bool is_fence(Step step) {
  return step == Step::kFence || step == Step::kFenceAlone || step == Step::kFenceCommit;
}

// Null: that answer does not come in that step.
[[nodiscard]] constexpr const OrderRow* order_row(Step step, Answer answer) {
  for (const OrderRow& row : kOrderTable) {
    if (row.step == step && row.answer == answer) return &row;
  }
  return nullptr;
}

namespace order_machine {

constexpr bool is_deterministic() {
  for (std::size_t i = 0; i < kOrderTable.size(); ++i) {
    if (order_row(kOrderTable[i].step, kOrderTable[i].answer) != &kOrderTable[i]) return false;
  }
  return true;
}
static_assert(is_deterministic());

// Every step has a way on from a loss of the connection and from an error of the server.
constexpr bool is_safe_from_trouble() {
  for (int step = 0; step < static_cast<int>(Step::kPromised); ++step) {
    if (order_row(static_cast<Step>(step), Answer::kLoss) == nullptr) return false;
    if (order_row(static_cast<Step>(step), Answer::kRefusal) == nullptr) return false;
  }
  return true;
}
static_assert(is_safe_from_trouble());

// Trouble, and a name that is not known, never are an outcome. (kUndo...: nothing is promised, and
// its connection ends, with which the server rolls back.) And a branch is ended, or sought, on
// another connection only behind a fence.
constexpr bool is_no_outcome_read_from_trouble() {
  for (const OrderRow& row : kOrderTable) {
    const bool trouble = row.answer == Answer::kLoss || row.answer == Answer::kRefusal ||
                         row.answer == Answer::kUnknown || row.answer == Answer::kBusy;
    const bool outcome = row.next == Step::kPromised || row.next == Step::kReadOnly ||
                         row.next == Step::kCommitted || row.next == Step::kProven ||
                         row.next == Step::kRolledBack;
    const bool undo = row.step == Step::kUndo || row.step == Step::kUndoEnd;
    if (trouble && outcome && !undo) return false;
  }
  return true;
}
static_assert(is_no_outcome_read_from_trouble());

constexpr bool is_sought_behind_a_fence() {
  for (const OrderRow& row : kOrderTable) {
    const bool seeks = row.next == Step::kCommit || row.next == Step::kRollBack;
    if (seeks && row.step != row.next && !is_fence(row.step)) return false;
  }
  return true;
}
static_assert(is_sought_behind_a_fence());

}  // namespace order_machine

}  // namespace cairn::rm::maria

#endif  // CAIRN_RM_MARIADB_ORDER_MACHINE_H_
