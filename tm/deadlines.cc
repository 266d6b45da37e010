#include "deadlines.h"

#include <algorithm>
#include <bit>
#include <tuple>
#include <utility>

#include "objects.h"

namespace cairn::tm {
namespace {

std::uint64_t nanoseconds(Deadlines::Time time) {
  return static_cast<std::uint64_t>(std::max(time.count(), Deadlines::Time::rep{0}));
}

}  // namespace

std::size_t Deadlines::list_of(Time deadline) const {
  const std::uint64_t at = nanoseconds(deadline);
  return at <= looked_at_ ? kDue : static_cast<std::size_t>(std::bit_width(at ^ looked_at_));
}

void Deadlines::put_first(std::size_t list, TransactionObject* transaction) {
  first_[list] = transaction;
  if (list == kDue) return;
  const std::uint64_t bit = std::uint64_t{1} << (list - 1);
  used_ = transaction != nullptr ? used_ | bit : used_ & ~bit;
}

void Deadlines::add(TransactionObject& transaction) {
  const std::size_t list = list_of(*transaction.deadline);
  TransactionObject* const first = first_[list];
  transaction.deadline_links = {nullptr, first, static_cast<std::uint8_t>(list)};
  if (first != nullptr) first->deadline_links.previous = &transaction;
  put_first(list, &transaction);
}

void Deadlines::remove(TransactionObject& transaction) {
  const DeadlineLinks& links = transaction.deadline_links;
  if (links.previous == nullptr) {
    put_first(links.list, links.next);
  } else {
    links.previous->deadline_links.next = links.next;
  }
  if (links.next != nullptr) links.next->deadline_links.previous = links.previous;
}

// The lists follow one another in time.
std::optional<Deadlines::Time> Deadlines::next() const {
  if (first_[kDue] != nullptr) return Time(static_cast<Time::rep>(looked_at_));
  if (used_ == 0) return std::nullopt;
  const int bit = std::countr_zero(used_);
  return Time(static_cast<Time::rep>(((looked_at_ >> bit) | 1) << bit));
}

std::vector<TransactionObject*> Deadlines::due(Time now) {
  const std::uint64_t at = nanoseconds(now);
  if (at > looked_at_) {
    // Lists of higher bits than any that changed stay what they are.
    const auto changed = static_cast<std::size_t>(std::bit_width(at ^ looked_at_));
    looked_at_ = at;
    for (std::size_t list = 1; list <= changed; ++list) {
      TransactionObject* moved = first_[list];
      put_first(list, nullptr);
      while (moved != nullptr) {
        TransactionObject* const next = moved->deadline_links.next;
        add(*moved);
        moved = next;
      }
    }
  }
  std::vector<TransactionObject*> found;
  for (TransactionObject* one = first_[kDue]; one != nullptr; one = one->deadline_links.next) {
    // A clock that went back brought nobody more time.
    found.push_back(one);
  }
  std::sort(found.begin(), found.end(), [](const auto* a, const auto* b) {
    return std::tie(*a->deadline, a->id) < std::tie(*b->deadline, b->id);
  });
  return found;
}

}  // namespace cairn::tm
