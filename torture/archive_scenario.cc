#include "archive_scenario.h"

#include <utility>

#include <cairn/archive.h>
#include <cairn/sim/sim_storage.h>

namespace cairn::torture {

namespace {

constexpr char kArchivedStream[] = "kept";
constexpr char kRestoredDirectory[] = "restored";
constexpr std::size_t kMostArchivedPayload = 20'000;
constexpr int kRecordsNotFlushed = 6;

// Directories of a storage, but the restored log's in memory: what is looked at leaves no trace on
// the disk that is to be cut again.
class RestoringStorage final : public log::Storage {
 public:
  explicit RestoringStorage(std::shared_ptr<log::Storage> storage) : storage_(std::move(storage)) {}

  Result<std::unique_ptr<log::Directory>> open_directory(const std::string& path,
                                                         bool create) override {
    return path == kRestoredDirectory ? memory_->open_directory(path, create)
                                      : storage_->open_directory(path, create);
  }
  log::StorageInfo describe(const log::Directory& directory) const override {
    return memory_->describe(directory);
  }
  std::uint64_t random() override { return storage_->random(); }

 private:
  const std::shared_ptr<log::Storage> storage_;
  const std::shared_ptr<sim::SimStorage> memory_ = std::make_shared<sim::SimStorage>();
};

}  // namespace

ArchiveScenario::ArchiveScenario(std::shared_ptr<log::Storage> storage, ArchiveKnowledge known)
    : storage_(std::move(storage)), known_(std::move(known)) {}

Status ArchiveScenario::recover(std::string* violation) {
  CAIRN_ASSIGN_OR_RETURN(
      std::unique_ptr<log::Log> log,
      known_.log.created
          ? log::Log::open(kArchivedLogDirectory, manual_options(storage_))
          : log::Log::open_or_create(kArchivedLogDirectory, small_log(), manual_options(storage_)));
  CAIRN_ASSIGN_OR_RETURN(const LogContents contents, read_contents(*log));
  *violation = known_.log.created ? known_.log.violation(contents) : std::string();
  if (violation->empty()) *violation = check_archive();
  if (!violation->empty()) return {};
  log_ = std::make_unique<ModelledLog>(std::move(log), known_.log.after_recovery(contents));
  known_.is_archiving = false;
  if (log_->model().streams.contains(kArchivedStream)) return {};
  return log_->create_stream(kArchivedStream);
}

// The log that the archive becomes must be the one that was archived.
std::string ArchiveScenario::check_archive() {
  if (known_.archived == nullptr) return {};
  const auto storage = std::make_shared<RestoringStorage>(storage_);
  log::ArchiveOptions options;
  options.storage = storage;
  const auto restored = log::restore(kArchiveDirectory, kRestoredDirectory, options);
  if (!restored) return "the archive: " + restored.status().to_string();
  const auto log = log::Log::open(kRestoredDirectory, manual_options(storage));
  if (!log) return "the restored log: " + log.status().to_string();
  const Result<LogContents> contents = read_contents(**log);
  if (!contents) return "the restored log: " + contents.status().to_string();
  const std::string wrong = known_.archived->violation(*contents);
  if (wrong.empty()) return {};
  if (!known_.is_archiving) return "the restored log: " + wrong;
  const std::string still_wrong = known_.log.violation(*contents);
  if (!still_wrong.empty()) return "the restored log: " + wrong + "; or: " + still_wrong;
  known_.archived = std::make_shared<const LogModel>(known_.log);
  return {};
}

ArchiveKnowledge ArchiveScenario::knowledge() const {
  ArchiveKnowledge now = known_;
  if (log_ != nullptr) now.log = log_->model();
  return now;
}

Status ArchiveScenario::step(sim::Random& random) {
  CAIRN_RETURN_IF_ERROR(append(random, log::Durability::kDurable));
  CAIRN_RETURN_IF_ERROR(archive());
  for (int i = 0; i < kRecordsNotFlushed; ++i) {
    CAIRN_RETURN_IF_ERROR(append(random, log::Durability::kWritten));
  }
  return {};
}

Status ArchiveScenario::append(sim::Random& random, log::Durability durability) {
  log::AppendOptions options;
  options.durability = durability;
  Bytes payload(random.below(kMostArchivedPayload));
  for (std::byte& byte : payload) byte = static_cast<std::byte>(random.below(256));
  Status status = log_->append(kArchivedStream, payload, options);
  if (status.code() != StatusCode::kLogFull) return status;
  CAIRN_RETURN_IF_ERROR(make_room());
  return log_->append(kArchivedStream, std::move(payload), options);
}

Status ArchiveScenario::archive() {
  known_.is_archiving = true;
  CAIRN_RETURN_IF_ERROR(log::archive(log_->log(), kArchiveDirectory).status());
  known_.archived = std::make_shared<const LogModel>(log_->model());
  known_.is_archiving = false;
  return {};
}

// What is given up is archived before.
Status ArchiveScenario::make_room() {
  CAIRN_RETURN_IF_ERROR(log_->flush());
  CAIRN_RETURN_IF_ERROR(archive());
  const auto& records = log_->model().streams.at(kArchivedStream).records;
  return records.empty() ? Status::ok()
                         : log_->advance_base(kArchivedStream, records.rbegin()->first);
}

}  // namespace cairn::torture
