// Participant: the side that a resource manager turns to the transaction manager, for those that
// keep their promises in a PromiseStream. Enlists, answers, recovers, takes snapshots; what is
// promised and done is its subclass's matter.
//
//   client thread                  server thread                          log
//   work_of() -> Work              PREPARE  -> make_ready(), promise  ->  append
//   changes in it                  COMMIT   -> carry_out(), end       ->  append, not forced
//                                  (a batch of notifications)         ->  one force, if not covered
//                                  then the answers
#ifndef CAIRN_RM_STREAM_PARTICIPANT_H_
#define CAIRN_RM_STREAM_PARTICIPANT_H_

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <cairn/transaction_manager.h>

#include "stream/promise_stream.h"

namespace cairn::rm {

// One transaction's part. Shared, because a client may be inside a call when it ends.
struct Work {
  virtual ~Work() = default;

  std::uint64_t key = 0;  // by which the manager names it
  tm::Enlistment enlistment;
  std::mutex use;  // held by the server while it handles it; taken before the participant's mutex
  Promise promise;
  bool is_open = false;          // takes more work; changes with both mutexes held
  bool is_replayed = false;      // promised by an earlier object
  bool may_be_promised = false;  // in the stream; outlives this object
  bool is_offered = false;       // the manager offered it at recovery
  bool is_in_doubt = false;      // offered, and the manager itself waits for the outcome
};

// What start() found of transactions it had a part in, by unit of work.
struct Recovered {
  std::vector<Uuid> committed;    // were promised, or decided alone; done now
  std::vector<Uuid> aborted;      // were promised; rolled back: by the manager, or as not offered
  std::vector<Uuid> redelivered;  // were committed already; only the answer had been lost
  std::vector<Uuid> foreign;      // are promised to another manager: left alone
};

class Participant : private PromiseReader {
 public:
  Participant(const Participant&) = delete;
  Participant& operator=(const Participant&) = delete;

  // OK, or why the session ended.
  [[nodiscard]] Status health() const;

 protected:
  struct Settings {
    std::string name;  // for errors: "files"
    Uuid id{};
    std::shared_ptr<log::Log> log{};
    std::string stream{};
    // A snapshot is due after so many bytes, or twice the size of the last one if that is more.
    std::uint64_t snapshot_bytes = 0;
  };

  Participant(tm::TransactionManager manager, Settings settings);
  // REQUIRES: stop() was called.
  virtual ~Participant() = default;

  // Replays the stream, begins the session, brings what is in doubt to its outcome, and serves.
  // Called once. Errors: kInvalidArgument (no id, no log), those of stream, manager and hooks.
  [[nodiscard]] Status start();
  // Ends the session. What is not promised is undone. First of all by the destructor of the most
  // derived class: the server calls virtual functions until then. A second call does nothing.
  void stop();

  // The transaction's part, enlisted at the first call. Errors: health()'s, and those of
  // ResourceManager::enlist().
  [[nodiscard]] Result<std::shared_ptr<Work>> work_of(const tm::Transaction& transaction);
  // The error of a call that comes too late.
  [[nodiscard]] Status takes_no_more_work(const tm::Transaction& transaction) const;
  // REQUIRES: the mutex is held.
  [[nodiscard]] const Status& health_locked() const { return health_; }

  // Whether the stream lies in the manager's own log, whose record then covers a promise.
  [[nodiscard]] bool is_in_managers_log() const;
  // Constant from the moment start() returns.
  [[nodiscard]] const Recovered& recovered() const { return recovered_; }
  [[nodiscard]] PromiseStream& stream() { return stream_; }

  // ---- What a resource manager is. Called by the server thread and by start(), one at a time.

  [[nodiscard]] virtual std::shared_ptr<Work> make_work() const = 0;
  [[nodiscard]] virtual bool has_changes(const Work& work) const = 0;
  [[nodiscard]] virtual std::vector<std::byte> encode_changes(const Work& work) const = 0;
  // Takes a promise over from the stream, locks included; again for one that a snapshot repeats.
  // The mutex is held. Error: kCorrupt.
  [[nodiscard]] virtual Status adopt(Work& work, std::span<const std::byte> changes) = 0;
  // A record of its own. The mutex is held.
  [[nodiscard]] virtual Status adopt_own(std::uint16_t type, std::span<const std::byte> bytes);
  // All is replayed, nothing carried out yet.
  [[nodiscard]] virtual Status begin() { return Status::ok(); }

  // Before the promise. An error refuses it.
  [[nodiscard]] virtual Status make_ready(Work&) { return Status::ok(); }
  // The commit, before the record of its end; again after a crash before that is durable. Outside
  // the manager's log it is durable on return, and an undo() behind it changes nothing. An error
  // ends the session.
  [[nodiscard]] virtual Status carry_out(Work&) { return Status::ok(); }
  // Of what is not promised any more.
  virtual void undo(Work&) {}
  // Behind the record of its end, if it was promised: what is committed shows, locks are gone. The
  // mutex is held.
  virtual void end(Work& work, bool is_committed) = 0;
  // A snapshot's records of its own. The first one's LSN, invalid() if there is none. Error:
  // kLogFull.
  [[nodiscard]] virtual Result<Lsn> append_state() { return Lsn::invalid(); }

  // Guards the subclass's own state too. Not held while anything waits for a disk, but for the
  // replay.
  mutable std::mutex mutex_;
  // Work ended, a part closed, or the session did.
  std::condition_variable changed_;

 private:
  using Works = std::map<std::uint64_t, std::shared_ptr<Work>>;  // by Work::key
  enum class Verb : std::uint8_t { kPrepared, kRefused, kReadOnly, kCommitted, kRolledBack };
  struct Answer {
    Verb verb;
    tm::Enlistment enlistment;
    Lsn lsn = {};                       // of a kPrepared
    std::vector<std::byte> place = {};  // its recovery information
    Status why = {};                    // of a kRefused
  };

  [[nodiscard]] Status read_promise(Promise promise, std::span<const std::byte> changes) final;
  [[nodiscard]] Status read_end(const Uuid& transaction, PromiseRecordType type) final;
  [[nodiscard]] Status read_own(std::uint16_t type, std::span<const std::byte> bytes) final;

  [[nodiscard]] Status check_settings() const;
  [[nodiscard]] Status replay();
  [[nodiscard]] Status begin_session();
  [[nodiscard]] Status settle();
  [[nodiscard]] bool is_settled() const;

  void serve();
  void end_session(Status why);
  [[nodiscard]] Status handle(const std::vector<tm::Notification>& batch);
  [[nodiscard]] Status on_notification(const tm::Notification& notification);
  [[nodiscard]] Status on_recover(const tm::Notification& notification);
  [[nodiscard]] Status on_last_recover();
  [[nodiscard]] Status on_prepare(Work& work);
  [[nodiscard]] Status on_single_phase(Work& work);
  [[nodiscard]] Status on_commit(Work& work);
  [[nodiscard]] Status on_rollback(Work& work);
  [[nodiscard]] Status promise(Work& work, PromiseRecordType type);
  static void note(std::vector<Uuid>& list, const Work& work);
  void finish(Verb verb, Work& work);
  void give(const Answer& answer) const;
  [[nodiscard]] Status snapshot_if_due();
  [[nodiscard]] Status write_snapshot();
  void on_advance_request();

  // REQUIRES: the mutex is held, for these two; the next three take it.
  std::shared_ptr<Work> add(Promise promise);
  [[nodiscard]] std::shared_ptr<Work> find(const Uuid& transaction) const;
  [[nodiscard]] std::shared_ptr<Work> find(std::uint64_t key) const;
  [[nodiscard]] Works works() const;
  void forget(Work& work, bool is_committed);

  tm::TransactionManager manager_;
  const Settings settings_;
  // Held by whoever handles notifications or takes a snapshot; taken before all others.
  std::mutex serving_;
  std::atomic<bool> is_advance_asked_ = false;
  PromiseStream stream_;
  bool is_covered_ = false;
  std::vector<Answer> answers_;  // owed as soon as force_to_ is durable
  Lsn force_to_;                 // null: nothing to force
  Recovered recovered_;
  bool last_recover_ = false;  // seen

  // Guarded by the mutex.
  tm::ResourceManager session_;
  Status health_;
  Works works_;
  std::uint64_t next_key_ = 1;

  std::thread server_;
};

}  // namespace cairn::rm

#endif  // CAIRN_RM_STREAM_PARTICIPANT_H_
