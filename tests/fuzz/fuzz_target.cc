#include "fuzz/fuzz_target.h"

namespace cairn::fuzz {

std::span<const FuzzTarget> fuzz_targets() {
  static constexpr FuzzTarget kTargets[] = {
      {"block", fuzz_block},
      {"base_slot", fuzz_base_slot},
      {"catalog_record", fuzz_catalog_record},
      {"catalog", fuzz_catalog},
      {"end_of_log", fuzz_end_of_log},
      {"rebuild", fuzz_rebuild},
      {"manifest", fuzz_manifest},
      {"restore", fuzz_restore},
      {"names", fuzz_names},
      {"tm_record", fuzz_tm_record},
      {"tm_restart", fuzz_tm_restart},
      {"tm_fold", fuzz_tm_fold},
#ifdef CAIRN_FUZZ_EXAMPLES
      {"bank_csv", fuzz_bank_csv},
      {"bank_message", fuzz_bank_message},
      {"bank_entry", fuzz_bank_entry},
      {"kv_record", fuzz_kv_record},
#endif
  };
  return kTargets;
}

}  // namespace cairn::fuzz
