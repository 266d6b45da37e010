// KvStore: a durable map from string to string under Cairn transactions. The reference resource
// manager: read this to write your own.
//
// The map lives in memory. What makes it durable is a stream of a Cairn log: redo records, and now
// and then a snapshot. A key that a transaction reads or writes is locked until its outcome; a
// second transaction that wants it is refused at once, nobody waits.
//
// What a resource manager owes the protocol, and where kv_store.cc pays it:
//   1. Recover before serving.                                            open(), settle()
//   2. At PREPARE force redo, unit of work, enlistment and manager;
//      then answer.                                                       on_prepare(), handle()
//   3. Answer COMMIT when the commit is durable or can be redone.         on_commit(), handle()
//   4. COMMIT for what is committed already: answer again.                on_commit()
//   5. After the promise decide nothing alone: an error ends the session. end_session()
//   6. The key of an enlistment is good before enlist() is called.        work_of()
//   7. After LAST_RECOVER roll back what this manager did not offer.      on_last_recover()
#ifndef CAIRN_EXAMPLES_KV_KV_STORE_H_
#define CAIRN_EXAMPLES_KV_KV_STORE_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <cairn/log.h>
#include <cairn/transaction_manager.h>

#include "kv/kv_stream.h"
#include "kv/kv_table.h"

namespace cairn::examples {

struct KvOptions {
  // Identity of this store: chosen once by its owner, the same at every start. Required.
  Uuid id;
  // Its stream in the log.
  std::string stream = "kv";
  // A snapshot is written after so many bytes of records, or twice the size of the last snapshot if
  // that is more. It moves the stream's base; the log needs room for several of them.
  std::uint64_t snapshot_bytes = std::uint64_t{4} << 20;
};

// What open() found of transactions the store had a part in, by unit of work.
struct KvRecovery {
  std::vector<Uuid> committed;    // were prepared; committed on the manager's order
  std::vector<Uuid> aborted;      // were prepared; rolled back: by its order, or as not offered
  std::vector<Uuid> redelivered;  // were committed already; only the answer had been lost
  std::vector<Uuid> foreign;      // are prepared under another manager: left alone, keys locked
};

// Thread-safe. The log and the manager outlive it.
class KvStore {
 public:
  // Rebuilds the map and the prepared transactions from the stream (made if it is not there),
  // begins a session with `manager` and brings every transaction in doubt to its outcome. REQUIRES:
  // `manager` is recovered. Errors: kInvalidArgument (no id), kIdentityMismatch (the stream belongs
  // to another store), kCorrupt (damaged records; a decided transaction of which the stream knows
  // nothing), and those of log and manager.
  [[nodiscard]] static Result<std::unique_ptr<KvStore>> open(std::shared_ptr<log::Log> log,
                                                             tm::TransactionManager manager,
                                                             KvOptions options);
  KvStore(const KvStore&) = delete;
  KvStore& operator=(const KvStore&) = delete;
  // Ends the session. Undecided work is rolled back; promised work stays in the log for the next
  // open().
  ~KvStore();

  // Work under a transaction, before its commit is asked for. The first call takes part in it.
  // Nothing is durable or visible to others before the commit. Errors: kLocked (another transaction
  // has the key), kNotActive (this one is past the point of taking work), health()'s, and those of
  // ResourceManager::enlist().
  [[nodiscard]] Result<std::optional<std::string>> get(const tm::Transaction& transaction,
                                                       std::string_view key);
  [[nodiscard]] Status put(const tm::Transaction& transaction, std::string_view key,
                           std::string_view value);
  [[nodiscard]] Status erase(const tm::Transaction& transaction, std::string_view key);

  // Committed values, without locks.
  [[nodiscard]] std::optional<std::string> read(std::string_view key) const;
  [[nodiscard]] KvTable::Entries entries() const;

  [[nodiscard]] const KvRecovery& recovery() const { return recovery_; }
  // OK, or why the session ended. The way on is to open again.
  [[nodiscard]] Status health() const;

 private:
  enum class Verb : std::uint8_t { kPrepared, kRefused, kReadOnly, kCommitted, kRolledBack };
  struct Answer {
    Verb verb;
    tm::Enlistment enlistment;
    std::vector<std::byte> place = {};  // the recovery information of a kPrepared
    Status why = {};                    // of a kRefused
  };

  KvStore(std::shared_ptr<log::Log> log, tm::TransactionManager manager, KvOptions options);
  [[nodiscard]] Status begin_session();
  [[nodiscard]] Status settle();
  [[nodiscard]] bool is_settled() const;
  [[nodiscard]] Result<KvWork*> work_of(const tm::Transaction& transaction, std::string_view key);

  void serve();
  void end_session(Status why);
  [[nodiscard]] Status handle(const std::vector<tm::Notification>& batch);
  [[nodiscard]] Status on_notification(const tm::Notification& notification);
  [[nodiscard]] Status on_recover(const tm::Notification& notification);
  [[nodiscard]] Status on_last_recover();
  [[nodiscard]] Status on_prepare(KvWork& work);
  [[nodiscard]] Status on_single_phase(KvWork& work);
  [[nodiscard]] Status on_commit(KvWork& work);
  [[nodiscard]] Status on_rollback(KvWork& work);
  static void note(std::vector<Uuid>& list, const KvWork& work);
  void finish(Verb verb, const KvWork& work);
  static void give(const Answer& answer);

  tm::TransactionManager manager_;
  const KvOptions options_;
  // Used by open(), then by the server alone.
  KvStream stream_;
  std::vector<Answer> answers_;  // owed as soon as what was appended is durable
  KvRecovery recovery_;          // constant from the moment open() returns
  bool last_recover_ = false;    // seen

  mutable std::mutex mutex_;  // guards the next three
  KvTable table_;
  tm::ResourceManager session_;
  Status health_;

  std::atomic<bool> stopping_ = false;
  std::thread server_;
};

}  // namespace cairn::examples

#endif  // CAIRN_EXAMPLES_KV_KV_STORE_H_
