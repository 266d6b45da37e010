// LogView: a log read only, without its lock.
#include <algorithm>
#include <atomic>
#include <mutex>
#include <utility>

#include <cairn/log.h>

#include "base_log.h"
#include "format/catalog_record.h"
#include "log_opener.h"
#include "read/end_of_log.h"
#include "read/read_source.h"

namespace cairn::log {

// One look at the files; refresh() takes another. Cursors keep the look they were made from.
class LogView::Impl final : public ReadHorizon {
 public:
  [[nodiscard]] static Result<std::unique_ptr<Impl>> look(const std::string& path,
                                                          const OpenOptions& options) {
    auto impl = std::make_unique<Impl>();
    impl->options_ = options;
    CAIRN_ASSIGN_OR_RETURN(impl->storage_, storage_of(options));
    CAIRN_ASSIGN_OR_RETURN(impl->directory_, impl->storage_->open_directory(path, false));
    CAIRN_RETURN_IF_ERROR(impl->scan());
    return impl;
  }

  // Reads the base log and everything behind its scan start anew.
  [[nodiscard]] Status scan() {
    for (unsigned tries = 1;; ++tries) {
      CAIRN_ASSIGN_OR_RETURN(const bool done, try_scan(tries < kScanTries));
      if (done) return Status::ok();
    }
  }

  // False, and nothing learned, if `may_retry` and the log moved on under the scan.
  [[nodiscard]] Result<bool> try_scan(bool may_retry) {
    CAIRN_ASSIGN_OR_RETURN(const BaseLog base, BaseLog::open(*directory_, OpenMode::kRead));
    CAIRN_RETURN_IF_ERROR(base.check_created());
    const format::LogGeometry geometry = geometry_of(base.slot());
    if (source_ == nullptr) {
      source_ = std::make_unique<ReadSource>(*directory_, geometry,
                                             options_.background == Background::kThread);
    } else {
      source_->forget_before(~std::uint64_t{0});
    }
    auto found = find_end(*source_, base.slot());
    const bool sound = found.is_ok() && !end_label_is_damage(found->end.label);
    if (!sound && may_retry) {
      // A process that writes the log may have recycled what the base log just pointed at. Then it
      // says so by now.
      CAIRN_ASSIGN_OR_RETURN(const BaseLog again, BaseLog::open(*directory_, OpenMode::kRead));
      if (again.slot().generation != base.slot().generation) return false;
    }
    if (!found.is_ok()) return found.status();
    const std::lock_guard lock(mutex_);
    slot_ = base.slot();
    calibration_ = base.calibration();
    calibration_fault_ = base.calibration_fault();
    found_ = std::move(found).value();
    looks_.fetch_add(1);
    return true;
  }

  [[nodiscard]] LogInfo info() const;
  [[nodiscard]] Result<RestartArea> restart_area(std::string_view stream);
  [[nodiscard]] ReadSource& source() { return *source_; }

  // What was read may be in caches only, of a process that was killed or still runs. A sync covers
  // it; the order of blocks makes a prefix of it that no recovery cuts off any more.
  [[nodiscard]] Status make_durable(ReadSource** source, const ReadHorizon** horizon, Lsn* tail,
                                    Lsn* end) {
    CAIRN_RETURN_IF_ERROR(end_status());
    const LogInfo seen = info();
    for (std::uint64_t number = seen.tail.container(seen.container_size);
         number <= seen.end.container(seen.container_size); ++number) {
      auto file = directory_->open(container_file_name(number), OpenMode::kReadWrite);
      if (file.code() == StatusCode::kNotFound) {
        StatusDetail detail;
        detail.lsn_begin = Lsn(number * seen.container_size);
        detail.file = directory_->path() + "/" + container_file_name(number);
        CAIRN_ASSIGN_OR_RETURN(const Lsn tail_by_now, tail_now());
        if (number < tail_by_now.container(seen.container_size)) {
          return Status(StatusCode::kStartOfLog,
                        detail.file +
                            ": the log's tail passed it since it was looked at and is at LSN " +
                            tail_by_now.to_string() + " by now",
                        detail);
        }
        return Status(
            StatusCode::kContainerMissing,
            detail.file + ": expected container " + std::to_string(number) + ", found no such file",
            detail);
      }
      CAIRN_RETURN_IF_ERROR(file.status());
      CAIRN_RETURN_IF_ERROR((*file)->sync());
    }
    *source = source_.get();
    *horizon = this;
    *tail = seen.tail;
    *end = seen.end;
    return Status::ok();
  }

  [[nodiscard]] Lsn tail() const override {
    const std::lock_guard lock(mutex_);
    return Lsn(slot_.tail);
  }
  // Whoever writes the log makes both slots say where the tail is before he recycles.
  [[nodiscard]] Result<Lsn> tail_now() const override {
    CAIRN_ASSIGN_OR_RETURN(const BaseLog base, BaseLog::open(*directory_, OpenMode::kRead));
    const Uuid seen = source_->geometry().log_id;
    const Uuid found = geometry_of(base.slot()).log_id;
    if (found == seen) return std::max(tail(), Lsn(base.slot().tail));
    return Status(StatusCode::kIdentityMismatch, directory_->path() + ": expected log " +
                                                     seen.to_string() + ", found log " +
                                                     found.to_string() + " in its place by now");
  }
  [[nodiscard]] Lsn last_block() const override {
    const std::lock_guard lock(mutex_);
    return found_.last_block;
  }
  [[nodiscard]] Lsn durable_end() const override {
    const std::lock_guard lock(mutex_);
    return found_.end.end;
  }
  [[nodiscard]] Status make_durable(Lsn lsn) override {
    if (lsn < durable_end()) return Status::ok();
    StatusDetail detail;
    detail.lsn_begin = lsn;
    return Status(StatusCode::kLsnInvalid,
                  "expected an LSN before the log's end " + durable_end().to_string() + ", found " +
                      lsn.to_string(),
                  detail);
  }
  [[nodiscard]] bool in_gap(Lsn lsn) const override {
    const std::lock_guard lock(mutex_);
    return found_.catalog.in_gap(lsn);
  }
  [[nodiscard]] std::optional<format::Gap> gap_behind(Lsn lsn) const override {
    const std::lock_guard lock(mutex_);
    return found_.catalog.gap_behind(lsn);
  }
  [[nodiscard]] std::uint64_t gap_changes() const override { return looks_.load(); }
  [[nodiscard]] Lsn stream_base(StreamId stream) const override {
    const std::lock_guard lock(mutex_);
    const Catalog::Entry* entry = found_.catalog.find(stream);
    return entry == nullptr ? Lsn::null() : entry->base;
  }
  [[nodiscard]] Status end_status() const override {
    const std::lock_guard lock(mutex_);
    if (!end_label_is_damage(found_.end.label)) return Status::ok();
    return damage_status(found_.end, *source_);
  }

 private:
  // How often a writer may outrun one look at the log.
  static constexpr unsigned kScanTries = 64;

  OpenOptions options_;
  std::shared_ptr<Storage> storage_;
  std::unique_ptr<Directory> directory_;
  std::unique_ptr<ReadSource> source_;
  mutable std::mutex mutex_;
  format::BaseSlot slot_{};
  std::optional<Calibration> calibration_;
  std::string calibration_fault_;
  FoundEnd found_;
  std::atomic<std::uint64_t> looks_{0};
};

LogInfo LogView::Impl::info() const {
  LogInfo info;
  info.path = directory_->path();
  const StorageInfo storage = storage_->describe(*directory_);
  const std::lock_guard lock(mutex_);
  const format::LogGeometry geometry = geometry_of(slot_);
  describe_storage(storage, plan_writes(storage, calibration_, options_, geometry), &info);
  if (!calibration_fault_.empty()) info.calibration_note = calibration_fault_;
  info.id = geometry.log_id;
  info.format_version = slot_.version;
  info.epoch = std::max(found_.end.epoch, slot_.epoch);
  info.container_size = geometry.container_size;
  info.max_size = slot_.max_size;
  info.block_size = geometry.block_size;
  info.alignment = geometry.alignment;
  info.max_record = format::max_payload(geometry.block_size);
  info.tail = Lsn(slot_.tail);
  info.durable = found_.end.end;
  info.end = found_.end.end;
  info.end_of_log = found_.end;
  for (const auto& [id, entry] : found_.catalog.entries()) {
    info.streams.push_back(
        {id, entry.name, entry.base, entry.last, entry.restart, entry.previous_restart, {}, {}});
  }
  info.policies.max_size = slot_.max_size;
  if (found_.catalog.policies()) info.policies = *found_.catalog.policies();
  info.max_size = info.policies.max_size;
  info.pins = found_.catalog.pins(info.end);
  const std::uint64_t active = info.end.container(info.container_size);
  const std::uint64_t first = info.tail.container(info.container_size);
  if (const auto numbers = source_->list_containers(); numbers.is_ok()) {
    for (const std::uint64_t number : *numbers) {
      ContainerState state = ContainerState::kInactive;
      if (number == active) state = ContainerState::kActive;
      if (number > active || number < first) state = ContainerState::kFree;
      info.containers.push_back({number, container_file_name(number), state});
    }
  }
  info.archive_tail = found_.catalog.archive_tail();
  const auto pin = found_.catalog.oldest_pin();
  mark_pending_archive(&info, std::min(pin ? pin->lsn : info.end, Lsn(slot_.scan_start)));
  return info;
}

Result<RestartArea> LogView::Impl::restart_area(std::string_view stream) {
  Lsn lsn;
  {
    const std::lock_guard lock(mutex_);
    const Catalog::Entry* entry = std::as_const(found_.catalog).find(stream);
    if (entry == nullptr) {
      return Status(StatusCode::kNotFound,
                    directory_->path() + ": no stream \"" + std::string(stream) + "\"");
    }
    lsn = entry->restart;
  }
  if (lsn.is_null()) {
    return Status(StatusCode::kNoRestartArea,
                  "stream \"" + std::string(stream) + "\" has no restart area");
  }
  AlignedBuffer buffer;
  CAIRN_ASSIGN_OR_RETURN(const Record record, source_->read_record(lsn, &buffer));
  return RestartArea{lsn, record.base, {record.payload.begin(), record.payload.end()}};
}

LogView::LogView(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
LogView::~LogView() = default;

Result<std::unique_ptr<LogView>> LogView::open(const std::string& path,
                                               const OpenOptions& options) {
  CAIRN_ASSIGN_OR_RETURN(auto impl, Impl::look(path, options));
  return std::unique_ptr<LogView>(new LogView(std::move(impl)));
}

LogInfo LogView::info() const { return impl_->info(); }

Result<Cursor> LogView::read(ReadOptions options) const {
  return impl_->source().make_cursor(std::move(options), impl_.get());
}

Result<RestartArea> LogView::read_restart_area(std::string_view stream) const {
  return impl_->restart_area(stream);
}

Result<bool> LogView::refresh() {
  const Lsn before = impl_->durable_end();
  CAIRN_RETURN_IF_ERROR(impl_->scan());
  return impl_->durable_end() > before;
}

Status LogView::make_durable(ReadSource** source, const ReadHorizon** horizon, Lsn* tail,
                             Lsn* end) const {
  return impl_->make_durable(source, horizon, tail, end);
}

std::string describe_catalog_record(const Record& record) {
  const auto decoded = format::decode_catalog(record.type, record.payload, record.lsn);
  return decoded.is_ok() ? format::describe(*decoded) : decoded.status().to_string();
}

}  // namespace cairn::log
