#include "text.h"

#include <algorithm>
#include <cctype>
#include <cstdint>

namespace cairn::win32 {
namespace {

constexpr char32_t kReplacement = 0xFFFD;

bool is_scalar_value(char32_t point) {
  return point <= 0x10FFFF && (point < 0xD800 || point > 0xDFFF);
}

void append_utf8(std::string& out, char32_t point) {
  const auto put = [&out](char32_t byte) { out.push_back(static_cast<char>(byte)); };
  const auto put_rest = [&put](char32_t bits) { put(0x80 | (bits & 0x3F)); };
  if (point < 0x80) return put(point);
  if (point < 0x800) {
    put(0xC0 | (point >> 6));
    return put_rest(point);
  }
  if (point < 0x10000) {
    put(0xE0 | (point >> 12));
    put_rest(point >> 6);
    return put_rest(point);
  }
  put(0xF0 | (point >> 18));
  put_rest(point >> 12);
  put_rest(point >> 6);
  put_rest(point);
}

// The bytes of the sequence that `lead` begins; 0 for a byte that begins none.
std::size_t sequence_length(std::uint8_t lead) {
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead < 0xE0) return 2;
  if (lead >= 0xE0 && lead < 0xF0) return 3;
  if (lead >= 0xF0 && lead < 0xF5) return 4;
  return 0;
}

// The first character of `text`, which is not empty, and its length; the replacement character and
// 1 where there is none.
std::pair<char32_t, std::size_t> first_character(std::string_view text) {
  const auto lead = static_cast<std::uint8_t>(text[0]);
  const std::size_t length = sequence_length(lead);
  if (length == 1) return {lead, 1};
  if (length == 0 || length > text.size()) return {kReplacement, 1};
  char32_t point = lead & (0x7FU >> length);
  for (const char next : text.substr(1, length - 1)) {
    const auto byte = static_cast<std::uint8_t>(next);
    if ((byte & 0xC0) != 0x80) return {kReplacement, 1};
    point = (point << 6) | (byte & 0x3F);
  }
  constexpr char32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  if (point < kLeast[length] || !is_scalar_value(point)) return {kReplacement, 1};
  return {point, length};
}

}  // namespace

static_assert(sizeof(wchar_t) == 4, "one wchar_t is one character");

std::optional<std::string> utf8_of(std::wstring_view text) {
  std::string out;
  out.reserve(text.size());
  for (const wchar_t wide : text) {
    const auto point = static_cast<char32_t>(wide);
    if (!is_scalar_value(point)) return std::nullopt;
    append_utf8(out, point);
  }
  return out;
}

std::wstring wide_of(std::string_view text) {
  std::wstring out;
  out.reserve(text.size());
  while (!text.empty()) {
    const auto [point, length] = first_character(text);
    out.push_back(static_cast<wchar_t>(point));
    text.remove_prefix(length);
  }
  return out;
}

GUID guid_of(const Uuid& id) {
  const auto& bytes = id.bytes;
  const auto number = [&bytes](std::size_t begin, std::size_t count) {
    std::uint32_t value = 0;
    for (std::size_t i = begin; i < begin + count; ++i) value = (value << 8) | bytes[i];
    return value;
  };
  GUID guid;
  guid.Data1 = number(0, 4);
  guid.Data2 = static_cast<std::uint16_t>(number(4, 2));
  guid.Data3 = static_cast<std::uint16_t>(number(6, 2));
  for (std::size_t i = 0; i < 8; ++i) guid.Data4[i] = bytes[8 + i];
  return guid;
}

Uuid uuid_of(const GUID& guid) {
  Uuid id;
  const auto put = [&id](std::size_t begin, std::size_t count, std::uint32_t value) {
    for (std::size_t i = begin + count; i-- > begin; value >>= 8) {
      id.bytes[i] = static_cast<std::uint8_t>(value);
    }
  };
  put(0, 4, guid.Data1);
  put(4, 2, guid.Data2);
  put(6, 2, guid.Data3);
  for (std::size_t i = 0; i < 8; ++i) id.bytes[8 + i] = guid.Data4[i];
  return id;
}

std::optional<std::chrono::nanoseconds> limit_of(DWORD milliseconds) {
  if (milliseconds == INFINITE) return std::nullopt;
  return std::chrono::milliseconds(milliseconds);
}

bool has_log_prefix(std::string_view text) {
  constexpr std::string_view kPrefix = "log:";
  return text.size() >= kPrefix.size() &&
         std::equal(kPrefix.begin(), kPrefix.end(), text.begin(), [](char a, char b) {
           return a == std::tolower(static_cast<unsigned char>(b));
         });
}

bool is_stream_name(std::string_view name) {
  constexpr std::size_t kMaxStreamName = 255;  // what a stream of Cairn takes
  return name.size() <= kMaxStreamName && !name.starts_with(':');
}

std::optional<LogName> parse_log_name(std::wstring_view text) {
  auto name = utf8_of(text);
  if (!name) return std::nullopt;
  std::string_view rest = *name;
  if (has_log_prefix(rest)) rest.remove_prefix(4);
  const std::size_t mark = rest.find("::");
  LogName parsed;
  parsed.path = rest.substr(0, mark);
  if (mark != std::string_view::npos) {
    parsed.stream = rest.substr(mark + 2);
    if (parsed.stream.empty() || !is_stream_name(parsed.stream)) return std::nullopt;
  }
  if (parsed.path.empty()) return std::nullopt;
  return parsed;
}

}  // namespace cairn::win32
