// The scan for the end of a log, and a base log made anew from its containers, over a small log of
// which the input changes bytes.
//
// The first byte of an input, if odd, asks for the checksums to be repaired; edits follow
// (golden_log.h).
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cairn/log.h>
#include <cairn/rebuild.h>
#include <cairn/sim/sim_storage.h>

#include "format/layout.h"
#include "fuzz/fuzz_target.h"
#include "fuzz/golden_log.h"

namespace cairn::fuzz {

namespace format = log::format;

namespace {

void repair_base_log(sim::SimStorage& storage) {
  std::vector<std::byte> base = storage.read_image("log", format::kBaseFileName);
  for (std::size_t at = 0; at + sizeof(format::BaseSlot) <= base.size();
       at += format::kBaseSlotStride) {
    format::BaseSlot slot;
    std::memcpy(&slot, base.data() + at, sizeof slot);
    slot.checksum = XXH3_64bits(&slot, offsetof(format::BaseSlot, checksum));
    std::memcpy(base.data() + at, &slot, sizeof slot);
  }
  storage.overwrite("log", format::kBaseFileName, 0, base);
}

std::shared_ptr<sim::SimStorage> edited_log(Input input) {
  const auto storage = golden_log().clone();
  const bool repaired = take_byte(input) % 2 == 1;
  apply_edits(*storage, "log", {format::kBaseFileName, kGoldenContainer}, input);
  if (repaired) {
    repair_blocks(*storage, "log", kGoldenContainer);
    repair_base_log(*storage);
  }
  return storage;
}

}  // namespace

void fuzz_end_of_log(Input input) {
  const auto storage = edited_log(input);
  const auto report = log::verify("log", {storage});
  if (report.is_ok()) {
    for (const log::Damage& damage : report->damages) {
      expect(!damage.reason.empty(), "damage has a reason");
    }
  }
  if (auto view = log::LogView::open("log", manual_options(storage)); view.is_ok()) {
    read_all(**view);
  }
  auto opened = log::Log::open("log", manual_options(storage));
  if (!opened.is_ok()) return expect(!opened.status().message().empty(), "a refusal says why");
  read_all(**opened);
}

void fuzz_rebuild(Input input) {
  const auto storage = edited_log(input);
  storage->remove_file("log", format::kBaseFileName);
  log::RebuildOptions options;
  options.storage = storage;
  const auto rebuilt = log::rebuild_base_log("log", options);
  auto opened = log::Log::open("log", manual_options(storage));
  if (!rebuilt.is_ok()) {
    expect(!rebuilt.status().message().empty(), "a refusal says why");
    return expect(!opened.is_ok(), "what was refused left no log");
  }
  expect(opened.is_ok(), "a log with a new base log opens");
  expect((*opened)->info().end_of_log.label == rebuilt->end_of_log.label,
         "opening judges the end as the report says");
  read_all(**opened);
}

}  // namespace cairn::fuzz
