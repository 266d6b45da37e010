#include "order.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace cairn::rm {
namespace {

using Clock = PgConnection::Clock;
using std::chrono::milliseconds;

constexpr milliseconds kFirstPause{1};
constexpr milliseconds kLongestPause{500};

bool is_proof(Step step) {
  return step == Step::kProveAlone || step == Step::kProveAborted || step == Step::kProveCommitted;
}

}  // namespace

bool Order::advance(PgPool& pool, bool may_borrow) {
  while (!is_end(step_)) {
    if (pause_end_ && Clock::now() < *pause_end_) return false;
    pause_end_.reset();
    if (!is_sent_) {
      if (!begin_step(pool, may_borrow)) return false;
      continue;
    }
    const auto reply = connection()->advance();
    if (!reply) return false;
    is_sent_ = false;
    take(*reply, pool);
  }
  return true;
}

// False: it has to wait.
bool Order::begin_step(PgPool& pool, bool may_borrow) {
  if (is_own(step_)) {
    if (branch_->in_use) return false;
    if (!branch_->own) {
      follow(Reply::kLoss, Status(StatusCode::kIoError, "PostgreSQL: connection lost"), pool);
      return true;
    }
    const bool asks = step_ == Step::kAskId || step_ == Step::kAskIdAlone;
    if (asks && !branch_->failure) {
      follow(Reply::kRefusal, branch_->failure, pool);
      return true;
    }
    // What the work left in the middle of something else is closed.
    const PGTransactionStatusType state = branch_->own->transaction_status();
    if (step_ == Step::kUndo && state != PQTRANS_INTRANS && state != PQTRANS_INERROR) {
      follow(Reply::kLoss, {}, pool);
      return true;
    }
  }
  if (step_ == Step::kCancel && !branch_->in_use) {
    follow(Reply::kOk, {}, pool);
    return true;
  }
  if ((step_ == Step::kFence || step_ == Step::kFenceAlone) && branch_->lost_pid == 0) {
    follow(Reply::kOk, {}, pool);
    return true;
  }
  if (is_proof(step_) && branch_->transaction_id.empty()) {
    follow(Reply::kSaysNothing,
           Status(StatusCode::kNotFound, "PostgreSQL: no prepared transaction " + branch_->name),
           pool);
    return true;
  }
  if (!is_own(step_) && !is_connected(pool, may_borrow)) return false;
  if (pause_end_) return true;  // no connection: it will be tried again
  if (step_ == Step::kPrepare) branch_->may_be_prepared = true;
  connection()->send(command(pool));
  is_sent_ = true;
  return true;
}

// False: it still connects, or may not begin to.
bool Order::is_connected(PgPool& pool, bool may_borrow) {
  if (!borrowed_) {
    if (!may_borrow) return false;
    borrowed_ = pool.take();
    is_new_ = borrowed_->owes_reply();
  }
  if (!is_new_) return true;
  const auto greeting = borrowed_->advance();
  if (!greeting) return false;
  is_new_ = false;
  const Status welcome = pool.welcome(*borrowed_, *greeting);
  if (!welcome) follow(Reply::kLoss, welcome, pool);
  return true;
}

std::string Order::command(const PgPool& pool) const {
  switch (step_) {
    case Step::kAskId:
    case Step::kAskIdAlone:
      return "SELECT pg_current_xact_id_if_assigned()";
    case Step::kPrepare:
      return "PREPARE TRANSACTION '" + branch_->name + "'";
    case Step::kLeave:
    case Step::kLeaveAlone:
    case Step::kCommitAlone:
      return "COMMIT";
    case Step::kUndo:
      return "ROLLBACK";
    case Step::kCancel:
      return "SELECT pg_cancel_backend(" +
             std::to_string(branch_->own ? branch_->own->pid() : branch_->lost_pid) + ")";
    case Step::kFence:
    case Step::kFenceAlone:
      return pool.fence(branch_->lost_pid);
    case Step::kRollBack:
      return "ROLLBACK PREPARED '" + branch_->name + "'";
    case Step::kCommit:
      return "COMMIT PREPARED '" + branch_->name + "'";
    case Step::kProveAlone:
    case Step::kProveAborted:
    case Step::kProveCommitted:
      return "SELECT pg_xact_status('" + branch_->transaction_id + "'::xid8), " + PgPool::kEpoch;
    case Step::kPromised:
    case Step::kReadOnly:
    case Step::kCommitted:
    case Step::kRolledBack:
    case Step::kRefused:
    case Step::kUntold:
    case Step::kBroken:
      break;
  }
  return {};
}

Reply Order::read(const PgReply& reply) const {
  if (reply.is_lost) return Reply::kLoss;
  if (reply.status) return read_answer(reply);
  constexpr const char* kUndefinedObject = "42704";
  constexpr const char* kInvalidParameter = "22023";  // a transaction id that was not given yet
  const bool ends = step_ == Step::kCommit || step_ == Step::kRollBack;
  if (ends && reply.sqlstate == kUndefinedObject) return Reply::kUnknown;
  if (is_proof(step_) && reply.sqlstate == kInvalidParameter) return Reply::kSaysNever;
  return Reply::kRefusal;
}

Reply Order::read_answer(const PgReply& reply) const {
  const std::optional<std::string> field =
      reply.row.empty() ? std::optional<std::string>() : reply.row.front();
  switch (step_) {
    case Step::kAskId:
    case Step::kAskIdAlone:
      return field ? Reply::kOk : Reply::kNone;
    case Step::kPrepare:  // a failed transaction is rolled back instead, and that is said
      return reply.tag == "PREPARE TRANSACTION" ? Reply::kOk : Reply::kRefusal;
    case Step::kLeave:
    case Step::kLeaveAlone:
    case Step::kCommitAlone:
      return reply.tag == "COMMIT" ? Reply::kOk : Reply::kRefusal;
    case Step::kCancel:
      return branch_->in_use ? Reply::kBusy : Reply::kOk;
    case Step::kFence:
    case Step::kFenceAlone:
      return field == "0" ? Reply::kOk : Reply::kBusy;
    case Step::kProveAlone:
    case Step::kProveAborted:
    case Step::kProveCommitted:
      if (!field) return Reply::kSaysNothing;
      if (*field == "committed") {
        const bool is_sure = step_ != Step::kProveAlone || reply.row.back() == branch_->epoch;
        return is_sure ? Reply::kSaysCommitted : Reply::kSaysPerhaps;
      }
      return *field == "aborted" ? Reply::kSaysAborted : Reply::kBusy;
    default:
      return Reply::kOk;
  }
}

void Order::take(const PgReply& reply, PgPool& pool) {
  const Reply means = read(reply);
  if (means == Reply::kOk && (step_ == Step::kAskId || step_ == Step::kAskIdAlone)) {
    branch_->transaction_id = *reply.row.front();
    branch_->epoch = branch_->own->epoch();
  }
  Status words = reply.status;
  if (means == Reply::kRefusal && words) {
    words = Status(StatusCode::kInvalidState,
                   "PostgreSQL: the transaction had failed, and was rolled back: " + reply.tag);
  }
  follow(means, words, pool);
}

void Order::follow(Reply reply, const Status& words, PgPool& pool) {
  const OrderRow* const row = order_row(step_, reply);
  assert(row != nullptr);
  if (reply == Reply::kLoss) lose_connection(pool);
  if (row->pause) {
    pause_ = std::clamp(2 * pause_, kFirstPause, kLongestPause);
    pause_end_ = Clock::now() + pause_;
    if (!words) pool.note(words);
  } else if (!is_own(step_)) {
    pool.note({});
  }
  if (reply == Reply::kOk && (step_ == Step::kFence || step_ == Step::kFenceAlone)) {
    branch_->lost_pid = 0;
  }
  if (why_ && !words && (row->next == Step::kRefused || step_ == Step::kCommitAlone)) why_ = words;
  // What was not promised may not be forced: its number proves nothing.
  if (row->next == Step::kRefused) branch_->transaction_id.clear();
  if (row->next == Step::kBroken) {
    const auto code = reply == Reply::kSaysAborted     ? StatusCode::kAlreadyAborted
                      : reply == Reply::kSaysCommitted ? StatusCode::kAlreadyCommitted
                                                       : StatusCode::kOutcomeUnknown;
    why_ = Status(code, "PostgreSQL database " + pool.identity().to_string() +
                            ": prepared transaction " + branch_->name + ", number " +
                            branch_->transaction_id + ": expected it prepared, or " +
                            (step_ == Step::kProveAborted ? "rolled back" : "committed") +
                            ", found it " +
                            (reply == Reply::kSaysAborted     ? "rolled back"
                             : reply == Reply::kSaysCommitted ? "committed"
                                                              : "unknown to the server"));
  }
  was_proven_ = is_proof(step_) && row->next == Step::kCommitted;
  step_ = row->next;
}

bool Order::turn_back() {
  if (step_ != Step::kAskId || is_sent_) return false;
  step_ = Step::kCancel;
  return true;
}

// Those that lie idle are lost too, as a rule.
void Order::lose_connection(PgPool& pool) {
  if (!is_new_) pool.close_idle();
  is_new_ = false;
  if (!is_own(step_)) {
    borrowed_.reset();
    return;
  }
  if (!branch_->own) return;
  branch_->lost_pid = branch_->own->pid();
  branch_->own.reset();
}

std::optional<pollfd> Order::waits_for() const {
  const PgConnection* const on = connection();
  if (pause_end_ || on == nullptr || !on->owes_reply()) return std::nullopt;
  return on->waits_for();
}

std::optional<Clock::time_point> Order::waits_until() const { return pause_end_; }

void Order::release(PgPool& pool) { pool.give_back(std::move(borrowed_)); }

}  // namespace cairn::rm
