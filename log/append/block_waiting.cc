// BlockWriter: those who wait for durability, who are called back, and who drives.
#include <algorithm>
#include <utility>

#include "append/block_writer.h"

namespace cairn::log {
namespace {

// How long an open block waits at most for threads that were woken just now: as long as the write
// took that they had waited for, so that no append waits for more than twice its write, and no
// longer than this.
constexpr std::chrono::microseconds kGatherLimit{200};

// While there is one, this thread runs callbacks of that writer. Those of another log may lie
// further in.
class Delivery {
 public:
  explicit Delivery(const BlockWriter* of) : of_(of), outer_(innermost_) { innermost_ = this; }
  ~Delivery() { innermost_ = outer_; }
  Delivery(const Delivery&) = delete;
  Delivery& operator=(const Delivery&) = delete;

  [[nodiscard]] static bool runs(const BlockWriter* of) {
    const Delivery* at = innermost_;
    while (at != nullptr && at->of_ != of) at = at->outer_;
    return at != nullptr;
  }

 private:
  const BlockWriter* const of_;
  Delivery* const outer_;
  static thread_local Delivery* innermost_;
};
thread_local Delivery* Delivery::innermost_ = nullptr;

}  // namespace

// --- waiting ---

LogBlock* BlockWriter::block_before(Lsn end) {
  for (std::uint64_t i = end_; i-- > first_;) {
    if (block(i).lsn < end) return &block(i);
  }
  return &block(first_);
}

Status BlockWriter::wait(Lock& lock, Lsn end, Durability level,
                         std::optional<std::chrono::steady_clock::time_point> deadline,
                         std::optional<std::chrono::steady_clock::time_point> since) {
  if (reached(end, level)) {
    if (since) wait_ns_.record(ns_since(*since));  // it waited, if only for the lock
    wake_driver();
    return Status::ok();
  }
  const bool drives = !deadline || !config_.background;
  const auto began = since.value_or(now());
  if (!since) arrive();
  Lsn& wanted = level == Durability::kDurable ? want_durable_ : want_written_;
  while (!reached(end, level)) {
    if (!health_.is_ok()) {
      if (health_.code() == StatusCode::kClosed) return health_;
      return Status(StatusCode::kIndeterminate, health_.message(), health_.detail());
    }
    if (deadline && std::chrono::steady_clock::now() >= *deadline) {
      wake_driver();  // it may have been woken to drive
      return Status(StatusCode::kTimeout, "not durable within the limit; it may still become so");
    }
    wanted = std::max(wanted, end);
    if (drives && take_alone()) {
      write_alone(lock);
      continue;
    }
    pump(lock);
    if (reached(end, level) || !health_.is_ok()) continue;
    if (drives && in_flight() && !reaper_active()) {
      reap(lock);
    } else if (deadline) {
      wake_driver();
      ++timed_waiters_;
      timed_.wait_until(lock, *deadline);
      --timed_waiters_;
    } else {
      sleep(lock, *block_before(end));
    }
  }
  wait_ns_.record(ns_since(began));
  wake_driver();
  return Status::ok();
}

// Until the block has moved on, or this thread shall drive. If the open block gathers and nobody
// else sees to the end of that, it is this thread that does.
void BlockWriter::sleep(Lock& lock, LogBlock& on) {
  Expected asleep;
  fall_asleep(on, &asleep);
  const bool leads = needs_driver();
  const std::uint64_t gathering = gatherings_;
  const auto limit = gathering_until_ - now();
  if (leads) leader_active_.store(true, std::memory_order_release);
  lock.unlock();
  if (leads) {
    on.changed.wait_for(asleep.seen, limit);
  } else {
    on.changed.wait(asleep.seen);
  }
  lock.lock();
  if (leads && gathering == gatherings_) {
    leader_active_.store(false, std::memory_order_release);
    if (on.changed.value() == asleep.seen) end_gathering();  // the time has passed
  }
  get_up(asleep);
}

void BlockWriter::fall_asleep(LogBlock& on, Expected* expected) {
  ++on.sleepers;
  ++sleeping_drivers_;
  expected->block = &on;
  expected->seen = on.changed.value();
  expected->wakings = on.wakings;
}

void BlockWriter::get_up(const Expected& expected) {
  if (expected.block->wakings != expected.wakings) return;  // counted out already
  --expected.block->sleepers;
  --sleeping_drivers_;
}

void BlockWriter::wake_sleepers(LogBlock& on) {
  if (on.sleepers == 0) return;
  sleeping_drivers_ -= on.sleepers;
  on.sleepers = 0;
  ++on.wakings;
  on.changed.change();
  to_wake_.push_back(&on);
}

// Wakes them without the lock, which they may want next.
void BlockWriter::wake_collected(Lock& lock) {
  if (to_wake_.empty()) return;
  const std::vector<LogBlock*> blocks = std::exchange(to_wake_, {});
  lock.unlock();
  for (LogBlock* const on : blocks) on->changed.wake_all();
  lock.lock();
}

// --- gathering ---

void BlockWriter::begin_gathering(unsigned woken, std::chrono::steady_clock::duration took) {
  if (!config_.background) return;  // whoever drives by hand waits for nobody
  // Those of an earlier group that are still missing are not given up because this one was faster.
  const unsigned expected = joins_.expect(woken);
  gathering_ += expected;
  gathering_from_ += expected;
  gathering_until_ = now() + std::min<std::chrono::steady_clock::duration>(took, kGatherLimit);
}

bool BlockWriter::gathers() {
  if (gathering_ > 0 && now() >= gathering_until_) end_gathering();
  return gathering_ > 0;
}

void BlockWriter::arrive() {
  if (gathering_ == 0 || --gathering_ > 0) return;
  end_gathering();
}

void BlockWriter::end_gathering() {
  if (gathering_from_ > 0 && gathering_ == 0) joins_.came_all(gathering_from_);
  if (gathering_ > 0) joins_.came_only(gathering_from_ - gathering_);
  gathering_ = gathering_from_ = 0;
  ++gatherings_;
  leader_active_.store(false, std::memory_order_release);
}

BlockWriter::Expected BlockWriter::expect(const Place& place, Durability level) {
  return expect(*place.block, place.lsn + 1, level);
}

BlockWriter::Expected BlockWriter::expect(LogBlock& in, Lsn end, Durability level) {
  Expected expected{.end = end, .level = level, .began = now()};
  Lsn& wanted = level == Durability::kDurable ? want_durable_ : want_written_;
  wanted = std::max(wanted, end);
  ++in.awaited;
  arrive();
  expected.submits = gathering_ == 0 && submit_ + 1 == end_ && &in == &block(submit_) &&
                     writes_in_flight_ < partial_depth();
  fall_asleep(in, &expected);
  return expected;
}

// Whoever reaps when this is called closes the block and submits it, or finds that it is still
// being filled, and then the last one that fills it does; in both cases someone that is counted as
// asleep is woken to reap that.
Status BlockWriter::await(const Expected& expected) {
  while (!expected.submits && is_driven() && expected.block->changed.value() == expected.seen) {
    expected.block->changed.wait(expected.seen);
  }
  if (reached(expected.end, expected.level)) {
    wait_ns_.record(ns_since(expected.began));
    return Status::ok();
  }
  Lock lock(mutex_);
  get_up(expected);
  return wait(lock, expected.end, expected.level, {}, expected.began);
}

LogStatistics BlockWriter::statistics() const {
  LogStatistics statistics = statistics_;
  statistics.wait_ns = wait_ns_.values();
  return statistics;
}

Status BlockWriter::wait_grown(Lock& lock, Lsn beyond,
                               std::optional<std::chrono::steady_clock::time_point> deadline) {
  while (durable() <= beyond) {
    if (!health_.is_ok()) return health_;
    if (deadline && std::chrono::steady_clock::now() >= *deadline) {
      return Status(StatusCode::kTimeout, "the log did not grow within the limit");
    }
    ++grown_waiters_;
    if (deadline) {
      grown_.wait_until(lock, *deadline);
    } else {
      grown_.wait(lock);
    }
    --grown_waiters_;
  }
  return Status::ok();
}

// If nobody drives who should, hands the driving to a sleeper, or to the background.
void BlockWriter::wake_driver() {
  if (!needs_driver()) return;
  for (std::uint64_t i = first_; i < end_; ++i) {
    if (block(i).sleepers > 0) return block(i).changed.wake_one();
  }
  if (space_waiters_ > 0) return space_free_.notify_one();
  // Those with a limit, who drive where there is no background. All: one may have no time left.
  if (!config_.background && timed_waiters_ > 0) return timed_.notify_all();
  if (driver_signal_ != nullptr) driver_signal_->notify_one();
}

void BlockWriter::when_durable(Lock& lock, Lsn end, DurableCallback callback) {
  if (durable() >= end || !health_.is_ok()) {
    const Status status = durable() >= end ? Status::ok() : health_;
    due_.emplace_back();
    due_.back().callbacks.push_back(std::move(callback));
    due_.back().status = status;
  } else {
    add_callback(*block_before(end), end, std::move(callback));
    end_gathering();
    pump(lock);
  }
  run_callbacks(lock);
  wake_driver();
}

bool BlockWriter::call_when_durable(const Place& place, DurableCallback callback) {
  add_callback(*place.block, place.lsn + 1, std::move(callback));
  return !reaper_active();
}

void BlockWriter::add_callback(LogBlock& to, Lsn end, DurableCallback callback) {
  if (to.callbacks.capacity() == 0 && !spare_callbacks_.empty()) {
    to.callbacks = std::move(spare_callbacks_.back());
    spare_callbacks_.pop_back();
  }
  to.callbacks.push_back(std::move(callback));
  ++callbacks_waiting_;
  want_durable_ = std::max(want_durable_, end);
}

void BlockWriter::start() {
  Lock lock(mutex_);
  end_gathering();
  pump(lock);
  run_callbacks(lock);
  wake_driver();
}

bool BlockWriter::drive(Lock& lock) {
  end_gathering();
  pump(lock);
  const bool reaps = in_flight() && !reaper_active();
  if (reaps) {
    reap(lock);
    wake_driver();
  } else {
    run_callbacks(lock);
  }
  return reaps;
}

void BlockWriter::stop(Lock& lock, Status why) {
  if (health_.is_ok()) {
    health_ = std::move(why);
    for (const auto& sleeping : ring_) wake_sleepers(*sleeping);
    for (LogBlock* const on : std::exchange(to_wake_, {})) on->changed.wake_all();
    space_free_.notify_all();
    timed_.notify_all();
    grown_.notify_all();
    if (health_signal_ != nullptr) health_signal_->notify_all();
  }
  while (in_flight() || submitter_active_ || reaper_active()) {
    if (in_flight() && !reaper_active()) {
      reap(lock);
    } else {
      idle_.wait(lock);
    }
  }
  run_callbacks(lock);
  idle_.wait(lock, [this] { return callbacks_running_ == 0; });
}

// --- callbacks ---

bool BlockWriter::is_delivering() const { return Delivery::runs(this); }

// A callback that appends, or asks for another, comes here again. What is due by then waits for the
// call further out, which goes on until nothing is: one callback never lies on the stack of
// another, however many there are.
void BlockWriter::run_callbacks(Lock& lock) {
  if (is_delivering()) return;
  const Delivery delivery(this);
  for (;;) {
    if (!health_.is_ok() && callbacks_waiting_ > 0) {
      for (std::uint64_t i = first_; i < end_; ++i) make_due(block(i), health_);
    }
    const bool grown = watches_.due(durable(), health_);
    if (!grown && due_.empty()) return;
    ++callbacks_running_;
    if (grown) {
      ++statistics_.callbacks;
      watches_.tell_one(lock, durable(), health_);
    } else {
      call_those_due(lock);
    }
    --callbacks_running_;
    if (!health_.is_ok()) idle_.notify_all();
  }
}

void BlockWriter::call_those_due(Lock& lock) {
  Due next = std::move(due_.front());
  due_.pop_front();
  statistics_.callbacks += next.callbacks.size();
  lock.unlock();
  for (const DurableCallback& callback : next.callbacks) callback(next.status);
  next.callbacks.clear();
  lock.lock();
  if (spare_callbacks_.size() < ring_.size()) {
    spare_callbacks_.push_back(std::move(next.callbacks));
  }
}

// What waits for this block has its answer.
void BlockWriter::make_due(LogBlock& of, const Status& status) {
  if (of.callbacks.empty()) return;
  callbacks_waiting_ -= of.callbacks.size();
  due_.push_back({std::exchange(of.callbacks, {}), status});
}

}  // namespace cairn::log
