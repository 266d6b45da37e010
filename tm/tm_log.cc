#include "tm_log.h"

#include <array>
#include <span>
#include <utility>
#include <vector>

#include "registry.h"

namespace cairn::tm {
namespace {

// What a record takes in the log besides its payload, roughly: only decides when a checkpoint is
// due.
constexpr std::uint64_t kRecordOverhead = 64;

}  // namespace

TmLog::TmLog(std::shared_ptr<log::Log> log, std::string name, const log::LogInfo& info)
    : log_(std::move(log)),
      name_(std::move(name)),
      log_id_(info.id),
      path_(info.path),
      max_record_(info.max_record),
      max_size_(info.max_size) {}

TmLog::~TmLog() { Registry::get().release_stream(*log_, name_); }

Result<std::shared_ptr<TmLog>> TmLog::open(std::shared_ptr<log::Log> log, const std::string& name,
                                           bool create, std::uint64_t wall_clock_ns) {
  const log::LogInfo info = log->info();
  if (!Registry::get().claim_stream(*log, name)) {
    return Status(StatusCode::kLocked, "a live transaction manager has stream \"" + name +
                                           "\" of the log in " + info.path);
  }
  const std::shared_ptr<TmLog> opened(new TmLog(std::move(log), name, info));
  CAIRN_RETURN_IF_ERROR(create ? opened->make(wall_clock_ns) : opened->find());
  return opened;
}

Status TmLog::make(std::uint64_t wall_clock_ns) {
  CAIRN_ASSIGN_OR_RETURN(stream_, log_->open_or_create_stream(name_));
  // A crash may have come between making the stream and its restart area: then it is empty, and
  // ours to complete.
  if (stream_.read_restart_area().code() != StatusCode::kNoRestartArea ||
      !stream_.last_lsn().is_null()) {
    return Status(StatusCode::kAlreadyExists,
                  "stream \"" + name_ + "\" of the log in " + path_ + " is in use");
  }
  tm_id_ = Uuid::generate();
  return checkpoint({tm_id_, 1, wall_clock_ns, {}}, log_->end_lsn());
}

Status TmLog::find() {
  CAIRN_ASSIGN_OR_RETURN(stream_, log_->open_stream(name_));
  const Result<log::RestartArea> restart = stream_.read_restart_area();
  if (restart.code() == StatusCode::kNoRestartArea) {
    return Status(StatusCode::kNotFound, "stream \"" + name_ + "\" of the log in " + path_ +
                                             " holds no transaction manager");
  }
  CAIRN_RETURN_IF_ERROR(restart.status());
  const Result<recovery::Fold> fold = recovery::Fold::begin(*restart);
  if (!fold) {
    return Status(
        StatusCode::kRecoveryFailed,
        "stream \"" + name_ + "\" of the log in " + path_ + ": " + fold.status().to_string(),
        fold.status().detail());
  }
  tm_id_ = fold->transaction_manager();
  former_ = fold->former();
  return Status::ok();
}

Result<recovery::PackedState> TmLog::read(std::optional<std::uint64_t> up_to) const {
  CAIRN_ASSIGN_OR_RETURN(const log::RestartArea restart, stream_.read_restart_area());
  log::ReadOptions options;
  options.start = restart.base;
  CAIRN_ASSIGN_OR_RETURN(log::Cursor cursor, stream_.read(options));
  return recovery::read_packed_state(cursor, restart, up_to);
}

Status TmLog::rename(const recovery::RecoveredFacts& state, std::uint64_t wall_clock_ns) {
  if (former_.size() >= recovery::kMaxFormerIdentities) {
    return Status(StatusCode::kResourceExhausted,
                  "renamed " + std::to_string(former_.size()) +
                      " times, and records of each name are still needed: recover it first");
  }
  former_.push_back({tm_id_, log_->end_lsn()});
  tm_id_ = Uuid::generate();
  return checkpoint({tm_id_, state.clock, wall_clock_ns, {}}, stream_.base());
}

Result<log::Reservation> TmLog::reserve(std::uint32_t records, std::size_t bytes, bool forget) {
  return stream_.reserve(records + (forget ? 1u : 0u),
                         records * bytes + (forget ? recovery::kForgetBytes : 0));
}

Result<Lsn> TmLog::append(const recovery::TransactionRecord& record, log::Reservation& room) {
  return append(recovery::encode(record), record.type, room);
}

Result<Lsn> TmLog::append(const recovery::ForgetRecord& record, log::Reservation& room) {
  return append(recovery::encode(record), recovery::RecordType::kForget, room);
}

Result<Lsn> TmLog::append(std::span<const std::byte> payload, recovery::RecordType type,
                          log::Reservation& room) {
  log::AppendOptions options;
  options.type = static_cast<std::uint16_t>(type);
  const std::array<std::span<const std::byte>, 1> pieces{payload};
  Result<Lsn> lsn = stream_.append(pieces, options, room);
  if (lsn) bytes_ += payload.size() + kRecordOverhead;
  return lsn;
}

void TmLog::force(Lsn lsn, log::DurableCallback done) { log_->on_durable(lsn, std::move(done)); }

Status TmLog::wait_forced(Lsn lsn, std::optional<std::chrono::nanoseconds> limit) {
  return log_->wait_durable(lsn, limit);
}

TransactionEvent TmLog::verdict_on_append(const Status& status) {
  switch (status.code()) {
    case StatusCode::kPoisoned:
    case StatusCode::kLogFull:
    case StatusCode::kRecordTooLong:
    case StatusCode::kLsnInvalid:
      return TransactionEvent::kRefused;  // the log says that nothing was appended
    default:
      return TransactionEvent::kLost;
  }
}

TransactionEvent TmLog::verdict_on_force(const Status& status) {
  return status ? TransactionEvent::kDurable : TransactionEvent::kLost;
}

Status TmLog::checkpoint(recovery::RestartRecord record, Lsn base) {
  std::erase_if(former_, [base](const auto& former) { return former.until <= base; });
  record.former = former_;
  const std::uint64_t before = bytes_;
  CAIRN_RETURN_IF_ERROR(stream_.write_restart_area(recovery::encode(record), base).status());
  bytes_ -= before;
  return Status::ok();
}

void TmLog::drive() {
  // A log with its own thread refuses, and needs no help; other errors come back from the calls
  // that they concern.
  [[maybe_unused]] const Status driven = log_->run_background();
}

}  // namespace cairn::tm
