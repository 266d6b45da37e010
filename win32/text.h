// Text and identities between the C API and Cairn: wchar_t and UTF-8, GUID and Uuid.
#ifndef CAIRN_WIN32_TEXT_H_
#define CAIRN_WIN32_TEXT_H_

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include <cairn/uuid.h>
#include <cairn/win32_types.h>

namespace cairn::win32 {

// Nothing for what is no Unicode scalar value (surrogates, above U+10FFFF).
[[nodiscard]] std::optional<std::string> utf8_of(std::wstring_view text);
// What is no valid UTF-8 becomes U+FFFD, a byte each: it is for reading only.
[[nodiscard]] std::wstring wide_of(std::string_view text);

// The same 36 characters name both. In a GUID the first three fields are numbers of the processor,
// in a Uuid they are bytes in the order they are written in.
[[nodiscard]] GUID guid_of(const Uuid& id);
[[nodiscard]] Uuid uuid_of(const GUID& guid);

// INFINITE: absent.
[[nodiscard]] std::optional<std::chrono::nanoseconds> limit_of(DWORD milliseconds);

// The name of a log and, perhaps, of a stream in it: "PATH", "PATH::STREAM", either with "log:"
// before it.
struct LogName {
  std::string path;
  std::string stream;  // "" if none is named
};
// Nothing if the text is not Unicode, path or stream are empty where they are announced, or the
// stream is no name of one.
[[nodiscard]] std::optional<LogName> parse_log_name(std::wstring_view text);

// Whether "log:" stands before it; the case does not matter.
[[nodiscard]] bool has_log_prefix(std::string_view text);
// Whether a caller may name a stream so, or not at all: at most 255 bytes, no colon before them.
[[nodiscard]] bool is_stream_name(std::string_view name);

}  // namespace cairn::win32

#endif  // CAIRN_WIN32_TEXT_H_
