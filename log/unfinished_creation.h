// What a creation leaves behind that did not come to its end, and logs that are to go.
#ifndef CAIRN_LOG_UNFINISHED_CREATION_H_
#define CAIRN_LOG_UNFINISHED_CREATION_H_

#include <chrono>

#include <cairn/status.h>
#include <cairn/storage.h>

namespace cairn::log {

// Removes what a creation or a restore left behind that a crash or an error ended. Error:
// kAlreadyExists if a log is there.
[[nodiscard]] Status clear_unfinished_creation(Directory& directory,
                                               std::chrono::milliseconds lock_wait);

// Removes the log in the directory. It becomes an unfinished creation first, so that a crash in
// between leaves no log that lost some of its containers. Errors as Log::remove().
[[nodiscard]] Status remove_log(Directory& directory, std::chrono::milliseconds lock_wait);

}  // namespace cairn::log

#endif  // CAIRN_LOG_UNFINISHED_CREATION_H_
