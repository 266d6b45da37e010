#include <utility>

#include <cairn/resource_manager.h>

#include "references.h"
#include "registry.h"

namespace cairn::tm {

ResourceManager::ResourceManager(std::shared_ptr<ResourceManagerReference> reference)
    : reference_(std::move(reference)) {}

Uuid ResourceManager::id() const { return reference_ ? reference_->object->id : Uuid{}; }

Status ResourceManager::recover() {
  if (!reference_) return refers_to_nothing("resource manager");
  return reference_->core->recover_resource_manager(reference_->object, reference_->session);
}

Result<Notification> ResourceManager::get_notification(
    std::optional<std::chrono::nanoseconds> limit) {
  if (!reference_) return refers_to_nothing("resource manager");
  // A copy: this object may be assigned by whoever ends the wait.
  const std::shared_ptr<NotificationQueue> queue = reference_->queue;
  return queue->pop(limit);
}

Result<Notification> ResourceManager::get_notification(
    const std::function<bool(const Notification&)>& fits,
    std::optional<std::chrono::nanoseconds> limit) {
  if (!reference_) return refers_to_nothing("resource manager");
  const std::shared_ptr<NotificationQueue> queue = reference_->queue;
  return queue->pop_if(fits, limit);
}

Result<std::optional<Notification>> ResourceManager::try_get_notification() {
  if (!reference_) return refers_to_nothing("resource manager");
  return reference_->queue->try_pop();
}

Result<int> ResourceManager::event_fd() {
  if (!reference_) return refers_to_nothing("resource manager");
  return reference_->queue->event_fd();
}

Status ResourceManager::hardened() {
  if (!reference_) return refers_to_nothing("resource manager");
  return reference_->core->on_session(*reference_->object, reference_->session,
                                      [this](Protocol& protocol) {
                                        protocol.harden(*reference_->object);
                                        return Status::ok();
                                      });
}

Status ResourceManager::watch_managers() {
  if (!reference_) return refers_to_nothing("resource manager");
  return reference_->core->on_session(*reference_->object, reference_->session, [this](Protocol&) {
    Registry::get().watch(reference_->core->id(), reference_->queue);
    return Status::ok();
  });
}

Result<Enlistment> ResourceManager::enlist(const Transaction& transaction, NotificationMask mask,
                                           std::uint64_t key, const EnlistmentOptions& options) {
  if (!reference_) return refers_to_nothing("resource manager");
  if (!transaction.reference_)
    return Status(StatusCode::kInvalidArgument, "enlist: the transaction refers to nothing");
  if (transaction.reference_->core != reference_->core) {
    return Status(StatusCode::kInvalidArgument, "transaction " + transaction.id().to_string() +
                                                    " belongs to another transaction manager");
  }
  const ResourceManagerObject& rm = *reference_->object;
  if (options.superior && reference_->core->is_durable() && rm.kind == RmKind::kVolatile) {
    return Status(StatusCode::kTmVolatile,
                  "resource manager " + rm.id.to_string() +
                      " is volatile: after a crash it could not say what it decided");
  }
  const TransactionPtr& object = transaction.reference_->object;
  TmCore& core = *reference_->core;
  EnlistmentPtr made;
  if (options.superior) {
    if (options.votes_last) {
      return Status(StatusCode::kInvalidArgument, "votes_last: a superior does not vote");
    }
    CAIRN_ASSIGN_OR_RETURN(made, core.on_session(*reference_->object, reference_->session,
                                                 [&](Protocol& protocol) -> Result<EnlistmentPtr> {
                                                   auto enlisted = protocol.enlist_superior(
                                                       reference_->object, object, mask, key);
                                                   if (enlisted) (*enlisted)->references = 1;
                                                   return enlisted;
                                                 }));
  } else {
    CAIRN_ASSIGN_OR_RETURN(made,
                           core.unlocked().make_enlistment(reference_->object, object, mask, key));
    if (options.votes_last) CAIRN_RETURN_IF_ERROR(Protocol::hold_back(*made));
    made->references = 1;
    CAIRN_RETURN_IF_ERROR(
        core.on_session(*reference_->object, reference_->session,
                        [&](Protocol& protocol) { return protocol.enlist(made); }));
  }
  return Enlistment(std::make_shared<EnlistmentReference>(reference_->core, std::move(made),
                                                          reference_->session));
}

Result<Enlistment> ResourceManager::open_enlistment(const Uuid& enlistment) {
  if (!reference_) return refers_to_nothing("resource manager");
  CAIRN_ASSIGN_OR_RETURN(
      EnlistmentPtr object,
      reference_->core->on_session(
          *reference_->object, reference_->session,
          [&](Protocol& protocol) -> Result<EnlistmentPtr> {
            EnlistmentPtr found = protocol.find_enlistment(*reference_->object, enlistment);
            if (found == nullptr) {
              return Status(StatusCode::kNotFound,
                            "resource manager " + reference_->object->id.to_string() +
                                " has no unfinished enlistment " + enlistment.to_string());
            }
            ++found->references;
            return found;
          }));
  return Enlistment(std::make_shared<EnlistmentReference>(reference_->core, std::move(object),
                                                          reference_->session));
}

Status ResourceManager::disconnect(const Status& why) {
  if (!reference_) return refers_to_nothing("resource manager");
  if (why.is_ok()) {
    return Status(StatusCode::kInvalidArgument, "disconnect: expected an error, found OK");
  }
  return reference_->core->on_session(
      *reference_->object, reference_->session, [&](Protocol& protocol) {
        protocol.end_session(
            reference_->object,
            Status(StatusCode::kFenced, "the session has ended: " + why.to_string()), why);
        return Status::ok();
      });
}

Result<std::vector<Uuid>> ResourceManager::enlistments() const {
  if (!reference_) return refers_to_nothing("resource manager");
  return reference_->core->ask(
      [this](const Protocol& protocol) { return protocol.enlistment_ids(*reference_->object); });
}

Result<RmInformation> ResourceManager::information() const {
  if (!reference_) return refers_to_nothing("resource manager");
  return reference_->core->ask([this](const Protocol&) {
    const ResourceManagerObject& object = *reference_->object;
    RmInformation information;
    information.id = object.id;
    information.description = object.description;
    information.kind = object.kind;
    information.state = object.state();
    information.session = object.session;
    information.enlistments = object.enlistments.size() + object.dormant;
    information.notifications = reference_->queue->size();
    return information;
  });
}

}  // namespace cairn::tm
