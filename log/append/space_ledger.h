// SpaceLedger: which appends the log's space allows, and who holds what of it.
//
// Reckons in bytes that can surely be used, worst case: every record alone in a block of its own,
// every container without its header, its seal, one block of unusable rest at its end, and the
// snapshot that is written when it is entered. Of what exists, this is spoken for:
//
//   reserved   per record: its bytes and the framing and padding of a block of its own
//   restart    one restart area per stream, of the size that the policies name
//   common     one largest block: advances of bases, deletions, closing marks, longer restart areas
//   snapshot   one snapshot of the catalog, without which nothing is recycled
//
// What is reserved and held back lies in containers that exist, so that a full disk cannot break it
// either. Ordinary appends get what is left.
#ifndef CAIRN_LOG_APPEND_SPACE_LEDGER_H_
#define CAIRN_LOG_APPEND_SPACE_LEDGER_H_

#include <cstdint>
#include <deque>
#include <limits>
#include <map>
#include <optional>
#include <set>

#include <cairn/policies.h>
#include <cairn/record.h>
#include <cairn/reservation.h>

#include "format/block.h"
#include "format/layout.h"

namespace cairn::log {

// Who asks for space.
enum class SpaceClass : std::uint8_t {
  kOrdinary,       // appends without a reservation, and new reservations
  kReserved,       // appends out of a reservation
  kRestart,        // restart areas: the stream's own room first, then the common one
  kHeldBack,       // advances of a base, deletions: the common room first, then the stream's own
  kSnapshot,       // the beginning of a snapshot for recycling, for all of it
  kCut,            // the beginning of a truncation's snapshot, for all of it: nothing is held back
  kSnapshotPiece,  // the rest of one that was begun
};

enum class SpaceVerdict : std::uint8_t {
  kGranted,
  kGrow,               // would be granted with one more container
  kFull,               // the log is at its maximum
  kFullByReservation,  // would be granted if nothing were reserved
};

// What is asked for: worst-case bytes, and what the call would add to what must be held back.
struct SpaceDemand {
  SpaceClass who = SpaceClass::kOrdinary;
  std::uint64_t bytes = 0;
  StreamId stream = 0;  // kRestart, kHeldBack: whose
  // kRestart, kHeldBack: what it needs, or the archive, lies in a later container afterwards. Only
  // that may take the last half of the common room, or, of an advance, the stream's own: what frees
  // nothing must not use up what could.
  bool moves_pin = false;
  // By who holds the housekeeping's lock: it asks for no space to be reclaimed.
  bool in_housekeeping = false;
  std::uint64_t given_back = 0;  // bytes of reservations that the same call frees
  std::uint64_t streams = 0;     // made by the call
  std::uint64_t name_bytes = 0;  // of their names
};

// What a stream's reservations hold together.
struct ReservedSpace {
  std::uint64_t reservations = 0;
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;  // exact, as Reservation::bytes()
};

// A pure value; its owner locks.
class SpaceLedger {
 public:
  SpaceLedger(const format::LogGeometry& geometry, const Policies& policies);

  void set_policies(const Policies& policies);
  [[nodiscard]] const Policies& policies() const { return policies_; }
  // How many free containers there may be at most; without a pool, those made ahead.
  [[nodiscard]] std::uint64_t most_free() const {
    return policies_.spare_max > 0 ? policies_.spare_max : policies_.ahead;
  }

  // --- containers ---

  // At open: `containers` files, of which `free` hold nothing, while container `number` takes
  // blocks.
  void begin(std::uint64_t containers, std::uint64_t free, std::uint64_t number);
  // A container is being made, from begin_growth() to end_growth(). One at a time.
  void begin_growth();
  void end_growth(const Status& status);
  [[nodiscard]] bool growing() const { return growing_; }
  // Growth failed (no space in the file system): until a success, what cannot grow is full.
  [[nodiscard]] bool growth_failed() const { return growth_failed_; }
  void forget_failed_growth() {
    growth_failed_ = false;
    allowance_ = 0;
  }
  // Containers behind the tail were given up: `kept` of them as free ones, `removed` for good.
  void recycled(std::uint64_t kept, std::uint64_t removed);
  // Free ones go: from here on they do not count; cancelled for those that could not be removed.
  void begin_removal(std::uint64_t count);
  void cancel_removal(std::uint64_t count);

  // What exists when container `number` has `room` bytes left. `snapshot_due`: the snapshot that
  // belongs to its entry was not written yet.
  struct Stock {
    std::uint64_t number = 0;
    std::uint64_t room = 0;
    bool snapshot_due = false;
  };
  [[nodiscard]] std::uint64_t containers() const { return containers_; }
  [[nodiscard]] std::uint64_t free_containers(std::uint64_t number) const {
    return free_made_ - (number - first_number_);
  }
  [[nodiscard]] std::uint64_t max_containers() const;
  [[nodiscard]] std::uint64_t min_containers() const;
  // Free containers to have, by the policies and by what was seen to be taken while one was made.
  [[nodiscard]] std::uint64_t wanted_ahead() const { return wanted_ahead_; }
  void saw_consumption(std::uint64_t containers);
  // Whether the background shall make one more.
  [[nodiscard]] bool wants_growth(std::uint64_t number) const;
  // Whether one more may be made at all.
  [[nodiscard]] bool may_grow() const { return containers_ < max_containers(); }
  // How many free containers are too many by the policies and can go; how many can go at all.
  [[nodiscard]] std::uint64_t superfluous(const Stock& stock) const;
  [[nodiscard]] std::uint64_t removable(const Stock& stock) const;
  // Of `count` containers about to be recycled, how many are kept as free ones.
  [[nodiscard]] std::uint64_t keepable(std::uint64_t number, std::uint64_t count) const;

  // --- appends ---

  // Worst-case bytes that a record of `payload` bytes takes: alone in a block of its own.
  [[nodiscard]] std::uint64_t charge(std::uint64_t payload) const {
    return format::padded_size(sizeof(format::BlockHeader) + format::record_size(payload),
                               alignment_);
  }
  // Worst-case bytes of `records` records whose headers and payloads, each rounded up to a multiple
  // of 8, are `bytes` together.
  [[nodiscard]] std::uint64_t backing(std::uint64_t records, std::uint64_t bytes) const;
  [[nodiscard]] SpaceVerdict ask(const SpaceDemand& demand, const Stock& stock) const;
  // Books what a granted demand takes of the room held back; forgets it once all of that is there
  // again. REQUIRES: ask() granted it for the same stock.
  void granted(const SpaceDemand& demand, const Stock& stock);
  // Most appends are far from any limit, so that an ordinary one that was granted leaves an
  // allowance: until the next container, or until anything here changes, so many bytes more would
  // be granted too, and nothing else would follow from it (no growth, no low space). REQUIRES of
  // allow(): the demand was granted just now, for the same stock.
  void allow(const SpaceDemand& demand, const Stock& stock);
  // Takes an ordinary demand out of the allowance. False: ask().
  [[nodiscard]] bool take_allowance(const SpaceDemand& demand, std::uint64_t number) {
    return demand.who == SpaceClass::kOrdinary && demand.streams == 0 &&
           take_allowance(demand.bytes, number);
  }
  // The same for an ordinary demand of so many bytes and nothing else.
  [[nodiscard]] bool take_allowance(std::uint64_t bytes, std::uint64_t number) {
    if (number != allowed_in_ || bytes > allowance_) return false;
    allowance_ -= bytes;
    return true;
  }
  // Bytes that ordinary appends may still take, containers yet to be made included (only up to the
  // maximum).
  [[nodiscard]] std::uint64_t left(const Stock& stock) const;
  [[nodiscard]] bool is_low(const Stock& stock) const;
  // As bytes, the threshold of the policies.
  [[nodiscard]] std::uint64_t low_space() const {
    return policies_.max_size / 100 * policies_.low_space_percent;
  }

  // --- reservations ---

  void reserve(StreamId stream, std::uint64_t reservations, std::uint64_t records,
               std::uint64_t bytes);
  void release(StreamId stream, std::uint64_t reservations, std::uint64_t records,
               std::uint64_t bytes);
  // Worst-case bytes that all reservations may take.
  [[nodiscard]] std::uint64_t reserved() const { return backing(total_.records, total_.bytes); }
  [[nodiscard]] const ReservedSpace& total() const { return total_; }
  [[nodiscard]] ReservedSpace of(StreamId stream) const;
  // The stream that holds the most; nothing if none holds any.
  [[nodiscard]] std::optional<StreamId> largest_holder() const;

  // --- what is held back ---

  void stream_created(std::uint64_t name_bytes);
  void stream_deleted(StreamId stream, std::uint64_t name_bytes);
  void set_gaps(std::uint64_t gaps) {
    gaps_ = gaps;
    allowance_ = 0;
  }
  // What a snapshot states, as a whole.
  void set_catalog(std::uint64_t streams, std::uint64_t name_bytes, std::uint64_t gaps);
  // Worst-case bytes of restart areas, common room and one snapshot, when all of it is there.
  [[nodiscard]] std::uint64_t held_back() const;
  [[nodiscard]] std::uint64_t restart_room() const;
  // Containers from one snapshot to the next: more than one only when a snapshot is long.
  [[nodiscard]] std::uint64_t snapshot_interval() const;
  // Whether a snapshot with which `containers` can be recycled leaves more room than it takes.
  [[nodiscard]] bool snapshot_pays(std::uint64_t containers) const;

 private:
  [[nodiscard]] std::uint64_t snapshot_bytes(std::uint64_t streams, std::uint64_t names) const;
  [[nodiscard]] std::uint64_t interval(std::uint64_t snapshot) const;
  [[nodiscard]] std::uint64_t usable(std::uint64_t snapshot) const;
  [[nodiscard]] std::uint64_t existing(const Stock& stock, std::uint64_t snapshot) const;
  [[nodiscard]] bool can_grow() const {
    return !growth_failed_ && policies_.growth > 0 && may_grow();
  }
  [[nodiscard]] SpaceVerdict ask_held_back(const SpaceDemand& demand, std::uint64_t have) const;
  [[nodiscard]] bool own_room(const SpaceDemand& demand) const;
  [[nodiscard]] bool common_room(const SpaceDemand& demand) const;

  std::uint32_t alignment_;
  std::uint64_t container_size_;
  std::uint64_t slack_;  // unusable rest of a container; the largest block
  Policies policies_;

  std::uint64_t containers_ = 0;  // files, those in the making included
  std::uint64_t free_made_ = 0;   // free at open, and made or recycled since, less those removed
  std::uint64_t first_number_ = 0;
  std::uint64_t wanted_ahead_ = 1;
  std::deque<std::uint64_t> seen_;  // containers entered while one was made; the last few times
  bool growing_ = false;
  bool growth_failed_ = false;

  ReservedSpace total_;
  std::map<StreamId, ReservedSpace> reserved_;

  std::uint64_t streams_ = 0;
  std::uint64_t name_bytes_ = 0;
  std::uint64_t gaps_ = 0;
  std::set<StreamId> spent_;        // streams whose own room was used and is not there again
  std::uint64_t common_spent_ = 0;  // bytes of the common room, likewise
  std::uint64_t allowed_in_ = 0;    // the container that the allowance is of
  std::uint64_t allowance_ = 0;
};

}  // namespace cairn::log

#endif  // CAIRN_LOG_APPEND_SPACE_LEDGER_H_
