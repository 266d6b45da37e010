#include "promise.h"

#include <algorithm>
#include <array>
#include <cstddef>

namespace cairn::rm {
namespace {

constexpr std::string_view kPromisePrefix = "postgres:1:";
constexpr std::size_t kDigits = 20;  // of 2^64

}  // namespace

bool is_number(std::string_view text) {
  return !text.empty() && text.size() <= kDigits &&
         std::all_of(text.begin(), text.end(),
                     [](char letter) { return letter >= '0' && letter <= '9'; });
}

std::string Promise::to_string() const {
  return std::string(kPromisePrefix) + place.to_string() + ":" + transaction_id;
}

std::optional<Promise> Promise::parse(std::string_view text) {
  if (!text.starts_with(kPromisePrefix)) return std::nullopt;
  text.remove_prefix(kPromisePrefix.size());
  std::array<std::string_view, 3> parts;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const std::size_t end = i + 1 < parts.size() ? text.find(':') : text.size();
    if (end == std::string_view::npos) return std::nullopt;
    parts[i] = text.substr(0, end);
    if (!is_number(parts[i])) return std::nullopt;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return Promise{{std::string(parts[0]), std::string(parts[1])}, std::string(parts[2])};
}

}  // namespace cairn::rm
