#include "observed_storage.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <utility>

namespace cairn::torture {

namespace {

using log::Completion;
using log::DirectoryLock;
using log::File;

// The lock of who was here before, in this process, goes with his last I/O.
constexpr std::chrono::seconds kLockWait(10);

// What log/format/FORMAT.md says of the header of a block.
constexpr std::uint32_t kBlockMagic = 0x4B425243;
constexpr std::size_t kKindOffset = 6;
constexpr std::uint16_t kEpochKind = 4;

bool is_epoch_block(std::span<const std::byte> data) {
  std::uint32_t magic = 0;
  std::uint16_t kind = 0;
  if (data.size() < kKindOffset + sizeof kind) return false;
  std::memcpy(&magic, data.data(), sizeof magic);
  std::memcpy(&kind, data.data() + kKindOffset, sizeof kind);
  return magic == kBlockMagic && kind == kEpochKind;
}

class ObservedFile final : public File {
 public:
  ObservedFile(const ObservedStorage& storage, std::unique_ptr<File> file)
      : storage_(storage), file_(std::move(file)) {}

  Result<std::size_t> read(std::uint64_t offset, std::span<std::byte> out) const override {
    return file_->read(offset, out);
  }
  Status write(std::uint64_t offset, std::span<const std::byte> data) override {
    storage_.observe();
    const bool is_lost = storage_.fault() == PowercutFault::kNoEpochBlock && is_epoch_block(data);
    return is_lost ? Status::ok() : file_->write(offset, data);
  }
  Status sync() override {
    storage_.observe();
    return file_->sync();
  }
  Status copy_from(const File& from, std::uint64_t offset, std::uint64_t length) override {
    storage_.observe();
    return file_->copy_from(static_cast<const ObservedFile&>(from).inner(), offset, length);
  }
  Result<std::uint64_t> size() const override { return file_->size(); }
  const std::string& name() const override { return file_->name(); }

  File& inner() const { return *file_; }

 private:
  const ObservedStorage& storage_;
  const std::unique_ptr<File> file_;
};

File& inner(File& file) { return static_cast<ObservedFile&>(file).inner(); }

class ObservedQueue final : public log::IoQueue {
 public:
  ObservedQueue(const ObservedStorage& storage, std::unique_ptr<log::IoQueue> queue)
      : storage_(storage), queue_(std::move(queue)) {}

  unsigned depth() const override { return queue_->depth(); }
  Status submit_write(File& file, std::uint64_t offset, std::span<const std::byte> data,
                      bool durable, std::uint64_t tag) override {
    storage_.observe();
    return queue_->submit_write(inner(file), offset, data, durable && flushes(), tag);
  }
  Status submit_sync(File& file, std::uint64_t tag) override {
    storage_.observe();
    if (flushes()) return queue_->submit_sync(inner(file), tag);
    not_flushed_.push_back({tag, {}});
    return {};
  }
  Result<std::size_t> reap(std::span<Completion> out, bool wait) override {
    std::size_t count = 0;
    for (; count < out.size() && !not_flushed_.empty(); not_flushed_.pop_front()) {
      out[count++] = not_flushed_.front();
    }
    return count != 0 ? count : queue_->reap(out, wait);
  }
  bool can_write_now() const override { return queue_->can_write_now(); }
  Status write_now(File& file, std::uint64_t offset, std::span<const std::byte> data,
                   bool durable) override {
    storage_.observe();
    return queue_->write_now(inner(file), offset, data, durable && flushes());
  }

 private:
  bool flushes() const { return storage_.fault() != PowercutFault::kNoFlush; }

  const ObservedStorage& storage_;
  const std::unique_ptr<log::IoQueue> queue_;
  std::deque<Completion> not_flushed_;  // syncs that did nothing
};

class ObservedDirectory final : public log::Directory {
 public:
  ObservedDirectory(const ObservedStorage& storage, std::unique_ptr<log::Directory> directory)
      : storage_(storage), directory_(std::move(directory)) {}

  Result<std::unique_ptr<File>> open(std::string_view name, log::OpenMode mode) override {
    if (mode == log::OpenMode::kCreate) storage_.observe();
    CAIRN_ASSIGN_OR_RETURN(std::unique_ptr<File> file, directory_->open(name, mode));
    return std::unique_ptr<File>(new ObservedFile(storage_, std::move(file)));
  }
  Status rename(std::string_view from, std::string_view to) override {
    storage_.observe();
    return directory_->rename(from, to);
  }
  Status remove(std::string_view name) override {
    storage_.observe();
    return directory_->remove(name);
  }
  Result<std::vector<std::string>> list() const override { return directory_->list(); }
  Status sync_directory() override {
    storage_.observe();
    if (storage_.fault() == PowercutFault::kNoDirectorySync) return {};
    return directory_->sync_directory();
  }
  Status fill_zero(File& file, std::uint64_t size) override {
    storage_.observe();
    return directory_->fill_zero(inner(file), size);
  }
  Result<std::unique_ptr<DirectoryLock>> lock(std::string_view name,
                                              std::chrono::milliseconds limit) override {
    return directory_->lock(name, std::max<std::chrono::milliseconds>(limit, kLockWait));
  }
  Result<std::unique_ptr<log::IoQueue>> make_queue(unsigned depth,
                                                   const DirectoryLock* lock) override {
    CAIRN_ASSIGN_OR_RETURN(std::unique_ptr<log::IoQueue> queue,
                           directory_->make_queue(depth, lock));
    return std::unique_ptr<log::IoQueue>(new ObservedQueue(storage_, std::move(queue)));
  }
  unsigned read_depth() const override { return directory_->read_depth(); }
  const std::string& path() const override { return directory_->path(); }

  const log::Directory& inner_directory() const { return *directory_; }

 private:
  const ObservedStorage& storage_;
  const std::unique_ptr<log::Directory> directory_;
};

}  // namespace

Result<std::unique_ptr<log::Directory>> ObservedStorage::open_directory(const std::string& path,
                                                                        bool create) {
  if (create) observe();
  CAIRN_ASSIGN_OR_RETURN(std::unique_ptr<log::Directory> directory,
                         storage_->open_directory(root_ + "/" + path, create));
  return std::unique_ptr<log::Directory>(new ObservedDirectory(*this, std::move(directory)));
}

log::StorageInfo ObservedStorage::describe(const log::Directory& directory) const {
  return storage_->describe(static_cast<const ObservedDirectory&>(directory).inner_directory());
}

}  // namespace cairn::torture
