#include <algorithm>
#include <array>
#include <cstring>

#include <cairn/sim/disk.h>

namespace cairn::sim {

bool Disk::has_directory(const std::string& directory) const {
  return directories_.contains(directory);
}

void Disk::make_directory(const std::string& directory) { directories_.try_emplace(directory); }

std::vector<std::string> Disk::list(const std::string& directory) const {
  std::vector<std::string> names;
  for (const auto& [name, file] : directories_.at(directory).current) names.push_back(name);
  return names;
}

std::optional<FileId> Disk::find(const std::string& directory, std::string_view name) const {
  const Names& names = directories_.at(directory).current;
  const auto found = names.find(name);
  return found == names.end() ? std::nullopt : std::optional(found->second);
}

FileId Disk::create(const std::string& directory, const std::string& name) {
  const FileId file = next_file_++;
  inodes_.try_emplace(file);
  change_names(file, {directory, "", name});
  return file;
}

void Disk::rename(const std::string& directory, const std::string& from, const std::string& to) {
  change_names(find(directory, from).value(), {directory, from, to});
}

void Disk::remove(const std::string& directory, const std::string& name) {
  change_names(find(directory, name).value(), {directory, name, ""});
}

void Disk::change_names(FileId file, NameChange change) {
  Names& names = directories_.at(change.directory).current;
  if (!change.to.empty()) inodes_.at(file).label = change.directory + "/" + change.to;
  Operation operation;
  operation.kind = PendingKind::kNames;
  operation.file = file;
  operation.names = std::move(change);
  apply(operation, names);
  add(std::move(operation));
}

void Disk::sync_directory(const std::string& directory) {
  DirectoryState& state = directories_.at(directory);
  state.durable = state.current;
  std::erase_if(operations_, [&](const auto& entry) {
    return entry.second.kind == PendingKind::kNames && entry.second.names.directory == directory;
  });
}

const Image& Disk::current(FileId file) const { return inodes_.at(file).current; }
const Image& Disk::durable(FileId file) const { return inodes_.at(file).durable; }
const std::string& Disk::label(FileId file) const { return inodes_.at(file).label; }

void Disk::edit(FileId file, const std::function<void(Image&)>& change) {
  change(inodes_.at(file).current);
  change(inodes_.at(file).durable);
}

std::uint64_t Disk::used_bytes() const {
  std::uint64_t bytes = 0;
  for (const auto& [path, state] : directories_) {
    for (const auto& [name, file] : state.current) bytes += current(file).size();
  }
  return bytes;
}

OperationId Disk::begin_write(FileId file, std::uint64_t offset, std::span<const std::byte> data) {
  inodes_.at(file).current.write(offset, data);
  Operation operation;
  operation.kind = PendingKind::kSector;
  operation.file = file;
  operation.offset = offset;
  operation.bytes = std::make_shared<const std::vector<std::byte>>(data.begin(), data.end());
  operation.open.assign(data.size() / kSectorSize, true);
  return add(std::move(operation));
}

OperationId Disk::begin_fill(FileId file, std::uint64_t size) {
  inodes_.at(file).current.fill_zero(size);
  Operation operation;
  operation.kind = PendingKind::kFill;
  operation.file = file;
  operation.fill_size = size;
  return add(std::move(operation));
}

OperationId Disk::add(Operation operation) {
  const OperationId id = next_operation_++;
  operations_.emplace(id, std::move(operation));
  return id;
}

void Disk::complete(OperationId operation) {
  const auto found = operations_.find(operation);
  if (found != operations_.end()) found->second.completed = ++clock_;
}

void Disk::make_durable(OperationId operation) {
  if (operations_.contains(operation)) harden(operation);
  forget_decided();
}

bool Disk::covered(const Operation& operation, FileId file, std::uint64_t moment) const {
  return operation.kind != PendingKind::kNames && operation.file == file &&
         operation.completed != 0 && operation.completed <= moment;
}

void Disk::sync(FileId file, std::uint64_t moment) {
  for (const auto& [id, operation] : operations_) {
    if (covered(operation, file, moment)) harden(id);
  }
  forget_decided();
}

void Disk::harden(OperationId id) {
  Operation& operation = operations_.at(id);
  if (operation.kind == PendingKind::kFill) {
    inodes_.at(operation.file).durable.fill_zero(operation.fill_size);
    supersede(operation.file, id, 0, operation.fill_size);
    operation.fill_size = 0;
    return;
  }
  for (std::size_t i = 0; i < operation.open.size(); ++i) {
    if (operation.open[i]) harden_sector(id, i);
  }
}

void Disk::harden_sector(OperationId id, std::size_t index) {
  Operation& operation = operations_.at(id);
  const std::uint64_t at = operation.offset + index * kSectorSize;
  inodes_.at(operation.file).durable.write(at, operation.sector(index));
  operation.open[index] = false;
  supersede(operation.file, id, at, at + kSectorSize);
}

void Disk::supersede(FileId file, OperationId id, std::uint64_t begin, std::uint64_t end) {
  for (auto& [earlier, operation] : operations_) {
    if (earlier >= id) break;
    if (operation.kind != PendingKind::kSector || operation.file != file) continue;
    // Of its sectors those that begin in [begin, end).
    const auto sectors_before = [offset = operation.offset](std::uint64_t at) {
      return at <= offset ? 0 : (at - offset + kSectorSize - 1) / kSectorSize;
    };
    const std::uint64_t last = std::min<std::uint64_t>(sectors_before(end), operation.open.size());
    for (std::uint64_t i = sectors_before(begin); i < last; ++i) operation.open[i] = false;
  }
}

void Disk::forget_decided() {
  std::erase_if(operations_, [](const auto& entry) {
    const Operation& operation = entry.second;
    switch (operation.kind) {
      case PendingKind::kSector:
        return std::find(operation.open.begin(), operation.open.end(), true) ==
               operation.open.end();
      case PendingKind::kFill:
        return operation.fill_size == 0;
      case PendingKind::kNames:
        return false;
    }
    return false;
  });
}

void Disk::fail(OperationId operation, Random& random) {
  lose_sectors(operation, [&](std::size_t) { return random.chance(50); });
}

void Disk::cut_short(OperationId operation, std::uint64_t kept) {
  lose_sectors(operation, [&](std::size_t index) { return index >= kept; });
}

void Disk::lose_sectors(OperationId id, const std::function<bool(std::size_t)>& lost) {
  const auto found = operations_.find(id);
  if (found == operations_.end()) return;
  Operation& operation = found->second;
  for (std::size_t i = 0; i < operation.open.size(); ++i) {
    if (!operation.open[i] || !lost(i)) continue;
    operation.open[i] = false;
    rebuild_view(operation.file, operation.offset + i * kSectorSize);
  }
  operation.completed = ++clock_;
  forget_decided();
}

void Disk::fail_sync(FileId file, std::uint64_t moment, bool keeps_view, Random& random) {
  for (auto& [id, operation] : operations_) {
    if (!covered(operation, file, moment)) continue;
    for (std::size_t i = 0; i < operation.open.size(); ++i) {
      if (!operation.open[i]) continue;
      if (random.chance(50)) {
        harden_sector(id, i);
        continue;
      }
      operation.open[i] = false;
      if (!keeps_view) rebuild_view(file, operation.offset + i * kSectorSize);
    }
  }
  forget_decided();
}

void Disk::drop_cache(FileId file) {
  Inode& inode = inodes_.at(file);
  inode.current = inode.durable;
  for (const auto& [id, operation] : operations_) {
    if (operation.file != file) continue;
    if (operation.kind == PendingKind::kFill) inode.current.fill_zero(operation.fill_size);
    for (std::size_t i = 0; i < operation.open.size(); ++i) {
      if (!operation.open[i]) continue;
      inode.current.write(operation.offset + i * kSectorSize, operation.sector(i));
    }
  }
}

void Disk::rebuild_view(FileId file, std::uint64_t offset) {
  Inode& inode = inodes_.at(file);
  Sector bytes = inode.durable.sector(offset / kSectorSize);
  for (const auto& [id, operation] : operations_) {
    if (operation.file != file) continue;
    if (operation.kind == PendingKind::kFill && offset < operation.fill_size) bytes = Sector{};
    if (operation.kind != PendingKind::kSector || offset < operation.offset) continue;
    const std::size_t index = (offset - operation.offset) / kSectorSize;
    if (index >= operation.open.size() || !operation.open[index]) continue;
    std::ranges::copy(operation.sector(index), bytes.begin());
  }
  inode.current.write(offset, bytes);
}

std::string Disk::describe(const Pending& pending) const {
  const Operation& operation = operations_.at(pending.operation);
  switch (pending.kind) {
    case PendingKind::kSector:
      return label(operation.file) + " @" + std::to_string(pending.offset);
    case PendingKind::kFill:
      return label(operation.file) + " filled to " + std::to_string(operation.fill_size);
    case PendingKind::kNames:
      return operation.names.directory + ": '" + operation.names.from + "' -> '" +
             operation.names.to + "'";
  }
  return {};
}

std::vector<Pending> Disk::pending() const {
  std::vector<Pending> all;
  for (const auto& [id, operation] : operations_) {
    if (operation.kind != PendingKind::kSector) {
      all.push_back({operation.kind, id, 0});
      continue;
    }
    for (std::size_t i = 0; i < operation.open.size(); ++i) {
      if (!operation.open[i]) continue;
      all.push_back({PendingKind::kSector, id, operation.offset + i * kSectorSize});
    }
  }
  return all;
}

bool Disk::conflict(const Operation& one, const Operation& other) {
  if (one.names.directory != other.names.directory) return false;
  if (one.file == other.file) return true;
  const std::array<const std::string*, 2> mine{&one.names.from, &one.names.to};
  return std::ranges::any_of(mine, [&](const std::string* name) {
    return !name->empty() && (*name == other.names.from || *name == other.names.to);
  });
}

void Disk::apply(const Operation& change, Names& names) {
  if (!change.names.from.empty()) names.erase(change.names.from);
  if (!change.names.to.empty()) names[change.names.to] = change.file;
}

// A torn sector begins with the new bytes and ends with the old ones, or the other way round.
void Disk::apply(Fate fate, const Operation& operation, std::size_t index, Random& random,
                 Image& image) {
  if (fate == Fate::kOld) return;
  if (operation.kind == PendingKind::kFill) {
    const std::uint64_t sectors = operation.fill_size / kSectorSize;
    image.fill_zero(fate == Fate::kTorn && sectors > 0 ? random.below(sectors) * kSectorSize
                                                       : operation.fill_size);
    return;
  }
  const std::uint64_t at = operation.offset + index * kSectorSize;
  Sector bytes = image.sector(at / kSectorSize);
  const std::span<const std::byte> fresh = operation.sector(index);
  if (fate == Fate::kZero) {
    bytes = Sector{};
  } else if (fate == Fate::kNew) {
    std::ranges::copy(fresh, bytes.begin());
  } else {
    const std::size_t tear = 1 + random.below(kSectorSize - 1);
    const bool begins_new = random.chance(50);
    const std::size_t from = begins_new ? 0 : tear;
    const std::size_t to = begins_new ? tear : kSectorSize;
    std::memcpy(bytes.data() + from, fresh.data() + from, to - from);
  }
  image.write(at, bytes);
}

Disk Disk::after_power_cut(const CrashChoice& choice, Random& random) const {
  std::map<FileId, Image> images;
  for (const auto& [file, inode] : inodes_) images.emplace(file, inode.durable);
  std::map<std::string, Names> names;
  for (const auto& [path, state] : directories_) names.emplace(path, state.durable);

  std::vector<const Operation*> lost_changes;
  std::size_t index = 0;
  for (const Pending& one : pending()) {
    const Operation& operation = operations_.at(one.operation);
    const Fate fate = choice(one, index++);
    if (operation.kind != PendingKind::kNames) {
      const std::size_t sector = (one.offset - operation.offset) / kSectorSize;
      apply(fate, operation, sector, random, images.at(operation.file));
      continue;
    }
    const bool possible = std::ranges::none_of(
        lost_changes, [&](const Operation* lost) { return conflict(*lost, operation); });
    if (possible && fate == Fate::kNew) {
      apply(operation, names.at(operation.names.directory));
    } else {
      lost_changes.push_back(&operation);
    }
  }

  Disk disk;
  disk.next_file_ = next_file_;
  disk.next_operation_ = next_operation_;
  for (auto& [path, entries] : names) {
    for (const auto& [name, file] : entries) {
      disk.inodes_[file] = {path + "/" + name, images.at(file), images.at(file)};
    }
    disk.directories_[path] = {entries, entries};
  }
  return disk;
}

}  // namespace cairn::sim
