// Options of a transaction manager.
#ifndef CAIRN_TM_OPTIONS_H_
#define CAIRN_TM_OPTIONS_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include <cairn/log.h>

namespace cairn::tm {

enum class Background : std::uint8_t {
  kThread,  // one housekeeping thread: timeouts and checkpoints
  kManual,  // no thread: the program calls TransactionManager::run_background()
};

struct TmOptions {
  // Where decisions are kept; null makes a volatile manager: no durable resource managers, nothing
  // survives the process. Several managers may share one log, each in its own stream. The manager
  // holds the log open until close(); it never closes it.
  std::shared_ptr<log::Log> log{};
  // The manager's stream in that log, 1 to 255 bytes. Ignored by a volatile manager.
  std::string stream = "tm";

  // Transactions with a timeout, and checkpoints by time, need one of the two. With kManual over a
  // log that is Background::kManual too, waiting calls drive that log themselves.
  Background background = Background::kThread;

  // A clock that never goes back, for timeouts and checkpoint times. Empty:
  // std::chrono::steady_clock. A virtual one wants kManual: the thread sleeps by real time. Called
  // under locks: must be short and call nothing of Cairn.
  std::function<std::chrono::nanoseconds()> now{};
  // Time of day as nanoseconds since 1970 UTC, written into decision records for people to read;
  // nothing is decided by it. Empty: std::chrono::system_clock. Called under locks.
  std::function<std::uint64_t()> wall_clock{};

  // A checkpoint (a restart area that moves the base) is written after this many bytes of records
  // of this manager, at least 4096. Smaller: shorter recovery, more forced writes.
  std::uint64_t checkpoint_bytes = std::uint64_t{4} << 20;
  // And after this long, if anything was logged since the last. 0: only by bytes.
  std::chrono::nanoseconds checkpoint_interval = std::chrono::seconds(60);
  // A committed transaction whose resource managers stay away pins the log's tail. Once its record
  // lies this many bytes behind the end of the log, a checkpoint writes it again at the end, so
  // that the base can move. At least 4096. More than a quarter of the log's maximum size counts as
  // that.
  std::uint64_t carry_forward_bytes = std::uint64_t{16} << 20;
};

}  // namespace cairn::tm

#endif  // CAIRN_TM_OPTIONS_H_
