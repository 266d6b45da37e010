#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include <cairn/torture/modelled_log.h>

namespace cairn::torture {

using Call = InFlight::Call;

log::OpenOptions manual_options(std::shared_ptr<log::Storage> storage) {
  log::OpenOptions options;
  options.storage = std::move(storage);
  options.blocks = 4;
  options.depth = 2;
  options.lock_wait = std::chrono::milliseconds(0);
  options.background = log::Background::kManual;
  return options;
}

log::CreateOptions small_log(std::uint64_t containers) {
  log::CreateOptions options;
  options.container_size = log::kMinContainerSize;
  options.max_size = containers * options.container_size;
  options.block_size = 64 << 10;
  options.alignment = 512;
  // Thousands of writes in a file that is gone afterwards: nothing that a crash is to meet.
  options.calibrate = false;
  return options;
}

namespace {

Status status_of(const Status& status) { return status; }
template <typename T>
Status status_of(const Result<T>& result) {
  return result.status();
}

}  // namespace

template <typename Answer>
Status ModelledLog::ended(const Answer& answer) {
  Status status = status_of(answer);
  if (status.code() != StatusCode::kIndeterminate) model_.in_flight.reset();
  return status;
}

Status ModelledLog::check_lsn(Lsn lsn) {
  if (lsn <= model_.highest) {
    return Status(StatusCode::kCorrupt, "I8: LSN " + lsn.to_string() + " was given out, after " +
                                            model_.highest.to_string());
  }
  return {};
}

Status ModelledLog::create_stream(const std::string& name) {
  model_.in_flight = {Call::kCreateStream, name, {}, {}};
  const Result<log::Stream> stream = log_->create_stream(name);
  CAIRN_RETURN_IF_ERROR(ended(stream));
  model_.streams[name].id = stream->id();
  model_.streams[name].base = stream->base();
  model_.streams[name].created = stream->base();
  return {};
}

Status ModelledLog::delete_stream(const std::string& name) {
  model_.in_flight = {Call::kDeleteStream, name, {}, {}};
  CAIRN_RETURN_IF_ERROR(ended(log_->delete_stream(name)));
  model_.streams.erase(name);
  return {};
}

Status ModelledLog::append(const std::string& stream, Bytes payload,
                           const log::AppendOptions& options, log::Reservation* reservation,
                           const log::ReservationChange& change) {
  CAIRN_ASSIGN_OR_RETURN(log::Stream handle, log_->open_stream(stream));
  ModelRecord record;
  record.type = options.type;
  record.previous = options.previous;
  record.undo_next = options.undo_next;
  record.payload = std::make_shared<const Bytes>(std::move(payload));
  model_.in_flight = {Call::kAppend, stream, record, {}};
  const std::array<std::span<const std::byte>, 1> pieces{*record.payload};
  const bool paid = reservation != nullptr && reservation->covers(record.payload->size());
  const std::uint64_t held = reservation == nullptr ? 0 : reservation->bytes();
  const Result<Lsn> lsn =
      reservation == nullptr
          ? handle.append(*record.payload, options)
          : handle.append_reserved(log::Gather(pieces), options, *reservation, change);
  if (paid && change.reserve.empty() && lsn.code() == StatusCode::kLogFull) {
    return Status(StatusCode::kCorrupt, "I9: reserved, and refused: " + lsn.status().to_string());
  }
  if (reservation != nullptr) {
    std::uint64_t expected = held;
    if (lsn.is_ok()) {
      for (const std::uint64_t size : change.reserve) {
        expected += log::Reservation::reserved_bytes(size);
      }
      for (const std::uint64_t size : change.free) {
        expected -= log::Reservation::reserved_bytes(size);
      }
      if (paid) expected -= log::Reservation::reserved_bytes(record.payload->size());
    }
    if (reservation->bytes() != expected) {
      return Status(StatusCode::kCorrupt, "I9: expected " + std::to_string(expected) +
                                              " reserved bytes, found " +
                                              std::to_string(reservation->bytes()));
    }
  }
  CAIRN_RETURN_IF_ERROR(ended(lsn));
  CAIRN_RETURN_IF_ERROR(check_lsn(*lsn));
  model_.appended(stream, *lsn, record, options.durability == log::Durability::kDurable);
  model_.all_durable_before(log_->durable_lsn());
  return {};
}

Status ModelledLog::write_restart_area(const std::string& stream, Bytes data, Lsn base) {
  CAIRN_ASSIGN_OR_RETURN(log::Stream handle, log_->open_stream(stream));
  ModelRecord record;
  record.kind = log::RecordKind::kRestart;
  record.payload = std::make_shared<const Bytes>(std::move(data));
  model_.in_flight = {Call::kRestart, stream, record, base};
  const Result<Lsn> lsn = handle.write_restart_area(*record.payload, base);
  CAIRN_RETURN_IF_ERROR(ended(lsn));
  CAIRN_RETURN_IF_ERROR(check_lsn(*lsn));
  model_.restart_written(stream, *lsn, record, base);
  return {};
}

Status ModelledLog::advance_base(const std::string& stream, Lsn base) {
  CAIRN_ASSIGN_OR_RETURN(log::Stream handle, log_->open_stream(stream));
  model_.in_flight = {Call::kAdvanceBase, stream, {}, base};
  CAIRN_RETURN_IF_ERROR(ended(handle.advance_base(base)));
  model_.base_advanced(stream, base);
  return {};
}

Status ModelledLog::truncate_after(Lsn cut) {
  InFlight call{Call::kTruncate, {}, {}, {}};
  call.cut = cut;
  call.tail = log_->info().tail;
  model_.in_flight = call;
  CAIRN_RETURN_IF_ERROR(ended(log_->truncate_after(cut)));
  model_.truncated(cut, call.tail);
  model_.all_durable_before(model_.highest + 1);
  return {};
}

template <typename Change>
Status ModelledLog::change_settings(const LogSettings& settings, const Change& change) {
  InFlight call{Call::kSettings, {}, {}, {}};
  call.settings = settings;
  model_.in_flight = call;
  CAIRN_RETURN_IF_ERROR(ended(change()));
  model_.settings = settings;
  model_.all_durable_before(log_->durable_lsn());
  return {};
}

Status ModelledLog::set_policies(const log::Policies& policies) {
  LogSettings settings = *model_.settings;
  settings.policies = policies;
  return change_settings(settings, [&] { return log_->set_policies(policies); });
}

Status ModelledLog::set_archive_tail(Lsn lsn) {
  LogSettings settings = *model_.settings;
  settings.archive_tail = lsn.is_null() ? std::max(settings.archive_tail, log_->info().tail) : lsn;
  return change_settings(settings, [&] { return log_->set_archive_tail(lsn); });
}

Status ModelledLog::stop_archiving() {
  LogSettings settings = *model_.settings;
  settings.archive_tail = Lsn();
  return change_settings(settings, [&] { return log_->stop_archiving(); });
}

Status ModelledLog::flush() {
  CAIRN_RETURN_IF_ERROR(log_->flush());
  model_.all_durable_before(model_.highest + 1);
  return {};
}

Status ModelledLog::close() {
  CAIRN_RETURN_IF_ERROR(log_->close());
  model_.all_durable_before(model_.highest + 1);
  return {};
}

}  // namespace cairn::torture
