#include "protocol.h"

#include <algorithm>
#include <string>

#include "protocol_parts.h"

namespace cairn::tm {
namespace {

Status limit_reached(std::string_view what, std::size_t limit) {
  return Status(StatusCode::kResourceExhausted,
                "no more than " + std::to_string(limit) + " " + std::string(what));
}

// A deadline `timeout` from `now`; none if that is never.
std::optional<std::chrono::nanoseconds> deadline_of(std::chrono::nanoseconds timeout,
                                                    std::chrono::nanoseconds now) {
  if (timeout.count() == 0 || timeout > std::chrono::nanoseconds::max() - now) return std::nullopt;
  return now + timeout;
}

Status check_timeout(std::chrono::nanoseconds timeout) {
  if (timeout.count() >= 0) return Status::ok();
  return Status(StatusCode::kInvalidArgument, "timeout of " + std::to_string(timeout.count()) +
                                                  " ns, expected 0 (never) or more");
}

}  // namespace

Status check_description(std::string_view description) {
  const auto characters =
      static_cast<std::size_t>(std::count_if(description.begin(), description.end(), [](char c) {
        return (static_cast<unsigned char>(c) & 0xC0) != 0x80;  // not a continuation byte
      }));
  if (characters <= kMaxDescription && description.size() <= kMaxDescriptionBytes) {
    return Status::ok();
  }
  return Status(StatusCode::kInvalidArgument,
                "description of " + std::to_string(characters) + " characters in " +
                    std::to_string(description.size()) + " bytes, expected at most " +
                    std::to_string(kMaxDescription) + " in " +
                    std::to_string(kMaxDescriptionBytes));
}

std::size_t record_bytes(const TransactionObject& transaction) {
  std::size_t bytes = recovery::kDecisionFixedBytes + transaction.description.size() +
                      transaction.logged_bytes + (transaction.acts.empty() ? 0 : 4);
  if (transaction.superior != nullptr) bytes += record_bytes(*transaction.superior);
  for (const recovery::Act& act : transaction.acts) bytes += recovery::act_bytes(act);
  return bytes;
}

bool is_logged(const TransactionObject& transaction) { return transaction.logged_members > 0; }

Protocol::~Protocol() {
  // What is unfinished refers to one another in rings.
  transactions_.for_each([&](const TransactionPtr& it) { unresolved_.push_back(it); });
  for (const TransactionPtr& transaction : unresolved_) {
    transaction->enlistments.clear();
    transaction->finalize.clear();
    transaction->superior = nullptr;
  }
  resource_managers_.for_each([](const ResourceManagerPtr& rm) {
    rm->enlistments.clear();
    if (rm->queue != nullptr) rm->queue->end(Status(StatusCode::kObjectExpired, "it is gone"));
  });
}

// --- transactions ---

Result<TransactionPtr> Protocol::make_transaction(const TransactionOptions& options,
                                                  std::chrono::nanoseconds now) {
  CAIRN_RETURN_IF_ERROR(check_description(options.description));
  CAIRN_RETURN_IF_ERROR(check_timeout(options.timeout));
  const Uuid id = options.unit_of_work.is_null() ? identities_.next() : options.unit_of_work;
  auto transaction = std::make_shared<TransactionObject>(id, TransactionState::kActive);
  transaction->timeout = options.timeout;
  transaction->isolation_level = options.isolation_level;
  transaction->isolation_flags = options.isolation_flags;
  transaction->description = options.description;
  transaction->expires = deadline_of(options.timeout, now);
  return transaction;
}

Status Protocol::begin(const TransactionPtr& transaction, bool is_named) {
  if (transaction_count() >= kMaxTransactions) {
    return limit_reached("live transactions", kMaxTransactions);
  }
  const Uuid& id = transaction->id;
  // Its next decision must not come before that forget record: recovery would find it decided
  // twice.
  if (is_named && forget_state(id) != ForgetState::kWritten) {
    return Status(StatusCode::kNameCollision,
                  "unit of work " + id.to_string() + " has no forget record in the log yet");
  }
  if ((is_named && dormant_.find(id) != recovery::PackedTransactions::kNone) ||
      !transactions_.insert(transaction)) {
    return Status(StatusCode::kNameCollision, "unit of work " + id.to_string() + " is live");
  }
  set_deadline(*transaction, transaction->expires);
  return Status::ok();
}

Result<TransactionPtr> Protocol::create_transaction(const TransactionOptions& options,
                                                    std::chrono::nanoseconds now) {
  CAIRN_ASSIGN_OR_RETURN(TransactionPtr made, make_transaction(options, now));
  CAIRN_RETURN_IF_ERROR(begin(made, !options.unit_of_work.is_null()));
  return made;
}

Status Protocol::set_properties(TransactionObject& transaction,
                                const TransactionProperties& properties,
                                std::chrono::nanoseconds now) {
  if (transaction.state() != TransactionState::kActive) {
    return Status(StatusCode::kNotActive,
                  name_of(transaction) + " is " +
                      std::string(transaction_state_name(transaction.state())) +
                      "; only an active one can be changed");
  }
  if (properties.description) CAIRN_RETURN_IF_ERROR(check_description(*properties.description));
  if (properties.timeout) CAIRN_RETURN_IF_ERROR(check_timeout(*properties.timeout));
  if (properties.timeout) {
    transaction.timeout = *properties.timeout;
    transaction.expires = deadline_of(*properties.timeout, now);
    set_deadline(transaction, transaction.expires);
  }
  if (properties.isolation_level) transaction.isolation_level = *properties.isolation_level;
  if (properties.isolation_flags) transaction.isolation_flags = *properties.isolation_flags;
  if (properties.description) transaction.description = *properties.description;
  return Status::ok();
}

TransactionGuard Protocol::commit_guard(const TransactionObject& transaction) const {
  if (!transaction.owned) return phase_guard(transaction);
  const bool asks = transaction.superior != nullptr && !transaction.asked &&
                    transaction.superior->wants(NotificationKind::kCommitRequest);
  return asks ? TransactionGuard::kAsksSuperior : TransactionGuard::kOwned;
}

Status Protocol::commit(const TransactionPtr& transaction) {
  if (!fire(transaction, TransactionEvent::kCommit, commit_guard(*transaction))) {
    if (transaction->state() == TransactionState::kActive && !transaction->asked) {
      return Status(StatusCode::kSuperiorExists, name_of(*transaction) +
                                                     " is decided by its superior, " +
                                                     name_of(*transaction->superior));
    }
    const StatusCode code = illegal_transaction_event(transaction->state(), transaction->outcome(),
                                                      TransactionEvent::kCommit);
    return Status(code, name_of(*transaction) + " is " +
                            std::string(transaction_state_name(transaction->state())) +
                            (transaction->reason ? "" : ": " + transaction->reason.to_string()));
  }
  transaction->asked = true;
  if (!transaction->owned) transaction->goal = Goal::kCommit;
  advance(transaction);
  return Status::ok();
}

Status Protocol::roll_back(const TransactionPtr& transaction) {
  if (transaction->outcome() == Outcome::kAborted) return Status::ok();
  if (!can_roll_back(transaction->state())) {
    const StatusCode code = illegal_transaction_event(transaction->state(), transaction->outcome(),
                                                      TransactionEvent::kRollback);
    return Status(code, name_of(*transaction) + " is " +
                            std::string(transaction_state_name(transaction->state())) +
                            ", too late to roll it back");
  }
  roll_back(transaction, Status(StatusCode::kAlreadyAborted, "rolled back by a client"));
  advance(transaction);
  return Status::ok();
}

void Protocol::release(const TransactionPtr& transaction) {
  require(transaction->references > 0, "a reference is released that was not counted");
  if (--transaction->references > 0) return;
  if (transaction->state() == TransactionState::kActive && !transaction->asked) {
    transaction->reason =
        Status(StatusCode::kAlreadyAborted, "its last reference was dropped before the commit");
    fire(transaction, TransactionEvent::kRelease, TransactionGuard::kUnasked);
  }
  advance(transaction);
}

void Protocol::expire(std::chrono::nanoseconds now) {
  std::vector<TransactionPtr> expired;  // one may end another
  for (const TransactionObject* due : deadlines_.due(now)) {
    expired.push_back(transactions_.find(due->id));
  }
  for (const TransactionPtr& transaction : expired) {
    if (!transaction->deadline) continue;
    set_deadline(*transaction, std::nullopt);
    roll_back(transaction, Status(StatusCode::kTimeout,
                                  "its timeout of " + std::to_string(transaction->timeout.count()) +
                                      " ns passed"));
    advance(transaction);
  }
}

void Protocol::abandon(const Status& reason) {
  frozen_ = false;
  for (const TransactionPtr& held : std::exchange(held_, {})) {
    written(held, Lsn::null(), TransactionEvent::kRefused, reason);
  }
  // What is dormant can neither be rolled back nor given up.
  for (const Uuid& id : transactions_.ids()) {
    const TransactionPtr transaction = transactions_.find(id);
    if (transaction == nullptr) continue;
    if (transaction->state() == TransactionState::kDelegated) {
      // Its owner's answer can no longer be heard.
      transaction->reason = reason;
      fire(transaction, TransactionEvent::kOwnerGone);
    }
    roll_back(transaction, reason);
    advance(transaction);
    transaction->changed.notify_all();
  }
  resource_managers_.for_each([&](const ResourceManagerPtr& rm) {
    if (rm->queue == nullptr) return;
    rm->queue->end(reason);
    note(rm->queue);
  });
}

void Protocol::release_rooms() {
  transactions_.for_each([](const TransactionPtr& it) { it->room.release(); });
  dormant_room_.release();
}

// --- resource managers ---

Result<ResourceManagerPtr> Protocol::create_resource_manager(const Uuid& id, RmKind kind,
                                                             std::string_view description) {
  if (id.is_null())
    return Status(StatusCode::kInvalidArgument, "resource manager of null identity");
  CAIRN_RETURN_IF_ERROR(check_description(description));
  if (resource_managers_.contains(id)) {
    return Status(StatusCode::kNameCollision,
                  "resource manager " + id.to_string() + " is known here: open it");
  }
  if (resource_managers_.size() >= kMaxResourceManagers) {
    return limit_reached("resource managers", kMaxResourceManagers);
  }
  auto rm = std::make_shared<ResourceManagerObject>(id, kind);
  rm->description = description;
  resource_managers_.insert(rm);
  return rm;
}

void Protocol::begin_session(const ResourceManagerPtr& rm, const Status& reason) {
  if (rm->queue != nullptr) {
    rm->disconnected_because = reason;
    rm->queue->end(reason);
    note(rm->queue);
    disconnect_all(*rm);
  }
  rm->queue = std::make_shared<NotificationQueue>();
  ++rm->session;
  fire(*rm, RmEvent::kBegin);
}

void Protocol::end_session(const ResourceManagerPtr& rm, const Status& reason,
                           const Status& because) {
  rm->disconnected_because = because;
  rm->queue->end(reason);
  note(rm->queue);
  disconnect_all(*rm);
  rm->queue = nullptr;
  drop_if_unused(*rm);
}

void Protocol::disconnect_all(ResourceManagerObject& rm) {
  fire(rm, RmEvent::kDisconnect);
  rm.was_away = true;
  for (const EnlistmentPtr& enlistment : rm.enlistments.all()) {
    enlistment->references = 0;
    enlistment->accepted = 0;
    if (enlistment->superior) {
      fire(enlistment, SuperiorEvent::kDisconnect);
    } else {
      fire(enlistment, EnlistmentEvent::kDisconnect);
    }
    advance(enlistment->transaction);
  }
}

void Protocol::drop_if_unused(const ResourceManagerObject& rm) {
  const bool is_used = rm.queue != nullptr || !rm.enlistments.empty() || rm.dormant > 0;
  if (!is_used) resource_managers_.erase(rm.id);
}

Result<std::vector<Uuid>> Protocol::begin_recover(ResourceManagerObject& rm) {
  const auto guard = rm.kind == RmKind::kDurable ? RmGuard::kDurable : RmGuard::kVolatile;
  if (!fire(rm, RmEvent::kRecover)) {
    return Status(illegal_rm_event(RmEvent::kRecover, guard),
                  "resource manager " + rm.id.to_string() + " is " +
                      (guard == RmGuard::kVolatile ? "volatile: it has nothing to recover"
                                                   : std::string(rm_state_name(rm.state())) +
                                                         ": this session recovered before"));
  }
  return enlistment_ids(rm);
}

void Protocol::reoffer(ResourceManagerObject& rm, const Uuid& enlistment) {
  const EnlistmentPtr found = find_enlistment(rm, enlistment);
  if (found == nullptr) return;
  if (found->superior) {
    fire(found, SuperiorEvent::kReoffer);
  } else {
    fire(found, EnlistmentEvent::kReoffer);
  }
}

void Protocol::end_recover(ResourceManagerObject& rm) {
  Notification last;
  last.kind = NotificationKind::kLastRecover;
  last.clock = clock_;
  rm.queue->push(last);
  note(rm.queue);
  fire(rm, RmEvent::kOffered);
}

// --- enlistments ---

Result<EnlistmentPtr> Protocol::make_enlistment(const ResourceManagerPtr& rm,
                                                const TransactionPtr& transaction,
                                                NotificationMask mask, std::uint64_t key) {
  CAIRN_RETURN_IF_ERROR(check_mask(mask));
  auto enlistment = std::make_shared<EnlistmentObject>(identities_.next(), transaction, rm, mask,
                                                       EnlistmentState::kActive, false);
  enlistment->key = key;
  return enlistment;
}

Status Protocol::hold_back(EnlistmentObject& made) {
  if (!made.wants(NotificationKind::kSinglePhaseCommit)) {
    return Status(StatusCode::kInvalidArgument,
                  "votes_last: expected a mask with SINGLE_PHASE_COMMIT, which it waits for");
  }
  made.votes_last = true;
  return Status::ok();
}

Status Protocol::enlist(const EnlistmentPtr& made) {
  const TransactionPtr& transaction = made->transaction;
  ResourceManagerObject& rm = *made->resource_manager;
  if (!fire(rm, RmEvent::kEnlist)) {
    return Status(illegal_rm_event(RmEvent::kEnlist, RmGuard::kAlways),
                  "resource manager " + rm.id.to_string() + " is " +
                      std::string(rm_state_name(rm.state())) + ": recover it first");
  }
  const auto guard = made->wants(NotificationKind::kPrePrepare) ? TransactionGuard::kAsksPrePrepare
                                                                : TransactionGuard::kNoPrePrepare;
  if (find_row<kTransactionTable>(transaction->state(), TransactionEvent::kEnlist, guard) ==
      nullptr) {
    return Status(illegal_transaction_event(transaction->state(), transaction->outcome(),
                                            TransactionEvent::kEnlist),
                  name_of(*transaction) + " is " +
                      std::string(transaction_state_name(transaction->state())) +
                      ": too late to take part in this way");
  }
  if (transaction->enlistments.size() >= kMaxEnlistments) {
    return limit_reached("unfinished enlistments in one transaction", kMaxEnlistments);
  }
  fire(transaction, TransactionEvent::kEnlist, guard);
  add_enlistment(made);
  return Status::ok();
}

Result<EnlistmentPtr> Protocol::enlist(const ResourceManagerPtr& rm,
                                       const TransactionPtr& transaction, NotificationMask mask,
                                       std::uint64_t key) {
  CAIRN_ASSIGN_OR_RETURN(EnlistmentPtr made, make_enlistment(rm, transaction, mask, key));
  CAIRN_RETURN_IF_ERROR(enlist(made));
  return made;
}

EnlistmentPtr Protocol::add_enlistment(const ResourceManagerPtr& rm,
                                       const TransactionPtr& transaction, const Uuid& id,
                                       NotificationMask mask, EnlistmentState initial) {
  auto enlistment = std::make_shared<EnlistmentObject>(id, transaction, rm, mask, initial, false);
  add_enlistment(enlistment);
  return enlistment;
}

void Protocol::add_enlistment(const EnlistmentPtr& enlistment) {
  TransactionObject& transaction = *enlistment->transaction;
  transaction.enlistments.push_back(enlistment);
  if (enlistment->votes_last) transaction.has_last = true;
  enlistment->resource_manager->enlistments.insert(enlistment);
  if (!enlistment->is_logged()) return;
  ++transaction.logged_members;
  transaction.logged_bytes += record_bytes(*enlistment);
}

Status Protocol::roll_back(const EnlistmentPtr& enlistment, const Status& because) {
  if (!is_finished(enlistment->state())) enlistment->rolled_back_because = because;
  return answer(enlistment, EnlistmentEvent::kRollback);
}

Status Protocol::answer(const EnlistmentPtr& enlistment, EnlistmentEvent event) {
  if (enlistment->superior) {
    if (event == EnlistmentEvent::kRollback) return order(enlistment, SuperiorEvent::kRollback);
    return Status(StatusCode::kNotRequested,
                  name_of(*enlistment) + " is the superior: it is asked for no answer");
  }
  const TransactionPtr& transaction = enlistment->transaction;
  const EnlistmentState before = enlistment->state();
  if (fire(enlistment, event)) {
    enlistment->accepted |= accepted_bit(event);
    advance(transaction);
    return Status::ok();
  }
  if ((enlistment->accepted & accepted_bit(event)) != 0) return Status::ok();
  return Status(illegal_enlistment_event(event, transaction->outcome()),
                name_of(*enlistment) + " is " + std::string(enlistment_state_name(before)) + ": " +
                    std::string(enlistment_event_name(event)) + " is not legal");
}

Status Protocol::recover(const EnlistmentPtr& enlistment, std::uint64_t key) {
  // Set first: the notification carries it.
  if (enlistment->state() == EnlistmentState::kRecovering) enlistment->key = key;
  if (enlistment->superior) return order(enlistment, SuperiorEvent::kRecover);
  return answer(enlistment, EnlistmentEvent::kRecover);
}

void Protocol::harden(ResourceManagerObject& rm) {
  std::vector<EnlistmentPtr> unhardened;
  rm.enlistments.for_each([&](const EnlistmentPtr& it) {
    if (it->state() == EnlistmentState::kUnhardened) unhardened.push_back(it);
  });
  for (const EnlistmentPtr& enlistment : unhardened) {
    fire(enlistment, EnlistmentEvent::kHardened);
    advance(enlistment->transaction);
  }
}

void Protocol::set_recovery_information(EnlistmentObject& enlistment, std::vector<std::byte> data) {
  if (enlistment.is_logged()) {
    enlistment.transaction->logged_bytes -= record_bytes(enlistment);
  }
  enlistment.recovery_information = std::move(data);
  if (enlistment.is_logged()) {
    enlistment.transaction->logged_bytes += record_bytes(enlistment);
  }
}

void Protocol::release(const EnlistmentPtr& enlistment) {
  require(enlistment->references > 0, "a reference is released that was not counted");
  if (--enlistment->references > 0) return;
  if (enlistment->superior) {
    fire(enlistment, SuperiorEvent::kRelease);
  } else {
    fire(enlistment, EnlistmentEvent::kRelease);
  }
  advance(enlistment->transaction);
}

std::size_t Protocol::enlistment_count() const {
  std::size_t count = dormant_.members();
  resource_managers_.for_each(
      [&](const ResourceManagerPtr& rm) { count += rm->enlistments.size(); });
  return count;
}

}  // namespace cairn::tm
