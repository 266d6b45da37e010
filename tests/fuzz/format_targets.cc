// The parsers of log/format: blocks and records, base slots, the engine's own records.
#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <vector>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "format/base_slot.h"
#include "format/block.h"
#include "format/catalog_record.h"
#include "fuzz/fuzz_target.h"
#include "read/read_source.h"

namespace cairn::fuzz {

namespace format = log::format;
using Bytes = std::vector<std::byte>;

namespace {

const format::LogGeometry kGeometry{Uuid{}, std::uint64_t{1} << 20, 64 * 1024, 512};
const Lsn kLsn((std::uint64_t{3} << 20) + 4096);
const format::ContainerIdentity kIdentity{kGeometry.log_id, 77};

// Makes the identity, place and checksums of a block right, as far as its lengths lead.
void repair_block(Bytes& block) {
  format::BlockHeader header;
  if (block.size() < sizeof header) return;
  std::memcpy(&header, block.data(), sizeof header);
  header.magic = format::kBlockMagic;
  header.version = 1;
  std::memcpy(header.log_id, kGeometry.log_id.bytes.data(), sizeof header.log_id);
  header.incarnation = kIdentity.incarnation;
  header.lsn = kLsn.value();
  header.checksum = XXH3_64bits(&header, offsetof(format::BlockHeader, checksum));
  std::memcpy(block.data(), &header, sizeof header);
  const std::uint64_t seed = format::container_seed(kIdentity);
  std::size_t offset = sizeof header;
  for (std::uint32_t i = 0; i < header.record_count; ++i) {
    format::RecordHeader record;
    if (block.size() - offset < sizeof record) break;
    std::memcpy(&record, block.data() + offset, sizeof record);
    const std::size_t size = format::record_size(record.length);
    if (size > block.size() - offset) break;
    record.checksum = XXH3_64bits_withSeed(block.data() + offset + sizeof record.checksum,
                                           sizeof record - sizeof record.checksum + record.length,
                                           format::record_seed(seed, kLsn + offset));
    std::memcpy(block.data() + offset, &record, sizeof record);
    offset += size;
  }
  if (header.padded_length >= sizeof header + format::kBlockTrailerSize &&
      header.padded_length <= block.size()) {
    std::memcpy(block.data() + header.padded_length - format::kBlockTrailerSize, &header.checksum,
                format::kBlockTrailerSize);
  }
}

void walk_block(std::span<const std::byte> bytes) {
  format::BlockHeader header;
  if (const auto fault = format::check_block(bytes, kLsn, kGeometry, &kIdentity, &header)) {
    expect(!fault->reason.empty(), "a fault says why");
    return;
  }
  expect(header.padded_length <= bytes.size(), "a valid block lies in its bytes");
  const auto block = bytes.first(header.padded_length);
  std::uint32_t offset = sizeof header;
  for (std::uint32_t i = 0; i < header.record_count; ++i) {
    const format::RecordView view = format::record_at(block, offset);
    expect(view.next_offset > offset && view.next_offset <= header.used_length,
           "records of a valid block lie one behind the other in it");
    const auto record = log::to_record(view, kLsn + offset, kGeometry);
    if (record.is_ok()) {
      expect(record->payload.size() <= view.payload.size(), "a payload lies in its record");
    }
    offset = view.next_offset;
  }
  expect(offset == header.used_length, "records fill the used part");
}

}  // namespace

void fuzz_block(Input input) {
  walk_block(input);
  Bytes block(input.begin(), input.end());
  repair_block(block);
  walk_block(block);
}

namespace {

// What is taken is written back as it was.
void check_calibration(std::span<const std::byte> bytes, const format::BaseChoice& choice) {
  if (!choice.calibration) return;
  expect(choice.calibration->depth >= 1 && choice.calibration->depth <= 32, "a possible depth");
  std::array<std::byte, sizeof(format::CalibrationBytes)> again;
  format::encode_calibration(*choice.calibration, again);
  const auto is_at = [&](std::size_t slot) {
    const std::size_t at = slot * format::kBaseSlotStride + format::kCalibrationOffset;
    return bytes.size() >= at + again.size() &&
           std::ranges::equal(bytes.subspan(at, again.size()), again);
  };
  expect(is_at(0) || is_at(1), "a calibration that is taken is written back as it was");
}

}  // namespace

void fuzz_base_slot(Input input) {
  (void)format::choose_base_slot(input, "base.cairn");
  Bytes bytes(input.begin(), input.end());
  for (std::size_t i = 0; i < format::kBaseSlots; ++i) {
    const std::size_t at = i * format::kBaseSlotStride;
    format::BaseSlot slot;
    if (bytes.size() < at + sizeof slot) break;
    std::memcpy(&slot, bytes.data() + at, sizeof slot);
    slot.magic = format::kBaseMagic;
    slot.checksum = XXH3_64bits(&slot, offsetof(format::BaseSlot, checksum));
    std::memcpy(bytes.data() + at, &slot, sizeof slot);
    format::CalibrationBytes calibration;
    if (bytes.size() < at + format::kCalibrationOffset + sizeof calibration) break;
    std::memcpy(&calibration, bytes.data() + at + format::kCalibrationOffset, sizeof calibration);
    if (calibration.magic != format::kCalibrationMagic) continue;
    calibration.checksum = XXH3_64bits(&calibration, offsetof(format::CalibrationBytes, checksum));
    std::memcpy(bytes.data() + at + format::kCalibrationOffset, &calibration, sizeof calibration);
  }
  const auto choice = format::choose_base_slot(bytes, "base.cairn");
  if (!choice.is_ok()) return expect(!choice.status().message().empty(), "a refusal says why");
  const format::BaseSlot& slot = choice->slot;
  expect(slot.alignment >= 512 && slot.block_size >= slot.alignment &&
             slot.container_size >= slot.block_size * std::uint64_t{16},
         "a chosen slot's geometry is possible");
  check_calibration(bytes, *choice);
}

void fuzz_catalog_record(Input input) {
  if (input.size() < 2) return;
  const auto type = static_cast<std::uint16_t>(static_cast<unsigned>(input[0]) |
                                               static_cast<unsigned>(input[1]) << 8);
  const Input payload = input.subspan(2);
  const auto record = format::decode_catalog(type, payload, Lsn(96));
  if (!record.is_ok()) {
    return expect(record.status().detail().lsn_begin == Lsn(96), "a refusal names the LSN");
  }
  const auto encoded = format::encode_catalog(*record);
  expect(static_cast<std::uint16_t>(encoded.type) == type &&
             std::ranges::equal(encoded.payload, payload),
         "what is taken is written back as it was");
  expect(!format::describe(*record).empty(), "each record can be described");
}

}  // namespace cairn::fuzz
