// The child of a kill loop: appends to a log from several threads until it is killed.
#ifndef CAIRN_TORTURE_KILL_CHILD_H_
#define CAIRN_TORTURE_KILL_CHILD_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <cairn/log.h>
#include <cairn/storage.h>

namespace cairn::torture {

// Tells over `pipe` what was acknowledged (kill_messages.h), after the fact.
[[noreturn]] void work_until_killed(const std::string& directory, log::StorageKind storage,
                                    std::uint32_t threads, int pipe);

// Its parts, for others: the log, of at most so many small containers; and threads that append to
// it, each to its stream, and say so over `child_pipe`. A log that refuses ends the process.
inline constexpr std::uint64_t kAppendedContainers = 16;
[[nodiscard]] Result<std::unique_ptr<log::Log>> open_appended_log(
    const std::string& directory, std::shared_ptr<log::Storage> storage);
[[nodiscard]] std::vector<std::thread> start_appending(log::Log& log, std::uint32_t threads,
                                                       const std::atomic<bool>& stop);

}  // namespace cairn::torture

#endif  // CAIRN_TORTURE_KILL_CHILD_H_
