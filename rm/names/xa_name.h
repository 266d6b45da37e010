// XaName: the name of a branch in a database that takes X/Open's: two parts of at most 64 bytes and
// a number that says whose format they are in.
//
//   global part      <transaction manager><unit of work>      GUIDs, 32 hexadecimal digits each
//   branch part      <resource manager><branch>
//
// Both parts are full. The branch is a number of the adapter's, new for each: a unit of work that
// is used again has other branches. In one text, for a table: the four numbers in the order
// transaction manager, resource manager, unit of work, branch.
#ifndef CAIRN_RM_NAMES_XA_NAME_H_
#define CAIRN_RM_NAMES_XA_NAME_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <cairn/uuid.h>

namespace cairn::rm {

struct XaName {
  static constexpr std::uint32_t kFormat = 0x43524e32;  // "CRN2"; "CRN1" is that of rm/xa
  static constexpr std::size_t kPart = 64;

  Uuid transaction_manager;
  Uuid resource_manager;
  Uuid transaction;
  Uuid branch;

  friend bool operator==(const XaName&, const XaName&) = default;

  [[nodiscard]] std::string global_part() const;
  [[nodiscard]] std::string branch_part() const;
  [[nodiscard]] std::string to_string() const;
  // Nothing for any text that to_string() does not give, letter for letter.
  [[nodiscard]] static std::optional<XaName> parse(std::string_view text);
  // Nothing for other formats, and other parts.
  [[nodiscard]] static std::optional<XaName> parse(std::uint64_t format, std::string_view global,
                                                   std::string_view branch);
};

// 32 digits, without hyphens.
[[nodiscard]] std::string hex(const Uuid& id);

}  // namespace cairn::rm

#endif  // CAIRN_RM_NAMES_XA_NAME_H_
