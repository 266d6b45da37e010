#include "world.h"

namespace cairn::sim {

LockTable::Hold::~Hold() {
  {
    const std::lock_guard lock(table_->mutex_);
    table_->held_.erase(key_);
  }
  table_->released_.notify_all();
}

std::shared_ptr<LockTable::Hold> LockTable::acquire(const std::string& key,
                                                    std::chrono::milliseconds limit) {
  std::unique_lock lock(mutex_);
  if (!released_.wait_for(lock, limit, [&] { return !held_.contains(key); })) return nullptr;
  held_.insert(key);
  return std::make_shared<Hold>(shared_from_this(), key);
}

Status fault_status(FaultKind fault, const std::string& what) {
  const StatusCode code =
      fault == FaultKind::kNoSpace ? StatusCode::kNoSpace : StatusCode::kIoError;
  return Status(code, what + ": injected " +
                          (fault == FaultKind::kShortWrite ? "short write"
                           : fault == FaultKind::kNoSpace  ? "ENOSPC"
                                                           : "EIO"));
}

Status World::crash_status() const {
  return Status(StatusCode::kIoError,
                "simulated power cut at I/O " + std::to_string(crash_number.value_or(io_count)));
}

World::Begun World::begin(IoKind kind, const std::string& what) {
  if (crashed) return {crash_status(), std::nullopt};
  ++io_count;
  if (observer) observer(IoEvent{io_count, kind, what}, freeze());
  if (crash_number && io_count >= *crash_number) {
    crashed = true;
    return {crash_status(), std::nullopt};
  }
  return {Status::ok(), strike(kind)};
}

std::optional<FaultKind> World::strike(IoKind kind) {
  std::optional<FaultKind> struck;
  for (auto fault = faults.begin(); fault != faults.end();) {
    const bool concerned = fault->on ? *fault->on == kind : kind != IoKind::kRead;
    if (!concerned || --fault->nth > 0) {
      ++fault;
      continue;
    }
    struck = fault->kind;
    ++faults_struck;
    fault = faults.erase(fault);
  }
  return struck;
}

bool World::lies_about(bool Lies::*what, const std::string& directory) const {
  return lies.*what && (lies.directory.empty() || lies.directory == directory);
}

Status World::check_space(FileId file, std::uint64_t size) const {
  const std::uint64_t present = disk.current(file).size();
  if (size <= present || disk.used_bytes() - present + size <= options.capacity) return {};
  return Status(StatusCode::kNoSpace, disk.label(file) + ": no space to grow from " +
                                          std::to_string(present) + " to " + std::to_string(size) +
                                          " bytes, capacity " + std::to_string(options.capacity));
}

}  // namespace cairn::sim
