// MariaDbResourceManager: a database of a MariaDB server as a resource manager of Cairn.
//
//   auto orders = MariaDbResourceManager::open(
//       tm, {.id = kOrders, .socket = "/run/mysqld.sock", .user = "app", .database = "app"});
//   auto transaction = tm.create_transaction();
//   orders->work(*transaction, [](MYSQL* branch) {
//     return rm::execute(branch, "INSERT INTO items VALUES (1, 'bolt')");
//   });
//   transaction->commit();
//
// A branch is the part of a Cairn transaction that lies in the database: one XA transaction on a
// connection of its own, under a name that names the manager, this resource manager, the unit of
// work and the branch. PREPARE is XA END and XA PREPARE; the outcome is XA COMMIT or XA ROLLBACK,
// on the same connection or, when that is lost, on any; XA RECOVER tells what was promised.
//
// The server keeps no memory of what became of an XA transaction: that it does not know a name
// (XAER_NOTA) has many causes. So each branch that may have changed something writes a row with its
// name into a table of the adapter's (MariaDbOptions::table) before it is prepared or committed:
// the row is there if and only if the branch was committed. It is cleared away when the manager has
// forgotten the transaction. For the same reason no promise is empty, and none vanishes in a crash.
//
// Crash semantics. Promises and commits are durable in the server before they are answered. The
// server may end, fall down and come back at any time: what it had not promised is voted down; what
// was promised is ordered again until the server says that it is done, or has proven by the row
// that it was. Neither an error nor a lost connection is ever read as an outcome.
#ifndef CAIRN_RM_MARIADB_H_
#define CAIRN_RM_MARIADB_H_

#include <mysql.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <cairn/result.h>
#include <cairn/status.h>
#include <cairn/transaction_manager.h>
#include <cairn/uuid.h>

namespace cairn::rm {

struct MariaDbOptions {
  // Identity of this resource manager: chosen once, the same at every start. Required, and for one
  // database only. A database may have several, of the same or of different managers.
  Uuid id{};
  // Where the server is: a Unix socket, or a host and port. A host is best an address, as the
  // client library waits for names.
  std::string socket{};
  std::string host{};
  unsigned port = 0;
  // Always the same user and database. In the database lies the table of the adapter.
  std::string user{};
  std::string password{};
  std::string database{};
  // More options of the client library, set before each connection is made: encryption, keepalive.
  std::function<void(MYSQL*)> configure{};
  // Letters, digits and "_". Made by open() where it is missing; several resource managers may
  // share one.
  std::string table = "cairn_commits";
  // Shown by the transaction manager, at most as long as that allows.
  std::string description = "mariadb";
  // Of a branch, "SERIALIZABLE" for example; empty: the session's default.
  std::string isolation{};
  // Connections that are kept while nobody uses them.
  unsigned idle_connections = 8;
  // How long open() waits for the outcomes of what it finds, and work() for a connection.
  std::chrono::milliseconds patience{30000};
};

// What open() found of transactions it had a part in, by unit of work.
struct MariaDbRecovery {
  std::vector<Uuid> committed;       // were prepared; committed on the manager's order
  std::vector<Uuid> aborted;         // were prepared; rolled back: by its order, or as not offered
  std::vector<Uuid> redelivered;     // were committed already; only the answer had been lost
  std::vector<std::string> foreign;  // prepared transactions of others, "format:name": left alone
};

// Thread-safe. The manager outlives it. A later one of the same id takes over: it ends the session
// and the connections of the one before, in whatever process.
class MariaDbResourceManager {
 public:
  // Begins a session with `manager` and brings every branch in doubt to its outcome. REQUIRES:
  // `manager` is recovered. Errors: kInvalidArgument (no id, a bad table name), kNotSupported (not
  // a MariaDB server of version 10.5 or later, or one that does not force what it promises: see
  // rm/README.md), kIdentityMismatch (a branch was promised by another database),
  // kAlreadyAborted and kAlreadyCommitted (somebody ended a promised branch by hand, against the
  // decision), kTimeout (not settled within `patience`), those of manager and server.
  [[nodiscard]] static Result<std::unique_ptr<MariaDbResourceManager>> open(
      tm::TransactionManager manager, MariaDbOptions options);
  MariaDbResourceManager(const MariaDbResourceManager&) = delete;
  MariaDbResourceManager& operator=(const MariaDbResourceManager&) = delete;
  // Ends the session and the connections. Branches that have not promised are rolled back; promised
  // ones stay prepared in the server.
  ~MariaDbResourceManager();

  // Work under a transaction, before its commit is asked for. The first call takes part in it.
  using Function = std::function<Status(MYSQL* branch)>;
  // Runs `function` on the branch of `transaction`, alone: the connection is good until it returns,
  // and every result is to be read by then. It must not use XA statements, change the user or
  // database, release locks of GET_LOCK() that are not its own, or set what outlives a transaction;
  // statements that commit by themselves are refused by the server. Returns what it returns. The
  // server undoes a statement that fails and keeps the transaction. So a `function` that goes on
  // after an error returns OK; if it returns the error, the branch votes no, with it as the reason,
  // whatever else follows. A rollback ends a statement that runs. Errors also: kNotActive (the
  // transaction is past the point of taking work), kIoError (no connection), kNotSupported (the
  // branch began by read()), health()'s, and those of ResourceManager::enlist().
  [[nodiscard]] Status work(const tm::Transaction& transaction, const Function& function);
  // The same, for a `function` that only reads. If the branch begins by it, it is a read-only
  // transaction: the server refuses changes, and the branch leaves when PREPARE comes, as it is
  // known to be empty.
  [[nodiscard]] Status read(const tm::Transaction& transaction, const Function& function);

  [[nodiscard]] const MariaDbRecovery& recovery() const;
  // OK, or why the session ended. The way on is to open again.
  [[nodiscard]] Status health() const;
  // The last error of the server at an outcome that is being tried again, or at a connection; OK
  // when the newest try succeeded.
  [[nodiscard]] Status trouble() const;

 private:
  class Impl;
  explicit MariaDbResourceManager(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// The last error on `connection` as a Status of Cairn, with its number and the server's words; OK
// where there is none. A deadlock and a lock that was not to be had are kLocked, a lost connection
// is kIoError.
[[nodiscard]] Status from_mariadb(MYSQL* connection);
// Runs one statement that gives no rows, or whose rows do not matter.
[[nodiscard]] Status execute(MYSQL* connection, const std::string& statement);

}  // namespace cairn::rm

#endif  // CAIRN_RM_MARIADB_H_
