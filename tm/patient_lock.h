// lock_patiently(): takes a mutex that others hold for less than a microsecond.
#ifndef CAIRN_TM_PATIENT_LOCK_H_
#define CAIRN_TM_PATIENT_LOCK_H_

#include <mutex>
#include <thread>

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
// threads of which each wakes the next: a switch of context for each time the lock is taken. Who
// has it and has not let go by then has most likely been put aside by the scheduler: it comes back
// sooner if this thread lets others run than if it sleeps, with all who come after it.
inline void lock_patiently(std::unique_lock<std::mutex>& lock) {
  constexpr int kTries = 60;
  constexpr int kPauses = 4;
  constexpr int kYields = 8;
  for (int i = 0; i < kTries; ++i) {
    if (lock.try_lock()) return;
    for (int pause = 0; pause < kPauses; ++pause) pause_briefly();
  }
  for (int i = 0; i < kYields; ++i) {
    std::this_thread::yield();
    if (lock.try_lock()) return;
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
