#include <algorithm>

#include "world.h"

namespace cairn::sim {

namespace {

bool is_error(std::optional<FaultKind> fault) {
  return fault && *fault != FaultKind::kLostWrite && *fault != FaultKind::kMisdirectedWrite;
}

// Another place of the file where `length` bytes fit, or nothing.
std::optional<std::uint64_t> other_place(World& world, FileId file, std::uint64_t offset,
                                         std::size_t length) {
  const std::uint64_t size = world.disk.current(file).size();
  const std::uint64_t unit = world.options.alignment;
  if (size < offset + length || size < length + unit) return std::nullopt;
  const std::uint64_t others = (size - length) / unit;
  const std::uint64_t place = world.chance.below(others) * unit;
  return place < offset ? place : place + unit;
}

}  // namespace

std::string SimFile::describe(std::uint64_t offset, std::size_t length) const {
  return directory_ + "/" + name_ + " @" + std::to_string(offset) + "+" + std::to_string(length);
}

Status SimFile::check_request(std::uint64_t offset, std::span<const std::byte> data,
                              bool write) const {
  const std::uint64_t unit = world_->options.alignment;
  if (offset % unit != 0 || data.size() % unit != 0 ||
      reinterpret_cast<std::uintptr_t>(data.data()) % unit != 0) {
    return Status(StatusCode::kInvalidArgument,
                  describe(offset, data.size()) +
                      ": offset, length or address is not a multiple of " + std::to_string(unit));
  }
  if (write && !writable_) {
    return Status(StatusCode::kPermissionDenied,
                  describe(offset, data.size()) + ": opened for reading");
  }
  return {};
}

Result<std::size_t> SimFile::read(std::uint64_t offset, std::span<std::byte> out) const {
  const std::lock_guard lock(world_->mutex);
  CAIRN_RETURN_IF_ERROR(check_request(offset, out, false));
  if (world_->crashed) return world_->crash_status();
  const std::optional<FaultKind> fault = world_->strike(IoKind::kRead);
  if (is_error(fault)) return fault_status(*fault, "read " + describe(offset, out.size()));
  const std::size_t count = world_->disk.current(id_).read(offset, out);
  world_->bytes_read += count;
  return count;
}

Status SimFile::write(std::uint64_t offset, std::span<const std::byte> data) {
  const std::lock_guard lock(world_->mutex);
  CAIRN_RETURN_IF_ERROR(check_request(offset, data, true));
  const std::string what = describe(offset, data.size());
  const World::Begun begun = world_->begin(IoKind::kWrite, what);
  CAIRN_RETURN_IF_ERROR(begun.status);
  CAIRN_RETURN_IF_ERROR(world_->check_space(id_, offset + data.size()));
  const OperationId operation = begin_write(*world_, *this, offset, data, begun.fault);
  return end_write(*world_, *this, operation, false, data.size() / kSectorSize, begun.fault, what);
}

Status SimFile::sync() {
  const std::lock_guard lock(world_->mutex);
  if (!writable_) return Status(StatusCode::kPermissionDenied, name_ + ": opened for reading");
  const World::Begun begun = world_->begin(IoKind::kSync, directory_ + "/" + name_);
  CAIRN_RETURN_IF_ERROR(begun.status);
  return end_sync(*world_, *this, world_->disk.now(), begun.fault);
}

Result<std::uint64_t> SimFile::size() const {
  const std::lock_guard lock(world_->mutex);
  if (world_->crashed) return world_->crash_status();
  return world_->disk.current(id_).size();
}

OperationId begin_write(World& world, const SimFile& file, std::uint64_t offset,
                        std::span<const std::byte> data, std::optional<FaultKind> fault) {
  if (fault == FaultKind::kLostWrite) return 0;
  if (fault == FaultKind::kMisdirectedWrite) {
    const auto place = other_place(world, file.id(), offset, data.size());
    if (!place) return 0;
    offset = *place;
  }
  return world.disk.begin_write(file.id(), offset, data);
}

Status end_write(World& world, const SimFile& file, OperationId operation, bool durable,
                 std::size_t sectors, std::optional<FaultKind> fault, const std::string& what) {
  if (is_error(fault)) {
    if (fault == FaultKind::kShortWrite) {
      world.disk.cut_short(operation, world.chance.below(std::max<std::size_t>(sectors, 1)));
    } else {
      world.disk.fail(operation, world.chance);
    }
    return fault_status(*fault, "write " + what);
  }
  world.disk.complete(operation);
  if (durable && !world.lies_about(&Lies::durable_writes, file.directory())) {
    world.disk.make_durable(operation);
  }
  return {};
}

Status end_sync(World& world, const SimFile& file, std::uint64_t moment,
                std::optional<FaultKind> fault) {
  if (is_error(fault)) {
    world.disk.fail_sync(file.id(), moment, world.failed_syncs_keep_view, world.chance);
    return fault_status(*fault, "sync " + file.directory() + "/" + file.name());
  }
  if (!world.lies_about(&Lies::syncs, file.directory())) world.disk.sync(file.id(), moment);
  return {};
}

}  // namespace cairn::sim
