// The public Log and Stream: thin over LogCore.
#include <array>
#include <utility>

#include <cairn/log.h>

#include "log_core.h"
#include "unfinished_creation.h"

namespace cairn::log {
namespace {

Status no_log() { return Status(StatusCode::kInvalidState, "this handle names no stream"); }

}  // namespace

Log::Log(std::unique_ptr<LogCore> core) : core_(std::move(core)) {}
Log::~Log() = default;

Result<std::unique_ptr<Log>> Log::create(const std::string& path,
                                         const CreateOptions& create_options,
                                         const OpenOptions& open_options) {
  CAIRN_ASSIGN_OR_RETURN(auto core, LogCore::create(path, create_options, open_options));
  return std::unique_ptr<Log>(new Log(std::move(core)));
}

Result<std::unique_ptr<Log>> Log::open(const std::string& path, const OpenOptions& options) {
  CAIRN_ASSIGN_OR_RETURN(auto core, LogCore::open(path, options));
  return std::unique_ptr<Log>(new Log(std::move(core)));
}

Result<std::unique_ptr<Log>> Log::open_or_create(const std::string& path,
                                                 const CreateOptions& create_options,
                                                 const OpenOptions& open_options) {
  auto opened = open(path, open_options);
  const StatusCode code = opened.code();
  if (code != StatusCode::kNotFound && code != StatusCode::kNotALog) return opened;
  // create() refuses every directory that holds something else than an unfinished creation. What is
  // there may be a log that someone made since.
  auto created = create(path, create_options, open_options);
  return created.code() == StatusCode::kAlreadyExists ? open(path, open_options)
                                                      : std::move(created);
}

Status Log::remove(const std::string& path, const OpenOptions& options) {
  std::shared_ptr<Storage> storage = options.storage;
  if (storage == nullptr) {
    CAIRN_ASSIGN_OR_RETURN(storage, make_storage());
  }
  CAIRN_ASSIGN_OR_RETURN(const auto directory, storage->open_directory(path, false));
  return remove_log(*directory, options.lock_wait);
}

Status Log::close() { return core_->close(); }
Result<Stream> Log::create_stream(std::string_view name) { return core_->create_stream(name); }
Result<Stream> Log::open_stream(std::string_view name) { return core_->open_stream(name); }
Result<Stream> Log::open_or_create_stream(std::string_view name) {
  auto opened = core_->open_stream(name);
  if (opened.code() != StatusCode::kNotFound) return opened;
  auto created = core_->create_stream(name);
  return created.code() == StatusCode::kAlreadyExists ? core_->open_stream(name)
                                                      : std::move(created);
}
Status Log::delete_stream(std::string_view name) { return core_->delete_stream(name); }
Result<std::vector<Stream>> Log::create_streams(std::span<const std::string_view> names) {
  return core_->create_streams(names);
}
Status Log::delete_streams(std::span<const std::string_view> names) {
  return core_->delete_streams(names);
}
std::vector<StreamInfo> Log::list_streams() const { return core_->list_streams(); }
Status Log::truncate_after(Lsn lsn) { return core_->truncate_after(lsn); }
Status Log::set_archive_tail(Lsn lsn) { return core_->set_archive_tail(lsn); }
Status Log::stop_archiving() { return core_->stop_archiving(); }
Lsn Log::archive_tail() const { return core_->archive_tail(); }
Status Log::flush() { return core_->flush(); }
Status Log::wait_durable(Lsn lsn, std::optional<std::chrono::nanoseconds> limit) {
  return core_->wait_durable(lsn, limit);
}
void Log::on_durable(Lsn lsn, DurableCallback callback) {
  core_->on_durable(lsn, std::move(callback));
}
void Log::on_durable(Lsn lsn, int event_fd) { core_->on_durable(lsn, event_fd); }
Result<GrowthWatch> Log::watch_growth(std::uint64_t bytes, GrowthCallback callback) {
  return core_->watch_growth(bytes, std::move(callback));
}
Result<GrowthWatch> Log::watch_growth(std::uint64_t bytes) { return core_->watch_growth(bytes); }
Result<TailReader> Log::follow(FollowOptions options) const {
  return core_->follow(std::move(options));
}
Lsn Log::durable_lsn() const { return core_->durable_lsn(); }
Lsn Log::written_lsn() const { return core_->written_lsn(); }
Lsn Log::end_lsn() const { return core_->end_lsn(); }
Result<Cursor> Log::read(ReadOptions options) const { return core_->read(std::move(options)); }
LogInfo Log::info() const { return core_->info(); }
LogStatistics Log::statistics() const { return core_->statistics(); }
Status Log::add_containers(std::uint32_t count) { return core_->add_containers(count); }
Status Log::remove_containers(std::uint32_t count) { return core_->remove_containers(count); }
std::vector<ContainerInfo> Log::scan_containers(const ContainerScan& scan) const {
  return core_->scan_containers(scan);
}
Policies Log::policies() const { return core_->policies(); }
Status Log::set_policies(const Policies& policies) { return core_->set_policies(policies); }
Status Log::run_background() { return core_->run_background(); }
Status Log::health() const { return core_->health(); }

Result<Lsn> Stream::append(std::span<const std::byte> payload, const AppendOptions& options) {
  const std::array<std::span<const std::byte>, 1> pieces{payload};
  return append(Gather(pieces), options);
}
Result<Lsn> Stream::append(Gather pieces, const AppendOptions& options) {
  if (core_ == nullptr) return no_log();
  return core_->append(id_, pieces, options);
}
Result<Lsn> Stream::append(std::span<const std::byte> payload, const AppendOptions& options,
                           DurableCallback callback) {
  const std::array<std::span<const std::byte>, 1> pieces{payload};
  return append(Gather(pieces), options, std::move(callback));
}
Result<Lsn> Stream::append(Gather pieces, const AppendOptions& options, DurableCallback callback) {
  if (core_ == nullptr) return no_log();
  if (!callback) return Status(StatusCode::kInvalidArgument, "append: the callback is empty");
  return core_->append(id_, pieces, options, {.callback = &callback});
}
Result<Lsn> Stream::append(Gather pieces, const AppendOptions& options, Reservation& reservation) {
  if (core_ == nullptr) return no_log();
  return core_->append(id_, pieces, options, {.reservation = &reservation});
}
Result<Lsn> Stream::append_reserved(Gather pieces, const AppendOptions& options,
                                    Reservation& reservation, const ReservationChange& change) {
  if (core_ == nullptr) return no_log();
  return core_->append(id_, pieces, options, {.reservation = &reservation, .change = change});
}
Result<Reservation> Stream::reserve(std::uint32_t records, std::uint64_t payload_bytes) {
  if (core_ == nullptr) return no_log();
  const std::uint64_t most = std::uint64_t{records} * core_->max_record();
  if (payload_bytes > most) {
    return Status(StatusCode::kRecordTooLong,
                  "reservation: expected at most " + std::to_string(most) + " bytes in " +
                      std::to_string(records) + " records, found " + std::to_string(payload_bytes));
  }
  static_assert(format::kRecordAlignment == 8, "as reserved_bytes_of() rounds");
  return core_->reserve(id_, records, Reservation::reserved_bytes_of(records, payload_bytes));
}
Result<Reservation> Stream::reserve(std::span<const std::uint64_t> payloads) {
  if (core_ == nullptr) return no_log();
  std::uint64_t bytes = 0;
  for (const std::uint64_t payload : payloads) {
    if (payload > core_->max_record()) {
      return Status(StatusCode::kRecordTooLong, "reserved record: expected at most " +
                                                    std::to_string(core_->max_record()) +
                                                    " bytes, found " + std::to_string(payload));
    }
    bytes += Reservation::reserved_bytes(payload);
  }
  return core_->reserve(id_, payloads.size(), bytes);
}
Status Stream::on_advance_request(AdvanceCallback callback) {
  if (core_ == nullptr) return no_log();
  return core_->on_advance_request(id_, std::move(callback));
}
Status Stream::advance_failed(const Status& why) {
  if (core_ == nullptr) return no_log();
  return core_->advance_failed(id_, why);
}
Result<Lsn> Stream::write_restart_area(std::span<const std::byte> data, Lsn base) {
  if (core_ == nullptr) return no_log();
  return core_->write_restart_area(id_, data, base);
}
Result<Lsn> Stream::write_restart_area(std::span<const std::byte> data, Lsn base,
                                       Reservation& reservation) {
  if (core_ == nullptr) return no_log();
  return core_->write_restart_area(id_, data, base, &reservation);
}
Result<RestartArea> Stream::read_restart_area() const {
  if (core_ == nullptr) return no_log();
  return core_->read_restart_area(id_, false);
}
Result<RestartArea> Stream::read_previous_restart_area() const {
  if (core_ == nullptr) return no_log();
  return core_->read_restart_area(id_, true);
}
Status Stream::advance_base(Lsn lsn) {
  if (core_ == nullptr) return no_log();
  return core_->advance_base(id_, lsn);
}
Lsn Stream::base() const { return core_ == nullptr ? Lsn::null() : core_->stream_base(id_); }
Lsn Stream::last_lsn() const { return core_ == nullptr ? Lsn::null() : core_->last_lsn(id_); }
Result<Cursor> Stream::read(ReadOptions options) const {
  if (core_ == nullptr) return no_log();
  options.stream = id_;
  return core_->read(std::move(options));
}

}  // namespace cairn::log
