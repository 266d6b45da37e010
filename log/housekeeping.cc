// What an open log does besides appending: containers ahead of need, snapshots, the base log,
// recycling, idle marks.
//
// One round (housekeep) in this order; each step leaves a log that recovers, whatever happens
// between them:
//  1. the next container made ready;
//  2. a snapshot of the catalog, durable, if the log entered a new container or containers could be
//     given back;
//  3. both slots of the base log, which then begin at that snapshot and name the new tail;
//  4. containers before the tail recycled: no slot points at them any more;
//  5. free containers that the policies call too many removed;
//  6. the owners of streams asked to advance, if space is short.
// Containers are made ahead by another thread (growth.cc), or at the end of a round where there are
// no threads.
#include <algorithm>
#include <thread>
#include <utility>

#include <cairn/deadline.h>

#include "log_core.h"

namespace cairn::log {
namespace {

// How long a round that failed (a full disk) waits before the next try.
constexpr std::chrono::milliseconds kRoundRetry{100};

}  // namespace

void LogCore::ask_for_housekeeping() {
  const Lock lock(writer_->mutex());
  house_asked_ = true;
  house_signal_.notify_one();
}

bool LogCore::needs_housekeeping() const {
  if (house_asked_) return true;
  if (writer_->needs_container() && writer_->older_containers_durable()) return true;
  return options_.background == Background::kManual &&
         ledger_->wants_growth(writer_->container_number());
}

void LogCore::run_thread() {
  Lock lock(writer_->mutex());
  while (!house_stop_) {
    if (writer_->wants_driver()) {
      writer_->drive(lock);
      continue;
    }
    if (house_failed_) {
      // Nothing is lost by waiting: an append that needs a container makes it itself, or says why
      // not.
      house_failed_ = false;
      house_signal_.wait_for(lock, kRoundRetry);
      // Whoever was asked to advance and did not is asked again, and whoever pins the tail since.
      if (space_waiters_ > 0) advance_wanted_ = house_asked_ = true;
      continue;
    }
    if (needs_housekeeping() && writer_->health().is_ok()) {
      house_asked_ = false;
      lock.unlock();
      const Status status = housekeep();
      lock.lock();
      house_failed_ = !status.is_ok();
      continue;
    }
    if (space_waiters_ > 0 && writer_->health().is_ok()) {
      // The same in a log that is full and has a container to go on in.
      house_signal_.wait_for(lock, kRoundRetry);
      if (space_waiters_ > 0) advance_wanted_ = house_asked_ = true;
      continue;
    }
    const Lsn end = writer_->end();
    if (options_.idle_mark.count() == 0 || end == marked_end_ || !writer_->health().is_ok()) {
      house_asleep_ = true;
      house_signal_.wait(lock);
      house_asleep_ = false;
      continue;
    }
    const bool idle = house_signal_.wait_until(lock, deadline_after(options_.idle_mark)) ==
                      std::cv_status::timeout;
    if (!idle || end != writer_->end() || house_stop_) continue;
    lock.unlock();
    Lsn marked;
    const Status status = write_mark(false, &marked);
    lock.lock();
    // A full log has no room for marks; a poisoned one says so to whoever asks it.
    if (!status.is_ok()) marked_end_ = writer_->end();
  }
}

Status LogCore::run_background() noexcept {
  if (options_.background != Background::kManual) {
    return Status(StatusCode::kInvalidState, "run_background: the log has a background thread");
  }
  // Before anything that waits for a write, and for what ended meanwhile.
  look_for_stalls();
  Lock lock(writer_->mutex());
  while (writer_->has_callbacks() && writer_->health().is_ok()) {
    if (writer_->drive(lock)) continue;
    // Another thread is submitting or reaping what they wait for, and needs the lock to go on.
    lock.unlock();
    std::this_thread::yield();
    lock.lock();
  }
  if (!writer_->health().is_ok()) {
    writer_->drive(lock);  // who waits for what can no longer become durable is told so
    return writer_->health();
  }
  Status status;
  if (needs_housekeeping()) {
    house_asked_ = false;
    lock.unlock();
    status = housekeep();
  } else {
    lock.unlock();
  }
  look_for_stalls();
  // That no container can be made ready is no news before an append needs it, and then it is told.
  if (status.code() == StatusCode::kLogFull) return Status::ok();
  return status;
}

Status LogCore::housekeep() {
  // Where there are no threads, the next container comes last: others are made first.
  const bool manual = options_.background == Background::kManual;
  Status provided;
  const auto provide = [this] {
    return unless_closing([this] { return provide_container(false); });
  };
  if (!manual) provided = provide();
  if (!provided.is_ok() && provided.code() != StatusCode::kLogFull) return provided;
  bool urgent;
  {
    const Lock lock(writer_->mutex());
    urgent = space_waiters_ > 0;
  }
  if (const Status status = unless_closing([&] { return reclaim(urgent); });
      !status.is_ok() && status.code() != StatusCode::kLogFull) {
    return status;
  }
  CAIRN_RETURN_IF_ERROR(unless_closing([this] { return shrink(); }));
  ask_clients();
  Status grown;
  if (manual) {
    grown = unless_closing([this] {
      Lock lock(writer_->mutex());
      return grow_ahead(lock);
    });
  }
  // What was recycled or made meanwhile may be the next container.
  if (manual || !provided.is_ok()) provided = provide();
  return grown.is_ok() ? provided : grown;
}

// One step of a round, as a call of its own: not the whole round, as the callbacks of others run in
// it.
Status LogCore::unless_closing(const std::function<Status()>& step) {
  Lock lock(writer_->mutex());
  if (closing_) return Status(StatusCode::kClosed, "the log was closed");
  const CallGate::Pass pass(calls_, lock);
  lock.unlock();
  return step();
}

// Step 1, also called by an append that cannot wait for the housekeeping.
Status LogCore::provide_container(bool append_waits) {
  {
    const Lock lock(writer_->mutex());
    if (!writer_->needs_container() || !writer_->older_containers_durable()) return Status::ok();
  }
  const std::lock_guard round(provide_mutex_);
  ContainerFacts facts;
  std::uint64_t number;
  {
    Lock lock(writer_->mutex());
    for (;;) {
      if (!writer_->needs_container() || !writer_->older_containers_durable()) return Status::ok();
      if (ledger_->free_containers(writer_->container_number()) > 0) break;
      // At the maximum the next container must come from the oldest ones.
      const bool grows =
          ledger_->growing() || (ledger_->may_grow() && ledger_->policies().growth > 0);
      if (!grows) return full(SpaceVerdict::kFull);
      const Status grown = append_waits ? grow(lock) : wait_for_container(lock);
      if (grown.code() == StatusCode::kNoSpace) return full(SpaceVerdict::kFull);
      CAIRN_RETURN_IF_ERROR(grown);
    }
    number = writer_->container_number() + 1;
  }
  facts.max_size = max_size_;
  facts.scan_start = Lsn(scan_start_.load());
  facts.tail = tail();
  facts.epoch = epoch_;
  facts.window = writer_->window();
  const Lsn first_block(number * geometry_.container_size + geometry_.alignment);
  CAIRN_ASSIGN_OR_RETURN(ReadyContainer ready, containers_->make_ready(number, first_block, facts));
  source_->forget(number);
  const Lock lock(writer_->mutex());
  writer_->offer(std::move(ready));
  return Status::ok();
}

format::BaseSlot LogCore::present_slot() const {
  format::BaseSlot slot = base_->slot();
  slot.state = static_cast<std::uint64_t>(format::BaseState::kOpen);
  slot.epoch = epoch_;
  slot.max_size = max_size_.load();
  slot.durable = std::max(slot.durable, durable_lsn().value());
  return slot;
}

// Each opening after a crash takes the log a part of a container further. Where process after
// process dies before its housekeeping begins, the opening itself does what keeps the log short:
// what its maximum, and the time of the next opening, are promised to depend on.
Status LogCore::catch_up() {
  {
    const Lock lock(writer_->mutex());
    const std::uint64_t size = geometry_.container_size;
    const std::uint64_t oldest = catalog_.oldest_needed(writer_->end()).container(size);
    const std::uint64_t dead = oldest - std::min(oldest, tail().container(size));
    const std::uint64_t to_read =
        writer_->container_number() - Lsn(scan_start_.load()).container(size);
    if (std::max(dead, to_read) <= 2 * ledger_->snapshot_interval()) return Status::ok();
  }
  const Status status = reclaim();
  // An append that lacks room says so.
  const bool is_full =
      status.code() == StatusCode::kLogFull || status.code() == StatusCode::kNoSpace;
  return is_full ? Status::ok() : status;
}

// Steps 2 to 4.
Status LogCore::reclaim(bool urgent) {
  const std::lock_guard round(housekeeping_mutex_);
  const std::uint64_t size = geometry_.container_size;
  {
    const Lock lock(writer_->mutex());
    const std::uint64_t oldest =
        pins_.allowed(catalog_.oldest_needed(writer_->end()), urgent).container(size);
    const std::uint64_t first = tail().container(size);
    const std::uint64_t gained = oldest > first ? oldest - first : 0;
    // A long snapshot is worth several containers, but not that an append fails.
    const bool pays =
        urgent ? ledger_->snapshot_pays(gained) : gained >= ledger_->snapshot_interval();
    if (!snapshot_due() && !pays) return Status::ok();
  }
  const std::uint64_t before = tail().container(size);
  CAIRN_ASSIGN_OR_RETURN(const Snapshot snapshot, write_snapshot());
  Lsn tail_allowed;
  {
    const Lock lock(writer_->mutex());
    tail_allowed = pins_.pass(snapshot.tail, urgent, &writer_->counters().readers_overrun);
  }
  {
    const std::lock_guard lock(base_mutex_);
    format::BaseSlot slot = present_slot();
    slot.scan_start = snapshot.block.value();
    slot.tail = std::max(slot.tail, tail_allowed.value());
    CAIRN_RETURN_IF_ERROR(base_->write(slot));
    CAIRN_RETURN_IF_ERROR(base_->write(slot));
    scan_start_.store(slot.scan_start);
    tail_.store(slot.tail, std::memory_order_release);
  }
  const std::uint64_t first = tail().container(size);
  source_->forget_before(first);
  Lock lock(writer_->mutex());
  const std::uint64_t keep = ledger_->keepable(writer_->container_number(), first - before);
  lock.unlock();
  const auto [kept, removed, status] = containers_->recycle_before(first, keep);
  lock.lock();
  ledger_->recycled(kept, removed);
  catalog_.drop_gaps_before(tail());
  ledger_->set_gaps(catalog_.gaps().size());
  if (kept > 0 || removed > 0) note_space();
  return status;
}

// Whether the log went so far into new containers that opening it would read too much. REQUIRES:
// writer mutex held.
bool LogCore::snapshot_due() const {
  const std::uint64_t last = Lsn(scan_start_.load()).container(geometry_.container_size);
  return writer_->container_number() >= last + ledger_->snapshot_interval();
}

// The state as of the begin record is captured under the lock that gives the record its LSN:
// everything older is in it, whatever is newer is read behind it.
Result<LogCore::Snapshot> LogCore::write_snapshot(Lsn cut_from, Catalog* after) {
  Snapshot snapshot;
  std::vector<format::CatalogRecord> records;
  const std::size_t size = format::encode_catalog(format::SnapshotBegin{}).payload.size();
  Lock lock(writer_->mutex());
  // The first record asks for all of it: a snapshot is not begun that cannot be ended.
  const SpaceClass who = after == nullptr ? SpaceClass::kSnapshot : SpaceClass::kCut;
  CAIRN_RETURN_IF_ERROR(admit(lock, demand_of(who, size), size, true));
  const Lsn begin = append_catalog(lock, size, [&](const BlockWriter::Place& place) {
    snapshot.block = Lsn(place.lsn.value() - place.block_offset);
    if (after != nullptr) after->cut(cut_from, snapshot.block);
    const Catalog& stated = after == nullptr ? catalog_ : *after;
    records = stated.snapshot();
    if (after != nullptr) {
      records.insert(records.begin() + 1, format::Truncation{cut_from, snapshot.block});
    }
    snapshot.tail = std::min(stated.oldest_needed(snapshot.block), snapshot.block);
    ++writer_->counters().snapshots;
    return format::encode_catalog(records.front());
  });
  for (std::size_t i = 1; i < records.size(); ++i) {
    CAIRN_RETURN_IF_ERROR(append_snapshot_piece(records[i]).status());
  }
  CAIRN_ASSIGN_OR_RETURN(const Lsn end, append_snapshot_piece(format::SnapshotEnd{begin}));
  CAIRN_RETURN_IF_ERROR(wait_for(end + 1, Durability::kDurable));
  return snapshot;
}

// The snapshot's begin asked for its room.
Result<Lsn> LogCore::append_snapshot_piece(const format::CatalogRecord& record) {
  auto encoded = format::encode_catalog(record);
  const std::size_t size = encoded.payload.size();
  Lock lock(writer_->mutex());
  CAIRN_RETURN_IF_ERROR(admit(lock, demand_of(SpaceClass::kSnapshotPiece, size), size));
  return append_catalog(lock, size, [&](const BlockWriter::Place&) { return std::move(encoded); });
}

// Makes everything durable and says so in a block of its own: from then on damage to any byte
// before it is proven.
Status LogCore::write_mark(bool closing, Lsn* marked) {
  {
    Lock lock(writer_->mutex());
    CAIRN_RETURN_IF_ERROR(writer_->wait(lock, writer_->end(), Durability::kDurable));
  }
  format::Mark mark{};
  mark.durable = durable_lsn().value();
  mark.closed = closing ? 1 : 0;
  auto encoded = format::encode_catalog(mark);
  const std::size_t size = encoded.payload.size();
  Lock lock(writer_->mutex());
  // The closing mark may use what is held back: without it, every open would leave a gap.
  const SpaceClass who = closing ? SpaceClass::kHeldBack : SpaceClass::kOrdinary;
  CAIRN_RETURN_IF_ERROR(admit(lock, demand_of(who, size), size, true));
  std::uint64_t records = 0;
  const Lsn lsn = append_catalog(lock, size, [&](const BlockWriter::Place& place) {
    *marked = Lsn(place.lsn.value() - place.block_offset);
    records = writer_->counters().records;
    return std::move(encoded);
  });
  lock.lock();
  CAIRN_RETURN_IF_ERROR(writer_->wait(lock, lsn + 1, Durability::kDurable));
  // What was appended in between gets its own mark.
  if (writer_->counters().records == records) marked_end_ = writer_->end();
  return Status::ok();
}

}  // namespace cairn::log
