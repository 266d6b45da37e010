#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

#include <cairn/torture/two_rm_machine.h>

namespace cairn::torture {

namespace {

// Every record that was seen durable is still there, unless the base passed it.
std::string missing_record(const LogContents& before, const LogContents& after) {
  for (const auto& [name, stream] : before.streams) {
    const auto found = after.streams.find(name);
    if (found == after.streams.end()) return "I1: stream '" + name + "' is missing";
    for (const SeenRecord& record : stream.records) {
      const auto& records = found->second.records;
      if (record.lsn < found->second.base) continue;
      if (std::ranges::find(records, record) == records.end()) {
        return "I1: LSN " + record.lsn.to_string() +
               " of the manager's log was durable and is lost";
      }
    }
  }
  return {};
}

}  // namespace

Status TwoRmMachine::boot() {
  CAIRN_ASSIGN_OR_RETURN(
      log_, log::Log::open_or_create(kTmDirectory, small_log(), manual_options(storage_)));
  CAIRN_ASSIGN_OR_RETURN(const LogContents contents, read_contents(*log_));
  violation_ = missing_record(known_.tm_log, contents);

  tm::TmOptions options;
  options.log = log_;
  options.background = tm::Background::kManual;
  options.checkpoint_bytes = 4096;
  CAIRN_ASSIGN_OR_RETURN(tm_, tm::TransactionManager::open_or_create(options));
  CAIRN_RETURN_IF_ERROR(tm_.recover().status());
  for (std::size_t i = 0; i < 2; ++i) {
    CAIRN_ASSIGN_OR_RETURN(rms_[i], TestRm::open(storage_, kRmDirectories[i], known_.rm_logs[i]));
    CAIRN_RETURN_IF_ERROR(connect(i));
  }
  CAIRN_RETURN_IF_ERROR(answer_until_quiet());
  return note_tm_log();
}

Status TwoRmMachine::connect(std::size_t number) {
  CAIRN_RETURN_IF_ERROR(rms_[number]->connect(tm_));
  return inline_ ? rms_[number]->answer_inline() : Status::ok();
}

Status TwoRmMachine::answer_until_quiet() {
  for (bool any = true; any;) {
    any = false;
    for (const auto& rm : rms_) {
      CAIRN_RETURN_IF_ERROR(rm->failure());
      CAIRN_ASSIGN_OR_RETURN(const bool answered, rm->answer_all());
      any = any || answered;
    }
  }
  return {};
}

Status TwoRmMachine::note_tm_log() {
  CAIRN_ASSIGN_OR_RETURN(known_.tm_log, read_contents(*log_));
  return {};
}

Knowledge TwoRmMachine::knowledge() const {
  Knowledge now = known_;
  for (std::size_t i = 0; i < 2; ++i) {
    if (rms_[i] != nullptr) now.rm_logs[i] = rms_[i]->model();
  }
  return now;
}

Result<tm::Transaction> TwoRmMachine::begin(std::array<bool, 2> members) {
  CAIRN_ASSIGN_OR_RETURN(tm::Transaction transaction, tm_.create_transaction());
  known_.transactions[transaction.id()].members = members;
  for (std::size_t i = 0; i < 2; ++i) {
    if (members[i]) CAIRN_RETURN_IF_ERROR(rms_[i]->enlist(transaction));
  }
  return transaction;
}

Status TwoRmMachine::commit(tm::Transaction& transaction) {
  Status decided;
  if (inline_) {
    decided = transaction.commit();
  } else {
    CAIRN_RETURN_IF_ERROR(transaction.commit_async());
    CAIRN_RETURN_IF_ERROR(answer_until_quiet());
    decided = transaction.wait(tm::WaitFor::kDecided, std::chrono::seconds(1));
  }
  TransactionFacts& facts = known_.transactions[transaction.id()];
  if (decided.is_ok()) {
    facts.told = Told::kCommitted;
  } else if (decided.code() == StatusCode::kAlreadyAborted) {
    facts.told = Told::kAborted;
  } else {
    return decided;
  }
  return answer_until_quiet();
}

Status TwoRmMachine::roll_back(tm::Transaction& transaction) {
  CAIRN_RETURN_IF_ERROR(transaction.rollback());
  known_.transactions[transaction.id()].told = Told::kAborted;
  return answer_until_quiet();
}

Status TwoRmMachine::commit_one() {
  CAIRN_ASSIGN_OR_RETURN(tm::Transaction transaction, begin({true, true}));
  return commit(transaction);
}

Status TwoRmMachine::new_session(std::size_t number) {
  rms_[number]->disconnect();
  CAIRN_RETURN_IF_ERROR(connect(number));
  return answer_until_quiet();
}

Status TwoRmMachine::step(sim::Random& random) {
  const std::uint64_t dice = random.below(100);
  const bool only_one = random.chance(15);
  const std::size_t one = random.below(2);
  const std::array<bool, 2> members{!only_one || one == 0, !only_one || one == 1};
  Status status;
  if (dice < 10) {
    status = new_session(one);
  } else if (dice < 20) {
    for (const auto& rm : rms_) CAIRN_RETURN_IF_ERROR(rm->run_background());
    status = tm_.run_background();
  } else {
    CAIRN_ASSIGN_OR_RETURN(tm::Transaction transaction, begin(members));
    if (dice < 30) rms_[one]->refuse(transaction.id());
    if (dice < 45) {  // another one is decided while this one waits
      CAIRN_RETURN_IF_ERROR(commit_one());
    }
    status = dice >= 90 ? roll_back(transaction) : commit(transaction);
  }
  CAIRN_RETURN_IF_ERROR(status);
  return note_tm_log();
}

std::string TwoRmMachine::violation() const {
  for (const auto& [id, facts] : known_.transactions) {
    const std::string what = "transaction " + id.to_string();
    const bool first = rms_[facts.members[0] ? 0 : 1]->committed(id);
    for (std::size_t i = 0; i < 2; ++i) {
      const bool committed = rms_[i]->committed(id);
      const std::string where = what + " on " + kRmDirectories[i];
      if (committed && !facts.members[i]) return "T1: " + where + " was never enlisted";
      if (!facts.members[i]) continue;
      if (facts.told == Told::kCommitted && !committed) {
        return "T2: " + where + " was acknowledged as committed and is not";
      }
      if (facts.told == Told::kAborted && committed) {
        return "T3: " + where + " was rolled back and is committed";
      }
      if (committed != first) return "T1: " + what + " is committed on one of two";
    }
  }
  for (const auto& rm : rms_) {
    for (const Uuid& id : rm->all_committed()) {
      if (!known_.transactions.contains(id)) return "T1: " + id.to_string() + " never was";
    }
    if (rm->prepared_count() != 0) return "T4: a resource manager still waits for an outcome";
  }
  const auto left = tm_.transactions();
  if (!left) return "T4: " + left.status().to_string();
  if (!left->empty()) return "T4: " + std::to_string(left->size()) + " transactions not forgotten";
  if (!violation_.empty()) return violation_;
  return rms_[0]->violation().empty() ? rms_[1]->violation() : rms_[0]->violation();
}

}  // namespace cairn::torture
