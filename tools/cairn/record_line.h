// One record of a log as one line of output.
#ifndef CAIRN_TOOLS_RECORD_LINE_H_
#define CAIRN_TOOLS_RECORD_LINE_H_

#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include <cairn/record.h>

#include "stream_names.h"

namespace cairn::tools {

// What an engine's or a transaction manager's record says. Absent for all others: their bytes mean
// something to their writers only.
[[nodiscard]] std::optional<std::string> record_description(const log::Record& record,
                                                            const StreamNames& names);

// The head of the columns that record_text() fills.
[[nodiscard]] std::string record_text_head();
// Columns, the last of which is the description, or a preview of the payload.
[[nodiscard]] std::string record_text(const log::Record& record, const StreamNames& names);

// Everything about the record. "file" and "file_offset" say where the "length" bytes of the payload
// lie. With `payload`, those bytes as hexadecimal digits too.
[[nodiscard]] nlohmann::ordered_json record_json(const log::Record& record,
                                                 const StreamNames& names, bool payload);

}  // namespace cairn::tools

#endif  // CAIRN_TOOLS_RECORD_LINE_H_
