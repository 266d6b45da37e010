// PgDatabase: what is PostgreSQL's own in an adapter of a database (sql/sql_adapter.h).
#ifndef CAIRN_RM_POSTGRES_PG_DATABASE_H_
#define CAIRN_RM_POSTGRES_PG_DATABASE_H_

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <cairn/notification.h>
#include <cairn/result.h>
#include <cairn/rm_postgres.h>

#include "order_machine.h"
#include "pg_connection.h"
#include "pg_pool.h"
#include "promise.h"
#include "sql/sql_adapter.h"
#include "sql/sql_branch.h"

namespace cairn::rm {

struct PgBranch : SqlBranch<PgConnection> {
  std::string transaction_id;  // "" until the server has told it, and when it says nothing
  std::string epoch;           // of the server that told it (PgPool::kEpoch)
};

struct PgDatabase {
  using Connection = PgConnection;
  using Reply = PgReply;
  using Pool = PgPool;
  using Branch = PgBranch;
  using Step = pg::Step;
  using Answer = pg::Reply;
  using Options = PostgresOptions;
  using Recovery = PostgresRecovery;
  using Handle = PGconn*;
  using Time = PgConnection::Clock::time_point;
  static constexpr const char* kName = "PostgreSQL";
  static constexpr bool kMarkers = false;

  // ---- Orders
  static constexpr Step kOrphan = Step::kRollBack;
  static const pg::OrderRow* row(Step step, Answer answer) { return pg::order_row(step, answer); }
  static bool is_own(Step step) { return pg::is_own(step); }
  static std::optional<OrderEnd> end(Step step) { return pg::end_of(step); }
  static std::optional<Step> turned(Step step) {
    return step == Step::kAskId ? std::optional(Step::kCancel) : std::nullopt;
  }
  static Step first(tm::NotificationKind kind, const Branch& branch);
  static std::optional<std::pair<Answer, Status>> known(Step step, const Branch& branch);
  static std::string command(Step step, Branch& branch, const Pool& pool);
  static Answer read(Step step, const Reply& reply, const Branch& branch);
  static Status took(Step step, Answer answer, Step next, Branch& branch, const Reply& reply);
  // An order that was given may still be on its way. It can have no effect but on its own branch,
  // and the server itself says that another backend is at work on that.
  static void lost(Step, Branch&, std::uint64_t) {}
  static Status contradiction(Step step, Answer answer, const Branch& branch, const Pool& pool);

  // ---- Start
  static Result<std::unique_ptr<Connection>> first_connection(Pool& pool, Time end);
  static Result<bool> fence(Connection& connection, const Pool& pool, Time end);
  static Result<std::vector<std::string>> list(Connection& connection, Time end);
  static std::optional<Uuid> own(const std::string& name, const Uuid& manager, const Uuid& id);

  // ---- Branches
  static std::string new_name(const Uuid& manager, const Uuid& id, const Uuid& transaction);
  static Reply begin(Connection& connection, const Options& options, const Branch& branch,
                     SqlAccess access, Time end);
  static Status may_enter(const Branch&, SqlAccess) { return Status::ok(); }
  static void look_at_failure(Branch& branch, const Status& done);
  static bool keeps_own(OrderEnd end, const Branch& branch);
  static std::string promise(const Branch& branch, const PgIdentity& place);
  static std::optional<std::string> offered(const std::string& text, const Uuid& manager,
                                            const Uuid& id, const Uuid& transaction,
                                            const PgIdentity& place);
  static void recall(Branch& branch, const std::string& text);
};

}  // namespace cairn::rm

#endif  // CAIRN_RM_POSTGRES_PG_DATABASE_H_
