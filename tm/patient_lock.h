// lock_patiently(): takes a mutex that others hold for less than a microsecond.
#ifndef CAIRN_TM_PATIENT_LOCK_H_
#define CAIRN_TM_PATIENT_LOCK_H_

#include <mutex>

namespace cairn::tm {

// Tells the processor that this thread waits for another one.
inline void pause_briefly() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Takes it, trying for some microseconds before it sleeps. Sleeping at once would form a queue of
// threads of which each wakes the next: a switch of context for each time the lock is taken.
inline void lock_patiently(std::unique_lock<std::mutex>& lock) {
  constexpr int kTries = 60;
  constexpr int kPauses = 4;
  for (int i = 0; i < kTries; ++i) {
    if (lock.try_lock()) return;
    for (int pause = 0; pause < kPauses; ++pause) pause_briefly();
  }
  lock.lock();
}

[[nodiscard]] inline std::unique_lock<std::mutex> lock_patiently(std::mutex& mutex) {
  std::unique_lock lock(mutex, std::defer_lock);
  lock_patiently(lock);
  return lock;
}

}  // namespace cairn::tm

#endif  // CAIRN_TM_PATIENT_LOCK_H_
