// LogCore's containers: made ahead of need, added and removed by hand, given back; and the policies
// that say how many.
//
// What the ledger counts as free exists: a container is counted after it was made, and not counted
// any more before it is removed.
#include <algorithm>
#include <string>
#include <utility>

#include "log_core.h"

namespace cairn::log {
namespace {

// How long the maker waits after the file system had no space.
constexpr std::chrono::milliseconds kMakeRetry{100};

}  // namespace

// --- growth ---

// For an append that cannot go on without another container. REQUIRES: lock held; gives it up
// meanwhile.
Status LogCore::grow(Lock& lock) {
  ++growth_stalls_;
  // Appends were faster than whoever makes containers ahead.
  ledger_->saw_consumption(ledger_->wanted_ahead());
  return wait_for_container(lock);
}

// Until one more was made, or could not be: whoever makes it says how that ended, the caller looks
// again. REQUIRES: lock held; gives it up meanwhile.
Status LogCore::wait_for_container(Lock& lock) {
  if (!ledger_->growing()) return make_container(lock);
  space_signal_.wait(lock, [this] { return !ledger_->growing(); });
  return Status::ok();
}

// REQUIRES: lock held, nobody makes one; gives the lock up meanwhile.
Status LogCore::make_container(Lock& lock) {
  ledger_->begin_growth();
  lock.unlock();
  const Status status = containers_->make_spare();
  lock.lock();
  ledger_->end_growth(status);
  note_space();
  if (status.is_ok()) maker_signal_.notify_one();
  return status;
}

// Makes free containers until there are as many as are wanted. REQUIRES: lock held; gives it up
// meanwhile.
Status LogCore::grow_ahead(Lock& lock) {
  while (!house_stop_ && writer_->health().is_ok() &&
         ledger_->wants_growth(writer_->container_number())) {
    for (std::uint32_t i = 0; i < ledger_->policies().growth; ++i) {
      if (ledger_->growing() || !ledger_->may_grow()) break;
      const std::uint64_t before = writer_->container_number();
      CAIRN_RETURN_IF_ERROR(make_container(lock));
      ledger_->saw_consumption(writer_->container_number() - before);
      const bool pool_is_full =
          ledger_->free_containers(writer_->container_number()) >= ledger_->most_free() &&
          ledger_->containers() >= ledger_->min_containers();
      if (pool_is_full) break;
    }
  }
  return Status::ok();
}

// A thread of its own, so that filling a file with zeros holds up nothing else.
void LogCore::run_maker() {
  Lock lock(writer_->mutex());
  while (!house_stop_) {
    const bool wanted = ledger_->wants_growth(writer_->container_number());
    if (!wanted || !writer_->health().is_ok()) {
      maker_signal_.wait(lock);
      continue;
    }
    if (grow_ahead(lock).is_ok() || house_stop_) continue;
    maker_failed_ = true;  // appends do not wake it
    maker_signal_.wait_for(lock, kMakeRetry);
    maker_failed_ = false;
  }
}

// --- shrinking ---

Status LogCore::shrink() {
  Lock lock(writer_->mutex());
  return remove_free(lock, ledger_->superfluous(stock()));
}

// REQUIRES: lock held; gives it up meanwhile.
Status LogCore::remove_free(Lock& lock, std::uint64_t count) {
  if (count == 0) return Status::ok();
  ledger_->begin_removal(count);
  lock.unlock();
  const auto [removed, status] = containers_->remove_spares(count);
  lock.lock();
  ledger_->cancel_removal(count - removed);
  return status;
}

// --- by hand ---

Status LogCore::add_containers(std::uint32_t count) noexcept {
  Lock lock(writer_->mutex());
  const CallGate::Pass pass(calls_, lock);
  for (std::uint32_t i = 0; i < count; ++i) {
    space_signal_.wait(lock, [this] { return !ledger_->growing(); });
    if (closing_) return Status(StatusCode::kClosed, "the log was closed");
    if (!writer_->health().is_ok()) return writer_->health();
    const std::uint64_t lacking = count - i;
    const std::uint64_t free = ledger_->free_containers(writer_->container_number());
    const auto too_many = [&](const std::string& what) {
      return Status(StatusCode::kResourceExhausted,
                    directory_->path() + ": " + std::to_string(lacking) +
                        " more containers: " + what + "; " + std::to_string(i) + " were added");
    };
    if (ledger_->max_containers() - std::min(ledger_->max_containers(), ledger_->containers()) <
        lacking) {
      return too_many("expected at most the maximum of " +
                      std::to_string(ledger_->max_containers()) + " in all, there are " +
                      std::to_string(ledger_->containers()));
    }
    if (free + lacking > ledger_->most_free()) {
      return too_many("expected at most " + std::to_string(ledger_->most_free()) +
                      " free ones (policy " +
                      (ledger_->policies().spare_max > 0 ? "spare_max" : "ahead") +
                      "), there are " + std::to_string(free));
    }
    CAIRN_RETURN_IF_ERROR(make_container(lock));
  }
  return Status::ok();
}

Status LogCore::remove_containers(std::uint32_t count) noexcept {
  Lock lock(writer_->mutex());
  if (closing_) return Status(StatusCode::kClosed, "the log was closed");
  if (!writer_->health().is_ok()) return writer_->health();
  const std::uint64_t removable = ledger_->removable(stock());
  if (count > removable) {
    return Status(StatusCode::kResourceExhausted,
                  directory_->path() + ": containers to remove: expected at most " +
                      std::to_string(removable) + ", found " + std::to_string(count) +
                      " (the next one, what is reserved and held back, and the policy min_size " +
                      "keep the others)");
  }
  const CallGate::Pass pass(calls_, lock);
  return remove_free(lock, count);
}

std::vector<ContainerInfo> LogCore::scan_containers(const ContainerScan& scan) const {
  std::uint64_t active;
  {
    const Lock lock(writer_->mutex());
    active = writer_->container_number();
  }
  std::vector<ContainerInfo> all = containers_->list(active);
  std::erase_if(all, [&](const ContainerInfo& container) {
    if (scan.state && container.state != *scan.state) return true;
    return container.number < scan.from || container.number > scan.to;
  });
  if (scan.newest_first) std::reverse(all.begin(), all.end());
  if (all.size() > scan.at_most) all.resize(scan.at_most);
  return all;
}

// --- policies ---

Policies LogCore::policies() const {
  const Lock lock(writer_->mutex());
  return ledger_->policies();
}

// The record is what counts; the base log repeats the maximum for those who look no further.
Status LogCore::set_policies(const Policies& policies) noexcept {
  CAIRN_RETURN_IF_ERROR(check_policies(policies, geometry_.container_size,
                                       format::max_payload(geometry_.block_size)));
  const std::size_t size = sizeof(format::PolicyRecord);
  Lock lock(writer_->mutex());
  if (closing_) return Status(StatusCode::kClosed, "the log was closed");
  const CallGate::Pass pass(calls_, lock);  // to the last write of the base log
  SpaceDemand demand = demand_of(SpaceClass::kHeldBack, size);
  demand.moves_pin = true;  // a larger maximum is a way out of a full log, too
  CAIRN_RETURN_IF_ERROR(admit(lock, demand, size));
  const Lsn lsn = append_catalog(lock, size, [&](const BlockWriter::Place& place) {
    catalog_.set_policies(policies, place.lsn);
    ledger_->set_policies(policies);
    max_size_.store(policies.max_size);
    newest_catalog_change_ = place.lsn + 1;
    note_space();
    maker_signal_.notify_one();
    format::PolicyRecord record = catalog_.policy_record();
    record.changed = 0;
    return format::encode_catalog(record);
  });
  CAIRN_RETURN_IF_ERROR(wait_for(lsn + 1, Durability::kDurable));
  {
    const std::lock_guard base_lock(base_mutex_);
    CAIRN_RETURN_IF_ERROR(base_->write(present_slot()));
  }
  ask_for_housekeeping();
  return Status::ok();
}

}  // namespace cairn::log
