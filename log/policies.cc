#include <algorithm>
#include <string>

#include <cairn/policies.h>

namespace cairn::log {
namespace {

constexpr std::uint64_t kMinContainers = 4;
constexpr std::uint32_t kMostGrowth = 64;
constexpr std::uint32_t kMostAhead = 64;
constexpr std::uint32_t kMostSpares = 1024;
constexpr std::uint32_t kMostLowSpacePercent = 90;
constexpr std::uint32_t kMostRestartArea = 1024 * 1024;

Status bad(const char* name, const std::string& expected, std::uint64_t found) {
  return Status(StatusCode::kInvalidArgument, "policy " + std::string(name) + ": expected " +
                                                  expected + ", found " + std::to_string(found));
}

Status check_range(const char* name, std::uint32_t found, std::uint32_t least, std::uint32_t most) {
  if (found >= least && found <= most) return Status::ok();
  return bad(name, std::to_string(least) + " to " + std::to_string(most), found);
}

}  // namespace

Status check_policies(const Policies& policies, std::uint64_t container_size,
                      std::uint32_t max_record) {
  const std::string multiple = "a multiple of the container size " + std::to_string(container_size);
  const std::uint64_t max_size = policies.max_size;
  if (max_size != 0 &&
      (max_size % container_size != 0 || max_size / container_size < kMinContainers)) {
    return bad("max_size", "0 or " + multiple + ", at least 4 of them", max_size);
  }
  if (policies.min_size % container_size != 0) {
    return bad("min_size", "0 or " + multiple, policies.min_size);
  }
  if (max_size != 0 && policies.min_size > max_size) {
    return bad("min_size", "at most max_size " + std::to_string(max_size), policies.min_size);
  }
  CAIRN_RETURN_IF_ERROR(check_range("growth", policies.growth, 0, kMostGrowth));
  CAIRN_RETURN_IF_ERROR(check_range("ahead", policies.ahead, 1, kMostAhead));
  if (policies.spare_max != 0 || policies.growth == 0) {
    CAIRN_RETURN_IF_ERROR(
        check_range("spare_max", policies.spare_max, policies.ahead, kMostSpares));
  }
  CAIRN_RETURN_IF_ERROR(check_range("shrink_percent", policies.shrink_percent, 0, 100));
  CAIRN_RETURN_IF_ERROR(
      check_range("low_space_percent", policies.low_space_percent, 0, kMostLowSpacePercent));
  return check_range("restart_area", policies.restart_area, 0,
                     std::min<std::uint32_t>(kMostRestartArea, max_record - 8));
}

}  // namespace cairn::log
