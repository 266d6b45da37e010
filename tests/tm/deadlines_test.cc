// Deadlines against an ordered set.
#include "deadlines.h"

#include <deque>
#include <random>
#include <set>

#include "objects.h"
#include "tm/harness.h"

namespace cairn::tm {
namespace {

using std::chrono::nanoseconds;

TEST(Deadlines, RunOutWhenAnOrderedSetSaysSo) {
  std::mt19937_64 random(11);
  for (const int bits : {4, 20, 50}) {
    std::deque<TransactionObject> all;
    std::set<std::pair<nanoseconds, TransactionObject*>> model;
    Deadlines deadlines;
    nanoseconds now{0};
    const auto remove = [&](TransactionObject& one) {
      deadlines.remove(one);
      model.erase({*one.deadline, &one});
      one.deadline.reset();
    };
    for (int step = 0; step < 3000; ++step) {
      TransactionObject& one = all.emplace_back(Uuid::generate(), TransactionState::kActive);
      // Also in the past.
      const auto ahead = static_cast<std::int64_t>(random() >> (64 - bits));
      one.deadline = nanoseconds(std::max<std::int64_t>(0, now.count() / 2 + ahead / 2));
      if (random() % 64 == 0) one.deadline = nanoseconds::max();
      deadlines.add(one);
      model.emplace(*one.deadline, &one);
      TransactionObject& other = all[random() % all.size()];
      if (random() % 2 == 0 && other.deadline) remove(other);
      if (random() % 8 == 0) now += nanoseconds(static_cast<std::int64_t>(random() >> (67 - bits)));
      if (random() % 4 != 0) continue;
      const auto next = deadlines.next();
      ASSERT_EQ(next.has_value(), !model.empty());
      if (next && *next > now) {
        ASSERT_LE(*next, model.begin()->first);
      }
      const std::vector<TransactionObject*> due = deadlines.due(now);
      std::vector<nanoseconds> found, expected;
      for (const TransactionObject* it : due) found.push_back(*it->deadline);
      for (const auto& [at, it] : model) {
        if (at <= now) expected.push_back(at);
      }
      ASSERT_EQ(found, expected) << step;
      for (TransactionObject* it : due) remove(*it);
      if (const auto later = deadlines.next()) {
        ASSERT_GT(*later, now) << "no end of waking up";
      }
    }
  }
}

}  // namespace
}  // namespace cairn::tm
