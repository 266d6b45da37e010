// Disk: what a simulated machine remembers, and what of it survives a power cut.
//
// Two views are kept of everything. The *current* one is what the running system sees. The
// *durable* one is what a power cut leaves in any case. Between them lie operations that are not
// yet durable, in the order in which they were begun:
//
//   durable image --[pending operations]--> current image
//
// A power cut decides about each part of each pending operation on its own:
//  - a write, sector by sector (512 bytes): old, new, torn (begins with the new bytes and ends with
//    the old ones, or the other way round), or zero. Writes to one sector apply in order, so an
//    earlier version of a sector may survive where a later one does not. A sector that survives
//    makes the file long enough.
//  - a zero fill as a whole: old, new, or torn (filled up to some sector).
//  - a change of names: done or not. It needs every earlier pending change that concerns one of its
//    names or its file: a file that was never made cannot be renamed, a name that was not given up
//    cannot be taken. Within that rule, any subset.
// What a file holds and what it is called are independent: a name may survive whose file is empty,
// and bytes may be durable that no name leads to.
#ifndef CAIRN_SIM_DISK_H_
#define CAIRN_SIM_DISK_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <cairn/sim/image.h>
#include <cairn/sim/random.h>

namespace cairn::sim {

using FileId = std::uint64_t;
using OperationId = std::uint64_t;

// What becomes of one pending thing in a power cut.
enum class Fate : std::uint8_t { kOld, kNew, kTorn, kZero };

enum class PendingKind : std::uint8_t { kSector, kFill, kNames };

// One thing about which a power cut decides.
struct Pending {
  PendingKind kind = PendingKind::kSector;
  OperationId operation = 0;  // sectors of one write share it
  std::uint64_t offset = 0;   // kSector: of the sector in its file
};

// Decides about the pending thing number `index`. For kNames everything but kNew means "not done".
using CrashChoice = std::function<Fate(const Pending& pending, std::size_t index)>;

// A value: a copy is an independent disk. Not thread-safe by itself.
class Disk {
 public:
  // Directories. Names are those of the current view.
  [[nodiscard]] bool has_directory(const std::string& directory) const;
  void make_directory(const std::string& directory);
  [[nodiscard]] std::vector<std::string> list(const std::string& directory) const;
  [[nodiscard]] std::optional<FileId> find(const std::string& directory,
                                           std::string_view name) const;
  // REQUIRES (all three): the directory exists, `from`/`name` is there or, to be made, is not.
  FileId create(const std::string& directory, const std::string& name);
  void rename(const std::string& directory, const std::string& from, const std::string& to);
  void remove(const std::string& directory, const std::string& name);
  // All changes of names in `directory` so far become durable.
  void sync_directory(const std::string& directory);

  // Files.
  [[nodiscard]] const Image& current(FileId file) const;
  [[nodiscard]] const Image& durable(FileId file) const;
  // The newest name of `file`, for messages.
  [[nodiscard]] const std::string& label(FileId file) const;
  // Changes both images at once, behind the back of whoever uses the file.
  void edit(FileId file, const std::function<void(Image&)>& change);
  // Bytes of all files that have a name.
  [[nodiscard]] std::uint64_t used_bytes() const;

  // Begins a write or a zero fill: visible in the current view, in flight, nothing durable.
  // REQUIRES: offset and size are multiples of kSectorSize.
  OperationId begin_write(FileId file, std::uint64_t offset, std::span<const std::byte> data);
  OperationId begin_fill(FileId file, std::uint64_t size);
  // The operation ended; a sync that begins from now on covers it.
  void complete(OperationId operation);
  void make_durable(OperationId operation);
  // All operations on `file` completed before `moment` become durable.
  void sync(FileId file, std::uint64_t moment);
  // The present, for sync().
  [[nodiscard]] std::uint64_t now() { return ++clock_; }

  // The operation ended with an error. Of its sectors each at random is lost or stays pending.
  void fail(OperationId operation, Random& random);
  // The operation ended early: its first `kept` sectors stay pending, the others are lost.
  void cut_short(OperationId operation, std::uint64_t kept);
  // A sync failed: of what it covered each sector at random becomes durable, or is dropped and
  // never will. With `keeps_view` the running system goes on seeing what was dropped, as Linux's
  // page cache does, until drop_cache().
  void fail_sync(FileId file, std::uint64_t moment, bool keeps_view, Random& random);

  // The current view of the file is read from the disk again.
  void drop_cache(FileId file);

  // Everything undecided, in a fixed order.
  [[nodiscard]] std::vector<Pending> pending() const;
  // For messages: the file and offset, or the names. REQUIRES: it is still pending.
  [[nodiscard]] std::string describe(const Pending& pending) const;
  // The disk after a power cut: `choice` decides, `random` places the tears.
  [[nodiscard]] Disk after_power_cut(const CrashChoice& choice, Random& random) const;

 private:
  struct Inode {
    std::string label;
    Image current;
    Image durable;
  };
  using Names = std::map<std::string, FileId, std::less<>>;
  struct DirectoryState {
    Names current;
    Names durable;
  };
  // from -> to: a rename; only `to`: made; only `from`: removed.
  struct NameChange {
    std::string directory;
    std::string from;
    std::string to;
  };
  struct Operation {
    PendingKind kind = PendingKind::kSector;
    FileId file = 0;
    std::uint64_t completed = 0;  // the moment; 0: in flight
    // kSector: where, what, and for each sector whether it is still undecided.
    std::uint64_t offset = 0;
    std::shared_ptr<const std::vector<std::byte>> bytes;
    std::vector<bool> open;
    // kFill: up to where.
    std::uint64_t fill_size = 0;
    // kNames.
    NameChange names;

    [[nodiscard]] std::span<const std::byte> sector(std::size_t index) const {
      return std::span(*bytes).subspan(index * kSectorSize, kSectorSize);
    }
  };

  static bool conflict(const Operation& one, const Operation& other);
  static void apply(const Operation& change, Names& names);
  static void apply(Fate fate, const Operation& operation, std::size_t index, Random& random,
                    Image& image);
  void change_names(FileId file, NameChange change);
  OperationId add(Operation operation);
  // The undecided sectors of the operation for which `lost(index)` holds never reach the disk; it
  // is over.
  void lose_sectors(OperationId id, const std::function<bool(std::size_t)>& lost);
  void harden(OperationId id);
  void harden_sector(OperationId id, std::size_t index);
  // In operations on `file` before `id`, the sectors from byte `begin` to `end` are superseded.
  void supersede(FileId file, OperationId id, std::uint64_t begin, std::uint64_t end);
  void rebuild_view(FileId file, std::uint64_t offset);
  void forget_decided();
  [[nodiscard]] bool covered(const Operation& operation, FileId file, std::uint64_t moment) const;

  std::uint64_t clock_ = 0;
  FileId next_file_ = 1;
  OperationId next_operation_ = 1;
  std::map<FileId, Inode> inodes_;
  std::map<std::string, DirectoryState> directories_;
  std::map<OperationId, Operation> operations_;  // in the order in which they were begun
};

}  // namespace cairn::sim

#endif  // CAIRN_SIM_DISK_H_
