#include "rm/sim_files.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <cairn/sim/random.h>

namespace cairn::rm {
namespace {

constexpr char kTree[] = "tree/";
constexpr char kStagingPrefix[] = "staging/";

std::string directory_of(const std::string& name) {
  const std::size_t slash = name.rfind('/');
  return slash == std::string::npos ? std::string() : name.substr(0, slash);
}

class SimOpenFile final : public OpenFile {
 public:
  explicit SimOpenFile(std::string contents) : contents_(std::move(contents)) {}
  Result<std::string> read_all() override { return contents_; }

 private:
  std::string contents_;
};

Status no_such(const std::string& name) {
  return Status(StatusCode::kNotFound, name + ": no such file");
}

}  // namespace

// ---- The disk

std::map<std::string, std::string> SimFileDisk::tree() const {
  const std::lock_guard lock(mutex_);
  std::map<std::string, std::string> files;
  for (const auto& [name, inode] : now_) {
    if (inode && name.starts_with(kTree)) files[name.substr(5)] = inode->contents;
  }
  return files;
}

std::vector<std::string> SimFileDisk::staged() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> names;
  for (const auto& [name, inode] : now_) {
    if (inode && name.starts_with(kStagingPrefix)) names.push_back(name.substr(8));
  }
  return names;
}

void SimFileDisk::put(const std::string& path, const std::string& contents) {
  const std::lock_guard lock(mutex_);
  durable_[kTree + path] = now_[kTree + path] = std::make_shared<Inode>(Inode{contents, true});
}

void SimFileDisk::erase(const std::string& name) {
  const std::lock_guard lock(mutex_);
  durable_.erase(name);
  now_.erase(name);
}

std::uint64_t SimFileDisk::count() const {
  const std::lock_guard lock(mutex_);
  return count_;
}

void SimFileDisk::crash_at(std::uint64_t number) {
  const std::lock_guard lock(mutex_);
  crash_at_ = count_ + number;
}

void SimFileDisk::crash() {
  const std::lock_guard lock(mutex_);
  crashed_ = true;
}

bool SimFileDisk::crashed() const {
  const std::lock_guard lock(mutex_);
  return crashed_;
}

void SimFileDisk::share_power(std::function<void()> on_crash, std::function<bool()> has_crashed) {
  const std::lock_guard lock(mutex_);
  on_crash_ = std::move(on_crash);
  has_crashed_ = std::move(has_crashed);
}

void SimFileDisk::lie(Lie lie) {
  const std::lock_guard lock(mutex_);
  lie_ = lie;
}

void SimFileDisk::fail_at(std::uint64_t number, Status error) {
  const std::lock_guard lock(mutex_);
  fail_at_ = count_ + number;
  failure_ = std::move(error);
}

std::shared_ptr<SimFileDisk> SimFileDisk::after_crash(FileFate fate, std::uint64_t seed) const {
  const std::lock_guard lock(mutex_);
  sim::Random random(seed);
  const auto survives = [&] {
    return fate == FileFate::kAll || (fate == FileFate::kChance && random.next() % 2 == 0);
  };
  Names names = durable_;
  for (const Change& change : pending_) {
    if (survives()) apply(change, names);
  }
  // What no directory leads to any more is gone.
  std::erase_if(names, [&](const auto& entry) {
    for (std::string at = directory_of(entry.first); !at.empty(); at = directory_of(at)) {
      if (!names.contains(at)) return true;
    }
    return false;
  });
  const auto after = std::make_shared<SimFileDisk>();
  std::map<const Inode*, std::shared_ptr<Inode>> copies;
  after->durable_.clear();
  for (const auto& [name, inode] : names) {
    std::shared_ptr<Inode>& copy = copies[inode.get()];
    if (inode && !copy) {
      copy = std::make_shared<Inode>(Inode{inode->contents, true});
      if (!inode->is_synced && !survives()) {
        copy->contents.resize(fate == FileFate::kNone ? 0 : copy->contents.size() / 2);
      }
    }
    after->durable_[name] = copy;
  }
  after->now_ = after->durable_;
  return after;
}

Status SimFileDisk::begin(const std::string& what) {
  ++count_;
  if (!crashed_ && has_crashed_ && has_crashed_()) crashed_ = true;
  if (!crashed_ && count_ == crash_at_) {
    crashed_ = true;
    if (on_crash_) on_crash_();
  }
  if (crashed_) return Status(StatusCode::kIoError, what + ": the power is gone");
  return count_ == fail_at_ ? failure_.with_context(what) : Status::ok();
}

// A rename whose file is not there any more, or never became durable, does nothing.
void SimFileDisk::apply(const Change& change, Names& names) {
  if (!change.from.empty() && names.erase(change.from) == 0 && !change.to.empty()) return;
  if (!change.to.empty()) names[change.to] = change.inode;
}

void SimFileDisk::change(Change change) {
  apply(change, now_);
  pending_.push_back(std::move(change));
}

void SimFileDisk::sync_directory(const std::string& directory) {
  std::erase_if(pending_, [&](const Change& change) {
    if (directory_of(change.from) != directory && directory_of(change.to) != directory)
      return false;
    apply(change, durable_);
    return true;
  });
}

// ---- The file system

Result<std::optional<std::uint64_t>> SimFiles::size_of(const std::string& path) {
  const std::lock_guard lock(disk_->mutex_);
  const auto found = disk_->now_.find(kTree + path);
  if (found == disk_->now_.end()) return std::optional<std::uint64_t>();
  if (found->second) return std::optional<std::uint64_t>(found->second->contents.size());
  return Status(StatusCode::kInvalidArgument, path + ": a directory");
}

Result<std::unique_ptr<OpenFile>> SimFiles::open_name(const std::string& name) {
  const std::lock_guard lock(disk_->mutex_);
  const auto found = disk_->now_.find(name);
  if (found == disk_->now_.end()) return no_such(name);
  return std::unique_ptr<OpenFile>(std::make_unique<SimOpenFile>(found->second->contents));
}

Result<std::unique_ptr<OpenFile>> SimFiles::open(const std::string& path) {
  return open_name(kTree + path);
}
Result<std::unique_ptr<OpenFile>> SimFiles::open_staged(const std::string& name) {
  return open_name(kStagingPrefix + name);
}
Result<std::vector<std::string>> SimFiles::list_staged() { return disk_->staged(); }

Status SimFiles::write_staged(const std::string& name, std::string_view contents,
                              const std::string&) {
  const std::lock_guard lock(disk_->mutex_);
  CAIRN_RETURN_IF_ERROR(disk_->begin("write " + name));
  const auto inode = std::make_shared<SimFileDisk::Inode>();
  inode->contents = contents;
  disk_->change({"", kStagingPrefix + name, inode});
  return Status::ok();
}

Status SimFiles::link_staged(const std::string& path, const std::string& name) {
  const std::lock_guard lock(disk_->mutex_);
  CAIRN_RETURN_IF_ERROR(disk_->begin("link " + path));
  const auto found = disk_->now_.find(kTree + path);
  if (found == disk_->now_.end()) return no_such(path);
  disk_->change({"", kStagingPrefix + name, found->second});
  return Status::ok();
}

Status SimFiles::sync_staged(const std::string& name) {
  const std::lock_guard lock(disk_->mutex_);
  CAIRN_RETURN_IF_ERROR(disk_->begin("sync " + name));
  const auto found = disk_->now_.find(kStagingPrefix + name);
  if (found == disk_->now_.end()) return no_such(name);
  if (disk_->lie_ != SimFileDisk::Lie::kContents) found->second->is_synced = true;
  return Status::ok();
}

Status SimFiles::sync_staging() {
  const std::lock_guard lock(disk_->mutex_);
  CAIRN_RETURN_IF_ERROR(disk_->begin("sync the staging directory"));
  if (disk_->lie_ != SimFileDisk::Lie::kStaging) disk_->sync_directory("staging");
  return Status::ok();
}

Status SimFiles::remove_staged(const std::string& name) {
  const std::lock_guard lock(disk_->mutex_);
  CAIRN_RETURN_IF_ERROR(disk_->begin("remove " + name));
  if (disk_->now_.contains(kStagingPrefix + name)) {
    disk_->change({kStagingPrefix + name, "", nullptr});
  }
  return Status::ok();
}

Status SimFiles::publish(const std::string& name, const std::string& path) {
  const std::lock_guard lock(disk_->mutex_);
  CAIRN_RETURN_IF_ERROR(disk_->begin("rename " + name + " to " + path));
  const auto found = disk_->now_.find(kStagingPrefix + name);
  if (found == disk_->now_.end()) return no_such(name);
  if (!disk_->now_.contains(directory_of(kTree + path))) {
    return Status(StatusCode::kInvalidState, path + ": no such directory");
  }
  disk_->change({kStagingPrefix + name, kTree + path, found->second});
  return Status::ok();
}

Status SimFiles::remove(const std::string& path) {
  const std::lock_guard lock(disk_->mutex_);
  CAIRN_RETURN_IF_ERROR(disk_->begin("remove " + path));
  if (disk_->now_.contains(kTree + path)) disk_->change({kTree + path, "", nullptr});
  return Status::ok();
}

Result<bool> SimFiles::make_directory(const std::string& path) {
  const std::lock_guard lock(disk_->mutex_);
  CAIRN_RETURN_IF_ERROR(disk_->begin("make " + path));
  if (disk_->now_.contains(kTree + path)) return false;
  disk_->change({"", kTree + path, nullptr});
  return true;
}

Status SimFiles::sync_directory(const std::string& path) {
  const std::lock_guard lock(disk_->mutex_);
  CAIRN_RETURN_IF_ERROR(disk_->begin("sync directory " + path));
  if (disk_->lie_ == SimFileDisk::Lie::kTree) return Status::ok();
  disk_->sync_directory(path.empty() ? "tree" : kTree + path);
  return Status::ok();
}

}  // namespace cairn::rm
