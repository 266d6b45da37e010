// Text for people, and the JSON pieces that all commands share.
#ifndef CAIRN_TOOLS_TEXT_H_
#define CAIRN_TOOLS_TEXT_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include <cairn/lsn.h>
#include <cairn/status.h>

namespace cairn::tools {

// "64 MiB", "1.5 KiB", "17 B"; 1024 to the step.
[[nodiscard]] std::string bytes_text(std::uint64_t bytes);
// "3 d 4 h", "2 min 5 s", "1.250 s": the two largest units. `nanoseconds` may be negative (clocks
// differ).
[[nodiscard]] std::string duration_text(std::int64_t nanoseconds);
// "2026-01-31T12:00:00Z"
[[nodiscard]] std::string time_text(std::uint64_t nanoseconds_since_1970);
// "-" for null.
[[nodiscard]] std::string lsn_text(Lsn lsn);

// With control characters as escapes, so that bytes of a log cannot steer the reader's terminal.
[[nodiscard]] std::string escaped(std::string_view text);
// The first bytes as ASCII, the others as dots, "..." when there are more.
[[nodiscard]] std::string preview(std::span<const std::byte> bytes);
// All bytes, two digits each.
[[nodiscard]] std::string hex(std::span<const std::byte> bytes);

// The name of a container's file, by the container's logical number.
[[nodiscard]] std::string container_file_name(std::uint64_t number);

// null for a null LSN.
[[nodiscard]] nlohmann::ordered_json lsn_json(Lsn lsn);
// One line; bytes that are not UTF-8 are replaced.
[[nodiscard]] std::string json_line(const nlohmann::ordered_json& value);

// Says on standard error why the command could not go on.
void print_error(std::string_view command, const Status& error);

}  // namespace cairn::tools

#endif  // CAIRN_TOOLS_TEXT_H_
