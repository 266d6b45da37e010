#include <algorithm>
#include <array>
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
bool is_copy_of(const TransactionRecord& copy, RecoveredTransaction live) {
  if (live.record.original.is_null()) live.record.original = live.lsn;
  return copy == live.record;
}

// Whether `amended` is the decision `live`, with acts added.
bool amends(const TransactionRecord& amended, const TransactionRecord& live) {
  if (amended.acts.size() <= live.acts.size()) return false;
  TransactionRecord expected = live;
  expected.type = RecordType::kAmended;
  expected.original = Lsn::null();
  expected.acts = amended.acts;
  return amended == expected &&
         std::equal(live.acts.begin(), live.acts.end(), amended.acts.begin());
}

bool is_decided(RecordType type) {
  return type == RecordType::kDecision || type == RecordType::kAmended;
}

// A record whose transaction lives on: any of the manager's but a forget record and a restart area.
bool is_of_transaction(const log::Record& record) {
  if (record.kind != log::RecordKind::kData) return false;
  switch (static_cast<RecordType>(record.type)) {
    case RecordType::kDecision:
    case RecordType::kPrepare:
    case RecordType::kRollback:
    case RecordType::kAmended:
      return true;
    case RecordType::kForget:
      break;
  }
  return false;
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
  fold.state_.transaction_manager = newest.transaction_manager;
  fold.former_ = newest.former;
  fold.state_.clock = newest.clock;
  fold.state_.begin = restart.base;
  return fold;
}

Status Fold::add(const log::Record& record) {
  std::uint64_t clock = 0;
  if (is_of_transaction(record)) {
    CAIRN_ASSIGN_OR_RETURN(
        const TransactionView of,
        view_transaction(record.lsn, static_cast<RecordType>(record.type), record.payload));
    CAIRN_RETURN_IF_ERROR(add_transaction(record.lsn, of));
    clock = of.clock;
  } else {
    CAIRN_ASSIGN_OR_RETURN(const TmRecord decoded, decode(record));
    const auto* const forget = std::get_if<ForgetRecord>(&decoded);
    if (forget != nullptr) {
      CAIRN_RETURN_IF_ERROR(add_forget(record.lsn, *forget));
      clock = forget->clock;
    } else {
      CAIRN_RETURN_IF_ERROR(add_restart(record.lsn, std::get<RestartRecord>(decoded)));
      clock = std::get<RestartRecord>(decoded).clock;
    }
  }
  state_.clock = std::max(state_.clock, clock);
  state_.end = record.lsn;
  ++state_.records;
  return Status::ok();
}

// `live`: the row of the same transaction, or kNone. What is known of it is held against the record
// where a rule asks; most records are the first of their transaction.
FoldFacts Fold::facts_of(const TransactionView& record, std::uint32_t live) const {
  const PackedTransactions& known = state_.transactions;
  const bool is_known = live != PackedTransactions::kNone;
  const bool prepared = is_known && known.type(live) == RecordType::kPrepare;
  const auto live_record = [&] { return known.record(live); };
  FoldFacts facts{.known = is_known, .prepared = prepared};
  facts.shares = !is_known && shares_enlistment(record);
  if (!record.original.is_null()) {
    facts.kind = FoldKind::kCopy;
    facts.matches = is_known && is_copy_of(copy_of(record), {known.lsn(live), live_record()});
    facts.before_base = record.original < state_.begin;
  } else if (record.type == RecordType::kPrepare) {
    facts.kind = FoldKind::kPrepare;
    facts.clock_rises = record.clock >= last_decision_clock_;
  } else if (record.type == RecordType::kRollback) {
    facts.kind = FoldKind::kAct;
    facts.matches = prepared && keeps(copy_of(record), live_record());
  } else if (record.type == RecordType::kAmended) {
    facts.kind = FoldKind::kAct;
    facts.matches =
        is_known && is_decided(known.type(live)) && amends(copy_of(record), live_record());
  } else {
    facts.kind = FoldKind::kDecision;
    facts.matches = prepared && keeps(copy_of(record), live_record());
    facts.clock_rises = record.clock > last_decision_clock_;
  }
  return facts;
}

Status Fold::add_transaction(Lsn lsn, const TransactionView& record) {
  const std::uint32_t live = state_.transactions.find(record.transaction);
  const FoldFacts facts = facts_of(record, live);
  CAIRN_RETURN_IF_ERROR(verdict(judge(facts), lsn, [&] {
    return "transaction " + record.transaction.to_string() + ", clock " +
           std::to_string(record.clock) + ", last decision's clock " +
           std::to_string(last_decision_clock_) +
           (facts.known ? (facts.prepared ? ", prepared at LSN " : ", decided at LSN ") +
                              state_.transactions.lsn(live).to_string()
                        : "");
  }));
  if (facts.kind == FoldKind::kDecision) last_decision_clock_ = record.clock;
  // It takes the place of the one before, and lies behind all others.
  if (facts.known) erase(live);
  return state_.transactions.add(lsn, record);
}

bool Fold::shares_enlistment(const TransactionView& record) const {
  bool shares = false;
  record.for_each_member([&](std::size_t offset) {
    const Uuid enlistment = MemberView(record.payload.data(), offset).enlistment();
    shares = shares || state_.transactions.find_member(enlistment) != PackedTransactions::kNone;
  });
  return shares;
}

void Fold::prefetch(const log::Record& record) const {
  const std::span<const std::byte> payload = record.payload;
  if (!is_of_transaction(record) || payload.size() < kDecisionFixedBytes) return;
  ByteReader in(payload);
  static_cast<void>(in.u16());
  const std::size_t description = in.u16();
  static_cast<void>(in.u32());
  state_.transactions.prefetch(in.uuid());
  std::size_t member = kDecisionFixedBytes + description;
  constexpr int kFew = 4;
  for (int i = 0; i < kFew && member + kEnlistmentFixedBytes <= payload.size(); ++i) {
    const MemberView view(payload.data(), member);
    state_.transactions.prefetch_member(view.enlistment());
    member += view.bytes();
  }
}

// What is erased takes no more memory than what is not.
void Fold::erase(std::uint32_t live) {
  constexpr std::size_t kFew = 1024;
  PackedTransactions& all = state_.transactions;
  all.erase(live);
  if (all.erased() > all.size() + kFew) all.pack();
}

Status Fold::add_forget(Lsn lsn, const ForgetRecord& forget) {
  const PackedTransactions& all = state_.transactions;
  const std::uint32_t live = all.find(forget.transaction);
  const bool known = live != PackedTransactions::kNone;
  const FoldRule& rule = judge({
      .kind = FoldKind::kForget,
      .known = known,
      .prepared = known && all.type(live) == RecordType::kPrepare,
      .matches = known && all.lsn(live) == forget.decision,
      .before_base = forget.decision < state_.begin,
  });
  CAIRN_RETURN_IF_ERROR(verdict(rule, lsn, [&] {
    return "transaction " + forget.transaction.to_string() + ", decision named at LSN " +
           forget.decision.to_string() +
           (known ? ", found at LSN " + all.lsn(live).to_string() : ", not found");
  }));
  if (known) erase(live);
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

PackedState Fold::finish_packed() && {
  state_.transactions.pack();
  return std::move(state_);
}

RecoveredState Fold::finish() && {
  RecoveredState state{static_cast<const RecoveredFacts&>(state_), {}};
  const PackedTransactions& all = state_.transactions;
  state.transactions.reserve(all.size());
  for (std::uint32_t row = 0; row < all.end(); ++row) {
    if (all.is_here(row)) state.transactions.push_back({all.lsn(row), all.record(row)});
  }
  return state;
}

Result<bool> Fold::is_beyond(const log::Record& record, std::uint64_t clock) {
  CAIRN_ASSIGN_OR_RETURN(const TmRecord decoded, decode(record));
  const auto* of = std::get_if<TransactionRecord>(&decoded);
  return of != nullptr && of->type == RecordType::kDecision && of->original.is_null() &&
         of->clock > clock;
}

namespace {

// Records read ahead of the fold, so that the memory it looks at is there when it does: with a
// million transactions that would be most of its time.
class ReadAhead {
 public:
  explicit ReadAhead(Fold& fold) : fold_(&fold) {}

  // Copies the record, and adds the one that has waited longest if there are enough. Error: of
  // that one.
  [[nodiscard]] Status take(const log::Record& record) {
    if (count_ == waiting_.size()) CAIRN_RETURN_IF_ERROR(add_next());
    Waiting& last = waiting_[(first_ + count_++) % waiting_.size()];
    last.payload.assign(record.payload.begin(), record.payload.end());
    last.record = record;
    last.record.payload = last.payload;
    fold_->prefetch(last.record);
    return Status::ok();
  }
  // Adds all that wait. Error: of the first that is refused.
  [[nodiscard]] Status finish() {
    while (count_ > 0) CAIRN_RETURN_IF_ERROR(add_next());
    return Status::ok();
  }

 private:
  struct Waiting {
    log::Record record{};
    std::vector<std::byte> payload{};
  };
  [[nodiscard]] Status add_next() {
    const Waiting& next = waiting_[first_];
    first_ = (first_ + 1) % waiting_.size();
    --count_;
    return fold_->add(next.record);
  }

  Fold* fold_;
  std::array<Waiting, 16> waiting_{};
  std::size_t first_ = 0;
  std::size_t count_ = 0;
};

// Folds what `cursor` yields, before the first decision of a higher clock than `up_to`; whether
// that is all.
Result<bool> read_into(Fold& fold, log::Cursor& cursor, std::optional<std::uint64_t> up_to) {
  ReadAhead ahead(fold);
  for (;;) {
    const Result<std::optional<log::Record>> read = cursor.next();
    if (!read || !*read) {
      CAIRN_RETURN_IF_ERROR(ahead.finish());  // what is wrong with an earlier one comes first
      if (!read) return read.status();
      return true;
    }
    const log::Record& record = **read;
    if (up_to) {
      const Result<bool> beyond = Fold::is_beyond(record, *up_to);
      if (!beyond || *beyond) {
        CAIRN_RETURN_IF_ERROR(ahead.finish());
        if (!beyond) return beyond.status();
        return false;
      }
    }
    CAIRN_RETURN_IF_ERROR(ahead.take(record));
  }
}

}  // namespace

Result<PackedState> read_packed_state(log::Cursor& cursor, const log::RestartArea& restart,
                                      std::optional<std::uint64_t> up_to) {
  CAIRN_ASSIGN_OR_RETURN(Fold fold, Fold::begin(restart));
  CAIRN_ASSIGN_OR_RETURN(const bool complete, read_into(fold, cursor, up_to));
  PackedState state = std::move(fold).finish_packed();
  state.complete = complete;
  return state;
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
  CAIRN_ASSIGN_OR_RETURN(Fold fold, Fold::begin(restart));
  CAIRN_RETURN_IF_ERROR(read_into(fold, cursor, std::nullopt).status());
  return std::move(fold).finish();
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
