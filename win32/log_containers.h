// Containers of a physical log: added, removed, described.
#ifndef CAIRN_WIN32_LOG_CONTAINERS_H_
#define CAIRN_WIN32_LOG_CONTAINERS_H_

#include <cstdint>
#include <vector>

#include <cairn/clfsw32.h>
#include <cairn/log.h>

#include "physical_log.h"

namespace cairn::win32 {

// Those below REQUIRE: log.container_mutex() held.

// So many more; the first ones make the log, with containers of `container_size` bytes, which is
// ignored later. False, and the last error is set.
[[nodiscard]] bool add_containers(PhysicalLog& log, std::uint64_t container_size,
                                  std::uint32_t count);
// So many free ones fewer. Errors: Log::remove_containers()'s.
[[nodiscard]] Status remove_containers(PhysicalLog& log, std::uint32_t count);
// Removes what RemoveLogContainer() wanted to go and is free by now.
void remove_what_became_free(PhysicalLog& log);
// How many there are. REQUIRES: there is a log.
[[nodiscard]] std::uint32_t count_containers(const log::Log& log);
// Makes the log do what the installed policies say; OK for a log without containers.
[[nodiscard]] Status apply_policies(PhysicalLog& log);

// `index` counts the containers of the log, oldest first, free ones last.
[[nodiscard]] CLFS_CONTAINER_INFORMATION describe_container(const PhysicalLog& log,
                                                            const log::ContainerInfo& container,
                                                            std::size_t index);

}  // namespace cairn::win32

#endif  // CAIRN_WIN32_LOG_CONTAINERS_H_
