// TmCore, the beginning and the end: recover and close.
#include <string>

#include "registry.h"
#include "tm_core.h"

namespace cairn::tm {

Result<RecoveryReport> TmCore::recover() {
  const std::lock_guard one(lifecycle_);
  const auto begin = std::chrono::steady_clock::now();
  std::unique_lock lock(mutex_);
  if (!fire_locked(TmEvent::kRecover)) {
    return Status(illegal_tm_event(TmEvent::kRecover, guard()),
                  "transaction manager " + id_.to_string() + " is " +
                      (durable_ ? std::string(tm_state_name(state_))
                                : "volatile: it has nothing to recover"));
  }
  const std::shared_ptr<TmLog> log = log_;
  lock.unlock();

  const auto fail = [&](const Status& cause) {
    const std::lock_guard relock(mutex_);
    cause_ = cause;
    fire_locked(TmEvent::kFailed);
    return cause;
  };
  Result<recovery::RecoveredState> state = log->read();
  if (!state) {
    const StatusCode code = state.code();
    const bool verdict = code == StatusCode::kCorrupt || code == StatusCode::kNewerVersion ||
                         code == StatusCode::kContainerMissing;
    if (!verdict) return fail(state.status());
    return fail(
        Status(StatusCode::kRecoveryFailed, state.status().to_string(), state.status().detail()));
  }
  Result<RecoveryReport> report = rebuild(*state);
  // Nobody works yet, so no lock is needed for the order of things.
  if (const Status reserved = reserve_for_rebuilt(*log); !reserved) return fail(reserved);
  if (const Status written = write_checkpoint(*log); !written) return fail(written);
  report->duration = std::chrono::steady_clock::now() - begin;
  lock.lock();
  fire_locked(TmEvent::kRecovered);
  return report;
}

Result<RecoveryReport> TmCore::rebuild(const recovery::RecoveredState& state) {
  const std::lock_guard lock(mutex_);
  protocol_.rebuild(state);
  RecoveryReport report;
  report.tm_id = id_;
  report.clock = protocol_.clock();
  report.begin = state.begin;
  report.end = state.end;
  report.records = state.records;
  for (const auto& transaction : state.transactions) {
    const bool decided = transaction.record.type == recovery::RecordType::kDecision;
    (decided ? report.committed : report.in_doubt).push_back(transaction.record.transaction);
  }
  report.enlistments = protocol_.enlistment_count();
  report.resource_managers = protocol_.resource_manager_count();
  return report;
}

Status TmCore::reserve_for_rebuilt(TmLog& log) {
  for (const TransactionPtr& transaction : protocol_.transactions()) {
    const bool promised = transaction->state() == TransactionState::kInDoubt;
    const std::size_t bytes = record_bytes(*transaction);
    Result<log::Reservation> room = log.reserve(promised ? 1 : 0, bytes, true);
    // Without its forget record a committed one is only told once more.
    if (!room && promised) {
      return room.status().with_context("transaction " + transaction->id.to_string() +
                                        " is promised to a superior; its decision needs room");
    }
    if (!room) continue;
    transaction->room = std::move(*room);
    transaction->room_for_record = bytes;
  }
  return Status::ok();
}

Status TmCore::close() {
  const std::lock_guard one(lifecycle_);
  std::unique_lock lock(mutex_);
  const bool online = state_ == TmState::kOnline;
  fire_locked(TmEvent::kClose);
  const std::shared_ptr<TmLog> log = log_;
  stop_housekeeping_ = true;
  wake_.notify_one();
  std::thread housekeeper = std::move(housekeeper_);
  lock.unlock();

  if (housekeeper.joinable()) housekeeper.join();
  Registry::get().remove(id_);
  if (log == nullptr) return Status::ok();
  settle_records_in_flight(*log);
  Status last = Status::ok();
  lock.lock();
  const bool sound = cause_.is_ok();
  lock.unlock();
  if (online && sound) last = write_checkpoint(*log);
  lock.lock();
  protocol_.release_rooms();
  log_ = nullptr;
  return last;
}

void TmCore::settle_records_in_flight(TmLog& log) {
  std::unique_lock lock(mutex_);
  for (;;) {
    const std::vector<TransactionPtr> writing = protocol_.writing();
    if (writing.empty()) return;
    const TransactionPtr& transaction = writing.front();
    const Lsn lsn = transaction->in_flight;
    if (lsn.is_null()) {  // its thread is about to append it
      transaction->changed.wait(lock);
      continue;
    }
    lock.unlock();
    const Status forced = log.wait_forced(lsn, std::nullopt);
    settle(transaction, lsn, TmLog::verdict_on_force(forced), forced);
    lock.lock();
  }
}

}  // namespace cairn::tm
