#include "rebuild/container_survey.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <optional>
#include <utility>

#include "aligned_buffer.h"
#include "catalog.h"
#include "format/base_slot.h"
#include "format/block.h"
#include "format/catalog_record.h"
#include "read/end_of_log.h"
#include "read/read_source.h"

namespace cairn::log {
namespace {

constexpr std::size_t kLargestHeaderBlock = 4096;

// A file with a container's name, and what its first block says.
struct HeaderFound {
  std::string file;  // path
  std::uint64_t size = 0;
  std::string fault;   // empty: the header is whole; otherwise why not
  bool blank = false;  // all zeros: a fresh spare
  Uuid log_id;
  std::uint64_t incarnation = 0;
  format::ContainerHeader content{};
};
using Headers = std::map<std::uint64_t, HeaderFound>;  // by the number in the file's name

Status refusal(StatusCode code, const HeaderFound& header, Lsn lsn, const std::string& text) {
  StatusDetail detail;
  detail.file = header.file;
  detail.lsn_begin = lsn;
  return Status(code, header.file + ": " + text, detail);
}

format::BaseSlot geometry_slot(const HeaderFound& header) {
  format::BaseSlot slot{};
  std::memcpy(slot.log_id, header.log_id.bytes.data(), sizeof slot.log_id);
  slot.container_size = header.content.container_size;
  slot.block_size = header.content.block_size;
  slot.alignment = header.content.alignment;
  slot.max_size = header.content.max_size;
  return slot;
}

// The first block read by its own word: nothing is known yet that it could be held against.
void read_first_block(std::span<const std::byte> bytes, HeaderFound* found) {
  found->blank =
      std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
  constexpr std::size_t kContent = sizeof(format::BlockHeader) + sizeof(format::RecordHeader);
  format::BlockHeader header;
  if (bytes.size() < kContent + sizeof found->content) {
    found->fault = "the file is too short for a container header";
    return;
  }
  std::memcpy(&header, bytes.data(), sizeof header);
  std::memcpy(&found->content, bytes.data() + kContent, sizeof found->content);
  std::memcpy(found->log_id.bytes.data(), header.log_id, sizeof header.log_id);
  found->incarnation = header.incarnation;
  const format::BaseSlot slot = geometry_slot(*found);
  if (!format::geometry_ok(slot)) {
    found->fault = "no container header, or one with sizes that no log has";
    return;
  }
  format::BlockHeader checked;
  const auto fault =
      format::check_block(bytes, Lsn(header.lsn), geometry_of(slot), nullptr, &checked);
  if (fault) {
    found->fault = fault->reason;
  } else if (checked.kind != static_cast<std::uint16_t>(format::BlockKind::kContainerHeader) ||
             header.lsn != found->content.number * found->content.container_size) {
    found->fault = "the first block is not a container header";
  }
}

Result<Headers> read_headers(Directory& directory) {
  Headers headers;
  CAIRN_ASSIGN_OR_RETURN(const std::vector<std::string> names, directory.list());
  for (const std::string& name : names) {
    std::uint64_t number;
    if (!parse_container_file_name(name, &number)) continue;
    // What is read now must not vanish after a base log was built on it.
    CAIRN_ASSIGN_OR_RETURN(const auto file, directory.open(name, OpenMode::kReadWrite));
    CAIRN_RETURN_IF_ERROR(file->sync());
    HeaderFound found;
    found.file = directory.path() + "/" + name;
    CAIRN_ASSIGN_OR_RETURN(found.size, file->size());
    AlignedBuffer buffer(kLargestHeaderBlock);
    CAIRN_ASSIGN_OR_RETURN(const std::size_t got, file->read(0, buffer.bytes()));
    read_first_block(std::as_const(buffer).bytes().first(got), &found);
    headers.emplace(number, std::move(found));
  }
  CAIRN_RETURN_IF_ERROR(directory.sync_directory());
  return headers;
}

// Step 1 for one whole header, against that of the newest container.
Status check_header(std::uint64_t number, const HeaderFound& header, const HeaderFound& newest,
                    const Headers& headers) {
  const Lsn start(number * newest.content.container_size);
  if (header.log_id != newest.log_id) {
    return refusal(StatusCode::kCorrupt, header, start,
                   "expected a container of log " + newest.log_id.to_string() + ", as " +
                       newest.file + " is, found one of log " + header.log_id.to_string());
  }
  if (header.content.number != number) {
    std::string text = "expected container " + std::to_string(number) + " (LSN " +
                       start.to_string() + " and on), found container " +
                       std::to_string(header.content.number) + " of this log";
    const auto other = headers.find(header.content.number);
    if (other != headers.end()) {
      text += other->second.incarnation == header.incarnation
                  ? "; " + other->second.file + " is the same container"
                  : "; " + other->second.file + " is in its place";
    }
    return refusal(StatusCode::kCorrupt, header, start, text);
  }
  if (header.content.container_size != newest.content.container_size ||
      header.content.block_size != newest.content.block_size ||
      header.content.alignment != newest.content.alignment) {
    return refusal(StatusCode::kCorrupt, header, start,
                   "its container size, block size or alignment are not those of " + newest.file);
  }
  if (header.size != header.content.container_size) {
    return refusal(StatusCode::kContainerSize, header, start,
                   "expected " + std::to_string(header.content.container_size) + " bytes, found " +
                       std::to_string(header.size) + " (LSN " + start.to_string() + " and on)");
  }
  return Status::ok();
}

// A spare that became a container and whose header was not written yet shows the one of its earlier
// life. That container is not there any more, and was an older one.
bool is_earlier_life(std::uint64_t number, const HeaderFound& header, const Headers& headers) {
  return number == headers.rbegin()->first && header.content.number < number &&
         !headers.contains(header.content.number);
}

// Step 1. Leaves in `headers` those that are what they seem.
Status check_headers(Headers* headers, ContainerSurvey* survey) {
  const Headers all = *headers;
  std::erase_if(*headers, [&](const auto& one) {
    const auto& [number, header] = one;
    if (header.fault.empty() &&
        !(header.content.number != number && is_earlier_life(number, header, all))) {
      return false;
    }
    survey->notes.push_back(header.file + ": left out: " +
                            (header.blank ? "never written"
                             : header.fault.empty()
                                 ? "its header is of an earlier life, as container " +
                                       std::to_string(header.content.number)
                                 : header.fault));
    return true;
  });
  if (headers->empty()) {
    if (all.empty()) return Status(StatusCode::kNotALog, "not a Cairn log: no containers");
    const auto& [number, header] = *all.rbegin();
    return refusal(StatusCode::kCorrupt, header, Lsn(), "container header: " + header.fault);
  }
  const HeaderFound& newest = headers->rbegin()->second;
  for (const auto& [number, header] : *headers) {
    CAIRN_RETURN_IF_ERROR(check_header(number, header, newest, all));
  }
  return Status::ok();
}

// The block that begins with the newest snapshot that has its end; nothing if there is none.
class SnapshotSearch {
 public:
  Status look_at(const BlockReader::Block& block) {
    std::uint32_t offset = sizeof(format::BlockHeader);
    for (std::uint32_t i = 0; i < block.header.record_count; ++i) {
      const auto view = format::record_at(block.bytes, offset);
      const Lsn lsn = Lsn(block.header.lsn) + offset;
      offset = view.next_offset;
      if (static_cast<RecordKind>(view.header.kind) != RecordKind::kCatalog) continue;
      CAIRN_ASSIGN_OR_RETURN(const format::CatalogRecord record,
                             format::decode_catalog(view.header.type, view.payload, lsn));
      if (std::holds_alternative<format::SnapshotBegin>(record)) {
        begin_ = lsn;
        begin_block_ = Lsn(block.header.lsn);
      } else if (const auto* end = std::get_if<format::SnapshotEnd>(&record)) {
        if (end->begin == begin_) newest_ = begin_block_;
      }
    }
    return Status::ok();
  }
  [[nodiscard]] std::optional<Lsn> newest() const { return newest_; }

 private:
  Lsn begin_;
  Lsn begin_block_;
  std::optional<Lsn> newest_;
};

// Step 2.
Status walk(ReadSource& source, std::uint64_t first, ContainerSurvey* survey) {
  CAIRN_ASSIGN_OR_RETURN(const auto oldest, source.container(first));
  LogScanner scanner(source, survey->slot, Lsn(oldest->content.first_block));
  SnapshotSearch snapshots;
  for (;;) {
    CAIRN_ASSIGN_OR_RETURN(const auto block, scanner.next());
    if (!block) break;
    survey->slot.durable = std::max(survey->slot.durable, block->header.watermark);
    CAIRN_RETURN_IF_ERROR(snapshots.look_at(*block));
  }
  if (end_label_is_damage(scanner.end().label)) return damage_status(scanner.end(), source);
  survey->slot.epoch = scanner.epoch();
  if (!snapshots.newest()) {
    StatusDetail detail;
    detail.file = oldest->file->name();
    detail.lsn_begin = Lsn(oldest->content.first_block);
    detail.lsn_end = scanner.end().end;
    return Status(StatusCode::kCorrupt,
                  detail.file + ": LSN " + detail.lsn_begin.to_string() + " to " +
                      detail.lsn_end.to_string() +
                      ": expected a whole snapshot of the catalog, found none",
                  detail);
  }
  survey->slot.scan_start = snapshots.newest()->value();
  return Status::ok();
}

// Step 3.
Status find_tail(ReadSource& source, std::uint64_t first, ContainerSurvey* survey) {
  const std::uint64_t size = survey->slot.container_size;
  CAIRN_ASSIGN_OR_RETURN(const FoundEnd found, find_end(source, survey->slot));
  if (end_label_is_damage(found.end.label)) return damage_status(found.end, source);
  const Lsn scan_start(survey->slot.scan_start);
  const Lsn tail = std::min(found.catalog.oldest_needed(scan_start), scan_start);
  survey->end_of_log = found.end;
  survey->slot.tail = tail.value();
  survey->first = tail.container(size);
  survey->last = found.end.end.container(size);
  if (survey->first >= first) return Status::ok();
  std::string text = "expected container " + std::to_string(first - 1) + " (LSN " +
                     std::to_string((first - 1) * size) +
                     " and on), which the log needs from LSN " + tail.to_string() +
                     " on, found no sound one";
  for (const std::string& note : survey->notes) text += "; " + note;
  StatusDetail detail;
  detail.lsn_begin = tail;
  detail.file = source.directory().path() + "/" + container_file_name(first - 1);
  return Status(StatusCode::kContainerMissing, detail.file + ": " + text, detail);
}

}  // namespace

Result<ContainerSurvey> survey_containers(Directory& directory) {
  ContainerSurvey survey;
  CAIRN_ASSIGN_OR_RETURN(Headers headers, read_headers(directory));
  if (const Status status = check_headers(&headers, &survey); !status.is_ok()) {
    return status.code() == StatusCode::kNotALog ? status.with_context(directory.path()) : status;
  }
  survey.slot = geometry_slot(headers.rbegin()->second);
  survey.slot.generation = 1;
  std::uint64_t first = headers.rbegin()->first;
  while (first > 0 && headers.contains(first - 1)) --first;
  ReadSource source(directory, geometry_of(survey.slot));
  Status walked = walk(source, first, &survey);
  if (!walked.is_ok()) {
    // A file that was left out may be what is missing here.
    std::string text = walked.message();
    for (const std::string& note : survey.notes) text += "; " + note;
    return Status(walked.code(), text, walked.detail());
  }
  CAIRN_RETURN_IF_ERROR(find_tail(source, first, &survey));
  survey.slot.state = static_cast<std::uint64_t>(survey.end_of_log.label == EndLabel::kCleanClose
                                                     ? format::BaseState::kClosed
                                                     : format::BaseState::kOpen);
  return survey;
}

}  // namespace cairn::log
