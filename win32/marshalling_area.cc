#include "marshalling_area.h"

#include <limits>
#include <utility>
#include <vector>

#include <cairn/clfsw32.h>

namespace cairn::win32 {

bool MarshallingArea::begin_reading() {
  std::uint32_t readers = readers_.load();
  do {
    if (readers >= max_readers_) return false;
  } while (!readers_.compare_exchange_weak(readers, readers + 1));
  return true;
}

void MarshallingArea::keep_reserved(log::Reservation more, std::uint64_t records,
                                    std::uint64_t bytes) {
  reservation.merge(std::move(more));
  sizes.add(records, bytes);
}

void MarshallingArea::note_paid(std::size_t payload) {
  const std::uint64_t paid = log::Reservation::reserved_bytes(payload);
  // No more than is held: that cannot fail.
  [[maybe_unused]] const Status back = reservation.give_back(0, sizes.use(paid) - paid);
}

Status MarshallingArea::give_up(std::uint64_t records, std::uint64_t bytes) {
  if (records == 0 && bytes == 0) return {};
  return reservation.give_back(records, sizes.give_up(records, bytes));
}

BOOL MarshallingArea::fail_append(const Status& status, Meanings meanings) const {
  const StatusDetail& detail = status.detail();
  const std::uint64_t size = physical().container_size();
  const bool base_helps = status.code() == StatusCode::kLogFull &&
                          detail.cause == FullCause::kReservation && detail.lsn_begin.is_valid() &&
                          detail.lsn_begin.container(size) < log->end_lsn().container(size);
  return base_helps ? fail(ERROR_LOG_FULL, status.to_string()) : fail_log(status, meanings);
}

}  // namespace cairn::win32

using cairn::log::Reservation;
using cairn::win32::all_given;
using cairn::win32::fail;
using cairn::win32::HandleTable;
using cairn::win32::LogHandle;
using cairn::win32::MarshallingArea;
using cairn::win32::object_of;
using cairn::win32::succeed_log_if;

BOOL CreateLogMarshallingArea(HANDLE hLog, CLFS_BLOCK_ALLOCATION pfnAllocBuffer,
                              CLFS_BLOCK_DEALLOCATION pfnFreeBuffer, PVOID /*pvBlockAllocContext*/,
                              ULONG cbMarshallingBuffer, ULONG cMaxWriteBuffers,
                              ULONG cMaxReadBuffers, PVOID* ppvMarshal) {
  constexpr ULONG kSector = 512;
  if (!all_given(ppvMarshal)) return FALSE;
  *ppvMarshal = nullptr;
  const auto handle = object_of<LogHandle>(hLog);
  if (handle == nullptr) return FALSE;
  if ((pfnAllocBuffer == nullptr) != (pfnFreeBuffer == nullptr) || cbMarshallingBuffer == 0 ||
      cbMarshallingBuffer % kSector != 0 || cMaxWriteBuffers == 0 || cMaxReadBuffers == 0) {
    return fail(ERROR_INVALID_PARAMETER);
  }
  if (!handle->file->allows(GENERIC_READ | GENERIC_WRITE)) return FALSE;
  if (!handle->file->is_stream()) {
    return fail(ERROR_LOG_MULTIPLEXED, "records are those of a stream: log:<path>::<stream>");
  }
  auto log = handle->file->physical().need_log();
  if (log == nullptr) return FALSE;
  const HANDLE area = cairn::win32::handle_of(std::make_shared<MarshallingArea>(
      handle->file, std::move(log), cbMarshallingBuffer, cMaxReadBuffers));
  if (area == INVALID_HANDLE_VALUE) return FALSE;
  *ppvMarshal = area;
  return TRUE;
}

BOOL DeleteLogMarshallingArea(PVOID pvMarshal) {
  const auto area = HandleTable::get().take<MarshallingArea>(pvMarshal);
  if (area == nullptr) return fail(ERROR_INVALID_HANDLE);
  area->close();
  {
    const std::lock_guard lock(area->reservation_mutex);
    area->reservation.release();
    area->sizes = {};
  }
  if ((area->file->access() & GENERIC_WRITE) == 0) return TRUE;
  return succeed_log_if(area->log->flush());
}

// What `count` records of these sizes take. False, and the last error is set.
static bool reserved_size(ULONG count, const LONGLONG* sizes, LONGLONG* total) {
  *total = 0;
  for (ULONG i = 0; i < count; ++i) {
    if (sizes[i] <= 0 || sizes[i] > std::numeric_limits<ULONG>::max()) {
      return fail(ERROR_INVALID_PARAMETER, "sizes of records to reserve for are positive");
    }
    *total +=
        static_cast<LONGLONG>(Reservation::reserved_bytes(static_cast<std::uint64_t>(sizes[i])));
  }
  return true;
}

BOOL AlignReservedLog(PVOID pvMarshal, ULONG cReservedRecords, LONGLONG rgcbReservation[],
                      PLONGLONG pcbAlignReservation) {
  const auto area = object_of<MarshallingArea>(pvMarshal);
  if (area == nullptr || !all_given(rgcbReservation, pcbAlignReservation)) return FALSE;
  if (cReservedRecords == 0) return fail(ERROR_INVALID_PARAMETER);
  LONGLONG total = 0;
  if (!reserved_size(cReservedRecords, rgcbReservation, &total)) return FALSE;
  *pcbAlignReservation = total;
  return TRUE;
}

BOOL AllocReservedLog(PVOID pvMarshal, ULONG cReservedRecords, PLONGLONG pcbAdjustment) {
  const auto area = object_of<MarshallingArea>(pvMarshal);
  if (area == nullptr || !all_given(pcbAdjustment)) return FALSE;
  if (!area->file->allows(GENERIC_WRITE)) return FALSE;
  const auto least = static_cast<LONGLONG>(cReservedRecords * Reservation::reserved_bytes(0));
  if (cReservedRecords == 0 || *pcbAdjustment < least || *pcbAdjustment % 8 != 0) {
    return fail(ERROR_INVALID_PARAMETER, "expected what AlignReservedLog() said");
  }
  // So much is payload; what is rounded up too far goes back.
  const auto bytes = static_cast<std::uint64_t>(*pcbAdjustment);
  auto reserved =
      area->stream().reserve(cReservedRecords, bytes - static_cast<std::uint64_t>(least));
  if (!reserved) return area->fail_append(reserved.status());
  if (const auto back = reserved->give_back(0, reserved->bytes() - bytes); !back) {
    return cairn::win32::fail_log(back);
  }
  const std::lock_guard lock(area->reservation_mutex);
  area->keep_reserved(std::move(*reserved), cReservedRecords, bytes);
  return TRUE;
}

BOOL FreeReservedLog(PVOID pvMarshal, ULONG cReservedRecords, PLONGLONG pcbAdjustment) {
  const auto area = object_of<MarshallingArea>(pvMarshal);
  if (area == nullptr || !all_given(pcbAdjustment)) return FALSE;
  if (!area->file->allows(GENERIC_WRITE)) return FALSE;
  {
    const std::lock_guard lock(area->reservation_mutex);
    const Reservation& held = area->reservation;
    const LONGLONG given = *pcbAdjustment;
    const bool remaining = given > 0;
    const std::uint64_t bytes =
        given < 0 ? 0 - static_cast<std::uint64_t>(given) : static_cast<std::uint64_t>(given);
    if (bytes % 8 != 0) return fail(ERROR_INVALID_PARAMETER, "sizes reserved are multiples of 8");
    if (cReservedRecords > held.records() || bytes > held.bytes()) {
      return fail(cReservedRecords > held.records() ? ERROR_LOG_RECORDS_RESERVED_INVALID
                                                    : ERROR_LOG_SPACE_RESERVED_INVALID,
                  "reserved are " + std::to_string(held.records()) + " records of " +
                      std::to_string(held.bytes()) + " bytes");
    }
    const auto status = remaining
                            ? area->give_up(held.records() - cReservedRecords, held.bytes() - bytes)
                            : area->give_up(cReservedRecords, bytes);
    if (!status) return cairn::win32::fail_log(status);
  }
  area->physical().clients.settle(area->physical());
  return TRUE;
}

BOOL GetLogReservationInfo(PVOID pvMarshal, PULONG pcbRecordNumber, PLONGLONG pcbUserReservation,
                           PLONGLONG pcbCommitReservation) {
  const auto area = object_of<MarshallingArea>(pvMarshal);
  if (area == nullptr) return FALSE;
  if (!all_given(pcbRecordNumber, pcbUserReservation, pcbCommitReservation)) return FALSE;
  const std::lock_guard lock(area->reservation_mutex);
  const Reservation& held = area->reservation;
  const std::uint64_t headers = held.records() * Reservation::reserved_bytes(0);
  *pcbRecordNumber = static_cast<ULONG>(held.records());
  *pcbUserReservation = static_cast<LONGLONG>(held.bytes() > headers ? held.bytes() - headers : 0);
  *pcbCommitReservation = static_cast<LONGLONG>(held.bytes());
  return TRUE;
}
