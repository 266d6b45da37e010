#include "tm_core.h"

#include <string>

#include <cairn/deadline.h>

#include "inline_delivery.h"

namespace cairn::tm {

Status TmCore::check_clock(const Clock& clock) const {
  if (!clock || *clock <= kMaxClock) return Status::ok();
  // What it has said itself comes back with the answers.
  const std::lock_guard lock(mutex_);
  if (*clock <= protocol_.clock()) return Status::ok();
  return Status(StatusCode::kInvalidArgument, "virtual clock " + std::to_string(*clock) +
                                                  ", expected at most " +
                                                  std::to_string(kMaxClock));
}

std::shared_ptr<TmCore> TmCore::make(const TmOptions& options, std::shared_ptr<TmLog> log) {
  std::shared_ptr<TmCore> core(new TmCore(options, std::move(log)));
  const std::lock_guard lock(core->mutex_);
  core->fire_locked(TmEvent::kBegin);
  return core;
}

namespace {

// The log is let go of at close(), so nothing else may hold it.
TmOptions without_log(TmOptions options) {
  options.log = nullptr;
  return options;
}

}  // namespace

TmCore::TmCore(const TmOptions& options, std::shared_ptr<TmLog> log)
    : options_(without_log(options)),
      durable_(log != nullptr),
      id_(durable_ ? log->tm_id() : Uuid::generate()),
      log_(std::move(log)) {}

TmCore::~TmCore() { require(!housekeeper_.joinable(), "a manager is closed before it goes"); }

std::chrono::nanoseconds TmCore::now() const {
  if (options_.now) return options_.now();
  return std::chrono::steady_clock::now().time_since_epoch();
}

std::uint64_t TmCore::wall_clock_ns() const {
  if (options_.wall_clock) return options_.wall_clock();
  const auto since = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(since).count());
}

// --- the machine ---

bool TmCore::fire_locked(TmEvent event) {
  const auto* row = find_row<kTmTable>(state_, event, guard());
  if (row == nullptr) return false;
  state_ = row->to;
  switch (row->action) {
    case TmAction::kNone:
    case TmAction::kRead:  // by recover(), without the lock
      break;
    case TmAction::kServe:
      last_checkpoint_ = now();
      if (options_.background == Background::kThread) {
        housekeeper_ = std::thread([this] { keep_house(); });
      }
      break;
    case TmAction::kRollBack:
      protocol_.abandon(Status(StatusCode::kObjectExpired,
                               "transaction manager " + id_.to_string() + " went offline" +
                                   (cause_ ? "" : ": " + cause_.to_string())));
      break;
  }
  return true;
}

Status TmCore::check_online_locked(StatusCode refusal) const {
  if (find_row<kTmTable>(state_, TmEvent::kWork, guard()) != nullptr) return Status::ok();
  return Status(refusal, "transaction manager " + id_.to_string() + " is " +
                             std::string(tm_state_name(state_)) +
                             (cause_ ? "" : ": " + cause_.to_string()));
}

// --- work on the log ---

// Work on the log, with what it needs of its transaction.
struct TmCore::LogJob {
  LogWork work;
  std::shared_ptr<TmLog> log;
  std::size_t bytes = 0;      // kReserve: of one record
  std::uint32_t records = 0;  // kReserve
  recovery::ForgetRecord record{};
  log::Reservation room;  // kForget
};

TmCore::LogJob TmCore::prepare_locked(LogWork work) {
  LogJob job;
  job.log = log_;
  TransactionObject& transaction = *work.transaction;
  if (work.kind == LogWork::Kind::kReserve) {
    job.bytes = record_bytes(transaction);
    job.records = transaction.owned ? 2 : 1;  // a superior's: prepare record, decision
  } else if (work.kind == LogWork::Kind::kForget) {
    job.record = {transaction.id, protocol_.clock(), transaction.record_lsn};
    job.room = std::move(transaction.room);
  }
  job.work = std::move(work);
  return job;
}

void TmCore::finish(std::unique_lock<std::mutex>& lock) {
  const InlineDelivery delivery;
  InlineDelivery::add(protocol_);
  wake_if_due_locked();
  if (!protocol_.has_work()) return lock.unlock();
  LogJob newest = prepare_locked(protocol_.take_newest_work());
  std::vector<LogJob> others;  // as good as never any
  for (LogWork& work : protocol_.take_work()) others.push_back(prepare_locked(std::move(work)));
  ++working_;
  lock.unlock();
  for (LogJob& job : others) run(job);
  run(newest);
  // They hold the log. Once nobody works it may end, and not on this thread, which may be its own.
  others.clear();
  newest = LogJob();
  if (--working_ > 0 || !awaits_rest_) return;
  lock.lock();  // close() has seen this call, and waits
  rested_.notify_all();
  lock.unlock();
}

void TmCore::run(LogJob& job) noexcept {
  switch (job.work.kind) {
    case LogWork::Kind::kReserve:
      return reserve(job);
    case LogWork::Kind::kWrite:
      return write(job.work.transaction);
    case LogWork::Kind::kForget:
      return forget(job);
    case LogWork::Kind::kStop: {
      const std::lock_guard lock(mutex_);
      stop_locked(job.work.transaction->reason);
      return InlineDelivery::add(protocol_);
    }
  }
}

// Room for every later record is taken before anyone is asked to promise, so that a full log blocks
// no promise.
void TmCore::reserve(LogJob& job) {
  const TransactionPtr& transaction = job.work.transaction;
  const auto take = [&]() -> Result<log::Reservation> {
    if (job.log == nullptr) {
      return Status(StatusCode::kClosed, "the transaction manager was closed");
    }
    if (job.bytes > job.log->max_record()) {
      return Status(StatusCode::kRecordTooLong, "its decision takes " + std::to_string(job.bytes) +
                                                    " bytes, the log's largest record is " +
                                                    std::to_string(job.log->max_record()));
    }
    return take_room(*job.log, job.records, job.bytes);
  };
  Result<log::Reservation> room = take();

  std::unique_lock<std::mutex> lock = lock_patiently(mutex_);
  transaction->room_for_record = job.bytes;
  protocol_.reserved(transaction, std::move(room));
  finish(lock);
}

Result<log::Reservation> TmCore::take_room(TmLog& log, std::uint32_t records, std::size_t bytes) {
  Result<log::Reservation> room = log.reserve(records, bytes, true);
  // A checkpoint may free what forgotten transactions still hold.
  if (room.code() != StatusCode::kLogFull) return room;
  if (!write_checkpoint(log) || !log.drop_previous_checkpoint()) return room;
  return log.reserve(records, bytes, true);
}

Status TmCore::make_room(const TransactionPtr& transaction) noexcept {
  std::unique_lock lock(mutex_);
  const std::shared_ptr<TmLog> log = log_;
  const bool lacks = transaction->lacks_room && transaction->state() == TransactionState::kInDoubt;
  if (log == nullptr || !lacks) return Status::ok();
  const std::size_t bytes = record_bytes(*transaction);
  lock.unlock();
  Result<log::Reservation> room = take_room(*log, 1, bytes);
  if (!room) {
    return room.status().with_context("transaction " + transaction->id.to_string() +
                                      " was recovered in a full log; its decision needs room");
  }
  lock.lock();
  // It may have been decided by hand meanwhile: then the room goes back with this call.
  if (log_ != nullptr && transaction->state() == TransactionState::kInDoubt &&
      std::exchange(transaction->lacks_room, false)) {
    transaction->room = std::move(*room);
    transaction->room_for_record = bytes;
  }
  return Status::ok();
}

// Not forced. If it is lost, the resource managers are told once more at recovery.
void TmCore::forget(LogJob& job) {
  if (job.log == nullptr) return;
  const Result<Lsn> lsn = job.log->append(job.record, job.room);
  job.room.release();
  Protocol::forgotten(*job.work.transaction, lsn.is_ok());
  if (!lsn) ++forgets_unwritten_;
  if (job.log->bytes_since_checkpoint() < options_.checkpoint_bytes) return;
  const std::unique_lock<std::mutex> lock = lock_patiently(mutex_);
  wake_if_due_locked();  // this may have been what made a checkpoint due
}

void TmCore::stop_locked(const Status& cause) {
  if (!cause_) return;  // the first cause counts
  cause_ = cause.with_context("a record was submitted and not acknowledged");
  fire_locked(TmEvent::kStop);
}

Status TmCore::begin(const TransactionPtr& made, bool is_named) noexcept {
  constexpr std::chrono::milliseconds kPatience{100};
  std::optional<std::chrono::steady_clock::time_point> until;
  for (;;) {
    bool is_on_its_way = false;
    const Status begun = run(StatusCode::kNotOnline, [&](Protocol& protocol) {
      Status status = protocol.begin(made, is_named);
      is_on_its_way =
          !status && is_named && protocol.forget_state(made->id) == ForgetState::kUnwritten;
      return status;
    });
    if (!is_on_its_way) return begun;
    const auto now = std::chrono::steady_clock::now();
    if (!until) until = now + kPatience;
    if (now > *until) return begun;
    std::this_thread::yield();
  }
}

// --- references ---

void TmCore::release(const TransactionPtr& transaction) noexcept {
  std::unique_lock lock(mutex_);
  protocol_.release(transaction);
  finish(lock);
}

void TmCore::release(const EnlistmentPtr& enlistment, std::uint64_t session) noexcept {
  std::unique_lock lock(mutex_);
  // References of an ended session count no more.
  const ResourceManagerObject& rm = *enlistment->resource_manager;
  if (rm.queue != nullptr && rm.session == session) protocol_.release(enlistment);
  finish(lock);
}

void TmCore::release(const ResourceManagerPtr& rm, std::uint64_t session) noexcept {
  std::unique_lock lock(mutex_);
  if (rm->queue != nullptr && rm->session == session) {
    protocol_.end_session(rm, Status(StatusCode::kFenced, "the session has ended"));
  }
  finish(lock);
}

// --- resource managers and enlistments ---

Status TmCore::recover_resource_manager(const ResourceManagerPtr& rm,
                                        std::uint64_t session) noexcept {
  auto ids =
      on_session(*rm, session, [&](Protocol& protocol) { return protocol.begin_recover(*rm); });
  CAIRN_RETURN_IF_ERROR(ids.status());
  // One at a time, so that others work on meanwhile; each may have ended since its id was taken.
  for (const Uuid& id : *ids) {
    CAIRN_RETURN_IF_ERROR(on_session(*rm, session, [&](Protocol& protocol) {
      protocol.reoffer(*rm, id);
      return Status::ok();
    }));
  }
  return on_session(*rm, session, [&](Protocol& protocol) {
    protocol.end_recover(*rm);
    return Status::ok();
  });
}

Status TmCore::check_covered_locked(const EnlistmentObject& enlistment, Lsn by) const {
  if (log_ == nullptr || enlistment.resource_manager->kind == RmKind::kVolatile) {
    return Status(StatusCode::kTmVolatile,
                  "no record is written for this enlistment that could cover another");
  }
  if (by.is_valid() && by < log_->end_lsn()) return Status::ok();
  return Status(StatusCode::kLsnInvalid, "covered by LSN " + by.to_string() + ", the log ends at " +
                                             log_->end_lsn().to_string());
}

Status TmCore::prepare_complete(const EnlistmentPtr& enlistment, std::uint64_t session,
                                std::optional<std::span<const std::byte>> data, Clock clock,
                                std::optional<Lsn> covered_by) noexcept {
  CAIRN_RETURN_IF_ERROR(check_clock(clock));
  return on_session(*enlistment->resource_manager, session, [&](Protocol& protocol) -> Status {
    if (covered_by) CAIRN_RETURN_IF_ERROR(check_covered_locked(*enlistment, *covered_by));
    const bool asked = !enlistment->superior && enlistment->state() == EnlistmentState::kPreparing;
    if (data && asked) {
      const std::size_t bytes = record_bytes(*enlistment->transaction) -
                                enlistment->recovery_information.size() + data->size();
      if (log_ != nullptr && bytes > log_->max_record()) {
        return Status(StatusCode::kRecordTooLong,
                      "with this recovery information the decision takes " + std::to_string(bytes) +
                          " bytes, the log's largest record is " +
                          std::to_string(log_->max_record()));
      }
      protocol.set_recovery_information(*enlistment, {data->begin(), data->end()});
    }
    protocol.raise_clock(clock.value_or(0));
    return protocol.answer(enlistment, EnlistmentEvent::kPrepareComplete);
  });
}

// --- housekeeping ---

std::optional<std::chrono::nanoseconds> TmCore::next_due_locked() const {
  if (!check_online_locked(StatusCode::kNotOnline)) return std::nullopt;
  std::optional<std::chrono::nanoseconds> due = protocol_.next_deadline();
  if (protocol_.frozen()) due = due ? std::min(*due, frozen_until_) : frozen_until_;
  if (log_ == nullptr) return due;
  if (!advance_to_.is_null()) return now();
  if (log_->bytes_since_checkpoint() == 0) return due;
  if (log_->bytes_since_checkpoint() >= options_.checkpoint_bytes) return now();
  if (options_.checkpoint_interval.count() > 0) {
    const auto left = std::chrono::nanoseconds::max() - last_checkpoint_;
    const auto at = last_checkpoint_ + std::min(options_.checkpoint_interval, left);
    due = due ? std::min(*due, at) : at;
  }
  return due;
}

void TmCore::wake_if_due_locked() {
  if (!housekeeper_.joinable()) return;
  if (sleeps_until_ == std::chrono::nanoseconds::min()) return;  // it is awake
  // Most calls bring nothing: no deadline, no freeze, and it wakes for the next checkpoint anyway.
  const bool wakes_in_time =
      log_ == nullptr ||
      (sleeps_until_ && *sleeps_until_ - last_checkpoint_ <= options_.checkpoint_interval &&
       advance_to_.is_null() && log_->bytes_since_checkpoint() < options_.checkpoint_bytes);
  if (wakes_in_time && !protocol_.next_deadline() && !protocol_.frozen()) return;
  const auto due = next_due_locked();
  if (due && (!sleeps_until_ || *due < *sleeps_until_)) wake_.notify_one();
}

void TmCore::keep_house() {
  std::unique_lock lock(mutex_);
  while (!stop_housekeeping_) {
    sleeps_until_ = next_due_locked();
    if (!sleeps_until_) {
      wake_.wait(lock);
    } else if (const auto left = *sleeps_until_ - now(); left.count() > 0) {
      wake_.wait_until(lock, deadline_after(left));
    } else {
      sleeps_until_ = std::chrono::nanoseconds::min();  // awake: nobody needs to wake it
      lock.unlock();
      const Status done = run_background();
      lock.lock();
      // A log that fails is not tried again at once.
      checkpoint_error_ = done;
      if (!done) wake_.wait_for(lock, std::chrono::milliseconds(100));
    }
  }
}

Status TmCore::run_background() noexcept {
  std::unique_lock lock(mutex_);
  if (!check_online_locked(StatusCode::kNotOnline)) return Status::ok();
  protocol_.expire(now());
  if (protocol_.frozen() && now() >= frozen_until_) protocol_.thaw();
  const std::shared_ptr<TmLog> log = log_;
  const bool due = checkpoint_due_locked();
  finish(lock);
  if (log == nullptr) return Status::ok();
  if (options_.background == Background::kManual) log->drive();
  return due ? write_checkpoint(*log) : Status::ok();
}

TmInformation TmCore::information() const {
  const std::lock_guard lock(mutex_);
  TmInformation information;
  information.id = id_;
  information.durable = durable_;
  information.state = state_;
  information.cause = cause_;
  information.clock = protocol_.clock();
  information.oldest = protocol_.oldest_pin();
  information.frozen = protocol_.frozen();
  information.transactions = protocol_.transaction_count();
  information.resource_managers = protocol_.resource_manager_count();
  information.enlistments = protocol_.enlistment_count();
  information.checkpoints = checkpoints_;
  information.carried_forward = carried_forward_;
  information.forgets_unwritten = forgets_unwritten_;
  information.checkpoint_error = checkpoint_error_;
  if (log_ != nullptr) {
    information.log_path = log_->path();
    information.log_id = log_->log_id();
    information.stream = log_->stream_name();
    information.base = log_->base();
  }
  return information;
}

}  // namespace cairn::tm
