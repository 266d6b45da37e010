#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>

#include <cairn/sim/sim_storage.h>

#include "world.h"

namespace cairn::sim {

namespace {

// The machine as it is, without what belongs to the one boot or to the test's plans.
std::shared_ptr<World> copy_of(const World& world) {
  auto copy = std::make_shared<World>(world.options);
  copy->disk = world.disk;
  copy->chance = world.chance;
  copy->identities = world.identities;
  copy->crash_number = world.crash_number;
  copy->io_count = world.io_count;
  copy->bytes_read = world.bytes_read;
  copy->crashed = world.crashed;
  copy->failed_syncs_keep_view = world.failed_syncs_keep_view;
  copy->lies = world.lies;
  copy->read_only = world.read_only;
  return copy;
}

std::vector<std::byte> all_bytes(const Image& image) {
  std::vector<std::byte> bytes(image.size());
  image.read(0, bytes);
  return bytes;
}

}  // namespace

std::string_view io_kind_name(IoKind kind) {
  switch (kind) {
    case IoKind::kSubmitWrite:
      return "submit write";
    case IoKind::kCompleteWrite:
      return "complete write";
    case IoKind::kSubmitSync:
      return "submit sync";
    case IoKind::kCompleteSync:
      return "complete sync";
    case IoKind::kWrite:
      return "write";
    case IoKind::kSync:
      return "sync";
    case IoKind::kBeginFill:
      return "begin fill";
    case IoKind::kEndFill:
      return "end fill";
    case IoKind::kMakeDirectory:
      return "make directory";
    case IoKind::kCreate:
      return "create";
    case IoKind::kRename:
      return "rename";
    case IoKind::kRemove:
      return "remove";
    case IoKind::kSyncDirectory:
      return "sync directory";
    case IoKind::kRead:
      return "read";
  }
  return "?";
}

CrashChoice survive_all() {
  return [](const Pending&, std::size_t) { return Fate::kNew; };
}

CrashChoice survive_none() {
  return [](const Pending&, std::size_t) { return Fate::kOld; };
}

CrashChoice survive_random(std::uint64_t seed) {
  return [random = Random(seed)](const Pending&, std::size_t) mutable {
    return static_cast<Fate>(random.below(4));
  };
}

CrashChoice survive_subset(std::vector<bool> survives) {
  return [survives = std::move(survives)](const Pending&, std::size_t index) {
    return index < survives.size() && survives[index] ? Fate::kNew : Fate::kOld;
  };
}

SimStorage::SimStorage(const SimOptions& options) : world_(std::make_shared<World>(options)) {}
SimStorage::SimStorage(std::shared_ptr<World> world) : world_(std::move(world)) {}
SimStorage::~SimStorage() = default;

Result<std::unique_ptr<log::Directory>> SimStorage::open_directory(const std::string& path,
                                                                   bool create) {
  const std::lock_guard lock(world_->mutex);
  if (world_->crashed) return world_->crash_status();
  if (!world_->disk.has_directory(path)) {
    if (!create) return Status(StatusCode::kNotFound, path + ": no such directory");
    const std::string what = "make directory " + path;
    const World::Begun begun = world_->begin(IoKind::kMakeDirectory, what);
    CAIRN_RETURN_IF_ERROR(begun.status);
    if (begun.fault) return fault_status(*begun.fault, what);
    world_->disk.make_directory(path);
  }
  return make_directory(world_, path);
}

log::StorageInfo SimStorage::describe(const log::Directory&) const {
  const std::lock_guard lock(world_->mutex);
  log::StorageInfo info;
  info.kind = "sim";
  info.reason = "the simulation was asked for";
  info.file_system = "sim";
  info.direct = true;
  info.direct_reason = "the simulation has no page cache";
  info.logical_sector = world_->options.alignment;
  info.physical_sector = std::max(world_->options.physical_sector, world_->options.alignment);
  info.alignment = world_->options.alignment;
  return info;
}

std::uint64_t SimStorage::random() {
  const std::lock_guard lock(world_->mutex);
  return world_->identities.next();
}

std::uint64_t SimStorage::io_count() const {
  const std::lock_guard lock(world_->mutex);
  return world_->io_count;
}

std::uint64_t SimStorage::bytes_read() const {
  const std::lock_guard lock(world_->mutex);
  return world_->bytes_read;
}

void SimStorage::crash_at(std::uint64_t number) {
  const std::lock_guard lock(world_->mutex);
  world_->crash_number = number;
}

void SimStorage::crash() {
  const std::lock_guard lock(world_->mutex);
  world_->crashed = true;
}

bool SimStorage::crashed() const {
  const std::lock_guard lock(world_->mutex);
  return world_->crashed;
}

std::vector<Pending> SimStorage::pending() const {
  const std::lock_guard lock(world_->mutex);
  return world_->disk.pending();
}

std::string SimStorage::describe(const Pending& pending) const {
  const std::lock_guard lock(world_->mutex);
  return world_->disk.describe(pending);
}

std::shared_ptr<SimStorage> SimStorage::after_crash(const CrashChoice& choice,
                                                    std::uint64_t seed) const {
  const std::lock_guard lock(world_->mutex);
  auto next = std::make_shared<World>(world_->options);
  next->identities = world_->identities;
  next->chance = Random(world_->options.seed ^ (seed * 0xD1342543DE82EF95ULL));
  next->disk = world_->disk.after_power_cut(choice, next->chance);
  return std::shared_ptr<SimStorage>(new SimStorage(std::move(next)));
}

std::shared_ptr<SimStorage> SimStorage::clone() const {
  const std::lock_guard lock(world_->mutex);
  return std::shared_ptr<SimStorage>(new SimStorage(copy_of(*world_)));
}

void SimStorage::set_observer(Observer observer) {
  const std::lock_guard lock(world_->mutex);
  world_->observer = std::move(observer);
  world_->freeze = [world = world_.get()] {
    std::shared_ptr<World> frozen = copy_of(*world);
    frozen->crashed = true;
    return std::shared_ptr<SimStorage>(new SimStorage(std::move(frozen)));
  };
}

void SimStorage::inject(const Fault& fault) {
  const std::lock_guard lock(world_->mutex);
  world_->faults.push_back(fault);
}

std::uint64_t SimStorage::faults_struck() const {
  const std::lock_guard lock(world_->mutex);
  return world_->faults_struck;
}

void SimStorage::failed_syncs_keep_view(bool keep) {
  const std::lock_guard lock(world_->mutex);
  world_->failed_syncs_keep_view = keep;
}

void SimStorage::set_lies(const Lies& lies) {
  const std::lock_guard lock(world_->mutex);
  world_->lies = lies;
}

void SimStorage::set_capacity(std::uint64_t bytes) {
  const std::lock_guard lock(world_->mutex);
  world_->options.capacity = bytes;
}

void SimStorage::set_read_only(const std::string& directory, bool read_only) {
  const std::lock_guard lock(world_->mutex);
  if (read_only) {
    world_->read_only.insert(directory);
  } else {
    world_->read_only.erase(directory);
  }
}

std::vector<std::string> SimStorage::list(const std::string& directory) const {
  const std::lock_guard lock(world_->mutex);
  return world_->disk.list(directory);
}

bool SimStorage::exists(const std::string& directory, std::string_view file) const {
  const std::lock_guard lock(world_->mutex);
  return world_->disk.has_directory(directory) && world_->disk.find(directory, file).has_value();
}

std::vector<std::byte> SimStorage::read_image(const std::string& directory,
                                              std::string_view file) const {
  const std::lock_guard lock(world_->mutex);
  return all_bytes(world_->disk.current(world_->disk.find(directory, file).value()));
}

void SimStorage::overwrite(const std::string& directory, std::string_view file,
                           std::uint64_t offset, std::span<const std::byte> bytes) {
  const std::lock_guard lock(world_->mutex);
  world_->disk.edit(world_->disk.find(directory, file).value(),
                    [&](Image& image) { image.write(offset, bytes); });
}

void SimStorage::flip_bit(const std::string& directory, std::string_view file, std::uint64_t offset,
                          unsigned bit) {
  const std::lock_guard lock(world_->mutex);
  world_->disk.edit(world_->disk.find(directory, file).value(), [&](Image& image) {
    std::byte one{};
    image.read(offset, {&one, 1});
    one ^= std::byte{1} << bit;
    image.write(offset, {&one, 1});
  });
}

void SimStorage::truncate(const std::string& directory, std::string_view file, std::uint64_t size) {
  const std::lock_guard lock(world_->mutex);
  world_->disk.edit(world_->disk.find(directory, file).value(),
                    [&](Image& image) { image.resize(size); });
}

void SimStorage::copy_file(const std::string& directory, std::string_view from,
                           const std::string& to) {
  const std::vector<std::byte> bytes = read_image(directory, from);
  if (exists(directory, to)) remove_file(directory, to);
  add_file(directory, to, bytes);
}

void SimStorage::rename_file(const std::string& directory, const std::string& from,
                             const std::string& to) {
  const std::lock_guard lock(world_->mutex);
  world_->disk.rename(directory, from, to);
  world_->disk.sync_directory(directory);
}

void SimStorage::remove_file(const std::string& directory, const std::string& file) {
  const std::lock_guard lock(world_->mutex);
  world_->disk.remove(directory, file);
  world_->disk.sync_directory(directory);
}

void SimStorage::add_file(const std::string& directory, const std::string& file,
                          std::span<const std::byte> bytes) {
  const std::lock_guard lock(world_->mutex);
  world_->disk.make_directory(directory);
  const FileId id = world_->disk.create(directory, file);
  world_->disk.edit(id, [&](Image& image) { image.write(0, bytes); });
  world_->disk.sync_directory(directory);
}

bool SimStorage::dump(const std::string& directory, const std::string& path) const {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  for (const std::string& name : list(directory)) {
    const std::vector<std::byte> bytes = read_image(directory, name);
    std::ofstream out(std::filesystem::path(path) / name, std::ios::binary | std::ios::trunc);
    out.write(reinterpret_cast<const char*>(bytes.data()),
              static_cast<std::streamsize>(bytes.size()));
    if (!out.flush()) return false;
  }
  return !error;
}

bool SimStorage::load(const std::string& path, const std::string& directory) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(path, error)) {
    std::ifstream in(entry.path(), std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    if (!in) return false;
    add_file(directory, entry.path().filename().string(), std::as_bytes(std::span(bytes)));
  }
  return !error;
}

}  // namespace cairn::sim
