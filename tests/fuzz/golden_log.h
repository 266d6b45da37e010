// A small golden log that targets change bytes of, and reading all of what comes out.
#ifndef CAIRN_TESTS_FUZZ_GOLDEN_LOG_H_
#define CAIRN_TESTS_FUZZ_GOLDEN_LOG_H_

#include <initializer_list>
#include <memory>
#include <string>

#include <cairn/log.h>
#include <cairn/sim/sim_storage.h>

#include "fuzz/fuzz_target.h"

namespace cairn::fuzz {

// The one container of the golden log.
inline constexpr char kGoldenContainer[] = "container-0000000000000000.cairn";

// A log of the first format version in the directory "log", the same in each run.
[[nodiscard]] const sim::SimStorage& golden_log();

[[nodiscard]] log::OpenOptions manual_options(std::shared_ptr<sim::SimStorage> storage);

// Takes the first byte off; 0 when there is none.
[[nodiscard]] unsigned take_byte(Input& input);

// The rest of an input is a list of edits, each: file (1 byte: the first one of `files` if it is a
// multiple of 8, else the second), offset in units of 8 (2 bytes), length (1 byte), bytes.
void apply_edits(sim::SimStorage& storage, const std::string& directory,
                 const std::string (&files)[2], Input input);

// Makes the checksums of blocks right that begin at multiples of 512 in the first 128 KiB of a
// container, and of their records as far as their lengths lead.
void repair_blocks(sim::SimStorage& storage, const std::string& directory,
                   const std::string& container);

// Reads all of it. However odd, the bytes end in records or in an error; and there are no more
// records than bytes.
template <typename AnyLog>
void read_all(AnyLog& log) {
  auto cursor = log.read();
  if (!cursor.is_ok()) return;
  Lsn before;
  for (std::uint64_t records = 0;; ++records) {
    const auto record = cursor->next();
    if (!record.is_ok() || !*record) return;
    expect((*record)->lsn > before, "a cursor goes forward");
    expect(records < (1U << 20), "a log ends");
    before = (*record)->lsn;
  }
}

}  // namespace cairn::fuzz

#endif  // CAIRN_TESTS_FUZZ_GOLDEN_LOG_H_
