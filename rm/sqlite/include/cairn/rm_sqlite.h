// SqliteResourceManager: a database of SQLite as the last resource of Cairn's transactions.
//
//   auto ledger = SqliteResourceManager::open(tm, {.id = kLedger, .path = "/var/lib/ledger.db"});
//   auto transaction = tm.create_transaction();
//   ledger->work(*transaction, [](sqlite3* branch) {
//     return rm::execute(branch, "INSERT INTO entries VALUES (1, 100)");
//   });
//   transaction->commit();
//
// SQLite has no prepared transactions, so it takes part as the one that decides, with a marker in
// the table `cairn_commits` of the same database: cairn/rm_last_resource.h says how, and what that
// promises across crashes.
//
// A database of SQLite has one writer at a time. A branch begins as it (BEGIN IMMEDIATE), so that
// transactions that have a part here go one after the other: work() of the next one waits until the
// one before has ended. A thread that begins a second transaction here before it has ended its
// first one waits for itself, and gets kLocked.
#ifndef CAIRN_RM_SQLITE_H_
#define CAIRN_RM_SQLITE_H_

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include <sqlite3.h>

#include <cairn/result.h>
#include <cairn/rm_last_resource.h>
#include <cairn/status.h>
#include <cairn/transaction_manager.h>
#include <cairn/uuid.h>

namespace cairn::rm {

struct SqliteOptions {
  // Identity of this resource manager: chosen once, the same at every start. Required, and for one
  // database only.
  Uuid id{};
  // Of the database, which is made where it is missing. Not in memory.
  std::string path{};
  std::string description = "sqlite";
  // How long work() and open() wait for whoever else writes.
  std::chrono::milliseconds patience{10000};
};

// As a LastResource, for those who want more than SqliteResourceManager. The adapter sets
// `synchronous` to EXTRA on its connections: with less, a commit that was answered may be undone by
// a power cut where the journal is deleted. Errors: kNotSupported (a journal that is off or in
// memory survives no crash), SQLite's.
[[nodiscard]] Result<std::shared_ptr<LastResource>> open_sqlite(const SqliteOptions& options);
// The connection of a branch that such a LastResource has begun.
[[nodiscard]] sqlite3* sqlite_of(LastBranch& branch);

// Thread-safe. The manager outlives it. A later one of the same id takes over.
class SqliteResourceManager {
 public:
  // Errors: those of LastResourceManager::open() and of open_sqlite().
  [[nodiscard]] static Result<std::unique_ptr<SqliteResourceManager>> open(
      tm::TransactionManager manager, const SqliteOptions& options);

  using Function = std::function<Status(sqlite3* branch)>;
  // Runs `function` on the branch of `transaction`, alone: the connection is good until it returns,
  // and every statement is to be finalized by then. It must not end the transaction (savepoints are
  // its own) nor use hooks of commits and rollbacks. SQLite undoes a statement that fails and keeps
  // the transaction. So a `function` that goes on after an error returns OK; if it returns the
  // error, the transaction is rolled back when its commit is asked for. A rollback interrupts a
  // statement that runs. Errors: those of LastResourceManager::work().
  [[nodiscard]] Status work(const tm::Transaction& transaction, const Function& function);

  [[nodiscard]] const LastResourceRecovery& recovery() const { return last_->recovery(); }
  [[nodiscard]] Status health() const { return last_->health(); }

 private:
  explicit SqliteResourceManager(std::unique_ptr<LastResourceManager> last);
  std::unique_ptr<LastResourceManager> last_;
};

// The last error on `connection` as a Status of Cairn, with its number and SQLite's words; OK where
// there is none. A database that others keep busy is kLocked.
[[nodiscard]] Status from_sqlite(sqlite3* connection);
// Runs statements that give no rows, or whose rows do not matter.
[[nodiscard]] Status execute(sqlite3* connection, const std::string& statements);

}  // namespace cairn::rm

#endif  // CAIRN_RM_SQLITE_H_
