#include "append/block_writer.h"

#include <algorithm>
#include <string>
#include <utility>

namespace cairn::log {
namespace {

// Tags of requests: a block's sequence number, or this for the one sync in flight.
constexpr std::uint64_t kSyncTag = ~std::uint64_t{0};
constexpr std::size_t kReapBatch = 16;

// How many blocks can be in flight that were closed before they were full, because someone waits.
// While one is written, those who waited for the other are on the processors.
constexpr unsigned kPartialDepth = 2;

}  // namespace

BlockWriter::BlockWriter(Config config, std::unique_ptr<IoQueue> queue, WriterStart start)
    : config_(std::move(config)),
      window_(config_.blocks * config_.geometry.block_size),
      epoch_(start.epoch),
      container_(std::move(start.container)),
      position_(start.position),
      last_closed_(start.previous_block),
      last_durable_block_(start.previous_block),
      durable_(start.position.value()),
      written_(start.position.value()),
      queue_(std::move(queue)) {
  const std::size_t size = config_.geometry.block_size;
  memory_ = AlignedBuffer(config_.blocks * size);
  for (std::uint32_t i = 0; i < config_.blocks; ++i) {
    ring_.push_back(std::make_unique<LogBlock>());
    ring_.back()->data = memory_.bytes().subspan(i * size, size);
  }
}

BlockWriter::~BlockWriter() {
  Lock lock(mutex_);
  stop(lock, Status(StatusCode::kClosed, "the log was closed"));
}

// --- appending ---

Status BlockWriter::make_room(Lock& lock, std::size_t payload, bool own_block) {
  const std::uint64_t record = format::record_size(payload);
  const std::uint64_t size = config_.geometry.container_size;
  bool waited_for_block = false;
  bool waited_for_container = false;
  for (;;) {
    if (!health_.is_ok()) return health_;
    if (open_ != nullptr) {
      LogBlock& open = *open_;
      if (open.fill + record <= open.capacity && (!own_block || open.record_count == 0)) {
        return Status::ok();
      }
      if (open.record_count > 0) {
        close_block(open);
        pump(lock);
        wake_driver();
      } else {
        // Opened at the container's end with less room than this record needs.
        open.set_state(BlockState::kFree);
        --end_;
        open_ = nullptr;
      }
      continue;
    }
    if (ring_is_full()) {
      if (!std::exchange(waited_for_block, true)) ++statistics_.block_waits;
      wait_for_free_block(lock);
      continue;
    }
    // The last alignment unit of a container is kept for its seal, or for the next epoch's first
    // block.
    const Lsn limit = Lsn((position_.container(size) + 1) * size - config_.geometry.alignment);
    const std::uint64_t room = limit - position_;
    if (format::padded_size(sizeof(format::BlockHeader) + record, config_.geometry.alignment) <=
        room) {
      open_block(
          position_,
          static_cast<std::uint32_t>(std::min<std::uint64_t>(room, config_.geometry.block_size)),
          format::BlockKind::kData);
      continue;
    }
    if (next_container_) {
      enter_next_container();
      continue;
    }
    if (!std::exchange(waited_for_container, true)) ++statistics_.container_waits;
    if (!older_containers_durable()) {
      CAIRN_RETURN_IF_ERROR(wait(lock, barrier_end_, Durability::kDurable));
      continue;
    }
    lock.unlock();
    Status provided = config_.provide_container();
    lock.lock();
    CAIRN_RETURN_IF_ERROR(provided);
  }
}

void BlockWriter::open_block(Lsn lsn, std::uint32_t capacity, format::BlockKind kind) {
  LogBlock& opened = block(end_);
  opened.set_state(BlockState::kOpen);
  opened.lsn = lsn;
  opened.kind = kind;
  opened.file = container_.file;
  opened.identity = container_.identity;
  opened.seed = format::container_seed(container_.identity);
  opened.capacity = capacity - format::kBlockTrailerSize;
  opened.fill = sizeof(format::BlockHeader);
  opened.record_count = 0;
  opened.awaited = 0;
  opened.barrier = std::exchange(next_is_barrier_, false);
  opened.arrived.store(0, std::memory_order_relaxed);  // nobody has a place in it yet
  ++end_;
  open_ = &opened;
}

void BlockWriter::close_block(LogBlock& closed) {
  closed.padded =
      static_cast<std::uint32_t>(format::padded_size(closed.fill, config_.geometry.alignment));
  closed.previous_block = last_closed_;
  closed.set_state(BlockState::kClosed);
  closed.arrived.fetch_sub(closed.fill - sizeof(format::BlockHeader), std::memory_order_acq_rel);
  last_closed_ = closed.lsn;
  position_ = closed.lsn + closed.padded;
  open_ = nullptr;
}

void BlockWriter::enter_next_container() {
  open_block(position_, config_.geometry.alignment, format::BlockKind::kSeal);
  close_block(block(end_ - 1));
  barrier_end_ = position_;
  container_ = std::move(*next_container_);
  next_container_.reset();
  position_ = container_.first_block;
  next_is_barrier_ = true;
  if (driver_signal_ != nullptr) driver_signal_->notify_one();
}

void BlockWriter::wait_for_free_block(Lock& lock) {
  pump(lock);
  // What was just submitted needs a reaper: the one there was may have gone meanwhile.
  if (!ring_is_full() || !health_.is_ok()) return wake_driver();
  if (in_flight() && !reaper_active()) {
    reap(lock);
    wake_driver();
    return;
  }
  ++space_waiters_;
  ++sleeping_drivers_;
  space_free_.wait(lock);
  --sleeping_drivers_;
  --space_waiters_;
  // Woken to drive, with room meanwhile: it goes on to append, and another one has to drive.
  if (!ring_is_full()) wake_driver();
}

void BlockWriter::fill(const Place& place, const format::RecordFields& fields,
                       std::span<const std::span<const std::byte>> pieces) {
  format::encode_record(place.bytes, fields, pieces, place.block_offset,
                        format::record_seed(place.block->seed, place.lsn));
  const auto size = static_cast<std::int64_t>(place.bytes.size());
  if (place.block->arrived.fetch_add(size, std::memory_order_acq_rel) + size != 0) return;
  // The last copy into a block that others want written.
  Lock lock(mutex_);
  pump(lock);
  wake_driver();
}

void BlockWriter::offer(ReadyContainer container) {
  assert(!next_container_);
  next_container_ = std::move(container);
}

bool BlockWriter::older_containers_durable() const { return durable() >= barrier_end_; }

std::uint64_t BlockWriter::room_in_container() const {
  const std::uint64_t size = config_.geometry.container_size;
  const Lsn from = open_ == nullptr
                       ? position_
                       : open_->lsn + format::padded_size(open_->fill, config_.geometry.alignment);
  const Lsn limit((container_.number + 1) * size - config_.geometry.alignment);
  return from < limit ? limit - from : 0;
}

Lsn BlockWriter::end() const {
  if (open_ == nullptr) return position_;
  return open_->record_count == 0 ? open_->lsn : open_->lsn + open_->fill;
}

// --- submitting ---

void BlockWriter::pump(Lock& lock) {
  if (submitter_active_) return;
  submitter_active_ = true;
  while (health_.is_ok()) {
    // A waiter closes the open block once everything closed is on its way and another write may
    // start.
    if (submit_ + 1 == end_ && open_is_wanted() && writes_in_flight_ < partial_depth() &&
        !gathers()) {
      close_block(block(end_ - 1));
    }
    if (!submit_next(lock) && !submit_sync_if_wanted(lock)) break;
  }
  submitter_active_ = false;
  if (!health_.is_ok()) idle_.notify_all();
}

unsigned BlockWriter::partial_depth() const { return std::min(config_.depth, kPartialDepth); }

bool BlockWriter::submit_next(Lock& lock) {
  if (submit_ == end_ || writes_in_flight_ >= config_.depth) return false;
  LogBlock& next = block(submit_);
  if (next.state() != BlockState::kClosed || next.arrived.load(std::memory_order_acquire) != 0) {
    return false;
  }
  if (next.barrier && !older_containers_durable()) {
    want_durable_ = std::max(want_durable_, barrier_end_);
    return false;
  }
  const std::uint64_t sequence = submit_;
  const format::BlockFields fields = begin_write(next);
  lock.unlock();
  format::seal_block(next.data, next.fill, config_.geometry.alignment, fields, next.identity);
  Status status = queue_->submit_write(*next.file, next.lsn.offset(config_.geometry.container_size),
                                       next.data.first(next.padded), next.own_flush, sequence);
  lock.lock();
  if (status.is_ok()) {
    ++submitted_;
    return true;
  }
  --writes_in_flight_;
  poison(status);
  return false;
}

format::BlockFields BlockWriter::begin_write(LogBlock& next) {
  ++submit_;
  next.set_state(BlockState::kWriting);
  next.own_flush = config_.durable_writes && want_durable_ > next.lsn;
  ++writes_in_flight_;
  ++statistics_.blocks;
  statistics_.block_bytes += next.padded;
  statistics_.padding_bytes += next.padded - next.fill;
  if (next.own_flush) ++statistics_.durable_writes;
  statistics_.block_records.record(next.record_count);
  statistics_.block_used_bytes.record(next.fill);
  next.submitted = now();
  next.stalled = false;

  format::BlockFields fields;
  fields.kind = next.kind;
  fields.lsn = next.lsn;
  fields.previous_block = next.previous_block;
  fields.watermark = durable();
  fields.epoch = epoch_;
  fields.record_count = next.record_count;
  fields.window = window_;
  return fields;
}

// Whether the calling thread, which waits, can write the one block that is to go by itself: then
// nobody else is on the way of a lone append. Closes the block.
bool BlockWriter::take_alone() {
  if (!config_.durable_writes || !queue_->can_write_now() || !health_.is_ok()) return false;
  if (submitter_active_ || reaper_active() || writes_in_flight_ > 0 || submitted_ != 0)
    return false;
  if (submit_ + 1 != end_) return false;
  LogBlock& next = block(submit_);
  if (next.state() == BlockState::kOpen) {
    if (!open_is_wanted() || gathers()) return false;
    close_block(next);
  }
  return next.arrived.load(std::memory_order_acquire) == 0 && want_durable_ > next.lsn &&
         (!next.barrier || older_containers_durable());
}

// Writes the block of take_alone(). In the reaper's place, so that everyone else sleeps meanwhile;
// what they submit is reaped afterwards.
void BlockWriter::write_alone(Lock& lock) {
  const std::uint64_t sequence = submit_;
  LogBlock& next = block(sequence);
  const format::BlockFields fields = begin_write(next);
  ++submitted_;
  reaper_active_ = true;
  lock.unlock();
  format::seal_block(next.data, next.fill, config_.geometry.alignment, fields, next.identity);
  Status status = queue_->write_now(*next.file, next.lsn.offset(config_.geometry.container_size),
                                    next.data.first(next.padded), true);
  lock.lock();
  reaper_active_ = false;
  complete({sequence, std::move(status)});
  advance();
  go_on(lock);
}

bool BlockWriter::submit_sync_if_wanted(Lock& lock) {
  if (sync_in_flight_ || first_ == submit_) return false;
  LogBlock& oldest = block(first_);
  if (oldest.state() != BlockState::kWritten) return false;
  // Wanted by someone, or the ring would soon have no free block left.
  if (want_durable_ <= oldest.lsn && (end_ - first_) * 2 < ring_.size()) return false;
  sync_in_flight_ = true;
  sync_covers_ = written();
  sync_submitted_ = now();
  sync_stalled_ = false;
  ++statistics_.syncs;
  const std::shared_ptr<File> file = oldest.file;
  lock.unlock();
  Status status = queue_->submit_sync(*file, kSyncTag);
  lock.lock();
  if (status.is_ok()) {
    ++submitted_;
    return true;
  }
  sync_in_flight_ = false;
  poison(status);
  return false;
}

// --- completing ---

void BlockWriter::reap(Lock& lock) {
  Completion ended[kReapBatch];
  reaper_active_ = true;
  lock.unlock();
  const Result<std::size_t> count = queue_->reap(ended, true);
  lock.lock();
  reaper_active_ = false;
  if (!count.is_ok()) {
    queue_broken_ = true;
    poison(count.status());
  } else {
    for (std::size_t i = 0; i < *count; ++i) complete(ended[i]);
    advance();
  }
  go_on(lock);
}

// After completions.
void BlockWriter::go_on(Lock& lock) {
  wake_collected(lock);  // first: a storage may write in the submission itself
  pump(lock);
  if (has_callbacks()) wake_driver();  // what is in flight does not wait for them
  run_callbacks(lock);
  if (!health_.is_ok()) idle_.notify_all();
}

void BlockWriter::complete(const Completion& completion) {
  --submitted_;
  if (completion.tag == kSyncTag) return complete_sync(completion.status);
  --writes_in_flight_;
  LogBlock& done = block(completion.tag);
  const std::uint64_t age = ns_since(done.submitted);
  statistics_.write_ns.record(age);
  if (done.stalled) {
    ended_stalls_.push_back(
        {true, false, std::chrono::nanoseconds(age), "", done.lsn, done.lsn + done.padded});
    done.stalled = false;
  }
  if (!completion.status.is_ok()) return poison(completion.status);
  done.set_state(done.own_flush ? BlockState::kDurable : BlockState::kWritten);
}

void BlockWriter::complete_sync(const Status& status) {
  sync_in_flight_ = false;
  const std::uint64_t age = ns_since(sync_submitted_);
  statistics_.sync_ns.record(age);
  if (sync_stalled_) {
    ended_stalls_.push_back(
        {true, true, std::chrono::nanoseconds(age), "", durable(), sync_covers_});
    sync_stalled_ = false;
  }
  if (!status.is_ok()) return poison(status);
  for (std::uint64_t i = first_; i < submit_; ++i) {
    LogBlock& covered = block(i);
    if (covered.lsn >= sync_covers_) break;
    if (covered.state() == BlockState::kWritten) covered.set_state(BlockState::kDurable);
  }
}

std::uint64_t BlockWriter::ns_since(std::chrono::steady_clock::time_point then) const {
  const auto passed = std::chrono::duration_cast<std::chrono::nanoseconds>(now() - then).count();
  return passed < 0 ? 0 : static_cast<std::uint64_t>(passed);
}

void BlockWriter::find_stalls(std::chrono::nanoseconds limit, std::vector<StallEvent>* events) {
  const auto at = now();
  for (std::uint64_t i = first_; i < submit_; ++i) {
    LogBlock& writing = block(i);
    if (writing.state() != BlockState::kWriting || writing.stalled) continue;
    if (at - writing.submitted <= limit) continue;
    writing.stalled = true;
    ++statistics_.stalls;
    events->push_back(
        {false, false, at - writing.submitted, "", writing.lsn, writing.lsn + writing.padded});
  }
  if (sync_in_flight_ && !sync_stalled_ && at - sync_submitted_ > limit) {
    sync_stalled_ = true;
    ++statistics_.stalls;
    events->push_back({false, true, at - sync_submitted_, "", durable(), sync_covers_});
  }
  for (StallEvent& ended : ended_stalls_) events->push_back(std::move(ended));
  ended_stalls_.clear();
}

// Moves the written and the durable LSN over the contiguous completed prefix.
void BlockWriter::advance() {
  const bool was_behind_barrier = !older_containers_durable();
  const auto begin_of = [this](std::uint64_t sequence) {
    return sequence < end_ ? block(sequence).lsn : position_;
  };
  while (first_unwritten_ < submit_) {
    LogBlock& done = block(first_unwritten_);
    if (done.state() != BlockState::kWritten && done.state() != BlockState::kDurable) break;
    ++first_unwritten_;
    written_.store(begin_of(first_unwritten_).value(), std::memory_order_release);
    // Those who want it durable sleep on: a sync follows.
    if (want_written_ > done.lsn) wake_sleepers(done);
  }
  unsigned woken = 0;
  std::chrono::steady_clock::duration took{};
  while (first_ < first_unwritten_ && block(first_).state() == BlockState::kDurable) {
    LogBlock& done = block(first_);
    done.set_state(BlockState::kFree);
    woken += done.awaited;
    took = now() - done.submitted;
    last_durable_block_ = done.lsn;
    make_due(done, Status::ok());
    ++first_;
    durable_.store(begin_of(first_).value(), std::memory_order_release);
    wake_sleepers(done);
  }
  if (woken > 0) begin_gathering(woken, took);
  if (space_waiters_ > 0) space_free_.notify_all();
  if (timed_waiters_ > 0) timed_.notify_all();
  if (grown_waiters_ > 0) grown_.notify_all();
  // From here on the next container may be made ready.
  if (was_behind_barrier && older_containers_durable() && driver_signal_ != nullptr) {
    driver_signal_->notify_one();
  }
}

void BlockWriter::poison(const Status& why) {
  if (!health_.is_ok()) return;
  StatusDetail detail = why.detail();
  detail.lsn_begin = durable();
  detail.lsn_end = end();
  health_ =
      Status(StatusCode::kPoisoned,
             "the log takes no more appends after a failed write; what was appended from LSN " +
                 durable().to_string() +
                 " on is indeterminate; reopen it to recover. Cause: " + why.to_string(),
             detail);
  for (const auto& sleeping : ring_) wake_sleepers(*sleeping);
  for (LogBlock* const on : std::exchange(to_wake_, {})) on->changed.wake_all();
  space_free_.notify_all();
  timed_.notify_all();
  grown_.notify_all();
  idle_.notify_all();
  if (driver_signal_ != nullptr) driver_signal_->notify_one();
  if (health_signal_ != nullptr) health_signal_->notify_all();
}

}  // namespace cairn::log
