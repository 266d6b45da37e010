#include "log_opener.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <utility>

#include "calibration/calibrator.h"
#include "file_syncs.h"
#include "format/catalog_record.h"
#include "unfinished_creation.h"

namespace cairn::log {
namespace {

constexpr std::uint32_t kMinBlockSize = 64 * 1024;
constexpr std::uint32_t kMaxBlockSize = 1024 * 1024;
constexpr std::uint64_t kMinNewContainers = 4;

Status bad_option(const char* name, const std::string& expected, std::uint64_t found) {
  return Status(StatusCode::kInvalidArgument,
                std::string(name) + ": expected " + expected + ", found " + std::to_string(found));
}

// A record of the engine, written into a block that is not in the ring yet.
std::uint32_t put_record(AlignedBuffer& block, std::uint32_t at, Lsn block_lsn, std::uint64_t seed,
                         const format::CatalogRecord& record) {
  const auto encoded = format::encode_catalog(record);
  const std::array<std::span<const std::byte>, 1> pieces{encoded.payload};
  const auto size = static_cast<std::uint32_t>(format::record_size(encoded.payload.size()));
  format::RecordFields fields;
  fields.kind = RecordKind::kCatalog;
  fields.type = static_cast<std::uint16_t>(encoded.type);
  format::encode_record(block.bytes().subspan(at, size), fields, pieces, at,
                        format::record_seed(seed, block_lsn + at));
  return at + size;
}

// Writes a block of a log that is being created. Returns the LSN behind it.
Result<Lsn> write_block(const ReadyContainer& container, const format::LogGeometry& geometry,
                        AlignedBuffer& block, std::uint32_t used, std::uint32_t records,
                        Lsn previous, Lsn lsn) {
  format::BlockFields fields;
  fields.lsn = lsn;
  fields.previous_block = previous;
  fields.watermark = lsn;
  fields.record_count = records;
  fields.window = geometry.block_size;
  const std::uint32_t padded =
      format::seal_block(block.bytes(), used, geometry.alignment, fields, container.identity);
  CAIRN_RETURN_IF_ERROR(
      container.file->write(lsn.value(), std::as_const(block).bytes().first(padded)));
  return lsn + padded;
}

}  // namespace

Result<std::shared_ptr<Storage>> storage_of(const OpenOptions& options) {
  if (options.storage != nullptr) return options.storage;
  return make_storage();
}

std::string_view durable_writes_name(DurableWrites how) {
  switch (how) {
    case DurableWrites::kAutomatic:
      return "automatic";
    case DurableWrites::kPerWrite:
      return "per write";
    case DurableWrites::kPerPrefix:
      return "per prefix";
  }
  return "unknown";
}

void describe_storage(const StorageInfo& storage, const WritePlan& plan, LogInfo* info) {
  info->storage = storage;
  info->storage.durable_writes = plan.durable_writes;
  info->storage.durable_writes_reason = plan.durable_writes_reason;
  info->depth = plan.depth;
  info->depth_reason = plan.depth_reason;
  info->calibration = plan.calibration;
  info->calibration_note = plan.calibration_note;
}

Result<std::unique_ptr<LogCore>> LogCore::create(const std::string& path,
                                                 const CreateOptions& create_options,
                                                 const OpenOptions& options) {
  return LogOpener(path, options).create(create_options);
}

Result<std::unique_ptr<LogCore>> LogCore::open(const std::string& path,
                                               const OpenOptions& options) {
  return LogOpener(path, options).open();
}

Status LogOpener::check_options() const {
  if (options_.blocks != 0 && (options_.blocks < 4 || options_.blocks > 64)) {
    return bad_option("blocks", "0 or 4 to 64", options_.blocks);
  }
  if (options_.depth > 32) return bad_option("depth", "0 to 32", options_.depth);
  if (options_.stall_limit < std::chrono::milliseconds(0) ||
      options_.stall_limit > std::chrono::hours(24)) {
    return Status(StatusCode::kInvalidArgument, "stall_limit: expected 0 to 24 hours, found " +
                                                    std::to_string(options_.stall_limit.count()) +
                                                    " milliseconds");
  }
  return Status::ok();
}

Status LogOpener::open_directory(bool create) {
  CAIRN_RETURN_IF_ERROR(check_options());
  core_.reset(new LogCore());
  core_->options_ = options_;
  CAIRN_ASSIGN_OR_RETURN(core_->storage_, storage_of(options_));
  CAIRN_ASSIGN_OR_RETURN(core_->directory_, core_->storage_->open_directory(path_, create));
  return Status::ok();
}

// --- creating ---

Result<std::unique_ptr<LogCore>> LogOpener::create(const CreateOptions& create_options) {
  CAIRN_RETURN_IF_ERROR(open_directory(true));
  CAIRN_RETURN_IF_ERROR(clear_unfinished_creation(*core_->directory_, options_.lock_wait));
  CAIRN_ASSIGN_OR_RETURN(const std::vector<std::string> names, core_->directory_->list());
  if (!names.empty()) {
    return Status(StatusCode::kInvalidArgument,
                  path_ + ": expected an empty directory for a new log, found " + names.front());
  }
  CAIRN_ASSIGN_OR_RETURN(const format::BaseSlot slot, first_slot(create_options));
  // The base log comes first and says that the log is being created, so that what a crash leaves
  // behind can be told from a log that lost its base log.
  Status status = BaseLog::create(*core_->directory_, slot);
  if (status.is_ok()) {
    CAIRN_ASSIGN_OR_RETURN(const auto lock, lock_creation(slot));
    status = write_first_container(slot, create_options, lock.get());
  }
  if (!status.is_ok()) {
    if (const Status cleared = clear_unfinished_creation(*core_->directory_, options_.lock_wait);
        !cleared.is_ok()) {
      return status.with_context(
          "creating the log failed, and what is there could not be removed (" + cleared.message() +
          ")");
    }
    return status;
  }
  LogOpener opener(path_, options_);
  opener.calibration_note_ = calibration_note_;
  return opener.open();
}

// Held while the first container is made, so that no other creator takes this for what a crash left
// behind. Error: kAlreadyExists if one did so before the lock was taken.
Result<std::unique_ptr<DirectoryLock>> LogOpener::lock_creation(const format::BaseSlot& slot) {
  Directory& directory = *core_->directory_;
  CAIRN_ASSIGN_OR_RETURN(auto lock, directory.lock(format::kBaseFileName, options_.lock_wait));
  const auto base = BaseLog::open(directory, OpenMode::kRead);
  if (base.is_ok() && std::memcmp(base->slot().log_id, slot.log_id, sizeof slot.log_id) == 0) {
    return lock;
  }
  return Status(StatusCode::kAlreadyExists, path_ + ": another creator of this log came first");
}

Result<format::BaseSlot> LogOpener::first_slot(const CreateOptions& create_options) const {
  const StorageInfo info = core_->storage_->describe(*core_->directory_);
  format::BaseSlot slot{};
  slot.container_size = create_options.container_size;
  if (!std::has_single_bit(slot.container_size) || slot.container_size < kMinContainerSize ||
      slot.container_size > kMaxContainerSize) {
    return bad_option("container_size", "a power of two from 1 MiB to 1 GiB", slot.container_size);
  }
  slot.block_size = create_options.block_size;
  const std::uint64_t largest = std::min<std::uint64_t>(kMaxBlockSize, slot.container_size / 16);
  if (slot.block_size == 0) slot.block_size = static_cast<std::uint32_t>(largest);
  if (!std::has_single_bit(slot.block_size) || slot.block_size < kMinBlockSize ||
      slot.block_size > largest) {
    return bad_option("block_size", "a power of two from 65536 to " + std::to_string(largest),
                      slot.block_size);
  }
  slot.alignment = create_options.alignment;
  if (slot.alignment == 0) {
    slot.alignment = std::clamp(std::max(info.physical_sector, info.alignment), 512U, 4096U);
  }
  if (!std::has_single_bit(slot.alignment) || slot.alignment > 4096 ||
      slot.alignment < std::max(512U, info.alignment)) {
    return bad_option("alignment",
                      "a power of two from " + std::to_string(std::max(512U, info.alignment)) +
                          " (asked for by the storage) to 4096",
                      slot.alignment);
  }
  slot.max_size = create_options.max_size / slot.container_size * slot.container_size;
  if (create_options.max_size != 0 && slot.max_size < kMinNewContainers * slot.container_size) {
    return bad_option("max_size",
                      "0 or at least " + std::to_string(kMinNewContainers * slot.container_size) +
                          " (4 containers)",
                      create_options.max_size);
  }
  const Uuid id = Uuid::generate();
  std::memcpy(slot.log_id, id.bytes.data(), sizeof slot.log_id);
  slot.generation = 1;
  slot.state = static_cast<std::uint64_t>(format::BaseState::kCreating);
  slot.scan_start = slot.alignment;
  slot.tail = slot.alignment;
  return slot;
}

// Container 0 with an empty snapshot, then the base log's word that the log is there.
Status LogOpener::write_first_container(const format::BaseSlot& slot,
                                        const CreateOptions& create_options,
                                        const DirectoryLock* lock) {
  const format::LogGeometry geometry = geometry_of(slot);
  ContainerSet containers(*core_->directory_, *core_->storage_, geometry);
  ContainerFacts facts;
  facts.max_size = slot.max_size;
  facts.scan_start = Lsn(slot.scan_start);
  facts.tail = Lsn(slot.tail);
  facts.window = geometry.block_size;
  const Lsn first_block(geometry.alignment);
  CAIRN_ASSIGN_OR_RETURN(const ReadyContainer ready, containers.make_ready(0, first_block, facts));

  // An empty snapshot, and a closing mark: what was created is a log that was closed cleanly.
  const std::uint64_t seed = format::container_seed(ready.identity);
  AlignedBuffer block(4096);
  constexpr std::uint32_t kFirst = sizeof(format::BlockHeader);
  std::uint32_t used = put_record(block, kFirst, first_block, seed, format::SnapshotBegin{1});
  used = put_record(block, used, first_block, seed, format::SnapshotEnd{first_block + kFirst});
  CAIRN_ASSIGN_OR_RETURN(const Lsn mark_block,
                         write_block(ready, geometry, block, used, 2, Lsn(), first_block));
  used = put_record(block, kFirst, mark_block, seed, format::Mark{mark_block.value(), 1});
  CAIRN_ASSIGN_OR_RETURN(const Lsn end,
                         write_block(ready, geometry, block, used, 1, first_block, mark_block));
  CAIRN_RETURN_IF_ERROR(ready.file->sync());

  CAIRN_ASSIGN_OR_RETURN(BaseLog base, BaseLog::open(*core_->directory_, OpenMode::kReadWrite));
  if (create_options.calibrate) CAIRN_RETURN_IF_ERROR(calibrate_new_log(lock, &base));
  format::BaseSlot done = base.slot();
  done.state = static_cast<std::uint64_t>(format::BaseState::kOpen);
  done.durable = end.value();
  CAIRN_RETURN_IF_ERROR(base.write(done));
  return base.write(done);
}

// Only a write that failed is an error: then the device is not one to make a log on.
Status LogOpener::calibrate_new_log(const DirectoryLock* lock, BaseLog* base) {
  LogCore& core = *core_;
  if (!core.storage_->describe(*core.directory_).measurable) return Status::ok();
  auto made = make_calibration(*core.storage_, *core.directory_, lock, base->slot(),
                               kCreationMeasures, options_.time);
  if (made.is_ok()) {
    base->set_calibration(std::move(made).value());
  } else if (made.code() == StatusCode::kIoError) {
    return made.status();
  } else {
    calibration_note_ = made.status().message();
  }
  return Status::ok();
}

// --- opening ---

Result<std::unique_ptr<LogCore>> LogOpener::open() {
  CAIRN_RETURN_IF_ERROR(open_directory(false));
  LogCore& core = *core_;
  // Before the lock: a directory that is no log, or a newer one, is told as such and not touched.
  CAIRN_RETURN_IF_ERROR(BaseLog::open(*core.directory_, OpenMode::kRead).status());
  CAIRN_ASSIGN_OR_RETURN(core.lock_,
                         core.directory_->lock(format::kBaseFileName, options_.lock_wait));
  CAIRN_ASSIGN_OR_RETURN(BaseLog base, BaseLog::open(*core.directory_, OpenMode::kReadWrite));
  core.base_ = std::make_unique<BaseLog>(std::move(base));
  const format::BaseSlot slot = core.base_->slot();
  CAIRN_RETURN_IF_ERROR(core.base_->check_created());
  core.geometry_ = geometry_of(slot);
  core.pins_.set_container_size(slot.container_size);
  core.max_size_ = slot.max_size;
  const StorageInfo info = core.storage_->describe(*core.directory_);
  if (info.alignment > core.geometry_.alignment) {
    return Status(StatusCode::kNotSupported, path_ + ": the storage asks for I/O aligned to " +
                                                 std::to_string(info.alignment) +
                                                 " bytes, the log was made with " +
                                                 std::to_string(core.geometry_.alignment));
  }
  core.source_ = std::make_unique<ReadSource>(*core.directory_, core.geometry_,
                                              options_.background == Background::kThread);
  core.containers_ =
      std::make_unique<ContainerSet>(*core.directory_, *core.storage_, core.geometry_);
  CAIRN_ASSIGN_OR_RETURN(FoundEnd found, find_durable_end(slot));
  if (end_label_is_damage(found.end.label)) {
    CAIRN_RETURN_IF_ERROR(check_files(slot));
    return damage_status(found.end, *core.source_);
  }
  core.found_end_ = found.end;
  core.epoch_ = std::max(found.end.epoch, slot.epoch) + 1;
  core.tail_.store(slot.tail);
  core.scan_start_.store(slot.scan_start);
  core.plan_ = plan_writes(info, core.base_->calibration(), options_, core.geometry_);
  if (core.plan_.calibration_note.empty()) {
    core.plan_.calibration_note =
        calibration_note_.empty() ? core.base_->calibration_fault() : calibration_note_;
  }
  window_ = core.plan_.blocks * core.geometry_.block_size;

  CAIRN_RETURN_IF_ERROR(read_policies(found.catalog));
  CAIRN_RETURN_IF_ERROR(upgrade_format());
  const Continuation to = choose_continuation(found);
  CAIRN_ASSIGN_OR_RETURN(ReadyContainer container, prepare_containers(found, to));
  CAIRN_RETURN_IF_ERROR(write_epoch_block(found, to));
  CAIRN_RETURN_IF_ERROR(vouch_for_epoch_block(to));
  core.catalog_ = std::move(found.catalog);
  const Lsn dead = to.epoch_block + core.geometry_.alignment;
  if (dead < to.position) core.catalog_.add_gap(dead, to.position);
  CAIRN_RETURN_IF_ERROR(start_writer(std::move(container), to));
  CAIRN_RETURN_IF_ERROR(core.catch_up());
  return std::move(core_);
}

// Policies that were never set are the defaults, with the maximum from the log's creation.
Status LogOpener::read_policies(const Catalog& catalog) {
  LogCore& core = *core_;
  Policies policies;
  policies.max_size = core.max_size_.load();
  if (catalog.policies()) {
    policies = *catalog.policies();
    const Status status = check_policies(policies, core.geometry_.container_size,
                                         format::max_payload(core.geometry_.block_size));
    if (!status.is_ok()) return Status(StatusCode::kCorrupt, path_ + ": " + status.message());
    core.max_size_.store(policies.max_size);
  }
  core.ledger_ = std::make_unique<SpaceLedger>(core.geometry_, policies);
  return Status::ok();
}

// Both slots: code that reads only older versions looks at each of them.
Status LogOpener::upgrade_format() {
  BaseLog& base = *core_->base_;
  if (base.slot().version == format::kFormatVersion) return Status::ok();
  CAIRN_RETURN_IF_ERROR(base.write(base.slot()));
  return base.write(base.slot());
}

// A container that is missing or cut short is a plainer answer than the damage that follows from
// it.
Status LogOpener::check_files(const format::BaseSlot& slot) const {
  ReadSource& source = *core_->source_;
  const std::uint64_t size = core_->geometry_.container_size;
  CAIRN_ASSIGN_OR_RETURN(const std::vector<std::uint64_t> numbers, source.list_containers());
  const std::uint64_t first = Lsn(slot.tail).container(size);
  const std::uint64_t last = Lsn(slot.durable).container(size);
  ContainerSet probe(*core_->directory_, *core_->storage_, core_->geometry_);
  return probe.check(first, std::max(last, numbers.empty() ? 0 : numbers.back()));
}

// What is read may be in caches only, of a process that was killed. It is made durable while it is
// read, and before anything is made of it.
Result<FoundEnd> LogOpener::find_durable_end(const format::BaseSlot& slot) {
  CAIRN_ASSIGN_OR_RETURN(const std::vector<std::uint64_t> numbers,
                         core_->source_->list_containers());
  const std::uint64_t first = Lsn(slot.scan_start).container(core_->geometry_.container_size);
  FileSyncs syncs(*core_->directory_, core_->lock_.get());
  for (const std::uint64_t number : numbers) {
    if (number >= first) CAIRN_RETURN_IF_ERROR(syncs.begin(container_file_name(number)));
  }
  Result<FoundEnd> found = find_end(*core_->source_, slot);
  const Status names = core_->directory_->sync_directory();
  CAIRN_RETURN_IF_ERROR(syncs.finish());
  CAIRN_RETURN_IF_ERROR(names);
  return found;
}

LogOpener::Continuation LogOpener::choose_continuation(const FoundEnd& found) const {
  const format::LogGeometry& geometry = core_->geometry_;
  const std::uint64_t size = geometry.container_size;
  const Lsn end = found.end.end;
  const Lsn limit((end.container(size) + 1) * size - geometry.alignment);
  // After a clean close no LSN was given out behind the end.
  const bool clean = found.end.label == EndLabel::kCleanClose;
  const std::uint64_t window = std::min<std::uint64_t>(std::max(found.window, window_), size / 2);
  const std::uint64_t jump = clean ? geometry.alignment : geometry.alignment + window;
  const Lsn here = end + jump;
  // A block that did not fit any more may have sent later ones into the next container, so LSNs of
  // that one can have been given out as soon as less than a block's room was left.
  if (here + (clean ? geometry.alignment : geometry.block_size) <= limit) return {end, here};
  const Lsn next_start((end.container(size) + 1) * size);
  return {end, next_start + jump};
}

Result<ReadyContainer> LogOpener::prepare_containers(const FoundEnd& found,
                                                     const Continuation& to) {
  LogCore& core = *core_;
  const std::uint64_t size = core.geometry_.container_size;
  const std::uint64_t last = found.end.end.container(size);
  const std::uint64_t target = to.position.container(size);
  CAIRN_RETURN_IF_ERROR(core.containers_->adopt(core.tail().container(size), last,
                                                core.ledger_->policies().spare_max));
  if (target == last) {
    CAIRN_ASSIGN_OR_RETURN(const auto opened, core.source_->container(last));
    return core.containers_->open_existing(last, opened->identity,
                                           Lsn(opened->content.first_block));
  }
  core.source_->forget(target);
  ContainerFacts facts;
  facts.max_size = core.max_size_;
  facts.scan_start = Lsn(core.scan_start_.load());
  facts.tail = core.tail();
  facts.epoch = core.epoch_;
  facts.window = window_;
  return core.containers_->make_ready(target, to.position, facts);
}

Status LogOpener::write_epoch_block(const FoundEnd& found, const Continuation& to) {
  LogCore& core = *core_;
  const std::uint64_t size = core.geometry_.container_size;
  const std::uint64_t number = to.epoch_block.container(size);
  CAIRN_ASSIGN_OR_RETURN(const auto opened, core.source_->container(number));
  CAIRN_ASSIGN_OR_RETURN(const auto file,
                         core.directory_->open(container_file_name(number), OpenMode::kReadWrite));
  AlignedBuffer block(core.geometry_.alignment);
  format::BlockFields fields;
  fields.kind = format::BlockKind::kEpoch;
  fields.lsn = to.epoch_block;
  fields.previous_block = found.last_block;
  fields.watermark = to.epoch_block;
  fields.continue_lsn = to.position;
  fields.epoch = core.epoch_;
  fields.window = window_;
  format::seal_block(block.bytes(), sizeof(format::BlockHeader), core.geometry_.alignment, fields,
                     opened->identity);
  CAIRN_RETURN_IF_ERROR(file->write(to.epoch_block.offset(size), block.bytes()));
  return file->sync();
}

// The gap behind an epoch block can be as long as the window, so that whoever finds it damaged sees
// no later block that proves it. From here on the base log does.
Status LogOpener::vouch_for_epoch_block(const Continuation& to) {
  BaseLog& base = *core_->base_;
  format::BaseSlot slot = base.slot();
  slot.state = static_cast<std::uint64_t>(format::BaseState::kOpen);
  slot.epoch = core_->epoch_;
  slot.durable = std::max(slot.durable, to.epoch_block.value() + core_->geometry_.alignment);
  return base.write(slot);
}

Status LogOpener::start_writer(ReadyContainer container, const Continuation& to) {
  LogCore& core = *core_;
  BlockWriter::Config config;
  config.geometry = core.geometry_;
  config.blocks = core.plan_.blocks;
  config.depth = core.plan_.depth;
  config.durable_writes = core.plan_.durable_writes != DurableWrites::kPerPrefix;
  config.background = options_.background == Background::kThread;
  config.time = options_.time;
  config.provide_container = [&core] { return core.provide_container(true); };
  // One more than the writes: a sync goes beside them.
  CAIRN_ASSIGN_OR_RETURN(auto queue,
                         core.directory_->make_queue(config.depth + 1, core.lock_.get()));
  if (queue->depth() < config.depth) {
    core.plan_.depth_reason = "all that the storage takes at once";
    core.plan_.depth = config.depth = std::max(1U, queue->depth());
  }
  core.ledger_->begin(core.containers_->containers(), core.containers_->spares(), container.number);
  core.recount_catalog();
  WriterStart start;
  start.container = std::move(container);
  start.position = to.position;
  start.previous_block = to.epoch_block;
  start.epoch = core.epoch_;
  core.writer_ =
      std::make_unique<BlockWriter>(std::move(config), std::move(queue), std::move(start));
  core.writer_->set_health_signal(&core.space_signal_);
  core.house_asked_ = true;
  if (options_.background == Background::kThread) {
    core.writer_->set_driver_signal(&core.house_signal_);
    core.house_ = std::thread([&core] { core.run_thread(); });
    if (options_.stall_limit.count() > 0) {
      core.stall_thread_ = std::thread([&core] { core.run_stall_thread(); });
    }
    core.maker_ = std::thread([&core] { core.run_maker(); });
  }
  return Status::ok();
}

}  // namespace cairn::log
