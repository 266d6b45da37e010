#include <cstring>
#include <utility>

#include <cairn/torture/test_rm.h>

namespace cairn::torture {

namespace {

constexpr char kStream[] = "rm";

struct Payload {
  Uuid transaction;
  Uuid tm;
};

// The same after every restart: its directory.
Uuid id_of(const std::string& directory) {
  Uuid id;
  std::memcpy(id.bytes.data(), directory.data(), std::min(directory.size(), id.bytes.size()));
  return id;
}

}  // namespace

Result<std::unique_ptr<TestRm>> TestRm::open(std::shared_ptr<log::Storage> storage,
                                             const std::string& directory, const LogModel& known) {
  CAIRN_ASSIGN_OR_RETURN(
      std::unique_ptr<log::Log> log,
      log::Log::open_or_create(directory, small_log(), manual_options(std::move(storage))));
  CAIRN_ASSIGN_OR_RETURN(const LogContents contents, read_contents(*log));
  const std::string violation = known.created ? known.violation(contents) : std::string();
  auto modelled = std::make_unique<ModelledLog>(std::move(log), known.after_recovery(contents));
  if (!contents.streams.contains(kStream)) {
    CAIRN_RETURN_IF_ERROR(modelled->create_stream(kStream));
  }
  auto rm = std::unique_ptr<TestRm>(new TestRm(std::move(modelled), id_of(directory)));
  rm->violation_ = violation;
  rm->replay(contents);
  return rm;
}

void TestRm::replay(const LogContents& contents) {
  const auto stream = contents.streams.find(kStream);
  if (stream == contents.streams.end()) return;
  for (const SeenRecord& record : stream->second.records) {
    Payload payload;
    std::memcpy(&payload, record.payload.data(), sizeof payload);
    switch (static_cast<RecordType>(record.type)) {
      case kPrepared:
        prepared_[payload.transaction] = payload.tm;
        break;
      case kCommitted:
        prepared_.erase(payload.transaction);
        committed_.insert(payload.transaction);
        break;
      case kAborted:
        prepared_.erase(payload.transaction);
        break;
    }
  }
}

Status TestRm::write(RecordType type, const Uuid& transaction, log::Durability durability) {
  const Payload payload{transaction, tm_id_};
  Bytes bytes(sizeof payload);
  std::memcpy(bytes.data(), &payload, sizeof payload);
  log::AppendOptions options;
  options.type = type;
  options.durability = durability;
  return log_->append(kStream, std::move(bytes), options);
}

Status TestRm::connect(tm::TransactionManager& tm) {
  tm_id_ = tm.id();
  CAIRN_ASSIGN_OR_RETURN(session_, tm.open_or_create_resource_manager(id_, tm::RmKind::kDurable));
  return session_.recover();
}

Status TestRm::answer_inline() {
  CAIRN_ASSIGN_OR_RETURN(
      delivery_, tm::Delivery::start_inline(session_, [this](const Result<tm::Notification>& next) {
        if (!next) return;  // the session has ended
        const Status answered = answer(*next);
        if (!answered && failure_) failure_ = answered;
      }));
  return failure_;
}

void TestRm::disconnect() {
  delivery_.stop();
  enlistments_.clear();
  offered_.clear();
  refused_.clear();
  session_ = tm::ResourceManager();
}

Status TestRm::enlist(const tm::Transaction& transaction) {
  CAIRN_ASSIGN_OR_RETURN(enlistments_[transaction.id()],
                         session_.enlist(transaction, tm::kTwoPhase, 1));
  return {};
}

Result<bool> TestRm::answer_all() {
  for (bool any = false;; any = true) {
    CAIRN_ASSIGN_OR_RETURN(const auto notification, session_.try_get_notification());
    if (!notification) return any;
    CAIRN_RETURN_IF_ERROR(answer(*notification));
  }
}

Status TestRm::answer(const tm::Notification& notification) {
  const Uuid transaction = notification.transaction;
  if (notification.kind == tm::NotificationKind::kLastRecover) {
    return roll_back_what_was_not_offered();
  }
  tm::Enlistment& enlistment = enlistments_[transaction];
  if (notification.kind == tm::NotificationKind::kRecover) {
    offered_.insert(transaction);
    CAIRN_ASSIGN_OR_RETURN(enlistment, session_.open_enlistment(notification.enlistment));
    return enlistment.recover(1);
  }
  if (notification.kind == tm::NotificationKind::kPrepare) return prepare(transaction, enlistment);
  if (notification.kind == tm::NotificationKind::kCommit) {
    CAIRN_RETURN_IF_ERROR(commit(transaction));
    return enlistment.commit_complete();
  }
  if (notification.kind == tm::NotificationKind::kRollback) {
    CAIRN_RETURN_IF_ERROR(roll_back(transaction));
    return enlistment.rollback_complete();
  }
  return Status(StatusCode::kInvalidState, "not expected: " + notification.to_string());
}

Status TestRm::prepare(const Uuid& transaction, tm::Enlistment& enlistment) {
  if (refused_.contains(transaction)) return enlistment.rollback();
  CAIRN_RETURN_IF_ERROR(write(kPrepared, transaction, log::Durability::kDurable));
  prepared_[transaction] = tm_id_;
  const Status voted = enlistment.prepare_complete();
  // Another one has refused meanwhile, and ROLLBACK follows.
  return voted.code() == StatusCode::kNotRequested ? Status::ok() : voted;
}

Status TestRm::commit(const Uuid& transaction) {
  if (committed_.contains(transaction)) return {};
  CAIRN_RETURN_IF_ERROR(write(kCommitted, transaction, log::Durability::kDurable));
  prepared_.erase(transaction);
  committed_.insert(transaction);
  return {};
}

Status TestRm::roll_back(const Uuid& transaction) {
  if (prepared_.erase(transaction) == 0) return {};
  return write(kAborted, transaction, log::Durability::kNone);
}

Status TestRm::roll_back_what_was_not_offered() {
  const std::map<Uuid, Uuid> prepared = prepared_;
  for (const auto& [transaction, tm] : prepared) {
    if (tm != tm_id_ || offered_.contains(transaction)) continue;
    CAIRN_RETURN_IF_ERROR(roll_back(transaction));
  }
  return {};
}

}  // namespace cairn::torture
