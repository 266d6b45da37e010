#include "protocol.h"

#include <algorithm>
#include <string>

namespace cairn::tm {
namespace {

// What an enlistment rebuilt from the log is taken to have asked for (KTM's value).
constexpr NotificationMask kRebuiltMask = NotificationKind::kPrepare | NotificationKind::kCommit |
                                          NotificationKind::kRollback | NotificationKind::kInDoubt;

constexpr std::uint32_t accepted_bit(EnlistmentEvent event) {
  return std::uint32_t{1} << static_cast<unsigned>(event);
}

std::size_t record_bytes(const EnlistmentObject& enlistment) {
  return recovery::kEnlistmentFixedBytes + enlistment.recovery_information.size();
}

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

std::string name_of(const TransactionObject& transaction) {
  return "transaction " + transaction.id.to_string();
}

std::string name_of(const EnlistmentObject& enlistment) {
  return "enlistment " + enlistment.id.to_string() + " of resource manager " +
         enlistment.resource_manager->id.to_string();
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

std::size_t decision_bytes(const TransactionObject& transaction) {
  return recovery::kDecisionFixedBytes + transaction.description.size() + transaction.logged_bytes;
}

Protocol::~Protocol() {
  // What is unfinished refers to one another in rings.
  for (const auto& [id, transaction] : transactions_) {
    transaction->enlistments.clear();
    transaction->finalize.clear();
  }
  for (const auto& [id, rm] : resource_managers_) rm->enlistments.clear();
}

// --- transactions ---

Result<TransactionPtr> Protocol::create_transaction(const TransactionOptions& options,
                                                    std::chrono::nanoseconds now) {
  CAIRN_RETURN_IF_ERROR(check_description(options.description));
  CAIRN_RETURN_IF_ERROR(check_timeout(options.timeout));
  if (transactions_.size() >= kMaxTransactions) {
    return limit_reached("live transactions", kMaxTransactions);
  }
  const Uuid id = options.unit_of_work.is_null() ? Uuid::generate() : options.unit_of_work;
  auto transaction = std::make_shared<TransactionObject>(id, TransactionState::kActive);
  if (!transactions_.emplace(id, transaction).second) {
    return Status(StatusCode::kNameCollision, "unit of work " + id.to_string() + " is live");
  }
  transaction->timeout = options.timeout;
  transaction->isolation_level = options.isolation_level;
  transaction->isolation_flags = options.isolation_flags;
  transaction->description = options.description;
  set_deadline(*transaction, deadline_of(options.timeout, now));
  return transaction;
}

TransactionPtr Protocol::find_transaction(const Uuid& id) const {
  const auto found = transactions_.find(id);
  return found == transactions_.end() ? nullptr : found->second;
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
    set_deadline(transaction, deadline_of(*properties.timeout, now));
  }
  if (properties.isolation_level) transaction.isolation_level = *properties.isolation_level;
  if (properties.isolation_flags) transaction.isolation_flags = *properties.isolation_flags;
  if (properties.description) transaction.description = *properties.description;
  return Status::ok();
}

Status Protocol::commit(const TransactionPtr& transaction) {
  if (!fire(transaction, TransactionEvent::kCommit, phase_guard(*transaction))) {
    const StatusCode code = illegal_transaction_event(transaction->state(), transaction->outcome(),
                                                      TransactionEvent::kCommit);
    return Status(code, name_of(*transaction) + " is " +
                            std::string(transaction_state_name(transaction->state())) +
                            (transaction->reason ? "" : ": " + transaction->reason.to_string()));
  }
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

void Protocol::roll_back(const TransactionPtr& transaction, Status reason) {
  if (!can_roll_back(transaction->state())) return;
  transaction->reason = std::move(reason);
  fire(transaction, TransactionEvent::kRollback);
}

void Protocol::release(const TransactionPtr& transaction) {
  require(transaction->references > 0, "a reference is released that was not counted");
  if (--transaction->references > 0) return;
  if (transaction->state() == TransactionState::kActive) {
    transaction->reason =
        Status(StatusCode::kAlreadyAborted, "its last reference was dropped before the commit");
    fire(transaction, TransactionEvent::kRelease);
  }
  advance(transaction);
}

void Protocol::expire(std::chrono::nanoseconds now) {
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    const TransactionPtr transaction = find_transaction(deadlines_.begin()->second);
    set_deadline(*transaction, std::nullopt);
    roll_back(transaction, Status(StatusCode::kTimeout,
                                  "its timeout of " + std::to_string(transaction->timeout.count()) +
                                      " ns passed"));
    advance(transaction);
  }
}

std::optional<std::chrono::nanoseconds> Protocol::next_deadline() const {
  if (deadlines_.empty()) return std::nullopt;
  return deadlines_.begin()->first;
}

void Protocol::abandon(const Status& reason) {
  for (const Uuid& id : transaction_ids()) {
    const TransactionPtr transaction = find_transaction(id);
    if (transaction == nullptr) continue;
    roll_back(transaction, reason);
    advance(transaction);
    transaction->changed.notify_all();
  }
  for (const auto& [id, rm] : resource_managers_) {
    if (rm->queue != nullptr) rm->queue->end(reason);
  }
}

void Protocol::release_rooms() {
  for (const auto& [id, transaction] : transactions_) transaction->room.release();
}

// --- log ---

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
  for (const auto& [pin, id] : pins_) {
    TransactionPtr transaction = find_transaction(id);
    if (transaction->state() == TransactionState::kCommitting) {
      found.push_back(std::move(transaction));
    }
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
  resource_managers_.emplace(id, rm);
  return rm;
}

ResourceManagerPtr Protocol::find_resource_manager(const Uuid& id) const {
  const auto found = resource_managers_.find(id);
  return found == resource_managers_.end() ? nullptr : found->second;
}

void Protocol::begin_session(const ResourceManagerPtr& rm, const Status& reason) {
  if (rm->queue != nullptr) {
    rm->queue->end(reason);
    disconnect_all(*rm);
  }
  rm->queue = std::make_shared<NotificationQueue>();
  ++rm->session;
  fire(*rm, RmEvent::kBegin);
}

void Protocol::end_session(const ResourceManagerPtr& rm, const Status& reason) {
  rm->queue->end(reason);
  disconnect_all(*rm);
  rm->queue = nullptr;
  drop_if_unused(*rm);
}

void Protocol::disconnect_all(ResourceManagerObject& rm) {
  fire(rm, RmEvent::kDisconnect);
  std::vector<EnlistmentPtr> unfinished;
  for (const auto& [id, enlistment] : rm.enlistments) unfinished.push_back(enlistment);
  for (const EnlistmentPtr& enlistment : unfinished) {
    enlistment->references = 0;
    enlistment->accepted = 0;
    fire(enlistment, EnlistmentEvent::kDisconnect);
    advance(enlistment->transaction);
  }
}

void Protocol::drop_if_unused(const ResourceManagerObject& rm) {
  if (rm.queue == nullptr && rm.enlistments.empty()) resource_managers_.erase(Uuid(rm.id));
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
  std::vector<Uuid> ids;
  ids.reserve(rm.enlistments.size());
  for (const auto& [id, enlistment] : rm.enlistments) ids.push_back(id);
  return ids;
}

void Protocol::reoffer(ResourceManagerObject& rm, const Uuid& enlistment) {
  const auto found = rm.enlistments.find(enlistment);
  if (found != rm.enlistments.end()) fire(found->second, EnlistmentEvent::kReoffer);
}

void Protocol::end_recover(ResourceManagerObject& rm) {
  Notification last;
  last.kind = NotificationKind::kLastRecover;
  last.clock = clock_;
  rm.queue->push({last});
  fire(rm, RmEvent::kOffered);
}

// --- enlistments ---

Result<EnlistmentPtr> Protocol::enlist(const ResourceManagerPtr& rm,
                                       const TransactionPtr& transaction, NotificationMask mask,
                                       std::uint64_t key) {
  CAIRN_RETURN_IF_ERROR(check_mask(mask));
  if (!fire(*rm, RmEvent::kEnlist)) {
    return Status(illegal_rm_event(RmEvent::kEnlist, RmGuard::kAlways),
                  "resource manager " + rm->id.to_string() + " is " +
                      std::string(rm_state_name(rm->state())) + ": recover it first");
  }
  const auto guard = (mask & bit(NotificationKind::kPrePrepare)) != 0
                         ? TransactionGuard::kAsksPrePrepare
                         : TransactionGuard::kNoPrePrepare;
  if (find_transition(kTransactionTable, transaction->state(), TransactionEvent::kEnlist, guard) ==
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
  const EnlistmentPtr enlistment =
      add_enlistment(rm, transaction, Uuid::generate(), mask, EnlistmentState::kActive);
  enlistment->key = key;
  return enlistment;
}

EnlistmentPtr Protocol::add_enlistment(const ResourceManagerPtr& rm,
                                       const TransactionPtr& transaction, const Uuid& id,
                                       NotificationMask mask, EnlistmentState initial) {
  auto enlistment = std::make_shared<EnlistmentObject>(id, transaction, rm, mask, initial);
  enlistment->place = transaction->enlistments.insert(transaction->enlistments.end(), enlistment);
  rm->enlistments.emplace(id, enlistment);
  if (enlistment->is_logged()) {
    ++transaction->logged_members;
    transaction->logged_bytes += record_bytes(*enlistment);
  }
  return enlistment;
}

Status Protocol::answer(const EnlistmentPtr& enlistment, EnlistmentEvent event) {
  const TransactionPtr transaction = enlistment->transaction;
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
  if (enlistment->state() == EnlistmentState::kRecovering) {
    enlistment->key = key;
    if (enlistment->outcome_entry.empty()) enlistment->outcome_entry.emplace_back();
  }
  return answer(enlistment, EnlistmentEvent::kRecover);
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
  fire(enlistment, EnlistmentEvent::kRelease);
  advance(enlistment->transaction);
}

// --- the machine ---

bool Protocol::fire(const TransactionPtr& transaction, TransactionEvent event,
                    TransactionGuard guard) {
  const auto* row = find_transition(kTransactionTable, transaction->state(), event, guard);
  if (row == nullptr) return false;
  enter(*transaction, row->to);
  act(transaction, row->action);
  return true;
}

bool Protocol::fire(const EnlistmentPtr& enlistment, EnlistmentEvent event) {
  const auto* row =
      find_transition(kEnlistmentTable, enlistment->state(), event, guard_of(*enlistment, event));
  if (row == nullptr) return false;
  enter(*enlistment, row->to);
  act(enlistment, row->action);
  return true;
}

bool Protocol::fire(ResourceManagerObject& rm, RmEvent event) {
  const auto guard = rm.kind == RmKind::kDurable ? RmGuard::kDurable : RmGuard::kVolatile;
  const auto* row = find_transition(kRmTable, rm.state(), event, guard);
  if (row == nullptr) return false;
  enter(rm, row->to);
  return true;
}

EnlistmentGuard Protocol::guard_of(const EnlistmentObject& enlistment,
                                   EnlistmentEvent event) const {
  using Guard = EnlistmentGuard;
  const TransactionObject& transaction = *enlistment.transaction;
  const bool revocable = can_roll_back(transaction.state());
  switch (event) {
    case EnlistmentEvent::kPrePrepareComplete:
    case EnlistmentEvent::kTellCommit:
      return enlistment.wants(NotificationKind::kCommit) ? Guard::kWantsCommit : Guard::kNoCommit;
    case EnlistmentEvent::kReject:
      return (enlistment.accepted & accepted_bit(EnlistmentEvent::kPrePrepareComplete)) != 0
                 ? Guard::kPrePreparedOnce
                 : Guard::kNeverAsked;
    case EnlistmentEvent::kRecover:
      switch (transaction.outcome()) {
        case Outcome::kCommitted:
          return Guard::kCommitted;
        case Outcome::kAborted:
          return Guard::kAborted;
        case Outcome::kUndetermined:
        case Outcome::kUnknown:
          return Guard::kUndecided;
      }
      break;
    case EnlistmentEvent::kReadOnly:
    case EnlistmentEvent::kRollback:
    case EnlistmentEvent::kRelease:
      return revocable ? Guard::kRevocable : Guard::kIrrevocable;
    case EnlistmentEvent::kDisconnect:
      if (enlistment.is_logged() && transaction.outcome() != Outcome::kAborted &&
          (is_promised(enlistment.state()) || !revocable)) {
        return Guard::kKeep;
      }
      return revocable ? Guard::kRevoke : Guard::kDrop;
    case EnlistmentEvent::kAskPrePrepare:
    case EnlistmentEvent::kAskPrepare:
    case EnlistmentEvent::kAskSinglePhase:
    case EnlistmentEvent::kTellRollback:
    case EnlistmentEvent::kTellDisconnected:
    case EnlistmentEvent::kPrepareComplete:
    case EnlistmentEvent::kCommitComplete:
    case EnlistmentEvent::kRollbackComplete:
    case EnlistmentEvent::kReoffer:
      break;
  }
  return Guard::kAlways;
}

void Protocol::enter(TransactionObject& transaction, TransactionState state) {
  transaction.state_ = state;
  switch (state) {  // what holds in each state, and what begins or ends with it
    case TransactionState::kActive:
    case TransactionState::kPrePreparing:
    case TransactionState::kPrePrepared:
    case TransactionState::kPreparing:
    case TransactionState::kRecovering:
      require(transaction.outcome_ == Outcome::kUndetermined, "an outcome is never taken back");
      break;
    case TransactionState::kPrepared:
      require(transaction.awaited == 0, "a vote is missing");
      break;
    case TransactionState::kCommitting:
    case TransactionState::kDelegated:
      require(transaction.outcome_ == Outcome::kUndetermined, "an outcome is never taken back");
      set_deadline(transaction, std::nullopt);
      break;
    case TransactionState::kCommitted:
      require(transaction.outcome_ == Outcome::kUndetermined, "an outcome is never taken back");
      set_deadline(transaction, std::nullopt);
      transaction.outcome_ = Outcome::kCommitted;
      if (transaction.clock == 0) transaction.clock = ++clock_;
      break;
    case TransactionState::kAborted:
      require(transaction.outcome_ == Outcome::kUndetermined, "an outcome is never taken back");
      require(!transaction.reason.is_ok(), "a rollback has a reason");
      set_deadline(transaction, std::nullopt);
      transaction.outcome_ = Outcome::kAborted;
      transaction.awaited = 0;
      transaction.awaits_room = false;
      transaction.room.release();
      break;
    case TransactionState::kInDoubt:
      require(transaction.outcome_ == Outcome::kUndetermined, "an outcome is never taken back");
      transaction.outcome_ = Outcome::kUnknown;
      transaction.room.release();
      break;
    case TransactionState::kForgotten:
      require(transaction.outcome_ != Outcome::kUndetermined, "only the decided is forgotten");
      break;
  }
  transaction.changed.notify_all();
}

void Protocol::enter(EnlistmentObject& enlistment, EnlistmentState state) {
  require(!is_finished(enlistment.state_), "a finished enlistment stays finished");
  enlistment.state_ = state;
}

void Protocol::enter(ResourceManagerObject& rm, RmState state) {
  require(state == RmState::kOffline || rm.queue != nullptr, "online needs a session");
  rm.state_ = state;
}

void Protocol::act(const TransactionPtr& transaction, TransactionAction action) {
  switch (action) {
    case TransactionAction::kNone:
    case TransactionAction::kJoin:  // by the caller, who has what is to be added
      return;
    case TransactionAction::kAskPrePrepare:
      for (const EnlistmentPtr& enlistment : transaction->enlistments) {
        if (!enlistment->wants(NotificationKind::kPrePrepare)) continue;
        if (fire(enlistment, EnlistmentEvent::kAskPrePrepare)) ++transaction->awaited;
      }
      return;
    case TransactionAction::kReserve:
      if (transaction->logged_members == 0) return;
      if (phase_guard(*transaction) == TransactionGuard::kSinglePhase) return;
      transaction->awaits_room = true;
      work_.push_back({LogWork::Kind::kReserve, transaction});
      return;
    case TransactionAction::kAskPrepare:
      for (const EnlistmentPtr& enlistment : transaction->enlistments) {
        if (!enlistment->wants(NotificationKind::kPrepare)) continue;
        if (fire(enlistment, EnlistmentEvent::kAskPrepare)) ++transaction->awaited;
      }
      return;
    case TransactionAction::kDelegate:
      fire(single_phase_owner(*transaction), EnlistmentEvent::kAskSinglePhase);
      return;
    case TransactionAction::kWriteDecision:
      work_.push_back({LogWork::Kind::kDecide, transaction});
      return;
    case TransactionAction::kTellCommit:
      tell_all(transaction, EnlistmentEvent::kTellCommit);
      return;
    case TransactionAction::kTellRollback:
      tell_all(transaction, EnlistmentEvent::kTellRollback);
      return;
    case TransactionAction::kTellDisconnected:
      tell_all(transaction, EnlistmentEvent::kTellDisconnected);
      return;
    case TransactionAction::kStop:
      work_.push_back({LogWork::Kind::kStop, transaction});
      return;
    case TransactionAction::kForget:
      for (const EnlistmentPtr& enlistment : transaction->finalize) {
        send(*enlistment, NotificationKind::kCommitFinalize);
      }
      transaction->finalize.clear();
      if (transaction->pin.is_null()) return;
      if (transaction->copying) {
        transaction->forget_waits = true;
      } else {
        forget(transaction);
      }
      return;
  }
}

void Protocol::act(const EnlistmentPtr& enlistment, EnlistmentAction action) {
  const TransactionPtr& transaction = enlistment->transaction;
  switch (action) {
    case EnlistmentAction::kNone:
      return;
    case EnlistmentAction::kSendPrePrepare:
      return send(*enlistment, NotificationKind::kPrePrepare);
    case EnlistmentAction::kSendPrepare:
      return send(*enlistment, NotificationKind::kPrepare);
    case EnlistmentAction::kSendSinglePhase:
      return send(*enlistment, NotificationKind::kSinglePhaseCommit);
    case EnlistmentAction::kSendCommit:
      return send(*enlistment, NotificationKind::kCommit);
    case EnlistmentAction::kSendRollback:
      send(*enlistment, NotificationKind::kRollback);
      // Nobody is left to answer.
      if (enlistment->references == 0) fire(enlistment, EnlistmentEvent::kRelease);
      return;
    case EnlistmentAction::kSendRecover:
      return send(*enlistment, NotificationKind::kRecover);
    case EnlistmentAction::kSendInDoubt:
      return send(*enlistment, NotificationKind::kInDoubt);
    case EnlistmentAction::kSendDisconnected:
      send(*enlistment, NotificationKind::kRmDisconnected);
      return finish(enlistment);
    case EnlistmentAction::kVote:
      --transaction->awaited;
      return;
    case EnlistmentAction::kVoteAndFinish:
      --transaction->awaited;
      return finish(enlistment);
    case EnlistmentAction::kFinish:
      return finish(enlistment);
    case EnlistmentAction::kOwnerCommitted:
      finish(enlistment);
      fire(transaction, TransactionEvent::kOwnerCommitted);
      return;
    case EnlistmentAction::kOwnerAborted:
    case EnlistmentAction::kOwnerRollsBack:
      if (is_finished(enlistment->state())) finish(enlistment);
      transaction->reason = Status(StatusCode::kAlreadyAborted,
                                   name_of(*enlistment) + " decided alone, and rolled back");
      fire(transaction, TransactionEvent::kOwnerAborted);
      return;
    case EnlistmentAction::kOwnerRejected:
      enlistment->mask &= ~bit(NotificationKind::kSinglePhaseCommit);
      fire(transaction, TransactionEvent::kReject);
      return;
    case EnlistmentAction::kOwnerGone:
      finish(enlistment);
      transaction->reason =
          Status(StatusCode::kRmDisconnected,
                 name_of(*enlistment) + " was to decide alone, and vanished before it answered");
      fire(transaction, TransactionEvent::kOwnerGone);
      return;
    case EnlistmentAction::kLeaveAndAbort:
      finish(enlistment);
      return roll_back(transaction, Status(StatusCode::kRmDisconnected,
                                           name_of(*enlistment) + " went away before it promised"));
    case EnlistmentAction::kAbortTransaction:
      return roll_back(transaction,
                       Status(StatusCode::kAlreadyAborted, name_of(*enlistment) + " rolled back"));
  }
}

void Protocol::advance(const TransactionPtr& transaction) {
  for (;;) {
    switch (transaction->state()) {
      case TransactionState::kPrePreparing:
      case TransactionState::kPreparing:
        if (transaction->awaited > 0) return;
        fire(transaction, TransactionEvent::kAnswered);
        break;
      case TransactionState::kPrePrepared:
        if (transaction->awaits_room) return;
        fire(transaction, TransactionEvent::kGoOn, phase_guard(*transaction));
        break;
      case TransactionState::kPrepared:
        fire(transaction, TransactionEvent::kGoOn,
             transaction->logged_members > 0 ? TransactionGuard::kLogged
                                             : TransactionGuard::kUnlogged);
        break;
      case TransactionState::kCommitted:
      case TransactionState::kAborted:
        if (!transaction->enlistments.empty()) return;
        fire(transaction, TransactionEvent::kFinished);
        break;
      case TransactionState::kInDoubt:
        if (transaction->references > 0) return;
        fire(transaction, TransactionEvent::kRelease);
        break;
      case TransactionState::kForgotten:
        return drop(transaction);
      case TransactionState::kActive:
      case TransactionState::kCommitting:
      case TransactionState::kDelegated:
      case TransactionState::kRecovering:
        return;
    }
  }
}

void Protocol::tell_all(const TransactionPtr& transaction, EnlistmentEvent event) {
  // A copy: what is told may finish, and leaves the list.
  const std::vector<EnlistmentPtr> all(transaction->enlistments.begin(),
                                       transaction->enlistments.end());
  for (const EnlistmentPtr& enlistment : all) {
    if (!is_finished(enlistment->state())) fire(enlistment, event);
  }
}

EnlistmentPtr Protocol::single_phase_owner(const TransactionObject& transaction) const {
  EnlistmentPtr owner;
  for (const EnlistmentPtr& enlistment : transaction.enlistments) {
    if (enlistment->wants(NotificationKind::kPrepare)) {
      if (owner != nullptr) return nullptr;  // two votes
      owner = enlistment;
    } else if (enlistment->is_logged()) {
      return nullptr;  // only a decision record could tell it the outcome after a crash
    }
  }
  if (owner == nullptr || !owner->wants(NotificationKind::kSinglePhaseCommit)) return nullptr;
  if (transaction.state() == TransactionState::kActive) {
    // Others that flush in their PREPREPARE phase must have done so before the owner commits.
    for (const EnlistmentPtr& enlistment : transaction.enlistments) {
      if (enlistment != owner && enlistment->wants(NotificationKind::kPrePrepare)) return nullptr;
    }
  }
  return owner;
}

TransactionGuard Protocol::phase_guard(const TransactionObject& transaction) const {
  return single_phase_owner(transaction) != nullptr ? TransactionGuard::kSinglePhase
                                                    : TransactionGuard::kPhases;
}

void Protocol::send(EnlistmentObject& enlistment, NotificationKind kind) {
  NotificationQueue* queue = enlistment.resource_manager->queue.get();
  if (queue == nullptr) return;  // a COMMIT_FINALIZE for one that went away
  NotificationQueue::Entry entry;
  const bool is_outcome = kind == NotificationKind::kCommit ||
                          kind == NotificationKind::kRollback ||
                          kind == NotificationKind::kRmDisconnected;
  if (is_outcome && !enlistment.outcome_entry.empty()) {
    entry = std::move(enlistment.outcome_entry);
    enlistment.outcome_entry.clear();
  } else {
    entry.emplace_back();
  }
  const bool has_key = kind != NotificationKind::kRecover;
  entry.front() = {kind, has_key ? enlistment.key : 0, enlistment.id, enlistment.transaction->id,
                   clock_};
  queue->push(std::move(entry));
}

void Protocol::finish(const EnlistmentPtr& enlistment) {
  TransactionObject& transaction = *enlistment->transaction;
  ResourceManagerObject& rm = *enlistment->resource_manager;
  if (enlistment->is_logged()) {
    --transaction.logged_members;
    transaction.logged_bytes -= record_bytes(*enlistment);
  }
  if (enlistment->state() == EnlistmentState::kCommitted &&
      enlistment->wants(NotificationKind::kCommitFinalize)) {
    transaction.finalize.push_back(enlistment);
  }
  transaction.enlistments.erase(enlistment->place);
  rm.enlistments.erase(enlistment->id);
  drop_if_unused(rm);
}

void Protocol::drop(const TransactionPtr& transaction) {
  set_deadline(*transaction, std::nullopt);
  set_pin(*transaction, Lsn::null());
  transactions_.erase(transaction->id);
}

void Protocol::set_deadline(TransactionObject& transaction,
                            std::optional<std::chrono::nanoseconds> deadline) {
  if (transaction.deadline) deadlines_.erase({*transaction.deadline, transaction.id});
  transaction.deadline = deadline;
  if (deadline) deadlines_.emplace(*deadline, transaction.id);
}

void Protocol::set_pin(TransactionObject& transaction, Lsn pin) {
  if (!transaction.pin.is_null()) pins_.erase({transaction.pin, transaction.id});
  transaction.pin = pin;
  if (!pin.is_null()) pins_.emplace(pin, transaction.id);
}

std::vector<Uuid> Protocol::transaction_ids() const {
  std::vector<Uuid> ids;
  ids.reserve(transactions_.size());
  for (const auto& [id, transaction] : transactions_) ids.push_back(id);
  return ids;
}

std::vector<Uuid> Protocol::resource_manager_ids() const {
  std::vector<Uuid> ids;
  ids.reserve(resource_managers_.size());
  for (const auto& [id, rm] : resource_managers_) ids.push_back(id);
  return ids;
}

std::size_t Protocol::enlistment_count() const {
  std::size_t count = 0;
  for (const auto& [id, rm] : resource_managers_) count += rm->enlistments.size();
  return count;
}

std::vector<Uuid> Protocol::enlistment_ids() const {
  std::vector<Uuid> ids;
  for (const auto& [rm_id, rm] : resource_managers_) {
    for (const auto& [id, enlistment] : rm->enlistments) ids.push_back(id);
  }
  return ids;
}

}  // namespace cairn::tm
