// PromiseStream: promises and their ends in a stream of a log of Cairn, and what makes the stream
// one resource manager's.
//
// Records of promises and ends have one layout, little-endian:
//   offset  size
//        0    16  GUID of the transaction manager that the promise was given to
//       16    16  unit of work
//       32     -  changes, as their resource manager writes them; none in an end
// The resource manager may write further records of its own, with types from kOwnRecords on.
//
// The stream's restart area: layout (1, the value 1), GUID of the resource manager (16), GUID of
// this stream's incarnation (16). The recovery information of a promise: incarnation (16), LSN of
// the record (8).
#ifndef CAIRN_RM_STREAM_PROMISE_STREAM_H_
#define CAIRN_RM_STREAM_PROMISE_STREAM_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include <cairn/log.h>

namespace cairn::rm {

// The record's type in the log. Persisted; values never change.
enum class PromiseRecordType : std::uint16_t {
  kPromise = 1,   // what is to be done if it commits
  kAtOnce = 2,    // what is to be done, committed by this very record
  kDone = 3,      // committed, and all of that is done
  kRollback = 4,  // of a promise
};
inline constexpr std::uint16_t kOwnRecords = 16;

inline constexpr std::size_t kPromiseHeaderSize = 32;  // of a record without changes

// What the stream holds of one transaction that has not ended.
struct Promise {
  Uuid transaction_manager{};
  Uuid transaction{};
  Lsn lsn{};                // null: nothing is promised
  log::Reservation end{};   // room for the record that ends it
  bool is_decided = false;  // by kAtOnce
};

// Who rebuilds its state from the records, in the order of the log. An error ends the replay.
class PromiseReader {
 public:
  // kPromise or kAtOnce. Of a transaction that has one already: the same again, by a snapshot.
  [[nodiscard]] virtual Status read_promise(Promise promise,
                                            std::span<const std::byte> changes) = 0;
  // kDone or kRollback of a promise that was read.
  [[nodiscard]] virtual Status read_end(const Uuid& transaction, PromiseRecordType type) = 0;
  // One of the resource manager's own.
  [[nodiscard]] virtual Status read_own(std::uint16_t type, std::span<const std::byte> bytes) = 0;

 protected:
  ~PromiseReader() = default;
};

// append() and bytes() are thread-safe, the rest is for one thread at a time. The log outlives it.
class PromiseStream {
 public:
  // `id`: of the resource manager that the stream belongs to, `owner` what it is called in errors.
  PromiseStream(std::shared_ptr<log::Log> log, std::string name, const Uuid& id, std::string owner);

  // Opens the stream, or makes it, and reads it from its base. Called first, once. Errors:
  // kIdentityMismatch (the stream is another's), kCorrupt with the LSN, and those of the log.
  [[nodiscard]] Status replay(PromiseReader& reader);

  // Appends one record, sets `promise.lsn` and `promise.end`. A promise is durable when its LSN is;
  // kAtOnce is on return. kLogFull and kRecordTooLong say that nothing was appended.
  [[nodiscard]] Status append_promise(Promise& promise, PromiseRecordType type,
                                      std::span<const std::byte> changes);
  // kDone or kRollback, not forced. Never meets a full log. REQUIRES: `promise` was appended.
  [[nodiscard]] Status append_end(Promise& promise, PromiseRecordType type);
  // A record of the resource manager's own. REQUIRES: `type` >= kOwnRecords.
  [[nodiscard]] Result<Lsn> append(std::uint16_t type, std::span<const std::byte> bytes,
                                   log::Durability durability = log::Durability::kNone);
  [[nodiscard]] Status wait_durable(Lsn lsn) { return log_->wait_durable(lsn); }

  // The recovery information that goes with a promise.
  [[nodiscard]] std::vector<std::byte> place_of(const Promise& promise) const;
  // Whether the stream accounts for a decided unit of work that has ended here and was promised at
  // `place`. Error: kCorrupt.
  [[nodiscard]] Status check_settled(const Uuid& transaction,
                                     std::span<const std::byte> place) const;

  // Bytes of payload since the last snapshot, and in that.
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  [[nodiscard]] std::uint64_t snapshot_bytes() const { return snapshot_bytes_; }
  // A snapshot is: the resource manager's own records again, append_again() for each promise, and
  // then this, which moves the base to the first of these records; invalid(): there are none.
  // Durable on return. What was appended from `bytes_before` of bytes() on is the snapshot. A full
  // log (kLogFull) at any step leaves the stream as good as it was.
  [[nodiscard]] Result<Lsn> append_again(Promise& promise, std::span<const std::byte> changes);
  [[nodiscard]] Status finish_snapshot(Lsn first, std::uint64_t bytes_before);

  // Behind a snapshot: the restart area before it holds the log up as well.
  [[nodiscard]] Status drop_previous_restart_area() { return stream_.advance_base(stream_.base()); }

  // Who is asked to take a snapshot when the stream holds up the whole log (Stream).
  [[nodiscard]] Status on_advance_request(log::AdvanceCallback callback) {
    return stream_.on_advance_request(std::move(callback));
  }

 private:
  [[nodiscard]] Status read_identity(const log::RestartArea& restart);
  [[nodiscard]] Status read_one(const log::Record& record, PromiseReader& reader);
  [[nodiscard]] Result<Lsn> append_gathered(std::uint16_t type, log::Gather pieces,
                                            log::Durability durability,
                                            log::Reservation& reservation);
  [[nodiscard]] Result<Lsn> append_changes(const Promise& promise, PromiseRecordType type,
                                           std::span<const std::byte> changes);

  std::shared_ptr<log::Log> log_;
  std::string name_;
  Uuid id_;
  std::string owner_;
  Uuid incarnation_;  // of the stream: one that was deleted and made again is another
  log::Stream stream_;
  std::set<Uuid> committed_;  // whose kDone no snapshot has let go of yet
  std::atomic<std::uint64_t> bytes_ = 0;
  std::uint64_t snapshot_bytes_ = 0;
};

}  // namespace cairn::rm

#endif  // CAIRN_RM_STREAM_PROMISE_STREAM_H_
