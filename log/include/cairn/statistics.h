// LogStatistics: what an open log has done since it was opened. Always counted; in memory only.
#ifndef CAIRN_STATISTICS_H_
#define CAIRN_STATISTICS_H_

#include <cstdint>
#include <string>

#include <cairn/histogram.h>

namespace cairn::log {

struct LogStatistics {
  std::uint64_t records = 0;  // appended, the engine's own included
  std::uint64_t payload_bytes = 0;
  std::uint64_t blocks = 0;       // written
  std::uint64_t block_bytes = 0;  // written, padding included
  std::uint64_t padding_bytes = 0;
  std::uint64_t durable_writes = 0;  // writes that carried their own flush
  std::uint64_t syncs = 0;           // flushes on their own
  std::uint64_t containers_made = 0;
  std::uint64_t containers_recycled = 0;
  // How often an append or a reservation found too few free containers and waited until a file was
  // made and filled. One call may do so several times. None: containers were made far enough ahead.
  std::uint64_t growth_stalls = 0;
  std::uint64_t snapshots = 0;    // of the catalog
  std::uint64_t block_waits = 0;  // appends that waited for a block in memory
  // Appends that found their container full and the next one not named yet: they waited for what
  // was before it to be durable, and for a free file to get its name and header. An append that
  // finds no free file either is counted here once, and among the growth_stalls.
  std::uint64_t container_waits = 0;
  std::uint64_t callbacks = 0;        // run: on_durable() and growth
  std::uint64_t stalls = 0;           // writes and syncs that took longer than the limit
  std::uint64_t readers_overrun = 0;  // tail readers whose pin was given up

  // What became durable together: of each block, when it is submitted.
  Histogram block_records;
  Histogram block_used_bytes;  // without padding
  // How long a call waited for the durability it asked for, of those that had to wait or to write.
  Histogram wait_ns;
  // From submission until the completion was seen.
  Histogram write_ns;
  Histogram sync_ns;
};

// Some lines for people: the counts, then the histograms with p50, p99, p99.9 and the largest.
[[nodiscard]] std::string describe(const LogStatistics& statistics);

}  // namespace cairn::log

#endif  // CAIRN_STATISTICS_H_
