// The child of a kill loop: appends to a log from several threads until it is killed.
#ifndef CAIRN_TORTURE_KILL_CHILD_H_
#define CAIRN_TORTURE_KILL_CHILD_H_

#include <cstdint>
#include <string>

#include <cairn/storage.h>

namespace cairn::torture {

// Tells over `pipe` what was acknowledged (kill_messages.h), after the fact.
[[noreturn]] void work_until_killed(const std::string& directory, log::StorageKind storage,
                                    std::uint32_t threads, int pipe);

}  // namespace cairn::torture

#endif  // CAIRN_TORTURE_KILL_CHILD_H_
