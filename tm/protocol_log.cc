// Protocol, what it has in the log: reservations, decisions, copies, and what recovery found.
#include "protocol.h"

namespace cairn::tm {
namespace {

// What an enlistment rebuilt from the log is taken to have asked for (KTM's value).
constexpr NotificationMask kRebuiltMask = NotificationKind::kPrepare | NotificationKind::kCommit |
                                          NotificationKind::kRollback | NotificationKind::kInDoubt;

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

std::shared_ptr<const recovery::DecisionRecord> Protocol::begin_decision(
    TransactionObject& transaction, Lsn earliest, std::uint64_t wall_clock_ns) {
  require(transaction.state() == TransactionState::kCommitting, "a decision is written once");
  transaction.clock = ++clock_;
  auto record = std::make_shared<recovery::DecisionRecord>();
  record->transaction = transaction.id;
  record->clock = transaction.clock;
  record->wall_clock_ns = wall_clock_ns;
  record->description = transaction.description;
  for (const EnlistmentPtr& enlistment : transaction.enlistments) {
    if (!enlistment->is_logged()) continue;
    record->enlistments.push_back(
        {enlistment->id, enlistment->resource_manager->id, enlistment->recovery_information});
  }
  transaction.decision = record;
  set_pin(transaction, earliest);
  return record;
}

void Protocol::appended(TransactionObject& transaction, Lsn lsn) {
  transaction.decision_lsn = lsn;
  set_pin(transaction, lsn);
  transaction.changed.notify_all();
}

void Protocol::decided(const TransactionPtr& transaction, TransactionEvent event,
                       const Status& status) {
  if (transaction->state() != TransactionState::kCommitting) return;
  if (event != TransactionEvent::kDurable) transaction->reason = status;
  if (event == TransactionEvent::kRefused) {
    set_pin(*transaction, Lsn::null());
    transaction->decision = nullptr;
  }
  fire(transaction, event);
  advance(transaction);
}

void Protocol::carried(TransactionObject& transaction, Lsn copy) {
  auto record = std::make_shared<recovery::DecisionRecord>(*transaction.decision);
  if (record->original.is_null()) record->original = transaction.decision_lsn;
  transaction.decision = std::move(record);
  transaction.decision_lsn = copy;
  transaction.carried_forward = true;
  if (!transaction.pin.is_null()) set_pin(transaction, copy);
}

Lsn Protocol::oldest_pin() const { return pins_.empty() ? Lsn::null() : pins_.begin()->first; }

std::vector<TransactionPtr> Protocol::committing() const {
  std::vector<TransactionPtr> found;
  for (const auto& [id, transaction] : transactions_) {
    if (transaction->state() == TransactionState::kCommitting) found.push_back(transaction);
  }
  return found;
}

std::vector<TransactionPtr> Protocol::decided_before(Lsn limit) const {
  std::vector<TransactionPtr> found;
  for (const auto& [pin, id] : pins_) {
    if (pin >= limit) break;
    TransactionPtr transaction = find_transaction(id);
    if (transaction->state() == TransactionState::kCommitted) {
      found.push_back(std::move(transaction));
    }
  }
  return found;
}

void Protocol::rebuild(const recovery::RecoveredState& state) {
  require(transactions_.empty() && resource_managers_.empty(), "recovery comes first");
  raise_clock(state.clock);
  for (const recovery::RecoveredTransaction& found : state.transactions) {
    const auto decision = std::make_shared<const recovery::DecisionRecord>(found.decision);
    auto transaction =
        std::make_shared<TransactionObject>(decision->transaction, TransactionState::kRecovering);
    transactions_.emplace(transaction->id, transaction);
    transaction->description = decision->description;
    transaction->clock = decision->clock;
    transaction->decision = decision;
    transaction->decision_lsn = found.lsn;
    transaction->carried_forward = !decision->original.is_null();
    set_pin(*transaction, found.lsn);
    for (const recovery::EnlistmentRecord& member : decision->enlistments) {
      ResourceManagerPtr& rm = resource_managers_[member.resource_manager];
      if (rm == nullptr) {
        rm = std::make_shared<ResourceManagerObject>(member.resource_manager, RmKind::kDurable);
      }
      const EnlistmentPtr enlistment = add_enlistment(rm, transaction, member.enlistment,
                                                      kRebuiltMask, EnlistmentState::kRecovering);
      set_recovery_information(*enlistment, member.recovery_information);
    }
    fire(transaction, TransactionEvent::kFound);
  }
}

}  // namespace cairn::tm
