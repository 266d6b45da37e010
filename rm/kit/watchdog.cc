#include "watchdog.h"

#include <utility>

namespace cairn::rm_kit {

Watchdog::Watchdog(std::chrono::milliseconds patience)
    : patience_(patience), thread_(&Watchdog::watch, this) {}

Watchdog::~Watchdog() {
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Watchdog::arm(const tm::TransactionManager& manager) {
  {
    const std::lock_guard lock(mutex_);
    manager_ = manager;
    armed_ = true;
    ++calls_;
    has_bitten_ = false;
  }
  changed_.notify_all();
}

bool Watchdog::disarm() {
  bool bitten = false;
  {
    const std::lock_guard lock(mutex_);
    armed_ = false;
    bitten = has_bitten_;
    manager_ = {};
  }
  changed_.notify_all();
  return bitten;
}

void Watchdog::watch() {
  std::unique_lock lock(mutex_);
  while (!over_) {
    changed_.wait(lock, [this] { return over_ || (armed_ && !has_bitten_); });
    const std::uint64_t call = calls_;
    if (changed_.wait_for(lock, patience_, [&] { return over_ || !armed_ || calls_ != call; })) {
      continue;
    }
    has_bitten_ = true;
    tm::TransactionManager manager = std::exchange(manager_, {});
    lock.unlock();
    static_cast<void>(manager.close());
    lock.lock();
  }
}

}  // namespace cairn::rm_kit
