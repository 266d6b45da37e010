// WakeWord: what threads sleep on without holding, or taking again, a mutex.
//
// A condition variable gives each thread that it wakes the mutex, one after the other; here all of
// a group are woken by one system call, and those whose wish is fulfilled (an atomic says so) go on
// without ever taking a lock.
//
//   seen = word.value();       under the mutex that the waker holds too
//   ...                        mutex given up
//   word.wait(seen);           returns when wake_*() was called since, and now and then without
//
// A wake-up between value() and wait() is not lost: the value has changed, and wait() returns at
// once.
#ifndef CAIRN_LOG_APPEND_WAKE_WORD_H_
#define CAIRN_LOG_APPEND_WAKE_WORD_H_

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <climits>
#include <cstdint>
#include <ctime>

namespace cairn::log {

class WakeWord {
 public:
  [[nodiscard]] std::uint32_t value() const { return value_.load(std::memory_order_acquire); }
  void wait(std::uint32_t seen) const {
    if (value() == seen) futex(FUTEX_WAIT_PRIVATE, seen, nullptr);
  }
  void wait_for(std::uint32_t seen, std::chrono::nanoseconds limit) const {
    if (limit.count() <= 0 || value() != seen) return;
    const timespec time{limit.count() / 1'000'000'000, limit.count() % 1'000'000'000};
    futex(FUTEX_WAIT_PRIVATE, seen, &time);
  }
  void wake_one() {
    change();
    wake(1);
  }
  // In two steps, of which only the first needs the mutex: nobody falls asleep any more, and then
  // those that sleep are woken.
  void change() { value_.fetch_add(1, std::memory_order_release); }
  void wake_all() { wake(INT_MAX); }

 private:
  void wake(std::uint32_t threads) { futex(FUTEX_WAKE_PRIVATE, threads, nullptr); }
  // Its errors say that nobody slept, that the value had changed, that the time passed, or that a
  // signal came: the caller looks again.
  void futex(int operation, std::uint32_t argument, const timespec* limit) const {
    ::syscall(SYS_futex, &value_, operation, argument, limit, nullptr, 0);
  }

  std::atomic<std::uint32_t> value_{0};
  static_assert(sizeof(value_) == sizeof(std::uint32_t) && decltype(value_)::is_always_lock_free);
};

}  // namespace cairn::log

#endif  // CAIRN_LOG_APPEND_WAKE_WORD_H_
