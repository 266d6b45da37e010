// The scan for the end of a log, over a small log of which the input changes bytes.
//
// The input is a list of edits, each: file (1 byte: base log or container), offset in units of 8 (2 bytes), length (1 byte),
// bytes. The checksums of the blocks that begin at multiples of 512 are then repaired, if the first byte of the input is odd.
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cairn/log.h>
#include <cairn/sim/sim_storage.h>

#include "format/block.h"
#include "format/layout.h"
#include "fuzz/fuzz_target.h"

namespace cairn::fuzz {

namespace format = log::format;

namespace {

constexpr char kContainer[] = "container-0000000000000000.cairn";

log::OpenOptions options_for(std::shared_ptr<sim::SimStorage> storage) {
  log::OpenOptions options;
  options.storage = std::move(storage);
  options.background = log::Background::kManual;
  options.blocks = 4;
  options.depth = 2;
  return options;
}

// A log of the first format version, the same in each run.
const sim::SimStorage& golden_log() {
  static const auto storage = [] {
    auto made = std::make_shared<sim::SimStorage>();
    expect(made->load(CAIRN_FUZZ_LOG, "log"), "the golden log is there");
    return made;
  }();
  return *storage;
}

unsigned take(Input& input) {
  if (input.empty()) return 0;
  const auto byte = static_cast<unsigned>(input.front());
  input = input.subspan(1);
  return byte;
}

void repair(sim::SimStorage& storage) {
  std::vector<std::byte> bytes = storage.read_image("log", kContainer);
  for (std::size_t at = 0; at < std::min<std::size_t>(bytes.size(), 128 << 10); at += 512) {
    format::BlockHeader header;
    std::memcpy(&header, bytes.data() + at, sizeof header);
    if (header.magic != format::kBlockMagic) continue;
    const std::uint64_t seed =
        format::container_seed({[&] {
                                  Uuid id;
                                  std::memcpy(id.bytes.data(), header.log_id, sizeof header.log_id);
                                  return id;
                                }(),
                                header.incarnation});
    std::size_t offset = sizeof header;
    for (std::uint32_t i = 0; i < header.record_count && i < 1000; ++i) {
      format::RecordHeader record;
      if (bytes.size() - at - offset < sizeof record) break;
      std::memcpy(&record, bytes.data() + at + offset, sizeof record);
      const std::size_t size = format::record_size(record.length);
      if (size > bytes.size() - at - offset) break;
      record.checksum = XXH3_64bits_withSeed(bytes.data() + at + offset + sizeof record.checksum,
                                             sizeof record - sizeof record.checksum + record.length,
                                             format::record_seed(seed, Lsn(header.lsn) + offset));
      std::memcpy(bytes.data() + at + offset, &record, sizeof record);
      offset += size;
    }
    header.checksum = XXH3_64bits(&header, offsetof(format::BlockHeader, checksum));
    std::memcpy(bytes.data() + at, &header, sizeof header);
    if (header.padded_length >= sizeof header && header.padded_length <= bytes.size() - at) {
      std::memcpy(bytes.data() + at + header.padded_length - format::kBlockTrailerSize,
                  &header.checksum, format::kBlockTrailerSize);
    }
  }
  storage.overwrite("log", kContainer, 0, bytes);
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

// Reads all of it. However odd, the bytes end in records or in an error; and there are no more records than bytes.
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

}  // namespace

void fuzz_end_of_log(Input input) {
  const auto storage = golden_log().clone();
  const bool repaired = take(input) % 2 == 1;
  while (!input.empty()) {
    const bool base = take(input) % 8 == 0;
    const unsigned low = take(input);
    const std::uint64_t place = (low | take(input) << 8) * std::uint64_t{8};
    const std::size_t asked = take(input);
    const std::size_t length = std::min(asked, input.size());
    const std::uint64_t size = base ? format::kBaseFileSize : std::uint64_t{128} << 10;
    const std::uint64_t offset = place % size;
    const std::size_t fits = std::min<std::size_t>(length, size - offset);
    storage->overwrite("log", base ? format::kBaseFileName : kContainer, offset, input.first(fits));
    input = input.subspan(length);
  }
  if (repaired) repair(*storage);
  const auto report = log::verify("log", {storage});
  if (report.is_ok()) {
    for (const log::Damage& damage : report->damages) {
      expect(!damage.reason.empty(), "damage has a reason");
    }
  }
  if (auto view = log::LogView::open("log", options_for(storage)); view.is_ok()) read_all(**view);
  auto opened = log::Log::open("log", options_for(storage));
  if (!opened.is_ok()) return expect(!opened.status().message().empty(), "a refusal says why");
  read_all(**opened);
}

}  // namespace cairn::fuzz
