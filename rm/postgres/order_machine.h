// The machine of an order: what is asked of the server for one notification, and what follows from
// each reply.
//
//   PREPARE               kAskId -> kPrepare -> kPromised      nothing changed: kLeave -> kReadOnly
//   SINGLE_PHASE_COMMIT   kAskIdAlone -> kCommitAlone -> kCommitted
//   COMMIT                kCommit -> kCommitted
//   ROLLBACK              kCancel -> kUndo -> kRolledBack       before PREPARE TRANSACTION was sent
//                         kFence -> kRollBack -> kRolledBack    since then
//
// Before the promise any trouble is a refusal. Behind it trouble is tried again. A name that the
// server does not know is no outcome: the transaction id tells it (kProve...). A server that falls
// down forgets ids of which nothing was forced, and gives them out again; those of promises are
// forced, that of a commit alone may not be: then "committed" is believed only if the server has
// not fallen down, while "aborted" and "never" are true of both transactions. A lost connection may
// have a backend that still works: kFence... ends it first.
#ifndef CAIRN_RM_POSTGRES_ORDER_MACHINE_H_
#define CAIRN_RM_POSTGRES_ORDER_MACHINE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "sql/sql_order.h"

namespace cairn::rm::pg {

enum class Step : std::uint8_t {
  // On the branch's own connection.
  kAskId,        // pg_current_xact_id_if_assigned(): has it changed anything?
  kPrepare,      // PREPARE TRANSACTION
  kLeave,        // COMMIT of a branch that changed nothing
  kAskIdAlone,   // as kAskId
  kCommitAlone,  // COMMIT
  kLeaveAlone,   // COMMIT of a branch that changed nothing
  kUndo,         // ROLLBACK
  // On any connection.
  kCancel,          // ends the statement that a client is waiting for
  kFenceAlone,      // ends the backend of a connection that was lost
  kProveAlone,      // pg_xact_status()
  kFence,           // as kFenceAlone
  kRollBack,        // ROLLBACK PREPARED
  kProveAborted,    // pg_xact_status()
  kCommit,          // COMMIT PREPARED
  kProveCommitted,  // pg_xact_status()
  // Ends.
  kPromised,
  kReadOnly,
  kCommitted,
  kProven,  // committed by an earlier try
  kRolledBack,
  kRefused,  // rolls the transaction back, and says why
  kUntold,   // lets the enlistment go: nobody can say what became of a commit alone
  kBroken,   // ends the session, and says why
};

enum class Reply : std::uint8_t {
  kOk,
  kNone,     // no transaction id was given: nothing is changed
  kUnknown,  // no prepared transaction has that name
  kBusy,     // a backend, a client or the transaction is still at work
  kSaysCommitted,
  kSaysAborted,
  kSaysPerhaps,  // committed, but that may be another transaction: the server fell down meanwhile
  kSaysNever,    // the number was not given out, as far as this server remembers
  kSaysNothing,  // the server does not know any more
  kRefusal,      // any other error of the server
  kLoss,         // of the connection
};

using OrderRow = SqlOrderRow<Step, Reply>;

// clang-format off
inline constexpr std::array kOrderTable{
    OrderRow{Step::kAskId,          Reply::kOk,            Step::kPrepare},
    OrderRow{Step::kAskId,          Reply::kNone,          Step::kLeave},
    OrderRow{Step::kAskId,          Reply::kRefusal,       Step::kRefused},
    OrderRow{Step::kAskId,          Reply::kLoss,          Step::kRefused},
    OrderRow{Step::kPrepare,        Reply::kOk,            Step::kPromised},
    OrderRow{Step::kPrepare,        Reply::kRefusal,       Step::kRefused},
    OrderRow{Step::kPrepare,        Reply::kLoss,          Step::kRefused},  // ROLLBACK looks after it
    OrderRow{Step::kLeave,          Reply::kOk,            Step::kReadOnly},
    OrderRow{Step::kLeave,          Reply::kRefusal,       Step::kRefused},  // what it read does not hold
    OrderRow{Step::kLeave,          Reply::kLoss,          Step::kRefused},

    OrderRow{Step::kAskIdAlone,     Reply::kOk,            Step::kCommitAlone},
    OrderRow{Step::kAskIdAlone,     Reply::kNone,          Step::kLeaveAlone},
    OrderRow{Step::kAskIdAlone,     Reply::kRefusal,       Step::kRefused},
    OrderRow{Step::kAskIdAlone,     Reply::kLoss,          Step::kRefused},
    OrderRow{Step::kCommitAlone,    Reply::kOk,            Step::kCommitted},
    OrderRow{Step::kCommitAlone,    Reply::kRefusal,       Step::kFenceAlone},
    OrderRow{Step::kCommitAlone,    Reply::kLoss,          Step::kFenceAlone},
    OrderRow{Step::kLeaveAlone,     Reply::kOk,            Step::kCommitted},
    OrderRow{Step::kLeaveAlone,     Reply::kRefusal,       Step::kRefused},
    OrderRow{Step::kLeaveAlone,     Reply::kLoss,          Step::kRefused},
    OrderRow{Step::kFenceAlone,     Reply::kOk,            Step::kProveAlone},
    OrderRow{Step::kFenceAlone,     Reply::kBusy,          Step::kFenceAlone, true},
    OrderRow{Step::kFenceAlone,     Reply::kRefusal,       Step::kFenceAlone, true},
    OrderRow{Step::kFenceAlone,     Reply::kLoss,          Step::kFenceAlone, true},
    OrderRow{Step::kProveAlone,     Reply::kSaysCommitted, Step::kProven},
    OrderRow{Step::kProveAlone,     Reply::kSaysAborted,   Step::kRefused},
    OrderRow{Step::kProveAlone,     Reply::kSaysPerhaps,   Step::kUntold},
    OrderRow{Step::kProveAlone,     Reply::kSaysNever,     Step::kRefused},
    OrderRow{Step::kProveAlone,     Reply::kSaysNothing,   Step::kUntold},
    OrderRow{Step::kProveAlone,     Reply::kBusy,          Step::kFenceAlone, true},
    OrderRow{Step::kProveAlone,     Reply::kRefusal,       Step::kProveAlone, true},
    OrderRow{Step::kProveAlone,     Reply::kLoss,          Step::kProveAlone, true},

    OrderRow{Step::kCancel,         Reply::kOk,            Step::kUndo},
    OrderRow{Step::kCancel,         Reply::kBusy,          Step::kCancel, true},
    OrderRow{Step::kCancel,         Reply::kRefusal,       Step::kCancel, true},
    OrderRow{Step::kCancel,         Reply::kLoss,          Step::kCancel, true},
    OrderRow{Step::kUndo,           Reply::kOk,            Step::kRolledBack},
    OrderRow{Step::kUndo,           Reply::kRefusal,       Step::kRolledBack},  // its connection is closed
    OrderRow{Step::kUndo,           Reply::kLoss,          Step::kRolledBack},

    OrderRow{Step::kFence,          Reply::kOk,            Step::kRollBack},
    OrderRow{Step::kFence,          Reply::kBusy,          Step::kFence, true},
    OrderRow{Step::kFence,          Reply::kRefusal,       Step::kFence, true},
    OrderRow{Step::kFence,          Reply::kLoss,          Step::kFence, true},
    OrderRow{Step::kRollBack,       Reply::kOk,            Step::kRolledBack},
    OrderRow{Step::kRollBack,       Reply::kUnknown,       Step::kProveAborted},
    OrderRow{Step::kRollBack,       Reply::kRefusal,       Step::kRollBack, true},
    OrderRow{Step::kRollBack,       Reply::kLoss,          Step::kRollBack, true},
    OrderRow{Step::kProveAborted,   Reply::kSaysAborted,   Step::kRolledBack},
    OrderRow{Step::kProveAborted,   Reply::kSaysNever,     Step::kRolledBack},
    OrderRow{Step::kProveAborted,   Reply::kSaysNothing,   Step::kRolledBack},  // it is not there
    OrderRow{Step::kProveAborted,   Reply::kSaysCommitted, Step::kBroken},
    OrderRow{Step::kProveAborted,   Reply::kBusy,          Step::kFence, true},
    OrderRow{Step::kProveAborted,   Reply::kRefusal,       Step::kProveAborted, true},
    OrderRow{Step::kProveAborted,   Reply::kLoss,          Step::kProveAborted, true},

    OrderRow{Step::kCommit,         Reply::kOk,            Step::kCommitted},
    OrderRow{Step::kCommit,         Reply::kUnknown,       Step::kProveCommitted},
    OrderRow{Step::kCommit,         Reply::kRefusal,       Step::kCommit, true},
    OrderRow{Step::kCommit,         Reply::kLoss,          Step::kCommit, true},
    OrderRow{Step::kProveCommitted, Reply::kSaysCommitted, Step::kProven},
    OrderRow{Step::kProveCommitted, Reply::kSaysAborted,   Step::kBroken},
    OrderRow{Step::kProveCommitted, Reply::kSaysNever,     Step::kBroken},  // an older copy
    OrderRow{Step::kProveCommitted, Reply::kSaysNothing,   Step::kBroken},
    OrderRow{Step::kProveCommitted, Reply::kBusy,          Step::kCommit, true},
    OrderRow{Step::kProveCommitted, Reply::kRefusal,       Step::kProveCommitted, true},
    OrderRow{Step::kProveCommitted, Reply::kLoss,          Step::kProveCommitted, true},
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
    case Step::kUntold:
      return OrderEnd::kUntold;
    case Step::kBroken:
      return OrderEnd::kBroken;
    default:
      return std::nullopt;
  }
}
[[nodiscard]] constexpr bool is_own(Step step) { return step <= Step::kUndo; }

// Null: that reply does not come in that step.
[[nodiscard]] constexpr const OrderRow* order_row(Step step, Reply reply) {
  for (const OrderRow& row : kOrderTable) {
    if (row.step == step && row.answer == reply) return &row;
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
    if (order_row(static_cast<Step>(step), Reply::kLoss) == nullptr) return false;
    if (order_row(static_cast<Step>(step), Reply::kRefusal) == nullptr) return false;
  }
  return true;
}
static_assert(is_safe_from_trouble());

// Trouble, and a name that is not known, never are an outcome. (kUndo: nothing is promised, and its
// connection ends, with which the server rolls back.)
constexpr bool is_no_outcome_read_from_trouble() {
  for (const OrderRow& row : kOrderTable) {
    const bool trouble = row.answer == Reply::kLoss || row.answer == Reply::kRefusal ||
                         row.answer == Reply::kUnknown || row.answer == Reply::kBusy;
    const bool outcome = row.next == Step::kPromised || row.next == Step::kReadOnly ||
                         row.next == Step::kCommitted || row.next == Step::kProven ||
                         row.next == Step::kRolledBack;
    if (trouble && outcome && row.step != Step::kUndo) return false;
  }
  return true;
}
static_assert(is_no_outcome_read_from_trouble());

}  // namespace order_machine

}  // namespace cairn::rm::pg

#endif  // CAIRN_RM_POSTGRES_ORDER_MACHINE_H_
