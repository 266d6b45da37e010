// KillLoop: a process that appends to a log from several threads is killed at random moments; after
// each kill everything that it had been told is durable must be there.
#ifndef CAIRN_TORTURE_KILL_LOOP_H_
#define CAIRN_TORTURE_KILL_LOOP_H_

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include <cairn/log.h>
#include <cairn/sim/random.h>

namespace cairn::torture {

struct KillOptions {
  std::string directory;  // where the log is made, or goes on from an earlier loop's last kill
  log::StorageKind storage = log::StorageKind::kAuto;
  std::uint64_t seed = 1;  // of the moments
};

// For one thread. Forks: REQUIRES that the process has no other thread at the calls of round().
class KillLoop {
 public:
  static constexpr std::uint32_t kThreads = 4;

  explicit KillLoop(const KillOptions& options) : options_(options), random_(options.seed) {}

  // Starts a child, kills it within 250 ms of its first acknowledgement, recovers the log and looks
  // at it. Error: a promise that was not kept, in words, or what kept the child from working;
  // kInvalidArgument: the directory holds a log that is none of a loop's.
  [[nodiscard]] Status round();

  [[nodiscard]] std::uint64_t kills() const { return kills_; }
  [[nodiscard]] std::uint64_t acknowledged() const { return acknowledged_count_; }

 private:
  struct Child;

  [[nodiscard]] Status check_directory() const;
  [[nodiscard]] Status run_and_kill(std::uint64_t milliseconds);
  [[nodiscard]] Status listen(const Child& child, std::uint64_t milliseconds);
  [[nodiscard]] Status note(const void* bytes);
  [[nodiscard]] Status verify();
  [[nodiscard]] Status verify_stream(log::Log& log, std::uint32_t number);

  const KillOptions options_;
  sim::Random random_;
  std::array<std::map<Lsn, std::uint64_t>, kThreads> acknowledged_;  // by stream: LSN -> sequence
  std::array<Lsn, kThreads> moving_;
  Lsn former_end_;  // of the log, when the newest child was started
  std::uint64_t acknowledged_count_ = 0;
  std::uint64_t kills_ = 0;
};

}  // namespace cairn::torture

#endif  // CAIRN_TORTURE_KILL_LOOP_H_
