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
  InlineDelivery() { ++mine_.depth; }
  ~InlineDelivery() {
    if (--mine_.depth == 0 && !mine_.delivering && !mine_.told.empty()) deliver();
  }
  InlineDelivery(const InlineDelivery&) = delete;
  InlineDelivery& operator=(const InlineDelivery&) = delete;

  // REQUIRES, of both: the thread has one of these.
  static void add(Protocol& protocol) { protocol.take_told(mine_.told); }
  static void add(Told told) { mine_.told.push_back(std::move(told)); }
  // Brings what was added, also within a handler: for who is about to wait for what may come of it.
  // REQUIRES: no lock is held.
  static void deliver_now() {
    if (!mine_.told.empty()) deliver();
  }

 private:
  struct OfThread {
    unsigned depth = 0;
    bool delivering = false;
    std::size_t next = 0;  // of `told`, to be brought
    std::vector<Told> told;
  };
  static void deliver();
  static void bring(const Told& told);
  static thread_local OfThread mine_;
};

}  // namespace cairn::tm

#endif  // CAIRN_TM_INLINE_DELIVERY_H_
