#include "rm/faulty_rm.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <span>
#include <thread>
#include <utility>

namespace cairn::rm_kit {

using tm::NotificationKind;

Result<std::unique_ptr<Subject>> FaultyRm::open(const Surroundings& at, Defect defect, Way way) {
  std::unique_ptr<FaultyRm> rm(new FaultyRm(defect, way));
  rm->manager_ = at.manager;
  rm->log_ = at.log;
  log::CreateOptions create;
  create.container_size = log::kMinContainerSize;
  create.calibrate = false;
  log::OpenOptions options;
  options.storage = at.storage;
  options.background = log::Background::kManual;
  if (!rm->log_) {
    CAIRN_ASSIGN_OR_RETURN(rm->log_, log::Log::open_or_create(at.directory, create, options));
  }
  CAIRN_RETURN_IF_ERROR(rm->replay());
  CAIRN_ASSIGN_OR_RETURN(rm->session_, rm->manager_.open_or_create_resource_manager(
                                           at.id, tm::RmKind::kDurable, "faulty"));
  CAIRN_RETURN_IF_ERROR(rm->session_.recover());
  while (true) {
    CAIRN_ASSIGN_OR_RETURN(const bool served, rm->serve());
    if (!served) return std::unique_ptr<Subject>(std::move(rm));
  }
}

Status FaultyRm::replay() {
  CAIRN_ASSIGN_OR_RETURN(stream_, log_->open_or_create_stream("faulty"));
  CAIRN_ASSIGN_OR_RETURN(log::Cursor cursor, stream_.read());
  while (true) {
    CAIRN_ASSIGN_OR_RETURN(const auto record, cursor.next());
    if (!record) return Status::ok();
    Work work;
    const std::byte* const data = record->payload.data();
    std::memcpy(work.manager.bytes.data(), data, 16);
    std::memcpy(work.transaction.bytes.data(), data + 16, 16);
    work.item.assign(reinterpret_cast<const char*>(data) + 32, record->payload.size() - 32);
    if (Work* const known = find(work.transaction)) forget(*known);
    if (record->type == kPromise && !has(Defect::kForgetsPromisesAtRestart)) {
      work.is_promised = true;
      locks_[work.item] = work.transaction;
      works_[next_key_++] = work;
    }
    if (record->type == kCommit || record->type == kAtOnce) {
      ++counts_[work.item];
      committed_[work.transaction] = work.item;
    }
  }
}

// ---- Clients

Status FaultyRm::add(const tm::Transaction& transaction, const std::string& item) {
  {
    const std::lock_guard lock(mutex_);
    const auto held = locks_.try_emplace(item, transaction.id()).first;
    if (held->second != transaction.id()) {
      return Status(StatusCode::kLocked, item + " is locked by " + held->second.to_string());
    }
  }
  return enlist(transaction, item).status();
}

Status FaultyRm::look(const tm::Transaction& transaction, const std::string&) {
  return enlist(transaction, "").status();
}

Result<std::uint64_t> FaultyRm::enlist(const tm::Transaction& transaction,
                                       const std::string& item) {
  std::unique_lock lock(mutex_);
  const std::uint64_t key = next_key_++;
  Work work;
  work.manager = manager_.id();
  work.transaction = transaction.id();
  work.item = item;
  const bool is_late = has(Defect::kKnowsTheKeyAfterEnlist);
  if (is_late) lock.unlock();
  if (!is_late) works_[key] = work;
  tm::NotificationMask mask = tm::kTwoOrSinglePhase;
  if (way_ == Way::kPrePrepares) mask = mask | NotificationKind::kPrePrepare;
  auto enlistment = session_.enlist(transaction, mask, key);
  if (is_late) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));  // has much to do, and is too late
    lock.lock();
    works_[key] = work;
  }
  if (enlistment) {
    works_[key].enlistment = *enlistment;
    return key;
  }
  forget(works_[key]);
  return enlistment.status();
}

Result<std::uint64_t> FaultyRm::count(const std::string& item) {
  const std::lock_guard lock(mutex_);
  const auto found = counts_.find(item);
  std::uint64_t count = found == counts_.end() ? 0 : found->second;
  if (has(Defect::kShowsWhatItPromised)) {
    for (const auto& [key, work] : works_) count += work.is_promised && work.item == item;
  }
  return count;
}

// ---- Notifications

Result<bool> FaultyRm::serve() {
  const std::lock_guard lock(mutex_);
  CAIRN_ASSIGN_OR_RETURN(const auto told, session_.try_get_notification());
  if (!told) return harden();
  CAIRN_RETURN_IF_ERROR(handle(*told));
  return true;
}

Status FaultyRm::handle(const tm::Notification& told) {
  if (told.kind == NotificationKind::kRecover) return on_recover(told);
  if (told.kind == NotificationKind::kLastRecover) {
    return has(Defect::kKeepsTheUnoffered) ? Status() : roll_back_unoffered(false);
  }
  const auto found = works_.find(told.key);
  if (found == works_.end()) return Status();  // nobody can be answered
  Work& work = found->second;
  switch (told.kind) {
    case NotificationKind::kPrePrepare:
      if (!has(Defect::kDoesNotAnswerPrePrepare)) {
        static_cast<void>(work.enlistment.pre_prepare_complete());
      }
      return Status();
    case NotificationKind::kPrepare:
      return promise(work);
    case NotificationKind::kCommit:
    case NotificationKind::kSinglePhaseCommit:
      return commit(work, told.kind == NotificationKind::kSinglePhaseCommit);
    case NotificationKind::kRollback:
      return roll_back(work);
    default:
      return Status();
  }
}

Status FaultyRm::on_recover(const tm::Notification& told) {
  Work* work = find(told.transaction);
  if (work == nullptr) {
    if (has(Defect::kIgnoresRollbackOfTheUnknown) && !committed_.contains(told.transaction)) {
      CAIRN_ASSIGN_OR_RETURN(tm::Enlistment ignored, session_.open_enlistment(told.enlistment));
      works_[next_key_].enlistment = ignored;  // held, so that it is not let go
      works_[next_key_].item = "ignored";
      return ignored.recover(next_key_++ + 1'000'000);
    }
    work = &works_[next_key_++];
    work->transaction = told.transaction;
  }
  work->is_offered = true;
  if (has(Defect::kRollsBackTheUnofferedTooEarly)) {
    CAIRN_RETURN_IF_ERROR(roll_back_unoffered(false));
  }
  if (has(Defect::kRollsBackOnRecover) && work->is_promised) {
    CAIRN_RETURN_IF_ERROR(write(kRollback, *work, true).status());
    work->is_promised = false;
    work->item.clear();
  }
  CAIRN_ASSIGN_OR_RETURN(work->enlistment, session_.open_enlistment(told.enlistment));
  for (const auto& [key, known] : works_) {
    if (&known == work) return work->enlistment.recover(key);
  }
  return Status();
}

Status FaultyRm::roll_back_unoffered(bool all) {
  for (auto next = works_.begin(); next != works_.end();) {
    Work& work = (next++)->second;
    if (!work.is_promised || work.is_offered) continue;
    const bool foreign = work.manager != manager_.id();
    if (!all && foreign && !has(Defect::kDecidesForAnotherManager)) continue;
    CAIRN_RETURN_IF_ERROR(write(kRollback, work, true).status());
    forget(work);
  }
  return Status();
}

Status FaultyRm::promise(Work& work) {
  if (has(Defect::kDoesNotAnswerPrepare)) return Status();
  if (work.item.empty()) {
    static_cast<void>(work.enlistment.read_only());
    forget(work);
    return Status();
  }
  work.is_promised = true;
  if (has(Defect::kWritesThePromiseAfterTheAnswer)) {
    // Good for a session that ends with it; find() by value, as the answer may bring the outcome.
    const Work copy = work;
    static_cast<void>(work.enlistment.prepare_complete_covered(stream_.last_lsn()));
    return write(kPromise, copy, false).status();
  }
  const bool force = way_ != Way::kCovered && !has(Defect::kPromisesWithoutForce);
  const auto written = write(kPromise, work, force);
  if (!written && !has(Defect::kPromisesDespiteAnError)) return written.status();
  static_cast<void>(way_ == Way::kCovered ? work.enlistment.prepare_complete_covered(*written)
                                          : work.enlistment.prepare_complete());
  return Status();
}

Status FaultyRm::commit(Work& work, bool alone) {
  const auto known = committed_.find(work.transaction);
  const bool force =
      !has(alone ? Defect::kDecidesAloneWithoutForce : Defect::kAnswersCommitBeforeItIsDurable);
  if (known == committed_.end() && !work.item.empty()) {
    const bool later = way_ == Way::kHardensLater && !alone;
    const auto written = write(alone ? kAtOnce : kCommit, work, force && !later);
    if (!written && !has(Defect::kAnswersCommitDespiteAnError)) return written.status();
    ++counts_[work.item];
    committed_[work.transaction] = work.item;
  } else if (known != committed_.end() && has(Defect::kAddsAgainWhenToldAgain)) {
    ++counts_[known->second];
  }
  CAIRN_RETURN_IF_ERROR(answer_commit(work.enlistment, alone));
  forget(work);
  return Status();
}

Status FaultyRm::answer_commit(const tm::Enlistment& enlistment, bool alone) {
  tm::Enlistment answered = enlistment;
  if (alone || way_ != Way::kHardensLater) {
    static_cast<void>(answered.commit_complete());
    return Status();
  }
  static_cast<void>(answered.commit_complete(tm::Hardened::kNo));
  unhardened_.push_back(answered);
  if (has(Defect::kHardensWithoutForce)) return harden().status();
  return Status();
}

// False: there was nothing to harden.
Result<bool> FaultyRm::harden() {
  if (unhardened_.empty()) return false;
  if (!has(Defect::kHardensWithoutForce)) CAIRN_RETURN_IF_ERROR(log_->flush());
  for (tm::Enlistment& enlistment : unhardened_) static_cast<void>(enlistment.hardened());
  unhardened_.clear();
  return true;
}

Status FaultyRm::roll_back(Work& work) {
  if (work.is_promised) CAIRN_RETURN_IF_ERROR(write(kRollback, work, true).status());
  static_cast<void>(work.enlistment.rollback_complete());
  if (has(Defect::kKeepsLocksAfterRollback)) work.item.clear();
  forget(work);
  return Status();
}

// ---- Records: manager, unit of work, item.

Result<Lsn> FaultyRm::write(Type type, const Work& work, bool force) {
  std::vector<std::byte> bytes(32 + work.item.size());
  std::memcpy(bytes.data(), work.manager.bytes.data(), 16);
  std::memcpy(bytes.data() + 16, work.transaction.bytes.data(), 16);
  std::memcpy(bytes.data() + 32, work.item.data(), work.item.size());
  log::AppendOptions options;
  options.type = type;
  options.durability = force ? log::Durability::kDurable : log::Durability::kNone;
  return stream_.append(std::span<const std::byte>(bytes), options);
}

FaultyRm::Work* FaultyRm::find(const Uuid& transaction) {
  const auto found = std::find_if(works_.begin(), works_.end(), [&](const auto& entry) {
    return entry.second.transaction == transaction;
  });
  return found == works_.end() ? nullptr : &found->second;
}

void FaultyRm::forget(const Work& work) {
  const auto lock = locks_.find(work.item);
  if (lock != locks_.end() && lock->second == work.transaction) locks_.erase(lock);
  std::erase_if(works_, [&](const auto& entry) { return &entry.second == &work; });
}

}  // namespace cairn::rm_kit
