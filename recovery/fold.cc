#include <algorithm>
#include <optional>
#include <utility>
#include <variant>

#include <cairn/recovered_state.h>

#include "bytes.h"
#include "fold_rules.h"

namespace cairn::recovery {
namespace {

// OK for a rule that accepts; otherwise the error that names it.
Status verdict(const FoldRule& rule, Lsn lsn, const std::string& subject) {
  if (rule.accept) return Status::ok();
  return Status(StatusCode::kCorrupt,
                "transaction manager's record at LSN " + lsn.to_string() + ": " +
                    std::string(rule.name) + ": " + subject + ". " + std::string(rule.why),
                place(lsn));
}

// Whether `copy` is what carrying `live` forward would have written.
bool is_copy_of(const DecisionRecord& copy, const RecoveredTransaction& live) {
  DecisionRecord expected = live.decision;
  if (expected.original.is_null()) expected.original = live.lsn;
  return copy == expected;
}

}  // namespace

Result<Fold> Fold::begin(const log::RestartArea& restart) {
  log::Record record;
  record.lsn = restart.lsn;
  record.kind = log::RecordKind::kRestart;
  record.payload = restart.data;
  CAIRN_ASSIGN_OR_RETURN(const TmRecord decoded, decode(record));
  const auto& newest = std::get<RestartRecord>(decoded);
  Fold fold;
  fold.base_ = restart.base;
  fold.state_.transaction_manager = newest.transaction_manager;
  fold.state_.clock = newest.clock;
  fold.state_.begin = restart.base;
  return fold;
}

Status Fold::add(const log::Record& record) {
  CAIRN_ASSIGN_OR_RETURN(TmRecord decoded, decode(record));
  const std::uint64_t clock = std::visit([](const auto& kind) { return kind.clock; }, decoded);
  const auto take = [&]() -> Status {
    if (auto* decision = std::get_if<DecisionRecord>(&decoded)) {
      return add_decision(record.lsn, std::move(*decision));
    }
    if (auto* forget = std::get_if<ForgetRecord>(&decoded)) return add_forget(record.lsn, *forget);
    return add_restart(record.lsn, std::get<RestartRecord>(decoded));
  };
  CAIRN_RETURN_IF_ERROR(take());
  state_.clock = std::max(state_.clock, clock);
  state_.end = record.lsn;
  ++state_.records;
  return Status::ok();
}

Status Fold::add_decision(Lsn lsn, DecisionRecord decision) {
  const auto live = live_.find(decision.transaction);
  const bool known = live != live_.end();
  const bool copy = !decision.original.is_null();
  const FoldRule& rule = judge({
      .kind = copy ? FoldKind::kCopy : FoldKind::kDecision,
      .known = known,
      .matches = copy && known && is_copy_of(decision, live->second),
      .clock_rises = !copy && decision.clock > last_decision_clock_,
      .before_base = copy && decision.original < base_,
      .shares = !known && shares_enlistment(decision),
  });
  CAIRN_RETURN_IF_ERROR(
      verdict(rule, lsn,
              "transaction " + decision.transaction.to_string() + ", clock " +
                  std::to_string(decision.clock) + ", last decision's clock " +
                  std::to_string(last_decision_clock_) +
                  (known ? ", decided at LSN " + live->second.lsn.to_string() : "")));
  if (!copy) last_decision_clock_ = decision.clock;
  const Uuid id = decision.transaction;
  if (!known) {
    for (const auto& enlistment : decision.enlistments) enlistments_.insert(enlistment.enlistment);
  }
  live_.insert_or_assign(id, RecoveredTransaction{lsn, std::move(decision)});
  return Status::ok();
}

bool Fold::shares_enlistment(const DecisionRecord& decision) const {
  return std::any_of(
      decision.enlistments.begin(), decision.enlistments.end(),
      [this](const auto& enlistment) { return enlistments_.contains(enlistment.enlistment); });
}

Status Fold::add_forget(Lsn lsn, const ForgetRecord& forget) {
  const auto live = live_.find(forget.transaction);
  const bool known = live != live_.end();
  const FoldRule& rule = judge({
      .kind = FoldKind::kForget,
      .known = known,
      .matches = known && live->second.lsn == forget.decision,
      .before_base = forget.decision < base_,
  });
  CAIRN_RETURN_IF_ERROR(
      verdict(rule, lsn,
              "transaction " + forget.transaction.to_string() + ", decision named at LSN " +
                  forget.decision.to_string() +
                  (known ? ", found at LSN " + live->second.lsn.to_string() : ", not found")));
  if (known) {
    for (const auto& enlistment : live->second.decision.enlistments) {
      enlistments_.erase(enlistment.enlistment);
    }
    live_.erase(live);
  }
  return Status::ok();
}

Status Fold::add_restart(Lsn lsn, const RestartRecord& restart) {
  const FoldRule& rule = judge({
      .kind = FoldKind::kRestart,
      .matches = restart.transaction_manager == state_.transaction_manager,
      .clock_rises = restart.clock >= last_restart_clock_,
  });
  CAIRN_RETURN_IF_ERROR(verdict(
      rule, lsn,
      "transaction manager " + restart.transaction_manager.to_string() + ", expected " +
          state_.transaction_manager.to_string() + ", clock " + std::to_string(restart.clock) +
          ", last restart area's clock " + std::to_string(last_restart_clock_)));
  last_restart_clock_ = restart.clock;
  return Status::ok();
}

RecoveredState Fold::finish() && {
  state_.transactions.reserve(live_.size());
  for (auto& [id, transaction] : live_) state_.transactions.push_back(std::move(transaction));
  std::sort(state_.transactions.begin(), state_.transactions.end(),
            [](const auto& a, const auto& b) { return a.lsn < b.lsn; });
  return std::move(state_);
}

Result<RecoveredState> read_tm_state(log::Cursor& cursor, const log::RestartArea& restart) {
  CAIRN_ASSIGN_OR_RETURN(Fold fold, Fold::begin(restart));
  for (;;) {
    CAIRN_ASSIGN_OR_RETURN(const std::optional<log::Record> record, cursor.next());
    if (!record) return std::move(fold).finish();
    CAIRN_RETURN_IF_ERROR(fold.add(*record));
  }
}

Result<RecoveredState> read_tm_state(const log::LogView& view, std::string_view stream) {
  CAIRN_ASSIGN_OR_RETURN(const log::RestartArea restart, view.read_restart_area(stream));
  const log::LogInfo info = view.info();
  const auto found =
      std::find_if(info.streams.begin(), info.streams.end(),
                   [&](const log::StreamInfo& candidate) { return candidate.name == stream; });
  if (found == info.streams.end()) {
    return Status(StatusCode::kNotFound,
                  "no stream \"" + std::string(stream) + "\" in " + info.path);
  }
  log::ReadOptions options;
  options.start = restart.base;
  options.stream = found->id;
  CAIRN_ASSIGN_OR_RETURN(log::Cursor cursor, view.read(options));
  return read_tm_state(cursor, restart);
}

Result<std::vector<std::string>> find_tm_streams(const log::LogView& view) {
  std::vector<std::string> names;
  for (const log::StreamInfo& stream : view.info().streams) {
    if (stream.restart.is_null()) continue;
    CAIRN_ASSIGN_OR_RETURN(const log::RestartArea restart, view.read_restart_area(stream.name));
    if (is_restart_record(restart.data)) names.push_back(stream.name);
  }
  return names;
}

}  // namespace cairn::recovery
