// BlockWriter: the way of a record from append to the durable LSN.
//
//   make_room -> take -> (copy, outside the lock) -> filled
//        |                                             |
//        v                                             v
//   ring of log blocks:  first_ ... submit_ ... open block
//                        |          |
//                        durable <- writes in flight <- closed blocks, in order
//
// One mutex guards the ring and, for the caller, whatever must change in LSN order with it. It is
// not held over the copying of payloads, over I/O, or over callbacks. Whichever thread waits for
// durability also submits and reaps (one submitter and one reaper at a time), so that a lone writer
// needs no other thread; where nobody waits, the housekeeping thread drives.
//
// Group commit without delays: a waiter closes the open block as soon as a write may start; while
// all are in flight, the open block gathers.
#ifndef CAIRN_LOG_APPEND_BLOCK_WRITER_H_
#define CAIRN_LOG_APPEND_BLOCK_WRITER_H_

#include <algorithm>
#include <atomic>
#include <cassert>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include <cairn/log.h>
#include <cairn/record.h>
#include <cairn/result.h>
#include <cairn/storage.h>

#include "aligned_buffer.h"
#include "append/growth_watches.h"
#include "append/join_estimate.h"
#include "append/log_block.h"
#include "append/shared_histogram.h"
#include "format/block.h"

namespace cairn::log {

// A container ready to take blocks: its header is durable.
struct ReadyContainer {
  std::uint64_t number = 0;
  std::shared_ptr<File> file;
  format::ContainerIdentity identity;
  Lsn first_block;
};

// Where a writer begins.
struct WriterStart {
  ReadyContainer container;
  Lsn position;        // of the next block
  Lsn previous_block;  // the block before it
  std::uint32_t epoch = 0;
};

class BlockWriter {
 public:
  using Lock = std::unique_lock<std::mutex>;

  struct Config {
    format::LogGeometry geometry;
    std::uint32_t blocks = 8;
    std::uint32_t depth = 4;
    // Blocks that someone waits for make themselves durable; otherwise a sync makes the prefix so.
    bool durable_writes = true;
    bool background = true;  // a housekeeping thread drives when nobody waits
    TimeSource time{};       // null: the steady clock
    // Asked for without the lock when the next container is needed and not there. Afterwards
    // offer() was called, or an error says why not.
    std::function<Status()> provide_container;
  };

  BlockWriter(Config config, std::unique_ptr<IoQueue> queue, WriterStart start);
  ~BlockWriter();
  BlockWriter(const BlockWriter&) = delete;
  BlockWriter& operator=(const BlockWriter&) = delete;

  [[nodiscard]] std::mutex& mutex() { return mutex_; }

  // --- appending; all with the lock held ---

  // Makes the open block have room for a record of `payload` bytes; may give up the lock meanwhile.
  // With `own_block`, the open block is empty afterwards. Errors: health(), those of
  // provide_container.
  [[nodiscard]] Status make_room(Lock& lock, std::size_t payload, bool own_block = false);

  // Whether it has room without any waiting.
  [[nodiscard]] bool has_room(std::size_t payload) const {
    return open_ != nullptr && health_.is_ok() &&
           open_->fill + format::record_size(payload) <= open_->capacity;
  }

  struct Place {
    LogBlock* block = nullptr;
    std::span<std::byte> bytes;
    std::uint32_t block_offset = 0;
    Lsn lsn;
  };
  // Takes the room that make_room() made, without giving up the lock in between. filled() must
  // follow, without the lock.
  [[nodiscard]] Place take(std::size_t payload) {
    LogBlock& open = *open_;
    const auto record = static_cast<std::uint32_t>(format::record_size(payload));
    assert(open.fill + record <= open.capacity);
    const std::uint32_t at = open.fill;
    open.fill += record;
    ++open.record_count;
    ++statistics_.records;
    statistics_.payload_bytes += payload;
    return {&open, open.data.subspan(at, record), at, open.lsn + at};
  }
  // Encodes the record into its place and lets the block go if it was the last one missing.
  // REQUIRES: lock not held.
  void fill(const Place& place, const format::RecordFields& fields,
            std::span<const std::span<const std::byte>> pieces);

  // The next container, made ready. REQUIRES: none is there yet.
  void offer(ReadyContainer container);
  [[nodiscard]] bool needs_container() const { return !next_container_.has_value(); }
  // The container that blocks go to, and whether everything before it is durable.
  [[nodiscard]] std::uint64_t container_number() const { return container_.number; }
  [[nodiscard]] bool older_containers_durable() const;
  // Bytes that blocks may still take in the present container.
  [[nodiscard]] std::uint64_t room_in_container() const;
  // End of what was appended, closed or open.
  [[nodiscard]] Lsn end() const;
  [[nodiscard]] LogStatistics statistics() const;
  // For what the caller counts. Without the times that threads waited.
  [[nodiscard]] LogStatistics& counters() { return statistics_; }

  // --- waiting and driving ---

  // Waits until everything before `end` has reached `level`, driving I/O itself. `since`: when
  // the caller began to wait, if that was earlier. Errors: kIndeterminate, kTimeout. With a limit
  // and a background thread, leaves the driving to it.
  [[nodiscard]] Status wait(Lock& lock, Lsn end, Durability level,
                            std::optional<std::chrono::steady_clock::time_point> deadline = {},
                            std::optional<std::chrono::steady_clock::time_point> since = {});
  // The same for what the caller is just appending, with less locking. expect() is called under the
  // lock that gave the place, await() after the place was filled.
  struct Expected {
    Lsn end;
    Durability level = Durability::kNone;
    LogBlock* block = nullptr;
    bool submits = false;  // the block can go at once
    std::uint32_t seen = 0;
    std::uint64_t wakings = 0;
    std::chrono::steady_clock::time_point began;
  };
  [[nodiscard]] Expected expect(const Place& place, Durability level);
  // The same for everything before `end`. REQUIRES: that is not durable, and health() is OK.
  [[nodiscard]] Expected expect(Lsn end, Durability level) {
    return expect(*block_before(end), end, level);
  }
  // REQUIRES: lock not held. Errors: kIndeterminate.
  [[nodiscard]] Status await(const Expected& expected);
  // Calls back once everything before `end` is durable or can no longer become so. REQUIRES: lock
  // held.
  void when_durable(Lock& lock, Lsn end, DurableCallback callback);
  // The same for what the caller is just appending, under the lock that gave the place. True: when
  // it is filled, start() must follow.
  [[nodiscard]] bool call_when_durable(const Place& place, DurableCallback callback);
  // Submits what can be, where nobody would. REQUIRES: lock not held.
  void start();
  // The housekeeping thread: true if I/O is in flight that nobody waits for.
  [[nodiscard]] bool wants_driver() const {
    if (!health_.is_ok() && has_callbacks()) return true;
    return sleeping_drivers_ == 0 && needs_driver();
  }
  // Someone is to be told: of an LSN that will become durable, or of one that is, unless this
  // thread does so already.
  [[nodiscard]] bool has_callbacks() const {
    return callbacks_waiting_ > 0 ||
           ((!due_.empty() || watches_.due(durable(), health_)) && !is_delivering());
  }
  // Waits until more than `beyond` is durable. Drives nothing. Errors: kTimeout, health().
  [[nodiscard]] Status wait_grown(Lock& lock, Lsn beyond,
                                  std::optional<std::chrono::steady_clock::time_point> deadline);
  [[nodiscard]] GrowthWatches& watches() { return watches_; }
  // Adds to `events` what is in flight for longer than `limit` and was not told yet, and what was
  // told and has ended since. `file` is left to the caller. REQUIRES: lock held.
  void find_stalls(std::chrono::nanoseconds limit, std::vector<StallEvent>* events);
  // One round of driving: submits what can be, and reaps at least one completion if one is in
  // flight.
  // Whether it waited for the storage; if not, the next step may be another thread's.
  bool drive(Lock& lock);
  // Signalled when wants_driver() may have become true.
  void set_driver_signal(std::condition_variable* signal) { driver_signal_ = signal; }
  // Signalled when health() is no longer OK.
  void set_health_signal(std::condition_variable* signal) { health_signal_ = signal; }

  // Ends all I/O. What is not durable by then is not waited for. REQUIRES: lock held.
  void stop(Lock& lock, Status why);

  [[nodiscard]] Lsn durable() const { return Lsn(durable_.load(std::memory_order_acquire)); }
  // The last block before durable(). REQUIRES: lock held.
  [[nodiscard]] Lsn last_durable_block() const { return last_durable_block_; }
  [[nodiscard]] Lsn written() const { return Lsn(written_.load(std::memory_order_acquire)); }
  // OK, or why nothing more can be appended. REQUIRES: lock held.
  [[nodiscard]] const Status& health() const { return health_; }
  // Largest number of bytes behind the durable prefix for which LSNs can have been given out.
  [[nodiscard]] std::uint32_t window() const { return window_; }

 private:
  [[nodiscard]] LogBlock& block(std::uint64_t sequence) { return *ring_[sequence % ring_.size()]; }
  [[nodiscard]] bool ring_is_full() const { return end_ - first_ == ring_.size(); }
  void open_block(Lsn lsn, std::uint32_t capacity, format::BlockKind kind);
  void close_block(LogBlock& closed);
  void enter_next_container();
  void wait_for_free_block(Lock& lock);
  void pump(Lock& lock);
  [[nodiscard]] bool submit_next(Lock& lock);
  [[nodiscard]] bool submit_sync_if_wanted(Lock& lock);
  [[nodiscard]] format::BlockFields begin_write(LogBlock& next);
  [[nodiscard]] bool take_alone();
  void write_alone(Lock& lock);
  void reap(Lock& lock);
  void go_on(Lock& lock);
  void complete(const Completion& completion);
  void complete_sync(const Status& status);
  [[nodiscard]] std::chrono::steady_clock::time_point now() const {
    return config_.time ? config_.time() : std::chrono::steady_clock::now();
  }
  [[nodiscard]] std::uint64_t ns_since(std::chrono::steady_clock::time_point then) const;
  void advance();
  void poison(const Status& why);
  void add_callback(LogBlock& to, Lsn end, DurableCallback callback);
  void make_due(LogBlock& of, const Status& status);
  // Whether the calling thread runs callbacks of this writer.
  [[nodiscard]] bool is_delivering() const;
  void run_callbacks(Lock& lock);
  void call_those_due(Lock& lock);
  void wake_driver();
  [[nodiscard]] bool reached(Lsn end, Durability level) const {
    return (level == Durability::kDurable ? durable() : written()) >= end;
  }
  [[nodiscard]] LogBlock* block_before(Lsn end);
  [[nodiscard]] Expected expect(LogBlock& in, Lsn end, Durability level);
  // Counts the caller among those that sleep on `on`; then it may give up the lock and sleep.
  void fall_asleep(LogBlock& on, Expected* expected);
  // Afterwards, with the lock held again.
  void get_up(const Expected& expected);
  void wake_sleepers(LogBlock& on);
  [[nodiscard]] bool reaper_active() const {
    return reaper_active_.load(std::memory_order_acquire);
  }
  // Someone sees to it that the open block is written, and wakes whoever sleeps.
  [[nodiscard]] bool is_driven() const {
    return reaper_active() || leader_active_.load(std::memory_order_acquire);
  }
  // I/O is in flight that nobody reaps, or the open block gathers and nobody would end that.
  [[nodiscard]] bool needs_driver() const {
    if (reaper_active()) return false;
    return in_flight() || (gathering_ > 0 && !is_driven() && open_is_wanted());
  }
  [[nodiscard]] bool open_is_wanted() const {
    return open_ != nullptr && open_->record_count > 0 &&
           std::max(want_written_, want_durable_) > open_->lsn;
  }
  void begin_gathering(unsigned woken, std::chrono::steady_clock::duration took);
  [[nodiscard]] bool gathers();
  void arrive();
  void end_gathering();
  void sleep(Lock& lock, LogBlock& on);
  [[nodiscard]] unsigned partial_depth() const;
  void wake_collected(Lock& lock);

  [[nodiscard]] bool in_flight() const { return !queue_broken_ && submitted_ > 0; }

  const Config config_;
  const std::uint32_t window_;
  const std::uint32_t epoch_;

  std::mutex mutex_;
  AlignedBuffer memory_;  // of all blocks
  std::vector<std::unique_ptr<LogBlock>> ring_;
  std::uint64_t first_ = 0;  // sequence number of the oldest block that is not durable
  std::uint64_t first_unwritten_ = 0;
  std::uint64_t submit_ = 0;  // of the next one to submit
  std::uint64_t end_ = 0;     // behind the newest one
  LogBlock* open_ = nullptr;  // the newest one, while it takes records

  ReadyContainer container_;
  std::optional<ReadyContainer> next_container_;
  Lsn position_;     // where the next block begins, unless one is open
  Lsn last_closed_;  // LSN of the newest closed block
  Lsn last_durable_block_;
  bool next_is_barrier_ = false;
  Lsn barrier_end_;  // end of the seal before the present container

  Lsn want_written_;  // someone wants everything before these
  Lsn want_durable_;
  unsigned writes_in_flight_ = 0;  // from before the submission: bounds the depth
  // Submissions that returned less completions that were reaped: what a reaper may wait for. A
  // completion can be seen before its submission returned, hence signed.
  int submitted_ = 0;
  bool sync_in_flight_ = false;
  bool queue_broken_ = false;  // the queue itself failed: what is in flight will never be known
  Lsn sync_covers_;
  std::chrono::steady_clock::time_point sync_submitted_;
  bool sync_stalled_ = false;
  std::vector<StallEvent> ended_stalls_;  // not told yet
  bool submitter_active_ = false;
  // Written with the lock held.
  std::atomic<bool> reaper_active_{false};
  unsigned sleeping_drivers_ = 0;
  // While the open block waits for threads that were woken just now: how many are missing, how many
  // were expected, until when. One of those who wait for the block, the leader, ends it then.
  unsigned gathering_ = 0;
  unsigned gathering_from_ = 0;
  std::chrono::steady_clock::time_point gathering_until_;
  std::uint64_t gatherings_ = 0;
  JoinEstimate joins_;
  std::atomic<bool> leader_active_{false};
  std::vector<LogBlock*> to_wake_;  // whose sleepers are counted out already
  std::condition_variable space_free_;
  unsigned space_waiters_ = 0;
  std::condition_variable timed_;  // waiters with a limit, who leave the driving to the background
  unsigned timed_waiters_ = 0;
  std::condition_variable grown_;  // those who wait for the durable LSN to move, and drive nothing
  unsigned grown_waiters_ = 0;
  std::condition_variable idle_;  // stop() waits for the submitter, the reaper and callbacks to end
  std::condition_variable* driver_signal_ = nullptr;
  std::condition_variable* health_signal_ = nullptr;

  struct Due {
    std::vector<DurableCallback> callbacks;
    Status status;
  };
  std::uint64_t callbacks_waiting_ = 0;  // those in blocks
  std::deque<Due> due_;
  std::vector<std::vector<DurableCallback>> spare_callbacks_;  // empty, for blocks to come
  unsigned callbacks_running_ = 0;                             // threads that run some
  GrowthWatches watches_;
  std::atomic<std::uint64_t> durable_;
  std::atomic<std::uint64_t> written_;
  Status health_;
  LogStatistics statistics_;  // without wait_ns
  SharedHistogram wait_ns_;
  std::unique_ptr<IoQueue>
      queue_;  // last: goes first, before the memory that it may still write from
};

}  // namespace cairn::log

#endif  // CAIRN_LOG_APPEND_BLOCK_WRITER_H_
