// ContainerSurvey: what the containers of a directory say of their log, without its base log.
#ifndef CAIRN_LOG_REBUILD_CONTAINER_SURVEY_H_
#define CAIRN_LOG_REBUILD_CONTAINER_SURVEY_H_

#include <cstdint>
#include <string>
#include <vector>

#include <cairn/result.h>
#include <cairn/storage.h>
#include <cairn/verdict.h>

#include "format/layout.h"

namespace cairn::log {

struct ContainerSurvey {
  // As a base log would say it; generation 1. Its `durable` is what the blocks' watermarks prove.
  format::BaseSlot slot{};
  EndOfLog end_of_log;
  std::uint64_t first = 0;  // containers that the log needs
  std::uint64_t last = 0;
  std::vector<std::string> notes;
};

// In this order, each step on what the one before left:
//  1. Every file with a container's name is held against its own header: the place, the size, the
//     log. A file that contradicts the others ends it. A header that cannot be read is left out;
//     so is one of an earlier life in the newest file, which a crash can leave while a spare
//     becomes a container.
//  2. The newest run of containers without a hole is walked from its first block to the end that
//     the decision table (read/end_of_log.h) finds. The newest whole snapshot on the way is where a
//     scan begins.
//  3. The scan from there gives the catalog, and that the tail: the oldest LSN that it needs. The
//     run must reach back to it.
// Reads everything; changes nothing. What was read is durable. Errors: as rebuild_base_log().
[[nodiscard]] Result<ContainerSurvey> survey_containers(Directory& directory);

}  // namespace cairn::log

#endif  // CAIRN_LOG_REBUILD_CONTAINER_SURVEY_H_
