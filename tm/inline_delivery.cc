#include "inline_delivery.h"

#include <utility>

namespace cairn::tm {

constinit thread_local unsigned InlineDelivery::depth_ = 0;
constinit thread_local bool InlineDelivery::delivering_ = false;
constinit thread_local bool InlineDelivery::waiting_ = false;
thread_local std::vector<Told> InlineDelivery::told_;
constinit thread_local std::size_t InlineDelivery::next_ = 0;

void InlineDelivery::bring(const Told& told) {
  if (told.enlistment == nullptr) return told.queue->bring();
  if (told.queue->bring(told.message)) return;
  // The handler was taken away meanwhile: it waits for the next one, or for who fetches it.
  told.enlistment->queue_message(*told.queue, told.message);
  if (told.queue->brings()) add({told.queue, nullptr});
}

void InlineDelivery::deliver() {
  const bool outer = std::exchange(delivering_, true);
  while (waiting_) {
    const Told next = std::move(told_[next_++]);
    if (next_ == told_.size()) {
      told_.clear();
      next_ = 0;
      waiting_ = false;
    }
    bring(next);
  }
  delivering_ = outer;
}

}  // namespace cairn::tm
