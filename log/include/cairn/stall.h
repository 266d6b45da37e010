// StallEvent: a write of the log's that takes longer than it should.
#ifndef CAIRN_STALL_H_
#define CAIRN_STALL_H_

#include <chrono>
#include <functional>
#include <string>

#include <cairn/lsn.h>

namespace cairn::log {

// Told twice of each stall: when it is noticed, and when the write ended after all. That a write is
// late says nothing about how it will end: the log goes on waiting for it, and so do its callers.
// Watched are the writes of blocks and the flushes that make them durable, which appends wait for;
// not the making of containers, headers, names and the base log.
struct StallEvent {
  bool ended = false;              // the write is done; false: it is still in flight
  bool sync = false;               // a flush of its own, not the write of a block
  std::chrono::nanoseconds age{};  // since it was submitted
  std::string file;                // its path
  Lsn begin;                       // the bytes concerned
  Lsn end;
};

// Runs on a thread of the log's own, or in run_background(), without locks of the log held. Must be
// short and must not call close() or a waiting function of this log.
using StallCallback = std::function<void(const StallEvent&)>;

}  // namespace cairn::log

#endif  // CAIRN_STALL_H_
