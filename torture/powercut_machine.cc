#include "powercut_machine.h"

#include <array>
#include <utility>

#include <cairn/verdict.h>

namespace cairn::torture {

namespace {

constexpr std::array<const char*, 5> kDirectories{kTmDirectory, kRmDirectories[0],
                                                  kRmDirectories[1], "log", kArchivedLogDirectory};
// A log has up to its maximum, and one container more while a full one is replaced.
constexpr std::uint64_t kMostContainers = 6;
// Not left to chance: each recording has some.
constexpr std::uint64_t kArchiveEvery = 5;

ScenarioOptions scenario(std::uint64_t seed) {
  ScenarioOptions options;
  options.seed = seed;
  options.truncations = 5;
  return options;
}

Result<std::uint64_t> bytes_of(log::Storage& storage, const char* name) {
  CAIRN_ASSIGN_OR_RETURN(const auto directory, storage.open_directory(name, false));
  CAIRN_ASSIGN_OR_RETURN(const auto files, directory->list());
  std::uint64_t bytes = 0;
  for (const std::string& file : files) {
    CAIRN_ASSIGN_OR_RETURN(const auto opened, directory->open(file, log::OpenMode::kRead));
    CAIRN_ASSIGN_OR_RETURN(const std::uint64_t size, opened->size());
    bytes += size;
  }
  return bytes;
}

}  // namespace

PowercutMachine::PowercutMachine(std::shared_ptr<log::Storage> storage, std::uint64_t seed,
                                 PowercutKnowledge known)
    : storage_(std::move(storage)),
      known_log_(std::move(known.log)),
      transactions_(storage_, std::move(known.transactions)),
      log_(storage_, scenario(seed)),
      archive_(storage_, std::move(known.archive)) {}

Status PowercutMachine::boot() {
  CAIRN_RETURN_IF_ERROR(transactions_.boot());
  CAIRN_RETURN_IF_ERROR(log_.recover(known_log_, &violation_));
  log_runs_ = true;
  return violation_.empty() ? archive_.recover(&violation_) : Status::ok();
}

Status PowercutMachine::step(sim::Random& random) {
  if (++steps_ % kArchiveEvery == 0) return archive_.step(random).with_context("archive");
  if (random.chance(35)) return transactions_.step(random).with_context("transactions");
  return log_.step().with_context(log_.last_step());
}

Status PowercutMachine::commit_one() {
  CAIRN_RETURN_IF_ERROR(transactions_.commit_one());
  CAIRN_RETURN_IF_ERROR(log_.append_one());
  sim::Random random(++steps_);
  return archive_.step(random);
}

PowercutKnowledge PowercutMachine::knowledge() const {
  return {transactions_.knowledge(), log_runs_ ? log_.model() : known_log_, archive_.knowledge()};
}

std::string PowercutMachine::storage_kind() const {
  const auto directory = storage_->open_directory(kTmDirectory, false);
  if (!directory) return "unknown";
  const log::StorageInfo info = storage_->describe(**directory);
  return info.kind + (info.direct ? ", direct" : ", buffered");
}

std::string PowercutMachine::violation() const {
  if (std::string found = transactions_.violation(); !found.empty()) return found;
  if (!violation_.empty()) return violation_;
  return garbage();
}

// T5: what a crash left of files in the making is not kept for ever.
std::string PowercutMachine::garbage() const {
  for (const char* directory : kDirectories) {
    const Result<std::uint64_t> bytes = bytes_of(*storage_, directory);
    if (!bytes) return "T5: " + bytes.status().to_string();
    if (*bytes > kMostContainers * log::kMinContainerSize) {
      return "T5: the files of '" + std::string(directory) + "' have " + std::to_string(*bytes) +
             " bytes";
    }
  }
  return {};
}

std::string PowercutMachine::damage() const {
  for (const char* directory : kDirectories) {
    log::VerifyOptions options;
    options.storage = storage_;
    const Result<log::VerifyReport> report = log::verify(directory, options);
    if (!report) return "I7: " + report.status().to_string();
    if (!report->damages.empty()) {
      return "I7: " + std::string(directory) + ": " + report->damages[0].reason;
    }
  }
  return {};
}

}  // namespace cairn::torture
