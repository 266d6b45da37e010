// KillLoop: a process that appends to a log from several threads is killed at random moments; after
// each kill everything that it had been told is durable must be there.
#ifndef CAIRN_TORTURE_KILL_LOOP_H_
#define CAIRN_TORTURE_KILL_LOOP_H_

#include <cstdint>
#include <string>

#include <cairn/log.h>
#include <cairn/sim/random.h>
#include <cairn/torture/append_knowledge.h>

namespace cairn::torture {

struct ChildProcess;

struct KillOptions {
  std::string directory;  // where the log is made, or goes on from an earlier loop's last kill
  log::StorageKind storage = log::StorageKind::kAuto;
  std::uint64_t seed = 1;  // of the moments
};

// For one thread. Forks: REQUIRES that the process has no other thread at the calls of round().
class KillLoop {
 public:
  explicit KillLoop(const KillOptions& options) : options_(options), random_(options.seed) {}

  // Starts a child, kills it within 250 ms of its first acknowledgement, recovers the log and looks
  // at it. Error: a promise that was not kept, in words, or what kept the child from working;
  // kInvalidArgument: the directory holds a log that is none of a loop's.
  [[nodiscard]] Status round();

  [[nodiscard]] std::uint64_t kills() const { return kills_; }
  [[nodiscard]] std::uint64_t acknowledged() const { return known_.count(); }

 private:
  [[nodiscard]] Status check_directory() const;
  [[nodiscard]] Status run_and_kill(std::uint64_t milliseconds);
  [[nodiscard]] Status listen(const ChildProcess& child, std::uint64_t milliseconds);
  [[nodiscard]] Status note(const void* bytes);
  [[nodiscard]] Status verify();

  const KillOptions options_;
  sim::Random random_;
  AppendKnowledge known_;
  std::string said_;  // by a child that cannot go on
  std::uint64_t kills_ = 0;
};

}  // namespace cairn::torture

#endif  // CAIRN_TORTURE_KILL_LOOP_H_
