// MariaDatabase: what is MariaDB's own in an adapter of a database (sql/sql_adapter.h).
#ifndef CAIRN_RM_MARIADB_MARIA_DATABASE_H_
#define CAIRN_RM_MARIADB_MARIA_DATABASE_H_

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <cairn/notification.h>
#include <cairn/result.h>
#include <cairn/rm_mariadb.h>

#include "maria_connection.h"
#include "maria_pool.h"
#include "order_machine.h"
#include "sql/sql_adapter.h"
#include "sql/sql_branch.h"

namespace cairn::rm {

// Its name is that in the adapter's table (XaName::to_string()).
struct MariaBranch : SqlBranch<MariaConnection> {
  bool is_reading = false;  // a read-only transaction
  std::string lost_thread;  // the server's number of the connection that was lost, once known
  std::string names;        // of kClear: a list for the server
};

struct MariaDatabase {
  using Connection = MariaConnection;
  using Reply = MariaReply;
  using Pool = MariaPool;
  using Branch = MariaBranch;
  using Step = maria::Step;
  using Answer = maria::Answer;
  using Options = MariaDbOptions;
  using Recovery = MariaDbRecovery;
  using Handle = MYSQL*;
  using Time = MariaConnection::Clock::time_point;
  static constexpr const char* kName = "MariaDB";
  static constexpr bool kMarkers = true;

  // ---- Orders
  static constexpr Step kOrphan = Step::kFence;
  static constexpr Step kClear = Step::kClear;
  static const maria::OrderRow* row(Step step, Answer answer) {
    return maria::order_row(step, answer);
  }
  static bool is_own(Step step) { return maria::is_own(step); }
  static std::optional<OrderEnd> end(Step step) { return maria::end_of(step); }
  static std::optional<Step> turned(Step step) {
    const bool votes = step == Step::kMark || step == Step::kLeaveEnd;
    return votes ? std::optional(Step::kCancel) : std::nullopt;
  }
  static Step first(tm::NotificationKind kind, const Branch& branch);
  static std::optional<std::pair<Answer, Status>> known(Step step, const Branch& branch);
  static std::string command(Step step, Branch& branch, const Pool& pool);
  static Answer read(Step step, const Reply& reply, const Branch& branch);
  static Status took(Step step, Answer answer, Step next, Branch& branch, const Reply& reply);
  static void lost(Step step, Branch& branch, std::uint64_t id);
  static Status contradiction(Step step, Answer answer, const Branch& branch, const Pool& pool);

  // ---- Start
  static Result<std::unique_ptr<Connection>> first_connection(Pool& pool, Time end);
  static Result<bool> fence(Connection& connection, const Pool& pool, Time end);
  static Result<std::vector<std::string>> list(Connection& connection, Time end);
  static std::optional<Uuid> own(const std::string& name, const Uuid& manager, const Uuid& id);
  static Result<std::vector<std::pair<Uuid, std::string>>> markers(Connection& connection,
                                                                   const Pool& pool, Time end);
  static std::shared_ptr<Branch> clearing(const std::vector<std::string>& names);

  // ---- Branches
  static std::string new_name(const Uuid& manager, const Uuid& id, const Uuid& transaction);
  static Reply begin(Connection& connection, const Options& options, Branch& branch,
                     SqlAccess access, Time end);
  static Status may_enter(const Branch& branch, SqlAccess access);
  static void look_at_failure(Branch& branch, const Status& done);
  static bool keeps_own(OrderEnd end, const Branch& branch);
  static std::string promise(const Branch& branch, const MariaIdentity& place);
  static std::optional<std::string> offered(const std::string& text, const Uuid& manager,
                                            const Uuid& id, const Uuid& transaction,
                                            const MariaIdentity& place);
  static void recall(Branch&, const std::string&) {}
};

}  // namespace cairn::rm

#endif  // CAIRN_RM_MARIADB_MARIA_DATABASE_H_
