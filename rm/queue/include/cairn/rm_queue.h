// QueueResourceManager: durable queues of messages in a stream of the transaction manager's own
// log, under its transactions.
//
//   auto queues = QueueResourceManager::open(tm, {.id = kQueues, .log = log});
//   auto transaction = tm.create_transaction();
//   orders->work(*transaction, insert_order);                  // a database, for example
//   queues->produce(*transaction, "to ship", "order 17");      // the outbox, as one with it
//   transaction->commit();
//   ...
//   auto shipping = tm.create_transaction();
//   auto message = queues->consume(*shipping, "to ship", std::chrono::seconds(10));
//   ...                                                        // work that belongs to it
//   shipping->commit();                                        // now it is gone; else it is back
//
// A message is there for others once the transaction that produced it has committed, at the end of
// its queue. One that was consumed is nobody else's until the outcome: gone after the commit, back
// at its old place after a rollback or a crash.
//
// Crash semantics. Promises lie in the manager's log before its own record and are made durable
// with it, so that a commit of queues and others takes no forced write for the queues. A message
// that was committed is there after any crash until a transaction that consumed it has committed.
//
// It keeps all messages in memory. Those that live long are written again now and then, so that
// the log can let go of what lies before.
#ifndef CAIRN_RM_QUEUE_H_
#define CAIRN_RM_QUEUE_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <cairn/log.h>
#include <cairn/result.h>
#include <cairn/status.h>
#include <cairn/transaction_manager.h>
#include <cairn/uuid.h>

namespace cairn::rm {

struct QueueOptions {
  // Identity of this resource manager: chosen once, the same at every start. Required.
  Uuid id{};
  // The manager's own log. Required; it outlives this object.
  std::shared_ptr<log::Log> log{};
  // The stream in that log; made if it is not there.
  std::string stream = "queue";
  // Each delivery is made durable before consume() returns, with a forced write, so that
  // QueueMessage::deliveries counts those that a crash interrupted. Without, the count may lack
  // the newest of them after a crash.
  bool durable_deliveries = false;
  // After so many bytes of records, or twice the size of the last time if that is more, the
  // messages that are there are written again and the stream's base moves there. The log needs room
  // for all of them several times. It is also done when the log asks for it, as it runs short of
  // space because of this stream: set Policies::low_space_percent so that there is room for them
  // when it asks.
  std::uint64_t snapshot_bytes = std::uint64_t{1} << 20;
};

struct QueueMessage {
  // Tells it from all others of this object's queues, and rises along each queue.
  std::uint64_t number = 0;
  std::string body;
  // How often consume() gave it away, this time included. More than 1: earlier consumers were
  // rolled back.
  std::uint32_t deliveries = 0;

  friend bool operator==(const QueueMessage&, const QueueMessage&) = default;
};

// Messages of committed producers.
struct QueueDepth {
  std::uint64_t ready = 0;
  std::uint64_t taken = 0;  // consumed by a transaction that has no outcome yet

  friend bool operator==(const QueueDepth&, const QueueDepth&) = default;
};

// What open() found of transactions it had a part in, by unit of work.
struct QueueRecovery {
  std::vector<Uuid> committed;    // were promised, or decided alone; done now
  std::vector<Uuid> aborted;      // were promised; rolled back: by the manager, or as not offered
  std::vector<Uuid> redelivered;  // were committed already; only the answer had been lost
  std::vector<Uuid> foreign;      // are promised to another manager: messages stay taken
};

inline constexpr std::size_t kMaxQueueName = 255;  // bytes

// A queue is there as soon as its name is used: 1 to kMaxQueueName bytes, any (else
// kInvalidArgument). Thread-safe, with any number of producers and consumers. Log and manager
// outlive it, and no call is under way when it is destroyed.
class QueueResourceManager {
 public:
  // Begins a session with `manager` and brings every transaction in doubt to its outcome. REQUIRES:
  // `manager` is recovered. Errors: kInvalidArgument (no id; `log` is not the manager's),
  // kIdentityMismatch (the stream is another resource manager's), kCorrupt (damaged records; a
  // decided transaction of which the stream knows nothing), and those of log and manager.
  [[nodiscard]] static Result<std::unique_ptr<QueueResourceManager>> open(
      tm::TransactionManager manager, QueueOptions options);
  QueueResourceManager(const QueueResourceManager&) = delete;
  QueueResourceManager& operator=(const QueueResourceManager&) = delete;
  // Ends the session. What is not promised is rolled back; what is waits for the next open().
  ~QueueResourceManager();

  // Work under a transaction, before its commit is asked for; the first call takes part in it.
  // Common errors: kInvalidArgument (the name), kNotActive (the transaction is past the point of
  // taking work), kRecordTooLong (with this, all that the transaction does to queues would not fit
  // in one record of the log; it can go on without), health()'s, and those of
  // ResourceManager::enlist().
  //
  // Puts a message at the end of a queue when the transaction commits. Messages of one transaction
  // stay in their order, those of several are in the order in which these committed. Not seen
  // before, nor by the transaction itself.
  [[nodiscard]] Status produce(const tm::Transaction& transaction, std::string_view queue,
                               std::string_view body);
  // Takes the first message of a queue that nobody has. Waits for one up to `limit`, also while
  // other transactions have all that are there; a consumer that waits is not promised the next
  // before others. Errors also: kTimeout (none came; the transaction can go on), kNotActive (the
  // transaction was rolled back meanwhile).
  [[nodiscard]] Result<QueueMessage> consume(const tm::Transaction& transaction,
                                             std::string_view queue,
                                             std::chrono::milliseconds limit = {});

  // Without a transaction: the ready messages of a queue in their order, each with the deliveries
  // it had; how many there are; the names of all queues that have messages.
  [[nodiscard]] std::vector<QueueMessage> browse(std::string_view queue) const;
  [[nodiscard]] QueueDepth depth(std::string_view queue) const;
  [[nodiscard]] std::vector<std::string> queues() const;

  [[nodiscard]] const QueueRecovery& recovery() const;
  // OK, or why the session ended. The way on is to open again.
  [[nodiscard]] Status health() const;

 private:
  class Impl;
  explicit QueueResourceManager(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace cairn::rm

#endif  // CAIRN_RM_QUEUE_H_
