// PostgresResourceManager: a database of PostgreSQL as a resource manager of Cairn.
//
//   auto orders = PostgresResourceManager::open(
//       tm, {.id = kOrders, .conninfo = "host=/run/postgresql dbname=orders"});
//   auto transaction = tm.create_transaction();
//   orders->work(*transaction, [](PGconn* branch) {
//     return rm::execute(branch, "INSERT INTO items VALUES (1, 'bolt')");
//   });
//   transaction->commit();
//
// A branch is the part of a Cairn transaction that lies in the database: one transaction there, on
// a connection of its own until it has promised. PREPARE is PREPARE TRANSACTION under a name that
// names the manager, this resource manager and the unit of work; the outcome is COMMIT PREPARED or
// ROLLBACK PREPARED, on any connection; pg_prepared_xacts tells what was promised.
//
// Crash semantics. Promises and commits are durable in the server before they are answered. The
// server may end, fall down and come back at any time: what it had not promised is voted down; what
// was promised is ordered again until the server says that it is done. Neither an error nor a lost
// connection is ever read as an outcome: whether a commit whose answer was lost took place is asked
// from the server, by the number that it gave to the transaction. One case it cannot answer: a
// commit of one phase during which the server fell down and whose number it then reports committed,
// as it may have given that to another transaction. Its outcome is kOutcomeUnknown.
#ifndef CAIRN_RM_POSTGRES_H_
#define CAIRN_RM_POSTGRES_H_

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <libpq-fe.h>

#include <cairn/result.h>
#include <cairn/status.h>
#include <cairn/transaction_manager.h>
#include <cairn/uuid.h>

namespace cairn::rm {

struct PostgresOptions {
  // Identity of this resource manager: chosen once, the same at every start. Required, and for one
  // database only. A database may have several, of the same or of different managers.
  Uuid id{};
  // What libpq connects with: one server, one database, one role, always the same. The role must
  // own what it prepares: PostgreSQL lets nobody else but a superuser end that.
  std::string conninfo{};
  // Shown by the transaction manager, at most as long as that allows.
  std::string description = "postgres";
  // Begins a branch; for another isolation level, "BEGIN ISOLATION LEVEL SERIALIZABLE".
  std::string begin = "BEGIN";
  // Connections that are kept while nobody uses them.
  unsigned idle_connections = 8;
  // How long open() waits for the outcomes of what it finds, and work() for a connection.
  std::chrono::milliseconds patience{30000};
};

// What open() found of transactions it had a part in, by unit of work.
struct PostgresRecovery {
  std::vector<Uuid> committed;       // were prepared; committed on the manager's order
  std::vector<Uuid> aborted;         // were prepared; rolled back: by its order, or as not offered
  std::vector<Uuid> redelivered;     // were committed already; only the answer had been lost
  std::vector<std::string> foreign;  // names of prepared transactions of others: left alone
};

// Thread-safe. The manager outlives it. A later one of the same id takes over: it ends the session
// and the connections of the one before, in whatever process.
class PostgresResourceManager {
 public:
  // Begins a session with `manager` and brings every branch in doubt to its outcome. REQUIRES:
  // `manager` is recovered. Errors: kInvalidArgument (no id; `conninfo` is no connection string),
  // kIoError (no connection), kNotSupported (the server keeps no prepared transactions, runs with
  // fsync off, or is older than PostgreSQL 13), kIdentityMismatch
  // (a branch was promised by another server or database), kOutcomeUnknown (the server can no
  // longer tell what became of a decided branch), kAlreadyAborted and kAlreadyCommitted (somebody
  // ended a promised branch by hand, against the decision), kTimeout (not settled within
  // `patience`), those of manager and server.
  [[nodiscard]] static Result<std::unique_ptr<PostgresResourceManager>> open(
      tm::TransactionManager manager, PostgresOptions options);
  PostgresResourceManager(const PostgresResourceManager&) = delete;
  PostgresResourceManager& operator=(const PostgresResourceManager&) = delete;
  // Ends the session and the connections. Branches that have not promised are rolled back; promised
  // ones stay prepared in the database.
  ~PostgresResourceManager();

  // Work under a transaction, before its commit is asked for. The first call takes part in it.
  using Function = std::function<Status(PGconn* branch)>;
  // Runs `function` on the branch of `transaction`, alone: the connection is good until it returns,
  // in blocking mode, and every result is to be read by then. It must not end or prepare the
  // transaction, change the role, or set what outlives a transaction. Returns what it returns. A
  // branch whose last work left the transaction failed (no savepoint to go back to) votes no, with
  // that Status as the reason. A rollback cancels a statement that runs. Errors also: kNotActive
  // (the transaction is past the point of taking work), kIoError (no connection), health()'s, and
  // those of ResourceManager::enlist().
  [[nodiscard]] Status work(const tm::Transaction& transaction, const Function& function);

  [[nodiscard]] const PostgresRecovery& recovery() const;
  // OK, or why the session ended. The way on is to open again.
  [[nodiscard]] Status health() const;
  // The last error of the server at an outcome that is being tried again, or at a connection; OK
  // when the newest try succeeded.
  [[nodiscard]] Status trouble() const;

 private:
  class Impl;
  explicit PostgresResourceManager(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// The error of `result`, or without one (null) of the connection, as a Status of Cairn with the
// SQLSTATE and the server's words; OK where there is none. A serialization failure, a deadlock and
// a lock that was not to be had are kLocked, a lost connection is kIoError.
[[nodiscard]] Status from_postgres(const PGconn* connection, const PGresult* result);
// Runs statements that give no rows, or whose rows do not matter.
[[nodiscard]] Status execute(PGconn* connection, const std::string& statements);

}  // namespace cairn::rm

#endif  // CAIRN_RM_POSTGRES_H_
