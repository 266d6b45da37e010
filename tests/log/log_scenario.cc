#include "log/log_scenario.h"

#include <array>
#include <iterator>
#include <utility>

namespace cairn::log_test {

namespace {
constexpr std::size_t kLongPayload = 60'000;
constexpr std::size_t kMostStreams = 4;
}  // namespace

LogScenario::LogScenario(std::shared_ptr<sim::SimStorage> storage, const ScenarioOptions& options)
    : storage_(std::move(storage)), options_(options), random_(options.seed) {}

Status LogScenario::start() {
  CAIRN_ASSIGN_OR_RETURN(std::unique_ptr<log::Log> log,
                         log::Log::create("log", options_.create, manual_options(storage_)));
  log_ = std::make_unique<ModelledLog>(std::move(log), LogModel());
  for (int i = 0; i < 2; ++i) {
    CAIRN_RETURN_IF_ERROR(log_->create_stream("stream" + std::to_string(next_stream_++)));
  }
  return {};
}

Status LogScenario::step() {
  Status status = do_step();
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
  const std::array<Kind, 11> kinds{{
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
    return log_->create_stream("stream" + std::to_string(next_stream_++));
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
  CAIRN_RETURN_IF_ERROR(log_->close());
  model_ = log_->model();
  log_.reset();
  CAIRN_ASSIGN_OR_RETURN(std::unique_ptr<log::Log> log,
                         log::Log::open("log", manual_options(storage_)));
  log_ = std::make_unique<ModelledLog>(std::move(log), std::move(model_));
  return {};
}

Status LogScenario::make_room() {
  const auto streams = log_->model().streams;
  for (const auto& [name, stream] : streams) {
    if (stream.records.empty()) continue;
    CAIRN_RETURN_IF_ERROR(log_->advance_base(name, stream.records.rbegin()->first));
  }
  return log_->log().run_background();
}

}  // namespace cairn::log_test
