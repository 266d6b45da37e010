#include "log_policies.h"

#include <algorithm>
#include <cstring>

namespace cairn::win32 {
namespace {

constexpr std::uint32_t kDefaultGrowth = 2;  // containers
constexpr std::uint32_t kDefaultTailPercent = 35;
constexpr std::uint32_t kLeastContainers = 2;

// What a policy of a type takes, its string left out.
std::size_t least_length(CLFS_MGMT_POLICY_TYPE type) {
  constexpr std::size_t kParameters = offsetof(CLFS_MGMT_POLICY, PolicyParameters);
  using Parameters = decltype(CLFS_MGMT_POLICY::PolicyParameters);
  switch (type) {
    case ClfsMgmtPolicyMaximumSize:
      return kParameters + sizeof(Parameters::MaximumSize);
    case ClfsMgmtPolicyMinimumSize:
      return kParameters + sizeof(Parameters::MinimumSize);
    case ClfsMgmtPolicyNewContainerSize:
      return kParameters + sizeof(Parameters::NewContainerSize);
    case ClfsMgmtPolicyGrowthRate:
      return kParameters + sizeof(Parameters::GrowthRate);
    case ClfsMgmtPolicyLogTail:
      return kParameters + sizeof(Parameters::LogTail);
    case ClfsMgmtPolicyAutoShrink:
      return kParameters + sizeof(Parameters::AutoShrink);
    case ClfsMgmtPolicyAutoGrow:
      return kParameters + sizeof(Parameters::AutoGrow);
    case ClfsMgmtPolicyNewContainerPrefix:
      return offsetof(CLFS_MGMT_POLICY, PolicyParameters.NewContainerPrefix.PrefixString);
    case ClfsMgmtPolicyNewContainerSuffix:
      return kParameters + sizeof(Parameters::NewContainerSuffix);
    case ClfsMgmtPolicyNewContainerExtension:
      return offsetof(CLFS_MGMT_POLICY, PolicyParameters.NewContainerExtension.ExtensionString);
    case ClfsMgmtPolicyInvalid:
      break;
  }
  return ~std::size_t{0};
}

// Bytes of the string of a policy that has one; 0 for the others.
std::size_t string_bytes(const CLFS_MGMT_POLICY& policy) {
  if (policy.PolicyType == ClfsMgmtPolicyNewContainerPrefix) {
    return policy.PolicyParameters.NewContainerPrefix.PrefixLengthInBytes;
  }
  if (policy.PolicyType == ClfsMgmtPolicyNewContainerExtension) {
    return policy.PolicyParameters.NewContainerExtension.ExtensionLengthInBytes;
  }
  return 0;
}

bool is_size(std::uint32_t containers) {
  return containers >= kLeastContainers && containers <= kMaxLogContainers;
}

// Whether the parameters can be meant.
bool has_valid_parameters(const CLFS_MGMT_POLICY& policy) {
  const auto& parameters = policy.PolicyParameters;
  switch (policy.PolicyType) {
    case ClfsMgmtPolicyMaximumSize:
      return is_size(parameters.MaximumSize.Containers);
    case ClfsMgmtPolicyMinimumSize:
      return is_size(parameters.MinimumSize.Containers);
    case ClfsMgmtPolicyNewContainerSize:
      return parameters.NewContainerSize.SizeInBytes != 0;
    case ClfsMgmtPolicyGrowthRate:
      return (parameters.GrowthRate.AbsoluteGrowthInContainers == 0 ||
              parameters.GrowthRate.RelativeGrowthPercentage == 0) &&
             parameters.GrowthRate.RelativeGrowthPercentage <= 100 &&
             parameters.GrowthRate.AbsoluteGrowthInContainers <= kMaxLogContainers;
    case ClfsMgmtPolicyLogTail:
      return (parameters.LogTail.MinimumAvailablePercentage == 0 ||
              parameters.LogTail.MinimumAvailableContainers == 0) &&
             parameters.LogTail.MinimumAvailablePercentage <= 100 &&
             parameters.LogTail.MinimumAvailableContainers <= kMaxLogContainers;
    case ClfsMgmtPolicyAutoShrink:
      return parameters.AutoShrink.Percentage <= 100;
    case ClfsMgmtPolicyAutoGrow:
    case ClfsMgmtPolicyNewContainerSuffix:
      return true;
    case ClfsMgmtPolicyNewContainerPrefix:
      return string_bytes(policy) > 0;
    case ClfsMgmtPolicyNewContainerExtension:
      return true;
    case ClfsMgmtPolicyInvalid:
      break;
  }
  return false;
}

// Rounded down, at least one.
std::uint32_t share_of(std::uint32_t containers, std::uint32_t percent) {
  return std::max<std::uint32_t>(
      1, static_cast<std::uint32_t>(std::uint64_t{containers} * percent / 100));
}

}  // namespace

DWORD LogPolicies::install(const CLFS_MGMT_POLICY& policy) {
  const auto type = static_cast<std::size_t>(policy.PolicyType);
  if (policy.Version != CLFS_MGMT_POLICY_VERSION || type >= installed_.size()) {
    return ERROR_LOG_POLICY_INVALID;
  }
  const std::size_t least = least_length(policy.PolicyType);
  if (policy.LengthInBytes < least || string_bytes(policy) % sizeof(WCHAR) != 0 ||
      policy.LengthInBytes - least < string_bytes(policy) || !has_valid_parameters(policy)) {
    return ERROR_LOG_POLICY_INVALID;
  }
  if (!installed_[type].empty() && (policy.PolicyFlags & LOG_POLICY_OVERWRITE) == 0) {
    return ERROR_LOG_POLICY_ALREADY_INSTALLED;
  }
  const auto most = policy.PolicyType == ClfsMgmtPolicyMaximumSize
                        ? policy.PolicyParameters.MaximumSize.Containers
                        : maximum_size().value_or(kMaxLogContainers);
  const auto least_size = policy.PolicyType == ClfsMgmtPolicyMinimumSize
                              ? policy.PolicyParameters.MinimumSize.Containers
                              : minimum_size();
  if (least_size > most) return ERROR_LOG_POLICY_CONFLICT;
  // As large as the structure, so that it can be read as one; of what the caller has, no more is
  // read than the policy means, however long it is said to be.
  const std::size_t meant = least + string_bytes(policy);
  std::vector<std::byte> bytes(std::max(meant, sizeof policy));
  std::memcpy(bytes.data(), &policy, meant);
  auto& kept = *reinterpret_cast<CLFS_MGMT_POLICY*>(bytes.data());
  kept.LengthInBytes = static_cast<ULONG>(bytes.size());
  kept.PolicyFlags = 0;
  installed_[type] = std::move(bytes);
  return 0;
}

const std::vector<std::byte>* LogPolicies::find(CLFS_MGMT_POLICY_TYPE type) const {
  const auto index = static_cast<std::size_t>(type);
  return index >= installed_.size() || installed_[index].empty() ? nullptr : &installed_[index];
}

bool LogPolicies::remove(CLFS_MGMT_POLICY_TYPE type) {
  if (find(type) == nullptr) return false;
  installed_[static_cast<std::size_t>(type)].clear();
  return true;
}

const CLFS_MGMT_POLICY* LogPolicies::get(CLFS_MGMT_POLICY_TYPE type) const {
  const std::vector<std::byte>* const bytes = find(type);
  return bytes == nullptr ? nullptr : reinterpret_cast<const CLFS_MGMT_POLICY*>(bytes->data());
}

bool LogPolicies::any() const {
  return std::ranges::any_of(installed_, [](const auto& bytes) { return !bytes.empty(); });
}

std::optional<std::uint32_t> LogPolicies::maximum_size() const {
  const CLFS_MGMT_POLICY* const policy = get(ClfsMgmtPolicyMaximumSize);
  if (policy == nullptr) return std::nullopt;
  return policy->PolicyParameters.MaximumSize.Containers;
}

std::uint32_t LogPolicies::minimum_size() const {
  const CLFS_MGMT_POLICY* const policy = get(ClfsMgmtPolicyMinimumSize);
  return policy == nullptr ? kLeastContainers : policy->PolicyParameters.MinimumSize.Containers;
}

std::optional<std::uint32_t> LogPolicies::new_container_size() const {
  const CLFS_MGMT_POLICY* const policy = get(ClfsMgmtPolicyNewContainerSize);
  if (policy == nullptr) return std::nullopt;
  return policy->PolicyParameters.NewContainerSize.SizeInBytes;
}

bool LogPolicies::auto_grow() const {
  const CLFS_MGMT_POLICY* const policy = get(ClfsMgmtPolicyAutoGrow);
  return policy != nullptr && policy->PolicyParameters.AutoGrow.Enabled != 0;
}

std::uint32_t LogPolicies::growth_of(std::uint32_t containers) const {
  const CLFS_MGMT_POLICY* const policy = get(ClfsMgmtPolicyGrowthRate);
  if (policy == nullptr) return kDefaultGrowth;
  const auto& rate = policy->PolicyParameters.GrowthRate;
  if (rate.RelativeGrowthPercentage == 0) return rate.AbsoluteGrowthInContainers;
  return share_of(containers, rate.RelativeGrowthPercentage);
}

std::uint32_t LogPolicies::tail_of(std::uint32_t containers) const {
  const CLFS_MGMT_POLICY* const policy = get(ClfsMgmtPolicyLogTail);
  if (policy == nullptr) return share_of(containers, kDefaultTailPercent);
  const auto& tail = policy->PolicyParameters.LogTail;
  if (tail.MinimumAvailablePercentage == 0) return tail.MinimumAvailableContainers;
  return share_of(containers, tail.MinimumAvailablePercentage);
}

log::Policies LogPolicies::applied_to(log::Policies policies, std::uint64_t container_size,
                                      std::uint32_t containers) const {
  constexpr std::uint32_t kMostGrowth = 64;  // of log::Policies
  constexpr std::uint32_t kLeastMaximum = 4;
  policies.growth = 0;
  policies.max_size = 0;
  if (auto_grow()) {
    policies.growth = std::min(growth_of(containers), kMostGrowth);
    const std::uint32_t most = std::max(maximum_size().value_or(kMaxLogContainers), kLeastMaximum);
    policies.max_size = most * container_size;
  }
  const CLFS_MGMT_POLICY* const shrink = get(ClfsMgmtPolicyAutoShrink);
  policies.shrink_percent = shrink == nullptr ? 0 : shrink->PolicyParameters.AutoShrink.Percentage;
  policies.min_size = 0;
  if (policies.shrink_percent != 0 || auto_grow()) {
    policies.min_size = minimum_size() * container_size;
  }
  return policies;
}

}  // namespace cairn::win32
