// Protocol, dormant transactions: what recovery found, until somebody touches it.
#include <string>

#include "protocol.h"
#include "protocol_parts.h"

namespace cairn::tm {
namespace {

using recovery::PackedTransactions;

// What an enlistment rebuilt from the log is taken to have asked for (KTM's value).
constexpr NotificationMask kRebuiltMask = NotificationKind::kPrepare | NotificationKind::kCommit |
                                          NotificationKind::kRollback | NotificationKind::kInDoubt;

bool is_decided(recovery::RecordType type) {
  return type == recovery::RecordType::kDecision || type == recovery::RecordType::kAmended;
}

TransactionGuard found_guard(recovery::RecordType type) {
  if (is_decided(type)) return TransactionGuard::kFree;
  return type == recovery::RecordType::kRollback ? TransactionGuard::kByHand
                                                 : TransactionGuard::kPromised;
}

// Payload bytes of what is yet to be written of one: a decision if it is promised, and a forget.
std::uint64_t room_bytes(bool promised, std::size_t record) {
  return (promised ? record : 0) + recovery::kForgetBytes;
}

}  // namespace

void Protocol::rebuild(recovery::PackedState& state) {
  require(transactions_.empty() && resource_managers_.empty(), "recovery comes first");
  raise_clock(state.clock);
  dormant_ = std::move(state.transactions);
  link_dormant();
  // What administrators did may have consequences at once.
  for (std::uint32_t row = 0; row < dormant_.end(); ++row) {
    if (dormant_.is_here(row) && dormant_.has_acts(row)) wake(row);
  }
}

// Gives each resource manager a list of its enlistments, in the order of the log.
void Protocol::link_dormant() {
  ResourceManagerObject* rm = nullptr;
  for (std::uint32_t row = dormant_.end(); row-- > 0;) {
    dormant_bytes_ += dormant_.payload(row).size() + kPinFraming;
    for (std::uint32_t at = dormant_.members_end(row); at-- > dormant_.members_begin(row);) {
      const Uuid id = dormant_.member(at).resource_manager();
      if (rm == nullptr || rm->id != id) rm = rebuilt_resource_manager(id).get();
      dormant_.set_link(at, std::exchange(rm->first_dormant, at));
      ++rm->dormant;
    }
  }
}

ResourceManagerPtr Protocol::rebuilt_resource_manager(const Uuid& id) {
  if (ResourceManagerPtr known = resource_managers_.find(id)) return known;
  auto rm = std::make_shared<ResourceManagerObject>(id, RmKind::kDurable);
  resource_managers_.insert(rm);
  return rm;
}

TransactionPtr Protocol::wake(std::uint32_t row) {
  const auto record = std::make_shared<const recovery::TransactionRecord>(dormant_.record(row));
  const Lsn lsn = dormant_.lsn(row);
  auto transaction =
      std::make_shared<TransactionObject>(record->transaction, TransactionState::kRecovering);
  transactions_.insert(transaction);
  transaction->description = record->description;
  if (is_decided(record->type)) transaction->clock = record->clock;
  transaction->record = record;
  transaction->record_lsn = lsn;
  transaction->carried_forward = !record->original.is_null();
  take_members(transaction, *record);
  take_room_of(*transaction, row);
  dormant_bytes_ -= dormant_.payload(row).size() + kPinFraming;
  dormant_.erase(row);
  if (dormant_.size() == 0) dormant_room_.release();  // less than a record's rounding is left
  set_pin(*transaction, lsn);
  take_acts(transaction, *record);
  fire(transaction, TransactionEvent::kFound, found_guard(record->type));
  advance(transaction);
  // What happened to its resource managers while it was dormant.
  for (const EnlistmentPtr& enlistment : transaction->enlistments) {
    if (enlistment->resource_manager->was_away) fire(enlistment, EnlistmentEvent::kDisconnect);
  }
  if (const EnlistmentPtr superior = transaction->superior) {
    if (superior->resource_manager->was_away) fire(superior, SuperiorEvent::kDisconnect);
  }
  return transaction;
}

void Protocol::take_members(const TransactionPtr& transaction,
                            const recovery::TransactionRecord& record) {
  for (const recovery::EnlistmentRecord& member : record.enlistments) {
    const ResourceManagerPtr rm = resource_managers_.find(member.resource_manager);
    --rm->dormant;
    const EnlistmentPtr enlistment = add_enlistment(rm, transaction, member.enlistment,
                                                    kRebuiltMask, EnlistmentState::kRecovering);
    set_recovery_information(*enlistment, member.recovery_information);
  }
  if (!record.superior) return;
  const ResourceManagerPtr rm = resource_managers_.find(record.superior->resource_manager);
  --rm->dormant;
  const EnlistmentPtr superior = add_superior(rm, transaction, record.superior->enlistment,
                                              kSuperior, EnlistmentState::kRecovering);
  superior->recovery_information = record.superior->recovery_information;
}

void Protocol::take_acts(const TransactionPtr& transaction,
                         const recovery::TransactionRecord& record) {
  for (const recovery::Act& act : record.acts) {
    give_up(transaction, act);
    if (!act.enlistment.is_null()) continue;
    transaction->resolved = true;
    transaction->reason = Status(
        is_decided(record.type) ? StatusCode::kAlreadyCommitted : StatusCode::kAlreadyAborted,
        "resolved by " + act.who + ": " + act.why);
  }
}

// --- room in the log ---

bool Protocol::lacks_room(std::uint32_t row, bool promised) const {
  const bool is_promised = dormant_.type(row) == recovery::RecordType::kPrepare;
  return dormant_.is_here(row) && !dormant_.is_marked(row) && is_promised == promised;
}

Protocol::RoomNeeded Protocol::room_needed(bool promised) const {
  RoomNeeded needed;
  for (std::uint32_t row = 0; row < dormant_.end(); ++row) {
    if (!lacks_room(row, promised)) continue;
    needed.records += promised ? 2 : 1;
    needed.bytes += room_bytes(promised, dormant_.payload(row).size());
  }
  return needed;
}

void Protocol::give_room(bool promised, log::Reservation room) {
  dormant_room_.merge(std::move(room));
  for (std::uint32_t row = 0; row < dormant_.end(); ++row) {
    if (lacks_room(row, promised)) dormant_.mark(row);
  }
}

void Protocol::take_room_of(TransactionObject& transaction, std::uint32_t row) {
  const bool promised = dormant_.type(row) == recovery::RecordType::kPrepare;
  const std::size_t bytes = dormant_.payload(row).size();
  if (!dormant_.is_marked(row)) {
    transaction.lacks_room = promised;
    return;
  }
  const std::uint64_t records = promised ? 2 : 1;
  Result<log::Reservation> room = dormant_room_.split(
      records, log::Reservation::reserved_bytes_of(records, room_bytes(promised, bytes)));
  if (!room) return;  // given back: the manager is closed
  transaction.room = std::move(*room);
  transaction.room_for_record = bytes;
}

// --- finding ---

TransactionPtr Protocol::find_transaction(const Uuid& id) {
  if (const TransactionPtr& awake = transactions_.find(id)) return awake;
  const std::uint32_t row = dormant_.find(id);
  return row == PackedTransactions::kNone ? nullptr : wake(row);
}

EnlistmentPtr Protocol::find_enlistment(ResourceManagerObject& rm, const Uuid& id) {
  if (const EnlistmentPtr& awake = rm.enlistments.find(id)) return awake;
  if (rm.dormant == 0) return nullptr;
  const std::uint32_t at = dormant_.find_member(id);
  if (at == PackedTransactions::kNone || dormant_.member(at).resource_manager() != rm.id) {
    return nullptr;
  }
  wake(dormant_.transaction_of(at));
  return rm.enlistments.find(id);
}

std::vector<Uuid> Protocol::transaction_ids() const {
  std::vector<Uuid> ids = transactions_.ids();
  ids.reserve(transaction_count());
  for (std::uint32_t row = 0; row < dormant_.end(); ++row) {
    if (dormant_.is_here(row)) ids.push_back(dormant_.id(row));
  }
  return ids;
}

std::vector<Uuid> Protocol::enlistment_ids(const ResourceManagerObject& rm) const {
  std::vector<Uuid> ids = rm.enlistments.ids();
  if (rm.dormant == 0) return ids;
  ids.reserve(ids.size() + rm.dormant);
  for (std::uint32_t at = rm.first_dormant; at != PackedTransactions::kNone;
       at = dormant_.link(at)) {
    if (dormant_.is_here(dormant_.transaction_of(at))) {
      ids.push_back(dormant_.member(at).enlistment());
    }
  }
  return ids;
}

std::vector<Uuid> Protocol::enlistment_ids() const {
  std::vector<Uuid> ids;
  ids.reserve(enlistment_count());
  resource_managers_.for_each([&](const ResourceManagerPtr& rm) {
    for (const Uuid& id : enlistment_ids(*rm)) ids.push_back(id);
  });
  return ids;
}

}  // namespace cairn::tm
