// BerkeleyDbResourceManager: an environment of Berkeley DB as a resource manager of Cairn.
//
//   auto environment = BerkeleyDbEnvironment::open("/var/lib/app/db");
//   auto berkeley = BerkeleyDbResourceManager::open(*(*environment)->get(), tm, {.id = kOrders});
//   ... open databases with DB_AUTO_COMMIT | DB_THREAD ...
//   auto transaction = tm.create_transaction();
//   berkeley->work(*transaction, [&](DB_TXN* branch) {
//     return orders->put(orders, branch, &key, &value, 0);
//   });
//   transaction->commit();
//
// A branch is the part of a Cairn transaction that lies in the environment: one DB_TXN. PREPARE is
// its prepare() under a name that names the manager, this resource manager and the unit of work,
// the outcome its commit() or abort(), and after a restart txn_recover() tells what was promised.
//
// Crash semantics. Promises and commits are on stable storage before they are answered. An error of
// Berkeley DB while it prepares, commits or aborts is never read as an outcome: the session ends,
// health() says why, and reopening the environment and this object resolves what is left.
#ifndef CAIRN_RM_BERKELEY_DB_H_
#define CAIRN_RM_BERKELEY_DB_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <db.h>

#include <cairn/result.h>
#include <cairn/status.h>
#include <cairn/transaction_manager.h>
#include <cairn/uuid.h>

namespace cairn::rm {

// A transactional environment that this process has for itself, recovered.
class BerkeleyDbEnvironment {
 public:
  // Opens `directory`, or makes it, and runs Berkeley DB's recovery (DB_RECOVER), which no other
  // process may be in the way of: a file "cairn.lock" in it keeps others that open it so out. What
  // was prepared stays so, locks included. `cache`: bytes. Errors: kLocked, kIoError, and those of
  // from_berkeley_db().
  [[nodiscard]] static Result<std::unique_ptr<BerkeleyDbEnvironment>> open(
      const std::string& directory, std::uint64_t cache = std::uint64_t{8} << 20);
  BerkeleyDbEnvironment(const BerkeleyDbEnvironment&) = delete;
  BerkeleyDbEnvironment& operator=(const BerkeleyDbEnvironment&) = delete;
  // REQUIRES: its databases are closed, and the resource managers on it are gone.
  ~BerkeleyDbEnvironment();

  [[nodiscard]] DB_ENV* get() const { return environment_; }

 private:
  BerkeleyDbEnvironment() = default;

  int lock_ = -1;
  DB_ENV* environment_ = nullptr;
};

struct BerkeleyDbOptions {
  // Identity of this resource manager: chosen once, the same at every start. Required. An
  // environment may hold the branches of several, of the same or of different managers.
  Uuid id{};
  // Shown by the transaction manager, at most as long as that allows.
  std::string description = "berkeley_db";
};

// What open() found of transactions it had a part in, by unit of work.
struct BerkeleyDbRecovery {
  std::vector<Uuid> committed;       // were prepared; committed on the manager's order
  std::vector<Uuid> aborted;         // were prepared; rolled back: by its order, or as not offered
  std::vector<Uuid> redelivered;     // were committed already; only the answer had been lost
  std::vector<std::string> foreign;  // names of prepared transactions of others: left alone
};

// Thread-safe. Environment and manager outlive it. At most one with the same id on one environment
// at a time.
class BerkeleyDbResourceManager {
 public:
  // Begins a session with `manager` and brings every branch in doubt to its outcome. Makes a
  // database "cairn_identity.db" that names the environment. REQUIRES: `manager` is recovered;
  // `environment` is open with transactions, locks, a log and DB_THREAD, was recovered when it was
  // opened, and does not keep its log in memory; no other resource manager on it is ending
  // transactions while this runs. Errors: kInvalidArgument (no id),
  // kIdentityMismatch (a decided branch was prepared in another environment), those of manager and
  // Berkeley DB.
  [[nodiscard]] static Result<std::unique_ptr<BerkeleyDbResourceManager>> open(
      DB_ENV& environment, tm::TransactionManager manager, BerkeleyDbOptions options);
  BerkeleyDbResourceManager(const BerkeleyDbResourceManager&) = delete;
  BerkeleyDbResourceManager& operator=(const BerkeleyDbResourceManager&) = delete;
  // Ends the session. Branches that have not promised are rolled back; promised ones stay prepared
  // in the environment, locks included.
  ~BerkeleyDbResourceManager();

  // Work under a transaction, before its commit is asked for. The first call takes part in it.
  using Function = std::function<int(DB_TXN* branch)>;
  // Runs `function` on the branch of `transaction`, alone: the handle is good until it returns. It
  // may read and write, and close its cursors; it must not end, name or prepare the branch. Returns
  // its error by from_berkeley_db(). A page that is locked by another transaction is kLocked at
  // once (Berkeley DB locks pages). After any error but DB_NOTFOUND, DB_KEYEMPTY and DB_KEYEXIST
  // the branch can only be rolled back: it votes no, with that as the reason. Errors also:
  // kNotActive (the transaction is past the point of taking work), health()'s, and those of
  // ResourceManager::enlist().
  [[nodiscard]] Status work(const tm::Transaction& transaction, const Function& function);

  [[nodiscard]] const BerkeleyDbRecovery& recovery() const;
  // OK, or why the session ended. The way on is to open again, after DB_RUNRECOVERY (kInvalidState)
  // the environment too.
  [[nodiscard]] Status health() const;

 private:
  class Impl;
  explicit BerkeleyDbResourceManager(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// An error of Berkeley DB, or of the system, as a Status of Cairn that says `what` failed; OK for
// 0. DB_LOCK_DEADLOCK and DB_LOCK_NOTGRANTED are kLocked.
[[nodiscard]] Status from_berkeley_db(int error, const std::string& what);

}  // namespace cairn::rm

#endif  // CAIRN_RM_BERKELEY_DB_H_
