// LastResourceManager: one participant without two phases in a transaction of Cairn.
//
// A database that cannot prepare can still take part, as the one that decides: all others promise
// first, then it commits, and what it did is the outcome. What makes that safe is a marker: a row
// with the name of the unit of work, written in the same transaction of that database. It is there
// if and only if the transaction was committed. So there is no moment at which the outcome is lost:
// after a crash, those that have promised wait in doubt until the marker was looked for.
//
// It is the superior of the transaction (cairn/enlistment.h): commit() of a client comes here as
// COMMIT_REQUEST.
//
//   COMMIT_REQUEST      superior_prepare()      all others promise; a record of that is forced
//   PREPARE_COMPLETE    marker and commit, in one transaction of the database    <- the decision
//                       superior_commit(), or superior_rollback() if it was rolled back
//   COMMIT_COMPLETE     the marker is not needed any more: cleared away with the next commit
//   ROLLBACK            rolled back
//   RECOVER_QUERY       after a crash: superior_commit() if the marker is there, else
//                       superior_rollback()
//
// A transaction has at most one of its kind (kSuperiorExists), and none where a bridge or an
// outside coordinator decides. The database is spoken to through LastResource: rm/sqlite implements
// it.
#ifndef CAIRN_RM_LAST_RESOURCE_H_
#define CAIRN_RM_LAST_RESOURCE_H_

#include <chrono>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <cairn/result.h>
#include <cairn/status.h>
#include <cairn/transaction_manager.h>
#include <cairn/uuid.h>

namespace cairn::rm {

// What became of a commit, for certain or not at all.
enum class LastCommit : std::uint8_t { kCommitted, kRolledBack, kUnknown };

// One transaction in the database.
class LastBranch {
 public:
  // Rolls back what has not ended.
  virtual ~LastBranch() = default;
  // Writes `marker` and takes away those of `obsolete` that are there, and commits that together
  // with the work, durably. `why`: where it is not kCommitted.
  [[nodiscard]] virtual LastCommit commit(const std::string& marker,
                                          std::span<const std::string> obsolete, Status& why) = 0;
  // Ends a statement that runs in another thread. Thread-safe.
  virtual void cancel() = 0;
  // Why it can no longer be committed; OK while it can.
  [[nodiscard]] virtual Status failure() const = 0;
};

// A database without prepared transactions. Thread-safe.
class LastResource {
 public:
  virtual ~LastResource() = default;
  // Begins a transaction. Errors: kLocked (it had to wait too long for others), its own.
  [[nodiscard]] virtual Result<std::unique_ptr<LastBranch>> begin() = 0;
  // The markers that begin with `prefix`. Waits first until every transaction that began before
  // has ended, in whatever process: what is not there then never comes, and what is stays, after
  // any crash and whatever error a commit before ended with.
  [[nodiscard]] virtual Result<std::vector<std::string>> markers(const std::string& prefix) = 0;
  // Takes those away that are there.
  [[nodiscard]] virtual Status clear(std::span<const std::string> markers) = 0;
};

struct LastResourceOptions {
  // Identity of this resource manager: chosen once, the same at every start. Required.
  Uuid id{};
  std::string description = "last resource";
};

// What open() found of transactions that it had not decided, or of which it had not heard the end.
struct LastResourceRecovery {
  std::vector<Uuid> committed;  // the marker was there
  std::vector<Uuid> aborted;    // it was not
};

// Thread-safe. The manager outlives it. A later one of the same id takes over.
class LastResourceManager {
 public:
  // Begins a session with `manager` and decides what waits for it. REQUIRES: `manager` is
  // recovered. Errors: kInvalidArgument (no id, no database), those of manager and database.
  [[nodiscard]] static Result<std::unique_ptr<LastResourceManager>> open(
      tm::TransactionManager manager, std::shared_ptr<LastResource> resource,
      LastResourceOptions options);
  LastResourceManager(const LastResourceManager&) = delete;
  LastResourceManager& operator=(const LastResourceManager&) = delete;
  // Ends the session. What is not decided is rolled back.
  ~LastResourceManager();

  using Function = std::function<Status(LastBranch& branch)>;
  // Runs `function` on the transaction in the database that belongs to `transaction`, alone. The
  // first call begins it, and takes part in `transaction` as its superior. Returns what it returns.
  // An error that `function` returns rolls the transaction back when its commit is asked for, with
  // it as the reason. Errors also: kNotActive (past the point of taking work), kSuperiorExists
  // (another last resource decides), those of LastResource::begin() and ResourceManager::enlist(),
  // health()'s.
  [[nodiscard]] Status work(const tm::Transaction& transaction, const Function& function);

  [[nodiscard]] const LastResourceRecovery& recovery() const;
  // OK, or why the session ended. The way on is to open again.
  [[nodiscard]] Status health() const;

 private:
  class Impl;
  explicit LastResourceManager(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace cairn::rm

#endif  // CAIRN_RM_LAST_RESOURCE_H_
