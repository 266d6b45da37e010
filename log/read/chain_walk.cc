#include <algorithm>
#include <string>
#include <utility>

#include "read/walk.h"

namespace cairn::log {

ChainWalk::ChainWalk(ReadSource& source, ReadHorizon& horizon, ReadOptions options)
    : Walk(source, horizon, std::move(options)), next_(options_.start) {}

Result<std::optional<Record>> ChainWalk::step() {
  const Lsn low = lowest();
  if (!started_ && next_ < low) return bad_start(next_, "an LSN from " + low.to_string() + " on");
  started_ = true;
  while (next_.is_valid() && next_ >= low) {
    const Lsn at = next_;
    CAIRN_ASSIGN_OR_RETURN(const Record record, record_at(at));
    next_ = options_.order == ReadOrder::kPrevious ? record.previous : record.undo_next;
    if (next_.is_valid() && next_ >= at) {
      StatusDetail detail;
      detail.lsn_begin = at;
      return Status(
          StatusCode::kCorrupt,
          "LSN " + at.to_string() + ": a chain link points forward, to LSN " + next_.to_string(),
          detail);
    }
    if (options_.types.empty() || std::find(options_.types.begin(), options_.types.end(),
                                            record.type) != options_.types.end()) {
      return std::optional<Record>(record);
    }
  }
  return std::optional<Record>();
}

Result<Record> ChainWalk::record_at(Lsn lsn) {
  CAIRN_RETURN_IF_ERROR(horizon_->make_durable(lsn));
  if (horizon_->in_gap(lsn)) {
    return bad_start(lsn, "a record, not a gap left by a torn tail or a truncation");
  }
  auto record = source_->read_record(lsn, &buffer_);
  if (!record.is_ok()) return overtaken_or(lsn, record.status());
  if (options_.stream && record->stream != *options_.stream) {
    return bad_start(lsn, "a record of this stream");
  }
  return record;
}

}  // namespace cairn::log
