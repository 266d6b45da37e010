// Space: what a log says and asks about its room.
#ifndef CAIRN_SPACE_H_
#define CAIRN_SPACE_H_

#include <cstdint>
#include <functional>

#include <cairn/lsn.h>

namespace cairn::log {

// What a stream's reservations hold together.
struct ReservedInfo {
  std::uint64_t reservations = 0;  // granted and not given back
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;  // exact, the sum of Reservation::bytes()
};

// Bytes are worst case, as for records that each end up alone in a block.
struct SpaceInfo {
  ReservedInfo reserved;               // all streams
  std::uint64_t reserved_backing = 0;  // bytes that exist for them
  std::uint64_t held_back = 0;         // bytes for restart areas, advances of bases, one snapshot
  std::uint64_t left = 0;        // bytes for ordinary appends, up to the maximum if there is one
  std::uint64_t containers = 0;  // files, free ones included
  std::uint64_t free_containers = 0;  // of them
  std::uint64_t wanted_ahead = 0;     // free ones that the background keeps
  std::uint64_t waiting_appends = 0;  // appends that wait for space
  bool growth_failed = false;         // the file system had no space for another container
};

// The log asks the owner of the stream that pins its tail to move on.
struct AdvanceRequest {
  // Nothing of the stream may be needed before this LSN: its base is to be there or behind, and so
  // are both its restart areas (an advance_base() gives up the previous one). Not the LSN of a
  // record.
  Lsn target;
  Lsn pin;                    // the oldest LSN that the stream needs now
  unsigned attempt = 1;       // how often this pin was asked away
  std::uint64_t left = 0;     // bytes for ordinary appends
  bool appends_wait = false;  // someone met a full log or waits for space
};

// Runs on the background thread, or in run_background(), one at a time, without locks of the log
// held. May advance the base and write restart areas right there; must not wait for space, for a
// time limit or for another thread that does.
using AdvanceCallback = std::function<void(const AdvanceRequest&)>;

}  // namespace cairn::log

#endif  // CAIRN_SPACE_H_
