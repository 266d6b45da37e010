// Two stores under one manager lose power at every single I/O of their work: both end alike, and
// what was acknowledged is there.
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "examples/machine.h"
#include "kv/kv_store.h"
#include "sim/test_budget.h"

namespace cairn::examples {
namespace {

constexpr int kTransfers = 4;
constexpr int kOpening = 100;

class TwoStores {
 public:
  // Errors are the crash's; what was acknowledged before is counted.
  Status open() {
    CAIRN_RETURN_IF_ERROR(machine.start());
    for (std::size_t i = 0; i < stores.size(); ++i) {
      const KvOptions options{.id = ids[i], .stream = names[i], .snapshot_bytes = 600};
      CAIRN_ASSIGN_OR_RETURN(stores[i], KvStore::open(machine.log(), machine.tm(), options));
    }
    return Status::ok();
  }
  void close() {
    for (auto& store : stores) store.reset();
    machine.stop();
  }
  // Moves 1 from the first store to the second; both keep the number of the transfer. Acknowledged
  // as soon as it is decided; a store that lost its disk can no longer complete it.
  Status transfer(int number) {
    CAIRN_ASSIGN_OR_RETURN(tm::Transaction transaction, machine.tm().create_transaction());
    for (std::size_t i = 0; i < stores.size(); ++i) {
      const int sum = i == 0 ? kOpening - number : kOpening + number;
      CAIRN_RETURN_IF_ERROR(stores[i]->put(transaction, "sum", std::to_string(sum)));
      CAIRN_RETURN_IF_ERROR(stores[i]->put(transaction, "number", std::to_string(number)));
    }
    CAIRN_RETURN_IF_ERROR(transaction.commit(tm::WaitFor::kDecided));
    acknowledged = number;
    return transaction.wait(tm::WaitFor::kCompleted, std::chrono::milliseconds(200));
  }
  void work() {
    for (int number = 1; number <= kTransfers; ++number) {
      if (!transfer(number)) return;
    }
  }
  int number(std::size_t store) const {
    return std::stoi(stores[store]->read("number").value_or("0"));
  }
  int sum(std::size_t store) const {
    return std::stoi(stores[store]->read("sum").value_or(std::to_string(kOpening)));
  }

  Machine machine;
  std::vector<std::unique_ptr<KvStore>> stores{2};
  const std::vector<Uuid> ids{Uuid::generate(), Uuid::generate()};
  const std::vector<std::string> names{"first", "second"};
  int acknowledged = 0;
};

struct Seen {
  bool crashed = false;
  std::size_t committed = 0;
  std::size_t aborted = 0;
  std::size_t redelivered = 0;
};

// Loses power at the I/O `at` of the work, and looks at what is left after the next start.
Seen crash_and_recover(std::uint64_t at, const sim::CrashChoice& choice) {
  TwoStores two;
  EXPECT_TRUE(two.open());
  two.machine.storage().crash_at(two.machine.storage().io_count() + at);
  two.work();
  Seen seen{.crashed = two.machine.storage().crashed()};
  two.machine.cut_power(choice, at);
  two.close();
  two.machine.boot();
  const Status opened = two.open();
  EXPECT_TRUE(opened) << opened.to_string();
  if (!opened) return seen;
  EXPECT_EQ(two.number(0), two.number(1));
  EXPECT_EQ(two.sum(0) + two.sum(1), 2 * kOpening);
  EXPECT_GE(two.number(0), two.acknowledged);
  EXPECT_LE(two.number(0), two.acknowledged + 1);
  for (const auto& store : two.stores) {
    seen.committed += store->recovery().committed.size();
    seen.aborted += store->recovery().aborted.size();
    seen.redelivered += store->recovery().redelivered.size();
  }
  EXPECT_TRUE(two.transfer(two.number(0) + 1));
  two.close();
  return seen;
}

void sweep(const std::function<sim::CrashChoice(std::uint64_t)>& choice) {
  Seen all;
  for (std::uint64_t at = 1;; at += sim::sweep_stride(2)) {
    SCOPED_TRACE("crash at I/O " + std::to_string(at));
    const Seen seen = crash_and_recover(at, choice(at));
    all.committed += seen.committed;
    all.aborted += seen.aborted;
    all.redelivered += seen.redelivered;
    if (!seen.crashed || testing::Test::HasFailure()) break;
  }
  // The sweep met each kind of unfinished work, so it proves something about each.
  EXPECT_GT(all.committed, 0U);
  EXPECT_GT(all.aborted, 0U);
  EXPECT_GT(all.redelivered, 0U);
}

TEST(KvCrash, NothingUnflushedSurvives) {
  sweep([](std::uint64_t) { return sim::survive_none(); });
}

TEST(KvCrash, EverythingSurvives) {
  sweep([](std::uint64_t) { return sim::survive_all(); });
}

TEST(KvCrash, ChanceDecidesWhatSurvives) {
  sweep([](std::uint64_t at) { return sim::survive_random(at); });
}

}  // namespace
}  // namespace cairn::examples
