#include "xa_face.h"

#include <charconv>
#include <chrono>
#include <optional>
#include <string_view>
#include <utility>

#include "xa_name.h"

namespace cairn::rm {
namespace {

using tm::NotificationKind;
using tm::Outcome;
using State = FaceBranch::State;

// The same in every manager: it has one face.
constexpr std::string_view kFaceId = "5c0f9d52-6a8e-4f1b-9d0c-7861736661ce";
constexpr tm::NotificationMask kFaceMask =
    tm::kSuperior & ~tm::bit(NotificationKind::kCommitRequest);

// Why it was rolled back.
int rollback_code(const tm::Transaction& transaction) {
  const Result<tm::TransactionInformation> information = transaction.information();
  if (!information) return XA_RBROLLBACK;
  const StatusCode why = information->abort_reason.code();
  if (why == StatusCode::kTimeout) return XA_RBTIMEOUT;
  return why == StatusCode::kLogFull ? XA_RBTRANSIENT : XA_RBROLLBACK;
}

// What is open in this process.
struct Faces {
  std::mutex mutex;
  std::map<Uuid, std::weak_ptr<XaFace>> by_manager;
  std::map<std::string, std::weak_ptr<XaFace>> by_log;  // path, zero, stream
};
Faces& faces() {
  static Faces all;
  return all;
}

template <typename Map, typename Key>
std::shared_ptr<XaFace> living(const Map& map, const Key& key) {
  const auto found = map.find(key);
  if (found == map.end()) return nullptr;
  std::shared_ptr<XaFace> face = found->second.lock();
  return face && !face->is_lost() ? face : nullptr;
}

}  // namespace

Result<XaFaceOptions> parse_xa_info(const char* info) {
  const auto invalid = [](const std::string& what) {
    return Status(StatusCode::kInvalidArgument, "string of xa_open: " + what);
  };
  if (info == nullptr) return invalid("expected one, found none");
  XaFaceOptions options;
  for (std::string_view rest(info); !rest.empty();) {
    const std::string_view part = rest.substr(0, rest.find(';'));
    rest.remove_prefix(std::min(part.size() + 1, rest.size()));
    const std::size_t equals = part.find('=');
    const std::string_view name = part.substr(0, equals);
    const std::string_view value =
        equals == std::string_view::npos ? std::string_view() : part.substr(equals + 1);
    if (name == "manager") {
      const std::optional<Uuid> id = Uuid::parse(value);
      if (!id || id->is_null()) return invalid("expected a GUID, found " + std::string(value));
      options.manager = *id;
    } else if (name == "log") {
      options.log = value;
    } else if (name == "stream") {
      options.stream = value;
    } else if (name == "timeout" || name == "patience") {
      std::uint32_t number = 0;
      const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
      if (error != std::errc() || end != value.data() + value.size()) {
        return invalid("expected a number, found " + std::string(part));
      }
      if (name == "timeout") options.timeout = std::chrono::seconds(number);
      if (name == "patience") options.patience = std::chrono::milliseconds(number);
    } else {
      return invalid("expected manager, log, stream, timeout or patience, found " +
                     std::string(part));
    }
  }
  if (options.manager.is_null() == options.log.empty()) {
    return invalid("expected either manager=GUID or log=PATH");
  }
  return options;
}

// ---- Start and end

Result<std::shared_ptr<XaFace>> XaFace::get(const XaFaceOptions& options) {
  Faces& all = faces();
  const std::lock_guard lock(all.mutex);
  const std::string log_key = options.log + '\0' + options.stream;
  if (!options.log.empty()) {
    if (auto face = living(all.by_log, log_key)) return face;
  }
  std::shared_ptr<log::Log> log;
  tm::TransactionManager manager;
  if (options.log.empty()) {
    if (auto face = living(all.by_manager, options.manager)) return face;
    CAIRN_ASSIGN_OR_RETURN(manager, tm::TransactionManager::open_by_id(options.manager));
  } else {
    CAIRN_ASSIGN_OR_RETURN(log, log::Log::open_or_create(options.log));
    tm::TmOptions tm_options;
    tm_options.log = log;
    tm_options.stream = options.stream;
    CAIRN_ASSIGN_OR_RETURN(manager, tm::TransactionManager::open_or_create(tm_options));
    CAIRN_RETURN_IF_ERROR(manager.recover().status());
  }
  const Uuid id = manager.id();
  std::shared_ptr<XaFace> face(new XaFace(std::move(log), std::move(manager)));
  CAIRN_RETURN_IF_ERROR(face->begin_session());
  all.by_manager[id] = face;
  if (!options.log.empty()) all.by_log[log_key] = face;
  return face;
}

XaFace::XaFace(std::shared_ptr<log::Log> log, tm::TransactionManager manager)
    : log_(std::move(log)), manager_(std::move(manager)) {}

XaFace::~XaFace() {
  static_cast<void>(session_.disconnect(Status(StatusCode::kClosed, "xa_close")));
  if (listener_.joinable()) listener_.join();
  branches_.clear();
  if (log_ == nullptr) return;
  static_cast<void>(manager_.close());  // costs a quick next recovery, nothing else
  static_cast<void>(log_->close());
}

Status XaFace::begin_session() {
  CAIRN_ASSIGN_OR_RETURN(session_, manager_.open_or_create_resource_manager(
                                       *Uuid::parse(kFaceId), tm::RmKind::kDurable, "xa"));
  CAIRN_RETURN_IF_ERROR(session_.recover());
  while (true) {
    CAIRN_ASSIGN_OR_RETURN(const tm::Notification next, session_.get_notification());
    if (next.kind == NotificationKind::kLastRecover) break;
    const bool is_offer =
        next.kind == NotificationKind::kRecover || next.kind == NotificationKind::kRecoverQuery;
    if (is_offer) CAIRN_RETURN_IF_ERROR(hear_recover(next));
    if (!is_offer) hear(next);
  }
  listener_ = std::thread(&XaFace::listen, this);
  return Status::ok();
}

Status XaFace::hear_recover(const tm::Notification& heard) {
  Result<tm::Enlistment> superior = session_.open_enlistment(heard.enlistment);
  if (superior.code() == StatusCode::kNotFound) return Status::ok();  // it ended meanwhile
  CAIRN_RETURN_IF_ERROR(superior.status());
  CAIRN_ASSIGN_OR_RETURN(const std::vector<std::byte> bytes, superior->recovery_information());
  Result<XID> xid = decode_xid(bytes);
  if (!xid) return xid.status().with_context("enlistment " + heard.enlistment.to_string());
  FaceBranchPtr branch;
  {
    const std::lock_guard lock(mutex_);
    branch = add(*xid);
  }
  branch->superior = *std::move(superior);
  // A unit of work that is in doubt is known, and one that is being committed may end just now.
  if (auto transaction = manager_.open_transaction(heard.transaction)) {
    branch->transaction = *std::move(transaction);
  }
  set_state(*branch,
            heard.kind == NotificationKind::kRecoverQuery ? State::kPrepared : State::kCommitting);
  return branch->superior.recover(branch->key);
}

// ---- Hearing the manager

void XaFace::listen() {
  while (const auto next = session_.get_notification()) hear(*next);
  {
    const std::lock_guard lock(mutex_);
    is_lost_ = true;
  }
  news_.notify_all();
}

void XaFace::hear(const tm::Notification& heard) {
  {
    const std::lock_guard lock(mutex_);
    const FaceBranchPtr branch = find_key(heard.key);
    if (!branch) return;
    if (heard.kind == NotificationKind::kPrepareComplete) branch->is_prepared = true;
    if (heard.kind == NotificationKind::kRollback) branch->is_rolled_back = true;
    if (heard.kind == NotificationKind::kRollbackComplete) {
      branch->is_rolled_back = true;
      branch->is_finished = true;
    }
    if (heard.kind == NotificationKind::kCommitComplete) {
      branch->is_finished = true;
      // Who ordered it and waits looks for itself.
      if (branch->state == State::kCommitting) branches_.erase(xid_key(branch->xid));
    }
  }
  news_.notify_all();
}

bool XaFace::is_lost() const {
  const std::lock_guard lock(mutex_);
  return is_lost_;
}

// False: the session has ended.
template <typename Condition>
bool XaFace::wait(const Condition& condition) const {
  std::unique_lock lock(mutex_);
  news_.wait(lock, [&] { return is_lost_ || condition(); });
  return condition();
}

// What is decided is durable; a resource manager that is away is not waited for without end.
bool XaFace::wait_finished(const FaceBranch& branch, std::chrono::milliseconds patience) const {
  std::unique_lock lock(mutex_);
  news_.wait_for(lock, patience, [&] { return is_lost_ || branch.is_finished; });
  return branch.is_finished;
}

// ---- Branches

FaceBranchPtr XaFace::add(const XID& xid) {
  auto branch = std::make_shared<FaceBranch>();
  branch->xid = xid;
  branch->key = next_key_++;
  branches_[xid_key(xid)] = branch;
  return branch;
}

FaceBranchPtr XaFace::find(const XID& xid) const {
  const std::lock_guard lock(mutex_);
  const auto found = branches_.find(xid_key(xid));
  return found == branches_.end() ? nullptr : found->second;
}

FaceBranchPtr XaFace::find_key(std::uint64_t key) const {
  for (const auto& [xid, branch] : branches_) {
    if (branch->key == key) return branch;
  }
  return nullptr;
}

void XaFace::erase(const FaceBranch& branch) {
  const std::lock_guard lock(mutex_);
  const auto found = branches_.find(xid_key(branch.xid));
  if (found != branches_.end() && found->second->key == branch.key) branches_.erase(found);
}

void XaFace::set_state(FaceBranch& branch, State state, int heuristic) {
  const std::lock_guard lock(mutex_);
  branch.state = state;
  branch.heuristic = heuristic;
}

int XaFace::begin(const XID& xid, std::chrono::seconds timeout, FaceBranchPtr& branch) {
  {
    const std::lock_guard lock(mutex_);
    if (is_lost_) return XAER_RMFAIL;
    if (branches_.contains(xid_key(xid))) return XAER_DUPID;
    branch = add(xid);
    branch->associations = 1;
  }
  const auto make = [&]() -> Status {
    tm::TransactionOptions options;
    options.timeout = timeout;
    options.description = "xa";
    CAIRN_ASSIGN_OR_RETURN(branch->transaction, manager_.create_transaction(options));
    CAIRN_ASSIGN_OR_RETURN(branch->superior, session_.enlist(branch->transaction, kFaceMask,
                                                             branch->key, {.superior = true}));
    return branch->superior.set_recovery_information(encode_xid(xid));
  };
  const Status made = make();
  if (made) return XA_OK;
  erase(*branch);
  branch.reset();  // and with its last reference the transaction is rolled back
  const bool is_away = made.code() == StatusCode::kNotOnline ||
                       made.code() == StatusCode::kObjectExpired ||
                       made.code() == StatusCode::kFenced;
  return is_away ? XAER_RMFAIL : XAER_RMERR;
}

int XaFace::look(const FaceBranch& branch) const {
  if (branch.transaction.outcome() == Outcome::kAborted) return rollback_code(branch.transaction);
  return is_lost() ? XAER_RMFAIL : XA_OK;
}

int XaFace::join(FaceBranch& branch) {
  if (const int found = look(branch); found != XA_OK) return found;
  const std::lock_guard lock(mutex_);
  if (branch.state != State::kActive) return XAER_PROTO;
  ++branch.associations;
  return XA_OK;
}

int XaFace::leave(FaceBranch& branch, bool fail) {
  {
    const std::lock_guard lock(mutex_);
    --branch.associations;
  }
  if (fail) static_cast<void>(branch.superior.superior_rollback());
  return look(branch);
}

// ---- The verbs of the monitor

int XaFace::prepare(const XID& xid) {
  const FaceBranchPtr branch = find(xid);
  if (!branch) return XAER_NOTA;
  {
    const std::lock_guard lock(mutex_);
    if (branch->associations != 0 || branch->state != State::kActive) return XAER_PROTO;
    branch->state = State::kPreparing;
  }
  const Status ordered = branch->superior.superior_prepare();
  if (ordered && !wait([&] { return branch->is_prepared || branch->is_rolled_back; })) {
    return XAER_RMFAIL;
  }
  if (branch->transaction.outcome() == Outcome::kAborted) {
    const int code = rollback_code(branch->transaction);
    erase(*branch);
    return code;
  }
  if (!ordered) {
    set_state(*branch, State::kActive);
    return is_lost() ? XAER_RMFAIL : XAER_RMERR;
  }
  const Result<tm::TransactionInformation> left = branch->transaction.information();
  if (left && left->enlistments.empty()) {
    static_cast<void>(branch->superior.superior_commit());  // nobody is left who could differ
    erase(*branch);
    return XA_RDONLY;
  }
  set_state(*branch, State::kPrepared);
  return XA_OK;
}

int XaFace::commit(const XID& xid, bool one_phase, std::chrono::milliseconds patience) {
  const FaceBranchPtr branch = find(xid);
  if (!branch) return XAER_NOTA;
  {
    const std::lock_guard lock(mutex_);
    if (branch->state == State::kHeuristic) return branch->heuristic;
    const bool is_legal =
        one_phase ? branch->state == State::kActive && branch->associations == 0
                  : branch->state == State::kPrepared || branch->state == State::kCommitting;
    if (!is_legal) return XAER_PROTO;
  }
  const Status ordered = branch->superior.superior_commit();
  switch (ordered.code()) {
    case StatusCode::kOk:
    case StatusCode::kAlreadyCommitted:
      return commit_ordered(*branch, one_phase, patience);
    case StatusCode::kLogFull:
      return one_phase ? XAER_RMFAIL : XA_RETRY;
    case StatusCode::kAlreadyAborted:
      if (one_phase) {
        const int code = rollback_code(branch->transaction);
        erase(*branch);
        return code;
      }
      set_state(*branch, State::kHeuristic, XA_HEURRB);
      return XA_HEURRB;
    default:
      return XAER_RMFAIL;  // XAER_RMERR would say that it is rolled back
  }
}

int XaFace::commit_ordered(FaceBranch& branch, bool one_phase, std::chrono::milliseconds patience) {
  {
    const std::lock_guard lock(mutex_);
    branch.state = State::kCommitting;
  }
  const Status decided = branch.transaction.wait(tm::WaitFor::kDecided, std::nullopt);
  if (decided || branch.transaction.outcome() == Outcome::kCommitted) {
    if (wait_finished(branch, patience)) erase(branch);  // else COMMIT_COMPLETE will
    return XA_OK;
  }
  if (one_phase && branch.transaction.outcome() == Outcome::kAborted) {
    const int code = rollback_code(branch.transaction);
    static_cast<void>(wait_finished(branch, patience));
    erase(branch);
    return code;
  }
  return XAER_RMFAIL;  // nobody here can say
}

int XaFace::rollback(const XID& xid, std::chrono::milliseconds patience) {
  const FaceBranchPtr branch = find(xid);
  if (!branch) return XAER_NOTA;
  {
    const std::lock_guard lock(mutex_);
    if (branch->state == State::kHeuristic) return branch->heuristic;
    if (branch->associations != 0 || branch->state == State::kCommitting) return XAER_PROTO;
  }
  const Status ordered = branch->superior.superior_rollback();
  if (ordered.code() == StatusCode::kAlreadyCommitted) {
    set_state(*branch, State::kHeuristic, XA_HEURCOM);
    return XA_HEURCOM;
  }
  if (!ordered && ordered.code() != StatusCode::kAlreadyAborted) return XAER_RMFAIL;
  const int code = ordered ? XA_OK : rollback_code(branch->transaction);
  static_cast<void>(wait_finished(*branch, patience));
  erase(*branch);
  return code;
}

// Orders what the administrator did: that ends it.
int XaFace::forget(const XID& xid) {
  const FaceBranchPtr branch = find(xid);
  if (!branch) return XAER_NOTA;
  int heuristic = 0;
  {
    const std::lock_guard lock(mutex_);
    if (branch->state != State::kHeuristic) return XAER_PROTO;
    heuristic = branch->heuristic;
  }
  const Status ended = heuristic == XA_HEURCOM ? branch->superior.superior_commit()
                                               : branch->superior.superior_rollback();
  if (!ended && is_lost()) return XAER_RMFAIL;
  if (!ended) return XAER_RMERR;
  erase(*branch);
  return XA_OK;
}

std::vector<XID> XaFace::in_doubt() const {
  const std::lock_guard lock(mutex_);
  std::vector<XID> all;
  for (const auto& [key, branch] : branches_) {
    const bool is_one = branch->state == State::kPrepared || branch->state == State::kHeuristic;
    if (is_one) all.push_back(branch->xid);
  }
  return all;
}

}  // namespace cairn::rm
