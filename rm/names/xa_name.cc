#include "xa_name.h"

namespace cairn::rm {
namespace {

constexpr std::size_t kUuid = 32;
static_assert(XaName::kPart == 2 * kUuid);

std::optional<Uuid> unhex(std::string_view text) {
  if (text.size() != kUuid) return std::nullopt;
  std::string with(text);
  for (const std::size_t at : {8, 13, 18, 23}) with.insert(at, "-");
  const auto id = Uuid::parse(with);
  return id && hex(*id) == text ? id : std::nullopt;
}

}  // namespace

std::string hex(const Uuid& id) {
  std::string text = id.to_string();
  std::erase(text, '-');
  return text;
}

std::string XaName::global_part() const { return hex(transaction_manager) + hex(transaction); }
std::string XaName::branch_part() const { return hex(resource_manager) + hex(branch); }

std::string XaName::to_string() const {
  return hex(transaction_manager) + hex(resource_manager) + hex(transaction) + hex(branch);
}

std::optional<XaName> XaName::parse(std::string_view text) {
  if (text.size() != 4 * kUuid) return std::nullopt;
  const auto manager = unhex(text.substr(0, kUuid));
  const auto resource = unhex(text.substr(kUuid, kUuid));
  const auto unit = unhex(text.substr(2 * kUuid, kUuid));
  const auto one = unhex(text.substr(3 * kUuid));
  if (!manager || !resource || !unit || !one) return std::nullopt;
  return XaName{*manager, *resource, *unit, *one};
}

std::optional<XaName> XaName::parse(std::uint64_t format, std::string_view global,
                                    std::string_view branch) {
  if (format != kFormat || global.size() != kPart || branch.size() != kPart) return std::nullopt;
  return parse(std::string(global.substr(0, kUuid)) + std::string(branch.substr(0, kUuid)) +
               std::string(global.substr(kUuid)) + std::string(branch.substr(kUuid)));
}

}  // namespace cairn::rm
