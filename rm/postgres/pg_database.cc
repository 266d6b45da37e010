#include "pg_database.h"

#include <algorithm>

#include "names/branch_name.h"

namespace cairn::rm {
namespace {

using pg::Step;
using tm::NotificationKind;

bool is_proof(Step step) {
  return step == Step::kProveAlone || step == Step::kProveAborted || step == Step::kProveCommitted;
}
// The number tells two uses of one unit of work apart.
std::string numbered(const std::string& name, const std::string& transaction_id) {
  return name + ":" + transaction_id;
}
bool is_fence(Step step) { return step == Step::kFence || step == Step::kFenceAlone; }

pg::Reply read_answer(Step step, const PgReply& reply, const PgBranch& branch) {
  using pg::Reply;
  const std::optional<std::string> field =
      reply.row.empty() ? std::optional<std::string>() : reply.row.front();
  switch (step) {
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
      return branch.in_use ? Reply::kBusy : Reply::kOk;
    case Step::kFence:
    case Step::kFenceAlone:
      return field == "0" ? Reply::kOk : Reply::kBusy;
    case Step::kProveAlone:
    case Step::kProveAborted:
    case Step::kProveCommitted:
      if (!field) return Reply::kSaysNothing;
      if (*field == "committed") {
        const bool is_sure = step != Step::kProveAlone || reply.row.back() == branch.epoch;
        return is_sure ? Reply::kSaysCommitted : Reply::kSaysPerhaps;
      }
      return *field == "aborted" ? Reply::kSaysAborted : Reply::kBusy;
    default:
      return Reply::kOk;
  }
}

}  // namespace

// ---- Orders

Step PgDatabase::first(NotificationKind kind, const Branch& branch) {
  if (kind == NotificationKind::kPrepare) return Step::kAskId;
  if (kind == NotificationKind::kSinglePhaseCommit) return Step::kAskIdAlone;
  if (kind == NotificationKind::kCommit) return Step::kCommit;
  if (branch.may_be_prepared) return Step::kFence;
  if (branch.own || branch.in_use) return Step::kCancel;
  return Step::kRolledBack;  // nothing is left to be rolled back
}

std::optional<std::pair<pg::Reply, Status>> PgDatabase::known(Step step, const Branch& branch) {
  const bool asks = step == Step::kAskId || step == Step::kAskIdAlone;
  if (asks && !branch.failure) return std::pair(Answer::kRefusal, branch.failure);
  if (step == Step::kUndo) {  // what the work left in the middle of something else is closed
    const PGTransactionStatusType state = branch.own->transaction_status();
    if (state != PQTRANS_INTRANS && state != PQTRANS_INERROR) {
      return std::pair(Answer::kLoss, Status::ok());
    }
  }
  if (step == Step::kCancel && !branch.in_use) return std::pair(Answer::kOk, Status::ok());
  if (is_fence(step) && branch.lost_id == 0) return std::pair(Answer::kOk, Status::ok());
  if (is_proof(step) && branch.transaction_id.empty()) {
    return std::pair(
        Answer::kSaysNothing,
        Status(StatusCode::kNotFound, "PostgreSQL: no prepared transaction " + branch.name));
  }
  return std::nullopt;
}

std::string PgDatabase::command(Step step, Branch& branch, const Pool& pool) {
  switch (step) {
    case Step::kAskId:
    case Step::kAskIdAlone:
      return "SELECT pg_current_xact_id_if_assigned()";
    case Step::kPrepare:
      branch.may_be_prepared = true;
      return "PREPARE TRANSACTION '" + branch.name + "'";
    case Step::kLeave:
    case Step::kLeaveAlone:
    case Step::kCommitAlone:
      return "COMMIT";
    case Step::kUndo:
      return "ROLLBACK";
    case Step::kCancel:
      return "SELECT pg_cancel_backend(" +
             std::to_string(branch.own ? branch.own->id() : branch.lost_id) + ")";
    case Step::kFence:
    case Step::kFenceAlone:
      return pool.fence(branch.lost_id);
    case Step::kRollBack:
      return "ROLLBACK PREPARED '" + branch.name + "'";
    case Step::kCommit:
      return "COMMIT PREPARED '" + branch.name + "'";
    case Step::kProveAlone:
    case Step::kProveAborted:
    case Step::kProveCommitted:
      return "SELECT pg_xact_status('" + branch.transaction_id + "'::xid8), " + PgPool::kEpoch;
    default:
      return {};  // the ends
  }
}

pg::Reply PgDatabase::read(Step step, const Reply& reply, const Branch& branch) {
  if (reply.is_lost) return Answer::kLoss;
  if (reply.status) return read_answer(step, reply, branch);
  constexpr const char* kUndefinedObject = "42704";
  constexpr const char* kInvalidParameter = "22023";  // a transaction id that was not given yet
  const bool ends = step == Step::kCommit || step == Step::kRollBack;
  if (ends && reply.sqlstate == kUndefinedObject) return Answer::kUnknown;
  if (is_proof(step) && reply.sqlstate == kInvalidParameter) return Answer::kSaysNever;
  return Answer::kRefusal;
}

Status PgDatabase::took(Step step, Answer answer, Step next, Branch& branch, const Reply& reply) {
  if (answer == Answer::kOk && (step == Step::kAskId || step == Step::kAskIdAlone)) {
    branch.transaction_id = *reply.row.front();
    branch.name = numbered(branch.name, branch.transaction_id);
    branch.epoch = branch.own->epoch();
  }
  if (answer == Answer::kOk && is_fence(step)) branch.lost_id = 0;
  // What was not promised may not be forced: its number proves nothing.
  if (next == Step::kRefused) branch.transaction_id.clear();
  if (next != Step::kRefused && step != Step::kCommitAlone) return Status::ok();
  if (answer != Answer::kRefusal || !reply.status) return reply.status;
  return Status(StatusCode::kInvalidState,
                "PostgreSQL: the transaction had failed, and was rolled back: " + reply.tag);
}

Status PgDatabase::contradiction(Step step, Answer answer, const Branch& branch, const Pool& pool) {
  const auto code = answer == Answer::kSaysAborted     ? StatusCode::kAlreadyAborted
                    : answer == Answer::kSaysCommitted ? StatusCode::kAlreadyCommitted
                                                       : StatusCode::kOutcomeUnknown;
  return Status(
      code, "PostgreSQL database " + pool.identity().to_string() + ": prepared transaction " +
                branch.name + ", number " + branch.transaction_id + ": expected it prepared, or " +
                (step == Step::kProveAborted ? "rolled back" : "committed") + ", found it " +
                (answer == Answer::kSaysAborted     ? "rolled back"
                 : answer == Answer::kSaysCommitted ? "committed"
                                                    : "unknown to the server"));
}

// ---- Start

Result<std::unique_ptr<PgConnection>> PgDatabase::first_connection(Pool& pool, Time end) {
  CAIRN_RETURN_IF_ERROR(pool.check_conninfo());
  std::unique_ptr<PgConnection> connection = pool.make();
  CAIRN_RETURN_IF_ERROR(pool.welcome(*connection, connection->wait(end)));
  return connection;
}

Result<bool> PgDatabase::fence(Connection& connection, const Pool& pool, Time end) {
  connection.send(pool.fence(0));
  const PgReply reply = connection.wait(end);
  CAIRN_RETURN_IF_ERROR(reply.status);
  return !reply.row.empty() && reply.row.front() == "0";
}

Result<std::vector<std::string>> PgDatabase::list(Connection& connection, Time end) {
  connection.send(
      "SELECT coalesce(string_agg(gid, E'\\n' ORDER BY gid), '') FROM pg_prepared_xacts "
      "WHERE database = current_database()");
  const PgReply reply = connection.wait(end);
  CAIRN_RETURN_IF_ERROR(reply.status);
  const std::string names = reply.row.empty() ? "" : reply.row.front().value_or("");
  std::vector<std::string> list;
  for (std::size_t at = 0, next = 0; at < names.size(); at = next + 1) {
    next = std::min(names.find('\n', at), names.size());
    list.push_back(names.substr(at, next - at));
  }
  return list;
}

std::optional<Uuid> PgDatabase::own(const std::string& name, const Uuid& manager, const Uuid& id) {
  const std::size_t end = name.rfind(':');
  if (end == std::string::npos || !is_number(std::string_view(name).substr(end + 1))) {
    return std::nullopt;
  }
  const auto read = BranchName::parse(std::string_view(name).substr(0, end));
  const bool is_own = read && read->transaction_manager == manager && read->resource_manager == id;
  return is_own ? std::optional(read->transaction) : std::nullopt;
}

// ---- Branches

std::string PgDatabase::new_name(const Uuid& manager, const Uuid& id, const Uuid& transaction) {
  return BranchName{manager, id, transaction}.to_string();
}

PgReply PgDatabase::begin(Connection& connection, const Options& options, const Branch&, SqlAccess,
                          Time end) {
  connection.send(options.begin);
  PgReply begun = connection.wait(end);
  if (begun.status && connection.transaction_status() != PQTRANS_INTRANS) {
    begun.status = Status(
        StatusCode::kInvalidArgument,
        "PostgreSQL adapter: expected PostgresOptions::begin to begin a transaction, found '" +
            options.begin + "'");
  }
  return begun;
}

void PgDatabase::look_at_failure(Branch& branch, const Status& done) {
  std::string found;
  switch (branch.own ? branch.own->transaction_status() : PQTRANS_UNKNOWN) {
    case PQTRANS_INTRANS:
      branch.failure = {};
      return;
    case PQTRANS_INERROR:
      found = "the transaction has failed";
      break;
    case PQTRANS_IDLE:
      found = "the work ended the transaction, which is not its to end";
      break;
    case PQTRANS_ACTIVE:
      found = "the work left a command unfinished";
      break;
    case PQTRANS_UNKNOWN:
      found = "the connection is lost";
      break;
  }
  if (!branch.failure) return;  // the first one is the reason
  branch.failure = done ? Status(StatusCode::kInvalidState, "PostgreSQL: " + found) : done;
}

bool PgDatabase::keeps_own(OrderEnd end, const Branch& branch) {
  return end == OrderEnd::kRefused && branch.own->transaction_status() != PQTRANS_IDLE;
}

std::string PgDatabase::promise(const Branch& branch, const PgIdentity& place) {
  return Promise{place, branch.transaction_id}.to_string();
}

std::optional<std::string> PgDatabase::offered(const std::string& text, const Uuid& manager,
                                               const Uuid& id, const Uuid& transaction,
                                               const PgIdentity& place) {
  const auto promise = Promise::parse(text);
  if (!promise || promise->place != place) return std::nullopt;
  return numbered(new_name(manager, id, transaction), promise->transaction_id);
}

void PgDatabase::recall(Branch& branch, const std::string& text) {
  branch.transaction_id = Promise::parse(text)->transaction_id;
}

}  // namespace cairn::rm
