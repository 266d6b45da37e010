// Watchdog: ends the patience of the kit with a call of the subject.
#ifndef CAIRN_RM_KIT_WATCHDOG_H_
#define CAIRN_RM_KIT_WATCHDOG_H_

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>

#include <cairn/transaction_manager.h>

namespace cairn::rm_kit {

// While armed for longer than its patience it closes the manager, and with it every session: who
// waits for one of them returns.
class Watchdog {
 public:
  explicit Watchdog(std::chrono::milliseconds patience);
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  void arm(const tm::TransactionManager& manager);
  // Whether it has closed the manager.
  [[nodiscard]] bool disarm();

 private:
  void watch();

  const std::chrono::milliseconds patience_;
  std::mutex mutex_;
  std::condition_variable changed_;
  tm::TransactionManager manager_;
  bool armed_ = false;
  std::uint64_t calls_ = 0;  // armed so often
  bool has_bitten_ = false;
  bool over_ = false;
  std::thread thread_;
};

}  // namespace cairn::rm_kit

#endif  // CAIRN_RM_KIT_WATCHDOG_H_
