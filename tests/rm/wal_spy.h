// WalSpy: RocksDB's write-ahead log files under a lens: what of them is synced, and what if they
// fail.
#ifndef CAIRN_TESTS_RM_WAL_SPY_H_
#define CAIRN_TESTS_RM_WAL_SPY_H_

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include <rocksdb/file_system.h>

namespace cairn::rm {

class WalSpy : public rocksdb::FileSystemWrapper {
 public:
  WalSpy() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}
  [[nodiscard]] const char* Name() const override { return "WalSpy"; }

  // From now on such calls on a write-ahead log fail, and do nothing.
  void fail_appends(bool fail) { fail_appends_ = fail; }
  void fail_syncs(bool fail) { fail_syncs_ = fail; }

  // The power goes now. What is not synced is lost as soon as lose_unsynced() is called, the
  // database being closed.
  void cut_power() {
    const std::lock_guard lock(mutex_);
    left_ = synced_;
  }
  void lose_unsynced() {
    const std::lock_guard lock(mutex_);
    for (const auto& [name, size] : left_) std::filesystem::resize_file(name, size);
  }

  rocksdb::IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                    rocksdb::IODebugContext* debug) override {
    const rocksdb::IOStatus made = target()->NewWritableFile(name, options, file, debug);
    if (made.ok() && name.ends_with(".log")) {
      *file = std::make_unique<WalFile>(*this, name, std::move(*file));
    }
    return made;
  }

 private:
  class WalFile : public rocksdb::FSWritableFileOwnerWrapper {
   public:
    WalFile(WalSpy& spy, std::string name, std::unique_ptr<rocksdb::FSWritableFile> file)
        : FSWritableFileOwnerWrapper(std::move(file)), spy_(spy), name_(std::move(name)) {
      spy_.set_synced(name_, 0);
    }
    rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                             rocksdb::IODebugContext* debug) override {
      if (spy_.fail_appends_) return rocksdb::IOStatus::IOError("injected");
      size_ += data.size();
      return FSWritableFileOwnerWrapper::Append(data, options, debug);
    }
    rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                             const rocksdb::DataVerificationInfo& verification,
                             rocksdb::IODebugContext* debug) override {
      if (spy_.fail_appends_) return rocksdb::IOStatus::IOError("injected");
      size_ += data.size();
      return FSWritableFileOwnerWrapper::Append(data, options, verification, debug);
    }
    rocksdb::IOStatus Sync(const rocksdb::IOOptions& options,
                           rocksdb::IODebugContext* debug) override {
      if (spy_.fail_syncs_) return rocksdb::IOStatus::IOError("injected");
      spy_.set_synced(name_, size_);
      return FSWritableFileOwnerWrapper::Sync(options, debug);
    }
    rocksdb::IOStatus Fsync(const rocksdb::IOOptions& options,
                            rocksdb::IODebugContext* debug) override {
      return Sync(options, debug);
    }

   private:
    WalSpy& spy_;
    const std::string name_;
    std::atomic<std::uint64_t> size_ = 0;
  };

  void set_synced(const std::string& name, std::uint64_t size) {
    const std::lock_guard lock(mutex_);
    synced_[name] = size;
  }

  std::atomic<bool> fail_appends_ = false;
  std::atomic<bool> fail_syncs_ = false;
  std::mutex mutex_;  // guards the two below
  std::map<std::string, std::uint64_t> synced_;
  std::map<std::string, std::uint64_t> left_;
};

}  // namespace cairn::rm

#endif  // CAIRN_TESTS_RM_WAL_SPY_H_
