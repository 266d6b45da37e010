// Restart areas are written, bases advance, ends are set.
#include <cstddef>
#include <mutex>
#include <optional>
#include <span>

#include <cairn/clfsw32.h>

#include "log_containers.h"
#include "marshalling_area.h"

namespace cairn::win32 {
namespace {

// The base of a restart area: null leaves it.
std::optional<Lsn> new_base(const MarshallingArea& area, const CLFS_LSN* base) {
  if (base == nullptr) return Lsn::null();
  const auto lsn = area.codec.decode(*base);
  if (!lsn || !lsn->is_valid()) {
    fail(ERROR_INVALID_PARAMETER, "no LSN of this log");
    return std::nullopt;
  }
  return lsn;
}

// Paid for by a record that is reserved, so that a log that others fill meanwhile is no obstacle.
Result<Lsn> write_from_reservation(MarshallingArea& area, std::span<const std::byte> data,
                                   Lsn base) {
  const std::lock_guard lock(area.reservation_mutex);
  if (!area.reservation.covers(data.size())) {
    return Status(StatusCode::kResourceExhausted,
                  "the reservation does not cover the restart area");
  }
  const std::uint64_t before = area.reservation.records();
  auto lsn = area.stream().write_restart_area(data, base, area.reservation);
  if (area.reservation.records() < before) area.note_paid(data.size());
  return lsn;
}

// What changes when a base has moved.
void note_moved_base(PhysicalLog& log) {
  {
    // Whoever holds it adds containers, which may take long, and nothing here is urgent.
    const std::unique_lock lock(log.container_mutex(), std::try_to_lock);
    if (lock.owns_lock()) remove_what_became_free(log);
  }
  log.clients.settle(log);
}

// The newest records of a dedicated log go: those at `end` and behind it.
BOOL set_end(const LogFile& file, const CLFS_LSN* end) {
  if (end == nullptr) return fail(ERROR_INVALID_PARAMETER);
  if (!file.allows(GENERIC_WRITE)) return FALSE;
  const auto log = file.physical().need_log();
  if (log == nullptr) return FALSE;
  if (!file.physical().is_dedicated()) {
    return fail(ERROR_NOT_SUPPORTED, "the end of a log is that of all its streams");
  }
  if (log->list_streams().size() > 1) {
    return fail(ERROR_NOT_SUPPORTED, "the log holds other streams than that of the handle");
  }
  const auto lsn = file.physical().codec().decode(*end);
  if (!lsn || !lsn->is_valid()) return fail(ERROR_INVALID_PARAMETER, "no LSN of this log");
  if (*lsn > log->end_lsn()) return fail(ERROR_LOG_INVALID_RANGE, "the LSN is beyond the end");
  if (*lsn == log->end_lsn()) return succeed_log_if(log->flush());
  return succeed_log_if(log->truncate_after(Lsn(lsn->value() - 1)));
}

}  // namespace
}  // namespace cairn::win32

using cairn::Lsn;
using cairn::win32::fail;
using cairn::win32::is_synchronous;
using cairn::win32::MarshallingArea;
using cairn::win32::object_of;

BOOL WriteLogRestartArea(PVOID pvMarshal, PVOID pvRestartBuffer, ULONG cbRestartBuffer,
                         PCLFS_LSN plsnBase, ULONG fFlags, PULONG pcbWritten, PCLFS_LSN plsnNext,
                         LPOVERLAPPED pOverlapped) {
  const auto area = object_of<MarshallingArea>(pvMarshal);
  if (area == nullptr || !is_synchronous(pOverlapped)) return FALSE;
  if (!area->file->allows(GENERIC_WRITE)) return FALSE;
  if ((fFlags & ~ULONG{CLFS_FLAG_USE_RESERVATION}) != 0 ||
      (pvRestartBuffer == nullptr && cbRestartBuffer != 0)) {
    return fail(ERROR_INVALID_PARAMETER);
  }
  if (cbRestartBuffer > area->buffer_bytes) return fail(ERROR_BAD_LENGTH);
  const auto base = cairn::win32::new_base(*area, plsnBase);
  if (!base) return FALSE;
  const std::span<const std::byte> data(static_cast<const std::byte*>(pvRestartBuffer),
                                        cbRestartBuffer);
  const auto lsn = (fFlags & CLFS_FLAG_USE_RESERVATION) != 0
                       ? cairn::win32::write_from_reservation(*area, data, *base)
                       : area->stream().write_restart_area(data, *base);
  if (!lsn) {
    return cairn::win32::fail_log(
        lsn.status(), {{cairn::StatusCode::kResourceExhausted, ERROR_LOG_RESERVATION_INVALID},
                       {cairn::StatusCode::kLsnInvalid, ERROR_LOG_TAIL_INVALID}});
  }
  if (pcbWritten != nullptr) *pcbWritten = cbRestartBuffer;
  if (plsnNext != nullptr) *plsnNext = area->codec.encode(*lsn);
  cairn::win32::note_moved_base(area->physical());
  return TRUE;
}

BOOL AdvanceLogBase(PVOID pvMarshal, PCLFS_LSN plsnBase, ULONG fFlags, LPOVERLAPPED pOverlapped) {
  const auto area = object_of<MarshallingArea>(pvMarshal);
  if (area == nullptr || !is_synchronous(pOverlapped)) return FALSE;
  if (!area->file->allows(GENERIC_WRITE)) return FALSE;
  if (fFlags != 0 || plsnBase == nullptr) return fail(ERROR_INVALID_PARAMETER);
  const auto lsn = area->codec.decode(*plsnBase);
  if (!lsn || !lsn->is_valid()) return fail(ERROR_INVALID_PARAMETER, "no LSN of this log");
  if (*lsn < area->stream().base()) {
    return fail(ERROR_LOG_START_OF_LOG, "the base is behind LSN " + lsn->to_string() + " already");
  }
  const auto advanced = area->stream().advance_base(*lsn);
  if (!advanced) {
    return cairn::win32::fail_log(advanced,
                                  {{cairn::StatusCode::kLsnInvalid, ERROR_LOG_TAIL_INVALID}});
  }
  cairn::win32::note_moved_base(area->physical());
  return TRUE;
}

BOOL SetEndOfLog(HANDLE hLog, PCLFS_LSN plsnEnd, LPOVERLAPPED lpOverlapped) {
  const auto handle = object_of<cairn::win32::LogHandle>(hLog);
  if (handle == nullptr || !is_synchronous(lpOverlapped)) return FALSE;
  return cairn::win32::set_end(*handle->file, plsnEnd);
}

BOOL TruncateLog(PVOID pvMarshal, PCLFS_LSN plsnEnd, LPOVERLAPPED lpOverlapped) {
  const auto area = object_of<MarshallingArea>(pvMarshal);
  if (area == nullptr || !is_synchronous(lpOverlapped)) return FALSE;
  return cairn::win32::set_end(*area->file, plsnEnd);
}
