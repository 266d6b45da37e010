#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <thread>
#include <utility>
#include <vector>

#include <cairn/torture/log_scenario.h>

namespace cairn::torture {

namespace {
constexpr std::size_t kLongPayload = 60'000;
constexpr std::size_t kMostStreams = 4;
}  // namespace

LogScenario::LogScenario(std::shared_ptr<log::Storage> storage, const ScenarioOptions& options)
    : storage_(std::move(storage)), options_(options), random_(options.seed) {}

Status LogScenario::start() {
  CAIRN_ASSIGN_OR_RETURN(std::unique_ptr<log::Log> log,
                         log::Log::create("log", options_.create, open_options()));
  log_ = std::make_unique<ModelledLog>(std::move(log), LogModel());
  if (options_.space > 0) log_->know_settings();
  for (int i = 0; i < 2; ++i) {
    CAIRN_RETURN_IF_ERROR(create_stream());
  }
  return {};
}

Status LogScenario::recover(const LogModel& known, std::string* violation) {
  model_ = known;
  Result<std::unique_ptr<log::Log>> log =
      known.created ? log::Log::open("log", open_options())
                    : log::Log::open_or_create("log", options_.create, open_options());
  if (!log) return log.status();
  CAIRN_RETURN_IF_ERROR(check_space(**log));
  CAIRN_ASSIGN_OR_RETURN(const LogContents contents, read_contents(**log));
  *violation = known.created ? known.violation(contents) : std::string();
  if (!violation->empty()) return {};
  log_ = std::make_unique<ModelledLog>(std::move(*log), known.after_recovery(contents));
  for (const auto& [name, stream] : contents.streams) {
    const auto number = std::strtoul(name.c_str() + std::strlen("stream"), nullptr, 10);
    next_stream_ = std::max(next_stream_, static_cast<unsigned>(number + 1));
  }
  while (log_->model().streams.size() < 2) CAIRN_RETURN_IF_ERROR(create_stream());
  return {};
}

Status LogScenario::append_one() {
  Status status = append(4000, log::Durability::kDurable);
  if (status.code() != StatusCode::kLogFull) return status;
  CAIRN_RETURN_IF_ERROR(make_room());
  return append(4000, log::Durability::kDurable);
}

// Each opening makes blocks durable in the other way than the one before.
log::OpenOptions LogScenario::open_options() {
  log::OpenOptions options = manual_options(storage_);
  options.durable_writes = (options_.seed + openings_++) % 2 == 0 ? log::DurableWrites::kPerPrefix
                                                                  : log::DurableWrites::kPerWrite;
  return options;
}

Status LogScenario::step() {
  Status status = do_step();
  if (!callback_status_) return callback_status_.with_context("in an owner's callback");
  if (status.code() != StatusCode::kLogFull) return status;
  last_step_ += ", log full";
  return make_room();
}

Status LogScenario::do_step() {
  struct Kind {
    const char* name;
    unsigned weight;
    Status (LogScenario::*run)();
  };
  const std::array<Kind, 18> kinds{{
      {"short append", 38, &LogScenario::short_append},
      {"middle append", 17, &LogScenario::middle_append},
      {"long append", 5, &LogScenario::long_append},
      {"flush", 6, &LogScenario::flush},
      {"restart area", 7, &LogScenario::restart_area},
      {"advance base", 6, &LogScenario::advance_base},
      {"make or delete stream", 4, &LogScenario::make_or_delete_stream},
      {"close and reopen", 3, &LogScenario::reopen},
      {"background", 9, &LogScenario::background},
      {"burst", options_.bursts, &LogScenario::burst},
      {"truncate", options_.truncations, &LogScenario::truncate},
      {"set policies", options_.space, &LogScenario::set_policies},
      {"add or remove containers", options_.space, &LogScenario::add_or_remove_containers},
      {"reserve", options_.space, &LogScenario::reserve},
      {"use what was reserved", options_.space, &LogScenario::use_reserved},
      {"move archive tail", options_.space, &LogScenario::move_archive_tail},
      {"fill", options_.space / 2, &LogScenario::fill},
      {"append and change a reservation", options_.space / 2,
       &LogScenario::append_and_change_reservation},
  }};
  unsigned total = 0;
  for (const Kind& kind : kinds) total += kind.weight;
  std::uint64_t dice = random_.below(total);
  const Kind* chosen = kinds.begin();
  for (; dice >= chosen->weight; ++chosen) dice -= chosen->weight;
  last_step_ = chosen->name;
  return (this->*chosen->run)();
}

const std::string& LogScenario::any_stream() {
  const auto& streams = log_->model().streams;
  return std::next(streams.begin(), static_cast<std::ptrdiff_t>(random_.below(streams.size())))
      ->first;
}

Lsn LogScenario::any_record(const std::string& stream) {
  const auto& records = log_->model().streams.at(stream).records;
  if (records.empty()) return {};
  return std::next(records.begin(), static_cast<std::ptrdiff_t>(random_.below(records.size())))
      ->first;
}

Bytes LogScenario::bytes(std::size_t size) {
  Bytes out(size);
  std::uint64_t value = random_.next();
  for (std::size_t i = 0; i < size; ++i) {
    value = value * 6364136223846793005ULL + 1442695040888963407ULL;
    out[i] = static_cast<std::byte>(value >> 56);
  }
  return out;
}

log::Durability LogScenario::any_durability() {
  return std::array{log::Durability::kNone, log::Durability::kNone, log::Durability::kWritten,
                    log::Durability::kDurable, log::Durability::kDurable}[random_.below(5)];
}

Status LogScenario::append(std::size_t most_bytes, log::Durability durability) {
  const std::string stream = any_stream();
  log::AppendOptions options;
  options.type = static_cast<std::uint16_t>(random_.below(1000));
  options.durability = durability;
  if (random_.chance(40)) options.previous = any_record(stream);
  if (random_.chance(30)) options.undo_next = any_record(stream);
  const std::size_t size = random_.chance(10) ? 0 : random_.below(most_bytes + 1);
  return log_->append(stream, bytes(size), options);
}

Status LogScenario::short_append() { return append(200, any_durability()); }
Status LogScenario::middle_append() { return append(4000, any_durability()); }
Status LogScenario::long_append() { return append(kLongPayload, any_durability()); }
Status LogScenario::flush() { return log_->flush(); }
Status LogScenario::background() { return log_->log().run_background(); }

Status LogScenario::burst() {
  for (int i = 0; i < 8; ++i) {
    CAIRN_RETURN_IF_ERROR(append(kLongPayload, log::Durability::kNone));
    CAIRN_RETURN_IF_ERROR(log_->log().run_background());
  }
  return advance_base();
}

Status LogScenario::restart_area() {
  const std::string stream = any_stream();
  const std::array bases{Lsn(), Lsn::invalid(), any_record(stream)};
  return log_->write_restart_area(stream, bytes(random_.below(300)), bases[random_.below(3)]);
}

Status LogScenario::advance_base() {
  const std::string stream = any_stream();
  const Lsn base = any_record(stream);
  return base.is_null() ? Status::ok() : log_->advance_base(stream, base);
}

Status LogScenario::make_or_delete_stream() {
  const std::size_t streams = log_->model().streams.size();
  if (streams < 2 || (streams < kMostStreams && random_.chance(60))) {
    return create_stream();
  }
  return log_->delete_stream(any_stream());
}

// Behind a record of any stream. Another stream's base may forbid it; then nothing is to change.
Status LogScenario::truncate() {
  const Lsn cut = any_record(any_stream());
  if (cut.is_null()) return Status::ok();
  Status status = log_->truncate_after(cut);
  return status.code() == StatusCode::kLsnInvalid ? Status::ok() : status;
}

Status LogScenario::reopen() {
  reserved_.clear();
  CAIRN_RETURN_IF_ERROR(log_->close());
  model_ = log_->model();
  log_.reset();
  CAIRN_ASSIGN_OR_RETURN(std::unique_ptr<log::Log> log, log::Log::open("log", open_options()));
  log_ = std::make_unique<ModelledLog>(std::move(log), std::move(model_));
  for (const auto& [name, stream] : log_->model().streams) CAIRN_RETURN_IF_ERROR(listen(name));
  return {};
}

Status LogScenario::set_policies() {
  const std::uint64_t size = options_.create.container_size;
  log::Policies policies;
  policies.max_size = (4 + random_.below(3)) * size;
  policies.min_size = random_.below(4) * size;
  policies.growth = static_cast<std::uint32_t>(random_.below(3));
  policies.ahead = static_cast<std::uint32_t>(1 + random_.below(2));
  policies.spare_max = policies.ahead + static_cast<std::uint32_t>(random_.below(3));
  policies.shrink_percent = random_.chance(50) ? static_cast<std::uint32_t>(random_.below(101)) : 0;
  policies.low_space_percent = static_cast<std::uint32_t>(random_.below(91));
  policies.restart_area = static_cast<std::uint32_t>(300 + random_.below(1000));
  // A quarter of them without a pool.
  if (policies.growth > 0 && policies.restart_area % 4 == 0) policies.spare_max = 0;
  return log_->set_policies(policies);
}

// How many there may be is the log's to say.
Status LogScenario::add_or_remove_containers() {
  const auto count = static_cast<std::uint32_t>(1 + random_.below(2));
  Status status =
      random_.chance(60) ? log_->log().add_containers(count) : log_->log().remove_containers(count);
  return status.code() == StatusCode::kResourceExhausted ? Status::ok() : status;
}

Status LogScenario::reserve() {
  const auto records = static_cast<std::uint32_t>(1 + random_.below(4));
  return reserve(records, random_.below(random_.chance(30) ? kLongPayload : 2000));
}

Status LogScenario::reserve(std::uint32_t records, std::uint64_t bytes) {
  std::erase_if(reserved_, [&](const auto& one) {
    return !log_->model().streams.contains(one.first) || random_.chance(10);
  });
  const std::string stream = any_stream();
  CAIRN_ASSIGN_OR_RETURN(log::Stream handle, log_->log().open_stream(stream));
  CAIRN_ASSIGN_OR_RETURN(log::Reservation more, handle.reserve(records, bytes));
  const auto held = reserved_.find(stream);
  if (held == reserved_.end() || held->second.records() == 0) {
    reserved_[stream] = std::move(more);
  } else {
    held->second.merge(std::move(more));
  }
  return {};
}

Status LogScenario::append_paid(const std::string& stream, log::Reservation& reservation) {
  const std::uint64_t others = (reservation.records() - 1) * log::Reservation::reserved_bytes(0);
  const std::uint64_t most =
      (reservation.bytes() - others - log::Reservation::reserved_bytes(0)) / 8 * 8;
  log::AppendOptions options;
  options.durability = any_durability();
  const std::uint64_t size = random_.chance(50) ? most : random_.below(most + 1);
  return log_->append(stream, bytes(std::min(size, kLongPayload)), options, &reservation);
}

Status LogScenario::use_reserved() {
  for (auto& [stream, reservation] : reserved_) {
    if (!log_->model().streams.contains(stream) || reservation.records() == 0) continue;
    if (random_.chance(50)) CAIRN_RETURN_IF_ERROR(append_paid(stream, reservation));
  }
  return {};
}

// One step pays, reserves and gives back. What the others need at least is left to them.
Status LogScenario::append_and_change_reservation() {
  std::erase_if(reserved_,
                [&](const auto& one) { return !log_->model().streams.contains(one.first); });
  const std::string stream = any_stream();
  log::Reservation& room = reserved_[stream];
  std::uint64_t most = 1000;
  if (room.records() > 0) {
    const std::uint64_t least = room.records() * log::Reservation::reserved_bytes(0);
    most = std::min(most, (room.bytes() - least) / 8 * 8);
  }
  std::vector<std::uint64_t> more(random_.below(3));
  for (std::uint64_t& size : more) size = random_.below(random_.chance(20) ? kLongPayload : 500);
  std::vector<std::uint64_t> less(room.records() > 1 ? random_.below(2) : 0);
  log::AppendOptions options;
  options.durability = any_durability();
  return log_->append(stream, bytes(random_.below(most + 1)), options, &room,
                      {.reserve = more, .free = less});
}

Status LogScenario::move_archive_tail() {
  const Lsn present = log_->model().settings->archive_tail;
  if (present.is_valid() && random_.chance(25)) return log_->stop_archiving();
  if (random_.chance(25)) return log_->set_archive_tail({});
  const Lsn least = std::max(present, log_->log().info().tail);
  const Lsn most = log_->log().durable_lsn();
  const Lsn record = any_record(any_stream());
  return log_->set_archive_tail(std::clamp(record, least, most));
}

// To the last byte. What was promised is there all the same: every reservation, and one restart
// area per stream.
Status LogScenario::fill() {
  CAIRN_RETURN_IF_ERROR(reserve(8, 8 * kLongPayload));
  CAIRN_RETURN_IF_ERROR(reserve());
  for (std::size_t size = kLongPayload;; size /= 2) {
    Status status;
    do {
      status = log_->append(any_stream(), bytes(size), {});
    } while (status);
    if (status.code() != StatusCode::kLogFull) return status;
    if (size == 0) break;
  }
  CAIRN_RETURN_IF_ERROR(wait_for_space());
  if (random_.chance(50)) CAIRN_RETURN_IF_ERROR(background());  // the owner of the tail is asked
  for (auto& [stream, reservation] : reserved_) {
    if (!log_->model().streams.contains(stream)) continue;
    while (reservation.records() > 0) CAIRN_RETURN_IF_ERROR(append_paid(stream, reservation));
  }
  const auto streams = log_->model().streams;
  for (const auto& [name, stream] : streams) {
    const Status status = log_->write_restart_area(name, bytes(random_.below(300)), Lsn());
    if (status.code() == StatusCode::kLogFull) {
      return Status(StatusCode::kCorrupt, "I9: no restart area: " + status.to_string());
    }
    CAIRN_RETURN_IF_ERROR(status);
  }
  return make_room();
}

Status LogScenario::wait_for_space() {
  constexpr std::size_t kPayload = 1000;
  log::AppendOptions options;
  options.wait_for_space = std::chrono::nanoseconds(1);
  Status status = log_->append(any_stream(), bytes(kPayload), options);
  if (status.code() != StatusCode::kLogFull) return status;
  // One is given back that is worth more than the append; an append of this thread would find room.
  const auto held = std::find_if(reserved_.begin(), reserved_.end(), [&](const auto& one) {
    return log_->model().streams.contains(one.first) && one.second.covers(2 * kPayload);
  });
  if (held == reserved_.end()) return {};
  CAIRN_ASSIGN_OR_RETURN(log::Stream handle, log_->log().open_stream(held->first));
  const auto records = static_cast<std::uint32_t>(held->second.records());
  const std::uint64_t payloads =
      held->second.bytes() - records * log::Reservation::reserved_bytes(0);
  held->second.release();
  const bool enough = log_->log().info().space.left >= 2 * kPayload;
  CAIRN_ASSIGN_OR_RETURN(held->second, handle.reserve(records, payloads));
  if (!enough) return {};

  options.wait_for_space = std::chrono::seconds(30);
  const std::string stream = any_stream();
  Bytes payload = bytes(kPayload);
  std::atomic<bool> ended = false;
  std::thread waiter([&] {
    status = log_->append(stream, std::move(payload), options);
    ended = true;
  });
  while (log_->log().info().space.waiting_appends == 0 && !ended) std::this_thread::yield();
  held->second.release();
  waiter.join();
  if (status.is_ok()) ++counts_.waits;
  if (status.code() != StatusCode::kLogFull) return status;
  // Nobody waits for an owner that said it cannot advance (Stream::advance_failed()).
  if (status.message().find("its owner cannot advance it") != std::string::npos) return {};
  return Status(StatusCode::kCorrupt, "a wait for space was not ended: " + status.to_string());
}

Status LogScenario::create_stream() {
  const std::string name = "stream" + std::to_string(next_stream_++);
  CAIRN_RETURN_IF_ERROR(log_->create_stream(name));
  return listen(name);
}

Status LogScenario::listen(const std::string& stream) {
  if (options_.space == 0) return {};
  CAIRN_ASSIGN_OR_RETURN(log::Stream handle, log_->log().open_stream(stream));
  return handle.on_advance_request(
      [this, stream](const log::AdvanceRequest& request) { follow_request(stream, request); });
}

// From within the call: the base moves, alone or with a restart area, or the owner says that it
// cannot.
void LogScenario::follow_request(const std::string& stream, const log::AdvanceRequest& request) {
  ++counts_.requests;
  const auto& records = log_->model().streams.at(stream).records;
  if (records.empty()) return;
  const auto found = records.lower_bound(request.target);
  const Lsn base = found == records.end() ? records.rbegin()->first : found->first;
  Status status;
  switch (random_.below(4)) {
    case 0:
      status = log_->write_restart_area(stream, bytes(random_.below(300)), base);
      break;
    case 1:
      status = log_->log().open_stream(stream)->advance_failed(
          Status(StatusCode::kInvalidState, "the owner is busy"));
      break;
    default:
      status = log_->advance_base(stream, base);
  }
  // Restart areas that nobody holds back room for may meet a full log.
  if (status.code() == StatusCode::kLogFull) status = {};
  if (callback_status_) callback_status_ = status;
}

// First no stream needs what is there, then it is archived.
Status LogScenario::make_room() {
  const auto streams = log_->model().streams;
  for (const auto& [name, stream] : streams) {
    if (stream.records.empty()) continue;
    CAIRN_RETURN_IF_ERROR(log_->advance_base(name, stream.records.rbegin()->first));
  }
  CAIRN_RETURN_IF_ERROR(log_->log().run_background());
  if (!log_->model().settings || log_->model().settings->archive_tail.is_null()) return {};
  CAIRN_RETURN_IF_ERROR(log_->set_archive_tail(log_->log().durable_lsn()));
  return log_->log().run_background();
}

}  // namespace cairn::torture
