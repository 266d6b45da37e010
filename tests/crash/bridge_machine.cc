#include "crash/bridge_machine.h"

#include <chrono>
#include <utility>

namespace cairn::crash_test {
namespace {

constexpr std::array<const char*, 2> kStreams{"upper", "lower"};

Uuid bridge_id() {
  Uuid id;
  id.bytes[0] = 0x62;
  return id;
}

}  // namespace

// The bridge first: it holds both managers open.
BridgeMachine::~BridgeMachine() { bridge_ = nullptr; }

Status BridgeMachine::open_tm(std::size_t level) {
  tm::TmOptions options;
  options.log = logs_[level];
  options.stream = kStreams[level];
  options.background = tm::Background::kManual;
  options.checkpoint_bytes = 4096;
  CAIRN_ASSIGN_OR_RETURN(tms_[level], tm::TransactionManager::open_or_create(options));
  return {};
}

Status BridgeMachine::recover_level(std::size_t level) {
  CAIRN_RETURN_IF_ERROR(tms_[level].recover().status());
  for (std::size_t i = 0; i < 3; ++i) {
    if ((i == 0) != (level == 0)) continue;
    rms_[i]->disconnect();
    CAIRN_RETURN_IF_ERROR(rms_[i]->connect(tms_[level]));
  }
  return {};
}

Status BridgeMachine::new_bridge() {
  bridge_ = nullptr;
  tm::BridgeOptions options;
  options.id = bridge_id();
  options.upper = tms_[0];
  options.lower = tms_[1];
  options.background = tm::Background::kManual;
  CAIRN_ASSIGN_OR_RETURN(bridge_, tm::SubordinateBridge::create(options));
  const Status recovered = bridge_->recover();
  return recovered.code() == StatusCode::kNotOnline ? Status::ok() : recovered;
}

Status BridgeMachine::boot() {
  const std::size_t order = (known_.boots++ + known_.transactions.size()) % 4;
  const std::size_t first = order % 2;
  const bool bridge_in_between = order < 2;
  for (std::size_t level = 0; level < log_count_; ++level) {
    CAIRN_ASSIGN_OR_RETURN(
        logs_[level], log::Log::open_or_create(kBridgedTmDirectories[level], torture::small_log(),
                                               torture::manual_options(storage_)));
  }
  if (log_count_ == 1) logs_[1] = logs_[0];
  for (std::size_t level = 0; level < 2; ++level) CAIRN_RETURN_IF_ERROR(open_tm(level));
  for (std::size_t i = 0; i < 3; ++i) {
    CAIRN_ASSIGN_OR_RETURN(
        rms_[i], torture::TestRm::open(storage_, kBridgedRmDirectories[i], known_.rm_logs[i]));
  }
  CAIRN_RETURN_IF_ERROR(recover_level(first));
  if (bridge_in_between) {  // it hears all that one manager has to say, and nothing of the other
    CAIRN_RETURN_IF_ERROR(new_bridge());
    CAIRN_RETURN_IF_ERROR(bridge_->pump().status());
  }
  CAIRN_RETURN_IF_ERROR(recover_level(1 - first));
  if (!bridge_in_between) CAIRN_RETURN_IF_ERROR(new_bridge());
  CAIRN_RETURN_IF_ERROR(bridge_->recover());
  return answer_until_quiet();
}

Status BridgeMachine::answer_until_quiet() {
  for (bool any = true; any;) {
    CAIRN_ASSIGN_OR_RETURN(any, bridge_->pump());
    for (const auto& rm : rms_) {
      CAIRN_ASSIGN_OR_RETURN(const bool answered, rm->answer_all());
      any = any || answered;
    }
  }
  return {};
}

BridgedKnowledge BridgeMachine::knowledge() const {
  Known now = known_;
  for (std::size_t i = 0; i < 3; ++i) {
    if (rms_[i] != nullptr) now.rm_logs[i] = rms_[i]->model();
  }
  return now;
}

Result<BridgeMachine::Work> BridgeMachine::begin(std::array<bool, 3> members) {
  Work work;
  CAIRN_ASSIGN_OR_RETURN(work.upper, tms_[0].create_transaction());
  BridgedFacts& facts = known_.transactions[work.upper.id()];
  facts.members = members;
  if (members[0]) CAIRN_RETURN_IF_ERROR(rms_[0]->enlist(work.upper));
  CAIRN_ASSIGN_OR_RETURN(work.branch, bridge_->enlist(work.upper));
  facts.branch = work.branch.id();
  for (std::size_t i = 1; i < 3; ++i) {
    if (members[i]) CAIRN_RETURN_IF_ERROR(rms_[i]->enlist(work.branch));
  }
  return work;
}

Status BridgeMachine::commit(Work& work) {
  CAIRN_RETURN_IF_ERROR(work.upper.commit_async());
  CAIRN_RETURN_IF_ERROR(answer_until_quiet());
  const Status decided = work.upper.wait(tm::WaitFor::kDecided, std::chrono::seconds(1));
  BridgedFacts& facts = known_.transactions[work.upper.id()];
  if (decided.is_ok()) {
    facts.told = BridgedFacts::Told::kCommitted;
  } else if (decided.code() == StatusCode::kAlreadyAborted) {
    facts.told = BridgedFacts::Told::kAborted;
  } else {
    return decided;
  }
  return answer_until_quiet();
}

Status BridgeMachine::roll_back(Work& work, bool below) {
  CAIRN_RETURN_IF_ERROR(below ? work.branch.rollback() : work.upper.rollback());
  known_.transactions[work.upper.id()].told = BridgedFacts::Told::kAborted;
  return answer_until_quiet();
}

Status BridgeMachine::commit_one() {
  CAIRN_ASSIGN_OR_RETURN(Work work, begin({true, true, true}));
  return commit(work);
}

Status BridgeMachine::reopen_tm(std::size_t level) {
  CAIRN_RETURN_IF_ERROR(tms_[level].close());
  CAIRN_RETURN_IF_ERROR(bridge_->pump().status());
  CAIRN_RETURN_IF_ERROR(open_tm(level));
  CAIRN_RETURN_IF_ERROR(recover_level(level));
  return bridge_->recover();
}

Status BridgeMachine::run_background() {
  for (const auto& rm : rms_) CAIRN_RETURN_IF_ERROR(rm->run_background());
  CAIRN_RETURN_IF_ERROR(tms_[0].run_background());
  return tms_[1].run_background();
}

Status BridgeMachine::step(sim::Random& random) {
  const std::uint64_t dice = random.below(100);
  const std::size_t one = random.below(3);
  std::array<bool, 3> members{true, true, true};
  if (random.chance(40)) members[random.below(3)] = false;
  if (random.chance(15)) members[random.below(3)] = false;
  if (dice < 5) {
    rms_[one]->disconnect();
    CAIRN_RETURN_IF_ERROR(rms_[one]->connect(manager_of(one)));
    return answer_until_quiet();
  }
  if (dice < 12) return run_background();
  if (dice < 18) {
    CAIRN_RETURN_IF_ERROR(new_bridge());
    return answer_until_quiet();
  }
  CAIRN_ASSIGN_OR_RETURN(Work work, begin(members));
  if (dice < 28 && members[one]) {
    rms_[one]->refuse((one == 0 ? work.upper : work.branch).id());
  }
  if (dice >= 28 && dice < 38) CAIRN_RETURN_IF_ERROR(commit_one());  // while this one waits
  if (dice >= 38 && dice < 50) {  // one of the managers goes in the middle of the phases
    CAIRN_RETURN_IF_ERROR(work.upper.commit_async());
    for (std::uint64_t i = random.below(4); i > 0; --i) {
      CAIRN_RETURN_IF_ERROR(bridge_->pump().status());
      for (const auto& rm : rms_) CAIRN_RETURN_IF_ERROR(rm->answer_all().status());
    }
    CAIRN_RETURN_IF_ERROR(reopen_tm(random.below(2)));
    return answer_until_quiet();
  }
  return dice >= 90 ? roll_back(work, dice >= 95) : commit(work);
}

std::string BridgeMachine::violation_of(const Uuid& id, const BridgedFacts& facts) const {
  std::size_t members = 0;
  std::size_t committed_on = 0;
  for (std::size_t i = 0; i < 3; ++i) {
    const bool committed = rms_[i]->committed(i == 0 ? id : facts.branch);
    const std::string where = "transaction " + id.to_string() + " on " + kBridgedRmDirectories[i];
    if (committed && !facts.members[i]) return "T1: " + where + " was never enlisted";
    if (!facts.members[i]) continue;
    ++members;
    if (committed) ++committed_on;
    if (facts.told == BridgedFacts::Told::kCommitted && !committed) {
      return "T2: " + where + " was acknowledged as committed and is not";
    }
    if (facts.told == BridgedFacts::Told::kAborted && committed) {
      return "T3: " + where + " was rolled back and is committed";
    }
  }
  if (committed_on == 0 || committed_on == members) return {};
  return "T1: transaction " + id.to_string() + " is committed on " + std::to_string(committed_on) +
         " of " + std::to_string(members);
}

std::string BridgeMachine::violation() const {
  for (const auto& [id, facts] : known_.transactions) {
    const std::string found = violation_of(id, facts);
    if (!found.empty()) return found;
  }
  for (std::size_t i = 0; i < 3; ++i) {
    const std::string where = kBridgedRmDirectories[i];
    if (rms_[i]->prepared_count() != 0) return "T4: " + where + " still waits for an outcome";
    if (!rms_[i]->violation().empty()) return where + ": " + rms_[i]->violation();
  }
  for (const tm::TransactionManager& tm : tms_) {
    const auto left = tm.transactions();
    if (!left) return "T4: " + left.status().to_string();
    if (!left->empty()) {
      return "T4: " + std::to_string(left->size()) + " transactions not forgotten";
    }
  }
  const tm::BridgeInformation bridge = bridge_->information();
  if (!bridge.branches.empty()) return "T4: the bridge still waits";
  if (bridge.strangers != 0) return "T4: " + bridge.stranger.to_string();
  return {};
}

}  // namespace cairn::crash_test
