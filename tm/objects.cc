#include "objects.h"

namespace cairn::tm {

const std::shared_ptr<EnlistmentObject>& EnlistmentList::Iterator::operator*() const {
  return at_->links.self;
}

EnlistmentList::Iterator& EnlistmentList::Iterator::operator++() {
  at_ = at_->links.next;
  return *this;
}

void EnlistmentList::push_back(std::shared_ptr<EnlistmentObject> enlistment) {
  EnlistmentObject* const added = enlistment.get();
  added->links = {std::move(enlistment), last_, nullptr};
  (last_ == nullptr ? first_ : last_->links.next) = added;
  last_ = added;
  ++size_;
}

void EnlistmentList::erase(EnlistmentObject& enlistment) {
  EnlistmentLinks& links = enlistment.links;
  (links.previous == nullptr ? first_ : links.previous->links.next) = links.next;
  (links.next == nullptr ? last_ : links.next->links.previous) = links.previous;
  links.previous = links.next = nullptr;
  --size_;
  // A copy: the last one ends the enlistment, and with it what it is taken from.
  const std::shared_ptr<EnlistmentObject> last_reference = std::move(links.self);
}

void EnlistmentList::clear() {
  while (first_ != nullptr) erase(*first_);
}

void EnlistmentObject::queue_message(NotificationQueue& queue,
                                     const NotificationQueue::Message& message) {
  const bool is_outcome = message.kind == NotificationKind::kCommit ||
                          message.kind == NotificationKind::kRollback ||
                          message.kind == NotificationKind::kRmDisconnected;
  auto& entry = is_outcome ? outcome_entry : request_entry;
  if (queue.push(entry, message, shared_from_this())) return;
  // What it was told before it has answered, and has not read.
  queue.push({message.kind, message.key, id, transaction->id, message.clock, Uuid{}});
}

bool EnlistmentObject::is_logged() const {
  return !superior && resource_manager->kind == RmKind::kDurable &&
         wants(NotificationKind::kCommit);
}

}  // namespace cairn::tm
