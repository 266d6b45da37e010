#include "maria_database.h"

#include <mysqld_error.h>

#include <algorithm>
#include <cstdlib>

#include "maria_promise.h"
#include "names/xa_name.h"

namespace cairn::rm {
namespace {

using maria::is_fence;
using maria::Step;
using tm::NotificationKind;

bool is_proof(Step step) {
  return step == Step::kProveAlone || step == Step::kProveAborted || step == Step::kProveCommitted;
}
// Behind these, if they succeed, the branch's own connection is in no branch.
bool ends_branch(Step step) {
  return step == Step::kLeave || step == Step::kLeaveAlone || step == Step::kCommitAlone ||
         step == Step::kUndo || step == Step::kUndoPrepared || step == Step::kCommitOwn;
}

// As the server's statements take it.
std::string xid(const std::string& name) {
  const XaName parts = *XaName::parse(name);
  return "'" + parts.global_part() + "','" + parts.branch_part() + "'," +
         std::to_string(XaName::kFormat);
}

}  // namespace

// ---- Orders

Step MariaDatabase::first(NotificationKind kind, const Branch& branch) {
  if (kind == NotificationKind::kPrepare) {
    return branch.is_reading ? Step::kLeaveEnd : Step::kMark;
  }
  if (kind == NotificationKind::kSinglePhaseCommit) {
    return branch.is_reading ? Step::kLeaveEndAlone : Step::kMarkAlone;
  }
  if (kind == NotificationKind::kCommit) {
    return branch.own ? Step::kCommitOwn : Step::kFenceCommit;
  }
  if (branch.may_be_prepared) return branch.own ? Step::kUndoPrepared : Step::kFence;
  if (branch.own || branch.in_use) return Step::kCancel;
  return Step::kRolledBack;  // nothing is left to be rolled back
}

std::optional<std::pair<maria::Answer, Status>> MariaDatabase::known(Step step,
                                                                     const Branch& branch) {
  const bool begins = step == Step::kMark || step == Step::kMarkAlone || step == Step::kLeaveEnd ||
                      step == Step::kLeaveEndAlone;
  if (begins && !branch.failure) return std::pair(Answer::kRefusal, branch.failure);
  if (step == Step::kCancel && !branch.in_use) return std::pair(Answer::kOk, Status::ok());
  if (is_fence(step) && branch.lost_id == 0) return std::pair(Answer::kOk, Status::ok());
  return std::nullopt;
}

std::string MariaDatabase::command(Step step, Branch& branch, const Pool& pool) {
  switch (step) {
    case Step::kMark:
    case Step::kMarkAlone:
      return "INSERT INTO " + pool.table() + " VALUES ('" + branch.name + "')";
    case Step::kEnd:
    case Step::kEndAlone:
    case Step::kLeaveEnd:
    case Step::kLeaveEndAlone:
    case Step::kUndoEnd:
      return "XA END " + xid(branch.name);
    case Step::kPrepare:
      branch.may_be_prepared = true;
      return "XA PREPARE " + xid(branch.name);
    case Step::kLeave:
    case Step::kLeaveAlone:
    case Step::kCommitAlone:
      return "XA COMMIT " + xid(branch.name) + " ONE PHASE";
    case Step::kUndo:
    case Step::kUndoPrepared:
    case Step::kRollBack:
      return "XA ROLLBACK " + xid(branch.name);
    case Step::kCommitOwn:
    case Step::kCommit:
      return "XA COMMIT " + xid(branch.name);
    case Step::kCancel:
      return "KILL QUERY " + std::to_string(branch.own ? branch.own->thread_id() : 0);
    case Step::kFence:
    case Step::kFenceAlone:
    case Step::kFenceCommit:
      return pool.find_connection(branch.lost_id);
    case Step::kKill:
    case Step::kKillAlone:
    case Step::kKillCommit:
      return "KILL CONNECTION " + branch.lost_thread;
    case Step::kProveAlone:
    case Step::kProveAborted:
    case Step::kProveCommitted:
      return "SELECT branch FROM " + pool.table() + " WHERE branch = '" + branch.name + "'";
    case Step::kClear:
      return "DELETE FROM " + pool.table() + " WHERE branch IN (" + branch.names + ")";
    default:
      return {};  // the ends
  }
}

maria::Answer MariaDatabase::read(Step step, const Reply& reply, const Branch& branch) {
  if (reply.is_lost) return Answer::kLoss;
  if (!reply.status) {
    const bool seeks = step == Step::kCommit || step == Step::kRollBack ||
                       step == Step::kCommitOwn || step == Step::kUndoPrepared;
    return seeks && reply.error == ER_XAER_NOTA ? Answer::kUnknown : Answer::kRefusal;
  }
  if (step == Step::kCancel) return branch.in_use ? Answer::kBusy : Answer::kOk;
  if (is_fence(step)) {
    const bool is_there = !reply.rows.empty() && reply.rows[0][0];
    return is_there ? Answer::kBusy : Answer::kOk;
  }
  if (is_proof(step)) return reply.rows.empty() ? Answer::kAbsent : Answer::kThere;
  return Answer::kOk;
}

Status MariaDatabase::took(Step step, Answer answer, Step next, Branch& branch,
                           const Reply& reply) {
  if (answer == Answer::kOk && ends_branch(step)) branch.own->set_in_branch(false);
  if (is_fence(step) && answer == Answer::kOk) branch.lost_id = 0;
  if (is_fence(step) && answer == Answer::kBusy) branch.lost_thread = *reply.rows[0][0];
  // The connection says what cannot be: it is ended like one that was lost.
  if (branch.own && (next == Step::kFence || next == Step::kFenceCommit)) {
    branch.lost_id = branch.own->id();
    branch.own.reset();
  }
  return next == Step::kRefused || step == Step::kCommitAlone ? reply.status : Status::ok();
}

void MariaDatabase::lost(Step step, Branch& branch, std::uint64_t id) {
  if (step == Step::kCommit || step == Step::kRollBack) branch.lost_id = id;
}

Status MariaDatabase::contradiction(Step, Answer answer, const Branch& branch, const Pool& pool) {
  const bool is_there = answer == Answer::kThere;
  return Status(is_there ? StatusCode::kAlreadyCommitted : StatusCode::kAlreadyAborted,
                "MariaDB, table " + pool.identity().to_string() + ": XA transaction " +
                    xid(branch.name) + " of unit of work " + branch.transaction.to_string() +
                    ": expected it prepared, or " + (is_there ? "rolled back" : "committed") +
                    ", found it " +
                    (is_there ? "committed"
                              : "neither prepared nor committed: it was rolled "
                                "back, or this is an older copy of the database"));
}

// ---- Start

Result<std::unique_ptr<MariaConnection>> MariaDatabase::first_connection(Pool& pool, Time end) {
  const std::string name = pool.table().substr(1, pool.table().size() - 2);
  const bool is_name =
      !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char letter) {
        return letter == '_' || (letter >= '0' && letter <= '9') ||
               (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z');
      });
  if (!is_name) {
    return Status(
        StatusCode::kInvalidArgument,
        "MariaDB adapter: expected a table name of letters, digits and '_', found '" + name + "'");
  }
  std::unique_ptr<MariaConnection> connection = pool.make();
  Status welcome = pool.welcome(*connection, connection->wait(end));
  if (welcome.code() == StatusCode::kNotFound && connection->is_good()) {
    connection->send(pool.create_table());
    CAIRN_RETURN_IF_ERROR(connection->wait(end).status);
    connection->send(pool.greeting(connection->id()));
    welcome = pool.welcome(*connection, connection->wait(end));
  }
  CAIRN_RETURN_IF_ERROR(welcome);
  return connection;
}

Result<bool> MariaDatabase::fence(Connection& connection, const Pool& pool, Time end) {
  connection.send(pool.find_connections());
  const MariaReply found = connection.wait(end);
  CAIRN_RETURN_IF_ERROR(found.status);
  for (const MariaRow& row : found.rows) {
    connection.send("KILL CONNECTION " + row[0].value_or("0"));
    const MariaReply killed = connection.wait(end);
    if (killed.is_lost) return killed.status;  // any other error: it has ended by itself
  }
  return found.rows.empty();
}

Result<std::vector<std::string>> MariaDatabase::list(Connection& connection, Time end) {
  connection.send("XA RECOVER");
  const MariaReply found = connection.wait(end);
  CAIRN_RETURN_IF_ERROR(found.status);
  std::vector<std::string> names;
  for (const MariaRow& row : found.rows) {  // format, two lengths, both parts
    const std::string data = row[3].value_or("");
    const auto split = std::strtoul(row[1].value_or("0").c_str(), nullptr, 10);
    const auto parts = split > data.size()
                           ? std::nullopt
                           : XaName::parse(std::strtoul(row[0].value_or("0").c_str(), nullptr, 10),
                                           data.substr(0, split), data.substr(split));
    names.push_back(parts ? parts->to_string() : row[0].value_or("") + ":" + data);
  }
  return names;
}

std::optional<Uuid> MariaDatabase::own(const std::string& name, const Uuid& manager,
                                       const Uuid& id) {
  const auto parts = XaName::parse(name);
  const bool is_own =
      parts && parts->transaction_manager == manager && parts->resource_manager == id;
  return is_own ? std::optional(parts->transaction) : std::nullopt;
}

Result<std::vector<std::pair<Uuid, std::string>>> MariaDatabase::markers(Connection& connection,
                                                                         const Pool& pool,
                                                                         Time end) {
  connection.send("SELECT branch FROM " + pool.table() + " WHERE branch LIKE '" + pool.prefix() +
                  "%'");
  const MariaReply found = connection.wait(end);
  CAIRN_RETURN_IF_ERROR(found.status);
  std::vector<std::pair<Uuid, std::string>> markers;
  for (const MariaRow& row : found.rows) {
    const auto parts = XaName::parse(row[0].value_or(""));
    if (parts) markers.emplace_back(parts->transaction, *row[0]);
  }
  return markers;
}

std::shared_ptr<MariaBranch> MariaDatabase::clearing(const std::vector<std::string>& names) {
  auto branch = std::make_shared<MariaBranch>();
  for (const std::string& name : names) {
    branch->names += (branch->names.empty() ? "'" : ",'") + name + "'";
  }
  return branch;
}

// ---- Branches

std::string MariaDatabase::new_name(const Uuid& manager, const Uuid& id, const Uuid& transaction) {
  return XaName{manager, id, transaction, Uuid::generate()}.to_string();
}

MariaReply MariaDatabase::begin(Connection& connection, const Options& options, Branch& branch,
                                SqlAccess access, Time end) {
  branch.is_reading = access == SqlAccess::kReads;
  std::string modes = options.isolation.empty() ? "" : "ISOLATION LEVEL " + options.isolation;
  if (branch.is_reading) modes += modes.empty() ? "READ ONLY" : ", READ ONLY";
  if (!modes.empty()) {
    connection.send("SET TRANSACTION " + modes);
    MariaReply set = connection.wait(end);
    if (!set.status) return set;
  }
  connection.set_in_branch(true);
  connection.send("XA START " + xid(branch.name));
  return connection.wait(end);
}

Status MariaDatabase::may_enter(const Branch& branch, SqlAccess access) {
  if (!branch.is_reading || access == SqlAccess::kReads) return Status::ok();
  return Status(StatusCode::kNotSupported,
                "MariaDB: unit of work " + branch.transaction.to_string() +
                    " began by read() here, and its branch can only read: begin it by work()");
}

void MariaDatabase::look_at_failure(Branch& branch, const Status& done) {
  if (branch.failure) branch.failure = done;  // the first one is the reason
}

bool MariaDatabase::keeps_own(OrderEnd end, const Branch& branch) {
  return end == OrderEnd::kPromised || (end == OrderEnd::kRefused && !branch.own->is_clean());
}

std::string MariaDatabase::promise(const Branch& branch, const MariaIdentity& place) {
  return MariaPromise{place.table, XaName::parse(branch.name)->branch}.to_string();
}

std::optional<std::string> MariaDatabase::offered(const std::string& text, const Uuid& manager,
                                                  const Uuid& id, const Uuid& transaction,
                                                  const MariaIdentity& place) {
  const auto promise = MariaPromise::parse(text);
  if (!promise || promise->place != place.table) return std::nullopt;
  return XaName{manager, id, transaction, promise->branch}.to_string();
}

}  // namespace cairn::rm
