#include "inline_delivery.h"

#include <utility>

namespace cairn::tm {

thread_local InlineDelivery::OfThread InlineDelivery::mine_;

void InlineDelivery::bring(const Told& told) {
  if (told.enlistment == nullptr) return told.queue->bring();
  if (told.queue->bring(told.message)) return;
  // The handler was taken away meanwhile: it waits for the next one, or for who fetches it.
  told.enlistment->queue_message(*told.queue, told.message);
  if (told.queue->brings()) add({told.queue, nullptr});
}

void InlineDelivery::deliver() {
  const bool outer = std::exchange(mine_.delivering, true);
  while (mine_.next < mine_.told.size()) {
    const Told next = std::move(mine_.told[mine_.next++]);
    if (mine_.next == mine_.told.size()) {
      mine_.told.clear();
      mine_.next = 0;
    }
    bring(next);
  }
  mine_.delivering = outer;
}

}  // namespace cairn::tm
