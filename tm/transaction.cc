#include <utility>

#include <cairn/transaction.h>

#include "references.h"

namespace cairn::tm {

Transaction::Transaction(std::shared_ptr<TransactionReference> reference)
    : reference_(std::move(reference)) {}

Uuid Transaction::id() const { return reference_ ? reference_->object->id : Uuid{}; }

Status Transaction::commit(WaitFor wait_for, std::optional<std::chrono::nanoseconds> limit) {
  if (!reference_) return refers_to_nothing("transaction");
  return reference_->core->commit(reference_->object, wait_for, limit);
}

Status Transaction::commit_async() {
  if (!reference_) return refers_to_nothing("transaction");
  return reference_->core->on_object(
      [this](Protocol& protocol) { return protocol.commit(reference_->object); });
}

Status Transaction::wait(WaitFor wait_for, std::optional<std::chrono::nanoseconds> limit) const {
  if (!reference_) return refers_to_nothing("transaction");
  return reference_->core->wait(reference_->object, wait_for, limit);
}

Status Transaction::rollback() {
  if (!reference_) return refers_to_nothing("transaction");
  return reference_->core->on_object(
      [this](Protocol& protocol) { return protocol.roll_back(reference_->object); });
}

Outcome Transaction::outcome() const {
  if (!reference_) return Outcome::kUndetermined;
  return reference_->core->ask([this](const Protocol&) { return reference_->object->outcome(); });
}

Result<TransactionInformation> Transaction::information() const {
  if (!reference_) return refers_to_nothing("transaction");
  return reference_->core->ask([this](const Protocol&) {
    const TransactionObject& object = *reference_->object;
    TransactionInformation information;
    information.id = object.id;
    information.state = object.state();
    information.outcome = object.outcome();
    information.timeout = object.timeout;
    information.isolation_level = object.isolation_level;
    information.isolation_flags = object.isolation_flags;
    information.description = object.description;
    if (object.outcome() != Outcome::kCommitted) information.abort_reason = object.reason;
    information.completed = object.completed;
    for (const recovery::Act& act : object.acts) {
      information.acts.push_back({{act.who, act.why}, act.wall_clock_ns, act.enlistment});
    }
    information.clock = object.clock;
    const bool decided =
        object.record != nullptr && (object.record->type == recovery::RecordType::kDecision ||
                                     object.record->type == recovery::RecordType::kAmended);
    if (decided) information.decision_lsn = object.record_lsn;
    if (object.state() == TransactionState::kCommitting)
      information.decision_lsn = object.in_flight;
    information.carried_forward = object.carried_forward;
    for (const EnlistmentPtr& enlistment : object.enlistments) {
      information.enlistments.push_back({enlistment->id, enlistment->resource_manager->id});
    }
    if (object.superior != nullptr) {
      information.superior = {object.superior->id, object.superior->resource_manager->id};
    }
    return information;
  });
}

Status Transaction::set_properties(const TransactionProperties& properties) {
  if (!reference_) return refers_to_nothing("transaction");
  return reference_->core->on_object([&](Protocol& protocol) {
    return protocol.set_properties(*reference_->object, properties, reference_->core->now());
  });
}

}  // namespace cairn::tm
