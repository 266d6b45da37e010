// ContainerSet: the container files of an open log. Makes them ahead of need, makes them ready,
// recycles them.
//
//   new-*.tmp --(zero fill, sync)--> spare-*.cairn --(name, header, sync)--> container-N.cairn
//                                          ^                                       |
//                                          +-------- the tail passed it -----------+--> removed
#ifndef CAIRN_LOG_APPEND_CONTAINER_SET_H_
#define CAIRN_LOG_APPEND_CONTAINER_SET_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include <cairn/log.h>
#include <cairn/result.h>
#include <cairn/storage.h>

#include "append/block_writer.h"
#include "format/block.h"

namespace cairn::log {

// What a container's header says besides its own number.
struct ContainerFacts {
  std::uint64_t max_size = 0;
  Lsn scan_start;
  Lsn tail;
  std::uint32_t epoch = 0;
  std::uint32_t window = 0;
};

// Thread-safe. No I/O that fills a file under its mutex: the next container can be made ready while
// others are being made.
class ContainerSet {
 public:
  ContainerSet(Directory& directory, Storage& storage, const format::LogGeometry& geometry)
      : directory_(&directory), storage_(&storage), geometry_(geometry) {}

  // Takes stock of the directory at open: containers first..last stay, all others become spares,
  // at most `spare_max` of them; unfinished files go. Errors: kContainerMissing, kContainerSize
  // among those that stay; kInvalidArgument for a file that is not the log's.
  [[nodiscard]] Status adopt(std::uint64_t first, std::uint64_t last, std::uint64_t spare_max);

  // That containers first..last are there and of the right size. Errors: kContainerMissing,
  // kContainerSize.
  [[nodiscard]] Status check(std::uint64_t first, std::uint64_t last) const;

  // Makes container `number` ready to take blocks from `first_block` on: header and name are
  // durable on return. Uses a spare, or makes a file. After an error it may be tried again. One at
  // a time. Errors: kNoSpace, kIoError.
  [[nodiscard]] Result<ReadyContainer> make_ready(std::uint64_t number, Lsn first_block,
                                                  const ContainerFacts& facts);
  // Opens a container of the log for writing behind its blocks.
  [[nodiscard]] Result<ReadyContainer> open_existing(std::uint64_t number,
                                                     const format::ContainerIdentity& identity,
                                                     Lsn first_block);
  // Makes one more spare. Errors: kNoSpace, kIoError; nothing is left behind.
  [[nodiscard]] Status make_spare();
  // Gives up all containers before `number`: the first `keep` become spares, the rest is removed.
  // What was done counts, also before an error.
  struct Recycled {
    std::uint64_t kept = 0;
    std::uint64_t removed = 0;
    Status status;
  };
  [[nodiscard]] Recycled recycle_before(std::uint64_t number, std::uint64_t keep);
  // Removes up to `count` spares.
  struct Removed {
    std::uint64_t count = 0;
    Status status;
  };
  [[nodiscard]] Removed remove_spares(std::uint64_t count);

  // Counts, as of the last change; readable without waiting for I/O in progress.
  [[nodiscard]] std::uint64_t spares() const {
    return spare_count_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t containers() const {
    return container_count_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t made() const { return made_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t recycled() const { return recycled_.load(std::memory_order_relaxed); }
  // `active`: the number of the container that takes blocks; older ones are inactive.
  [[nodiscard]] std::vector<ContainerInfo> list(std::uint64_t active) const;

 private:
  [[nodiscard]] Result<bool> to_spare_or_remove(std::uint64_t number, bool keep);
  [[nodiscard]] Status write_header(File& file, std::uint64_t number, Lsn first_block,
                                    const ContainerFacts& facts,
                                    const format::ContainerIdentity& identity);
  [[nodiscard]] std::string spare_name();
  void count();

  Directory* directory_;
  Storage* storage_;
  format::LogGeometry geometry_;
  mutable std::mutex mutex_;
  std::set<std::uint64_t> numbers_;
  std::vector<std::string> spares_;
  std::atomic<std::uint64_t> spare_count_{0};
  std::atomic<std::uint64_t> container_count_{0};
  std::atomic<std::uint64_t> made_{0};
  std::atomic<std::uint64_t> recycled_{0};
};

}  // namespace cairn::log

#endif  // CAIRN_LOG_APPEND_CONTAINER_SET_H_
