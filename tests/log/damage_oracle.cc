#include "log/damage_oracle.h"

#include <algorithm>

namespace cairn::log_test {

namespace format = log::format;
using log::EndLabel;

DamageOracle::DamageOracle(const sim::SimStorage& storage, const std::string& directory)
    : size_(log::kMinContainerSize),
      slot_(read_base_slot(storage, directory)),
      containers_(read_image(storage, directory)) {
  size_ = slot_.container_size;
  std::erase_if(containers_, [](const ImageContainer& one) { return one.blocks.size() < 2; });
}

ExpectedVerdict DamageOracle::at(std::size_t container, std::uint64_t offset) const {
  const ImageContainer& in = containers_[container];
  ExpectedVerdict verdict;
  verdict.label = sound_end(containers_.back().blocks.back());
  const auto found = std::ranges::find_if(
      in.blocks, [&](const ImageBlock& block) { return offset < block.end(); });
  if (found == in.blocks.end() || offset < found->offset)
    return verdict;  // behind the end, or in a gap
  const bool header_is_whole = offset >= found->offset + sizeof(format::BlockHeader);
  const auto index = static_cast<std::size_t>(found - in.blocks.begin());
  verdict.label = judge(container, index, header_is_whole);
  if (!verdict.is_damage()) return verdict;
  verdict.begin = found->lsn;
  verdict.whole_container = index == 0;
  const bool scanned = verdict.whole_container ? in.number >= Lsn(slot_.scan_start).container(size_)
                                               : found->lsn.value() >= slot_.scan_start;
  verdict.open_refuses = scanned;
  const bool before_tail = !verdict.whole_container && found->end_lsn().value() <= slot_.tail;
  verdict.readable = before_tail;
  for (const ImageRecord& record : found->records) {
    const bool inside = offset >= record.offset && offset < record.offset + record.size;
    if (inside && header_is_whole && !verdict.whole_container) verdict.begin = record.lsn;
  }
  return verdict;
}

EndLabel DamageOracle::judge(std::size_t container, std::size_t block, bool header_is_whole) const {
  const std::vector<ImageBlock>& blocks = containers_[container].blocks;
  const ImageBlock& bad = blocks[block];
  if (slot_.durable > bad.lsn.value()) return EndLabel::kDamageProvenByBaseLog;
  bool begun = header_is_whole;
  for (std::size_t i = block + 1; i < blocks.size(); ++i) {
    if (blocks[i].lsn > bad.lsn + bad.header.window) break;
    if (blocks[i].header.watermark > bad.lsn.value()) return EndLabel::kDamageProvenByWatermark;
    begun = true;
  }
  // A later container with a block in it.
  if (container + 1 < containers_.size()) return EndLabel::kDamageProvenBySeal;
  if (begun) return EndLabel::kTornTail;
  return sound_end(blocks[block - 1]);
}

EndLabel DamageOracle::sound_end(const ImageBlock& last) const {
  if (last.records.size() != 1) return EndLabel::kEndUnwritten;
  const format::RecordHeader& record = last.records[0].header;
  const bool is_mark = record.kind == static_cast<std::uint8_t>(log::RecordKind::kCatalog) &&
                       record.type == static_cast<std::uint16_t>(format::CatalogType::kMark);
  if (!is_mark) return EndLabel::kEndUnwritten;
  // An idle mark only where no log was closed: the sweeps close theirs, or take its power away.
  return slot_.state == static_cast<std::uint64_t>(format::BaseState::kClosed)
             ? EndLabel::kCleanClose
             : EndLabel::kEndAtMark;
}

}  // namespace cairn::log_test
