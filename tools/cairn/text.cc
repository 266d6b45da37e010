#include "text.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>

#include <fmt/format.h>

namespace cairn::tools {

std::string bytes_text(std::uint64_t bytes) {
  constexpr std::array<std::string_view, 7> kUnits = {"B",   "KiB", "MiB", "GiB",
                                                      "TiB", "PiB", "EiB"};
  std::size_t unit = 0;
  auto value = static_cast<double>(bytes);
  while (value >= 1024 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  const bool whole = value == static_cast<double>(static_cast<std::uint64_t>(value));
  return fmt::format("{:.{}f} {}", value, whole ? 0 : 1, kUnits[unit]);
}

std::string duration_text(std::int64_t nanoseconds) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  if (nanoseconds < 0)
    return "-" + duration_text(nanoseconds == INT64_MIN ? INT64_MAX : -nanoseconds);
  const std::int64_t seconds = nanoseconds / kSecond;
  const std::int64_t minutes = seconds / 60;
  const std::int64_t hours = minutes / 60;
  if (hours >= 24) return fmt::format("{} d {} h", hours / 24, hours % 24);
  if (hours > 0) return fmt::format("{} h {} min", hours, minutes % 60);
  if (minutes > 0) return fmt::format("{} min {} s", minutes, seconds % 60);
  return fmt::format("{}.{:03} s", seconds, nanoseconds % kSecond / 1'000'000);
}

std::string time_text(std::uint64_t nanoseconds_since_1970) {
  const auto seconds = static_cast<std::time_t>(nanoseconds_since_1970 / 1'000'000'000);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  std::array<char, 32> text{};
  const std::size_t length = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return {text.data(), length};
}

std::string lsn_text(Lsn lsn) { return lsn.is_null() ? "-" : lsn.to_string(); }

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  return out;
}

std::string preview(std::span<const std::byte> bytes) {
  constexpr std::size_t kShown = 40;
  std::string out;
  for (const std::byte b : bytes.first(std::min(bytes.size(), kShown))) {
    const char c = static_cast<char>(b);
    out += c >= ' ' && c <= '~' ? c : '.';
  }
  if (bytes.size() > kShown) out += "...";
  return out;
}

std::string hex(std::span<const std::byte> bytes) {
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const std::byte b : bytes) {
    fmt::format_to(std::back_inserter(out), "{:02x}", static_cast<unsigned>(b));
  }
  return out;
}

std::string container_file_name(std::uint64_t number) {
  return fmt::format("container-{:016x}.cairn", number);
}

nlohmann::ordered_json lsn_json(Lsn lsn) {
  return lsn.is_null() ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(lsn.value());
}

std::string json_line(const nlohmann::ordered_json& value) {
  return value.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

void print_error(std::string_view command, const Status& error) {
  const std::string text = fmt::format("cairn {}: {}\n", command, escaped(error.to_string()));
  std::fputs(text.c_str(), stderr);
}

}  // namespace cairn::tools
