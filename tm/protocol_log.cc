// Protocol, what it has in the log: reservations, decisions, copies.
#include <algorithm>
#include <string>

#include "protocol.h"
#include "protocol_parts.h"

namespace cairn::tm {
namespace {

// Nothing of it is on its way to the log or to the next state.
bool rests(const TransactionObject& transaction) {
  if (transaction.record == nullptr) return false;
  switch (transaction.state()) {
    case TransactionState::kCommitted:
    case TransactionState::kPrepared:
    case TransactionState::kInDoubt:
      return true;
    case TransactionState::kAborted:  // by hand, and its superior or others must hear of it
      return transaction.record->type == recovery::RecordType::kRollback;
    default:
      return false;
  }
}

bool is_writing(const TransactionObject& transaction) {
  return transaction.state() == TransactionState::kCommitting ||
         transaction.state() == TransactionState::kPromising ||
         transaction.state() == TransactionState::kRollingBack;
}

// What is written in this state.
recovery::RecordType type_of(const TransactionObject& transaction) {
  require(is_writing(transaction), "a record is written once");
  switch (transaction.state()) {
    case TransactionState::kPromising:
      return recovery::RecordType::kPrepare;
    case TransactionState::kRollingBack:
      return recovery::RecordType::kRollback;
    default:
      return recovery::RecordType::kDecision;
  }
}

}  // namespace

void Protocol::reserved(const TransactionPtr& transaction, Result<log::Reservation> room) {
  if (!transaction->awaits_room) return;  // rolled back meanwhile
  transaction->awaits_room = false;
  if (!room) {
    transaction->reason = room.status();
    fire(transaction, TransactionEvent::kRefused);
  } else {
    transaction->room = std::move(*room);
  }
  advance(transaction);
}

std::shared_ptr<const recovery::TransactionRecord> Protocol::begin_record(
    TransactionObject& transaction, Lsn earliest, std::uint64_t wall_clock_ns) {
  auto record = std::make_shared<recovery::TransactionRecord>();
  record->type = type_of(transaction);
  const bool decides = record->type == recovery::RecordType::kDecision;
  record->transaction = transaction.id;
  record->wall_clock_ns = wall_clock_ns;
  record->description = transaction.description;
  record->acts = transaction.acts;
  if (transaction.record != nullptr) {
    // What was promised, to the letter: recovery holds the two against each other.
    record->superior = transaction.record->superior;
    record->enlistments = transaction.record->enlistments;
  } else {
    const auto entry = [](const EnlistmentObject& enlistment) {
      return recovery::EnlistmentRecord{enlistment.id, enlistment.resource_manager->id,
                                        enlistment.recovery_information};
    };
    record->enlistments.reserve(transaction.logged_members);
    for (const EnlistmentPtr& enlistment : transaction.enlistments) {
      if (enlistment->is_logged()) record->enlistments.push_back(entry(*enlistment));
    }
    // Of a superior that ordered the commit with the phases nothing is kept: nobody promised it
    // anything.
    if (!decides) record->superior = entry(*transaction.superior);
  }
  // What was promised stays readable until a decision behind it is.
  if (transaction.pin.is_null()) set_pin(transaction, earliest);
  transaction.written = record;
  return record;
}

void Protocol::appended(TransactionObject& transaction, Lsn lsn, std::uint64_t clock) {
  transaction.written->clock = clock;
  if (transaction.written->type == recovery::RecordType::kDecision) transaction.clock = clock;
  transaction.in_flight = lsn;
  set_pin(transaction, lsn);
  transaction.changed.notify_all();
}

void Protocol::written(const TransactionPtr& transaction, Lsn lsn, TransactionEvent event,
                       const Status& status) {
  if (!is_writing(*transaction) || transaction->in_flight != lsn) return;
  const auto guard =
      transaction->record != nullptr ? TransactionGuard::kPromised : TransactionGuard::kFree;
  if (event == TransactionEvent::kDurable) {
    transaction->record = std::move(transaction->written);
    transaction->record_lsn = lsn;
  } else {
    transaction->reason = status;
    if (transaction->record == nullptr) set_pin(*transaction, Lsn::null());
  }
  transaction->written = nullptr;
  transaction->in_flight = Lsn::null();
  fire(transaction, event, guard);
  advance(transaction);
}

bool Protocol::begin_copy(TransactionObject& transaction) {
  if (!rests(transaction)) return false;
  transaction.copying = true;
  return true;
}

void Protocol::end_copy(const TransactionPtr& transaction, const Result<Lsn>& copy) {
  transaction->copying = false;
  if (copy) {
    auto record = std::make_shared<recovery::TransactionRecord>(*transaction->record);
    if (record->original.is_null()) record->original = transaction->record_lsn;
    transaction->record = std::move(record);
    transaction->record_lsn = *copy;
    transaction->carried_forward = true;
    if (!transaction->pin.is_null()) set_pin(*transaction, *copy);
  }
  if (std::exchange(transaction->write_waits, false)) write_record(transaction);
  if (std::exchange(transaction->forget_waits, false)) write_forget(transaction);
}

void Protocol::end_amendment(const TransactionPtr& transaction,
                             std::shared_ptr<const recovery::TransactionRecord> amended, Lsn lsn) {
  for (std::size_t i = transaction->acts.size(); i < amended->acts.size(); ++i) {
    give_up(transaction, amended->acts[i]);
  }
  transaction->record = std::move(amended);
  transaction->record_lsn = lsn;
  if (!transaction->pin.is_null()) set_pin(*transaction, lsn);
  end_copy(transaction, Status(StatusCode::kNotFound, "no copy was made"));
  advance(transaction);
}

void Protocol::give_up(const TransactionPtr& transaction, const recovery::Act& act) {
  transaction->acts.push_back(act);
  for (const EnlistmentPtr& enlistment : transaction->enlistments) {
    if (enlistment->id != act.enlistment) continue;
    enlistment->given_up =
        Status(StatusCode::kOutcomeUnknown, "given up by " + act.who + ": " + act.why);
    if (!std::exchange(enlistment->unawaited, true)) ++transaction->unawaited;
  }
}

Status Protocol::check_in_doubt(const TransactionObject& transaction) const {
  const bool in_doubt = transaction.owned && (transaction.state() == TransactionState::kPrepared ||
                                              transaction.state() == TransactionState::kInDoubt);
  if (in_doubt) return Status::ok();
  return Status(StatusCode::kRequestNotValid,
                name_of(transaction) + " is " +
                    std::string(transaction_state_name(transaction.state())) +
                    ", expected one that is promised to a superior and not decided");
}

void Protocol::resolve(const TransactionPtr& transaction, Outcome outcome,
                       const recovery::Act& act) {
  require(check_in_doubt(*transaction).is_ok(), "only what is in doubt is resolved");
  transaction->acts.push_back(act);
  transaction->resolved = true;
  transaction->reason = Status(
      outcome == Outcome::kCommitted ? StatusCode::kAlreadyCommitted : StatusCode::kAlreadyAborted,
      "resolved by " + act.who + ": " + act.why);
  if (outcome == Outcome::kCommitted) {
    transaction->goal = Goal::kCommit;
  } else if (is_logged(*transaction)) {
    fire(transaction, TransactionEvent::kResolveRollback);
  } else {
    transaction->superior_rolls_back = true;
  }
  advance(transaction);
}

void Protocol::thaw() {
  frozen_ = false;
  for (const TransactionPtr& held : std::exchange(held_, {})) write_record(held);
}

Lsn Protocol::oldest_pin() const {
  const Lsn awake = pins_.empty() ? Lsn::null() : pins_.begin()->first;
  if (dormant_.size() == 0) return awake;
  const Lsn dormant = dormant_.lsn(dormant_.first());
  return awake.is_null() ? dormant : std::min(awake, dormant);
}

std::vector<TransactionPtr> Protocol::writing() const {
  std::vector<TransactionPtr> found;
  transactions_.for_each([&](const TransactionPtr& it) {
    if (is_writing(*it) && std::find(held_.begin(), held_.end(), it) == held_.end()) {
      found.push_back(it);
    }
  });
  return found;
}

std::vector<TransactionPtr> Protocol::logged_before(Lsn limit) {
  for (std::uint32_t row = dormant_.first(); row < dormant_.end() && dormant_.lsn(row) < limit;
       ++row) {
    if (dormant_.is_here(row)) wake(row);
  }
  std::vector<TransactionPtr> found;
  for (const auto& [pin, id] : pins_) {
    if (pin >= limit) break;
    TransactionPtr transaction = find_transaction(id);
    if (rests(*transaction)) found.push_back(std::move(transaction));
  }
  return found;
}

}  // namespace cairn::tm
