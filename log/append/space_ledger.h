// SpaceLedger: which appends the log's space allows.
//
// Reckons in bytes that can surely be used, worst case: of each container, the header, the seal and
// one block of unusable rest are left out. Two promises are kept:
//  - what was reserved fits into containers that exist, so a full disk cannot break it either;
//  - one container's worth is held back from ordinary appends, for restart areas and the engine's
//    own records, so that a full log can always be emptied.
#ifndef CAIRN_LOG_APPEND_SPACE_LEDGER_H_
#define CAIRN_LOG_APPEND_SPACE_LEDGER_H_

#include <cstdint>
#include <limits>

#include "format/block.h"
#include "format/layout.h"

namespace cairn::log {

// Who asks for space.
enum class SpaceClass : std::uint8_t {
  kOrdinary,  // appends without a reservation
  kReserved,  // appends out of a reservation
  kHeldBack,  // restart areas, advances of a base
  kSnapshot,  // the engine's own snapshots
};

enum class SpaceVerdict : std::uint8_t {
  kGranted,
  kGrow,               // would be granted with one more container
  kFull,               // the log is at its maximum
  kFullByReservation,  // would be granted if nothing were reserved
};

// A pure value; its owner locks.
class SpaceLedger {
 public:
  SpaceLedger(const format::LogGeometry& geometry, std::uint64_t max_size);

  // What exists now. `room`: bytes left in the present container; `free_containers`: made, not used
  // yet; `containers`: all there are, free or not.
  struct Stock {
    std::uint64_t room = 0;
    std::uint64_t free_containers = 0;
    std::uint64_t containers = 0;
  };

  // Worst-case bytes that a record of `payload` bytes takes: alone in a block of its own.
  [[nodiscard]] std::uint64_t charge(std::uint64_t payload) const;

  // Whether a record that is charged `bytes` may be appended.
  [[nodiscard]] SpaceVerdict ask(SpaceClass who, std::uint64_t bytes, const Stock& stock) const;
  // Whether `bytes` more may be reserved.
  [[nodiscard]] SpaceVerdict ask_reserve(std::uint64_t bytes, const Stock& stock) const;

  void reserve(std::uint64_t bytes) { reserved_ += bytes; }
  void release(std::uint64_t bytes) { reserved_ -= bytes; }
  [[nodiscard]] std::uint64_t reserved() const { return reserved_; }
  // Growth failed (no space in the file system): until a success, what cannot grow is full.
  void set_growth_failed(bool failed) { growth_failed_ = failed; }
  [[nodiscard]] bool growth_failed() const { return growth_failed_; }

  // How many containers the log may have. At least 4.
  [[nodiscard]] std::uint64_t max_containers() const { return max_containers_; }

 private:
  [[nodiscard]] std::uint64_t existing(const Stock& stock) const;
  [[nodiscard]] bool can_grow(const Stock& stock) const {
    return !growth_failed_ && stock.containers < max_containers_;
  }

  std::uint32_t alignment_;
  std::uint64_t slack_;   // unusable rest of a container
  std::uint64_t usable_;  // of a whole container
  std::uint64_t max_containers_;
  std::uint64_t reserved_ = 0;
  bool growth_failed_ = false;
};

}  // namespace cairn::log

#endif  // CAIRN_LOG_APPEND_SPACE_LEDGER_H_
