#include <optional>

#include "world.h"

namespace cairn::sim {

namespace {

class SimLock final : public log::DirectoryLock {
 public:
  explicit SimLock(std::shared_ptr<LockTable::Hold> hold) : hold_(std::move(hold)) {}
  [[nodiscard]] const std::shared_ptr<LockTable::Hold>& hold() const { return hold_; }

 private:
  std::shared_ptr<LockTable::Hold> hold_;
};

class SimDirectory final : public log::Directory {
 public:
  SimDirectory(std::shared_ptr<World> world, std::string path)
      : world_(std::move(world)), path_(std::move(path)) {}

  [[nodiscard]] Result<std::unique_ptr<log::File>> open(std::string_view name,
                                                        log::OpenMode mode) override;
  [[nodiscard]] Status rename(std::string_view from, std::string_view to) override;
  [[nodiscard]] Status remove(std::string_view name) override;
  [[nodiscard]] Result<std::vector<std::string>> list() const override;
  [[nodiscard]] Status sync_directory() override;
  [[nodiscard]] Status fill_zero(log::File& file, std::uint64_t size) override;
  [[nodiscard]] Result<std::unique_ptr<log::DirectoryLock>> lock(
      std::string_view name, std::chrono::milliseconds limit) override;
  [[nodiscard]] Result<std::unique_ptr<log::IoQueue>> make_queue(
      unsigned depth, const log::DirectoryLock* lock) override;
  [[nodiscard]] unsigned read_depth() const override { return world_->options.read_depth; }
  [[nodiscard]] const std::string& path() const override { return path_; }

 private:
  [[nodiscard]] std::string full(std::string_view name) const {
    return path_ + "/" + std::string(name);
  }
  // Counts a change of names and finds what forbids it. REQUIRES: the mutex is held.
  [[nodiscard]] Status begin_change(IoKind kind, const std::string& what);

  std::shared_ptr<World> world_;
  std::string path_;
};

Status check_name(std::string_view name) {
  if (!name.empty() && name.find('/') == std::string_view::npos) return {};
  return Status(StatusCode::kInvalidArgument,
                "'" + std::string(name) + "' is not the name of a file in a directory");
}

Status SimDirectory::begin_change(IoKind kind, const std::string& what) {
  if (world_->read_only.contains(path_)) {
    return Status(StatusCode::kPermissionDenied, what + ": read-only directory");
  }
  const World::Begun begun = world_->begin(kind, what);
  CAIRN_RETURN_IF_ERROR(begun.status);
  return begun.fault ? fault_status(*begun.fault, what) : Status();
}

Result<std::unique_ptr<log::File>> SimDirectory::open(std::string_view name, log::OpenMode mode) {
  CAIRN_RETURN_IF_ERROR(check_name(name));
  const std::lock_guard lock(world_->mutex);
  if (world_->crashed) return world_->crash_status();
  std::optional<FileId> file = world_->disk.find(path_, name);
  if (mode == log::OpenMode::kCreate) {
    if (file) return Status(StatusCode::kAlreadyExists, full(name) + ": exists");
    CAIRN_RETURN_IF_ERROR(begin_change(IoKind::kCreate, "create " + full(name)));
    file = world_->disk.create(path_, std::string(name));
  }
  if (!file) return Status(StatusCode::kNotFound, full(name) + ": no such file");
  const bool writable = mode != log::OpenMode::kRead;
  if (writable && world_->read_only.contains(path_)) {
    return Status(StatusCode::kPermissionDenied, full(name) + ": read-only directory");
  }
  world_->disk.drop_cache(*file);
  return std::unique_ptr<log::File>(
      std::make_unique<SimFile>(world_, *file, path_, std::string(name), writable));
}

Status SimDirectory::rename(std::string_view from, std::string_view to) {
  CAIRN_RETURN_IF_ERROR(check_name(from));
  CAIRN_RETURN_IF_ERROR(check_name(to));
  const std::lock_guard lock(world_->mutex);
  if (world_->crashed) return world_->crash_status();
  if (!world_->disk.find(path_, from)) {
    return Status(StatusCode::kNotFound, full(from) + ": no such file");
  }
  if (world_->disk.find(path_, to)) {
    return Status(StatusCode::kAlreadyExists, full(to) + ": exists");
  }
  CAIRN_RETURN_IF_ERROR(
      begin_change(IoKind::kRename, "rename " + full(from) + " to " + std::string(to)));
  world_->disk.rename(path_, std::string(from), std::string(to));
  return {};
}

Status SimDirectory::remove(std::string_view name) {
  CAIRN_RETURN_IF_ERROR(check_name(name));
  const std::lock_guard lock(world_->mutex);
  if (world_->crashed) return world_->crash_status();
  if (!world_->disk.find(path_, name)) {
    return Status(StatusCode::kNotFound, full(name) + ": no such file");
  }
  CAIRN_RETURN_IF_ERROR(begin_change(IoKind::kRemove, "remove " + full(name)));
  world_->disk.remove(path_, std::string(name));
  return {};
}

Result<std::vector<std::string>> SimDirectory::list() const {
  const std::lock_guard lock(world_->mutex);
  if (world_->crashed) return world_->crash_status();
  return world_->disk.list(path_);
}

Status SimDirectory::sync_directory() {
  const std::lock_guard lock(world_->mutex);
  const World::Begun begun = world_->begin(IoKind::kSyncDirectory, path_);
  CAIRN_RETURN_IF_ERROR(begun.status);
  if (begun.fault) return fault_status(*begun.fault, "sync directory " + path_);
  if (!world_->lies_about(&Lies::directory_syncs, path_)) world_->disk.sync_directory(path_);
  return {};
}

Status SimDirectory::fill_zero(log::File& file, std::uint64_t size) {
  auto& sim_file = dynamic_cast<SimFile&>(file);
  const std::lock_guard lock(world_->mutex);
  if (size % world_->options.alignment != 0) {
    return Status(StatusCode::kInvalidArgument,
                  full(file.name()) + ": fill to " + std::to_string(size) +
                      " bytes, not a multiple of " + std::to_string(world_->options.alignment));
  }
  const std::string what = "fill " + full(file.name()) + " to " + std::to_string(size);
  World::Begun begun = world_->begin(IoKind::kBeginFill, what);
  CAIRN_RETURN_IF_ERROR(begun.status);
  CAIRN_RETURN_IF_ERROR(world_->check_space(sim_file.id(), size));
  if (begun.fault) return fault_status(*begun.fault, what);
  const OperationId fill = world_->disk.begin_fill(sim_file.id(), size);
  begun = world_->begin(IoKind::kEndFill, what);
  CAIRN_RETURN_IF_ERROR(begun.status);
  if (begun.fault) return fault_status(*begun.fault, what);
  if (!world_->lies_about(&Lies::syncs, path_)) world_->disk.make_durable(fill);
  return {};
}

Result<std::unique_ptr<log::DirectoryLock>> SimDirectory::lock(std::string_view name,
                                                               std::chrono::milliseconds limit) {
  std::shared_ptr<LockTable> table;
  {
    const std::lock_guard lock(world_->mutex);
    if (world_->crashed) return world_->crash_status();
    if (!world_->disk.find(path_, name)) {
      return Status(StatusCode::kNotFound, full(name) + ": no such file to lock");
    }
    if (world_->read_only.contains(path_)) {
      return Status(StatusCode::kPermissionDenied, full(name) + ": read-only directory");
    }
    table = world_->locks;
  }
  std::shared_ptr<LockTable::Hold> hold = table->acquire(path_, limit);
  if (!hold) {
    return Status(StatusCode::kLocked, full(name) + ": held by another, waited " +
                                           std::to_string(limit.count()) + " ms");
  }
  return std::unique_ptr<log::DirectoryLock>(std::make_unique<SimLock>(std::move(hold)));
}

Result<std::unique_ptr<log::IoQueue>> SimDirectory::make_queue(unsigned depth,
                                                               const log::DirectoryLock* lock) {
  std::shared_ptr<LockTable::Hold> hold;
  if (lock != nullptr) hold = dynamic_cast<const SimLock&>(*lock).hold();
  return sim::make_queue(world_, depth, std::move(hold));
}

}  // namespace

std::unique_ptr<log::Directory> make_directory(std::shared_ptr<World> world, std::string path) {
  return std::make_unique<SimDirectory>(std::move(world), std::move(path));
}

}  // namespace cairn::sim
