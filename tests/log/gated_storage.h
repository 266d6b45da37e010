// GatedStorage: another storage whose completions are held back while a gate is shut, and which
// does something of the test's before it fills a file, or before any other change of the directory
// that does not go through a queue; and, if asked to, before it reads.
#ifndef CAIRN_TESTS_LOG_GATED_STORAGE_H_
#define CAIRN_TESTS_LOG_GATED_STORAGE_H_

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <cairn/storage.h>

namespace cairn::log_test {

// Thread-safe.
class Gate {
 public:
  void shut() {
    const std::lock_guard lock(mutex_);
    open_ = false;
  }
  // Lets one through, who waits or will come, and stays shut.
  void let_one_through() {
    const std::lock_guard lock(mutex_);
    ++let_through_;
    changed_.notify_all();
  }
  // Those who wait at it, shut as it is.
  [[nodiscard]] int waiting() const {
    const std::lock_guard lock(mutex_);
    return waiting_;
  }
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  // The same for submissions of writes.
  void hold_submissions(bool hold) {
    const std::lock_guard lock(mutex_);
    holds_submissions_ = hold;
    changed_.notify_all();
  }
  [[nodiscard]] int submitting() const {
    const std::lock_guard lock(mutex_);
    return submitting_;
  }
  void pass_submission() {
    std::unique_lock lock(mutex_);
    ++submitting_;
    changed_.wait(lock, [this] { return !holds_submissions_; });
    --submitting_;
  }
  // From now on nothing comes through but an error.
  void fail() {
    const std::lock_guard lock(mutex_);
    fails_ = true;
  }
  void pass() {
    std::unique_lock lock(mutex_);
    ++waiting_;
    changed_.wait(lock, [this] { return open_ || let_through_ > 0; });
    --waiting_;
    if (!open_) --let_through_;
  }
  Status verdict() const {
    const std::lock_guard lock(mutex_);
    return fails_ ? Status(StatusCode::kIoError, "the gate's own error") : Status();
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = true;
  int let_through_ = 0;
  int waiting_ = 0;
  bool holds_submissions_ = false;
  int submitting_ = 0;
  bool fails_ = false;
};

// Before a "fill", "write", "rename" or "remove" of the file `name`.
using BeforeChange = std::function<void(std::string_view change, std::string_view name)>;

struct GatedReads {
  std::function<void()> before{};  // a read of a file, or a copy from it
  bool copies = false;             // File::copy_from() works
};

class GatedFile final : public log::File {
 public:
  GatedFile(std::unique_ptr<log::File> file, BeforeChange before_change, GatedReads reads)
      : file_(std::move(file)),
        before_change_(std::move(before_change)),
        reads_(std::move(reads)) {}
  [[nodiscard]] static log::File& inner(log::File& file) {
    return *static_cast<GatedFile&>(file).file_;
  }

  Result<std::size_t> read(std::uint64_t offset, std::span<std::byte> out) const override {
    if (reads_.before) reads_.before();
    return file_->read(offset, out);
  }
  Status write(std::uint64_t offset, std::span<const std::byte> data) override {
    if (before_change_) before_change_("write", name());
    return file_->write(offset, data);
  }
  // In two halves, with the test between them.
  Status copy_from(const log::File& from, std::uint64_t offset, std::uint64_t length) override {
    if (!reads_.copies) return File::copy_from(from, offset, length);
    std::vector<std::byte> memory(length / 2 + 8192);
    const auto place = (4096 - reinterpret_cast<std::uintptr_t>(memory.data()) % 4096) % 4096;
    const std::uint64_t half = length / 2 / 4096 * 4096;
    for (const auto& [begin, end] : {std::pair(std::uint64_t{0}, half), std::pair(half, length)}) {
      const auto out = std::span(memory).subspan(place, end - begin);
      CAIRN_RETURN_IF_ERROR(from.read(offset + begin, out).status());
      CAIRN_RETURN_IF_ERROR(file_->write(offset + begin, out));
    }
    return {};
  }
  Status sync() override { return file_->sync(); }
  Result<std::uint64_t> size() const override { return file_->size(); }
  const std::string& name() const override { return file_->name(); }

 private:
  std::unique_ptr<log::File> file_;
  BeforeChange before_change_;
  GatedReads reads_;
};

class GatedQueue final : public log::IoQueue {
 public:
  GatedQueue(std::unique_ptr<log::IoQueue> queue, std::shared_ptr<Gate> gate)
      : queue_(std::move(queue)), gate_(std::move(gate)) {}
  unsigned depth() const override { return queue_->depth(); }
  Status submit_write(log::File& file, std::uint64_t offset, std::span<const std::byte> data,
                      bool durable, std::uint64_t tag) override {
    gate_->pass_submission();
    return queue_->submit_write(GatedFile::inner(file), offset, data, durable, tag);
  }
  Status submit_sync(log::File& file, std::uint64_t tag) override {
    return queue_->submit_sync(GatedFile::inner(file), tag);
  }
  Result<std::size_t> reap(std::span<log::Completion> out, bool wait) override {
    gate_->pass();
    CAIRN_RETURN_IF_ERROR(gate_->verdict());
    return queue_->reap(out, wait);
  }

 private:
  std::unique_ptr<log::IoQueue> queue_;
  std::shared_ptr<Gate> gate_;
};

class GatedDirectory final : public log::Directory {
 public:
  GatedDirectory(std::unique_ptr<log::Directory> directory, std::shared_ptr<Gate> gate,
                 BeforeChange before_change, GatedReads reads)
      : directory_(std::move(directory)),
        gate_(std::move(gate)),
        before_change_(std::move(before_change)),
        reads_(std::move(reads)) {}
  [[nodiscard]] const log::Directory& inner() const { return *directory_; }

  Result<std::unique_ptr<log::File>> open(std::string_view name, log::OpenMode mode) override {
    CAIRN_ASSIGN_OR_RETURN(auto file, directory_->open(name, mode));
    return std::unique_ptr<log::File>(
        std::make_unique<GatedFile>(std::move(file), before_change_, reads_));
  }
  Status rename(std::string_view from, std::string_view to) override {
    if (before_change_) before_change_("rename", from);
    return directory_->rename(from, to);
  }
  Status remove(std::string_view name) override {
    if (before_change_) before_change_("remove", name);
    return directory_->remove(name);
  }
  Result<std::vector<std::string>> list() const override { return directory_->list(); }
  Status sync_directory() override { return directory_->sync_directory(); }
  Status fill_zero(log::File& file, std::uint64_t size) override {
    if (before_change_) before_change_("fill", file.name());
    return directory_->fill_zero(GatedFile::inner(file), size);
  }
  Result<std::unique_ptr<log::DirectoryLock>> lock(std::string_view name,
                                                   std::chrono::milliseconds limit) override {
    return directory_->lock(name, limit);
  }
  Result<std::unique_ptr<log::IoQueue>> make_queue(unsigned depth,
                                                   const log::DirectoryLock* lock) override {
    CAIRN_ASSIGN_OR_RETURN(auto queue, directory_->make_queue(depth, lock));
    return std::unique_ptr<log::IoQueue>(std::make_unique<GatedQueue>(std::move(queue), gate_));
  }
  const std::string& path() const override { return directory_->path(); }

 private:
  std::unique_ptr<log::Directory> directory_;
  std::shared_ptr<Gate> gate_;
  BeforeChange before_change_;
  GatedReads reads_;
};

class GatedStorage final : public log::Storage {
 public:
  GatedStorage(std::shared_ptr<log::Storage> storage, std::shared_ptr<Gate> gate,
               BeforeChange before_change = {}, GatedReads reads = {})
      : storage_(std::move(storage)),
        gate_(std::move(gate)),
        before_change_(std::move(before_change)),
        reads_(std::move(reads)) {}
  Result<std::unique_ptr<log::Directory>> open_directory(const std::string& path,
                                                         bool create) override {
    CAIRN_ASSIGN_OR_RETURN(auto directory, storage_->open_directory(path, create));
    return std::unique_ptr<log::Directory>(
        std::make_unique<GatedDirectory>(std::move(directory), gate_, before_change_, reads_));
  }
  log::StorageInfo describe(const log::Directory& directory) const override {
    return storage_->describe(static_cast<const GatedDirectory&>(directory).inner());
  }
  std::uint64_t random() override { return storage_->random(); }

 private:
  std::shared_ptr<log::Storage> storage_;
  std::shared_ptr<Gate> gate_;
  BeforeChange before_change_;
  GatedReads reads_;
};

}  // namespace cairn::log_test

#endif  // CAIRN_TESTS_LOG_GATED_STORAGE_H_
