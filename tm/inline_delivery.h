// InlineDelivery: notifications that the thread which caused them brings to handlers.
#ifndef CAIRN_TM_INLINE_DELIVERY_H_
#define CAIRN_TM_INLINE_DELIVERY_H_

#include <cstddef>
#include <vector>

#include "protocol.h"

namespace cairn::tm {

// One lives in each call that may cause notifications, from before it takes a lock until after it
// has let go of all. When the outermost one of a thread ends, it brings what was added meanwhile,
// and what the handlers cause: no handler runs within another one, however many follow.
class InlineDelivery {
 public:
  InlineDelivery() { ++depth_; }
  ~InlineDelivery() {
    if (--depth_ == 0 && !delivering_ && waiting_) deliver();
  }
  InlineDelivery(const InlineDelivery&) = delete;
  InlineDelivery& operator=(const InlineDelivery&) = delete;

  // REQUIRES, of both: the thread has one of these.
  static void add(Protocol& protocol) {
    if (!protocol.has_told()) return;
    protocol.take_told(told_);
    waiting_ = true;
  }
  static void add(Told told) {
    told_.push_back(std::move(told));
    waiting_ = true;
  }
  // Brings what was added, also within a handler: for who is about to wait for what may come of it.
  // REQUIRES: no lock is held.
  static void deliver_now() {
    if (waiting_) deliver();
  }
  // Whether something was added that was not brought.
  [[nodiscard]] static bool has_waiting() { return waiting_; }

 private:
  static void deliver();
  static void bring(const Told& told);

  // Those that cost nothing to look at are looked at by every call.
  static constinit thread_local unsigned depth_;
  static constinit thread_local bool delivering_;
  static constinit thread_local bool waiting_;  // something of `told_` was not brought
  static thread_local std::vector<Told> told_;
  static constinit thread_local std::size_t next_;  // of `told_`, to be brought
};

}  // namespace cairn::tm

#endif  // CAIRN_TM_INLINE_DELIVERY_H_
