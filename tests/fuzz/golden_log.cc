#include "fuzz/golden_log.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "format/block.h"
#include "format/layout.h"

namespace cairn::fuzz {

namespace format = log::format;

namespace {

constexpr std::size_t kEdited = 128 << 10;  // bytes of a file that edits reach

// The records of the block at `at`, as far as their lengths lead.
void repair_records(std::vector<std::byte>& bytes, std::size_t at,
                    const format::BlockHeader& header) {
  Uuid id;
  std::memcpy(id.bytes.data(), header.log_id, sizeof header.log_id);
  const std::uint64_t seed = format::container_seed({id, header.incarnation});
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
}

}  // namespace

const sim::SimStorage& golden_log() {
  static const auto storage = [] {
    auto made = std::make_shared<sim::SimStorage>();
    expect(made->load(CAIRN_FUZZ_LOG, "log"), "the golden log is there");
    return made;
  }();
  return *storage;
}

log::OpenOptions manual_options(std::shared_ptr<sim::SimStorage> storage) {
  log::OpenOptions options;
  options.storage = std::move(storage);
  options.background = log::Background::kManual;
  options.blocks = 4;
  options.depth = 2;
  return options;
}

unsigned take_byte(Input& input) {
  if (input.empty()) return 0;
  const auto byte = static_cast<unsigned>(input.front());
  input = input.subspan(1);
  return byte;
}

void apply_edits(sim::SimStorage& storage, const std::string& directory,
                 const std::string (&files)[2], Input input) {
  std::size_t sizes[2];
  for (int i : {0, 1}) {
    sizes[i] = std::min(kEdited, storage.read_image(directory, files[i]).size());
  }
  while (!input.empty()) {
    const int file = take_byte(input) % 8 == 0 ? 0 : 1;
    const unsigned low = take_byte(input);
    const std::uint64_t place = (low | take_byte(input) << 8) * std::uint64_t{8};
    const std::size_t asked = take_byte(input);
    const std::size_t length = std::min(asked, input.size());
    const std::uint64_t offset = place % sizes[file];
    const std::size_t fits = std::min<std::size_t>(length, sizes[file] - offset);
    storage.overwrite(directory, files[file], offset, input.first(fits));
    input = input.subspan(length);
  }
}

void repair_blocks(sim::SimStorage& storage, const std::string& directory,
                   const std::string& container) {
  std::vector<std::byte> bytes = storage.read_image(directory, container);
  for (std::size_t at = 0; at + 512 <= std::min(bytes.size(), kEdited); at += 512) {
    format::BlockHeader header;
    std::memcpy(&header, bytes.data() + at, sizeof header);
    if (header.magic != format::kBlockMagic) continue;
    repair_records(bytes, at, header);
    header.checksum = XXH3_64bits(&header, offsetof(format::BlockHeader, checksum));
    std::memcpy(bytes.data() + at, &header, sizeof header);
    if (header.padded_length >= sizeof header && header.padded_length <= bytes.size() - at) {
      std::memcpy(bytes.data() + at + header.padded_length - format::kBlockTrailerSize,
                  &header.checksum, format::kBlockTrailerSize);
    }
  }
  storage.overwrite(directory, container, 0, bytes);
}

}  // namespace cairn::fuzz
