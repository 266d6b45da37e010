#include "read/walk.h"

#include <algorithm>
#include <string>
#include <utility>

namespace cairn::log {

Walk::Walk(ReadSource& source, ReadHorizon& horizon, ReadOptions options)
    : source_(&source), horizon_(&horizon), options_(std::move(options)) {}

Result<std::optional<Record>> Walk::next() {
  if (!error_.is_ok()) return error_;
  auto found = step();
  if (!found.is_ok()) error_ = found.status();
  return found;
}

bool Walk::wanted(const format::RecordHeader& header) const {
  if (options_.stream) {
    if (header.stream != *options_.stream) return false;
  } else if (static_cast<RecordKind>(header.kind) == RecordKind::kCatalog && !options_.catalog) {
    return false;
  }
  return options_.types.empty() || std::find(options_.types.begin(), options_.types.end(),
                                             header.type) != options_.types.end();
}

Lsn Walk::lowest() const {
  const Lsn tail = horizon_->tail();
  return options_.stream ? std::max(tail, horizon_->stream_base(*options_.stream)) : tail;
}

std::optional<format::Gap> Walk::gap_at(Lsn lsn) {
  const std::uint64_t changes = horizon_->gap_changes();
  if (!gap_known_ || changes != gap_changes_ || (gap_ && lsn >= gap_->end)) {
    gap_known_ = true;
    gap_changes_ = changes;
    gap_ = horizon_->gap_behind(lsn);
  }
  return gap_ && lsn >= gap_->begin ? gap_ : std::nullopt;
}

Status Walk::overtaken_or(Lsn lsn, const Status& error) const {
  const std::uint64_t size = source_->geometry().container_size;
  const auto looked_up = horizon_->tail_now();
  const Lsn tail = looked_up.is_ok() ? *looked_up : horizon_->tail();
  if (lsn.container(size) >= tail.container(size)) return error;
  StatusDetail detail;
  detail.lsn_begin = lsn;
  detail.lsn_end = tail;
  return Status(StatusCode::kStartOfLog,
                source_->directory().path() + ": LSN " + lsn.to_string() +
                    ": the log's tail passed it while it was read and is at LSN " +
                    tail.to_string() + " by now; what lay between is no longer there",
                detail);
}

Status Walk::fault_at(Lsn lsn, const Result<BlockReader::Outcome>& outcome, Lsn end) const {
  if (!outcome.is_ok()) return overtaken_or(lsn, outcome.status());
  const auto& fault = std::get<format::BlockFault>(*outcome);
  StatusDetail detail;
  detail.lsn_begin = fault.lsn;
  detail.lsn_end = end;
  detail.file = source_->directory().path() + "/" +
                container_file_name(lsn.container(source_->geometry().container_size));
  return overtaken_or(
      lsn, Status(StatusCode::kCorrupt,
                  detail.file + ": LSN " + fault.lsn.to_string() + ": " + fault.reason, detail));
}

Status Walk::bad_start(Lsn lsn, const std::string& expected) {
  StatusDetail detail;
  detail.lsn_begin = lsn;
  return Status(StatusCode::kLsnInvalid,
                "cursor start: expected " + expected + ", found LSN " + lsn.to_string(), detail);
}

}  // namespace cairn::log
