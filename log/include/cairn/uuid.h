// Uuid: the 128-bit identity of logs, managers, enlistments and units of work (RFC 4122).
#ifndef CAIRN_UUID_H_
#define CAIRN_UUID_H_

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace cairn {

struct Uuid {
  std::array<std::uint8_t, 16> bytes{};

  // A new random (version 4) UUID. Thread-safe.
  [[nodiscard]] static Uuid generate();
  // From 36 characters "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"; nothing for any other text.
  [[nodiscard]] static std::optional<Uuid> parse(std::string_view text);

  [[nodiscard]] bool is_null() const { return *this == Uuid{}; }
  [[nodiscard]] std::string to_string() const;

  friend auto operator<=>(const Uuid&, const Uuid&) = default;
};

}  // namespace cairn

template <>
struct std::hash<cairn::Uuid> {
  std::size_t operator()(const cairn::Uuid& id) const noexcept {
    std::uint64_t half[2];
    std::memcpy(half, id.bytes.data(), sizeof half);
    return static_cast<std::size_t>(half[0] ^ (half[1] * 0x9E3779B97F4A7C15ULL));
  }
};

#endif  // CAIRN_UUID_H_
