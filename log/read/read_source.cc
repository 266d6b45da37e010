#include "read/read_source.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "format/hash.h"

namespace cairn::log {
namespace {

constexpr std::string_view kPrefix = "container-";
constexpr std::string_view kSuffix = ".cairn";
constexpr std::size_t kDigits = 16;
constexpr std::size_t kPageSize = 4096;

std::string hex16(std::uint64_t value) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string text(kDigits, '0');
  for (std::size_t i = kDigits; i-- > 0; value >>= 4) text[i] = kHex[value & 15];
  return text;
}

StatusDetail at(Lsn lsn, const std::string& file) {
  StatusDetail detail;
  detail.lsn_begin = lsn;
  detail.file = file;
  return detail;
}

Status no_record(Lsn lsn, const std::string& file, const char* why) {
  return Status(StatusCode::kLsnInvalid,
                file + ": LSN " + lsn.to_string() + ": expected a record, found " + why,
                at(lsn, file));
}

}  // namespace

std::string container_file_name(std::uint64_t number) {
  return std::string(kPrefix) + hex16(number) + std::string(kSuffix);
}

bool parse_container_file_name(std::string_view name, std::uint64_t* number) {
  if (name.size() != kPrefix.size() + kDigits + kSuffix.size() || !name.starts_with(kPrefix) ||
      !name.ends_with(kSuffix)) {
    return false;
  }
  const std::string_view digits = name.substr(kPrefix.size(), kDigits);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + kDigits, *number, 16);
  return error == std::errc() && end == digits.data() + kDigits && hex16(*number) == digits;
}

format::LogGeometry geometry_of(const format::BaseSlot& slot) {
  format::LogGeometry geometry;
  std::memcpy(geometry.log_id.bytes.data(), slot.log_id, sizeof slot.log_id);
  geometry.container_size = slot.container_size;
  geometry.block_size = slot.block_size;
  geometry.alignment = slot.alignment;
  return geometry;
}

Result<Record> to_record(const format::RecordView& view, Lsn lsn,
                         const format::LogGeometry& geometry) {
  Record record;
  record.lsn = lsn;
  record.stream = view.header.stream;
  record.kind = static_cast<RecordKind>(view.header.kind);
  record.type = view.header.type;
  record.previous = Lsn(view.header.previous);
  record.undo_next = Lsn(view.header.undo_next);
  record.payload = view.payload;
  record.container = lsn.container(geometry.container_size);
  record.file_offset = lsn.offset(geometry.container_size) + sizeof(format::RecordHeader);
  if (record.kind == RecordKind::kRestart) {
    format::RestartPrefix prefix;
    if (record.payload.size() < sizeof prefix) {
      return Status(StatusCode::kCorrupt,
                    "LSN " + lsn.to_string() + ": restart record: expected at least " +
                        std::to_string(sizeof prefix) + " bytes, found " +
                        std::to_string(record.payload.size()),
                    at(lsn, ""));
    }
    std::memcpy(&prefix, record.payload.data(), sizeof prefix);
    record.base = Lsn(prefix.base);
    record.payload = record.payload.subspan(sizeof prefix);
    record.file_offset += sizeof prefix;
  }
  return record;
}

Result<std::shared_ptr<const OpenContainer>> ReadSource::container(std::uint64_t number) {
  {
    const std::lock_guard lock(mutex_);
    if (const auto it = open_.find(number); it != open_.end()) return it->second;
  }
  const std::string name = container_file_name(number);
  const std::string shown = directory_->path() + "/" + name;
  const Lsn start(number * geometry_.container_size);
  auto file = directory_->open(name, OpenMode::kRead);
  if (!file.is_ok()) {
    if (file.code() != StatusCode::kNotFound) return file.status();
    return Status(StatusCode::kContainerMissing,
                  shown + ": expected container " + std::to_string(number) + " (LSN " +
                      std::to_string(start.value()) + " and on), found no such file",
                  at(start, shown));
  }
  auto opened = std::make_shared<OpenContainer>();
  opened->file = std::move(file).value();
  CAIRN_ASSIGN_OR_RETURN(opened->file_size, opened->file->size());
  AlignedBuffer buffer(geometry_.alignment);
  CAIRN_ASSIGN_OR_RETURN(const std::size_t got, opened->file->read(0, buffer.bytes()));
  const auto bytes = std::as_const(buffer).bytes().first(got);
  auto fault = format::check_block(bytes, start, geometry_, nullptr, &opened->header);
  if (!fault &&
      (opened->header.kind != static_cast<std::uint16_t>(format::BlockKind::kContainerHeader) ||
       opened->header.record_count != 1)) {
    fault = format::BlockFault{"the first block is not a container header", start, true};
  }
  if (!fault) {
    const auto view = format::record_at(bytes, sizeof(format::BlockHeader));
    if (view.payload.size() == sizeof opened->content) {
      std::memcpy(&opened->content, view.payload.data(), sizeof opened->content);
    }
    if (opened->content.number != number ||
        opened->content.container_size != geometry_.container_size ||
        opened->content.first_block < start.value() + opened->header.padded_length ||
        opened->content.first_block % geometry_.alignment != 0 ||
        opened->content.first_block >= start.value() + geometry_.container_size) {
      fault = format::BlockFault{"the container header contradicts the log", start, true};
    }
  }
  if (fault) {
    return Status(StatusCode::kCorrupt,
                  shown + ": LSN " + start.to_string() + ": container header: " + fault->reason,
                  at(start, shown));
  }
  opened->identity = {geometry_.log_id, opened->header.incarnation};
  opened->seed = format::container_seed(opened->identity);
  const std::lock_guard lock(mutex_);
  return open_.emplace(number, std::move(opened)).first->second;
}

void ReadSource::forget_before(std::uint64_t number) {
  const std::lock_guard lock(mutex_);
  open_.erase(open_.begin(), open_.lower_bound(number));
}

void ReadSource::forget(std::uint64_t number) {
  const std::lock_guard lock(mutex_);
  open_.erase(number);
}

bool ReadSource::take_stream() {
  unsigned streams = streams_.load();
  do {
    if (streams >= kMostStreams) return false;
  } while (!streams_.compare_exchange_weak(streams, streams + 1));
  return true;
}

Result<std::vector<std::uint64_t>> ReadSource::list_containers() const {
  CAIRN_ASSIGN_OR_RETURN(const std::vector<std::string> names, directory_->list());
  std::vector<std::uint64_t> numbers;
  for (const std::string& name : names) {
    std::uint64_t number;
    if (parse_container_file_name(name, &number)) numbers.push_back(number);
  }
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

Result<format::RecordView> ReadSource::read_exact(Lsn lsn, AlignedBuffer* buffer) {
  const std::uint64_t number = lsn.container(geometry_.container_size);
  CAIRN_ASSIGN_OR_RETURN(const std::shared_ptr<const OpenContainer> from, container(number));
  const std::string& file = from->file->name();
  const std::uint64_t offset = lsn.offset(geometry_.container_size);
  if (offset % format::kRecordAlignment != 0) return no_record(lsn, file, "no multiple of 8");

  // First the pages around the header, then, if the record is longer, all of it.
  const std::uint64_t from_page = offset / kPageSize * kPageSize;
  std::size_t want = 2 * kPageSize;
  for (;;) {
    want = static_cast<std::size_t>(std::min<std::uint64_t>(format::align_up(want, kPageSize),
                                                            geometry_.container_size - from_page));
    if (buffer->size() < want) *buffer = AlignedBuffer(want);
    CAIRN_ASSIGN_OR_RETURN(const std::size_t got,
                           from->file->read(from_page, buffer->bytes().first(want)));
    const std::size_t skip = offset - from_page;
    const auto bytes = std::as_const(*buffer).bytes().first(got);
    if (got < skip + sizeof(format::RecordHeader))
      return no_record(lsn, file, "the end of the file");
    format::RecordHeader header;
    std::memcpy(&header, bytes.data() + skip, sizeof header);
    if (header.length > format::max_payload(geometry_.block_size)) {
      return no_record(lsn, file, "other bytes (length)");
    }
    const std::size_t whole = skip + sizeof header + header.length;
    if (got < whole) {
      if (want >= whole || from_page + whole > geometry_.container_size) {
        return no_record(lsn, file, "other bytes (cut short)");
      }
      want = whole;
      continue;
    }
    const auto body = bytes.subspan(skip + sizeof header.checksum,
                                    sizeof header - sizeof header.checksum + header.length);
    if (format::hash(body, format::record_seed(from->seed, lsn)) != header.checksum) {
      return no_record(lsn, file, "other bytes (checksum)");
    }
    return format::record_at(bytes, static_cast<std::uint32_t>(skip));
  }
}

Result<Record> ReadSource::read_record(Lsn lsn, AlignedBuffer* buffer) {
  CAIRN_ASSIGN_OR_RETURN(const format::RecordView view, read_exact(lsn, buffer));
  return to_record(view, lsn, geometry_);
}

bool ReadSource::record_block_offset(Lsn lsn, AlignedBuffer* buffer, std::uint32_t* offset) {
  const auto view = read_exact(lsn, buffer);
  if (!view.is_ok()) return false;
  *offset = view->header.block_offset;
  return lsn.offset(geometry_.container_size) > *offset;
}

}  // namespace cairn::log
