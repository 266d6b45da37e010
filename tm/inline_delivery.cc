#include "inline_delivery.h"

#include <utility>

namespace cairn::tm {

thread_local InlineDelivery::OfThread InlineDelivery::mine_;

void InlineDelivery::deliver() {
  const bool outer = std::exchange(mine_.delivering, true);
  while (mine_.next < mine_.told.size()) {
    const Told next = std::move(mine_.told[mine_.next++]);
    if (mine_.next == mine_.told.size()) {
      mine_.told.clear();
      mine_.next = 0;
    }
    next.queue->bring(next.entry);
  }
  mine_.delivering = outer;
}

}  // namespace cairn::tm
