#include "powercut_states.h"

#include <algorithm>
#include <utility>

#include <cairn/sim/random.h>

namespace cairn::torture {

namespace {

bool is_flush(const DiskEntry& entry) { return entry.kind == DiskEntry::Kind::kFlush; }

// All cuts between the entries `from` and `to`, which is a flush or the end.
void add_cuts(std::size_t from, std::size_t to, std::uint64_t seed, std::vector<Cut>* cuts) {
  const std::size_t open = to - from;
  for (std::size_t i = from; i < to; ++i) {
    cuts->push_back({CutKind::kPrefix, i + 1, 0, 0});
    if (open == 1) continue;  // nothing, or all
    cuts->push_back({CutKind::kOneMissing, to, i, 0});
    cuts->push_back({CutKind::kOneAlone, to, i, 0});
  }
  for (std::size_t i = 0; i < (open + 3) / 4; ++i) {
    cuts->push_back({CutKind::kByChance, to, 0, seed * 1'000'003 + cuts->size()});
  }
}

void shuffle(std::vector<Cut>& cuts, std::size_t from, sim::Random& random) {
  for (std::size_t i = cuts.size(); i > from + 1; --i) {
    std::swap(cuts[i - 1], cuts[from + random.below(i - from)]);
  }
}

bool survives(const DiskEntry& entry, sim::Random& random, std::vector<bool>* torn) {
  torn->clear();
  if (random.chance(50)) return random.chance(50);
  if (entry.pages() < 2) return random.chance(50);
  for (std::size_t page = 0; page < entry.pages(); ++page) torn->push_back(random.chance(50));
  return true;
}

}  // namespace

std::vector<Cut> choose_cuts(std::span<const DiskEntry> log, std::uint64_t budget,
                             std::uint64_t seed) {
  std::vector<Cut> chosen;
  std::vector<Cut> others;
  std::size_t from = 0;
  for (std::size_t i = 0; i < log.size(); ++i) {
    if (!is_flush(log[i])) continue;
    add_cuts(from, i, seed, &others);
    chosen.push_back({CutKind::kFlush, i + 1, 0, 0});
    from = i + 1;
  }
  add_cuts(from, log.size(), seed, &others);

  sim::Random random(seed);
  if (chosen.size() + others.size() > budget) {
    shuffle(chosen, 0, random);
    shuffle(others, 0, random);
    const std::uint64_t flushes = std::min<std::uint64_t>(chosen.size(), budget / 3);
    chosen.resize(flushes);
    others.resize(std::min<std::uint64_t>(others.size(), budget - flushes));
  }
  chosen.insert(chosen.end(), others.begin(), others.end());
  // Also among those with one end: what rests on an earlier flush goes first.
  std::stable_sort(chosen.begin(), chosen.end(), [&](const Cut& one, const Cut& other) {
    return std::pair(flushed_before(log, one), one.end) <
           std::pair(flushed_before(log, other), other.end);
  });
  return chosen;
}

std::size_t flushed_before(std::span<const DiskEntry> log, const Cut& cut) {
  std::size_t at = cut.end;
  while (at > 0 && !is_flush(log[at - 1])) --at;
  return at;
}

void apply_cut(Disk& disk, std::span<const DiskEntry> log, std::size_t applied, const Cut& cut) {
  const std::size_t flushed = flushed_before(log, cut);
  for (std::size_t i = applied; i < flushed; ++i) disk.apply(log[i]);
  sim::Random random(cut.seed);
  std::vector<bool> torn;
  for (std::size_t i = flushed; i < cut.end; ++i) {
    switch (cut.kind) {
      case CutKind::kFlush:
      case CutKind::kPrefix:
        disk.apply(log[i]);
        break;
      case CutKind::kOneMissing:
        if (i != cut.which) disk.apply(log[i]);
        break;
      case CutKind::kOneAlone:
        if (i == cut.which) disk.apply(log[i]);
        break;
      case CutKind::kByChance:
      case CutKind::kRecovery:
      case CutKind::kAfterCommit:
        if (survives(log[i], random, &torn)) disk.apply(log[i], torn.empty() ? nullptr : &torn);
        break;
    }
  }
}

std::string describe_cut(std::span<const DiskEntry> log, const Cut& cut) {
  const std::size_t flushed = flushed_before(log, cut);
  std::string text = "the power went after request " + std::to_string(cut.end) + " of " +
                     std::to_string(log.size()) + ", " + std::to_string(cut.end - flushed) +
                     " of them not flushed; of those there are: ";
  switch (cut.kind) {
    case CutKind::kFlush:
    case CutKind::kPrefix:
      return text + "all";
    case CutKind::kOneMissing:
      return text + "all but request " + std::to_string(cut.which + 1);
    case CutKind::kOneAlone:
      return text + "request " + std::to_string(cut.which + 1) + " only";
    default:
      return text + "some by chance (" + std::to_string(cut.seed) + ")";
  }
}

}  // namespace cairn::torture
