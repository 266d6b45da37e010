// PacedStorage: another storage on a device of the test's making: each write and sync of a queue
// takes the time that the test says, on a clock of its own that only such waits move.
#ifndef CAIRN_TESTS_LOG_PACED_STORAGE_H_
#define CAIRN_TESTS_LOG_PACED_STORAGE_H_

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <cairn/options.h>
#include <cairn/storage.h>

namespace cairn::log_test {

// One request, as the device meets it.
struct PacedRequest {
  bool sync = false;
  bool durable = false;   // a write that makes itself durable
  std::size_t bytes = 0;  // of a write
  unsigned writes = 0;    // in flight, this one included
};
using Pace = std::function<std::chrono::nanoseconds(const PacedRequest&)>;

struct PacedWorld {
  Pace pace;
  std::chrono::steady_clock::time_point now{std::chrono::hours(1)};
  unsigned depth = 64;  // the deepest queue
  // A file that holds nothing of the log, of which no byte is kept: what a simulation keeps of each
  // sector costs much more than a device's time on this clock. Empty: none.
  std::string forgets = "new-calibration.tmp";
  log::StorageInfo info{};

  [[nodiscard]] log::TimeSource clock() {
    return [this] { return now; };
  }
};

class PacedQueue final : public log::IoQueue {
 public:
  PacedQueue(PacedWorld& world, unsigned depth) : world_(world), depth_(depth) {}
  unsigned depth() const override { return depth_; }
  Status submit_write(log::File& file, std::uint64_t offset, std::span<const std::byte> data,
                      bool durable, std::uint64_t tag) override {
    CAIRN_RETURN_IF_ERROR(room());
    Status status;
    if (file.name() != world_.forgets) {
      status = file.write(offset, data);
      if (status.is_ok() && durable) status = file.sync();
    }
    ++writes_;
    add({false, durable, data.size(), writes_}, {tag, std::move(status)});
    return {};
  }
  Status submit_sync(log::File& file, std::uint64_t tag) override {
    CAIRN_RETURN_IF_ERROR(room());
    add({true, false, 0, writes_}, {tag, file.name() == world_.forgets ? Status() : file.sync()});
    return {};
  }
  Result<std::size_t> reap(std::span<log::Completion> out, bool wait) override {
    std::ranges::stable_sort(in_flight_, {}, &InFlight::end);
    if (wait && !in_flight_.empty()) world_.now = std::max(world_.now, in_flight_.front().end);
    std::size_t count = 0;
    while (count < out.size() && !in_flight_.empty() && in_flight_.front().end <= world_.now) {
      if (!in_flight_.front().sync) --writes_;
      out[count++] = std::move(in_flight_.front().completion);
      in_flight_.erase(in_flight_.begin());
    }
    return count;
  }

 private:
  struct InFlight {
    std::chrono::steady_clock::time_point end;
    bool sync = false;
    log::Completion completion;
  };
  Status room() const {
    if (in_flight_.size() < depth_) return {};
    return Status(StatusCode::kInvalidState, "the queue is full");
  }
  void add(const PacedRequest& request, log::Completion completion) {
    in_flight_.push_back({world_.now + world_.pace(request), request.sync, std::move(completion)});
  }

  PacedWorld& world_;
  const unsigned depth_;
  unsigned writes_ = 0;
  std::vector<InFlight> in_flight_;
};

class PacedDirectory final : public log::Directory {
 public:
  PacedDirectory(std::unique_ptr<log::Directory> inner, PacedWorld& world)
      : inner_(std::move(inner)), world_(world) {}
  Result<std::unique_ptr<log::File>> open(std::string_view name, log::OpenMode mode) override {
    return inner_->open(name, mode);
  }
  Status rename(std::string_view from, std::string_view to) override {
    return inner_->rename(from, to);
  }
  Status remove(std::string_view name) override { return inner_->remove(name); }
  Result<std::vector<std::string>> list() const override { return inner_->list(); }
  Status sync_directory() override { return inner_->sync_directory(); }
  Status fill_zero(log::File& file, std::uint64_t size) override {
    return inner_->fill_zero(file, size);
  }
  Result<std::unique_ptr<log::DirectoryLock>> lock(std::string_view name,
                                                   std::chrono::milliseconds limit) override {
    return inner_->lock(name, limit);
  }
  Result<std::unique_ptr<log::IoQueue>> make_queue(unsigned depth,
                                                   const log::DirectoryLock*) override {
    return std::unique_ptr<log::IoQueue>(
        std::make_unique<PacedQueue>(world_, std::min(depth, world_.depth)));
  }
  const std::string& path() const override { return inner_->path(); }

 private:
  std::unique_ptr<log::Directory> inner_;
  PacedWorld& world_;
};

// For one thread. `world` outlives it.
class PacedStorage final : public log::Storage {
 public:
  PacedStorage(std::shared_ptr<log::Storage> inner, PacedWorld& world)
      : inner_(std::move(inner)), world_(world) {}
  Result<std::unique_ptr<log::Directory>> open_directory(const std::string& path,
                                                         bool create) override {
    CAIRN_ASSIGN_OR_RETURN(auto directory, inner_->open_directory(path, create));
    return std::unique_ptr<log::Directory>(
        std::make_unique<PacedDirectory>(std::move(directory), world_));
  }
  log::StorageInfo describe(const log::Directory&) const override { return world_.info; }
  std::uint64_t random() override { return inner_->random(); }

 private:
  std::shared_ptr<log::Storage> inner_;
  PacedWorld& world_;
};

}  // namespace cairn::log_test

#endif  // CAIRN_TESTS_LOG_PACED_STORAGE_H_
