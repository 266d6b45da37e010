#include <string>
#include <utility>

#include <cairn/enlistment.h>

#include "references.h"

namespace cairn::tm {
namespace {

// An answer of the session that `reference` belongs to.
Status answer(const std::shared_ptr<EnlistmentReference>& reference, EnlistmentEvent event,
              const Clock& clock) {
  if (!reference) return refers_to_nothing("enlistment");
  CAIRN_RETURN_IF_ERROR(reference->core->check_clock(clock));
  return reference->core->on_session(*reference->object->resource_manager, reference->session,
                                     [&](Protocol& protocol) {
                                       protocol.raise_clock(clock.value_or(0));
                                       return protocol.answer(reference->object, event);
                                     });
}

// A verb of a superior.
Status order(const std::shared_ptr<EnlistmentReference>& reference, SuperiorEvent verb,
             const Clock& clock) {
  if (!reference) return refers_to_nothing("enlistment");
  CAIRN_RETURN_IF_ERROR(reference->core->check_clock(clock));
  const TransactionPtr& transaction = reference->object->transaction;
  const bool commits = reference->object->superior && verb == SuperiorEvent::kCommit;
  if (commits) CAIRN_RETURN_IF_ERROR(reference->core->make_room(transaction));
  return reference->core->on_session(
      *reference->object->resource_manager, reference->session, [&](Protocol& protocol) -> Status {
        // Another order of it found no room at the same moment.
        if (commits && transaction->lacks_room &&
            transaction->state() == TransactionState::kInDoubt) {
          return Status(StatusCode::kLogFull, "the decision has no room in the log yet");
        }
        protocol.raise_clock(clock.value_or(0));
        return protocol.order(reference->object, verb);
      });
}

// Whether recovery information of this size can be kept for this enlistment.
Status check_recovery_information(const EnlistmentObject& object, std::size_t size) {
  if (size > kMaxRecoveryInformation) {
    return Status(StatusCode::kInvalidArgument, "recovery information of " + std::to_string(size) +
                                                    " bytes, expected at most " +
                                                    std::to_string(kMaxRecoveryInformation));
  }
  if (object.resource_manager->kind == RmKind::kVolatile) {
    return Status(StatusCode::kTmVolatile, "resource manager " +
                                               object.resource_manager->id.to_string() +
                                               " is volatile: nothing is kept for it");
  }
  return Status::ok();
}

}  // namespace

Enlistment::Enlistment(std::shared_ptr<EnlistmentReference> reference)
    : reference_(std::move(reference)) {}

Uuid Enlistment::id() const { return reference_ ? reference_->object->id : Uuid{}; }

Status Enlistment::pre_prepare_complete(Clock clock) {
  return answer(reference_, EnlistmentEvent::kPrePrepareComplete, clock);
}

Status Enlistment::prepare_complete(std::optional<std::span<const std::byte>> recovery_information,
                                    Clock clock) {
  if (!reference_) return refers_to_nothing("enlistment");
  if (recovery_information) {
    CAIRN_RETURN_IF_ERROR(
        check_recovery_information(*reference_->object, recovery_information->size()));
  }
  return reference_->core->prepare_complete(reference_->object, reference_->session,
                                            recovery_information, clock, std::nullopt);
}

Status Enlistment::prepare_complete_covered(
    Lsn covered_by, std::optional<std::span<const std::byte>> recovery_information, Clock clock) {
  if (!reference_) return refers_to_nothing("enlistment");
  if (recovery_information) {
    CAIRN_RETURN_IF_ERROR(
        check_recovery_information(*reference_->object, recovery_information->size()));
  }
  return reference_->core->prepare_complete(reference_->object, reference_->session,
                                            recovery_information, clock, covered_by);
}

Status Enlistment::commit_complete(Hardened hardened, Clock clock) {
  return answer(reference_,
                hardened == Hardened::kYes ? EnlistmentEvent::kCommitComplete
                                           : EnlistmentEvent::kCommitUnhardened,
                clock);
}

Status Enlistment::hardened(Clock clock) {
  return answer(reference_, EnlistmentEvent::kHardened, clock);
}

Status Enlistment::commit_complete(Clock clock) {
  return answer(reference_, EnlistmentEvent::kCommitComplete, clock);
}

Status Enlistment::rollback_complete(Clock clock) {
  return answer(reference_, EnlistmentEvent::kRollbackComplete, clock);
}

Status Enlistment::read_only(Clock clock) {
  return answer(reference_, EnlistmentEvent::kReadOnly, clock);
}

Status Enlistment::single_phase_reject(Clock clock) {
  return answer(reference_, EnlistmentEvent::kReject, clock);
}

Status Enlistment::rollback(Clock clock) {
  return answer(reference_, EnlistmentEvent::kRollback, clock);
}

Status Enlistment::rollback(const Status& why, Clock clock) {
  if (!reference_) return refers_to_nothing("enlistment");
  CAIRN_RETURN_IF_ERROR(reference_->core->check_clock(clock));
  return reference_->core->on_session(*reference_->object->resource_manager, reference_->session,
                                      [&](Protocol& protocol) {
                                        protocol.raise_clock(clock.value_or(0));
                                        return protocol.roll_back(reference_->object, why);
                                      });
}

Status Enlistment::recover(std::uint64_t key) {
  if (!reference_) return refers_to_nothing("enlistment");
  return reference_->core->on_session(
      *reference_->object->resource_manager, reference_->session,
      [&](Protocol& protocol) { return protocol.recover(reference_->object, key); });
}

Status Enlistment::set_recovery_information(std::span<const std::byte> data) {
  if (!reference_) return refers_to_nothing("enlistment");
  EnlistmentObject& object = *reference_->object;
  CAIRN_RETURN_IF_ERROR(check_recovery_information(object, data.size()));
  return reference_->core->on_session(
      *object.resource_manager, reference_->session, [&](Protocol& protocol) {
        const TransactionState state = object.transaction->state();
        if ((state != TransactionState::kActive && state != TransactionState::kPrePreparing) ||
            is_finished(object.state())) {
          return Status(StatusCode::kNotActive,
                        "transaction " + object.transaction->id.to_string() + " is " +
                            std::string(transaction_state_name(state)) + ", the enlistment " +
                            std::string(enlistment_state_name(object.state())));
        }
        protocol.set_recovery_information(object, {data.begin(), data.end()});
        return Status::ok();
      });
}

Result<std::vector<std::byte>> Enlistment::recovery_information() const {
  if (!reference_) return refers_to_nothing("enlistment");
  return reference_->core->ask(
      [this](const Protocol&) { return reference_->object->recovery_information; });
}

Result<EnlistmentInformation> Enlistment::information() const {
  if (!reference_) return refers_to_nothing("enlistment");
  return reference_->core->ask([this](const Protocol&) {
    const EnlistmentObject& object = *reference_->object;
    EnlistmentInformation information;
    information.id = object.id;
    information.transaction = object.transaction->id;
    information.resource_manager = object.resource_manager->id;
    information.key = object.key;
    information.mask = object.mask;
    information.state = object.state();
    information.durable = object.resource_manager->kind == RmKind::kDurable;
    information.superior = object.superior;
    information.votes_last = object.votes_last;
    information.given_up = object.given_up;
    return information;
  });
}

Status Enlistment::request_outcome(Clock clock) {
  return answer(reference_, EnlistmentEvent::kRequestOutcome, clock);
}

Status Enlistment::superior_pre_prepare(Clock clock) {
  return order(reference_, SuperiorEvent::kPrePrepare, clock);
}

Status Enlistment::superior_prepare(Clock clock) {
  return order(reference_, SuperiorEvent::kPrepare, clock);
}

Status Enlistment::superior_commit(Clock clock) {
  return order(reference_, SuperiorEvent::kCommit, clock);
}

Status Enlistment::superior_rollback(Clock clock) {
  return order(reference_, SuperiorEvent::kRollback, clock);
}

}  // namespace cairn::tm
