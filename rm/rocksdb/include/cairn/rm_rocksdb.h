// RocksDbResourceManager: a RocksDB TransactionDB as a resource manager of Cairn.
//
//   auto rocks = RocksDbResourceManager::open(*db, tm, {.id = kOrders});
//   auto transaction = tm.create_transaction();
//   rocks->work(*transaction, [](rocksdb::Transaction& branch) {
//     return branch.Put("key", "value");
//   });
//   transaction->commit();
//
// A branch is the part of a Cairn transaction that lies in RocksDB: one RocksDB transaction, named
// after the manager, this resource manager and the unit of work. PREPARE is RocksDB's Prepare with
// its write-ahead log synced, the outcome its Commit or Rollback, and after a restart
// GetAllPreparedTransactions tells what was promised.
//
// Crash semantics. A promise is synced before it is given; a commit is synced before it is
// answered. An error of RocksDB while it prepares, commits or rolls back is never read as an
// outcome: the session ends, health() says why, and reopening the database and this object resolves
// what is left.
#ifndef CAIRN_RM_ROCKSDB_H_
#define CAIRN_RM_ROCKSDB_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <rocksdb/utilities/transaction.h>
#include <rocksdb/utilities/transaction_db.h>

#include <cairn/result.h>
#include <cairn/status.h>
#include <cairn/transaction_manager.h>
#include <cairn/uuid.h>

namespace cairn::rm {

struct RocksDbOptions {
  // Identity of this resource manager: chosen once, the same at every start. Required. A database
  // may hold the branches of several, of the same or of different transaction managers.
  Uuid id;
  // Shown by the transaction manager, at most as long as that allows.
  std::string description = "rocksdb";
  // Sync the write-ahead log at promises and commits. False gives up the promises above when the
  // machine fails, not when the process does; for tests and measurements.
  bool sync = true;
};

// What open() found of transactions it had a part in, by unit of work.
struct RocksDbRecovery {
  std::vector<Uuid> committed;       // were prepared; committed on the manager's order
  std::vector<Uuid> aborted;         // were prepared; rolled back: by its order, or as not offered
  std::vector<Uuid> redelivered;     // were committed already; only the answer had been lost
  std::vector<std::string> foreign;  // names of prepared transactions of others: left alone
};

// Thread-safe. Database and manager outlive it. At most one with the same id on one database at a
// time.
class RocksDbResourceManager {
 public:
  // Begins a session with `manager` and brings every branch in doubt to its outcome. REQUIRES:
  // `manager` is recovered; `db` has the write policy WRITE_COMMITTED (RocksDB's default) and its
  // write-ahead log is on. Errors: kInvalidArgument (no id), kIdentityMismatch (a decided branch
  // was prepared in another database), those of manager and RocksDB.
  [[nodiscard]] static Result<std::unique_ptr<RocksDbResourceManager>> open(
      rocksdb::TransactionDB& db, tm::TransactionManager manager, RocksDbOptions options);
  RocksDbResourceManager(const RocksDbResourceManager&) = delete;
  RocksDbResourceManager& operator=(const RocksDbResourceManager&) = delete;
  // Ends the session. Branches that have not promised are rolled back; promised ones stay prepared
  // in the database.
  ~RocksDbResourceManager();

  // Work under a transaction, before its commit is asked for. The first call takes part in it.
  using Function = std::function<rocksdb::Status(rocksdb::Transaction& branch)>;
  // Runs `function` on the branch of `transaction`, alone: the reference is good until it returns.
  // It may read and write; it must not end, name or prepare the branch. Returns its status by
  // from_rocksdb(); the writes that succeeded stay. A key locked by another transaction is kLocked
  // at once. Errors also: kNotActive (the transaction is past the point of taking work),
  // health()'s, and those of ResourceManager::enlist().
  [[nodiscard]] Status work(const tm::Transaction& transaction, const Function& function);

  [[nodiscard]] const RocksDbRecovery& recovery() const;
  // OK, or why the session ended. The way on is to open again, after an error of RocksDB the
  // database too.
  [[nodiscard]] Status health() const;

 private:
  class Impl;
  explicit RocksDbResourceManager(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// The same fact as a Status of Cairn; the text is kept. Busy and TimedOut (a lock, a conflict) are
// kLocked.
[[nodiscard]] Status from_rocksdb(const rocksdb::Status& status);

}  // namespace cairn::rm

#endif  // CAIRN_RM_ROCKSDB_H_
