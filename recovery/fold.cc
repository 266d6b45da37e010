#include <algorithm>
#include <optional>
#include <utility>
#include <variant>

#include <cairn/recovered_state.h>

#include "bytes.h"
#include "fold_rules.h"

namespace cairn::recovery {
namespace {

// OK for a rule that accepts; otherwise the error that names it. `subject` says what of, and is
// asked only then: a log may have a million records.
template <typename Subject>
Status verdict(const FoldRule& rule, Lsn lsn, const Subject& subject) {
  if (rule.accept) return Status::ok();
  return Status(StatusCode::kCorrupt,
                "transaction manager's record at LSN " + lsn.to_string() + ": " +
                    std::string(rule.name) + ": " + subject() + ". " + std::string(rule.why),
                place(lsn));
}

// Whether `copy` is what carrying `live` forward would have written.
bool is_copy_of(const TransactionRecord& copy, const RecoveredTransaction& live) {
  TransactionRecord expected = live.record;
  if (expected.original.is_null()) expected.original = live.lsn;
  return copy == expected;
}

// Whether `amended` is the decision `live`, with acts added.
bool amends(const TransactionRecord& amended, const RecoveredTransaction& live) {
  if (amended.acts.size() <= live.record.acts.size()) return false;
  TransactionRecord expected = live.record;
  expected.type = RecordType::kAmended;
  expected.original = Lsn::null();
  expected.acts = amended.acts;
  return amended == expected &&
         std::equal(live.record.acts.begin(), live.record.acts.end(), amended.acts.begin());
}

bool is_decided(const TransactionRecord& record) {
  return record.type == RecordType::kDecision || record.type == RecordType::kAmended;
}

// Whether `decision` ends exactly what `prepare` promised.
bool keeps(const TransactionRecord& decision, const TransactionRecord& prepare) {
  return decision.superior == prepare.superior && decision.enlistments == prepare.enlistments &&
         decision.description == prepare.description;
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
  fold.former_ = newest.former;
  fold.state_.clock = newest.clock;
  fold.state_.begin = restart.base;
  return fold;
}

Status Fold::add(const log::Record& record) {
  CAIRN_ASSIGN_OR_RETURN(TmRecord decoded, decode(record));
  const std::uint64_t clock = std::visit([](const auto& kind) { return kind.clock; }, decoded);
  const auto take = [&]() -> Status {
    if (auto* of = std::get_if<TransactionRecord>(&decoded)) {
      return add_transaction(record.lsn, std::move(*of));
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

Status Fold::add_transaction(Lsn lsn, TransactionRecord record) {
  const auto live = live_.find(record.transaction);
  const bool known = live != live_.end();
  const bool prepared = known && live->second.record.type == RecordType::kPrepare;
  FoldFacts facts{.known = known, .prepared = prepared};
  facts.shares = !known && shares_enlistment(record);
  if (!record.original.is_null()) {
    facts.kind = FoldKind::kCopy;
    facts.matches = known && is_copy_of(record, live->second);
    facts.before_base = record.original < base_;
  } else if (record.type == RecordType::kPrepare) {
    facts.kind = FoldKind::kPrepare;
    facts.clock_rises = record.clock >= last_decision_clock_;
  } else if (record.type == RecordType::kRollback) {
    facts.kind = FoldKind::kAct;
    facts.matches = prepared && keeps(record, live->second.record);
  } else if (record.type == RecordType::kAmended) {
    facts.kind = FoldKind::kAct;
    facts.matches = known && is_decided(live->second.record) && amends(record, live->second);
  } else {
    facts.kind = FoldKind::kDecision;
    facts.matches = prepared && keeps(record, live->second.record);
    facts.clock_rises = record.clock > last_decision_clock_;
  }
  CAIRN_RETURN_IF_ERROR(verdict(judge(facts), lsn, [&] {
    return "transaction " + record.transaction.to_string() + ", clock " +
           std::to_string(record.clock) + ", last decision's clock " +
           std::to_string(last_decision_clock_) +
           (known ? (prepared ? ", prepared at LSN " : ", decided at LSN ") +
                        live->second.lsn.to_string()
                  : "");
  }));
  if (facts.kind == FoldKind::kDecision) last_decision_clock_ = record.clock;
  if (!known) {
    for (const auto& enlistment : record.enlistments) enlistments_.insert(enlistment.enlistment);
    if (record.superior) enlistments_.insert(record.superior->enlistment);
  }
  const Uuid id = record.transaction;
  live_.insert_or_assign(id, RecoveredTransaction{lsn, std::move(record)});
  return Status::ok();
}

bool Fold::shares_enlistment(const TransactionRecord& record) const {
  if (record.superior && enlistments_.contains(record.superior->enlistment)) return true;
  return std::any_of(
      record.enlistments.begin(), record.enlistments.end(),
      [this](const auto& enlistment) { return enlistments_.contains(enlistment.enlistment); });
}

Status Fold::add_forget(Lsn lsn, const ForgetRecord& forget) {
  const auto live = live_.find(forget.transaction);
  const bool known = live != live_.end();
  const FoldRule& rule = judge({
      .kind = FoldKind::kForget,
      .known = known,
      .prepared = known && live->second.record.type == RecordType::kPrepare,
      .matches = known && live->second.lsn == forget.decision,
      .before_base = forget.decision < base_,
  });
  CAIRN_RETURN_IF_ERROR(verdict(rule, lsn, [&] {
    return "transaction " + forget.transaction.to_string() + ", decision named at LSN " +
           forget.decision.to_string() +
           (known ? ", found at LSN " + live->second.lsn.to_string() : ", not found");
  }));
  if (known) {
    const TransactionRecord& record = live->second.record;
    for (const auto& enlistment : record.enlistments) enlistments_.erase(enlistment.enlistment);
    if (record.superior) enlistments_.erase(record.superior->enlistment);
    live_.erase(live);
  }
  return Status::ok();
}

Status Fold::add_restart(Lsn lsn, const RestartRecord& restart) {
  const FoldRule& rule = judge({
      .kind = FoldKind::kRestart,
      .matches = restart.transaction_manager == state_.transaction_manager ||
                 std::any_of(former_.begin(), former_.end(),
                             [&](const FormerIdentity& former) {
                               return former.transaction_manager == restart.transaction_manager &&
                                      lsn < former.until;
                             }),
      .clock_rises = restart.clock >= last_restart_clock_,
  });
  CAIRN_RETURN_IF_ERROR(verdict(rule, lsn, [&] {
    return "transaction manager " + restart.transaction_manager.to_string() + ", expected " +
           state_.transaction_manager.to_string() + ", clock " + std::to_string(restart.clock) +
           ", last restart area's clock " + std::to_string(last_restart_clock_);
  }));
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

Result<bool> Fold::is_beyond(const log::Record& record, std::uint64_t clock) {
  CAIRN_ASSIGN_OR_RETURN(const TmRecord decoded, decode(record));
  const auto* of = std::get_if<TransactionRecord>(&decoded);
  return of != nullptr && of->type == RecordType::kDecision && of->original.is_null() &&
         of->clock > clock;
}

Result<RecoveredState> read_tm_state(log::Cursor& cursor, const log::RestartArea& restart,
                                     std::optional<std::uint64_t> up_to) {
  CAIRN_ASSIGN_OR_RETURN(Fold fold, Fold::begin(restart));
  for (;;) {
    CAIRN_ASSIGN_OR_RETURN(const std::optional<log::Record> record, cursor.next());
    if (!record) return std::move(fold).finish();
    if (up_to) {
      CAIRN_ASSIGN_OR_RETURN(const bool beyond, Fold::is_beyond(*record, *up_to));
      if (beyond) {
        RecoveredState state = std::move(fold).finish();
        state.complete = false;
        return state;
      }
    }
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
