// Protocol, what it has in the log: reservations, decisions, copies, and what recovery found.
#include "protocol.h"

namespace cairn::tm {
namespace {

// What an enlistment rebuilt from the log is taken to have asked for (KTM's value).
constexpr NotificationMask kRebuiltMask = NotificationKind::kPrepare | NotificationKind::kCommit |
                                          NotificationKind::kRollback | NotificationKind::kInDoubt;

// Nothing of it is on its way to the log or to the next state.
bool rests(const TransactionObject& transaction) {
  return transaction.record != nullptr && (transaction.state() == TransactionState::kCommitted ||
                                           transaction.state() == TransactionState::kPrepared ||
                                           transaction.state() == TransactionState::kInDoubt);
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
  const bool decides = transaction.state() == TransactionState::kCommitting;
  require(decides || transaction.state() == TransactionState::kPromising,
          "a record is written once");
  auto record = std::make_shared<recovery::TransactionRecord>();
  if (decides) {
    transaction.clock = ++clock_;
  } else {
    record->type = recovery::RecordType::kPrepare;
  }
  record->transaction = transaction.id;
  record->clock = clock_;
  record->wall_clock_ns = wall_clock_ns;
  record->description = transaction.description;
  const auto entry = [](const EnlistmentObject& enlistment) {
    return recovery::EnlistmentRecord{enlistment.id, enlistment.resource_manager->id,
                                      enlistment.recovery_information};
  };
  for (const EnlistmentPtr& enlistment : transaction.enlistments) {
    if (enlistment->is_logged()) record->enlistments.push_back(entry(*enlistment));
  }
  // Of a superior that ordered the commit with the phases nothing is kept: it promised nothing.
  const bool promised = !decides || transaction.record != nullptr;
  if (promised && transaction.superior != nullptr) {
    record->superior = entry(*transaction.superior);
  }
  if (decides && transaction.record != nullptr) {
    // What was promised, to the letter: recovery holds the two against each other.
    record->superior = transaction.record->superior;
    record->enlistments = transaction.record->enlistments;
  }
  // What was promised stays readable until a decision behind it is.
  if (transaction.pin.is_null()) set_pin(transaction, earliest);
  transaction.written = record;
  return record;
}

void Protocol::appended(TransactionObject& transaction, Lsn lsn) {
  transaction.in_flight = lsn;
  set_pin(transaction, lsn);
  transaction.changed.notify_all();
}

void Protocol::written(const TransactionPtr& transaction, Lsn lsn, TransactionEvent event,
                       const Status& status) {
  const bool writing = transaction->state() == TransactionState::kCommitting ||
                       transaction->state() == TransactionState::kPromising;
  if (!writing || transaction->in_flight != lsn) return;
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
  if (std::exchange(transaction->decide_waits, false)) {
    work_.push_back({LogWork::Kind::kDecide, transaction});
  }
  if (std::exchange(transaction->forget_waits, false)) {
    work_.push_back({LogWork::Kind::kForget, transaction});
  }
}

Lsn Protocol::oldest_pin() const { return pins_.empty() ? Lsn::null() : pins_.begin()->first; }

std::vector<TransactionPtr> Protocol::writing() const {
  std::vector<TransactionPtr> found;
  for (const auto& [id, transaction] : transactions_) {
    if (transaction->state() == TransactionState::kCommitting ||
        transaction->state() == TransactionState::kPromising) {
      found.push_back(transaction);
    }
  }
  return found;
}

std::vector<TransactionPtr> Protocol::logged_before(Lsn limit) const {
  std::vector<TransactionPtr> found;
  for (const auto& [pin, id] : pins_) {
    if (pin >= limit) break;
    TransactionPtr transaction = find_transaction(id);
    if (rests(*transaction)) found.push_back(std::move(transaction));
  }
  return found;
}

ResourceManagerPtr Protocol::rebuilt_resource_manager(const Uuid& id) {
  ResourceManagerPtr& rm = resource_managers_[id];
  if (rm == nullptr) rm = std::make_shared<ResourceManagerObject>(id, RmKind::kDurable);
  return rm;
}

void Protocol::rebuild(const recovery::RecoveredState& state) {
  require(transactions_.empty() && resource_managers_.empty(), "recovery comes first");
  raise_clock(state.clock);
  for (const recovery::RecoveredTransaction& found : state.transactions) {
    const auto record = std::make_shared<const recovery::TransactionRecord>(found.record);
    const bool decided = record->type == recovery::RecordType::kDecision;
    auto transaction =
        std::make_shared<TransactionObject>(record->transaction, TransactionState::kRecovering);
    transactions_.emplace(transaction->id, transaction);
    transaction->description = record->description;
    if (decided) transaction->clock = record->clock;
    transaction->record = record;
    transaction->record_lsn = found.lsn;
    transaction->carried_forward = !record->original.is_null();
    set_pin(*transaction, found.lsn);
    for (const recovery::EnlistmentRecord& member : record->enlistments) {
      const EnlistmentPtr enlistment =
          add_enlistment(rebuilt_resource_manager(member.resource_manager), transaction,
                         member.enlistment, kRebuiltMask, EnlistmentState::kRecovering);
      set_recovery_information(*enlistment, member.recovery_information);
    }
    if (record->superior) {
      const EnlistmentPtr superior =
          add_superior(rebuilt_resource_manager(record->superior->resource_manager), transaction,
                       record->superior->enlistment, kSuperior, EnlistmentState::kRecovering);
      superior->recovery_information = record->superior->recovery_information;
    }
    fire(transaction, TransactionEvent::kFound,
         decided ? TransactionGuard::kFree : TransactionGuard::kPromised);
  }
}

}  // namespace cairn::tm
