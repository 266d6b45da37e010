// FuzzTarget: one parser and how it is fed. The same code runs under libFuzzer and replays the
// corpus in every build.
//
// A target takes any bytes. It checks what the parser promises for all of them (a broken promise
// aborts), and repairs checksums, so that what lies behind them is reached.
#ifndef CAIRN_TESTS_FUZZ_FUZZ_TARGET_H_
#define CAIRN_TESTS_FUZZ_FUZZ_TARGET_H_

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string_view>

namespace cairn::fuzz {

using Input = std::span<const std::byte>;

struct FuzzTarget {
  std::string_view name;  // of the corpus's directory, and of the program cairn_fuzz_NAME
  void (*run)(Input input);
};

// All that were built.
[[nodiscard]] std::span<const FuzzTarget> fuzz_targets();

void fuzz_block(Input input);
void fuzz_base_slot(Input input);
void fuzz_catalog_record(Input input);
void fuzz_catalog(Input input);
void fuzz_end_of_log(Input input);
void fuzz_rebuild(Input input);
void fuzz_manifest(Input input);
void fuzz_restore(Input input);
void fuzz_names(Input input);
void fuzz_tm_record(Input input);
void fuzz_tm_restart(Input input);
void fuzz_tm_fold(Input input);
// With the examples only.
void fuzz_bank_csv(Input input);
void fuzz_bank_message(Input input);
void fuzz_bank_entry(Input input);
void fuzz_kv_record(Input input);

// A promise of the parser, in every build.
inline void expect(bool kept, const char* promise) {
  if (kept) return;
  std::fprintf(stderr, "broken: %s\n", promise);
  std::abort();
}

}  // namespace cairn::fuzz

#endif  // CAIRN_TESTS_FUZZ_FUZZ_TARGET_H_
