// SimStorage: a storage in memory that loses power, fails and lies on command.
//
// It keeps the promises S1..S4 of cairn/storage.h and nothing beyond them: what is not yet durable
// survives a crash in any part, in any order (the model stands in disk.h). From one seed everything
// follows: the order of completions, their delays, the places of tears. Used by one thread it is
// deterministic.
//
//   auto storage = std::make_shared<SimStorage>(SimOptions{.seed = 7});
//   ... run a log on it, with Background::kManual ...
//   storage->crash();                                     // or crash_at(n), or set_observer()
//   auto after = storage->after_crash(survive_random(1)); // the next boot of that machine
#ifndef CAIRN_SIM_SIM_STORAGE_H_
#define CAIRN_SIM_SIM_STORAGE_H_

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <cairn/sim/disk.h>
#include <cairn/storage.h>

namespace cairn::sim {

struct SimOptions {
  std::uint64_t seed = 1;
  // What StorageInfo says and every request is held to. A power of two, 512 or more.
  std::uint32_t alignment = 512;
  std::uint32_t physical_sector = 512;
  // The largest depth a queue gets.
  unsigned max_depth = 32;
  // Completions come in any order, each up to so many reap() calls late. 0 and false: at once, in
  // order.
  unsigned max_delay = 2;
  bool reorder = true;
  // IoQueue::can_write_now().
  bool write_now = false;
  // Directory::read_depth(). With more than 1, other threads than the test's read.
  unsigned read_depth = 1;
  // Bytes of all files together; beyond it kNoSpace.
  std::uint64_t capacity = std::numeric_limits<std::uint64_t>::max();
};

// What is counted as one I/O, each a point where the power may go. Reads are not counted.
enum class IoKind : std::uint8_t {
  kSubmitWrite,
  kCompleteWrite,  // before the completion is seen, and before it makes anything durable
  kSubmitSync,
  kCompleteSync,  // as kCompleteWrite
  kWrite,         // File::write
  kSync,          // File::sync
  kBeginFill,     // fill_zero: before anything is done
  kEndFill,       // fill_zero: all is written, nothing is durable
  kMakeDirectory,
  kCreate,
  kRename,
  kRemove,
  kSyncDirectory,
  kRead,  // never counted; only to inject faults
};
[[nodiscard]] std::string_view io_kind_name(IoKind kind);

struct IoEvent {
  std::uint64_t number = 0;  // from 1
  IoKind kind = IoKind::kWrite;
  std::string what;  // file, offset, length
};

// What goes wrong with one I/O.
enum class FaultKind : std::uint8_t {
  // kIoError. A submission, a name change or a read: nothing was done. The end of a write: each of
  // its sectors may be there or not. A sync: dirty data is dropped (see failed_syncs_keep_view()).
  kIoError,
  kNoSpace,     // the same, with kNoSpace
  kShortWrite,  // the end of a write: kIoError, and only a first part is there
  // At kSubmitWrite and kWrite; reported as a success:
  kLostWrite,         // the bytes land nowhere
  kMisdirectedWrite,  // the bytes land at another place of the same file
};

struct Fault {
  FaultKind kind = FaultKind::kIoError;
  // The I/O concerned is the `nth` from now on of kind `on`; unset: of all counted ones.
  std::optional<IoKind> on = std::nullopt;
  std::uint64_t nth = 1;
};

// A storage that does not keep its promises. For proving that a test notices.
struct Lies {
  bool durable_writes = false;   // a durable write is reported durable and is not
  bool syncs = false;            // a sync of a file does nothing
  bool directory_syncs = false;  // a sync of a directory does nothing
  std::string directory = {};    // only files of this directory; empty: of all
};

// Choices of what survives.
[[nodiscard]] CrashChoice survive_all();
[[nodiscard]] CrashChoice survive_none();
// Each pending thing is old, new, torn or zero by chance.
[[nodiscard]] CrashChoice survive_random(std::uint64_t seed);
// Pending thing i is new if survives[i], else old. What is beyond the vector is old.
[[nodiscard]] CrashChoice survive_subset(std::vector<bool> survives);

struct World;

// Thread-safe, its files, directories and queues included. They may outlive it.
class SimStorage final : public log::Storage {
 public:
  explicit SimStorage(const SimOptions& options = {});
  ~SimStorage() override;
  SimStorage(const SimStorage&) = delete;
  SimStorage& operator=(const SimStorage&) = delete;

  // cairn::log::Storage.
  [[nodiscard]] Result<std::unique_ptr<log::Directory>> open_directory(const std::string& path,
                                                                       bool create) override;
  [[nodiscard]] log::StorageInfo describe(const log::Directory& directory) const override;
  [[nodiscard]] std::uint64_t random() override;

  // Crashes.

  // I/Os begun so far.
  [[nodiscard]] std::uint64_t io_count() const;
  // Bytes that all reads of files gave so far. What opening a log reads is a promise to be tested.
  [[nodiscard]] std::uint64_t bytes_read() const;
  // The power goes just before the I/O number `number` takes effect. That one and all later calls
  // fail with kIoError; what was pending stays undecided until after_crash().
  void crash_at(std::uint64_t number);
  // The power goes now.
  void crash();
  [[nodiscard]] bool crashed() const;
  // Everything a crash now would decide about, in a fixed order.
  [[nodiscard]] std::vector<Pending> pending() const;
  // For messages.
  [[nodiscard]] std::string describe(const Pending& pending) const;
  // The machine's next boot: no locks, no faults, I/Os counted anew; `seed` places the tears. This
  // storage stays as it is and can be asked again with another choice. What it is used for
  // afterwards does not matter to the new one. Need not have crashed: then it is the machine as a
  // crash now would leave it.
  [[nodiscard]] std::shared_ptr<SimStorage> after_crash(const CrashChoice& choice,
                                                        std::uint64_t seed = 0) const;
  // A copy of the running machine, pending operations included, without locks, faults and observer.
  [[nodiscard]] std::shared_ptr<SimStorage> clone() const;
  // Called before each counted I/O takes effect, with the machine as a crash at this very point
  // leaves it: crashed, ready for pending() and after_crash(). Must not call this storage. For use
  // by one thread. Null: none.
  using Observer =
      std::function<void(const IoEvent& event, const std::shared_ptr<SimStorage>& frozen)>;
  void set_observer(Observer observer);

  // Faults.

  void inject(const Fault& fault);
  // How many injected faults have struck.
  [[nodiscard]] std::uint64_t faults_struck() const;
  // After a failed sync the running system goes on seeing the data it dropped, until the file is
  // opened again: a storage shows what is on the disk when it opens a file.
  void failed_syncs_keep_view(bool keep);
  void set_lies(const Lies& lies);
  void set_capacity(std::uint64_t bytes);
  // Files of a read-only directory open for reading only; its names do not change:
  // kPermissionDenied.
  void set_read_only(const std::string& directory, bool read_only);

  // The bytes at rest. For tests that look at them or damage them while no log is open. A change is
  // made in the durable and in the running system's image alike. REQUIRES: the directory and file
  // are there.

  [[nodiscard]] std::vector<std::string> list(const std::string& directory) const;
  [[nodiscard]] bool exists(const std::string& directory, std::string_view file) const;
  [[nodiscard]] std::vector<std::byte> read_image(const std::string& directory,
                                                  std::string_view file) const;
  void overwrite(const std::string& directory, std::string_view file, std::uint64_t offset,
                 std::span<const std::byte> bytes);
  void flip_bit(const std::string& directory, std::string_view file, std::uint64_t offset,
                unsigned bit);
  // Cuts, or grows with zeros.
  void truncate(const std::string& directory, std::string_view file, std::uint64_t size);
  // `to` is made, or replaced.
  void copy_file(const std::string& directory, std::string_view from, const std::string& to);
  void rename_file(const std::string& directory, const std::string& from, const std::string& to);
  void remove_file(const std::string& directory, const std::string& file);
  // Makes `file` with these bytes. REQUIRES: it is not there; the directory is made if need be.
  void add_file(const std::string& directory, const std::string& file,
                std::span<const std::byte> bytes);
  // Writes all files of `directory` into the real directory `path` (made if need be); reads them
  // from one. Both return false when the file system refuses.
  [[nodiscard]] bool dump(const std::string& directory, const std::string& path) const;
  [[nodiscard]] bool load(const std::string& path, const std::string& directory);

 private:
  explicit SimStorage(std::shared_ptr<World> world);
  std::shared_ptr<World> world_;
};

}  // namespace cairn::sim

#endif  // CAIRN_SIM_SIM_STORAGE_H_
