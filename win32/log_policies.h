// LogPolicies: the policies that are installed for a physical log.
#ifndef CAIRN_WIN32_LOG_POLICIES_H_
#define CAIRN_WIN32_LOG_POLICIES_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include <cairn/clfsmgmtw32.h>
#include <cairn/policies.h>

namespace cairn::win32 {

inline constexpr std::uint32_t kMaxLogContainers = 1023;

// A value; its owner locks.
class LogPolicies {
 public:
  // 0, or the error: ERROR_LOG_POLICY_INVALID, _ALREADY_INSTALLED, _CONFLICT. REQUIRES: `policy`
  // has LengthInBytes bytes.
  [[nodiscard]] DWORD install(const CLFS_MGMT_POLICY& policy);
  // Null: not installed. The bytes of a CLFS_MGMT_POLICY.
  [[nodiscard]] const std::vector<std::byte>* find(CLFS_MGMT_POLICY_TYPE type) const;
  // False: it was not installed.
  bool remove(CLFS_MGMT_POLICY_TYPE type);

  [[nodiscard]] bool any() const;                                   // is installed
  [[nodiscard]] std::optional<std::uint32_t> maximum_size() const;  // containers
  [[nodiscard]] std::uint32_t minimum_size() const;  // containers; 2 unless installed
  [[nodiscard]] std::optional<std::uint32_t> new_container_size() const;  // bytes
  [[nodiscard]] bool auto_grow() const;
  // Containers that a log of so many grows by at a time, the maximum not looked at.
  [[nodiscard]] std::uint32_t growth_of(std::uint32_t containers) const;
  // Containers that whoever pins the tail of a log of so many is asked to set free; 0: nobody is
  // asked.
  [[nodiscard]] std::uint32_t tail_of(std::uint32_t containers) const;

  // The policies of a log of so many containers: only what Install... and containers decide is
  // changed. It grows by itself only with AutoGrow.
  [[nodiscard]] log::Policies applied_to(log::Policies policies, std::uint64_t container_size,
                                         std::uint32_t containers) const;

 private:
  [[nodiscard]] const CLFS_MGMT_POLICY* get(CLFS_MGMT_POLICY_TYPE type) const;

  std::array<std::vector<std::byte>, CLFS_MGMT_NUM_POLICIES> installed_;  // empty: not installed
};

}  // namespace cairn::win32

#endif  // CAIRN_WIN32_LOG_POLICIES_H_
