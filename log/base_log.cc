#include "base_log.h"

#include <utility>

#include "read/read_source.h"

namespace cairn::log {
namespace {

std::span<std::byte, format::kBaseSlotStride> slot_bytes(AlignedBuffer& buffer) {
  return buffer.bytes().first<format::kBaseSlotStride>();
}

}  // namespace

Status BaseLog::create(Directory& directory, const format::BaseSlot& slot) {
  // Under another name until it is whole: base.cairn is never seen half-made.
  CAIRN_ASSIGN_OR_RETURN(const auto file, directory.open(kUnfinishedBaseName, OpenMode::kCreate));
  CAIRN_RETURN_IF_ERROR(directory.fill_zero(*file, format::kBaseFileSize));
  AlignedBuffer buffer(format::kBaseSlotStride);
  format::encode_base_slot(slot, std::nullopt, slot_bytes(buffer));
  CAIRN_RETURN_IF_ERROR(file->write(0, buffer.bytes()));
  CAIRN_RETURN_IF_ERROR(file->sync());
  CAIRN_RETURN_IF_ERROR(directory.rename(kUnfinishedBaseName, format::kBaseFileName));
  return directory.sync_directory();
}

Status BaseLog::rewrite(Directory& directory, const format::BaseSlot& slot) {
  CAIRN_ASSIGN_OR_RETURN(const auto file,
                         directory.open(format::kBaseFileName, OpenMode::kReadWrite));
  AlignedBuffer buffer(format::kBaseSlotStride);
  for (std::uint32_t i = 0; i < format::kBaseSlots; ++i) {
    format::BaseSlot next = slot;
    next.generation = slot.generation + i;
    format::encode_base_slot(next, std::nullopt, slot_bytes(buffer));
    CAIRN_RETURN_IF_ERROR(file->write(std::uint64_t{i} * format::kBaseSlotStride, buffer.bytes()));
    CAIRN_RETURN_IF_ERROR(file->sync());
  }
  return Status::ok();
}

Result<BaseLog> BaseLog::open(Directory& directory, OpenMode mode) {
  BaseLog base;
  const std::string shown = directory.path() + "/" + format::kBaseFileName;
  auto file = directory.open(format::kBaseFileName, mode);
  if (!file.is_ok()) {
    if (file.code() != StatusCode::kNotFound) return file.status();
    StatusDetail detail;
    detail.file = shown;
    CAIRN_ASSIGN_OR_RETURN(const auto names, directory.list());
    for (const std::string& name : names) {
      std::uint64_t number;
      if (parse_container_file_name(name, &number)) {
        std::string message = shown;
        message.append(": expected the base log beside ").append(name);
        message.append(", found no such file");
        return Status(StatusCode::kBaseLogDamaged, std::move(message), detail);
      }
    }
    return Status(StatusCode::kNotALog,
                  directory.path() + ": not a Cairn log: expected the file " +
                      format::kBaseFileName + ", found none",
                  detail);
  }
  base.file_ = std::move(file).value();
  AlignedBuffer whole(format::kBaseFileSize);
  CAIRN_ASSIGN_OR_RETURN(const std::size_t got, base.file_->read(0, whole.bytes()));
  CAIRN_ASSIGN_OR_RETURN(format::BaseChoice choice,
                         format::choose_base_slot(std::as_const(whole).bytes().first(got), shown));
  base.slot_ = choice.slot;
  base.index_ = choice.index;
  base.both_valid_ = choice.other_valid;
  base.calibration_ = std::move(choice.calibration);
  base.calibration_fault_ = std::move(choice.calibration_fault);
  base.buffer_ = AlignedBuffer(format::kBaseSlotStride);
  return base;
}

Status BaseLog::check_created() const {
  if (!is_being_created()) return Status::ok();
  StatusDetail detail;
  detail.file = file_->name();
  return Status(StatusCode::kNotALog, file_->name() + ": the creation of this log was not finished",
                detail);
}

Status BaseLog::write(format::BaseSlot next) {
  next.generation = slot_.generation + 1;
  next.version = format::kFormatVersion;
  const std::uint32_t index = 1 - index_;
  format::encode_base_slot(next, calibration_, slot_bytes(buffer_));
  CAIRN_RETURN_IF_ERROR(
      file_->write(std::uint64_t{index} * format::kBaseSlotStride, buffer_.bytes()));
  CAIRN_RETURN_IF_ERROR(file_->sync());
  slot_ = next;
  index_ = index;
  both_valid_ = true;
  return Status::ok();
}

}  // namespace cairn::log
