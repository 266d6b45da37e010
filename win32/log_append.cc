// ReserveAndAppendLog and its like: records, reservations, flushes.
#include <algorithm>
#include <array>
#include <span>
#include <utility>
#include <vector>

#include <cairn/clfsw32.h>

#include "marshalling_area.h"

namespace cairn::win32 {
namespace {

using log::Reservation;

struct AppendRequest {
  std::vector<std::span<const std::byte>> pieces;
  std::size_t bytes = 0;  // of all pieces
  log::AppendOptions options;
  std::vector<std::uint64_t> reserve;  // payload sizes
  std::vector<std::uint64_t> freed;    // bytes, with headers
  std::uint64_t freed_bytes = 0;       // of all of them
  bool from_reservation = false;
};

// Zeros between entries that begin at multiples of `alignment`.
bool gather(const MarshallingArea& area, const CLFS_WRITE_ENTRY* entries, ULONG count,
            ULONG alignment, AppendRequest* request) {
  static constexpr std::array<std::byte, 4096> kZeros{};
  if (count == 0) return true;
  if (entries == nullptr || alignment == 0) return fail(ERROR_INVALID_PARAMETER);
  for (ULONG i = 0; i < count; ++i) {
    if (entries[i].Buffer == nullptr && entries[i].ByteLength != 0) {
      return fail(ERROR_INVALID_PARAMETER, "an entry without a buffer");
    }
    std::size_t padding = (alignment - request->bytes % alignment) % alignment;
    request->bytes += padding + entries[i].ByteLength;
    if (request->bytes > area.buffer_bytes) {
      return fail(ERROR_BAD_LENGTH,
                  "the record is longer than the blocks of the marshalling area, " +
                      std::to_string(area.buffer_bytes) + " bytes");
    }
    for (; padding > 0; padding -= std::min(padding, kZeros.size())) {
      request->pieces.push_back(std::span(kZeros).first(std::min(padding, kZeros.size())));
    }
    request->pieces.emplace_back(static_cast<const std::byte*>(entries[i].Buffer),
                                 entries[i].ByteLength);
  }
  return true;
}

// Positive sizes are reserved for, negative ones given back.
bool split_reservations(ULONG count, const LONGLONG* sizes, AppendRequest* request) {
  if (count > 0 && sizes == nullptr) return fail(ERROR_INVALID_PARAMETER);
  for (ULONG i = 0; i < count; ++i) {
    const LONGLONG size = sizes[i];
    if (size > 0) {
      request->reserve.push_back(static_cast<std::uint64_t>(size));
      continue;
    }
    const std::uint64_t back = (0 - static_cast<std::uint64_t>(size) + 7) / 8 * 8;
    if (back < Reservation::reserved_bytes(0)) {
      return fail(ERROR_INVALID_PARAMETER, "expected a size, or less 0 one that was reserved");
    }
    request->freed.push_back(back);
    // More than there can be stays more: the sum must not begin again at 0.
    request->freed_bytes += std::min(back, ~std::uint64_t{0} - request->freed_bytes);
  }
  return true;
}

bool read_request(const MarshallingArea& area, const CLFS_LSN* undo_next, const CLFS_LSN* previous,
                  ULONG flags, AppendRequest* request) {
  constexpr ULONG kFlags =
      CLFS_FLAG_FORCE_APPEND | CLFS_FLAG_FORCE_FLUSH | CLFS_FLAG_USE_RESERVATION;
  if ((flags & ~kFlags) != 0) return fail(ERROR_INVALID_PARAMETER, "unknown flags");
  const auto undo = area.codec.decode_link(undo_next);
  const auto before = area.codec.decode_link(previous);
  if (!undo || !before) return fail(ERROR_INVALID_PARAMETER, "a link that is no LSN of this log");
  request->options.undo_next = *undo;
  request->options.previous = *before;
  if ((flags & CLFS_FLAG_FORCE_APPEND) != 0)
    request->options.durability = log::Durability::kWritten;
  if ((flags & CLFS_FLAG_FORCE_FLUSH) != 0) request->options.durability = log::Durability::kDurable;
  request->from_reservation = (flags & CLFS_FLAG_USE_RESERVATION) != 0;
  const bool reserves = !request->reserve.empty() || !request->freed.empty();
  if (request->from_reservation && (request->pieces.empty() || reserves)) {
    return fail(ERROR_INVALID_PARAMETER, "a reservation is used by a record that reserves nothing");
  }
  if (request->pieces.empty() && !reserves) {
    return fail(ERROR_INVALID_PARAMETER, "neither a record nor a reservation");
  }
  return true;
}

// A link to what is not there is the caller's mistake.
constexpr ErrorRow kBadLink{StatusCode::kLsnInvalid, ERROR_LOG_RECORD_NONEXISTENT};

// REQUIRES of those below: the lock of the area's reservation is held.

void keep_reserved(MarshallingArea& area, const AppendRequest& request, Reservation more) {
  area.reservation.merge(std::move(more));
  for (const std::uint64_t size : request.reserve) {
    area.sizes.add(1, Reservation::reserved_bytes(size));
  }
}

Status give_up(MarshallingArea& area, const AppendRequest& request) {
  for (const std::uint64_t bytes : request.freed) {
    CAIRN_RETURN_IF_ERROR(area.give_up(1, bytes));
  }
  return {};
}

// What cannot be given back or used is said before anything happens.
bool check_reservation(const MarshallingArea& area, const AppendRequest& request) {
  const Reservation& held = area.reservation;
  const std::uint64_t records = request.from_reservation ? 1 : request.freed.size();
  const std::uint64_t bytes =
      request.from_reservation ? Reservation::reserved_bytes(request.bytes) : request.freed_bytes;
  if (records > held.records()) return fail(ERROR_LOG_RECORDS_RESERVED_INVALID);
  if (bytes > held.bytes()) return fail(ERROR_LOG_SPACE_RESERVED_INVALID);
  return true;
}

Status reserve_only(MarshallingArea& area, const AppendRequest& request) {
  if (!request.reserve.empty()) {
    CAIRN_ASSIGN_OR_RETURN(Reservation more, area.stream().reserve(request.reserve));
    keep_reserved(area, request, std::move(more));
  }
  return give_up(area, request);
}

Result<Lsn> append_and_reserve(MarshallingArea& area, const AppendRequest& request,
                               const log::AppendOptions& options) {
  if (request.from_reservation) {
    auto appended = area.stream().append(log::Gather(request.pieces), options, area.reservation);
    if (appended) area.note_paid(request.bytes);
    return appended;
  }
  Reservation more;
  auto appended = area.stream().append_reserved(log::Gather(request.pieces), options, more,
                                                {.reserve = request.reserve});
  if (!appended) return appended;
  keep_reserved(area, request, std::move(more));
  CAIRN_RETURN_IF_ERROR(give_up(area, request));
  return appended;
}

// Only taking the record's place happens under the lock; that it is durable is waited for behind
// it.
BOOL append_with_reservation(MarshallingArea& area, const AppendRequest& request, Lsn* lsn) {
  log::AppendOptions options = request.options;
  const bool wait = options.durability == log::Durability::kDurable;
  if (wait) options.durability = log::Durability::kNone;
  {
    const std::lock_guard lock(area.reservation_mutex);
    if (!check_reservation(area, request)) return FALSE;
    if (request.pieces.empty()) {
      const Status reserved = reserve_only(area, request);
      return reserved ? TRUE : area.fail_append(reserved);
    }
    const Result<Lsn> appended = append_and_reserve(area, request, options);
    if (!appended) return area.fail_append(appended.status(), {kBadLink});
    *lsn = *appended;
  }
  return wait ? succeed_log_if(area.log->wait_durable(*lsn)) : TRUE;
}

BOOL append(PVOID marshal, const CLFS_WRITE_ENTRY* entries, ULONG entry_count, ULONG alignment,
            const CLFS_LSN* undo_next, const CLFS_LSN* previous, ULONG reserve_count,
            LONGLONG* sizes, ULONG flags, CLFS_LSN* lsn_out, const OVERLAPPED* overlapped) {
  const auto area = object_of<MarshallingArea>(marshal);
  if (area == nullptr || !is_synchronous(overlapped)) return FALSE;
  if (!area->file->allows(GENERIC_WRITE)) return FALSE;
  AppendRequest request;
  if (!gather(*area, entries, entry_count, alignment, &request)) return FALSE;
  if (!split_reservations(reserve_count, sizes, &request)) return FALSE;
  if (!read_request(*area, undo_next, previous, flags, &request)) return FALSE;
  Lsn lsn;
  if (request.from_reservation || reserve_count > 0) {
    if (!append_with_reservation(*area, request, &lsn)) return FALSE;
  } else {
    const auto appended = area->stream().append(log::Gather(request.pieces), request.options);
    if (!appended) return area->fail_append(appended.status(), {kBadLink});
    lsn = *appended;
  }
  if (lsn_out != nullptr && !request.pieces.empty()) *lsn_out = area->codec.encode(lsn);
  for (ULONG i = 0; i < reserve_count; ++i) {
    if (sizes[i] > 0) {
      sizes[i] =
          static_cast<LONGLONG>(Reservation::reserved_bytes(static_cast<std::uint64_t>(sizes[i])));
    }
  }
  if (request.from_reservation || !request.freed.empty()) {
    area->physical().clients.settle(area->physical());
  }
  return TRUE;
}

}  // namespace
}  // namespace cairn::win32

using cairn::win32::fail;
using cairn::win32::MarshallingArea;
using cairn::win32::object_of;

BOOL ReserveAndAppendLog(PVOID pvMarshal, PCLFS_WRITE_ENTRY rgWriteEntries, ULONG cWriteEntries,
                         PCLFS_LSN plsnUndoNext, PCLFS_LSN plsnPrevious, ULONG cReserveRecords,
                         LONGLONG rgcbReservation[], ULONG fFlags, PCLFS_LSN plsn,
                         LPOVERLAPPED pOverlapped) {
  return cairn::win32::append(pvMarshal, rgWriteEntries, cWriteEntries, 1, plsnUndoNext,
                              plsnPrevious, cReserveRecords, rgcbReservation, fFlags, plsn,
                              pOverlapped);
}

BOOL ReserveAndAppendLogAligned(PVOID pvMarshal, PCLFS_WRITE_ENTRY rgWriteEntries,
                                ULONG cWriteEntries, ULONG cbEntryAlignment, PCLFS_LSN plsnUndoNext,
                                PCLFS_LSN plsnPrevious, ULONG cReserveRecords,
                                LONGLONG rgcbReservation[], ULONG fFlags, PCLFS_LSN plsn,
                                LPOVERLAPPED pOverlapped) {
  if (cbEntryAlignment == 0) return fail(ERROR_INVALID_PARAMETER);
  return cairn::win32::append(pvMarshal, rgWriteEntries, cWriteEntries, cbEntryAlignment,
                              plsnUndoNext, plsnPrevious, cReserveRecords, rgcbReservation, fFlags,
                              plsn, pOverlapped);
}

BOOL FlushLogBuffers(PVOID pvMarshal, LPOVERLAPPED pOverlapped) {
  const auto area = object_of<MarshallingArea>(pvMarshal);
  if (area == nullptr || !cairn::win32::is_synchronous(pOverlapped)) return FALSE;
  return cairn::win32::succeed_log_if(area->log->flush());
}

BOOL FlushLogToLsn(PVOID pvMarshalContext, PCLFS_LSN plsnFlush, PCLFS_LSN plsnLastFlushed,
                   LPOVERLAPPED pOverlapped) {
  const auto area = object_of<MarshallingArea>(pvMarshalContext);
  if (area == nullptr || !cairn::win32::is_synchronous(pOverlapped)) return FALSE;
  if (!cairn::win32::all_given(plsnFlush)) return FALSE;
  const auto lsn = area->codec.decode(*plsnFlush);
  if (!lsn || lsn->is_invalid()) return fail(ERROR_INVALID_PARAMETER, "no LSN of this log");
  const auto flushed = lsn->is_null() ? area->log->flush() : area->log->wait_durable(*lsn);
  if (!flushed) return cairn::win32::fail_log(flushed);
  if (plsnLastFlushed != nullptr) *plsnLastFlushed = area->codec.encode(area->log->durable_lsn());
  return TRUE;
}
