#include "answering_managers.h"

#include <chrono>
#include <cstring>
#include <string>

namespace cairn::bench {

Uuid numbered_id(unsigned number) {
  Uuid id{};
  id.bytes[0] = 1;  // null is no identity
  std::memcpy(id.bytes.data() + 8, &number, sizeof number);
  return id;
}

Result<std::unique_ptr<AnsweringManagers>> AnsweringManagers::start(const tm::TmOptions& options,
                                                                    unsigned managers,
                                                                    Answer answer) {
  std::unique_ptr<AnsweringManagers> started(new AnsweringManagers);
  CAIRN_ASSIGN_OR_RETURN(started->manager_, tm::TransactionManager::open_or_create(options));
  const bool durable = options.log != nullptr;
  if (durable) CAIRN_RETURN_IF_ERROR(started->manager_.recover().status());
  const auto kind = durable ? tm::RmKind::kDurable : tm::RmKind::kVolatile;
  for (unsigned i = 0; i < managers; ++i) {
    CAIRN_ASSIGN_OR_RETURN(auto session,
                           started->manager_.open_or_create_resource_manager(numbered_id(i), kind));
    if (durable) {
      CAIRN_RETURN_IF_ERROR(session.recover());
      CAIRN_RETURN_IF_ERROR(session.get_notification().status());  // LAST_RECOVER
    }
    started->sessions_.push_back(std::move(session));
  }
  started->answer_ = std::move(answer);
  return started;
}

Result<tm::Transaction> AnsweringManagers::begin(Members& members, unsigned first) {
  CAIRN_ASSIGN_OR_RETURN(tm::Transaction transaction, manager_.create_transaction());
  for (tm::Enlistment& member : members) {
    const auto number = first + static_cast<unsigned>(&member - members.data());
    CAIRN_ASSIGN_OR_RETURN(member,
                           sessions_[number].enlist(transaction, tm::kTwoPhase,
                                                    reinterpret_cast<std::uintptr_t>(&member)));
  }
  return transaction;
}

Status AnsweringManagers::answer(unsigned first, unsigned count) {
  for (unsigned number = first; number < first + count; ++number) {
    for (;;) {
      CAIRN_ASSIGN_OR_RETURN(const auto next, sessions_[number].try_get_notification());
      if (!next) break;
      // Its owner may take the next transaction as soon as the last answer is given.
      const tm::Enlistment member = *reinterpret_cast<const tm::Enlistment*>(next->key);
      CAIRN_RETURN_IF_ERROR(answer_(number, next->kind, member));
    }
  }
  return {};
}

Status AnsweringManagers::wait(const tm::Transaction& transaction, tm::WaitFor wait) {
  constexpr std::chrono::seconds kLimit{20};
  Status ended = transaction.wait(wait, kLimit);
  if (ended.code() != StatusCode::kTimeout) return ended;
  CAIRN_ASSIGN_OR_RETURN(const auto information, transaction.information());
  return ended.with_context(
      std::string(tm::transaction_state_name(information.state)) +
      ", enlistments unfinished: " + std::to_string(information.enlistments.size()));
}

Status AnsweringManagers::answer_inline() {
  for (unsigned number = 0; number < count(); ++number) {
    CAIRN_ASSIGN_OR_RETURN(
        auto delivery, tm::Delivery::start_inline(
                           sessions_[number], [this, number](const Result<tm::Notification>& next) {
                             bring(number, next);
                           }));
    deliveries_.push_back(std::move(delivery));
  }
  return {};
}

void AnsweringManagers::bring(unsigned number, const Result<tm::Notification>& next) {
  if (!next) return;  // the session has ended
  tm::Enlistment member = *reinterpret_cast<const tm::Enlistment*>(next->key);
  // What is not answered ends the round, if that is still possible.
  if (!answer_(number, next->kind, member)) static_cast<void>(member.rollback());
}

Status AnsweringManagers::run_one(Members& members, unsigned first) {
  const auto managers = static_cast<unsigned>(members.size());
  CAIRN_ASSIGN_OR_RETURN(tm::Transaction transaction, begin(members, first));
  if (!deliveries_.empty()) return transaction.commit();
  CAIRN_RETURN_IF_ERROR(transaction.commit_async());
  CAIRN_RETURN_IF_ERROR(answer(first, managers));
  CAIRN_RETURN_IF_ERROR(wait(transaction, tm::WaitFor::kDecided));
  CAIRN_RETURN_IF_ERROR(answer(first, managers));
  return wait(transaction, tm::WaitFor::kCompleted);
}

Status AnsweringManagers::answer_at_once(unsigned /*number*/, tm::NotificationKind kind,
                                         const tm::Enlistment& member) {
  tm::Enlistment mine = member;
  if (kind == tm::NotificationKind::kPrepare) return mine.prepare_complete();
  if (kind == tm::NotificationKind::kCommit) return mine.commit_complete();
  return Status(StatusCode::kInvalidState,
                "asked for " + std::string(tm::notification_kind_name(kind)));
}

}  // namespace cairn::bench
