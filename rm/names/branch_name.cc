#include "branch_name.h"

namespace cairn::rm {
namespace {

constexpr std::string_view kPrefix = "cairn:1:";
constexpr std::size_t kUuidLength = 36;
constexpr std::size_t kLength = kPrefix.size() + 3 * kUuidLength + 2;
static_assert(BranchName::kManagerBegin == kPrefix.size());
constexpr std::size_t kUseLength = 8;
static_assert(kLength + 1 + kUseLength <= 128, "the bound of Berkeley DB");
static_assert(kLength < 200, "the bound of PostgreSQL; RocksDB has 512");

}  // namespace

std::string BranchName::to_string() const {
  return std::string(kPrefix) + transaction_manager.to_string() + ":" +
         resource_manager.to_string() + ":" + transaction.to_string();
}

std::optional<BranchName> BranchName::parse(std::string_view text) {
  if (text.size() != kLength) return std::nullopt;
  const auto manager = Uuid::parse(text.substr(kPrefix.size(), kUuidLength));
  const auto resource = Uuid::parse(text.substr(kPrefix.size() + kUuidLength + 1, kUuidLength));
  const auto unit = Uuid::parse(text.substr(kLength - kUuidLength));
  if (!manager || !resource || !unit) return std::nullopt;
  const BranchName name{*manager, *resource, *unit};
  if (name.to_string() != text) return std::nullopt;
  return name;
}

BranchUse BranchUse::of(const BranchName& branch, const Uuid& enlistment) {
  return {branch, enlistment.to_string().substr(0, kUseLength)};
}

std::optional<BranchUse> BranchUse::parse(std::string_view text) {
  if (text.size() != kLength + 1 + kUseLength || text[kLength] != ':') return std::nullopt;
  const auto branch = BranchName::parse(text.substr(0, kLength));
  const std::string_view use = text.substr(kLength + 1);
  if (!branch || use.find_first_not_of("0123456789abcdef") != std::string_view::npos) {
    return std::nullopt;
  }
  return BranchUse{*branch, std::string(use)};
}

Status check_ended_before(const BranchName& name, const std::vector<BranchName>& others) {
  for (const BranchName& other : others) {
    if (other.resource_manager != name.resource_manager || other.transaction != name.transaction) {
      continue;
    }
    return Status(StatusCode::kIdentityMismatch,
                  "unit of work " + name.transaction.to_string() +
                      " is decided; expected it prepared for transaction manager " +
                      name.transaction_manager.to_string() + " or ended, found it prepared for " +
                      other.transaction_manager.to_string());
  }
  return Status::ok();
}

}  // namespace cairn::rm
