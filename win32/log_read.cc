// ReadLogRecord, ReadNextLogRecord, TerminateReadLog; ReadLogRestartArea and the one before.
#include <memory>
#include <mutex>

#include <cairn/clfsw32.h>

#include "read_context.h"

namespace cairn::win32 {
namespace {

// What a caller wants to be told; those that are optional may be null.
struct ReadOutputs {
  PVOID* buffer;
  PULONG bytes;
  PCLFS_RECORD_TYPE type = nullptr;
  PCLFS_LSN undo_next = nullptr;
  PCLFS_LSN previous = nullptr;
  PCLFS_LSN lsn = nullptr;
};

void give(const ReadContext& context, const ReadOutputs& out) {
  const ReadContext::Shown& shown = context.shown();
  const LsnCodec& codec = context.area().codec;
  *out.buffer = const_cast<std::byte*>(shown.payload.data());  // as declared; not to be changed
  *out.bytes = static_cast<ULONG>(shown.payload.size());
  if (out.type != nullptr) *out.type = shown.type;
  if (out.undo_next != nullptr) *out.undo_next = codec.encode_link(shown.undo_next);
  if (out.previous != nullptr) *out.previous = codec.encode_link(shown.previous);
  if (out.lsn != nullptr) *out.lsn = codec.encode(shown.lsn);
}

std::shared_ptr<ReadContext> new_context(const std::shared_ptr<MarshallingArea>& area,
                                         CLFS_CONTEXT_MODE mode) {
  if (area->begin_reading()) return std::make_shared<ReadContext>(area, mode);
  fail(ERROR_LOG_BLOCKS_EXHAUSTED, "the area has no more blocks to read with");
  return nullptr;
}

// Gives the caller the context, which stands at its first record.
BOOL hand_out(const std::shared_ptr<ReadContext>& context, PVOID* out, const ReadOutputs& outputs) {
  const HANDLE handle = handle_of(context);
  if (handle == INVALID_HANDLE_VALUE) return FALSE;
  *out = handle;
  give(*context, outputs);
  return TRUE;
}

std::shared_ptr<ReadContext> context_of(PVOID handle) {
  auto context = HandleTable::get().find<ReadContext>(handle);
  if (context == nullptr) fail(ERROR_LOG_READ_CONTEXT_INVALID);
  return context;
}

// The next record, or that at `user`, of one of the types.
bool move_on(std::shared_ptr<ReadContext>& context, CLFS_RECORD_TYPE types, const CLFS_LSN* user) {
  if (user == nullptr) return context->next(types);
  if (context->area().is_closed()) return fail(ERROR_LOG_READ_CONTEXT_INVALID);
  const auto lsn = context->area().codec.decode(*user);
  if (!lsn || !lsn->is_valid() || !context->is_ahead(*lsn)) {
    return fail(ERROR_INVALID_PARAMETER, "the LSN does not lie ahead in the order of reading");
  }
  return context->begin(*lsn);
}

}  // namespace
}  // namespace cairn::win32

using cairn::win32::all_given;
using cairn::win32::fail;
using cairn::win32::HandleTable;
using cairn::win32::is_synchronous;
using cairn::win32::MarshallingArea;
using cairn::win32::object_of;
using cairn::win32::ReadContext;
using cairn::win32::ReadOutputs;

BOOL ReadLogRecord(PVOID pvMarshal, PCLFS_LSN plsnFirst, CLFS_CONTEXT_MODE eContextMode,
                   PVOID* ppvReadBuffer, PULONG pcbReadBuffer, PCLFS_RECORD_TYPE peRecordType,
                   PCLFS_LSN plsnUndoNext, PCLFS_LSN plsnPrevious, PVOID* ppvReadContext,
                   LPOVERLAPPED pOverlapped) {
  const auto area = object_of<MarshallingArea>(pvMarshal);
  if (area == nullptr || !is_synchronous(pOverlapped)) return FALSE;
  if (!all_given(plsnFirst, ppvReadBuffer, pcbReadBuffer, ppvReadContext)) return FALSE;
  if (eContextMode != ClsContextUndoNext && eContextMode != ClsContextPrevious &&
      eContextMode != ClsContextForward) {
    return fail(ERROR_LOG_READ_MODE_INVALID);
  }
  const auto lsn = area->codec.decode(*plsnFirst);
  if (!lsn || lsn->is_invalid()) return fail(ERROR_INVALID_PARAMETER, "no LSN of this log");
  const auto context = cairn::win32::new_context(area, eContextMode);
  if (context == nullptr || !context->begin(*lsn)) return FALSE;
  ReadOutputs outputs{ppvReadBuffer, pcbReadBuffer};
  outputs.type = peRecordType;
  outputs.undo_next = plsnUndoNext;
  outputs.previous = plsnPrevious;
  return cairn::win32::hand_out(context, ppvReadContext, outputs);
}

BOOL ReadNextLogRecord(PVOID pvReadContext, PVOID* ppvBuffer, PULONG pcbBuffer,
                       PCLFS_RECORD_TYPE peRecordType, PCLFS_LSN plsnUser, PCLFS_LSN plsnUndoNext,
                       PCLFS_LSN plsnPrevious, PCLFS_LSN plsnRecord, LPOVERLAPPED pOverlapped) {
  auto context = cairn::win32::context_of(pvReadContext);
  if (context == nullptr || !is_synchronous(pOverlapped)) return FALSE;
  if (!all_given(ppvBuffer, pcbBuffer, peRecordType)) return FALSE;
  if (*peRecordType > ClfsClientRecord) return fail(ERROR_INVALID_PARAMETER, "no type of records");
  const std::unique_lock lock(context->in_use, std::try_to_lock);
  if (!lock.owns_lock()) return fail(ERROR_BUSY);
  const CLFS_RECORD_TYPE types = *peRecordType == ClfsNullRecord ? ClfsDataRecord : *peRecordType;
  if (!cairn::win32::move_on(context, types, plsnUser)) return FALSE;
  ReadOutputs outputs{ppvBuffer, pcbBuffer};
  outputs.type = peRecordType;
  outputs.undo_next = plsnUndoNext;
  outputs.previous = plsnPrevious;
  outputs.lsn = plsnRecord;
  cairn::win32::give(*context, outputs);
  return TRUE;
}

BOOL TerminateReadLog(PVOID pvCursorContext) {
  const auto context = HandleTable::get().take<ReadContext>(pvCursorContext);
  return context == nullptr ? fail(ERROR_LOG_READ_CONTEXT_INVALID) : TRUE;
}

BOOL ReadLogRestartArea(PVOID pvMarshal, PVOID* ppvRestartBuffer, PULONG pcbRestartBuffer,
                        PCLFS_LSN plsn, PVOID* ppvContext, LPOVERLAPPED pOverlapped) {
  const auto area = object_of<MarshallingArea>(pvMarshal);
  if (area == nullptr || !is_synchronous(pOverlapped)) return FALSE;
  if (!all_given(ppvRestartBuffer, pcbRestartBuffer, ppvContext)) return FALSE;
  const auto context = cairn::win32::new_context(area, ClsContextPrevious);
  if (context == nullptr || !context->begin_at_restart_area()) return FALSE;
  ReadOutputs outputs{ppvRestartBuffer, pcbRestartBuffer};
  outputs.lsn = plsn;
  return cairn::win32::hand_out(context, ppvContext, outputs);
}

BOOL ReadPreviousLogRestartArea(PVOID pvReadContext, PVOID* ppvRestartBuffer,
                                PULONG pcbRestartBuffer, PCLFS_LSN plsnRestart,
                                LPOVERLAPPED pOverlapped) {
  const auto context = cairn::win32::context_of(pvReadContext);
  if (context == nullptr || !is_synchronous(pOverlapped)) return FALSE;
  if (!all_given(ppvRestartBuffer, pcbRestartBuffer)) return FALSE;
  const std::unique_lock lock(context->in_use, std::try_to_lock);
  if (!lock.owns_lock()) return fail(ERROR_BUSY);
  if (!context->previous_restart_area()) return FALSE;
  ReadOutputs outputs{ppvRestartBuffer, pcbRestartBuffer};
  outputs.lsn = plsnRestart;
  cairn::win32::give(*context, outputs);
  return TRUE;
}
