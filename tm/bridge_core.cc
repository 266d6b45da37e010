// BridgeCore: sessions, making branches, the thread.
#include "bridge_core.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

namespace cairn::tm {
namespace {

constexpr NotificationMask kAboveMask = kTwoPhase | NotificationKind::kPrePrepare;

bool is_durable(const TransactionManager& manager) {
  const Result<TmInformation> information = manager.information();
  return information && information->durable;
}

BridgeOptions without_managers(BridgeOptions options) {
  options.upper = TransactionManager();
  options.lower = TransactionManager();
  return options;
}

}  // namespace

// For the upper manager the bridge is as durable as both are: what a volatile lower one keeps needs
// no record. The lower one takes a superior that is as durable as it is.
BridgeCore::BridgeCore(const BridgeOptions& options)
    : options_(without_managers(options)),
      single_phase_only_(!is_durable(options.upper) && is_durable(options.lower)),
      above_{"upper", options.upper.id(), options.upper},
      below_{"lower", options.lower.id(), options.lower} {
  const bool durable_below = is_durable(options.lower);
  below_.kind = durable_below ? RmKind::kDurable : RmKind::kVolatile;
  above_.kind = durable_below && is_durable(options.upper) ? RmKind::kDurable : RmKind::kVolatile;
  for (Side* side : {&above_, &below_}) {
    side->lost = Status(StatusCode::kNotOnline, std::string("the bridge has no session with the ") +
                                                    side->name + " manager yet: recover it");
  }
}

BridgeCore::~BridgeCore() {
  [[maybe_unused]] const Status closed = close();
  if (wake_fd_ >= 0) ::close(wake_fd_);
}

Status BridgeCore::begin() {
  if (options_.background == Background::kManual) return Status::ok();
  wake_fd_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake_fd_ < 0) {
    return Status(StatusCode::kResourceExhausted,
                  std::string("event descriptor of a bridge: ") + std::strerror(errno));
  }
  thread_ = std::thread([this] { run(); });
  return Status::ok();
}

// --- sessions ---

Status BridgeCore::recover() {
  const std::lock_guard lock(mutex_);
  if (closed_) return Status(StatusCode::kClosed, "the bridge was closed");
  renew_sessions();
  // The lower one first, so that nothing is asked for above that could not be ordered below.
  const Status below = connect(below_);
  const Status above = connect(above_);
  advance_all();  // what was refused for want of room in a log
  wake();
  return below ? above : below;
}

Status BridgeCore::connect(Side& side) {
  if (side.session) return Status::ok();
  side.is_back = false;
  const Result<TmInformation> known = side.manager.information();
  if (!known || known->state != TmState::kOnline) {
    Result<TransactionManager> opened = TransactionManager::open_by_id(side.id);
    if (opened) side.manager = *std::move(opened);
  }
  const auto begin = [&]() -> Result<ResourceManager> {
    Result<ResourceManager> session =
        side.manager.open_or_create_resource_manager(options_.id, side.kind, "bridge");
    if (!session) return session;
    if (options_.background == Background::kThread) {
      CAIRN_RETURN_IF_ERROR(session->event_fd().status());
    }
    CAIRN_RETURN_IF_ERROR(session->watch_managers());
    if (side.kind == RmKind::kDurable) CAIRN_RETURN_IF_ERROR(session->recover());
    return session;
  };
  Result<ResourceManager> session = begin();
  side.lost = session.status().with_context(std::string("the ") + side.name +
                                            " manager of bridge " + options_.id.to_string());
  if (!session) return side.lost;
  side.lost = Status::ok();
  side.session = *std::move(session);
  // A volatile one has nothing to offer.
  if (side.kind == RmKind::kVolatile) hear_last_recover(side);
  return Status::ok();
}

void BridgeCore::renew_sessions() {
  // What follows from the end of one may show that the other has ended.
  for (;;) {
    const bool above = above_.session && !above_.lost;
    const bool below = below_.session && !below_.lost;
    if (!above && !below) break;
    if (above) lose_above();
    if (below) lose_below();
    advance_all();
  }
  for (Side* side : {&above_, &below_}) {
    // An error stays in Side::lost: recover() tries again.
    if (side->session || !side->is_back) continue;
    [[maybe_unused]] const Status connected = connect(*side);
  }
}

void BridgeCore::lose_above() {
  above_.session.reset();
  above_.recovered = false;
  for (auto& [key, branch] : branches_) {
    branch.upper = Enlistment();
    branch.contradictory = false;
    const bool was_told = branch.above == BranchAbove::kCommit;
    branch.above = after_losing_above(branch.above);
    if (above_.kind == RmKind::kDurable || branch.above != BranchAbove::kUnknown) continue;
    // It will not be offered again; but what was decided can still be read.
    const bool committed = was_told || branch.decided.outcome() == Outcome::kCommitted;
    branch.above = committed ? BranchAbove::kCommit : BranchAbove::kAbsent;
  }
}

void BridgeCore::lose_below() {
  below_.session.reset();
  below_.recovered = false;
  for (auto& [key, branch] : branches_) {
    branch.lower = Enlistment();
    branch.contradictory = false;
    branch.below = after_losing_below(branch.below);
    // A volatile one forgot it with the session; what it was to decide alone, nobody can say.
    if (below_.kind == RmKind::kVolatile && branch.below == BranchBelow::kUnknown &&
        branch.above != BranchAbove::kSinglePhase) {
      branch.below = BranchBelow::kAbsent;
    }
  }
}

bool BridgeCore::accepted(Side& side, Branch& branch, const Status& status) {
  if (status) return true;
  const bool ended =
      status.code() == StatusCode::kFenced || status.code() == StatusCode::kObjectExpired;
  if (ended && side.lost) side.lost = status;
  if (!ended) branch.refused = status;
  return false;
}

// --- making branches ---

Result<Transaction> BridgeCore::enlist(const Transaction& upper,
                                       const TransactionOptions& options) {
  const std::lock_guard lock(mutex_);
  if (closed_) return Status(StatusCode::kClosed, "the bridge was closed");
  for (const Side* side : {&above_, &below_}) {
    if (!side->session || !side->lost) {
      return Status(StatusCode::kNotOnline, "bridge " + options_.id.to_string() +
                                                " is not connected: " + side->lost.to_string());
    }
  }
  const auto found = by_upper_transaction_.find(upper.id());
  if (found == by_upper_transaction_.end()) return make_branch(upper, options);
  const Branch& branch = branches_.at(found->second);
  // What has ended above and not yet below was of an earlier transaction of this unit of work.
  if (branch.above == BranchAbove::kAbsent || branch.above == BranchAbove::kUnknown) {
    return make_branch(upper, options);
  }
  if (branch.above != BranchAbove::kWorking || branch.below != BranchBelow::kActive) {
    return Status(StatusCode::kNotActive,
                  "the branch of transaction " + upper.id().to_string() + " is " +
                      std::string(branch_above_name(branch.above)) + " above and " +
                      std::string(branch_below_name(branch.below)) + " below");
  }
  return branch.transaction;
}

Result<Transaction> BridgeCore::make_branch(const Transaction& upper,
                                            const TransactionOptions& options) {
  Branch branch;
  branch.key = next_key_++;
  branch.above = BranchAbove::kWorking;
  branch.below = BranchBelow::kActive;
  // Below first: of a failure, nothing is seen above.
  CAIRN_ASSIGN_OR_RETURN(branch.transaction, below_.manager.create_transaction(options));
  const NotificationMask mask = options_.branch_commit == BranchCommit::kForward
                                    ? kSuperior
                                    : kSuperior & ~bit(NotificationKind::kCommitRequest);
  CAIRN_ASSIGN_OR_RETURN(branch.lower, below_.session->enlist(branch.transaction, mask, branch.key,
                                                              {.superior = true}));
  const Status joined = join(branch, upper);
  if (!joined) {
    // What was only half made leaves without a trace; if it cannot, the end of its reference rolls
    // the upper transaction back.
    if (!branch.upper.id().is_null()) {
      [[maybe_unused]] const Status left = branch.upper.read_only();
    }
    return joined;
  }
  return add(std::move(branch)).transaction;
}

Status BridgeCore::join(Branch& branch, const Transaction& upper) {
  const bool alone = options_.single_phase || single_phase_only_;
  const NotificationMask mask =
      alone ? kAboveMask | NotificationKind::kSinglePhaseCommit : kAboveMask;
  CAIRN_ASSIGN_OR_RETURN(branch.upper, above_.session->enlist(upper, mask, branch.key));
  branch.upper_transaction = upper.id();
  branch.upper_enlistment = branch.upper.id();
  branch.lower_transaction = branch.transaction.id();
  if (above_.kind == RmKind::kDurable) {
    CAIRN_RETURN_IF_ERROR(branch.upper.set_recovery_information(
        encode({below_.id, branch.lower_transaction, branch.lower.id()})));
  }
  if (below_.kind == RmKind::kDurable) {
    CAIRN_RETURN_IF_ERROR(branch.lower.set_recovery_information(
        encode({above_.id, branch.upper_transaction, branch.upper_enlistment})));
  }
  return Status::ok();
}

// --- carrying ---

Result<bool> BridgeCore::pump() {
  {
    const std::lock_guard lock(mutex_);
    if (!closed_) advance_all();  // what was refused for want of room in a log
  }
  for (bool any = false;;) {
    while (pump_once()) any = true;
    TransactionManager drive;
    {
      const std::lock_guard lock(mutex_);
      if (closed_) return Status(StatusCode::kClosed, "the bridge was closed");
      if (options_.background == Background::kManual && awaits_record_below()) {
        drive = below_.manager;
      }
    }
    // Errors concern its checkpoints; those of the records come back as the end of the session.
    if (!drive.id().is_null()) [[maybe_unused]]
      const Status driven = drive.run_background();
    if (drive.id().is_null() || !pump_once()) return any;
    any = true;
  }
}

bool BridgeCore::pump_once() {
  const std::lock_guard lock(mutex_);
  if (closed_) return false;
  const bool above = take_one(above_);
  const bool below = take_one(below_);
  renew_sessions();
  return above || below;
}

bool BridgeCore::awaits_record_below() const {
  for (const auto& [key, branch] : branches_) {
    if (branch.below == BranchBelow::kPreparing || branch.below == BranchBelow::kCommitting) {
      return true;
    }
  }
  return false;
}

void BridgeCore::run() {
  for (;;) {
    std::vector<pollfd> wait{{wake_fd_, POLLIN, 0}};
    std::vector<ResourceManager> kept;  // their descriptors live as long as they
    {
      const std::lock_guard lock(mutex_);
      if (closed_) return;
      for (const Side* side : {&above_, &below_}) {
        if (!side->session) continue;
        kept.push_back(*side->session);
        if (const Result<int> fd = kept.back().event_fd()) wait.push_back({*fd, POLLIN, 0});
      }
    }
    if (::poll(wait.data(), wait.size(), -1) < 0 && errno != EINTR) {
      // Out of kernel memory: nothing is lost by another try.
      std::this_thread::yield();
    }
    kept.clear();
    std::uint64_t count = 0;
    [[maybe_unused]] const auto taken = ::read(wake_fd_, &count, sizeof count);
    while (pump_once()) {
    }
  }
}

void BridgeCore::wake() {
  if (wake_fd_ < 0) return;
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(wake_fd_, &one, sizeof one);
}

Status BridgeCore::close() {
  const std::lock_guard one(lifecycle_);  // a second call returns when the first is done
  std::unique_lock lock(mutex_);
  if (closed_) return Status::ok();
  closed_ = true;
  wake();
  std::thread thread = std::move(thread_);
  lock.unlock();
  if (thread.joinable()) thread.join();

  lock.lock();
  const Status why(StatusCode::kClosed, "bridge " + options_.id.to_string() + " was closed");
  for (Side* side : {&above_, &below_}) {
    // An error says that the session has ended already.
    if (side->session) [[maybe_unused]]
      const Status ended = side->session->disconnect(why);
    side->session.reset();
    side->lost = why;
    side->manager = TransactionManager();
  }
  branches_.clear();
  by_upper_enlistment_.clear();
  by_upper_transaction_.clear();
  return Status::ok();
}

BridgeInformation BridgeCore::information() const {
  const std::lock_guard lock(mutex_);
  BridgeInformation information;
  information.id = options_.id;
  information.upper = above_.id;
  information.lower = below_.id;
  information.upper_session = above_.lost;
  information.lower_session = below_.lost;
  information.strangers = strangers_;
  information.stranger = stranger_;
  for (const auto& [key, branch] : branches_) {
    information.branches.push_back(
        {branch.upper_transaction, branch.lower_transaction, branch.above, branch.below,
         branch.contradictory || bridge_step(branch.above, branch.below) == BridgeStep::kContradict,
         branch.refused});
  }
  return information;
}

}  // namespace cairn::tm
