#include "append/container_set.h"

#include <array>
#include <utility>

#include "format/catalog_record.h"
#include "read/read_source.h"

namespace cairn::log {
namespace {

constexpr std::string_view kSparePrefix = "spare-";
constexpr std::string_view kNewPrefix = "new-";
constexpr std::string_view kSpareSuffix = ".cairn";
constexpr std::string_view kNewSuffix = ".tmp";

bool is_named(std::string_view name, std::string_view prefix, std::string_view suffix) {
  return name.size() > prefix.size() + suffix.size() && name.starts_with(prefix) &&
         name.ends_with(suffix);
}

Status file_error(StatusCode code, const std::string& file, const std::string& what) {
  StatusDetail detail;
  detail.file = file;
  return Status(code, file + ": " + what, detail);
}

}  // namespace

void ContainerSet::count() {
  spare_count_.store(spares_.size(), std::memory_order_relaxed);
  container_count_.store(numbers_.size() + spares_.size(), std::memory_order_relaxed);
}

std::string ContainerSet::spare_name() {
  return std::string(kSparePrefix) + std::to_string(storage_->random()) + std::string(kSpareSuffix);
}

Status ContainerSet::adopt(std::uint64_t first, std::uint64_t last, std::uint64_t spare_max) {
  const std::lock_guard lock(mutex_);
  CAIRN_ASSIGN_OR_RETURN(const std::vector<std::string> names, directory_->list());
  std::vector<std::uint64_t> unused;
  for (const std::string& name : names) {
    std::uint64_t number;
    if (parse_container_file_name(name, &number)) {
      numbers_.insert(number);
      if (number < first || number > last) unused.push_back(number);
    } else if (is_named(name, kSparePrefix, kSpareSuffix)) {
      CAIRN_ASSIGN_OR_RETURN(const auto file, directory_->open(name, OpenMode::kRead));
      CAIRN_ASSIGN_OR_RETURN(const std::uint64_t size, file->size());
      if (size == geometry_.container_size) {
        spares_.push_back(name);
      } else {
        // Holds nothing of the log and cannot become a container.
        CAIRN_RETURN_IF_ERROR(directory_->remove(name));
      }
    } else if (is_named(name, kNewPrefix, kNewSuffix)) {
      CAIRN_RETURN_IF_ERROR(directory_->remove(name));
    }
  }
  CAIRN_RETURN_IF_ERROR(check(first, last));
  for (const std::uint64_t number : unused) {
    CAIRN_RETURN_IF_ERROR(to_spare_or_remove(number, spares_.size() < spare_max).status());
  }
  count();
  return Status::ok();
}

Status ContainerSet::check(std::uint64_t first, std::uint64_t last) const {
  for (std::uint64_t number = first; number <= last; ++number) {
    const std::string name = container_file_name(number);
    const std::string shown = directory_->path() + "/" + name;
    const std::string where =
        "LSN " + std::to_string(number * geometry_.container_size) + " and on";
    const auto file = directory_->open(name, OpenMode::kRead);
    if (file.code() == StatusCode::kNotFound) {
      return file_error(
          StatusCode::kContainerMissing, shown,
          "expected container " + std::to_string(number) + " (" + where + "), found no such file");
    }
    if (!file.is_ok()) return file.status();
    CAIRN_ASSIGN_OR_RETURN(const std::uint64_t size, (*file)->size());
    if (size != geometry_.container_size) {
      return file_error(StatusCode::kContainerSize, shown,
                        "expected " + std::to_string(geometry_.container_size) + " bytes, found " +
                            std::to_string(size) + " (" + where + ")");
    }
  }
  return Status::ok();
}

// A file of another size (a log of an older geometry, or one cut short while it was unused) is of
// no use as a spare. True: it became one.
Result<bool> ContainerSet::to_spare_or_remove(std::uint64_t number, bool keep) {
  const std::string name = container_file_name(number);
  CAIRN_ASSIGN_OR_RETURN(const auto file, directory_->open(name, OpenMode::kRead));
  CAIRN_ASSIGN_OR_RETURN(const std::uint64_t size, file->size());
  if (!keep || size != geometry_.container_size) {
    CAIRN_RETURN_IF_ERROR(directory_->remove(name));
    numbers_.erase(number);
    return false;
  }
  std::string spare = spare_name();
  CAIRN_RETURN_IF_ERROR(directory_->rename(name, spare));
  numbers_.erase(number);
  spares_.push_back(std::move(spare));
  recycled_.fetch_add(1, std::memory_order_relaxed);
  return true;
}

Status ContainerSet::make_spare() {
  const std::string temporary =
      std::string(kNewPrefix) + std::to_string(storage_->random()) + std::string(kNewSuffix);
  CAIRN_ASSIGN_OR_RETURN(auto file, directory_->open(temporary, OpenMode::kCreate));
  Status status = directory_->fill_zero(*file, geometry_.container_size);
  std::string spare = spare_name();
  if (status.is_ok()) status = directory_->rename(temporary, spare);
  if (!status.is_ok()) {
    file.reset();
    if (const Status removed = directory_->remove(temporary); !removed.is_ok()) {
      return status.with_context("and the unfinished file stays (" + removed.message() + ")");
    }
    return status;
  }
  const std::lock_guard lock(mutex_);
  spares_.push_back(std::move(spare));
  made_.fetch_add(1, std::memory_order_relaxed);
  count();
  return Status::ok();
}

Result<ReadyContainer> ContainerSet::make_ready(std::uint64_t number, Lsn first_block,
                                                const ContainerFacts& facts) {
  const std::string name = container_file_name(number);
  std::unique_lock lock(mutex_);
  // It is there already if an earlier try got no further than its name.
  if (!numbers_.contains(number)) {
    if (spares_.empty()) {
      lock.unlock();
      CAIRN_RETURN_IF_ERROR(make_spare());
      lock.lock();
    }
    CAIRN_RETURN_IF_ERROR(directory_->rename(spares_.back(), name));
    spares_.pop_back();
    numbers_.insert(number);
    count();
  }
  lock.unlock();
  ReadyContainer ready;
  ready.number = number;
  ready.identity = {geometry_.log_id, storage_->random()};
  ready.first_block = first_block;
  CAIRN_ASSIGN_OR_RETURN(ready.file, directory_->open(name, OpenMode::kReadWrite));
  CAIRN_RETURN_IF_ERROR(write_header(*ready.file, number, first_block, facts, ready.identity));
  CAIRN_RETURN_IF_ERROR(directory_->sync_directory());
  return ready;
}

Status ContainerSet::write_header(File& file, std::uint64_t number, Lsn first_block,
                                  const ContainerFacts& facts,
                                  const format::ContainerIdentity& identity) {
  format::ContainerHeader content{};
  content.number = number;
  content.container_size = geometry_.container_size;
  content.max_size = facts.max_size;
  content.scan_start = facts.scan_start.value();
  content.tail = facts.tail.value();
  content.first_block = first_block.value();
  content.block_size = geometry_.block_size;
  content.alignment = geometry_.alignment;
  const auto encoded = format::encode_catalog(content);
  const Lsn start(number * geometry_.container_size);

  AlignedBuffer block(geometry_.alignment);
  constexpr std::uint32_t kAt = sizeof(format::BlockHeader);
  const auto size = static_cast<std::uint32_t>(format::record_size(encoded.payload.size()));
  const std::array<std::span<const std::byte>, 1> pieces{encoded.payload};
  format::RecordFields record;
  record.kind = RecordKind::kCatalog;
  record.type = static_cast<std::uint16_t>(encoded.type);
  format::encode_record(block.bytes().subspan(kAt, size), record, pieces, kAt,
                        format::record_seed(format::container_seed(identity), start + kAt));
  format::BlockFields fields;
  fields.kind = format::BlockKind::kContainerHeader;
  fields.lsn = start;
  fields.epoch = facts.epoch;
  fields.record_count = 1;
  fields.window = facts.window;
  format::seal_block(block.bytes(), kAt + size, geometry_.alignment, fields, identity);
  CAIRN_RETURN_IF_ERROR(file.write(0, block.bytes()));
  return file.sync();
}

Result<ReadyContainer> ContainerSet::open_existing(std::uint64_t number,
                                                   const format::ContainerIdentity& identity,
                                                   Lsn first_block) {
  ReadyContainer ready;
  ready.number = number;
  ready.identity = identity;
  ready.first_block = first_block;
  CAIRN_ASSIGN_OR_RETURN(ready.file,
                         directory_->open(container_file_name(number), OpenMode::kReadWrite));
  return ready;
}

ContainerSet::Recycled ContainerSet::recycle_before(std::uint64_t number, std::uint64_t keep) {
  const std::lock_guard lock(mutex_);
  Recycled recycled;
  while (recycled.status.is_ok() && !numbers_.empty() && *numbers_.begin() < number) {
    const auto kept = to_spare_or_remove(*numbers_.begin(), recycled.kept < keep);
    if (!kept.is_ok()) {
      recycled.status = kept.status();
    } else {
      ++(*kept ? recycled.kept : recycled.removed);
    }
  }
  count();
  return recycled;
}

ContainerSet::Removed ContainerSet::remove_spares(std::uint64_t count_wanted) {
  const std::lock_guard lock(mutex_);
  Removed removed;
  while (removed.status.is_ok() && removed.count < count_wanted && !spares_.empty()) {
    removed.status = directory_->remove(spares_.back());
    if (!removed.status.is_ok()) break;
    spares_.pop_back();
    ++removed.count;
  }
  count();
  return removed;
}

std::vector<ContainerInfo> ContainerSet::list(std::uint64_t active) const {
  const std::lock_guard lock(mutex_);
  std::vector<ContainerInfo> all;
  for (const std::uint64_t number : numbers_) {
    const auto state = number == active  ? ContainerState::kActive
                       : number < active ? ContainerState::kInactive
                                         : ContainerState::kFree;
    all.push_back({number, container_file_name(number), state});
  }
  for (const std::string& spare : spares_) all.push_back({0, spare, ContainerState::kFree});
  return all;
}

}  // namespace cairn::log
