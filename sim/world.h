// World: the state that a SimStorage shares with its directories, files and queues, under one
// mutex.
#ifndef CAIRN_SIM_WORLD_H_
#define CAIRN_SIM_WORLD_H_

#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <cairn/sim/sim_storage.h>

namespace cairn::sim {

// The locks of one boot. A lock is held as long as its Hold lives.
class LockTable : public std::enable_shared_from_this<LockTable> {
 public:
  class Hold {
   public:
    Hold(std::shared_ptr<LockTable> table, std::string key)
        : table_(std::move(table)), key_(std::move(key)) {}
    ~Hold();
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;

   private:
    std::shared_ptr<LockTable> table_;
    std::string key_;
  };

  // Waits up to `limit`; null when another still holds it then.
  std::shared_ptr<Hold> acquire(const std::string& key, std::chrono::milliseconds limit);

 private:
  std::mutex mutex_;
  std::condition_variable released_;
  std::set<std::string> held_;
};

struct World {
  explicit World(const SimOptions& with)
      : options(with), chance(with.seed), identities(with.seed ^ 0xA5A5A5A5A5A5A5A5ULL) {}

  // What begin() decides about an I/O: OK, perhaps with a fault to act out, or the crash.
  struct Begun {
    Status status;
    std::optional<FaultKind> fault;
  };
  // Counts the I/O, shows it to the observer, lets the power go if it is time, and finds the fault
  // that strikes it. `lock` is the held mutex.
  Begun begin(IoKind kind, const std::string& what);
  // Only the fault, for reads.
  std::optional<FaultKind> strike(IoKind kind);
  [[nodiscard]] Status crash_status() const;
  [[nodiscard]] bool lies_about(bool Lies::*what, const std::string& directory) const;
  // OK, or kNoSpace if `file` cannot grow to `size`.
  [[nodiscard]] Status check_space(FileId file, std::uint64_t size) const;

  std::mutex mutex;  // guards everything below
  SimOptions options;
  Disk disk;
  Random chance;      // order, delays, tears, what failures leave
  Random identities;  // what random() gives; never the same value again on one machine
  std::uint64_t io_count = 0;
  std::uint64_t bytes_read = 0;
  std::optional<std::uint64_t> crash_number;
  bool crashed = false;
  SimStorage::Observer observer;
  std::function<std::shared_ptr<SimStorage>()> freeze;  // set with the observer
  std::vector<Fault> faults;
  std::uint64_t faults_struck = 0;
  bool failed_syncs_keep_view = false;
  Lies lies;
  std::set<std::string> read_only;
  std::shared_ptr<LockTable> locks = std::make_shared<LockTable>();
};

// The Status of a fault.
[[nodiscard]] Status fault_status(FaultKind fault, const std::string& what);

// The directory object of sim_directory.cc. REQUIRES: the directory exists.
std::unique_ptr<log::Directory> make_directory(std::shared_ptr<World> world, std::string path);

// A file as its directory opened it.
class SimFile final : public log::File {
 public:
  SimFile(std::shared_ptr<World> world, FileId id, std::string directory, std::string name,
          bool writable)
      : world_(std::move(world)),
        id_(id),
        directory_(std::move(directory)),
        name_(std::move(name)),
        writable_(writable) {}

  [[nodiscard]] Result<std::size_t> read(std::uint64_t offset,
                                         std::span<std::byte> out) const override;
  [[nodiscard]] Status write(std::uint64_t offset, std::span<const std::byte> data) override;
  [[nodiscard]] Status sync() override;
  [[nodiscard]] Result<std::uint64_t> size() const override;
  [[nodiscard]] const std::string& name() const override { return name_; }

  [[nodiscard]] FileId id() const { return id_; }
  [[nodiscard]] const std::string& directory() const { return directory_; }
  // OK, or what is wrong with a request: not aligned, or a write to a file opened for reading.
  [[nodiscard]] Status check_request(std::uint64_t offset, std::span<const std::byte> data,
                                     bool write) const;
  [[nodiscard]] std::string describe(std::uint64_t offset, std::size_t length) const;

 private:
  std::shared_ptr<World> world_;
  FileId id_;
  std::string directory_;
  std::string name_;
  bool writable_;
};

// The parts of a write that files and queues share. REQUIRES (both): the world's mutex is held.
// Begins it, acting out a lost or misdirected write; 0 if nothing is on its way to the disk.
OperationId begin_write(World& world, const SimFile& file, std::uint64_t offset,
                        std::span<const std::byte> data, std::optional<FaultKind> fault);
// Ends it, with the error of `fault` if there is one.
Status end_write(World& world, const SimFile& file, OperationId operation, bool durable,
                 std::size_t sectors, std::optional<FaultKind> fault, const std::string& what);
// Ends a sync of what was completed before `moment`.
Status end_sync(World& world, const SimFile& file, std::uint64_t moment,
                std::optional<FaultKind> fault);

std::unique_ptr<log::IoQueue> make_queue(std::shared_ptr<World> world, unsigned depth,
                                         std::shared_ptr<LockTable::Hold> hold);

}  // namespace cairn::sim

#endif  // CAIRN_SIM_WORLD_H_
