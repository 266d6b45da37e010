// The ledger's allowance: what it lets in without reckoning is what reckoning would let in.
#include <memory>

#include <gtest/gtest.h>

#include <cairn/sim/random.h>

#include "append/space_ledger.h"

namespace cairn::log_test {
namespace {

using log::SpaceClass;
using log::SpaceDemand;
using log::SpaceLedger;
using log::SpaceVerdict;

constexpr std::uint64_t kContainer = std::uint64_t{1} << 20;

class Allowance : public testing::Test {
 protected:
  // A log of its own each time, with records and policies as they come.
  void begin(std::uint64_t seed) {
    random_ = std::make_unique<sim::Random>(seed);
    geometry_.container_size = kContainer;
    geometry_.block_size = 65536;
    geometry_.alignment = 4096;
    log::Policies policies;
    if (random_->below(3) > 0) policies.max_size = (4 + random_->below(8)) * kContainer;
    if (random_->below(2) > 0)
      policies.low_space_percent = 10 + static_cast<std::uint32_t>(random_->below(50));
    if (random_->below(2) > 0) policies.growth = 0;  // then what exists is the limit
    ledger_ = std::make_unique<SpaceLedger>(geometry_, policies);
    ledger_->begin(3, 2, 7);
    stock_ = {.number = 7, .room = kContainer - 8192};
    ledger_->set_catalog(2, 10, 0);
  }
  [[nodiscard]] SpaceDemand ordinary() {
    SpaceDemand demand;
    demand.bytes = ledger_->charge(random_->below(random_->below(4) == 0 ? 60000 : 500));
    return demand;
  }
  // What the log does when a record was let in: it goes on in this container, or in the next one.
  void take(std::uint64_t bytes) {
    const std::uint64_t used = bytes / (1 + random_->below(3));  // blocks may be shared
    if (stock_.room > used + 70000) {
      stock_.room -= used;
    } else if (ledger_->free_containers(stock_.number) > 0) {
      ++stock_.number;
      stock_.room = kContainer - 8192;
      stock_.snapshot_due = random_->below(2) > 0;
    }
  }
  // Something else that happens in a log.
  void happen() {
    switch (random_->below(9)) {
      case 0:
        return ledger_->reserve(1, 1, 3, 5000 + random_->below(100000));
      case 1:
        if (ledger_->total().reservations > 0) ledger_->release(1, 1, 3, 5000);
        return;
      case 2:
        if (ledger_->growing() || !ledger_->may_grow()) return;
        ledger_->begin_growth();
        return ledger_->end_growth(
            random_->below(4) > 0 ? Status() : Status(StatusCode::kNoSpace, "no space"));
      case 3:
        return ledger_->recycled(random_->below(2), 0);
      case 4:
        return ledger_->stream_created(20);
      case 5:
        return ledger_->set_gaps(random_->below(2000));
      case 6: {
        SpaceDemand restart;
        restart.who = SpaceClass::kRestart;
        restart.stream = 1;
        restart.bytes = ledger_->charge(3000);
        if (ledger_->ask(restart, stock_) == SpaceVerdict::kGranted)
          ledger_->granted(restart, stock_);
        return;
      }
      case 7:
        if (ledger_->removable(stock_) > 0) ledger_->begin_removal(1);
        return;
      default:
        stock_.snapshot_due = false;
    }
  }

  std::unique_ptr<sim::Random> random_;
  log::format::LogGeometry geometry_;
  std::unique_ptr<SpaceLedger> ledger_;
  SpaceLedger::Stock stock_;
};

TEST_F(Allowance, LetsInWhatReckoningWouldLetInAndNothingElseWouldFollow) {
  std::uint64_t taken = 0;
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    begin(seed);
    for (int step = 0; step < 400; ++step) {
      if (random_->below(30) == 0) happen();
      const SpaceDemand demand = ordinary();
      const SpaceVerdict verdict = ledger_->ask(demand, stock_);
      const bool low = ledger_->is_low(stock_);
      if (ledger_->take_allowance(demand, stock_.number)) {
        ++taken;
        ASSERT_EQ(verdict, SpaceVerdict::kGranted) << "seed " << seed << ", step " << step;
        ASSERT_FALSE(ledger_->wants_growth(stock_.number)) << "seed " << seed << ", step " << step;
        ASSERT_FALSE(low) << "seed " << seed << ", step " << step;
        take(demand.bytes);
      } else if (verdict == SpaceVerdict::kGranted) {
        ledger_->granted(demand, stock_);
        ledger_->allow(demand, stock_);
        take(demand.bytes);
      }
    }
  }
  EXPECT_GT(taken, 10000U);
}

TEST_F(Allowance, IsForOrdinaryRecordsOnly) {
  begin(1);
  ledger_->set_policies({});
  ledger_->end_growth(Status());
  const SpaceDemand first = ordinary();
  ASSERT_EQ(ledger_->ask(first, stock_), SpaceVerdict::kGranted);
  ledger_->granted(first, stock_);
  ledger_->allow(first, stock_);
  SpaceDemand demand = first;
  EXPECT_TRUE(ledger_->take_allowance(demand, stock_.number));
  EXPECT_FALSE(ledger_->take_allowance(demand, stock_.number + 1)) << "of another container";
  demand.who = SpaceClass::kRestart;
  EXPECT_FALSE(ledger_->take_allowance(demand, stock_.number));
  demand = first;
  demand.streams = 1;
  EXPECT_FALSE(ledger_->take_allowance(demand, stock_.number));
  demand = first;
  demand.bytes = kContainer * 4;
  EXPECT_FALSE(ledger_->take_allowance(demand, stock_.number)) << "more than is left";
}

}  // namespace
}  // namespace cairn::log_test
