#include "fuzz/fuzz_target.h"

#include <array>

namespace cairn::fuzz {

std::span<const FuzzTarget> fuzz_targets() {
  static constexpr std::array<FuzzTarget, 7> kTargets{{
      {"block", fuzz_block},
      {"base_slot", fuzz_base_slot},
      {"catalog_record", fuzz_catalog_record},
      {"end_of_log", fuzz_end_of_log},
      {"tm_record", fuzz_tm_record},
      {"tm_restart", fuzz_tm_restart},
      {"tm_fold", fuzz_tm_fold},
  }};
  return kTargets;
}

}  // namespace cairn::fuzz
