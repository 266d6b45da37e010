#include "log/log_image.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <span>
#include <string_view>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "log/torture_names.h"

namespace cairn::log_test {

namespace format = log::format;

namespace {

template <typename T>
T at(const Bytes& bytes, std::uint64_t offset) {
  T value{};
  if (offset + sizeof value <= bytes.size()) {
    std::memcpy(&value, bytes.data() + offset, sizeof value);
  }
  return value;
}

ImageBlock read_block(const Bytes& bytes, const std::string& file, std::uint64_t offset) {
  ImageBlock block;
  block.header = at<format::BlockHeader>(bytes, offset);
  block.lsn = Lsn(block.header.lsn);
  block.file = file;
  block.offset = offset;
  std::uint64_t within = sizeof block.header;
  for (std::uint32_t i = 0; i < block.header.record_count; ++i) {
    const auto header = at<format::RecordHeader>(bytes, offset + within);
    const std::uint64_t size = format::record_size(header.length);
    block.records.push_back(
        {block.lsn + within, offset + within, static_cast<std::uint32_t>(size), header});
    within += size;
  }
  return block;
}

ImageContainer read_container(const Bytes& bytes, const std::string& file) {
  ImageContainer container;
  container.file = file;
  const auto first = at<format::BlockHeader>(bytes, 0);
  container.number = first.lsn / bytes.size();
  for (std::uint64_t offset = 0; offset < bytes.size();) {
    const auto header = at<format::BlockHeader>(bytes, offset);
    const bool ours = header.magic == format::kBlockMagic &&
                      header.incarnation == first.incarnation &&
                      header.lsn == container.number * bytes.size() + offset;
    if (!ours) break;
    container.blocks.push_back(read_block(bytes, file, offset));
    const ImageBlock& block = container.blocks.back();
    if (block.kind() == format::BlockKind::kSeal) break;
    const bool jumps = block.kind() == format::BlockKind::kEpoch;
    const std::uint64_t next = jumps ? block.header.continue_lsn : block.end_lsn().value();
    if (next / bytes.size() != container.number) break;
    offset = next % bytes.size();
  }
  return container;
}

}  // namespace

std::vector<ImageContainer> read_image(const sim::SimStorage& storage,
                                       const std::string& directory) {
  std::vector<ImageContainer> containers;
  for (const std::string& file : storage.list(directory)) {
    if (!file.starts_with("container-")) continue;
    containers.push_back(read_container(storage.read_image(directory, file), file));
  }
  std::ranges::sort(containers, {}, &ImageContainer::number);
  return containers;
}

format::BaseSlot read_base_slot(const sim::SimStorage& storage, const std::string& directory) {
  const Bytes bytes = storage.read_image(directory, format::kBaseFileName);
  const auto first = at<format::BaseSlot>(bytes, 0);
  const auto second = at<format::BaseSlot>(bytes, format::kBaseSlotStride);
  if (first.magic != format::kBaseMagic) return second;
  return second.magic == format::kBaseMagic && second.generation > first.generation ? second
                                                                                    : first;
}

void write_slots_as_version(sim::SimStorage& storage, const std::string& directory,
                            std::uint16_t version) {
  const Bytes bytes = storage.read_image(directory, format::kBaseFileName);
  for (std::uint32_t i = 0; i < format::kBaseSlots; ++i) {
    const std::size_t offset = std::size_t{i} * format::kBaseSlotStride;
    auto slot = at<format::BaseSlot>(bytes, offset);
    slot.version = version;
    slot.checksum = XXH3_64bits(&slot, offsetof(format::BaseSlot, checksum));
    storage.overwrite(directory, format::kBaseFileName, offset,
                      std::as_bytes(std::span<const format::BaseSlot, 1>(&slot, 1)));
  }
}

}  // namespace cairn::log_test
