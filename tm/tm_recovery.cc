// TmCore, the beginning and the end: recover and close.
#include <string>

#include "inline_delivery.h"
#include "registry.h"
#include "tm_core.h"

namespace cairn::tm {

Result<RecoveryReport> TmCore::roll_forward(std::uint64_t clock) noexcept { return recover(clock); }

Result<RecoveryReport> TmCore::recover(std::optional<std::uint64_t> up_to) noexcept {
  force_all_here();  // as in close()
  const InlineDelivery delivery;
  const std::lock_guard one(lifecycle_);
  const auto begin = std::chrono::steady_clock::now();
  std::unique_lock lock(mutex_);
  const TmEvent event = up_to ? TmEvent::kRollForward : TmEvent::kRecover;
  if (!fire_locked(event)) {
    return Status(illegal_tm_event(event, guard()),
                  "transaction manager " + id_.to_string() + " is " +
                      (durable_ ? std::string(tm_state_name(state_))
                                : "volatile: it has nothing to recover"));
  }
  if (up_to && *up_to < rolled_forward_to_) {
    return Status(StatusCode::kInvalidArgument,
                  "virtual clock " + std::to_string(*up_to) + ", it is at " +
                      std::to_string(rolled_forward_to_) + " already");
  }
  const std::shared_ptr<TmLog> log = log_;
  lock.unlock();

  Result<recovery::PackedState> state = log->read(up_to);
  if (state && up_to) {
    lock.lock();
    rolled_forward_to_ = *up_to;
    if (!state->complete) {
      RecoveryReport report = report_on(*state);
      report.duration = std::chrono::steady_clock::now() - begin;
      return report;
    }
    lock.unlock();
  }
  if (up_to) {  // all of it is read, or cannot be: the rest is as for recover()
    const std::lock_guard relock(mutex_);
    fire_locked(TmEvent::kRecover);
  }
  const auto fail = [&](const Status& cause) {
    const std::lock_guard relock(mutex_);
    cause_ = cause;
    fire_locked(TmEvent::kFailed);
    return cause;
  };
  if (!state) {
    const StatusCode code = state.code();
    const bool verdict = code == StatusCode::kCorrupt || code == StatusCode::kNewerVersion ||
                         code == StatusCode::kContainerMissing;
    if (!verdict) return fail(state.status());
    return fail(
        Status(StatusCode::kRecoveryFailed, state.status().to_string(), state.status().detail()));
  }
  RecoveryReport report = report_on(*state);
  rebuild(*state, report);
  // Nobody works yet, so no lock is needed for the order of things.
  const bool reserved = reserve_for_rebuilt(*log);
  if (const Status written = write_checkpoint(*log); !written) return fail(written);
  // The base has moved. What finds no room even so is not lost: see make_room().
  if (!reserved && log->drop_previous_checkpoint()) reserve_for_rebuilt(*log);
  if (const Status heard = hear_advance_requests(*log); !heard) return fail(heard);
  report.duration = std::chrono::steady_clock::now() - begin;
  lock.lock();
  fire_locked(TmEvent::kRecovered);
  lock.unlock();
  Registry::get().announce(id_);
  return report;
}

RecoveryReport TmCore::report_on(const recovery::PackedState& state) const {
  RecoveryReport report;
  report.tm_id = id_;
  report.clock = state.clock;
  report.begin = state.begin;
  report.end = state.end;
  report.records = state.records;
  report.at_end = state.complete;
  const recovery::PackedTransactions& found = state.transactions;
  for (std::uint32_t row = 0; row < found.end(); ++row) {
    switch (found.type(row)) {
      case recovery::RecordType::kPrepare:
        report.in_doubt.push_back(found.id(row));
        break;
      case recovery::RecordType::kRollback:
        break;
      default:
        report.committed.push_back(found.id(row));
    }
  }
  return report;
}

void TmCore::rebuild(recovery::PackedState& state, RecoveryReport& report) {
  const std::lock_guard lock(mutex_);
  protocol_.rebuild(state);
  report.clock = protocol_.clock();
  report.enlistments = protocol_.enlistment_count();
  report.resource_managers = protocol_.resource_manager_count();
}

// A full log does not keep the manager from coming online: its resource managers may be those that
// can make room. Promises come first.
bool TmCore::reserve_for_rebuilt(TmLog& log) {
  bool all = true;
  for (const bool promises : {true, false}) {
    all = reserve_for_dormant(log, promises) && all;
    for (const TransactionPtr& transaction : protocol_.awake()) {
      const bool promised = transaction->state() == TransactionState::kInDoubt;
      if (promised != promises || transaction->room.records() > 0) continue;
      const std::size_t bytes = record_bytes(*transaction);
      Result<log::Reservation> room = log.reserve(promised ? 1 : 0, bytes, true);
      all = all && room;
      transaction->lacks_room = promised && !room;
      // Without its forget record a committed one is only told once more.
      if (!room) continue;
      transaction->room = std::move(*room);
      transaction->room_for_record = bytes;
    }
  }
  return all;
}

// For all at once: it is one question to the log, however many there are. Where there is not enough
// for all, as many as possible get it.
bool TmCore::reserve_for_dormant(TmLog& log, bool promised) {
  const Protocol::RoomNeeded needed = protocol_.room_needed(promised);
  if (needed.records == 0) return true;
  if (Result<log::Reservation> room = log.reserve_sum(needed.records, needed.bytes)) {
    protocol_.give_room(promised, std::move(*room));
    return true;
  }
  return protocol_.give_room_singly(promised, [&log](std::uint32_t records, std::size_t bytes) {
    return log.reserve(records, bytes, true);
  });
}

Status TmCore::close() noexcept {
  // Another close() may wait for what this thread commits, with that lock held.
  force_all_here();
  const InlineDelivery delivery;
  const std::lock_guard one(lifecycle_);
  std::unique_lock lock(mutex_);
  if (std::exchange(closed_, true)) return Status::ok();
  if (protocol_.frozen()) {  // what was decided is to be written
    protocol_.thaw();
    finish(lock);
    lock.lock();
  }
  const bool online = state_ == TmState::kOnline;
  fire_locked(TmEvent::kClose);
  InlineDelivery::add(protocol_);
  const std::shared_ptr<TmLog> log = log_;
  stop_housekeeping_ = true;
  wake_.notify_one();
  std::thread housekeeper = std::move(housekeeper_);
  lock.unlock();

  if (housekeeper.joinable()) housekeeper.join();
  if (registered_) Registry::get().remove(id_);
  if (log == nullptr) return Status::ok();
  // Its log may outlive it. That it cannot be told is no reason to stay.
  static_cast<void>(log->on_advance_request({}));
  settle_records_in_flight(*log);
  Status last = Status::ok();
  lock.lock();
  const bool sound = cause_.is_ok();
  lock.unlock();
  if (online && sound) last = write_checkpoint(*log);
  lock.lock();
  // Others may be at the forget record of what they finished: they hold room in the log, and the
  // log, which may be gone once this returns.
  awaits_rest_ = true;
  rested_.wait(lock, [this] { return working_ == 0; });
  protocol_.release_rooms();
  log_ = nullptr;
  return last;
}

void TmCore::settle_records_in_flight(TmLog& log) {
  force_all_here();  // what was held back, and was written at thaw() by this thread
  std::unique_lock lock(mutex_);
  for (;;) {
    const std::vector<TransactionPtr> writing = protocol_.writing();
    if (writing.empty()) return;
    bool settled = false;
    for (const TransactionPtr& transaction : writing) {
      const Lsn lsn = transaction->in_flight;
      if (lsn.is_null()) continue;
      lock.unlock();
      const Status forced = log.wait_forced(lsn, std::nullopt);
      settle(transaction, lsn, TmLog::verdict_on_force(forced), forced);
      settled = true;
      lock.lock();
    }
    if (!settled) writing.front()->changed.wait(lock);  // its thread is about to append it
  }
}

}  // namespace cairn::tm
