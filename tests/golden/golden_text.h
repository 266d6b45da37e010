// What a log holds, as text: the expected content of a golden log.
#ifndef CAIRN_TESTS_GOLDEN_GOLDEN_TEXT_H_
#define CAIRN_TESTS_GOLDEN_GOLDEN_TEXT_H_

#include <memory>
#include <string>

#include <cairn/sim/sim_storage.h>

namespace cairn::golden {

// The log in the directory "log" of `storage`: how its end is judged, then each stream with its
// base, restart areas and records, payloads by length and FNV-1a sum. The log is opened, and closed
// again. Errors: those of the log's calls.
[[nodiscard]] Result<std::string> golden_text(std::shared_ptr<sim::SimStorage> storage);
// What the stream "tm" of that log adds up to: the manager, and what it still owes. Errors: of
// recovery::read_tm_state().
[[nodiscard]] Result<std::string> manager_text(std::shared_ptr<sim::SimStorage> storage);

}  // namespace cairn::golden

#endif  // CAIRN_TESTS_GOLDEN_GOLDEN_TEXT_H_
