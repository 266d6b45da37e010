// SimRm: its sessions, what it does of its own accord, and its disk.
#include "system/sim_rm.h"

#include <utility>

namespace cairn::system_test {
namespace {

using Kind = tm::NotificationKind;
using State = tm::EnlistmentState;

Uuid id_of(std::size_t number) {
  Uuid id;
  id.bytes[0] = 0x72;
  id.bytes[15] = static_cast<std::uint8_t>(number + 1);
  return id;
}

}  // namespace

SimRm::SimRm(Stage& stage, std::size_t number, Habit habit)
    : stage_(stage),
      number_(number),
      habit_(habit),
      name_("rm" + std::to_string(number)),
      id_(id_of(number)) {}

bool SimRm::manager_is_gone(const Status& status) {
  if (status.code() != StatusCode::kObjectExpired) return false;
  if (node_ != nullptr && node_->online()) violate("told of an end of a manager that is online");
  return true;
}

bool SimRm::allowed(const char* what, const Status& status,
                    std::initializer_list<StatusCode> codes) {
  if (!stage_.dead() && manager_is_gone(status)) {
    say(std::string(what) + ": the manager is offline");
    return false;
  }
  return stage_.allowed(name_ + " " + what, status, codes);
}

// --- sessions ---

bool SimRm::connect(Node& node) {
  if (connected_ || !node.up() || !node.online()) return false;
  if (look_up_) {
    const std::set<Uuid> kept = node.kept(name_);
    if (stage_.dead()) return true;
    for (auto it = covered_.begin(); it != covered_.end();) {
      if (kept.contains(it->first)) {
        ++it;
        continue;
      }
      say("lost its record of " + it->first.to_string());
      const auto work = durable_.find(it->first);
      if (work != durable_.end() && work->second.kept == Kept::kPrepared) durable_.erase(work);
      it = covered_.erase(it);
    }
    look_up_ = false;
  }
  auto session = node.tm().open_or_create_resource_manager(
      id_, is_volatile() ? tm::RmKind::kVolatile : tm::RmKind::kDurable, name_);
  if (!allowed("connects", session.status(), {})) return true;
  session_ = std::move(*session);
  node_ = &node;
  manager_ = node.tm().id();
  connected_ = true;
  clock_ = 0;
  last_recover_ = is_volatile();
  if (stage_.random.chance(50)) allowed("watches managers", session_.watch_managers(), {});
  if (!is_volatile()) allowed("recovers", session_.recover(), {});
  return true;
}

bool SimRm::disconnect() {
  if (!connected_) return false;
  say("disconnects");
  connected_ = false;
  inbox_.clear();
  parts_.clear();
  offered_.clear();
  session_ = tm::ResourceManager();
  if (is_volatile()) durable_.clear();
  return true;
}

bool SimRm::crash() {
  say("crashes");
  stage_.tally.add("crashes of a resource manager");
  // The session first: a process that dies drops no reference in peace.
  const tm::ResourceManager dying = std::move(session_);
  session_ = tm::ResourceManager();
  if (connected_) {
    const Status why(StatusCode::kIoError, name_ + " died");
    tm::ResourceManager session = dying;
    [[maybe_unused]] const Status ended = session.disconnect(why);
  }
  connected_ = false;
  inbox_.clear();
  parts_.clear();
  offered_.clear();
  soft_.clear();
  if (is_volatile()) durable_.clear();
  return true;
}

void SimRm::manager_gone(bool together) {
  connected_ = false;
  node_ = nullptr;
  session_ = tm::ResourceManager();
  inbox_.clear();
  parts_.clear();
  offered_.clear();
  look_up_ = !covered_.empty();
  if (is_volatile()) durable_.clear();
  if (together) soft_.clear();
}

void SimRm::adopt(const Uuid& former, const Uuid& now) {
  for (auto& [transaction, work] : durable_) {
    if (work.manager == former) work.manager = now;
  }
}

bool SimRm::fence(Node& node) {
  if (!connected_ || !node.up() || !node.online()) return false;
  tm::ResourceManager old = session_;
  std::map<Uuid, Part> parts = std::exchange(parts_, {});
  disconnect();
  connect(node);
  if (!stage_.dead() && connected_) check_fenced(old, parts);
  return true;
}

void SimRm::check_fenced(tm::ResourceManager& old, std::map<Uuid, Part>& parts) {
  stage_.tally.add("fenced sessions");
  const auto must = [&](const char* what, const Status& status) {
    if (stage_.dead() || status.code() == StatusCode::kObjectExpired) return;
    if (status.code() == StatusCode::kFenced) return;
    violate("a fenced session: " + std::string(what) + " says " + status.to_string());
  };
  must("a notification", old.try_get_notification().status());
  must("recover", old.recover());
  for (auto& [id, part] : parts) {
    if (part.handle.id().is_null()) continue;  // not taken over yet
    must("prepare_complete", part.handle.prepare_complete());
    must("commit_complete", part.handle.commit_complete());
    must("rollback", part.handle.rollback());
  }
}

// --- what it does unasked ---

bool SimRm::enlist(const tm::Transaction& transaction) {
  if (!connected_ || !last_recover_) return false;
  for (const auto& [id, part] : parts_) {
    if (part.transaction == transaction.id()) return false;  // one branch each
  }
  Part part;
  part.transaction = transaction.id();
  part.mask = tm::kTwoPhase;
  if (!behaves_) {
    if (stage_.random.chance(60)) part.mask = part.mask | Kind::kSinglePhaseCommit;
    if (stage_.random.chance(35)) part.mask = part.mask | Kind::kPrePrepare;
    if (stage_.random.chance(30)) part.mask = part.mask | Kind::kCommitFinalize;
    if (stage_.random.chance(is_volatile() ? 70 : 6)) {
      part.mask = Kind::kCommit | Kind::kRollback;
    }
    if (stage_.random.chance(6)) part.mask = Kind::kPrePrepare | Kind::kRollback;
    const bool can_decide = (part.mask & tm::bit(Kind::kSinglePhaseCommit)) != 0;
    part.votes_last = can_decide && stage_.random.chance(40);
  }
  part.key = next_key_++;
  const auto enlisted = session_.enlist(transaction, part.mask, part.key,
                                        tm::EnlistmentOptions{.votes_last = part.votes_last});
  if (!allowed("enlists", enlisted.status(),
               {StatusCode::kNotActive, StatusCode::kMustWriteThrough})) {
    return true;
  }
  part.handle = *enlisted;
  if (part.votes_last) stage_.with_last.insert(part.transaction);
  const bool votes = (part.mask & tm::bit(Kind::kPrepare)) != 0;
  // Without a vote it must be able to do either from now on.
  if (!votes && (part.mask & tm::bit(Kind::kCommit)) != 0) {
    durable_[part.transaction] = {Kept::kPrepared, manager_};
    if (!is_volatile()) stage_.model.of(part.transaction).members.insert(number_);
  }
  parts_.emplace(part.handle.id(), std::move(part));
  return true;
}

SimRm::Part* SimRm::pick(const std::vector<State>& states) {
  std::vector<Part*> found;
  for (auto& [id, part] : parts_) {
    if (part.over) continue;
    const auto information = part.handle.information();
    if (!information) continue;
    if (std::find(states.begin(), states.end(), information->state) != states.end()) {
      found.push_back(&part);
    }
  }
  return found.empty() ? nullptr : found[stage_.random.below(found.size())];
}

bool SimRm::refuse() {
  if (!connected_) return false;
  Part* part = pick({State::kActive, State::kPrePreparing, State::kPrePrepared, State::kPreparing});
  if (part == nullptr) return false;
  const Status status = part->handle.rollback(Status(StatusCode::kNoSpace, name_ + " is full"));
  if (allowed("rolls back", status,
              {StatusCode::kRequestNotValid, StatusCode::kAlreadyAborted,
               StatusCode::kAlreadyCommitted, StatusCode::kOutcomeUnknown})) {
    stage_.model.tell(part->transaction, Ending::kAborted, name_ + ", which rolled back,");
  }
  return true;
}

bool SimRm::leave() {
  if (!connected_) return false;
  Part* part = pick({State::kActive, State::kPrePreparing, State::kPrePrepared, State::kPreparing});
  if (part == nullptr) return false;
  const Status status = give(*part, Answer::kReadOnly);
  allowed("leaves", status, {StatusCode::kNotRequested});
  return true;
}

bool SimRm::request_outcome() {
  if (!connected_) return false;
  Part* part = pick({State::kPrepared, State::kInDoubt});
  if (part == nullptr) return false;
  // Where nobody above decides, to ask before the decision is to roll back.
  if (!stage_.model.of(part->transaction).owned && !stage_.random.chance(10)) return false;
  allowed("requests the outcome", part->handle.request_outcome(), {StatusCode::kRequestNotValid});
  return true;
}

bool SimRm::set_information() {
  if (!connected_ || is_volatile()) return false;
  Part* part = pick({State::kActive});
  if (part == nullptr) return false;
  const std::vector<std::byte> data(stage_.random.below(3000), std::byte{5});
  if (allowed("sets its information", part->handle.set_recovery_information(data),
              {StatusCode::kNotActive})) {
    information_[part->transaction] = data;
  }
  return true;
}

bool SimRm::drop_one() {
  if (!connected_ || parts_.empty()) return false;
  auto it = parts_.begin();
  std::advance(it, static_cast<std::ptrdiff_t>(stage_.random.below(parts_.size())));
  if (it->second.recovered) return false;
  const Uuid enlistment = it->first;
  say("drops its reference to " + enlistment.to_string());
  it->second.handle = tm::Enlistment();
  if (stage_.dead()) return true;
  // Whoever still owes an answer takes a new one, if there is anything to answer.
  const auto again = session_.open_enlistment(enlistment);
  if (allowed("opens it again", again.status(), {StatusCode::kNotFound})) {
    it->second.handle = *again;
  } else {
    it->second.over = true;
  }
  return true;
}

bool SimRm::harden() {
  if (!connected_ || soft_.empty()) return false;
  for (const Uuid& transaction : std::exchange(soft_, {})) {
    durable_[transaction].kept = Kept::kCommitted;
  }
  allowed("has hardened all", session_.hardened(), {});
  return true;
}

// --- its disk ---

bool SimRm::force_work(Part& part) {
  durable_[part.transaction] = {Kept::kPrepared, manager_};
  if (habit_ != Habit::kManagerLog) return true;
  const Lsn lsn = node_->keep(name_, part.transaction);
  if (lsn.is_null()) {
    durable_.erase(part.transaction);
    return false;
  }
  covered_[part.transaction] = lsn;
  return true;
}

void SimRm::note_committed(const Uuid& transaction) {
  if (!is_volatile() && !durable_.contains(transaction)) {
    violate("T2: told to commit " + transaction.to_string() + ", which it has not prepared");
  }
  stage_.model.tell(transaction, Ending::kCommitted, name_);
}

void SimRm::note_aborted(const Uuid& transaction) {
  const auto work = durable_.find(transaction);
  if (work != durable_.end() && work->second.kept == Kept::kCommitted) {
    violate("T3: told to roll back " + transaction.to_string() + ", which it has committed");
  }
  durable_.erase(transaction);
  stage_.model.tell(transaction, Ending::kAborted, name_);
}

std::string SimRm::left_over() {
  for (const auto& [transaction, work] : durable_) {
    if (work.kept == Kept::kPrepared && !soft_.contains(transaction) && !is_volatile()) {
      return "T4: " + name_ + " still waits for the outcome of " + transaction.to_string();
    }
  }
  return {};
}

void SimRm::let_go_of(Node& node) {
  if (habit_ == Habit::kManagerLog) node.drop_kept(name_);
}

}  // namespace cairn::system_test
