// Cuts: the disks that a power cut can leave, given what the kernel wrote and flushed.
#ifndef CAIRN_TORTURE_POWERCUT_STATES_H_
#define CAIRN_TORTURE_POWERCUT_STATES_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <cairn/torture/powercut.h>

#include "disk.h"

namespace cairn::torture {

// The power goes after `end` entries. All before the last flush among them is there.
struct Cut {
  CutKind kind = CutKind::kFlush;
  std::size_t end = 0;
  std::size_t which = 0;   // kOneMissing, kOneAlone: the entry
  std::uint64_t seed = 0;  // kByChance and what is like it
};

// At most `budget` of all cuts of this log, in the order of their ends: right after every flush,
// then all others; which ones is left to chance when there are more.
[[nodiscard]] std::vector<Cut> choose_cuts(std::span<const DiskEntry> log, std::uint64_t budget,
                                           std::uint64_t seed);

// Where the flush stands that the cut's disk rests on, plus one; 0: there is none.
[[nodiscard]] std::size_t flushed_before(std::span<const DiskEntry> log, const Cut& cut);

// Writes what the cut leaves into the disk's view, which holds the first `applied` entries.
// REQUIRES: applied is not behind flushed_before().
void apply_cut(Disk& disk, std::span<const DiskEntry> log, std::size_t applied, const Cut& cut);

[[nodiscard]] std::string describe_cut(std::span<const DiskEntry> log, const Cut& cut);

}  // namespace cairn::torture

#endif  // CAIRN_TORTURE_POWERCUT_STATES_H_
