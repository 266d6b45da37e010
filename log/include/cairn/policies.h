// Policies: what a log may do with disk space by itself.
#ifndef CAIRN_POLICIES_H_
#define CAIRN_POLICIES_H_

#include <cstdint>

#include <cairn/result.h>

namespace cairn::log {

// Kept in the log: they survive close, crash and the loss of the base log. Changed by
// Log::set_policies(), shown by LogInfo.
struct Policies {
  // Bytes that all containers together may take: a multiple of the container size, at least 4
  // containers. 0: no maximum but the file system's. Below what there is now: nothing is removed
  // for it, and nothing is added until there is less.
  std::uint64_t max_size = 0;
  // Bytes of containers that the log is brought up to, and never shrinks below: a multiple of the
  // container size, at most max_size. 0: none.
  std::uint64_t min_size = 0;
  // Containers made at a time when the log grows, 0 to 64. More: fewer, longer steps. 0: the log
  // does not grow by itself (but see Log::add_containers()).
  std::uint32_t growth = 1;
  // Containers kept free ahead of the appends, 1 to 64, in the background. When appends were seen
  // to take more of them while others were being made, more are kept, up to `spare_max`. More: a
  // longer burst before an append must wait for a container to be made. Promised: when that many
  // are free, nine tenths of their bytes, blocks and padding included, less what is reserved and
  // held back (SpaceInfo::reserved_backing, held_back), can be appended at any speed without one
  // such wait, however long a container takes to be made. (With so many streams that a snapshot of
  // the catalog takes a tenth of a container or more: two thirds of their bytes.)
  std::uint32_t ahead = 2;
  // Free containers kept at most, `ahead` to 1024: recycled ones beyond that are removed. 0:
  // nothing is recycled. What the tail passed is removed, and its space given back to the file
  // system; `ahead` containers are kept free, made anew. Needs a growth of at least 1.
  std::uint32_t spare_max = 4;
  // When this much of the log's containers, in percent (1 to 100), is free, free ones are removed,
  // down to those kept ahead, and not below min_size. 0: only `spare_max` bounds them.
  std::uint32_t shrink_percent = 0;
  // When less than this much of max_size, in percent (1 to 90), is left for appends, the owner of
  // the stream that pins the tail is asked to advance (Stream::on_advance_request()). 0: only when
  // an append met a full log.
  std::uint32_t low_space_percent = 0;
  // Bytes of the restart area for which room is held back, for every stream: 0 to 1 MiB and the
  // log's longest record less 8. A larger restart area is written like any other record once the
  // log is full.
  std::uint32_t restart_area = 1024;

  friend bool operator==(const Policies&, const Policies&) = default;
};

// Whether a log of this container size and longest record can have these policies. Error:
// kInvalidArgument, naming the policy, what is expected and what was found.
[[nodiscard]] Status check_policies(const Policies& policies, std::uint64_t container_size,
                                    std::uint32_t max_record);

}  // namespace cairn::log

#endif  // CAIRN_POLICIES_H_
