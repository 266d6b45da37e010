// CallGate: counts the calls inside an open log that may write files, so that close() can wait for
// their end before the closing mark.
#ifndef CAIRN_LOG_CALL_GATE_H_
#define CAIRN_LOG_CALL_GATE_H_

#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace cairn::log {

// All with the block writer's mutex held.
class CallGate {
 public:
  // One call, from here to the end of the scope. `lock` is the writer's; it may be given up
  // meanwhile, and is held again at the end. A call that was let in before the log began to close
  // may enter again, and must: whatever it still does belongs to it.
  class Pass {
   public:
    Pass(CallGate& gate, std::unique_lock<std::mutex>& lock) : gate_(gate), lock_(lock) {
      ++gate_.inside_;
    }
    ~Pass() {
      if (!lock_.owns_lock()) lock_.lock();
      if (--gate_.inside_ == 0 && gate_.awaited_) gate_.empty_.notify_all();
    }
    Pass(const Pass&) = delete;
    Pass& operator=(const Pass&) = delete;

   private:
    CallGate& gate_;
    std::unique_lock<std::mutex>& lock_;
  };

  void wait_until_empty(std::unique_lock<std::mutex>& lock) {
    awaited_ = true;
    empty_.wait(lock, [this] { return inside_ == 0; });
  }

 private:
  std::uint64_t inside_ = 0;
  bool awaited_ = false;
  std::condition_variable empty_;
};

}  // namespace cairn::log

#endif  // CAIRN_LOG_CALL_GATE_H_
