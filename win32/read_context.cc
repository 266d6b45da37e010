#include "read_context.h"

#include <utility>

namespace cairn::win32 {
namespace {

log::ReadOrder order_of(CLFS_CONTEXT_MODE mode) {
  if (mode == ClsContextForward) return log::ReadOrder::kForward;
  return mode == ClsContextUndoNext ? log::ReadOrder::kUndoNext : log::ReadOrder::kPrevious;
}

}  // namespace

bool ReadContext::begin(Lsn lsn) {
  const Lsn base = area_->stream().base();
  if (lsn < base) {
    return fail(ERROR_LOG_START_OF_LOG, "LSN " + lsn.to_string() + " is before the base");
  }
  const Lsn end = area_->log->end_lsn();
  if (lsn >= end) return fail(ERROR_HANDLE_EOF);
  // A record that is not durable yet is there for whoever appended it.
  if (area_->log->durable_lsn() < end) {
    if (const Status flushed = area_->log->flush(); !flushed) return fail_log(flushed);
  }
  log::ReadOptions options;
  options.order = order_of(mode_);
  options.start = lsn;
  auto cursor = area_->stream().read(options);
  if (!cursor) return fail(cursor.status());
  const auto record = cursor->next();
  if (!record) return fail(record.status(), {{StatusCode::kLsnInvalid, ERROR_NOT_FOUND}});
  const bool from_base = mode_ == ClsContextForward && lsn == base;
  if (!*record && from_base) return fail(ERROR_HANDLE_EOF);
  if (!from_base && (!*record || (*record)->lsn != lsn)) {
    return fail(ERROR_NOT_FOUND,
                "LSN " + lsn.to_string() + " is not that of a record of the stream");
  }
  if (!show(**record)) return false;
  cursor_.emplace(std::move(*cursor));
  return true;
}

bool ReadContext::next(CLFS_RECORD_TYPE types) {
  if (area_->is_closed()) return fail(ERROR_LOG_READ_CONTEXT_INVALID, "its area was deleted");
  if (!cursor_) return fail(ERROR_LOG_START_OF_LOG, "it stands at a restart area behind the base");
  Shown last = shown_;
  for (;;) {
    std::optional<log::Record> record;
    if (!step(&record)) {
      // Where the last one stood was overwritten by the search; its links say where the chain is.
      last.payload = {};
      shown_ = last;
      return false;
    }
    const CLFS_RECORD_TYPE type =
        record->kind == log::RecordKind::kRestart ? ClfsRestartRecord : ClfsDataRecord;
    if ((type & types) != 0) return show(*record);
    last = {record->lsn, type, record->previous, record->undo_next, {}};
    shown_ = last;
  }
}

// The next record; at the end, false with the error that says which end it is. What was appended
// and is not durable yet is made so first.
bool ReadContext::step(std::optional<log::Record>* record) {
  for (bool flushed = false;; flushed = true) {
    auto found = cursor_->next();
    if (!found) return fail(found.status());
    if (*found) {
      *record = *found;
      return true;
    }
    if (mode_ != ClsContextForward) return end_of_chain();
    if (flushed || area_->log->durable_lsn() >= area_->log->end_lsn())
      return fail(ERROR_HANDLE_EOF);
    if (const Status status = area_->log->flush(); !status) return fail_log(status);
  }
}

bool ReadContext::end_of_chain() const {
  const Lsn link = mode_ == ClsContextUndoNext ? shown_.undo_next : shown_.previous;
  return fail(link.is_null() ? ERROR_HANDLE_EOF : ERROR_LOG_START_OF_LOG);
}

bool ReadContext::show(const log::Record& record) {
  if (record.payload.size() > area_->buffer_bytes) {
    return fail(ERROR_LOG_BLOCK_INCOMPLETE, "the record of " +
                                                std::to_string(record.payload.size()) +
                                                " bytes is longer than the area's blocks");
  }
  shown_.lsn = record.lsn;
  shown_.type = record.kind == log::RecordKind::kRestart ? ClfsRestartRecord : ClfsDataRecord;
  shown_.previous = record.previous;
  shown_.undo_next = record.undo_next;
  shown_.payload = record.payload;
  return true;
}

// --- restart areas ---

bool ReadContext::begin_at_restart_area() {
  from_restart_area_ = true;
  const auto newest = area_->stream().read_restart_area();
  if (!newest) return fail(newest.status());
  if (newest->lsn >= area_->stream().base()) return begin(newest->lsn);
  copy_ = newest->data;
  cursor_.reset();
  shown_ = {newest->lsn, ClfsRestartRecord, Lsn::null(), Lsn::null(), copy_};
  return true;
}

// Along the chain of restart areas down to the base. The one before the newest may lie behind the
// base that came with the newest.
bool ReadContext::previous_restart_area() {
  if (area_->is_closed()) return fail(ERROR_LOG_READ_CONTEXT_INVALID, "its area was deleted");
  if (!from_restart_area_) {
    return fail(ERROR_LOG_READ_MODE_INVALID, "expected a context of ReadLogRestartArea()");
  }
  if (cursor_ && shown_.previous.is_valid() && shown_.previous >= area_->stream().base()) {
    return next(ClfsRestartRecord);
  }
  const auto previous = area_->stream().read_previous_restart_area();
  if (!previous && previous.code() != StatusCode::kNoRestartArea) return fail(previous.status());
  if (!previous || previous->lsn >= shown_.lsn) {
    return fail(ERROR_LOG_START_OF_LOG, "there is no older restart area");
  }
  copy_ = previous->data;
  cursor_.reset();
  shown_ = {previous->lsn, ClfsRestartRecord, Lsn::null(), Lsn::null(), copy_};
  return true;
}

}  // namespace cairn::win32
