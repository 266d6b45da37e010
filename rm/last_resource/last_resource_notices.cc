// What the manager tells the last resource, and what it decides. One thread, that waits for the
// database and for nothing else.
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "last_resource_core.h"

namespace cairn::rm {

using tm::NotificationKind;

namespace {

constexpr int kRoomPauseMs = 20;  // until an order that the full log refused is tried again

}  // namespace

void LastResourceManager::Impl::serve() {
  Status why;
  while (why && !stopping_) {
    why = hear_all();
    if (why) why = go_on();
    if (why) why = wait();
  }
  if (why) why = hear_all();  // what has been completed leaves no marker behind
  if (why) why = Status(StatusCode::kClosed, "the last resource was closed");
  end_session(std::move(why));
}

// What is not promised the manager rolls back. What is promised waits for the next opening, which
// looks for the marker.
void LastResourceManager::Impl::end_session(Status why) {
  std::map<std::uint64_t, PartPointer> parts;
  const std::lock_guard lock(mutex_);
  static_cast<void>(session_.disconnect(why));
  health_ = std::move(why);
  session_ = {};
  parts = std::exchange(parts_, {});
  for (auto& [key, part] : parts) part->is_open = false;
  left_.notify_all();
}

Status LastResourceManager::Impl::hear_all() {
  while (true) {
    CAIRN_ASSIGN_OR_RETURN(const auto next, session_.try_get_notification());
    if (!next) return Status::ok();
    CAIRN_RETURN_IF_ERROR(on_notification(*next));
  }
}

// With what had to wait for a client, or for room.
Status LastResourceManager::Impl::go_on() {
  std::vector<PartPointer> waiting;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [key, part] : parts_) {
      if (!part->in_use && (part->next || part->is_committed)) waiting.push_back(part);
    }
  }
  waits_for_room_ = false;
  for (const PartPointer& part : waiting) {
    if (part->is_committed) order_commit(*part);
    if (const auto kind = std::exchange(part->next, std::nullopt)) {
      CAIRN_RETURN_IF_ERROR(take(part, *kind));
    }
  }
  return Status::ok();
}

Status LastResourceManager::Impl::wait() {
  CAIRN_ASSIGN_OR_RETURN(const int session, session_.event_fd());
  pollfd all[] = {{session, POLLIN, 0}, {wake_fd_, POLLIN, 0}};
  if (::poll(all, 2, waits_for_room_ ? kRoomPauseMs : -1) < 0 && errno != EINTR &&
      errno != EAGAIN) {
    return Status(StatusCode::kIoError, "last resource: poll failed");
  }
  std::uint64_t count = 0;
  static_cast<void>(!::read(wake_fd_, &count, sizeof count));
  return Status::ok();
}

Status LastResourceManager::Impl::on_notification(const tm::Notification& notification) {
  switch (notification.kind) {
    case NotificationKind::kRecoverQuery:
    case NotificationKind::kRecover:
      return on_offered(notification);
    case NotificationKind::kLastRecover:
      last_recover_ = true;
      return Status::ok();
    case NotificationKind::kRequestOutcome:  // the decision is on its way
      return Status::ok();
    default:
      break;
  }
  PartPointer part;
  {
    const std::lock_guard lock(mutex_);
    const auto found = parts_.find(notification.key);
    if (found == parts_.end()) return Status::ok();  // of one that is rolled back already
    part = found->second;
    part->is_open = false;
    left_.notify_all();
    if (part->in_use) {
      part->next = notification.kind;
      if (notification.kind == NotificationKind::kRollback) part->branch->cancel();
      return Status::ok();
    }
  }
  return take(part, notification.kind);
}

// The marker decides.
Status LastResourceManager::Impl::on_offered(const tm::Notification& notification) {
  const auto part = std::make_shared<Part>();
  CAIRN_ASSIGN_OR_RETURN(part->enlistment, session_.open_enlistment(notification.enlistment));
  part->transaction = notification.transaction;
  part->marker = marker_of(notification.transaction, notification.enlistment);
  {
    const std::lock_guard lock(mutex_);
    part->key = next_key_++;
    parts_.emplace(part->key, part);
  }
  CAIRN_RETURN_IF_ERROR(part->enlistment.recover(part->key));
  if (notification.kind == NotificationKind::kRecover) return Status::ok();  // ordered before
  if (std::string found = found_marker(part->marker); !found.empty()) {
    part->marker = std::move(found);
    recovery_.committed.push_back(part->transaction);
    part->is_committed = true;
    order_commit(*part);
    return Status::ok();
  }
  recovery_.aborted.push_back(part->transaction);
  static_cast<void>(part->enlistment.superior_rollback());
  return Status::ok();
}

Status LastResourceManager::Impl::take(const PartPointer& part, NotificationKind kind) {
  switch (kind) {
    case NotificationKind::kCommitRequest:
      prepare(*part);
      return Status::ok();
    case NotificationKind::kPrepareComplete:
      return decide(part);
    case NotificationKind::kCommitComplete:
      // Its decision is durable: nobody asks for the marker any more. That of a former identity
      // may be of a manager that is still there, of which this one is a copy.
      if (part->marker.starts_with(prefix_)) obsolete_.push_back(part->marker);
      forget(*part);
      return Status::ok();
    case NotificationKind::kRollback:
      part->branch.reset();
      return Status::ok();
    case NotificationKind::kRollbackComplete:
      part->branch.reset();
      forget(*part);
      return Status::ok();
    default:
      return Status(StatusCode::kNotRequested,
                    "last resource: expected no notification but those "
                    "it asked for, found " +
                        std::string(notification_kind_name(kind)));
  }
}

// A verb that is refused comes too late: the transaction was rolled back, and that is on its way.
void LastResourceManager::Impl::prepare(Part& part) {
  const Status failure = part.failure ? part.branch->failure() : part.failure;
  if (failure) {
    static_cast<void>(part.enlistment.superior_prepare());
  } else {
    part.branch.reset();
    static_cast<void>(part.enlistment.rollback(failure));
  }
}

// All others have promised: from here on only this one decides, and its commit is the decision.
Status LastResourceManager::Impl::decide(const PartPointer& part) {
  Status why;
  LastCommit done = part->branch->commit(part->marker, obsolete_, why);
  if (done == LastCommit::kUnknown) {
    // Its end is waited for, and the marker is looked for: what is not there then never comes.
    part->branch.reset();
    const auto found = resource_->markers(part->marker);
    if (!found)
      return found.status().with_context("whether it committed is not known: " + why.message());
    done = found->empty() ? LastCommit::kRolledBack : LastCommit::kCommitted;
  }
  part->branch.reset();
  if (done == LastCommit::kRolledBack) {
    static_cast<void>(part->enlistment.rollback(why));
    return Status::ok();
  }
  obsolete_.clear();
  part->is_committed = true;
  order_commit(*part);
  return Status::ok();
}

// Refused by a full log, it is tried again. Any other refusal says that the session has ended.
void LastResourceManager::Impl::order_commit(Part& part) {
  const Status ordered = part.enlistment.superior_commit();
  part.is_committed = ordered.code() == StatusCode::kLogFull;
  waits_for_room_ = waits_for_room_ || part.is_committed;
}

// What is not offered is done with. Others' markers are theirs to clear.
void LastResourceManager::Impl::clear_unoffered() {
  const std::lock_guard lock(mutex_);
  for (const auto& [key, part] : parts_) found_.erase(part->marker);
  for (const std::string& marker : found_) {
    if (marker.starts_with(prefix_)) obsolete_.push_back(marker);
  }
  found_.clear();
}

void LastResourceManager::Impl::forget(const Part& part) {
  const std::lock_guard lock(mutex_);
  parts_.erase(part.key);
}

}  // namespace cairn::rm
